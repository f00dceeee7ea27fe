/* SPDX-License-Identifier: Apache-2.0
 * Random convolutions and matrix products, each level against ref. */
#include <math.h>
#include <string.h>

#include "kernel_test.h"

/* Operands of one convolution; `out` and `want` start equal, so gaps must stay equal too. */
typedef struct conv_case {
    ai_conv_args args;
    int32_t      rows, panels;
    guarded      in, weights, bias, residual, out, want;
} conv_case;

static void random_window(rng *r, const row *k, ai_conv_args *a)
{
    static const int32_t sizes[] = {1, 1, 1, 1, 2, 3, 3, 3, 4, 5, 7};
    const int last = k->kernel->op == AI_K_CONV ? 7 : 10;
    a->kh = sizes[rng_range(r, 0, last)];
    a->kw = rng_bool(r) ? a->kh : sizes[rng_range(r, 0, last)];
    a->stride_h = PICK(r, 1, 1, 1, 2, 2, 3);
    a->stride_w = rng_bool(r) ? a->stride_h : PICK(r, 1, 2, 3);
    a->dilation_h = PICK(r, 1, 1, 1, 2);
    a->dilation_w = PICK(r, 1, 1, 1, 2, 3);
}

/* Widths straddle the tiles of 6 and 14 pixels, joined rows those of 28. */
static void random_extent(rng *r, conv_case *c)
{
    ai_conv_args *a = &c->args;
    a->ow = PICK(r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 19, 27, 28, 29, 31, 42);
    c->rows = PICK(r, 1, 1, 2, 3, 4);
    c->panels = PICK(r, 1, 1, 2, 2, 3, 4, 5);
    a->ic = PICK(r, 1, 3, 15, 16, 16, 17, 24, 32, 33, 50);
    a->row_begin = rng_bool(r) ? 0 : (int32_t)rng_range(r, 0, c->rows - 1);
    a->row_end = rng_bool(r) ? c->rows : (int32_t)rng_range(r, a->row_begin + 1, c->rows);
    a->panel_begin = rng_bool(r) ? 0 : (int32_t)rng_range(r, 0, c->panels - 1);
    a->panel_end = rng_bool(r) ? c->panels : (int32_t)rng_range(r, a->panel_begin + 1, c->panels);
    if (rng_range(r, 0, 5) == 0) { /* a map with tiles of its own */
        a->ow = c->rows = a->row_end = 7;
        a->row_begin = 0;
    } else if (rng_range(r, 0, 9) == 0) { /* large enough for the other order of the loops */
        a->ow = c->rows = a->row_end = PICK(r, 28, 29);
        a->row_begin = 0;
        a->ic = PICK(r, 1, 3, 17);
        a->kh = a->kw = PICK(r, 1, 2);
    }
}

/* A stride: exactly `least`, or with a gap after it. */
static int64_t random_stride(rng *r, int64_t least, bool is_dense)
{
    return is_dense ? least : least + rng_range(r, 0, 20);
}

/* Strides, and the input's size to the last element that is read. */
static void place_input(rng *r, const row *k, conv_case *c, bool is_dense)
{
    ai_conv_args *a = &c->args;
    const int64_t lanes = k->kernel->op == AI_K_CONV_STEM ? 1 : 16;
    const int64_t width = ((int64_t)(a->ow - 1) * a->stride_w + (a->kw - 1) * a->dilation_w + 1);
    const int64_t height = ((int64_t)(c->rows - 1) * a->stride_h + (a->kh - 1) * a->dilation_h + 1);
    int64_t planes = (a->ic + 15) / 16, last = a->ic - (planes - 1) * 16;
    if (k->kernel->op == AI_K_CONV_STEM)
        planes = a->ic, last = 1;
    if (k->kernel->op == AI_K_CONV_DEPTHWISE)
        planes = c->panels, last = 16;
    a->in_row = random_stride(r, width * lanes, is_dense);
    if (is_dense && a->kw == 1)
        a->in_row = (int64_t)a->ow * a->stride_w * lanes / (a->ow % a->stride_h ? 1 : a->stride_h);
    if (a->in_row < width * lanes)
        a->in_row = width * lanes;
    a->in_plane = random_stride(r, height * a->in_row, is_dense);
    const int64_t count = (planes - 1) * a->in_plane + (height - 1) * a->in_row +
                          (width - 1) * lanes + last;
    c->in = guarded_new(r, count);
    a->in = c->in.data;
}

static void place_weights(rng *r, const row *k, conv_case *c)
{
    ai_conv_args *a = &c->args;
    const int64_t ic = k->kernel->op == AI_K_CONV_DEPTHWISE ? 1 : a->ic;
    const int64_t panel = ic * a->kh * a->kw * 16;
    a->panel = panel;
    c->weights = guarded_new(r, c->panels * panel);
    c->bias = guarded_new(r, (int64_t)c->panels * 16);
    a->weights = c->weights.data;
    a->bias = rng_range(r, 0, 3) ? c->bias.data : NULL;
}

static void place_output(rng *r, const row *k, conv_case *c, bool is_dense)
{
    ai_conv_args *a = &c->args;
    if (k->kernel->op == AI_K_CONV && rng_range(r, 0, 4) == 0) /* every second or third column */
        a->out_gap = 16 * rng_range(r, 1, 2);
    const int64_t width = (int64_t)a->ow * (16 + a->out_gap);
    a->out_row = random_stride(r, width, is_dense);
    a->out_plane = random_stride(r, c->rows * a->out_row, is_dense);
    a->residual_row = random_stride(r, width, is_dense);
    a->residual_plane = random_stride(r, c->rows * a->residual_row, is_dense);
    c->out = guarded_new(r, (c->panels - 1) * a->out_plane + (c->rows - 1) * a->out_row + width);
    c->want = guarded_new(r, c->out.count);
    c->residual = guarded_new(r, (c->panels - 1) * a->residual_plane +
                                     (c->rows - 1) * a->residual_row + width);
    a->residual = rng_bool(r) ? c->residual.data : NULL;
}

bool is_back_end(const row *k)
{
    return k->kernel->cpu >= AI_CPU_OPENBLAS;
}

static int random_fill(const row *k, rng *r)
{
    return (int)rng_range(r, 0, is_back_end(k) ? FILL_INTEGERS : FILL_COUNT - 1);
}

/* How far two sums of the same numbers may lie apart, each element of which is now the sum of their
 * magnitudes: either is off by at most (k + 2) roundings of 2^-24, of k products, bias and residual. */
static void set_slack(guarded *slack, int64_t k)
{
    for (int64_t i = 0; i < slack->count; i++)
        slack->data[i] *= (float)(2 * (k + 2)) * 0x1p-24f;
}

static void take_magnitudes(guarded *g)
{
    for (int64_t i = 0; i < g->count; i++)
        g->data[i] = fabsf(g->data[i]);
}

/* None but for a back end. Overwrites the operands. What the kernel leaves alone gets no slack. */
static guarded conv_slack(const row *k, rng *r, conv_case *c)
{
    ai_conv_args *a = &c->args;
    if (!is_back_end(k))
        return (guarded){0};
    guarded slack = guarded_new(r, c->out.count);
    take_magnitudes(&c->in);
    take_magnitudes(&c->weights);
    take_magnitudes(&c->bias);
    take_magnitudes(&c->residual);
    a->lo = -INFINITY;
    a->hi = INFINITY;
    a->out = slack.data;
    k->ref->fn(a);
    set_slack(&slack, (int64_t)a->ic * a->kh * a->kw);
    return slack;
}

void round_conv(const row *k, rng *r)
{
    conv_case c = {0};
    ai_conv_args *a = &c.args;
    const bool is_dense = rng_bool(r);
    random_window(r, k, a);
    random_extent(r, &c);
    place_input(r, k, &c, is_dense);
    place_weights(r, k, &c);
    place_output(r, k, &c, is_dense);
    random_clamp(r, &a->lo, &a->hi);
    const int kind = random_fill(k, r);
    fill(r, &c.in, kind);
    fill(r, &c.weights, kind == FILL_EXTREMES ? FILL_UNIFORM : kind);
    fill(r, &c.bias, kind);
    fill(r, &c.residual, kind);
    fill(r, &c.out, FILL_INTEGERS);
    for (int64_t i = 0; i < c.out.count; i++)
        c.want.data[i] = c.out.data[i];
    a->out = c.want.data;
    k->ref->fn(a);
    a->out = c.out.data;
    k->kernel->fn(a);
    const double lo = (double)a->lo, hi = (double)a->hi;
    guarded slack = conv_slack(k, r, &c);
    expect_within(k->kernel->name, &c.out, &c.want, &slack,
                  "ic %d kernel %dx%d stride %dx%d dilation %dx%d ow %d rows %d-%d panels %d-%d "
                  "gap %d dense %d bias %d residual %d clamp %g %g fill %d",
                  a->ic, a->kh, a->kw, a->stride_h, a->stride_w, a->dilation_h, a->dilation_w,
                  a->ow, a->row_begin, a->row_end, a->panel_begin, a->panel_end, (int)a->out_gap,
                  is_dense, a->bias != NULL, a->residual != NULL, lo, hi, kind);
    guarded_free(&slack);
    guarded_free(&c.in);
    guarded_free(&c.weights);
    guarded_free(&c.bias);
    guarded_free(&c.residual);
    guarded_free(&c.out);
    guarded_free(&c.want);
}

void round_conv_plain(const row *k, rng *r)
{
    int64_t taps[40];
    const int64_t columns = PICK(r, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 80, 127, 129, 145);
    const int64_t stride = PICK(r, 1, 1, 1, 2, 3);
    const int64_t tap_count = rng_range(r, 0, 40);
    int64_t last = 0;
    for (int64_t t = 0; t < tap_count; t++) {
        taps[t] = rng_range(r, 0, 300);
        last = taps[t] > last ? taps[t] : last;
    }
    guarded in = guarded_new(r, last + (columns - 1) * stride + 1);
    guarded weights = guarded_new(r, tap_count ? tap_count : 1);
    guarded residual = guarded_new(r, columns);
    guarded out = guarded_new(r, columns), want = guarded_new(r, columns);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    fill(r, &weights, kind == FILL_EXTREMES ? FILL_UNIFORM : kind);
    fill(r, &residual, kind);
    ai_conv_plain_args a = {.in = in.data,
                            .taps = taps,
                            .weights = weights.data,
                            .tap_count = tap_count,
                            .stride = stride,
                            .bias = (float)rng_range(r, -3, 3),
                            .residual = rng_bool(r) ? residual.data : NULL,
                            .columns = columns};
    random_clamp(r, &a.lo, &a.hi);
    a.out = want.data;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want, "columns %lld stride %lld taps %lld fill %d",
                (long long)columns, (long long)stride, (long long)tap_count, kind);
    guarded_free(&in);
    guarded_free(&weights);
    guarded_free(&residual);
    guarded_free(&out);
    guarded_free(&want);
}

static guarded gemm_slack(const row *k, rng *r, const ai_gemm_args *g, guarded *operands[3],
                          int64_t count)
{
    if (!is_back_end(k))
        return (guarded){0};
    guarded slack = guarded_new(r, count);
    ai_gemm_args magnitudes = *g;
    for (int i = 0; i < 3; i++)
        take_magnitudes(operands[i]);
    magnitudes.lo = -INFINITY;
    magnitudes.hi = INFINITY;
    magnitudes.out = slack.data;
    k->ref->fn(&magnitudes);
    set_slack(&slack, g->k);
    return slack;
}

void round_gemm(const row *k, rng *r)
{
    ai_gemm_args g = {.m = PICK(r, 1, 1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 17, 27, 28, 29, 35, 65),
                      .n = PICK(r, 1, 15, 16, 17, 31, 32, 33, 48, 64, 100, 129, 160),
                      .k = PICK(r, 0, 1, 3, 4, 5, 16, 17, 31, 64, 77)};
    const int64_t panels = (g.n + 15) / 16;
    g.panel_begin = rng_bool(r) ? 0 : rng_range(r, 0, panels - 1);
    g.panel_end = rng_bool(r) ? panels : rng_range(r, g.panel_begin, panels);
    g.a_row = g.k + (rng_bool(r) ? 0 : rng_range(r, 0, 9));
    g.out_row = g.n + (rng_bool(r) ? 0 : rng_range(r, 0, 9));
    g.panel = g.k * 16;
    g.b_row = g.n + (rng_bool(r) ? 0 : rng_range(r, 0, 9));
    const bool is_plain = k->kernel->layout == AI_LAYOUT_PLAIN;
    const bool has_rows = rng_bool(r);
    g.bias_row = has_rows ? g.n + rng_range(r, 0, 5) : 0;
    const int64_t a_count = (g.m - 1) * g.a_row + g.k;
    guarded a = guarded_new(r, a_count ? a_count : 1);
    const bool is_f16 = k->kernel->weight_type == AI_F16;
    const int64_t b_count =
        is_plain ? (g.k - 1) * g.b_row + g.n : panels * g.panel / (is_f16 ? 2 : 1);
    guarded b = guarded_new(r, g.k ? b_count : 1);
    guarded bias = guarded_new(r, (has_rows ? (g.m - 1) * g.bias_row : 0) + g.n);
    guarded out = guarded_new(r, (g.m - 1) * g.out_row + g.n);
    guarded want = guarded_new(r, out.count);
    const int kind = random_fill(k, r);
    fill(r, &a, kind);
    fill(r, &b, is_f16 ? FILL_BITS : kind == FILL_EXTREMES ? FILL_UNIFORM : kind);
    for (int64_t i = 0; is_f16 && kind != FILL_BITS && i < b.count; i++) { /* below 2 */
        uint32_t pair;
        memcpy(&pair, &b.data[i], sizeof pair);
        pair &= 0xbfffbfff;
        memcpy(&b.data[i], &pair, sizeof pair);
    }
    fill(r, &bias, kind);
    fill(r, &out, FILL_INTEGERS);
    for (int64_t i = 0; i < out.count; i++)
        want.data[i] = out.data[i];
    g.a = a.data;
    g.b = b.data;
    g.bias = rng_range(r, 0, 3) ? bias.data : NULL;
    random_clamp(r, &g.lo, &g.hi);
    g.out = want.data;
    k->ref->fn(&g);
    g.out = out.data;
    k->kernel->fn(&g);
    guarded slack = gemm_slack(k, r, &g, (guarded *[3]){&a, &b, &bias}, out.count);
    expect_within(k->kernel->name, &out, &want, &slack,
                  "m %lld n %lld k %lld panels %lld-%lld bias %d by row %d fill %d", (long long)g.m,
                  (long long)g.n, (long long)g.k, (long long)g.panel_begin, (long long)g.panel_end,
                  g.bias != NULL, has_rows, kind);
    guarded_free(&slack);
    guarded_free(&a);
    guarded_free(&b);
    guarded_free(&bias);
    guarded_free(&out);
    guarded_free(&want);
}
