/* SPDX-License-Identifier: Apache-2.0
 * Few rows times a matrix as it lies in memory, a template like vec.c: a lane is a column. The time
 * goes into reading the matrix: by whole rows, some at once, so that each sum is loaded and stored
 * once for as many products. */
#include "f32_tile_rep.h"
#include "vec.h"

enum { DEPTH = 8 }; /* as many streams as a core follows */

#define FACTOR(d, b, o) const vf x##d = v_set(a[d]);
#define ADD(d, b, o)    sum = v_fma(load_some(rows + (d)*b_row, n), x##d, sum);
#define DEPTH_REP       REP8

/* out[i] += the products of a[0 .. 7] and eight rows, in order. */
static void add_rows(const float *a, const float *b, int64_t b_row, float *out, int64_t count)
{
    DEPTH_REP(FACTOR);
    int64_t i = 0, n = 16;
    for (; i + 16 <= count; i += 16) {
        const float *rows = b + i;
        vf sum = v_load(out + i);
        DEPTH_REP(ADD);
        v_store(out + i, sum);
    }
    if (i < count) {
        const float *rows = b + i;
        n = count - i;
        vf sum = v_load_n(out + i, n);
        DEPTH_REP(ADD);
        v_store_n(out + i, sum, n);
    }
}

static void add_row(float a, const float *row, float *out, int64_t count)
{
    const vf x = v_set(a);
    for (int64_t i = 0, left = count; left > 0; i += 16, left -= 16)
        store_some(out + i, v_fma(load_some(row + i, left), x, load_some(out + i, left)), left);
}

static void start(const ai_gemm_args *g, int64_t m, int64_t first, int64_t count)
{
    const float *bias = g->bias ? g->bias + m * g->bias_row + first : NULL;
    float *out = g->out + m * g->out_row + first;
    for (int64_t i = 0, left = count; left > 0; i += 16, left -= 16)
        store_some(out + i, bias ? load_some(bias + i, left) : v_set(0.0f), left);
}

static void finish(const ai_gemm_args *g, int64_t m, int64_t first, int64_t count)
{
    const vf lo = v_set(g->lo), hi = v_set(g->hi);
    float *out = g->out + m * g->out_row + first;
    for (int64_t i = 0, left = count; left > 0; i += 16, left -= 16)
        store_some(out + i, v_clamp(load_some(out + i, left), lo, hi), left);
}

void KERNEL_NAME(gemm_plain)(const void *args)
{
    const ai_gemm_args *g = args;
    const int64_t first = g->panel_begin * 16;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    for (int64_t m = 0; m < g->m; m++)
        start(g, m, first, end - first);
    for (int64_t k = 0; k < g->k;) {
        const float *b = (const float *)g->b + k * g->b_row + first;
        const int64_t depth = g->k - k < DEPTH ? 1 : DEPTH;
        for (int64_t m = 0; m < g->m; m++) {
            const float *a = g->a + m * g->a_row + k;
            float *out = g->out + m * g->out_row + first;
            if (depth == DEPTH)
                add_rows(a, b, g->b_row, out, end - first);
            else
                add_row(a[0], b, out, end - first);
        }
        k += depth;
    }
    for (int64_t m = 0; m < g->m; m++)
        finish(g, m, first, end - first);
}
