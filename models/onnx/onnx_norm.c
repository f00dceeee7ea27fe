/* SPDX-License-Identifier: Apache-2.0
 * Normalisations. */
#include "onnx.h"

static const float default_epsilon = 1e-5f;

enum { TRAINING_MODE = 1 };

static void lower_batch_norm(ai_lower *l, ai_axis_params *p)
{
    p->epsilon = ai_lower_float(l, "epsilon", default_epsilon);
    ai_type type = ai_lower_type(l, 0);
    int32_t out[3] = {AI_NO_VALUE, AI_NO_VALUE, AI_NO_VALUE};
    out[0] = ai_lower_output(l, 0, type);
    if (p->flags & TRAINING_MODE) {
        out[1] = ai_lower_output(l, 1, ai_lower_type(l, 3));
        out[2] = ai_lower_output(l, 2, ai_lower_type(l, 4));
    }
    ai_lower_add(l, NULL, AI_OP_BATCH_NORMALIZATION, p, sizeof *p, l->inputs, 5, out, 3);
}

/* Until opset 13 a training node is one whose further outputs are used: refused by the driver. */
void ai_lower_batch_norm_7(ai_lower *l)
{
    ai_axis_params p = {0};
    ai_lower_ignore(l, "momentum");
    if (l->node->opset < 9)
        ai_lower_only(l, "spatial", 1);
    lower_batch_norm(l, &p);
}

void ai_lower_batch_norm(ai_lower *l)
{
    ai_axis_params p = {0};
    float momentum = ai_lower_float(l, "momentum", 0.9f);
    if (ai_lower_int_in(l, "training_mode", 0, 0, 1) != 0) {
        p.flags = TRAINING_MODE;
        p.momentum = momentum;
    }
    lower_batch_norm(l, &p);
}

void ai_lower_instance_norm(ai_lower *l)
{
    ai_axis_params p = {.epsilon = ai_lower_float(l, "epsilon", default_epsilon)};
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_layer_norm(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", -1)};
    p.epsilon = ai_lower_float(l, "epsilon", default_epsilon);
    ai_lower_only(l, "stash_type", AI_ONNX_FLOAT);
    int32_t out[3];
    out[0] = ai_lower_output(l, 0, ai_lower_type(l, 0));
    out[1] = ai_lower_output(l, 1, AI_F32);
    out[2] = ai_lower_output(l, 2, AI_F32);
    ai_lower_add(l, NULL, AI_OP_LAYER_NORMALIZATION, &p, sizeof p, l->inputs, l->input_count, out,
                 3);
}

static uint32_t num_groups(ai_lower *l)
{
    if (!ai_lower_has(l, "num_groups"))
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'num_groups' is missing");
    return (uint32_t)ai_lower_int_in(l, "num_groups", 1, 1, INT32_MAX);
}

void ai_lower_group_norm(ai_lower *l)
{
    ai_axis_params p = {.count = num_groups(l)};
    p.epsilon = ai_lower_float(l, "epsilon", default_epsilon);
    ai_lower_only(l, "stash_type", AI_ONNX_FLOAT);
    ai_lower_one(l, &p, sizeof p);
}

/* Until opset 20 scale and bias are one number a group: the groups are then what the channels of
 * InstanceNormalization are. */
void ai_lower_group_norm_18(ai_lower *l)
{
    ai_axis_params p = {.epsilon = ai_lower_float(l, "epsilon", default_epsilon)};
    ai_axis_params reshape = {0};
    ai_axis_params whole = {.end = INT64_MAX};
    const int64_t grouped[3] = {0, num_groups(l), -1};
    ai_type type = ai_lower_type(l, 0);
    int32_t x[2] = {ai_lower_input(l, 0), ai_lower_s64(l, "groups", 1, grouped, 3)};
    int32_t shape = ai_lower_between(l, "shape", AI_S64);
    int32_t in[3] = {ai_lower_between(l, "grouped", type), ai_lower_input(l, 1),
                     ai_lower_input(l, 2)};
    int32_t back[2] = {ai_lower_between(l, "normalised", type), shape};
    int32_t out = ai_lower_output(l, 0, type);
    ai_lower_add(l, "shape", AI_OP_SHAPE, &whole, sizeof whole, x, 1, &shape, 1);
    ai_lower_add(l, "group", AI_OP_RESHAPE, &reshape, sizeof reshape, x, 2, in, 1);
    ai_lower_add(l, NULL, AI_OP_INSTANCE_NORMALIZATION, &p, sizeof p, in, 3, back, 1);
    ai_lower_add(l, "ungroup", AI_OP_RESHAPE, &reshape, sizeof reshape, back, 2, &out, 1);
}

void ai_lower_lrn(ai_lower *l)
{
    ai_lrn_params p = {0};
    p.alpha = ai_lower_float(l, "alpha", 1e-4f);
    p.beta = ai_lower_float(l, "beta", 0.75f);
    p.bias = ai_lower_float(l, "bias", 1);
    if (!ai_lower_has(l, "size"))
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'size' is missing");
    p.size = (uint32_t)ai_lower_int_in(l, "size", 1, 1, INT32_MAX);
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_lp_norm(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", -1)};
    p.count = (uint32_t)ai_lower_int_in(l, "p", 2, 1, 2);
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_mean_variance_norm(ai_lower *l)
{
    ai_axes_params p = {.count = 3, .axes = {0, 2, 3}};
    uint32_t count;
    const int64_t *axes = ai_lower_ints(l, "axes", &count);
    if (count > AI_MAX_RANK)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'axes' has %u numbers, at most %d were needed",
                      count, AI_MAX_RANK);
    if (axes != NULL)
        p = (ai_axes_params){.count = count};
    for (uint32_t i = 0; axes != NULL && i < count && l->status == AI_OK; i++) {
        if (axes[i] < -AI_MAX_RANK || axes[i] >= AI_MAX_RANK)
            ai_lower_fail(l, AI_E_FORMAT, "attribute 'axes' has %lld, which is no axis",
                          (long long)axes[i]);
        p.axes[i] = (int32_t)axes[i];
    }
    ai_lower_one(l, &p, sizeof p);
}
