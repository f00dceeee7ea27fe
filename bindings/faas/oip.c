/* SPDX-License-Identifier: Apache-2.0
 * Open Inference Protocol v2 (KServe, Triton, MLServer): what is said of servers and models, and
 * the paths. oip_run.h says where inference lies. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oip_run.h"

/* ---- What is said of models ---- */

/* Drops `json`. */
static void answer_json(ai_exchange *x, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    ai_exchange_text(x, 200, "application/json", text);
}

static void answer_error(ai_exchange *x, uint32_t status, const char *message)
{
    json_t *json = json_pack("{s:s}", "error", message);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text)
        return;
    free(x->answer.body);
    x->answer.body = text;
    x->answer.bytes = strlen(text);
    x->answer.type = "application/json";
    x->answer.status = status;
}

/* A fault in the protocol's words. */
static void turn_fault(ai_exchange *x)
{
    char message[sizeof x->answer.error.message];
    snprintf(message, sizeof message, "%s", x->answer.error.message);
    if (x->answer.fault)
        answer_error(x, x->answer.status, message);
}

static void answer_server(ai_worker *w, ai_exchange *x)
{
    (void)w;
    char version[24];
    snprintf(version, sizeof version, "%d.%d.%d", AI_VERSION_MAJOR, AI_VERSION_MINOR,
             AI_VERSION_PATCH);
    answer_json(x, json_pack("{s:s,s:s,s:[ss]}", "name", "libai", "version", version, "extensions",
                             "binary_tensor_data", "classification"));
}

static json_t *describe(const ai_tensor_info *info)
{
    const char *type = ai_oip_type_name(info->type);
    json_t *shape = json_array();
    for (uint32_t i = 0; i < info->rank; i++)
        json_array_append_new(shape,
                              json_integer(info->varies >> i & 1 ? -1 : (json_int_t)info->dim[i]));
    return json_pack("{s:s,s:s,s:o}", "name", info->name, "datatype", type ? type : "", "shape",
                     shape);
}

static json_t *describe_all(const ai_model *model,
                            ai_status (*get)(const ai_model *, uint32_t, ai_tensor_info *))
{
    json_t *list = json_array();
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    for (uint32_t i = 0; get(model, i, &info) == AI_OK; i++)
        json_array_append_new(list, describe(&info));
    return list;
}

static bool has_resource(const ai_model *model, const char *name)
{
    ai_resource r = AI_RESOURCE_INIT;
    for (uint32_t i = 0; ai_model_resource(model, i, &r) == AI_OK; i++)
        if (strcmp(r.name, name) == 0)
            return true;
    return false;
}

/* What it is made for, as ai_handler_open tells it. */
static json_t *describe_task(const ai_model *model)
{
    if (has_resource(model, "image"))
        return json_pack("{s:s}", "task", "classify");
    if (!has_resource(model, "text"))
        return json_pack("{s:s}", "task", "infer");
    bool has_both = has_resource(model, "simplified");
    return json_pack("{s:s,s:s}", "task", "write", "scripts",
                     has_both ? "traditional simplified" : "traditional");
}

static void answer_model(ai_exchange *x, const char *name, uint32_t index)
{
    ai_models *models = x->function->models;
    ai_loaded *now = ai_models_hold(models, index, NULL);
    answer_json(x, json_pack("{s:s,s:[s],s:s,s:o,s:o,s:o}", "name", name, "versions", now->version,
                             "platform", "libai_lai", "inputs",
                             describe_all(now->model, ai_model_input), "outputs",
                             describe_all(now->model, ai_model_output), "properties",
                             describe_task(now->model)));
    ai_models_release(models, now);
}

/* ---- Paths: NAME[/versions/V][/infer|/ready] ---- */

typedef struct target {
    char name[256];
    const char *verb; /* "", "infer", "ready" */
    int index;        /* -1: answered */
} target;

static bool is_version(ai_exchange *x, int index, const char *text, size_t bytes)
{
    ai_loaded *now = ai_models_hold(x->function->models, (uint32_t)index, NULL);
    bool is_it = (bytes == 1 && *text == '1') ||
                 (bytes == strlen(now->version) && memcmp(text, now->version, bytes) == 0);
    ai_models_release(x->function->models, now);
    return is_it;
}

static bool find_target(ai_exchange *x, target *t)
{
    size_t bytes = strcspn(x->rest, "/");
    const char *at = x->rest + bytes;
    snprintf(t->name, sizeof t->name, "%.*s", (int)(bytes < 255 ? bytes : 255), x->rest);
    t->index = *t->name ? ai_models_find(x->function->models, t->name) : -1;
    if (t->index < 0) {
        ai_exchange_fail(x, 404, "Function.ModelNotFound", "model '%.80s' is not there", t->name);
        return false;
    }
    if (strncmp(at, "/versions/", 10) == 0) {
        at += 10;
        bytes = strcspn(at, "/");
        if (!is_version(x, t->index, at, bytes)) {
            ai_exchange_fail(x, 404, "Function.ModelNotFound",
                             "model '%.80s' has no version '%.40s'", t->name, at);
            return false;
        }
        at += bytes;
    }
    t->verb = *at ? at + 1 : "";
    return true;
}

static void answer_get(ai_worker *w, ai_exchange *x)
{
    target t;
    (void)w;
    if (find_target(x, &t)) {
        if (!*t.verb)
            answer_model(x, t.name, (uint32_t)t.index);
        else if (strcmp(t.verb, "ready") == 0)
            answer_json(x, json_pack("{s:s,s:b}", "name", t.name, "ready", 1));
        else
            ai_exchange_fail(x, 404, "Function.NotFound", "nothing answers GET '%.150s'", x->path);
    }
    turn_fault(x);
}

static void answer_post(ai_worker *w, ai_exchange *x)
{
    target t;
    ai_timer timer = ai_timer_begin(w);
    if (find_target(x, &t)) {
        if (strcmp(t.verb, "infer") == 0)
            ai_oip_infer(w, x, t.name);
        else
            ai_exchange_fail(x, 404, "Function.NotFound", "nothing answers POST '%.150s'", x->path);
    }
    turn_fault(x);
    ai_timer_end(&timer, &x->answer);
}

static void answer_index(ai_worker *w, ai_exchange *x)
{
    json_t *list = json_array();
    ai_models *models = x->function->models;
    (void)w;
    for (uint32_t i = 0; i < ai_models_count(models); i++) {
        ai_loaded *now = ai_models_hold(models, i, NULL);
        json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", ai_models_name(models, i),
                                              "version", now->version, "state", "READY"));
        ai_models_release(models, now);
    }
    answer_json(x, list);
}

static const ai_route routes[] = {
    {"GET HEAD", "/v2", AI_ROUTE_AT_ONCE, answer_server},
    {"GET HEAD", "/v2/", AI_ROUTE_AT_ONCE, answer_server},
    {"GET HEAD", "/v2/models/*", AI_ROUTE_AT_ONCE, answer_get},
    {"POST", "/v2/models/*", 0, answer_post},
    {"POST", "/v2/repository/index", AI_ROUTE_AT_ONCE, answer_index},
};

const ai_routes ai_routes_oip = AI_ROUTES(routes);
