/* SPDX-License-Identifier: Apache-2.0
 * The vector of simd.h in AVX2: 16 lanes are two registers. Included by simd.h alone. */
#ifndef AI_SIMD_AVX2_H
#define AI_SIMD_AVX2_H

#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file needs -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define AI_LANES 16
typedef __m128i vb;
typedef struct vf {
    __m256 q[2];
} vf;
typedef struct vi {
    __m256i q[2];
} vi;
typedef vi vh;
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
AI_INLINE vf v_load_f16(const uint16_t *p)
{
    const __m128i *halves = (const __m128i *)(const void *)p;
    return V_EACH(vf, _mm256_cvtph_ps(_mm_loadu_si128(halves)),
                  _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)));
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
AI_INLINE vh i_even_s8(const int8_t *p)
{
    const __m256i *w = (const __m256i *)(const void *)p;
    return V_EACH(vi, _mm256_srai_epi16(_mm256_slli_epi16(_mm256_loadu_si256(w), 8), 8),
                  _mm256_srai_epi16(_mm256_slli_epi16(_mm256_loadu_si256(w + 1), 8), 8));
}
AI_INLINE vh i_odd_s8(const int8_t *p)
{
    const __m256i *w = (const __m256i *)(const void *)p;
    return V_EACH(vi, _mm256_srai_epi16(_mm256_loadu_si256(w), 8),
                  _mm256_srai_epi16(_mm256_loadu_si256(w + 1), 8));
}
/* Intrinsics would be put in an order that runs out of registers. */
AI_INLINE __m256i i_madd(__m256i sum, __m256i a, __m256i b)
{
    __m256i both;
    __asm__("vpmaddwd %2, %1, %0" : "=x"(both) : "x"(a), "x"(b));
    __asm__("vpaddd %1, %0, %0" : "+x"(sum) : "x"(both));
    return sum;
}
AI_INLINE vi i_dot2(vi sum, vh w, const int16_t *q)
{
    int32_t pair;
    memcpy(&pair, q, sizeof pair);
    const __m256i x = _mm256_set1_epi32(pair);
    return V_EACH(vi, i_madd(sum.q[0], w.q[0], x), i_madd(sum.q[1], w.q[1], x));
}
AI_INLINE vi i_dot2_taps(vi sum, vh w, const uint8_t *a, const uint8_t *b)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    return V_EACH(vi, i_madd(sum.q[0], w.q[0], _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(x, y))),
                  i_madd(sum.q[1], w.q[1], _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(x, y))));
}
AI_INLINE vi i_load(const int32_t *p)
{
    const __m256i *both = (const __m256i *)(const void *)p;
    return V_EACH(vi, _mm256_loadu_si256(both), _mm256_loadu_si256(both + 1));
}
AI_INLINE void i_store(int32_t *p, vi a)
{
    __m256i *both = (__m256i *)(void *)p;
    _mm256_storeu_si256(both, a.q[0]);
    _mm256_storeu_si256(both + 1, a.q[1]);
}
AI_INLINE __m256 v_load_u8_half(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
AI_INLINE vf v_load_u8(const uint8_t *p)
{
    return V_EACH(vf, v_load_u8_half(p), v_load_u8_half(p + 8));
}
AI_INLINE vi i_round(vf a)
{
    return V_EACH(vi, _mm256_cvtps_epi32(a.q[0]), _mm256_cvtps_epi32(a.q[1]));
}
AI_INLINE void i_store_u8(uint8_t *p, vi a)
{
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.q[0], a.q[1]), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi16(_mm256_castsi256_si128(words),
                                                            _mm256_extracti128_si256(words, 1)));
}
AI_INLINE vb b_set(uint8_t x)
{
    return _mm_set1_epi8((char)x);
}
AI_INLINE vb b_load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
AI_INLINE void b_store(uint8_t *p, vb a)
{
    _mm_storeu_si128((__m128i *)(void *)p, a);
}
AI_INLINE vb b_max(vb a, vb b)
{
    return _mm_max_epu8(a, b);
}
AI_INLINE vf v_swap(vf a, int n)
{
    if (n == 8)
        return V_EACH(vf, a.q[1], a.q[0]);
    if (n == 4)
        return V_EACH(vf, _mm256_permute2f128_ps(a.q[0], a.q[0], 1),
                      _mm256_permute2f128_ps(a.q[1], a.q[1], 1));
    if (n == 2)
        return V_EACH(vf, _mm256_permute_ps(a.q[0], 0x4e), _mm256_permute_ps(a.q[1], 0x4e));
    return V_EACH(vf, _mm256_permute_ps(a.q[0], 0xb1), _mm256_permute_ps(a.q[1], 0xb1));
}
AI_INLINE float v_first(vf a)
{
    return _mm256_cvtss_f32(a.q[0]);
}
#define i_sll(a, n) V_EACH(vi, _mm256_slli_epi32((a).q[0], n), _mm256_slli_epi32((a).q[1], n))
#define i_sra(a, n) V_EACH(vi, _mm256_srai_epi32((a).q[0], n), _mm256_srai_epi32((a).q[1], n))

#endif
