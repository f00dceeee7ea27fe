/* SPDX-License-Identifier: Apache-2.0
 * Few rows times panels of f16, a template like vec.c: a lane is a column. The time goes into
 * reading the weights, so that they are widened in registers, for each row anew. */
#include <string.h>

#include "f32_tile_rep.h"
#include "kernels.h"
#include "simd.h"

#if AI_LANES != 16
#error "one lane is ref's: see kernels/ref"
#endif

#define JOIN2(level) ai_f32_f16w_gemm_1x16_##level
#define JOIN(level)  JOIN2(level)
#define KERNEL_NAME  JOIN(AI_LEVEL)

ai_kernel_fn KERNEL_NAME;

/* One row by some panels, whose sums hide the latency of one another's. */
typedef struct row {
    const float *a;
    int64_t k;
    const uint16_t *weights;
    int64_t panel; /* elements from a panel to the next; the other *_panel likewise */
    const float *bias;
    int64_t bias_panel;
    float *out;
    float lo, hi;
} row;

#define WEIGHTS(p, b, o) const uint16_t *const w##p = r->weights + (p)*r->panel;
#define START(p, b, o)   vf sum##p = v_load(r->bias + (p)*r->bias_panel);
#define ADD(p, b, o)     sum##p = v_fma(x, v_load_f16(w##p + 16 * k), sum##p);
#define STORE(p, b, o)   v_store(r->out + (p)*16, v_clamp(sum##p, lo, hi));
#define ROW(n)                                                                                     \
    static void row_##n(const row *r)                                                              \
    {                                                                                              \
        const vf lo = v_set(r->lo), hi = v_set(r->hi);                                             \
        REP##n(WEIGHTS);                                                                           \
        REP##n(START);                                                                             \
        for (int64_t k = 0; k < r->k; k++) {                                                       \
            const vf x = v_set(r->a[k]);                                                           \
            REP##n(ADD);                                                                           \
        }                                                                                          \
        REP##n(STORE);                                                                             \
    }
ROW(1)
#if defined(AI_SIMD_AVX512)
ROW(8)
#define ROW_MOST(r) row_8(r)
enum { MOST = 8 };
#else
ROW(4)
#define ROW_MOST(r) row_4(r)
enum { MOST = 4 }; /* 8 of 16 registers on AVX2, 16 of 32 on NEON */
#endif

/* A panel of n < 16 columns: the row sees a whole one, in scratch. */
static void row_part(row r, int64_t n)
{
    float bias[16] = {0}, out[16];
    float *to = r.out;
    memcpy(bias, r.bias, (size_t)n * sizeof *bias);
    r.bias = bias;
    r.out = out;
    row_1(&r);
    memcpy(to, out, (size_t)n * sizeof *out);
}

/* Each row in turn while the panels are in the cache. */
void KERNEL_NAME(const void *args)
{
    static const float none[16];
    const ai_gemm_args *g = args;
    row r = {
        .k = g->k, .panel = g->panel, .bias_panel = g->bias ? 16 : 0, .lo = g->lo, .hi = g->hi};
    int64_t panels;
    for (int64_t panel = g->panel_begin; panel < g->panel_end && panel * 16 < g->n;
         panel += panels) {
        const int64_t n = g->n - panel * 16;
        panels = g->panel_end - panel >= MOST && n >= 16 * MOST ? MOST : 1;
        r.weights = (const uint16_t *)g->b + panel * g->panel;
        for (int64_t m = 0; m < g->m; m++) {
            r.a = g->a + m * g->a_row;
            r.bias = g->bias ? g->bias + m * g->bias_row + panel * 16 : none;
            r.out = g->out + m * g->out_row + panel * 16;
            if (panels == MOST)
                ROW_MOST(&r);
            else if (n >= 16)
                row_1(&r);
            else
                row_part(r, n);
        }
    }
}
