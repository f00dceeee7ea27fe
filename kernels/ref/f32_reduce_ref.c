/* SPDX-License-Identifier: Apache-2.0
 * Reductions of a row to one number in plain C: 16 partial results, then a fixed tree. Softmax. */
#include "kernels.h"
#include "ref.h"
#include "vmath.h"

static float tree_sum(float lane[16])
{
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            lane[j] += lane[j + half];
    return lane[0];
}

void ai_f32_reduce_sum_ref(const void *args)
{
    const ai_reduce_args *a = args;
    float lane[16] = {0};
    for (int64_t i = 0; i < a->count; i++)
        lane[i % 16] += a->in[i];
    *a->result = tree_sum(lane);
}

void ai_f32_reduce_sum_abs_ref(const void *args)
{
    const ai_reduce_args *a = args;
    float lane[16] = {0};
    for (int64_t i = 0; i < a->count; i++)
        lane[i % 16] += v_abs(a->in[i]);
    *a->result = tree_sum(lane);
}

void ai_f32_reduce_sum_square_ref(const void *args)
{
    const ai_reduce_args *a = args;
    float lane[16] = {0};
    for (int64_t i = 0; i < a->count; i++) {
        const float d = a->in[i] - a->offset;
        lane[i % 16] = fma_once(d, d, lane[i % 16]);
    }
    *a->result = tree_sum(lane);
}

void ai_f32_reduce_sum_exp_ref(const void *args)
{
    const ai_reduce_args *a = args;
    float lane[16] = {0};
    for (int64_t i = 0; i < a->count; i++) {
        const float e = v_exp(a->in[i] - a->offset);
        if (a->out)
            a->out[i] = e;
        lane[i % 16] += e;
    }
    *a->result = tree_sum(lane);
}

void ai_f32_reduce_max_ref(const void *args)
{
    const ai_reduce_args *a = args;
    float lane[16];
    for (int j = 0; j < 16; j++)
        lane[j] = -INFINITY;
    for (int64_t i = 0; i < a->count; i++)
        lane[i % 16] = v_max(lane[i % 16], a->in[i]);
    for (int half = 8; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            lane[j] = v_max(lane[j], lane[j + half]);
    *a->result = lane[0];
}

void ai_f32_softmax_ref(const void *args)
{
    const ai_softmax_args *a = args;
    for (int64_t row = 0; row < a->rows; row++) {
        float *out = a->out + row * a->count;
        float max, sum;
        ai_reduce_args r = {a->in + row * a->count, out, a->count, 0.0f, &max};
        ai_f32_reduce_max_ref(&r);
        r.offset = max;
        r.result = &sum;
        ai_f32_reduce_sum_exp_ref(&r);
        const float share = 1.0f / sum;
        for (int64_t i = 0; i < a->count; i++)
            out[i] *= share;
    }
}
