/* SPDX-License-Identifier: Apache-2.0
 * Relu, Clip with constant bounds and functions of one number become the activation of the Conv,
 * Gemm or MatMul before them: the same function of the same sums, so the same bits. */
#include "pass.h"

#include <math.h>

static bool read_bound(const ai_graph *graph, const ai_graph_node *clip, uint32_t i, float *bound)
{
    if (ai_pass_input(graph, clip, i) == NULL)
        return true;
    return ai_pass_scalar(graph, clip, i, bound) && !isnan(*bound);
}

/* The activation that a node is; false: it is none. */
static bool read_activation(const ai_graph *graph, const ai_graph_node *node, ai_activation *a)
{
    if (node->op >= AI_OP_LEAKY_RELU && node->op <= AI_OP_ROUND) {
        const ai_unary_params *p = node->params;
        *a = (ai_activation){node->op, p->alpha, p->beta};
        return true;
    }
    *a = (ai_activation){AI_ACTIVATION_CLIP, -INFINITY, INFINITY};
    if (node->op == AI_OP_RELU) {
        a->lo = 0;
        return true;
    }
    return node->op == AI_OP_CLIP && read_bound(graph, node, 1, &a->lo) &&
           read_bound(graph, node, 2, &a->hi);
}

/* Where a node keeps its activation, or NULL: nothing may follow a residual that comes last. */
static ai_activation *activation_of(const ai_graph_node *node)
{
    if (node->op == AI_OP_CONV &&
        (((ai_conv_params *)node->params)->flags & AI_CONV_RESIDUAL_LAST) != 0)
        return NULL;
    if (node->op == AI_OP_CONV)
        return &((ai_conv_params *)node->params)->activation;
    if (node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL)
        return &((ai_gemm_params *)node->params)->activation;
    return NULL;
}

ai_status ai_pass_fuse_activation(ai_graph *graph, ai_error *err)
{
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        ai_activation activation;
        if (node->is_dead || !read_activation(graph, node, &activation) ||
            uses[node->inputs[0]] != 1)
            continue;
        const ai_graph_node *before = ai_pass_producer(graph, node, 0);
        ai_activation *place = before == NULL ? NULL : activation_of(before);
        if (place == NULL || place->kind != AI_ACTIVATION_NONE ||
            graph->values[node->inputs[0]].type != AI_F32)
            continue;
        *place = activation;
        ai_pass_merge(graph, (uint32_t)(before - graph->nodes), i);
    }
    return ai_graph_status(graph, err);
}
