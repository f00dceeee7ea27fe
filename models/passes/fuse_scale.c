/* SPDX-License-Identifier: Apache-2.0
 * y = scale[c] * x + shift[c], after a Conv, ConvTranspose, Gemm, MatMul or BatchNormalization that
 * nobody else reads, goes into its weights: BatchNormalization, and Mul, Div, Add and Sub with a
 * constant for each channel or one for all. Each new number is computed in f64 and rounded to f32
 * once. */
#include "pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct affine {
    int64_t channels;
    double *scale; /* [channels], then shift [channels] */
    double *shift;
    bool has_scale; /* some scale is not 1 */
} affine;

/* ---- What the second node does ---- */

/* The dimension of y that the weights of its producer are split along; -1: none. */
static int32_t channel_axis(const ai_graph_node *first, const ai_value *y)
{
    if (!y->has_shape || y->rank < 2)
        return -1;
    bool is_product = first->op == AI_OP_GEMM || first->op == AI_OP_MATMUL;
    return is_product ? (int32_t)y->rank - 1 : 1;
}

static bool read_batch_norm(const ai_graph *graph, const ai_graph_node *node, affine *a)
{
    const ai_axis_params *p = node->params;
    const float *data[4];
    for (uint32_t i = 0; i < 4; i++) {
        const ai_value *value = ai_pass_constant(graph, node, 1 + i, AI_F32);
        if (value == NULL || ai_pass_elements(value) != a->channels)
            return false;
        data[i] = value->data;
    }
    for (int64_t c = 0; c < a->channels; c++) {
        a->scale[c] = (double)data[0][c] / sqrt((double)data[3][c] + (double)p->epsilon);
        a->shift[c] = (double)data[1][c] - (double)data[2][c] * a->scale[c];
    }
    return true;
}

/* The constant operand, if its shape is that of one number for each channel, or one for all. */
static const float *channel_numbers(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                                    const ai_value *y, int32_t axis, int64_t *step)
{
    const ai_value *value = ai_pass_constant(graph, node, i, AI_F32);
    if (value == NULL || value->rank > y->rank)
        return NULL;
    *step = 0;
    for (uint32_t k = 0; k < value->rank; k++) {
        int32_t at = (int32_t)(y->rank - value->rank + k);
        if (value->dim[k] == 1)
            continue;
        if (at != axis || value->dim[k] != y->dim[axis])
            return NULL;
        *step = 1;
    }
    return value->data;
}

static bool read_binary(const ai_graph *graph, const ai_graph_node *node, uint32_t x,
                        const ai_value *y, int32_t axis, affine *a)
{
    int64_t step = 0;
    const float *numbers = channel_numbers(graph, node, 1 - x, y, axis, &step);
    if (numbers == NULL || (node->op == AI_OP_DIV && x != 0))
        return false;
    for (int64_t c = 0; c < a->channels; c++) {
        double number = (double)numbers[c * step];
        a->scale[c] = 1;
        a->shift[c] = 0;
        if (node->op == AI_OP_MUL)
            a->scale[c] = number;
        else if (node->op == AI_OP_DIV)
            a->scale[c] = 1 / number;
        else if (node->op == AI_OP_ADD)
            a->shift[c] = number;
        else
            a->shift[c] = x == 0 ? -number : number;
        if (node->op == AI_OP_SUB && x == 1)
            a->scale[c] = -1;
    }
    return true;
}

static bool is_binary(uint16_t op)
{
    return op == AI_OP_MUL || op == AI_OP_DIV || op == AI_OP_ADD || op == AI_OP_SUB;
}

/* Fills *a with what `node` does to its input x; false: nothing of this kind. */
static bool read_affine(const ai_graph *graph, const ai_graph_node *node, uint32_t x, int32_t axis,
                        affine *a)
{
    const ai_value *y = ai_pass_input(graph, node, x);
    bool is_read = false;
    if (node->op == AI_OP_BATCH_NORMALIZATION)
        is_read = axis == 1 && read_batch_norm(graph, node, a);
    else
        is_read = read_binary(graph, node, x, y, axis, a);
    for (int64_t c = 0; c < a->channels && is_read; c++) {
        is_read = isfinite(a->scale[c]) && isfinite(a->shift[c]);
        a->has_scale = a->has_scale || a->scale[c] != 1;
    }
    return is_read;
}

/* ---- What the first node makes of it ---- */

static bool all_finite(const float *data, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(data[i]))
            return false;
    }
    return true;
}

/* The channel that element i of a weight belongs to. */
static int64_t channel_of(const ai_graph_node *first, const ai_value *weight, int64_t i,
                          int64_t inner)
{
    if (first->op == AI_OP_CONV)
        return i / (inner * weight->dim[1]);
    if (first->op == AI_OP_CONV_TRANSPOSE) {
        const ai_conv_transpose_params *p = first->params;
        int64_t row = i / (inner * weight->dim[1]); /* an input channel */
        int64_t group = row / (weight->dim[0] / p->group);
        return group * weight->dim[1] + i / inner % weight->dim[1];
    }
    return i % weight->dim[weight->rank - 1];
}

/* The weight times the scale; *index is unchanged where there is none. */
static bool scale_weight(ai_graph *graph, const ai_graph_node *first, const affine *a,
                         int32_t *index)
{
    const ai_value *weight = ai_pass_constant(graph, first, 1, AI_F32);
    if (!a->has_scale)
        return true;
    if (weight == NULL)
        return false;
    int64_t inner = 1;
    int64_t count = ai_pass_elements(weight);
    const float *from = weight->data;
    ai_value shape = *weight; /* the list of values may move */
    for (uint32_t i = 2; i < shape.rank; i++)
        inner *= shape.dim[i];
    float *to = ai_pass_new_f32(graph, shape.name, shape.rank, shape.dim, index);
    for (int64_t i = 0; i < count && to != NULL; i++)
        to[i] = (float)((double)from[i] * a->scale[channel_of(first, &shape, i, inner)]);
    return to != NULL && all_finite(to, count);
}

/* Input i, an addend for each channel or one for all, becomes addend * scale + shift. */
static bool scale_addend(ai_graph *graph, const ai_graph_node *first, uint32_t i, const affine *a,
                         int32_t *index)
{
    const ai_value *addend = ai_pass_constant(graph, first, i, AI_F32);
    int64_t count = addend == NULL ? 0 : ai_pass_elements(addend);
    if (addend == NULL && ai_pass_input(graph, first, i) != NULL)
        return false;
    /* Gemm's C may be a column, or a matrix: neither is a row of channels. */
    if (addend != NULL && ((count != a->channels && count != 1) ||
                           (addend->rank > 0 && addend->dim[addend->rank - 1] != count)))
        return false;
    const float *from = addend == NULL ? NULL : addend->data;
    const char *name = addend == NULL ? NULL : addend->name;
    if (name == NULL)
        name = ai_graph_format(graph, "%s/bias", first->name);
    float *to = ai_pass_new_f32(graph, name, 1, &a->channels, index);
    for (int64_t c = 0; c < a->channels && to != NULL; c++) {
        double number = from == NULL ? 0 : (double)from[count == 1 ? 0 : c];
        to[c] = (float)(number * a->scale[c] + a->shift[c]);
    }
    return to != NULL && all_finite(to, a->channels);
}

static bool is_plain_product(const ai_graph *graph, const ai_graph_node *first)
{
    const ai_gemm_params *p = first->params;
    const ai_value *b = ai_pass_input(graph, first, 1);
    return p->activation.kind == AI_ACTIVATION_NONE && p->alpha == 1.0f &&
           (p->beta == 1.0f || ai_pass_input(graph, first, 2) == NULL) && p->trans_b == 0 &&
           b->has_shape && b->rank == 2;
}

static bool can_absorb(const ai_graph *graph, const ai_graph_node *first)
{
    switch (first->op) {
    case AI_OP_CONV:
        return ((const ai_conv_params *)first->params)->activation.kind == AI_ACTIVATION_NONE &&
               ai_pass_input(graph, first, 3) == NULL;
    case AI_OP_CONV_TRANSPOSE:
        return true;
    case AI_OP_GEMM:
    case AI_OP_MATMUL:
        return is_plain_product(graph, first);
    case AI_OP_BATCH_NORMALIZATION:
        return true;
    default:
        return false;
    }
}

/* BatchNormalization: s * x + b becomes (s * scale) * x + (b * scale + shift). */
static bool absorb_in_batch_norm(ai_graph *graph, ai_graph_node *first, const affine *a)
{
    affine only_scale = {a->channels, a->scale, a->shift + a->channels, a->has_scale};
    int32_t scale = first->inputs[1];
    int32_t bias = AI_NO_VALUE;
    if (ai_pass_constant(graph, first, 1, AI_F32) == NULL ||
        ai_pass_constant(graph, first, 2, AI_F32) == NULL)
        return false;
    if (!scale_addend(graph, first, 1, &only_scale, &scale) ||
        !scale_addend(graph, first, 2, a, &bias))
        return false;
    return ai_pass_set_input(graph, first, 1, scale) && ai_pass_set_input(graph, first, 2, bias);
}

static bool absorb(ai_graph *graph, ai_graph_node *first, const affine *a)
{
    if (first->op == AI_OP_BATCH_NORMALIZATION)
        return absorb_in_batch_norm(graph, first, a);
    int32_t weight = first->inputs[1];
    int32_t bias = AI_NO_VALUE;
    if (!scale_weight(graph, first, a, &weight) || !scale_addend(graph, first, 2, a, &bias))
        return false;
    if (first->op == AI_OP_GEMM)
        ((ai_gemm_params *)first->params)->beta = 1.0f;
    return ai_pass_set_input(graph, first, 1, weight) && ai_pass_set_input(graph, first, 2, bias);
}

/* ---- Pairs ---- */

/* The input of `second` that comes from a node which can take it in; -1: none. */
static int32_t find_first(const ai_graph *graph, const ai_graph_node *second, const uint32_t *uses)
{
    uint32_t count = is_binary(second->op) ? 2 : second->op == AI_OP_BATCH_NORMALIZATION ? 1 : 0;
    for (uint32_t x = 0; x < count; x++) {
        const ai_graph_node *first = ai_pass_producer(graph, second, x);
        if (first != NULL && can_absorb(graph, first) && uses[second->inputs[x]] == 1 &&
            channel_axis(first, &graph->values[second->inputs[x]]) >= 0)
            return (int32_t)x;
    }
    return -1;
}

static ai_status fuse(ai_graph *graph, uint32_t index, const uint32_t *uses, ai_error *err)
{
    const ai_graph_node *second = &graph->nodes[index];
    int32_t x = find_first(graph, second, uses);
    if (x < 0)
        return AI_OK;
    uint32_t first_index = (uint32_t)graph->values[second->inputs[x]].producer;
    ai_graph_node *first = &graph->nodes[first_index];
    const ai_value *y = &graph->values[second->inputs[x]];
    int32_t axis = channel_axis(first, y);
    affine a = {.channels = y->dim[axis]};
    bool is_fixed =
        (y->varies >> axis & 1) == 0 || ai_pass_constant(graph, first, 1, AI_F32) != NULL;
    if (!is_fixed || a.channels < 1)
        return AI_OK;
    /* the third part stays zero: the shift of what is only scaled */
    a.scale = calloc((size_t)a.channels, 3 * sizeof *a.scale);
    if (a.scale == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %lld channels", (long long)a.channels);
    a.shift = a.scale + a.channels;
    if (read_affine(graph, second, (uint32_t)x, axis, &a) && absorb(graph, first, &a))
        ai_pass_merge(graph, first_index, index);
    free(a.scale);
    return AI_OK;
}

ai_status ai_pass_fuse_scale(ai_graph *graph, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL && status == AI_OK; i++) {
        if (!graph->nodes[i].is_dead)
            status = fuse(graph, i, uses, err);
    }
    return status == AI_OK ? ai_graph_status(graph, err) : status;
}
