/* SPDX-License-Identifier: Apache-2.0
 * Relu and Clip with constant bounds become the clamp of the Conv, Gemm or MatMul before them: the
 * same comparisons on the same sums, so the same bits. */
#include "pass.h"

#include <math.h>

static bool read_bound(const ai_graph *graph, const ai_graph_node *clip, uint32_t i, float *bound)
{
    if (ai_pass_input(graph, clip, i) == NULL)
        return true;
    return ai_pass_scalar(graph, clip, i, bound) && !isnan(*bound);
}

/* The clamp that a node is; false: it is none. */
static bool read_clamp(const ai_graph *graph, const ai_graph_node *node, ai_activation *clamp)
{
    *clamp = (ai_activation){AI_ACTIVATION_CLIP, -INFINITY, INFINITY};
    if (node->op == AI_OP_RELU) {
        clamp->lo = 0;
        return true;
    }
    return node->op == AI_OP_CLIP && read_bound(graph, node, 1, &clamp->lo) &&
           read_bound(graph, node, 2, &clamp->hi);
}

/* Where a node keeps its clamp, or NULL. */
static ai_activation *activation_of(const ai_graph_node *node)
{
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
        ai_activation clamp;
        if (node->is_dead || !read_clamp(graph, node, &clamp) || uses[node->inputs[0]] != 1)
            continue;
        const ai_graph_node *before = ai_pass_producer(graph, node, 0);
        ai_activation *activation = before == NULL ? NULL : activation_of(before);
        if (activation == NULL || activation->kind != AI_ACTIVATION_NONE ||
            graph->values[node->inputs[0]].type != AI_F32)
            continue;
        *activation = clamp;
        ai_pass_merge(graph, (uint32_t)(before - graph->nodes), i);
    }
    return ai_graph_status(graph, err);
}
