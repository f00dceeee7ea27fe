/* SPDX-License-Identifier: Apache-2.0
 * Conv on plain tensors row by row: one output channel at a time, lanes along the columns. */
#include <string.h>

#include "conv.h"

static bool fits(const ai_step *s)
{
    (void)s;
    return true;
}

/* A pointwise convolution without stride and padding is one long row. */
static void join_rows(ai_window3 *v)
{
    for (int i = 0; i < 3; i++) {
        if (v->kernel[i] != 1 || v->stride[i] != 1 || v->pad[i] != 0 || v->in[i] != v->out[i])
            return;
    }
    int64_t positions = v->in[0] * v->in[1] * v->in[2];
    v->in[0] = v->in[1] = v->out[0] = v->out[1] = 1;
    v->in[2] = v->out[2] = positions;
}

static bool plan(ai_step *s, const ai_window3 *window)
{
    const ai_tensor *w = s->in[1];
    ai_window3 v = *window;
    int64_t taps = v.kernel[0] * v.kernel[1]; /* the weight exists: no overflow */

    join_rows(&v);
    s->work = s->in[0]->dim[0] * w->dim[0] * v.out[ai_conv_slice_axis(&v)];
    return ai_scratch_add(&s->scratch, w->dim[1], taps, v.kernel[2], sizeof(int64_t)) &&
           ai_conv_plan_slab(s, &v);
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

/* Some slices of some output channels of one group of one image. */
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
    const ai_tensor *bias = ai_conv_operand(s, 2);
    const ai_tensor *r = ai_conv_residual(s);
    int axis = ai_conv_slice_axis(v);
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
            ai_conv_finish_plain(s, a->out, a->columns);
        }
    }
}

static void run(const ai_step *s, const ai_window3 *window, int64_t begin, int64_t end,
                char *scratch)
{
    const ai_tensor *x = s->in[0];
    int64_t groups = ai_conv_group(s);
    int64_t ic = s->in[1]->dim[1];
    int64_t oc = s->in[1]->dim[0] / groups;
    ai_window3 v = *window;
    piece t;
    ai_conv_plain_args a = {.columns = 0};

    join_rows(&v);
    int axis = ai_conv_slice_axis(&v);
    bool needs_slab = ai_conv_is_padded(&v);
    int64_t slices = v.out[axis];
    int64_t most = s->local[AI_CONV_SLICES];
    int64_t plane = v.in[0] * v.in[1] * v.in[2];
    int64_t in_plane = plane;
    memcpy(t.size, v.in, sizeof(t.size));
    if (needs_slab)
        (void)ai_conv_slab_size(&v, most, t.size, &plane);
    a.tap_count = ic * v.kernel[0] * v.kernel[1] * v.kernel[2];
    int64_t *taps = ai_scratch_take(&scratch, a.tap_count, sizeof(*taps));
    fill_taps(&v, ic, t.size, plane, taps);
    a.taps = taps;
    a.stride = v.stride[2];
    a.columns = v.out[2];
    ai_conv_clamp(s, &a.lo, &a.hi);
    while (begin < end) {
        int64_t group = begin / oc / slices % groups;
        int64_t channel = begin % oc;
        t.image = begin / oc / slices / groups;
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
            ai_conv_fill_slab(&v, in, ic, first, size, plane, (float *)(void *)scratch);
            t.in = (const float *)(void *)scratch;
        }
        run_piece(s, &v, &t, &a);
        begin += t.channels * t.slices;
    }
}

const ai_conv_form ai_conv_rows = {
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PLAIN,
    AI_LAYOUT_PLAIN,
    AI_K_CONV_PLAIN,
    fits,
    plan,
    run,
    NULL,
};
