/* SPDX-License-Identifier: Apache-2.0
 * AWS Lambda, custom runtime: asks the Runtime API for events and posts the answers. With
 * AI_STREAM=1 texts that are asked for as streams are sent as such; the function's URL must then be
 * in the mode RESPONSE_STREAM. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "faas.h"
#include "runtime_api.h"

#define BASE "/2018-06-01/runtime/"

enum { MB_PER_CPU = 1769, MOST_LOOPS = 256, MARGIN_MS = 20, LONGEST_MS = 24 * 3600 * 1000 };

typedef struct loop {
    ai_function *function;
    ai_api *api;
    ai_worker *worker;
    const char *model;
    char id[80];
    ai_upload *upload; /* of a streamed answer */
    uint64_t streamed_bytes;
    bool is_streaming; /* allowed */
    bool is_alone;     /* the only loop: the environment is ours */
    pthread_t thread;
    int status;
} loop;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* ---- Faults ---- */

static char *fault_json(const char *type, const char *message)
{
    json_t *json =
        json_pack("{s:s,s:s,s:[]}", "errorMessage", message, "errorType", type, "stackTrace");
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int post_fault(ai_api *api, const char *path, const char *type, const char *message)
{
    const char *const headers[] = {"Content-Type", "application/vnd.aws.lambda.error+json",
                                   "Lambda-Runtime-Function-Error-Type", type, NULL};
    char *text = fault_json(type, message);
    const char *body = text ? text : "{}";
    ai_reply reply = ai_api_call(api, path, headers, body, strlen(body));
    free(text);
    return reply.status;
}

/* The models cannot be opened: the platform wants to know before the process ends. */
static void report_init(const ai_error *err)
{
    ai_api *api = ai_api_open(setting("AWS_LAMBDA_RUNTIME_API"));
    if (api)
        post_fault(api, BASE "init/error", "Runtime.ModelLoad", err->message);
    ai_api_close(api);
}

/* ---- Streaming ---- */

static char *prelude(const ai_answer *answer)
{
    json_t *json = json_pack("{s:i,s:{s:s,s:s},s:[]}", "statusCode", (int)answer->status, "headers",
                             "Content-Type", answer->type, "Cache-Control", "no-cache", "cookies");
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static bool begin_stream(loop *l, const ai_answer *answer)
{
    bool is_http = answer->flags & AI_ANSWER_HTTP;
    const char *const headers[] = {
        "Content-Type",
        is_http ? "application/vnd.awslambda.http-integration-response" : answer->type,
        "Lambda-Runtime-Function-Response-Mode",
        "streaming",
        "Trailer",
        "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        NULL};
    char path[160];
    snprintf(path, sizeof path, BASE "invocation/%s/response", l->id);
    l->upload = ai_upload_open(l->api, path, headers);
    if (!l->upload || !is_http)
        return l->upload != NULL;
    char *head = prelude(answer);
    /* Separate chunks: one emulator reads the prelude as the whole of the first. */
    bool is_written = head && ai_upload_write(l->upload, head, strlen(head)) &&
                      ai_upload_write(l->upload, "\0\0\0\0\0\0\0", 8);
    free(head);
    return is_written;
}

static int32_t write_piece(void *user, const ai_answer *answer, const void *data, size_t bytes)
{
    loop *l = user;
    if (!l->upload && !begin_stream(l, answer))
        return 1;
    l->streamed_bytes += bytes;
    return !ai_upload_write(l->upload, data, bytes);
}

static char *base64(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t bytes = strlen(text);
    char *out = malloc(bytes / 3 * 4 + 5);
    char *at = out;
    for (size_t i = 0; out && i < bytes; i += 3) {
        uint32_t b = (uint32_t)(uint8_t)text[i] << 16;
        b |= i + 1 < bytes ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
        b |= i + 2 < bytes ? (uint32_t)(uint8_t)text[i + 2] : 0;
        *at++ = digits[b >> 18];
        *at++ = digits[b >> 12 & 63];
        *at++ = i + 1 < bytes ? digits[b >> 6 & 63] : '=';
        *at++ = i + 2 < bytes ? digits[b & 63] : '=';
    }
    if (out)
        *at = 0;
    return out;
}

static int end_stream(loop *l, const ai_answer *a)
{
    char *json = a->fault ? fault_json(a->fault, a->error.message) : NULL;
    char *coded = json ? base64(json) : NULL;
    const char *const trailers[] = {"Lambda-Runtime-Function-Error-Type", a->fault ? a->fault : "",
                                    "Lambda-Runtime-Function-Error-Body", coded ? coded : "", NULL};
    int status = ai_upload_close(l->upload, a->fault ? trailers : NULL);
    l->upload = NULL;
    free(coded);
    free(json);
    return status;
}

/* ---- One invocation ---- */

/* 0: unknown; some emulators send what lies in the past, and no function runs for a day. */
static uint64_t platform_time(const ai_api *api)
{
    struct timespec now = {0, 0};
    const char *deadline = ai_api_header(api, "Lambda-Runtime-Deadline-Ms");
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    uint64_t end_ms = deadline ? strtoull(deadline, NULL, 10) : 0;
    if (end_ms <= now_ms)
        return 0;
    uint64_t left = end_ms - now_ms; /* a little for the answer itself */
    if (left > LONGEST_MS)
        return 0;
    return (left > 2 * MARGIN_MS ? left - MARGIN_MS : left) * 1000000;
}

/* The platform's, or a shorter one that is set. */
static uint64_t time_left(const loop *l)
{
    uint64_t left = platform_time(l->api);
    uint64_t own = (uint64_t)l->function->settings.timeout_ms * 1000000;
    return own && (!left || own < left) ? own : left;
}

static int post_answer(loop *l, const ai_answer *a)
{
    static const char *const headers[] = {"Content-Type", "application/json", NULL};
    char path[160];
    bool is_fault = a->fault && !(a->flags & AI_ANSWER_HTTP);
    if (l->upload)
        return end_stream(l, a);
    snprintf(path, sizeof path, BASE "invocation/%s/%s", l->id, is_fault ? "error" : "response");
    if (is_fault)
        return post_fault(l->api, path, a->fault, a->error.message);
    return ai_api_call(l->api, path, headers, a->body ? a->body : "null", a->body ? a->bytes : 4)
        .status;
}

static void take_trace(const loop *l)
{
    const char *trace = ai_api_header(l->api, "Lambda-Runtime-Trace-Id");
    if (!l->is_alone)
        return;
    if (trace)
        setenv("_X_AMZN_TRACE_ID", trace, 1);
    else
        unsetenv("_X_AMZN_TRACE_ID");
}

/* false: the loop is over, l->status says how. */
static bool settle(loop *l, int status)
{
    if (status >= 200 && status < 300)
        return true;
    ai_log(status == 0 || status >= 500 ? "ERROR" : "WARNING",
           "the Runtime API answers %d to the result of %s", status, l->id);
    if (status && status < 500) /* 403: it was over already; 413: the result is too large */
        return true;
    l->status = 1;
    return false;
}

static bool answer_next(loop *l)
{
    ai_reply next = ai_api_call(l->api, BASE "invocation/next", NULL, NULL, 0);
    const char *id = ai_api_header(l->api, "Lambda-Runtime-Aws-Request-Id");
    if (next.status != 200 || !id) {
        ai_log("ERROR", "the Runtime API answers %d%s to 'next'", next.status,
               id ? "" : " without a request's id");
        l->status = 1;
        return false;
    }
    uint64_t begin = ai_now();
    ai_answer answer = {0};
    ai_request request = AI_REQUEST_INIT;
    snprintf(l->id, sizeof l->id, "%s", id);
    take_trace(l);
    request.id = l->id;
    request.type = "application/json";
    request.body = next.body;
    request.bytes = next.bytes;
    request.most_bytes = l->function->settings.most_bytes;
    request.timeout_ns = time_left(l);
    request.fetch = l->function->fetch;
    request.store = l->function->store;
    request.fetch_user = l->function->fetch_user;
    request.write = l->is_streaming ? write_piece : NULL;
    request.write_user = l;
    l->streamed_bytes = 0;
    ai_worker_answer(l->worker, l->model, &request, &answer);
    ai_log_entry entry = {l->id,      "invoke", NULL, ai_worker_used(l->worker),
                          next.bytes, 0,        0,    &answer};
    int status = post_answer(l, &answer);
    entry.bytes_out = answer.bytes + l->streamed_bytes;
    entry.ns = ai_now() - begin;
    ai_log_request(l->function, &entry);
    ai_answer_clear(&answer);
    return settle(l, status);
}

/* ---- Loops ---- */

/* After a restore another processor may be there: sessions are opened anew. */
static bool restore(loop *l)
{
    ai_error err;
    if (strcmp(setting("AWS_LAMBDA_INITIALIZATION_TYPE"), "snap-start") != 0)
        return true;
    ai_reply reply = ai_api_call(l->api, BASE "restore/next", NULL, NULL, 0);
    ai_worker_close(l->worker);
    l->worker = NULL;
    if (reply.status == 200 && ai_worker_open(&l->worker, l->function, &err) == AI_OK)
        return true;
    post_fault(l->api, BASE "restore/error", "Runtime.ModelLoad",
               reply.status == 200 ? err.message : "the Runtime API refuses 'restore/next'");
    return false;
}

static void *run_loop(void *user)
{
    loop *l = user;
    while (answer_next(l))
        ;
    return NULL;
}

/* An environment that is there before its first event takes the time to test itself. */
static bool test_models(ai_function *f)
{
    ai_error err;
    const char *type = setting("AWS_LAMBDA_INITIALIZATION_TYPE");
    if (!*type || strcmp(type, "on-demand") == 0 || f->settings.is_self_testing)
        return true; /* or it was done */
    if (ai_models_self_test(f->models, &f->settings, &err) == AI_OK)
        return true;
    ai_log("ERROR", "%s", err.message);
    report_init(&err);
    return false;
}

static bool open_loop(loop *l, ai_function *f, bool is_alone)
{
    ai_error err;
    const char *handler = setting("_HANDLER");
    l->function = f;
    l->is_alone = is_alone;
    l->is_streaming = strcmp(setting("AI_STREAM"), "1") == 0;
    l->model = ai_models_find(f->models, handler) >= 0 ? handler : NULL;
    l->api = ai_api_open(setting("AWS_LAMBDA_RUNTIME_API"));
    if (!l->api) {
        ai_log("ERROR", "AWS_LAMBDA_RUNTIME_API is '%.80s', needed is HOST:PORT",
               setting("AWS_LAMBDA_RUNTIME_API"));
        return false;
    }
    if (ai_worker_open(&l->worker, f, &err) != AI_OK) {
        ai_log("ERROR", "%s", err.message);
        report_init(&err);
        return false;
    }
    ai_worker_warm(l->worker, l->model);
    return true;
}

static int run(ai_function *f)
{
    uint32_t count = (uint32_t)strtoul(setting("AWS_LAMBDA_MAX_CONCURRENCY"), NULL, 10);
    count = count < 1 ? 1 : count > MOST_LOOPS ? MOST_LOOPS : count;
    loop *loops = calloc(count, sizeof *loops);
    uint32_t opened = 0;
    int status = 1;
    if (count > 1)
        f->settings.threads = 1;
    bool is_proven = test_models(f);
    while (loops && is_proven && opened < count && open_loop(&loops[opened], f, count == 1))
        opened++;
    if (loops && opened == count && restore(&loops[0])) {
        for (uint32_t i = 1; i < count; i++)
            if (pthread_create(&loops[i].thread, NULL, run_loop, &loops[i]) != 0)
                ai_log("WARNING", "only %u requests are answered at once", i);
        run_loop(&loops[0]);
        status = loops[0].status; /* the others end with the process */
        if (count > 1)
            exit(status);
    }
    for (uint32_t i = 0; loops && i < count; i++) {
        ai_worker_close(loops[i].worker);
        ai_api_close(loops[i].api);
    }
    free(loops);
    return status;
}

static bool detect(void)
{
    return *setting("AWS_LAMBDA_RUNTIME_API") != 0;
}

static uint32_t memory_mb(void)
{
    return (uint32_t)strtoul(setting("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), NULL, 10);
}

const ai_platform ai_platform_lambda = {
    .name = "lambda",
    .about = "AWS Lambda, custom runtime (AWS_LAMBDA_RUNTIME_API)",
    .detect = detect,
    .run = run,
    .report_init = report_init,
    .memory_mb = memory_mb,
    .mb_per_cpu = MB_PER_CPU,
};
