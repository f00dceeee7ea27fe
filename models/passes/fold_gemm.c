/* SPDX-License-Identifier: Apache-2.0
 * Gemm with constant B and C: alpha, beta and the transposition of B go into the constants, so that
 * B can be packed and C is one row where it can be. Each new number is computed in f64 and rounded
 * to f32 once. */
#include "pass.h"

/* B as [K][N], times alpha; false: no memory. */
static bool fold_b(ai_graph *graph, ai_graph_node *node)
{
    ai_gemm_params *p = node->params;
    const ai_value *b = ai_pass_input(graph, node, 1);
    if (p->trans_b == 0 && p->alpha == 1.0f)
        return true;
    int64_t k = b->dim[p->trans_b != 0 ? 1 : 0];
    int64_t n = b->dim[p->trans_b != 0 ? 0 : 1];
    int64_t row = p->trans_b != 0 ? 1 : n;
    int64_t column = p->trans_b != 0 ? k : 1;
    const float *from = b->data;
    int32_t index = AI_NO_VALUE;
    const char *name = b->name;
    float *to = ai_pass_new_f32(graph, name, 2, (int64_t[2]){k, n}, &index);
    if (to == NULL)
        return false;
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++)
            to[i * n + j] = (float)((double)p->alpha * (double)from[i * row + j * column]);
    }
    p->alpha = 1.0f;
    p->trans_b = 0;
    return ai_pass_set_input(graph, node, 1, index);
}

/* C times beta; what is the same for all rows becomes [N]. */
static bool fold_c(ai_graph *graph, ai_graph_node *node, int64_t n)
{
    ai_gemm_params *p = node->params;
    const ai_value *c = ai_pass_input(graph, node, 2);
    bool is_row = c->rank < 2 || c->dim[0] == 1;
    int64_t columns = c->rank == 0 ? 1 : c->dim[c->rank - 1];
    if (p->beta == 1.0f && (!is_row || (c->rank == 1 && columns == n)))
        return true;
    int64_t dim[2] = {is_row ? n : c->dim[0], columns};
    uint32_t rank = is_row ? 1 : 2;
    int64_t count = is_row ? n : dim[0] * dim[1];
    const float *from = c->data;
    int32_t index = AI_NO_VALUE;
    float *to = ai_pass_new_f32(graph, c->name, rank, dim, &index);
    if (to == NULL)
        return false;
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)((double)p->beta * (double)from[is_row && columns == 1 ? 0 : i]);
    p->beta = 1.0f;
    return ai_pass_set_input(graph, node, 2, index);
}

static bool fold_node(ai_graph *graph, ai_graph_node *node)
{
    const ai_gemm_params *p = node->params;
    const ai_value *b = ai_pass_constant(graph, node, 1, AI_F32);
    bool has_c = ai_pass_input(graph, node, 2) != NULL;
    const ai_value *c = ai_pass_constant(graph, node, 2, AI_F32);
    /* A scaled product that cannot be folded needs its C as it is: the sum is scaled first. */
    bool is_stuck = (p->alpha != 1.0f && b == NULL) || (p->beta != 1.0f && has_c && c == NULL);
    if (is_stuck || b == NULL || b->rank != 2)
        return true;
    if (!fold_b(graph, node))
        return false;
    b = ai_pass_input(graph, node, 1);
    c = ai_pass_input(graph, node, 2);
    return c == NULL || c->data == NULL || c->rank > 2 || fold_c(graph, node, b->dim[1]);
}

ai_status ai_pass_fold_gemm(ai_graph *graph, ai_error *err)
{
    bool is_ok = true;
    for (uint32_t i = 0; i < graph->node_count && is_ok; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && node->op == AI_OP_GEMM)
            is_ok = fold_node(graph, node);
    }
    return ai_graph_status(graph, err);
}
