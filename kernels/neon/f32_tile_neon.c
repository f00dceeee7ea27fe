/* SPDX-License-Identifier: Apache-2.0
 * f32 convolution and matrix product in NEON: a panel of 16 outputs is four registers. */
#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "this file needs 64-bit Arm with NEON"
#endif
#include <arm_neon.h>

#define TILE_PANELS     1
#define TILE_ROW_PANELS 4
#include "f32_tile.h"
#include "f32_tile_gemm.h"
#include "f32_tile_rep.h"

#define INLINE static inline __attribute__((always_inline))

ai_kernel_fn ai_f32_conv_6x16_neon;
ai_kernel_fn ai_f32_conv_stem_6x16_neon;
ai_kernel_fn ai_f32_gemm_6x16_neon;

/* Clamp by compare and select: fmin and fmax differ for NaN. */
INLINE void store(float *out, float32x4_t x, float32x4_t lo, float32x4_t hi)
{
    x = vbslq_f32(vcltq_f32(x, lo), lo, x);
    x = vbslq_f32(vcgtq_f32(x, hi), hi, x);
    vst1q_f32(out, x);
}

/* Residual, clamp, store. */
#define FINISH(RESIDUALS, STORES)                                                                  \
    const float32x4_t lo = vdupq_n_f32(t->lo), hi = vdupq_n_f32(t->hi);                            \
    if (residual) {                                                                                \
        RESIDUALS                                                                                  \
    }                                                                                              \
    STORES

/* 6 pixels take 24 registers for sums, 4 for weights and 1 or more for inputs, of 32. */
#define PREFETCH1(j, b, o) PREFETCH_OUT(0, j)
#define START(j, b, o)                                                                             \
    float32x4_t sum##j##_0 = vld1q_f32(BIAS(0, j)), sum##j##_1 = vld1q_f32(BIAS(0, j) + 4);        \
    float32x4_t sum##j##_2 = vld1q_f32(BIAS(0, j) + 8), sum##j##_3 = vld1q_f32(BIAS(0, j) + 12);
#define FMA(j, b, o)                                                                               \
    sum##j##_0 = vfmaq_n_f32(sum##j##_0, w0, IN(j, b, o));                                         \
    sum##j##_1 = vfmaq_n_f32(sum##j##_1, w1, IN(j, b, o));                                         \
    sum##j##_2 = vfmaq_n_f32(sum##j##_2, w2, IN(j, b, o));                                         \
    sum##j##_3 = vfmaq_n_f32(sum##j##_3, w3, IN(j, b, o));
#define ADD_RESIDUAL(j, b, o)                                                                      \
    sum##j##_0 = vaddq_f32(sum##j##_0, vld1q_f32(RESIDUAL(0, j)));                                 \
    sum##j##_1 = vaddq_f32(sum##j##_1, vld1q_f32(RESIDUAL(0, j) + 4));                             \
    sum##j##_2 = vaddq_f32(sum##j##_2, vld1q_f32(RESIDUAL(0, j) + 8));                             \
    sum##j##_3 = vaddq_f32(sum##j##_3, vld1q_f32(RESIDUAL(0, j) + 12));
#define STORE_PIXEL(j, b, o)                                                                       \
    store(OUT(0, j), sum##j##_0, lo, hi);                                                          \
    store(OUT(0, j) + 4, sum##j##_1, lo, hi);                                                      \
    store(OUT(0, j) + 8, sum##j##_2, lo, hi);                                                      \
    store(OUT(0, j) + 12, sum##j##_3, lo, hi);
#define ADD(n)                                                                                     \
    const float32x4_t w0 = vld1q_f32(w + 16 * k), w1 = vld1q_f32(w + 16 * k + 4);                  \
    const float32x4_t w2 = vld1q_f32(w + 16 * k + 8), w3 = vld1q_f32(w + 16 * k + 12);             \
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
    float32x4_t sum##p##_0 = vld1q_f32(BIAS(p, 0)), sum##p##_1 = vld1q_f32(BIAS(p, 0) + 4);        \
    float32x4_t sum##p##_2 = vld1q_f32(BIAS(p, 0) + 8), sum##p##_3 = vld1q_f32(BIAS(p, 0) + 12);
#define FMA_ROW(p, b, o)                                                                           \
    sum##p##_0 = vfmaq_f32(sum##p##_0, x, vld1q_f32(w##p + 16 * k));                               \
    sum##p##_1 = vfmaq_f32(sum##p##_1, x, vld1q_f32(w##p + 16 * k + 4));                           \
    sum##p##_2 = vfmaq_f32(sum##p##_2, x, vld1q_f32(w##p + 16 * k + 8));                           \
    sum##p##_3 = vfmaq_f32(sum##p##_3, x, vld1q_f32(w##p + 16 * k + 12));
#define STORE_ROW(p, b, o)                                                                         \
    store(OUT(p, 0), sum##p##_0, lo, hi);                                                          \
    store(OUT(p, 0) + 4, sum##p##_1, lo, hi);                                                      \
    store(OUT(p, 0) + 8, sum##p##_2, lo, hi);                                                      \
    store(OUT(p, 0) + 12, sum##p##_3, lo, hi);
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
            const float32x4_t x = vdupq_n_f32(t->in[k]);                                           \
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

void ai_f32_conv_6x16_neon(const void *args)
{
    tile_run_conv(args);
}

void ai_f32_conv_stem_6x16_neon(const void *args)
{
    tile_run_stem(args);
}

void ai_f32_gemm_6x16_neon(const void *args)
{
    tile_run_gemm(args);
}
