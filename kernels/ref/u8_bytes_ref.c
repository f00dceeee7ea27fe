/* SPDX-License-Identifier: Apache-2.0
 * Tensors of u8 in plain C: the greatest of a window, numbers to bytes and back, bytes by a
 * table. */
#include <string.h>

#include "ref.h"

static uint8_t greatest(const ai_pool_args *a, int32_t y, int32_t x, int c)
{
    const uint8_t *in = (const uint8_t *)(const void *)a->in;
    uint8_t most = 0;
    for (int32_t h = 0; h < a->kh; h++)
        for (int32_t w = 0; w < a->kw; w++) {
            const int64_t row = (int64_t)y * a->stride_h - a->pad_top + (int64_t)h * a->dilation_h;
            const int64_t col = (int64_t)x * a->stride_w - a->pad_left + (int64_t)w * a->dilation_w;
            if (row < 0 || row >= a->ih || col < 0 || col >= a->iw)
                continue;
            const uint8_t q = in[row * a->in_row + col * 16 + c];
            most = q > most ? q : most;
        }
    return most;
}

void ai_u8_max_pool_ref(const void *args)
{
    const ai_pool_args *a = args;
    uint8_t *out = (uint8_t *)(void *)a->out;
    for (int32_t y = a->row_begin; y < a->row_end; y++)
        for (int32_t x = 0; x < a->ow; x++)
            for (int c = 0; c < 16; c++)
                out[y * a->out_row + (int64_t)x * 16 + c] = greatest(a, y, x, c);
}

void ai_u8_to_bytes_ref(const void *args)
{
    const ai_to_bytes_args *a = args;
    const float lo = (float)-a->zero, hi = (float)(255 - a->zero);
    for (int64_t i = 0; i < a->count; i++) {
        float x = a->in[i] / a->scale;
        x = x > lo ? x : lo;
        x = x < hi ? x : hi;
        a->out[i] = (uint8_t)((int32_t)rintf(x) + a->zero);
    }
}

void ai_u8_from_bytes_ref(const void *args)
{
    const ai_from_bytes_args *a = args;
    for (int64_t i = 0; i < a->count; i++)
        a->out[i] = (float)(a->in[i] - a->zero) * a->scale;
}

void ai_u8_lookup_ref(const void *args)
{
    const ai_lookup_args *a = args;
    for (int64_t i = 0; i < a->count; i++)
        a->out[i] = a->table[a->in[i]];
}
