/* SPDX-License-Identifier: Apache-2.0
 * Conv on plain tensors as a matrix product: weights times panels of 16 output positions. */
#include <math.h>
#include <string.h>

#include "conv.h"

/* A panel is the inputs of 16 neighbouring output positions, gathered once for all output channels
 * of the group: [tap][16]. Its taps lie in the order of the weights, so that sums have the bits of
 * the convolution row by row. */

enum {
    LANES = 16,
    LEAST_CHANNELS = 4, /* fewer do not repay the gathering */
    MOST_PANELS = 4,    /* of one product */
    PANEL_BYTES = 128 * 1024
};

/* Positions of a panel that lie in one output row. */
typedef struct segment {
    int64_t d;
    int64_t h;
    int64_t w; /* of the first */
    int64_t lane;
    int64_t count;
} segment;

static int64_t taps_of(const ai_step *s)
{
    return ai_tensor_count(s->in[1]) / s->in[1]->dim[0];
}

static int64_t positions_of(const ai_window3 *v)
{
    return v->out[0] * v->out[1] * v->out[2];
}

static int64_t product_panels(const ai_step *s)
{
    int64_t bytes = taps_of(s) * LANES * (int64_t)sizeof(float);
    return ai_max(ai_min(PANEL_BYTES / bytes, MOST_PANELS), 1);
}

static bool fits(const ai_step *s)
{
    return s->in[1]->dim[0] / ai_conv_group(s) >= LEAST_CHANNELS;
}

static bool plan(ai_step *s, const ai_window3 *v)
{
    int64_t most = product_panels(s);
    int64_t channels = s->in[1]->dim[0] / ai_conv_group(s);

    s->work = s->in[0]->dim[0] * ai_conv_group(s) * ai_blocks(positions_of(v));
    return ai_scratch_add(&s->scratch, taps_of(s), most, LANES, sizeof(float)) &&
           (ai_conv_operand(s, 2) == NULL ||
            ai_scratch_add(&s->scratch, channels, most, LANES, sizeof(float)));
}

/* One tap position of a segment in all channels: inputs `stride` apart, zeros outside [first,
 * last).
 */
static void gather_tap(const float *in, int64_t plane, int64_t channels, int64_t stride,
                       int64_t count, int64_t first, int64_t last, int64_t step, float *out)
{
    if (first == 0 && last == LANES && stride == 1) {
        for (int64_t c = 0; c < channels; c++, in += plane, out += step)
            memcpy(out, in, LANES * sizeof(float));
        return;
    }
    for (int64_t c = 0; c < channels; c++, in += plane, out += step) {
        for (int64_t i = 0; i < first; i++)
            out[i] = 0.0f;
        for (int64_t i = first; i < last; i++)
            out[i] = in[(i - first) * stride];
        for (int64_t i = last; i < count; i++)
            out[i] = 0.0f;
    }
}

/* Gathers the taps of one segment; `in` is the group's first plane, `out` its first lane. */
static void gather_segment(const ai_window3 *v, const segment *g, const float *in, int64_t channels,
                           float *out)
{
    int64_t plane = v->in[0] * v->in[1] * v->in[2];
    int64_t volume = v->kernel[0] * v->kernel[1] * v->kernel[2];
    int64_t stride = v->stride[2];

    for (int64_t k = 0; k < volume; k++) {
        int64_t row = k / v->kernel[2];
        int64_t d = g->d * v->stride[0] - v->pad[0] + row / v->kernel[1] * v->dilation[0];
        int64_t h = g->h * v->stride[1] - v->pad[1] + row % v->kernel[1] * v->dilation[1];
        int64_t w = g->w * stride - v->pad[2] + k % v->kernel[2] * v->dilation[2];
        int64_t first = w < 0 ? ai_min((-w + stride - 1) / stride, g->count) : 0;
        int64_t last = w < v->in[2] ? (v->in[2] - w + stride - 1) / stride : 0;
        int64_t at = 0;
        last = ai_max(ai_min(last, g->count), first);
        if (d < 0 || d >= v->in[0] || h < 0 || h >= v->in[1])
            first = last = g->count;
        else if (first < last)
            at = (d * v->in[1] + h) * v->in[2] + w + first * stride;
        gather_tap(in + at, plane, channels, stride, g->count, first, last, volume * LANES,
                   out + k * LANES);
    }
}

static void gather_panel(const ai_window3 *v, const float *in, int64_t channels, int64_t panel,
                         float *out)
{
    int64_t end = ai_min((panel + 1) * LANES, positions_of(v));
    int64_t taps = channels * v->kernel[0] * v->kernel[1] * v->kernel[2];

    if (end < (panel + 1) * LANES)
        memset(out, 0, (size_t)(taps * LANES) * sizeof(float));
    for (int64_t p = panel * LANES; p < end;) {
        int64_t row = p / v->out[2];
        segment g = {
            .d = row / v->out[1],
            .h = row % v->out[1],
            .w = p % v->out[2],
            .lane = p - panel * LANES,
        };
        g.count = ai_min(v->out[2] - g.w, end - p);
        gather_segment(v, &g, in, channels, out + g.lane);
        p += g.count;
    }
}

static void fill_bias(const ai_step *s, int64_t first, int64_t channels, int64_t lanes, float *out)
{
    const float *bias = ai_conv_operand(s, 2)->data;
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < lanes; i++)
            out[c * lanes + i] = bias[first + c];
    }
}

/* What the kernel of the product has no room for: residual, then clamp. */
static void add_residual(const ai_step *s, const ai_gemm_args *a)
{
    const float *residual = ai_conv_residual(s)->data;
    const float *start = s->out[0]->data;
    float lo;
    float hi;

    ai_conv_clamp(s, &lo, &hi);
    residual += a->out - start;
    for (int64_t m = 0; m < a->m; m++) {
        float *out = a->out + m * a->out_row;
        const float *r = residual + m * a->out_row;
        for (int64_t n = 0; n < a->n; n++) {
            float y = out[n] + r[n];
            y = y < lo ? lo : y;
            out[n] = y > hi ? hi : y;
        }
    }
}

static void run(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end, char *scratch)
{
    const ai_tensor *x = s->in[0];
    int64_t groups = ai_conv_group(s);
    int64_t ic = s->in[1]->dim[1];
    int64_t oc = s->in[1]->dim[0] / groups;
    int64_t taps = taps_of(s);
    int64_t positions = positions_of(v);
    int64_t panels = ai_blocks(positions);
    int64_t most = product_panels(s);
    bool has_bias = ai_conv_operand(s, 2) != NULL;
    bool has_residual = ai_conv_residual(s) != NULL;
    float *packed = ai_scratch_take(&scratch, taps * most * LANES, sizeof(float));
    float *bias = ai_scratch_take(&scratch, oc * most * LANES, sizeof(float));
    int64_t bias_group = -1;
    ai_gemm_args a = {
        .a_row = taps,
        .b = packed,
        .panel = taps * LANES,
        .bias = has_bias ? bias : NULL,
        .bias_row = most * LANES,
        .out_row = positions,
        .m = oc,
        .k = taps,
        .lo = -INFINITY,
        .hi = INFINITY,
    };

    if (!has_residual)
        ai_conv_clamp(s, &a.lo, &a.hi);
    while (begin < end) {
        int64_t panel = begin % panels;
        int64_t unit = begin / panels; /* image and group */
        int64_t group = unit % groups;
        int64_t count = ai_min(ai_min(panels - panel, end - begin), most);
        const float *in = (const float *)x->data + unit * ic * (v->in[0] * v->in[1] * v->in[2]);
        for (int64_t i = 0; i < count; i++)
            gather_panel(v, in, ic, panel + i, packed + i * taps * LANES);
        if (has_bias && bias_group != group)
            fill_bias(s, group * oc, oc, most * LANES, bias);
        bias_group = group;
        a.a = (const float *)s->in[1]->data + group * oc * taps;
        a.out = (float *)s->out[0]->data + unit * oc * positions + panel * LANES;
        a.n = ai_min(count * LANES, positions - panel * LANES);
        a.panel_end = count;
        s->kernel[0]->fn(&a);
        if (has_residual)
            add_residual(s, &a);
        for (int64_t m = 0; m < a.m; m++)
            ai_conv_finish_plain(s, a.out + m * a.out_row, a.n);
        begin += count;
    }
}

const ai_conv_form ai_conv_columns = {
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PANEL16,
    AI_K_GEMM,
    fits,
    plan,
    run,
    NULL,
};
