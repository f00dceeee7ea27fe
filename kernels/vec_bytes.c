/* SPDX-License-Identifier: Apache-2.0
 * Tensors of u8, a template like vec.c: products with weights of s8 by widening both to s16, which
 * saturates on no input, the greatest of a window, and numbers to bytes. */
#include <stdbool.h>
#include <string.h>

#include "vec.h"

#define BYTES_OF2(name, level) ai_u8_##name##_##level
#define BYTES_OF(name, level)  BYTES_OF2(name, level)
#define BYTES(name)            BYTES_OF(name, AI_LEVEL)

ai_kernel_fn BYTES(conv_4x16);
ai_kernel_fn BYTES(depthwise_4x16);
ai_kernel_fn BYTES(max_pool);
ai_kernel_fn BYTES(to_bytes);

/* NaN becomes hi. */
AI_INLINE vf within(vf x, vf lo, vf hi)
{
    x = v_select(v_lt(x, hi), x, hi);
    return v_select(v_gt(x, lo), x, lo);
}

/* ---- Products: four pixels by a panel ---- */

typedef struct tile {
    const ai_q_conv_args *args;
    const uint8_t *in[4];
    const uint8_t *residual[4];
    uint8_t *out[4];
} tile;

static void finish(const tile *t, int i, int32_t panel, vi sum)
{
    const ai_q_conv_args *a = t->args;
    const vf zero = v_set((float)a->zero);
    vf x = v_mul(v_from_int(sum), v_load(a->scale + panel * 16));
    x = v_round(within(x, v_set((float)-a->middle), v_set((float)(255 - a->middle))));
    if (a->residual) {
        const vf r = v_load_u8(t->residual[i] + panel * a->residual_plane);
        x = v_fma(x, v_set(a->own), v_fma(r, v_set(a->other), v_set(a->offset)));
        x = v_round(x);
    }
    x = within(v_add(x, zero), v_set((float)a->lo), v_set((float)a->hi));
    v_store_u8(t->out[i] + panel * a->out_plane, x);
}

AI_INLINE void dot_pixels(const tile *t, int32_t panel)
{
    const ai_q_conv_args *a = t->args;
    const int8_t *w = a->weights + panel * a->tap_count * 64;
    vi sum0 = i_load(a->bias + panel * 16), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int64_t i = 0; i < a->tap_count; i++, w += 64) {
        const int64_t tap = a->taps[i];
        vi even, odd;
        i_load_s8(w, &even, &odd);
        sum0 = i_dot4_u8(sum0, even, odd, t->in[0] + tap);
        sum1 = i_dot4_u8(sum1, even, odd, t->in[1] + tap);
        sum2 = i_dot4_u8(sum2, even, odd, t->in[2] + tap);
        sum3 = i_dot4_u8(sum3, even, odd, t->in[3] + tap);
    }
    finish(t, 0, panel, sum0);
    finish(t, 1, panel, sum1);
    finish(t, 2, panel, sum2);
    finish(t, 3, panel, sum3);
}

/* Each lane its own channel: taps by fours. */
AI_INLINE void dot_channels(const tile *t, int32_t panel)
{
    const ai_q_conv_args *a = t->args;
    const int8_t *w = a->weights + panel * a->tap_count * 64;
    const int64_t *tap = a->taps;
    vi sum[4];
    for (int j = 0; j < 4; j++)
        sum[j] = i_load(a->bias + panel * 16);
    for (int64_t i = 0; i < a->tap_count; i++, w += 64, tap += 4) {
        vi even, odd;
        i_load_s8(w, &even, &odd);
        for (int j = 0; j < 4; j++) {
            const uint8_t *in = t->in[j] + panel * a->in_plane;
            const uint8_t *const four[4] = {in + tap[0], in + tap[1], in + tap[2], in + tap[3]};
            sum[j] = i_dot4_taps(sum[j], even, odd, four);
        }
    }
    for (int j = 0; j < 4; j++)
        finish(t, j, panel, sum[j]);
}

/* The last tile of a row computes its last pixel as often as it must. */
AI_INLINE void over_tiles(const ai_q_conv_args *a, bool is_depthwise)
{
    tile t = {.args = a};
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col += 4) {
                for (int i = 0; i < 4; i++) {
                    const int32_t x = col + i < a->ow ? col + i : a->ow - 1;
                    t.in[i] = a->in + row * a->in_row + x * a->in_step;
                    t.out[i] = a->out + row * a->out_row + x * a->out_step;
                    if (a->residual)
                        t.residual[i] = a->residual + row * a->residual_row + (int64_t)x * 16;
                }
                if (is_depthwise)
                    dot_channels(&t, panel);
                else
                    dot_pixels(&t, panel);
            }
}

void BYTES(conv_4x16)(const void *args)
{
    over_tiles(args, false);
}

void BYTES(depthwise_4x16)(const void *args)
{
    over_tiles(args, true);
}

/* ---- The greatest of a window ---- */

static vb greatest(const ai_pool_args *a, int32_t y, int32_t x)
{
    const uint8_t *in = (const uint8_t *)(const void *)a->in;
    vb most = b_set(0);
    for (int32_t h = 0; h < a->kh; h++) {
        const int64_t row = (int64_t)y * a->stride_h - a->pad_top + (int64_t)h * a->dilation_h;
        for (int32_t w = 0; w < a->kw && row >= 0 && row < a->ih; w++) {
            const int64_t col = (int64_t)x * a->stride_w - a->pad_left + (int64_t)w * a->dilation_w;
            if (col >= 0 && col < a->iw)
                most = b_max(most, b_load(in + row * a->in_row + col * 16));
        }
    }
    return most;
}

void BYTES(max_pool)(const void *args)
{
    const ai_pool_args *a = args;
    for (int32_t y = a->row_begin; y < a->row_end; y++)
        for (int32_t x = 0; x < a->ow; x++)
            b_store((uint8_t *)(void *)a->out + y * a->out_row + (int64_t)x * 16,
                    greatest(a, y, x));
}

/* ---- Numbers to bytes ---- */

void BYTES(to_bytes)(const void *args)
{
    const ai_to_bytes_args *a = args;
    const vf scale = v_set(a->scale), zero = v_set((float)a->zero);
    const vf lo = v_set((float)-a->zero), hi = v_set((float)(255 - a->zero));
    for (int64_t i = 0; i < a->count; i += 16) {
        const int64_t n = a->count - i < 16 ? a->count - i : 16;
        vf x = v_div(load_some(a->in + i, n), scale);
        x = v_select(v_gt(x, lo), x, lo);
        x = v_add(v_round(v_select(v_lt(x, hi), x, hi)), zero);
        if (n == 16) {
            v_store_u8(a->out + i, x);
            continue;
        }
        uint8_t last[16];
        v_store_u8(last, x);
        memcpy(a->out + i, last, (size_t)n);
    }
}
