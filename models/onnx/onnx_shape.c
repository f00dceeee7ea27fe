/* SPDX-License-Identifier: Apache-2.0
 * Operators that change or tell a shape. */
#include "onnx.h"

enum { ALLOW_ZERO = 1 };

void ai_lower_reshape(ai_lower *l)
{
    ai_axis_params p = {0};
    if (l->node->opset >= 14 && ai_lower_int_in(l, "allowzero", 0, 0, 1) != 0)
        p.flags = ALLOW_ZERO;
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_flatten(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 1)};
    ai_lower_one(l, &p, sizeof p);
}

/* Squeeze and Unsqueeze while `axes` was an attribute. */
void ai_lower_axes_attribute(ai_lower *l)
{
    ai_none_params none = {0};
    uint32_t count;
    const int64_t *axes = ai_lower_ints(l, "axes", &count);
    int32_t in[2] = {ai_lower_input(l, 0), AI_NO_VALUE};
    if (axes == NULL && l->row->op == AI_OP_UNSQUEEZE)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'axes' is missing");
    if (axes != NULL)
        in[1] = ai_lower_s64(l, "axes", 1, axes, count);
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, l->row->op, &none, sizeof none, in, 2, &out, 1);
}

void ai_lower_shape(ai_lower *l)
{
    ai_axis_params p = {.end = INT64_MAX};
    if (l->node->opset >= 15) {
        p.start = ai_lower_int(l, "start", 0);
        p.end = ai_lower_int(l, "end", INT64_MAX);
    }
    int32_t out = ai_lower_output(l, 0, AI_S64);
    ai_lower_add(l, NULL, AI_OP_SHAPE, &p, sizeof p, l->inputs, 1, &out, 1);
}

void ai_lower_size(ai_lower *l)
{
    ai_none_params none = {0};
    int32_t out = ai_lower_output(l, 0, AI_S64);
    ai_lower_add(l, NULL, AI_OP_SIZE, &none, sizeof none, l->inputs, 1, &out, 1);
}
