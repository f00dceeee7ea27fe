/* SPDX-License-Identifier: Apache-2.0
 * Convolution in plain C: what every level's must equal to the bit. */
#include "kernels.h"
#include "ref.h"
#include "simd.h"

/* Stores 16 sums at one output pixel. */
static void epilogue(const ai_conv_args *a, int32_t panel, int32_t row, int32_t col,
                     const float sum[16])
{
    float *out = a->out + panel * a->out_plane + row * a->out_row + col * (16 + a->out_gap);
    const float *residual = NULL;
    if (a->residual)
        residual =
            a->residual + panel * a->residual_plane + row * a->residual_row + (int64_t)col * 16;
    for (int o = 0; o < 16; o++)
        out[o] = clamp(residual ? sum[o] + residual[o] : sum[o], a->lo, a->hi);
}

static void start(const ai_conv_args *a, int32_t panel, float sum[16])
{
    for (int o = 0; o < 16; o++)
        sum[o] = a->bias ? a->bias[(int64_t)panel * 16 + o] : 0.0f;
}

/* Adds one number times the 16 weights at *w, and moves *w on. */
static void add(float x, const float **w, float sum[16])
{
    for (int o = 0; o < 16; o++)
        sum[o] = fma_once(x, (*w)[o], sum[o]);
    *w += 16;
}

void ai_f32_conv_ref(const void *args)
{
    const ai_conv_args *a = args;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col++) {
                const float *in = a->in + (int64_t)row * a->stride_h * a->in_row +
                                  (int64_t)col * a->stride_w * 16;
                const float *w = a->weights + panel * a->panel;
                float sum[16];
                start(a, panel, sum);
                for (int32_t block = 0; block < a->ic; block += 16)
                    for (int32_t y = 0; y < a->kh; y++)
                        for (int32_t x = 0; x < a->kw; x++)
                            for (int32_t i = 0; i < 16 && block + i < a->ic; i++)
                                add(in[block / 16 * a->in_plane +
                                       (int64_t)y * a->dilation_h * a->in_row +
                                       (int64_t)x * a->dilation_w * 16 + i],
                                    &w, sum);
                epilogue(a, panel, row, col, sum);
            }
}

void ai_f32_conv_stem_ref(const void *args)
{
    const ai_conv_args *a = args;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col++) {
                const float *in =
                    a->in + (int64_t)row * a->stride_h * a->in_row + (int64_t)col * a->stride_w;
                const float *w = a->weights + panel * a->panel;
                float sum[16];
                start(a, panel, sum);
                for (int32_t i = 0; i < a->ic; i++)
                    for (int32_t y = 0; y < a->kh; y++)
                        for (int32_t x = 0; x < a->kw; x++)
                            add(in[i * a->in_plane + (int64_t)y * a->dilation_h * a->in_row +
                                   (int64_t)x * a->dilation_w],
                                &w, sum);
                epilogue(a, panel, row, col, sum);
            }
}

void ai_f32_conv_depthwise_ref(const void *args)
{
    const ai_conv_args *a = args;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col++) {
                const float *in = a->in + panel * a->in_plane +
                                  (int64_t)row * a->stride_h * a->in_row +
                                  (int64_t)col * a->stride_w * 16;
                const float *w = a->weights + panel * a->panel;
                float sum[16];
                start(a, panel, sum);
                for (int32_t y = 0; y < a->kh; y++)
                    for (int32_t x = 0; x < a->kw; x++, w += 16)
                        for (int o = 0; o < 16; o++)
                            sum[o] = fma_once(in[(int64_t)y * a->dilation_h * a->in_row +
                                                 (int64_t)x * a->dilation_w * 16 + o],
                                              w[o], sum[o]);
                epilogue(a, panel, row, col, sum);
            }
}

void ai_f32_conv_plain_ref(const void *args)
{
    const ai_conv_plain_args *a = args;
    for (int64_t x = 0; x < a->columns; x++) {
        float sum = a->bias;
        for (int64_t t = 0; t < a->tap_count; t++)
            sum = fma_once(a->in[a->taps[t] + x * a->stride], a->weights[t], sum);
        a->out[x] = clamp(a->residual ? sum + a->residual[x] : sum, a->lo, a->hi);
    }
}
