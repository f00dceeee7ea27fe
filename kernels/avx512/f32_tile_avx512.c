/* SPDX-License-Identifier: Apache-2.0
 * f32 convolution and matrix product in AVX-512: a panel of 16 outputs is one register. */
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                   \
    !defined(__AVX512VL__)
#error "this file needs -mavx512f -mavx512bw -mavx512dq -mavx512vl"
#endif
#include <immintrin.h>

#define TILE_PANELS     2
#define TILE_ROW_PANELS 8
#include "f32_tile.h"
#include "f32_tile_gemm.h"
#include "f32_tile_rep.h"

#define INLINE static inline __attribute__((always_inline))

ai_kernel_fn ai_f32_conv_14x32_avx512;
ai_kernel_fn ai_f32_conv_stem_14x32_avx512;
ai_kernel_fn ai_f32_gemm_14x32_avx512;

INLINE __m512 start(const tile *t, int64_t panel, int64_t pixel)
{
    if (!t->bias)
        return _mm512_setzero_ps();
    return _mm512_loadu_ps(t->bias + panel * 16 + pixel * t->bias_step);
}

/* Residual, clamp, store: max(lo, x) and min(hi, x) give x when it is NaN. */
INLINE void finish(const tile *t, int64_t panel, int64_t pixel, __m512 x)
{
    if (t->residual)
        x = _mm512_add_ps(x, _mm512_loadu_ps(t->residual + panel * t->residual_panel +
                                             pixel * t->residual_step));
    x = _mm512_max_ps(_mm512_set1_ps(t->lo), x);
    x = _mm512_min_ps(_mm512_set1_ps(t->hi), x);
    _mm512_storeu_ps(t->out + panel * t->out_panel + pixel * t->out_step, x);
}

/* One panel: the broadcast is an operand of the FMA. */
#define START1(j, b, o)  __m512 sum##j = start(t, 0, j);
#define FMA1(j, b, o)    sum##j = _mm512_fmadd_ps(_mm512_set1_ps(IN(j, b, o)), w0, sum##j);
#define FINISH1(j, b, o) finish(t, 0, j, sum##j);
#define ADD1(n)                                                                                    \
    const __m512 w0 = _mm512_loadu_ps(w + 16 * k);                                                 \
    REP##n(FMA1)
#define TILE1(n)                                                                                   \
    INLINE void body_1x##n(const tile *t, const int64_t step, const bool is_fixed)                 \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        REP##n(START1);                                                                            \
        SUM(ADD1, n);                                                                              \
        REP##n(FINISH1);                                                                           \
    }

/* Two panels: one broadcast for two FMA. */
#define START2(j, b, o)                                                                            \
    __m512 lower##j = start(t, 0, j);                                                              \
    __m512 upper##j = start(t, 1, j);
#define FMA2(j, b, o)                                                                              \
    x = _mm512_set1_ps(IN(j, b, o));                                                               \
    lower##j = _mm512_fmadd_ps(x, w0, lower##j);                                                   \
    upper##j = _mm512_fmadd_ps(x, w1, upper##j);
#define FINISH2(j, b, o)                                                                           \
    finish(t, 0, j, lower##j);                                                                     \
    finish(t, 1, j, upper##j);
#define ADD2(n)                                                                                    \
    const __m512 w0 = _mm512_loadu_ps(w + 16 * k);                                                 \
    const __m512 w1 = _mm512_loadu_ps(w + panel + 16 * k);                                         \
    __m512       x;                                                                                \
    REP##n(FMA2)
#define TILE2(n)                                                                                   \
    INLINE void body_2x##n(const tile *t, const int64_t step, const bool is_fixed)                 \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        const int64_t panel = t->panel;                                                            \
        REP##n(START2);                                                                            \
        SUM(ADD2, n);                                                                              \
        REP##n(FINISH2);                                                                           \
    }

/* Any step; and for the widest tiles a form for each of the usual strides of a convolution. */
#define ANY(name)                                                                                  \
    static void tile_##name(const tile *t)                                                         \
    {                                                                                              \
        body_##name(t, t->in_step, false);                                                         \
    }
#define FIXED(name)                                                                                \
    static void any_##name(const tile *t)                                                          \
    {                                                                                              \
        body_##name(t, t->in_step, false);                                                         \
    }                                                                                              \
    static void tile_##name(const tile *t)                                                         \
    {                                                                                              \
        if (t->in_step == 16)                                                                      \
            body_##name(t, 16, true);                                                              \
        else if (t->in_step == 32)                                                                 \
            body_##name(t, 32, true);                                                              \
        else if (t->in_step == 2)                                                                  \
            body_##name(t, 2, true);                                                               \
        else                                                                                       \
            any_##name(t);                                                                         \
    }

#define EACH_NARROW(TILE, ANY_, p)                                                                 \
    TILE(1) ANY_(p##x1) TILE(2) ANY_(p##x2) TILE(3) ANY_(p##x3) TILE(4) ANY_(p##x4)                \
    TILE(5) ANY_(p##x5) TILE(6) ANY_(p##x6) TILE(7) ANY_(p##x7) TILE(8) ANY_(p##x8)
EACH_NARROW(TILE1, ANY, 1)
EACH_NARROW(TILE2, ANY, 2)
TILE1(14)
ANY(1x14)
TILE2(14)
FIXED(2x14)
TILE1(28)
FIXED(1x28)

/* 28 or 14 pixels; what is left beside them in even parts of at most 8. */
static int64_t tile_width(int panels, int64_t left)
{
    if (left >= 28 && panels == 1)
        return 28;
    if (left == 14 || left >= 17)
        return 14;
    const int64_t parts = (left + 7) / 8;
    return (left + parts - 1) / parts;
}

static tile_fn *tile_get(int panels, int64_t width)
{
    static tile_fn *const narrow[2][8] = {
        {tile_1x1, tile_1x2, tile_1x3, tile_1x4, tile_1x5, tile_1x6, tile_1x7, tile_1x8},
        {tile_2x1, tile_2x2, tile_2x3, tile_2x4, tile_2x5, tile_2x6, tile_2x7, tile_2x8}};
    if (width == 28)
        return tile_1x28;
    if (width == 14)
        return panels == 2 ? tile_2x14 : tile_1x14;
    return narrow[panels - 1][width - 1];
}

/* ---- One row by several panels ---- */

#define START_ROW(p, b, o)  __m512 sum##p = start(t, p, 0);
#define FMA_ROW(p, b, o)    sum##p = _mm512_fmadd_ps(x, _mm512_loadu_ps(w##p + 16 * k), sum##p);
#define FINISH_ROW(p, b, o) finish(t, p, 0, sum##p);
#define WEIGHTS(p, b, o)    const float *const w##p = t->weights + (p) * t->panel;
#define ROW(n)                                                                                     \
    static void tile_row_##n(const tile *t)                                                        \
    {                                                                                              \
        REP##n(WEIGHTS);                                                                           \
        REP##n(START_ROW);                                                                         \
        for (int64_t k = 0; k < t->run; k++) {                                                     \
            const __m512 x = _mm512_set1_ps(t->in[k]);                                             \
            REP##n(FMA_ROW);                                                                       \
        }                                                                                          \
        REP##n(FINISH_ROW);                                                                        \
    }
ROW(1)
ROW(2)
ROW(4)
ROW(8)

static tile_fn *tile_row(int panels)
{
    return panels == 8   ? tile_row_8
           : panels == 4 ? tile_row_4
           : panels == 2 ? tile_row_2
                         : tile_row_1;
}

/* ---- The kernels ---- */

void ai_f32_conv_14x32_avx512(const void *args)
{
    tile_run_conv(args);
}

void ai_f32_conv_stem_14x32_avx512(const void *args)
{
    tile_run_stem(args);
}

void ai_f32_gemm_14x32_avx512(const void *args)
{
    tile_run_gemm(args);
}
