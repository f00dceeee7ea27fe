/* SPDX-License-Identifier: Apache-2.0
 * Conv against its definition. */
#include <math.h>
#include <stdlib.h>

#include "definition.h"

enum { BLOCKED, STEM, DEPTHWISE, PLAIN };

static void make_conv(dice *d, step *s, int form)
{
    static const uint8_t layouts[][3] = {
        {AI_LAYOUT_NCHW16C, AI_LAYOUT_CONV16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_PLAIN, AI_LAYOUT_STEM16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_NCHW16C, AI_LAYOUT_DEPTHWISE16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN},
    };
    uint32_t spatial = form == PLAIN ? (uint32_t)from(d, 1, 3) : 2;
    int64_t group = form == DEPTHWISE ? from(d, 1, 40) : form == PLAIN ? from(d, 1, 3) : 1;
    int64_t ic = form == DEPTHWISE ? 1 : from(d, 1, form == BLOCKED ? 40 : 5);
    int64_t oc = form == DEPTHWISE ? 1 : from(d, 1, form == PLAIN ? 9 : 40);
    if (form == BLOCKED && one_in(d, 2)) {
        group = 2;
        ic = 16 * from(d, 1, 2);
        oc = 16 * from(d, 1, 2);
    }
    make_window(d, &s->params.conv.window, spatial);
    make_activation(d, &s->params.conv.activation);
    s->params.conv.flags = one_in(d, 3) ? AI_CONV_RESIDUAL_LAST : 0;
    s->params.conv.group = (uint32_t)group;
    int64_t x[5] = {one_in(d, 9) ? 0 : from(d, 1, 2), group * ic};
    int64_t w[5] = {group * oc, ic};
    for (uint32_t i = 0; i < spatial; i++) {
        x[2 + i] = from(d, 1, one_in(d, 3) ? 40 : 12);
        w[2 + i] = s->params.conv.window.kernel[i];
    }
    step_shape(s, 0, AI_F32, layouts[form][0], 2 + spatial, x);
    step_shape(s, 1, AI_F32, layouts[form][1], 2 + spatial, w);
    step_shape(s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, w);
    s->in[1].kind = AI_TENSOR_CONSTANT;
    s->out[0].layout = layouts[form][2];
    s->in_list[2] = one_in(d, 3) ? NULL : &s->in[2];
    s->in_list[3] = NULL;
}

/* The order of the sum: blocks of input channels, kernel positions, channels of the block. */
static float conv_sum(const place *p, const float *x, const float *w, int64_t ic, int64_t block,
                      const int64_t at[3], float sum)
{
    int64_t volume = volume_of(p->kernel);
    for (int64_t c = 0; c < ic; c += block) {
        for (int64_t k = 0; k < volume; k++) {
            int64_t from_place = tap(p, at, k);
            for (int64_t i = c; i < ic && i < c + block; i++)
                sum = fmaf(from_place < 0 ? 0.0f : x[i * volume_of(p->in) + from_place],
                           w[i * volume + k], sum);
        }
    }
    return sum;
}

bool define_conv(dice *d)
{
    static const char *const names[] = {"blocked Conv", "stem Conv", "depthwise Conv",
                                        "plain Conv"};
    int form = (int)from(d, 0, 3);
    step s;
    place p;

    step_init(&s, AI_OP_CONV, 4, 1);
    make_conv(d, &s, form);
    if (step_check(&s) != AI_OK) /* the window is larger than the input */
        return false;
    set_place(&p, &s.params.conv.window, &s.in[0], &s.out[0]);
    if (one_in(d, 2)) {
        step_shape(&s, 3, AI_F32, s.out[0].layout, s.out[0].rank, s.out[0].dim);
        s.in_list[3] = &s.in[3];
        for (int i = 0; i < 4 && s.out[0].layout == AI_LAYOUT_NCHW16C; i++)
            s.in[3].border[i] = s.out[0].border[i] = (uint32_t)from(d, 0, 2);
        if (step_check(&s) != AI_OK)
            fail(d, names[form], s.err.message);
    }
    int64_t ic = s.in[1].dim[1];
    int64_t oc = s.in[1].dim[0];
    int64_t volume = volume_of(p.kernel);
    int64_t positions = volume_of(p.out);
    float *x = fill_values(d, &s, 0);
    float *w = fill_weight(d, &s, volume);
    float *bias = fill_values(d, &s, 2);
    float *residual = s.in_list[3] != NULL ? fill_values(d, &s, 3) : NULL;
    run_split(d, &s, names[form]);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t channel = i / positions % oc;
        int64_t image = i / positions / oc;
        int64_t first = (image * s.params.conv.group + channel / (oc / s.params.conv.group)) * ic;
        split(i % positions, p.out, at);
        float sum = conv_sum(&p, x + first * volume_of(p.in), w + channel * ic * volume, ic,
                             form == BLOCKED ? 16 : 1, at, s.in_list[2] ? bias[channel] : 0.0f);
        bool is_last = s.params.conv.flags != 0;
        sum = residual != NULL && !is_last ? sum + residual[i] : sum;
        sum = activate(&s.params.conv.activation, sum);
        expect(d, &s, names[form], i, residual != NULL && is_last ? sum + residual[i] : sum);
    }
    free(x);
    free(w);
    free(bias);
    free(residual);
    step_free(&s);
    return true;
}
