/* SPDX-License-Identifier: Apache-2.0
 * Matrix product in plain C: rows times panels of 16 columns. */
#include "half.h"
#include "kernels.h"
#include "ref.h"
#include "simd.h"

void ai_f32_gemm_ref(const void *args)
{
    const ai_gemm_args *g = args;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = g->panel_begin * 16; n < end; n++) {
            const float *b = (const float *)g->b + n / 16 * g->panel + n % 16;
            float sum = g->bias ? g->bias[m * g->bias_row + n] : 0.0f;
            for (int64_t k = 0; k < g->k; k++)
                sum = fma_once(g->a[m * g->a_row + k], b[k * 16], sum);
            g->out[m * g->out_row + n] = clamp(sum, g->lo, g->hi);
        }
}

void ai_f32_gemm_plain_ref(const void *args)
{
    const ai_gemm_args *g = args;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = g->panel_begin * 16; n < end; n++) {
            const float *b = (const float *)g->b + n;
            float sum = g->bias ? g->bias[m * g->bias_row + n] : 0.0f;
            for (int64_t k = 0; k < g->k; k++)
                sum = fma_once(g->a[m * g->a_row + k], b[k * g->b_row], sum);
            g->out[m * g->out_row + n] = clamp(sum, g->lo, g->hi);
        }
}

void ai_f32_f16w_gemm_ref(const void *args)
{
    const ai_gemm_args *g = args;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = g->panel_begin * 16; n < end; n++) {
            const uint16_t *b = (const uint16_t *)g->b + n / 16 * g->panel + n % 16;
            float sum = g->bias ? g->bias[m * g->bias_row + n] : 0.0f;
            for (int64_t k = 0; k < g->k; k++)
                sum = fma_once(g->a[m * g->a_row + k], ai_f16_to_f32(b[k * 16]), sum);
            g->out[m * g->out_row + n] = clamp(sum, g->lo, g->hi);
        }
}
