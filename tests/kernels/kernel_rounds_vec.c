/* SPDX-License-Identifier: Apache-2.0
 * Random elementwise operations, reductions, pooling and transposes, each level against ref. */
#include <string.h>

#include "kernel_test.h"

static int64_t random_count(rng *r)
{
    return PICK(r, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 63, 64, 65, 100, 1000);
}

static void copy(guarded *to, const guarded *from)
{
    memcpy(to->data, from->data, (size_t)to->count * sizeof(float));
}

void round_unary(const row *k, rng *r)
{
    static const float params[][2] = {{0.0f, 6.0f},     {1.0f, 0.0f},  {0.01f, 1.0f},
                                      {1.67326f, 1.0507f}, {0.2f, 0.5f}, {1.0f / 6.0f, 0.5f},
                                      {0.5f, -0.25f},   {2.0f, 0.1f},  {-1.0f, 1.0f}};
    const int64_t count = random_count(r);
    const int64_t p = rng_range(r, 0, (int64_t)(sizeof params / sizeof *params) - 1);
    guarded in = guarded_new(r, count), out = guarded_new(r, count), want = guarded_new(r, count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    const float scale = (float)PICK(r, 1, 1, 5, 20, 100);
    fill(r, &in, kind);
    for (int64_t i = 0; i < count; i++)
        in.data[i] *= scale;
    ai_unary_args u = {in.data, want.data, count, params[p][0], params[p][1]};
    k->ref->fn(&u);
    const bool is_inplace = rng_bool(r);
    if (is_inplace)
        copy(&out, &in);
    u.in = is_inplace ? out.data : in.data;
    u.out = out.data;
    k->kernel->fn(&u);
    expect_same(k->kernel->name, &out, &want, "count %lld alpha %g beta %g fill %d scale %g",
                (long long)count, (double)u.alpha, (double)u.beta, kind, (double)scale);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}

void round_binary(const row *k, rng *r)
{
    const int64_t count = random_count(r);
    const int steps = (int)rng_range(r, 0, 5); /* mostly both */
    ai_binary_args o = {.count = count, .a_step = steps != 1, .b_step = steps != 2};
    guarded a = guarded_new(r, o.a_step ? count : 1), b = guarded_new(r, o.b_step ? count : 1);
    guarded out = guarded_new(r, count), want = guarded_new(r, count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &a, kind);
    fill(r, &b, rng_bool(r) ? kind : FILL_INTEGERS);
    o.a = a.data;
    o.b = b.data;
    o.out = want.data;
    k->ref->fn(&o);
    o.out = out.data;
    if (o.a_step && rng_range(r, 0, 3) == 0) {
        copy(&out, &a);
        o.a = out.data;
    } else if (o.b_step && rng_range(r, 0, 3) == 0) {
        copy(&out, &b);
        o.b = out.data;
    }
    k->kernel->fn(&o);
    expect_same(k->kernel->name, &out, &want, "count %lld steps %d %d fill %d", (long long)count,
                o.a_step, o.b_step, kind);
    guarded_free(&a);
    guarded_free(&b);
    guarded_free(&out);
    guarded_free(&want);
}

void round_reduce(const row *k, rng *r)
{
    const int64_t count = rng_range(r, 0, 9) ? random_count(r) : 0;
    guarded in = guarded_new(r, count ? count : 1);
    guarded out = guarded_new(r, in.count), want = guarded_new(r, in.count);
    guarded got_one = guarded_new(r, 1), want_one = guarded_new(r, 1);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    fill(r, &out, FILL_INTEGERS);
    copy(&want, &out);
    const bool has_out = k->kernel->op == AI_K_REDUCE + AI_REDUCE_SUM_EXP && rng_bool(r);
    ai_reduce_args a = {.in = in.data,
                        .out = has_out ? want.data : NULL,
                        .count = count,
                        .offset = rng_bool(r) ? 0.0f : 0.75f,
                        .result = want_one.data};
    k->ref->fn(&a);
    const bool is_inplace = has_out && count && rng_bool(r);
    if (is_inplace)
        copy(&out, &in);
    a.in = is_inplace ? out.data : in.data;
    a.out = has_out ? out.data : NULL;
    a.result = got_one.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &got_one, &want_one, "result of %lld, offset %g, fill %d",
                (long long)count, (double)a.offset, kind);
    expect_same(k->kernel->name, &out, &want, "output of %lld, offset %g, fill %d",
                (long long)count, (double)a.offset, kind);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
    guarded_free(&got_one);
    guarded_free(&want_one);
}

void round_softmax(const row *k, rng *r)
{
    ai_softmax_args a = {.rows = rng_range(r, 1, 5), .count = random_count(r)};
    guarded in = guarded_new(r, a.rows * a.count);
    guarded out = guarded_new(r, in.count), want = guarded_new(r, in.count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    const float scale = (float)PICK(r, 1, 1, 20, 100);
    fill(r, &in, kind);
    for (int64_t i = 0; i < in.count; i++)
        in.data[i] *= scale;
    a.in = in.data;
    a.out = want.data;
    k->ref->fn(&a);
    const bool is_inplace = rng_bool(r);
    if (is_inplace)
        copy(&out, &in);
    a.in = is_inplace ? out.data : in.data;
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want, "%lld rows of %lld, fill %d, scale %g",
                (long long)a.rows, (long long)a.count, kind, (double)scale);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}

static void random_pool(rng *r, ai_pool_args *p)
{
    p->ih = PICK(r, 1, 2, 3, 5, 7, 8, 14);
    p->iw = PICK(r, 1, 2, 4, 5, 7, 9, 14, 15);
    p->kh = PICK(r, 1, 2, 3, 3, 5);
    p->kw = PICK(r, 1, 2, 3, 3, 4);
    p->stride_h = PICK(r, 1, 2, 3);
    p->stride_w = PICK(r, 1, 2, 3);
    p->dilation_h = PICK(r, 1, 1, 1, 2);
    p->dilation_w = PICK(r, 1, 1, 2, 3);
    p->pad_top = (int32_t)rng_range(r, 0, p->kh - 1);
    p->pad_left = (int32_t)rng_range(r, 0, p->kw - 1);
    p->pad_bottom = (int32_t)rng_range(r, 0, p->kh - 1);
    p->pad_right = (int32_t)rng_range(r, 0, p->kw - 1);
    p->count_include_pad = rng_bool(r);
    /* As many outputs as start inside or in the padding before: windows may hang over the end. */
    p->ow = (p->iw + p->pad_left - 1) / p->stride_w + 1;
    const int32_t oh = (p->ih + p->pad_top - 1) / p->stride_h + 1;
    p->row_begin = (int32_t)rng_range(r, 0, oh - 1);
    p->row_end = (int32_t)rng_range(r, p->row_begin + 1, oh);
}

void round_pool(const row *k, rng *r)
{
    ai_pool_args p = {0};
    random_pool(r, &p);
    const bool is_global = k->kernel->op == AI_K_GLOBAL_AVERAGE_POOL;
    p.in_row = (int64_t)p.iw * 16 + (rng_bool(r) ? 0 : rng_range(r, 0, 40));
    p.out_row = (int64_t)p.ow * 16 + (rng_bool(r) ? 0 : rng_range(r, 0, 40));
    guarded in = guarded_new(r, (p.ih - 1) * p.in_row + (int64_t)p.iw * 16);
    guarded out = guarded_new(r, is_global ? 16 : (p.row_end - 1) * p.out_row + (int64_t)p.ow * 16);
    guarded want = guarded_new(r, out.count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    fill(r, &out, FILL_INTEGERS);
    copy(&want, &out);
    p.in = in.data;
    p.out = want.data;
    k->ref->fn(&p);
    p.out = out.data;
    k->kernel->fn(&p);
    expect_same(k->kernel->name, &out, &want,
                "input %dx%d kernel %dx%d stride %dx%d dilation %dx%d pads %d %d %d %d ow %d "
                "rows %d-%d fill %d",
                p.ih, p.iw, p.kh, p.kw, p.stride_h, p.stride_w, p.dilation_h, p.dilation_w,
                p.pad_top, p.pad_left, p.pad_bottom, p.pad_right, p.ow, p.row_begin, p.row_end,
                kind);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}

void round_transpose(const row *k, rng *r)
{
    const int64_t columns = PICK(r, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 49, 112);
    const int32_t channels = (int32_t)rng_range(r, 1, 16);
    ai_transpose_args t = {.plane = columns + (rng_bool(r) ? 0 : rng_range(r, 0, 30)),
                           .channels = channels,
                           .to_block = rng_bool(r),
                           .columns = columns};
    const int64_t plain = (channels - 1) * t.plane + columns;
    guarded in = guarded_new(r, t.to_block ? plain : columns * 16);
    guarded out = guarded_new(r, t.to_block ? columns * 16 : plain);
    guarded want = guarded_new(r, out.count);
    fill(r, &in, FILL_BITS);
    fill(r, &out, FILL_INTEGERS);
    copy(&want, &out);
    t.in = in.data;
    t.out = want.data;
    k->ref->fn(&t);
    t.out = out.data;
    k->kernel->fn(&t);
    expect_same(k->kernel->name, &out, &want, "to block %d, channels %d, columns %lld, plane %lld",
                t.to_block, channels, (long long)columns, (long long)t.plane);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}

static void random_places(rng *r, const ai_resize_args *a, int64_t *places)
{
    for (int64_t i = 0; i < a->taps * a->columns; i++)
        places[i] = rng_range(r, 0, a->in_count / a->inner - 1) * a->inner;
}

void round_resize(const row *k, rng *r)
{
    enum { MOST = 5 };
    int64_t places[MOST * 49];
    const float *rows[MOST];
    ai_resize_args a = {.rows = rows,
                        .row_count = rng_range(r, 1, MOST),
                        .places = places,
                        .taps = rng_range(r, 1, MOST),
                        .columns = PICK(r, 1, 2, 15, 16, 17, 31, 32, 33, 49),
                        .inner = PICK(r, 1, 1, 2, 15, 16, 17, 33)};
    a.in_count = a.inner * PICK(r, 1, 2, 15, 16, 17, 33);
    const int64_t step = a.in_count + rng_range(r, 0, 3);
    guarded in = guarded_new(r, (a.row_count - 1) * step + a.in_count);
    guarded row_weights = guarded_new(r, a.row_count);
    guarded weights = guarded_new(r, a.taps * a.columns);
    guarded mixed = guarded_new(r, a.in_count);
    guarded out = guarded_new(r, a.columns * a.inner), want = guarded_new(r, out.count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    fill(r, &row_weights, FILL_UNIFORM);
    fill(r, &weights, FILL_UNIFORM);
    random_places(r, &a, places);
    for (int64_t i = 0; i < a.row_count; i++)
        rows[i] = in.data + i * step;
    a.row_weights = row_weights.data;
    a.weights = weights.data;
    a.mixed = mixed.data;
    a.out = want.data;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want, "rows %lld taps %lld columns %lld inner %lld fill %d",
                (long long)a.row_count, (long long)a.taps, (long long)a.columns,
                (long long)a.inner, kind);
    guarded_free(&in);
    guarded_free(&row_weights);
    guarded_free(&weights);
    guarded_free(&mixed);
    guarded_free(&out);
    guarded_free(&want);
}

void round_widen(const row *k, rng *r)
{
    const int64_t count = random_count(r);
    guarded in = guarded_new(r, (count + 1) / 2);
    guarded out = guarded_new(r, count), want = guarded_new(r, count);
    fill(r, &in, FILL_BITS);
    /* an odd one ends where the memory does, or begins where it begins */
    const uint16_t *halves = (const uint16_t *)(const void *)in.data;
    ai_widen_args w = {rng_bool(r) ? halves + count % 2 : halves, want.data, count};
    k->ref->fn(&w);
    w.out = out.data;
    k->kernel->fn(&w);
    expect_same(k->kernel->name, &out, &want, "count %lld", (long long)count);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}
