/* SPDX-License-Identifier: Apache-2.0
 * One step without a model: tensors made by hand, checked, prepared and run. */
#include "step.h"

#include <string.h>

enum { NOISE = 0xa5 };

void step_init(step *s, uint32_t op, uint32_t in_count, uint32_t out_count)
{
    memset(s, 0, sizeof(*s));
    s->file.op = (uint16_t)op;
    s->file.input_count = (uint16_t)in_count;
    s->file.output_count = (uint16_t)out_count;
    s->step.op = ai_op_find(op)->op;
    s->step.file = &s->file;
    s->step.name = "s";
    s->step.params = &s->params;
    s->step.in = s->in_list;
    s->step.out = s->out_list;
    s->step.in_count = in_count;
    s->step.out_count = out_count;
    s->err.step = AI_NO_STEP;
    for (uint32_t i = 0; i < in_count; i++)
        s->in_list[i] = &s->in[i];
    for (uint32_t i = 0; i < out_count; i++)
        s->out_list[i] = &s->out[i];
}

void step_free(step *s)
{
    for (int i = 0; i < 2 * STEP_MAX; i++)
        free(s->memory[i]);
    free(s->scratch);
}

void step_shape(step *s, uint32_t i, ai_type type, uint8_t layout, uint32_t rank,
                const int64_t *dim)
{
    ai_tensor *t = &s->in[i];
    t->type = (uint8_t)type;
    t->layout = layout;
    t->rank = (uint8_t)rank;
    for (uint32_t d = 0; d < rank; d++)
        t->dim[d] = dim[d];
}

static size_t measure(ai_tensor *t)
{
    size_t bytes = ai_type_bytes(t->type);
    if (t->layout != AI_LAYOUT_NCHW16C) {
        int64_t layout_bytes;
        t->bytes = (int64_t)((size_t)ai_tensor_count(t) * bytes);
        if (t->layout != AI_LAYOUT_PLAIN &&
            ai_layout_bytes(t->layout, t->type, t->rank, t->dim, &layout_bytes))
            t->bytes = layout_bytes;
        return (size_t)t->bytes;
    }
    t->row = (t->dim[3] + t->border[1] + t->border[3]) * 16;
    t->plane = (t->dim[2] + t->border[0] + t->border[2]) * t->row;
    t->bytes = t->dim[0] * ((t->dim[1] + 15) / 16) * t->plane * (int64_t)bytes;
    return (size_t)t->bytes;
}

static size_t first(const ai_tensor *t)
{
    if (t->layout != AI_LAYOUT_NCHW16C)
        return 0;
    return (size_t)(t->border[0] * t->row + t->border[1] * 16) * ai_type_bytes((ai_type)t->type);
}

void step_alloc(step *s, ai_tensor *t, uint32_t place)
{
    size_t bytes = measure(t);
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes > 0 ? bytes : 1) != 0)
        abort();
    memset(memory, NOISE, bytes);
    free(s->memory[place]);
    s->memory[place] = memory;
    t->data = bytes > 0 ? (char *)memory + first(t) : memory;
}

void step_known(step *s, uint32_t i, uint32_t count, const int64_t *values)
{
    const int64_t dim = count;
    step_shape(s, i, AI_S64, AI_LAYOUT_PLAIN, 1, &dim);
    step_alloc(s, &s->in[i], i);
    if (count > 0)
        memcpy(s->in[i].data, values, count * sizeof(values[0]));
    s->in[i].known = s->in[i].data;
}

void step_known_f32(step *s, uint32_t i, uint32_t count, const float *values)
{
    const int64_t dim = count;
    step_shape(s, i, AI_F32, AI_LAYOUT_PLAIN, 1, &dim);
    step_alloc(s, &s->in[i], i);
    if (count > 0)
        memcpy(s->in[i].data, values, count * sizeof(values[0]));
    s->in[i].known = s->in[i].data;
}

uint32_t step_levels(void)
{
    return ai_cpu_detect() & ~(uint32_t)(AI_CPU_OPENBLAS | AI_CPU_ONEDNN);
}

ai_status step_check(step *s)
{
    return s->step.op->check(&s->step, &s->err);
}

ai_status step_prepare(step *s, uint32_t cpu)
{
    s->step.cpu = cpu;
    for (uint32_t i = 0; i < s->step.out_count; i++) {
        if (s->out_list[i] != NULL)
            step_alloc(s, s->out_list[i], STEP_MAX + i);
    }
    free(s->scratch);
    s->scratch = NULL;
    if (s->step.scratch > 0 && posix_memalign(&s->scratch, 64, (size_t)s->step.scratch) != 0)
        abort();
    s->step.scratch_data = s->scratch;
    return s->step.op->prepare != NULL ? s->step.op->prepare(&s->step, &s->err) : AI_OK;
}

ai_status step_run(step *s, int64_t begin, int64_t end)
{
    return s->step.op->run(&s->step, begin, end, s->scratch, &s->err);
}

static bool row_is_noise(const uint8_t *row, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        if (row[i] != NOISE)
            return false;
    }
    return true;
}

static bool border_is_whole(const ai_tensor *t, const uint8_t *memory)
{
    int64_t bytes = (int64_t)ai_type_bytes((ai_type)t->type);
    int64_t planes = t->dim[0] * ((t->dim[1] + 15) / 16);
    int64_t left = t->border[1] * 16;
    int64_t inside = t->dim[3] * 16;
    for (int64_t p = 0; p < planes; p++) {
        for (int64_t y = 0; y < t->plane / (t->row > 0 ? t->row : 1); y++) {
            const uint8_t *row = memory + (p * t->plane + y * t->row) * bytes;
            bool is_inside = y >= t->border[0] && y < t->border[0] + t->dim[2];
            if (!row_is_noise(row, (is_inside ? left : t->row) * bytes) ||
                (is_inside &&
                 !row_is_noise(row + (left + inside) * bytes, (t->row - left - inside) * bytes)))
                return false;
        }
    }
    return true;
}

bool step_borders_are_whole(const step *s)
{
    for (uint32_t i = 0; i < s->step.out_count; i++) {
        const ai_tensor *t = s->out_list[i];
        if (t != NULL && t->layout == AI_LAYOUT_NCHW16C &&
            !border_is_whole(t, s->memory[STEP_MAX + i]))
            return false;
    }
    return true;
}

/* Where element i of the shape lies, in elements. */
static int64_t place_of(const ai_tensor *t, int64_t i)
{
    if (t->layout == AI_LAYOUT_PLAIN)
        return i;
    int64_t x = i % t->dim[3];
    int64_t y = i / t->dim[3] % t->dim[2];
    int64_t c = i / t->dim[3] / t->dim[2] % t->dim[1];
    int64_t n = i / t->dim[3] / t->dim[2] / t->dim[1];
    int64_t blocks = (t->dim[1] + 15) / 16;
    return (n * blocks + c / 16) * t->plane + y * t->row + x * 16 + c % 16;
}

void *step_element(const ai_tensor *t, int64_t i)
{
    return (char *)t->data + (size_t)place_of(t, i) * ai_type_bytes((ai_type)t->type);
}

float *step_f32(const ai_tensor *t, int64_t i)
{
    return (float *)t->data + place_of(t, i);
}
