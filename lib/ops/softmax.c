/* SPDX-License-Identifier: Apache-2.0
 * Softmax, LogSoftmax and Hardmax along any axis. Along the last one a row is reduced as the
 * kernels do it; along another, whole rows of neighbours are taken at once, sums in order. */
#include <string.h>

#include "elem.h"

/* ai_axis_params.flags: as before opset 13, all dimensions from the axis on are one */
enum { COERCE = 1 };

enum { CHUNK = 256 }; /* columns of a unit where the axis is not the last */

/* step->local: the input as [outer][size][inner], pieces of inner */
enum { OUTER = 0, SIZE = 1, INNER = 2, CHUNKS = 3 };

/* kernel slots: Softmax and LogSoftmax of the last axis, both of another */
enum { ROWS = 0 };
enum { MAX = 0, SUM_EXP = 1, FINISH = 2 };
enum { SUB = 0, EXP = 1, LAST = 2, ADD = 3 };

static ai_status check_softmax(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    uint32_t axis = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK && in->rank > 0)
        status = ai_need_axis(s, p->axis, in->rank, &axis, err);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    uint32_t end = (p->flags & COERCE) != 0 || in->rank == 0 ? in->rank : axis + 1;
    s->local[OUTER] = ai_span(in->dim, 0, axis);
    s->local[SIZE] = ai_span(in->dim, axis, end);
    s->local[INNER] = ai_span(in->dim, end, in->rank);
    s->local[CHUNKS] = s->local[INNER] / CHUNK + (s->local[INNER] % CHUNK != 0);
    s->work = ai_tensor_count(in) > 0 ? s->local[OUTER] * s->local[CHUNKS] : 1;
    s->scratch = 2 * CHUNK * (int64_t)sizeof(float);
    s->flops = 4 * (uint64_t)ai_tensor_count(in);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    return AI_OK;
}

static ai_status choose_all(ai_step *s, const uint32_t *op, uint32_t count, ai_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        ai_status status = ai_choose(s, i, op[i], AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
        if (status != AI_OK)
            return status;
    }
    return AI_OK;
}

static ai_status prepare_columns(ai_step *s, uint32_t last, ai_error *err)
{
    const uint32_t columns[4] = {AI_K_BINARY + AI_BINARY_SUB, AI_K_UNARY + AI_UNARY_EXP,
                                 AI_K_BINARY + last, AI_K_BINARY + AI_BINARY_ADD};
    return choose_all(s, columns, 4, err);
}

static ai_status prepare_softmax(ai_step *s, ai_error *err)
{
    if (s->local[INNER] != 1)
        return prepare_columns(s, AI_BINARY_MUL, err);
    return choose_all(s, (uint32_t[1]){AI_K_SOFTMAX}, 1, err);
}

static ai_status prepare_log_softmax(ai_step *s, ai_error *err)
{
    const uint32_t row[3] = {AI_K_REDUCE + AI_REDUCE_MAX, AI_K_REDUCE + AI_REDUCE_SUM_EXP,
                             AI_K_BINARY + AI_BINARY_SUB};
    if (s->local[INNER] != 1)
        return prepare_columns(s, AI_BINARY_SUB, err);
    return choose_all(s, row, 3, err);
}

static void combine(const ai_step *s, uint32_t slot, const float *a, const float *b, float *out,
                    int64_t count, int32_t b_step)
{
    ai_binary_args args = {a, b, out, count, 1, b_step};
    s->kernel[slot]->fn(&args);
}

/* ---- Along the last axis: a unit is a row ---- */

static void log_softmax_row(const ai_step *s, const float *in, float *out)
{
    int64_t size = s->local[SIZE];
    float max;
    float sum;
    ai_reduce_args args = {in, NULL, size, 0, &max};

    s->kernel[MAX]->fn(&args);
    args.offset = max;
    args.result = &sum;
    s->kernel[SUM_EXP]->fn(&args);
    sum = ai_logf(sum);
    combine(s, FINISH, in, &max, out, size, 0);
    combine(s, FINISH, out, &sum, out, size, 0);
}

/* ---- Along another axis: a unit is a piece of neighbouring columns ---- */

static void column_max(const float *in, int64_t size, int64_t inner, int64_t count, float *max)
{
    memcpy(max, in, (size_t)count * sizeof(float));
    for (int64_t k = 1; k < size; k++) {
        const float *row = in + k * inner;
        for (int64_t i = 0; i < count; i++)
            max[i] = row[i] > max[i] || row[i] != row[i] ? row[i] : max[i];
    }
}

static void softmax_columns(const ai_step *s, const float *in, float *out, int64_t count,
                            bool is_log, float *scratch)
{
    int64_t size = s->local[SIZE];
    int64_t inner = s->local[INNER];
    float *max = scratch;
    float *sum = scratch + CHUNK;
    float part[CHUNK / 2]; /* e^x of LogSoftmax, whose output keeps x - max */

    column_max(in, size, inner, count, max);
    memset(sum, 0, (size_t)count * sizeof(float));
    for (int64_t k = 0; k < size; k++) {
        float *row = out + k * inner;
        combine(s, SUB, in + k * inner, max, row, count, 1);
        for (int64_t i = 0; i < count; i += CHUNK / 2) {
            int64_t n = count - i < CHUNK / 2 ? count - i : CHUNK / 2;
            ai_unary_args args = {row + i, is_log ? part : row + i, n, 0, 0};
            s->kernel[EXP]->fn(&args);
            combine(s, ADD, sum + i, args.out, sum + i, n, 1);
        }
    }
    for (int64_t i = 0; i < count; i++)
        sum[i] = is_log ? ai_logf(sum[i]) : 1.0f / sum[i];
    for (int64_t k = 0; k < size; k++)
        combine(s, LAST, out + k * inner, sum, out + k * inner, count, 1);
}

static void run_soft(const ai_step *s, bool is_log, int64_t begin, int64_t end, void *scratch)
{
    int64_t size = s->local[SIZE];
    int64_t inner = s->local[INNER];

    if (ai_is_empty(s, 0))
        return;
    if (inner == 1 && !is_log) {
        ai_softmax_args args = {(const float *)s->in[0]->data + begin * size,
                                (float *)s->out[0]->data + begin * size, end - begin, size};
        s->kernel[ROWS]->fn(&args);
        return;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first = unit % s->local[CHUNKS] * CHUNK;
        int64_t at = unit / s->local[CHUNKS] * size * inner + first;
        const float *in = (const float *)s->in[0]->data + at;
        float *out = (float *)s->out[0]->data + at;
        if (inner == 1)
            log_softmax_row(s, in, out);
        else
            softmax_columns(s, in, out, inner - first < CHUNK ? inner - first : CHUNK, is_log,
                            scratch);
    }
}

static ai_status run_softmax(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                             ai_error *err)
{
    (void)err;
    run_soft(s, false, begin, end, scratch);
    return AI_OK;
}

static ai_status run_log_softmax(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                 ai_error *err)
{
    (void)err;
    run_soft(s, true, begin, end, scratch);
    return AI_OK;
}

/* ---- Hardmax: 1 at the first greatest, else 0 ---- */

static void hardmax_column(const float *in, float *out, int64_t size, int64_t inner)
{
    int64_t best = 0;

    for (int64_t k = 1; k < size; k++) {
        if (in[k * inner] > in[best * inner])
            best = k;
    }
    for (int64_t k = 0; k < size; k++)
        out[k * inner] = k == best ? 1.0f : 0.0f;
}

static ai_status run_hardmax(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                             ai_error *err)
{
    int64_t inner = s->local[INNER];

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first = unit % s->local[CHUNKS] * CHUNK;
        int64_t at = unit / s->local[CHUNKS] * s->local[SIZE] * inner + first;
        int64_t count = inner - first < CHUNK ? inner - first : CHUNK;
        for (int64_t i = 0; i < count; i++)
            hardmax_column((const float *)s->in[0]->data + at + i,
                           (float *)s->out[0]->data + at + i, s->local[SIZE], inner);
    }
    return AI_OK;
}

const ai_op ai_op_softmax = {check_softmax, prepare_softmax, run_softmax, false};
const ai_op ai_op_log_softmax = {check_softmax, prepare_log_softmax, run_log_softmax, false};
const ai_op ai_op_hardmax = {check_softmax, NULL, run_hardmax, false};
