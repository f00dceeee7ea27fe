/* SPDX-License-Identifier: Apache-2.0
 * The Add of two tensors of one shape, of which a Conv makes one for nobody else, becomes the
 * residual of the Conv: before its activation, or late, after it. */
#include "pass.h"

/* Can the node that writes operand i take the other operand as its residual? */
static bool can_take(const ai_graph *graph, const ai_graph_node *add, uint32_t i, bool is_late,
                     const uint32_t *uses)
{
    const ai_value *sum = &graph->values[add->outputs[0]];
    const ai_value *own = ai_pass_input(graph, add, i);
    const ai_value *other = ai_pass_input(graph, add, 1 - i);
    const ai_graph_node *conv = ai_pass_producer(graph, add, i);
    if (conv == NULL || conv->op != AI_OP_CONV || uses[add->inputs[i]] != 1 ||
        ai_pass_input(graph, conv, 3) != NULL)
        return false;
    const ai_conv_params *p = conv->params;
    return (p->activation.kind != AI_ACTIVATION_NONE) == is_late &&
           ai_pass_same_shape(own, other) && ai_pass_same_shape(own, sum);
}

static void fuse(ai_graph *graph, uint32_t index, bool is_late, const uint32_t *uses)
{
    const ai_graph_node *add = &graph->nodes[index];
    bool first = can_take(graph, add, 0, is_late, uses);
    bool second = can_take(graph, add, 1, is_late, uses);
    if (!first && !second)
        return;
    uint32_t i = first ? 0 : 1;
    /* Of two, the later one: then the other's result is there anyway. */
    if (first && second)
        i = graph->values[add->inputs[0]].producer > graph->values[add->inputs[1]].producer ? 0 : 1;
    int32_t residual = add->inputs[1 - i];
    uint32_t conv = (uint32_t)graph->values[add->inputs[i]].producer;
    ai_graph_node *merged = ai_pass_merge(graph, conv, index);
    if (is_late)
        ((ai_conv_params *)merged->params)->flags |= AI_CONV_RESIDUAL_LAST;
    ai_pass_set_input(graph, merged, 3, residual);
}

static ai_status fuse_all(ai_graph *graph, bool is_late, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && node->op == AI_OP_ADD && node->inputs[0] != node->inputs[1])
            fuse(graph, i, is_late, uses);
    }
    return ai_graph_status(graph, err);
}

ai_status ai_pass_fuse_residual(ai_graph *graph, ai_error *err)
{
    return fuse_all(graph, false, err);
}

ai_status ai_pass_fuse_late_residual(ai_graph *graph, ai_error *err)
{
    return fuse_all(graph, true, err);
}
