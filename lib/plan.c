/* SPDX-License-Identifier: Apache-2.0
 * Plans a session: shapes from the file or the caller, each operator's check, and the steps that
 * can run beforehand because they only compute shapes. */
#include "session.h"

#include <string.h>

/* Steps whose inputs are known run at open if no input is larger than this. */
enum { FOLD_INPUT_BYTES = 4096 };

typedef long long ll; /* for printf */

bool ai_tensor_measure(ai_tensor *t)
{
    int64_t size = (int64_t)ai_type_bytes(t->type);
    int64_t blocks;
    int64_t height;
    if (t->layout != AI_LAYOUT_NCHW16C)
        return ai_layout_bytes(t->layout, t->type, t->rank, t->dim, &t->bytes);
    /* Dimensions are at most 2^40 and borders below 2^32, so that sums cannot overflow. */
    t->row = (t->dim[3] + t->border[1] + t->border[3]) * 16;
    height = t->dim[2] + t->border[0] + t->border[2];
    blocks = (t->dim[1] + 15) / 16;
    return ai_mul(t->row, height, &t->plane) && ai_mul(t->plane, size, &t->bytes) &&
           ai_mul(t->bytes, blocks, &t->bytes) && ai_mul(t->bytes, t->dim[0], &t->bytes) &&
           t->bytes <= AI_MAX_BYTES;
}

/* ---- Tables ---- */

static void init_tensor(const ai_model *m, ai_tensor *t, uint32_t index)
{
    const ai_file_tensor *f = &m->tensors[index];
    memset(t, 0, sizeof(*t));
    t->type = f->type;
    t->layout = f->layout;
    t->kind = f->kind;
    t->index = index;
    t->fill = (uint8_t)f->zero_point;
    if (f->kind == AI_TENSOR_VALUE)
        return;
    t->rank = f->rank;
    memcpy(t->dim, f->dim, sizeof(t->dim));
    if (f->kind == AI_TENSOR_CONSTANT) {
        t->data = (void *)(uintptr_t)(m->weights + f->offset);
        t->known = t->data;
    }
}

static void init_step(const ai_session *s, uint32_t index)
{
    const ai_model *m = s->model;
    const ai_file_step *f = &m->steps[index];
    ai_step *step = &s->steps[index];
    memset(step, 0, sizeof(*step));
    step->op = ai_op_find(f->op)->op;
    step->file = f;
    step->name = m->strings + f->name;
    step->params = m->parameters + f->param_offset;
    step->in_count = f->input_count;
    step->out_count = f->output_count;
    step->index = index;
    step->cpu = s->cpu;
}

/* ---- Shapes ---- */

static ai_status set_shape(ai_session *s, const ai_shape *shape, ai_error *err)
{
    const ai_model *m = s->model;
    if (shape->input >= m->header->inputs.count)
        return ai_fail(err, AI_E_ARGUMENT, "a shape is for input %u, the model has %u",
                       shape->input, m->header->inputs.count);
    ai_tensor *t = ai_session_tensor(s, m->header->inputs.first + shape->input);
    const ai_file_tensor *f = &m->tensors[t->index];
    const char *name = m->strings + f->name;
    int64_t count;
    if (shape->rank != f->rank)
        return ai_fail(err, AI_E_SHAPE, "input '%s' is given rank %u, the model has %u", name,
                       shape->rank, f->rank);
    for (uint32_t i = 0; i < f->rank; i++) {
        if (shape->dim[i] != f->dim[i] && !(f->varies >> i & 1))
            return ai_fail(err, AI_E_SHAPE,
                           "input '%s' is given %lld as dimension %u, the model fixes it at %lld",
                           name, (ll)shape->dim[i], i, (ll)f->dim[i]);
    }
    if (!ai_count(shape->rank, shape->dim, &count))
        return ai_fail(err, AI_E_SHAPE,
                       "input '%s' is given a negative dimension or over 2^40 elements", name);
    if (shape->rank)
        memcpy(t->dim, shape->dim, shape->rank * sizeof(t->dim[0]));
    return AI_OK;
}

static ai_status set_shapes(ai_session *s, const ai_options *options, ai_error *err)
{
    for (size_t i = 0; i < options->shape_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (options->shapes[k].input == options->shapes[i].input)
                return ai_fail(err, AI_E_ARGUMENT, "input %u is given two shapes",
                               options->shapes[i].input);
        }
        ai_status status = set_shape(s, &options->shapes[i], err);
        if (status)
            return status;
    }
    return AI_OK;
}

/* ---- Steps ---- */

static ai_status check_output(const ai_step *step, uint32_t i, ai_error *err)
{
    ai_tensor *t = step->out[i];
    int64_t count;
    if (t->rank > AI_MAX_RANK || !ai_count(t->rank, t->dim, &count) ||
        (t->layout == AI_LAYOUT_NCHW16C && t->rank != 4))
        return ai_fail_step(err, AI_E_INTERNAL, step, "output %u got a shape that cannot be", i);
    if (!ai_tensor_measure(t))
        return ai_fail_step(err, AI_E_MEMORY, step, "output %u takes over " AI_MAX_BYTES_TEXT, i);
    return AI_OK;
}

static ai_status check_step(ai_step *step, ai_error *err)
{
    ai_status status = step->op->check(step, err);
    for (uint32_t i = 0; i < step->out_count && !status; i++) {
        if (step->out[i])
            status = check_output(step, i, err);
    }
    if (!status && (step->work < 1 || step->scratch < 0 || step->scratch > AI_MAX_BYTES))
        return ai_fail_step(err, AI_E_INTERNAL, step, "work %lld, scratch %lld", (ll)step->work,
                            (ll)step->scratch);
    if (!status && step->alias == AI_ALIAS_VIEW && step->in[0]->bytes != step->out[0]->bytes)
        return ai_fail_step(err, AI_E_INTERNAL, step, "a view has %lld bytes of %lld",
                            (ll)step->out[0]->bytes, (ll)step->in[0]->bytes);
    return status;
}

static bool is_known(const ai_step *step)
{
    for (uint32_t i = 0; i < step->in_count; i++) {
        if (step->in[i] && (!step->in[i]->known || step->in[i]->bytes > FOLD_INPUT_BYTES))
            return false;
    }
    return true;
}

static bool can_fold(const ai_step *step)
{
    if (step->scratch > AI_FOLD_SCRATCH || !(step->op->is_shape_only || is_known(step)))
        return false;
    for (uint32_t i = 0; i < step->out_count; i++) {
        const ai_tensor *t = step->out[i];
        if (t && (t->bytes > AI_KNOWN_BYTES || t->layout != AI_LAYOUT_PLAIN))
            return false;
    }
    return true;
}

/* Runs a step whose outputs are needed to know shapes. */
static ai_status fold_step(ai_session *s, ai_step *step, void *scratch, ai_error *err)
{
    for (uint32_t i = 0; i < step->out_count; i++) {
        if (!step->out[i])
            continue;
        step->out[i]->data = s->known + s->known_bytes;
        memset(step->out[i]->data, 0, AI_KNOWN_BYTES);
        s->known_bytes += AI_KNOWN_BYTES;
    }
    ai_status status = step->op->prepare ? step->op->prepare(step, err) : AI_OK;
    if (!status)
        status = step->op->run(step, 0, step->work, scratch, err);
    for (uint32_t i = 0; i < step->out_count; i++) {
        if (step->out[i])
            step->out[i]->known = step->out[i]->data;
    }
    step->is_folded = true;
    return status;
}

/* A view of what is known needs no memory of its own, however large it is. */
static void fold_view(ai_step *step)
{
    step->out[0]->data = step->in[0]->data;
    step->out[0]->known = step->in[0]->known;
    step->is_folded = true;
}

/* What the model says of its border is true of every session. */
static ai_status check_border(const ai_session *s, ai_error *err)
{
    const ai_file_list *list = &s->model->header->outputs;
    for (uint32_t i = 0; i < list->count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + i);
        const ai_file_tensor *f = &s->model->tensors[t->index];
        if (f->type && t->type != f->type)
            return ai_fail_at(err, AI_E_FORMAT, (uint64_t)(&f->type - s->model->base),
                              "output '%s' is %s, the file says %s", s->model->strings + f->name,
                              ai_type_name(t->type), ai_type_name(f->type));
    }
    return AI_OK;
}

static ai_status check_states(const ai_session *s, ai_error *err)
{
    const ai_file_list *list = &s->model->header->states;
    for (uint32_t i = 0; i < list->count; i++) {
        const ai_tensor *from = ai_session_tensor(s, list->first + 3 * i);
        const ai_tensor *to = ai_session_tensor(s, list->first + 3 * i + 1);
        const char *name = s->model->strings + s->model->tensors[from->index].name;
        if (from->type != to->type || from->rank != to->rank ||
            memcmp(from->dim, to->dim, sizeof(from->dim)) != 0)
            return ai_fail(
                err, AI_E_SHAPE,
                "state '%s' has %lld bytes, its new value has another shape (%lld bytes)", name,
                (ll)from->bytes, (ll)to->bytes);
    }
    return AI_OK;
}

static ai_status plan_steps(ai_session *s, uint8_t *scratch, ai_error *err)
{
    for (uint32_t i = 0; i < s->model->step_count; i++)
        init_step(s, i);
    ai_session_link(s);
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        ai_step *step = &s->steps[i];
        ai_status status = check_step(step, err);
        if (!status && step->alias == AI_ALIAS_VIEW && step->in[0]->known)
            fold_view(step);
        else if (!status && can_fold(step))
            status = fold_step(s, step, scratch, err);
        if (status)
            return status;
    }
    return AI_OK;
}

/* A session has no more threads than its most divided step has parts. */
static void plan_parts(ai_session *s)
{
    uint32_t most = 1;
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        ai_step *step = &s->steps[i];
        step->parts = ai_part_count(step, s->threads);
        if (step->parts > most)
            most = step->parts;
    }
    s->threads = most;
}

ai_status ai_plan(ai_session *s, const ai_options *options, uint8_t *work, ai_error *err)
{
    const ai_model *m = s->model;
    ai_block block = ai_block_of(m);
    for (uint32_t i = 0; i < m->tensor_count; i++)
        init_tensor(m, &s->tensors[i], i);
    ai_status status = set_shapes(s, options, err);
    for (uint32_t i = 0; i < m->tensor_count; i++) {
        if (s->tensors[i].kind != AI_TENSOR_VALUE)
            ai_tensor_measure(&s->tensors[i]);
    }
    if (!status)
        status = plan_steps(s, work + (block.scratch - block.places), err);
    if (!status)
        status = check_border(s, err);
    if (!status)
        status = check_states(s, err);
    if (status)
        return status;
    plan_parts(s);
    return ai_arena_plan(s, (ai_place *)(void *)work,
                         (uint32_t *)(void *)(work + (block.order - block.places)), err);
}
