/* SPDX-License-Identifier: Apache-2.0
 * Random rows of 14 bits and their products with weights of s8, each level against ref; ref against
 * sums in 64 bits. */
#include <math.h>
#include <string.h>

#include "kernel_test.h"

static void compare_ints(const char *name, const int16_t *got, const int16_t *want, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(got[i] == want[i], "%s: number %lld of %lld is %d, needs %d (seed %llu)",
                      name, (long long)i, (long long)count, got[i], want[i],
                      (unsigned long long)test_seed());
}

void round_quantise(const row *k, rng *r)
{
    const int64_t count = PICK(r, 1, 2, 3, 4, 5, 15, 16, 17, 31, 33, 256, 511, 1000);
    const int64_t whole = (count + 3) / 4 * 4;
    guarded in = guarded_new(r, count);
    guarded out = guarded_new(r, whole / 2), want = guarded_new(r, whole / 2);
    guarded scale = guarded_new(r, 1), want_scale = guarded_new(r, 1);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    if (rng_range(r, 0, 9) == 0)
        memset(in.data, 0, (size_t)count * sizeof(float));
    ai_quantise_args a = {in.data, count, (int16_t *)(void *)want.data, want_scale.data};
    k->ref->fn(&a);
    a.out = (int16_t *)(void *)out.data;
    a.scale = scale.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &scale, &want_scale, "scale of %lld, fill %d", (long long)count,
                kind);
    compare_ints(k->kernel->name, (const int16_t *)(const void *)out.data,
                 (const int16_t *)(const void *)want.data, whole);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
    guarded_free(&scale);
    guarded_free(&want_scale);
}

/* One output as kernels.h defines it. */
static float output_of(const ai_gemm_s8_args *s, int64_t m, int64_t n)
{
    static const int place[4] = {0, 2, 1, 3};
    const ai_gemm_args *g = &s->gemm;
    const int64_t groups = (g->k + 3) / 4;
    const char *panel = (const char *)g->b + n / 16 * 64 * (groups + 1);
    float scale, y = g->bias ? g->bias[m * g->bias_row + n] : 0.0f;
    memcpy(&scale, panel + 4 * (n % 16), sizeof scale);
    scale *= s->scales[m];
    for (int64_t first = 0; first < g->k; first += AI_S8_BLOCK) {
        int64_t sum = 0;
        for (int64_t i = first; i < groups * 4 && i < first + AI_S8_BLOCK; i++) {
            const int8_t *weights = (const int8_t *)panel + 64 + i / 4 * 64 + n % 16 * 4;
            sum += (int64_t)s->rows[(m * groups + i / 4) * 4 + place[i % 4]] * weights[i % 4];
        }
        y = fmaf((float)sum, scale, y);
    }
    y = y < g->lo ? g->lo : y;
    return y > g->hi ? g->hi : y;
}

static void expect_exact(const ai_gemm_s8_args *s, const float *out)
{
    const ai_gemm_args *g = &s->gemm;
    for (int64_t m = 0; m < g->m; m++)
        for (int64_t n = g->panel_begin * 16; n < g->n && n < g->panel_end * 16; n++) {
            const float got = out[m * g->out_row + n], want = output_of(s, m, n);
            ck_assert_msg(same_number(got, want), "output %lld, %lld is %a, needs %a", (long long)m,
                          (long long)n, (double)got, (double)want);
        }
}

/* The greatest sums too: all numbers at their ends. */
static void fill_rows(rng *r, guarded *rows, bool is_full)
{
    int16_t *q = (int16_t *)(void *)rows->data;
    for (int64_t i = 0; i < rows->count * 2; i++)
        q[i] = (int16_t)(is_full ? 8191 : rng_range(r, -8191, 8191));
}

void round_gemm_s8(const row *k, rng *r)
{
    ai_gemm_s8_args s = {0};
    ai_gemm_args *g = &s.gemm;
    g->m = PICK(r, 1, 1, 2, 3, 4, 5, 8, 9);
    g->n = PICK(r, 1, 15, 16, 17, 32, 33, 70);
    g->k = PICK(r, 0, 1, 3, 4, 5, 16, 67, 512, 2047, 2048, 2049, 4100);
    g->out_row = g->n + rng_range(r, 0, 5);
    const int64_t panels = (g->n + 15) / 16, groups = (g->k + 3) / 4;
    g->panel_begin = rng_range(r, 0, panels - 1);
    g->panel_end = rng_range(r, g->panel_begin + 1, panels + 1);
    const bool has_rows = rng_bool(r);
    g->bias_row = has_rows ? g->n + rng_range(r, 0, 5) : 0;
    random_clamp(r, &g->lo, &g->hi);
    guarded rows = guarded_new(r, groups ? g->m * groups * 2 : 1);
    guarded scales = guarded_new(r, g->m);
    guarded b = guarded_new(r, panels * 16 * (groups + 1));
    guarded bias = guarded_new(r, (has_rows ? (g->m - 1) * g->bias_row : 0) + g->n);
    guarded out = guarded_new(r, (g->m - 1) * g->out_row + g->n), want = guarded_new(r, out.count);
    const bool is_full = rng_range(r, 0, 3) == 0;
    fill_rows(r, &rows, is_full);
    fill(r, &scales, rng_bool(r) ? FILL_UNIFORM : FILL_EXTREMES);
    fill(r, &b, FILL_BITS); /* any scales too */
    for (int64_t i = 0; i < panels && is_full; i++) {
        float *panel = b.data + i * 16 * (groups + 1);
        memset(panel + 16, 0x80, (size_t)groups * 64);
        for (int j = 0; j < 16; j++)
            panel[j] = 0x1p-20f;
    }
    fill(r, &bias, FILL_UNIFORM);
    fill(r, &out, FILL_INTEGERS);
    memcpy(want.data, out.data, (size_t)out.count * sizeof(float));
    s.rows = (const int16_t *)(const void *)rows.data;
    s.scales = scales.data;
    g->b = b.data;
    g->bias = rng_bool(r) ? bias.data : NULL;
    g->out = want.data;
    k->ref->fn(&s);
    g->out = out.data;
    k->kernel->fn(&s);
    expect_same(k->kernel->name, &out, &want, "%lldx%lldx%lld panels %lld to %lld", (long long)g->m,
                (long long)g->n, (long long)g->k, (long long)g->panel_begin,
                (long long)g->panel_end);
    expect_exact(&s, out.data);
    guarded_free(&rows);
    guarded_free(&scales);
    guarded_free(&b);
    guarded_free(&bias);
    guarded_free(&out);
    guarded_free(&want);
}
