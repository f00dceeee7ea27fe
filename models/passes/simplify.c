/* SPDX-License-Identifier: Apache-2.0
 * Removes nodes that only hand on their first input, and nodes that nobody reads. */
#include "pass.h"

#include <stdlib.h>
#include <string.h>

static bool is_false(const ai_value *value)
{
    return value->data != NULL && value->bytes == 1 && *(const char *)value->data == 0;
}

/* Dropout outside of training, whose mask nobody reads. */
static bool is_idle_dropout(const ai_graph *graph, const ai_graph_node *node, const uint32_t *uses)
{
    const ai_value *training = ai_pass_input(graph, node, 2);
    if (training != NULL && !is_false(training))
        return false;
    return node->output_count < 2 || node->outputs[1] < 0 || uses[node->outputs[1]] == 0;
}

static bool is_unmoved(const ai_graph_node *node)
{
    const ai_axes_params *p = node->params;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->axes[i] != (int32_t)i)
            return false;
    }
    return p->count > 0;
}

/* Every number of input 1 is zero: pads. */
static bool is_zero(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_value *pads = ai_pass_constant(graph, node, 1, AI_S64);
    if (pads == NULL)
        return false;
    for (uint64_t i = 0; i < pads->bytes; i++) {
        if (((const char *)pads->data)[i] != 0)
            return false;
    }
    return true;
}

/* Does output 0 hold exactly the elements and the shape of input 0, in every run? */
static bool is_copy(const ai_graph *graph, const ai_graph_node *node, const uint32_t *uses)
{
    const ai_value *x = ai_pass_input(graph, node, 0);
    const ai_value *y = node->outputs[0] < 0 ? NULL : &graph->values[node->outputs[0]];
    if (x == NULL || y == NULL)
        return false;
    bool is_same = ai_pass_same_shape(x, y);
    switch (node->op) {
    case AI_OP_IDENTITY:
        return true;
    case AI_OP_DROPOUT:
        return is_idle_dropout(graph, node, uses);
    case AI_OP_FLATTEN:
    case AI_OP_SQUEEZE:
    case AI_OP_UNSQUEEZE:
        return is_same;
    case AI_OP_RESHAPE:
    case AI_OP_EXPAND:
    case AI_OP_TILE:
        return is_same && x->varies == 0;
    case AI_OP_TRANSPOSE:
        return is_unmoved(node);
    case AI_OP_PAD:
        return is_zero(graph, node);
    case AI_OP_CAST:
        return ((const ai_cast_params *)node->params)->type == (uint32_t)x->type;
    case AI_OP_CONCAT:
        return node->input_count == 1;
    default:
        return false;
    }
}

typedef struct renaming {
    ai_graph *graph;
    int32_t *same;   /* of each value: the one to read instead, or itself */
    bool *is_output; /* of the graph */
} renaming;

static int32_t resolve(const renaming *r, int32_t value)
{
    while (value >= 0 && r->same[value] != value)
        value = r->same[value];
    return value;
}

/* An output of the graph keeps its value: what wrote x writes it instead. */
static bool write_instead(renaming *r, int32_t x, int32_t y)
{
    ai_graph *graph = r->graph;
    int32_t producer = graph->values[x].producer;
    if (producer < 0 || r->is_output[x])
        return false;
    ai_graph_node *node = &graph->nodes[producer];
    for (uint32_t k = 0; k < node->output_count; k++) {
        if (node->outputs[k] == x)
            node->outputs[k] = y;
    }
    graph->values[y].producer = producer;
    r->same[x] = y;
    return true;
}

static void remove_copies(renaming *r, const uint32_t *uses)
{
    ai_graph *graph = r->graph;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (node->is_dead || node->output_count == 0 || !is_copy(graph, node, uses))
            continue;
        int32_t x = resolve(r, node->inputs[0]);
        int32_t y = node->outputs[0];
        if (!r->is_output[y])
            r->same[y] = x;
        else if (!write_instead(r, x, y))
            continue;
        node->is_dead = true;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count; k++)
            node->inputs[k] = resolve(r, node->inputs[k]);
    }
}

ai_status ai_pass_simplify(ai_graph *graph, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    size_t count = graph->value_count + (size_t)1;
    renaming r = {.graph = graph};
    const uint32_t *uses = ai_pass_uses(graph);
    r.same = ai_graph_alloc(graph, count * sizeof *r.same);
    r.is_output = ai_graph_alloc(graph, count * sizeof *r.is_output);
    if (uses == NULL || r.same == NULL || r.is_output == NULL)
        return ai_graph_status(graph, err);
    for (uint32_t i = 0; i < graph->value_count; i++)
        r.same[i] = (int32_t)i;
    for (uint32_t i = 0; i < graph->output_count; i++)
        r.is_output[graph->outputs[i]] = true;
    for (uint32_t i = 0; i < graph->state_count; i++)
        r.is_output[graph->states[i].next] = true;
    remove_copies(&r, uses);
    ai_pass_prune(graph);
    return ai_graph_status(graph, err);
}
