/* SPDX-License-Identifier: Apache-2.0
 * Writes a graph as the bytes of a flat file: the tables first, the weights in the order of use. */
#include "graph.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "sha256.h"

/* Constants over this size are left out where only shapes are wanted: no operator needs more to
 * know its output's shape. */
enum { SHAPE_CONSTANT_BYTES = 4096, FIXED_SECTIONS = 6 };

/* A section that grows while it is filled. */
typedef struct part {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
} part;

typedef struct writer {
    const ai_graph *graph;
    uint32_t *tensor; /* of each value: its index in the file, or AI_FILE_NONE */
    bool *is_output;
    bool *is_state; /* is to be one: where only shapes are wanted they are inputs */
    uint32_t tensor_count;
    uint32_t *constants; /* values, in the order of their use */
    uint32_t constant_count;
    uint64_t weight_bytes;
    part strings;
    part tensors;
    part steps;
    part indices;
    part parameters;
    bool is_exhausted;
    bool is_for_shapes;
} writer;

/* Appends bytes at a multiple of `align`; where they begin. data NULL: zeros. */
static uint32_t append(writer *w, part *to, const void *data, size_t bytes, size_t align)
{
    size_t begin = (to->bytes + align - 1) / align * align;
    if (begin > UINT32_MAX || bytes > UINT32_MAX - begin) {
        w->is_exhausted = true;
        return 0;
    }
    if (begin + bytes > to->capacity) {
        size_t capacity = 2 * (begin + bytes) + 1024;
        uint8_t *larger = realloc(to->data, capacity);
        if (larger == NULL) {
            w->is_exhausted = true;
            return 0;
        }
        to->data = larger;
        to->capacity = capacity;
    }
    memset(to->data + to->bytes, 0, begin - to->bytes);
    if (data != NULL)
        memcpy(to->data + begin, data, bytes);
    else
        memset(to->data + begin, 0, bytes);
    to->bytes = begin + bytes;
    return (uint32_t)begin;
}

static uint32_t append_string(writer *w, const char *text)
{
    if (text == NULL || text[0] == 0)
        return 0;
    return append(w, &w->strings, text, strlen(text) + 1, 1);
}

static uint64_t aligned(uint64_t bytes, uint64_t align)
{
    return (bytes + align - 1) / align * align;
}

/* Gives a value its place in the file, once. */
static void number_value(writer *w, int32_t value)
{
    if (value < 0 || w->tensor[value] != AI_FILE_NONE)
        return;
    w->tensor[value] = w->tensor_count++;
    if (w->graph->values[value].data != NULL)
        w->constants[w->constant_count++] = (uint32_t)value;
}

static void number_values(writer *w)
{
    const ai_graph *graph = w->graph;
    for (uint32_t i = 0; i < graph->value_count; i++)
        w->tensor[i] = AI_FILE_NONE;
    for (uint32_t i = 0; i < graph->input_count; i++)
        number_value(w, graph->inputs[i]);
    for (uint32_t i = 0; i < graph->state_count; i++) {
        number_value(w, graph->states[i].now);
        w->is_state[graph->states[i].now] = true;
        if (!w->is_for_shapes)
            number_value(w, graph->states[i].start);
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (node->is_dead)
            continue;
        for (uint32_t k = 0; k < node->input_count; k++)
            number_value(w, node->inputs[k]);
        for (uint32_t k = 0; k < node->output_count; k++)
            number_value(w, node->outputs[k]);
    }
    for (uint32_t i = 0; i < graph->output_count; i++) {
        number_value(w, graph->outputs[i]);
        w->is_output[graph->outputs[i]] = true;
    }
}

static void write_tensor(writer *w, uint32_t index, uint64_t weight_offset)
{
    const ai_value *value = &w->graph->values[index];
    bool is_constant = value->data != NULL;
    ai_file_tensor tensor = {.name = append_string(w, value->name),
                             .type = (uint8_t)value->type,
                             .kind = AI_TENSOR_VALUE,
                             .layout = value->layout,
                             .scale = value->scale,
                             .zero_point = value->zero_point,
                             .varies = value->is_input ? value->varies : 0};
    if (is_constant)
        tensor.kind = AI_TENSOR_CONSTANT;
    else if (value->is_input || (w->is_state[index] && w->is_for_shapes))
        tensor.kind = AI_TENSOR_INPUT;
    else if (w->is_state[index])
        tensor.kind = AI_TENSOR_STATE;
    if (tensor.kind != AI_TENSOR_VALUE || (value->has_shape && w->is_output[index])) {
        tensor.rank = (uint8_t)value->rank;
        memcpy(tensor.dim, value->dim, value->rank * sizeof value->dim[0]);
    }
    if (is_constant) {
        tensor.offset = weight_offset;
        tensor.bytes = value->bytes;
    }
    size_t at = (size_t)w->tensor[index] * sizeof tensor;
    memcpy(w->tensors.data + at, &tensor, sizeof tensor);
}

static void write_tensors(writer *w)
{
    append(w, &w->tensors, NULL, (size_t)w->tensor_count * sizeof(ai_file_tensor), 8);
    if (w->is_exhausted)
        return;
    for (uint32_t i = 0; i < w->constant_count; i++) {
        write_tensor(w, w->constants[i], w->weight_bytes);
        uint64_t end = w->weight_bytes + w->graph->values[w->constants[i]].bytes;
        w->weight_bytes = i + 1 < w->constant_count ? aligned(end, AI_FILE_ALIGN) : end;
    }
    for (uint32_t i = 0; i < w->graph->value_count; i++) {
        if (w->tensor[i] != AI_FILE_NONE && w->graph->values[i].data == NULL)
            write_tensor(w, i, 0);
    }
}

static uint32_t append_operands(writer *w, const int32_t *values, uint32_t count)
{
    uint32_t first = (uint32_t)(w->indices.bytes / sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tensor = values[i] < 0 ? AI_FILE_NONE : w->tensor[values[i]];
        append(w, &w->indices, &tensor, sizeof tensor, sizeof tensor);
    }
    return first;
}

/* The lists of the header. Where only shapes are wanted, a state is an input. */
static void write_lists(writer *w, ai_file_header *header)
{
    const ai_graph *graph = w->graph;
    uint32_t states = w->is_for_shapes ? 0 : graph->state_count;
    header->inputs =
        (ai_file_list){append_operands(w, graph->inputs, graph->input_count), graph->input_count};
    for (uint32_t i = states; i < graph->state_count; i++, header->inputs.count++)
        append_operands(w, &graph->states[i].now, 1);
    header->outputs = (ai_file_list){append_operands(w, graph->outputs, graph->output_count),
                                     graph->output_count};
    header->states = (ai_file_list){append_operands(w, NULL, 0), states};
    for (uint32_t i = 0; i < states; i++) {
        const ai_graph_state *state = &graph->states[i];
        append_operands(w, (const int32_t[]){state->now, state->next, state->start}, 3);
    }
}

static ai_status write_steps(writer *w, ai_error *err)
{
    for (uint32_t i = 0; i < w->graph->node_count; i++) {
        const ai_graph_node *node = &w->graph->nodes[i];
        if (node->is_dead)
            continue;
        if (node->input_count + node->output_count > AI_FILE_MAX_OPERANDS)
            return ai_fail(err, AI_E_UNSUPPORTED, "node '%s' has %u operands, at most %d fit",
                           node->name, node->input_count + node->output_count,
                           AI_FILE_MAX_OPERANDS);
        ai_file_step step = {.op = node->op,
                             .input_count = (uint16_t)node->input_count,
                             .output_count = (uint16_t)node->output_count,
                             .name = append_string(w, node->name),
                             .param_bytes = node->param_bytes};
        step.operands = append_operands(w, node->inputs, node->input_count);
        append_operands(w, node->outputs, node->output_count);
        step.param_offset = append(w, &w->parameters, node->params, node->param_bytes, 8);
        append(w, &w->steps, &step, sizeof step, 8);
    }
    return AI_OK;
}

static void write_weights(const writer *w, uint8_t *to)
{
    uint64_t at = 0;
    for (uint32_t i = 0; i < w->constant_count; i++) {
        const ai_value *value = &w->graph->values[w->constants[i]];
        uint64_t begin = aligned(at, AI_FILE_ALIGN);
        if (!w->is_for_shapes || value->bytes <= SHAPE_CONSTANT_BYTES) {
            memset(to + at, 0, begin - at);
            if (value->bytes > 0)
                memcpy(to + begin, value->data, value->bytes);
        }
        at = begin + value->bytes;
    }
}

/* Everything but the header's fixed fields: which bytes go where. */
typedef struct layout {
    ai_file_header header;
    ai_file_section *sections;
    const void **data; /* of each section; NULL: the weights, or no bytes */
    size_t head_bytes;
} layout;

static void place(layout *l, uint32_t kind, uint32_t name, const void *data, uint64_t bytes)
{
    uint64_t align = kind == AI_SECTION_WEIGHTS ? AI_FILE_WEIGHT_ALIGN : AI_FILE_ALIGN;
    uint32_t index = l->header.section_count++;
    l->data[index] = data;
    l->sections[index] = (ai_file_section){
        .kind = kind, .name = name, .offset = aligned(l->header.file_bytes, align), .bytes = bytes};
    l->header.file_bytes = l->sections[index].offset + bytes;
}

static void place_all(writer *w, layout *l, const ai_resource_data *resources, uint32_t count,
                      const uint32_t *names)
{
    size_t table = (FIXED_SECTIONS + count) * sizeof(ai_file_section);
    l->header.file_bytes = sizeof(ai_file_header) + table;
    place(l, AI_SECTION_STRINGS, 0, w->strings.data, w->strings.bytes);
    place(l, AI_SECTION_TENSORS, 0, w->tensors.data, w->tensors.bytes);
    place(l, AI_SECTION_STEPS, 0, w->steps.data, w->steps.bytes);
    place(l, AI_SECTION_INDICES, 0, w->indices.data, w->indices.bytes);
    place(l, AI_SECTION_PARAMETERS, 0, w->parameters.data, w->parameters.bytes);
    for (uint32_t i = 0; i < count; i++)
        place(l, AI_SECTION_RESOURCE, names[i], resources[i].data, resources[i].bytes);
    place(l, AI_SECTION_WEIGHTS, 0, NULL, w->weight_bytes);
    l->head_bytes = l->sections[l->header.section_count - 1].offset;
}

static ai_status fill_file(const writer *w, layout *l, void **file, size_t *bytes, ai_error *err)
{
    uint32_t count = l->header.section_count;
    uint64_t total = l->header.file_bytes;
    void *block = NULL;
    if (total > SIZE_MAX / 2 || posix_memalign(&block, AI_FILE_WEIGHT_ALIGN, total) != 0)
        return ai_fail(err, AI_E_MEMORY, "no memory for a file of %llu bytes",
                       (unsigned long long)total);
    uint8_t *to = block;
    memset(to, 0, l->head_bytes);
    write_weights(w, to + l->head_bytes);
    for (uint32_t i = 0; i < count; i++) {
        ai_file_section *section = &l->sections[i];
        if (l->data[i] != NULL && section->bytes > 0)
            memcpy(to + section->offset, l->data[i], section->bytes);
        /* Opening does not read the weights, so neither does a file that is opened for shapes. */
        if (!w->is_for_shapes || section->kind != AI_SECTION_WEIGHTS)
            ai_sha256_of(to + section->offset, section->bytes, section->sha256);
    }
    memcpy(to, &l->header, sizeof l->header);
    memcpy(to + sizeof l->header, l->sections, count * sizeof *l->sections);
    ai_sha256_of(to, sizeof l->header + count * sizeof *l->sections,
                 to + offsetof(ai_file_header, digest));
    *file = block;
    *bytes = (size_t)total;
    return AI_OK;
}

static ai_status assemble(writer *w, const ai_resource_data *resources, uint32_t count, layout *l,
                          uint32_t *names, void **file, size_t *bytes, ai_error *err)
{
    const ai_graph *graph = w->graph;
    append(w, &w->strings, "", 1, 1);
    number_values(w);
    if (w->tensor_count > AI_FILE_MAX_TENSORS)
        return ai_fail(err, AI_E_UNSUPPORTED, "the graph has %u tensors, at most %d fit",
                       w->tensor_count, AI_FILE_MAX_TENSORS);
    write_tensors(w);
    memcpy(l->header.magic, AI_FILE_MAGIC, sizeof l->header.magic);
    l->header.version = AI_FILE_VERSION;
    l->header.name = append_string(w, graph->name);
    write_lists(w, &l->header);
    ai_status status = write_steps(w, err);
    if (status != AI_OK)
        return status;
    if (w->steps.bytes / sizeof(ai_file_step) > AI_FILE_MAX_STEPS)
        return ai_fail(err, AI_E_UNSUPPORTED, "the graph has %zu steps, at most %d fit",
                       w->steps.bytes / sizeof(ai_file_step), AI_FILE_MAX_STEPS);
    for (uint32_t i = 0; i < count; i++)
        names[i] = append_string(w, resources[i].name);
    if (w->is_exhausted)
        return ai_fail(err, AI_E_MEMORY, "no memory for the tables of %u nodes", graph->node_count);
    place_all(w, l, resources, count, names);
    return fill_file(w, l, file, bytes, err);
}

static ai_status write_graph(const ai_graph *graph, bool is_for_shapes,
                             const ai_resource_data *resources, uint32_t count, void **file,
                             size_t *bytes, ai_error *err)
{
    if (count > AI_FILE_MAX_SECTIONS - FIXED_SECTIONS)
        return ai_fail(err, AI_E_ARGUMENT, "%u resources, at most %d fit", count,
                       AI_FILE_MAX_SECTIONS - FIXED_SECTIONS);
    writer w = {.graph = graph, .is_for_shapes = is_for_shapes};
    layout l = {0};
    uint32_t *names = calloc(count + 1, sizeof *names);
    w.tensor = calloc((size_t)graph->value_count + 1, sizeof *w.tensor);
    w.is_output = calloc((size_t)graph->value_count + 1, sizeof *w.is_output);
    w.is_state = calloc((size_t)graph->value_count + 1, sizeof *w.is_state);
    w.constants = calloc((size_t)graph->value_count + 1, sizeof *w.constants);
    l.sections = calloc(FIXED_SECTIONS + count, sizeof *l.sections);
    l.data = calloc(FIXED_SECTIONS + count, sizeof *l.data);
    ai_status status;
    if (names == NULL || w.tensor == NULL || w.is_output == NULL || w.is_state == NULL ||
        w.constants == NULL || l.sections == NULL || l.data == NULL)
        status = ai_fail(err, AI_E_MEMORY, "no memory to number %u values", graph->value_count);
    else
        status = assemble(&w, resources, count, &l, names, file, bytes, err);
    free(names);
    free(w.tensor);
    free(w.is_output);
    free(w.is_state);
    free(w.constants);
    free(w.strings.data);
    free(w.tensors.data);
    free(w.steps.data);
    free(w.indices.data);
    free(w.parameters.data);
    free(l.sections);
    free(l.data);
    return status;
}

ai_status ai_flat_write(const ai_graph *graph, const ai_resource_data *resources,
                        uint32_t resource_count, void **file, size_t *bytes, ai_error *err)
{
    return write_graph(graph, false, resources, resource_count, file, bytes, err);
}

ai_status ai_flat_write_shapes(const ai_graph *graph, void **file, size_t *bytes, ai_error *err)
{
    return write_graph(graph, true, NULL, 0, file, bytes, err);
}
