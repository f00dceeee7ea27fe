/* SPDX-License-Identifier: Apache-2.0
 * Shapes of every value of a graph, by the core itself: the graph with all values as outputs is
 * opened as a model, and the session says what they are. Opening touches no tensor's memory. */
#include "graph.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"

/* A model of the graph, or of its first nodes, open for reading shapes. */
typedef struct probe {
    void *file;
    ai_model *model;
    int32_t *values; /* of each output of the model */
    uint32_t count;
    uint32_t node_count;
} probe;

/* Values that the first `steps` live nodes write, PLAIN, each once: the core hands out nothing
 * else. */
static ai_status list_values(const ai_graph *graph, uint32_t steps, probe *p, ai_error *err)
{
    p->values = calloc((size_t)graph->value_count + 1, sizeof *p->values);
    if (p->values == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory to list %u values", graph->value_count);
    for (p->node_count = 0; p->node_count < graph->node_count; p->node_count++) {
        const ai_graph_node *node = &graph->nodes[p->node_count];
        if (!node->is_dead && steps-- == 0)
            break;
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
    *p = (probe){0};
}

static ai_status open_probe(const ai_graph *graph, uint32_t steps, probe *p, ai_error *err)
{
    ai_status status = list_values(graph, steps, p, err);
    if (status != AI_OK)
        return status;
    ai_graph all = *graph;
    all.node_count = p->node_count;
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

/* ---- Tensors larger than the machine ---- */

/* Whether a session of the first `steps` live nodes opens; *bytes is what it takes. */
static bool fits(const ai_graph *graph, uint32_t steps, size_t *bytes)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_session *session = NULL;
    probe p = {0};
    options.threads = 1;
    options.cpu = AI_CPU_REF;
    bool is_open = open_probe(graph, steps, &p, NULL) == AI_OK &&
                   ai_session_open(&session, p.model, &options, NULL) == AI_OK;
    if (!is_open && p.model != NULL)
        ai_session_bytes(p.model, &options, bytes, NULL);
    ai_session_close(session);
    close_probe(&p);
    return is_open;
}

static const ai_graph_node *live_node(const ai_graph *graph, uint32_t index)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!graph->nodes[i].is_dead && index-- == 0)
            return &graph->nodes[i];
    }
    return NULL;
}

/* Memory was not enough for a session, of which nothing was touched yet: says from which node on.
 * Where it is enough now, what the error says stays. */
static ai_status name_node(const ai_graph *graph, ai_error *err)
{
    uint32_t low = 0;
    uint32_t high = 0;
    size_t bytes = 0;
    while (live_node(graph, high) != NULL)
        high++;
    if (high == 0 || fits(graph, high, &bytes))
        return AI_E_MEMORY;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (fits(graph, middle, &bytes))
            low = middle;
        else
            high = middle;
    }
    fits(graph, high, &bytes);
    const ai_graph_node *node = live_node(graph, high - 1);
    return ai_fail(err, AI_E_MEMORY,
                   "%s '%s': with its output all tensors take %zu bytes, for "
                   "which there is no memory",
                   ai_op_find(node->op)->name, node->name, bytes);
}

/* ---- Which dimensions vary ---- */

static uint32_t every_dim(const ai_value *value)
{
    return (1u << value->rank) - 1;
}

/* Other sizes for the dimensions that vary: multiples, so that strides still divide. Twice and
 * three times by turns, so that a quotient of two such dimensions changes too; or, where two inputs
 * must agree, all of them twice. */
static uint32_t other_shapes(const ai_graph *graph, bool is_mixed, ai_shape *shapes)
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
            int64_t factor = is_mixed && (k & 1) != 0 ? 3 : 2;
            shape->dim[k] = is_free ? value->dim[k] * factor : value->dim[k];
        }
    }
    return count;
}

static ai_status open_other(const ai_graph *graph, const probe *p, bool is_mixed, ai_shape *shapes,
                            ai_session **session, ai_error *err)
{
    ai_options options = AI_OPTIONS_INIT;
    options.threads = 1;
    options.cpu = AI_CPU_REF;
    options.shapes = shapes;
    options.shape_count = other_shapes(graph, is_mixed, shapes);
    return ai_session_open(session, p->model, &options, err);
}

/* A dimension that another choice leaves alone does not vary. */
static void mark_fixed(ai_graph *graph, const probe *p, const ai_session *session)
{
    for (uint32_t i = 0; i < p->count; i++) {
        ai_value *value = &graph->values[p->values[i]];
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        if (ai_session_output(session, i, &info) != AI_OK || info.rank != value->rank)
            continue;
        for (uint32_t k = 0; k < value->rank; k++) {
            if (info.dim[k] == value->dim[k])
                value->varies &= ~(1u << k);
        }
    }
}

/* The choice cannot be opened from step `end` on: what lies before is known all the same. */
static ai_status mark_before(ai_graph *graph, uint32_t end, bool is_mixed, ai_shape *shapes,
                             ai_error *err)
{
    probe part = {0};
    ai_session *session = NULL;
    ai_status status = open_probe(graph, end, &part, err);
    if (status == AI_OK && open_other(graph, &part, is_mixed, shapes, &session, NULL) == AI_OK)
        mark_fixed(graph, &part, session);
    ai_session_close(session);
    close_probe(&part);
    return status;
}

static ai_status try_choices(ai_graph *graph, const probe *p, ai_shape *shapes, ai_error *err)
{
    uint32_t end[2] = {0, 0};
    for (int is_mixed = 1; is_mixed >= 0; is_mixed--) {
        ai_session *session = NULL;
        ai_error failure = {0};
        if (open_other(graph, p, is_mixed != 0, shapes, &session, &failure) == AI_OK) {
            mark_fixed(graph, p, session);
            ai_session_close(session);
            return AI_OK;
        }
        end[is_mixed] = failure.step == AI_NO_STEP ? 0 : failure.step;
    }
    bool is_mixed = end[1] >= end[0];
    return end[is_mixed] == 0 ? AI_OK : mark_before(graph, end[is_mixed], is_mixed, shapes, err);
}

/* Which dimensions follow from what the caller may choose: those that another choice changes, and
 * all of those where no other choice could be opened. */
static ai_status find_varying(ai_graph *graph, const probe *p, ai_error *err)
{
    ai_shape *shapes = calloc(graph->input_count + (size_t)1, sizeof *shapes);
    if (shapes == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u shapes", graph->input_count);
    ai_status status = AI_OK;
    if (other_shapes(graph, true, shapes) > 0) {
        for (uint32_t i = 0; i < p->count; i++)
            graph->values[p->values[i]].varies = every_dim(&graph->values[p->values[i]]);
        status = try_choices(graph, p, shapes, err);
    }
    free(shapes);
    return status;
}

ai_status ai_graph_infer(ai_graph *graph, ai_error *err)
{
    probe p = {0};
    ai_status status = open_probe(graph, UINT32_MAX, &p, err);
    if (status == AI_OK)
        status = read_shapes(graph, &p, err);
    if (status == AI_E_MEMORY)
        status = name_node(graph, err);
    if (status == AI_OK)
        status = find_varying(graph, &p, err);
    close_probe(&p);
    return status;
}
