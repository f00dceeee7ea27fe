/* SPDX-License-Identifier: Apache-2.0
 * Which branch each If runs. What conditions depend on becomes a graph of its own, which is folded;
 * then the nodes of the branches are listed in place, and may bring conditions of their own. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

#include "pass.h"

enum { MAX_ROUNDS = 64, MAX_DECISIONS = 4096 };

/* The Ifs whose conditions depend on no other If. */
typedef struct ready {
    const ai_onnx_node **nodes;
    const char **conditions;
    uint32_t count;
} ready;

static ai_status list(ai_onnx *onnx)
{
    ai_status status = ai_onnx_list_nodes(onnx);
    return status == AI_OK ? ai_onnx_resolve(onnx) : status;
}

static bool needs_decision(const ai_onnx *onnx)
{
    for (uint32_t i = 0; i < onnx->node_count; i++)
        if (onnx->nodes[i].is_needed && ai_onnx_is_if(&onnx->nodes[i]))
            return true;
    return false;
}

static bool waits_for(const ai_onnx *onnx, const bool *waits, const ai_onnx_node *n)
{
    for (uint32_t i = 0; i < n->input_count; i++) {
        const ai_onnx_name *input = *n->inputs[i] != '\0' ? ai_onnx_find(onnx, n->inputs[i]) : NULL;
        if (input != NULL && input->node != AI_NO_NODE && waits[input->node])
            return true;
    }
    return false;
}

static ai_status find_ready(ai_onnx *onnx, ready *r)
{
    size_t count = (size_t)onnx->node_count + 1;
    bool *waits = ai_graph_alloc(onnx->graph, count * sizeof *waits);
    r->nodes = ai_graph_alloc(onnx->graph, count * sizeof *r->nodes);
    r->conditions = ai_graph_alloc(onnx->graph, count * sizeof *r->conditions);
    if (waits == NULL || r->nodes == NULL || r->conditions == NULL)
        return ai_onnx_no_memory(onnx);
    for (uint32_t i = 0; i < onnx->node_count; i++) {
        const ai_onnx_node *n = &onnx->nodes[onnx->order[i]];
        bool is_if = ai_onnx_is_if(n);
        waits[onnx->order[i]] = waits_for(onnx, waits, n);
        if (is_if && n->is_needed && !waits[onnx->order[i]]) {
            if (n->input_count != 1 || *n->inputs[0] == '\0')
                return ai_onnx_fail(onnx, AI_E_FORMAT, "If '%.80s': it has %u inputs, 1 was needed",
                                    n->name, n->input_count);
            r->nodes[r->count] = n;
            r->conditions[r->count++] = n->inputs[0];
        }
        waits[onnx->order[i]] |= is_if;
    }
    return AI_OK;
}

/* Makes the graph of the conditions: each is copied to an output. */
static ai_status lower_conditions(ai_onnx *onnx, const ready *r)
{
    const ai_none_params none = {0};
    ai_onnx_need_only(onnx, r->conditions, r->count);
    ai_status status = ai_onnx_find_rows(onnx);
    if (status == AI_OK)
        status = ai_onnx_make_inputs(onnx);
    if (status == AI_OK)
        status = ai_onnx_lower_nodes(onnx);
    for (uint32_t i = 0; i < r->count && status == AI_OK; i++) {
        ai_onnx_name *name = ai_onnx_find(onnx, r->conditions[i]);
        status = ai_onnx_value_of(onnx, name);
        if (status != AI_OK)
            break;
        ai_type type = onnx->graph->values[name->value].type;
        int32_t copy =
            ai_graph_value(onnx->graph, ai_graph_format(onnx->graph, "condition %u", i), type);
        ai_graph_add(onnx->graph, r->nodes[i]->name, AI_OP_IDENTITY, &none, sizeof none,
                     &name->value, 1, &copy, 1);
        ai_graph_output(onnx->graph, copy);
        status = ai_graph_status(onnx->graph, onnx->err);
    }
    return status;
}

/* What the condition folded to; NULL: it did not. */
static const ai_value *constant_of(const ai_graph *graph, uint32_t output)
{
    int32_t producer = graph->values[graph->outputs[output]].producer;
    const ai_value *v = ai_pass_input(graph, &graph->nodes[producer], 0);
    return v->data != NULL ? v : NULL;
}

static ai_status decide(ai_onnx *onnx, const ai_onnx_node *node, const ai_value *v)
{
    if (v->type != AI_BOOL || v->bytes != 1)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "If '%.80s': its condition is %s and takes %llu bytes, one bool was "
                            "needed",
                            node->name, ai_type_name(v->type), (unsigned long long)v->bytes);
    if (onnx->decision_count == MAX_DECISIONS)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED, "the graph has over %d nodes If",
                            MAX_DECISIONS);
    size_t bytes = (onnx->decision_count + (size_t)1) * sizeof *onnx->decisions;
    ai_onnx_decision *longer = realloc(onnx->decisions, bytes);
    if (longer == NULL)
        return ai_onnx_no_memory(onnx);
    onnx->decisions = longer;
    char *output = strdup(ai_onnx_first_output(node));
    if (output == NULL)
        return ai_onnx_no_memory(onnx);
    onnx->decisions[onnx->decision_count++] =
        (ai_onnx_decision){output, node->depth, *(const uint8_t *)v->data != 0};
    return AI_OK;
}

/* Folds the graph and decides what has become constant. */
static ai_status fold(ai_onnx *onnx, const ready *r)
{
    ai_status status = ai_pass_fold(onnx->graph, onnx->err);
    for (uint32_t i = 0; i < r->count && status == AI_OK; i++) {
        const ai_value *v = constant_of(onnx->graph, i);
        if (v != NULL)
            status = decide(onnx, r->nodes[i], v);
    }
    return status;
}

/* ---- Conditions that follow from shapes which the caller of the model may choose ---- */

/* The inputs that the condition depends on keep the shape that they have now. */
static ai_status fix_shapes(ai_onnx *onnx, ai_graph *graph)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    if (onnx->is_fixed == NULL)
        onnx->is_fixed = calloc(g->n_input + 1, sizeof *onnx->is_fixed);
    if (onnx->is_fixed == NULL)
        return ai_onnx_no_memory(onnx);
    for (size_t i = 0; i < g->n_input; i++)
        onnx->is_fixed[i] |= ai_onnx_find(onnx, g->input[i]->name)->is_used;
    for (uint32_t i = 0; i < graph->value_count; i++)
        graph->values[i].varies = 0;
    return AI_OK;
}

/* The last input that the condition depends on, in the order of the file: a model's choices come
 * behind its data. */
static ai_status fail_undecided(ai_onnx *onnx, const ai_onnx_node *node)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    const char *input = "";
    for (size_t i = 0; i < g->n_input; i++) {
        const ai_onnx_name *n = ai_onnx_find(onnx, g->input[i]->name);
        if (n->is_used && n->input != NULL)
            input = g->input[i]->name;
    }
    return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                        "If '%.60s': its condition depends on input '%.60s', only constant ones "
                        "are supported: make that a constant of the model",
                        node->name, input);
}

/* Of several the first alone, so that no more inputs are fixed than it depends on. */
static ai_status fold_by_shapes(ai_onnx *onnx, ready *r)
{
    uint32_t before = onnx->decision_count;
    r->count = 1;
    ai_status status = lower_conditions(onnx, r);
    if (status == AI_OK)
        status = fix_shapes(onnx, onnx->graph);
    if (status == AI_OK)
        status = fold(onnx, r);
    if (status == AI_OK && onnx->decision_count == before)
        status = fail_undecided(onnx, r->nodes[0]);
    return status;
}

/* ---- Rounds ---- */

/* In a graph of its own. *is_done: no If was left to decide. */
static ai_status try(ai_onnx *onnx, bool is_by_shapes, bool *is_done)
{
    ready r = {0};
    ai_status status = list(onnx);
    if (status == AI_OK)
        status = find_ready(onnx, &r);
    *is_done = r.count == 0;
    if (status != AI_OK || r.count == 0)
        return status;
    if (is_by_shapes)
        return fold_by_shapes(onnx, &r);
    status = lower_conditions(onnx, &r);
    return status == AI_OK ? fold(onnx, &r) : status;
}

static ai_status try_apart(ai_onnx *onnx, bool is_by_shapes, bool *is_done)
{
    ai_graph *graph = onnx->graph;
    onnx->graph = ai_graph_new();
    ai_status status =
        onnx->graph != NULL ? try(onnx, is_by_shapes, is_done) : ai_onnx_no_memory(onnx);
    ai_graph_free(onnx->graph);
    onnx->graph = graph;
    return status;
}

ai_status ai_onnx_decide(ai_onnx *onnx)
{
    ai_status status = list(onnx);
    bool is_done = !needs_decision(onnx);
    if (status != AI_OK || is_done)
        return status;
    for (uint32_t round = 0; status == AI_OK && !is_done; round++) {
        uint32_t before = onnx->decision_count;
        if (round == MAX_ROUNDS)
            return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                                "conditions of If depend on one another over %d deep", MAX_ROUNDS);
        status = try_apart(onnx, false, &is_done);
        if (status == AI_OK && !is_done && onnx->decision_count == before)
            status = try_apart(onnx, true, &is_done);
    }
    return status == AI_OK ? list(onnx) : status;
}
