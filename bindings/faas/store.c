/* SPDX-License-Identifier: Apache-2.0
 * Objects, by ai-fetch (fetcher.c). Results of events go to the place that --results names, under
 * bucket, key and version. */
#include "store.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_MS = 2000, DEFAULT_MS = 60000, MOST_LINE = 65534 }; /* ai-fetch reads no longer one */

struct ai_store {
    ai_fetcher *fetcher;
    const char *results; /* NULL: nowhere */
};

ai_store *ai_store_open(const char *results)
{
    ai_store *s = calloc(1, sizeof *s);
    if (!s || (s->fetcher = ai_fetcher_open()) == NULL) {
        free(s);
        return NULL;
    }
    s->results = results && *results ? results : NULL;
    return s;
}

void ai_store_close(ai_store *s)
{
    if (s)
        ai_fetcher_close(s->fetcher);
    free(s);
}

void ai_store_rest(ai_store *s)
{
    ai_fetcher_rest(s->fetcher);
}

void ai_store_stop(ai_store *s)
{
    ai_fetcher_stop(s->fetcher);
}

/* ---- A job ---- */

static void set_text(json_t *json, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(json, name, json_string(text));
}

static ai_status tell(ai_error *err, ai_status code, const char *text)
{
    *err = (ai_error){.code = code, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    snprintf(err->message, sizeof err->message, "%s", text);
    return code;
}

/* Credentials that came with the request. */
static void set_keys(json_t *json, const ai_store_caller *caller)
{
    if (!caller)
        return;
    set_text(json, "oss_key", caller->key);
    set_text(json, "oss_secret", caller->secret);
    set_text(json, "oss_token", caller->token);
}

/* Finishes the job's line, runs it and frees `json`. */
static ai_status run_job(ai_store *s, ai_fetch_reply *r, ai_fetch_job *j, json_t *json,
                         uint64_t timeout_ns, uint32_t *status, ai_error *err)
{
    uint64_t ms = timeout_ns ? timeout_ns / 1000000 + 1 : DEFAULT_MS;
    j->end_ns = ai_now() + (ms + GRACE_MS) * 1000000;
    json_object_set_new(json, "timeout_ms", json_integer((json_int_t)ms));
    char *text = json_dumps(json, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0;
    json_decref(json);
    char *line = text && length <= MOST_LINE ? realloc(text, length + 2) : NULL;
    *r = (ai_fetch_reply){0};
    if (length > MOST_LINE) {
        free(text);
        *status = 400;
        return tell(err, AI_E_VALUE, "the name of an object is longer than any store takes");
    }
    if (!line) {
        free(text);
        return tell(err, AI_E_MEMORY, "no memory for the name of an object, or it is no UTF-8");
    }
    memcpy(line + length, "\n", 2);
    j->line = line;
    ai_fetcher_run(s->fetcher, r, j);
    free(line);
    if (!r->message[0])
        return AI_OK;
    *status = r->status;
    if (ai_fetcher_is_stopped(s->fetcher))
        return tell(err, AI_E_STOPPED, "it was stopped");
    return tell(err, r->status == 504 ? AI_E_TIMEOUT : AI_E_IO, r->message);
}

static json_t *describe(const ai_object *o)
{
    json_t *json = json_object();
    set_text(json, "url", o->url);
    set_text(json, "store", o->store);
    set_text(json, "bucket", o->bucket);
    set_text(json, "key", o->key);
    set_text(json, "raw_key", o->raw_key);
    set_text(json, "region", o->region);
    set_text(json, "version", o->version);
    return json;
}

static bool lies_at(const ai_object *o, const char *key, const char *place)
{
    char name[1200];
    return key && snprintf(name, sizeof name, "%s/%s", o->bucket, key) > 0 &&
           strncmp(name, place, strlen(place)) == 0;
}

/* Whether the object lies where results go: else each result would be an event, without end. */
static bool is_result(const ai_store *s, const ai_object *o)
{
    const char *rest = s->results ? strstr(s->results, "://") : NULL;
    return rest && o->bucket && (lies_at(o, o->key, rest + 3) || lies_at(o, o->raw_key, rest + 3));
}

static ai_status fetch(ai_store *s, const ai_store_caller *caller, const ai_object *object,
                       size_t most, uint64_t timeout_ns, void **data, size_t *bytes,
                       uint32_t *status, ai_error *err)
{
    ai_fetch_job j = {.most = most};
    ai_fetch_reply r;
    if (is_result(s, object))
        return tell(err, AI_E_STOPPED, "the object lies where results go");
    json_t *json = describe(object);
    set_keys(json, caller);
    json_object_set_new(json, "most", json_integer((json_int_t)most));
    ai_status code = run_job(s, &r, &j, json, timeout_ns, status, err);
    if (code != AI_OK) {
        free(r.data);
        return code;
    }
    *data = r.data;
    *bytes = r.bytes;
    return AI_OK;
}

ai_status ai_store_fetch(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                         void **data, size_t *bytes, uint32_t *status, ai_error *err)
{
    return fetch(user, NULL, object, most, timeout_ns, data, bytes, status, err);
}

ai_status ai_store_fetch_as(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                            void **data, size_t *bytes, uint32_t *status, ai_error *err)
{
    const ai_store_caller *caller = user;
    return fetch(caller->store, caller, object, most, timeout_ns, data, bytes, status, err);
}

ai_status ai_store_fetch_newer(ai_store *s, const char *url, char etag[AI_ETAG_BYTES], size_t most,
                               void **data, size_t *bytes, ai_error *err)
{
    enum { NOT_MODIFIED = 304 };
    ai_fetch_job j = {.most = most};
    ai_fetch_reply r;
    uint32_t status;
    json_t *json = json_object();
    set_text(json, "url", url);
    set_text(json, "etag", etag);
    json_object_set_new(json, "ours", json_true());
    json_object_set_new(json, "most", json_integer((json_int_t)most));
    ai_status code = run_job(s, &r, &j, json, 0, &status, err);
    if (code != AI_OK || r.status == NOT_MODIFIED) {
        free(r.data);
        return code;
    }
    memcpy(etag, r.etag, sizeof r.etag);
    *data = r.data;
    *bytes = r.bytes;
    return AI_OK;
}

/* ---- Results ---- */

/* BUCKET/KEY.VERSION.json behind the place's prefix. */
static bool name_result(char name[2048], const ai_object *o)
{
    const char *version = o->version && *o->version ? o->version : o->etag;
    int used = o->bucket && o->key
                   ? snprintf(name, 2048, "%s/%s%s%s.json", o->bucket, o->key,
                              version && *version ? "." : "", version ? version : "")
                   : 0;
    for (char *c = name; used > 0 && *c; c++) /* an ETag has quotes */
        *c = *c == '"' ? '_' : *c;
    return used > 0 && used < 2048;
}

static ai_status put_result(ai_store *s, const ai_store_caller *caller, const ai_object *object,
                            const char *answer, size_t bytes, uint64_t timeout_ns, uint32_t *status,
                            ai_error *err)
{
    ai_fetch_job j = {.body = answer, .body_bytes = bytes};
    ai_fetch_reply r;
    char name[2048];
    if (!s->results || is_result(s, object) || !name_result(name, object))
        return AI_OK;
    json_t *json = json_object();
    set_text(json, "method", "PUT");
    set_text(json, "results", s->results);
    set_text(json, "key", name);
    set_text(json, "type", "application/json");
    set_keys(json, caller);
    json_object_set_new(json, "bytes", json_integer((json_int_t)bytes));
    ai_status code = run_job(s, &r, &j, json, timeout_ns, status, err);
    free(r.data);
    if (code != AI_OK && *status == 409) /* a database that has it: the event came twice */
        return AI_OK;
    if (code != AI_OK)
        *status = 502;
    return code;
}

ai_status ai_store_result(void *user, const ai_object *object, const char *answer, size_t bytes,
                          uint64_t timeout_ns, uint32_t *status, ai_error *err)
{
    return put_result(user, NULL, object, answer, bytes, timeout_ns, status, err);
}

ai_status ai_store_result_as(void *user, const ai_object *object, const char *answer, size_t bytes,
                             uint64_t timeout_ns, uint32_t *status, ai_error *err)
{
    const ai_store_caller *caller = user;
    return put_result(caller->store, caller, object, answer, bytes, timeout_ns, status, err);
}
