/* SPDX-License-Identifier: Apache-2.0
 * Matrix product and convolution by OpenBLAS's sgemm: a convolution gathers what its windows see as
 * rows of a matrix, in the order of the weights. */
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "ref/ref.h"

ai_kernel_fn ai_f32_conv_openblas, ai_f32_gemm_openblas;

/* sgemm packs its left operand anew in each call: from this many rows on, one call for all panels
 * is faster though the panels must be joined first (on a Xeon, 32 panels of 2048: 49 rows take
 * 1.4 ms by panels and 1.7 ms at once, 196 of 1024 take 1.3 ms and 0.8 ms). */
enum { MANY_ROWS = 64 };

/* Output pixels of a convolution whose windows are gathered at a time. */
enum { PIXELS = 512 };

/* out = a * b + beta * out, b as panels of 16 columns of which n count. */
typedef struct product {
    const float *a, *b;
    float *out;
    int64_t m, n, k;
    int64_t a_row, panel, out_row;
    float beta;
} product;

static void multiply(const product *p, const float *b, int64_t b_row, int64_t first, int64_t n)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)p->m, (blasint)n, (blasint)p->k,
                1.0f, p->a, (blasint)p->a_row, b, (blasint)b_row, p->beta, p->out + first,
                (blasint)p->out_row);
}

static void join_panels(const product *p, int64_t width, float *joined)
{
    for (int64_t i = 0; i < width / 16; i++)
        for (int64_t k = 0; k < p->k; k++)
            memcpy(joined + k * width + i * 16, p->b + i * p->panel + k * 16, 16 * sizeof(float));
}

static void by_panels(const product *p)
{
    for (int64_t first = 0; first < p->n; first += 16)
        multiply(p, p->b + first / 16 * p->panel, 16, first, p->n - first < 16 ? p->n - first : 16);
}

/* libai's own threads share out the work. OpenBLAS has one number for the whole process. */
static void take_one_thread(void)
{
    if (openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
}

static bool is_small(int64_t a, int64_t b, int64_t c)
{
    return a <= INT32_MAX && b <= INT32_MAX && c <= INT32_MAX; /* blasint */
}

/* ---- Matrix product ---- */

static void gemm(const ai_gemm_args *g, int64_t n, float *joined)
{
    const int64_t first = g->panel_begin * 16;
    product p = {.a = g->a,
                 .b = (const float *)g->b + g->panel_begin * g->panel,
                 .out = g->out + first,
                 .m = g->m,
                 .n = n,
                 .k = g->k,
                 .a_row = g->a_row,
                 .panel = g->panel,
                 .out_row = g->out_row,
                 .beta = g->bias ? 1.0f : 0.0f};
    for (int64_t i = 0; g->bias && g->bias != g->out && i < g->m; i++)
        memcpy(p.out + i * g->out_row, g->bias + i * g->bias_row + first,
               (size_t)n * sizeof(float));
    take_one_thread();
    if (joined) {
        const int64_t width = (n + 15) / 16 * 16;
        join_panels(&p, width, joined);
        multiply(&p, joined, width, 0, n);
    } else {
        by_panels(&p);
    }
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t x = 0; x < n; x++)
            p.out[i * g->out_row + x] = clamp(p.out[i * g->out_row + x], g->lo, g->hi);
}

/* A kernel cannot fail: what OpenBLAS cannot count is ref's; no memory to join panels: by panels.
 */
void ai_f32_gemm_openblas(const void *args)
{
    const ai_gemm_args *g = args;
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    const int64_t n = end - g->panel_begin * 16;
    if (g->m <= 0 || n <= 0 || g->k <= 0 || !is_small(g->m, g->out_row, g->a_row)) {
        ai_f32_gemm_ref(g);
        return;
    }
    float *joined = NULL;
    if (g->m >= MANY_ROWS)
        joined = malloc((size_t)((n + 15) / 16 * 16 * g->k) * sizeof(float));
    gemm(g, n, joined);
    free(joined);
}

/* ---- Convolution ---- */

typedef struct conv {
    const ai_conv_args *a;
    int64_t k;      /* products of an output */
    int64_t width;  /* outputs of a pixel */
    float *windows; /* [PIXELS][k] */
    float *sums;    /* [PIXELS][width] */
    float *weights; /* [k][width] */
} conv;

/* Pixels are counted along the rows from row_begin on. */
static void gather(const conv *c, int64_t pixel, float *to)
{
    const ai_conv_args *a = c->a;
    const float *in = a->in + (a->row_begin + pixel / a->ow) * a->stride_h * a->in_row +
                      pixel % a->ow * a->stride_w * 16;
    for (int32_t block = 0; block < a->ic; block += 16) {
        const int32_t count = a->ic - block < 16 ? a->ic - block : 16;
        for (int32_t y = 0; y < a->kh; y++)
            for (int32_t x = 0; x < a->kw; x++, to += count)
                memcpy(to,
                       in + block / 16 * a->in_plane + (int64_t)y * a->dilation_h * a->in_row +
                           (int64_t)x * a->dilation_w * 16,
                       (size_t)count * sizeof(float));
    }
}

/* Adds what the epilogue adds to the sums of one pixel, and stores them. */
static void scatter(const conv *c, int64_t pixel, const float *sums)
{
    const ai_conv_args *a = c->a;
    const int64_t row = a->row_begin + pixel / a->ow, column = pixel % a->ow;
    for (int64_t panel = a->panel_begin; panel < a->panel_end; panel++, sums += 16) {
        const float *bias = a->bias ? a->bias + panel * 16 : NULL;
        const float *residual = a->residual ? a->residual + panel * a->residual_plane +
                                                  row * a->residual_row + column * 16
                                            : NULL;
        float *out = a->out + panel * a->out_plane + row * a->out_row + column * (16 + a->out_gap);
        for (int i = 0; i < 16; i++) {
            const float sum = sums[i] + (bias ? bias[i] : 0.0f);
            out[i] = clamp(sum + (residual ? residual[i] : 0.0f), a->lo, a->hi);
        }
    }
}

static void run(const conv *c, int64_t pixels)
{
    product p = {.a = c->windows,
                 .b = c->a->weights + c->a->panel_begin * c->a->panel,
                 .out = c->sums,
                 .n = c->width,
                 .k = c->k,
                 .a_row = c->k,
                 .panel = c->a->panel,
                 .out_row = c->width};
    take_one_thread();
    join_panels(&p, c->width, c->weights);
    for (int64_t begin = 0; begin < pixels; begin += PIXELS) {
        p.m = pixels - begin < PIXELS ? pixels - begin : PIXELS;
        for (int64_t i = 0; i < p.m; i++)
            gather(c, begin + i, c->windows + i * c->k);
        multiply(&p, c->weights, c->width, 0, c->width);
        for (int64_t i = 0; i < p.m; i++)
            scatter(c, begin + i, c->sums + i * c->width);
    }
}

/* A kernel cannot fail: what OpenBLAS cannot count, or has no memory for, is ref's. So is a sum of
 * nothing. */
void ai_f32_conv_openblas(const void *args)
{
    const ai_conv_args *a = args;
    const int64_t pixels = (int64_t)(a->row_end - a->row_begin) * a->ow;
    conv c = {.a = a,
              .k = (int64_t)a->ic * a->kh * a->kw,
              .width = (int64_t)(a->panel_end - a->panel_begin) * 16};
    if (pixels <= 0 || c.width <= 0)
        return;
    float *memory = NULL;
    if (c.k > 0 && is_small(c.k, c.width, PIXELS))
        memory = malloc((size_t)(PIXELS * (c.k + c.width) + c.k * c.width) * sizeof(float));
    if (!memory) {
        ai_f32_conv_ref(a);
        return;
    }
    c.windows = memory;
    c.sums = c.windows + PIXELS * c.k;
    c.weights = c.sums + PIXELS * c.width;
    run(&c, pixels);
    free(memory);
}
