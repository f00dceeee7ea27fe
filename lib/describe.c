/* SPDX-License-Identifier: Apache-2.0
 * Tells what a session is made of: sizes, shapes, steps and what they took. */
#include "session.h"
#include "state.h"

#include <string.h>

static uint32_t levels_of(const ai_step *step)
{
    uint32_t levels = 0;
    for (size_t k = 0; k < sizeof(step->kernel) / sizeof(step->kernel[0]); k++)
        levels |= step->kernel[k] ? step->kernel[k]->cpu : 0;
    return levels;
}

ai_status ai_session_describe(const ai_session *s, ai_session_info *info)
{
    if (!s)
        return AI_E_ARGUMENT;
    ai_session_info all = AI_SESSION_INFO_INIT;
    all.cpu = AI_CPU_REF;
    for (uint32_t i = 0; i < s->model->step_count; i++)
        all.cpu |= levels_of(&s->steps[i]);
    all.threads = s->threads;
    all.step_count = s->model->step_count;
    all.memory_bytes = (uint64_t)s->memory_bytes;
    all.arena_bytes = (uint64_t)s->arena_bytes;
    all.state_bytes = ai_state_bytes(s);
    all.live_bytes = (uint64_t)s->live_bytes;
    return ai_give(info, &all, sizeof(all));
}

static ai_status describe_tensor(const ai_session *s, const ai_file_list *list, uint32_t index,
                                 ai_tensor_info *info)
{
    if (index >= list->count)
        return AI_E_ARGUMENT;
    const ai_tensor *t = ai_session_tensor(s, list->first + index);
    const ai_file_tensor *f = &s->model->tensors[t->index];
    ai_tensor_info all = AI_TENSOR_INFO_INIT;
    all.type = t->type;
    all.rank = t->rank;
    memcpy(all.dim, t->dim, sizeof(all.dim));
    all.bytes = (uint64_t)t->bytes;
    all.scale = f->scale;
    all.zero_point = f->zero_point;
    all.name = s->model->strings + f->name;
    return ai_give(info, &all, sizeof(all));
}

ai_status ai_session_input(const ai_session *s, uint32_t index, ai_tensor_info *info)
{
    return s ? describe_tensor(s, &s->model->header->inputs, index, info) : AI_E_ARGUMENT;
}

ai_status ai_session_output(const ai_session *s, uint32_t index, ai_tensor_info *info)
{
    return s ? describe_tensor(s, &s->model->header->outputs, index, info) : AI_E_ARGUMENT;
}

static const char *kernel_name(const ai_step *step)
{
    if (step->is_folded)
        return "folded";
    if (step->is_idle)
        return "view";
    return step->kernel[0] ? step->kernel[0]->name : "plain";
}

/* Counts bytes that the step moves, and the end of what it reads of the file. */
static void add_operand(const ai_model *m, const ai_tensor *t, ai_step_info *info)
{
    uintptr_t begin = (uintptr_t)m->weights;
    uintptr_t data = (uintptr_t)t->data;
    info->bytes += (uint64_t)t->bytes;
    if (data < begin || data - begin >= m->weight_bytes)
        return;
    uint64_t end = (uint64_t)(data - (uintptr_t)m->base) + (uint64_t)t->bytes;
    if (end > info->file_end)
        info->file_end = end;
}

ai_status ai_session_step(const ai_session *s, uint32_t index, ai_step_info *info)
{
    if (!s || index >= s->model->step_count)
        return AI_E_ARGUMENT;
    const ai_step *step = &s->steps[index];
    ai_step_info all = AI_STEP_INFO_INIT;
    all.calls = step->calls > UINT32_MAX ? UINT32_MAX : (uint32_t)step->calls;
    all.ns = step->ns;
    if (!step->is_folded && !step->is_idle) {
        all.flops = step->flops;
        for (uint32_t i = 0; i < step->in_count; i++) {
            if (step->in[i])
                add_operand(s->model, step->in[i], &all);
        }
        for (uint32_t i = 0; i < step->out_count; i++) {
            if (step->out[i])
                add_operand(s->model, step->out[i], &all);
        }
    }
    all.name = step->name;
    all.op = ai_op_find(step->file->op)->name;
    all.kernel = kernel_name(step);
    return ai_give(info, &all, sizeof(all));
}

/* ---- Operands ---- */

/* The first byte of a tensor: data is element 0, behind the border. */
static const uint8_t *start_of(const ai_tensor *t)
{
    const uint8_t *data = t->data;
    if (t->layout == AI_LAYOUT_NCHW16C)
        data -= ((int64_t)t->border[0] * t->row + (int64_t)t->border[1] * 16) *
                (int64_t)ai_type_bytes(t->type);
    return data;
}

static void find_place(const ai_session *s, const uint8_t *data, ai_operand_info *info)
{
    const struct {
        const uint8_t *base;
        uint64_t bytes;
        uint32_t place;
    } places[] = {{s->model->base, s->model->bytes, AI_PLACE_FILE},
                  {s->state, (uint64_t)s->state_bytes, AI_PLACE_STATE},
                  {s->arena, (uint64_t)s->arena_bytes, AI_PLACE_ARENA}};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uintptr_t offset = (uintptr_t)data - (uintptr_t)places[i].base;
        if (offset < places[i].bytes) {
            info->place = places[i].place;
            info->offset = offset;
        }
    }
}

static void describe_operand(const ai_session *s, const ai_tensor *t, ai_operand_info *info)
{
    info->tensor = t->index;
    info->type = t->type;
    info->rank = t->rank;
    memcpy(info->dim, t->dim, sizeof(info->dim));
    info->bytes = (uint64_t)t->bytes;
    info->name = s->model->strings + s->model->tensors[t->index].name;
    find_place(s, start_of(t), info);
}

ai_status ai_session_operand(const ai_session *s, uint32_t step, uint32_t index,
                             ai_operand_info *info)
{
    if (!s || step >= s->model->step_count)
        return AI_E_ARGUMENT;
    const ai_step *at = &s->steps[step];
    uint32_t count = at->in_count + at->out_count;
    if (index > count || (index == count && !at->scratch_data))
        return AI_E_ARGUMENT;
    ai_operand_info all = AI_OPERAND_INFO_INIT;
    all.role = index < at->in_count ? AI_ROLE_INPUT : AI_ROLE_OUTPUT;
    all.tensor = AI_NO_TENSOR;
    const ai_tensor *t = index < count ? at->in[index] : NULL; /* outputs follow the inputs */
    if (t) {
        describe_operand(s, t, &all);
    } else if (index == count) {
        all.role = AI_ROLE_SCRATCH;
        all.bytes = (uint64_t)ai_align(at->scratch) * at->parts;
        find_place(s, at->scratch_data, &all);
    }
    return ai_give(info, &all, sizeof(all));
}
