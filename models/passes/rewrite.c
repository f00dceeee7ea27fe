/* SPDX-License-Identifier: Apache-2.0
 * Reading and rewriting the graph, as passes need it. */
#include "pass.h"

#include <stdlib.h>
#include <string.h>

/* ---- Reading ---- */

uint32_t *ai_pass_uses(ai_graph *graph)
{
    uint32_t *uses = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *uses);
    if (uses == NULL)
        return NULL;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count && !node->is_dead; k++) {
            if (node->inputs[k] >= 0)
                uses[node->inputs[k]]++;
        }
    }
    for (uint32_t i = 0; i < graph->output_count; i++)
        uses[graph->outputs[i]]++;
    for (uint32_t i = 0; i < graph->state_count; i++)
        uses[graph->states[i].next]++;
    return uses;
}

bool ai_pass_is_kept(const ai_graph *graph, int32_t value)
{
    for (uint32_t i = 0; i < graph->output_count; i++) {
        if (graph->outputs[i] == value)
            return true;
    }
    for (uint32_t i = 0; i < graph->state_count; i++) {
        if (graph->states[i].next == value)
            return true;
    }
    return false;
}

ai_status ai_pass_need_shapes(ai_graph *graph, ai_error *err)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->output_count && !node->is_dead; k++) {
            if (node->outputs[k] >= 0 && !graph->values[node->outputs[k]].has_shape)
                return ai_graph_infer(graph, err);
        }
    }
    return AI_OK;
}

ai_value *ai_pass_input(const ai_graph *graph, const ai_graph_node *node, uint32_t i)
{
    if (i >= node->input_count || node->inputs[i] < 0)
        return NULL;
    return &graph->values[node->inputs[i]];
}

ai_graph_node *ai_pass_producer(const ai_graph *graph, const ai_graph_node *node, uint32_t i)
{
    const ai_value *value = ai_pass_input(graph, node, i);
    return value == NULL || value->producer < 0 ? NULL : &graph->nodes[value->producer];
}

const ai_value *ai_pass_constant(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                                 ai_type type)
{
    const ai_value *value = ai_pass_input(graph, node, i);
    if (value == NULL || value->data == NULL || value->type != type ||
        value->layout != AI_LAYOUT_PLAIN)
        return NULL;
    return value;
}

bool ai_pass_scalar(const ai_graph *graph, const ai_graph_node *node, uint32_t i, float *number)
{
    const ai_value *value = ai_pass_constant(graph, node, i, AI_F32);
    if (value == NULL || ai_pass_elements(value) != 1)
        return false;
    memcpy(number, value->data, sizeof *number);
    return true;
}

int64_t ai_pass_elements(const ai_value *value)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < value->rank; i++)
        count *= value->dim[i];
    return count;
}

bool ai_pass_same_shape(const ai_value *a, const ai_value *b)
{
    if (!a->has_shape || !b->has_shape || a->rank != b->rank || a->varies != b->varies)
        return false;
    return a->rank == 0 || memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

/* ---- Rewriting ---- */

ai_graph_node *ai_pass_merge(ai_graph *graph, uint32_t first, uint32_t second)
{
    ai_graph_node *a = &graph->nodes[first];
    ai_graph_node *b = &graph->nodes[second];
    ai_graph_node merged = *a;
    merged.outputs = b->outputs;
    merged.output_count = b->output_count;
    a->is_dead = true;
    *b = merged;
    for (uint32_t i = 0; i < b->output_count; i++) {
        if (b->outputs[i] >= 0)
            graph->values[b->outputs[i]].producer = (int32_t)second;
    }
    return b;
}

bool ai_pass_set_input(ai_graph *graph, ai_graph_node *node, uint32_t i, int32_t value)
{
    if (value < 0)
        return false;
    if (i >= node->input_count) {
        int32_t *inputs = ai_graph_alloc(graph, (i + (size_t)1) * sizeof *inputs);
        if (inputs == NULL)
            return false;
        for (uint32_t k = 0; k < i; k++)
            inputs[k] = k < node->input_count ? node->inputs[k] : AI_NO_VALUE;
        node->inputs = inputs;
        node->input_count = i + 1;
    }
    node->inputs[i] = value;
    return true;
}

float *ai_pass_new_f32(ai_graph *graph, const char *name, uint32_t rank, const int64_t *dim,
                       int32_t *index)
{
    size_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= (size_t)dim[i];
    float *data = ai_graph_alloc(graph, count * sizeof *data);
    if (data != NULL)
        *index = ai_graph_constant(graph, name, AI_F32, rank, dim, data, count * sizeof *data);
    return data != NULL && *index >= 0 ? data : NULL;
}

void ai_pass_prune(ai_graph *graph)
{
    uint32_t *uses = ai_pass_uses(graph);
    if (uses == NULL)
        return;
    /* Readers come after writers: from the end on, a node's count is final when it is met. */
    for (uint32_t i = graph->node_count; i-- > 0;) {
        ai_graph_node *node = &graph->nodes[i];
        bool is_read = node->is_dead;
        for (uint32_t k = 0; k < node->output_count; k++)
            is_read = is_read || (node->outputs[k] >= 0 && uses[node->outputs[k]] > 0);
        if (is_read)
            continue;
        node->is_dead = true;
        for (uint32_t k = 0; k < node->input_count; k++) {
            if (node->inputs[k] >= 0)
                uses[node->inputs[k]]--;
        }
    }
}

/* ---- Order ---- */

enum { IS_NEW, IS_OPEN, IS_DONE };

typedef struct sorter {
    ai_graph *graph;
    ai_graph_node *nodes; /* in the new order */
    uint32_t count;
    uint8_t *state; /* of each old node */
    uint32_t *stack;
    uint32_t depth;
} sorter;

/* Opens the first node that must come before `node` and is not placed; false: there is none. */
static bool open_producer(sorter *s, const ai_graph_node *node)
{
    for (uint32_t k = 0; k < node->input_count; k++) {
        if (node->inputs[k] < 0)
            continue;
        int32_t producer = s->graph->values[node->inputs[k]].producer;
        if (producer >= 0 && s->state[producer] == IS_NEW) {
            s->state[producer] = IS_OPEN;
            s->stack[s->depth++] = (uint32_t)producer;
            return true;
        }
    }
    return false;
}

static void place_node(sorter *s, uint32_t index)
{
    s->state[index] = IS_OPEN;
    s->stack[s->depth++] = index;
    while (s->depth > 0) {
        uint32_t top = s->stack[s->depth - 1];
        const ai_graph_node *node = &s->graph->nodes[top];
        if (open_producer(s, node))
            continue;
        s->depth--;
        s->state[top] = IS_DONE;
        s->nodes[s->count++] = *node;
    }
}

static void take_order(sorter *s)
{
    ai_graph *graph = s->graph;
    memcpy(graph->nodes, s->nodes, s->count * sizeof *s->nodes);
    graph->node_count = s->count;
    for (uint32_t i = 0; i < graph->value_count; i++)
        graph->values[i].producer = AI_NO_NODE;
    for (uint32_t i = 0; i < s->count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->output_count; k++) {
            if (node->outputs[k] >= 0)
                graph->values[node->outputs[k]].producer = (int32_t)i;
        }
    }
}

ai_status ai_pass_sort(ai_graph *graph, ai_error *err)
{
    size_t count = graph->node_count + (size_t)1;
    sorter s = {.graph = graph};
    s.nodes = calloc(count, sizeof *s.nodes);
    s.state = calloc(count, sizeof *s.state);
    s.stack = calloc(count, sizeof *s.stack);
    ai_status status = AI_OK;
    if (s.nodes == NULL || s.state == NULL || s.stack == NULL) {
        status = ai_fail(err, AI_E_MEMORY, "no memory to sort %u nodes", graph->node_count);
    } else {
        for (uint32_t i = 0; i < graph->node_count; i++) {
            if (s.state[i] == IS_NEW && !graph->nodes[i].is_dead)
                place_node(&s, i);
        }
        take_order(&s);
    }
    free(s.nodes);
    free(s.state);
    free(s.stack);
    return status;
}
