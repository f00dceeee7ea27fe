/* SPDX-License-Identifier: Apache-2.0
 * Conv: over blocks of 16 channels (dense, grouped, depthwise), from plain planes to blocks, plain.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "window.h"

/* The forms that layouts of input, output and weights select. */
enum {
    FORM_BLOCKED,   /* NCHW16C, NCHW16C, CONV16; a unit of work: image, panel, output row */
    FORM_STEM,      /* PLAIN, NCHW16C, STEM16; a unit: image, output row */
    FORM_DEPTHWISE, /* NCHW16C, NCHW16C, DEPTHWISE16; a unit: image, panel, output row */
    FORM_PLAIN,     /* all PLAIN; a unit: image, group, slice, output channel of the group */
    FORM_COUNT
};

static const struct {
    uint8_t in;
    uint8_t out;
    uint8_t weight;
    uint16_t kernel;
} forms[FORM_COUNT] = {
    [FORM_BLOCKED] = {AI_LAYOUT_NCHW16C, AI_LAYOUT_NCHW16C, AI_LAYOUT_CONV16, AI_K_CONV},
    [FORM_STEM] = {AI_LAYOUT_PLAIN, AI_LAYOUT_NCHW16C, AI_LAYOUT_STEM16, AI_K_CONV_STEM},
    [FORM_DEPTHWISE] = {AI_LAYOUT_NCHW16C, AI_LAYOUT_NCHW16C, AI_LAYOUT_DEPTHWISE16,
                        AI_K_CONV_DEPTHWISE},
    [FORM_PLAIN] = {AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN, AI_K_CONV_PLAIN},
};

/* step->local: padding (begins, then ends), the form, slices of a slab */
enum { LOCAL_PAD, LOCAL_FORM = LOCAL_PAD + 2 * AI_MAX_SPATIAL, LOCAL_SLICES };

/* A slab is the padded part of the input that some output rows read; it should stay in L2. */
enum { SLAB_BYTES = 256 * 1024 };

static const ai_tensor *operand(const ai_step *s, uint32_t i)
{
    return i < s->in_count ? s->in[i] : NULL;
}

static int64_t panels_of(const ai_step *s)
{
    return ai_blocks(s->out[0]->dim[1]);
}

/* The window as it is run. A plain 1x1 convolution without stride and padding is one long row. */
static void get_window(const ai_step *s, ai_window3 *v)
{
    const ai_conv_params *p = s->params;
    ai_window3_set(v, &p->window, s->in[0]->dim, s->out[0]->dim, &s->local[LOCAL_PAD]);
    if (s->local[LOCAL_FORM] != FORM_PLAIN)
        return;
    for (int i = 0; i < 3; i++) {
        if (v->kernel[i] != 1 || v->stride[i] != 1 || v->pad[i] != 0 || v->in[i] != v->out[i])
            return;
    }
    int64_t positions = v->in[0] * v->in[1] * v->in[2];
    v->in[0] = v->in[1] = v->out[0] = v->out[1] = 1;
    v->in[2] = v->out[2] = positions;
}

/* ---- Check ---- */

static ai_status check_weight(const ai_step *s, const ai_conv_params *p, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];

    if (x->dim[1] < 1 || x->dim[1] > INT32_MAX || w->dim[0] < 1 || w->dim[0] > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "input has %" PRId64 " channels, weight has %" PRId64
                            " outputs, needs 1 to 2^31-1",
                            x->dim[1], w->dim[0]);
    if (p->group < 1 || x->dim[1] % p->group != 0 || w->dim[0] % p->group != 0)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "group %u does not divide %" PRId64 " input and %" PRId64
                            " output channels",
                            p->group, x->dim[1], w->dim[0]);
    if (w->dim[1] != x->dim[1] / p->group)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " channels, input has %" PRId64 " in %u groups",
                            w->dim[1], x->dim[1], p->group);
    for (uint32_t i = 0; i < p->window.spatial; i++) {
        if (w->dim[2 + i] != p->window.kernel[i])
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "weight dimension %u is %" PRId64 ", kernel has %u", 2 + i,
                                w->dim[2 + i], p->window.kernel[i]);
    }
    return AI_OK;
}

static ai_status check_inputs(const ai_step *s, const ai_conv_params *p, ai_error *err)
{
    ai_status status;

    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (p->activation.kind > AI_ACTIVATION_CLIP)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "activation %u is unknown",
                            p->activation.kind);
    for (uint32_t i = 0; i < s->in_count; i++) {
        if ((i < 2 || s->in[i] != NULL) && (status = ai_need_type(s, i, AI_F32, err)) != AI_OK)
            return status;
    }
    if ((status = ai_window_check(s, &p->window, err)) != AI_OK ||
        (status = ai_need_rank(s, 0, 2 + p->window.spatial, err)) != AI_OK ||
        (status = ai_need_rank(s, 1, 2 + p->window.spatial, err)) != AI_OK ||
        (status = check_weight(s, p, err)) != AI_OK)
        return status;
    const ai_tensor *bias = operand(s, 2);
    if (bias != NULL &&
        (bias->layout != AI_LAYOUT_PLAIN || bias->rank != 1 || bias->dim[0] != s->in[1]->dim[0]))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "bias has rank %u and dimension %" PRId64 ", needs %" PRId64 " numbers",
                            bias->rank, bias->dim[0], s->in[1]->dim[0]);
    return AI_OK;
}

static ai_status check_residual(const ai_step *s, ai_error *err)
{
    const ai_tensor *r = operand(s, 3);
    const ai_tensor *y = s->out[0];

    if (r == NULL)
        return AI_OK;
    if (r->layout != y->layout || r->rank != y->rank)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "residual has layout %u and rank %u, output has %u and %u", r->layout,
                            r->rank, y->layout, y->rank);
    for (uint32_t i = 0; i < y->rank; i++) {
        if (r->dim[i] != y->dim[i])
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "residual dimension %u is %" PRId64 ", output has %" PRId64, i,
                                r->dim[i], y->dim[i]);
    }
    return AI_OK;
}

static ai_status check_form(ai_step *s, const ai_conv_params *p, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];
    int64_t form = 0;

    while (form < FORM_COUNT &&
           (forms[form].in != x->layout || forms[form].out != s->out[0]->layout ||
            forms[form].weight != w->layout))
        form++;
    if (form == FORM_COUNT)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "layouts %u, %u and %u of input, weight and output do not go together",
                            x->layout, w->layout, s->out[0]->layout);
    s->local[LOCAL_FORM] = form;
    if (form == FORM_PLAIN)
        return AI_OK;
    if (w->kind != AI_TENSOR_CONSTANT)
        return ai_fail_step(err, AI_E_FORMAT, s, "packed weight is not a constant");
    if (p->window.spatial != 2)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "packed weight has %u spatial dimensions, needs 2", p->window.spatial);
    bool fits = form == FORM_STEM ? p->group == 1
                : form == FORM_DEPTHWISE
                    ? w->dim[1] == 1 && w->dim[0] == x->dim[1]
                    : p->group == 1 || (w->dim[1] % 16 == 0 && w->dim[0] / p->group % 16 == 0);
    if (!fits)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "%u groups of %" PRId64 " to %" PRId64
                            " channels do not fit weights of layout %u",
                            p->group, w->dim[1], w->dim[0] / p->group, w->layout);
    return AI_OK;
}

/* The border that the window needs; rows below that no window reaches are not asked for. */
static void raise_border(ai_step *s, const ai_window3 *v)
{
    for (int i = 0; i < 2; i++) {
        int64_t end = ai_window3_reach(v, 1 + i, v->out[1 + i]) - v->pad[1 + i] - v->in[1 + i];
        uint32_t *border = s->in[0]->border;
        border[i] = (uint32_t)ai_max(border[i], v->pad[1 + i]);
        border[2 + i] = (uint32_t)ai_max(border[2 + i], ai_max(end, 0));
    }
}

static bool is_padded(const ai_window3 *v)
{
    for (int i = 0; i < 3; i++) {
        if (v->pad[i] != 0 || ai_window3_reach(v, i, v->out[i]) > v->in[i])
            return true;
    }
    return false;
}

/* Slices run along the outermost dimension that a window moves over but the columns: rows, or in
 * three dimensions planes. */
static int slice_axis(const ai_window3 *v)
{
    return v->out[0] > 1 || v->kernel[0] > 1 ? 0 : 1;
}

/* Elements of one channel of a slab of `slices` slices; false: far too many. */
static bool slab_size(const ai_window3 *v, int64_t slices, int64_t size[3], int64_t *count)
{
    int axis = slice_axis(v);
    int64_t part;

    for (int i = 0; i < 3; i++)
        size[i] = ai_window3_reach(v, i, i == axis ? slices : v->out[i]);
    return ai_mul(size[0], size[1], &part) && ai_mul(part, size[2], count);
}

/* As many slices as fill SLAB_BYTES, at least one. */
static bool choose_slices(const ai_window3 *v, int64_t channels, int64_t *slices)
{
    int axis = slice_axis(v);
    int64_t size[3];
    int64_t one;
    int64_t row;

    *slices = 1;
    if (!slab_size(v, 1, size, &one) || !ai_mul(one / size[axis], channels * 4, &row))
        return false;
    int64_t rows = SLAB_BYTES / row - ai_window3_extent(v, axis);
    if (rows > 0)
        *slices = ai_min(rows / v->stride[axis] + 1, v->out[axis]);
    return true;
}

static bool plan_plain(ai_step *s, const ai_window3 *v)
{
    const ai_tensor *w = s->in[1];
    int64_t taps = v->kernel[0] * v->kernel[1]; /* the weight exists: no overflow */
    int64_t size[3];
    int64_t count = 0;
    bool is_stem = s->local[LOCAL_FORM] == FORM_STEM;

    s->work = is_stem ? s->in[0]->dim[0] * v->out[1]
                      : s->in[0]->dim[0] * w->dim[0] * v->out[slice_axis(v)];
    if (!is_stem && !ai_scratch_add(&s->scratch, w->dim[1], taps, v->kernel[2], 8))
        return false;
    if (!is_padded(v)) {
        s->local[LOCAL_SLICES] = v->out[slice_axis(v)];
        return true;
    }
    int64_t slices;
    if (!choose_slices(v, w->dim[1], &slices) || !slab_size(v, slices, size, &count))
        return false;
    s->local[LOCAL_SLICES] = slices;
    return ai_scratch_add(&s->scratch, w->dim[1], count, 1, 4);
}

static ai_status plan_work(ai_step *s, ai_error *err)
{
    const ai_tensor *w = s->in[1];
    const ai_tensor *y = s->out[0];
    ai_window3 v;
    bool fits = true;

    get_window(s, &v);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    if (s->local[LOCAL_FORM] == FORM_STEM || s->local[LOCAL_FORM] == FORM_PLAIN) {
        fits = plan_plain(s, &v);
    } else {
        raise_border(s, &v);
        s->work = y->dim[0] * panels_of(s) * v.out[1];
    }
    if (operand(s, 2) != NULL && s->local[LOCAL_FORM] != FORM_PLAIN && w->dim[0] % 16 != 0)
        fits = fits && ai_scratch_add(&s->scratch, panels_of(s), 16, 1, 4);
    if (!fits)
        return ai_fail_step(err, AI_E_SHAPE, s, "padded input is over 2^44 bytes");
    s->work = ai_max(s->work, 1);
    /* counts are at most 2^40 each: wrapping would take a run of years */
    s->flops = 2 * (uint64_t)ai_tensor_count(y) * (uint64_t)(ai_tensor_count(w) / w->dim[0]);
    return AI_OK;
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_conv_params *p = s->params;
    int64_t dim[AI_MAX_RANK];
    ai_status status = check_inputs(s, p, err);

    if (status != AI_OK)
        return status;
    dim[0] = s->in[0]->dim[0];
    dim[1] = s->in[1]->dim[0];
    if ((status = ai_window_shape(s, &p->window, false, s->in[0]->dim, &dim[2],
                                  &s->local[LOCAL_PAD], err)) != AI_OK ||
        (status = check_form(s, p, err)) != AI_OK ||
        (status = ai_set_output(s, 0, AI_F32, s->in[0]->rank, dim, err)) != AI_OK ||
        (status = check_residual(s, err)) != AI_OK)
        return status;
    return plan_work(s, err);
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    int64_t form = s->local[LOCAL_FORM];
    return ai_choose(s, 0, forms[form].kernel, AI_F32, AI_F32, forms[form].weight, err);
}

/* ---- Run ---- */

static void get_clamp(const ai_conv_params *p, float *lo, float *hi)
{
    bool is_clip = p->activation.kind == AI_ACTIVATION_CLIP;
    *lo = is_clip ? p->activation.lo : -INFINITY;
    *hi = is_clip ? p->activation.hi : INFINITY;
}

/* The kernels read whole panels of bias: the last one is completed in the scratch. */
static const float *whole_bias(const ai_step *s, char **scratch)
{
    const ai_tensor *bias = operand(s, 2);
    if (bias == NULL || bias->dim[0] % 16 == 0)
        return bias == NULL ? NULL : bias->data;
    int64_t whole = ai_blocks(bias->dim[0]) * 16;
    float *copy = ai_scratch_take(scratch, whole, sizeof(float));
    memcpy(copy, bias->data, (size_t)bias->dim[0] * sizeof(float));
    memset(copy + bias->dim[0], 0, (size_t)(whole - bias->dim[0]) * sizeof(float));
    return copy;
}

/* Everything that does not depend on image and group. */
static void fill_args(const ai_step *s, const ai_window3 *v, const float *bias, ai_conv_args *a)
{
    const ai_conv_params *p = s->params;
    const ai_tensor *w = s->in[1];
    const ai_tensor *r = operand(s, 3);
    int64_t taps = w->dim[1] * v->kernel[1] * v->kernel[2];

    *a = (ai_conv_args){
        .in_row = s->in[0]->row,
        .in_plane = s->in[0]->plane,
        .weights = w->data,
        .panel = taps * 16,
        .bias = bias,
        .residual_row = r == NULL ? 0 : r->row,
        .residual_plane = r == NULL ? 0 : r->plane,
        .out_row = s->out[0]->row,
        .out_plane = s->out[0]->plane,
        .ic = (int32_t)w->dim[1],
        .kh = (int32_t)v->kernel[1],
        .kw = (int32_t)v->kernel[2],
        .stride_h = (int32_t)v->stride[1],
        .stride_w = (int32_t)v->stride[2],
        .dilation_h = (int32_t)v->dilation[1],
        .dilation_w = (int32_t)v->dilation[2],
        .ow = (int32_t)v->out[2],
    };
    get_clamp(p, &a->lo, &a->hi);
}

static void point_at_output(const ai_step *s, int64_t image, int64_t row, ai_conv_args *a)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = operand(s, 3);
    int64_t panels = panels_of(s);

    a->out = (float *)y->data + image * panels * y->plane + row * y->row;
    if (r != NULL)
        a->residual = (const float *)r->data + image * panels * r->plane + row * r->row;
}

/* Units run through the rows of a panel, then the panels of an image: a range is taken apart into
 * parts of a panel and, in the middle, as many whole panels of a group as there are. */
static void run_blocked(const ai_step *s, int64_t begin, int64_t end, char *scratch)
{
    const ai_conv_params *p = s->params;
    const ai_tensor *x = s->in[0];
    ai_window3 v;
    ai_conv_args a;

    get_window(s, &v);
    fill_args(s, &v, whole_bias(s, &scratch), &a);
    bool is_depthwise = s->local[LOCAL_FORM] == FORM_DEPTHWISE;
    int64_t panels = panels_of(s);
    int64_t group_panels = is_depthwise ? panels : ai_blocks(s->out[0]->dim[1] / p->group);
    int64_t group_blocks = is_depthwise ? panels : ai_blocks(s->in[1]->dim[1]);
    int64_t image_blocks = ai_blocks(x->dim[1]);
    while (begin < end) {
        int64_t row = begin % v.out[1];
        int64_t panel = begin / v.out[1] % panels;
        int64_t image = begin / v.out[1] / panels;
        int64_t group = panel / group_panels;
        int64_t count = 1;
        int64_t rows = ai_min(v.out[1] - row, end - begin);
        if (rows == v.out[1])
            count = ai_min((end - begin) / rows, (group + 1) * group_panels - panel);
        a.in = (const float *)x->data + (image * image_blocks + group * group_blocks) * x->plane -
               v.pad[1] * x->row - v.pad[2] * 16;
        a.row_begin = (int32_t)row;
        a.row_end = (int32_t)(row + rows);
        a.panel_begin = (int32_t)panel;
        a.panel_end = (int32_t)(panel + count);
        point_at_output(s, image, 0, &a);
        s->kernel[0]->fn(&a);
        begin += rows * count;
    }
}

/* Fills one row of `columns` from input columns that start `pad` before the first. */
static void fill_row(float *out, int64_t columns, const float *in, int64_t in_columns, int64_t pad)
{
    int64_t left = ai_min(pad, columns);
    int64_t count = ai_min(in_columns, columns - left);
    int64_t right = columns - left - count;
    memset(out, 0, (size_t)left * sizeof(float));
    memcpy(out + left, in, (size_t)count * sizeof(float));
    memset(out + left + count, 0, (size_t)right * sizeof(float));
}

/* Fills `size` positions of each channel's slab from the padded position `first` on. */
static void fill_slab(const ai_window3 *v, const float *in, int64_t channels,
                      const int64_t first[2], const int64_t size[3], int64_t plane, float *slab)
{
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < size[0] * size[1]; i++) {
            int64_t d = first[0] + i / size[1] - v->pad[0];
            int64_t h = first[1] + i % size[1] - v->pad[1];
            float *out = slab + c * plane + i * size[2];
            if (d < 0 || d >= v->in[0] || h < 0 || h >= v->in[1])
                memset(out, 0, (size_t)size[2] * sizeof(float));
            else
                fill_row(out, size[2], in + ((c * v->in[0] + d) * v->in[1] + h) * v->in[2],
                         v->in[2], v->pad[2]);
        }
    }
}

/* Units run through the rows of an image, all panels at once. */
static void run_stem(const ai_step *s, int64_t begin, int64_t end, char *scratch)
{
    const ai_tensor *x = s->in[0];
    ai_window3 v;
    ai_conv_args a;
    int64_t size[3];
    int64_t plane;

    get_window(s, &v);
    fill_args(s, &v, whole_bias(s, &scratch), &a);
    bool needs_slab = is_padded(&v);
    int64_t image_size = v.in[1] * v.in[2];
    int64_t most = s->local[LOCAL_SLICES];
    a.panel_end = (int32_t)panels_of(s);
    while (begin < end) {
        int64_t row = begin % v.out[1];
        int64_t image = begin / v.out[1];
        int64_t rows = ai_min(ai_min(v.out[1] - row, end - begin), most);
        const float *in = (const float *)x->data + image * x->dim[1] * image_size;
        a.in = in + row * v.stride[1] * v.in[2];
        a.in_row = v.in[2];
        a.in_plane = image_size;
        if (needs_slab) {
            (void)slab_size(&v, rows, size, &plane);
            fill_slab(&v, in, x->dim[1], (int64_t[2]){0, row * v.stride[1]}, size, plane,
                      (float *)(void *)scratch);
            a.in = (const float *)(void *)scratch;
            a.in_row = size[2];
            a.in_plane = plane;
        }
        a.row_end = (int32_t)rows;
        point_at_output(s, image, row, &a);
        s->kernel[0]->fn(&a);
        begin += rows;
    }
}

/* Where the taps of a window lie from its first one, in the order of the weights. */
static void fill_taps(const ai_window3 *v, int64_t channels, const int64_t size[3], int64_t plane,
                      int64_t *taps)
{
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t d = 0; d < v->kernel[0]; d++) {
            for (int64_t h = 0; h < v->kernel[1]; h++) {
                for (int64_t w = 0; w < v->kernel[2]; w++)
                    *taps++ = c * plane +
                              (d * v->dilation[0] * size[1] + h * v->dilation[1]) * size[2] +
                              w * v->dilation[2];
            }
        }
    }
}

/* One piece of the plain form: some slices of some output channels of one group of one image. */
typedef struct piece {
    const float *in; /* tap 0 of the first output of the first slice */
    int64_t size[3]; /* of a channel there */
    int64_t image;
    int64_t slice;
    int64_t slices;
    int64_t channel; /* of the output, among all groups */
    int64_t channels;
} piece;

static void run_piece(const ai_step *s, const ai_window3 *v, const piece *t, ai_conv_plain_args *a)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *bias = operand(s, 2);
    const ai_tensor *r = operand(s, 3);
    int axis = slice_axis(v);
    int64_t inner = axis == 0 ? v->out[1] : 1; /* rows of a slice */

    for (int64_t c = t->channel; c < t->channel + t->channels; c++) {
        a->weights = (const float *)s->in[1]->data + c * a->tap_count;
        a->bias = bias == NULL ? 0.0f : ((const float *)bias->data)[c];
        for (int64_t i = 0; i < t->slices * inner; i++) {
            int64_t slice = i / inner;
            int64_t row = t->size[2] *
                          (axis == 0 ? slice * v->stride[0] * t->size[1] + i % inner * v->stride[1]
                                     : slice * v->stride[1]);
            int64_t out =
                ((t->image * y->dim[1] + c) * v->out[0] * v->out[1] + t->slice * inner + i) *
                v->out[2];
            a->in = t->in + row;
            a->out = (float *)y->data + out;
            a->residual = r == NULL ? NULL : (const float *)r->data + out;
            s->kernel[0]->fn(a);
        }
    }
}

static void run_plain(const ai_step *s, int64_t begin, int64_t end, char *scratch)
{
    const ai_conv_params *p = s->params;
    const ai_tensor *x = s->in[0];
    int64_t ic = s->in[1]->dim[1];
    int64_t oc = s->in[1]->dim[0] / p->group;
    ai_window3 v;
    piece t;
    ai_conv_plain_args a = {.columns = 0};

    get_window(s, &v);
    int axis = slice_axis(&v);
    bool needs_slab = is_padded(&v);
    int64_t slices = v.out[axis];
    int64_t most = s->local[LOCAL_SLICES];
    int64_t plane = v.in[0] * v.in[1] * v.in[2];
    int64_t in_plane = plane;
    memcpy(t.size, v.in, sizeof(t.size));
    if (needs_slab)
        (void)slab_size(&v, most, t.size, &plane);
    a.tap_count = ic * v.kernel[0] * v.kernel[1] * v.kernel[2];
    int64_t *taps = ai_scratch_take(&scratch, a.tap_count, sizeof(*taps));
    fill_taps(&v, ic, t.size, plane, taps);
    a.taps = taps;
    a.stride = v.stride[2];
    a.columns = v.out[2];
    get_clamp(p, &a.lo, &a.hi);
    while (begin < end) {
        int64_t group = begin / oc / slices % p->group;
        int64_t channel = begin % oc;
        t.image = begin / oc / slices / p->group;
        t.slice = begin / oc % slices;
        t.channel = group * oc + channel;
        t.channels = ai_min(oc - channel, end - begin);
        t.slices = 1;
        if (t.channels == oc)
            t.slices = ai_min(ai_min((end - begin) / oc, slices - t.slice), most);
        const float *in = (const float *)x->data + (t.image * x->dim[1] + group * ic) * in_plane;
        int64_t first[2] = {0, 0};
        first[axis] = t.slice * v.stride[axis];
        t.in = in + (first[0] * v.in[1] + first[1]) * v.in[2];
        if (needs_slab) {
            int64_t size[3] = {t.size[0], t.size[1], t.size[2]};
            size[axis] = ai_window3_reach(&v, axis, t.slices);
            fill_slab(&v, in, ic, first, size, plane, (float *)(void *)scratch);
            t.in = (const float *)(void *)scratch;
        }
        run_piece(s, &v, &t, &a);
        begin += t.channels * t.slices;
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    (void)err;
    if (ai_tensor_count(s->out[0]) == 0)
        return AI_OK;
    switch (s->local[LOCAL_FORM]) {
    case FORM_STEM:
        run_stem(s, begin, end, scratch);
        break;
    case FORM_PLAIN:
        run_plain(s, begin, end, scratch);
        break;
    default:
        run_blocked(s, begin, end, scratch);
        break;
    }
    return AI_OK;
}

const ai_op ai_op_conv = {check, prepare, run, false};
