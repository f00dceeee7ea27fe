/* SPDX-License-Identifier: Apache-2.0
 * Operators that make values or change their type: Constant, ConstantOfShape, Range, Cast. */
#include "onnx.h"

#include <stdio.h>
#include <string.h>

static void bind_tensor(ai_lower *l, const AiOnnx__Attribute *a)
{
    char what[140];
    int32_t value = AI_NO_VALUE;
    if (a == NULL || l->status != AI_OK)
        return;
    if (a->t == NULL) {
        ai_lower_fail(l, AI_E_FORMAT, "attribute '%s' holds no tensor", a->name);
        return;
    }
    snprintf(what, sizeof what, "%.32s '%.80s'", l->node->op_type, l->node->name);
    l->status = ai_onnx_constant(l->onnx, a->t, what, l->node->outputs[0], &value);
    ai_lower_bind(l, 0, value);
}

/* A list or, of rank 0, a single number. */
static void bind_numbers(ai_lower *l, ai_type type, uint32_t rank, const void *data, size_t count)
{
    static const uint64_t nothing = 0;
    int64_t dim = (int64_t)count;
    if (l->status != AI_OK)
        return;
    int32_t value = ai_graph_constant(l->graph, l->node->outputs[0], type, rank, &dim,
                                      count > 0 ? data : &nothing, count * ai_type_bytes(type));
    if (value < 0)
        l->status = ai_onnx_no_memory(l->onnx);
    ai_lower_bind(l, 0, value);
}

void ai_lower_constant(ai_lower *l)
{
    const AiOnnx__Attribute *a;
    if (l->node->attribute_count != 1) {
        ai_lower_fail(l, AI_E_FORMAT, "it has %u attributes, 1 was needed",
                      l->node->attribute_count);
        return;
    }
    if (ai_lower_has(l, "value"))
        bind_tensor(l, ai_lower_attribute(l, "value", AI_ONNX_ATTR_TENSOR));
    else if ((a = ai_lower_attribute(l, "value_float", AI_ONNX_ATTR_FLOAT)) != NULL)
        bind_numbers(l, AI_F32, 0, &a->f, 1);
    else if ((a = ai_lower_attribute(l, "value_int", AI_ONNX_ATTR_INT)) != NULL)
        bind_numbers(l, AI_S64, 0, &a->i, 1);
    else if ((a = ai_lower_attribute(l, "value_floats", AI_ONNX_ATTR_FLOATS)) != NULL)
        bind_numbers(l, AI_F32, 1, a->floats, a->n_floats);
    else if ((a = ai_lower_attribute(l, "value_ints", AI_ONNX_ATTR_INTS)) != NULL)
        bind_numbers(l, AI_S64, 1, a->ints, a->n_ints);
}

void ai_lower_constant_of_shape(ai_lower *l)
{
    ai_cast_params p = {.type = AI_F32};
    char what[140];
    int32_t value = AI_NO_VALUE;
    const AiOnnx__Attribute *a = ai_lower_attribute(l, "value", AI_ONNX_ATTR_TENSOR);
    if (a != NULL && a->t != NULL) {
        snprintf(what, sizeof what, "ConstantOfShape '%.80s'", l->node->name);
        l->status = ai_onnx_constant(l->onnx, a->t, what, "", &value);
    }
    if (l->status == AI_OK && value != AI_NO_VALUE) {
        const ai_value *v = &l->graph->values[value];
        p.type = (uint32_t)v->type;
        if (v->bytes != ai_type_bytes(v->type))
            ai_lower_fail(l, AI_E_FORMAT, "attribute 'value' has %llu elements, 1 was needed",
                          (unsigned long long)(v->bytes / ai_type_bytes(v->type)));
        else
            memcpy(&p.bits, v->data, (size_t)v->bytes);
    }
    int32_t out = ai_lower_output(l, 0, (ai_type)p.type);
    ai_lower_add(l, NULL, AI_OP_CONSTANT_OF_SHAPE, &p, sizeof p, l->inputs, 1, &out, 1);
}

void ai_lower_range(ai_lower *l)
{
    if (l->node->opset >= 27)
        ai_lower_only(l, "stash_type", AI_ONNX_FLOAT);
    ai_lower_plain(l);
}

/* `saturate` and `round_mode` concern types of 8 bits and less only, which are refused. */
static void add_cast(ai_lower *l, ai_type type)
{
    ai_cast_params p = {.type = (uint32_t)type};
    if (l->node->opset >= 19)
        ai_lower_ignore(l, "saturate");
    if (l->node->opset >= 24)
        ai_lower_ignore(l, "round_mode");
    int32_t out = ai_lower_output(l, 0, type);
    ai_lower_add(l, NULL, AI_OP_CAST, &p, sizeof p, l->inputs, 1, &out, 1);
}

void ai_lower_cast(ai_lower *l)
{
    int64_t to = ai_lower_int(l, "to", 0);
    ai_type type = ai_onnx_type(to);
    if (!ai_lower_has(l, "to"))
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'to' is missing");
    else if (type == 0)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "attribute 'to' is the type %s, which is not supported",
                      ai_onnx_type_name(to));
    add_cast(l, type);
}

void ai_lower_cast_like(ai_lower *l)
{
    add_cast(l, ai_lower_type(l, 1));
}

void ai_lower_bool(ai_lower *l)
{
    ai_none_params none = {0};
    int32_t out = ai_lower_output(l, 0, AI_BOOL);
    ai_lower_add(l, NULL, l->row->op, &none, sizeof none, l->inputs, l->input_count, &out, 1);
}
