/* SPDX-License-Identifier: Apache-2.0
 * Open Inference Protocol v2 (KServe, Triton, MLServer): tensors in, tensors out, as JSON or raw.
 */
#include "oip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faas.h"

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
    answer_json(x, json_pack("{s:s,s:s,s:[s]}", "name", "libai", "version", version, "extensions",
                             "binary_tensor_data"));
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

static void answer_model(ai_exchange *x, const char *name, uint32_t index)
{
    ai_models *models = x->function->models;
    ai_loaded *now = ai_models_hold(models, index, NULL);
    answer_json(x, json_pack("{s:s,s:[s],s:s,s:o,s:o}", "name", name, "versions", now->version,
                             "platform", "libai_lai", "inputs",
                             describe_all(now->model, ai_model_input), "outputs",
                             describe_all(now->model, ai_model_output)));
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

/* ---- Inference ---- */

typedef struct run {
    ai_exchange *x;
    ai_oip_request request;
    ai_handler *handler;
    ai_session *session;
    ai_tensor_info output[AI_OIP_MAX_TENSORS];
    ai_buffer buffer[AI_OIP_MAX_TENSORS];
    bool is_raw[AI_OIP_MAX_TENSORS];
    uint32_t output_count;
} run;

static bool refuse(run *r, const char *format, const char *name, const char *more)
{
    char message[240];
    snprintf(message, sizeof message, format, name, more); /* formats are this file's */
    ai_exchange_fail(r->x, 400, "Function.BadInput", "%s", message);
    return false;
}

static const ai_oip_tensor *find_input(const run *r, const char *name)
{
    for (uint32_t i = 0; i < r->request.input_count; i++)
        if (strcmp(r->request.input[i].name, name) == 0)
            return &r->request.input[i];
    return NULL;
}

/* Matches inputs by name and type, and opens a session for shapes that are not the defaults. */
static bool match_inputs(run *r, ai_view *views, uint32_t *count)
{
    ai_error err;
    ai_shape shapes[AI_OIP_MAX_TENSORS] = {{0}};
    size_t shape_count = 0;
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_handler_session(r->handler, NULL, 0, &r->session, &err);
    for (*count = 0; ai_session_input(r->session, *count, &info) == AI_OK; ++*count) {
        const ai_oip_tensor *t = find_input(r, info.name);
        if (!t || *count == AI_OIP_MAX_TENSORS)
            return refuse(r, "input '%.80s' is missing%s", info.name, "");
        if (t->type != info.type)
            return refuse(r, "input '%.80s' needs type %s", info.name, ai_oip_type_name(info.type));
        views[*count] = t->data;
        ai_shape shape = {.input = *count, .rank = t->rank};
        memcpy(shape.dim, t->dim, t->rank * sizeof *t->dim);
        if (t->rank != info.rank || memcmp(t->dim, info.dim, t->rank * sizeof *t->dim) != 0)
            shapes[shape_count++] = shape;
    }
    if (r->request.input_count != *count)
        return refuse(r, "request has inputs that the model has not%s%s", "", "");
    if (ai_handler_session(r->handler, shapes, shape_count, &r->session, &err) != AI_OK) {
        ai_answer_fail(&r->x->answer, 0, NULL, &err);
        return false;
    }
    return true;
}

/* The row of `outputs` for a name; NULL: it is not wanted. */
static const json_t *find_output(const run *r, const char *name)
{
    for (size_t i = 0; i < json_array_size(r->request.outputs); i++) {
        const json_t *row = json_array_get(r->request.outputs, i);
        const json_t *given = json_object_get(row, "name");
        if (json_is_string(given) && strcmp(json_string_value(given), name) == 0)
            return row;
    }
    return NULL;
}

static bool check_output_names(run *r)
{
    for (size_t i = 0; i < json_array_size(r->request.outputs); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(r->request.outputs, i), "name"));
        bool is_there = false;
        for (uint32_t k = 0; name && k < r->output_count; k++)
            is_there |= strcmp(r->output[k].name, name) == 0;
        if (!is_there)
            return refuse(r, "output '%.80s' is not there%s", name ? name : "", "");
    }
    return true;
}

static bool prepare_outputs(run *r)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    while (r->output_count < AI_OIP_MAX_TENSORS &&
           ai_session_output(r->session, r->output_count, &info) == AI_OK)
        r->output[r->output_count++] = info;
    if (!check_output_names(r))
        return false;
    for (uint32_t i = 0; i < r->output_count; i++) {
        const json_t *row = find_output(r, r->output[i].name);
        const json_t *raw = json_object_get(json_object_get(row, "parameters"), "binary_data");
        if (r->request.outputs && !row)
            continue;
        r->is_raw[i] = raw ? json_is_true(raw) : r->request.is_binary;
        r->buffer[i] = (ai_buffer){malloc(r->output[i].bytes + 1), r->output[i].bytes};
        if (!r->buffer[i].data) {
            ai_exchange_fail(r->x, 503, "Function.OutOfMemory", "no memory for output '%.80s'",
                             r->output[i].name);
            return false;
        }
    }
    return true;
}

static bool infer(run *r)
{
    ai_error err;
    ai_view views[AI_OIP_MAX_TENSORS];
    ai_call call = AI_CALL_INIT;
    uint32_t count;
    if (!match_inputs(r, views, &count) || !prepare_outputs(r))
        return false;
    call.timeout_ns = r->x->request.timeout_ns;
    if (ai_infer(r->session, views, count, r->buffer, r->output_count, &call, &err) != AI_OK) {
        ai_answer_fail(&r->x->answer, 0, NULL, &err);
        return false;
    }
    for (uint32_t i = 0; i < r->output_count; i++) /* shapes that depend on values */
        ai_session_output(r->session, i, &r->output[i]);
    return true;
}

/* ---- The answer ---- */

static json_t *output_json(const run *r, uint32_t i)
{
    const ai_tensor_info *info = &r->output[i];
    uint32_t element = ai_oip_type_bytes(info->type);
    json_t *shape = json_array();
    for (uint32_t k = 0; k < info->rank; k++)
        json_array_append_new(shape, json_integer((json_int_t)info->dim[k]));
    json_t *json = json_pack("{s:s,s:s,s:o}", "name", info->name, "datatype",
                             ai_oip_type_name(info->type), "shape", shape);
    json_t *data = r->is_raw[i] ? json_pack("{s:I}", "binary_data_size", (json_int_t)info->bytes)
                                : ai_oip_list(info->type, r->buffer[i].data,
                                              element ? info->bytes / element : 0);
    if (json_object_set_new(json, r->is_raw[i] ? "parameters" : "data", data) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *answer_head(run *r, const target *t, const char *version, size_t *raw_bytes)
{
    json_t *outputs = json_array();
    json_t *json = json_pack("{s:s,s:s,s:O}", "model_name", t->name, "model_version", version,
                             "outputs", outputs);
    bool is_made = json && (!r->request.id ||
                            json_object_set_new(json, "id", json_string(r->request.id)) == 0);
    for (uint32_t i = 0; i < r->output_count && is_made; i++) {
        if (!r->buffer[i].data)
            continue;
        is_made = json_array_append_new(outputs, output_json(r, i)) == 0;
        *raw_bytes += r->is_raw[i] ? r->output[i].bytes : 0;
        if (!is_made)
            refuse(r, "output '%.80s' has values that JSON has not, ask for binary data%s",
                   r->output[i].name, "");
    }
    json_decref(outputs);
    if (is_made)
        return json;
    json_decref(json);
    return NULL;
}

/* JSON, then the raw outputs in order. */
static void answer_run(run *r, const target *t)
{
    size_t raw_bytes = 0;
    char length[24];
    ai_answer *a = &r->x->answer;
    const char *at = strchr(r->x->used, '@');
    json_t *json = answer_head(r, t, at ? at + 1 : "1", &raw_bytes);
    if (!json)
        return;
    size_t bytes = json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_REAL_PRECISION(9));
    char *body = malloc(bytes + raw_bytes + 1);
    if (body)
        json_dumpb(json, body, bytes, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(json);
    if (!body) {
        ai_exchange_fail(r->x, 503, "Function.OutOfMemory", "no memory for the answer");
        return;
    }
    a->status = 200;
    a->type = raw_bytes ? "application/octet-stream" : "application/json";
    a->body = body;
    a->bytes = bytes;
    for (uint32_t i = 0; i < r->output_count; i++)
        if (r->buffer[i].data && r->is_raw[i]) {
            memcpy(body + a->bytes, r->buffer[i].data, r->output[i].bytes);
            a->bytes += r->output[i].bytes;
        }
    body[a->bytes] = 0;
    snprintf(length, sizeof length, "%zu", bytes);
    if (raw_bytes)
        ai_exchange_reply(r->x, "Inference-Header-Content-Length", length);
}

static bool head_bytes(ai_exchange *x, size_t *bytes)
{
    const char *given = ai_exchange_header(x, "inference-header-content-length");
    *bytes = x->request.bytes;
    if (!given)
        return true;
    if (!*given || strlen(given) > 15 || strspn(given, "0123456789") != strlen(given)) {
        ai_exchange_fail(x, 400, "Function.BadInput",
                         "Inference-Header-Content-Length is '%.40s', needed is a number", given);
        return false;
    }
    *bytes = (size_t)strtoull(given, NULL, 10);
    return true;
}

static void answer_infer(ai_worker *w, ai_exchange *x, const target *t)
{
    ai_error err;
    size_t head;
    run *r = calloc(1, sizeof *r);
    if (!r) {
        ai_exchange_fail(x, 503, "Function.OutOfMemory", "no memory for a request");
        return;
    }
    r->x = x;
    if (head_bytes(x, &head)) {
        if (ai_oip_read(&r->request, x->request.body, x->request.bytes, head, &err) != AI_OK)
            ai_answer_fail(&x->answer, 0, NULL, &err);
        else if ((r->handler = ai_worker_handler(w, t->name, &x->answer)) != NULL) {
            snprintf(x->used, sizeof x->used, "%s", ai_worker_used(w));
            if (infer(r))
                answer_run(r, t);
        }
        ai_oip_close(&r->request);
    }
    for (uint32_t i = 0; i < r->output_count; i++)
        free(r->buffer[i].data);
    free(r);
}

static void answer_post(ai_worker *w, ai_exchange *x)
{
    target t;
    ai_timer timer = ai_timer_begin(w);
    if (find_target(x, &t)) {
        if (strcmp(t.verb, "infer") == 0)
            answer_infer(w, x, &t);
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
