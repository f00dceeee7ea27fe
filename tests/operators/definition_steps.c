/* SPDX-License-Identifier: Apache-2.0
 * Steps of random shapes and numbers, run in parts, and windows of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "definition.h"

static uint64_t draw(dice *d)
{
    return draw_random(&d->state);
}

int64_t from(dice *d, int64_t first, int64_t last)
{
    return first + (int64_t)(draw(d) % (uint64_t)(last - first + 1));
}

bool one_in(dice *d, int64_t n)
{
    return from(d, 1, n) == 1;
}

static float number(dice *d)
{
    return (float)(draw(d) >> 40) * 0x1p-23f - 1.0f;
}

void fail(const dice *d, const char *name, const char *what)
{
    printf("%s, seed %llu: %s\n", name, (unsigned long long)d->seed, what);
    exit(1);
}

/* ---- Steps ---- */

float *fill(dice *d, step *s, uint32_t i)
{
    ai_tensor *t = &s->in[i];
    int64_t count = ai_tensor_count(t);
    float *plain = malloc((size_t)(count > 0 ? count : 1) * sizeof(float));

    step_alloc(s, t, i);
    memset(s->memory[i], 0, (size_t)t->bytes);
    for (int64_t k = 0; k < count; k++)
        plain[k] = number(d);
    return plain;
}

float *fill_values(dice *d, step *s, uint32_t i)
{
    float *plain = fill(d, s, i);
    for (int64_t k = 0; k < ai_tensor_count(&s->in[i]); k++)
        *step_f32(&s->in[i], k) = plain[k];
    return plain;
}

/* Where an element of a weight [oc][ic][kernel] lies in its layout. */
static int64_t weight_at(const ai_tensor *w, int64_t oc, int64_t ic, int64_t k, int64_t volume)
{
    int64_t panel = oc / 16 * w->dim[1] * volume * 16 + oc % 16;
    int64_t block = ic / 16 * 16;
    int64_t rows = w->dim[1] - block < 16 ? w->dim[1] - block : 16;

    switch (w->layout) {
    case AI_LAYOUT_CONV16:
        return panel + (block * volume + k * rows + ic - block) * 16;
    case AI_LAYOUT_STEM16:
    case AI_LAYOUT_DEPTHWISE16:
        return panel + (ic * volume + k) * 16;
    default:
        return (oc * w->dim[1] + ic) * volume + k;
    }
}

float *fill_weight(dice *d, step *s, int64_t volume)
{
    const ai_tensor *w = &s->in[1];
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(w); i++) {
        int64_t oc = i / volume / w->dim[1];
        int64_t ic = i / volume % w->dim[1];
        ((float *)w->data)[weight_at(w, oc, ic, i % volume, volume)] = plain[i];
    }
    return plain;
}

void run_split(dice *d, step *s, const char *name)
{
    if (step_prepare(s, AI_CPU_REF) != AI_OK)
        fail(d, name, s->err.message);
    for (int64_t begin = 0; begin < s->step.work;) {
        int64_t end = begin + from(d, 1, s->step.work);
        end = end < s->step.work ? end : s->step.work;
        if (step_run(s, begin, end) != AI_OK)
            fail(d, name, s->err.message);
        begin = end;
    }
    if (!step_borders_are_whole(s))
        fail(d, name, "a border was written");
}

void expect(const dice *d, const step *s, const char *name, int64_t i, float wanted)
{
    float found = *step_f32(&s->out[0], i);
    if (memcmp(&found, &wanted, sizeof(found)) == 0 || (isnan(found) && isnan(wanted)))
        return;
    printf("element %lld is %a, needs %a\n", (long long)i, (double)found, (double)wanted);
    fail(d, name, "differs from the definition");
}

float activate(const ai_activation *a, float x)
{
    static const uint16_t functions[][2] = {
        {AI_OP_SWISH, AI_UNARY_SWISH},
        {AI_OP_HARD_SWISH, AI_UNARY_HARD_SWISH},
        {AI_OP_LEAKY_RELU, AI_UNARY_LEAKY_RELU},
        {AI_OP_ROUND, AI_UNARY_ROUND},
    };
    bool is_fixed = a->kind == AI_OP_HARD_SWISH;
    ai_unary_args args = {&x, &x, 1, is_fixed ? 1.0f / 6 : a->lo, is_fixed ? 0.5f : a->hi};

    if (a->kind == AI_ACTIVATION_NONE)
        return x;
    for (int i = 0; i < 4 && a->kind != AI_ACTIVATION_CLIP; i++) {
        uint32_t op = AI_K_UNARY + functions[i][1];
        if (functions[i][0] != a->kind)
            continue;
        ai_kernel_find(op, AI_F32, AI_F32, AI_LAYOUT_PLAIN, AI_CPU_REF)->fn(&args);
        return x;
    }
    x = x < a->lo ? a->lo : x;
    return x > a->hi ? a->hi : x;
}

void make_activation(dice *d, ai_activation *a)
{
    static const uint32_t kinds[] = {AI_OP_SWISH, AI_OP_HARD_SWISH, AI_OP_LEAKY_RELU, AI_OP_ROUND};

    if (one_in(d, 2))
        *a = (ai_activation){AI_ACTIVATION_CLIP, -0.5f, 0.75f};
    else if (one_in(d, 2))
        *a = (ai_activation){kinds[from(d, 0, 3)], 0.25f, 0};
}

/* ---- Windows ---- */

void make_window(dice *d, ai_window *w, uint32_t spatial)
{
    bool is_pointwise = one_in(d, 4);

    w->spatial = spatial;
    w->auto_pad = one_in(d, 4) ? (uint32_t)from(d, 1, 3) : AI_PAD_EXPLICIT;
    for (uint32_t i = 0; i < spatial; i++) {
        w->kernel[i] = is_pointwise ? 1 : (uint32_t)from(d, 1, 4);
        w->stride[i] = is_pointwise ? 1 : (uint32_t)from(d, 1, 3);
        w->dilation[i] = (uint32_t)from(d, 1, 2);
        w->pad_begin[i] = is_pointwise ? 0 : (uint32_t)from(d, 0, 3);
        w->pad_end[i] = is_pointwise ? 0 : (uint32_t)from(d, 0, 3);
    }
}

void set_place(place *p, const ai_window *w, const ai_tensor *x, const ai_tensor *y)
{
    *p = (place){{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
    for (uint32_t i = 0; i < w->spatial; i++) {
        uint32_t k = 3 - w->spatial + i;
        p->in[k] = x->dim[2 + i];
        p->out[k] = y->dim[2 + i];
        p->kernel[k] = w->kernel[i];
        p->stride[k] = w->stride[i];
        p->dilation[k] = w->dilation[i];
        p->pad[k] = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_begin[i] : 0;
        p->pad_end[k] = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_end[i] : 0;
        if (w->auto_pad != AI_PAD_SAME_UPPER && w->auto_pad != AI_PAD_SAME_LOWER)
            continue;
        int64_t total =
            (p->out[k] - 1) * p->stride[k] + (p->kernel[k] - 1) * p->dilation[k] + 1 - p->in[k];
        total = total > 0 ? total : 0;
        p->pad[k] = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : (total + 1) / 2;
        p->pad_end[k] = total - p->pad[k];
    }
}

int64_t volume_of(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

void split(int64_t i, const int64_t size[3], int64_t at[3])
{
    at[0] = i / size[2] / size[1];
    at[1] = i / size[2] % size[1];
    at[2] = i % size[2];
}

int64_t tap(const place *p, const int64_t at[3], int64_t k)
{
    int64_t to[3];
    int64_t place_in = 0;
    split(k, p->kernel, to);
    for (int i = 0; i < 3; i++) {
        int64_t x = at[i] * p->stride[i] - p->pad[i] + to[i] * p->dilation[i];
        if (x < 0 || x >= p->in[i])
            return -1;
        place_in = place_in * p->in[i] + x;
    }
    return place_in;
}
