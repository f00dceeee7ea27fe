/* SPDX-License-Identifier: Apache-2.0
 * LpNormalization (x / norm along an axis, 0 where the norm is 0; p 1 or 2) and
 * MeanVarianceNormalization ((x - mean) / (deviation + 1e-9) over some axes). */
#include <math.h>
#include <string.h>

#include "elem.h"

/* ---- LpNormalization ---- */

enum { CHUNK = 256 }; /* columns of a unit where the axis is not the last */

/* step->local: the input as [outer][size][inner], pieces of inner */
enum { OUTER = 0, SIZE = 1, INNER = 2, CHUNKS = 3 };

static ai_status check_lp_normalization(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    uint32_t axis;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK)
        status = ai_need_axis(s, p->axis, in->rank, &axis, err);
    if (status == AI_OK && p->count != 1 && p->count != 2)
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "p is %u, needs 1 or 2", p->count);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    s->local[OUTER] = ai_span(in->dim, 0, axis);
    s->local[SIZE] = in->dim[axis];
    s->local[INNER] = ai_span(in->dim, axis + 1, in->rank);
    s->local[CHUNKS] = s->local[INNER] / CHUNK + (s->local[INNER] % CHUNK != 0);
    s->work = ai_tensor_count(in) > 0 ? s->local[OUTER] * s->local[CHUNKS] : 1;
    s->scratch = CHUNK * (int64_t)sizeof(float);
    s->flops = 3 * (uint64_t)ai_tensor_count(in);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    return AI_OK;
}

static ai_status prepare_lp_normalization(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    uint32_t op = p->count == 1 ? AI_REDUCE_SUM_ABS : AI_REDUCE_SUM_SQUARE;
    return ai_choose(s, 0, AI_K_REDUCE + op, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
}

/* Norms of `count` neighbouring columns, squares and sums rounded apart. */
static void column_norms(const ai_step *s, const float *in, int64_t count, float *norm)
{
    const ai_axis_params *p = s->params;

    memset(norm, 0, (size_t)count * sizeof(float));
    for (int64_t k = 0; k < s->local[SIZE]; k++) {
        const float *row = in + k * s->local[INNER];
        for (int64_t i = 0; i < count; i++)
            norm[i] += p->count == 1 ? fabsf(row[i]) : row[i] * row[i];
    }
    for (int64_t i = 0; p->count == 2 && i < count; i++)
        norm[i] = sqrtf(norm[i]);
}

static float row_norm(const ai_step *s, const float *in)
{
    const ai_axis_params *p = s->params;
    float sum;
    ai_reduce_args args = {in, NULL, s->local[SIZE], 0, &sum};

    s->kernel[0]->fn(&args);
    return p->count == 1 ? sum : sqrtf(sum);
}

static ai_status run_lp_normalization(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                      ai_error *err)
{
    int64_t inner = s->local[INNER];
    float *norm = scratch;

    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first = unit % s->local[CHUNKS] * CHUNK;
        int64_t at = unit / s->local[CHUNKS] * s->local[SIZE] * inner + first;
        int64_t count = inner - first < CHUNK ? inner - first : CHUNK;
        const float *in = (const float *)s->in[0]->data + at;
        float *out = (float *)s->out[0]->data + at;
        if (inner == 1)
            norm[0] = row_norm(s, in);
        else
            column_norms(s, in, count, norm);
        for (int64_t k = 0; k < s->local[SIZE]; k++)
            for (int64_t i = 0; i < count; i++)
                out[k * inner + i] = norm[i] == 0 ? 0 : in[k * inner + i] / norm[i];
    }
    return AI_OK;
}

/* ---- MeanVarianceNormalization: a unit is a place among the axes that are kept ---- */

enum { MASK = 0 };
enum { SUM = 0, SUM_SQUARE = 1 };

static ai_status check_mean_variance(ai_step *s, ai_error *err)
{
    const ai_axes_params *p = s->params;
    const ai_tensor *in = s->in[0];
    int64_t axes[AI_FILE_MAX_RANK];
    uint32_t mask = 0;
    ai_axis_groups g;

    if (p->count > AI_FILE_MAX_RANK)
        return ai_fail_step(err, AI_E_SHAPE, s, "%u axes are named, at most %d", p->count,
                            AI_FILE_MAX_RANK);
    for (uint32_t i = 0; i < p->count; i++)
        axes[i] = p->axes[i];
    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK)
        status = ai_axes_mask(s, in->rank, p->count, axes, &mask, err);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    s->local[MASK] = mask;
    s->work = 1;
    if (ai_tensor_count(in) > 0) {
        ai_group_axes(in->rank, in->dim, mask, &g);
        s->work = ai_kept_count(&g);
    }
    s->flops = 5 * (uint64_t)ai_tensor_count(in);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    return AI_OK;
}

static ai_status prepare_mean_variance(ai_step *s, ai_error *err)
{
    ai_status status =
        ai_choose(s, SUM, AI_K_REDUCE + AI_REDUCE_SUM, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status = ai_choose(s, SUM_SQUARE, AI_K_REDUCE + AI_REDUCE_SUM_SQUARE, AI_F32, AI_F32,
                           AI_LAYOUT_PLAIN, err);
    return status;
}

/* Sum of x - offset (squared) over a place: dense rows as the kernel adds them, all else in order
 * in f64. */
static double sum_place(const ai_step *s, const ai_axis_groups *g, const float *in, uint32_t slot,
                        float offset)
{
    int64_t rows = ai_reduced_rows(g);
    int64_t columns = ai_reduced_columns(g);
    int64_t step = ai_reduced_step(g);
    double sum = 0;

    for (int64_t row = 0; row < rows; row++) {
        const float *x = in + ai_reduced_row_offset(g, row);
        float part;
        ai_reduce_args args = {x, NULL, columns, offset, &part};
        if (step == 1) {
            s->kernel[slot]->fn(&args);
            sum += part;
            continue;
        }
        for (int64_t i = 0; i < columns; i++) {
            double d = x[i * step] - (slot == SUM_SQUARE ? offset : 0);
            sum += slot == SUM_SQUARE ? d * d : d;
        }
    }
    return sum;
}

static ai_status run_mean_variance(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                   ai_error *err)
{
    const ai_tensor *in = s->in[0];
    ai_axis_groups g;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    ai_group_axes(in->rank, in->dim, (uint32_t)s->local[MASK], &g);
    int64_t rows = ai_reduced_rows(&g);
    int64_t columns = ai_reduced_columns(&g);
    int64_t step = ai_reduced_step(&g);
    double count = (double)ai_reduced_count(&g);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = ai_kept_offset(&g, unit);
        const float *x = (const float *)in->data + at;
        float *y = (float *)s->out[0]->data + at;
        float mean = (float)(sum_place(s, &g, x, SUM, 0) / count);
        float deviation = sqrtf((float)(sum_place(s, &g, x, SUM_SQUARE, mean) / count)) + 1e-9f;
        for (int64_t row = 0; row < rows; row++) {
            int64_t from = ai_reduced_row_offset(&g, row);
            for (int64_t i = 0; i < columns; i++)
                y[from + i * step] = (x[from + i * step] - mean) / deviation;
        }
    }
    return AI_OK;
}

const ai_op ai_op_lp_normalization = {check_lp_normalization, prepare_lp_normalization,
                                      run_lp_normalization, false};
const ai_op ai_op_mean_variance_normalization = {check_mean_variance, prepare_mean_variance,
                                                 run_mean_variance, false};
