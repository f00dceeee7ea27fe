/* SPDX-License-Identifier: Apache-2.0
 * Operators of com.microsoft that stand for several: with an activation behind, and with weights
 * that were quantised. */
#include "onnx.h"

static const char *const names[] = {"", "Relu", "LeakyRelu", "Sigmoid", "Tanh", NULL};
enum { LEAKY_RELU = 2 };

/* The activation of that number, as output 0. */
static void activate(ai_lower *l, uint32_t kind, float alpha, int32_t y)
{
    static const uint16_t ops[] = {AI_OP_IDENTITY, AI_OP_RELU, AI_OP_LEAKY_RELU, AI_OP_SIGMOID,
                                   AI_OP_TANH};
    const ai_unary_params p = {.alpha = kind == LEAKY_RELU ? alpha : 0};
    int32_t out = ai_lower_output(l, 0, AI_F32);
    ai_lower_add(l, NULL, ops[kind], &p, kind == 0 ? (uint32_t)sizeof(ai_none_params) : sizeof p,
                 &y, 1, &out, 1);
}

/* x, weight, bias, and a sum that is added before the activation */
void ai_lower_fused_conv(ai_lower *l)
{
    float alpha = 0.01f;
    uint32_t kind = ai_lower_choice(l, "activation", names, 0);
    const AiOnnx__Attribute *numbers =
        ai_lower_attribute(l, "activation_params", AI_ONNX_ATTR_FLOATS);
    if (kind == LEAKY_RELU && numbers != NULL && numbers->n_floats > 0)
        alpha = numbers->floats[0];
    int32_t y =
        ai_lower_inner(l, ai_lower_conv, l->inputs, l->input_count < 3 ? l->input_count : 3);
    if (ai_lower_input(l, 3) != AI_NO_VALUE)
        y = ai_lower_binary(l, "sum", AI_OP_ADD, AI_F32, y, ai_lower_input(l, 3));
    activate(l, kind, alpha, y);
}

void ai_lower_fused_gemm(ai_lower *l)
{
    uint32_t kind = ai_lower_choice(l, "activation", names, 0);
    float alpha = ai_lower_float(l, "activation_alpha", 0.01f);
    ai_lower_ignore(l, "activation_beta"); /* of activations that are not among these */
    ai_lower_ignore(l, "activation_gamma");
    activate(l, kind, alpha, ai_lower_inner(l, ai_lower_gemm, l->inputs, l->input_count));
}

/* ---- DynamicQuantizeLSTM ---- */

/* A number of each direction, or of each of its gates' units, beside a weight. */
static int32_t beside_weight(ai_lower *l, const char *suffix, uint32_t i)
{
    const ai_value *v = ai_lower_value(l, i);
    const ai_axis_params none = {0};
    if (v == NULL || !v->has_shape || v->rank < 1 || v->rank > 2) {
        ai_lower_fail(l, AI_E_UNSUPPORTED, "input %u is missing or has no rank of 1 or 2", i);
        return AI_NO_VALUE;
    }
    const int64_t dim[3] = {v->dim[0], 1, v->rank == 2 ? v->dim[1] : 1};
    const int32_t in[2] = {ai_lower_input(l, i), ai_lower_s64(l, suffix, 1, dim, 3)};
    int32_t out = ai_lower_between(l, suffix, ai_lower_type(l, i));
    ai_lower_add(l, suffix, AI_OP_RESHAPE, &none, sizeof none, in, 2, &out, 1);
    return ai_lower_cast_to(l, suffix, out, AI_F32);
}

/* (weight - zero point) * scale with its last two dimensions exchanged: as LSTM has it. */
static int32_t weight(ai_lower *l, const char *suffix, uint32_t i, uint32_t scale)
{
    const ai_axes_params turn = {.count = 3, .axes = {0, 2, 1}};
    ai_type type = ai_lower_type(l, i);
    if (type != AI_S8 && type != AI_U8)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "input %u is %s, supported are u8 and s8", i,
                      type == 0 ? "of a type that is not known" : ai_type_name(type));
    int32_t w = ai_lower_cast_to(l, suffix, ai_lower_input(l, i), AI_F32);
    w = ai_lower_binary(l, suffix, AI_OP_SUB, AI_F32, w, beside_weight(l, suffix, scale + 1));
    w = ai_lower_binary(l, suffix, AI_OP_MUL, AI_F32, w, beside_weight(l, suffix, scale));
    int32_t out = ai_lower_between(l, suffix, AI_F32);
    ai_lower_add(l, suffix, AI_OP_TRANSPOSE, &turn, sizeof turn, &w, 1, &out, 1);
    return out;
}

/* X, W, R, B, sequence_lens, initial_h, initial_c, P, scale and zero point of W, of R */
void ai_lower_dynamic_lstm(ai_lower *l)
{
    if (l->input_count != 12) {
        ai_lower_fail(l, AI_E_FORMAT, "it has %u inputs, needs 12", l->input_count);
        return;
    }
    int32_t w = weight(l, "W_number", 1, 8);
    l->inputs[2] = weight(l, "R_number", 2, 10);
    l->inputs[1] = w;
    l->input_count = 8;
    while (l->input_count > 3 && l->inputs[l->input_count - 1] == AI_NO_VALUE)
        l->input_count--;
    ai_lower_lstm(l);
}
