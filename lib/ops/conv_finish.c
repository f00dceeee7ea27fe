/* SPDX-License-Identifier: Apache-2.0
 * What a Conv does to its sums that its kernels do not: activations other than a clip, and a
 * residual that comes after the activation. */
#include "activation.h"
#include "conv.h"

static const ai_conv_params *params_of(const ai_step *s)
{
    return s->params;
}

static const ai_tensor *late_residual(const ai_step *s)
{
    bool is_last = (params_of(s)->flags & AI_CONV_RESIDUAL_LAST) != 0;
    return is_last ? ai_conv_operand(s, 3) : NULL;
}

const ai_tensor *ai_conv_residual(const ai_step *s)
{
    return late_residual(s) == NULL ? ai_conv_operand(s, 3) : NULL;
}

bool ai_conv_is_unfinished(const ai_step *s)
{
    return ai_activation_is_apart(&params_of(s)->activation) || late_residual(s) != NULL;
}

ai_status ai_conv_prepare_finish(ai_step *s, ai_error *err)
{
    ai_status status = ai_activation_prepare(s, &params_of(s)->activation, err);
    if (status != AI_OK || late_residual(s) == NULL)
        return status;
    return ai_choose(s, AI_SLOT_RESIDUAL, AI_K_BINARY + AI_BINARY_ADD, AI_F32, AI_F32,
                     AI_LAYOUT_PLAIN, err);
}

static void finish_span(const ai_step *s, float *out, const float *residual, int64_t count)
{
    const ai_activation *a = &params_of(s)->activation;
    ai_binary_args add = {out, residual, out, count, 1, 1};
    if (ai_activation_is_apart(a))
        ai_activation_run(s, a, out, count);
    if (residual != NULL)
        s->kernel[AI_SLOT_RESIDUAL]->fn(&add);
}

void ai_conv_finish_plain(const ai_step *s, float *out, int64_t count)
{
    const ai_tensor *r = late_residual(s);
    if (ai_conv_is_unfinished(s))
        finish_span(s, out,
                    r == NULL ? NULL : (const float *)r->data + (out - (float *)s->out[0]->data),
                    count);
}

void ai_conv_finish(const ai_step *s, const ai_conv_area *a)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = late_residual(s);
    int64_t panels = ai_blocks(y->dim[1]);

    if (!ai_conv_is_unfinished(s))
        return;
    for (int64_t i = 0; i < a->panels * a->rows; i++) {
        int64_t plane = a->image * panels + a->panel + i / a->rows;
        int64_t row = a->row + i % a->rows;
        float *out = (float *)y->data + plane * y->plane + row * y->row + a->column * 16;
        const float *residual = NULL;
        if (r != NULL)
            residual = (const float *)r->data + plane * r->plane + row * r->row + a->column * 16;
        finish_span(s, out, residual, a->columns * 16);
    }
}
