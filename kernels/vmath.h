/* SPDX-License-Identifier: Apache-2.0
 * exp, log, tanh, erf, pow and the activations over the vector of simd.h: each written once, so
 * that `ref` with one lane and every CPU level with 16 give the same bits.
 *
 * The reductions are the usual ones (J.-M. Muller, "Elementary Functions": Cody and Waite's for
 * exp, 2^e * m for log, the quotient s = (m - 1) / (m + 1) for pow). The coefficients are minimax
 * polynomials fitted for these intervals by Remez exchange and rounded to f32. Bounds are those
 * that tests/kernels checks, in units of the last place of the correctly rounded result. */
#ifndef AI_VMATH_H
#define AI_VMATH_H

#include "simd.h"

/* Halves of ln 2: the upper one has 15 bits, so that n * upper is exact for |n| < 2^9. */
#define LN2_HI 0x1.62e4p-1f
#define LN2_LO 0x1.7f7d1cp-20f
#define V_INF  v_bits(i_set(0x7f800000))
#define V_NAN  v_bits(i_set(0x7fc00000))

#define V_POLY(p, x, c) (p) = v_fma(p, x, v_set(c))

/* 2^n for n in [-126, 127], as integers. */
AI_INLINE vf v_exp2i(vi n)
{
    return v_bits(i_sll(i_add(n, i_set(127)), 23));
}

/* n as a number and as an integer. */
typedef struct v_whole {
    vf number;
    vi integer;
} v_whole;

/* x = n ln 2 + r with |r| <= 0.3466; r comes back. Adding 1.5 * 2^23 leaves n in the low bits. */
AI_INLINE vf v_exp_reduce(vf x, v_whole *n)
{
    const vf magic = v_set(0x1.8p23f);
    const vf shifted = v_fma(x, v_set(0x1.715476p0f), magic);
    n->number = v_sub(shifted, magic);
    n->integer = i_sub(i_bits(shifted), i_bits(magic));
    return v_fnma(n->number, v_set(LN2_LO), v_fnma(n->number, v_set(LN2_HI), x));
}

/* e^r - 1 for |r| <= 0.3466. */
AI_INLINE vf v_expm1_poly(vf r)
{
    vf p = v_set(0x1.a1ba12p-13f);
    V_POLY(p, r, 0x1.6d987ep-10f);
    V_POLY(p, r, 0x1.11107cp-7f);
    V_POLY(p, r, 0x1.55547ep-5f);
    V_POLY(p, r, 0x1.555556p-3f);
    V_POLY(p, r, 0.5f);
    return v_fma(v_mul(r, r), p, r);
}

/* 2^n (1 + p) in two steps, so that the result may be denormal or overflow: the first is exact. */
AI_INLINE vf v_exp_scale(vf p, v_whole n)
{
    const vf x = v_add(p, v_set(1.0f));
#if defined(AI_SIMD_AVX512)
    return _mm512_scalef_ps(x, n.number);
#else
    const vi half = i_sra(n.integer, 1);
    return v_mul(v_mul(x, v_exp2i(half)), v_exp2i(i_sub(n.integer, half)));
#endif
}

/* 1 ulp. */
AI_INLINE vf v_exp(vf x)
{
    v_whole n;
    const vf r = v_exp_reduce(v_clamp(x, v_set(-105.0f), v_set(90.0f)), &n);
    return v_exp_scale(v_expm1_poly(r), n);
}

/* e^x - 1 for x <= 0, 2 ulp. */
AI_INLINE vf v_expm1_negative(vf x)
{
    v_whole n;
    const vf r = v_exp_reduce(v_clamp(x, v_set(-30.0f), v_set(0.0f)), &n);
    const vf s = v_exp2i(n.integer);
    const vf y = v_fma(s, v_expm1_poly(r), v_sub(s, v_set(1.0f)));
    return v_select(v_eq(x, v_set(0.0f)), x, y);
}

/* log(1 + f) for f in [-0.293, 0.415], as f + the rest that comes back. */
AI_INLINE vf v_log1p_rest(vf f)
{
    const vf z = v_mul(f, f);
    vf p = v_set(0x1.1b1e68p-4f);
    V_POLY(p, f, -0x1.e2ea7ap-4f);
    V_POLY(p, f, 0x1.e6600ap-4f);
    V_POLY(p, f, -0x1.fb440cp-4f);
    V_POLY(p, f, 0x1.2331dcp-3f);
    V_POLY(p, f, -0x1.5562d6p-3f);
    V_POLY(p, f, 0x1.99a550p-3f);
    V_POLY(p, f, -0x1.ffffeep-3f);
    V_POLY(p, f, 0x1.555546p-2f);
    return v_fma(v_mul(z, f), p, v_mul(z, v_set(-0.5f)));
}

/* x = 2^e (1 + f) with f in [-0.293, 0.415], for finite x > 0. */
AI_INLINE vf v_log_reduce(vf x, vf *e)
{
    const vm tiny = v_lt(x, v_set(0x1p-126f));
    const vi bits = i_bits(v_select(tiny, v_mul(x, v_set(0x1p23f)), x));
    const vi n = i_sra(i_sub(bits, i_set(0x3f3504f3)), 23); /* of sqrt(1/2) */
    const vf m = v_bits(i_sub(bits, i_sll(n, 23)));
    *e = v_sub(v_from_int(n), v_select(tiny, v_set(23.0f), v_set(0.0f)));
    return v_sub(m, v_set(1.0f));
}

/* log x of finite x > 0, 1 ulp. */
AI_INLINE vf v_log_positive(vf x)
{
    vf e;
    const vf f = v_log_reduce(x, &e);
    const vf low = v_fma(e, v_set(LN2_LO), v_log1p_rest(f));
    return v_fma(e, v_set(LN2_HI), v_add(f, low));
}

AI_INLINE vf v_log(vf x)
{
    vf y = v_log_positive(x);
    y = v_select(v_lt(x, V_INF), y, x); /* inf and NaN */
    y = v_select(v_lt(x, v_set(0.0f)), V_NAN, y);
    return v_select(v_eq(x, v_set(0.0f)), v_neg(V_INF), y);
}

/* log(1 + u) for u in [0, 1], 2 ulp: what rounding took from 1 + u is put back. */
AI_INLINE vf v_log1p_unit(vf u)
{
    const vf w = v_add(u, v_set(1.0f));
    const vf lost = v_sub(u, v_sub(w, v_set(1.0f)));
    return v_add(v_log_positive(w), v_div(lost, w));
}

/* 2 ulp. */
AI_INLINE vf v_tanh(vf x)
{
    const vf a = v_abs(x);
    const vf z = v_mul(x, x);
    const vf one = v_set(1.0f);
    vf p = v_set(-0x1.8a0becp-8f);
    V_POLY(p, z, 0x1.564cacp-6f);
    V_POLY(p, z, -0x1.b8d254p-5f);
    V_POLY(p, z, 0x1.110b50p-3f);
    V_POLY(p, z, -0x1.555546p-2f);
    const vf small = v_fma(v_mul(z, p), x, x);
    const vf e = v_exp(v_add(a, a));
    const vf large = v_sub(one, v_div(v_set(2.0f), v_add(e, one)));
    return v_copysign(v_select(v_lt(a, v_set(0.59f)), small, large), x); /* of -0 too */
}

/* 2 ulp. Up to 1 by x + x P(x^2), beyond as 1 - exp(-a Q(a)): erfc(a) = exp(-a Q(a)). */
AI_INLINE vf v_erf(vf x)
{
    const vf a = v_clamp(v_abs(x), v_set(0.0f), v_set(4.0f));
    const vf z = v_mul(a, a);
    vf p = v_set(0x1.4ae444p-14f);
    V_POLY(p, z, -0x1.a485b6p-11f);
    V_POLY(p, z, 0x1.5419ecp-8f);
    V_POLY(p, z, -0x1.b7fbb4p-6f);
    V_POLY(p, z, 0x1.ce2d20p-4f);
    V_POLY(p, z, -0x1.81273ep-2f);
    V_POLY(p, z, 0x1.06eba8p-3f);
    const vf small = v_fma(a, p, a);
    vf q = v_set(0x1.c666e8p-17f);
    V_POLY(q, a, -0x1.6b05ccp-12f);
    V_POLY(q, a, 0x1.ea0df4p-9f);
    V_POLY(q, a, -0x1.88b3e2p-6f);
    V_POLY(q, a, 0x1.b424b0p-4f);
    V_POLY(q, a, 0x1.451ef4p-1f);
    V_POLY(q, a, 0x1.20f190p+0f);
    const vf large = v_sub(v_set(1.0f), v_exp(v_neg(v_mul(a, q))));
    return v_copysign(v_select(v_lt(a, v_set(1.0f)), small, large), x);
}

/* log x as high + *low with about 36 bits, for finite x > 0. With m = 1 + f and s = f / (2 + f),
 * log m = 2 s + s^3 R(s^2); s, its cube and the product with R are carried as pairs. */
AI_INLINE vf v_log_pair(vf x, vf *low)
{
    vf e;
    const vf f = v_log_reduce(x, &e);
    const vf t = v_add(f, v_set(2.0f));
    const vf t_low = v_sub(f, v_sub(t, v_set(2.0f)));
    const vf s = v_div(f, t);
    const vf s_low = v_div(v_fnma(s, t_low, v_fnma(s, t, f)), t);
    const vf z = v_mul(s, s);
    const vf cube = v_mul(z, s);
    const vf cube_low = v_fma(v_fma(s, s, v_neg(z)), s, v_fma(z, s, v_neg(cube)));
    const vf two_thirds = v_set(2 * 0x1.555556p-2f);
    vf q = v_set(2 * 0x1.e2dac2p-4f);
    V_POLY(q, z, 2 * 0x1.2439b6p-3f);
    V_POLY(q, z, 2 * 0x1.999a76p-3f);
    const vf r = v_fma(z, q, two_thirds);
    const vf r_low = v_add(v_fma(z, q, v_sub(two_thirds, r)), v_set(-0x1.555556p-26f));
    const vf rest = v_mul(cube, r);
    const vf rest_low = v_add(v_fma(cube, r, v_neg(rest)), v_fma(cube, r_low, v_mul(cube_low, r)));
    /* Largest first: 0 or at least 0.69, at most 0.35, at most 0.004, the remainders. */
    const vf a = v_mul(e, v_set(LN2_HI));
    const vf b = v_add(s, s);
    const vf ab = v_add(a, b);
    const vf ab_low = v_select(v_eq(e, v_set(0.0f)), v_set(0.0f), v_sub(b, v_sub(ab, a)));
    const vf sum = v_add(ab, rest);
    const vf sum_low = v_sub(rest, v_sub(sum, ab));
    const vf s_lows = v_fma(s_low, v_fma(z, v_set(2.0f), v_set(2.0f)), rest_low);
    const vf lows = v_add(v_fma(e, v_set(LN2_LO), s_lows), v_add(ab_low, sum_low));
    const vf high = v_add(sum, lows);
    *low = v_sub(lows, v_sub(high, sum));
    return high;
}

/* |x|^y for finite |x| > 0: exp(y log |x|) with the product as a pair. */
AI_INLINE vf v_pow_positive(vf x, vf y)
{
    vf low;
    const vf high = v_log_pair(x, &low);
    vf p = v_mul(y, high);
    vf p_low = v_fma(y, low, v_fma(y, high, v_neg(p)));
    p_low = v_select(v_lt(v_abs(p), v_set(104.0f)), p_low, v_set(0.0f));
    p = v_clamp(p, v_set(-105.0f), v_set(90.0f));
    v_whole n;
    const vf r = v_add(v_exp_reduce(p, &n), p_low);
    return v_exp_scale(v_expm1_poly(r), n);
}

/* 2 ulp; special values as in C11 F.10.4.4. */
AI_INLINE vf v_pow(vf x, vf y)
{
    const vf zero = v_set(0.0f);
    const vf one = v_set(1.0f);
    const vf a = v_abs(x);
    const vm is_whole = m_or(v_eq(v_floor(y), y), v_ge(v_abs(y), v_set(0x1p24f)));
    const vf half = v_mul(y, v_set(0.5f));
    const vm is_even = m_or(v_eq(v_floor(half), half), v_ge(v_abs(y), v_set(0x1p24f)));
    const vm is_rising = v_gt(y, zero);
    vf r = v_pow_positive(a, y);
    r = v_select(v_eq(a, zero), v_select(is_rising, zero, V_INF), r);
    r = v_select(v_eq(a, V_INF), v_select(is_rising, V_INF, zero), r);
    r = v_select(v_eq(a, one), one, r);
    const vf signed_r = v_select(is_even, r, v_copysign(r, x));
    r = v_select(is_whole, signed_r, v_select(m_and(v_lt(x, zero), v_lt(a, V_INF)), V_NAN, r));
    r = v_select(m_or(v_is_nan(x), v_is_nan(y)), v_add(x, y), r);
    return v_select(m_or(v_eq(x, one), v_eq(y, zero)), one, r);
}

/* ---- Activations and the like: f(x, alpha, beta) ---- */

#define F(name) AI_INLINE vf f_##name(vf x, vf alpha, vf beta)
#define ZERO    v_set(0.0f)
#define ONE     v_set(1.0f)
#define NOTHING (void)alpha, (void)beta

F(clip)
{
    return v_clamp(x, alpha, beta);
}
F(leaky_relu)
{
    (void)beta;
    return v_select(v_lt(x, ZERO), v_mul(x, alpha), x);
}
F(elu)
{
    (void)beta;
    return v_select(v_lt(x, ZERO), v_mul(alpha, v_expm1_negative(x)), x);
}
/* beta (x > 0 ? x : alpha (e^x - 1)): beta is ONNX's gamma. */
F(selu)
{
    return v_mul(beta, f_elu(x, alpha, beta));
}
/* max(0, x) + min(0, alpha (e^(x / alpha) - 1)). */
F(celu)
{
    (void)beta;
    const vf q = v_div(x, alpha);
    const vf e = v_select(v_lt(q, ZERO), v_expm1_negative(q), v_sub(v_exp(q), ONE));
    const vf y = v_mul(alpha, e);
    return v_add(v_select(v_lt(x, ZERO), ZERO, x), v_select(v_gt(y, ZERO), ZERO, y));
}
/* x (1 + erf(x / sqrt 2)) / 2. */
F(gelu)
{
    NOTHING;
    const vf e = v_erf(v_mul(x, v_set(0x1.6a09e6p-1f)));
    return v_mul(v_mul(v_set(0.5f), x), v_add(ONE, e));
}
/* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
F(gelu_tanh)
{
    NOTHING;
    const vf cube = v_fma(v_mul(v_mul(x, x), v_set(0.044715f)), x, x);
    const vf t = v_tanh(v_mul(v_set(0x1.988454p-1f), cube));
    return v_mul(v_mul(v_set(0.5f), x), v_add(ONE, t));
}
/* 1 / (1 + e^-x), with e of a negative number only, so that both ends keep their bits. */
F(sigmoid)
{
    NOTHING;
    const vf e = v_exp(v_neg(v_abs(x)));
    return v_div(v_select(v_lt(x, ZERO), e, ONE), v_add(ONE, e));
}
/* max(0, min(1, alpha x + beta)). */
F(hard_sigmoid)
{
    return v_clamp(v_fma(alpha, x, beta), ZERO, ONE);
}
/* x max(0, min(1, alpha x + beta)). */
F(hard_swish)
{
    return v_mul(x, f_hard_sigmoid(x, alpha, beta));
}
/* x sigmoid(alpha x). */
F(swish)
{
    return v_mul(x, f_sigmoid(v_mul(alpha, x), alpha, beta));
}
/* x tanh(softplus(x)) = x n / (n + 2) with n = e^x (e^x + 2). */
F(mish)
{
    NOTHING;
    const vf e = v_exp(v_clamp(x, v_set(-105.0f), v_set(20.0f)));
    const vf n = v_mul(e, v_add(e, v_set(2.0f)));
    const vf y = v_mul(x, v_div(n, v_add(n, v_set(2.0f))));
    return v_select(v_gt(x, v_set(20.0f)), x, y);
}
F(tanh)
{
    NOTHING;
    return v_tanh(x);
}
/* log(1 + e^x) = max(0, x) + log(1 + e^-|x|). */
F(softplus)
{
    NOTHING;
    const vf rest = v_log1p_unit(v_exp(v_neg(v_abs(x))));
    return v_add(v_select(v_lt(x, ZERO), ZERO, x), rest);
}
/* x / (1 + |x|). */
F(softsign)
{
    NOTHING;
    return v_div(x, v_add(ONE, v_abs(x)));
}
F(thresholded_relu)
{
    (void)beta;
    return v_select(v_le(x, alpha), ZERO, x);
}
/* x < -alpha: x + beta; x > alpha: x - beta; else 0. */
F(shrink)
{
    const vf y = v_select(v_gt(x, alpha), v_sub(x, beta), ZERO);
    return v_select(v_lt(x, v_neg(alpha)), v_add(x, beta), y);
}
F(erf)
{
    NOTHING;
    return v_erf(x);
}
F(exp)
{
    NOTHING;
    return v_exp(x);
}
F(log)
{
    NOTHING;
    return v_log(x);
}
F(sqrt)
{
    NOTHING;
    return v_sqrt(x);
}
F(reciprocal)
{
    NOTHING;
    return v_div(ONE, x);
}
F(neg)
{
    NOTHING;
    return v_neg(x);
}
F(abs)
{
    NOTHING;
    return v_abs(x);
}
F(floor)
{
    NOTHING;
    return v_floor(x);
}
F(ceil)
{
    NOTHING;
    return v_ceil(x);
}
F(round)
{
    NOTHING;
    return v_round(x);
}
F(affine)
{
    return v_fma(alpha, x, beta);
}
F(flush)
{
    (void)beta;
    return v_select(v_lt(v_abs(x), alpha), ZERO, x);
}

/* ---- Functions of two numbers ---- */

#define G(name) AI_INLINE vf g_##name(vf a, vf b)

G(add)
{
    return v_add(a, b);
}
G(sub)
{
    return v_sub(a, b);
}
G(mul)
{
    return v_mul(a, b);
}
G(div)
{
    return v_div(a, b);
}
G(pow)
{
    return v_pow(a, b);
}
G(max)
{
    return v_max(a, b);
}
G(min)
{
    return v_min(a, b);
}
/* b is the slope. */
G(prelu)
{
    return v_select(v_lt(a, ZERO), v_mul(a, b), a);
}

#undef F
#undef G
#undef ZERO
#undef ONE
#undef NOTHING

#endif
