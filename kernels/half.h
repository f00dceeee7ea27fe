/* SPDX-License-Identifier: Apache-2.0
 * f16 in plain C: what processors without an instruction for it do, and the definition. */
#ifndef AI_HALF_H
#define AI_HALF_H

#include <stdint.h>
#include <string.h>

/* Exact. A NaN becomes quiet, as it does in the instructions of x86 and Arm. */
static inline float ai_f16_to_f32(uint16_t half)
{
    const uint32_t exponent = (half >> 10) & 31;
    const uint32_t fraction = half & 0x3ff;
    uint32_t bits = (exponent + 112) << 23 | fraction << 13;
    float x;

    if (exponent == 0) { /* zero, or fraction * 2^-24 */
        x = (float)fraction * 0x1p-24f;
        memcpy(&bits, &x, sizeof bits);
    } else if (exponent == 31) {
        bits = 0x7f800000 | (fraction ? 0x400000 : 0) | fraction << 13;
    }
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
