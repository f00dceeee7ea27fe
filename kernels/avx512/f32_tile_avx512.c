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

/* max(lo, x) and min(hi, x) give x when it is NaN. */
#define STORE_AT(x, at) _mm512_storeu_ps(at, _mm512_min_ps(hi, _mm512_max_ps(lo, x)))
#define STORE(x, p, j)  STORE_AT(x, OUT(p, j))

/* Residual, clamp, store. */
#define FINISH(RESIDUALS, STORES)                                                                  \
    const __m512 lo = _mm512_set1_ps(t->lo), hi = _mm512_set1_ps(t->hi);                           \
    if (residual) {                                                                                \
        RESIDUALS                                                                                  \
    }                                                                                              \
    STORES

/* One panel: the broadcast is an operand of the FMA. */
#define PREFETCH1(j, b, o) PREFETCH_OUT(0, j)
#define START1(j, b, o)    __m512 sum##j = _mm512_loadu_ps(BIAS(0, j));
#define FMA1(j, b, o)      sum##j = _mm512_fmadd_ps(_mm512_set1_ps(IN(j, b, o)), w0, sum##j);
#define RESIDUAL1(j, b, o) sum##j = _mm512_add_ps(sum##j, _mm512_loadu_ps(RESIDUAL(0, j)));
#define STORE1(j, b, o)    STORE(sum##j, 0, j);
#define ADD1(n)                                                                                    \
    const __m512 w0 = _mm512_loadu_ps(w + 16 * k);                                                 \
    REP##n(FMA1)
#define TILE1(n, PREFETCH)                                                                         \
    INLINE void body_1x##n(const tile *t, const int64_t step, const bool is_fixed)                 \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        REP##n(PREFETCH);                                                                          \
        REP##n(START1);                                                                            \
        SUM(ADD1, n);                                                                              \
        FINISH(REP##n(RESIDUAL1), REP##n(STORE1));                                                 \
    }

/* Two panels: one broadcast for two FMA. */
#define PREFETCH2(j, b, o)                                                                         \
    PREFETCH_OUT(0, j)                                                                             \
    PREFETCH_OUT(1, j)
#define START2(j, b, o)                                                                            \
    __m512 lower##j = _mm512_loadu_ps(BIAS(0, j));                                                 \
    __m512 upper##j = _mm512_loadu_ps(BIAS(1, j));
#define FMA2(j, b, o)                                                                              \
    x = _mm512_set1_ps(IN(j, b, o));                                                               \
    lower##j = _mm512_fmadd_ps(x, w0, lower##j);                                                   \
    upper##j = _mm512_fmadd_ps(x, w1, upper##j);
#define RESIDUAL2(j, b, o)                                                                         \
    lower##j = _mm512_add_ps(lower##j, _mm512_loadu_ps(RESIDUAL(0, j)));                           \
    upper##j = _mm512_add_ps(upper##j, _mm512_loadu_ps(RESIDUAL(1, j)));
#define STORE2(j, b, o)                                                                            \
    STORE(lower##j, 0, j);                                                                         \
    STORE(upper##j, 1, j);
#define ADD2(n)                                                                                    \
    const __m512 w0 = _mm512_loadu_ps(w + 16 * k);                                                 \
    const __m512 w1 = _mm512_loadu_ps(w + panel + 16 * k);                                         \
    __m512 x;                                                                                      \
    REP##n(FMA2)
#define TILE2(n, PREFETCH)                                                                         \
    INLINE void body_2x##n(const tile *t, const int64_t step, const bool is_fixed)                 \
    {                                                                                              \
        const float *w = t->weights;                                                               \
        const int64_t panel = t->panel;                                                            \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        REP##n(PREFETCH);                                                                          \
        REP##n(START2);                                                                            \
        SUM(ADD2, n);                                                                              \
        FINISH(REP##n(RESIDUAL2), REP##n(STORE2));                                                 \
    }

#define NARROW(TILE, n, p)                                                                         \
    TILE(n, NO_PREFETCH)                                                                           \
    ONE_FORM(p##x##n)
NARROW(TILE1, 1, 1)
NARROW(TILE1, 2, 1)
NARROW(TILE1, 3, 1)
NARROW(TILE1, 4, 1)
NARROW(TILE1, 5, 1)
NARROW(TILE1, 6, 1)
NARROW(TILE1, 7, 1)
NARROW(TILE1, 8, 1)
NARROW(TILE1, 14, 1)
TILE1(28, PREFETCH1)
TWO_FORMS(1x28)
NARROW(TILE2, 1, 2)
NARROW(TILE2, 2, 2)
NARROW(TILE2, 3, 2)
NARROW(TILE2, 4, 2)
NARROW(TILE2, 5, 2)
NARROW(TILE2, 6, 2)
TILE2(7, PREFETCH2)
TWO_FORMS(2x7)
TILE2(8, NO_PREFETCH)
TWO_FORMS(2x8)
TILE2(14, PREFETCH2)
FORMS(2x14)

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

/* ---- A map of 7x7 pixels in two tiles of one panel ---- */

/* 25 and 24 pixels across the ends of rows: seven tiles of 7 would read the weights seven times. */
#define MAP_BASES                                                                                  \
    const float *const base0 = in, *const base1 = in + r->in_row;                                  \
    const float *const base2 = base1 + r->in_row, *const base3 = base2 + r->in_row;
#define MAP_OUT(y, x)      (out + (y)*out_row + (x)*16)
#define MAP_RESIDUAL(y, x) (residual + (y)*r->residual_row + (x)*16)
#define MAP_START(j, y, x) __m512 sum##j = _mm512_loadu_ps(t->bias);
#define MAP_STORE(j, y, x) STORE_AT(sum##j, MAP_OUT(y, x));
#define MAP_ADD_RESIDUAL(j, y, x)                                                                  \
    sum##j = _mm512_add_ps(sum##j, _mm512_loadu_ps(MAP_RESIDUAL(y, x)));
#define MAP_ADD(n)                                                                                 \
    const __m512 w0 = _mm512_loadu_ps(w + 16 * k);                                                 \
    MAP##n(FMA1)
#define MAP(n)                                                                                     \
    INLINE void body_map_##n(const tile *t, const tile_rows *r, const int64_t step)                \
    {                                                                                              \
        const bool is_fixed = false;                                                               \
        const float *w = t->weights;                                                               \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        const int64_t out_row = r->out_row;                                                        \
        MAP##n(MAP_START);                                                                         \
        SUM_FROM(MAP_BASES, MAP_ADD, n);                                                           \
        FINISH(MAP##n(MAP_ADD_RESIDUAL), MAP##n(MAP_STORE));                                       \
    }                                                                                              \
    static void map_##n(const tile *t, const tile_rows *r)                                         \
    {                                                                                              \
        if (t->in_step == 16)                                                                      \
            body_map_##n(t, r, 16);                                                                \
        else                                                                                       \
            body_map_##n(t, r, 32);                                                                \
    }
MAP(25)
MAP(24)

static bool tile_run_map(const tile_rows *r)
{
    if (r->rows != 7 || r->columns != 7 || (r->at.form != TILE_IN_16 && r->at.form != TILE_IN_32))
        return false;
    tile t = r->at;
    for (int64_t panel = 0; panel < r->panels; panel++) {
        tile_set_ahead(&t, 1, 2);
        map_25(&t, r);
        tile rest = t;
        rest.in += 3 * r->in_row;
        rest.out += 3 * r->out_row;
        if (rest.residual)
            rest.residual += 3 * r->residual_row;
        rest.ahead += tile_ahead_bytes(&t);
        map_24(&rest, r);
        tile_next_panel(&t, 1);
    }
    return true;
}

/* ---- One row by several panels ---- */

#define START_ROW(p, b, o) __m512 sum##p = _mm512_loadu_ps(BIAS(p, 0));
#define FMA_ROW(p, b, o)   sum##p = _mm512_fmadd_ps(x, _mm512_loadu_ps(w##p + 16 * k), sum##p);
#define STORE_ROW(p, b, o) STORE(sum##p, p, 0);
#define WEIGHTS(p, b, o)   const float *const w##p = t->weights + (p)*t->panel;
#define ROW(n)                                                                                     \
    static void tile_row_##n(const tile *t)                                                        \
    {                                                                                              \
        const bool is_fixed = true;                                                                \
        const float *const residual = t->residual;                                                 \
        OUT_ONCE                                                                                   \
        REP##n(WEIGHTS);                                                                           \
        REP##n(START_ROW);                                                                         \
        for (int64_t k = 0; k < t->run; k++) {                                                     \
            const __m512 x = _mm512_set1_ps(t->in[k]);                                             \
            REP##n(FMA_ROW);                                                                       \
        }                                                                                          \
        FINISH(, REP##n(STORE_ROW));                                                               \
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
