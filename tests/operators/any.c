/* SPDX-License-Identifier: Apache-2.0
 * Steps of every operator with random parameters, shapes, types and layouts, most of them wrong:
 * what passes the check runs inside of its memory, leaves borders alone, and gives the same bits
 * for any split of its work, at any CPU level, in place, and on several threads at the same time,
 * where ThreadSanitizer watches. Usage: any [SEED [COUNT]]. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "elem.h"
#include "step.h"
#include "threads.h"

enum { THREADS = 3, SCRATCH = 1 << 24, MOST_OPERANDS = 8 };

typedef struct any {
    uint64_t state;
    uint64_t seed;
    int64_t ran[256]; /* steps that passed their check, by operator */
    ai_pool *pool;
    uint8_t *scratch; /* of all threads */
} any;

static uint64_t draw(any *a)
{
    return draw_random(&a->state);
}

static int64_t below(any *a, int64_t n)
{
    return (int64_t)(draw(a) % (uint64_t)n);
}

static bool one_in(any *a, int64_t n)
{
    return below(a, n) == 0;
}

static int64_t pick(any *a, const int64_t *list, int64_t count)
{
    return list[below(a, count)];
}

static int64_t small_int(any *a)
{
    static const int64_t extreme[] = {INT64_MIN, INT64_MAX, INT32_MAX, (int64_t)1 << 40, -4000000};
    return one_in(a, 60) ? pick(a, extreme, 5) : below(a, 9) - 3;
}

static int64_t size(any *a)
{
    static const int64_t list[] = {1, 1, 2, 3, 4, 5, 7, 15, 16, 17, 33, 0};
    static const int64_t extreme[] = {(int64_t)1 << 20, INT32_MAX, (int64_t)1 << 40, INT64_MAX};
    return one_in(a, 200) ? pick(a, extreme, 4) : pick(a, list, one_in(a, 8) ? 12 : 11);
}

/* ---- Making a step ---- */

static void make_window(any *a, ai_window *w)
{
    w->spatial = (uint32_t)(one_in(a, 30) ? below(a, 6) : one_in(a, 3) ? 1 + below(a, 3) : 2);
    w->auto_pad = (uint32_t)(one_in(a, 2) ? 0 : below(a, 5));
    for (int i = 0; i < AI_MAX_SPATIAL; i++) {
        w->kernel[i] = (uint32_t)(1 + below(a, 3));
        w->stride[i] = (uint32_t)(1 + below(a, 2));
        w->dilation[i] = (uint32_t)(1 + below(a, 2));
        w->pad_begin[i] = (uint32_t)below(a, 3);
        w->pad_end[i] = (uint32_t)below(a, 3);
    }
    if (one_in(a, 50))
        w->kernel[0] = (uint32_t)draw(a);
    if (one_in(a, 50))
        w->pad_begin[0] = (uint32_t)draw(a);
}

static void make_activation(any *a, ai_activation *p)
{
    p->kind = (uint32_t)below(a, one_in(a, 20) ? 90 : 2);
    p->lo = 0;
    p->hi = 6;
}

static void make_recurrent(any *a, ai_recurrent_params *p)
{
    p->direction = (uint32_t)below(a, one_in(a, 20) ? 4 : 3);
    p->hidden_size = (uint32_t)(one_in(a, 20) ? draw(a) : 1 + (uint64_t)below(a, 20));
    p->flags = (uint32_t)below(a, one_in(a, 20) ? 16 : 8);
    p->clip = one_in(a, 3) ? 0.5f : INFINITY;
    for (int i = 0; i < 6; i++)
        p->activation[i] = (ai_recurrent_activation){
            (uint32_t)below(a, one_in(a, 50) ? 20 : AI_FUNCTION_COUNT), 0.5f, 0.25f};
}

static void make_params(any *a, step *s, const ai_op_row *row)
{
    switch (row->number) {
    case AI_OP_CONV:
        make_window(a, &s->params.conv.window);
        make_activation(a, &s->params.conv.activation);
        s->params.conv.flags = (uint32_t)below(a, one_in(a, 20) ? 3 : 2);
        s->params.conv.group = (uint32_t)(one_in(a, 2) ? 1 : 16);
        return;
    case AI_OP_CONV_TRANSPOSE:
        make_window(a, &s->params.conv_transpose.window);
        s->params.conv_transpose.group = (uint32_t)(one_in(a, 2) ? 1 : size(a));
        s->params.conv_transpose.has_output_shape = one_in(a, 4);
        for (int i = 0; i < AI_MAX_SPATIAL; i++) {
            s->params.conv_transpose.output_padding[i] = (uint32_t)below(a, 2);
            s->params.conv_transpose.output_shape[i] = (uint32_t)size(a);
        }
        return;
    case AI_OP_MAX_POOL:
    case AI_OP_AVERAGE_POOL:
    case AI_OP_LP_POOL:
        make_window(a, &s->params.pool.window);
        s->params.pool.ceil_mode = (uint32_t)below(a, 2);
        s->params.pool.count_include_pad = (uint32_t)below(a, 2);
        s->params.pool.storage_order = (uint32_t)below(a, 2);
        s->params.pool.p = (uint32_t)(1 + below(a, 3));
        return;
    case AI_OP_STRIPS: /* one stage: strips.c has more */
        s->params.strips.count = one_in(a, 20) ? (uint32_t)below(a, 6) : 1;
        s->params.strips.stage[0].op = (uint32_t)(one_in(a, 20) ? below(a, 150) : AI_OP_MAX_POOL);
        make_window(a, &s->params.strips.stage[0].params.pool.window);
        s->params.strips.stage[0].params.pool.ceil_mode = (uint32_t)below(a, 2);
        return;
    case AI_OP_GEMM:
    case AI_OP_MATMUL:
        s->params.gemm.alpha = 1;
        s->params.gemm.beta = 1;
        s->params.gemm.trans_a = (uint32_t)below(a, 2);
        s->params.gemm.trans_b = (uint32_t)below(a, 2);
        make_activation(a, &s->params.gemm.activation);
        return;
    case AI_OP_RNN:
    case AI_OP_GRU:
    case AI_OP_LSTM:
        make_recurrent(a, &s->params.recurrent);
        return;
    case AI_OP_LRN:
        s->params.lrn = (ai_lrn_params){1e-4f, 0.75f, 1, (uint32_t)size(a)};
        return;
    case AI_OP_TRANSPOSE:
    case AI_OP_MEAN_VARIANCE_NORMALIZATION:
        s->params.axes.count = (uint32_t)(one_in(a, 20) ? draw(a) : (uint64_t)below(a, 5));
        for (int i = 0; i < AI_FILE_MAX_RANK; i++)
            s->params.axes.axes[i] = (int32_t)(one_in(a, 8) ? small_int(a) : i);
        if (one_in(a, 2)) { /* swap two */
            s->params.axes.axes[0] = (int32_t)(s->params.axes.count - 1);
            s->params.axes.axes[(s->params.axes.count - 1) % AI_FILE_MAX_RANK] = 0;
        }
        return;
    case AI_OP_PAD:
    case AI_OP_CAST:
    case AI_OP_CONSTANT_OF_SHAPE:
        s->params.cast = (ai_cast_params){(uint32_t)below(a, 15), (uint32_t)below(a, 5), draw(a)};
        return;
    case AI_OP_RESIZE:
        for (uint32_t i = 0; i < 6; i++)
            s->params.bytes[i] = (uint8_t)below(a, one_in(a, 20) ? 256 : i == 1 ? 7 : 2 + (i < 4));
        s->params.resize.cubic_a = -0.75f;
        s->params.resize.axis_count = (uint8_t)(one_in(a, 3) ? below(a, 5) : 0);
        for (int i = 0; i < AI_FILE_MAX_RANK; i++)
            s->params.resize.axes[i] = (int8_t)(one_in(a, 8) ? small_int(a) : i);
        return;
    case AI_OP_QUANTIZE_LINEAR:
        s->params.axis.axis = below(a, 3) - 1;
        s->params.axis.count = (uint32_t)(one_in(a, 3) ? below(a, 14) : 0);
        return;
    case AI_OP_DEQUANTIZE_LINEAR:
        s->params.axis.axis = below(a, 3) - 1;
        return;
    case AI_OP_GROUP_NORMALIZATION:
    case AI_OP_LP_NORMALIZATION:
        s->params.axis.count = (uint32_t)(1 + below(a, 3));
        return;
    default:
        break;
    }
    if (row->param_bytes == sizeof(ai_unary_params)) {
        s->params.unary = (ai_unary_params){0.5f, 0.25f};
    } else if (row->param_bytes == sizeof(ai_axis_params)) {
        s->params.axis = (ai_axis_params){small_int(a),
                                          small_int(a),
                                          small_int(a),
                                          (uint32_t)small_int(a),
                                          (uint32_t)below(a, 2),
                                          (uint32_t)below(a, 4),
                                          1e-5f,
                                          0.9f,
                                          0};
    }
}

/* A shape that has something to do with that of input 0. */
static uint32_t related_shape(any *a, const step *s, int64_t *dim)
{
    const ai_tensor *t = &s->in[0];
    uint32_t rank = t->rank;
    memcpy(dim, t->dim, sizeof(t->dim));
    switch (below(a, 7)) {
    case 0:
        return 0;
    case 1: /* one number a channel, or an index of it */
        dim[0] = rank > 1 ? t->dim[1] : 1;
        return 1;
    case 2:
        for (uint32_t d = 0; d < rank; d++)
            dim[d] = one_in(a, 2) ? 1 : dim[d];
        return rank;
    case 3: { /* the last dimensions */
        uint32_t first = (uint32_t)below(a, rank + 1);
        memmove(dim, dim + first, (rank - first) * sizeof(dim[0]));
        return rank - first;
    }
    case 4:
        if (rank > 0)
            dim[below(a, rank)] = size(a);
        return rank;
    default:
        return rank;
    }
}

/* Shapes of the operands of a recurrent layer after X. */
static bool recurrent_shape(const step *s, uint32_t i, uint32_t *rank, int64_t *dim)
{
    const ai_recurrent_params *p = &s->params.recurrent;
    const ai_tensor *x = &s->in[0];
    bool is_batch_first = (p->flags & AI_BATCH_FIRST) != 0;
    int64_t sides = p->direction == AI_BIDIRECTIONAL ? 2 : 1;
    int64_t gates = s->file.op == AI_OP_LSTM ? 4 : s->file.op == AI_OP_GRU ? 3 : 1;
    int64_t size = p->hidden_size;
    int64_t batch = x->dim[!is_batch_first];
    if (size > 64)
        return false;
    *rank = i == 4 ? 1 : i == 3 || i == 7 ? 2 : 3;
    dim[0] = i == 4 || (i > 4 && i < 7 && is_batch_first) ? batch : sides;
    dim[1] = i == 1           ? x->dim[2]
             : i == 2         ? size
             : i == 3         ? 2 * gates * size
             : i == 7         ? 3 * size
             : is_batch_first ? sides
                              : batch;
    dim[2] = i < 3 ? gates * size : size;
    return true;
}

/* Shapes of the operands that convolutions, products and normalisations need; false: no such
 * operator, or none this time. */
static bool fitting_shape(any *a, step *s, uint32_t i, uint32_t *rank, int64_t *dim)
{
    const ai_tensor *t = &s->in[0];
    int64_t channels = t->rank > 1 ? t->dim[1] : 1;
    const ai_conv_params *conv = &s->params.conv;
    uint32_t spatial = conv->window.spatial;
    if (one_in(a, 10))
        return false;
    switch (s->file.op) {
    case AI_OP_QUANTIZE_LINEAR:
    case AI_OP_DEQUANTIZE_LINEAR:
        *rank = (uint32_t)below(a, 2);
        dim[0] = one_in(a, 2) ? 1 : channels;
        return true;
    case AI_OP_BATCH_NORMALIZATION:
    case AI_OP_INSTANCE_NORMALIZATION:
    case AI_OP_GROUP_NORMALIZATION:
        *rank = 1;
        dim[0] = channels;
        return true;
    case AI_OP_CONV:
    case AI_OP_CONV_TRANSPOSE: /* group lies where Conv's does */
        if (spatial > 3 || conv->group < 1 || conv->group > 64)
            return false;
        *rank = i == 1 ? 2 + spatial : i == 2 ? 1 : t->rank;
        if (i > 2)
            return false;
        if (i == 2) {
            dim[0] = s->file.op == AI_OP_CONV ? s->in[1].dim[0] : s->in[1].dim[1] * conv->group;
            return true;
        }
        dim[0] = s->file.op == AI_OP_CONV ? conv->group * (1 + below(a, 17)) : channels;
        dim[1] = s->file.op == AI_OP_CONV ? channels / conv->group : 1 + below(a, 17);
        for (uint32_t d = 0; d < spatial; d++)
            dim[2 + d] = conv->window.kernel[d];
        return true;
    case AI_OP_GEMM:
    case AI_OP_MATMUL:
        if (i != 1 || t->rank < 1)
            return false;
        *rank = 2;
        dim[0] =
            s->file.op == AI_OP_GEMM && s->params.gemm.trans_a ? t->dim[0] : t->dim[t->rank - 1];
        dim[1] = size(a);
        if (s->file.op == AI_OP_GEMM && s->params.gemm.trans_b) {
            dim[1] = dim[0];
            dim[0] = size(a);
        }
        return true;
    case AI_OP_RNN:
    case AI_OP_GRU:
    case AI_OP_LSTM:
        return recurrent_shape(s, i, rank, dim);
    default:
        return false;
    }
}

static bool is_recurrent(uint32_t op)
{
    return op == AI_OP_RNN || op == AI_OP_GRU || op == AI_OP_LSTM;
}

/* Its input has this many dimensions, or any number: 0. */
static uint32_t fitting_rank(const step *s)
{
    if (s->file.op == AI_OP_GEMM)
        return 2;
    if (is_recurrent(s->file.op))
        return 3;
    if (s->file.op == AI_OP_CONV || s->file.op == AI_OP_CONV_TRANSPOSE)
        return 2 + s->params.conv.window.spatial % 4;
    return 0;
}

static uint8_t weight_layout(any *a, const step *s)
{
    static const uint8_t layout[] = {AI_LAYOUT_PLAIN,     AI_LAYOUT_CONV16,
                                     AI_LAYOUT_STEM16,    AI_LAYOUT_DEPTHWISE16,
                                     AI_LAYOUT_WINOGRAD4, AI_LAYOUT_WINOGRAD2};
    if (s->file.op == AI_OP_CONV)
        return layout[below(a, 6)];
    if (s->file.op == AI_OP_CONV_TRANSPOSE)
        return one_in(a, 2) ? AI_LAYOUT_PLAIN : AI_LAYOUT_TRANSPOSED16;
    return one_in(a, 2) ? AI_LAYOUT_PLAIN : one_in(a, 2) ? AI_LAYOUT_PANEL16 : AI_LAYOUT_QPANEL16;
}

static ai_type make_type(any *a)
{
    return one_in(a, 3) ? (ai_type)(1 + below(a, 13)) : AI_F32;
}

/* The types that operators on several need, or any. */
static ai_type fitting_type(any *a, const step *s, uint32_t i, ai_type type)
{
    if (one_in(a, 20))
        return make_type(a);
    switch (s->file.op) {
    case AI_OP_RNN:
    case AI_OP_GRU:
    case AI_OP_LSTM:
        return i == 4 ? AI_S32 : type;
    case AI_OP_QUANTIZE_LINEAR:
        return i < 2 ? AI_F32 : AI_U8;
    case AI_OP_DEQUANTIZE_LINEAR:
        return i == 1 ? AI_F32 : AI_U8;
    default:
        return type;
    }
}

static bool takes_lists(uint32_t op)
{
    return (op >= AI_OP_RESHAPE && op <= AI_OP_RANGE) || op == AI_OP_REDUCE_MEAN ||
           op == AI_OP_REDUCE_SUM;
}

static void make_list(any *a, step *s, uint32_t i)
{
    int64_t values[8];
    uint32_t count = (uint32_t)below(a, 5);
    if (s->in[0].rank > 0 && one_in(a, 2))
        count = s->in[0].rank;
    if (s->file.op == AI_OP_PAD)
        count = 2 * (uint32_t)below(a, 5);
    for (uint32_t k = 0; k < count; k++)
        values[k] = small_int(a);
    if (one_in(a, 2)) {
        for (uint32_t k = 0; k < count && k < s->in[0].rank; k++)
            values[k] = s->in[0].dim[k];
    }
    step_known(s, i, count, values);
    if (one_in(a, 20))
        s->in[i].known = NULL;
}

/* Resize: roi, scales or sizes, mostly one of the last two and as many as there are axes. */
static void make_resize_list(any *a, step *s, uint32_t i)
{
    float values[16];
    uint32_t axes = s->params.resize.axis_count > 0 ? s->params.resize.axis_count : s->in[0].rank;
    uint32_t count = (i == 1 ? 2 : 1) * (axes < 8 ? axes : 8);
    if (i == 3) {
        make_list(a, s, i);
        return;
    }
    if (one_in(a, 20))
        count = (uint32_t)below(a, 5);
    for (uint32_t k = 0; k < count; k++)
        values[k] = one_in(a, 100) ? (float)small_int(a) * 0x1p100f : (float)below(a, 9) / 4;
    step_known_f32(s, i, count, values);
    if (one_in(a, 20))
        s->in[i].known = NULL;
}

/* ---- Steps on integers: mostly what fits, since little of what does not is ever right ---- */

static void make_finish(any *a, ai_q_finish *f, bool has_residual)
{
    *f = (ai_q_finish){.middle = (uint32_t)below(a, 256), .hi = 255, .own = 0.5f, .other = 0.75f};
    f->zero = has_residual ? (uint32_t)below(a, 256) : f->middle;
    f->offset = (float)below(a, 100) - 50;
    f->lo = (uint32_t)below(a, one_in(a, 20) ? 300 : 100);
    if (one_in(a, 30))
        f->zero = (uint32_t)draw(a);
    if (one_in(a, 30))
        f->own = one_in(a, 2) ? NAN : 1e9f;
}

static void make_image(any *a, step *s, uint32_t i, const int64_t *dim)
{
    step_shape(s, i, one_in(a, 30) ? make_type(a) : AI_U8,
               one_in(a, 30) ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C, 4, dim);
    for (int k = 0; k < 4 && one_in(a, 3) && s->in[i].layout != 0; k++)
        s->in[i].border[k] = (uint32_t)below(a, 3);
}

/* Weight, bias and scale of a product with that many outputs. */
static void make_constants(any *a, step *s, uint8_t layout, uint32_t rank, const int64_t *dim)
{
    int64_t whole = (dim[0] + 15) / 16 * 16 + (one_in(a, 30) ? 1 : 0);
    step_shape(s, 1, one_in(a, 30) ? AI_U8 : AI_S8, one_in(a, 30) ? AI_LAYOUT_QPANEL16 : layout,
               rank, dim);
    step_shape(s, 2, one_in(a, 30) ? AI_F32 : AI_S32, AI_LAYOUT_PLAIN, 1, &whole);
    step_shape(s, 3, AI_F32, AI_LAYOUT_PLAIN, 1, &whole);
    for (uint32_t i = 1; i < 4; i++)
        s->in[i].kind = one_in(a, 30) ? AI_TENSOR_VALUE : AI_TENSOR_CONSTANT;
}

static void make_q_conv(any *a, step *s)
{
    ai_q_conv_params *p = &s->params.q_conv;
    bool has_residual = one_in(a, 2);
    step_init(s, AI_OP_Q_CONV, has_residual ? 5 : 4, 1);
    make_window(a, &p->window);
    p->group = one_in(a, 4) ? 2 : 1;
    make_finish(a, &p->finish, has_residual);
    int64_t x[4] = {1 + below(a, 2), 1 + below(a, 35), 1 + below(a, 9), 1 + below(a, 17)};
    if (one_in(a, 4))
        x[2] = 14 + below(a, 50); /* shared out by rows */
    if (p->group == 2)
        x[1] = 32;
    int64_t w[4] = {1 + below(a, 50), x[1] / p->group, p->window.kernel[0], p->window.kernel[1]};
    if (p->group == 2)
        w[0] = 64;
    bool is_depthwise = one_in(a, 3);
    if (is_depthwise) {
        p->group = (uint32_t)(w[0] = x[1]);
        w[1] = one_in(a, 30) ? 2 : 1;
    }
    uint8_t layout = is_depthwise ? AI_LAYOUT_QDEPTHWISE16 : AI_LAYOUT_QCONV16;
    if (layout == AI_LAYOUT_QCONV16 && one_in(a, 4)) {
        layout = AI_LAYOUT_QCONV64;
        w[1] = 64 * (1 + below(a, 2));
        x[1] = w[1] * p->group;
    }
    make_image(a, s, 0, x);
    make_constants(a, s, layout, 4, w);
    if (!has_residual)
        return;
    int64_t y[4] = {x[0], w[0], 1, 1};
    for (int i = 0; i < 2 && p->window.spatial == 2 && p->window.auto_pad == 0; i++) {
        int64_t reach = ((int64_t)p->window.kernel[i] - 1) * p->window.dilation[i] + 1;
        int64_t room = x[2 + i] + p->window.pad_begin[i] + p->window.pad_end[i] - reach;
        y[2 + i] = room < 0 || room > 100 ? 1 : room / p->window.stride[i] + 1;
    }
    make_image(a, s, 4, y);
}

static ai_q_scale make_scale(any *a)
{
    static const uint32_t zeros[] = {0, 255, 128, 7};
    uint32_t zero = one_in(a, 50) ? 256 : zeros[below(a, 4)];
    return (ai_q_scale){one_in(a, 50) ? 0 : (float)(1 + below(a, 60)) / 512, zero};
}

static void make_q_step(any *a, step *s, uint32_t op)
{
    int64_t dim[4] = {1 + below(a, 3), 1 + below(a, 40), 1 + below(a, 5), 1 + below(a, 5)};
    if (op == AI_OP_Q_CONV) {
        make_q_conv(a, s);
    } else if (op == AI_OP_Q_GEMM) {
        int64_t w[2] = {1 + below(a, 50), dim[1]};
        step_init(s, op, 4, 1);
        make_finish(a, &s->params.q_gemm.finish, false);
        step_shape(s, 0, AI_U8, AI_LAYOUT_PLAIN, one_in(a, 10) ? 1 : 2, dim);
        make_constants(a, s, AI_LAYOUT_QCONV16, 2, w);
    } else if (op == AI_OP_Q_ADD || op == AI_OP_Q_MUL) {
        ai_q_binary_params *p = &s->params.q_binary;
        step_init(s, op, 2, 1);
        *p = (ai_q_binary_params){
            .a = make_scale(a), .b = make_scale(a), .y = make_scale(a), .hi = 255};
        p->lo = (uint32_t)below(a, one_in(a, 20) ? 300 : 100);
        make_image(a, s, 0, dim);
        for (int i = 0; i < 4; i++)
            dim[i] = one_in(a, 3) ? 1 : one_in(a, 40) ? 3 : dim[i];
        make_image(a, s, 1, dim);
        if (one_in(a, 3))
            step_shape(s, 1, AI_U8, AI_LAYOUT_PLAIN, (uint32_t)below(a, 5), dim);
    } else if (op == AI_OP_Q_AVERAGE_POOL) {
        ai_pool_params *p = &s->params.q_pool.pool;
        step_init(s, op, 1, 1);
        make_window(a, &p->window);
        p->ceil_mode = (uint32_t)below(a, 2);
        p->count_include_pad = (uint32_t)below(a, 2);
        s->params.q_pool.x = make_scale(a);
        s->params.q_pool.y = make_scale(a);
        make_image(a, s, 0, dim);
    } else if (op == AI_OP_Q_LOOKUP) {
        int64_t count = one_in(a, 30) ? 255 : 256;
        step_init(s, op, 2, 1);
        make_image(a, s, 0, dim);
        step_shape(s, 1, AI_U8, AI_LAYOUT_PLAIN, 1, &count);
    } else {
        step_init(s, op, 1, 1);
        s->params.q_mean = (ai_q_mean_params){0.7f, (uint32_t)below(a, 256), 3, 0};
        make_image(a, s, 0, dim);
    }
    s->out[0].layout = op == AI_OP_Q_GEMM || one_in(a, 8) ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C;
}

static void make_step(any *a, step *s, const ai_op_row *row)
{
    if (row->number >= AI_OP_Q_CONV && row->number <= AI_OP_Q_AVERAGE_POOL) {
        make_q_step(a, s, row->number);
        return;
    }
    uint32_t most_in = row->max_inputs < MOST_OPERANDS ? row->max_inputs : MOST_OPERANDS;
    uint32_t most_out = row->max_outputs < MOST_OPERANDS ? row->max_outputs : MOST_OPERANDS;
    uint32_t in_count = row->min_inputs + (uint32_t)below(a, most_in - row->min_inputs + 1);
    uint32_t out_count = row->min_outputs + (uint32_t)below(a, most_out - row->min_outputs + 1);
    bool has_blocks = one_in(a, row->number == AI_OP_STRIPS ? 1 : 3);
    int64_t dim[AI_MAX_RANK];
    bool is_f32 = row->number <= AI_OP_MEAN_VARIANCE_NORMALIZATION || is_recurrent(row->number);
    ai_type type = is_f32 ? AI_F32 : make_type(a);

    if (row->number == AI_OP_STRIPS && !one_in(a, 5))
        in_count = 4;
    step_init(s, row->number, in_count, out_count);
    make_params(a, s, row);
    for (uint32_t i = 0; i < in_count; i++) {
        uint32_t rank = (uint32_t)(has_blocks ? 4 : below(a, one_in(a, 10) ? 9 : 6));
        uint8_t layout = has_blocks && (i == 0 || one_in(a, 2)) ? AI_LAYOUT_NCHW16C : 0;
        if (i >= row->min_inputs && one_in(a, 3)) {
            s->in_list[i] = NULL;
            continue;
        }
        if (i > 0 && row->number == AI_OP_RESIZE) {
            make_resize_list(a, s, i);
            continue;
        }
        if ((i > 0 || row->number == AI_OP_CONSTANT_OF_SHAPE || row->number == AI_OP_RANGE) &&
            takes_lists(row->number) && row->number != AI_OP_CONCAT &&
            !(row->number == AI_OP_PAD && i == 2)) {
            make_list(a, s, i);
            continue;
        }
        for (uint32_t d = 0; d < AI_MAX_RANK; d++)
            dim[d] = size(a);
        if (i == 0 && fitting_rank(s) != 0 && !has_blocks)
            rank = fitting_rank(s);
        if (i > 0 && fitting_shape(a, s, i, &rank, dim))
            layout = (i == 1 && row->number <= AI_OP_MATMUL) ||
                             (i > 0 && i < 3 && is_recurrent(row->number))
                         ? weight_layout(a, s)
                         : 0;
        else if (i > 0 && !one_in(a, 10))
            rank = related_shape(a, s, dim);
        if (rank != 4 && layout == AI_LAYOUT_NCHW16C)
            layout = 0;
        if (one_in(a, 40))
            layout = (uint8_t)below(a, AI_LAYOUT_COUNT);
        ai_type fitting = fitting_type(a, s, i, type);
        if (layout == AI_LAYOUT_QPANEL16)
            fitting = AI_S8;
        else if (layout != 0)
            fitting = one_in(a, 4) ? AI_U8 : AI_F32;
        step_shape(s, i, fitting, layout, rank, dim);
        for (int k = 0; k < 4 && layout == AI_LAYOUT_NCHW16C && one_in(a, 3); k++)
            s->in[i].border[k] = (uint32_t)below(a, 3);
    }
    for (uint32_t i = 0; i < out_count; i++) {
        s->out[i].layout = has_blocks && !one_in(a, 6) ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN;
        if (i >= row->min_outputs && one_in(a, 4))
            s->out_list[i] = NULL;
    }
}

/* ---- Running it ---- */

/* What the verifier holds back: an input that no file can have. */
static bool is_possible(const ai_tensor *t)
{
    int64_t count;
    int64_t bytes;
    if (!ai_count(t->rank, t->dim, &count))
        return false;
    if (t->layout == AI_LAYOUT_NCHW16C)
        return t->rank == 4 && (t->type == AI_F32 || t->type == AI_U8);
    return ai_layout_bytes(t->layout, t->type, t->rank, t->dim, &bytes);
}

/* Fits a test's memory. A block counts whole. */
static bool is_small(const ai_tensor *t)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < t->rank; d++) {
        if (!ai_mul(count, t->dim[d] < 16 && t->layout != 0 ? 16 : t->dim[d], &count) ||
            count > 1 << 18)
            return false;
    }
    return true;
}

/* Levels differ in which bytes of the input these meet; a session refuses others than zeros. */
static void clear_beyond_rows(ai_tensor *t)
{
    int64_t fours = (t->dim[3] + 3) / 4;
    for (int64_t i = 0; i < t->bytes; i++) {
        if (i / 64 % fours * 4 + i % 4 >= t->dim[3])
            ((char *)t->data)[i] = 0;
    }
}

static void fill(any *a, ai_tensor *t)
{
    size_t bytes = ai_type_bytes(t->type);
    int64_t count = (int64_t)((size_t)t->bytes / bytes);
    char *data = t->data;
    if (t->layout == AI_LAYOUT_NCHW16C) { /* all of it: borders are zeros, lanes are finite */
        data -= (size_t)(t->border[0] * t->row + t->border[1] * 16) * bytes;
        memset(data, 0, (size_t)t->bytes);
        count = 0;
        for (int64_t i = 0; i < ai_tensor_count(t); i++) {
            if (t->type == AI_F32)
                *step_f32(t, i) = (float)(below(a, 2000) - 1000) / 256;
            else
                *(uint8_t *)step_element(t, i) = (uint8_t)below(a, 256);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        float x = (float)(below(a, 2000) - 1000) / 256;
        int64_t n = small_int(a);
        if (ai_is_float(t->type))
            ai_convert(&x, AI_F32, data + (size_t)i * bytes, t->type, 1);
        else if (t->type == AI_BOOL)
            data[i] = (char)below(a, 2);
        else
            memcpy(data + (size_t)i * bytes, &n, bytes);
    }
    if (t->layout == AI_LAYOUT_QDEPTHWISE16 && t->rank == 4 && t->dim[3] > 0 && bytes == 1)
        clear_beyond_rows(t);
}

static void stop(const any *a, const step *s, const char *what)
{
    fprintf(stderr, "any: seed %" PRIu64 ": %s: %s%s%s\n", a->seed, ai_op_find(s->file.op)->name,
            what, s->err.message[0] != '\0' ? ": " : "", s->err.message);
    exit(1);
}

/* A NaN has any sign and payload. */
static void make_comparable(uint8_t *element, ai_type type)
{
    static const float nan_of_all = NAN;
    if (ai_is_float(type) && isnan(ai_get_f64(element, type, 0)))
        ai_convert(&nan_of_all, AI_F32, element, type, 1);
}

/* The bytes of all outputs, one after the other; borders and lanes beyond the channels left out. */
static uint8_t *collect(const step *s, size_t *bytes)
{
    uint8_t *data = NULL;
    *bytes = 0;
    for (uint32_t i = 0; i < s->step.out_count; i++) {
        const ai_tensor *t = s->out_list[i];
        size_t count = t != NULL ? (size_t)ai_tensor_count(t) : 0;
        size_t one = t != NULL ? ai_type_bytes(t->type) : 0;
        data = realloc(data, *bytes + count * one + 1);
        for (size_t k = 0; k < count; k++) {
            uint64_t element;
            memcpy(&element, step_element(t, (int64_t)k), one);
            make_comparable((uint8_t *)&element, t->type);
            memcpy(data + *bytes + k * one, &element, one);
        }
        *bytes += count * one;
    }
    return data;
}

static ai_status run_parts(any *a, step *s, int64_t parts)
{
    int64_t done = 0;
    while (done < s->step.work) {
        int64_t n = parts > 1 ? 1 + below(a, s->step.work) : s->step.work;
        if (n > s->step.work - done)
            n = s->step.work - done;
        ai_status status = step_run(s, done, done + n);
        if (status != AI_OK)
            return status;
        done += n;
    }
    return AI_OK;
}

static void expect_same(const any *a, const step *s, const uint8_t *data, size_t bytes,
                        const char *what)
{
    size_t found_bytes;
    uint8_t *found = collect(s, &found_bytes);
    if (found_bytes != bytes || memcmp(found, data, bytes) != 0)
        stop(a, s, what);
    if (!step_borders_are_whole(s))
        stop(a, s, "writes to a border");
    free(found);
}

/* Output 0 in the memory of the input that it may take the place of. */
static void run_in_place(any *a, step *s, const uint8_t *data, size_t bytes)
{
    ai_tensor *in = s->in_list[s->step.alias_input];
    if (s->step.alias != AI_ALIAS_INPLACE || memcmp(in->border, s->out[0].border, 16) != 0)
        return;
    for (uint32_t i = 0; i < s->step.in_count; i++) {
        if (i != s->step.alias_input && s->in_list[i] == in)
            return;
    }
    if (step_prepare(s, AI_CPU_REF) != AI_OK)
        stop(a, s, "is prepared once but not twice");
    s->out[0].data = in->data;
    if (run_parts(a, s, 2) != AI_OK)
        stop(a, s, "runs apart but not in place");
    size_t found_bytes;
    uint8_t *found = collect(s, &found_bytes);
    if (found_bytes != bytes || memcmp(found, data, bytes) != 0)
        stop(a, s, "differs in place");
    free(found);
}

/* The zeros around an output, as a session makes them. */
static bool border_is_zero(const ai_tensor *t)
{
    if (t == NULL || t->layout != AI_LAYOUT_NCHW16C)
        return true;
    size_t bytes = ai_type_bytes((ai_type)t->type);
    const char *data =
        (const char *)t->data - (size_t)(t->border[0] * t->row + t->border[1] * 16) * bytes;
    int64_t height = t->dim[2] + t->border[0] + t->border[2];
    for (int64_t i = 0; i < t->bytes; i++) {
        int64_t at = i / (int64_t)bytes;
        int64_t x = at % t->row / 16 - t->border[1];
        int64_t y = at / t->row % height - t->border[0];
        if ((x < 0 || x >= t->dim[3] || y < 0 || y >= t->dim[2]) && data[i] != 0)
            return false;
    }
    return true;
}

static void run_at_once(any *a, step *s, const uint8_t *data, size_t bytes)
{
    if (s->step.work < 2)
        return;
    /* Sanitizers see what the plain kernels touch. */
    if (step_prepare(s, a->seed / 256 % 2 ? step_levels() : AI_CPU_REF) != AI_OK)
        stop(a, s, "is prepared once but not twice");
    s->step.parts = s->step.work < THREADS ? (uint32_t)s->step.work : THREADS;
    s->step.scratch_data = a->scratch;
    if (ai_pool_run(a->pool, &s->step, &s->err) != AI_OK)
        stop(a, s, "does not run on several threads");
    size_t found_bytes;
    uint8_t *found = collect(s, &found_bytes);
    if (found_bytes != bytes || memcmp(found, data, bytes) != 0)
        stop(a, s, "differs on several threads");
    free(found);
    for (uint32_t i = 0; i < s->step.out_count; i++) {
        if (!border_is_zero(s->out_list[i]))
            stop(a, s, "has no zeros for a border");
    }
}

static void run_all_ways(any *a, step *s)
{
    size_t bytes;
    if (step_prepare(s, AI_CPU_REF) != AI_OK)
        stop(a, s, "passes its check but is not prepared");
    ai_status status = run_parts(a, s, 1);
    if (status == AI_E_VALUE)
        return;
    if (status != AI_OK)
        stop(a, s, "passes its check but does not run");
    uint8_t *data = collect(s, &bytes);
    if (!step_borders_are_whole(s))
        stop(a, s, "writes to a border");
    for (uint32_t cpu = AI_CPU_REF; cpu <= step_levels(); cpu <<= 1) {
        if ((step_levels() & cpu) == 0)
            continue;
        if (step_prepare(s, cpu | AI_CPU_REF) != AI_OK || run_parts(a, s, 2) != AI_OK)
            stop(a, s, "runs at one level only");
        expect_same(a, s, data, bytes, "differs by level or split");
    }
    run_at_once(a, s, data, bytes);
    run_in_place(a, s, data, bytes);
    free(data);
}

static bool fits(step *s)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < s->step.out_count; i++) {
        if (s->out_list[i] != NULL && !is_small(s->out_list[i]))
            return false;
    }
    for (uint32_t i = 0; i < s->step.in_count; i++) {
        if (s->in_list[i] != NULL && !is_small(s->in_list[i]))
            return false;
        total += s->in_list[i] != NULL ? ai_tensor_count(s->in_list[i]) : 0;
    }
    return total < 1 << 18 && s->step.scratch < SCRATCH && s->step.work < 1 << 20;
}

static void try_one(any *a, const ai_op_row *row)
{
    step s;
    bool is_open = true;
    a->state = a->seed;
    make_step(a, &s, row);
    for (uint32_t i = 0; i < s.step.in_count; i++)
        is_open = is_open && (s.in_list[i] == NULL || is_possible(s.in_list[i]));
    for (uint32_t i = 0; i < s.step.in_count && is_open; i++) { /* constants are known */
        ai_tensor *t = s.in_list[i];
        if (t == NULL || t->data != NULL || !is_small(t))
            continue;
        if (t->layout == AI_LAYOUT_PLAIN || !one_in(a, 2))
            step_alloc(&s, t, i);
        if (t->data != NULL)
            fill(a, t);
        if (t->layout != AI_LAYOUT_NCHW16C && one_in(a, 3))
            t->known = t->data;
    }
    if (is_open && step_check(&s) == AI_OK) {
        if (s.step.work < 1 || s.step.scratch < 0)
            stop(a, &s, "has no work or no scratch");
        if (fits(&s)) {
            for (uint32_t i = 0; i < s.step.in_count; i++) {
                if (s.in_list[i] == NULL || s.in_list[i]->known != NULL)
                    continue;
                step_alloc(&s, s.in_list[i], i); /* the check may have asked for a border */
                fill(a, s.in_list[i]);
            }
            a->ran[row->number]++;
            run_all_ways(a, &s);
        }
    } else if (is_open && s.err.message[0] == '\0') {
        stop(a, &s, "is refused without a message");
    }
    step_free(&s);
}

int main(int argc, char **argv)
{
    any a = {0};
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 60000;
    int status = 0;
    void *pool = aligned_alloc(64, (size_t)ai_pool_bytes(THREADS));
    a.scratch = aligned_alloc(64, (size_t)THREADS * SCRATCH);
    if (!pool || !a.scratch || ai_pool_start(&a.pool, pool, THREADS, NULL) != AI_OK)
        return 1;
    for (a.seed = seed; a.seed < seed + count; a.seed++) {
        const ai_op_row *row = ai_op_find((uint32_t)(a.seed % 256));
        if (row != NULL)
            try_one(&a, row);
    }
    for (uint32_t op = 0; op < 256 && count >= 60000; op++) {
        if (ai_op_find(op) != NULL && a.ran[op] == 0) {
            fprintf(stderr, "any: no step of %s passed its check\n", ai_op_find(op)->name);
            status = 1;
        }
    }
    ai_pool_stop(a.pool);
    free(a.scratch);
    free(pool);
    return status;
}
