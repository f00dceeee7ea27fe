/* SPDX-License-Identifier: Apache-2.0
 * Puts the constant tables of Gather into panels, as columns of a matrix: where a product already
 * has that matrix (the embedding of a language model is often its last weight, transposed), so that
 * the file holds it once, and where it is to be stored as f16 or s8. */
#include "pass.h"

#include <string.h>

enum { LANES = 16 };

/* Element i of row r of a table [n][k] lies here in panels [k][n]. */
static int64_t place(int64_t k, int64_t r, int64_t i)
{
    return (r / LANES * k + i) * LANES + r % LANES;
}

static bool is_same(const ai_value *table, const ai_value *panels)
{
    int64_t k = table->dim[1];
    const float *from = table->data;
    const float *to = panels->data;
    if (panels->data == NULL || panels->layout != AI_LAYOUT_PANEL16 || panels->type != AI_F32 ||
        panels->rank != 2 || panels->dim[0] != k || panels->dim[1] != table->dim[0])
        return false;
    for (int64_t r = 0; r < table->dim[0]; r++) {
        for (int64_t i = 0; i < k; i++)
            if (memcmp(&from[r * k + i], &to[place(k, r, i)], sizeof *from) != 0)
                return false;
    }
    return true;
}

/* The first value that is the table in panels, or AI_NO_VALUE. */
static int32_t find(const ai_graph *graph, const ai_value *table)
{
    for (uint32_t i = 0; i < graph->value_count; i++) {
        if (is_same(table, &graph->values[i]))
            return (int32_t)i;
    }
    return AI_NO_VALUE;
}

static int32_t make(ai_graph *graph, const ai_value *table)
{
    ai_value t = *table; /* the list of values may move */
    int64_t k = t.dim[1];
    int64_t dim[2] = {k, t.dim[0]};
    uint64_t bytes = (uint64_t)((t.dim[0] + LANES - 1) / LANES * LANES * k) * sizeof(float);
    const float *from = t.data;
    float *to = ai_graph_alloc(graph, bytes);
    for (int64_t r = 0; r < t.dim[0] && to != NULL; r++) {
        for (int64_t i = 0; i < k; i++)
            to[place(k, r, i)] = from[r * k + i];
    }
    int32_t panels = AI_NO_VALUE;
    if (to != NULL)
        panels = ai_graph_constant(graph, t.name, AI_F32, 2, dim, to, bytes);
    if (panels >= 0)
        graph->values[panels].layout = AI_LAYOUT_PANEL16;
    return panels;
}

ai_status ai_pass_pack_tables(ai_graph *graph, ai_error *err)
{
    bool is_narrow = (graph->flags & (AI_CONVERT_F16_WEIGHTS | AI_CONVERT_S8_WEIGHTS)) != 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (node->is_dead || node->op != AI_OP_GATHER)
            continue;
        const ai_axis_params *p = node->params;
        const ai_value *table = ai_pass_constant(graph, node, 0, AI_F32);
        if (table == NULL || table->rank != 2 || ai_pass_elements(table) == 0 || p->axis != 0)
            continue;
        int32_t panels = find(graph, table);
        if (panels < 0 && is_narrow)
            panels = make(graph, table);
        if (panels >= 0)
            node->inputs[0] = panels;
    }
    return ai_graph_status(graph, err);
}
