/* SPDX-License-Identifier: Apache-2.0
 * The vector of simd.h in plain C: one lane is one number. Included by simd.h alone. */
#ifndef AI_SIMD_REF_H
#define AI_SIMD_REF_H

#include <math.h>

#define AI_LANES 1
typedef float    vf;
typedef uint32_t vi;
typedef int      vm;

#define V_OP(type, from, name, expr)                                                               \
    AI_INLINE type name(from a, from b)                                                            \
    {                                                                                              \
        return expr;                                                                               \
    }
V_OP(vf, vf, v_add, a + b)
V_OP(vf, vf, v_sub, a - b)
V_OP(vf, vf, v_mul, a *b)
V_OP(vf, vf, v_div, a / b)
V_OP(vm, vf, v_lt, a < b)
V_OP(vm, vf, v_le, a <= b)
V_OP(vm, vf, v_eq, a == b)
V_OP(vm, vm, m_and, a &b)
V_OP(vm, vm, m_or, a | b)
V_OP(vi, vi, i_add, a + b)
V_OP(vi, vi, i_sub, a - b)
V_OP(vi, vi, i_and, a &b)
V_OP(vi, vi, i_or, a | b)
V_OP(vi, vi, i_xor, a ^ b)

/* a * b + c rounded once. Where the processor has no such instruction libm's fmaf is slow, and musl's
 * rounds some denormals twice. Here the product is exact in double and the sum is rounded to odd, so
 * that rounding it once more gives what rounding once would (Boldo and Melquiond, 2008). */
AI_INLINE float fma_once(float a, float b, float c)
{
#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__aarch64__)
    return fmaf(a, b, c);
#else
    const double product = (double)a * (double)b;
    const double addend = (double)c;
    double sum = product + addend;
    const double part = sum - product;
    const double rest = (product - (sum - part)) + (addend - part);
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    const uint64_t is_inexact = (rest < 0.0) | (rest > 0.0); /* not of NaN, which infinities give */
    const uint64_t toward = (rest > 0.0) == (sum > 0.0) ? 1 : (uint64_t)-1;
    bits += toward & -(is_inexact & ~bits & 1);
    memcpy(&sum, &bits, sizeof sum);
    return (float)sum;
#endif
}
/* One copy for all polynomials: loops over a sum take fma_once. */
static __attribute__((noinline, unused)) vf v_fma(vf a, vf b, vf c)
{
    return fma_once(a, b, c);
}
AI_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return v_fma(-a, b, c);
}
AI_INLINE vf v_sqrt(vf a)
{
    return sqrtf(a);
}
AI_INLINE vf v_floor(vf a)
{
    return floorf(a);
}
AI_INLINE vf v_ceil(vf a)
{
    return ceilf(a);
}
AI_INLINE vf v_round(vf a)
{
    return rintf(a);
}
AI_INLINE vf v_set(float x)
{
    return x;
}
AI_INLINE vf v_select(vm m, vf a, vf b)
{
    return m ? a : b;
}
AI_INLINE vm v_is_nan(vf a)
{
    return a != a;
}
AI_INLINE vi i_set(uint32_t x)
{
    return x;
}
AI_INLINE vi i_bits(vf a)
{
    vi bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
AI_INLINE vf v_bits(vi a)
{
    vf x;
    memcpy(&x, &a, sizeof x);
    return x;
}
AI_INLINE vf v_from_int(vi a)
{
    return (float)(int32_t)a;
}
#define i_sll(a, n) ((vi)(a) << (n))
#define i_sra(a, n) ((vi)((int32_t)(a) >> (n)))

#endif
