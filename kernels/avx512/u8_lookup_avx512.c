/* SPDX-License-Identifier: Apache-2.0
 * Bytes by a table of 256 in AVX-512: the table is 128 pairs in four registers, of which two
 * permutations find a byte's pair; the byte's lowest bit says which of the two it is. */
#if !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "this file needs -mavx512bw -mavx512vl"
#endif
#include <immintrin.h>

#include "kernels.h"

ai_kernel_fn ai_u8_lookup_avx512;

static __m256i look_up(const __m512i table[4], __m256i x)
{
    __m512i byte = _mm512_cvtepu8_epi16(x);
    __m512i at = _mm512_srli_epi16(byte, 1);
    __m512i low = _mm512_permutex2var_epi16(table[0], at, table[1]);
    __m512i high = _mm512_permutex2var_epi16(table[2], at, table[3]);
    __mmask32 is_high = _mm512_test_epi16_mask(byte, _mm512_set1_epi16(128));
    __mmask32 is_odd = _mm512_test_epi16_mask(byte, _mm512_set1_epi16(1));
    __m512i pair = _mm512_mask_blend_epi16(is_high, low, high);
    return _mm512_cvtepi16_epi8(_mm512_mask_srli_epi16(pair, is_odd, pair, 8));
}

void ai_u8_lookup_avx512(const void *args)
{
    const ai_lookup_args *a = args;
    __m512i table[4];
    for (int i = 0; i < 4; i++)
        table[i] = _mm512_loadu_si512(a->table + 64 * i);
    for (int64_t i = 0; i < a->count; i += 32) {
        __mmask32 some = a->count - i < 32 ? (1u << (a->count - i)) - 1 : UINT32_MAX;
        __m256i y = look_up(table, _mm256_maskz_loadu_epi8(some, a->in + i));
        _mm256_mask_storeu_epi8(a->out + i, some, y);
    }
}
