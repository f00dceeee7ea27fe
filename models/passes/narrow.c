/* SPDX-License-Identifier: Apache-2.0
 * Stores weights in panels as f16, where the caller asked for it: half the bytes, widened again by
 * the operators. Biases and all else stay f32. */
#include "pass.h"

#include <math.h>
#include <string.h>

#include "float16.h"
#include "half.h"

enum { GREATEST = 65504 };

/* The operators that read both types, in panels: lib/ops/wide.h. */
static bool is_weight(const ai_graph_node *node, const ai_value *w)
{
    bool is_reader = node->op == AI_OP_CONV || node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL;
    return is_reader && w != NULL && w->data != NULL && w->type == AI_F32 &&
           w->layout != AI_LAYOUT_PLAIN;
}

/* Rounds `count` numbers; *error is their distance by the length of both as vectors. Returns the
 * first finite one that would become infinite, or 0. */
static float round_numbers(const float *from, uint64_t count, uint16_t *to, double *error)
{
    double rest = 0;
    double whole = 0;
    for (uint64_t i = 0; i < count; i++) {
        double number = (double)from[i];
        to[i] = ai_f64_to_f16(number);
        double narrow = (double)ai_f16_to_f32(to[i]);
        if (!isfinite(number))
            continue; /* the same in f16 */
        if (!isfinite(narrow))
            return from[i];
        rest += (number - narrow) * (number - narrow);
        whole += number * number;
    }
    *error = rest > 0 ? sqrt(rest / whole) : 0;
    return 0;
}

/* A new constant; *narrowed is negative if there is no memory. */
static ai_status narrow(ai_graph *graph, const ai_graph_node *node, int32_t weight,
                        int32_t *narrowed, ai_error *err)
{
    ai_value w = graph->values[weight]; /* the list of values may move */
    uint64_t count = w.bytes / sizeof(float);
    uint16_t *to = ai_graph_alloc(graph, count * sizeof *to);
    double error = 0;
    if (to == NULL)
        return ai_graph_status(graph, err);
    float beyond = round_numbers(w.data, count, to, &error);
    if (beyond != 0)
        return ai_fail(err, AI_E_VALUE,
                       "%s '%s': weight '%.80s' has %.9g in layout %u, f16 ends at %d: keep f32",
                       ai_op_find(node->op)->name, node->name, w.name, (double)beyond, w.layout,
                       GREATEST);
    *narrowed = ai_graph_constant(graph, w.name, AI_F16, w.rank, w.dim, to, count * sizeof *to);
    if (*narrowed >= 0)
        graph->values[*narrowed].layout = w.layout;
    graph->narrow_count++;
    graph->narrow_error = error > graph->narrow_error ? error : graph->narrow_error;
    return ai_graph_status(graph, err);
}

ai_status ai_pass_narrow(ai_graph *graph, ai_error *err)
{
    ai_status status = AI_OK;
    uint32_t known = graph->value_count;
    if ((graph->flags & AI_CONVERT_F16_WEIGHTS) == 0)
        return AI_OK;
    /* of each weight: its narrow one, which nodes go on sharing */
    int32_t *done = ai_graph_alloc(graph, (known + (size_t)1) * sizeof *done);
    if (done == NULL)
        return ai_graph_status(graph, err);
    memset(done, 0xff, (known + (size_t)1) * sizeof *done);
    for (uint32_t i = 0; i < graph->node_count && status == AI_OK; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (node->is_dead || !is_weight(node, ai_pass_input(graph, node, 1)))
            continue;
        int32_t *narrowed = &done[node->inputs[1]];
        if (*narrowed < 0)
            status = narrow(graph, node, node->inputs[1], narrowed, err);
        node->inputs[1] = *narrowed;
    }
    return status;
}
