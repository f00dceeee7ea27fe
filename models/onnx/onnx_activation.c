/* SPDX-License-Identifier: Apache-2.0
 * Activations and functions of one number, Clip, and the Softmax family. */
#include "onnx.h"

#include <float.h>

/* Which attributes are alpha and beta of ai_unary_params, and their defaults; rows that are not
 * listed have none. */
static const struct {
    uint16_t op;
    const char *alpha;
    float alpha_default;
    const char *beta;
    float beta_default;
} unary[] = {
    {AI_OP_LEAKY_RELU, "alpha", 0.01f, NULL, 0},
    {AI_OP_ELU, "alpha", 1, NULL, 0},
    {AI_OP_SELU, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
    {AI_OP_CELU, "alpha", 1, NULL, 0},
    {AI_OP_HARD_SIGMOID, "alpha", 0.2f, "beta", 0.5f},
    {AI_OP_SWISH, "alpha", 1, NULL, 0},
    {AI_OP_THRESHOLDED_RELU, "alpha", 1, NULL, 0},
    {AI_OP_SHRINK, "lambd", 0.5f, "bias", 0},
};

void ai_lower_unary(ai_lower *l)
{
    ai_unary_params p = {0};
    if (l->row->op == AI_OP_HARD_SWISH)
        p = (ai_unary_params){.alpha = 1.0f / 6, .beta = 0.5f}; /* fixed by its definition */
    for (size_t i = 0; i < sizeof unary / sizeof unary[0]; i++) {
        if (unary[i].op != l->row->op)
            continue;
        p.alpha = ai_lower_float(l, unary[i].alpha, unary[i].alpha_default);
        if (unary[i].beta != NULL)
            p.beta = ai_lower_float(l, unary[i].beta, unary[i].beta_default);
    }
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_gelu(ai_lower *l)
{
    static const char *const forms[] = {"none", "tanh", NULL};
    ai_unary_params p = {.alpha = (float)ai_lower_choice(l, "approximate", forms, 0)};
    ai_lower_one(l, &p, sizeof p);
}

/* While the bounds were attributes. */
void ai_lower_clip_7(ai_lower *l)
{
    ai_none_params none = {0};
    ai_type type = ai_lower_type(l, 0);
    bool has_min = ai_lower_has(l, "min");
    bool has_max = ai_lower_has(l, "max");
    float min = ai_lower_float(l, "min", -FLT_MAX);
    float max = ai_lower_float(l, "max", FLT_MAX);
    int32_t in[3] = {ai_lower_input(l, 0), AI_NO_VALUE, AI_NO_VALUE};
    if (has_min)
        in[1] = ai_lower_scalar(l, "min", type, min);
    if (has_max)
        in[2] = ai_lower_scalar(l, "max", type, max);
    int32_t out = ai_lower_output(l, 0, type);
    ai_lower_add(l, NULL, AI_OP_CLIP, &none, sizeof none, in, 3, &out, 1);
}

enum { COERCED = 1 }; /* over all axes from `axis` on, as before opset 13 */

void ai_lower_softmax_7(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 1), .flags = COERCED};
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_softmax(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", -1)};
    ai_lower_one(l, &p, sizeof p);
}
