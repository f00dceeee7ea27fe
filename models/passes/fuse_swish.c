/* SPDX-License-Identifier: Apache-2.0
 * x * Sigmoid(x) becomes Swish and x * HardSigmoid(x) HardSwish: the same operations in one node.
 */
#include "pass.h"

/* What the product of a node that reads `gate` and of what it reads is; 0: nothing special. */
static uint16_t product_of(const ai_graph_node *gate)
{
    const ai_unary_params *p = gate->params;
    if (gate->op == AI_OP_SIGMOID)
        return AI_OP_SWISH;
    return gate->op == AI_OP_HARD_SIGMOID && p->alpha == 1.0f / 6 && p->beta == 0.5f
               ? AI_OP_HARD_SWISH
               : 0;
}

static void fuse(ai_graph *graph, ai_graph_node *product, const uint32_t *uses)
{
    for (uint32_t i = 0; i < 2; i++) {
        ai_graph_node *gate = ai_pass_producer(graph, product, i);
        uint16_t op = gate == NULL ? 0 : product_of(gate);
        if (op == 0 || uses[product->inputs[i]] != 1 || gate->inputs[0] != product->inputs[1 - i] ||
            graph->values[product->inputs[i]].type != AI_F32)
            continue;
        ai_unary_params *params = gate->params;
        *params = (ai_unary_params){op == AI_OP_SWISH ? 1.0f : 0.0f, 0};
        gate->op = op;
        ai_pass_merge(graph, (uint32_t)(gate - graph->nodes), (uint32_t)(product - graph->nodes));
        return;
    }
}

ai_status ai_pass_fuse_swish(ai_graph *graph, ai_error *err)
{
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL; i++) {
        if (!graph->nodes[i].is_dead && graph->nodes[i].op == AI_OP_MUL)
            fuse(graph, &graph->nodes[i], uses);
    }
    return ai_graph_status(graph, err);
}
