/* SPDX-License-Identifier: Apache-2.0
 * Rows of 14 bits and their products with weights of s8, a template like vec.c: a lane is a column.
 * Weights are widened once for up to four rows. With one row the time goes into reading them, so
 * that a dot product of bytes (VNNI) has nothing to gain there. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "f32_tile_rep.h"
#include "vec.h"

#define GEMM_OF2(level) ai_s8_gemm_4x16_##level
#define GEMM_OF(level)  GEMM_OF2(level)
#define GEMM            GEMM_OF(AI_LEVEL)

ai_kernel_fn GEMM;

static float greatest(const float *in, int64_t count)
{
    float lane[16], most;
    vf all = v_set(0.0f);
    for (int64_t i = 0; i < count; i += 16)
        all = v_max(all, v_abs(load_some(in + i, count - i)));
    v_store(lane, all);
    most = lane[0];
    for (int i = 1; i < 16; i++)
        most = lane[i] > most || lane[i] != lane[i] ? lane[i] : most;
    return most;
}

void KERNEL_NAME(quantise)(const void *args)
{
    const ai_quantise_args *a = args;
    const float most = greatest(a->in, a->count);
    const int64_t whole = (a->count + 3) / 4 * 4;
    if (!(most >= 0x1p-100f && most <= FLT_MAX)) {
        memset(a->out, 0, (size_t)whole * sizeof *a->out);
        *a->scale = most < 1.0f ? 0.0f : NAN;
        return;
    }
    const vf factor = v_set(8191.0f / most);
    const vf integers = v_set(0x1.8p23f); /* here the sum's last bits are the integer's */
    *a->scale = most / 8191.0f;
    for (int64_t i = 0; i < whole; i += 16) {
        float sum[16];
        uint32_t bits[16];
        int16_t *out = a->out + i;
        v_store(sum, v_add(v_mul(load_some(a->in + i, a->count - i), factor), integers));
        memcpy(bits, sum, sizeof bits);
        for (int64_t j = 0; j < 16 && j < whole - i; j += 4) {
            out[j] = (int16_t)bits[j];
            out[j + 1] = (int16_t)bits[j + 2];
            out[j + 2] = (int16_t)bits[j + 1];
            out[j + 3] = (int16_t)bits[j + 3];
        }
    }
}

/* One to four rows by a panel. */
typedef struct tile {
    const int16_t *q;
    const float *scales;
    const char *panel; /* 16 scales, then the weights */
    int64_t groups;    /* of four rows of weights */
    const float *bias; /* or NULL */
    int64_t bias_row;
    float *out;
    int64_t out_row;
    int64_t n;
    float lo, hi;
} tile;

AI_INLINE vf start(const tile *t, int64_t row)
{
    return t->bias ? load_some(t->bias + row * t->bias_row, t->n) : v_set(0.0f);
}

AI_INLINE void store(const tile *t, int64_t row, vf y)
{
    store_some(t->out + row * t->out_row, v_clamp(y, v_set(t->lo), v_set(t->hi)), t->n);
}

#define ROW(p, b, o)   const int16_t *q##p = t->q + (p)*t->groups * 4;
#define START(p, b, o) vf y##p = start(t, p);
#define ZERO(p, b, o)  vi sum##p = i_set(0);
#define ADD(p, b, o)                                                                               \
    sum##p = i_dot2(i_dot2(sum##p, even, q##p + 4 * i), odd, q##p + 4 * i + 2);
#define SCALE(p, b, o) y##p = v_fma(v_from_int(sum##p), v_mul(v_set(t->scales[p]), scale), y##p);
#define STORE(p, b, o) store(t, p, y##p);
#define TILE(rows)                                                                                 \
    static void tile_##rows(const tile *t)                                                         \
    {                                                                                              \
        const vf scale = v_load((const float *)(const void *)t->panel);                            \
        const int8_t *weights = (const int8_t *)t->panel + 64;                                     \
        REP##rows(ROW);                                                                            \
        REP##rows(START);                                                                          \
        for (int64_t i = 0; i < t->groups;) {                                                      \
            const int64_t rest = t->groups - i;                                                    \
            const int64_t end = i + (rest < AI_S8_BLOCK / 4 ? rest : AI_S8_BLOCK / 4);             \
            REP##rows(ZERO);                                                                       \
            for (; i < end; i++, weights += 64) {                                                  \
                const vh even = i_even_s8(weights), odd = i_odd_s8(weights);                       \
                REP##rows(ADD);                                                                    \
            }                                                                                      \
            REP##rows(SCALE);                                                                      \
        }                                                                                          \
        REP##rows(STORE);                                                                          \
    }
TILE(1)
TILE(4)

void GEMM(const void *args)
{
    const ai_gemm_s8_args *s = args;
    const ai_gemm_args *g = &s->gemm;
    const int64_t groups = (g->k + 3) / 4;
    int64_t rows;
    for (int64_t panel = g->panel_begin; panel < g->panel_end && panel * 16 < g->n; panel++)
        for (int64_t m = 0; m < g->m; m += rows) {
            const tile t = {
                .q = s->rows + m * groups * 4,
                .scales = s->scales + m,
                .panel = (const char *)g->b + panel * 64 * (groups + 1),
                .groups = groups,
                .bias = g->bias ? g->bias + m * g->bias_row + panel * 16 : NULL,
                .bias_row = g->bias_row,
                .out = g->out + m * g->out_row + panel * 16,
                .out_row = g->out_row,
                .n = g->n - panel * 16,
                .lo = g->lo,
                .hi = g->hi,
            };
            rows = g->m - m >= 4 ? 4 : 1;
            if (rows == 4)
                tile_4(&t);
            else
                tile_1(&t);
        }
}
