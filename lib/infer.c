/* SPDX-License-Identifier: Apache-2.0
 * Runs the steps of a session, one after the other. */
#include "os.h"
#include "session.h"

#include <string.h>

/* ---- Arguments ---- */

static const char *tensor_name(const ai_session *s, const ai_tensor *t)
{
    return s->model->strings + s->model->tensors[t->index].name;
}

static ai_status check_inputs(const ai_session *s, const ai_view *inputs, uint32_t count,
                              ai_error *err)
{
    const ai_file_list *list = &s->model->header->inputs;
    if (count != list->count)
        return ai_fail(err, AI_E_ARGUMENT, "%u inputs are given, the model has %u", count,
                       list->count);
    if (count && !inputs)
        return ai_fail(err, AI_E_ARGUMENT, "inputs is NULL");
    for (uint32_t i = 0; i < count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + i);
        if (!inputs[i].data && t->bytes)
            return ai_fail(err, AI_E_ARGUMENT, "input '%s' is NULL", tensor_name(s, t));
        if (inputs[i].bytes != (uint64_t)t->bytes)
            return ai_fail(err, AI_E_ARGUMENT, "input '%s' has %zu bytes, %lld are needed",
                           tensor_name(s, t), inputs[i].bytes, (long long)t->bytes);
    }
    return AI_OK;
}

static ai_status check_outputs(const ai_session *s, const ai_buffer *outputs, uint32_t count,
                               ai_error *err)
{
    const ai_file_list *list = &s->model->header->outputs;
    if (count != list->count)
        return ai_fail(err, AI_E_ARGUMENT, "%u outputs are given, the model has %u", count,
                       list->count);
    if (count && !outputs)
        return ai_fail(err, AI_E_ARGUMENT, "outputs is NULL");
    for (uint32_t i = 0; i < count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + i);
        if (outputs[i].data && outputs[i].bytes < (uint64_t)t->bytes)
            return ai_fail(err, AI_E_ARGUMENT,
                           "output '%s' has room for %zu bytes, %lld are needed", tensor_name(s, t),
                           outputs[i].bytes, (long long)t->bytes);
    }
    return AI_OK;
}

static ai_status take_call(ai_call *to, const ai_call *from, ai_error *err)
{
    *to = (ai_call)AI_CALL_INIT;
    if (!from)
        return AI_OK;
    ai_status status = ai_take(to, sizeof(*to), from, "ai_call", err);
    if (!status && to->flags)
        status = ai_fail(err, AI_E_UNSUPPORTED, "flags 0x%x of ai_call are not known", to->flags);
    return status;
}

/* ---- Inputs and outputs ---- */

static void copy_inputs(const ai_session *s, const ai_view *inputs)
{
    const ai_file_list *list = &s->model->header->inputs;
    for (uint32_t i = 0; i < list->count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + i);
        if (t->bytes)
            memcpy(t->data, inputs[i].data, (size_t)t->bytes);
    }
}

static void copy_outputs(const ai_session *s, const ai_buffer *outputs)
{
    const ai_file_list *list = &s->model->header->outputs;
    for (uint32_t i = 0; i < list->count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + i);
        if (outputs[i].data && t->bytes)
            memcpy(outputs[i].data, t->data, (size_t)t->bytes);
    }
}

/* ---- Steps ---- */

static ai_status run_step(const ai_session *s, const ai_step *step, ai_error *err)
{
    if (step->is_folded || step->is_idle)
        return AI_OK;
    return s->pool && step->parts > 1 ? ai_pool_run(s->pool, step, err)
                                      : ai_part_run(step, 0, 1, err);
}

static ai_status run_profiled(const ai_session *s, ai_step *step, ai_error *err)
{
    uint64_t begin = ai_os_now();
    ai_status status = run_step(s, step, err);
    if (!status) {
        step->ns += ai_os_now() - begin;
        step->calls++;
    }
    return status;
}

static ai_status may_go_on(const ai_session *s, const ai_call *call, uint64_t begin, uint32_t step,
                           ai_error *err)
{
    uint32_t count = s->model->step_count;
    ai_status status = AI_OK;
    if (call->before_step && call->before_step(call->user, step) != 0)
        status =
            ai_fail(err, AI_E_STOPPED, "stopped by before_step after %u of %u steps", step, count);
    else if (call->timeout_ns && ai_os_now() - begin >= call->timeout_ns)
        status = ai_fail(err, AI_E_TIMEOUT, "the time of %llu ns was over after %u of %u steps",
                         (unsigned long long)call->timeout_ns, step, count);
    if (status && err)
        err->step = step;
    return status;
}

typedef void weights_fn(const void *data, size_t bytes);

/* Packed weights are read from end to end; of others a step may read a few rows. */
static void each_weight(const ai_step *step, weights_fn *fn)
{
    for (uint32_t i = 0; i < step->in_count && !step->is_folded; i++) {
        const ai_tensor *t = step->in[i];
        if (t && t->kind == AI_TENSOR_CONSTANT && t->layout != AI_LAYOUT_PLAIN)
            fn(t->data, (size_t)t->bytes);
    }
}

/* The weights of a step come at once before it runs for the first time, while the system reads
 * those of the next: page faults, 64 KiB each, take 5.5 us (a virtual machine). */
static void load_weights(const ai_session *s, uint32_t index, bool is_there)
{
    each_weight(&s->steps[index], ai_os_preload);
    if (!is_there && index + 1 < s->model->step_count)
        each_weight(&s->steps[index + 1], ai_os_announce);
}

static ai_status run_steps(ai_session *s, const ai_call *call, ai_error *err)
{
    uint64_t begin = call->timeout_ns ? ai_os_now() : 0;
    bool is_profiled = (s->flags & AI_PROFILE) != 0;
    bool is_there =
        s->is_loaded || ai_os_is_there(s->model->weights, (size_t)s->model->weight_bytes);
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        ai_step *step = &s->steps[i];
        ai_status status = may_go_on(s, call, begin, i, err);
        if (!status && !s->is_loaded)
            load_weights(s, i, is_there);
        if (!status)
            status = is_profiled ? run_profiled(s, step, err) : run_step(s, step, err);
        if (status)
            return status;
    }
    s->is_loaded = true;
    return AI_OK;
}

ai_status ai_infer(ai_session *s, const ai_view *inputs, uint32_t input_count,
                   const ai_buffer *outputs, uint32_t output_count, const ai_call *call,
                   ai_error *err)
{
    ai_call c;
    if (!s)
        return ai_fail(err, AI_E_ARGUMENT, "session is NULL");
    ai_status status = take_call(&c, call, err);
    if (!status)
        status = check_inputs(s, inputs, input_count, err);
    if (!status)
        status = check_outputs(s, outputs, output_count, err);
    if (status)
        return status;
    if (s->pool && !ai_pool_is_here(s->pool)) { /* a child of fork has the calling thread alone */
        ai_pool_stop(s->pool);
        s->pool = NULL;
    }
    if (s->pool)
        ai_pool_wake(s->pool);
    uint64_t before = ai_os_float_begin();
    copy_inputs(s, inputs);
    status = run_steps(s, &c, err);
    if (s->pool)
        ai_pool_rest(s->pool);
    ai_os_float_end(before);
    if (status)
        return status;
    copy_outputs(s, outputs);
    ai_state_advance(s);
    return AI_OK;
}
