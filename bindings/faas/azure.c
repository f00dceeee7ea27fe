/* SPDX-License-Identifier: Apache-2.0
 * Azure Functions, custom handler. The host posts {"Data":{...},"Metadata":{...}} to /NAME and
 * wants
 * {"Outputs":{...}} back; with enableForwardingHttpRequest the callers' requests come as they are.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "faas.h"
#include "json_read.h"
#include "json_text.h"

enum { PORT = 8080 };

typedef struct call {
    const json_t *data; /* the bindings' values by name */
    const json_t *http; /* the HTTP trigger's; NULL: another trigger */
    json_t *json;       /* what lay in a string, */
    json_t *query;      /* and the query's; to be dropped */
    ai_request request;
    ai_pair *pairs;
    void *body; /* built; to be freed */
} call;

/* ---- From the host's call to a request ---- */

/* A string that holds JSON is taken for that: *inner holds it. */
static const json_t *unwrap(const json_t *value, json_t **inner)
{
    ai_error err;
    const char *text = json_string_value(value);
    size_t bytes = json_string_length(value);
    if (text && *text == '"')
        *inner = json_loadb(text, bytes, JSON_DECODE_ANY, NULL);
    else if (text && (*text == '{' || *text == '['))
        *inner = ai_json_read(text, bytes, &err);
    return *inner ? *inner : value;
}

static bool is_http(const json_t *value)
{
    return ai_json_string(value, "Method") && ai_json_string(value, "Url");
}

/* Looks for the HTTP trigger; else the first binding is what triggers. */
static const json_t *find_trigger(call *c)
{
    const char *name;
    json_t *value;
    const json_t *first = NULL;
    json_object_foreach((json_t *)c->data, name, value)
    {
        json_t *inner = NULL;
        const json_t *shown = unwrap(value, &inner);
        if (is_http(shown)) {
            c->http = shown;
            json_decref(c->json);
            c->json = inner;
            return shown;
        }
        if (first) {
            json_decref(inner);
            continue;
        }
        first = shown;
        c->json = inner;
    }
    return first;
}

/* Values are texts, or lists of them, of which the first counts. */
static size_t copy_pairs(const json_t *object, ai_pair *pairs)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)object, name, value)
    {
        const json_t *one = json_is_array(value) ? json_array_get(value, 0) : value;
        if (json_is_string(one))
            pairs[count++] = (ai_pair){name, json_string_value(one)};
    }
    return count;
}

static bool take_body(call *c, const json_t *body)
{
    c->request.body = "";
    c->request.bytes = 0;
    if (json_is_string(body)) {
        c->request.body = json_string_value(body);
        c->request.bytes = json_string_length(body);
    } else if (json_is_object(body) || json_is_array(body)) {
        c->body = json_dumps(body, JSON_COMPACT);
        c->request.body = c->body;
        c->request.bytes = c->body ? strlen(c->body) : 0;
    }
    return c->request.body != NULL;
}

static bool take_http(call *c)
{
    const json_t *query = unwrap(json_object_get(c->http, "Query"), &c->query);
    const json_t *headers = json_object_get(c->http, "Headers");
    ai_request *r = &c->request;
    c->pairs = malloc((json_object_size(query) + json_object_size(headers) + 1) * sizeof *c->pairs);
    if (!c->pairs)
        return false;
    r->query = c->pairs;
    r->query_count = copy_pairs(query, c->pairs);
    r->headers = c->pairs + r->query_count;
    r->header_count = copy_pairs(headers, c->pairs + r->query_count);
    r->method = ai_json_string(c->http, "Method");
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, "content-type") == 0)
            r->type = r->headers[i].value;
    return take_body(c, json_object_get(c->http, "Body"));
}

static bool read_call(call *c, const json_t *json)
{
    c->data = json_object_get(json, "Data");
    c->request.method = NULL;
    c->request.type = NULL;
    c->request.accept = NULL;
    c->request.query_count = 0;
    c->request.header_count = 0;
    c->request.write = NULL; /* the answer is one JSON */
    const json_t *trigger = find_trigger(c);
    return c->http ? take_http(c) : take_body(c, trigger);
}

/* ---- Answers ---- */

static json_t *body_json(const ai_answer *a, bool is_text)
{
    if (is_text || !a->bytes)
        return json_stringn(a->body ? a->body : "", a->bytes);
    json_t *json = json_loadb(a->body, a->bytes, JSON_DECODE_ANY, NULL);
    return json ? json : json_stringn(a->body, a->bytes);
}

static json_t *http_output(const ai_answer *a)
{
    json_t *headers = json_object();
    json_t *output = json_object();
    bool is_made = ai_json_put(headers, "Content-Type", json_string(a->type));
    is_made = ai_json_put(output, "statusCode", json_integer(a->status)) && is_made;
    is_made = ai_json_put(output, "headers", headers) && is_made;
    is_made = ai_json_put(output, "body", body_json(a, true)) && is_made;
    if (is_made)
        return output;
    json_decref(output);
    return NULL;
}

/* A caller's fault over HTTP is an answer as well; other triggers are told by the status, which has
 * the host try again. */
static void dress(ai_exchange *x, bool has_http)
{
    ai_error err;
    char *text;
    ai_answer *a = &x->answer;
    json_t *outputs = json_object();
    json_t *json = json_object();
    bool is_made = !has_http || ai_json_put(outputs, "res", http_output(a));
    is_made = ai_json_put(json, "Outputs", outputs) && is_made;
    is_made = ai_json_put(json, "Logs", json_array()) && is_made;
    is_made =
        ai_json_put(json, "ReturnValue", has_http ? json_null() : body_json(a, false)) && is_made;
    if (!is_made) {
        json_decref(json);
        json = NULL;
    }
    if (ai_json_text(&text, json, 9, &err) != AI_OK) {
        ai_answer_fail(a, 0, NULL, &err);
        return;
    }
    free(a->body);
    a->body = text;
    a->bytes = strlen(text);
    a->type = "application/json";
    if (has_http)
        x->sent_status = 200;
}

static void answer_call(ai_worker *w, ai_exchange *x, const json_t *json)
{
    call c = {.request = x->request};
    if (read_call(&c, json))
        ai_worker_answer(w, ai_request_model(&c.request), &c.request, &x->answer);
    else
        ai_exchange_fail(x, 503, "Function.OutOfMemory", "no memory for the call");
    dress(x, c.http != NULL);
    json_decref(c.json);
    json_decref(c.query);
    free(c.pairs);
    free(c.body);
}

/* The host's call is told by its form: a name for the function may be anything. */
static json_t *read_host(const ai_exchange *x)
{
    ai_error err;
    const char *text = x->request.body;
    if (!ai_exchange_header(x, "x-azure-functions-invocationid") || !text ||
        !memmem(text, x->request.bytes, "\"Data\"", 6) ||
        !memmem(text, x->request.bytes, "\"Metadata\"", 10))
        return NULL;
    json_t *json = ai_json_read(text, x->request.bytes, &err);
    if (json_is_object(json_object_get(json, "Data")) &&
        json_is_object(json_object_get(json, "Metadata")))
        return json;
    json_decref(json);
    return NULL;
}

bool ai_azure_answer(ai_worker *w, ai_exchange *x)
{
    json_t *json = read_host(x);
    if (!json)
        return false;
    answer_call(w, x, json);
    json_decref(json);
    return true;
}

static void answer_any(ai_worker *w, ai_exchange *x)
{
    if (!ai_azure_answer(w, x) && !ai_cloudevents_answer(w, x))
        ai_worker_answer(w, x->model, &x->request, &x->answer);
}

/* ---- The platform ---- */

static const ai_route routes[] = {
    {"POST PUT GET", "/*", 0, answer_any},
};

static int run(ai_function *f)
{
    static const ai_routes own = AI_ROUTES(routes);
    static const ai_routes *const tables[] = {&ai_routes_health, &ai_routes_oip, &ai_routes_plain,
                                              &own};
    uint32_t port = ai_environment_port("FUNCTIONS_HTTPWORKER_PORT", PORT);
    ai_http http = {.address = "127.0.0.1",
                    .port = ai_environment_port("FUNCTIONS_CUSTOMHANDLER_PORT", port),
                    .routes = tables,
                    .routes_count = sizeof tables / sizeof tables[0]};
    return ai_http_serve(f, &http);
}

static bool detect(void)
{
    return getenv("FUNCTIONS_CUSTOMHANDLER_PORT") || getenv("FUNCTIONS_HTTPWORKER_PORT");
}

const ai_platform ai_platform_azure = {
    .name = "azure",
    .about = "Azure Functions, custom handler (FUNCTIONS_CUSTOMHANDLER_PORT)",
    .detect = detect,
    .run = run,
};
