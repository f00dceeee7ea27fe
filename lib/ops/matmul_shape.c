/* SPDX-License-Identifier: Apache-2.0
 * Gemm and MatMul as one product of matrices. */
#include <inttypes.h>
#include <string.h>

#include "matmul.h"
#include "rounded.h"
#include "window.h"

/* Weights of f16 are widened in registers for fewer rows: each is multiplied too few times to be
 * stored and loaded in between. Measured with one row, 1280x1000: 0.10 ms, stored 0.22, f32 0.18.
 */
enum { LEAST_WIDE_ROWS = 4 };

/* A matrix B that was computed is read where it lies for fewer rows than these. */
enum { LEAST_PACKED_ROWS = 4 };

const ai_tensor *ai_product_addend(const ai_step *s)
{
    return s->in_count > 2 ? s->in[2] : NULL;
}

static ai_status get_gemm(const ai_step *s, ai_product *q, ai_error *err)
{
    const ai_gemm_params *p = s->params;
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];

    if (a->rank != 2 || b->rank != 2)
        return ai_fail_step(err, AI_E_SHAPE, s, "matrices have rank %u and %u, needs 2", a->rank,
                            b->rank);
    bool trans_a = p->trans_a != 0;
    bool trans_b = p->trans_b != 0;
    int64_t b_k = b->dim[trans_b ? 1 : 0];
    q->m = a->dim[trans_a ? 1 : 0];
    q->k = a->dim[trans_a ? 0 : 1];
    q->n = b->dim[trans_b ? 0 : 1];
    if (b_k != q->k)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " rows, input has %" PRId64 " columns", b_k,
                            q->k);
    q->a_row = trans_a ? 1 : q->k;
    q->a_col = trans_a ? q->m : 1;
    q->b_row = trans_b ? 1 : q->n;
    q->b_col = trans_b ? q->k : 1;
    q->batches = 1;
    return AI_OK;
}

/* Steps through the batches of one operand, 0 along dimensions that are repeated. */
static void batch_steps(const ai_product *q, const ai_tensor *t, int64_t matrix, int64_t *step)
{
    uint32_t rank = t->rank > 2 ? t->rank - 2u : 0;
    int64_t size = matrix;
    for (uint32_t i = 0; i < q->batch_rank; i++)
        step[i] = 0;
    for (uint32_t i = 0; i < rank; i++) {
        int64_t dim = t->dim[rank - 1 - i];
        if (dim != 1)
            step[q->batch_rank - 1 - i] = size;
        size *= dim;
    }
}

/* NumPy's rules: a vector is a row on the left, a column on the right. */
static ai_status get_matmul(const ai_step *s, ai_product *q, ai_error *err)
{
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];

    if (a->rank < 1 || b->rank < 1)
        return ai_fail_step(err, AI_E_SHAPE, s, "operands have rank %u and %u, needs at least 1",
                            a->rank, b->rank);
    int64_t b_k = b->dim[b->rank > 1 ? b->rank - 2 : 0];
    q->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    q->k = a->dim[a->rank - 1];
    q->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    if (b_k != q->k)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " rows, input has %" PRId64 " columns", b_k,
                            q->k);
    q->a_row = q->k;
    q->a_col = 1;
    q->b_row = q->n;
    q->b_col = 1;
    if (!ai_broadcast(a->rank > 2 ? a->rank - 2u : 0, a->dim, b->rank > 2 ? b->rank - 2u : 0,
                      b->dim, &q->batch_rank, q->batch))
        return ai_fail_step(err, AI_E_SHAPE, s, "batch dimensions do not broadcast");
    batch_steps(q, a, q->m * q->k, q->a_step);
    batch_steps(q, b, q->k * q->n, q->b_step);
    q->batches = 1;
    bool is_shared = true; /* one matrix B: the batches of A are more rows */
    for (uint32_t i = 0; i < q->batch_rank; i++) {
        is_shared &= q->b_step[i] == 0;
        if (!ai_mul(q->batches, q->batch[i], &q->batches))
            return ai_fail_step(err, AI_E_SHAPE, s, "output has over 2^63 matrices");
    }
    if (!is_shared)
        return AI_OK;
    q->batch_rank = 0;
    if (!ai_mul(q->batches, q->m, &q->m))
        return ai_fail_step(err, AI_E_SHAPE, s, "output has over 2^63 rows");
    q->batches = 1;
    return AI_OK;
}

/* Gemm's C broadcasts to the output; MatMul's bias is one row. */
static ai_status get_addend(const ai_step *s, ai_product *q, ai_error *err)
{
    const ai_gemm_params *p = s->params;
    const ai_tensor *c = ai_product_addend(s);

    q->is_scaled = p->alpha != 1.0f || (c != NULL && p->beta != 1.0f);
    if (c == NULL)
        return AI_OK;
    int64_t rows = c->rank == 2 ? c->dim[0] : 1;
    int64_t cols = c->rank > 0 ? c->dim[c->rank - 1] : 1;
    if (s->file->op == AI_OP_MATMUL && (c->rank > 2 || rows != 1 || (cols != 1 && cols != q->n)))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "bias of rank %u is %" PRId64 " x %" PRId64 ", needs 1 x %" PRId64,
                            c->rank, rows, cols, q->n);
    if (c->rank > 2 || (cols != 1 && cols != q->n) || (rows != 1 && rows != q->m))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "bias of rank %u, %" PRId64 " x %" PRId64
                            ", does not broadcast to %" PRId64 " x %" PRId64,
                            c->rank, rows, cols, q->m, q->n);
    q->c_row = rows == 1 ? 0 : cols;
    q->c_col = cols == 1 ? 0 : 1;
    q->is_spread = cols == 1 && q->n != 1;
    return AI_OK;
}

/* One column: C^T = B^T A^T has one row, of the same sums, and no panel of one column. */
static void turn(ai_product *q)
{
    const ai_product p = *q;
    q->m = p.n;
    q->n = p.m;
    q->a_row = p.b_col;
    q->a_col = p.b_row;
    q->b_row = p.a_col;
    q->b_col = p.a_row;
    memcpy(q->a_step, p.b_step, sizeof(q->a_step));
    memcpy(q->b_step, p.a_step, sizeof(q->b_step));
    q->is_turned = true;
}

ai_status ai_get_product(const ai_step *s, ai_product *q, ai_error *err)
{
    *q = (ai_product){.batches = 1};
    ai_status status = s->file->op == AI_OP_GEMM ? get_gemm(s, q, err) : get_matmul(s, q, err);
    if (status != AI_OK)
        return status;
    q->is_packed = s->in[1]->layout == AI_LAYOUT_PANEL16;
    q->is_narrow = s->in[1]->type == AI_F16 && q->m < LEAST_WIDE_ROWS;
    q->is_rounded = ai_is_rounded(s->in[1]);
    if (s->in[1]->layout == AI_LAYOUT_PLAIN && q->n == 1 && q->m > 1 && ai_product_addend(s) == NULL)
        turn(q);
    q->is_direct =
        s->in[1]->layout == AI_LAYOUT_PLAIN && q->m < LEAST_PACKED_ROWS && q->b_col == 1;
    q->is_gathered = q->a_col != 1;
    status = get_addend(s, q, err);
    if (status == AI_OK && q->is_rounded && (q->is_gathered || q->is_spread || q->is_scaled))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "weights of s8 need alpha and beta 1, a plain A, and a C of columns");
    return status;
}
