/* SPDX-License-Identifier: Apache-2.0
 * The vector of simd.h in AVX-512: 16 lanes are one register. Included by simd.h alone. */
#ifndef AI_SIMD_AVX512_H
#define AI_SIMD_AVX512_H

#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "this file needs -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define AI_LANES 16
typedef __m128i vb;
typedef __m512 vf;
typedef __m512i vi;
typedef __m512i vh;
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
AI_INLINE vf v_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
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
AI_INLINE vh i_even_s8(const int8_t *p)
{
    return _mm512_srai_epi16(_mm512_slli_epi16(_mm512_loadu_si512(p), 8), 8);
}
AI_INLINE vh i_odd_s8(const int8_t *p)
{
    return _mm512_srai_epi16(_mm512_loadu_si512(p), 8);
}
/* Intrinsics would be put in an order that runs out of registers. */
AI_INLINE vi i_madd(vi sum, vi a, vi b)
{
    vi both;
    __asm__("vpmaddwd %2, %1, %0" : "=v"(both) : "v"(a), "v"(b));
    __asm__("vpaddd %1, %0, %0" : "+v"(sum) : "v"(both));
    return sum;
}
AI_INLINE vi i_dot2(vi sum, vh w, const int16_t *q)
{
    int32_t pair;
    memcpy(&pair, q, sizeof pair);
    return i_madd(sum, w, _mm512_set1_epi32(pair));
}
AI_INLINE vi i_dot2_taps(vi sum, vh w, const uint8_t *a, const uint8_t *b)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)a);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)b);
    const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi8(x, y), _mm_unpacklo_epi8(x, y));
    return i_madd(sum, w, _mm512_cvtepu8_epi16(both));
}
AI_INLINE vi i_load(const int32_t *p)
{
    return _mm512_loadu_si512(p);
}
AI_INLINE void i_store(int32_t *p, vi a)
{
    _mm512_storeu_si512(p, a);
}
AI_INLINE vf v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
AI_INLINE vi i_round(vf a)
{
    return _mm512_cvtps_epi32(a);
}
AI_INLINE void i_store_u8(uint8_t *p, vi a)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a));
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
    return n == 8   ? _mm512_shuffle_f32x4(a, a, 0x4e)
           : n == 4 ? _mm512_shuffle_f32x4(a, a, 0xb1)
           : n == 2 ? _mm512_permute_ps(a, 0x4e)
                    : _mm512_permute_ps(a, 0xb1);
}
AI_INLINE float v_first(vf a)
{
    return _mm512_cvtss_f32(a);
}
#define i_sll(a, n) _mm512_slli_epi32(a, n)
#define i_sra(a, n) _mm512_srai_epi32(a, n)

#endif
