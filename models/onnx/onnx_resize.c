/* SPDX-License-Identifier: Apache-2.0
 * Resize, and Upsample, which came before it. */
#include "onnx.h"

#include <string.h>

static const char *const modes[] = {"nearest", "linear", "cubic", NULL};

static void add_resize(ai_lower *l, const ai_resize_params *p, int32_t roi, int32_t scales,
                       int32_t sizes)
{
    int32_t in[4] = {ai_lower_input(l, 0), roi, scales, sizes};
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, AI_OP_RESIZE, p, sizeof *p, in, 4, &out, 1);
}

/* Before opset 11 there was one way to place an output, and only nearest and linear. */
static ai_resize_params old_params(ai_lower *l)
{
    static const char *const old_modes[] = {"nearest", "linear", NULL};
    return (ai_resize_params){.mode = (uint8_t)ai_lower_choice(l, "mode", old_modes, 0),
                              .coordinates = AI_RESIZE_ASYMMETRIC,
                              .nearest = AI_RESIZE_SIMPLE};
}

/* While the scales were an attribute. */
void ai_lower_upsample_7(ai_lower *l)
{
    ai_resize_params p = old_params(l);
    const AiOnnx__Attribute *a = ai_lower_attribute(l, "scales", AI_ONNX_ATTR_FLOATS);
    if (a == NULL) {
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'scales' is missing");
        return;
    }
    if (a->n_floats > AI_MAX_RANK) {
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'scales' has %zu numbers, at most %d are possible",
                      a->n_floats, AI_MAX_RANK);
        return;
    }
    int64_t count = (int64_t)a->n_floats;
    float *scales = ai_graph_alloc(l->graph, (a->n_floats + 1) * sizeof *scales);
    if (scales == NULL) {
        l->status = ai_onnx_no_memory(l->onnx);
        return;
    }
    memcpy(scales, a->floats, a->n_floats * sizeof *scales);
    const char *name = ai_graph_format(l->graph, "%s/scales", l->node->name);
    add_resize(
        l, &p, AI_NO_VALUE,
        ai_graph_constant(l->graph, name, AI_F32, 1, &count, scales, a->n_floats * sizeof *scales),
        AI_NO_VALUE);
}

void ai_lower_resize_10(ai_lower *l)
{
    ai_resize_params p = old_params(l);
    add_resize(l, &p, AI_NO_VALUE, ai_lower_input(l, 1), AI_NO_VALUE);
}

/* Writers put an empty list in the place of an omitted input. */
static int32_t given(const ai_lower *l, uint32_t i)
{
    const ai_value *value = ai_lower_value(l, i);
    bool is_empty = value == NULL || (value->data != NULL && value->has_shape && value->rank == 1 &&
                                      value->dim[0] == 0);
    return is_empty ? AI_NO_VALUE : ai_lower_input(l, i);
}

static void set_axes(ai_lower *l, ai_resize_params *p)
{
    uint32_t count;
    const int64_t *axes = ai_lower_ints(l, "axes", &count);
    if (count > AI_MAX_RANK)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'axes' has %u numbers, at most %d are possible",
                      count, AI_MAX_RANK);
    for (uint32_t i = 0; i < count && l->status == AI_OK; i++) {
        if (axes[i] < -AI_MAX_RANK || axes[i] >= AI_MAX_RANK)
            ai_lower_fail(l, AI_E_FORMAT, "attribute 'axes' has %lld, %d to %d was needed",
                          (long long)axes[i], -AI_MAX_RANK, AI_MAX_RANK - 1);
        p->axes[i] = (int8_t)axes[i];
    }
    p->axis_count = (uint8_t)count;
}

void ai_lower_resize(ai_lower *l)
{
    static const char *const coordinates[] = {
        "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",   "align_corners",
        "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn", NULL};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    ai_resize_params p = {
        .mode = (uint8_t)ai_lower_choice(l, "mode", modes, AI_RESIZE_NEAREST),
        .coordinates = (uint8_t)ai_lower_choice(l, "coordinate_transformation_mode", coordinates,
                                                AI_RESIZE_HALF_PIXEL),
        .nearest = (uint8_t)ai_lower_choice(l, "nearest_mode", nearest, 0),
        .exclude_outside = (uint8_t)ai_lower_int_in(l, "exclude_outside", 0, 0, 1),
        .cubic_a = ai_lower_float(l, "cubic_coeff_a", -0.75f),
        .extrapolation = ai_lower_float(l, "extrapolation_value", 0),
    };
    if (l->node->opset >= 18) {
        p.policy = (uint8_t)ai_lower_choice(l, "keep_aspect_ratio_policy", policies, 0);
        p.antialias = (uint8_t)ai_lower_int_in(l, "antialias", 0, 0, 1);
        set_axes(l, &p);
    }
    bool is_cropped = p.coordinates == AI_RESIZE_TF_CROP;
    int32_t scales = given(l, 2);
    int32_t sizes = given(l, 3);
    if (scales == AI_NO_VALUE && sizes == AI_NO_VALUE)
        ai_lower_fail(l, AI_E_FORMAT, "inputs 'scales' and 'sizes' are missing, one is needed");
    if (p.nearest != 0 && p.mode != AI_RESIZE_NEAREST)
        p.nearest = 0; /* says nothing */
    add_resize(l, &p, is_cropped ? given(l, 1) : AI_NO_VALUE, scales, sizes);
}
