/* SPDX-License-Identifier: Apache-2.0
 * Reductions. */
#include "onnx.h"

enum { NOOP_WITH_EMPTY_AXES = 1 };

/* While `axes` was an attribute; absent or empty, all axes are reduced. */
void ai_lower_reduce_7(ai_lower *l)
{
    ai_axis_params p = {.keepdims = ai_lower_int(l, "keepdims", 1) != 0};
    uint32_t count;
    const int64_t *axes = ai_lower_ints(l, "axes", &count);
    int32_t in[2] = {ai_lower_input(l, 0), AI_NO_VALUE};
    if (count > 0)
        in[1] = ai_lower_s64(l, "axes", 1, axes, count);
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, l->row->op, &p, sizeof p, in, 2, &out, 1);
}

void ai_lower_reduce(ai_lower *l)
{
    ai_axis_params p = {.keepdims = ai_lower_int(l, "keepdims", 1) != 0};
    if (ai_lower_int(l, "noop_with_empty_axes", 0) != 0)
        p.flags = NOOP_WITH_EMPTY_AXES;
    ai_lower_one(l, &p, sizeof p);
}
