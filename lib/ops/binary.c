/* SPDX-License-Identifier: Apache-2.0
 * Add, Sub, Mul, Div, Pow, Max, Min and PRelu with NumPy's broadcasting: rows by f32 kernel, other
 * types by binary_row.c, images in blocks of 16 channels by binary_blocks.c. QLinearAdd and
 * QLinearMul are DequantizeLinear, Add or Mul, and QuantizeLinear, some numbers at a time. */
#include <string.h>

#include "binary.h"
#include "quantize.h"

enum { CHUNK = 1024 }; /* numbers of each operand, in L1 */

/* step->local of plain operands: the output's dimensions with neighbours joined where neither
 * operand minds, and the steps of both along them */
enum { RANK = 0, DIM = 1, A_STRIDE = 9, B_STRIDE = 17 };

static void broadcast_strides(const ai_tensor *t, uint32_t rank, int64_t *stride)
{
    int64_t dense[AI_MAX_RANK];
    uint32_t missing = rank - t->rank;

    ai_dense_strides(t->rank, t->dim, dense);
    for (uint32_t i = 0; i < rank; i++)
        stride[i] = i < missing || t->dim[i - missing] == 1 ? 0 : dense[i - missing];
}

static void set_rows(ai_step *s)
{
    const ai_tensor *out = s->out[0];
    int64_t *dim = s->local + DIM;
    int64_t *a = s->local + A_STRIDE;
    int64_t *b = s->local + B_STRIDE;
    int64_t stride[2][AI_MAX_RANK];
    uint32_t n = 0;

    s->work = 1;
    s->local[RANK] = 0;
    if (ai_tensor_count(out) == 0)
        return;
    broadcast_strides(s->in[0], out->rank, stride[0]);
    broadcast_strides(s->in[1], out->rank, stride[1]);
    for (uint32_t i = 0; i < out->rank; i++) {
        int64_t size = out->dim[i];
        if (size == 1)
            continue;
        if (n > 0 && a[n - 1] == stride[0][i] * size && b[n - 1] == stride[1][i] * size) {
            dim[n - 1] *= size;
            a[n - 1] = stride[0][i];
            b[n - 1] = stride[1][i];
            continue;
        }
        dim[n] = size;
        a[n] = stride[0][i];
        b[n] = stride[1][i];
        n++;
    }
    s->local[RANK] = n;
    /* one long row may be cut anywhere; else a unit is a row */
    s->work = n <= 1 ? ai_tensor_count(out) : ai_span(dim, 0, n - 1);
}

static bool is_of_bytes(const ai_step *s)
{
    return s->file->op == AI_OP_Q_ADD || s->file->op == AI_OP_Q_MUL;
}

static bool is_kernel_step(const ai_step *s)
{
    return is_of_bytes(s) || (s->in[0]->type == AI_F32 && s->in[1]->type == AI_F32);
}

int64_t ai_binary_scratch(const ai_step *s)
{
    return is_of_bytes(s) ? 2 * CHUNK * (int64_t)sizeof(float) : 0;
}

static ai_status check_bytes(const ai_step *s, ai_error *err)
{
    const ai_q_binary_params *p = s->params;
    ai_status status = ai_need_type(s, 0, AI_U8, err);
    if (status != AI_OK || (status = ai_need_type(s, 1, AI_U8, err)) != AI_OK ||
        (status = ai_q_check_numbers(s, &p->a, err)) != AI_OK ||
        (status = ai_q_check_numbers(s, &p->b, err)) != AI_OK ||
        (status = ai_q_check_numbers(s, &p->y, err)) != AI_OK)
        return status;
    if (p->lo > p->hi || p->hi > UINT8_MAX)
        return ai_fail_step(err, AI_E_FORMAT, s, "bounds %u and %u, needs 0 to 255 in order", p->lo,
                            p->hi);
    return AI_OK;
}

static ai_status check_types(const ai_step *s, ai_error *err)
{
    if (is_of_bytes(s))
        return check_bytes(s, err);
    if (is_kernel_step(s) || ai_binary_row_has(s->file->op, s->in[0]->type, s->in[1]->type))
        return AI_OK;
    return ai_fail_step(err, AI_E_UNSUPPORTED, s, "inputs are %s and %s, needs numbers of one type",
                        ai_type_name(s->in[0]->type), ai_type_name(s->in[1]->type));
}

/* The output may take the place of an operand that has its size and place in it. */
static void set_alias(ai_step *s)
{
    const ai_tensor *out = s->out[0];

    s->alias = AI_ALIAS_NONE;
    for (uint32_t i = 2; i-- > 0 && !is_of_bytes(s);) {
        const ai_tensor *in = s->in[i];
        if (in->type == out->type && in->layout == out->layout && in->rank == out->rank &&
            memcmp(in->dim, out->dim, sizeof(in->dim)) == 0) {
            s->alias = AI_ALIAS_INPLACE;
            s->alias_input = (uint8_t)i;
        }
    }
}

static ai_status do_not_fit(const ai_step *s, ai_error *err)
{
    char a[AI_SHAPE_TEXT];
    char b[AI_SHAPE_TEXT];

    return ai_fail_step(err, AI_E_SHAPE, s, "input 0 is %s, input 1 of %s does not broadcast to it",
                        ai_shape_text(s->in[0]->rank, s->in[0]->dim, a),
                        ai_shape_text(s->in[1]->rank, s->in[1]->dim, b));
}

static ai_status check_binary(ai_step *s, ai_error *err)
{
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];
    int64_t dim[AI_MAX_RANK] = {0};
    uint32_t rank;

    ai_status status = check_types(s, err);
    if (status != AI_OK)
        return status;
    if (!ai_broadcast(a->rank, a->dim, b->rank, b->dim, &rank, dim) ||
        (s->file->op == AI_OP_PRELU &&
         (rank != a->rank || memcmp(dim, a->dim, rank * sizeof(dim[0])) != 0)))
        return do_not_fit(s, err);
    status = ai_set_output(s, 0, a->type, rank, dim, err);
    if (status != AI_OK)
        return status;
    s->flops = (uint64_t)ai_tensor_count(s->out[0]);
    s->scratch = ai_binary_scratch(s);
    set_alias(s);
    if (s->out[0]->layout == AI_LAYOUT_NCHW16C && is_kernel_step(s))
        return ai_binary_blocks_check(s, err);
    status = ai_need_plain(s, err);
    if (status == AI_OK)
        set_rows(s);
    return status;
}

static ai_status prepare_binary(ai_step *s, ai_error *err)
{
    if (!is_kernel_step(s))
        return AI_OK;
    uint32_t op = s->file->op == AI_OP_Q_ADD   ? AI_BINARY_ADD
                  : s->file->op == AI_OP_Q_MUL ? AI_BINARY_MUL
                                               : AI_BINARY_ADD + (uint32_t)s->file->op - AI_OP_ADD;
    ai_status status = ai_choose(s, 0, AI_K_BINARY + op, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK && is_of_bytes(s))
        status = ai_choose(s, 1, AI_K_TO_BYTES, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK && is_of_bytes(s))
        status = ai_choose(s, 2, AI_K_FROM_BYTES, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
    return status;
}

static void run_bytes(const ai_step *s, const ai_binary_row *row, float *a)
{
    const ai_q_binary_params *p = s->params;
    const uint8_t *in_a = row->a;
    const uint8_t *in_b = row->b;
    uint8_t *out = row->out;
    float *b = a + CHUNK;
    float *result = row->a_step > 0 ? a : b;
    for (int64_t i = 0; i < row->count; i += CHUNK) {
        int64_t n = row->count - i < CHUNK ? row->count - i : CHUNK;
        ai_q_numbers(s->kernel[2], in_a + i * row->a_step, row->a_step > 0 ? n : 1, &p->a, a);
        ai_q_numbers(s->kernel[2], in_b + i * row->b_step, row->b_step > 0 ? n : 1, &p->b, b);
        s->kernel[0]->fn(
            &(ai_binary_args){a, b, result, n, (int32_t)row->a_step, (int32_t)row->b_step});
        ai_q_bytes(s->kernel[1], result, n, &p->y, p->lo, p->hi, out + i);
    }
}

void ai_binary_run(const ai_step *s, const ai_binary_row *row, void *scratch)
{
    if (is_of_bytes(s)) {
        run_bytes(s, row, scratch);
        return;
    }
    if (!is_kernel_step(s)) {
        ai_binary_row_run(s->file->op, row);
        return;
    }
    ai_binary_args args = {
        row->a, row->b, row->out, row->count, (int32_t)row->a_step, (int32_t)row->b_step};
    s->kernel[0]->fn(&args);
}

/* Part [begin, end) of operands that are one row. */
static void run_span(const ai_step *s, int64_t begin, int64_t end, void *scratch)
{
    int64_t a_step = s->local[RANK] > 0 ? s->local[A_STRIDE] : 1;
    int64_t b_step = s->local[RANK] > 0 ? s->local[B_STRIDE] : 1;
    size_t a_bytes = ai_type_bytes(s->in[0]->type);
    size_t b_bytes = ai_type_bytes(s->in[1]->type);
    ai_binary_row row = {(const char *)s->in[0]->data + (size_t)(begin * a_step) * a_bytes,
                         (const char *)s->in[1]->data + (size_t)(begin * b_step) * b_bytes,
                         (char *)s->out[0]->data + (size_t)begin * a_bytes,
                         a_step,
                         b_step,
                         end - begin,
                         s->in[0]->type,
                         s->in[1]->type};
    ai_binary_run(s, &row, scratch);
}

static void run_rows(const ai_step *s, int64_t begin, int64_t end, void *scratch)
{
    const int64_t *dim = s->local + DIM;
    const int64_t *a = s->local + A_STRIDE;
    const int64_t *b = s->local + B_STRIDE;
    int last = (int)s->local[RANK] - 1;
    int64_t index[AI_MAX_RANK] = {0};
    int64_t at[2] = {0, 0};
    int64_t rest = begin;
    size_t a_bytes = ai_type_bytes(s->in[0]->type);
    size_t b_bytes = ai_type_bytes(s->in[1]->type);

    for (int d = last - 1; d >= 0; d--) {
        index[d] = rest % dim[d];
        rest /= dim[d];
        at[0] += index[d] * a[d];
        at[1] += index[d] * b[d];
    }
    for (int64_t unit = begin; unit < end; unit++) {
        ai_binary_row row = {(const char *)s->in[0]->data + (size_t)at[0] * a_bytes,
                             (const char *)s->in[1]->data + (size_t)at[1] * b_bytes,
                             (char *)s->out[0]->data + (size_t)(unit * dim[last]) * a_bytes,
                             a[last],
                             b[last],
                             dim[last],
                             s->in[0]->type,
                             s->in[1]->type};
        ai_binary_run(s, &row, scratch);
        for (int d = last - 1; d >= 0; d--) {
            at[0] += a[d];
            at[1] += b[d];
            if (++index[d] < dim[d])
                break;
            at[0] -= a[d] * dim[d];
            at[1] -= b[d] * dim[d];
            index[d] = 0;
        }
    }
}

static ai_status run_binary(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (s->out[0]->layout == AI_LAYOUT_NCHW16C)
        ai_binary_blocks_run(s, begin, end, scratch);
    else if (s->local[RANK] <= 1)
        run_span(s, begin, end, scratch);
    else
        run_rows(s, begin, end, scratch);
    return AI_OK;
}

const ai_op ai_op_binary = {check_binary, prepare_binary, run_binary, false};
