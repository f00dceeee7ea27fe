/* SPDX-License-Identifier: Apache-2.0
 * Floats of 16 bits: to nearest even, straight from the exact value. half.h has the way back. */
#ifndef AI_FLOAT16_H
#define AI_FLOAT16_H

#include <stdint.h>

uint16_t ai_f64_to_f16(double x);
uint16_t ai_f64_to_bf16(double x);

#endif
