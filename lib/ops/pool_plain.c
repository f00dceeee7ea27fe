/* SPDX-License-Identifier: Apache-2.0
 * Pools of plain tensors of one to three dimensions, one output after the other. */
#include <math.h>

#include "pool.h"

/* The taps of one output that lie inside the input. */
typedef struct taps {
    int64_t first[3]; /* input position of the first */
    int64_t count[3];
    int64_t padded[3]; /* taps inside the padded input */
} taps;

/* Taps k of [0, kernel) with 0 <= start + k * dilation < size. */
static void clip_axis(const ai_window3 *v, int i, int64_t position, taps *t)
{
    int64_t dilation = v->dilation[i];
    int64_t start = position * v->stride[i] - v->pad[i];
    int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int64_t end = start < v->in[i] ? (v->in[i] - start + dilation - 1) / dilation : 0;
    int64_t padded_end = (v->in[i] + v->pad_end[i] - start + dilation - 1) / dilation;

    t->first[i] = start + skipped * dilation;
    t->count[i] = ai_max(ai_min(end, v->kernel[i]) - skipped, 0);
    t->padded[i] = ai_min(padded_end, v->kernel[i]);
}

/* Sets the outer two axes for a row of outputs. */
static void clip_row(const ai_window3 *v, int64_t row, taps *t)
{
    clip_axis(v, 0, row / v->out[1], t);
    clip_axis(v, 1, row % v->out[1], t);
}

/* The largest of the taps, the first of equals, or the first NaN; the lowest number if there is no
 * tap. `at` is its place in the plane. */
#define DEFINE_MAX(name, type, lowest, is_nan)                                                     \
    static type name(const ai_window3 *v, const taps *t, const type *in, int64_t *at)              \
    {                                                                                              \
        type best = (lowest);                                                                      \
        *at = -1;                                                                                  \
        for (int64_t d = 0; d < t->count[0]; d++) {                                                \
            for (int64_t h = 0; h < t->count[1]; h++) {                                            \
                int64_t row = (t->first[0] + d * v->dilation[0]) * v->in[1] + t->first[1] +        \
                              h * v->dilation[1];                                                  \
                for (int64_t w = 0; w < t->count[2]; w++) {                                        \
                    int64_t i = row * v->in[2] + t->first[2] + w * v->dilation[2];                 \
                    if (*at >= 0 && !(in[i] > best) && !(is_nan(in[i]) && !is_nan(best)))          \
                        continue;                                                                  \
                    best = in[i];                                                                  \
                    *at = i;                                                                       \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return best;                                                                               \
    }
#define NEVER_NAN(x) ((void)(x), false)

DEFINE_MAX(max_f32, float, -INFINITY, isnan)
DEFINE_MAX(max_s8, int8_t, INT8_MIN, NEVER_NAN)
DEFINE_MAX(max_u8, uint8_t, 0, NEVER_NAN)

/* ONNX counts places in the whole tensor; storage_order 1 lets the first spatial axis run fastest.
 */
static int64_t index_of(const ai_window3 *v, bool is_column_major, int64_t plane, int64_t at)
{
    int64_t size = v->in[0] * v->in[1] * v->in[2];
    at = ai_max(at, 0);
    if (!is_column_major)
        return plane * size + at;
    int64_t d = at / v->in[2] / v->in[1];
    int64_t h = at / v->in[2] % v->in[1];
    int64_t w = at % v->in[2];
    return plane * size + (w * v->in[1] + h) * v->in[0] + d;
}

static void max_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    int64_t plane = unit / rows;
    int64_t size = v->in[0] * v->in[1] * v->in[2];
    bool has_index = s->out_count > 1 && s->out[1] != NULL;
    taps t;

    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        int64_t to = unit * v->out[2] + x;
        int64_t at;
        clip_axis(v, 2, x, &t);
        if (s->in[0]->type == AI_F32)
            ((float *)s->out[0]->data)[to] =
                max_f32(v, &t, (const float *)s->in[0]->data + plane * size, &at);
        else if (s->in[0]->type == AI_S8)
            ((int8_t *)s->out[0]->data)[to] =
                max_s8(v, &t, (const int8_t *)s->in[0]->data + plane * size, &at);
        else
            ((uint8_t *)s->out[0]->data)[to] =
                max_u8(v, &t, (const uint8_t *)s->in[0]->data + plane * size, &at);
        if (has_index)
            ((int64_t *)s->out[1]->data)[to] = index_of(v, p->storage_order == 1, plane, at);
    }
}

/* The sum in the order of the taps. */
static float sum_taps(const ai_window3 *v, const taps *t, const float *in)
{
    float sum = 0.0f;
    for (int64_t d = 0; d < t->count[0]; d++) {
        for (int64_t h = 0; h < t->count[1]; h++) {
            int64_t row =
                (t->first[0] + d * v->dilation[0]) * v->in[1] + t->first[1] + h * v->dilation[1];
            const float *from = in + row * v->in[2] + t->first[2];
            for (int64_t w = 0; w < t->count[2]; w++)
                sum += from[w * v->dilation[2]];
        }
    }
    return sum;
}

static void average_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    const float *in = s->in[0]->data;
    float *out = (float *)s->out[0]->data + unit * v->out[2];
    taps t;

    in += unit / rows * (v->in[0] * v->in[1] * v->in[2]);
    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        clip_axis(v, 2, x, &t);
        const int64_t *counted = p->count_include_pad ? t.padded : t.count;
        int64_t count = counted[0] * counted[1] * counted[2];
        out[x] = sum_taps(v, &t, in) * (1.0f / (float)count);
    }
}

static float power_of(float x, uint32_t p)
{
    return p == 1 ? fabsf(x) : p == 2 ? x * x : ai_powf(fabsf(x), (float)p);
}

static float root_of(float x, uint32_t p)
{
    return p == 1 ? x : p == 2 ? sqrtf(x) : ai_powf(x, 1.0f / (float)p);
}

/* The p-th root of the sum of p-th powers, added in the order of the taps, each rounded before. */
static void lp_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    const float *in = s->in[0]->data;
    float *out = (float *)s->out[0]->data + unit * v->out[2];
    taps t;

    in += unit / rows * (v->in[0] * v->in[1] * v->in[2]);
    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        clip_axis(v, 2, x, &t);
        float sum = 0.0f;
        for (int64_t d = 0; d < t.count[0]; d++) {
            for (int64_t h = 0; h < t.count[1]; h++) {
                int64_t row =
                    (t.first[0] + d * v->dilation[0]) * v->in[1] + t.first[1] + h * v->dilation[1];
                for (int64_t w = 0; w < t.count[2]; w++)
                    sum += power_of(in[row * v->in[2] + t.first[2] + w * v->dilation[2]], p->p);
            }
        }
        out[x] = root_of(sum, p->p);
    }
}

void ai_pool_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    if (s->file->op == AI_OP_MAX_POOL)
        max_row(s, v, unit);
    else if (s->file->op == AI_OP_AVERAGE_POOL)
        average_row(s, v, unit);
    else
        lp_row(s, v, unit);
}

float ai_pool_max(const float *in, int64_t count)
{
    const ai_window3 v = {.in = {1, 1, count}, .dilation = {1, 1, 1}};
    const taps t = {.count = {1, 1, count}};
    int64_t at;
    return max_f32(&v, &t, in, &at);
}
