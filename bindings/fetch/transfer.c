/* SPDX-License-Identifier: Apache-2.0
 * One request by libcurl: signed, bounded in time and size, repeated where a store asks for it.
 *
 * A URL comes from a caller, and the function sits inside somebody's network: only public addresses
 * are connected to, so that nobody reads a neighbour or the metadata service through us. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "fetch.h"

enum { ATTEMPTS = 4, FIRST_PAUSE_MS = 50, REDIRECTS = 3, CONNECT_MS = 5000 };

static CURL *curl; /* kept: so are its connections */
static const char *trusted;

typedef struct exchange {
    fetch_result *result;
    const fetch_job *job;
    size_t sent;
    size_t room;
    bool is_too_large;
    bool is_private;
} exchange;

void fetch_transfer_begin(const char *certificates)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    trusted = certificates;
}

void fetch_transfer_end(void)
{
    curl_easy_cleanup(curl);
    curl_global_cleanup();
}

/* ---- What libcurl calls ---- */

static size_t take(char *data, size_t one, size_t count, void *user)
{
    exchange *x = user;
    fetch_result *r = x->result;
    size_t bytes = one * count;
    if (bytes > r->most - r->bytes) {
        x->is_too_large = true;
        return 0;
    }
    if (r->bytes + bytes > x->room) {
        size_t room = 2 * x->room > r->bytes + bytes ? 2 * x->room : r->bytes + bytes + 65536;
        char *grown = realloc(r->data, room);
        if (!grown)
            return 0;
        r->data = grown;
        x->room = room;
    }
    memcpy(r->data + r->bytes, data, bytes);
    r->bytes += bytes;
    return bytes;
}

static size_t give(char *to, size_t one, size_t count, void *user)
{
    exchange *x = user;
    size_t rest = x->job->bytes - x->sent;
    size_t bytes = rest < one * count ? rest : one * count;
    memcpy(to, (const char *)x->job->body + x->sent, bytes);
    x->sent += bytes;
    return bytes;
}

static int rewind_body(void *user, curl_off_t offset, int origin)
{
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > ((exchange *)user)->job->bytes)
        return CURL_SEEKFUNC_FAIL;
    ((exchange *)user)->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t take_header(char *line, size_t one, size_t count, void *user)
{
    fetch_result *r = ((exchange *)user)->result;
    size_t bytes = one * count;
    if (bytes > 5 && strncasecmp(line, "etag:", 5) == 0) {
        size_t end = bytes;
        size_t at = 5;
        while (end > at && strchr(" \r\n", line[end - 1]))
            end--;
        while (at < end && line[at] == ' ')
            at++;
        snprintf(r->etag, sizeof r->etag, "%.*s", (int)(end - at), line + at);
    }
    return bytes;
}

/* Loopback, private, link-local, shared, multicast and reserved ranges (RFC 6890). */
static bool is_public_4(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } reserved[] = {{0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},
                    {0xA9FE0000, 16}, {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16},
                    {0xC6120000, 15}, {0xE0000000, 3}};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if ((a ^ reserved[i].net) >> (32 - reserved[i].bits) == 0)
            return false;
    return true;
}

static bool is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_public_4(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(a)) {
        uint32_t last;
        memcpy(&last, a->s6_addr + 12, sizeof last);
        return is_public_4(ntohl(last));
    }
    return (a->s6_addr[0] & 0xE0) == 0x20 && /* global unicast, without tunnels to IPv4 */
           !(a->s6_addr[0] == 0x20 && a->s6_addr[1] == 0x02) &&
           !(a->s6_addr[0] == 0x20 && a->s6_addr[1] == 0x01 && a->s6_addr[2] == 0);
}

static curl_socket_t open_public(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    if (!is_public(&address->addr)) {
        ((exchange *)user)->is_private = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Before each request: a kept connection, which a store of ours may have been asked over, is opened
 * for nobody and so not seen above. */
static int check_public(void *user, char *address, char *own, int port, int own_port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    (void)own;
    (void)port;
    (void)own_port;
    if ((inet_pton(AF_INET, address, &v4.sin_addr) == 1 && is_public((struct sockaddr *)&v4)) ||
        (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1 && is_public((struct sockaddr *)&v6)))
        return CURL_PREREQFUNC_OK;
    ((exchange *)user)->is_private = true;
    return CURL_PREREQFUNC_ABORT;
}

/* ---- A request ---- */

static void add_header(struct curl_slist **list, const char *format, const char *value)
{
    char line[FETCH_URL_BYTES];
    struct curl_slist *longer = NULL;
    if (snprintf(line, sizeof line, format, value) < (int)sizeof line &&
        strcspn(line, "\r\n") == strlen(line))
        longer = curl_slist_append(*list, line);
    *list = longer ? longer : *list;
}

static void sign_s3(struct curl_slist **headers, const fetch_place *place)
{
    char text[512];
    const char *token = fetch_setting("AWS_SESSION_TOKEN", NULL);
    const char *secret = fetch_setting("AWS_SECRET_ACCESS_KEY", NULL);
    snprintf(text, sizeof text, "aws:amz:%s:s3", place->region);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, text);
    curl_easy_setopt(curl, CURLOPT_USERNAME, fetch_setting("AWS_ACCESS_KEY_ID", NULL));
    curl_easy_setopt(curl, CURLOPT_PASSWORD, secret ? secret : "");
    add_header(headers, "x-amz-content-sha256: %s", "UNSIGNED-PAYLOAD");
    if (token)
        add_header(headers, "x-amz-security-token: %s", token);
}

static void sign_oss(struct curl_slist **headers, const fetch_place *place, const fetch_job *job)
{
    char date[32];
    char line[1024];
    time_t now = time(NULL);
    struct tm utc;
    const char *token = fetch_oss_token(job);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    add_header(headers, "x-oss-content-sha256: %s", "UNSIGNED-PAYLOAD");
    add_header(headers, "x-oss-date: %s", date);
    if (token)
        add_header(headers, "x-oss-security-token: %s", token);
    if (fetch_sign_oss(line, sizeof line, place, job, date, token))
        add_header(headers, "%s", line);
}

static void set_up(exchange *x, const fetch_place *place, struct curl_slist **headers, long left_ms)
{
    const fetch_job *job = x->job;
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, place->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "libai-fetch");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     left_ms < CONNECT_MS ? left_ms : (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)job->most);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (trusted)
        curl_easy_setopt(curl, CURLOPT_CAINFO, trusted);
    if (!place->is_ours && place->auth == FETCH_AUTH_NONE &&
        !fetch_setting("AI_FETCH_PRIVATE", NULL)) {
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_public);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, x);
        curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, check_public);
        curl_easy_setopt(curl, CURLOPT_PREREQDATA, x);
    }
    if (job->url && place->auth == FETCH_AUTH_NONE) {
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    }
    if (job->is_put) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
        curl_easy_setopt(curl, CURLOPT_READDATA, x);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, rewind_body);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)job->bytes);
        add_header(headers, "Content-Type: %s", job->type ? job->type : "application/octet-stream");
    } else if (job->etag) {
        add_header(headers, "If-None-Match: %s", job->etag);
    }
    if (place->auth == FETCH_AUTH_S3)
        sign_s3(headers, place);
    else if (place->auth == FETCH_AUTH_OSS)
        sign_oss(headers, place, job);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
}

static void tell_failure(exchange *x, const fetch_place *place, CURLcode code)
{
    fetch_result *r = x->result;
    if (x->is_private)
        fetch_say(r, 403, "'%s' has an address that is not public; AI_FETCH_PRIVATE=1 allows it",
                  place->name);
    else if (x->is_too_large || code == CURLE_FILESIZE_EXCEEDED)
        fetch_say(r, 413, "object '%s' has more than %zu bytes", place->name, r->most);
    else if (code == CURLE_OPERATION_TIMEDOUT)
        fetch_say(r, 504, "object '%s' did not come in time", place->name);
    else if (code == CURLE_PEER_FAILED_VERIFICATION)
        fetch_say(r, 502,
                  "object '%s' cannot be had: the server's certificate is not trusted, or "
                  "another host's",
                  place->name);
    else if (code == CURLE_SSL_CACERT_BADFILE)
        fetch_say(r, 502, "object '%s' cannot be had: the certificates '%.100s' cannot be read",
                  place->name, trusted ? trusted : "of this system");
    else
        fetch_say(r, 502, "object '%s' cannot be had: %s", place->name, curl_easy_strerror(code));
}

static void tell_status(fetch_result *r, const fetch_place *place, const fetch_job *job,
                        long status)
{
    if (status / 100 == 2 || (status == 304 && job->etag)) {
        r->status = status;
        r->message[0] = 0;
    } else if (status == 404) {
        fetch_say(r, 404, "object '%s' is not there", place->name);
    } else if (status == 401 || status == 403) {
        fetch_say(r, 403, "object '%s' is denied to this function's credentials (status %ld)",
                  place->name, status);
    } else {
        fetch_say(r, status / 100 == 4 ? status : 502, "the store of object '%s' answered %ld",
                  place->name, status);
    }
}

/* Whether another attempt may help. */
static bool attempt(fetch_result *r, const fetch_job *job, const fetch_place *place, long left_ms)
{
    exchange x = {.result = r, .job = job};
    struct curl_slist *headers = NULL;
    long status = 0;
    free(r->data);
    *r = (fetch_result){.most = job->most};
    set_up(&x, place, &headers, left_ms);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    if (code == CURLE_OK)
        tell_status(r, place, job, status);
    else
        tell_failure(&x, place, code);
    if (code != CURLE_OK)
        return !x.is_private && !x.is_too_large && code != CURLE_OPERATION_TIMEDOUT &&
               (code == CURLE_COULDNT_CONNECT || code == CURLE_GOT_NOTHING ||
                code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR);
    return status == 429 || (status >= 500 && status != 501 && status != 505);
}

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void transfer_name(fetch_result *r, const fetch_job *job, bool raw)
{
    fetch_place place;
    long end = now_ms() + (job->timeout_ms > 0 ? job->timeout_ms : 60000);
    long pause = FIRST_PAUSE_MS;
    if (!fetch_find(&place, job, raw, r))
        return;
    for (int i = 0; i < ATTEMPTS; i++, pause *= 3) {
        long left = end - now_ms();
        if (left <= 0 || !attempt(r, job, &place, left))
            return;
        long wait = pause / 2 + rand() % pause; /* so that a fleet does not come back at once */
        if (i + 1 == ATTEMPTS || wait > end - now_ms())
            return;
        usleep((useconds_t)wait * 1000);
    }
}

void fetch_transfer(fetch_result *result, const fetch_job *job)
{
    *result = (fetch_result){.most = job->most};
    transfer_name(result, job, false);
    if (result->status == 404 && !job->is_put && !job->url && job->raw_key &&
        strcmp(job->raw_key, job->key) != 0)
        transfer_name(result, job, true);
}
