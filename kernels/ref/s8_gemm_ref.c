/* SPDX-License-Identifier: Apache-2.0
 * Rows of 14 bits and their products with weights of s8, in plain C. */
#include <float.h>

#include "ref.h"
#include "simd.h"

void ai_f32_quantise_ref(const void *args)
{
    const ai_quantise_args *a = args;
    float most = 0.0f;
    float factor = 0.0f;
    for (int64_t i = 0; i < a->count; i++) {
        const float x = fabsf(a->in[i]);
        most = x > most || x != x ? x : most;
    }
    *a->scale = 0.0f;
    if (!(most <= FLT_MAX)) {
        *a->scale = NAN;
    } else if (most >= 0x1p-100f) {
        *a->scale = most / 8191.0f;
        factor = 8191.0f / most;
    }
    for (int64_t i = 0; i < (a->count + 3) / 4 * 4; i++) {
        const int64_t to = (i & ~(int64_t)3) + (i % 4 == 1 ? 2 : i % 4 == 2 ? 1 : i % 4);
        a->out[to] = i < a->count && factor > 0 ? (int16_t)rintf(a->in[i] * factor) : 0;
    }
}

static int32_t sum_of(const int16_t *q, const int8_t *weights, int64_t groups)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < groups; i++, q += 4, weights += 64)
        sum += q[0] * weights[0] + q[2] * weights[1] + q[1] * weights[2] + q[3] * weights[3];
    return sum;
}

void ai_s8_gemm_ref(const void *args)
{
    const ai_gemm_s8_args *s = args;
    const ai_gemm_args *g = &s->gemm;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    const int64_t groups = (g->k + 3) / 4;
    const int64_t block = AI_S8_BLOCK / 4;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = g->panel_begin * 16; n < end; n++) {
            const char *panel = (const char *)g->b + n / 16 * 64 * (groups + 1);
            const int8_t *weights = (const int8_t *)panel + 64 + n % 16 * 4;
            const float scale = s->scales[m] * ((const float *)(const void *)panel)[n % 16];
            float y = g->bias ? g->bias[m * g->bias_row + n] : 0.0f;
            for (int64_t i = 0; i < groups; i += block) {
                const int64_t count = groups - i < block ? groups - i : block;
                const int16_t *q = s->rows + (m * groups + i) * 4;
                y = fma_once((float)sum_of(q, weights + i * 64, count), scale, y);
            }
            g->out[m * g->out_row + n] = clamp(y, g->lo, g->hi);
        }
}
