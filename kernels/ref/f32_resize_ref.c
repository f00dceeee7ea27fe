/* SPDX-License-Identifier: Apache-2.0
 * A row of a resized tensor, in plain C. */
#include "kernels.h"
#include "ref.h"

void ai_f32_resize_ref(const void *args)
{
    const ai_resize_args *a = args;
    for (int64_t j = 0; j < a->in_count; j++) {
        float sum = 0;
        for (int64_t r = 0; r < a->row_count; r++)
            sum = fmaf(a->rows[r][j], a->row_weights[r], sum);
        a->mixed[j] = sum;
    }
    for (int64_t x = 0; x < a->columns; x++)
        for (int64_t i = 0; i < a->inner; i++) {
            float sum = 0;
            for (int64_t t = 0; t < a->taps; t++)
                sum = fmaf(a->mixed[a->places[t * a->columns + x] + i],
                           a->weights[t * a->columns + x], sum);
            a->out[x * a->inner + i] = sum;
        }
}
