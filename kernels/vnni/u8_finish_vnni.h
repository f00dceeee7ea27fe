/* SPDX-License-Identifier: Apache-2.0
 * How sums of a convolution on integers become bytes, 16 outputs a vector (kernels.h has the
 * formula). */
#ifndef AI_U8_FINISH_VNNI_H
#define AI_U8_FINISH_VNNI_H

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__)
#error "this file needs -mavx512vnni -mavx512bw"
#endif
#include <immintrin.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* Sums as integers from which the zero point was taken. MINPS gives its second operand for NaN.
 * What is less than s32 becomes the least of s32: the bytes saturate later. */
INLINE __m512i scaled(__m512i sum, __m512 scale, __m512 hi)
{
    __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
    return _mm512_cvtps_epi32(_mm512_min_ps(x, hi));
}

INLINE __m512i added(const ai_q_conv_args *a, __m512i q, const uint8_t *residual)
{
    q = _mm512_max_epi32(q, _mm512_set1_epi32(-a->middle));
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)residual);
    __m512 r = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    r = _mm512_fmadd_ps(r, _mm512_set1_ps(a->other), _mm512_set1_ps(a->offset));
    r = _mm512_fmadd_ps(_mm512_cvtepi32_ps(q), _mm512_set1_ps(a->own), r);
    return _mm512_cvtps_epi32(r);
}

/* Four pixels of 16 outputs as 64 bytes. */
INLINE __m512i packed(const ai_q_conv_args *a, __m512i q0, __m512i q1, __m512i q2, __m512i q3)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i zero = _mm512_set1_epi16((short)a->zero);
    __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(q0, q1), zero);
    __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(q2, q3), zero);
    __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
    bytes = _mm512_max_epu8(bytes, _mm512_set1_epi8((char)a->lo));
    return _mm512_min_epu8(bytes, _mm512_set1_epi8((char)a->hi));
}

#endif
