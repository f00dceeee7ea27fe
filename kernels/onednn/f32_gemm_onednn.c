/* SPDX-License-Identifier: Apache-2.0
 * Matrix product by oneDNN, as an inner product: PANEL16 is its OI16i16o where 16 divides k. */
#include <stdlib.h>
#include <string.h>

#include "onednn.h"
#include "ref/ref.h"

ai_kernel_fn ai_f32_gemm_onednn;

/* The columns that are asked for. */
static int64_t first_column(const ai_gemm_args *g)
{
    return g->panel_begin * 16;
}

static int64_t column_count(const ai_gemm_args *g)
{
    const int64_t end = g->panel_end * 16 < g->n ? g->panel_end * 16 : g->n;
    return end - first_column(g);
}

static void copy_matrix(float *to, int64_t to_row, const float *from, int64_t from_row,
                        int64_t rows, int64_t columns)
{
    for (int64_t i = 0; to != from && i < rows; i++)
        memcpy(to + i * to_row, from + i * from_row, (size_t)columns * sizeof(float));
}

/* a without gaps, then the panels with zeros up to a k that 16 divides, then the output. */
typedef struct copies {
    float *memory;
    int64_t depth;      /* k as the weights have it */
    float *a, *b, *out; /* NULL: serves as it lies */
} copies;

static bool make_copies(const ai_gemm_args *g, copies *c)
{
    const int64_t n = column_count(g), panels = g->panel_end - g->panel_begin;
    c->depth = (g->k + 15) / 16 * 16;
    const bool has_a = g->m > 1 && g->a_row != g->k;
    const bool has_b = c->depth != g->k;
    const bool has_out = g->m > 1 && g->out_row != n;
    const int64_t a_count = has_a ? (g->m * g->k + 15) / 16 * 16 : 0;
    const int64_t b_count = has_b ? panels * c->depth * 16 : 0;
    const int64_t count = a_count + b_count + (has_out ? (g->m * n + 15) / 16 * 16 : 0);
    if (!count)
        return true;
    c->memory = aligned_alloc(64, (size_t)count * sizeof(float));
    if (!c->memory)
        return false;
    c->a = has_a ? c->memory : NULL;
    c->b = has_b ? c->memory + a_count : NULL;
    c->out = has_out ? c->memory + a_count + b_count : NULL;
    return true;
}

static void fill_copies(const ai_gemm_args *g, const copies *c)
{
    if (c->a)
        copy_matrix(c->a, g->k, g->a, g->a_row, g->m, g->k);
    for (int64_t p = g->panel_begin; c->b && p < g->panel_end; p++) {
        float *to = c->b + (p - g->panel_begin) * c->depth * 16;
        memcpy(to, (const float *)g->b + p * g->panel, (size_t)g->k * 16 * sizeof(float));
        memset(to + g->k * 16, 0, (size_t)(c->depth - g->k) * 16 * sizeof(float));
    }
}

static void describe(dnnl_memory_desc_t *d, int rank, int64_t rows, int64_t columns,
                     dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = {rows, columns};
    dnnl_memory_desc_init_by_tag(d, rank, dims, dnnl_f32, tag);
}

static bool call(const ai_gemm_args *g, const float *a, const float *b, float *out)
{
    const int64_t n = column_count(g);
    const float *bias = g->bias ? g->bias + first_column(g) : NULL;
    const bool starts_output = bias && (g->bias_row || g->bias == g->out);
    dnnl_memory_desc_t x, w, v, y;
    dnnl_inner_product_desc_t op;
    ai_onednn c;
    describe(&x, 2, g->m, g->k, dnnl_nc);
    describe(&w, 2, n, g->k, dnnl_OI16i16o);
    describe(&v, 1, n, 0, dnnl_a);
    describe(&y, 2, g->m, n, dnnl_nc);
    ai_onednn_begin(&c);
    ai_onednn_operand(&c, DNNL_ARG_SRC, &x, a);
    ai_onednn_operand(&c, DNNL_ARG_WEIGHTS, &w, b);
    ai_onednn_operand(&c, DNNL_ARG_DST, &y, out);
    if (starts_output) {
        copy_matrix(out, n, bias, g->bias_row, g->m, n);
        ai_onednn_add_output(&c);
    } else if (bias) {
        ai_onednn_operand(&c, DNNL_ARG_BIAS, &v, bias);
    }
    ai_onednn_clamp(&c, g->lo, g->hi);
    if (c.status == dnnl_success)
        c.status = dnnl_inner_product_forward_desc_init(&op, dnnl_forward_inference, &x, &w,
                                                        bias && !starts_output ? &v : NULL, &y);
    return ai_onednn_run(&c, &op);
}

static bool run(const ai_gemm_args *g, copies *c)
{
    float *out = g->out + first_column(g);
    if (!make_copies(g, c))
        return false;
    fill_copies(g, c);
    if (!call(g, c->a ? c->a : g->a, c->b ? c->b : (const float *)g->b + g->panel_begin * g->panel,
              c->out ? c->out : out))
        return false;
    if (c->out)
        copy_matrix(out, g->out_row, c->out, column_count(g), g->m, column_count(g));
    return true;
}

/* A kernel cannot fail: where the library does, or memory is short, ref does the work. */
void ai_f32_gemm_onednn(const void *args)
{
    const ai_gemm_args *g = args;
    copies c = {0};
    const bool is_done =
        g->k > 0 && g->m > 0 && column_count(g) > 0 && g->panel == g->k * 16 && run(g, &c);
    free(c.memory);
    if (!is_done)
        ai_f32_gemm_ref(g);
}
