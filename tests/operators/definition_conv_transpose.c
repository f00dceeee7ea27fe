/* SPDX-License-Identifier: Apache-2.0
 * ConvTranspose against its definition. */
#include <math.h>
#include <stdlib.h>

#include "definition.h"

static void make_conv_transpose(dice *d, step *s, bool is_blocked)
{
    ai_conv_transpose_params *p = &s->params.conv_transpose;
    uint32_t spatial = is_blocked ? 2 : (uint32_t)from(d, 1, 3);
    int64_t group = is_blocked ? 1 : from(d, 1, 3);
    int64_t x[5] = {from(d, 1, 2), group * from(d, 1, is_blocked ? 40 : 4)};
    int64_t w[5] = {x[1], from(d, 1, is_blocked ? 40 : 4)};
    int64_t channels = w[1] * group;

    make_window(d, &p->window, spatial);
    p->group = (uint32_t)group;
    p->has_output_shape = one_in(d, 4);
    for (uint32_t i = 0; i < spatial; i++) {
        x[2 + i] = from(d, 1, 6);
        w[2 + i] = p->window.kernel[i];
        p->output_padding[i] = (uint32_t)from(d, 0, 2);
        p->output_shape[i] = (uint32_t)from(d, 1, 20);
    }
    uint8_t image = is_blocked ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN;
    uint8_t weight = is_blocked ? AI_LAYOUT_TRANSPOSED16 : AI_LAYOUT_PLAIN;
    step_shape(s, 0, AI_F32, image, 2 + spatial, x);
    step_shape(s, 1, AI_F32, weight, 2 + spatial, w);
    step_shape(s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, &channels);
    s->in[1].kind = AI_TENSOR_CONSTANT;
    s->out[0].layout = image;
    for (int i = 0; i < 4 && is_blocked; i++)
        s->out[0].border[i] = (uint32_t)from(d, 0, 2);
}

/* Of position k in dimension i: how many lie before it in TRANSPOSED16, its class not counted; how
 * many of its class lie before it; how many its class has. */
static void class_place(const place *p, int i, int64_t k, int64_t at[3])
{
    int64_t residue = k * p->dilation[i] % p->stride[i];
    at[0] = at[1] = at[2] = 0;
    for (int64_t j = 0; j < p->kernel[i]; j++) {
        int64_t other = j * p->dilation[i] % p->stride[i];
        at[0] += other < residue;
        at[1] += other == residue && j > k;
        at[2] += other == residue;
    }
}

/* Where the weight of those channels and position k lies in TRANSPOSED16. */
static int64_t transposed_at(const place *p, const ai_tensor *w, int64_t ic, int64_t oc, int64_t k)
{
    int64_t h[3];
    int64_t v[3];
    class_place(p, 1, k / p->kernel[2], h);
    class_place(p, 2, k % p->kernel[2], v);
    int64_t block = ic / 16 * 16;
    int64_t rows = w->dim[0] - block < 16 ? w->dim[0] - block : 16;
    int64_t earlier = h[0] * p->kernel[2] + h[2] * v[0];
    int64_t volume = h[2] * v[2];
    return earlier * w->dim[0] * ((w->dim[1] + 15) / 16 * 16) + oc / 16 * w->dim[0] * volume * 16 +
           (block * volume + (h[1] * v[2] + v[1]) * rows + ic - block) * 16 + oc % 16;
}

static float *fill_transposed(dice *d, step *s, const place *p)
{
    const ai_tensor *w = &s->in[1];
    int64_t volume = volume_of(p->kernel);
    if (w->layout == AI_LAYOUT_PLAIN)
        return fill_values(d, s, 1);
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(w); i++) {
        int64_t channels = i / volume;
        ((float *)
             w->data)[transposed_at(p, w, channels / w->dim[1], channels % w->dim[1], i % volume)] =
            plain[i];
    }
    return plain;
}

/* The padding of a ConvTranspose: what its output lacks of the whole one. */
static void set_transposed_pads(place *p, const ai_conv_transpose_params *q)
{
    const ai_window *w = &q->window;
    for (uint32_t i = 0; i < w->spatial; i++) {
        uint32_t k = 3 - w->spatial + i;
        int64_t total = (p->in[k] - 1) * p->stride[k] + q->output_padding[i] +
                        (p->kernel[k] - 1) * p->dilation[k] + 1 - p->out[k];
        total = total > 0 ? total : 0;
        p->pad[k] = w->auto_pad == AI_PAD_VALID ? 0 : w->pad_begin[i];
        if (q->has_output_shape || w->auto_pad % 3 != 0)
            p->pad[k] = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : (total + 1) / 2;
    }
}

/* Place in a plane of what output `at` takes through kernel position k: -1 outside, -2 none. */
static int64_t transposed_tap(const place *p, const int64_t at[3], int64_t k)
{
    int64_t to[3];
    int64_t place_in = 0;
    bool is_outside = false;
    split(k, p->kernel, to);
    for (int i = 0; i < 3; i++) {
        int64_t x = at[i] + p->pad[i] - to[i] * p->dilation[i];
        if (x % p->stride[i] != 0)
            return -2;
        x /= p->stride[i];
        is_outside |= x < 0 || x >= p->in[i];
        place_in = place_in * p->in[i] + x;
    }
    return is_outside ? -1 : place_in;
}

/* The order of the sum: plain by input channels, then positions; in blocks by blocks of 16
 * channels, then positions from the last, then channels. `w` is [ic][oc][volume] from the output
 * channel on. */
static float transposed_sum(const place *p, const step *s, const float *x, const float *w,
                            int64_t ic, const int64_t at[3], float sum)
{
    int64_t volume = volume_of(p->kernel);
    bool is_blocked = s->in[1].layout != AI_LAYOUT_PLAIN;
    int64_t block = is_blocked ? 16 : 1;
    for (int64_t c = 0; c < ic; c += block) {
        for (int64_t i = 0; i < volume; i++) {
            int64_t k = is_blocked ? volume - 1 - i : i;
            int64_t place_in = transposed_tap(p, at, k);
            for (int64_t j = c; j < ic && j < c + block && place_in != -2; j++)
                sum = fmaf(place_in < 0 ? 0.0f : x[j * volume_of(p->in) + place_in],
                           w[j * s->in[1].dim[1] * volume + k], sum);
        }
    }
    return sum;
}

bool define_conv_transpose(dice *d)
{
    const char *name = "ConvTranspose";
    step s;
    place p;

    step_init(&s, AI_OP_CONV_TRANSPOSE, 3, 1);
    make_conv_transpose(d, &s, one_in(d, 2));
    if (step_check(&s) != AI_OK) /* padding leaves nothing */
        return false;
    set_place(&p, &s.params.conv_transpose.window, &s.in[0], &s.out[0]);
    set_transposed_pads(&p, &s.params.conv_transpose);
    int64_t group = s.params.conv_transpose.group;
    int64_t ic = s.in[1].dim[0] / group;
    int64_t oc = s.in[1].dim[1];
    int64_t volume = volume_of(p.kernel);
    int64_t positions = volume_of(p.out);
    float *x = fill_values(d, &s, 0);
    float *w = fill_transposed(d, &s, &p);
    float *bias = fill_values(d, &s, 2);
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t channel = i / positions % oc;
        int64_t unit = i / positions / oc; /* image and group */
        split(i % positions, p.out, at);
        float sum = transposed_sum(&p, &s, x + unit * ic * volume_of(p.in),
                                   w + (unit % group * ic * oc + channel) * volume, ic, at,
                                   bias[unit % group * oc + channel]);
        expect(d, &s, name, i, sum);
    }
    free(x);
    free(w);
    free(bias);
    step_free(&s);
    return true;
}
