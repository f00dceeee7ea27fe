/* SPDX-License-Identifier: Apache-2.0
 * A row of pixels between planes and one block of 16 channels, in plain C. */
#include "kernels.h"
#include "ref.h"

void ai_f32_transpose16_ref(const void *args)
{
    const ai_transpose_args *a = args;
    for (int64_t x = 0; x < a->columns; x++)
        for (int32_t c = 0; c < 16; c++) {
            if (a->to_block)
                a->out[x * 16 + c] = c < a->channels ? a->in[c * a->plane + x] : 0.0f;
            else if (c < a->channels)
                a->out[c * a->plane + x] = a->in[x * 16 + c];
        }
}
