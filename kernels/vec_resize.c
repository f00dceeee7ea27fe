/* SPDX-License-Identifier: Apache-2.0
 * The template of the kernel that resizes rows; compiled once a CPU level, as vec.c is. */
#include "vec.h"

static void mix_rows(const ai_resize_args *a)
{
    for (int64_t j = 0, left = a->in_count; left > 0; j += 16, left -= 16) {
        vf sum = v_set(0.0f);
        for (int64_t r = 0; r < a->row_count; r++)
            sum = v_fma(load_some(a->rows[r] + j, left), v_set(a->row_weights[r]), sum);
        store_some(a->mixed + j, sum, left);
    }
}

/* A lane is a column. */
static void mix_columns(const ai_resize_args *a)
{
    for (int64_t x = 0, left = a->columns; left > 0; x += 16, left -= 16) {
        const int64_t n = left < 16 ? left : 16;
        vf sum = v_set(0.0f);
        for (int64_t t = 0; t < a->taps; t++) {
            const int64_t *places = a->places + t * a->columns + x;
            float lane[16] = {0};
            for (int64_t i = 0; i < n; i++)
                lane[i] = a->mixed[places[i]];
            sum = v_fma(v_load(lane), load_some(a->weights + t * a->columns + x, left), sum);
        }
        store_some(a->out + x, sum, left);
    }
}

/* A lane is a number of a column. */
static void mix_blocks(const ai_resize_args *a)
{
    for (int64_t x = 0; x < a->columns; x++)
        for (int64_t i = 0, left = a->inner; left > 0; i += 16, left -= 16) {
            vf sum = v_set(0.0f);
            for (int64_t t = 0; t < a->taps; t++)
                sum = v_fma(load_some(a->mixed + a->places[t * a->columns + x] + i, left),
                            v_set(a->weights[t * a->columns + x]), sum);
            store_some(a->out + x * a->inner + i, sum, left);
        }
}

void KERNEL_NAME(resize)(const void *args)
{
    const ai_resize_args *a = args;
    mix_rows(a);
    if (a->inner == 1)
        mix_columns(a);
    else
        mix_blocks(a);
}
