/* SPDX-License-Identifier: Apache-2.0
 * The template of the kernels that need no tile of their own: elementwise, depthwise and plain
 * convolution, transposes. It is compiled once a CPU level with AI_LEVEL (avx2, ...) and the
 * AI_SIMD_ macro. */
#include <string.h>

#include "f32_tile_rep.h"
#include "vec.h"
#include "vmath.h"

/* ---- Elementwise ---- */

#define AI_VEC_UNARY(id, name)                                                                     \
    void KERNEL_NAME(name)(const void *args)                                                       \
    {                                                                                              \
        const ai_unary_args *u = args;                                                             \
        const vf alpha = v_set(u->alpha);                                                          \
        const vf beta = v_set(u->beta);                                                            \
        for (int64_t i = 0, left = u->count; left > 0; i += 16, left -= 16)                        \
            store_some(u->out + i, f_##name(load_some(u->in + i, left), alpha, beta), left);       \
    }

/* An operand with step 0 is one vector of equal numbers. */
#define AI_VEC_BINARY(id, name)                                                                    \
    void KERNEL_NAME(name)(const void *args)                                                       \
    {                                                                                              \
        const ai_binary_args *o = args;                                                            \
        for (int64_t i = 0, left = o->count; left > 0; i += 16, left -= 16) {                      \
            const vf a = o->a_step ? load_some(o->a + i, left) : v_set(o->a[0]);                   \
            const vf b = o->b_step ? load_some(o->b + i, left) : v_set(o->b[0]);                   \
            store_some(o->out + i, g_##name(a, b), left);                                          \
        }                                                                                          \
    }

#include "vec.def"
#undef AI_VEC_UNARY
#undef AI_VEC_BINARY

/* ---- Weights stored as f16 ---- */

void KERNEL_NAME(widen_f16)(const void *args)
{
    const ai_widen_args *w = args;
    int64_t i = 0;
    for (; i + 16 <= w->count; i += 16)
        v_store(w->out + i, v_load_f16(w->in + i));
    if (i < w->count) {
        uint16_t rest[16] = {0};
        memcpy(rest, w->in + i, (size_t)(w->count - i) * sizeof *rest);
        v_store_n(w->out + i, v_load_f16(rest), w->count - i);
    }
}

/* ---- Depthwise convolution: a lane is a channel ---- */

/* One row of output of one block of channels. */
typedef struct depthwise_row {
    const ai_conv_args *conv;
    const float *in;
    const float *weights;
    const float *residual; /* or NULL */
    float *out;
    vf bias;
    int64_t tap_row, tap_col, step; /* between taps below, beside; between pixels */
} depthwise_row;

/* n pixels: their sums hide the latency of one another's, and share the loads of weights. */
#define DEPTHWISE_START(j, b, o) vf sum##j = r->bias;
#define DEPTHWISE_ADD(j, b, o)   sum##j = v_fma(v_load(tap##b + (o)*step), weight, sum##j);
#define DEPTHWISE_RESIDUAL(j, b, o)                                                                \
    sum##j = v_add(sum##j, v_load(residual + (col + (j)) * 16));
#define DEPTHWISE_END(j, b, o) v_store(out + (col + (j)) * 16, v_clamp(sum##j, lo, hi));
#define DEPTHWISE(n)                                                                               \
    static void depthwise_##n(const depthwise_row *r, int64_t col)                                 \
    {                                                                                              \
        const float *w = r->weights;                                                               \
        const int64_t step = r->step, tap_col = r->tap_col;                                        \
        REP##n(DEPTHWISE_START);                                                                   \
        for (int32_t y = 0; y < r->conv->kh; y++) {                                                \
            const float *tap0 = r->in + col * step + y * r->tap_row;                               \
            for (int32_t x = 0; x < r->conv->kw; x++, w += 16, tap0 += tap_col) {                  \
                const float *const tap1 = tap0 + 3 * step, *const tap2 = tap1 + 3 * step;          \
                const vf weight = v_load(w);                                                       \
                (void)tap1, (void)tap2;                                                            \
                REP##n(DEPTHWISE_ADD);                                                             \
            }                                                                                      \
        }                                                                                          \
        const vf lo = v_set(r->conv->lo), hi = v_set(r->conv->hi);                                 \
        const float *const residual = r->residual;                                                 \
        float *const out = r->out;                                                                 \
        if (residual) {                                                                            \
            REP##n(DEPTHWISE_RESIDUAL);                                                            \
        }                                                                                          \
        REP##n(DEPTHWISE_END);                                                                     \
    }
DEPTHWISE(1)
DEPTHWISE(2)
DEPTHWISE(3)
DEPTHWISE(4)
DEPTHWISE(5)
DEPTHWISE(6)
#if defined(AI_SIMD_AVX512)
DEPTHWISE(7)
DEPTHWISE(8)
enum { DEPTHWISE_MOST = 8 };
#else
enum { DEPTHWISE_MOST = 6 }; /* 12 of 16 registers on AVX2, 24 of 32 on NEON */
#endif

#if defined(AI_SIMD_AVX512)
/* 3x3, 7 pixels at a time, since 7 divides 14, 28, 56 and 112: all weights stay in registers and
 * nothing is left of the loops around the taps. How many columns that takes. */
#define SEVEN(M, weight, tap)                                                                      \
    M(0, weight, tap)                                                                              \
    M(1, weight, tap)                                                                              \
    M(2, weight, tap)                                                                              \
    M(3, weight, tap)                                                                              \
    M(4, weight, tap)                                                                              \
    M(5, weight, tap)                                                                              \
    M(6, weight, tap)
#define START_3X3(j, weight, tap) vf sum##j = bias;
#define ADD_3X3(j, weight, tap)   sum##j = v_fma(v_load((tap) + (j)*step), weight, sum##j);
#define RESIDUAL_3X3(j, weight, tap) DEPTHWISE_RESIDUAL(j, , )
#define END_3X3(j, weight, tap)      DEPTHWISE_END(j, , )
static int64_t depthwise_3x3(const depthwise_row *r)
{
    const float *const w = r->weights;
    const vf w0 = v_load(w), w1 = v_load(w + 16), w2 = v_load(w + 32);
    const vf w3 = v_load(w + 48), w4 = v_load(w + 64), w5 = v_load(w + 80);
    const vf w6 = v_load(w + 96), w7 = v_load(w + 112), w8 = v_load(w + 128);
    const vf bias = r->bias, lo = v_set(r->conv->lo), hi = v_set(r->conv->hi);
    const float *const residual = r->residual;
    float *const out = r->out;
    const int64_t step = r->step, right = r->tap_col;
    const float *top = r->in, *middle = top + r->tap_row, *bottom = middle + r->tap_row;
    int64_t col = 0;
    for (; col + 7 <= r->conv->ow; col += 7) {
        SEVEN(START_3X3, , )
        SEVEN(ADD_3X3, w0, top)
        SEVEN(ADD_3X3, w1, top + right)
        SEVEN(ADD_3X3, w2, top + 2 * right)
        SEVEN(ADD_3X3, w3, middle)
        SEVEN(ADD_3X3, w4, middle + right)
        SEVEN(ADD_3X3, w5, middle + 2 * right)
        SEVEN(ADD_3X3, w6, bottom)
        SEVEN(ADD_3X3, w7, bottom + right)
        SEVEN(ADD_3X3, w8, bottom + 2 * right)
        if (residual) {
            SEVEN(RESIDUAL_3X3, , )
        }
        SEVEN(END_3X3, , )
        top += 7 * step;
        middle += 7 * step;
        bottom += 7 * step;
    }
    return col;
}
#endif

static void depthwise_columns(const depthwise_row *r)
{
    static void (*const tiles[])(const depthwise_row *, int64_t) = {
        depthwise_1,
        depthwise_2,
        depthwise_3,
        depthwise_4,
        depthwise_5,
        depthwise_6,
#if defined(AI_SIMD_AVX512)
        depthwise_7,
        depthwise_8,
#endif
    };
    int64_t col = 0;
#if defined(AI_SIMD_AVX512)
    if (r->conv->kh == 3 && r->conv->kw == 3)
        col = depthwise_3x3(r);
#endif
    for (int64_t left = r->conv->ow - col; left > 0;) {
        const int64_t parts = (left + DEPTHWISE_MOST - 1) / DEPTHWISE_MOST;
        const int64_t width = (left + parts - 1) / parts; /* even parts: 14 is 7 + 7 */
        tiles[width - 1](r, col);
        col += width;
        left -= width;
    }
}

void KERNEL_NAME(conv_depthwise)(const void *args)
{
    const ai_conv_args *c = args;
    depthwise_row r = {
        .conv = c,
        .tap_row = c->dilation_h * c->in_row,
        .tap_col = (int64_t)c->dilation_w * 16,
        .step = (int64_t)c->stride_w * 16,
    };
    for (int64_t panel = c->panel_begin; panel < c->panel_end; panel++) {
        r.weights = c->weights + panel * c->panel;
        r.bias = c->bias ? v_load(c->bias + panel * 16) : v_set(0.0f);
        for (int64_t row = c->row_begin; row < c->row_end; row++) {
            r.in = c->in + panel * c->in_plane + row * c->stride_h * c->in_row;
            r.out = c->out + panel * c->out_plane + row * c->out_row;
            if (c->residual)
                r.residual = c->residual + panel * c->residual_plane + row * c->residual_row;
            depthwise_columns(&r);
        }
    }
}

/* ---- Convolution on plain rows: a lane is an output column ---- */

AI_INLINE vf load_step(const float *p, int64_t step, int64_t n)
{
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i] = p[i * step];
    return v_load(lane);
}

/* Stores 16 sums from column x on, or n of them. */
AI_INLINE void plain_store(const ai_conv_plain_args *c, int64_t x, int64_t n, vf sum)
{
    if (c->residual)
        sum = v_add(sum, n == 16 ? v_load(c->residual + x) : v_load_n(c->residual + x, n));
    sum = v_clamp(sum, v_set(c->lo), v_set(c->hi));
    if (n == 16)
        v_store(c->out + x, sum);
    else
        v_store_n(c->out + x, sum, n);
}

/* Up to 16 columns from x on. */
static void plain_16(const ai_conv_plain_args *c, int64_t x, int64_t n)
{
    const float *in = c->in + x * c->stride;
    vf sum = v_set(c->bias);
    if (c->stride == 1 && n == 16)
        for (int64_t t = 0; t < c->tap_count; t++)
            sum = v_fma(v_load(in + c->taps[t]), v_set(c->weights[t]), sum);
    else if (c->stride == 1)
        for (int64_t t = 0; t < c->tap_count; t++)
            sum = v_fma(v_load_n(in + c->taps[t], n), v_set(c->weights[t]), sum);
    else
        for (int64_t t = 0; t < c->tap_count; t++)
            sum = v_fma(load_step(in + c->taps[t], c->stride, n), v_set(c->weights[t]), sum);
    plain_store(c, x, n, sum);
}

/* 64 columns: four sums hide the latency of one another's. */
static void plain_64(const ai_conv_plain_args *c, int64_t x)
{
    vf sum0 = v_set(c->bias), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int64_t t = 0; t < c->tap_count; t++) {
        const float *in = c->in + x + c->taps[t];
        const vf weight = v_set(c->weights[t]);
        sum0 = v_fma(v_load(in), weight, sum0);
        sum1 = v_fma(v_load(in + 16), weight, sum1);
        sum2 = v_fma(v_load(in + 32), weight, sum2);
        sum3 = v_fma(v_load(in + 48), weight, sum3);
    }
    plain_store(c, x, 16, sum0);
    plain_store(c, x + 16, 16, sum1);
    plain_store(c, x + 32, 16, sum2);
    plain_store(c, x + 48, 16, sum3);
}

void KERNEL_NAME(conv_plain)(const void *args)
{
    const ai_conv_plain_args *c = args;
    int64_t x = 0;
    if (c->stride == 1)
        for (; x + 64 <= c->columns; x += 64)
            plain_64(c, x);
    for (; x < c->columns; x += 16)
        plain_16(c, x, c->columns - x < 16 ? c->columns - x : 16);
}

/* ---- Between planes and a block of 16 channels, four by four ---- */

static void to_block(const ai_transpose_args *t, int64_t x, int32_t c, int64_t columns)
{
    if (columns == 4 && c + 4 <= t->channels) {
        v_transpose4(t->in + c * t->plane + x, t->plane, t->out + x * 16 + c, 16);
        return;
    }
    for (int64_t i = 0; i < columns; i++)
        for (int32_t j = c; j < c + 4; j++)
            t->out[(x + i) * 16 + j] = j < t->channels ? t->in[j * t->plane + x + i] : 0.0f;
}

static void to_planes(const ai_transpose_args *t, int64_t x, int32_t c, int64_t columns)
{
    if (columns == 4 && c + 4 <= t->channels) {
        v_transpose4(t->in + x * 16 + c, 16, t->out + c * t->plane + x, t->plane);
        return;
    }
    for (int64_t i = 0; i < columns; i++)
        for (int32_t j = c; j < c + 4 && j < t->channels; j++)
            t->out[j * t->plane + x + i] = t->in[(x + i) * 16 + j];
}

void KERNEL_NAME(transpose16)(const void *args)
{
    const ai_transpose_args *t = args;
    /* 16 columns of four planes before the next four: planes often lie a multiple of 4 KiB apart,
     * and a line of each would push the others out of L1 before it is done */
    for (int64_t first = 0; first < t->columns; first += 16) {
        const int64_t end = t->columns - first < 16 ? t->columns : first + 16;
        for (int32_t c = 0; c < 16; c += 4)
            for (int64_t x = first; x < end; x += 4) {
                const int64_t columns = end - x < 4 ? end - x : 4;
                if (t->to_block)
                    to_block(t, x, c, columns);
                else
                    to_planes(t, x, c, columns);
            }
    }
}
