/* SPDX-License-Identifier: Apache-2.0
 * Makes states of what the caller names: an input and an output of the graph, or a recurrent node.
 */
#include "pass.h"

#include <string.h>

enum { INITIAL_H = 5, INITIAL_C = 6 };

static bool is_recurrent(uint16_t op)
{
    return op == AI_OP_RNN || op == AI_OP_GRU || op == AI_OP_LSTM;
}

static bool is_named(const ai_graph *graph, int32_t value, const char *name, size_t length)
{
    const char *found = graph->values[value].name;
    return strlen(found) == length && memcmp(found, name, length) == 0;
}

/* The place of a name in a list of values, or the list's end. */
static uint32_t find(const ai_graph *graph, const int32_t *list, uint32_t count, const char *name,
                     size_t length)
{
    uint32_t i = 0;
    while (i < count && !is_named(graph, list[i], name, length))
        i++;
    return i;
}

static void take_out(int32_t *list, uint32_t *count, uint32_t place)
{
    memmove(list + place, list + place + 1, (*count - place - 1) * sizeof *list);
    (*count)--;
}

/* "IN=OUT", where the name of an input may hold a '=' itself. */
static ai_status keep_pair(ai_graph *graph, const char *text, ai_error *err)
{
    uint32_t in = graph->input_count;
    const char *equal = text;
    while (in == graph->input_count && (equal = strchr(equal + 1, '=')) != NULL)
        in = find(graph, graph->inputs, graph->input_count, text, (size_t)(equal - text));
    if (equal == NULL)
        return ai_fail(err, AI_E_ARGUMENT, "state '%s' begins with no input's name", text);
    uint32_t out = find(graph, graph->outputs, graph->output_count, equal + 1, strlen(equal + 1));
    if (out == graph->output_count)
        return ai_fail(err, AI_E_ARGUMENT, "state '%s' names output '%s', the graph has none", text,
                       equal + 1);
    ai_value *now = &graph->values[graph->inputs[in]];
    const ai_value *next = &graph->values[graph->outputs[out]];
    if (now->type != next->type || !ai_pass_same_shape(now, next))
        return ai_fail(err, AI_E_SHAPE, "state '%s': input and output differ in type or shape",
                       text);
    now->is_input = false;
    now->varies = 0;
    ai_graph_state_add(graph, graph->inputs[in], graph->outputs[out], AI_NO_VALUE);
    take_out(graph->inputs, &graph->input_count, in);
    take_out(graph->outputs, &graph->output_count, out);
    return AI_OK;
}

/* Output i of a node, made if nobody had asked for it. */
static void need_output(ai_graph *graph, uint32_t index, uint32_t i)
{
    ai_graph_node *node = &graph->nodes[index];
    if (i >= node->output_count) {
        int32_t *longer = ai_graph_alloc(graph, (i + (size_t)1) * sizeof *longer);
        if (longer == NULL)
            return;
        memcpy(longer, node->outputs, node->output_count * sizeof *longer);
        while (node->output_count <= i)
            longer[node->output_count++] = AI_NO_VALUE;
        node->outputs = longer;
    }
    if (node->outputs[i] >= 0)
        return;
    const char *name = ai_graph_format(graph, "%s/%u", node->name, i);
    node->outputs[i] = ai_graph_value(graph, name, AI_F32);
    if (node->outputs[i] >= 0)
        graph->values[node->outputs[i]].producer = (int32_t)index;
}

/* Output i of the node is what its input becomes, which begins as the constant that was there. */
static void keep_state(ai_graph *graph, uint32_t index, uint32_t output, uint32_t input)
{
    ai_graph_node *node = &graph->nodes[index];
    int32_t next = node->outputs[output];
    int32_t start = input < node->input_count ? node->inputs[input] : AI_NO_VALUE;
    const char *name = ai_graph_format(graph, "%s/%s", node->name, output == 1 ? "h" : "c");
    int32_t now = ai_graph_value(graph, name, AI_F32);
    if (now < 0)
        return;
    ai_value *value = &graph->values[now];
    value->rank = graph->values[next].rank;
    memcpy(value->dim, graph->values[next].dim, sizeof value->dim);
    value->has_shape = true;
    if (ai_pass_set_input(graph, node, input, now))
        ai_graph_state_add(graph, now, next, start);
}

/* Whether an initial state of the node is computed: no constant, nor an input by itself. */
static bool has_computed(const ai_graph *graph, const ai_graph_node *node, bool or_is_input)
{
    for (uint32_t i = INITIAL_H; i <= INITIAL_C; i++) {
        const ai_value *value = ai_pass_input(graph, node, i);
        if (value != NULL && value->data == NULL && (or_is_input || value->producer >= 0))
            return true;
    }
    return false;
}

static ai_status keep_node(ai_graph *graph, uint32_t index, ai_error *err)
{
    ai_status status = AI_OK;
    if (!is_recurrent(graph->nodes[index].op))
        return ai_fail(err, AI_E_ARGUMENT, "state '%s' is a %s, an RNN, GRU or LSTM is needed",
                       graph->nodes[index].name, ai_op_find(graph->nodes[index].op)->name);
    /* PyTorch computes zeros of the shape of the node's input. */
    if (has_computed(graph, &graph->nodes[index], false))
        status = ai_pass_fold(graph, err);
    if (status != AI_OK)
        return status;
    const ai_graph_node *node = &graph->nodes[index];
    if (node->is_dead || has_computed(graph, node, true))
        return ai_fail(err, AI_E_ARGUMENT,
                       "state '%s' has an initial state: name that and its output", node->name);
    uint32_t last = node->op == AI_OP_LSTM ? INITIAL_C : INITIAL_H;
    for (uint32_t i = INITIAL_H; i <= last; i++)
        need_output(graph, index, i - INITIAL_H + 1);
    status = ai_graph_status(graph, err);
    if (status == AI_OK)
        status = ai_pass_need_shapes(graph, err);
    for (uint32_t i = INITIAL_H; i <= last && status == AI_OK; i++)
        keep_state(graph, index, i - INITIAL_H + 1, i);
    return status == AI_OK ? ai_graph_status(graph, err) : status;
}

static ai_status keep(ai_graph *graph, const char *text, ai_error *err)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!graph->nodes[i].is_dead && strcmp(graph->nodes[i].name, text) == 0)
            return keep_node(graph, i, err);
    }
    if (strchr(text, '=') == NULL)
        return ai_fail(err, AI_E_ARGUMENT, "state '%s' is no node of the graph", text);
    return keep_pair(graph, text, err);
}

ai_status ai_pass_states(ai_graph *graph, ai_error *err)
{
    ai_status status = graph->kept_count > 0 ? ai_pass_need_shapes(graph, err) : AI_OK;
    for (size_t i = 0; i < graph->kept_count && status == AI_OK; i++)
        status = keep(graph, graph->kept[i], err);
    return status == AI_OK ? ai_graph_status(graph, err) : status;
}
