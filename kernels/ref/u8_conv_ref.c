/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 in plain C: what every level's must equal to the bit. */
#include "kernels.h"
#include "ref.h"
#include "simd.h"

static int32_t saturated(int32_t x, int32_t lo, int32_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static uint8_t finish(const ai_q_conv_args *a, uint32_t sum, float scale, const uint8_t *residual)
{
    const float lo = (float)-a->middle, hi = (float)(255 - a->middle);
    float x = (float)(int32_t)sum * scale;
    x = x < hi ? x : hi;
    x = x > lo ? x : lo;
    int32_t q = (int32_t)rintf(x);
    if (residual)
        q = (int32_t)rintf(
            fma_once((float)q, a->own, fma_once((float)*residual, a->other, a->offset)));
    return (uint8_t)saturated(q + a->zero, a->lo, a->hi);
}

/* From the sums of a pixel of a panel. */
static void finish_pixel(const ai_q_conv_args *a, int32_t panel, int32_t row, int32_t col,
                         const uint32_t sum[16])
{
    uint8_t *out = a->out + panel * a->out_plane + row * a->out_row + col * a->out_step;
    const uint8_t *residual = a->residual ? a->residual + panel * a->residual_plane +
                                                row * a->residual_row + (int64_t)col * 16
                                          : NULL;
    for (int o = 0; o < 16; o++)
        out[o] = finish(a, sum[o] + (uint32_t)a->bias[panel * 16 + o], a->scale[panel * 16 + o],
                        residual ? residual + o : NULL);
}

void ai_u8_conv_ref(const void *args)
{
    const ai_q_conv_args *a = args;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col++) {
                const uint8_t *in = a->in + row * a->in_row + col * a->in_step;
                const int8_t *w = a->weights + panel * a->tap_count * 64;
                uint32_t sum[16] = {0};
                for (int64_t t = 0; t < a->tap_count; t++, w += 64)
                    for (int o = 0; o < 16; o++)
                        for (int i = 0; i < 4; i++)
                            sum[o] += (uint32_t)(in[a->taps[t] + i] * w[o * 4 + i]);
                finish_pixel(a, panel, row, col, sum);
            }
}

void ai_u8_depthwise_ref(const void *args)
{
    const ai_q_conv_args *a = args;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col++) {
                const uint8_t *in =
                    a->in + panel * a->in_plane + row * a->in_row + col * a->in_step;
                const int8_t *w = a->weights + panel * a->tap_count * 64;
                uint32_t sum[16] = {0};
                for (int64_t t = 0; t < a->tap_count; t++, w += 64)
                    for (int o = 0; o < 16; o++)
                        for (int i = 0; i < 4; i++)
                            sum[o] += (uint32_t)(in[a->taps[4 * t + i] + o] * w[o * 4 + i]);
                finish_pixel(a, panel, row, col, sum);
            }
}
