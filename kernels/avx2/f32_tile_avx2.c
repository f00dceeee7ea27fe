/* SPDX-License-Identifier: Apache-2.0
 * f32 convolution and matrix product in AVX2: a panel of 16 outputs is two registers. */
#if !defined(__AVX2__) || !defined(__FMA__) || !defined(__F16C__)
#error "this file needs -mavx2 -mfma -mf16c"
#endif
#include <immintrin.h>

#define TILE_PANELS     1
#define TILE_ROW_PANELS 4
#include "f32_tile.h"
#include "f32_tile_gemm.h"
#include "f32_tile_rep.h"

#define INLINE static inline __attribute__((always_inline))

ai_kernel_fn ai_f32_conv_6x16_avx2;
ai_kernel_fn ai_f32_conv_stem_6x16_avx2;
ai_kernel_fn ai_f32_gemm_6x16_avx2;

/* Outputs half * 8 to half * 8 + 7 of the panel. */
INLINE __m256 start(const tile *t, int64_t panel, int64_t pixel, int half)
{
    if (!t->bias)
        return _mm256_setzero_ps();
    return _mm256_loadu_ps(t->bias + panel * 16 + pixel * t->bias_step + half * 8);
}

/* Residual, clamp, store: max(lo, x) and min(hi, x) give x when it is NaN. */
INLINE void finish(const tile *t, int64_t panel, int64_t pixel, int half, __m256 x)
{
    if (t->residual)
        x = _mm256_add_ps(x, _mm256_loadu_ps(t->residual + panel * t->residual_panel +
                                             pixel * t->residual_step + half * 8));
    x = _mm256_max_ps(_mm256_set1_ps(t->lo), x);
    x = _mm256_min_ps(_mm256_set1_ps(t->hi), x);
    _mm256_storeu_ps(t->out + panel * t->out_panel + pixel * t->out_step + half * 8, x);
}

/* 6 pixels take 12 registers for sums, 2 for weights and 1 for the broadcast, of 16. */
#define START(j, b, o)                                                                             \
    __m256 lower##j = start(t, 0, j, 0);                                                           \
    __m256 upper##j = start(t, 0, j, 1);
#define FMA(j, b, o)                                                                               \
    x = _mm256_set1_ps(IN(j, b, o));                                                               \
    lower##j = _mm256_fmadd_ps(x, w0, lower##j);                                                   \
    upper##j = _mm256_fmadd_ps(x, w1, upper##j);
#define FINISH(j, b, o)                                                                            \
    finish(t, 0, j, 0, lower##j);                                                                  \
    finish(t, 0, j, 1, upper##j);
#define ADD(n)                                                                                     \
    const __m256 w0 = _mm256_loadu_ps(w + 16 * k);                                                 \
    const __m256 w1 = _mm256_loadu_ps(w + 16 * k + 8);                                             \
    __m256       x;                                                                                \
    REP##n(FMA)
#define TILE(n)                                                                                    \
    INLINE void body_##n(const tile *t, const int64_t step, const bool is_fixed)                   \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        REP##n(START);                                                                             \
        SUM(ADD, n);                                                                               \
        REP##n(FINISH);                                                                            \
    }                                                                                              \
    static void any_##n(const tile *t)                                                             \
    {                                                                                              \
        body_##n(t, t->in_step, false);                                                            \
    }                                                                                              \
    static void tile_##n(const tile *t)                                                            \
    {                                                                                              \
        if (t->in_step == 16)                                                                      \
            body_##n(t, 16, true);                                                                 \
        else if (t->in_step == 32)                                                                 \
            body_##n(t, 32, true);                                                                 \
        else                                                                                       \
            any_##n(t);                                                                            \
    }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

/* Even parts of at most 6: 14 is 5 + 5 + 4. */
static int64_t tile_width(int panels, int64_t left)
{
    (void)panels;
    const int64_t parts = (left + 5) / 6;
    return (left + parts - 1) / parts;
}

static tile_fn *tile_get(int panels, int64_t width)
{
    static tile_fn *const tiles[6] = {tile_1, tile_2, tile_3, tile_4, tile_5, tile_6};
    (void)panels;
    return tiles[width - 1];
}

/* ---- One row by several panels ---- */

#define START_ROW(p, b, o)                                                                         \
    __m256 lower##p = start(t, p, 0, 0);                                                           \
    __m256 upper##p = start(t, p, 0, 1);
#define FMA_ROW(p, b, o)                                                                           \
    lower##p = _mm256_fmadd_ps(x, _mm256_loadu_ps(w##p + 16 * k), lower##p);                       \
    upper##p = _mm256_fmadd_ps(x, _mm256_loadu_ps(w##p + 16 * k + 8), upper##p);
#define FINISH_ROW(p, b, o)                                                                        \
    finish(t, p, 0, 0, lower##p);                                                                  \
    finish(t, p, 0, 1, upper##p);
#define WEIGHTS(p, b, o) const float *const w##p = t->weights + (p) * t->panel;
#define ROW(n)                                                                                     \
    static void tile_row_##n(const tile *t)                                                        \
    {                                                                                              \
        REP##n(WEIGHTS);                                                                           \
        REP##n(START_ROW);                                                                         \
        for (int64_t k = 0; k < t->run; k++) {                                                     \
            const __m256 x = _mm256_set1_ps(t->in[k]);                                             \
            REP##n(FMA_ROW);                                                                       \
        }                                                                                          \
        REP##n(FINISH_ROW);                                                                        \
    }
ROW(1)
ROW(2)
ROW(4)

static tile_fn *tile_row(int panels)
{
    return panels == 4 ? tile_row_4 : panels == 2 ? tile_row_2 : tile_row_1;
}

/* ---- The kernels ---- */

void ai_f32_conv_6x16_avx2(const void *args)
{
    tile_run_conv(args);
}

void ai_f32_conv_stem_6x16_avx2(const void *args)
{
    tile_run_stem(args);
}

void ai_f32_gemm_6x16_avx2(const void *args)
{
    tile_run_gemm(args);
}
