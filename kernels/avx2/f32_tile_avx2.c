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

/* Outputs 0 to 7 of the panel are its lower half. max(lo, x) and min(hi, x) give x when it is NaN.
 */
#define STORE(x, at) _mm256_storeu_ps(at, _mm256_min_ps(hi, _mm256_max_ps(lo, x)))

/* Residual, clamp, store. */
#define FINISH(RESIDUALS, STORES)                                                                  \
    const __m256 lo = _mm256_set1_ps(t->lo), hi = _mm256_set1_ps(t->hi);                           \
    if (residual) {                                                                                \
        RESIDUALS                                                                                  \
    }                                                                                              \
    STORES

/* 6 pixels take 12 registers for sums, 2 for weights and 1 for the broadcast, of 16. */
#define PREFETCH1(j, b, o) PREFETCH_OUT(0, j)
#define START(j, b, o)                                                                             \
    __m256 lower##j = _mm256_loadu_ps(BIAS(0, j));                                                 \
    __m256 upper##j = _mm256_loadu_ps(BIAS(0, j) + 8);
#define FMA(j, b, o)                                                                               \
    x = _mm256_set1_ps(IN(j, b, o));                                                               \
    lower##j = _mm256_fmadd_ps(x, w0, lower##j);                                                   \
    upper##j = _mm256_fmadd_ps(x, w1, upper##j);
#define ADD_RESIDUAL(j, b, o)                                                                      \
    lower##j = _mm256_add_ps(lower##j, _mm256_loadu_ps(RESIDUAL(0, j)));                           \
    upper##j = _mm256_add_ps(upper##j, _mm256_loadu_ps(RESIDUAL(0, j) + 8));
#define STORE_PIXEL(j, b, o)                                                                       \
    STORE(lower##j, OUT(0, j));                                                                    \
    STORE(upper##j, OUT(0, j) + 8);
#define ADD(n)                                                                                     \
    const __m256 w0 = _mm256_loadu_ps(w + 16 * k);                                                 \
    const __m256 w1 = _mm256_loadu_ps(w + 16 * k + 8);                                             \
    __m256 x;                                                                                      \
    REP##n(FMA)
#define TILE(n, PREFETCH)                                                                          \
    INLINE void body_##n(const tile *t, const int64_t step, const bool is_fixed)                   \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        REP##n(PREFETCH);                                                                          \
        REP##n(START);                                                                             \
        SUM(ADD, n);                                                                               \
        FINISH(REP##n(ADD_RESIDUAL), REP##n(STORE_PIXEL));                                         \
    }
TILE(1, NO_PREFETCH)
ONE_FORM(1)
TILE(2, NO_PREFETCH)
ONE_FORM(2)
TILE(3, NO_PREFETCH)
TWO_FORMS(3)
TILE(4, PREFETCH1)
FORMS(4)
TILE(5, PREFETCH1)
FORMS(5)
TILE(6, PREFETCH1)
FORMS(6)

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

static bool tile_run_map(const tile_rows *r)
{
    (void)r; /* no tile is wider than a row of 7 */
    return false;
}

/* ---- One row by several panels ---- */

#define START_ROW(p, b, o)                                                                         \
    __m256 lower##p = _mm256_loadu_ps(BIAS(p, 0));                                                 \
    __m256 upper##p = _mm256_loadu_ps(BIAS(p, 0) + 8);
#define FMA_ROW(p, b, o)                                                                           \
    lower##p = _mm256_fmadd_ps(x, _mm256_loadu_ps(w##p + 16 * k), lower##p);                       \
    upper##p = _mm256_fmadd_ps(x, _mm256_loadu_ps(w##p + 16 * k + 8), upper##p);
#define STORE_ROW(p, b, o)                                                                         \
    STORE(lower##p, OUT(p, 0));                                                                    \
    STORE(upper##p, OUT(p, 0) + 8);
#define WEIGHTS(p, b, o) const float *const w##p = t->weights + (p)*t->panel;
#define ROW(n)                                                                                     \
    static void tile_row_##n(const tile *t)                                                        \
    {                                                                                              \
        const bool is_fixed = true;                                                                \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        REP##n(WEIGHTS);                                                                           \
        REP##n(START_ROW);                                                                         \
        for (int64_t k = 0; k < t->run; k++) {                                                     \
            const __m256 x = _mm256_set1_ps(t->in[k]);                                             \
            REP##n(FMA_ROW);                                                                       \
        }                                                                                          \
        FINISH(, REP##n(STORE_ROW));                                                               \
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
