/* SPDX-License-Identifier: Apache-2.0
 * An activation of OpenWhisk: its value to a request, the answer to what the platform takes. A
 * value with __ow_method is a web action's: an HTTP request, its query and the members of its JSON
 * body beside it, or whole in __ow_query and __ow_body if it is raw. */
#include "activation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "json_read.h"
#include "query.h"

#define OW "__ow_"

typedef struct parts {
    ai_request request;
    ai_query query;
    ai_pair *headers;
    char *text;    /* the body, if it was built */
    void *decoded; /* or was base64 */
} parts;

/* ---- From a value to a request ---- */

static bool is_member_of_ow(const char *name)
{
    return strncmp(name, OW, sizeof OW - 1) == 0;
}

static bool copy_value(parts *p, const json_t *value)
{
    p->text = json_dumps(value, JSON_COMPACT);
    p->request.body = p->text;
    p->request.bytes = p->text ? strlen(p->text) : 0;
    p->request.type = "application/json";
    return p->text != NULL;
}

static bool copy_headers(parts *p, const json_t *headers)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    p->headers = malloc((json_object_size(headers) + 1) * sizeof *p->headers);
    if (!p->headers)
        return false;
    json_object_foreach((json_t *)headers, name, value) if (json_is_string(value))
        p->headers[count++] = (ai_pair){name, json_string_value(value)};
    p->request.headers = p->headers;
    p->request.header_count = count;
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(p->headers[i].name, "content-type") == 0)
            p->request.type = p->headers[i].value;
        if (strcasecmp(p->headers[i].name, "accept") == 0)
            p->request.accept = p->headers[i].value;
    }
    return true;
}

static bool is_number(const char *text)
{
    return *text && strlen(text) <= 20 && strspn(text, "0123456789.-") == strlen(text);
}

/* What came by the query lies among the members. Beside a JSON body a number as text tells that it
 * did: it goes to the query, all else stays in `members`, a copy of the value. */
static void take_members(parts *p, const json_t *value, json_t *members, bool is_body)
{
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member)
    {
        const char *text = ai_json_string(value, name);
        bool is_ours = is_member_of_ow(name);
        bool is_query = !is_ours && text && (!is_body || is_number(text));
        if (is_query)
            p->query.pairs[p->query.count++] = (ai_pair){name, text};
        if (is_ours || is_query)
            json_object_del(members, name);
    }
}

/* Text as it is; all else, and JSON of raw actions, in base64, which begins with neither brace. */
static void take_body(parts *p, const json_t *body)
{
    ai_error err;
    const char *text = json_string_value(body);
    size_t length = json_string_length(body);
    bool is_text = p->request.type && strncasecmp(p->request.type, "text/", 5) == 0;
    p->request.body = text;
    p->request.bytes = length;
    if (is_text || *text == '{' || *text == '[' ||
        ai_base64_decode(text, length, &p->decoded, &p->request.bytes, &err) != AI_OK)
        return;
    p->request.body = p->decoded;
}

static const char *method_of(const char *name)
{
    static const char *const methods[] = {"GET",   "POST",   "PUT",    "HEAD",
                                          "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcasecmp(methods[i], name) == 0)
            return methods[i];
    return "OTHER";
}

static bool read_web(parts *p, const json_t *value, json_t *members)
{
    const json_t *body = json_object_get(value, OW "body");
    bool has_body = json_string_length(body) > 0;
    p->request.method = method_of(ai_json_string(value, OW "method"));
    if (!copy_headers(p, json_object_get(value, OW "headers")) ||
        !ai_query_open(&p->query, ai_json_string(value, OW "query"), json_object_size(value)))
        return false;
    bool is_json = p->request.type && strncasecmp(p->request.type, "application/json", 16) == 0;
    take_members(p, value, members, is_json && !has_body);
    p->request.query = p->query.pairs;
    p->request.query_count = p->query.count;
    if (has_body)
        take_body(p, body);
    else if (is_json)
        return copy_value(p, members);
    return true;
}

/* Deadlines come as text or number, in ms since 1970. */
static uint64_t time_left(const json_t *activation, bool *is_over)
{
    struct timespec now = {0, 0};
    const json_t *deadline = json_object_get(activation, "deadline");
    const char *text = ai_json_string(activation, "deadline");
    json_int_t end = json_is_integer(deadline) ? json_integer_value(deadline)
                     : text                    ? (json_int_t)strtoll(text, NULL, 10)
                                               : 0;
    clock_gettime(CLOCK_REALTIME, &now);
    json_int_t ms = (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    *is_over = end > 0 && end <= ms;
    return end > ms && end - ms < 1000000000 ? (uint64_t)(end - ms) * 1000000u : 0;
}

/* ---- From an answer to the platform's ---- */

static void replace(ai_answer *answer, char *text)
{
    if (!text)
        return; /* no memory: the neutral form is JSON as well */
    free(answer->body);
    answer->body = text;
    answer->bytes = strlen(text);
    answer->type = "application/json";
}

/* What stands after `"body":`, in JSON. */
static char *json_of(const ai_answer *answer)
{
    if (!answer->bytes)
        return strdup("null");
    if (strncmp(answer->type, "application/json", 16) == 0)
        return strdup(answer->body);
    json_t *text = json_stringn(answer->body, answer->bytes);
    char *json = text ? json_dumps(text, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(text);
    return json;
}

static void dress(ai_answer *answer, bool is_web)
{
    char *text = NULL;
    char *body = json_of(answer);
    const char *head = answer->fault ? "{\"error\":" : "";
    const char *tail = answer->fault ? "}" : "";
    const char *headers = is_web ? "\"headers\":{\"Content-Type\":\"application/json\"}," : "";
    if (body && !is_web && *body == '{') {
        if (answer->fault && asprintf(&text, "%s%s%s", head, body, tail) < 0)
            text = NULL;
    } else if (body && asprintf(&text, "%s{\"statusCode\":%u,%s\"body\":%s}%s", head,
                                answer->status, headers, body, tail) < 0) {
        text = NULL;
    }
    replace(answer, text);
    free(body);
}

void ai_activation_dress(ai_answer *answer)
{
    json_t *error = json_string(answer->error.message);
    json_t *json = json_pack("{s:o}", "error", error ? error : json_string("not UTF-8"));
    replace(answer, json ? json_dumps(json, JSON_COMPACT) : NULL);
    json_decref(json);
}

/* ---- Both ---- */

static void fail(ai_answer *answer, uint32_t status, const char *fault, ai_status code,
                 const char *message)
{
    ai_error err = {code, AI_NO_STEP, AI_NO_OFFSET, ""};
    snprintf(err.message, sizeof err.message, "%s", message);
    ai_answer_fail(answer, status, fault, &err);
}

static const char *model_of(const parts *p, const json_t *value)
{
    const char *model = ai_json_string(value, "model");
    return model ? model : ai_request_model(&p->request);
}

static void answer_value(ai_worker *w, parts *p, const json_t *value, ai_answer *answer)
{
    bool is_web = ai_json_string(value, OW "method") != NULL;
    json_t *members = is_web ? json_copy((json_t *)value) : NULL;
    if (is_web ? members && read_web(p, value, members) : copy_value(p, value))
        ai_worker_answer(w, model_of(p, value), &p->request, answer);
    else
        fail(answer, 0, NULL, AI_E_MEMORY, "no memory for an activation");
    dress(answer, is_web);
    json_decref(members);
}

void ai_activation_answer(ai_worker *w, const ai_request *base, const json_t *activation,
                          ai_answer *answer)
{
    bool is_over;
    parts p = {.request = *base};
    const json_t *value = json_object_get(activation, "value");
    uint64_t left = time_left(activation, &is_over);
    *answer = (ai_answer){.size = sizeof *answer};
    p.request.method = NULL;
    p.request.type = NULL;
    p.request.accept = NULL;
    p.request.body = NULL;
    p.request.bytes = 0;
    p.request.query_count = 0;
    p.request.header_count = 0;
    p.request.write = NULL;
    p.query.list = (struct evkeyvalq){NULL, &p.query.list.tqh_first};
    if (left && (!p.request.timeout_ns || left < p.request.timeout_ns))
        p.request.timeout_ns = left;
    if (is_over) {
        fail(answer, 504, "Function.Timeout", AI_E_TIMEOUT, "the activation's deadline is over");
        dress(answer, ai_json_string(value, OW "method") != NULL);
    } else if (!json_is_object(value) && !json_is_array(value)) {
        fail(answer, 400, NULL, AI_E_FORMAT,
             "The action did not receive a dictionary or array as an argument.");
        ai_activation_dress(answer);
    } else {
        answer_value(w, &p, value, answer);
    }
    ai_query_close(&p.query);
    free(p.headers);
    free(p.text);
    free(p.decoded);
}
