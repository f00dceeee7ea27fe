/* SPDX-License-Identifier: Apache-2.0
 * Dropout, which passes its input on unless training is asked for. */
#include "onnx.h"

enum { HAS_SEED = 1 };

/* Until opset 11 training is not the node's to say: the ratio means nothing at inference. The mask
 * is of the input's type until opset 9. */
void ai_lower_dropout_7(ai_lower *l)
{
    ai_axis_params p = {0};
    ai_cast_params cast = {0};
    ai_type type = ai_lower_type(l, 0);
    ai_type mask_type = l->node->opset < 10 ? type : AI_BOOL;
    ai_lower_ignore(l, "ratio");
    int32_t out[2];
    out[0] = ai_lower_output(l, 0, type);
    out[1] = ai_lower_output(l, 1, mask_type);
    int32_t mask = out[1];
    if (mask != AI_NO_VALUE && mask_type != AI_BOOL)
        out[1] = ai_lower_between(l, "mask", AI_BOOL);
    ai_lower_add(l, NULL, AI_OP_DROPOUT, &p, sizeof p, l->inputs, 1, out, 2);
    cast.type = (uint32_t)mask_type;
    if (mask != out[1])
        ai_lower_add(l, "mask", AI_OP_CAST, &cast, sizeof cast, &out[1], 1, &mask, 1);
}

void ai_lower_dropout(ai_lower *l)
{
    ai_axis_params p = {0};
    if (ai_lower_has(l, "seed")) {
        p.start = ai_lower_int(l, "seed", 0);
        p.flags = HAS_SEED;
    }
    int32_t out[2];
    out[0] = ai_lower_output(l, 0, ai_lower_type(l, 0));
    out[1] = ai_lower_output(l, 1, AI_BOOL);
    ai_lower_add(l, NULL, AI_OP_DROPOUT, &p, sizeof p, l->inputs, l->input_count, out, 2);
}
