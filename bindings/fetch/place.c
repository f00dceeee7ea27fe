/* SPDX-License-Identifier: Apache-2.0
 * Where an object lies: the URL of a job, and who signs for it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"

const char *fetch_setting(const char *name, const char *other)
{
    const char *value = getenv(name);
    if ((!value || !*value) && other)
        value = getenv(other);
    return value && *value ? value : NULL;
}

void fetch_say(fetch_result *result, long status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(result->message, sizeof result->message, format, list);
    va_end(list);
    result->status = status;
}

/* Every byte but RFC 3986's unreserved ones and '/' becomes %XX. */
static bool escape(char *out, size_t bytes, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    size_t at = 0;
    for (; *text; text++) {
        bool is_plain = strchr(plain, *text) != NULL;
        if (at + (is_plain ? 2 : 4) > bytes)
            return false;
        if (is_plain)
            out[at++] = *text;
        else
            at += (size_t)snprintf(out + at, 4, "%%%02X", (unsigned char)*text);
    }
    out[at] = 0;
    return true;
}

/* Names come from events: letters, digits, '-', '.' and '_' cannot lead to another host or path. */
static bool is_host_name(const char *text, size_t most)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t length = strlen(text);
    return length > 0 && length <= most && strspn(text, plain) == length && text[0] != '.' &&
           text[0] != '-' && !strstr(text, "..");
}

static bool is_path_safe(const char *key)
{
    for (const char *part = key; part; part = strchr(part, '/')) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        if ((length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
    }
    return true;
}

/* An endpoint may be https://host[:port] or a bare host. */
static void split_endpoint(const char *endpoint, const char **scheme, const char **host,
                           int *length)
{
    *scheme = strncmp(endpoint, "http://", 7) == 0 ? "http://" : "https://";
    *host = strstr(endpoint, "://") ? strstr(endpoint, "://") + 3 : endpoint;
    *length = (int)strlen(*host);
    while (*length > 0 && (*host)[*length - 1] == '/')
        (*length)--;
}

static bool finish(fetch_place *place, int used, fetch_result *result)
{
    if (used > 0 && (size_t)used < sizeof place->url)
        return true;
    fetch_say(result, 400, "the name of object '%.100s...' is too long", place->name);
    return false;
}

static bool find_s3(fetch_place *place, const char *bucket, const char *key, fetch_result *result)
{
    const char *endpoint = fetch_setting("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    const char *mark = place->query[0] ? "?" : "";
    int used;
    place->auth = fetch_setting("AWS_ACCESS_KEY_ID", NULL) ? FETCH_AUTH_S3 : FETCH_AUTH_NONE;
    if (endpoint) {
        const char *scheme;
        const char *host;
        int length;
        split_endpoint(endpoint, &scheme, &host, &length);
        place->is_ours = true;
        used = snprintf(place->url, sizeof place->url, "%s%.*s/%s/%s%s%s", scheme, length, host,
                        bucket, key, mark, place->query);
    } else if (strchr(bucket, '.')) { /* a certificate's '*' does not cover a dot */
        used = snprintf(place->url, sizeof place->url, "https://s3.%s.amazonaws.com/%s/%s%s%s",
                        place->region, bucket, key, mark, place->query);
    } else {
        used = snprintf(place->url, sizeof place->url, "https://%s.s3.%s.amazonaws.com/%s%s%s",
                        bucket, place->region, key, mark, place->query);
    }
    return finish(place, used, result);
}

/* The bucket is part of the host's name, unless the endpoint is a numeric address (a test's). */
static bool find_oss(fetch_place *place, const fetch_job *job, const char *bucket, const char *key,
                     fetch_result *result)
{
    const char *endpoint = fetch_setting("AI_OSS_ENDPOINT", NULL);
    const char *mark = place->query[0] ? "?" : "";
    char public[128];
    const char *scheme;
    const char *host;
    int length;
    place->auth = fetch_oss_key(job) ? FETCH_AUTH_OSS : FETCH_AUTH_NONE;
    place->is_ours = true; /* inside a region the store has a private address */
    if (!endpoint) {
        const char *here = fetch_setting("FC_REGION", NULL);
        snprintf(public, sizeof public, "https://oss-%s%s.aliyuncs.com", place->region,
                 here && strcmp(here, place->region) == 0 ? "-internal" : "");
        endpoint = public;
    }
    split_endpoint(endpoint, &scheme, &host, &length);
    bool is_number = strspn(host, "0123456789.:") >= (size_t)length;
    if (snprintf(place->resource, sizeof place->resource, "/%s/%s", bucket, key) >=
        (int)sizeof place->resource)
        return finish(place, 0, result);
    int used = is_number ? snprintf(place->url, sizeof place->url, "%s%.*s/%s/%s%s%s", scheme,
                                    length, host, bucket, key, mark, place->query)
                         : snprintf(place->url, sizeof place->url, "%s%s.%.*s/%s%s%s", scheme,
                                    bucket, length, host, key, mark, place->query);
    return finish(place, used, result);
}

/* One segment of a URL's path: '/' is escaped too. */
static bool escape_segment(char *out, size_t bytes, const char *text)
{
    char whole[FETCH_URL_BYTES];
    size_t at = 0;
    if (!escape(whole, sizeof whole, text))
        return false;
    for (const char *c = whole; *c; c++) {
        int used = snprintf(out + at, bytes - at, *c == '/' ? "%%2F" : "%c", *c);
        at += (size_t)used;
        if (at >= bytes)
            return false;
    }
    return true;
}

/* What may stand in a message: no user and password, no query (signed URLs have secrets there). */
static void name_url(fetch_place *place, const char *url)
{
    const char *host = strstr(url, "://") + 3;
    size_t authority = strcspn(host, "/?#");
    for (size_t i = authority; i > 0; i--)
        if (host[i - 1] == '@') {
            host += i;
            break;
        }
    int rest = (int)strcspn(host, "?#");
    snprintf(place->name, sizeof place->name, "%s%.*s",
             strncmp(url, "https", 5) ? "http://" : "https://", rest > 400 ? 400 : rest, host);
}

static bool is_web(const char *url)
{
    return url && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0);
}

/* A document's attachment, of AI_COUCHDB_URL (with user and password) or the database named there.
 */
static bool find_document(fetch_place *place, const fetch_job *job, fetch_result *result)
{
    const char *server = fetch_setting("AI_COUCHDB_URL", NULL);
    const char *attachment = fetch_setting("AI_COUCHDB_ATTACHMENT", NULL);
    char id[FETCH_URL_BYTES];
    if (job->key && !is_path_safe(job->key)) {
        fetch_say(result, 400, "'%.200s' is no document's id", job->key);
        return false;
    }
    if (!is_web(server) || !job->key || !escape_segment(id, sizeof id, job->key) ||
        (job->bucket && !is_host_name(job->bucket, 200))) {
        fetch_say(result, 400,
                  "a change of a document came, AI_COUCHDB_URL needs the URL of its "
                  "database");
        return false;
    }
    place->is_ours = true;
    int used =
        snprintf(place->url, sizeof place->url, "%s%s%s/%s/%s", server, job->bucket ? "/" : "",
                 job->bucket ? job->bucket : "", id, attachment ? attachment : "image");
    name_url(place, place->url);
    return finish(place, used, result);
}

/* "oss-cn-x" of an event is the region "cn-x". */
static void set_region(fetch_place *place, const fetch_job *job, bool is_oss)
{
    const char *region = job->region && *job->region ? job->region
                         : is_oss                    ? fetch_setting("AI_OSS_REGION", "FC_REGION")
                                  : fetch_setting("AWS_REGION", "AWS_DEFAULT_REGION");
    if (!region)
        region = is_oss ? "cn-hangzhou" : "us-east-1";
    if (is_oss && strncmp(region, "oss-", 4) == 0)
        region += 4;
    snprintf(place->region, sizeof place->region, "%s", region);
}

static bool find_object(fetch_place *place, const fetch_job *job, bool is_oss, const char *bucket,
                        const char *key, fetch_result *result)
{
    char escaped[FETCH_URL_BYTES];
    char version[384];
    snprintf(place->name, sizeof place->name, "%s://%.80s/%.400s", is_oss ? "oss" : "s3", bucket,
             key);
    set_region(place, job, is_oss);
    if (!is_host_name(bucket, 63) || !is_host_name(place->region, 40)) {
        fetch_say(result, 400, "'%.80s' is no name of a bucket, or '%.40s' none of a region",
                  bucket, place->region);
        return false;
    }
    if (!*key || !is_path_safe(key) || !escape(escaped, sizeof escaped, key)) {
        fetch_say(result, 400, "'%.200s' is no key: empty, too long, or with '.' or '..' as a part",
                  key);
        return false;
    }
    if (job->version && *job->version && strcmp(job->version, "null") != 0) {
        if (!escape(version, sizeof version, job->version) || strchr(version, '/')) {
            fetch_say(result, 400, "'%.100s' is no version of an object", job->version);
            return false;
        }
        snprintf(place->query, sizeof place->query, "versionId=%s", version);
    }
    return is_oss ? find_oss(place, job, bucket, escaped, result)
                  : find_s3(place, bucket, escaped, result);
}

static bool find_url(fetch_place *place, const fetch_job *job, fetch_result *result)
{
    const char *url = job->url;
    bool is_oss = strncmp(url, "oss://", 6) == 0;
    if (is_oss || strncmp(url, "s3://", 5) == 0) {
        char bucket[64];
        const char *begin = url + (is_oss ? 6 : 5);
        size_t length = strcspn(begin, "/");
        if (length == 0 || length >= sizeof bucket || begin[length] != '/') {
            fetch_say(result, 400, "'%.100s' is no URL of an object, %s://BUCKET/KEY is needed",
                      url, is_oss ? "oss" : "s3");
            return false;
        }
        snprintf(bucket, sizeof bucket, "%.*s", (int)length, begin);
        return find_object(place, job, is_oss, bucket, begin + length + 1, result);
    }
    if (!is_web(url)) {
        fetch_say(result, 400, "URL begins '%.12s': http, https, s3 and oss can be fetched", url);
        return false;
    }
    name_url(place, url);
    place->is_ours |= job->is_ours;
    return finish(place, snprintf(place->url, sizeof place->url, "%s", url), result);
}

/* Behind s3://BUCKET/PREFIX as it is, behind a database's URL as the name of a document. */
static bool find_result(fetch_place *place, const fetch_job *job, fetch_result *result)
{
    char url[FETCH_URL_BYTES];
    char key[FETCH_URL_BYTES];
    bool is_database = is_web(job->results);
    fetch_job inner = *job; /* with its credentials */
    const char *slash = job->results[strlen(job->results) - 1] == '/' ? "" : "/";
    if (!job->key || (is_database && !escape_segment(key, sizeof key, job->key)) ||
        snprintf(url, sizeof url, "%s%s%s", job->results, is_database ? slash : "",
                 is_database ? key : job->key) >= (int)sizeof url) {
        fetch_say(result, 400, "the name of a result is too long");
        return false;
    }
    inner.url = url;
    place->is_ours = true;
    return find_url(place, &inner, result);
}

bool fetch_find(fetch_place *place, const fetch_job *job, bool raw, fetch_result *result)
{
    memset(place, 0, sizeof *place);
    if (job->results)
        return find_result(place, job, result);
    if (job->url)
        return find_url(place, job, result);
    if (job->store && strcmp(job->store, "couchdb") == 0)
        return find_document(place, job, result);
    const char *key = raw ? job->raw_key : job->key;
    if (!job->bucket || !key) {
        fetch_say(result, 400, "neither a url nor bucket and key are given");
        return false;
    }
    bool is_oss = job->store ? strcmp(job->store, "oss") == 0
                             : !fetch_setting("AWS_ACCESS_KEY_ID", "AWS_REGION") &&
                                   (fetch_oss_key(job) || fetch_setting("FC_REGION", NULL));
    return find_object(place, job, is_oss, job->bucket, key, result);
}
