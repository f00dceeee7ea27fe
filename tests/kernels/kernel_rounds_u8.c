/* SPDX-License-Identifier: Apache-2.0
 * Random products of u8 and s8, pools and numbers to bytes, each level against ref; ref's products
 * against the formula of kernels.h in f64. */
#include <math.h>
#include <string.h>

#include "kernel_test.h"

/* Bytes that end where a guard page begins. */
typedef struct bytes {
    guarded memory;
    uint8_t *data;
    int64_t count;
} bytes;

static bytes bytes_new(rng *r, int64_t count)
{
    bytes b = {guarded_new(r, (count + 3) / 4 + 1), NULL, count};
    b.data = (uint8_t *)b.memory.data + b.memory.count * 4 - count;
    return b;
}

/* Any, or the ends alone. */
static void fill_bytes(rng *r, bytes *b, uint8_t low, uint8_t high)
{
    const bool is_extreme = rng_bool(r);
    for (int64_t i = 0; i < b->count; i++)
        b->data[i] = !is_extreme ? (uint8_t)rng_next(r) : rng_bool(r) ? low : high;
}

static void compare_bytes(const row *k, const bytes *got, const bytes *want, const char *what)
{
    for (int64_t i = 0; i < got->count; i++)
        ck_assert_msg(got->data[i] == want->data[i],
                      "%s: %s: byte %lld is %d, needs %d (seed %llu)", k->kernel->name, what,
                      (long long)i, got->data[i], want->data[i], (unsigned long long)test_seed());
}

/* ---- Products ---- */

enum form { TAPS_ANYWHERE, BLOCKS, WIDE, THIN, DEPTHWISE };

typedef struct product {
    ai_q_conv_args a;
    enum form form;
    bytes in, weights, residual, out, want;
    guarded bias, scale, taps, wide, pixels;
    int64_t panels, rows, in_bytes;
    int32_t kh, kw;
    int64_t blocks;     /* of 16 inputs, of a window */
    int32_t last_fours; /* of the last of them */
} product;

static void make_shape(product *p, rng *r)
{
    ai_q_conv_args *a = &p->a;
    int64_t *taps = (int64_t *)(void *)p->taps.data;
    p->panels = rng_range(r, 1, 3);
    const bool is_tall = rng_range(r, 0, 9) == 0; /* columns of a map with a border */
    p->rows = is_tall ? rng_range(r, 30, 64) : rng_range(r, 1, p->form == THIN ? 16 : 4);
    a->ow = is_tall       ? rng_range(r, 1, 3)
            : rng_bool(r) ? PICK(r, 1, 2, 3, 5, 7, 8, 13, 14, 15)
                          : PICK(r, 17, 21, 33, 64, 112);
    a->panel_begin = (int32_t)rng_range(r, 0, p->panels - 1);
    a->panel_end = (int32_t)rng_range(r, a->panel_begin + 1, p->panels);
    a->row_begin = (int32_t)rng_range(r, 0, p->rows - 1);
    a->row_end = (int32_t)rng_range(r, a->row_begin + 1, p->rows);
    a->in_step = PICK(r, 4, 16, 32, 20);
    a->in_row = a->ow * a->in_step + rng_range(r, 0, 40);
    a->out_step = PICK(r, 16, 16, 32, 19);
    a->out_row = a->ow * a->out_step + rng_range(r, 0, 20);
    if (is_tall) {
        a->row_begin = 0;
        a->row_end = (int32_t)p->rows;
        a->out_step = 16;
        a->out_row = a->ow * 16 + PICK(r, 16, 32);
    }
    a->out_plane = a->out_row * p->rows + rng_range(r, 0, 20);
    a->residual_row = a->ow * 16 + rng_range(r, 0, 20);
    a->residual_plane = a->residual_row * p->rows + rng_range(r, 0, 20);
    a->taps = taps;
    p->in_bytes = (p->rows - 1) * a->in_row + (a->ow - 1) * a->in_step + 116;
    const bool is_whole = rng_bool(r); /* blocks of 16 inputs */
    for (int64_t i = 0; i < a->tap_count; i++)
        taps[i] = is_whole && i % 4 ? taps[i - 1] + 4 : rng_range(r, 0, 100);
}

/* Kernels that levels have loops of their own for, and others; their rows filled to fours. */
static void make_depthwise(product *p, rng *r)
{
    ai_q_conv_args *a = &p->a;
    int64_t *taps = (int64_t *)(void *)p->taps.data;
    const int32_t kh = p->kh, kw = p->kw, dilation = rng_range(r, 0, 3) == 0 ? 2 : 1;
    const int32_t stride = PICK(r, 1, 1, 2, 3);
    const int64_t whole = (kw + 3) / 4 * 4;
    const int64_t pitch =
        ((a->ow - 1) * stride + (kw - 1) * dilation + 1) * 16 + rng_range(r, 0, 40);
    a->in_step = stride * 16;
    a->in_row = stride * pitch;
    a->in_plane = ((p->rows - 1) * stride + kh) * pitch + rng_range(r, 0, 20);
    a->kw = dilation == 1 ? kw : 0;
    for (int64_t i = 0; i < kh * whole; i++) {
        const int64_t x = i % whole < kw ? i % whole : kw - 1;
        taps[i] = i / whole * pitch + x * dilation * 16;
    }
    p->in_bytes = (p->panels - 1) * a->in_plane + (p->rows - 1) * a->in_row +
                  (a->ow - 1) * a->in_step + taps[kh * whole - 1] + 16;
}

/* The windows of a convolution over blocks of 16 channels, of which the last may have fewer, over
 * blocks of 64, or over up to 4 channels. */
static void make_window(product *p, rng *r)
{
    ai_q_conv_args *a = &p->a;
    int64_t *taps = (int64_t *)(void *)p->taps.data;
    const int32_t stride = PICK(r, 1, 1, 2), down = PICK(r, 1, 1, 2),
                  right = PICK(r, 1, 1, 1, 1, 2);
    const int64_t step = PICK(r, 16, 16, 16, 16, 20), first = PICK(r, 0, 0, 16);
    const int64_t span = (p->kw - 1) * right * 16 + 16;
    const int64_t pitch = first + (a->ow - 1) * stride * step + span + 16 * rng_range(r, 0, 3);
    const int64_t plane = ((p->rows - 1) * stride + (p->kh - 1) * down + 1) * pitch;
    const int64_t each = p->form == WIDE ? 4 : 1;
    int64_t i = 0;
    a->in_step = stride * step;
    a->in_row = stride * pitch;
    for (int64_t block = 0; block < p->blocks; block += each) {
        const int64_t fours = block + each < p->blocks ? 4 * each : 4 * each - 4 + p->last_fours;
        for (int64_t y = 0; y < p->kh; y++)
            for (int64_t x = 0; x < p->kw; x++)
                for (int64_t four = 0; four < fours; four++)
                    taps[i++] = first + (block + four / 4) * plane + y * down * pitch +
                                16 * x * right + four % 4 * 4;
    }
    p->in_bytes = (p->rows - 1) * a->in_row + (a->ow - 1) * a->in_step + taps[a->tap_count - 1] + 4;
}

/* Zero points at their ends, factors from tiny to infinite. */
static void make_finish(product *p, rng *r, bool has_residual)
{
    ai_q_conv_args *a = &p->a;
    a->middle = PICK(r, 0, 255, 128, 17);
    a->zero = has_residual ? PICK(r, 0, 255, 128, 99) : a->middle;
    a->lo = rng_bool(r) ? 0 : (int32_t)rng_range(r, 0, 255);
    a->hi = rng_bool(r) ? 255 : (int32_t)rng_range(r, a->lo, 255);
    a->own = (float)rng_range(r, -3000, 3000) / 1000;
    a->other = (float)rng_range(r, -3000, 3000) / 1000;
    a->offset = (float)rng_range(r, -300, 300);
    for (int64_t i = 0; i < p->bias.count; i++)
        ((int32_t *)(void *)p->bias.data)[i] =
            (int32_t)rng_range(r, -100000, 100000) * PICK(r, 1, 1, 1, 20000);
    const float unit = PICK(r, 1, 100, 3000) * 1e-7f;
    for (int64_t i = 0; i < p->scale.count; i++)
        p->scale.data[i] = unit * (float)rng_range(r, 1, 10);
    if (rng_range(r, 0, 3) == 0)
        fill(r, &p->scale, FILL_EXTREMES);
}

static int64_t clamped(double x, int64_t lo, int64_t hi)
{
    return x < (double)lo ? lo : x > (double)hi ? hi : (int64_t)x;
}

static void expect_formula(const product *p, int32_t panel, int32_t y, int32_t col, int o)
{
    const ai_q_conv_args *a = &p->a;
    const uint8_t *in = a->in + y * a->in_row + col * a->in_step;
    int64_t sum = ((const int32_t *)(const void *)p->bias.data)[panel * 16 + o];
    in += p->form == DEPTHWISE ? panel * a->in_plane : 0;
    for (int64_t t = 0; t < a->tap_count; t++)
        for (int i = 0; i < 4; i++)
            sum += in[p->form == DEPTHWISE ? a->taps[4 * t + i] + o : a->taps[t] + i] *
                   a->weights[((panel * a->tap_count + t) * 16 + o) * 4 + i];
    const float scale = p->scale.data[panel * 16 + o];
    if (sum != (int32_t)sum || !isfinite(scale))
        return;
    const float scaled = (float)(int32_t)sum * scale;
    int64_t q = clamped(nearbyint((double)scaled), -a->middle, 255 - a->middle);
    if (a->residual) {
        const float r =
            (float)a->residual[panel * a->residual_plane + y * a->residual_row + col * 16 + o];
        q = (int64_t)nearbyintf(fmaf((float)q, a->own, fmaf(r, a->other, a->offset)));
    }
    const int64_t want = clamped((double)(q + a->zero), a->lo, a->hi);
    const uint8_t got = p->want.data[panel * a->out_plane + y * a->out_row + col * a->out_step + o];
    ck_assert_msg(got == want, "sum %lld by %g becomes %d, needs %lld (seed %llu)", (long long)sum,
                  (double)scale, got, (long long)want, (unsigned long long)test_seed());
}

/* The kernel's sizes, and from them how many fours there are. */
static void make_kernel(product *p, rng *r)
{
    p->kh = p->kw = p->last_fours = 1;
    p->blocks = 1;
    switch (p->form) {
    case TAPS_ANYWHERE:
        p->a.tap_count = PICK(r, 1, 2, 3, 4, 9, 16, 24, 37, 64);
        return;
    case DEPTHWISE:
        p->kh = PICK(r, 1, 3, 3, 5, 5, 2);
        p->kw = rng_range(r, 0, 3) == 0 ? PICK(r, 1, 2, 4, 7, 9) : p->kh;
        p->a.tap_count = p->kh * ((p->kw + 3) / 4);
        return;
    case BLOCKS:
        p->kh = PICK(r, 1, 2, 3, 3);
        p->kw = PICK(r, 1, 2, 3, 3, 4, 7);
        p->blocks = rng_range(r, 1, 5);
        p->last_fours = PICK(r, 4, 4, 4, 1, 2, 3);
        break;
    case WIDE:
        p->kh = PICK(r, 1, 2, 3, 3);
        p->kw = PICK(r, 1, 2, 3, 3, 5);
        p->blocks = PICK(r, 4, 8);
        p->last_fours = 4;
        break;
    case THIN:
        p->kh = PICK(r, 3, 4, 7);
        p->kw = PICK(r, 3, 4, 7, 7);
        break;
    }
    p->a.tap_count = p->kh * p->kw * ((p->blocks - 1) * 4 + p->last_fours);
}

static void make_operands(product *p, rng *r)
{
    ai_q_conv_args *a = &p->a;
    p->in = bytes_new(r, p->in_bytes);
    p->weights = bytes_new(r, p->panels * a->tap_count * 64);
    p->residual = bytes_new(r, p->panels * a->residual_plane);
    p->out = bytes_new(r, p->panels * a->out_plane);
    p->want = bytes_new(r, p->out.count);
    p->bias = guarded_new(r, p->panels * 16);
    p->scale = guarded_new(r, p->panels * 16);
    a->wide_pixels = PICK(r, 1, 2, 5, 6, 13, 14, 29, 60);
    p->wide = guarded_new(r, p->form == DEPTHWISE ? 0 : 2 * a->wide_pixels * a->tap_count);
    a->wide = (int16_t *)(void *)p->wide.data;
    p->pixels = guarded_new(r, (a->tap_count + 15) / 16 * 16 * AI_Q_PIXELS);
    a->rows = rng_range(r, 0, 5) == 0 ? NULL : (uint8_t *)p->pixels.data;
    fill_bytes(r, &p->in, 0, 255);
    fill_bytes(r, &p->weights, 0x80, 0x7f);
    for (int64_t i = 0; i < p->weights.count && p->form == DEPTHWISE; i++) {
        const int64_t x = i / 64 % ((p->kw + 3) / 4) * 4 + i % 4;
        p->weights.data[i] = x < p->kw ? p->weights.data[i] : 0;
    }
    fill_bytes(r, &p->residual, 0, 255);
    memset(p->out.data, 0x5a, (size_t)p->out.count);
    memset(p->want.data, 0x5a, (size_t)p->want.count);
    a->in = p->in.data;
    a->weights = (const int8_t *)p->weights.data;
    a->bias = (const int32_t *)(const void *)p->bias.data;
    a->scale = p->scale.data;
}

static void free_operands(product *p)
{
    bytes *all[] = {&p->in, &p->weights, &p->residual, &p->out, &p->want};
    guarded *others[] = {&p->bias, &p->scale, &p->taps, &p->wide, &p->pixels};
    for (int i = 0; i < 5; i++) {
        guarded_free(&all[i]->memory);
        guarded_free(others[i]);
    }
}

static void round_product(const row *k, rng *r, enum form form)
{
    product p = {.form = form};
    ai_q_conv_args *a = &p.a;
    const bool has_residual = rng_bool(r);
    make_kernel(&p, r);
    p.taps = guarded_new(r, a->tap_count * 8 + 2);
    p.taps.data += (uintptr_t)p.taps.data % 8 / 4;
    make_shape(&p, r);
    if (form == DEPTHWISE)
        make_depthwise(&p, r);
    else if (form != TAPS_ANYWHERE)
        make_window(&p, r);
    make_operands(&p, r);
    make_finish(&p, r, has_residual);
    a->residual = has_residual ? p.residual.data : NULL;
    a->out = p.want.data;
    k->ref->fn(a);
    a->out = p.out.data;
    k->kernel->fn(a);
    compare_bytes(k, &p.out, &p.want, "product");
    expect_formula(&p, a->panel_begin, a->row_begin, a->ow - 1, (int)rng_range(r, 0, 15));
    expect_formula(&p, a->panel_end - 1, a->row_end - 1, 0, (int)rng_range(r, 0, 15));
    p.taps.data = NULL;
    free_operands(&p);
}

/* Levels have ways of their own for each form. */
void round_q_conv(const row *k, rng *r)
{
    if (k->kernel->op == AI_K_Q_DEPTHWISE) {
        round_product(k, r, DEPTHWISE);
        return;
    }
    round_product(k, r, TAPS_ANYWHERE);
    round_product(k, r, BLOCKS);
    round_product(k, r, WIDE);
    round_product(k, r, THIN);
}

/* ---- Pools, numbers to bytes ---- */

void round_byte_pool(const row *k, rng *r)
{
    ai_pool_args a = {
        .ih = PICK(r, 1, 3, 7, 12),
        .iw = PICK(r, 1, 4, 9, 17, 40),
        .ow = PICK(r, 1, 3, 8, 18),
        .kh = PICK(r, 1, 2, 3),
        .kw = PICK(r, 1, 2, 3),
        .stride_h = PICK(r, 1, 2),
        .stride_w = PICK(r, 1, 2),
        .dilation_h = PICK(r, 1, 2),
        .dilation_w = PICK(r, 1, 2),
        .pad_top = PICK(r, 0, 1, 2),
        .pad_left = PICK(r, 0, 1, 2),
        .row_begin = PICK(r, 0, 1),
        .row_end = PICK(r, 2, 4),
    };
    a.in_row = a.iw * 16 + PICK(r, 0, 16, 48);
    a.out_row = a.ow * 16 + PICK(r, 0, 16);
    bytes in = bytes_new(r, (a.ih - 1) * a.in_row + a.iw * 16);
    bytes out = bytes_new(r, (a.row_end - 1) * a.out_row + a.ow * 16);
    bytes want = bytes_new(r, out.count);
    fill_bytes(r, &in, 0, PICK(r, 0, 1, 255));
    memset(out.data, 0x5a, (size_t)out.count);
    memset(want.data, 0x5a, (size_t)want.count);
    a.in = (const float *)(const void *)in.data;
    a.out = (float *)(void *)want.data;
    k->ref->fn(&a);
    a.out = (float *)(void *)out.data;
    k->kernel->fn(&a);
    compare_bytes(k, &out, &want, "pool");
    guarded_free(&in.memory);
    guarded_free(&out.memory);
    guarded_free(&want.memory);
}

void round_to_bytes(const row *k, rng *r)
{
    const int64_t count = PICK(r, 1, 2, 3, 15, 16, 17, 31, 33, 224, 500);
    guarded in = guarded_new(r, count);
    bytes out = bytes_new(r, count), want = bytes_new(r, count);
    fill(r, &in, (int)rng_range(r, 0, FILL_COUNT - 1));
    ai_to_bytes_args a = {in.data, want.data, count, 1.0f / (float)PICK(r, 1, 7, 64, 100),
                          PICK(r, 0, 128, 255, 3)};
    if (rng_range(r, 0, 9) == 0)
        a.scale = PICK(r, 0, 1, 2) == 0 ? 0.0f : rng_bool(r) ? NAN : -INFINITY;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    compare_bytes(k, &out, &want, "numbers");
    guarded_free(&in);
    guarded_free(&out.memory);
    guarded_free(&want.memory);
}

void round_from_bytes(const row *k, rng *r)
{
    const int64_t count = PICK(r, 1, 2, 3, 15, 16, 17, 31, 33, 224, 500);
    bytes in = bytes_new(r, count);
    guarded out = guarded_new(r, count), want = guarded_new(r, count);
    for (int64_t i = 0; i < count; i++)
        in.data[i] = (uint8_t)rng_range(r, 0, 255);
    ai_from_bytes_args a = {in.data, want.data, count, 1.0f / (float)PICK(r, 1, 7, 64, 100),
                            PICK(r, 0, 128, 255, 3)};
    if (rng_range(r, 0, 9) == 0)
        a.scale = rng_bool(r) ? 3e38f : 1e-42f;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want, "count %lld", (long long)count);
    guarded_free(&in.memory);
    guarded_free(&out);
    guarded_free(&want);
}

void round_lookup(const row *k, rng *r)
{
    const int64_t count = PICK(r, 1, 2, 31, 32, 33, 63, 64, 65, 224, 500);
    bytes in = bytes_new(r, count), table = bytes_new(r, 256);
    bytes out = bytes_new(r, count), want = bytes_new(r, count);
    for (int64_t i = 0; i < count; i++)
        in.data[i] = (uint8_t)rng_range(r, 0, 255);
    for (int i = 0; i < 256; i++)
        table.data[i] = (uint8_t)rng_range(r, 0, 255);
    ai_lookup_args a = {in.data, table.data, want.data, count};
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    compare_bytes(k, &out, &want, "bytes");
    guarded_free(&in.memory);
    guarded_free(&table.memory);
    guarded_free(&out.memory);
    guarded_free(&want.memory);
}
