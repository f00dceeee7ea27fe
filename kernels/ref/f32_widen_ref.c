/* SPDX-License-Identifier: Apache-2.0
 * f16 to f32 in plain C. */
#include "half.h"
#include "ref.h"

void ai_f32_widen_f16_ref(const void *args)
{
    const ai_widen_args *w = args;
    for (int64_t i = 0; i < w->count; i++)
        w->out[i] = ai_f16_to_f32(w->in[i]);
}
