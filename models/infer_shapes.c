/* SPDX-License-Identifier: Apache-2.0
 * Shapes of every value of a graph, by the core itself: the graph with all values as outputs is
 * opened as a model, and the session says what they are. Opening touches no tensor's memory. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"

/* A model of the graph, open for reading shapes. */
typedef struct probe {
    void *file;
    ai_model *model;
    int32_t *values; /* of each output of the model */
    uint32_t count;
} probe;

/* Values that nodes write, PLAIN, each once: the core hands out nothing else. */
static ai_status list_values(const ai_graph *graph, probe *p, ai_error *err)
{
    p->values = calloc((size_t)graph->value_count + 1, sizeof *p->values);
    if (p->values == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory to list %u values", graph->value_count);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->output_count && !node->is_dead; k++) {
            int32_t value = node->outputs[k];
            if (value >= 0 && graph->values[value].layout == AI_LAYOUT_PLAIN)
                p->values[p->count++] = value;
        }
    }
    return AI_OK;
}

static void close_probe(probe *p)
{
    ai_model_close(p->model);
    free(p->file);
    free(p->values);
}

static ai_status open_probe(const ai_graph *graph, probe *p, ai_error *err)
{
    ai_status status = list_values(graph, p, err);
    if (status != AI_OK)
        return status;
    ai_graph all = *graph;
    all.outputs = p->values;
    all.output_count = p->count;
    size_t bytes = 0;
    status = ai_flat_write_shapes(&all, &p->file, &bytes, err);
    if (status == AI_OK)
        status = ai_model_view(&p->model, p->file, bytes, err);
    return status;
}

static ai_status read_shapes(ai_graph *graph, const probe *p, ai_error *err)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_session *session = NULL;
    options.threads = 1;
    options.cpu = AI_CPU_REF;
    ai_status status = ai_session_open(&session, p->model, &options, err);
    for (uint32_t i = 0; i < p->count && status == AI_OK; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        status = ai_session_output(session, i, &info);
        if (status != AI_OK) {
            ai_fail(err, status, "output %u of %u has no description", i, p->count);
            break;
        }
        ai_value *value = &graph->values[p->values[i]];
        value->type = info.type;
        value->rank = info.rank;
        memcpy(value->dim, info.dim, sizeof value->dim);
        value->has_shape = true;
        value->varies = 0;
    }
    ai_session_close(session);
    return status;
}

static uint32_t every_dim(const ai_value *value)
{
    return (1u << value->rank) - 1;
}

/* Other sizes for the dimensions that vary: multiples, so that strides still divide, and two
 * different ones, so that a quotient of two such dimensions changes too. */
static uint32_t other_shapes(const ai_graph *graph, ai_shape *shapes)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->input_count; i++) {
        const ai_value *value = &graph->values[graph->inputs[i]];
        if (value->varies == 0)
            continue;
        ai_shape *shape = &shapes[count++];
        shape->input = i;
        shape->rank = value->rank;
        for (uint32_t k = 0; k < value->rank; k++) {
            bool is_free = (value->varies >> k & 1) != 0;
            shape->dim[k] = is_free ? value->dim[k] * (2 + (k & 1)) : value->dim[k];
        }
    }
    return count;
}

static void mark_varying(ai_graph *graph, const probe *p, const ai_session *session)
{
    for (uint32_t i = 0; i < p->count; i++) {
        ai_value *value = &graph->values[p->values[i]];
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        value->varies = every_dim(value);
        if (session == NULL || ai_session_output(session, i, &info) != AI_OK ||
            info.rank != value->rank)
            continue;
        for (uint32_t k = 0; k < value->rank; k++) {
            if (info.dim[k] == value->dim[k])
                value->varies &= ~(1u << k);
        }
    }
}

/* Which dimensions follow from what the caller may choose: those that another choice changes. If
 * the other choice cannot be opened, any may. */
static ai_status find_varying(ai_graph *graph, const probe *p, ai_error *err)
{
    ai_shape *shapes = calloc(graph->input_count + 1, sizeof *shapes);
    if (shapes == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u shapes", graph->input_count);
    ai_options options = AI_OPTIONS_INIT;
    options.threads = 1;
    options.cpu = AI_CPU_REF;
    options.shapes = shapes;
    options.shape_count = other_shapes(graph, shapes);
    ai_session *session = NULL;
    if (options.shape_count > 0) {
        if (ai_session_open(&session, p->model, &options, NULL) != AI_OK)
            session = NULL;
        mark_varying(graph, p, session);
    }
    ai_session_close(session);
    free(shapes);
    return AI_OK;
}

ai_status ai_graph_infer(ai_graph *graph, ai_error *err)
{
    probe p = {0};
    ai_status status = open_probe(graph, &p, err);
    if (status == AI_OK)
        status = read_shapes(graph, &p, err);
    if (status == AI_OK)
        status = find_varying(graph, &p, err);
    close_probe(&p);
    return status;
}
