/* SPDX-License-Identifier: Apache-2.0
 * QuantizeLinear, DequantizeLinear and the operators on quantised tensors, as ONNX and ONNX
 * Runtime's quantiser write them. Those are lowered to the operator on numbers between
 * DequantizeLinear and QuantizeLinear, which the passes fold into steps on integers. */
#include "onnx.h"

#include <string.h>

/* Blocks along the axis are newer than what quantisers write. */
static void refuse_blocks(ai_lower *l)
{
    ai_lower_only(l, "block_size", 0);
}

/* Of what is made of a constant: a weight's shape is asked for. */
static void hand_on_shape(ai_lower *l, int32_t out)
{
    const ai_value *x = ai_lower_value(l, 0);
    if (l->status != AI_OK || x == NULL || !x->has_shape || (x->data == NULL && x->producer < 0))
        return;
    ai_value *y = &l->graph->values[out];
    y->has_shape = true;
    y->rank = x->rank;
    memcpy(y->dim, x->dim, sizeof y->dim);
}

void ai_lower_quantize(ai_lower *l)
{
    ai_axis_params p = {.axis = 1};
    if (l->node->opset >= 13)
        p.axis = ai_lower_int(l, "axis", 1);
    if (l->node->opset >= 19)
        ai_lower_ignore(l, "saturate"); /* of floats of 8 bits */
    ai_type type = ai_lower_input(l, 2) == AI_NO_VALUE ? AI_U8 : ai_lower_type(l, 2);
    if (l->node->opset >= 21) {
        refuse_blocks(l);
        int64_t to = ai_lower_int(l, "output_dtype", 0);
        if (to != 0)
            type = ai_onnx_type(to);
    }
    if (l->node->opset >= 23)
        ai_lower_only(l, "precision", 0);
    if (type != AI_U8 && type != AI_S8 && type != AI_U16 && type != AI_S16)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "it makes %s, supported are u8, s8, u16 and s16",
                      type == 0 ? "a type that is not supported" : ai_type_name(type));
    p.count = (uint32_t)type;
    int32_t out = ai_lower_output(l, 0, type);
    hand_on_shape(l, out);
    ai_lower_add(l, NULL, AI_OP_QUANTIZE_LINEAR, &p, sizeof p, l->inputs, l->input_count, &out, 1);
}

void ai_lower_dequantize(ai_lower *l)
{
    ai_axis_params p = {.axis = 1};
    if (l->node->opset >= 13)
        p.axis = ai_lower_int(l, "axis", 1);
    if (l->node->opset >= 21)
        refuse_blocks(l);
    if (l->node->opset >= 23)
        ai_lower_only(l, "output_dtype", 0);
    int32_t out = ai_lower_output(l, 0, AI_F32);
    hand_on_shape(l, out);
    ai_lower_add(l, NULL, AI_OP_DEQUANTIZE_LINEAR, &p, sizeof p, l->inputs, l->input_count, &out,
                 1);
}

void ai_lower_dynamic_quantize(ai_lower *l)
{
    ai_none_params none = {0};
    int32_t out[3];
    out[0] = ai_lower_output(l, 0, AI_U8);
    out[1] = ai_lower_output(l, 1, AI_F32);
    out[2] = ai_lower_output(l, 2, AI_U8);
    ai_lower_add(l, NULL, AI_OP_DYNAMIC_QUANTIZE_LINEAR, &none, sizeof none, l->inputs, 1, out, 3);
}
