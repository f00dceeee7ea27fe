/* SPDX-License-Identifier: Apache-2.0
 * Numbers to bytes and back, a template like vec.c. */
#include <string.h>

#include "vec.h"

ai_kernel_fn BYTES(to_bytes);
ai_kernel_fn BYTES(from_bytes);

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

void BYTES(from_bytes)(const void *args)
{
    const ai_from_bytes_args *a = args;
    const vf scale = v_set(a->scale), zero = v_set((float)a->zero);
    for (int64_t i = 0; i < a->count; i += 16) {
        const int64_t n = a->count - i < 16 ? a->count - i : 16;
        uint8_t last[16] = {0};
        if (n < 16)
            memcpy(last, a->in + i, (size_t)n);
        const vf x = v_load_u8(n < 16 ? last : a->in + i);
        store_some(a->out + i, v_mul(v_sub(x, zero), scale), n);
    }
}
