/* SPDX-License-Identifier: Apache-2.0
 * ConvTranspose: its check, and the form on plain tensors, where each output gathers its products
 * as a convolution does. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "conv_transpose.h"

/* An output at o takes kernel position k of the input at i where o + pad = i * stride + k *
 * dilation. Outputs of one class, o % stride in each dimension, share their positions k, and
 * neighbours of a class read neighbouring inputs: a class is a plain convolution without stride.
 * The sum starts at the bias, then come input channels, then kernel positions; inputs outside are
 * added as zeros. */

static bool is_blocked(const ai_step *s)
{
    return s->in[1]->layout == AI_LAYOUT_TRANSPOSED16;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void ai_transpose_window(const ai_step *s, ai_window3 *v)
{
    const ai_conv_transpose_params *p = s->params;
    const int64_t none[2 * AI_MAX_SPATIAL] = {0};

    ai_window3_set(v, &p->window, s->in[0]->dim, s->out[0]->dim, none);
    memcpy(v->pad, &s->local[AI_TRANSPOSE_PAD], sizeof(v->pad));
}

void ai_transpose_reach(const ai_window3 *v, ai_transpose_slab *b)
{
    b->has_border = false;
    for (int i = 0; i < 3; i++) {
        int64_t reach = (v->kernel[i] - 1) * v->dilation[i];
        int64_t last = floor_div(v->out[i] - 1 + v->pad[i], v->stride[i]);
        b->first[i] = -floor_div(reach - v->pad[i], v->stride[i]);
        b->size[i] = ai_max(last - b->first[i] + 1, 1);
        b->has_border |= b->first[i] < 0 || last >= v->in[i];
    }
}

/* The slab of the plain form: the input itself if it has no border, else a copy in the scratch. */
static void get_slab(const ai_window3 *v, ai_transpose_slab *b)
{
    ai_transpose_reach(v, b);
    for (int i = 0; i < 3 && !b->has_border; i++) {
        b->first[i] = 0;
        b->size[i] = v->in[i];
    }
}

/* Work is shared by slices of the outermost dimension but the columns: rows, or planes. */
static int slice_axis(const ai_window3 *v)
{
    return v->out[0] > 1 || v->kernel[0] > 1 ? 0 : 1;
}

/* ---- Check ---- */

static ai_status check_operands(const ai_step *s, const ai_conv_transpose_params *p, ai_error *err)
{
    ai_status status = ai_window_check(s, &p->window, err);

    for (uint32_t i = 0; i < s->in_count && status == AI_OK; i++) {
        if (i < 2 || s->in[i] != NULL)
            status = ai_need_type(s, i, AI_F32, err);
    }
    if (status != AI_OK || (!is_blocked(s) && (status = ai_need_plain(s, err)) != AI_OK) ||
        (status = ai_need_rank(s, 0, 2 + p->window.spatial, err)) != AI_OK ||
        (status = ai_need_rank(s, 1, 2 + p->window.spatial, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (p->has_output_shape > 1)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "has_output_shape is %u, needs 0 or 1",
                            p->has_output_shape);
    return AI_OK;
}

static ai_status check_weight(const ai_step *s, const ai_conv_transpose_params *p,
                              int64_t *channels, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];
    const ai_tensor *bias = ai_conv_operand(s, 2);

    if (x->dim[1] < 1 || w->dim[1] < 1 || x->dim[1] != w->dim[0])
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " channels, input has %" PRId64, w->dim[0],
                            x->dim[1]);
    if (p->group < 1 || x->dim[1] % p->group != 0)
        return ai_fail_step(err, AI_E_SHAPE, s, "group %u does not divide %" PRId64 " channels",
                            p->group, x->dim[1]);
    if (!ai_mul(w->dim[1], p->group, channels))
        return ai_fail_step(err, AI_E_SHAPE, s, "output has over 2^63 channels");
    for (uint32_t i = 0; i < p->window.spatial; i++) {
        if (w->dim[2 + i] != p->window.kernel[i])
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "weight dimension %u is %" PRId64 ", kernel has %u", 2 + i,
                                w->dim[2 + i], p->window.kernel[i]);
    }
    if (bias != NULL && (bias->rank != 1 || bias->dim[0] != *channels))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "bias has rank %u and dimension %" PRId64 ", needs %" PRId64 " numbers",
                            bias->rank, bias->dim[0], *channels);
    return AI_OK;
}

/* ONNX's output shape of one dimension, and the padding before its begin. Fields of the window are
 * at most 2^20 and sizes below 2^31, so nothing overflows. */
static ai_status shape_axis(const ai_step *s, const ai_conv_transpose_params *p, uint32_t i,
                            int64_t *out, int64_t *pad, ai_error *err)
{
    const ai_window *w = &p->window;
    int64_t in = s->in[0]->dim[2 + i];

    if (in < 1 || in > INT32_MAX || p->output_padding[i] > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "dimension %u is %" PRId64 ", output_padding %u, needs 1 to 2^31-1",
                            2 + i, in, p->output_padding[i]);
    int64_t whole = (in - 1) * w->stride[i] + p->output_padding[i] +
                    ((int64_t)w->kernel[i] - 1) * w->dilation[i] + 1;
    bool is_same = w->auto_pad == AI_PAD_SAME_UPPER || w->auto_pad == AI_PAD_SAME_LOWER;
    *pad = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_begin[i] : 0;
    *out = whole - (w->auto_pad == AI_PAD_EXPLICIT ? *pad + w->pad_end[i] : 0);
    if (p->has_output_shape || is_same) {
        *out = p->has_output_shape ? p->output_shape[i] : in * w->stride[i];
        int64_t total = ai_max(whole - *out, 0);
        *pad = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    }
    if (*out < 1 || *out > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "output dimension %u is %" PRId64 ", needs 1 to 2^31-1", 2 + i, *out);
    return AI_OK;
}

static ai_status plan_plain(ai_step *s, const ai_conv_transpose_params *p, ai_error *err)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *w = s->in[1];
    int64_t ic = w->dim[0] / p->group;
    ai_window3 v;
    ai_transpose_slab b;
    int64_t plane;

    ai_transpose_window(s, &v);
    get_slab(&v, &b);
    int64_t taps = v.kernel[0] * v.kernel[1]; /* at most the weight's elements */
    s->work = ai_max(y->dim[0] * y->dim[1] * v.out[slice_axis(&v)], 1);
    if (!ai_mul(b.size[0], b.size[1], &plane) ||
        !ai_scratch_add(&s->scratch, ic, taps, v.kernel[2], sizeof(int64_t)) ||
        !ai_scratch_add(&s->scratch, ic, taps, v.kernel[2], sizeof(float)) ||
        !ai_scratch_add(&s->scratch, v.out[2], 1, 1, sizeof(float)) ||
        (b.has_border && !ai_scratch_add(&s->scratch, ic, plane, b.size[2], sizeof(float))))
        return ai_fail_step(err, AI_E_SHAPE, s, "padded input is over 2^44 bytes");
    return AI_OK;
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_conv_transpose_params *p = s->params;
    int64_t dim[AI_MAX_RANK];
    ai_status status = check_operands(s, p, err);

    if (status != AI_OK || (status = check_weight(s, p, &dim[1], err)) != AI_OK)
        return status;
    dim[0] = s->in[0]->dim[0];
    for (int i = 0; i < 3; i++)
        s->local[AI_TRANSPOSE_PAD + i] = 0;
    for (uint32_t i = 0; i < p->window.spatial; i++) {
        int64_t *pad = &s->local[AI_TRANSPOSE_PAD + 3 - p->window.spatial + i];
        if ((status = shape_axis(s, p, i, &dim[2 + i], pad, err)) != AI_OK)
            return status;
    }
    if ((status = ai_set_output(s, 0, AI_F32, s->in[0]->rank, dim, err)) != AI_OK)
        return status;
    const ai_tensor *w = s->in[1];
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = 2 * (uint64_t)ai_tensor_count(s->in[0]) * (uint64_t)(ai_tensor_count(w) / w->dim[0]);
    return is_blocked(s) ? ai_transpose_blocks_check(s, err) : plan_plain(s, p, err);
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (is_blocked(s))
        return ai_choose(s, 0, AI_K_CONV, AI_F32, AI_F32, AI_LAYOUT_CONV16, err);
    return ai_choose(s, 0, AI_K_CONV_PLAIN, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
}

/* ---- Run ---- */

typedef struct job {
    const ai_step *step;
    ai_window3 v;
    ai_transpose_slab b;
    ai_conv_plain_args args;
    int64_t ic; /* of a group */
    int64_t *taps;
    float *weights;
    float *row;           /* a class's outputs of one row, before they are spread */
    float *copy;          /* the padded input of a group */
    int64_t copied_group; /* of all images, or -1 */
    const float *in;
} job;

/* Copies the part of one row that lies inside the input, and zeros around it. */
static void copy_row(const job *j, const float *in, float *out)
{
    int64_t first = j->b.first[2];
    int64_t size = j->b.size[2];
    int64_t begin = ai_min(ai_max(-first, 0), size);
    int64_t end = ai_max(ai_min(j->v.in[2] - first, size), begin);

    memset(out, 0, (size_t)size * sizeof(float));
    if (end > begin)
        memcpy(out + begin, in + first + begin, (size_t)(end - begin) * sizeof(float));
}

static void copy_group(const job *j, const float *in)
{
    const int64_t *size = j->b.size;
    for (int64_t i = 0; i < j->ic * size[0] * size[1]; i++) {
        int64_t c = i / (size[0] * size[1]);
        int64_t d = i / size[1] % size[0] + j->b.first[0];
        int64_t h = i % size[1] + j->b.first[1];
        float *out = j->copy + i * size[2];
        if (d < 0 || d >= j->v.in[0] || h < 0 || h >= j->v.in[1])
            memset(out, 0, (size_t)size[2] * sizeof(float));
        else
            copy_row(j, in + ((c * j->v.in[0] + d) * j->v.in[1] + h) * j->v.in[2], out);
    }
}

static void select_group(job *j, int64_t image, int64_t group)
{
    const ai_conv_transpose_params *p = j->step->params;
    int64_t unit = image * p->group + group;
    int64_t plane = j->v.in[0] * j->v.in[1] * j->v.in[2];

    j->in = (const float *)j->step->in[0]->data + unit * j->ic * plane;
    if (!j->b.has_border)
        return;
    if (j->copied_group != unit)
        copy_group(j, j->in);
    j->copied_group = unit;
    j->in = j->copy;
}

/* Whether position k contributes to the class; *at is where its input lies for the first output. */
static bool tap_at(const job *j, int i, int64_t class, int64_t k, int64_t *at)
{
    int64_t distance = class + j->v.pad[i] - k * j->v.dilation[i];
    *at = floor_div(distance, j->v.stride[i]) - j->b.first[i];
    return distance % j->v.stride[i] == 0;
}

/* Lists the taps of a class and their weights for one output channel. */
static void list_taps(job *j, const int64_t class[3], int64_t channel)
{
    const ai_tensor *w = j->step->in[1];
    const int64_t *kernel = j->v.kernel;
    const int64_t *size = j->b.size;
    int64_t volume = kernel[0] * kernel[1] * kernel[2];
    int64_t group = channel / w->dim[1];
    int64_t count = 0;
    int64_t at[3];

    for (int64_t c = 0; c < j->ic; c++) {
        const float *from = (const float *)w->data +
                            ((group * j->ic + c) * w->dim[1] + channel % w->dim[1]) * volume;
        for (int64_t d = 0; d < kernel[0]; d++) {
            for (int64_t h = 0; h < kernel[1]; h++) {
                if (!tap_at(j, 0, class[0], d, &at[0]) || !tap_at(j, 1, class[1], h, &at[1]))
                    continue;
                for (int64_t k = 0; k < kernel[2]; k++) {
                    if (!tap_at(j, 2, class[2], k, &at[2]))
                        continue;
                    j->taps[count] = ((c * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2];
                    j->weights[count++] = from[(d * kernel[1] + h) * kernel[2] + k];
                }
            }
        }
    }
    j->args.tap_count = count;
}

/* Computes the outputs of a class in the row (d, h), `out` being that row. */
static void run_row(job *j, int64_t d, int64_t h, int64_t class, float *out)
{
    const ai_window3 *v = &j->v;
    ai_conv_plain_args *a = &j->args;

    a->in = j->in + (d / v->stride[0] * j->b.size[1] + h / v->stride[1]) * j->b.size[2];
    a->columns = (v->out[2] - class + v->stride[2] - 1) / v->stride[2];
    a->out = v->stride[2] == 1 ? out : j->row;
    j->step->kernel[0]->fn(a);
    if (v->stride[2] == 1)
        return;
    for (int64_t i = 0; i < a->columns; i++)
        out[class + i * v->stride[2]] = j->row[i];
}

/* Slices [begin, end) of one output channel, class by class. `first` is the first slice and row of
 * the class. */
static void run_class(job *j, int64_t image, int64_t channel, const int64_t first[3], int64_t end)
{
    const ai_tensor *y = j->step->out[0];
    const ai_window3 *v = &j->v;
    int axis = slice_axis(v);
    int64_t d_end = axis == 0 ? end : v->out[0];
    int64_t h_end = axis == 0 ? v->out[1] : end;
    float *plane =
        (float *)y->data + (image * y->dim[1] + channel) * v->out[0] * v->out[1] * v->out[2];
    int64_t class[3] = {first[0] % v->stride[0], first[1] % v->stride[1], first[2]};

    list_taps(j, class, channel);
    for (int64_t d = first[0]; d < d_end; d += v->stride[0]) {
        for (int64_t h = first[1]; h < h_end; h += v->stride[1])
            run_row(j, d, h, class[2], plane + (d * v->out[1] + h) * v->out[2]);
    }
}

static void run_channel(job *j, int64_t image, int64_t channel, int64_t begin, int64_t end)
{
    const ai_window3 *v = &j->v;
    const ai_tensor *bias = ai_conv_operand(j->step, 2);
    int axis = slice_axis(v);
    int other = 1 - axis;
    int64_t first[3];

    select_group(j, image, channel / j->step->in[1]->dim[1]);
    j->args.bias = bias == NULL ? 0.0f : ((const float *)bias->data)[channel];
    for (int64_t i = begin; i < ai_min(begin + v->stride[axis], end); i++) {
        for (int64_t k = 0; k < ai_min(v->stride[other], v->out[other]); k++) {
            first[axis] = i;
            first[other] = k;
            for (first[2] = 0; first[2] < ai_min(v->stride[2], v->out[2]); first[2]++)
                run_class(j, image, channel, first, end);
        }
    }
}

static void start_job(job *j, const ai_step *s, char *scratch)
{
    const ai_conv_transpose_params *p = s->params;

    *j = (job){.step = s, .copied_group = -1, .ic = s->in[1]->dim[0] / p->group};
    ai_transpose_window(s, &j->v);
    get_slab(&j->v, &j->b);
    int64_t taps = j->ic * j->v.kernel[0] * j->v.kernel[1] * j->v.kernel[2];
    j->taps = ai_scratch_take(&scratch, taps, sizeof(int64_t));
    j->weights = ai_scratch_take(&scratch, taps, sizeof(float));
    j->row = ai_scratch_take(&scratch, j->v.out[2], sizeof(float));
    j->copy = (float *)(void *)scratch;
    j->args = (ai_conv_plain_args){
        .taps = j->taps,
        .weights = j->weights,
        .stride = 1,
        .lo = -INFINITY,
        .hi = INFINITY,
    };
}

/* A unit of work is a slice of one output channel of one image. */
static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_tensor *y = s->out[0];
    job j;

    (void)err;
    if (ai_tensor_count(y) == 0)
        return AI_OK;
    if (is_blocked(s)) {
        ai_transpose_blocks_run(s, begin, end, scratch);
        return AI_OK;
    }
    start_job(&j, s, scratch);
    int64_t slices = j.v.out[slice_axis(&j.v)];
    while (begin < end) {
        int64_t slice = begin % slices;
        int64_t channel = begin / slices % y->dim[1];
        int64_t count = ai_min(slices - slice, end - begin);
        run_channel(&j, begin / slices / y->dim[1], channel, slice, slice + count);
        begin += count;
    }
    return AI_OK;
}

const ai_op ai_op_conv_transpose = {check, prepare, run, false};
