/* SPDX-License-Identifier: Apache-2.0
 * Operators that slide a window: Conv, ConvTranspose, MaxPool, AveragePool, LpPool. */
#include "onnx.h"

#include <string.h>

static const char *const auto_pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};

/* Copies a list of one number a spatial dimension, or leaves `out` as it is if absent. */
static void spatial_list(ai_lower *l, const char *name, uint32_t spatial, int64_t least,
                         uint32_t *out)
{
    uint32_t count;
    const int64_t *list = ai_lower_ints(l, name, &count);
    if (list == NULL || count == 0)
        return;
    if (count != spatial)
        ai_lower_fail(l, AI_E_FORMAT, "attribute '%s' has %u numbers, %u were needed", name, count,
                      spatial);
    for (uint32_t i = 0; i < spatial && l->status == AI_OK; i++) {
        if (list[i] < least || list[i] > INT32_MAX)
            ai_lower_fail(l, AI_E_FORMAT, "attribute '%s' has %lld, %lld to %d was needed", name,
                          (long long)list[i], (long long)least, INT32_MAX);
        out[i] = (uint32_t)list[i];
    }
}

static void set_spatial(ai_lower *l, ai_window *w, const ai_value *weight)
{
    uint32_t count;
    const int64_t *kernel = ai_lower_ints(l, "kernel_shape", &count);
    bool is_given = kernel != NULL && count > 0;
    if (!is_given && weight == NULL)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'kernel_shape' is missing");
    else if (!is_given && !weight->has_shape)
        ai_lower_fail(
            l, AI_E_UNSUPPORTED,
            "attribute 'kernel_shape' is missing and the weight is computed: state kernel_shape");
    else if (!is_given && weight->rank < 3)
        ai_lower_fail(l, AI_E_SHAPE, "weight has %u dimensions, at least 3 were needed",
                      weight->rank);
    if (l->status != AI_OK)
        return;
    w->spatial = is_given ? count : weight->rank - 2;
    if (w->spatial > AI_MAX_SPATIAL) {
        ai_lower_fail(l, AI_E_UNSUPPORTED, "it has %u spatial dimensions, at most %d are supported",
                      w->spatial, AI_MAX_SPATIAL);
        w->spatial = 0;
    }
    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t k = is_given ? kernel[i] : weight->dim[2 + i];
        if (k < 1 || k > INT32_MAX)
            ai_lower_fail(l, AI_E_SHAPE, "kernel has a size of %lld, 1 to %d was needed",
                          (long long)k, INT32_MAX);
        w->kernel[i] = (uint32_t)k;
        w->stride[i] = 1;
        w->dilation[i] = 1;
    }
}

static void set_pads(ai_lower *l, ai_window *w)
{
    uint32_t both[2 * AI_MAX_SPATIAL] = {0};
    w->auto_pad = ai_lower_choice(l, "auto_pad", auto_pads, AI_PAD_EXPLICIT);
    spatial_list(l, "pads", 2 * w->spatial, 0, both);
    for (uint32_t i = 0; i < w->spatial; i++) {
        w->pad_begin[i] = both[i];
        w->pad_end[i] = both[w->spatial + i];
        if (w->auto_pad != AI_PAD_EXPLICIT && (w->pad_begin[i] != 0 || w->pad_end[i] != 0))
            ai_lower_fail(l, AI_E_FORMAT,
                          "attribute 'pads' is given beside auto_pad '%s': give one of them",
                          auto_pads[w->auto_pad]);
    }
}

void ai_lower_window(ai_lower *l, ai_window *window, const ai_value *weight)
{
    set_spatial(l, window, weight);
    spatial_list(l, "strides", window->spatial, 1, window->stride);
    spatial_list(l, "dilations", window->spatial, 1, window->dilation);
    set_pads(l, window);
}

void ai_lower_conv(ai_lower *l)
{
    ai_conv_params p = {0};
    ai_lower_window(l, &p.window, ai_lower_value(l, 1));
    p.group = (uint32_t)ai_lower_int_in(l, "group", 1, 1, INT32_MAX);
    ai_lower_one(l, &p, sizeof p);
}

/* Sizes of the output; some writers give those of batch and channels before them. */
static void set_output_shape(ai_lower *l, ai_conv_transpose_params *p)
{
    uint32_t full[2 + AI_MAX_SPATIAL] = {0};
    uint32_t count;
    uint32_t spatial = p->window.spatial;
    const int64_t *list = ai_lower_ints(l, "output_shape", &count);
    if (list == NULL || count == 0)
        return;
    uint32_t extra = count == spatial + 2 ? 2 : 0;
    spatial_list(l, "output_shape", spatial + extra, 0, full);
    p->has_output_shape = 1;
    memcpy(p->output_shape, full + extra, spatial * sizeof *full);
}

void ai_lower_conv_transpose(ai_lower *l)
{
    ai_conv_transpose_params p = {0};
    ai_lower_window(l, &p.window, ai_lower_value(l, 1));
    p.group = (uint32_t)ai_lower_int_in(l, "group", 1, 1, INT32_MAX);
    spatial_list(l, "output_padding", p.window.spatial, 0, p.output_padding);
    set_output_shape(l, &p);
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_pool(ai_lower *l)
{
    ai_pool_params p = {0};
    ai_lower_window(l, &p.window, NULL);
    p.ceil_mode = (uint32_t)ai_lower_int_in(l, "ceil_mode", 0, 0, 1);
    if (l->row->op == AI_OP_AVERAGE_POOL)
        p.count_include_pad = (uint32_t)ai_lower_int_in(l, "count_include_pad", 0, 0, 1);
    if (l->row->op == AI_OP_MAX_POOL)
        p.storage_order = (uint32_t)ai_lower_int_in(l, "storage_order", 0, 0, 1);
    if (l->row->op == AI_OP_LP_POOL)
        p.p = (uint32_t)ai_lower_int_in(l, "p", 2, 1, INT32_MAX);
    int32_t out[2];
    out[0] = ai_lower_output(l, 0, ai_lower_type(l, 0));
    out[1] = ai_lower_output(l, 1, AI_S64);
    ai_lower_add(l, NULL, l->row->op, &p, sizeof p, l->inputs, 1, out, l->row->max_outputs);
}
