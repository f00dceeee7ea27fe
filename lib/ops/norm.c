/* SPDX-License-Identifier: Apache-2.0
 * Normalisations by mean and variance of a dense span: InstanceNormalization, GroupNormalization,
 * LayerNormalization. mean = sum / n, variance = sum of (x - mean)^2 / n, both sums as the reducing
 * kernels add; the factor is 1 / sqrt(variance + epsilon). The mean is taken off before anything is
 * multiplied: where it is large beside the deviation, a product with it would drown the rest. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "elem.h"

/* kernel slots; MUL is LayerNormalization's */
enum { SUM = 0, SUM_SQUARE = 1, ADD = 2, AFFINE = 3, MUL = 3 };

static ai_status choose_common(ai_step *s, ai_error *err)
{
    ai_status status =
        ai_choose(s, SUM, AI_K_REDUCE + AI_REDUCE_SUM, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status = ai_choose(s, SUM_SQUARE, AI_K_REDUCE + AI_REDUCE_SUM_SQUARE, AI_F32, AI_F32,
                           AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status =
            ai_choose(s, ADD, AI_K_BINARY + AI_BINARY_ADD, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    return status;
}

static void span_stats(const ai_step *s, const float *x, int64_t count, float *mean, float *factor)
{
    const ai_axis_params *p = s->params;
    float sum;
    ai_reduce_args args = {x, NULL, count, 0, &sum};

    s->kernel[SUM]->fn(&args);
    *mean = sum / (float)count;
    args.offset = *mean;
    s->kernel[SUM_SQUARE]->fn(&args);
    *factor = 1 / sqrtf(sum / (float)count + p->epsilon);
}

/* ---- InstanceNormalization and GroupNormalization ---- */

/* step->local: the input as [images][groups][channels of a group][inner] */
enum { IMAGES = 0, GROUPS = 1, CHANNELS = 2, INNER = 3 };

static ai_status check_groups(ai_step *s, int64_t groups, ai_error *err)
{
    const ai_tensor *in = s->in[0];

    ai_status status = ai_need_plain(s, err);
    for (uint32_t i = 0; status == AI_OK && i < 3; i++)
        status = ai_need_type(s, i, AI_F32, err);
    for (uint32_t i = 1; status == AI_OK && i < 3; i++) {
        status = ai_need_rank(s, i, 1, err);
        if (status == AI_OK && s->in[i]->dim[0] != in->dim[1])
            status =
                ai_fail_step(err, AI_E_SHAPE, s,
                             "input %u has %" PRId64 " values, input 0 has %" PRId64 " channels", i,
                             s->in[i]->dim[0], in->dim[1]);
    }
    if (status == AI_OK && (groups < 1 || in->dim[1] % groups != 0))
        status = ai_fail_step(err, AI_E_SHAPE, s,
                              "%" PRId64 " channels do not divide into %" PRId64 " groups",
                              in->dim[1], groups);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    s->local[IMAGES] = in->dim[0];
    s->local[GROUPS] = groups;
    s->local[CHANNELS] = in->dim[1] / groups;
    s->local[INNER] = ai_span(in->dim, 2, in->rank);
    s->work = ai_tensor_count(in) > 0 ? in->dim[0] * groups : 1;
    s->flops = 5 * (uint64_t)ai_tensor_count(in);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    return AI_OK;
}

static ai_status need_channels(const ai_step *s, uint32_t least_rank, ai_error *err)
{
    if (s->in[0]->rank < least_rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "input 0 has rank %u, needs at least %u",
                            s->in[0]->rank, least_rank);
    return AI_OK;
}

static ai_status check_instance_normalization(ai_step *s, ai_error *err)
{
    ai_status status = need_channels(s, 2, err);
    if (status != AI_OK)
        return status;
    return check_groups(s, s->in[0]->dim[1] > 0 ? s->in[0]->dim[1] : 1, err);
}

static ai_status check_group_normalization(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    ai_status status = need_channels(s, 2, err);

    return status == AI_OK ? check_groups(s, p->count, err) : status;
}

static ai_status prepare_groups(ai_step *s, ai_error *err)
{
    ai_status status = choose_common(s, err);
    if (status == AI_OK)
        status = ai_choose(s, AFFINE, AI_K_UNARY + AI_UNARY_AFFINE, AI_F32, AI_F32, AI_LAYOUT_PLAIN,
                           err);
    return status;
}

/* A unit is a group of an image: y = fma(x - mean, scale * factor, bias). */
static ai_status run_groups(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    const float *scale = s->in[1]->data;
    const float *bias = s->in[2]->data;
    int64_t channels = s->local[CHANNELS];
    int64_t inner = s->local[INNER];
    int64_t count = channels * inner;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t unit = begin; unit < end; unit++) {
        const float *in = (const float *)s->in[0]->data + unit * count;
        float *out = (float *)s->out[0]->data + unit * count;
        float mean;
        float factor;
        span_stats(s, in, count, &mean, &factor);
        const float shift = -mean;
        ai_binary_args centre = {in, &shift, out, count, 1, 0};
        s->kernel[ADD]->fn(&centre);
        for (int64_t k = 0; k < channels; k++) {
            int64_t c = unit % s->local[GROUPS] * channels + k;
            float *row = out + k * inner;
            ai_unary_args args = {row, row, inner, scale[c] * factor, bias[c]};
            s->kernel[AFFINE]->fn(&args);
        }
    }
    return AI_OK;
}

/* ---- LayerNormalization: x, scale, bias or NONE; y, mean, 1 / deviation ---- */

/* step->local: rows and their length; lengths after which scale and bias repeat */
enum { ROWS = 0, LENGTH = 1, SCALE_PERIOD = 2, BIAS_PERIOD = 3 };

/* Scale and bias have the shape of the normalised dimensions or, as broadcasting allows, of the
 * last of them. */
static ai_status check_row_operand(ai_step *s, uint32_t i, uint32_t axis, int64_t *period,
                                   ai_error *err)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *t = s->in[i];
    uint32_t first = 0;
    char text[2][AI_SHAPE_TEXT];

    ai_status status = ai_need_type(s, i, AI_F32, err);
    if (status != AI_OK)
        return status;
    while (first < t->rank && t->dim[first] == 1)
        first++;
    uint32_t rank = t->rank - first;
    bool fits = rank <= in->rank - axis;
    for (uint32_t d = 0; fits && d < rank; d++)
        fits = t->dim[t->rank - 1 - d] == in->dim[in->rank - 1 - d];
    if (!fits)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "input %u is %s, the normalised dimensions are %s", i,
                            ai_shape_text(t->rank, t->dim, text[0]),
                            ai_shape_text(in->rank - axis, in->dim + axis, text[1]));
    *period = ai_span(t->dim, first, t->rank);
    return AI_OK;
}

static ai_status check_layer_normalization(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    int64_t dim[AI_MAX_RANK];
    uint32_t axis;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK)
        status = ai_need_axis(s, p->axis, in->rank, &axis, err);
    if (status == AI_OK)
        status = check_row_operand(s, 1, axis, &s->local[SCALE_PERIOD], err);
    if (status == AI_OK && s->in_count > 2 && s->in[2] != NULL)
        status = check_row_operand(s, 2, axis, &s->local[BIAS_PERIOD], err);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    for (uint32_t d = 0; d < in->rank; d++)
        dim[d] = d < axis ? in->dim[d] : 1;
    for (uint32_t i = 1; status == AI_OK && i < s->out_count; i++)
        status = ai_set_output(s, i, AI_F32, in->rank, dim, err);
    s->local[ROWS] = ai_span(in->dim, 0, axis);
    s->local[LENGTH] = ai_span(in->dim, axis, in->rank);
    s->work = ai_tensor_count(in) > 0 ? s->local[ROWS] : 1;
    s->flops = 7 * (uint64_t)ai_tensor_count(in);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    return status;
}

static ai_status prepare_layer_normalization(ai_step *s, ai_error *err)
{
    ai_status status = choose_common(s, err);
    if (status == AI_OK)
        status =
            ai_choose(s, MUL, AI_K_BINARY + AI_BINARY_MUL, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    return status;
}

/* row[i] = f(row[i], b[i % period]) */
static void apply(const ai_step *s, uint32_t slot, const float *in, float *row, const float *b,
                  int64_t period)
{
    int64_t length = s->local[LENGTH];
    int64_t part = period > 1 ? period : length;

    for (int64_t i = 0; i < length; i += part) {
        ai_binary_args args = {in + i, b, row + i, part, 1, period > 1 ? 1 : 0};
        s->kernel[slot]->fn(&args);
    }
}

/* A unit is a row: (x - mean) * factor * scale + bias, each step rounded. */
static ai_status run_layer_normalization(const ai_step *s, int64_t begin, int64_t end,
                                         void *scratch, ai_error *err)
{
    int64_t length = s->local[LENGTH];

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t unit = begin; unit < end; unit++) {
        const float *in = (const float *)s->in[0]->data + unit * length;
        float *out = (float *)s->out[0]->data + unit * length;
        float mean;
        float factor;
        span_stats(s, in, length, &mean, &factor);
        const float shift = -mean;
        apply(s, ADD, in, out, &shift, 1);
        apply(s, MUL, out, out, &factor, 1);
        apply(s, MUL, out, out, s->in[1]->data, s->local[SCALE_PERIOD]);
        if (s->in_count > 2 && s->in[2] != NULL)
            apply(s, ADD, out, out, s->in[2]->data, s->local[BIAS_PERIOD]);
        if (s->out_count > 1 && s->out[1] != NULL)
            ((float *)s->out[1]->data)[unit] = mean;
        if (s->out_count > 2 && s->out[2] != NULL)
            ((float *)s->out[2]->data)[unit] = factor;
    }
    return AI_OK;
}

const ai_op ai_op_instance_normalization = {check_instance_normalization, prepare_groups,
                                            run_groups, false};
const ai_op ai_op_group_normalization = {check_group_normalization, prepare_groups, run_groups,
                                         false};
const ai_op ai_op_layer_normalization = {check_layer_normalization, prepare_layer_normalization,
                                         run_layer_normalization, false};
