/* SPDX-License-Identifier: Apache-2.0
 * ReduceSum and ReduceMean: x, axes or NONE. Where the last axis is reduced, each dense row is
 * added as the reducing kernel does, and rows in order in f64, rounded once; where it is kept,
 * whole rows are added in order. Integers are added modulo 2^64; their mean is truncated, and 0 of
 * nothing. */
#include <math.h>
#include <string.h>

#include "elem.h"

/* ai_axis_params.flags: no axes means none, not all */
enum { NOOP_WITH_EMPTY_AXES = 1 };

enum { CHUNK = 256 }; /* columns of a unit where the last axis is kept */

/* kernel slots */
enum { SUM = 0, ADD = 1, DIV = 2 };

/* step->local: what is reduced, and the shape */
enum { MASK = 0, CHUNKS = 1 };

static ai_status read_mask(ai_step *s, uint32_t *mask, ai_error *err)
{
    const ai_axis_params *p = s->params;
    int64_t axes[AI_MAX_RANK];
    uint32_t count = 0;

    if (s->in_count > 1 && s->in[1] != NULL) {
        ai_status status = ai_known_ints(s, 1, axes, AI_MAX_RANK, &count, err);
        if (status != AI_OK)
            return status;
    }
    if (count > 0)
        return ai_axes_mask(s, s->in[0]->rank, count, axes, mask, err);
    *mask = (p->flags & NOOP_WITH_EMPTY_AXES) != 0 ? 0 : (1u << s->in[0]->rank) - 1;
    return AI_OK;
}

static bool last_is_kept(const ai_axis_groups *g)
{
    return g->kept_rank > 0 && g->kept_stride[g->kept_rank - 1] == 1;
}

static void set_units(ai_step *s)
{
    const ai_tensor *in = s->in[0];
    ai_axis_groups g;

    s->work = 1;
    if (ai_tensor_count(in) == 0)
        return;
    ai_group_axes(in->rank, in->dim, (uint32_t)s->local[MASK], &g);
    s->work = ai_kept_count(&g);
    if (in->type == AI_F32 && last_is_kept(&g)) {
        int64_t columns = g.kept_dim[g.kept_rank - 1];
        s->local[CHUNKS] = (columns + CHUNK - 1) / CHUNK;
        s->work = s->work / columns * s->local[CHUNKS];
    }
}

static ai_status check_reduce(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    int64_t dim[AI_MAX_RANK];
    uint32_t rank = 0;
    uint32_t mask = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && (in->type == AI_BOOL || in->type == AI_F16 || in->type == AI_BF16))
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "input is %s, needs f32, f64 or integers",
                              ai_type_name(in->type));
    if (status == AI_OK)
        status = read_mask(s, &mask, err);
    if (status != AI_OK)
        return status;
    for (uint32_t d = 0; d < in->rank; d++) {
        bool is_reduced = (mask >> d & 1) != 0;
        if (!is_reduced || p->keepdims != 0)
            dim[rank++] = is_reduced ? 1 : in->dim[d];
    }
    status = ai_set_output(s, 0, in->type, rank, dim, err);
    if (status != AI_OK)
        return status;
    s->local[MASK] = mask;
    s->flops = (uint64_t)ai_tensor_count(in);
    set_units(s);
    return AI_OK;
}

static ai_status prepare_reduce(ai_step *s, ai_error *err)
{
    if (s->in[0]->type != AI_F32)
        return AI_OK;
    ai_status status =
        ai_choose(s, SUM, AI_K_REDUCE + AI_REDUCE_SUM, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status =
            ai_choose(s, ADD, AI_K_BINARY + AI_BINARY_ADD, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status =
            ai_choose(s, DIV, AI_K_BINARY + AI_BINARY_DIV, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    return status;
}

/* ---- f32 ---- */

/* A unit is an output; the last axis is reduced (or nothing is left of it). */
static void sum_rows(const ai_step *s, const ai_axis_groups *g, bool is_mean, int64_t begin,
                     int64_t end)
{
    int64_t rows = ai_reduced_rows(g);
    double count = (double)ai_reduced_count(g);

    for (int64_t unit = begin; unit < end; unit++) {
        const float *in = (const float *)s->in[0]->data + ai_kept_offset(g, unit);
        double sum = 0;
        for (int64_t row = 0; row < rows; row++) {
            float part;
            ai_reduce_args args = {in + ai_reduced_row_offset(g, row), NULL, ai_reduced_columns(g),
                                   0, &part};
            s->kernel[SUM]->fn(&args);
            sum += part;
        }
        ((float *)s->out[0]->data)[unit] = (float)(is_mean ? sum / count : sum);
    }
}

/* Adds all of the reduced space to a piece of a row of kept numbers. */
static void add_columns(const ai_step *s, const ai_axis_groups *g, const float *in, float *out,
                        int64_t columns)
{
    int64_t rows = ai_reduced_rows(g);
    int64_t inner = ai_reduced_columns(g);
    int64_t step = ai_reduced_step(g);

    for (int64_t row = 0; row < rows; row++) {
        const float *from = in + ai_reduced_row_offset(g, row);
        for (int64_t i = 0; i < inner; i++) {
            ai_binary_args args = {out, from + i * step, out, columns, 1, 1};
            if (row == 0 && i == 0)
                memcpy(out, from, (size_t)columns * sizeof(float));
            else
                s->kernel[ADD]->fn(&args);
        }
    }
}

/* A unit is a piece of at most CHUNK columns of a row of kept numbers. */
static void sum_columns(const ai_step *s, const ai_axis_groups *g, bool is_mean, int64_t begin,
                        int64_t end)
{
    int64_t columns = g->kept_dim[g->kept_rank - 1];
    int64_t chunks = s->local[CHUNKS];
    float count = (float)ai_reduced_count(g);

    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first = unit % chunks * CHUNK;
        int64_t n = columns - first < CHUNK ? columns - first : CHUNK;
        int64_t at = unit / chunks * columns + first;
        float *out = (float *)s->out[0]->data + at;
        add_columns(s, g, (const float *)s->in[0]->data + ai_kept_offset(g, at), out, n);
        ai_binary_args args = {out, &count, out, n, 1, 0};
        if (is_mean)
            s->kernel[DIV]->fn(&args);
    }
}

/* ---- f64 and integers: a unit is an output ---- */

static void sum_plain(const ai_step *s, const ai_axis_groups *g, bool is_mean, int64_t begin,
                      int64_t end)
{
    const ai_type type = s->in[0]->type;
    const void *in = s->in[0]->data;
    size_t bytes = ai_type_bytes(type);
    int64_t columns = ai_reduced_columns(g);
    int64_t count = ai_reduced_count(g);

    for (int64_t unit = begin; unit < end; unit++) {
        int64_t from = ai_kept_offset(g, unit);
        double real = 0;
        uint64_t whole = 0;
        for (int64_t i = 0; i < count; i++) {
            int64_t at =
                from + ai_reduced_row_offset(g, i / columns) + i % columns * ai_reduced_step(g);
            if (type == AI_F64)
                real += ((const double *)in)[at];
            else
                whole += (uint64_t)ai_get_s64(in, type, at);
        }
        if (is_mean && type == AI_F64)
            real /= (double)count;
        else if (is_mean && type == AI_U64)
            whole /= (uint64_t)count;
        else if (is_mean)
            whole = (uint64_t)((int64_t)whole / count);
        ai_convert(type == AI_F64 ? (const void *)&real : (const void *)&whole,
                   type == AI_F64 ? AI_F64 : AI_U64, (char *)s->out[0]->data + (size_t)unit * bytes,
                   type, 1);
    }
}

/* ---- */

/* Sums of nothing are 0, their means 0 / 0. */
static void fill_empty(const ai_step *s, bool is_mean)
{
    const ai_tensor *out = s->out[0];
    double value = is_mean && ai_is_float(out->type) ? NAN : 0;
    size_t bytes = ai_type_bytes(out->type);

    for (int64_t i = 0; i < ai_tensor_count(out); i++)
        ai_convert(&value, AI_F64, (char *)out->data + (size_t)i * bytes, out->type, 1);
}

static ai_status run_reduce(const ai_step *s, bool is_mean, int64_t begin, int64_t end)
{
    const ai_tensor *in = s->in[0];
    ai_axis_groups g;

    if (ai_is_empty(s, 0) || begin >= end)
        return AI_OK;
    if (ai_tensor_count(in) == 0) {
        fill_empty(s, is_mean);
        return AI_OK;
    }
    ai_group_axes(in->rank, in->dim, (uint32_t)s->local[MASK], &g);
    if (in->type != AI_F32)
        sum_plain(s, &g, is_mean, begin, end);
    else if (last_is_kept(&g))
        sum_columns(s, &g, is_mean, begin, end);
    else
        sum_rows(s, &g, is_mean, begin, end);
    return AI_OK;
}

static ai_status run_reduce_sum(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                ai_error *err)
{
    (void)scratch;
    (void)err;
    return run_reduce(s, false, begin, end);
}

static ai_status run_reduce_mean(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                 ai_error *err)
{
    (void)scratch;
    (void)err;
    return run_reduce(s, true, begin, end);
}

const ai_op ai_op_reduce_sum = {check_reduce, prepare_reduce, run_reduce_sum, false};
const ai_op ai_op_reduce_mean = {check_reduce, prepare_reduce, run_reduce_mean, false};
