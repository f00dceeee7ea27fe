/* SPDX-License-Identifier: Apache-2.0
 * Convolution by oneDNN. Weights and activations have its own blocked layouts; but its fast
 * kernels take dense tensors alone, so that an operand with gaps (a border) passes through a copy.
 */
#include <stdlib.h>
#include <string.h>

#include "onednn.h"
#include "ref/ref.h"

ai_kernel_fn ai_f32_conv_onednn, ai_f32_conv_stem_onednn, ai_f32_conv_depthwise_onednn;

typedef struct job {
    const ai_conv_args *a;
    uint32_t op; /* AI_K_CONV, AI_K_CONV_STEM or AI_K_CONV_DEPTHWISE */
    int64_t rows, panels;
    int64_t planes, lanes; /* of the input: blocks of 16, or single channels */
    int64_t height, width; /* of the input as the library sees it */
    float *copies[4];
    int copy_count;
    bool is_good; /* every copy had its memory */
} job;

/* Room for a copy until the job ends; NULL: no memory. */
static float *new_copy(job *j, int64_t count)
{
    const size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
    float *copy = aligned_alloc(64, bytes);
    if (copy)
        j->copies[j->copy_count++] = copy;
    else
        j->is_good = false;
    return copy;
}

static void copy_rows(float *to, int64_t to_row, int64_t to_plane, const float *from,
                      int64_t from_row, int64_t from_plane, int64_t planes, int64_t rows,
                      int64_t count)
{
    for (int64_t p = 0; p < planes; p++)
        for (int64_t y = 0; y < rows; y++)
            memcpy(to + p * to_plane + y * to_row, from + p * from_plane + y * from_row,
                   (size_t)count * sizeof(float));
}

/* ---- Input ---- */

static bool is_whole(const job *j)
{
    return j->op != AI_K_CONV || j->a->ic % 16 == 0;
}

/* Whether the input can be a dense tensor as it lies: rows and planes that are as long as its
 * strides, or a part of a stride more than the windows reach. */
static bool is_dense_input(const job *j, int64_t width, int64_t height)
{
    const ai_conv_args *a = j->a;
    if (!is_whole(j) || a->in_row % j->lanes || a->in_plane % a->in_row)
        return false;
    const int64_t more_columns = a->in_row / j->lanes - width;
    const int64_t more_rows = a->in_plane / a->in_row - height;
    return more_columns >= 0 && more_columns < a->stride_w && more_rows >= 0 &&
           more_rows < a->stride_h;
}

/* The last block of channels, of which some are missing: zeros. */
static void copy_part(job *j, float *to, const float *from)
{
    const int64_t here = j->a->ic % 16;
    memset(to, 0, (size_t)(j->height * j->width * 16) * sizeof(float));
    for (int64_t y = 0; y < j->height; y++)
        for (int64_t x = 0; x < j->width; x++)
            memcpy(to + (y * j->width + x) * 16, from + y * j->a->in_row + x * 16,
                   (size_t)here * sizeof(float));
}

static const float *take_input(job *j)
{
    const ai_conv_args *a = j->a;
    const float *in = a->in + a->row_begin * a->stride_h * a->in_row;
    if (j->op == AI_K_CONV_DEPTHWISE)
        in += a->panel_begin * a->in_plane;
    j->width = (int64_t)(a->ow - 1) * a->stride_w + (int64_t)(a->kw - 1) * a->dilation_w + 1;
    j->height = (j->rows - 1) * a->stride_h + (int64_t)(a->kh - 1) * a->dilation_h + 1;
    if (is_dense_input(j, j->width, j->height)) {
        j->width = a->in_row / j->lanes;
        j->height = a->in_plane / a->in_row;
        return in;
    }
    const int64_t row = j->width * j->lanes, plane = row * j->height;
    const int64_t whole = is_whole(j) ? j->planes : j->planes - 1;
    float *copy = new_copy(j, j->planes * plane);
    if (!copy)
        return NULL;
    copy_rows(copy, row, plane, in, a->in_row, a->in_plane, whole, j->height, row);
    if (whole < j->planes)
        copy_part(j, copy + whole * plane, in + whole * a->in_plane);
    return copy;
}

/* ---- Weights ---- */

/* CONV16 with zeros for the rows that the last block leaves out. */
static void fill_blocks(const job *j, float *to)
{
    const ai_conv_args *a = j->a;
    const int64_t taps = (int64_t)a->kh * a->kw;
    for (int64_t p = 0; p < j->panels; p++) {
        const float *from = a->weights + (a->panel_begin + p) * a->panel;
        for (int64_t i = 0; i < j->planes * taps; i++, to += 256) {
            const int64_t left = a->ic - i / taps * 16, count = left < 16 ? left * 16 : 256;
            memcpy(to, from, (size_t)count * sizeof(float));
            memset(to + count, 0, (size_t)(256 - count) * sizeof(float));
            from += count;
        }
    }
}

/* STEM16 has channels outside, the library taps. */
static void fill_stem(const job *j, float *to)
{
    const ai_conv_args *a = j->a;
    const int64_t taps = (int64_t)a->kh * a->kw;
    for (int64_t p = 0; p < j->panels; p++) {
        const float *from = a->weights + (a->panel_begin + p) * a->panel;
        for (int64_t t = 0; t < taps; t++)
            for (int64_t i = 0; i < a->ic; i++, to += 16)
                memcpy(to, from + (i * taps + t) * 16, 16 * sizeof(float));
    }
}

static const float *take_weights(job *j)
{
    const ai_conv_args *a = j->a;
    const int64_t taps = (int64_t)a->kh * a->kw;
    if (j->op == AI_K_CONV_DEPTHWISE || (j->op == AI_K_CONV && is_whole(j)))
        return a->weights + a->panel_begin * a->panel;
    const bool is_stem = j->op == AI_K_CONV_STEM;
    float *copy = new_copy(j, j->panels * taps * (is_stem ? a->ic * 16 : j->planes * 256));
    if (copy && is_stem)
        fill_stem(j, copy);
    else if (copy)
        fill_blocks(j, copy);
    return copy;
}

/* ---- Output and residual ---- */

/* Rows of the output or of what has its shape. */
static bool is_dense_rows(const job *j, int64_t row, int64_t plane)
{
    const int64_t width = (int64_t)j->a->ow * 16;
    return (j->rows == 1 || row == width) && (j->panels == 1 || plane == j->rows * width);
}

static const float *take_residual(job *j)
{
    const ai_conv_args *a = j->a;
    const int64_t row = (int64_t)a->ow * 16;
    const float *from =
        a->residual + a->panel_begin * a->residual_plane + a->row_begin * a->residual_row;
    if (is_dense_rows(j, a->residual_row, a->residual_plane))
        return from;
    float *copy = new_copy(j, j->panels * j->rows * row);
    if (copy)
        copy_rows(copy, row, j->rows * row, from, a->residual_row, a->residual_plane, j->panels,
                  j->rows, row);
    return copy;
}

/* Rows at once, or pixels where there are gaps between them. */
static void put_output(const job *j, const float *from, float *out)
{
    const ai_conv_args *a = j->a;
    const int64_t row = (int64_t)a->ow * 16, count = a->out_gap ? 16 : row;
    for (int64_t x = 0; x * count < row; x++)
        copy_rows(out + x * (16 + a->out_gap), a->out_row, a->out_plane, from + x * 16, row,
                  j->rows * row, j->panels, j->rows, count);
}

/* ---- The call ---- */

static void describe(dnnl_memory_desc_t *d, int rank, int64_t n, int64_t c, int64_t h, int64_t w,
                     dnnl_format_tag_t tag)
{
    const dnnl_dims_t whole = {n, c, h, w};
    dnnl_memory_desc_init_by_tag(d, rank, whole, dnnl_f32, tag);
}

static void describe_weights(const job *j, dnnl_memory_desc_t *d)
{
    const ai_conv_args *a = j->a;
    const int64_t outputs = j->panels * 16;
    if (j->op == AI_K_CONV_DEPTHWISE) {
        const dnnl_dims_t dims = {outputs, 1, 1, a->kh, a->kw};
        dnnl_memory_desc_init_by_tag(d, 5, dims, dnnl_f32, dnnl_Goihw16g);
    } else {
        describe(d, 4, outputs, j->planes * j->lanes, a->kh, a->kw,
                 j->op == AI_K_CONV_STEM ? dnnl_Ohwi16o : dnnl_OIhw16i16o);
    }
}

static bool call(const job *j, const float *in, const float *weights, const float *residual,
                 float *out)
{
    const ai_conv_args *a = j->a;
    const dnnl_dims_t stride = {a->stride_h, a->stride_w}, none = {0, 0};
    const dnnl_dims_t dilation = {a->dilation_h - 1, a->dilation_w - 1};
    dnnl_memory_desc_t x, w, b, y;
    dnnl_convolution_desc_t op;
    ai_onednn c;
    describe(&x, 4, 1, j->planes * j->lanes, j->height, j->width,
             j->lanes == 1 ? dnnl_nchw : dnnl_nChw16c);
    describe_weights(j, &w);
    describe(&b, 1, j->panels * 16, 0, 0, 0, dnnl_a);
    describe(&y, 4, 1, j->panels * 16, j->rows, a->ow, dnnl_nChw16c);
    ai_onednn_begin(&c);
    ai_onednn_operand(&c, DNNL_ARG_SRC, &x, in);
    ai_onednn_operand(&c, DNNL_ARG_WEIGHTS, &w, weights);
    ai_onednn_operand(&c, DNNL_ARG_DST, &y, out);
    if (a->bias)
        ai_onednn_operand(&c, DNNL_ARG_BIAS, &b, a->bias + (int64_t)a->panel_begin * 16);
    if (residual)
        ai_onednn_add(&c, &y, residual);
    ai_onednn_clamp(&c, a->lo, a->hi);
    if (c.status == dnnl_success)
        c.status = dnnl_dilated_convolution_forward_desc_init(
            &op, dnnl_forward_inference, dnnl_convolution_direct, &x, &w, a->bias ? &b : NULL, &y,
            stride, dilation, none, none);
    return ai_onednn_run(&c, &op);
}

static bool run(job *j)
{
    const ai_conv_args *a = j->a;
    const int64_t row = (int64_t)a->ow * 16;
    const float *in = take_input(j);
    const float *weights = take_weights(j);
    const float *residual = a->residual ? take_residual(j) : NULL;
    float *out = a->out + a->panel_begin * a->out_plane + a->row_begin * a->out_row;
    const bool is_dense = !a->out_gap && is_dense_rows(j, a->out_row, a->out_plane);
    float *to = is_dense ? out : new_copy(j, j->panels * j->rows * row);
    if (!j->is_good || !call(j, in, weights, residual, to))
        return false;
    if (!is_dense)
        put_output(j, to, out);
    return true;
}

/* Elements of a panel of weights. */
static int64_t panel_size(const job *j)
{
    return (int64_t)j->a->kh * j->a->kw * 16 * (j->op == AI_K_CONV_DEPTHWISE ? 1 : j->a->ic);
}

/* A kernel cannot fail: where the library does, or memory is short, ref does the work. */
static void conv(const ai_conv_args *a, uint32_t op, ai_kernel_fn *ref)
{
    job j = {.a = a,
             .op = op,
             .rows = a->row_end - a->row_begin,
             .panels = a->panel_end - a->panel_begin,
             .planes = op == AI_K_CONV ? (a->ic + 15) / 16 : a->ic,
             .lanes = op == AI_K_CONV_STEM ? 1 : 16,
             .is_good = true};
    if (op == AI_K_CONV_DEPTHWISE)
        j.planes = j.panels;
    const bool is_done = j.rows <= 0 || j.panels <= 0 || (a->panel == panel_size(&j) && run(&j));
    for (int i = 0; i < j.copy_count; i++)
        free(j.copies[i]);
    if (!is_done)
        ref(a);
}

void ai_f32_conv_onednn(const void *args)
{
    conv(args, AI_K_CONV, ai_f32_conv_ref);
}

void ai_f32_conv_stem_onednn(const void *args)
{
    conv(args, AI_K_CONV_STEM, ai_f32_conv_stem_ref);
}

void ai_f32_conv_depthwise_onednn(const void *args)
{
    conv(args, AI_K_CONV_DEPTHWISE, ai_f32_conv_depthwise_ref);
}
