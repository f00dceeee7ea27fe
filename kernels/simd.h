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
 * AI_LANES) and load zeros in the others; m_first(n) is true in the first n lanes. */

#if defined(AI_SIMD_AVX512)

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "this file needs -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define AI_LANES 16
typedef __m512    vf;
typedef __m512i   vi;
typedef __mmask16 vm;

#define V_OP1(name, expr)                                                                          \
    AI_INLINE vf name(vf a)                                                                        \
    {                                                                                              \
        return expr;                                                                               \
    }
#define V_OP2(name, intrinsic)                                                                     \
    AI_INLINE vf name(vf a, vf b)                                                                  \
    {                                                                                              \
        return intrinsic(a, b);                                                                    \
    }
#define V_CMP(name, predicate)                                                                     \
    AI_INLINE vm name(vf a, vf b)                                                                  \
    {                                                                                              \
        return _mm512_cmp_ps_mask(a, b, predicate);                                                \
    }
#define I_OP2(name, intrinsic)                                                                     \
    AI_INLINE vi name(vi a, vi b)                                                                  \
    {                                                                                              \
        return intrinsic(a, b);                                                                    \
    }

V_OP2(v_add, _mm512_add_ps)
V_OP2(v_sub, _mm512_sub_ps)
V_OP2(v_mul, _mm512_mul_ps)
V_OP2(v_div, _mm512_div_ps)
V_OP1(v_sqrt, _mm512_sqrt_ps(a))
V_OP1(v_floor, _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC))
V_OP1(v_ceil, _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC))
V_OP1(v_round, _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
V_CMP(v_lt, _CMP_LT_OQ)
V_CMP(v_le, _CMP_LE_OQ)
V_CMP(v_eq, _CMP_EQ_OQ)
I_OP2(i_add, _mm512_add_epi32)
I_OP2(i_sub, _mm512_sub_epi32)
I_OP2(i_and, _mm512_and_si512)
I_OP2(i_or, _mm512_or_si512)
I_OP2(i_xor, _mm512_xor_si512)

AI_INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
AI_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
AI_INLINE vf v_set(float x)
{
    return _mm512_set1_ps(x);
}
AI_INLINE vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
AI_INLINE void v_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
AI_INLINE vm m_first(int64_t n)
{
    return (vm)((1u << n) - 1);
}
AI_INLINE vf v_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(m_first(n), p);
}
AI_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    _mm512_mask_storeu_ps(p, m_first(n), a);
}
AI_INLINE vf v_select(vm m, vf a, vf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
AI_INLINE vm v_is_nan(vf a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
AI_INLINE vm m_and(vm a, vm b)
{
    return (vm)(a & b);
}
AI_INLINE vm m_or(vm a, vm b)
{
    return (vm)(a | b);
}
AI_INLINE vi i_set(uint32_t x)
{
    return _mm512_set1_epi32((int)x);
}
AI_INLINE vi i_bits(vf a)
{
    return _mm512_castps_si512(a);
}
AI_INLINE vf v_bits(vi a)
{
    return _mm512_castsi512_ps(a);
}
AI_INLINE vf v_from_int(vi a)
{
    return _mm512_cvtepi32_ps(a);
}
#define i_sll(a, n) _mm512_slli_epi32(a, n)
#define i_sra(a, n) _mm512_srai_epi32(a, n)

#elif defined(AI_SIMD_AVX2)

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file needs -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define AI_LANES 16
typedef struct vf {
    __m256 q[2];
} vf;
typedef struct vi {
    __m256i q[2];
} vi;
typedef struct vm {
    __m256 q[2];
} vm;

#define V_EACH(type, expr0, expr1) ((type){{expr0, expr1}})
#define V_OP1(name, expr)                                                                          \
    AI_INLINE __m256 name##_half(__m256 a)                                                         \
    {                                                                                              \
        return expr;                                                                               \
    }                                                                                              \
    AI_INLINE vf name(vf a)                                                                        \
    {                                                                                              \
        return V_EACH(vf, name##_half(a.q[0]), name##_half(a.q[1]));                               \
    }
#define V_OP2(type, name, intrinsic)                                                               \
    AI_INLINE type name(type a, type b)                                                            \
    {                                                                                              \
        return V_EACH(type, intrinsic(a.q[0], b.q[0]), intrinsic(a.q[1], b.q[1]));                 \
    }
#define V_CMP(name, predicate)                                                                     \
    AI_INLINE vm name(vf a, vf b)                                                                  \
    {                                                                                              \
        return V_EACH(vm, _mm256_cmp_ps(a.q[0], b.q[0], predicate),                                \
                      _mm256_cmp_ps(a.q[1], b.q[1], predicate));                                   \
    }

V_OP2(vf, v_add, _mm256_add_ps)
V_OP2(vf, v_sub, _mm256_sub_ps)
V_OP2(vf, v_mul, _mm256_mul_ps)
V_OP2(vf, v_div, _mm256_div_ps)
V_OP1(v_sqrt, _mm256_sqrt_ps(a))
V_OP1(v_floor, _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC))
V_OP1(v_ceil, _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC))
V_OP1(v_round, _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
V_CMP(v_lt, _CMP_LT_OQ)
V_CMP(v_le, _CMP_LE_OQ)
V_CMP(v_eq, _CMP_EQ_OQ)
V_OP2(vm, m_and, _mm256_and_ps)
V_OP2(vm, m_or, _mm256_or_ps)
V_OP2(vi, i_add, _mm256_add_epi32)
V_OP2(vi, i_sub, _mm256_sub_epi32)
V_OP2(vi, i_and, _mm256_and_si256)
V_OP2(vi, i_or, _mm256_or_si256)
V_OP2(vi, i_xor, _mm256_xor_si256)

AI_INLINE vf v_fma(vf a, vf b, vf c)
{
    return V_EACH(vf, _mm256_fmadd_ps(a.q[0], b.q[0], c.q[0]),
                  _mm256_fmadd_ps(a.q[1], b.q[1], c.q[1]));
}
AI_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return V_EACH(vf, _mm256_fnmadd_ps(a.q[0], b.q[0], c.q[0]),
                  _mm256_fnmadd_ps(a.q[1], b.q[1], c.q[1]));
}
AI_INLINE vf v_set(float x)
{
    return V_EACH(vf, _mm256_set1_ps(x), _mm256_set1_ps(x));
}
AI_INLINE vf v_load(const float *p)
{
    return V_EACH(vf, _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
AI_INLINE void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a.q[0]);
    _mm256_storeu_ps(p + 8, a.q[1]);
}
AI_INLINE __m256i i_first_half(int64_t n)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
}
AI_INLINE vm m_first(int64_t n)
{
    return V_EACH(vm, _mm256_castsi256_ps(i_first_half(n)),
                  _mm256_castsi256_ps(i_first_half(n - 8)));
}
AI_INLINE vf v_load_n(const float *p, int64_t n)
{
    return V_EACH(vf, _mm256_maskload_ps(p, i_first_half(n)),
                  _mm256_maskload_ps(p + 8, i_first_half(n - 8)));
}
AI_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    _mm256_maskstore_ps(p, i_first_half(n), a.q[0]);
    _mm256_maskstore_ps(p + 8, i_first_half(n - 8), a.q[1]);
}
AI_INLINE vf v_select(vm m, vf a, vf b)
{
    return V_EACH(vf, _mm256_blendv_ps(b.q[0], a.q[0], m.q[0]),
                  _mm256_blendv_ps(b.q[1], a.q[1], m.q[1]));
}
AI_INLINE vm v_is_nan(vf a)
{
    return V_EACH(vm, _mm256_cmp_ps(a.q[0], a.q[0], _CMP_UNORD_Q),
                  _mm256_cmp_ps(a.q[1], a.q[1], _CMP_UNORD_Q));
}
AI_INLINE vi i_set(uint32_t x)
{
    return V_EACH(vi, _mm256_set1_epi32((int)x), _mm256_set1_epi32((int)x));
}
AI_INLINE vi i_bits(vf a)
{
    return V_EACH(vi, _mm256_castps_si256(a.q[0]), _mm256_castps_si256(a.q[1]));
}
AI_INLINE vf v_bits(vi a)
{
    return V_EACH(vf, _mm256_castsi256_ps(a.q[0]), _mm256_castsi256_ps(a.q[1]));
}
AI_INLINE vf v_from_int(vi a)
{
    return V_EACH(vf, _mm256_cvtepi32_ps(a.q[0]), _mm256_cvtepi32_ps(a.q[1]));
}
#define i_sll(a, n) V_EACH(vi, _mm256_slli_epi32((a).q[0], n), _mm256_slli_epi32((a).q[1], n))
#define i_sra(a, n) V_EACH(vi, _mm256_srai_epi32((a).q[0], n), _mm256_srai_epi32((a).q[1], n))

#elif defined(AI_SIMD_NEON)

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "this file needs 64-bit Arm with NEON"
#endif
#include <arm_neon.h>

#define AI_LANES 16
typedef struct vf {
    float32x4_t q[4];
} vf;
typedef struct vi {
    uint32x4_t q[4];
} vi;
typedef vi vm;

#define V_EACH(type, expr) ((type){{expr(0), expr(1), expr(2), expr(3)}})
#define V_OP1(type, from, name, intrinsic)                                                         \
    AI_INLINE type name(from a)                                                                    \
    {                                                                                              \
        return (type){{intrinsic(a.q[0]), intrinsic(a.q[1]), intrinsic(a.q[2]),                    \
                       intrinsic(a.q[3])}};                                                        \
    }
#define V_OP2(type, from, name, intrinsic)                                                         \
    AI_INLINE type name(from a, from b)                                                            \
    {                                                                                              \
        return (type){{intrinsic(a.q[0], b.q[0]), intrinsic(a.q[1], b.q[1]),                       \
                       intrinsic(a.q[2], b.q[2]), intrinsic(a.q[3], b.q[3])}};                     \
    }

V_OP2(vf, vf, v_add, vaddq_f32)
V_OP2(vf, vf, v_sub, vsubq_f32)
V_OP2(vf, vf, v_mul, vmulq_f32)
V_OP2(vf, vf, v_div, vdivq_f32)
V_OP1(vf, vf, v_sqrt, vsqrtq_f32)
V_OP1(vf, vf, v_floor, vrndmq_f32)
V_OP1(vf, vf, v_ceil, vrndpq_f32)
V_OP1(vf, vf, v_round, vrndnq_f32)
V_OP2(vm, vf, v_lt, vcltq_f32)
V_OP2(vm, vf, v_le, vcleq_f32)
V_OP2(vm, vf, v_eq, vceqq_f32)
V_OP2(vi, vi, i_add, vaddq_u32)
V_OP2(vi, vi, i_sub, vsubq_u32)
V_OP2(vi, vi, i_and, vandq_u32)
V_OP2(vi, vi, i_or, vorrq_u32)
V_OP2(vi, vi, i_xor, veorq_u32)
V_OP2(vm, vm, m_and, vandq_u32)
V_OP2(vm, vm, m_or, vorrq_u32)
V_OP1(vi, vf, i_bits, vreinterpretq_u32_f32)
V_OP1(vf, vi, v_bits, vreinterpretq_f32_u32)

AI_INLINE float32x4_t v_from_int_quarter(uint32x4_t a)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u32(a));
}
V_OP1(vf, vi, v_from_int, v_from_int_quarter)

AI_INLINE vf v_fma(vf a, vf b, vf c)
{
#define FMA(i) vfmaq_f32(c.q[i], a.q[i], b.q[i])
    return V_EACH(vf, FMA);
#undef FMA
}
AI_INLINE vf v_fnma(vf a, vf b, vf c)
{
#define FNMA(i) vfmsq_f32(c.q[i], a.q[i], b.q[i])
    return V_EACH(vf, FNMA);
#undef FNMA
}
AI_INLINE vf v_set(float x)
{
#define SET(i) vdupq_n_f32(x)
    return V_EACH(vf, SET);
#undef SET
}
AI_INLINE vi i_set(uint32_t x)
{
#define SET(i) vdupq_n_u32(x)
    return V_EACH(vi, SET);
#undef SET
}
AI_INLINE vf v_load(const float *p)
{
#define LOAD(i) vld1q_f32(p + 4 * (i))
    return V_EACH(vf, LOAD);
#undef LOAD
}
AI_INLINE void v_store(float *p, vf a)
{
    vst1q_f32(p, a.q[0]);
    vst1q_f32(p + 4, a.q[1]);
    vst1q_f32(p + 8, a.q[2]);
    vst1q_f32(p + 12, a.q[3]);
}
AI_INLINE vm m_first(int64_t n)
{
    static const uint32_t lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#define FIRST(i) vcltq_u32(vld1q_u32(lane + 4 * (i)), vdupq_n_u32((uint32_t)n))
    return V_EACH(vm, FIRST);
#undef FIRST
}
AI_INLINE vf v_load_n(const float *p, int64_t n)
{
    float lanes[16] = {0};
    memcpy(lanes, p, (size_t)n * sizeof(float));
    return v_load(lanes);
}
AI_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    float lanes[16];
    v_store(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof(float));
}
AI_INLINE vf v_select(vm m, vf a, vf b)
{
#define SELECT(i) vbslq_f32(m.q[i], a.q[i], b.q[i])
    return V_EACH(vf, SELECT);
#undef SELECT
}
AI_INLINE vm v_is_nan(vf a)
{
#define IS_NAN(i) vmvnq_u32(vceqq_f32(a.q[i], a.q[i]))
    return V_EACH(vm, IS_NAN);
#undef IS_NAN
}
#define i_sll(a, n)                                                                                \
    ((vi){{vshlq_n_u32((a).q[0], n), vshlq_n_u32((a).q[1], n), vshlq_n_u32((a).q[2], n),           \
           vshlq_n_u32((a).q[3], n)}})
#define I_SRA(a, n, i) vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32((a).q[i]), n))
#define i_sra(a, n) ((vi){{I_SRA(a, n, 0), I_SRA(a, n, 1), I_SRA(a, n, 2), I_SRA(a, n, 3)}})

#else /* one lane, plain C */

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
    return v_select(m_or(v_ge(a, b), v_is_nan(a)), a, b);
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
