/* SPDX-License-Identifier: Apache-2.0
 * Conv that writes blocks of 16 channels: dense, grouped and depthwise, and from plain planes. */
#include <string.h>

#include "activation.h"
#include "conv.h"
#include "wide.h"

static int64_t panels_of(const ai_step *s)
{
    return ai_blocks(s->out[0]->dim[1]);
}

/* Elements of a panel of weights. */
static int64_t panel_of(const ai_step *s)
{
    const ai_tensor *w = s->in[1];
    return w->dim[1] * w->dim[2] * w->dim[3] * 16;
}

static bool fits_blocked(const ai_step *s)
{
    const ai_tensor *w = s->in[1];
    int64_t group = ai_conv_group(s);
    return group == 1 || (w->dim[1] % 16 == 0 && w->dim[0] / group % 16 == 0);
}

static bool fits_depthwise(const ai_step *s)
{
    return s->in[1]->dim[1] == 1 && s->in[1]->dim[0] == s->in[0]->dim[1];
}

static bool fits_stem(const ai_step *s)
{
    return ai_conv_group(s) == 1;
}

bool ai_conv_plan_bias(ai_step *s)
{
    if (ai_conv_operand(s, 2) == NULL || s->out[0]->dim[1] % 16 == 0)
        return true;
    return ai_scratch_add(&s->scratch, panels_of(s), 16, 1, sizeof(float));
}

/* Rows below that no window reaches are not asked for. */
void ai_conv_raise_border(ai_step *s, const ai_window3 *v)
{
    for (int i = 0; i < 2; i++) {
        int64_t end = ai_window3_reach(v, 1 + i, v->out[1 + i]) - v->pad[1 + i] - v->in[1 + i];
        uint32_t *border = s->in[0]->border;
        border[i] = (uint32_t)ai_max(border[i], v->pad[1 + i]);
        border[2 + i] = (uint32_t)ai_max(border[2 + i], ai_max(end, 0));
    }
}

/* Threads that share out panels read all of the input, much of it from another's cache; those that
 * share out rows read all weights. Rows are for weights that are at most 2.5 times what is read and
 * written, and for maps that have enough of them. Measured with two threads: MobileNetV2 gains 1.3
 * times by panels alone and 1.65 by this rule, ResNet-50 1.75 and 1.9; its 3x3 from 256 channels at
 * 28x28 1.75 and 1.97. */
static bool goes_by_rows(const ai_step *s, const ai_window3 *v)
{
    bool is_depthwise = s->in[1]->layout == AI_LAYOUT_DEPTHWISE16;
    double moved = (double)ai_tensor_count(s->in[0]) + (double)ai_tensor_count(s->out[0]);
    return (is_depthwise || ai_conv_group(s) == 1) && v->out[1] >= 14 &&
           (double)ai_tensor_count(s->in[1]) <= 2.5 * moved;
}

/* Kernels read small weights again for every few pixels of a large map: all are widened at once. */
static bool plan_weights(ai_step *s, const ai_window3 *v)
{
    enum { LARGE_MAP = 28 * 28, SMALL_WEIGHTS = 1300 * 1000 }; /* as in f32_tile.h */
    int64_t panels = panels_of(s);
    bool is_whole = v->out[1] * v->out[2] >= LARGE_MAP &&
                    panel_of(s) <= SMALL_WEIGHTS / (int64_t)sizeof(float) / panels;
    return ai_wide_plan(s, panels, panel_of(s), is_whole ? panels : 2);
}

static bool plan_blocked(ai_step *s, const ai_window3 *v)
{
    ai_conv_raise_border(s, v);
    s->local[AI_CONV_BY_ROWS] = goes_by_rows(s, v);
    s->work = s->out[0]->dim[0] * panels_of(s) * v->out[1];
    return ai_conv_plan_bias(s) && plan_weights(s, v);
}

static bool plan_stem(ai_step *s, const ai_window3 *v)
{
    s->work = s->out[0]->dim[0] * v->out[1];
    return ai_conv_plan_bias(s) && plan_weights(s, v) && ai_conv_plan_slab(s, v);
}

const float *ai_conv_whole_bias(const ai_step *s, char **scratch)
{
    const ai_tensor *bias = ai_conv_operand(s, 2);
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
    const ai_tensor *w = s->in[1];
    const ai_tensor *r = ai_conv_residual(s);

    *a = (ai_conv_args){
        .in_row = s->in[0]->row,
        .in_plane = s->in[0]->plane,
        .panel = panel_of(s),
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
    ai_conv_clamp(s, &a->lo, &a->hi);
}

static void point_at_output(const ai_step *s, int64_t image, int64_t row, ai_conv_args *a)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = ai_conv_residual(s);
    int64_t panels = panels_of(s);

    a->out = (float *)y->data + image * panels * y->plane + row * y->row;
    if (r != NULL)
        a->residual = (const float *)r->data + image * panels * r->plane + row * r->row;
}

/* The kernel on output panels [panel, end), as many at once as there are weights of. */
static void run_panels(const ai_step *s, ai_wide *w, ai_conv_args *a, int64_t panel, int64_t end)
{
    while (panel < end) {
        const float *weights;
        int64_t count = ai_wide_get(w, panel, end - panel, &weights);
        a->ahead = ai_wide_ahead(w, panel, &a->ahead_panel);
        a->weights = weights - panel * a->panel;
        a->panel_begin = (int32_t)panel;
        a->panel_end = (int32_t)(panel + count);
        s->kernel[0]->fn(a);
        panel += count;
    }
}

/* The first block of a range of units that run through the rows of a panel, then the panels of an
 * image: a part of a panel, or as many whole panels of a group as there are. */
static ai_conv_area block_of_panels(int64_t begin, int64_t end, int64_t height, int64_t panels,
                                    int64_t group_panels)
{
    ai_conv_area b = {
        .image = begin / height / panels,
        .panel = begin / height % panels,
        .panels = 1,
        .row = begin % height,
    };
    b.rows = ai_min(height - b.row, end - begin);
    if (b.rows == height)
        b.panels = ai_min((end - begin) / height, group_panels - b.panel % group_panels);
    return b;
}

/* The same of units that run through the panels of a row, then the rows of an image. */
static ai_conv_area block_of_rows(int64_t begin, int64_t end, int64_t height, int64_t panels)
{
    ai_conv_area b = {
        .image = begin / panels / height,
        .panel = begin % panels,
        .row = begin / panels % height,
        .rows = 1,
    };
    b.panels = ai_min(panels - b.panel, end - begin);
    if (b.panels == panels)
        b.rows = ai_min((end - begin) / panels, height - b.row);
    return b;
}

/* Rows of all panels, or whole panels, of which no less than two: tiles are that wide. */
static void fit_cache(ai_conv_area *b, bool is_by_rows)
{
    int64_t most = AI_ACTIVATION_BYTES / (b->columns * 16 * (int64_t)sizeof(float));
    if (is_by_rows)
        b->rows = ai_min(b->rows, ai_max(most / b->panels, 1));
    else
        b->panels = ai_min(b->panels, ai_max(most / b->rows, 2));
}

static void run_blocked(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end,
                        char *scratch)
{
    const ai_tensor *x = s->in[0];
    ai_conv_args a;
    ai_wide w;

    fill_args(s, v, ai_conv_whole_bias(s, &scratch), &a);
    ai_wide_start(&w, s, panels_of(s), a.panel, &scratch);
    bool is_depthwise = s->in[1]->layout == AI_LAYOUT_DEPTHWISE16;
    int64_t panels = panels_of(s);
    int64_t group_panels = is_depthwise ? panels : ai_blocks(s->out[0]->dim[1] / ai_conv_group(s));
    int64_t group_blocks = is_depthwise ? panels : ai_blocks(s->in[1]->dim[1]);
    int64_t image_blocks = ai_blocks(x->dim[1]);
    while (begin < end) {
        ai_conv_area b = s->local[AI_CONV_BY_ROWS]
                             ? block_of_rows(begin, end, v->out[1], panels)
                             : block_of_panels(begin, end, v->out[1], panels, group_panels);
        b.columns = v->out[2];
        if (ai_conv_is_unfinished(s))
            fit_cache(&b, s->local[AI_CONV_BY_ROWS] != 0);
        int64_t group = b.panel / group_panels;
        a.in = (const float *)x->data + (b.image * image_blocks + group * group_blocks) * x->plane -
               v->pad[1] * x->row - v->pad[2] * 16;
        a.row_begin = (int32_t)b.row;
        a.row_end = (int32_t)(b.row + b.rows);
        point_at_output(s, b.image, 0, &a);
        run_panels(s, &w, &a, b.panel, b.panel + b.panels);
        ai_conv_finish(s, &b);
        begin += b.rows * b.panels;
    }
}

/* Units run through the rows of an image, all panels at once. */
static void run_stem(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end,
                     char *scratch)
{
    const ai_tensor *x = s->in[0];
    ai_conv_args a;
    ai_wide w;
    int64_t size[3];
    int64_t plane;

    fill_args(s, v, ai_conv_whole_bias(s, &scratch), &a);
    ai_wide_start(&w, s, panels_of(s), a.panel, &scratch);
    bool needs_slab = ai_conv_is_padded(v);
    int64_t image_size = v->in[1] * v->in[2];
    int64_t most = s->local[AI_CONV_SLICES];
    while (begin < end) {
        int64_t row = begin % v->out[1];
        int64_t image = begin / v->out[1];
        int64_t rows = ai_min(ai_min(v->out[1] - row, end - begin), most);
        ai_conv_area area = {image, 0, panels_of(s), row, rows, 0, v->out[2]};
        if (ai_conv_is_unfinished(s))
            fit_cache(&area, true);
        rows = area.rows;
        const float *in = (const float *)x->data + image * x->dim[1] * image_size;
        a.in = in + row * v->stride[1] * v->in[2];
        a.in_row = v->in[2];
        a.in_plane = image_size;
        if (needs_slab) {
            (void)ai_conv_slab_size(v, rows, size, &plane);
            ai_conv_fill_slab(v, in, x->dim[1], (int64_t[2]){0, row * v->stride[1]}, size, plane,
                              (float *)(void *)scratch);
            a.in = (const float *)(void *)scratch;
            a.in_row = size[2];
            a.in_plane = plane;
        }
        a.row_end = (int32_t)rows;
        point_at_output(s, image, row, &a);
        run_panels(s, &w, &a, 0, panels_of(s));
        ai_conv_finish(s, &area);
        begin += rows;
    }
}

const ai_conv_form ai_conv_blocked = {
    AI_LAYOUT_NCHW16C, AI_LAYOUT_CONV16, AI_LAYOUT_NCHW16C,
    AI_LAYOUT_CONV16,  AI_K_CONV,        fits_blocked,
    plan_blocked,      run_blocked,      NULL,
};

const ai_conv_form ai_conv_depthwise = {
    AI_LAYOUT_NCHW16C,     AI_LAYOUT_DEPTHWISE16, AI_LAYOUT_NCHW16C,
    AI_LAYOUT_DEPTHWISE16, AI_K_CONV_DEPTHWISE,   fits_depthwise,
    plan_blocked,          run_blocked,           NULL,
};

const ai_conv_form ai_conv_stem = {
    AI_LAYOUT_PLAIN,  AI_LAYOUT_STEM16, AI_LAYOUT_NCHW16C,
    AI_LAYOUT_STEM16, AI_K_CONV_STEM,   fits_stem,
    plan_stem,        run_stem,         NULL,
};
