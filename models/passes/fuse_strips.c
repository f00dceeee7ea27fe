/* SPDX-License-Identifier: Apache-2.0
 * Joins chains of Conv and MaxPool, each of which alone reads what the one before it writes, to
 * steps of operator Strips, which keeps what lies between them in the cache:
 *
 *   stem, MaxPool
 *   pointwise or stem, depthwise, pointwise    such as expand, depthwise, project + residual
 *   depthwise, pointwise                       where another node reads the first as well
 *
 * It pays where the largest tensor between them would not stay in a core's L2 beside the weights,
 * and where two threads share out the rows of a map of 14x14 or more: then neither reads or writes
 * what the other's cache holds, and both wait once for each chain. All chains of 250 kB and more
 * joined, beside those of 1 MB and more: MobileNetV2 takes 0.95 of the time on two threads, 1.005
 * on one, EfficientNet-Lite0 0.985 and 1.00. Single chains on one thread, ms of least of 3 runs,
 * one core with AVX-512 and 2 MiB of L2:
 *   between     map          channels         alone    joined
 *   4.8 MB      112 -> 56    16 -> 96 -> 24   0.692    0.524
 *   1.8 MB      56           24 -> 144 -> 24  0.496    0.459
 *   1.8 MB      56 -> 28     24 -> 144 -> 32  0.260    0.239
 *   1.8 MB 5x5  56 -> 28     24 -> 144 -> 40  0.333    0.316
 *   1.6 MB      stem, 112    3 -> 32 -> 16    0.509    0.474
 *   3.2 MB      stem, pool   3 -> 64          1.81     1.67
 *   0.75 MB 5x5 28           40 -> 240 -> 40  0.355    0.362
 *   0.6 MB      28           32 -> 192 -> 32  0.173    0.180
 *   0.3 MB      14           64 -> 384 -> 64  0.151    0.155
 *   0.1 MB      7            160 -> 960       0.225    0.239 */
#include "pass.h"

#include <string.h>

enum { LEAST_BYTES = 250 * 1000 }; /* between two nodes of a chain */

static bool is_conv(const ai_graph *graph, const ai_graph_node *node, uint8_t weight_layout)
{
    return node != NULL && node->op == AI_OP_CONV &&
           graph->values[node->inputs[1]].layout == weight_layout;
}

static bool is_pointwise(const ai_graph *graph, const ai_graph_node *node)
{
    if (!is_conv(graph, node, AI_LAYOUT_CONV16))
        return false;
    const ai_conv_params *p = node->params;
    const uint32_t *kernel = p->window.kernel;
    return p->group == 1 && kernel[0] == 1 && kernel[1] == 1;
}

/* The node that writes input 0, if no other reads that. */
static ai_graph_node *before(const ai_graph *graph, const ai_graph_node *node, const uint32_t *uses)
{
    return uses[node->inputs[0]] == 1 ? ai_pass_producer(graph, node, 0) : NULL;
}

static bool is_large(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_value *y = &graph->values[node->outputs[0]];
    return ai_pass_elements(y) * (int64_t)sizeof(float) >= LEAST_BYTES;
}

/* The chain that ends in a node: its length, 0 if there is none that pays. */
static uint32_t find_chain(const ai_graph *graph, ai_graph_node *last, const uint32_t *uses,
                           ai_graph_node *chain[AI_STRIPS_MAX])
{
    bool is_pool = last->op == AI_OP_MAX_POOL;
    if (last->is_dead || !(is_pool || is_pointwise(graph, last)))
        return 0;
    ai_graph_node *middle = before(graph, last, uses);
    if (!is_conv(graph, middle, is_pool ? AI_LAYOUT_STEM16 : AI_LAYOUT_DEPTHWISE16))
        return 0;
    ai_graph_node *first = is_pool ? NULL : before(graph, middle, uses);
    uint32_t count = 0;
    if (is_pointwise(graph, first) || is_conv(graph, first, AI_LAYOUT_STEM16))
        chain[count++] = first;
    chain[count++] = middle;
    chain[count++] = last;
    return is_large(graph, chain[0]) || is_large(graph, middle) ? count : 0;
}

/* The last node becomes the step, the others are gone. */
static void fuse(ai_graph *graph, ai_graph_node *const chain[], uint32_t count)
{
    ai_graph_node *last = chain[count - 1];
    ai_strips_params *p = ai_graph_alloc(graph, sizeof *p);
    int32_t *inputs = ai_graph_alloc(graph, (1 + 3 * count) * sizeof *inputs);
    if (p == NULL || inputs == NULL)
        return;
    p->count = count;
    inputs[0] = chain[0]->inputs[0];
    for (uint32_t i = 0; i < count; i++) {
        ai_graph_node *node = chain[i];
        p->stage[i].op = node->op;
        memcpy(&p->stage[i].params, node->params, node->param_bytes);
        for (uint32_t k = 1; k <= 3; k++)
            inputs[3 * i + k] = k < node->input_count ? node->inputs[k] : AI_NO_VALUE;
        node->is_dead = node != last;
    }
    last->op = AI_OP_STRIPS;
    last->params = p;
    last->param_bytes = sizeof *p;
    last->inputs = inputs;
    last->input_count = 1 + 3 * count;
}

ai_status ai_pass_fuse_strips(ai_graph *graph, ai_error *err)
{
    if ((graph->flags & AI_CONVERT_NO_STRIPS) != 0)
        return AI_OK;
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL; i++) {
        ai_graph_node *chain[AI_STRIPS_MAX];
        uint32_t count = find_chain(graph, &graph->nodes[i], uses, chain);
        if (count > 0)
            fuse(graph, chain, count);
    }
    return ai_graph_status(graph, err);
}
