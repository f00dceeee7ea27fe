/* SPDX-License-Identifier: Apache-2.0
 * Numbers to integers of a scale. */
#ifndef AI_QUANTIZE_H
#define AI_QUANTIZE_H

#include "core.h"

/* out[i] = in[i] / scale, rounded half to even, + zero, saturated to u8, s8, u16 or s16. */
void ai_quantize_span(const float *in, int64_t count, float scale, int32_t zero, ai_type type,
                      void *out);

#endif
