/* SPDX-License-Identifier: Apache-2.0
 * Tensors of u8, a template like vec.c: the greatest of a window, and numbers to bytes. */
#include <string.h>

#include "vec.h"

#define BYTES_OF2(name, level) ai_u8_##name##_##level
#define BYTES_OF(name, level)  BYTES_OF2(name, level)
#define BYTES(name)            BYTES_OF(name, AI_LEVEL)

ai_kernel_fn BYTES(max_pool);
ai_kernel_fn BYTES(to_bytes);

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
    const vf scale = v_set(a->scale);
    const vf lo = v_set((float)-a->zero), hi = v_set((float)(255 - a->zero));
    const vi zero = i_set((uint32_t)a->zero);
    for (int64_t i = 0; i < a->count; i += 16) {
        const int64_t n = a->count - i < 16 ? a->count - i : 16;
        vf x = v_div(load_some(a->in + i, n), scale);
        x = v_select(v_gt(x, lo), x, lo);
        const vi y = i_add(i_round(v_select(v_lt(x, hi), x, hi)), zero);
        if (n == 16) {
            i_store_u8(a->out + i, y);
            continue;
        }
        uint8_t last[16];
        i_store_u8(last, y);
        memcpy(a->out + i, last, (size_t)n);
    }
}
