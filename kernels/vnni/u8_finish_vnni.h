/* SPDX-License-Identifier: Apache-2.0
 * How sums of a convolution on integers become bytes, 16 outputs a vector (kernels.h has the
 * formula). */
#ifndef AI_U8_FINISH_VNNI_H
#define AI_U8_FINISH_VNNI_H

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__)
#error "this file needs -mavx512vnni -mavx512bw"
#endif
#include <immintrin.h>
#include <stdbool.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* What is the same for all vectors. */
typedef struct finish {
    __m512 most;
    __m512i zero, lo, hi;
    bool is_capped; /* products by most, else the bytes' saturation does the same */
    bool is_moved;  /* bytes by zero, or clamped to less than all */
} finish;

/* A sum by a scale in (-1, 1) is a number that s32 has. A residual is added to what is capped. */
INLINE finish finish_of(const ai_q_conv_args *a)
{
    finish f = {
        .most = _mm512_set1_ps((float)(255 - a->middle)),
        .zero = _mm512_set1_epi16((short)a->zero),
        .lo = _mm512_set1_epi8((char)a->lo),
        .hi = _mm512_set1_epi8((char)a->hi),
        .is_capped = a->residual,
        .is_moved = a->zero != 0 || a->lo > 0 || a->hi < 255,
    };
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++) {
        __m512 size = _mm512_abs_ps(_mm512_loadu_ps(a->scale + panel * 16));
        f.is_capped |= _mm512_cmp_ps_mask(size, _mm512_set1_ps(1), _CMP_NLT_UQ) != 0;
    }
    return f;
}

INLINE __m512 product(__m512i sum, __m512 scale)
{
    return _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
}

/* MINPS gives its second operand for NaN. What is less than s32 becomes the least of s32: the bytes
 * saturate later. */
#define CAP(j) x##j = _mm512_min_ps(x##j, f->most);

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
INLINE __m512i packed(const finish *f, __m512i q0, __m512i q1, __m512i q2, __m512i q3)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i low = _mm512_packs_epi32(q0, q1), high = _mm512_packs_epi32(q2, q3);
    if (!f->is_moved)
        return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
    low = _mm512_adds_epi16(low, f->zero);
    high = _mm512_adds_epi16(high, f->zero);
    __m512i bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(low, high));
    return _mm512_min_epu8(_mm512_max_epu8(bytes, f->lo), f->hi);
}

#endif
