/* SPDX-License-Identifier: Apache-2.0
 * The graph's inputs: their types, and their default shapes from the file or from the options. */
#include "onnx.h"

#include <stdio.h>
#include <string.h>

static const AiOnnx__TensorType *tensor_type(const AiOnnx__ValueInfo *info)
{
    return info->type != NULL ? info->type->tensor_type : NULL;
}

static const ai_named_shape *asked_shape(const ai_onnx *onnx, const char *name)
{
    for (size_t i = 0; i < onnx->options->shape_count; i++)
        if (strcmp(onnx->options->shapes[i].name, name) == 0)
            return &onnx->options->shapes[i];
    return NULL;
}

static ai_status check_asked(ai_onnx *onnx)
{
    for (size_t i = 0; i < onnx->options->shape_count; i++) {
        const ai_named_shape *s = &onnx->options->shapes[i];
        const ai_onnx_name *n = ai_onnx_find(onnx, s->name);
        int64_t count;
        if (n == NULL || n->input == NULL)
            return ai_onnx_fail(
                onnx, AI_E_ARGUMENT,
                "a shape was given for '%.100s', the graph has no input of that name", s->name);
        if (s->rank > AI_MAX_RANK || !ai_count(s->rank, s->dim, &count))
            return ai_onnx_fail(
                onnx, AI_E_ARGUMENT,
                "the shape given for '%.100s' has over %d dimensions, or is negative or too big",
                s->name, AI_MAX_RANK);
    }
    return AI_OK;
}

static bool is_fixed(const AiOnnx__Dimension *d)
{
    return d->has_dim_value && d->dim_value >= 0;
}

/* "" if it has none; some writers call all unknown dimensions '?', which is no name. */
static const char *dimension_name(const AiOnnx__Dimension *d)
{
    return d->dim_param != NULL && strcmp(d->dim_param, "?") != 0 ? d->dim_param : "";
}

/* What the caller asked for a dimension of this name, of another input too; -1: nothing. */
static int64_t asked_dimension(const ai_onnx *onnx, const char *name)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    for (size_t i = 0; i < g->n_input && *name != '\0'; i++) {
        const AiOnnx__TensorType *t = tensor_type(g->input[i]);
        const ai_named_shape *asked = asked_shape(onnx, g->input[i]->name);
        if (t == NULL || t->shape == NULL || asked == NULL || asked->rank != t->shape->n_dim)
            continue;
        for (uint32_t j = 0; j < asked->rank; j++)
            if (!is_fixed(t->shape->dim[j]) && strcmp(dimension_name(t->shape->dim[j]), name) == 0)
                return asked->dim[j];
    }
    return -1;
}

/* "1x3x224x224" with the dimensions that are known, for the remedy. */
static void remedy(const AiOnnx__Shape *shape, char *out, size_t bytes)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < shape->n_dim && at + 24 < bytes; i++) {
        long long d = is_fixed(shape->dim[i]) ? (long long)shape->dim[i]->dim_value
                      : i == 0                ? 1
                                              : 224;
        at += (size_t)snprintf(out + at, bytes - at, "%s%lld", i > 0 ? "x" : "", d);
    }
}

static ai_status unset_dimension(ai_onnx *onnx, const char *name, const AiOnnx__Shape *shape,
                                 uint32_t i)
{
    char example[120];
    const char *dim = dimension_name(shape->dim[i]);
    remedy(shape, example, sizeof example);
    return ai_onnx_fail(
        onnx, AI_E_SHAPE,
        "input '%.60s': dimension %u%s%.30s%s has no size: give one, such as --shape %.60s=%s",
        name, i, *dim != '\0' ? " ('" : "", dim, *dim != '\0' ? "')" : "", name, example);
}

static ai_status set_shape(ai_onnx *onnx, const char *name, const AiOnnx__Shape *shape, ai_value *v)
{
    const ai_named_shape *asked = asked_shape(onnx, name);
    if (shape->n_dim > AI_MAX_RANK)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "input '%.100s' has %zu dimensions, at most %d are supported", name,
                            shape->n_dim, AI_MAX_RANK);
    if (asked != NULL && asked->rank != shape->n_dim)
        return ai_onnx_fail(onnx, AI_E_SHAPE,
                            "input '%.100s' has %zu dimensions, the shape given for it has %u",
                            name, shape->n_dim, asked->rank);
    const uint32_t rank = (uint32_t)shape->n_dim;
    v->rank = rank;
    for (uint32_t i = 0; i < rank; i++) {
        const AiOnnx__Dimension *d = shape->dim[i];
        if (is_fixed(d) && asked != NULL && asked->dim[i] != d->dim_value)
            return ai_onnx_fail(
                onnx, AI_E_SHAPE,
                "input '%.100s': dimension %u is fixed at %lld, the shape given for it has %lld",
                name, i, (long long)d->dim_value, (long long)asked->dim[i]);
        v->dim[i] = is_fixed(d)     ? d->dim_value
                    : asked != NULL ? asked->dim[i]
                                    : asked_dimension(onnx, dimension_name(d));
        if (!is_fixed(d))
            v->varies |= UINT32_C(1) << i;
        if (v->dim[i] < 0 && i > 0)
            return unset_dimension(onnx, name, shape, i);
        if (v->dim[i] < 0)
            v->dim[i] = 1;
    }
    return AI_OK;
}

/* The file states no shape: all of it comes from the caller. */
static ai_status set_asked_shape(ai_onnx *onnx, const char *name, ai_value *v)
{
    const ai_named_shape *asked = asked_shape(onnx, name);
    if (asked == NULL)
        return ai_onnx_fail(
            onnx, AI_E_SHAPE,
            "input '%.60s' has no shape: give one, such as --shape %.60s=1x3x224x224", name, name);
    v->rank = asked->rank;
    memcpy(v->dim, asked->dim, sizeof v->dim);
    v->varies = (UINT32_C(1) << asked->rank) - 1;
    return AI_OK;
}

static ai_status make_input(ai_onnx *onnx, size_t index, ai_onnx_name *n)
{
    const AiOnnx__ValueInfo *info = onnx->model->graph->input[index];
    const AiOnnx__TensorType *t = tensor_type(info);
    if (t == NULL)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "input '%.100s' is no tensor, only tensors are supported", info->name);
    ai_type type = ai_onnx_type(t->elem_type);
    if (type == 0)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "input '%.100s' is of type %s, which is not supported", info->name,
                            ai_onnx_type_name(t->elem_type));
    n->value = ai_graph_value(onnx->graph, info->name, type);
    if (n->value < 0)
        return ai_onnx_no_memory(onnx);
    ai_value *v = &onnx->graph->values[n->value];
    v->is_input = true;
    v->has_shape = true;
    ai_status status = t->shape != NULL ? set_shape(onnx, info->name, t->shape, v)
                                        : set_asked_shape(onnx, info->name, v);
    if (onnx->is_fixed != NULL && onnx->is_fixed[index])
        v->varies = 0;
    int64_t count;
    if (status == AI_OK && !ai_count(v->rank, v->dim, &count))
        status = ai_onnx_fail(onnx, AI_E_SHAPE, "input '%.100s': its shape is too big", info->name);
    if (status == AI_OK)
        ai_graph_input(onnx->graph, n->value);
    return status;
}

ai_status ai_onnx_make_inputs(ai_onnx *onnx)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    ai_status status = check_asked(onnx);
    for (size_t i = 0; i < g->n_input && status == AI_OK; i++) {
        ai_onnx_name *n = ai_onnx_find(onnx, g->input[i]->name);
        if (n->input != NULL)
            status = make_input(onnx, i, n);
    }
    return status;
}
