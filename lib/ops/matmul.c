/* SPDX-License-Identifier: Apache-2.0
 * Gemm and MatMul: rows times panels of 16 columns. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "activation.h"
#include "matmul.h"
#include "rounded.h"
#include "wide.h"
#include "window.h"

/* A unit of work is a block of rows of one panel of one matrix: panels outside, rows inside. */
enum { BLOCK_ROWS = 32 };

/* A matrix B that was computed is packed, some panels at once, as the widest tiles take them. */
enum { MOST_PACKED = 2 };

/* step->kernel: the product is 0 */
enum { SLOT_PACK = 1 };

static int64_t row_blocks(const ai_product *q)
{
    return (q->m + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

/* ---- Check ---- */

static ai_status check_weight(const ai_step *s, ai_error *err)
{
    const ai_tensor *b = s->in[1];
    return b != NULL && ai_is_rounded(b) ? ai_need_type(s, 1, AI_S8, err) : ai_wide_check(s, err);
}

static ai_status check_operands(const ai_step *s, ai_error *err)
{
    const ai_gemm_params *p = s->params;

    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    for (uint32_t i = 0; i < s->in_count; i++) {
        ai_status status = AI_OK;
        if (i < 2 || s->in[i] != NULL)
            status = i == 1 ? check_weight(s, err) : ai_need_type(s, i, AI_F32, err);
        if (status != AI_OK)
            return status;
        if (s->in[i] != NULL && s->in[i]->layout != AI_LAYOUT_PLAIN &&
            (i != 1 || (s->in[i]->layout != AI_LAYOUT_PANEL16 && !ai_is_rounded(s->in[i]))))
            return ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, needs a plain tensor",
                                i, s->in[i]->layout);
    }
    if (s->out[0]->layout != AI_LAYOUT_PLAIN)
        return ai_fail_step(err, AI_E_FORMAT, s, "output has layout %u, needs a plain tensor",
                            s->out[0]->layout);
    if (p->trans_a > 1 || p->trans_b > 1)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "trans_a %u, trans_b %u, needs 0 or 1",
                            p->trans_a, p->trans_b);
    if (s->file->op == AI_OP_MATMUL && (p->trans_a != 0 || p->trans_b != 0))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "a transposed operand needs Gemm");
    if (s->in[1]->layout != AI_LAYOUT_PLAIN &&
        (s->in[1]->kind != AI_TENSOR_CONSTANT || s->in[1]->rank != 2 || p->trans_b != 0))
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "packed weight is not a constant matrix without transposition");
    return ai_activation_check(s, &p->activation, err);
}

static ai_status set_shape(ai_step *s, const ai_product *q, ai_error *err)
{
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];
    int64_t dim[AI_MAX_RANK];
    uint32_t rank = 0;

    if (s->file->op == AI_OP_GEMM)
        return ai_set_output(
            s, 0, AI_F32, 2,
            (int64_t[2]){q->is_turned ? q->n : q->m, q->is_turned ? q->m : q->n}, err);
    (void)ai_broadcast(a->rank > 2 ? a->rank - 2u : 0, a->dim, b->rank > 2 ? b->rank - 2u : 0,
                       b->dim, &rank, dim);
    if (a->rank > 1)
        dim[rank++] = a->dim[a->rank - 2];
    if (b->rank > 1)
        dim[rank++] = b->dim[b->rank - 1];
    return ai_set_output(s, 0, AI_F32, rank, dim, err);
}

static bool is_packed_here(const ai_product *q)
{
    return !q->is_packed && !q->is_rounded && !q->is_direct;
}

static int64_t packed_panels(const ai_product *q)
{
    return ai_min(ai_max(ai_blocks(q->n), 1), MOST_PACKED);
}

static ai_status check(ai_step *s, ai_error *err)
{
    ai_product q;
    ai_status status = check_operands(s, err);

    if (status != AI_OK || (status = ai_get_product(s, &q, err)) != AI_OK ||
        (status = set_shape(s, &q, err)) != AI_OK)
        return status;
    uint32_t most = ((const ai_gemm_params *)s->params)->most;
    if (most != 0 && q.k > most)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "a sum has %" PRId64 " products, at most %u are exact", q.k, most);
    int64_t count = ai_tensor_count(s->out[0]);
    int64_t k = ai_max(q.k, 1); /* so that parts of the scratch are somewhere */
    s->work = count == 0 ? 1 : q.batches * ai_blocks(q.n) * row_blocks(&q);
    s->flops = 2 * (uint64_t)count * (uint64_t)q.k;
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    if ((q.is_packed && !q.is_narrow && !ai_wide_plan(s, ai_blocks(q.n), q.k * 16, 2)) ||
        (q.is_rounded && !ai_rounded_plan(&s->scratch, BLOCK_ROWS, k)) ||
        (is_packed_here(&q) && !ai_scratch_add(&s->scratch, k, 16, packed_panels(&q), sizeof(float))) ||
        (q.is_gathered && !ai_scratch_add(&s->scratch, k, BLOCK_ROWS, 1, sizeof(float))) ||
        (q.is_spread && !ai_scratch_add(&s->scratch, BLOCK_ROWS, 16, 1, sizeof(float))))
        return ai_fail_step(err, AI_E_SHAPE, s, "%" PRId64 " columns are too many to pack", q.k);
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    const ai_gemm_params *p = s->params;
    ai_product q;
    ai_status status = ai_get_product(s, &q, err);

    if (status == AI_OK)
        status = ai_activation_prepare(s, &p->activation, err);
    if (status == AI_OK && q.is_rounded)
        return ai_rounded_prepare(s, 0, err);
    if (status == AI_OK && !q.is_narrow)
        status = ai_wide_prepare(s, err);
    if (status != AI_OK)
        return status;
    status = AI_OK;
    if (is_packed_here(&q) && q.b_col != 1)
        status = ai_choose(s, SLOT_PACK, AI_K_TRANSPOSE16, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
    if (status != AI_OK)
        return status;
    return ai_choose(s, 0, AI_K_GEMM, AI_F32, q.is_narrow ? AI_F16 : AI_F32,
                     q.is_direct ? AI_LAYOUT_PLAIN : AI_LAYOUT_PANEL16, err);
}

/* ---- Run ---- */

/* What one range of units works with. */
typedef struct job {
    ai_product q;
    const ai_step *step;
    ai_gemm_args args;
    const float *a; /* the matrices of the batch */
    const float *b;
    float *out;
    ai_wide wide;        /* where B is PANEL16 */
    const void *weights; /* of the first panel of a product */
    float *packed;       /* scratch: panels of B, rows of A, a block of C */
    float *rows;
    float *spread;
} job;

/* Columns that lie one behind the other: those of all panels, row by row. */
static void copy_panels(job *j, const float *b, int64_t columns)
{
    const ai_product *q = &j->q;
    for (int64_t k = 0; k < q->k; k++) {
        const float *row = b + k * q->b_row;
        float *out = j->packed + k * 16;
        int64_t left = columns;
        for (; left >= 16; left -= 16, row += 16, out += q->k * 16)
            memcpy(out, row, 16 * sizeof(float));
        for (int64_t i = 0; i < 16 && left > 0; i++)
            out[i] = i < left ? row[i] : 0.0f;
    }
}

/* Column n of B becomes lane n % 16 of its panel; lanes past the last column are zeros. */
static void pack_panels(job *j, int64_t panel, int64_t count)
{
    const ai_product *q = &j->q;
    const float *b = j->b + panel * 16 * q->b_col;
    int64_t columns = ai_min(q->n - panel * 16, count * 16);

    if (q->b_col == 1) {
        copy_panels(j, b, columns);
        return;
    }
    for (int64_t first = 0; first < columns; first += 16)
        j->step->kernel[SLOT_PACK]->fn(&(ai_transpose_args){
            .in = b + first * q->b_col,
            .out = j->packed + first * q->k,
            .plane = q->b_col,
            .channels = (int32_t)ai_min(columns - first, 16),
            .to_block = 1,
            .columns = q->k,
        });
}

static void gather_rows(job *j, int64_t begin, int64_t end)
{
    const ai_product *q = &j->q;
    for (int64_t k = 0; k < q->k; k++) {
        for (int64_t m = begin; m < end; m++)
            j->rows[(m - begin) * q->k + k] = j->a[m * q->a_row + k * q->a_col];
    }
}

static void spread_addend(job *j, int64_t begin, int64_t end)
{
    const float *c = ai_product_addend(j->step)->data;
    for (int64_t m = begin; m < end; m++) {
        for (int64_t i = 0; i < 16; i++)
            j->spread[(m - begin) * 16 + i] = c[m * j->q.c_row];
    }
}

/* alpha * sum, then + beta * c, each product and the sum rounded; then the clamp. */
static void scale_outputs(const job *j, int64_t begin, int64_t end, int64_t first, int64_t last)
{
    const ai_gemm_params *p = j->step->params;
    const ai_tensor *c = ai_product_addend(j->step);
    float lo;
    float hi;

    ai_activation_clamp(&p->activation, &lo, &hi);
    for (int64_t m = begin; m < end; m++) {
        for (int64_t n = first; n < last; n++) {
            float *out = j->out + m * j->q.n + n;
            float y = p->alpha * *out;
            if (c != NULL)
                y = y + p->beta * ((const float *)c->data)[m * j->q.c_row + n * j->q.c_col];
            y = y < lo ? lo : y;
            *out = y > hi ? hi : y;
        }
    }
}

/* The activation that no kernel of a product has. */
static void activate(const job *j, int64_t begin, int64_t end, int64_t first, int64_t last)
{
    const ai_activation *a = &((const ai_gemm_params *)j->step->params)->activation;
    for (int64_t m = begin; m < end && ai_activation_is_apart(a); m++)
        ai_activation_run(j->step, a, j->out + m * j->q.n + first, last - first);
}

/* How many packed panels to multiply at once: the activation should find the outputs in the cache.
 */
static int64_t most_panels(const job *j)
{
    const ai_gemm_params *p = j->step->params;
    int64_t column = j->q.m * 16 * (int64_t)sizeof(float);
    return ai_activation_is_apart(&p->activation) ? ai_max(AI_ACTIVATION_BYTES / column, 2)
                                                  : INT64_MAX;
}

/* Rows [begin, end) of `count` panels from `panel` on. */
static void multiply(job *j, int64_t panel, int64_t count, int64_t begin, int64_t end)
{
    const ai_product *q = &j->q;
    const ai_tensor *c = q->is_scaled ? NULL : ai_product_addend(j->step);
    ai_gemm_args *g = &j->args;

    g->m = end - begin;
    g->n = q->n - panel * 16;
    g->panel_end = count;
    g->a = q->is_gathered ? j->rows : j->a + begin * q->a_row;
    g->b = j->weights;
    g->out = j->out + begin * q->n + panel * 16;
    g->bias = NULL;
    g->bias_row = 0;
    if (c != NULL && q->is_spread) {
        g->bias = j->spread;
        g->bias_row = 16;
    } else if (c != NULL) {
        g->bias = (const float *)c->data + begin * q->c_row + panel * 16;
        g->bias_row = q->c_row;
    }
    j->step->kernel[0]->fn(g);
    int64_t last = ai_min((panel + count) * 16, q->n);
    if (q->is_scaled)
        scale_outputs(j, begin, end, panel * 16, last);
    activate(j, begin, end, panel * 16, last);
}

static void run_part(job *j, int64_t panel, int64_t count, int64_t begin, int64_t end)
{
    if (!j->q.is_gathered && !j->q.is_spread) {
        multiply(j, panel, count, begin, end);
        return;
    }
    for (int64_t m = begin; m < end; m += BLOCK_ROWS) {
        int64_t last = ai_min(m + BLOCK_ROWS, end);
        if (j->q.is_gathered)
            gather_rows(j, m, last);
        if (j->q.is_spread && !j->q.is_scaled)
            spread_addend(j, m, last);
        multiply(j, panel, count, m, last);
    }
}

static void select_batch(job *j, int64_t batch)
{
    const ai_product *q = &j->q;
    j->a = j->step->in[q->is_turned ? 1 : 0]->data;
    j->b = j->step->in[q->is_turned ? 0 : 1]->data;
    j->out = (float *)j->step->out[0]->data + batch * q->m * q->n;
    for (uint32_t i = q->batch_rank; i-- > 0; batch /= q->batch[i]) {
        j->a += batch % q->batch[i] * q->a_step[i];
        j->b += batch % q->batch[i] * q->b_step[i];
    }
}

static void start_job(job *j, const ai_step *s, char *scratch)
{
    const ai_product *q = &j->q;
    int64_t k = ai_max(q->k, 1);

    j->step = s;
    if (q->is_packed && !q->is_narrow)
        ai_wide_start(&j->wide, s, ai_blocks(q->n), q->k * 16, &scratch);
    else if (is_packed_here(q))
        j->weights = j->packed = ai_scratch_take(&scratch, k * 16 * packed_panels(q), sizeof(float));
    if (q->is_gathered)
        j->rows = ai_scratch_take(&scratch, k * BLOCK_ROWS, sizeof(float));
    if (q->is_spread)
        j->spread = ai_scratch_take(&scratch, BLOCK_ROWS * 16, sizeof(float));
    j->args = (ai_gemm_args){
        .a_row = q->is_gathered ? q->k : q->a_row,
        .panel = q->k * 16,
        .b_row = q->b_row,
        .out_row = q->n,
        .k = q->k,
        .lo = -INFINITY,
        .hi = INFINITY,
    };
    if (!q->is_scaled)
        ai_activation_clamp(&((const ai_gemm_params *)s->params)->activation, &j->args.lo,
                            &j->args.hi);
}

/* Here a block of rows has its panels inside: it is rounded once for all of them. */
static void run_rounded(job *j, int64_t begin, int64_t end, char *scratch)
{
    const ai_product *q = &j->q;
    const ai_tensor *c = ai_product_addend(j->step);
    const int64_t panels = ai_blocks(q->n);
    ai_gemm_args *g = &j->args;
    ai_rounded r;
    select_batch(j, 0);
    ai_rounded_start(&r, j->step, 0, BLOCK_ROWS, ai_max(q->k, 1), &scratch);
    g->b = j->b;
    g->n = q->n;
    g->bias_row = q->c_row;
    while (begin < end) {
        int64_t first = begin / panels * BLOCK_ROWS;
        int64_t last = ai_min(first + BLOCK_ROWS, q->m);
        g->panel_begin = begin % panels;
        g->panel_end = ai_min(g->panel_begin + end - begin, panels);
        g->m = last - first;
        g->a = j->a + first * q->a_row;
        g->bias = c != NULL ? (const float *)c->data + first * q->c_row : NULL;
        g->out = j->out + first * q->n;
        ai_rounded_take(&r, g);
        ai_rounded_multiply(&r, g);
        activate(j, first, last, g->panel_begin * 16, ai_min(g->panel_end * 16, q->n));
        begin += g->panel_end - g->panel_begin;
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    job j;
    ai_status status = ai_get_product(s, &j.q, err);

    if (status != AI_OK || ai_tensor_count(s->out[0]) == 0)
        return status;
    start_job(&j, s, scratch);
    if (j.q.is_rounded) {
        run_rounded(&j, begin, end, scratch);
        return AI_OK;
    }
    int64_t panels = ai_blocks(j.q.n);
    int64_t blocks = row_blocks(&j.q);
    while (begin < end) {
        int64_t block = begin % blocks;
        int64_t unit = begin / blocks;
        int64_t panel = unit % panels;
        int64_t taken = ai_min(blocks - block, end - begin);
        int64_t count = 1;
        if (taken == blocks && !j.q.is_spread)
            count = ai_min(ai_min((end - begin) / blocks, panels - panel), most_panels(&j));
        if (is_packed_here(&j.q))
            count = ai_min(count, MOST_PACKED);
        select_batch(&j, unit / panels);
        if (j.q.is_narrow) {
            j.weights = (const uint16_t *)s->in[1]->data + panel * j.args.panel;
        } else if (j.q.is_packed) {
            const float *weights;
            count = ai_wide_get(&j.wide, panel, count, &weights);
            j.weights = weights;
        } else if (j.q.is_direct) {
            j.weights = j.b + panel * 16;
        } else {
            pack_panels(&j, panel, count);
        }
        run_part(&j, panel, count, block * BLOCK_ROWS, ai_min((block + taken) * BLOCK_ROWS, j.q.m));
        begin += taken * count;
    }
    return AI_OK;
}

const ai_op ai_op_gemm = {check, prepare, run, false};
const ai_op ai_op_matmul = {check, prepare, run, false};
