/* SPDX-License-Identifier: Apache-2.0
 * Conv: its check, and the choice among its forms. */
#include <inttypes.h>

#include "activation.h"
#include "conv.h"
#include "wide.h"

/* The first whose layouts and channels fit runs. What does not fit the columns goes by rows: both
 * add in the same order. */
static const ai_conv_form *const forms[] = {
    &ai_conv_blocked,   &ai_conv_depthwise, &ai_conv_stem, &ai_conv_winograd4,
    &ai_conv_winograd2, &ai_conv_columns,   &ai_conv_rows,
};

void ai_conv_clamp(const ai_step *s, float *lo, float *hi)
{
    ai_activation_clamp(&((const ai_conv_params *)s->params)->activation, lo, hi);
}

static void get_window(const ai_step *s, ai_window3 *v)
{
    const ai_conv_params *p = s->params;
    ai_window3_set(v, &p->window, s->in[0]->dim, s->out[0]->dim, &s->local[AI_CONV_PAD]);
}

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
    if (w->dim[1] != x->dim[1] / p->group && p->group == 1)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " channels, input has %" PRId64, w->dim[1],
                            x->dim[1]);
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
    ai_status status = AI_OK;

    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (p->flags > AI_CONV_RESIDUAL_LAST)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "flags 0x%x are not known", p->flags);
    if ((status = ai_activation_check(s, &p->activation, err)) != AI_OK)
        return status;
    for (uint32_t i = 0; i < s->in_count; i++) {
        if (i < 2 || s->in[i] != NULL)
            status = i == 1 ? ai_wide_check(s, err) : ai_need_type(s, i, AI_F32, err);
        if (status != AI_OK)
            return status;
    }
    if ((status = ai_window_check(s, &p->window, err)) != AI_OK ||
        (status = ai_need_rank(s, 0, 2 + p->window.spatial, err)) != AI_OK ||
        (status = ai_need_rank(s, 1, 2 + p->window.spatial, err)) != AI_OK ||
        (status = check_weight(s, p, err)) != AI_OK)
        return status;
    const ai_tensor *bias = ai_conv_operand(s, 2);
    if (bias != NULL &&
        (bias->layout != AI_LAYOUT_PLAIN || bias->rank != 1 || bias->dim[0] != s->in[1]->dim[0]))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "bias has rank %u and dimension %" PRId64 ", needs %" PRId64 " numbers",
                            bias->rank, bias->dim[0], s->in[1]->dim[0]);
    return AI_OK;
}

static ai_status check_residual(const ai_step *s, ai_error *err)
{
    const ai_tensor *r = ai_conv_operand(s, 3);
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

static ai_status check_packed(const ai_step *s, const ai_conv_params *p, ai_error *err)
{
    if (s->in[1]->layout == AI_LAYOUT_PLAIN)
        return AI_OK;
    if (s->in[1]->kind != AI_TENSOR_CONSTANT)
        return ai_fail_step(err, AI_E_FORMAT, s, "packed weight is not a constant");
    if (p->window.spatial != 2)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "packed weight has %u spatial dimensions, needs 2", p->window.spatial);
    return AI_OK;
}

static ai_status refuse_winograd(const ai_step *s, ai_error *err)
{
    const ai_window *w = &((const ai_conv_params *)s->params)->window;
    return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                        "weights of layout %u need 1 group, stride 1x1 and dilation 1x1, "
                        "found are %u, %ux%u and %ux%u",
                        s->in[1]->layout, ai_conv_group(s), w->stride[0], w->stride[1],
                        w->dilation[0], w->dilation[1]);
}

static ai_status choose_form(ai_step *s, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];
    bool has_layouts = false;

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const ai_conv_form *f = forms[i];
        if (f->in != x->layout || f->weight != w->layout || f->out != s->out[0]->layout)
            continue;
        has_layouts = true;
        if (f->fits(s)) {
            s->local[AI_CONV_FORM] = (int64_t)i;
            return AI_OK;
        }
    }
    if (has_layouts && (w->layout == AI_LAYOUT_WINOGRAD4 || w->layout == AI_LAYOUT_WINOGRAD2))
        return refuse_winograd(s, err);
    if (has_layouts)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "%u groups of %" PRId64 " to %" PRId64
                            " channels do not fit weights of layout %u",
                            ai_conv_group(s), w->dim[1], w->dim[0] / ai_conv_group(s), w->layout);
    return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                        "layouts %u, %u and %u of input, weight and output do not go together",
                        x->layout, w->layout, s->out[0]->layout);
}

static ai_status plan(ai_step *s, ai_error *err)
{
    const ai_tensor *w = s->in[1];
    ai_window3 v;

    get_window(s, &v);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    if (!forms[s->local[AI_CONV_FORM]]->plan(s, &v))
        return ai_fail_step(err, AI_E_SHAPE, s, "padded input is over 2^44 bytes");
    s->work = ai_max(s->work, 1);
    /* counts are at most 2^40 each: wrapping would take a run of years */
    s->flops =
        2 * (uint64_t)ai_tensor_count(s->out[0]) * (uint64_t)(ai_tensor_count(w) / w->dim[0]);
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
                                  &s->local[AI_CONV_PAD], err)) != AI_OK ||
        (status = check_packed(s, p, err)) != AI_OK || (status = choose_form(s, err)) != AI_OK ||
        (status = ai_set_output(s, 0, AI_F32, s->in[0]->rank, dim, err)) != AI_OK ||
        (status = check_residual(s, err)) != AI_OK)
        return status;
    return plan(s, err);
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    const ai_conv_form *form = forms[s->local[AI_CONV_FORM]];
    ai_status status = ai_conv_prepare_finish(s, err);
    if (status == AI_OK)
        status = ai_wide_prepare(s, err);
    if (status != AI_OK)
        return status;
    if (form->prepare != NULL)
        return form->prepare(s, err);
    return ai_choose(s, 0, form->kernel, AI_F32, AI_F32, form->kernel_layout, err);
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    ai_window3 v;

    (void)err;
    if (ai_tensor_count(s->out[0]) == 0)
        return AI_OK;
    get_window(s, &v);
    forms[s->local[AI_CONV_FORM]]->run(s, &v, begin, end, scratch);
    return AI_OK;
}

const ai_op ai_op_conv = {check, prepare, run, false};
