/* SPDX-License-Identifier: Apache-2.0
 * BatchNormalization: x, scale, bias, mean, var. y = fma(x, s, t) with s = scale / sqrt(var +
 * epsilon) and t = fma(-mean, s, bias). In training mode mean and variance are those of the batch,
 * and outputs 1 and 2 are the running ones. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "elem.h"

/* ai_axis_params.flags */
enum { TRAINING_MODE = 1 };

/* step->local: the input as [images][channels][inner] */
enum { IMAGES = 0, CHANNELS = 1, INNER = 2 };

/* kernel slots */
enum { AFFINE = 0, DEPTHWISE = 1, SUM = 2, SUM_SQUARE = 3 };

/* Below this a row is computed in place rather than by kernel: the same fma. */
enum { SHORT_ROW = 8 };

static bool is_training(const ai_step *s)
{
    return (((const ai_axis_params *)s->params)->flags & TRAINING_MODE) != 0;
}

static ai_status check_channel_input(const ai_step *s, uint32_t i, ai_error *err)
{
    const ai_tensor *t = s->in[i];

    ai_status status = ai_need_type(s, i, AI_F32, err);
    if (status == AI_OK)
        status = ai_need_rank(s, i, 1, err);
    if (status == AI_OK && t->layout != AI_LAYOUT_PLAIN)
        status = ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, needs a plain tensor",
                              i, t->layout);
    if (status == AI_OK && t->dim[0] != s->local[CHANNELS])
        status = ai_fail_step(err, AI_E_SHAPE, s,
                              "input %u has %" PRId64 " values, input 0 has %" PRId64 " channels",
                              i, t->dim[0], s->local[CHANNELS]);
    return status;
}

/* Outputs 1 and 2: the running mean and variance; of rank 1, so never in blocks. */
static ai_status check_running(ai_step *s, ai_error *err)
{
    for (uint32_t i = 1; i < s->out_count; i++) {
        if (s->out[i] == NULL)
            continue;
        if (!is_training(s))
            return ai_fail_step(err, AI_E_UNSUPPORTED, s, "output %u needs training_mode", i);
        ai_status status = ai_set_output(s, i, AI_F32, 1, &s->local[CHANNELS], err);
        if (status != AI_OK)
            return status;
    }
    return AI_OK;
}

static ai_status check_batch_normalization(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];

    ai_status status = ai_need_type(s, 0, AI_F32, err);
    if (status != AI_OK)
        return status;
    if (in->rank < 1)
        return ai_fail_step(err, AI_E_SHAPE, s, "input 0 has rank 0, needs at least 1");
    if (in->layout != s->out[0]->layout || (in->layout != AI_LAYOUT_PLAIN && is_training(s)))
        return ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                            in->layout, s->out[0]->layout);
    if (in->layout == AI_LAYOUT_NCHW16C && (in->dim[2] > INT32_MAX || in->dim[3] > INT32_MAX))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "image has %" PRId64 " x %" PRId64 " pixels, each at most 2^31-1",
                            in->dim[2], in->dim[3]);
    s->local[IMAGES] = ai_tensor_count(in) > 0 ? in->dim[0] : 0;
    s->local[CHANNELS] = in->rank > 1 ? in->dim[1] : 1;
    s->local[INNER] = ai_span(in->dim, 2, in->rank);
    for (uint32_t i = 1; status == AI_OK && i < 5; i++)
        status = check_channel_input(s, i, err);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status == AI_OK)
        status = check_running(s, err);
    if (status != AI_OK)
        return status;
    s->flops = 2 * (uint64_t)ai_tensor_count(in);
    s->work = 1;
    if (is_training(s))
        s->work = ai_units(s->local[CHANNELS]);
    else if (ai_tensor_count(in) > 0)
        s->work =
            in->layout == AI_LAYOUT_NCHW16C ? ai_image_blocks(in) : s->local[IMAGES] * s->local[CHANNELS];
    s->alias = in->layout == AI_LAYOUT_PLAIN ? AI_ALIAS_INPLACE : AI_ALIAS_NONE;
    s->alias_input = 0;
    return AI_OK;
}

static ai_status prepare_batch_normalization(ai_step *s, ai_error *err)
{
    ai_status status =
        ai_choose(s, AFFINE, AI_K_UNARY + AI_UNARY_AFFINE, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status = ai_choose(s, DEPTHWISE, AI_K_CONV_DEPTHWISE, AI_F32, AI_F32, AI_LAYOUT_DEPTHWISE16,
                           err);
    if (status == AI_OK)
        status =
            ai_choose(s, SUM, AI_K_REDUCE + AI_REDUCE_SUM, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK)
        status = ai_choose(s, SUM_SQUARE, AI_K_REDUCE + AI_REDUCE_SUM_SQUARE, AI_F32, AI_F32,
                           AI_LAYOUT_PLAIN, err);
    return status;
}

static float value_of(const ai_step *s, uint32_t i, int64_t channel)
{
    return ((const float *)s->in[i]->data)[channel];
}

/* s and t of a channel with this mean and variance. */
static void channel_affine(const ai_step *s, int64_t c, float mean, float var, float *factor,
                           float *offset)
{
    const ai_axis_params *p = s->params;

    *factor = value_of(s, 1, c) / sqrtf(var + p->epsilon);
    *offset = fmaf(-mean, *factor, value_of(s, 2, c));
}

/* One row of INNER numbers of a channel. */
static void run_row(const ai_step *s, int64_t row, float factor, float offset)
{
    int64_t inner = s->local[INNER];
    ai_unary_args args = {(const float *)s->in[0]->data + row * inner,
                          (float *)s->out[0]->data + row * inner, inner, factor, offset};

    if (inner >= SHORT_ROW) {
        s->kernel[AFFINE]->fn(&args);
        return;
    }
    for (int64_t i = 0; i < inner; i++)
        args.out[i] = fmaf(args.in[i], factor, offset);
}

static void run_plain(const ai_step *s, int64_t begin, int64_t end)
{
    for (int64_t row = begin; row < end; row++) {
        int64_t c = row % s->local[CHANNELS];
        float factor;
        float offset;
        channel_affine(s, c, value_of(s, 3, c), value_of(s, 4, c), &factor, &offset);
        run_row(s, row, factor, offset);
    }
}

/* A depthwise convolution of one tap is fma(x, weight, bias) in every lane. */
static void run_blocks(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    int64_t blocks = (in->dim[1] + 15) / 16;

    for (int64_t plane = begin; plane < end; plane++) {
        float factor[16] = {0};
        float offset[16] = {0};
        int64_t first = plane % blocks * 16;
        for (int64_t c = first; c < first + 16 && c < in->dim[1]; c++)
            channel_affine(s, c, value_of(s, 3, c), value_of(s, 4, c), &factor[c - first],
                           &offset[c - first]);
        ai_conv_args args = {.in = (const float *)in->data + plane * in->plane,
                             .in_row = in->row,
                             .in_plane = in->plane,
                             .weights = factor,
                             .panel = 16,
                             .bias = offset,
                             .out = (float *)out->data + plane * out->plane,
                             .out_row = out->row,
                             .out_plane = out->plane,
                             .ic = 1,
                             .kh = 1,
                             .kw = 1,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .ow = (int32_t)in->dim[3],
                             .row_end = (int32_t)in->dim[2],
                             .panel_end = 1,
                             .lo = -INFINITY,
                             .hi = INFINITY};
        s->kernel[DEPTHWISE]->fn(&args);
    }
}

/* Sum over the rows of a channel: each row as the kernel adds it, rows in order in f64. */
static double sum_channel(const ai_step *s, uint32_t slot, int64_t c, float offset)
{
    int64_t inner = s->local[INNER];
    double sum = 0;

    for (int64_t n = 0; n < s->local[IMAGES]; n++) {
        float part;
        ai_reduce_args args = {(const float *)s->in[0]->data + (n * s->local[CHANNELS] + c) * inner,
                               NULL, inner, offset, &part};
        s->kernel[slot]->fn(&args);
        sum += part;
    }
    return sum;
}

static void store_running(const ai_step *s, uint32_t i, int64_t c, float batch)
{
    const ai_axis_params *p = s->params;

    if (i < s->out_count && s->out[i] != NULL)
        ((float *)s->out[i]->data)[c] =
            value_of(s, i + 2, c) * p->momentum + batch * (1 - p->momentum);
}

/* A unit is a channel. */
static void run_training(const ai_step *s, int64_t begin, int64_t end)
{
    double count = (double)(s->local[IMAGES] * s->local[INNER]);

    for (int64_t c = begin; c < end; c++) {
        float mean = (float)(sum_channel(s, SUM, c, 0) / count);
        float var = (float)(sum_channel(s, SUM_SQUARE, c, mean) / count);
        float factor;
        float offset;
        store_running(s, 1, c, mean);
        store_running(s, 2, c, var);
        channel_affine(s, c, mean, var, &factor, &offset);
        for (int64_t n = 0; n < s->local[IMAGES]; n++)
            run_row(s, n * s->local[CHANNELS] + c, factor, offset);
    }
}

static ai_status run_batch_normalization(const ai_step *s, int64_t begin, int64_t end,
                                         void *scratch, ai_error *err)
{
    (void)scratch;
    (void)err;
    if (s->local[CHANNELS] == 0 || (!is_training(s) && ai_is_empty(s, 0)))
        return AI_OK;
    if (is_training(s))
        run_training(s, begin, end);
    else if (s->in[0]->layout == AI_LAYOUT_NCHW16C)
        run_blocks(s, begin, end);
    else
        run_plain(s, begin, end);
    return AI_OK;
}

const ai_op ai_op_batch_normalization = {check_batch_normalization, prepare_batch_normalization,
                                         run_batch_normalization, false};
