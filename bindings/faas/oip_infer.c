/* SPDX-License-Identifier: Apache-2.0
 * Inference by the Open Inference Protocol: the request's tensors to the model's, and a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oip_run.h"

/* ---- Inputs ---- */

static ai_oip_tensor *find_input(ai_oip_run *r, const char *name)
{
    for (uint32_t i = 0; i < r->request.input_count; i++)
        if (strcmp(r->request.input[i].name, name) == 0)
            return &r->request.input[i];
    return NULL;
}

static bool match_input(ai_oip_run *r, const ai_tensor_info *info, ai_oip_tensor **found)
{
    ai_oip_tensor *t = find_input(r, info->name);
    *found = t;
    if (!t)
        return ai_oip_refuse(r, "input '%.80s' is missing%s", info->name, "");
    if (t->type == AI_OIP_BYTES && !ai_oip_pictures(r, t, info))
        return false;
    return t->type == info->type || ai_oip_refuse(r, "input '%.80s' needs type %s", info->name,
                                                  ai_oip_type_name(info->type));
}

/* Matches inputs by name and type, and opens a session for shapes that are not the defaults. */
static bool match_inputs(ai_oip_run *r, ai_view *views, uint32_t *count)
{
    ai_error err;
    ai_oip_tensor *t;
    ai_shape shapes[AI_OIP_MAX_TENSORS] = {{0}};
    size_t shape_count = 0;
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_handler_session(r->handler, NULL, 0, &r->session, &err);
    for (*count = 0; ai_session_input(r->session, *count, &info) == AI_OK; ++*count) {
        if (*count == AI_OIP_MAX_TENSORS)
            return ai_oip_refuse(r, "input '%.80s' is one too many%s", info.name, "");
        if (!match_input(r, &info, &t))
            return false;
        views[*count] = t->data;
        ai_shape shape = {.input = *count, .rank = t->rank};
        memcpy(shape.dim, t->dim, t->rank * sizeof *t->dim);
        if (t->rank != info.rank || memcmp(t->dim, info.dim, t->rank * sizeof *t->dim) != 0)
            shapes[shape_count++] = shape;
    }
    if (r->request.input_count != *count)
        return ai_oip_refuse(r, "request has inputs that the model has not%s%s", "", "");
    if (ai_handler_session(r->handler, shapes, shape_count, &r->session, &err) != AI_OK) {
        ai_answer_fail(&r->x->answer, 0, NULL, &err);
        return false;
    }
    return true;
}

/* ---- Outputs ---- */

static bool check_output_names(ai_oip_run *r)
{
    for (size_t i = 0; i < json_array_size(r->request.outputs); i++) {
        const char *name =
            json_string_value(json_object_get(json_array_get(r->request.outputs, i), "name"));
        bool is_there = false;
        for (uint32_t k = 0; name && k < r->output_count; k++)
            is_there |= strcmp(r->output[k].name, name) == 0;
        if (!is_there)
            return ai_oip_refuse(r, "output '%.80s' is not there%s", name ? name : "", "");
    }
    return true;
}

static void take_info(ai_oip_output *out, const ai_tensor_info *info)
{
    out->name = info->name;
    out->type = info->type;
    out->rank = info->rank;
    memcpy(out->dim, info->dim, sizeof out->dim);
    out->bytes = info->bytes;
    out->scale = info->scale;
    out->zero_point = info->zero_point;
}

static bool prepare_outputs(ai_oip_run *r)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    while (r->output_count < AI_OIP_MAX_TENSORS &&
           ai_session_output(r->session, r->output_count, &info) == AI_OK)
        take_info(&r->output[r->output_count++], &info);
    if (!check_output_names(r))
        return false;
    for (uint32_t i = 0; i < r->output_count; i++) {
        ai_oip_output *out = &r->output[i];
        if (r->request.outputs && !ai_oip_wanted(r, out->name))
            continue;
        if (!ai_oip_wish(r, out))
            return false;
        out->data = malloc(out->bytes + 1);
        if (!out->data)
            return ai_oip_no_memory(r, out->name);
    }
    return true;
}

/* ---- The run ---- */

/* Shapes may depend on values: they are asked for anew. */
static bool finish_outputs(ai_oip_run *r)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    for (uint32_t i = 0; i < r->output_count; i++) {
        ai_oip_output *out = &r->output[i];
        if (ai_session_output(r->session, i, &info) == AI_OK)
            take_info(out, &info);
        if (out->data && out->top && !ai_oip_classify(r, out))
            return false;
    }
    return true;
}

static bool infer(ai_oip_run *r)
{
    ai_error err;
    ai_view views[AI_OIP_MAX_TENSORS];
    ai_buffer buffers[AI_OIP_MAX_TENSORS];
    ai_call call = AI_CALL_INIT;
    uint32_t count;
    if (!match_inputs(r, views, &count) || !prepare_outputs(r))
        return false;
    for (uint32_t i = 0; i < r->output_count; i++)
        buffers[i] = (ai_buffer){r->output[i].data, r->output[i].data ? r->output[i].bytes : 0};
    call.timeout_ns = r->x->request.timeout_ns;
    if (ai_infer(r->session, views, count, buffers, r->output_count, &call, &err) != AI_OK) {
        ai_answer_fail(&r->x->answer, 0, NULL, &err);
        return false;
    }
    return finish_outputs(r);
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

static void run(ai_oip_run *r, ai_worker *w)
{
    ai_error err;
    size_t head;
    ai_exchange *x = r->x;
    if (!head_bytes(x, &head))
        return;
    if (ai_oip_read(&r->request, x->request.body, x->request.bytes, head, &err) != AI_OK) {
        ai_answer_fail(&x->answer, 0, NULL, &err);
    } else if ((r->handler = ai_worker_handler(w, r->model, &x->answer)) != NULL) {
        snprintf(x->used, sizeof x->used, "%s", ai_worker_used(w));
        if (ai_oip_is_wish(r) ? ai_oip_write_text(r) : infer(r))
            ai_oip_answer(r);
    }
    ai_oip_close(&r->request);
}

void ai_oip_infer(ai_worker *w, ai_exchange *x, const char *model)
{
    ai_oip_run *r = calloc(1, sizeof *r);
    if (!r) {
        ai_exchange_fail(x, 503, "Function.OutOfMemory", "no memory for a request");
        return;
    }
    r->x = x;
    r->model = model;
    run(r, w);
    for (uint32_t i = 0; i < r->output_count; i++)
        free(r->output[i].data);
    free(r);
}
