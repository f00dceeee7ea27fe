/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 by VPDPBUSD: tiles of two runs of 7 pixels and two panels of 16 outputs. */
#include <string.h>

#include "u8_finish_vnni.h"

ai_kernel_fn ai_u8_conv_14x32_vnni;

enum { RUN = 7 };

/* A run of pixels, a step from one to the next. */
typedef struct run {
    const uint8_t *in;
    const uint8_t *residual;
    uint8_t *out;
} run;

typedef struct tile {
    const ai_q_conv_args *args;
    finish finish;
    run run[2];
    int64_t in_step, out_step, residual_step; /* 0: a run is one pixel */
    int32_t panel, second;                    /* the same one twice: there is only one */
    const int8_t *ahead;                      /* to prefetch, of so many bytes for a tap */
    int64_t ahead_step;
} tile;

/* ---- The epilogue ---- */

INLINE void store4(uint8_t *out, int64_t step, __m512i bytes, int count)
{
    if (step == 16) {
        _mm512_mask_storeu_epi8(out, count == 4 ? ~(uint64_t)0 : ((uint64_t)1 << 48) - 1, bytes);
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)out, _mm512_castsi512_si128(bytes));
    _mm_storeu_si128((__m128i *)(void *)(out + step), _mm512_extracti32x4_epi32(bytes, 1));
    _mm_storeu_si128((__m128i *)(void *)(out + 2 * step), _mm512_extracti32x4_epi32(bytes, 2));
    if (count == 4)
        _mm_storeu_si128((__m128i *)(void *)(out + 3 * step), _mm512_extracti32x4_epi32(bytes, 3));
}

#define ADDED(j)                                                                                   \
    if (a->residual)                                                                               \
        s##j = added(a, s##j, residual + j * t->residual_step);

/* One run of one panel. */
INLINE void finish_run(const tile *t, int r, int32_t panel, __m512i s0, __m512i s1, __m512i s2,
                       __m512i s3, __m512i s4, __m512i s5, __m512i s6)
{
    const ai_q_conv_args *a = t->args;
    const finish *f = &t->finish;
    const __m512 scale = _mm512_loadu_ps(a->scale + panel * 16);
    const uint8_t *residual = t->run[r].residual + panel * a->residual_plane;
    uint8_t *out = t->run[r].out + panel * a->out_plane;
    __m512 x0 = product(s0, scale), x1 = product(s1, scale), x2 = product(s2, scale);
    __m512 x3 = product(s3, scale), x4 = product(s4, scale), x5 = product(s5, scale);
    __m512 x6 = product(s6, scale);
    if (f->is_capped) {
        CAP(0) CAP(1) CAP(2) CAP(3) CAP(4) CAP(5) CAP(6)
    }
    s0 = _mm512_cvtps_epi32(x0);
    s1 = _mm512_cvtps_epi32(x1);
    s2 = _mm512_cvtps_epi32(x2);
    s3 = _mm512_cvtps_epi32(x3);
    s4 = _mm512_cvtps_epi32(x4);
    s5 = _mm512_cvtps_epi32(x5);
    s6 = _mm512_cvtps_epi32(x6);
    if (a->residual) {
        ADDED(0) ADDED(1) ADDED(2) ADDED(3) ADDED(4) ADDED(5) ADDED(6)
    }
    store4(out, t->out_step, packed(f, s0, s1, s2, s3), 4);
    store4(out + 4 * t->out_step, t->out_step, packed(f, s4, s5, s6, s6), 3);
}

/* ---- The tile ---- */

/* The intrinsic makes gcc 12 copy sums from register to register, and spill. */
#define ADD(sum, bytes, weights)                                                                   \
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(weights))

/* A broadcast of four bytes, and its products with both panels. */
#define DOT(r, j, at)                                                                              \
    memcpy(&four, p##r + (at), 4);                                                                 \
    x = _mm512_set1_epi32(four);                                                                   \
    ADD(a##r##j, x, w0);                                                                           \
    ADD(b##r##j, x, w1);
#define DOTS(r)                                                                                    \
    DOT(r, 0, 0)                                                                                   \
    DOT(r, 1, step)                                                                                \
    DOT(r, 2, 2 * step)                                                                            \
    DOT(r, 3, step3)                                                                               \
    DOT(r, 4, 4 * step)                                                                            \
    DOT(r, 5, step5)                                                                               \
    DOT(r, 6, 2 * step3)
#define START(r)                                                                                   \
    __m512i a##r##0 = bias0, a##r##1 = bias0, a##r##2 = bias0, a##r##3 = bias0, a##r##4 = bias0;   \
    __m512i a##r##5 = bias0, a##r##6 = bias0, b##r##0 = bias1, b##r##1 = bias1, b##r##2 = bias1;   \
    __m512i b##r##3 = bias1, b##r##4 = bias1, b##r##5 = bias1, b##r##6 = bias1;
#define FINISH(p, r, panel)                                                                        \
    finish_run(t, r, panel, p##r##0, p##r##1, p##r##2, p##r##3, p##r##4, p##r##5, p##r##6);

static void compute(const tile *t)
{
    const ai_q_conv_args *a = t->args;
    const int64_t step = t->in_step, step3 = 3 * step, step5 = 5 * step;
    const int64_t count = a->tap_count;
    const int64_t *taps = a->taps;
    const int8_t *w = a->weights + t->panel * count * 64;
    const int64_t second = (t->second - t->panel) * count * 64;
    const int8_t *ahead = t->ahead;
    const int64_t ahead_step = t->ahead_step;
    const uint8_t *in0 = t->run[0].in, *in1 = t->run[1].in;
    const __m512i bias0 = _mm512_loadu_si512(a->bias + t->panel * 16);
    const __m512i bias1 = _mm512_loadu_si512(a->bias + t->second * 16);
    START(0)
    START(1)
    for (int64_t i = 0; i < count; i++, w += 64, ahead += ahead_step) {
        const int64_t tap = taps[i];
        const uint8_t *p0 = in0 + tap, *p1 = in1 + tap;
        const __m512i w0 = _mm512_loadu_si512(w);
        const __m512i w1 = _mm512_loadu_si512(w + second);
        __m512i x;
        int32_t four;
        _mm_prefetch((const char *)ahead, _MM_HINT_T1);
        DOTS(0)
        DOTS(1)
    }
    FINISH(a, 0, t->panel)
    FINISH(b, 0, t->second)
    FINISH(a, 1, t->panel)
    FINISH(b, 1, t->second)
}

/* A single pixel, as of a dense layer: its weights come from memory as fast as they are used. */
static void compute_pixel(const tile *t)
{
    const ai_q_conv_args *a = t->args;
    const int64_t count = a->tap_count;
    const int8_t *w = a->weights + t->panel * count * 64;
    const int64_t second = (t->second - t->panel) * count * 64;
    __m512i a0 = _mm512_loadu_si512(a->bias + t->panel * 16);
    __m512i b0 = _mm512_loadu_si512(a->bias + t->second * 16);
    for (int64_t i = 0; i < count; i++, w += 64) {
        int32_t four;
        memcpy(&four, t->run[0].in + a->taps[i], 4);
        const __m512i x = _mm512_set1_epi32(four);
        _mm_prefetch((const char *)(t->ahead + i * t->ahead_step), _MM_HINT_T1);
        ADD(a0, x, _mm512_loadu_si512(w));
        ADD(b0, x, _mm512_loadu_si512(w + second));
    }
    finish_run(t, 0, t->panel, a0, a0, a0, a0, a0, a0, a0);
    finish_run(t, 0, t->second, b0, b0, b0, b0, b0, b0, b0);
}

/* Two panels over all rows, in runs; the last of a row begins where it ends with the row. */
static void compute_panels(tile *t)
{
    const ai_q_conv_args *a = t->args;
    const bool is_narrow = a->ow < RUN;
    const int32_t runs = is_narrow ? a->ow : (a->ow + RUN - 1) / RUN;
    int filled = 0;
    for (int32_t row = a->row_begin; row < a->row_end; row++) {
        for (int32_t i = 0; i < runs; i++) {
            int32_t col = is_narrow ? i : i * RUN;
            if (!is_narrow && col > a->ow - RUN)
                col = a->ow - RUN;
            t->run[filled] = (run){
                a->in + row * a->in_row + col * a->in_step,
                a->residual ? a->residual + row * a->residual_row + (int64_t)col * 16 : a->out,
                a->out + row * a->out_row + col * a->out_step,
            };
            if (++filled < 2)
                continue;
            compute(t);
            t->ahead += a->tap_count * t->ahead_step;
            filled = 0;
        }
    }
    if (filled == 1 && a->ow == 1 && a->row_end - a->row_begin == 1) {
        compute_pixel(t);
    } else if (filled == 1) {
        t->run[1] = t->run[0];
        compute(t);
    }
}

void ai_u8_conv_14x32_vnni(const void *args)
{
    const ai_q_conv_args *a = args;
    const bool is_narrow = a->ow < RUN;
    const int64_t runs = is_narrow ? a->ow : (a->ow + RUN - 1) / RUN;
    const int64_t tiles = ((a->row_end - a->row_begin) * runs + 1) / 2;
    tile t = {
        .args = a,
        .finish = finish_of(a),
        .in_step = is_narrow ? 0 : a->in_step,
        .out_step = is_narrow ? 0 : a->out_step,
        .residual_step = is_narrow ? 0 : 16,
        .ahead_step = tiles > 0 ? 128 / tiles : 0,
    };
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel += 2) {
        t.panel = panel;
        t.second = panel + 1 < a->panel_end ? panel + 1 : panel;
        /* of the panels behind these: each tile fetches a part */
        t.ahead = a->weights + (panel + 2) * a->tap_count * 64;
        compute_panels(&t);
    }
}
