/* SPDX-License-Identifier: Apache-2.0
 * A vector of f32: 16 lanes in the registers of a CPU level, or one lane in plain C for `ref`.
 *
 * Define one of AI_SIMD_AVX512, AI_SIMD_AVX2, AI_SIMD_NEON before including this, or none for one
 * lane. `vf` holds numbers, `vi` their bits as unsigned integers, `vm` a truth value for each lane.
 * Every operation is exact or rounded once, so that a lane gives the same bits in every form; only
 * the payload of a NaN differs between CPUs. */
#ifndef AI_SIMD_H
#define AI_SIMD_H

#include <stdint.h>
#include <string.h>

#define AI_INLINE static inline __attribute__((always_inline, unused))

/* What one form of the vector provides. In v_fma and v_fnma, a * b + c and c - a * b are rounded
 * once. v_round is to nearest even. v_load_n and v_store_n touch the first n lanes alone (0 < n <
 * AI_LANES) and load zeros in the others; m_first(n) is true in the first n lanes. v_load_f16 reads 16
 * numbers of f16; ref has it in half.h. A vh is half
 * of 64 weights, four a lane: i_even_s8 reads 0 and 2 of each, i_odd_s8 1 and 3. i_dot2 adds to each
 * lane of a sum its two weights times the numbers of a pair, i_dot2_taps times the bytes of its own
 * lane in two vectors. v_load_u8 reads 16 bytes as numbers, i_store_u8 writes integers that are bytes,
 * i_round is to nearest even; vb is 16 bytes.
 * v_swap(a, n) has lane i ^ n in lane i, n = 1, 2, 4 or 8; v_first is lane 0. */

#if defined(AI_SIMD_AVX512)
#include "avx512/simd_avx512.h"
#elif defined(AI_SIMD_AVX2)
#include "avx2/simd_avx2.h"
#elif defined(AI_SIMD_NEON)
#include "neon/simd_neon.h"
#else
#include "ref/simd_ref.h"
#endif

/* ---- The same in every form ---- */

AI_INLINE vm v_gt(vf a, vf b)
{
    return v_lt(b, a);
}
AI_INLINE vm v_ge(vf a, vf b)
{
    return v_le(b, a);
}
AI_INLINE vf v_abs(vf a)
{
    return v_bits(i_and(i_bits(a), i_set(0x7fffffff)));
}
AI_INLINE vf v_neg(vf a)
{
    return v_bits(i_xor(i_bits(a), i_set(0x80000000)));
}
/* |a| with the sign of b. */
AI_INLINE vf v_copysign(vf a, vf b)
{
    return v_bits(i_or(i_and(i_bits(a), i_set(0x7fffffff)), i_and(i_bits(b), i_set(0x80000000))));
}
/* a, unless b is greater or the only NaN. */
AI_INLINE vf v_max(vf a, vf b)
{
#if defined(AI_SIMD_AVX512) /* MAXPS: the second operand if they are equal or either is NaN */
    return _mm512_mask_mov_ps(_mm512_max_ps(b, a), _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q), b);
#else
    return v_select(m_or(v_ge(a, b), v_is_nan(a)), a, b);
#endif
}
/* a, unless b is less or the only NaN. */
AI_INLINE vf v_min(vf a, vf b)
{
    return v_select(m_or(v_le(a, b), v_is_nan(a)), a, b);
}
/* x < lo ? lo : x, then > hi ? hi: NaN stays. */
AI_INLINE vf v_clamp(vf x, vf lo, vf hi)
{
#if defined(AI_SIMD_AVX512) /* MAXPS and MINPS give their second operand if either is NaN */
    return _mm512_min_ps(hi, _mm512_max_ps(lo, x));
#elif defined(AI_SIMD_AVX2)
    return V_EACH(vf, _mm256_min_ps(hi.q[0], _mm256_max_ps(lo.q[0], x.q[0])),
                  _mm256_min_ps(hi.q[1], _mm256_max_ps(lo.q[1], x.q[1])));
#else
    x = v_select(v_lt(x, lo), lo, x);
    return v_select(v_gt(x, hi), hi, x);
#endif
}

/* x clamped to [lo, hi]; NaN becomes hi. */
AI_INLINE vf v_within(vf x, vf lo, vf hi)
{
#if defined(AI_SIMD_AVX512)
    return _mm512_max_ps(_mm512_min_ps(x, hi), lo);
#elif defined(AI_SIMD_AVX2)
    return V_EACH(vf, _mm256_max_ps(_mm256_min_ps(x.q[0], hi.q[0]), lo.q[0]),
                  _mm256_max_ps(_mm256_min_ps(x.q[1], hi.q[1]), lo.q[1]));
#else
    x = v_select(v_lt(x, hi), x, hi);
    return v_select(v_gt(x, lo), x, lo);
#endif
}

#if AI_LANES == 16
/* out[j][i] = in[i][j] for i, j < 4, rows a step apart. */
AI_INLINE void v_transpose4(const float *in, int64_t in_step, float *out, int64_t out_step)
{
#if defined(AI_SIMD_NEON)
    const float32x4_t a = vld1q_f32(in), b = vld1q_f32(in + in_step);
    const float32x4_t c = vld1q_f32(in + 2 * in_step), d = vld1q_f32(in + 3 * in_step);
    const float64x2_t ab0 = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
    const float64x2_t ab1 = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
    const float64x2_t cd0 = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
    const float64x2_t cd1 = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
    vst1q_f32(out, vreinterpretq_f32_f64(vtrn1q_f64(ab0, cd0)));
    vst1q_f32(out + out_step, vreinterpretq_f32_f64(vtrn1q_f64(ab1, cd1)));
    vst1q_f32(out + 2 * out_step, vreinterpretq_f32_f64(vtrn2q_f64(ab0, cd0)));
    vst1q_f32(out + 3 * out_step, vreinterpretq_f32_f64(vtrn2q_f64(ab1, cd1)));
#else
    __m128 a = _mm_loadu_ps(in), b = _mm_loadu_ps(in + in_step);
    __m128 c = _mm_loadu_ps(in + 2 * in_step), d = _mm_loadu_ps(in + 3 * in_step);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out, a);
    _mm_storeu_ps(out + out_step, b);
    _mm_storeu_ps(out + 2 * out_step, c);
    _mm_storeu_ps(out + 3 * out_step, d);
#endif
}
#endif

#endif
