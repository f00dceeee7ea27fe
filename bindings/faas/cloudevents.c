/* SPDX-License-Identifier: Apache-2.0
 * CloudEvents 1.0 over HTTP: binary, structured and batch. The data is answered as any other body;
 * ai_handle sees the attributes as headers ce-type, ce-source, ... in all three forms. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloudevents.h"
#include "json_read.h"

static const char *const required[] = {"specversion", "id", "source", "type"};
enum { REQUIRED_COUNT = sizeof required / sizeof required[0] };

static bool is_type(const char *type, const char *prefix)
{
    return type && strncasecmp(type, prefix, strlen(prefix)) == 0;
}

/* Own id: the event's with a suffix, so that what is delivered twice gives the same. */
static void reply_attributes(const ai_exchange *x, const char *event_id, bool is_failed,
                             ai_pair reply[REQUIRED_COUNT], char id[160], char source[96])
{
    (void)x;
    snprintf(id, 160, "%.140s-answer", event_id);
    snprintf(source, 96, "/libai/%.80s", *x->used ? x->used : "function");
    reply[0] = (ai_pair){"ce-specversion", "1.0"};
    reply[1] = (ai_pair){"ce-id", id};
    reply[2] = (ai_pair){"ce-source", source};
    reply[3] = (ai_pair){"ce-type", is_failed ? "dev.libai.fault.v1" : "dev.libai.answer.v1"};
}

static void answer_data(ai_worker *w, ai_exchange *x, const ai_request *request)
{
    ai_worker_answer(w, x->model, request, &x->answer);
    snprintf(x->used, sizeof x->used, "%s", ai_worker_used(w));
}

/* ---- Binary: attributes are headers, the body is the data ---- */

static void answer_binary(ai_worker *w, ai_exchange *x)
{
    char name[32];
    char id[160];
    char source[96];
    ai_pair reply[REQUIRED_COUNT];
    for (int i = 0; i < REQUIRED_COUNT; i++) {
        snprintf(name, sizeof name, "ce-%s", required[i]);
        if (!ai_exchange_header(x, name)) {
            ai_exchange_fail(x, 400, "Function.BadInput", "event has no '%s'", required[i]);
            return;
        }
    }
    answer_data(w, x, &x->request);
    if (x->answer.fault)
        return;
    reply_attributes(x, ai_exchange_header(x, "ce-id"), false, reply, id, source);
    for (int i = 0; i < REQUIRED_COUNT; i++)
        ai_exchange_reply(x, reply[i].name, reply[i].value);
}

/* ---- Structured: all in one JSON object ---- */

typedef struct event {
    ai_request request;
    ai_pair *headers;
    char *names; /* of the headers: "ce-" and the attribute's */
    void *data;  /* to be freed */
} event;

static bool copy_attributes(event *e, const ai_request *outer, const json_t *json)
{
    const char *name;
    json_t *value;
    size_t room = 1;
    json_object_foreach((json_t *)json, name, value) room += strlen(name) + 4;
    e->names = malloc(room);
    e->headers = malloc((outer->header_count + json_object_size(json) + 1) * sizeof *e->headers);
    if (!e->names || !e->headers)
        return false;
    char *at = e->names;
    size_t count = 0;
    json_object_foreach((json_t *)json, name, value)
    {
        if (!json_is_string(value) || strncmp(name, "data", 4) == 0)
            continue;
        e->headers[count++] = (ai_pair){at, json_string_value(value)};
        at += sprintf(at, "ce-%s", name) + 1;
    }
    for (size_t i = 0; i < outer->header_count; i++)
        e->headers[count + i] = outer->headers[i];
    e->request.headers = e->headers;
    e->request.header_count = count + outer->header_count;
    return true;
}

static ai_status copy_data(event *e, const json_t *json, ai_error *err)
{
    ai_request *r = &e->request;
    const json_t *coded = json_object_get(json, "data_base64");
    const json_t *data = json_object_get(json, "data");
    const json_t *type = json_object_get(json, "datacontenttype");
    r->type = json_is_string(type) ? json_string_value(type) : "application/json";
    r->body = "";
    r->bytes = 0;
    if (json_is_string(coded)) {
        ai_status status = ai_base64_decode(json_string_value(coded), json_string_length(coded),
                                            &e->data, &r->bytes, err);
        r->body = e->data;
        return status;
    }
    if (json_is_string(data) && !is_type(r->type, "application/json")) {
        r->body = json_string_value(data);
        r->bytes = json_string_length(data);
    } else if (data && !json_is_null(data)) {
        e->data = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
        r->body = e->data;
        r->bytes = e->data ? strlen(e->data) : 0;
    }
    return AI_OK;
}

static bool has_attributes(ai_exchange *x, const json_t *json)
{
    for (int i = 0; i < REQUIRED_COUNT; i++) {
        const json_t *value = json_object_get(json, required[i]);
        if (json_string_length(value) == 0) {
            ai_exchange_fail(x, 400, "Function.BadInput", "event has no '%s'", required[i]);
            return false;
        }
    }
    return true;
}

static void answer_event(ai_worker *w, ai_exchange *x, const json_t *json)
{
    event e = {.request = x->request};
    ai_error err = {AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "no memory for an event"};
    if (!has_attributes(x, json))
        return;
    e.request.write = NULL;
    if (!copy_attributes(&e, &x->request, json) || copy_data(&e, json, &err) != AI_OK)
        ai_answer_fail(&x->answer, 0, NULL, &err);
    else
        answer_data(w, x, &e.request);
    free(e.headers);
    free(e.names);
    free(e.data);
}

/* The answer as an event; NULL: no memory. */
static json_t *reply_event(const ai_exchange *x, const json_t *json)
{
    char id[160];
    char source[96];
    ai_pair reply[REQUIRED_COUNT];
    const char *event_id = json_string_value(json_object_get(json, "id"));
    json_t *made = json_object();
    json_t *data = json_loadb(x->answer.body, x->answer.bytes, 0, NULL);
    reply_attributes(x, event_id ? event_id : "none", x->answer.fault != NULL, reply, id, source);
    bool is_made = data != NULL;
    for (int i = 0; i < REQUIRED_COUNT; i++)
        is_made = json_object_set_new(made, reply[i].name + 3, json_string(reply[i].value)) == 0 &&
                  is_made;
    is_made = json_object_set_new(made, "datacontenttype", json_string("application/json")) == 0 &&
              is_made;
    if (json_object_set_new(made, "data", data) == 0 && is_made)
        return made;
    json_decref(made);
    return NULL;
}

/* Drops `reply`; keeps what was measured. */
static void reply_json(ai_exchange *x, const char *type, json_t *reply)
{
    ai_answer before = x->answer;
    x->answer.body = NULL;
    ai_answer_clear(&x->answer);
    char *text = reply ? json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    ai_exchange_text(x, 200, type, text);
    x->answer.ns = before.ns;
    x->answer.cpu_ns = before.cpu_ns;
    x->answer.peak_bytes = before.peak_bytes;
    free(before.body);
    json_decref(reply);
}

static void answer_structured(ai_worker *w, ai_exchange *x, const json_t *json)
{
    answer_event(w, x, json);
    if (!x->answer.fault)
        reply_json(x, "application/cloudevents+json", reply_event(x, json));
}

/* One by one, in order; what goes wrong with one is its own answer. */
static void answer_batch(ai_worker *w, ai_exchange *x, const json_t *json)
{
    uint64_t ns = 0;
    uint64_t cpu_ns = 0;
    json_t *replies = json_array();
    for (size_t i = 0; i < json_array_size(json); i++) {
        ai_answer_clear(&x->answer);
        answer_event(w, x, json_array_get(json, i));
        ns += x->answer.ns;
        cpu_ns += x->answer.cpu_ns;
        if (json_array_append_new(replies, reply_event(x, json_array_get(json, i))) != 0) {
            json_decref(replies);
            replies = NULL;
            break;
        }
    }
    x->answer.ns = ns;
    x->answer.cpu_ns = cpu_ns;
    reply_json(x, "application/cloudevents-batch+json", replies);
}

bool ai_cloudevents_json(ai_worker *w, ai_exchange *x, const json_t *json)
{
    if (json_is_array(json))
        answer_batch(w, x, json);
    else if (json_object_get(json, "specversion"))
        answer_structured(w, x, json);
    else
        return false;
    return true;
}

bool ai_cloudevents_answer(ai_worker *w, ai_exchange *x)
{
    const ai_request *r = &x->request;
    bool is_batch = is_type(r->type, "application/cloudevents-batch");
    ai_error err;
    if (!is_type(r->type, "application/cloudevents")) {
        bool is_binary = ai_exchange_header(x, "ce-specversion") || ai_exchange_header(x, "ce-id");
        if (is_binary)
            answer_binary(w, x);
        return is_binary;
    }
    json_t *json = ai_json_read(r->body, r->bytes, &err);
    if (!json)
        ai_answer_fail(&x->answer, 400, NULL, &err);
    else if (is_batch ? !json_is_array(json) : !json_is_object(json))
        ai_exchange_fail(x, 400, "Function.BadInput", "body is no JSON %s, '%.60s' is one",
                         is_batch ? "array" : "object", r->type);
    else if (is_batch)
        answer_batch(w, x, json);
    else
        answer_structured(w, x, json);
    json_decref(json);
    return true;
}
