/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution of u8 by s8 by VPDPBUSD: four neighbouring pixels, turned so that each lane
 * has those of its channel, serve the outputs of all windows that reach into them. */
#include <stdbool.h>
#include <string.h>

#include "u8_finish_vnni.h"

ai_kernel_fn ai_u8_depthwise_4x16_vnni;
ai_kernel_fn ai_u8_depthwise_4x16_avx512;

/* Four outputs, of which output j reads from pixel j * stride on: fours of pixels in a row, and a
 * vector of weights for each output and four. */
enum { MOST_FOURS = 3, MOST_ROWS = 5 };

typedef struct row {
    const ai_q_conv_args *args;
    finish finish;
    __m512i weights[MOST_ROWS][4][MOST_FOURS];
    int64_t next; /* bytes to the next row of the kernel */
    __m512i bias;
    __m512 scale;
    const uint8_t *in;
    const uint8_t *residual; /* or NULL */
    uint8_t *out;
} row;

/* Bytes first - 4 * four to first + kw - 4 * four of each lane are the weights of a row of the
 * kernel, the others zeros. */
static __m512i shifted(__m512i low, __m512i high, int at)
{
    const __m512i none = _mm512_setzero_si512();
    const __m512i count = _mm512_set1_epi32(8 * (at < 0 ? -at : at));
    if (at >= 4 || at <= -8)
        return none;
    if (at >= 0)
        return _mm512_sllv_epi32(low, count);
    if (at <= -4)
        return _mm512_srlv_epi32(high, _mm512_set1_epi32(8 * (-at - 4)));
    return _mm512_or_si512(_mm512_srlv_epi32(low, count),
                           _mm512_sllv_epi32(high, _mm512_set1_epi32(8 * (4 + at))));
}

static void fill_weights(row *r, int32_t panel, int kh, int kw, int stride, int fours)
{
    const int groups = (kw + 3) / 4;
    const int8_t *w = r->args->weights + panel * r->args->tap_count * 64;
    for (int y = 0; y < kh; y++, w += groups * 64) {
        const __m512i low = _mm512_loadu_si512(w);
        const __m512i high = groups > 1 ? _mm512_loadu_si512(w + 64) : _mm512_setzero_si512();
        for (int j = 0; j < 4; j++)
            for (int i = 0; i < fours; i++)
                r->weights[y][j][i] = shifted(low, high, j * stride - 4 * i);
    }
}

/* Four pixels; of those not in the mask: zeros. */
INLINE __m512i turned(const uint8_t *in, __mmask64 mask)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
    const __m512i x = _mm512_maskz_loadu_epi8(mask, in);
    return _mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, x), bytes);
}

INLINE void store(const row *r, int64_t col, __m512i s0, __m512i s1, __m512i s2, __m512i s3)
{
    const ai_q_conv_args *a = r->args;
    const finish *f = &r->finish;
    __m512 x0 = product(s0, r->scale), x1 = product(s1, r->scale);
    __m512 x2 = product(s2, r->scale), x3 = product(s3, r->scale);
    if (f->is_capped) {
        CAP(0) CAP(1) CAP(2) CAP(3)
    }
    s0 = _mm512_cvtps_epi32(x0);
    s1 = _mm512_cvtps_epi32(x1);
    s2 = _mm512_cvtps_epi32(x2);
    s3 = _mm512_cvtps_epi32(x3);
    if (r->residual) {
        const uint8_t *residual = r->residual + col * 16;
        s0 = added(a, s0, residual);
        s1 = added(a, s1, residual + 16);
        s2 = added(a, s2, residual + 32);
        s3 = added(a, s3, residual + 48);
    }
    _mm512_storeu_si512(r->out + col * 16, packed(f, s0, s1, s2, s3));
}

#define ADD(j, i)                                                                                  \
    if (j * stride < 4 * i + 4 && 4 * i < j * stride + kw)                                         \
    s##j = _mm512_dpbusd_epi32(s##j, x##i, r->weights[y][j][i])

INLINE void turn_first(__m512i *first, int kh, const uint8_t *in, int64_t next)
{
#pragma GCC unroll 5
    for (int y = 0; y < kh; y++, in += next)
        first[y] = turned(in, ~(__mmask64)0);
}

/* One row. The last four outputs end with it, and what is read of the last pixels with the last
 * that a window reaches. The first pixels of the next outputs are the last of these. */
INLINE void over_columns(const row *r, int kh, int kw, int stride)
{
    const int32_t ow = r->args->ow;
    const int fours = (3 * stride + kw + 3) / 4;
    const int rest = 3 * stride + kw - 4 * (fours - 1);
    const __mmask64 all = ~(__mmask64)0;
    const __mmask64 few = all >> (64 - 16 * rest);
    __m512i first[MOST_ROWS];
    turn_first(first, kh, r->in, r->next);
    for (int32_t x = 0; x < ow; x += 4) {
        const int32_t col = x + 4 <= ow ? x : ow - 4;
        const __mmask64 end = x + 8 <= ow ? all : few;
        const uint8_t *in = r->in + (int64_t)col * stride * 16;
        __m512i s0 = r->bias, s1 = s0, s2 = s0, s3 = s0;
        if (col != x)
            turn_first(first, kh, in, r->next);
#pragma GCC unroll 5
        for (int y = 0; y < kh; y++, in += r->next) {
            const __m512i x0 = first[y];
            const __m512i x1 = turned(in + 64, fours > 2 ? all : end);
            const __m512i x2 = fours > 2 ? turned(in + 128, end) : x1;
            ADD(0, 0);
            ADD(1, 0);
            ADD(2, 0);
            ADD(3, 0);
            ADD(0, 1);
            ADD(1, 1);
            ADD(2, 1);
            ADD(3, 1);
            if (fours > 2) {
                ADD(0, 2);
                ADD(1, 2);
                ADD(2, 2);
                ADD(3, 2);
            }
            first[y] = stride == 1 ? x1 : x2;
        }
        store(r, col, s0, s1, s2, s3);
    }
}

#define ROW(k, stride)                                                                             \
    static void row_##k##_##stride(const row *r)                                                   \
    {                                                                                              \
        over_columns(r, k, k, stride);                                                             \
    }
ROW(3, 1)
ROW(3, 2)
ROW(5, 1)
ROW(5, 2)

/* Of other kernels and narrow maps the template makes as much. */
void ai_u8_depthwise_4x16_vnni(const void *args)
{
    static void (*const rows[2][2])(const row *) = {{row_3_1, row_3_2}, {row_5_1, row_5_2}};
    const ai_q_conv_args *a = args;
    const int kw = a->kw, stride = (int)(a->in_step / 16), groups = (kw + 3) / 4;
    if ((kw != 3 && kw != 5) || a->tap_count != kw * groups || a->ow < 4 || stride > 2 ||
        a->in_step % 16 != 0 || stride < 1 || a->out_step != 16) {
        ai_u8_depthwise_4x16_avx512(args);
        return;
    }
    row r = {.args = a, .finish = finish_of(a), .next = a->taps[4 * groups] - a->taps[0]};
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++) {
        fill_weights(&r, panel, kw, kw, stride, (3 * stride + kw + 3) / 4);
        r.bias = _mm512_loadu_si512(a->bias + panel * 16);
        r.scale = _mm512_loadu_ps(a->scale + panel * 16);
        for (int32_t y = a->row_begin; y < a->row_end; y++) {
            r.in = a->in + panel * a->in_plane + y * a->in_row + a->taps[0];
            r.out = a->out + panel * a->out_plane + y * a->out_row;
            if (a->residual)
                r.residual = a->residual + panel * a->residual_plane + y * a->residual_row;
            rows[kw / 5][stride - 1](&r);
        }
    }
}
