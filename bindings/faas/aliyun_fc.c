/* SPDX-License-Identifier: Apache-2.0
 * Alibaba Cloud Function Compute, custom runtime: /invoke with an event, hooks at the begin and end
 * of an instance's life, and HTTP triggers as the caller sent them. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cloudevents.h"
#include "json_read.h"
#include "store.h"

enum {
    PORT = 9000,
    MB_PER_CPU = 1024,
    IDLE_SECONDS = 900
}; /* the platform's front end reuses it */

/* Paths of the platform's own, with their names in its log. */
static const struct call {
    const char *path;
    const char *name;
} calls[] = {
    {"/invoke", "Invoke"},
    {"/initialize", "Initialize"},
    {"/pre-freeze", "PreFreeze"},
    {"/pre-stop", "PreStop"},
};

/* NULL: an HTTP trigger's request, whatever its path. */
static const struct call *call_of(const ai_exchange *x)
{
    const char *control = ai_exchange_header(x, "x-fc-control-path");
    if (control && strcmp(control, "/http-invoke") == 0)
        return NULL;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].path, x->path) == 0)
            return &calls[i];
    return NULL;
}

/* ---- Answers ---- */

/* The models are open before the port is; their self-tests and the session's pages are left. */
static void answer_initialize(ai_worker *w, ai_exchange *x)
{
    ai_error err;
    if (ai_models_self_test(x->function->models, &x->function->settings, &err) != AI_OK) {
        ai_exchange_fail(x, 500, "Function.SelfTest", "%s", err.message);
        return;
    }
    ai_worker_warm(w, NULL);
    ai_exchange_text(x, 200, "application/json", strdup("{\"ok\":true}"));
}

static void answer_hook(ai_worker *w, ai_exchange *x)
{
    (void)w;
    ai_exchange_text(x, 200, "application/json", strdup("{\"ok\":true}"));
}

/* The function's timeout is this instance's, too: an answer after it is heard by nobody. */
static void take_timeout(ai_exchange *x)
{
    const char *timeout = ai_exchange_header(x, "x-fc-function-timeout");
    long seconds = timeout ? strtol(timeout, NULL, 10) : 0;
    uint64_t gone = ai_now() - x->begin_ns;
    if (seconds > 0 && seconds <= 86400)
        ai_exchange_limit(
            x, (uint64_t)seconds * 1000000000u > gone ? (uint64_t)seconds * 1000000000u - gone : 0);
}

/* EventBridge sends events in CloudEvents' form, without its content type. */
static bool answer_cloudevents(ai_worker *w, ai_exchange *x)
{
    static const char mark[] = "\"specversion\"";
    ai_error err;
    if (!memmem(x->request.body, x->request.bytes, mark, sizeof mark - 1))
        return false;
    json_t *json = ai_json_read(x->request.body, x->request.bytes, &err);
    bool is_answered = json && ai_cloudevents_json(w, x, json);
    json_decref(json);
    return is_answered;
}

/* The role's credentials come with each request: those of the environment end with its first hours.
 * *caller must outlive the answer. */
static void take_credentials(ai_exchange *x, ai_store_caller *caller)
{
    *caller = (ai_store_caller){.store = x->request.fetch_user,
                                .key = ai_exchange_header(x, "x-fc-access-key-id"),
                                .secret = ai_exchange_header(x, "x-fc-access-key-secret"),
                                .token = ai_exchange_header(x, "x-fc-security-token")};
    if (!x->request.fetch || !caller->key || !*caller->key || !caller->secret)
        return;
    x->request.fetch = ai_store_fetch_as;
    x->request.store = x->request.store ? ai_store_result_as : NULL;
    x->request.fetch_user = caller;
}

static void answer_any(ai_worker *w, ai_exchange *x)
{
    ai_store_caller caller;
    take_timeout(x);
    take_credentials(x, &caller);
    if (call_of(x)) {
        x->request.method = NULL; /* an event, with an HTTP request in it or not */
        x->request.type = NULL;
        x->request.write = NULL;
        if (!answer_cloudevents(w, x))
            ai_worker_answer(w, x->model, &x->request, &x->answer);
    } else if (!ai_cloudevents_answer(w, x)) {
        ai_worker_answer(w, x->model, &x->request, &x->answer);
    }
}

/* ---- Around them ---- */

static void dress(ai_exchange *x)
{
    ai_answer *a = &x->answer;
    if (!call_of(x))
        return;
    ai_exchange_reply(x, "x-fc-status", a->fault ? "404" : "200");
    if (!a->fault)
        return;
    json_t *json = json_pack("{s:s,s:s,s:[]}", "errorMessage", a->error.message, "errorType",
                             a->fault, "stackTrace");
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return;
    free(a->body);
    a->body = text;
    a->bytes = strlen(text);
}

static void write_mark(const ai_exchange *x, const char *what, const char *end)
{
    const char *id = ai_exchange_header(x, "x-fc-request-id");
    const struct call *call = call_of(x);
    if (id)
        ai_log_mark(STDOUT_FILENO, "FC %s %s RequestId: %.80s%s\n", call ? call->name : "Invoke",
                    what, id, end);
}

static void mark_begin(const ai_exchange *x)
{
    write_mark(x, "Start", "");
}

static void mark_end(const ai_exchange *x)
{
    write_mark(x, "End", x->answer.fault ? ", Error: Unhandled function error" : "");
}

/* ---- The platform ---- */

static const ai_route routes[] = {
    {"POST", "/initialize", 0, answer_initialize},
    {"GET", "/pre-freeze", AI_ROUTE_AT_ONCE, answer_hook},
    {"GET", "/pre-stop", AI_ROUTE_AT_ONCE, answer_hook},
    {"POST", "/invoke", 0, answer_any},
};

static int run(ai_function *f)
{
    static const ai_routes own = AI_ROUTES(routes);
    static const ai_routes *const tables[] = {&own, &ai_routes_health, &ai_routes_oip,
                                              &ai_routes_plain};
    uint32_t port = ai_environment_port("FC_SERVER_PORT", PORT);
    ai_http http = {.address = "0.0.0.0",
                    .port = ai_environment_port("FC_CUSTOM_LISTEN_PORT", port),
                    .idle_s = IDLE_SECONDS,
                    .routes = tables,
                    .routes_count = sizeof tables / sizeof tables[0],
                    .before = mark_begin,
                    .after = mark_end,
                    .dress = dress};
    return ai_http_serve(f, &http);
}

static bool detect(void)
{
    return getenv("FC_FUNCTION_NAME") || getenv("FC_FUNC_CODE_PATH");
}

static uint32_t memory_mb(void)
{
    uint32_t mb = ai_environment_number("FC_FUNCTION_MEMORY_SIZE", 0);
    return mb == UINT32_MAX ? 0 : mb;
}

const ai_platform ai_platform_aliyun_fc = {
    .name = "aliyun-fc",
    .about = "Alibaba Cloud Function Compute: port 9000 (FC_FUNCTION_NAME)",
    .detect = detect,
    .run = run,
    .memory_mb = memory_mb,
    .mb_per_cpu = MB_PER_CPU,
};
