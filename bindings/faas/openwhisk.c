/* SPDX-License-Identifier: Apache-2.0
 * OpenWhisk, docker action: /init once, then /run after /run, on port 8080; or both by POST / where
 * the platform is Knative. After each activation a mark on stdout and stderr tells the platform
 * that its log is whole. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activation.h"
#include "json_read.h"

#define SENTINEL "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n"

static atomic_bool is_initialised; /* a container is one action for all its life */

/* ---- /init ---- */

/* Before the first /run: nobody else reads the environment. */
static void export(const json_t *env)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)env, name, value)
    {
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        const char *shown = text ? text : json_string_value(value);
        if (*name && !strchr(name, '=') && shown)
            setenv(name, shown, 1);
        free(text);
    }
}

static void init(ai_worker *w, ai_exchange *x, const json_t *json)
{
    const json_t *value = json_object_get(json, "value");
    const char *code = ai_json_string(value, "code");
    if (!json_is_object(value))
        ai_exchange_fail(x, 400, "Function.BadInput", "body has no object 'value'");
    else if (code && *code)
        ai_exchange_fail(x, 400, "Function.BadInput",
                         "action comes with %zu bytes of code, the image holds all it needs",
                         strlen(code));
    else if (atomic_exchange(&is_initialised, true))
        ai_exchange_fail(x, 403, "Function.Initialised",
                         "Cannot initialize the action more than once.");
    else {
        export(json_object_get(value, "env"));
        ai_worker_warm(w, NULL);
        ai_exchange_text(x, 200, "application/json", strdup("{\"ok\":true}"));
    }
}

static json_t *read_body(ai_exchange *x)
{
    ai_error err;
    json_t *json = ai_json_read(x->request.body, x->request.bytes, &err);
    if (!json)
        ai_answer_fail(&x->answer, 400, NULL, &err);
    return json;
}

static void answer_init(ai_worker *w, ai_exchange *x)
{
    json_t *json = read_body(x);
    if (json)
        init(w, x, json);
    json_decref(json);
}

/* ---- /run ---- */

static void run_activation(ai_worker *w, ai_exchange *x, const json_t *json)
{
    const char *id = ai_json_string(json, "activation_id");
    if (id)
        ai_exchange_id(x, id);
    ai_activation_answer(w, &x->request, json, &x->answer);
    x->sent_status = x->answer.status < 500 ? 200 : 502;
}

static void answer_run(ai_worker *w, ai_exchange *x)
{
    if (!atomic_load(&is_initialised)) {
        ai_exchange_fail(x, 500, "Function.NotInitialised", "no action defined yet");
        return;
    }
    json_t *json = read_body(x);
    if (json)
        run_activation(w, x, json);
    json_decref(json);
}

/* ---- Both at once: {"init":{...},"activation":{...},"value":{...}}, each part may be missing ----
 */

/* `part`, an object, with `value` in it: what /init or /run take; NULL: no memory. */
static json_t *wrap(const json_t *part, json_t *value)
{
    json_t *copy = json_is_object(part) ? json_copy((json_t *)part) : json_object();
    if (value && json_object_set(copy, "value", value) != 0) {
        json_decref(copy);
        return NULL;
    }
    return copy;
}

static void answer_both(ai_worker *w, ai_exchange *x)
{
    json_t *json = read_body(x);
    json_t *given = json_object_get(json, "init");
    const json_t *activation = json_object_get(json, "activation");
    json_t *inner = NULL;
    if (!json)
        return;
    if (given || !activation) {
        inner = wrap(NULL, given);
        init(w, x, inner);
    } else {
        atomic_store(&is_initialised, true); /* the image is the action */
    }
    if (activation && !x->answer.fault) {
        ai_answer_clear(&x->answer);
        json_decref(inner);
        inner = wrap(activation, json_object_get(json, "value"));
        run_activation(w, x, inner);
    }
    json_decref(inner);
    json_decref(json);
}

/* ---- Around them ---- */

static void dress(ai_exchange *x)
{
    if (x->answer.fault && !x->sent_status)
        ai_activation_dress(&x->answer);
}

static void mark_end(const ai_exchange *x)
{
    bool is_failed_init = strcmp(x->path, "/init") == 0 && x->answer.fault;
    bool is_activation = strcmp(x->path, "/run") == 0 ||
                         (strcmp(x->path, "/") == 0 && strcmp(x->request.method, "POST") == 0);
    if (!is_activation && !is_failed_init)
        return;
    ai_log_mark(STDOUT_FILENO, SENTINEL);
    ai_log_mark(STDERR_FILENO, SENTINEL);
}

static const ai_route routes[] = {
    {"POST", "/init", 0, answer_init},
    {"POST", "/run", 0, answer_run},
    {"POST", "/", 0, answer_both},
};

static int run(ai_function *f)
{
    static const ai_routes own = AI_ROUTES(routes);
    static const ai_routes *const tables[] = {&own, &ai_routes_health};
    ai_http http = {.address = "0.0.0.0",
                    .port = 8080,
                    .routes = tables,
                    .routes_count = 2,
                    .after = mark_end,
                    .dress = dress};
    return ai_http_serve(f, &http);
}

static bool detect(void)
{
    return getenv("__OW_API_HOST") != NULL; /* actionloop.c comes before */
}

const ai_platform ai_platform_openwhisk = {
    .name = "openwhisk",
    .about = "Apache OpenWhisk, docker action: port 8080 (__OW_API_HOST)",
    .detect = detect,
    .run = run,
};
