/* SPDX-License-Identifier: Apache-2.0
 * Rounding to floats of 16 bits. */
#include "float16.h"

#include <string.h>

/* The 16-bit float with `digits` fraction bits and this exponent bias nearest to x. */
static uint16_t narrow(double x, int digits, int bias)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint32_t sign = (uint32_t)(bits >> 63) << 15;
    uint32_t infinity = (uint32_t)(2 * bias + 1) << digits;

    if (exponent == 1024 && fraction != 0)
        return (uint16_t)(sign | infinity | (uint32_t)1 << (digits - 1));
    if (exponent > bias)
        return (uint16_t)(sign | infinity);
    if (exponent < -bias - digits)
        return (uint16_t)sign; /* under half the least denormal */
    int shift = 52 - digits;
    uint64_t result = (uint64_t)(exponent + bias) << digits;
    if (exponent < 1 - bias) { /* denormal: the leading one shows */
        fraction |= (uint64_t)1 << 52;
        shift += 1 - bias - exponent;
        result = 0;
    }
    result += fraction >> shift;
    uint64_t rest = fraction & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    if (rest > half || (rest == half && (result & 1) != 0))
        result++; /* may carry into the exponent, up to infinity: right */
    return (uint16_t)(sign | result);
}

uint16_t ai_f64_to_f16(double x)
{
    return narrow(x, 10, 15);
}

uint16_t ai_f64_to_bf16(double x)
{
    return narrow(x, 7, 127);
}
