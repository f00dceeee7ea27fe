/* SPDX-License-Identifier: Apache-2.0
 * From evhttp's request to an exchange, and from its answer to the reply. */
#include "exchange.h"

#include <event2/keyvalq_struct.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arrival.h"

/* ---- What adapters call ---- */

const char *ai_exchange_header(const ai_exchange *x, const char *name)
{
    for (size_t i = 0; i < x->request.header_count; i++)
        if (strcasecmp(x->request.headers[i].name, name) == 0)
            return x->request.headers[i].value;
    return NULL;
}

void ai_exchange_reply(ai_exchange *x, const char *name, const char *value)
{
    char *copy = x->reply_count < AI_REPLY_HEADERS ? strdup(value) : NULL;
    if (copy)
        x->reply[x->reply_count++] = (ai_pair){name, copy};
}

void ai_function_lend(const ai_function *f, ai_request *r)
{
    r->most_bytes = f->settings.most_bytes;
    r->fetch = f->fetch;
    r->store = f->store;
    r->fetch_user = f->fetch_user;
}

const char *ai_request_model(const ai_request *r)
{
    for (size_t i = 0; i < r->query_count; i++)
        if (strcmp(r->query[i].name, "model") == 0)
            return r->query[i].value;
    return NULL;
}

void ai_exchange_id(ai_exchange *x, const char *id)
{
    ai_job *job = (ai_job *)x;
    snprintf(job->id, sizeof job->id, "%s", id);
    x->request.id = job->id;
}

void ai_exchange_limit(ai_exchange *x, uint64_t ns)
{
    if (!x->request.timeout_ns || ns < x->request.timeout_ns)
        x->request.timeout_ns = ns ? ns : 1;
}

void ai_exchange_text(ai_exchange *x, uint32_t status, const char *type, char *text)
{
    ai_answer_clear(&x->answer);
    if (!text) {
        ai_exchange_fail(x, 503, "Function.OutOfMemory", "no memory for the answer");
        return;
    }
    x->answer.status = status;
    x->answer.type = type;
    x->answer.body = text;
    x->answer.bytes = strlen(text);
}

void ai_exchange_fail(ai_exchange *x, uint32_t status, const char *fault, const char *format, ...)
{
    ai_error err = {AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, ""};
    va_list args;
    va_start(args, format);
    vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    ai_answer_fail(&x->answer, status, fault, &err);
}

/* ---- Taking a request ---- */

static char *put(char **at, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *begin = memcpy(*at, text, bytes);
    *at += bytes;
    return begin;
}

static void measure(const struct evkeyvalq *list, size_t *count, size_t *bytes)
{
    for (const struct evkeyval *kv = list->tqh_first; kv; kv = kv->next.tqe_next) {
        ++*count;
        *bytes += strlen(kv->key) + strlen(kv->value) + 2;
    }
}

static size_t copy_pairs(const struct evkeyvalq *list, ai_pair *pairs, char **at)
{
    size_t count = 0;
    for (const struct evkeyval *kv = list->tqh_first; kv; kv = kv->next.tqe_next) {
        pairs[count].name = put(at, kv->key);
        pairs[count++].value = put(at, kv->value);
    }
    return count;
}

static bool copy_texts(ai_job *job, const char *method, const char *path,
                       const struct evkeyvalq *headers, const struct evkeyvalq *query)
{
    size_t count = 0;
    size_t bytes = strlen(method) + strlen(path) + 2;
    measure(headers, &count, &bytes);
    measure(query, &count, &bytes);
    job->text = malloc(bytes);
    job->pairs = malloc((count + 1) * sizeof *job->pairs);
    if (!job->text || !job->pairs)
        return false;
    ai_request *r = &job->x.request;
    char *at = job->text;
    r->method = put(&at, method);
    job->x.path = put(&at, path);
    r->headers = job->pairs;
    r->header_count = copy_pairs(headers, job->pairs, &at);
    r->query = job->pairs + r->header_count;
    r->query_count = copy_pairs(query, job->pairs + r->header_count, &at);
    return true;
}

static bool take_body(ai_job *job)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(job->http);
    ai_request *r = &job->x.request;
    job->body = evbuffer_new();
    if (!job->body || evbuffer_add_buffer(job->body, in) != 0)
        return false;
    r->bytes = evbuffer_get_length(job->body);
    r->body = "";
    if (r->bytes)
        r->body = evbuffer_pullup(job->body, -1);
    return r->body != NULL;
}

static const char *method_name(struct evhttp_request *http)
{
    switch (evhttp_request_get_command(http)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_PATCH:
        return "PATCH";
    default:
        return "OTHER";
    }
}

static void take_facts(ai_job *job, ai_function *f)
{
    static const char *const ids[] = {"x-fc-request-id", "x-azure-functions-invocationid",
                                      "x-request-id",    "x-call-id",
                                      "ce-id",           "traceparent"};
    static uint64_t count;
    ai_request *r = &job->x.request;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] && !r->id; i++)
        r->id = ai_exchange_header(&job->x, ids[i]);
    if (!r->id) {
        snprintf(job->id, sizeof job->id, "r%llu", (unsigned long long)++count);
        r->id = job->id;
    }
    r->type = ai_exchange_header(&job->x, "content-type");
    r->accept = ai_exchange_header(&job->x, "accept");
    ai_function_lend(f, r);
    job->x.model = ai_request_model(r);
    if (f->settings.timeout_ms)
        job->x.end_ns = job->x.begin_ns + (uint64_t)f->settings.timeout_ms * 1000000;
}

static uint32_t read_request(ai_job *job, ai_function *f)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(job->http);
    const char *raw = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *query_text = uri ? evhttp_uri_get_query(uri) : NULL;
    struct evkeyvalq query = {NULL, &query.tqh_first};
    size_t bytes = 0;
    char *path = evhttp_uridecode(raw && *raw ? raw : "/", 0, &bytes);
    uint32_t status = 0;
    if (!path)
        return 503;
    if (strlen(path) != bytes || !ai_arrival_is_clear(job->http) ||
        (query_text && evhttp_parse_query_str(query_text, &query) != 0))
        status = 400;
    else if (!copy_texts(job, method_name(job->http), path,
                         evhttp_request_get_input_headers(job->http), &query))
        status = 503;
    else {
        take_facts(job, f);
        if (!take_body(job))
            ai_exchange_fail(&job->x, 503, "Function.OutOfMemory", "no memory for the body");
    }
    evhttp_clear_headers(&query);
    free(path);
    return status;
}

ai_job *ai_job_open(struct evhttp_request *http, ai_function *f, uint32_t *status)
{
    ai_job *job = calloc(1, sizeof *job);
    *status = 503;
    if (!job)
        return NULL;
    job->http = http;
    job->x.function = f;
    job->x.begin_ns = ai_now();
    job->x.request = (ai_request)AI_REQUEST_INIT;
    job->pieces = evbuffer_new();
    *status = job->pieces ? read_request(job, f) : 503;
    if (*status == 0)
        return job;
    ai_job_close(job);
    return NULL;
}

void ai_job_close(ai_job *job)
{
    if (job->body)
        evbuffer_free(job->body);
    if (job->pieces)
        evbuffer_free(job->pieces);
    for (uint32_t i = 0; i < job->x.reply_count; i++)
        free((char *)job->x.reply[i].value);
    ai_answer_clear(&job->x.answer);
    free(job->text);
    free(job->pairs);
    free(job);
}

/* ---- Refusing ---- */

static const struct refusal {
    uint32_t status;
    const char *reason; /* HTTP's word */
    const char *fault;
} refusals[] = {
    {400, "Bad Request", "Function.BadInput"},
    {408, "Request Timeout", "Function.Timeout"},
    {413, "Payload Too Large", "Function.TooLarge"},
    {417, "Expectation Failed", "Function.BadInput"},
    {429, "Too Many Requests", "Function.Busy"},
    {501, "Not Implemented", "Function.MethodNotAllowed"},
    {503, "Service Unavailable", "Function.OutOfMemory"}, /* last: for all others */
};

static const struct refusal *find_refusal(uint32_t status)
{
    const struct refusal *r = refusals;
    while (r->status != status && r->status != 503)
        r++;
    return r;
}

static void say_refusal(ai_exchange *x, const struct refusal *r)
{
    const ai_settings *o = &x->function->settings;
    if (r->status == 408)
        ai_exchange_fail(x, 408, r->fault, "request did not come whole within %u ms",
                         o->arrival_ms);
    else if (r->status == 413)
        ai_exchange_fail(x, 413, r->fault, "body is longer than the %zu bytes taken",
                         o->most_bytes);
    else if (r->status == 429) {
        ai_exchange_reply(x, "Retry-After", "1");
        ai_exchange_fail(x, 429, r->fault, "all requests have over %llu bytes, more are not taken",
                         (unsigned long long)AI_MOST_BODIES * o->most_bytes);
    } else if (r->status == 501)
        ai_exchange_fail(x, 501, r->fault, "method %.20s is not known", x->request.method);
    else if (r->status == 417)
        ai_exchange_fail(x, 417, r->fault, "what is expected is not 100-continue");
    else if (r->status == 400)
        ai_exchange_fail(x, 400, r->fault, "what came is no request of HTTP 1.1 or 1.0");
    else
        ai_exchange_fail(x, r->status, r->fault, "no memory for a request");
}

ai_job *ai_job_refuse(ai_function *f, uint32_t status, const char *line)
{
    ai_job *job = calloc(1, sizeof *job);
    size_t method = strcspn(line, " ");
    const char *path = line + method + (line[method] == ' ');
    if (job)
        job->text = calloc(1, strlen(line) + 2);
    if (!job || !job->text) {
        free(job);
        return NULL;
    }
    job->x.function = f;
    job->x.begin_ns = ai_now();
    job->x.request = (ai_request)AI_REQUEST_INIT;
    job->x.request.method = memcpy(job->text, line, method);
    job->x.path = memcpy(job->text + method + 1, path, strcspn(path, " ?"));
    say_refusal(&job->x, find_refusal(status));
    return job;
}

void ai_job_print(const ai_job *job, struct evbuffer *out)
{
    const ai_answer *a = &job->x.answer;
    uint32_t status = job->x.sent_status ? job->x.sent_status : a->status;
    evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                        status, find_refusal(a->status)->reason, a->type, a->bytes);
    for (uint32_t i = 0; i < job->x.reply_count; i++)
        evbuffer_add_printf(out, "%s: %s\r\n", job->x.reply[i].name, job->x.reply[i].value);
    evbuffer_add_printf(out, "Connection: close\r\n\r\n");
    evbuffer_add(out, a->body, a->bytes);
}

/* ---- Replying ---- */

static void put_number(struct evkeyvalq *out, const char *name, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f", value);
    evhttp_add_header(out, name, text);
}

static void put_common(ai_job *job, struct evkeyvalq *out)
{
    for (uint32_t i = 0; i < job->x.reply_count; i++)
        evhttp_add_header(out, job->x.reply[i].name, job->x.reply[i].value);
    if (job->x.function->is_draining)
        evhttp_add_header(out, "Connection", "close");
}

void ai_job_reply_start(ai_job *job)
{
    struct evkeyvalq *out = evhttp_request_get_output_headers(job->http);
    evhttp_add_header(out, "Content-Type", job->stream_type);
    evhttp_add_header(out, "Cache-Control", "no-cache");
    put_common(job, out);
    evhttp_send_reply_start(job->http, (int)job->stream_status, NULL);
}

static void put_head(ai_job *job)
{
    const ai_answer *a = &job->x.answer;
    struct evkeyvalq *out = evhttp_request_get_output_headers(job->http);
    if (a->type)
        evhttp_add_header(out, "Content-Type", a->type);
    if (job->x.used[0])
        evhttp_add_header(out, "Ai-Model", job->x.used);
    if (a->ns) {
        put_number(out, "Ai-Duration-Ms", (double)a->ns / 1e6);
        put_number(out, "Ai-Cpu-Ms", (double)a->cpu_ns / 1e6);
        put_number(out, "Ai-Peak-MiB", (double)a->peak_bytes / (1 << 20));
    }
    put_common(job, out);
}

static void free_body(const void *data, size_t bytes, void *user)
{
    (void)data;
    (void)bytes;
    free(user);
}

void ai_job_reply(ai_job *job)
{
    ai_answer *a = &job->x.answer;
    struct evbuffer *out = evbuffer_new();
    put_head(job);
    if (evhttp_request_get_command(job->http) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof length, "%zu", a->bytes);
        evhttp_add_header(evhttp_request_get_output_headers(job->http), "Content-Length", length);
    } else if (out && a->body && a->bytes) {
        /* The body goes with the reply, which may outlive the job. */
        if (evbuffer_add_reference(out, a->body, a->bytes, free_body, a->body) == 0)
            a->body = NULL;
    }
    evhttp_send_reply(job->http, (int)(job->x.sent_status ? job->x.sent_status : a->status), NULL,
                      out);
    if (out)
        evbuffer_free(out);
}
