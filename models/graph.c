/* SPDX-License-Identifier: Apache-2.0
 * The builder of the graph: growing lists of values and nodes over an arena that the graph owns. */
#include "graph.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

enum { BLOCK_BYTES = 1 << 16, LARGE_BYTES = 1 << 13, ARENA_ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t used;
    size_t bytes;
    size_t reserved; /* keeps what follows at a multiple of ARENA_ALIGN */
} block;

/* What ai_graph.memory points to. */
typedef struct arena {
    block *small; /* blocks of BLOCK_BYTES; the first has room */
    block *large; /* one allocation each */
    uint32_t value_capacity;
    uint32_t node_capacity;
    uint32_t input_capacity;
    uint32_t output_capacity;
    uint32_t state_capacity;
    bool is_exhausted;
} arena;

ai_graph *ai_graph_new(void)
{
    ai_graph *graph = calloc(1, sizeof *graph);
    if (graph == NULL)
        return NULL;
    graph->memory = calloc(1, sizeof(arena));
    if (graph->memory == NULL) {
        free(graph);
        return NULL;
    }
    return graph;
}

static void free_blocks(block *first)
{
    while (first != NULL) {
        block *next = first->next;
        free(first);
        first = next;
    }
}

void ai_graph_free(ai_graph *graph)
{
    if (graph == NULL)
        return;
    arena *memory = graph->memory;
    free_blocks(memory->small);
    free_blocks(memory->large);
    free(memory);
    free(graph->values);
    free(graph->nodes);
    free(graph->inputs);
    free(graph->outputs);
    free(graph->states);
    free(graph);
}

ai_status ai_graph_status(const ai_graph *graph, ai_error *err)
{
    const arena *memory = graph->memory;
    if (memory->is_exhausted)
        return ai_fail(err, AI_E_MEMORY, "no memory for the graph of %u nodes", graph->node_count);
    return AI_OK;
}

static block *add_block(arena *memory, block **list, size_t bytes)
{
    block *added = bytes > SIZE_MAX - sizeof(block) ? NULL : calloc(1, sizeof(block) + bytes);
    if (added == NULL) {
        memory->is_exhausted = true;
        return NULL;
    }
    added->bytes = bytes;
    added->next = *list;
    *list = added;
    return added;
}

void *ai_graph_alloc(ai_graph *graph, size_t bytes)
{
    arena *memory = graph->memory;
    if (bytes > LARGE_BYTES) {
        block *own = add_block(memory, &memory->large, bytes);
        return own == NULL ? NULL : own + 1;
    }
    bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    block *top = memory->small;
    if (top == NULL || top->bytes - top->used < bytes)
        top = add_block(memory, &memory->small, BLOCK_BYTES);
    if (top == NULL)
        return NULL;
    void *result = (char *)(top + 1) + top->used;
    top->used += bytes;
    return result;
}

const char *ai_graph_string(ai_graph *graph, const char *text, size_t length)
{
    char *copy = length == SIZE_MAX ? NULL : ai_graph_alloc(graph, length + 1);
    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    return copy;
}

const char *ai_graph_format(ai_graph *graph, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : ai_graph_alloc(graph, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

/* Makes room for one more entry of `size` bytes; false: no memory. */
static bool grow(ai_graph *graph, void **list, size_t size, uint32_t count, uint32_t *capacity)
{
    if (count < *capacity)
        return true;
    arena *memory = graph->memory;
    uint32_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *larger = wanted > INT32_MAX ? NULL : realloc(*list, wanted * size);
    if (larger == NULL) {
        memory->is_exhausted = true;
        return false;
    }
    *list = larger;
    *capacity = wanted;
    return true;
}

int32_t ai_graph_value(ai_graph *graph, const char *name, ai_type type)
{
    arena *memory = graph->memory;
    void *values = graph->values;
    bool has_room =
        grow(graph, &values, sizeof(ai_value), graph->value_count, &memory->value_capacity);
    graph->values = values;
    if (!has_room)
        return AI_NO_VALUE;
    graph->values[graph->value_count] =
        (ai_value){.name = name, .type = type, .producer = AI_NO_NODE};
    return (int32_t)graph->value_count++;
}

int32_t ai_graph_constant(ai_graph *graph, const char *name, ai_type type, uint32_t rank,
                          const int64_t *dim, const void *data, uint64_t bytes)
{
    assert(rank <= AI_MAX_RANK);
    int32_t index = ai_graph_value(graph, name, type);
    if (index < 0)
        return index;
    ai_value *value = &graph->values[index];
    value->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        value->dim[i] = dim[i];
    value->has_shape = true;
    /* An empty constant is still one: data says so. */
    value->data = data != NULL || bytes > 0 ? data : "";
    value->bytes = bytes;
    return index;
}

static void *copy_bytes(ai_graph *graph, const void *data, size_t bytes)
{
    void *copy = ai_graph_alloc(graph, bytes == 0 ? 1 : bytes);
    if (copy != NULL && bytes > 0)
        memcpy(copy, data, bytes);
    return copy;
}

int32_t ai_graph_add(ai_graph *graph, const char *name, uint16_t op, const void *params,
                     uint32_t param_bytes, const int32_t *inputs, uint32_t input_count,
                     const int32_t *outputs, uint32_t output_count)
{
    arena *memory = graph->memory;
    void *nodes = graph->nodes;
    bool has_room =
        grow(graph, &nodes, sizeof(ai_graph_node), graph->node_count, &memory->node_capacity);
    graph->nodes = nodes;
    if (!has_room)
        return AI_NO_NODE;
    ai_graph_node node = {.name = name,
                          .op = op,
                          .params = copy_bytes(graph, params, param_bytes),
                          .param_bytes = param_bytes,
                          .inputs = copy_bytes(graph, inputs, input_count * sizeof *inputs),
                          .input_count = input_count,
                          .outputs = copy_bytes(graph, outputs, output_count * sizeof *outputs),
                          .output_count = output_count};
    if (node.params == NULL || node.inputs == NULL || node.outputs == NULL)
        return AI_NO_NODE;
    int32_t index = (int32_t)graph->node_count;
    for (uint32_t i = 0; i < output_count; i++) {
        if (outputs[i] >= 0)
            graph->values[outputs[i]].producer = index;
    }
    graph->nodes[graph->node_count++] = node;
    return index;
}

void ai_graph_input(ai_graph *graph, int32_t value)
{
    arena *memory = graph->memory;
    void *list = graph->inputs;
    bool has_room = value >= 0 && grow(graph, &list, sizeof *graph->inputs, graph->input_count,
                                       &memory->input_capacity);
    graph->inputs = list;
    if (!has_room)
        return;
    graph->values[value].is_input = true;
    graph->inputs[graph->input_count++] = value;
}

void ai_graph_output(ai_graph *graph, int32_t value)
{
    arena *memory = graph->memory;
    void *list = graph->outputs;
    bool has_room = value >= 0 && grow(graph, &list, sizeof *graph->outputs, graph->output_count,
                                       &memory->output_capacity);
    graph->outputs = list;
    if (has_room)
        graph->outputs[graph->output_count++] = value;
}

void ai_graph_state_add(ai_graph *graph, int32_t now, int32_t next, int32_t start)
{
    arena *memory = graph->memory;
    void *list = graph->states;
    bool has_room =
        now >= 0 && next >= 0 &&
        grow(graph, &list, sizeof *graph->states, graph->state_count, &memory->state_capacity);
    graph->states = list;
    if (has_room)
        graph->states[graph->state_count++] = (ai_graph_state){now, next, start};
}

static void copy_border(ai_graph *to, const ai_graph *from)
{
    for (uint32_t i = 0; i < from->input_count; i++)
        ai_graph_input(to, from->inputs[i]);
    for (uint32_t i = 0; i < from->output_count; i++)
        ai_graph_output(to, from->outputs[i]);
    for (uint32_t i = 0; i < from->state_count; i++)
        ai_graph_state_add(to, from->states[i].now, from->states[i].next, from->states[i].start);
}

ai_graph *ai_graph_copy(const ai_graph *graph)
{
    ai_graph *copy = ai_graph_new();
    if (copy == NULL)
        return NULL;
    for (uint32_t i = 0; i < graph->value_count; i++)
        ai_graph_value(copy, graph->values[i].name, graph->values[i].type);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *n = &graph->nodes[i];
        int32_t index = ai_graph_add(copy, n->name, n->op, n->params, n->param_bytes, n->inputs,
                                     n->input_count, n->outputs, n->output_count);
        if (index < 0)
            break;
        copy->nodes[index].is_dead = n->is_dead;
        copy->nodes[index].has_s8_weights = n->has_s8_weights;
    }
    copy_border(copy, graph);
    if (ai_graph_status(copy, NULL) != AI_OK) {
        ai_graph_free(copy);
        return NULL;
    }
    for (uint32_t i = 0; i < graph->value_count; i++)
        copy->values[i] = graph->values[i];
    copy->name = graph->name;
    copy->opset = graph->opset;
    copy->producer = graph->producer;
    copy->flags = graph->flags;
    copy->folded_bytes = graph->folded_bytes;
    copy->fold_limit = graph->fold_limit;
    return copy;
}
