/* SPDX-License-Identifier: Apache-2.0
 * Numbers to integers of a scale. */
#ifndef AI_QUANTIZE_H
#define AI_QUANTIZE_H

#include "core.h"

/* out[i] = in[i] / scale, rounded half to even, + zero, saturated to u8, s8, u16 or s16. */
void ai_quantize_span(const float *in, int64_t count, float scale, int32_t zero, ai_type type,
                      void *out);

/* Fails unless the scale is a positive number and the zero point a byte. */
ai_status ai_q_check_numbers(const ai_step *s, const ai_q_scale *q, ai_error *err);
/* The numbers of bytes; `kernel`: FROM_BYTES. */
void ai_q_numbers(const ai_kernel *kernel, const uint8_t *in, int64_t count, const ai_q_scale *q,
                  float *out);
/* The bytes of numbers, clamped to [lo, hi]; `kernel`: TO_BYTES. */
void ai_q_bytes(const ai_kernel *kernel, const float *in, int64_t count, const ai_q_scale *q,
                uint32_t lo, uint32_t hi, uint8_t *out);

#endif
