/* SPDX-License-Identifier: Apache-2.0
 * Folding: a node whose inputs are constants is run once, here, by the operator that would run it
 * later; so is the shape of a value that the caller cannot change. */
#include "pass.h"

#include <stdlib.h>
#include <string.h>

/* One node as a model of its own. */
typedef struct mini {
    ai_graph *graph;
    void *file;
    ai_model *model;
    ai_session *session;
    ai_buffer *outputs;
    uint32_t output_count;
} mini;

/* Training draws a mask: it is for the run to draw it. */
static bool is_random(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_value *training = node->op == AI_OP_DROPOUT ? ai_pass_input(graph, node, 2) : NULL;
    return training != NULL &&
           (training->data == NULL || training->bytes != 1 || *(const char *)training->data != 0);
}

static int64_t bounded(int64_t position, int64_t rank)
{
    if (position < 0)
        position = position < -rank ? 0 : position + rank;
    return position > rank ? rank : position;
}

/* Shape or Size, of dimensions that are the same in every run. */
static bool is_fixed_shape(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_value *x = ai_pass_input(graph, node, 0);
    if ((node->op != AI_OP_SHAPE && node->op != AI_OP_SIZE) || x == NULL || !x->has_shape)
        return false;
    if (node->op == AI_OP_SIZE)
        return x->varies == 0;
    const ai_axis_params *p = node->params;
    for (int64_t i = bounded(p->start, x->rank); i < bounded(p->end, x->rank); i++) {
        if ((x->varies >> i & 1) != 0)
            return false;
    }
    return true;
}

/* Every input that is there is a constant. */
static bool has_constants_only(const ai_graph *graph, const ai_graph_node *node)
{
    for (uint32_t i = 0; i < node->input_count; i++) {
        const ai_value *value = ai_pass_input(graph, node, i);
        if (value != NULL && (value->data == NULL || value->layout != AI_LAYOUT_PLAIN))
            return false;
    }
    return node->input_count > 0;
}

static bool is_foldable(const ai_graph *graph, const ai_graph_node *node)
{
    return is_fixed_shape(graph, node) ||
           (has_constants_only(graph, node) && !is_random(graph, node));
}

static bool is_view(uint16_t op)
{
    return op == AI_OP_IDENTITY || op == AI_OP_RESHAPE || op == AI_OP_FLATTEN ||
           op == AI_OP_SQUEEZE || op == AI_OP_UNSQUEEZE;
}

static void set_shape(ai_value *value, const ai_tensor_info *info)
{
    value->type = info->type;
    value->rank = info->rank;
    memcpy(value->dim, info->dim, sizeof value->dim);
    value->has_shape = true;
}

/* Gives output i of the node its bytes. A value at the border of the graph stays a value: it is
 * copied from a constant. */
static ai_status set_constant(ai_graph *graph, uint32_t index, uint32_t i, const void *data,
                              uint64_t bytes, bool *has_copy, ai_error *err)
{
    int32_t output = graph->nodes[index].outputs[i];
    if (!ai_pass_is_kept(graph, output)) {
        ai_value *value = &graph->values[output];
        value->data = data;
        value->bytes = bytes;
        value->producer = AI_NO_NODE;
        value->varies = 0;
        return AI_OK;
    }
    const ai_graph_node *node = &graph->nodes[index];
    if (node->output_count != 1)
        return ai_fail(err, AI_E_UNSUPPORTED,
                       "node '%s' has constant inputs, several outputs, and is an output itself",
                       node->name);
    ai_value value = graph->values[output];
    const char *name = ai_graph_format(graph, "%s/folded", value.name);
    int32_t constant =
        ai_graph_constant(graph, name, value.type, value.rank, value.dim, data, bytes);
    ai_none_params none = {0};
    int32_t copy = ai_graph_add(graph, node->name, AI_OP_IDENTITY, &none, sizeof none, &constant, 1,
                                &output, 1);
    if (copy < 0)
        return ai_graph_status(graph, err);
    graph->nodes[index] = graph->nodes[copy];
    graph->node_count--;
    graph->values[output].producer = (int32_t)index;
    *has_copy = true;
    return AI_OK;
}

/* ---- The node as a model ---- */

static int32_t copy_value(mini *m, const ai_value *value)
{
    int32_t index = ai_graph_value(m->graph, value->name, value->type);
    if (index >= 0) {
        m->graph->values[index] = *value;
        m->graph->values[index].producer = AI_NO_NODE;
        m->graph->values[index].varies = 0;
        m->graph->values[index].is_input = false;
    }
    return index;
}

static ai_status build(mini *m, const ai_graph *graph, const ai_graph_node *node, ai_error *err)
{
    uint32_t count = node->input_count + node->output_count;
    int32_t *operands = ai_graph_alloc(m->graph, (count + 1) * sizeof *operands);
    if (operands == NULL)
        return ai_graph_status(m->graph, err);
    for (uint32_t i = 0; i < node->input_count; i++) {
        const ai_value *value = ai_pass_input(graph, node, i);
        operands[i] = value == NULL ? AI_NO_VALUE : copy_value(m, value);
    }
    int32_t *outputs = operands + node->input_count;
    for (uint32_t i = 0; i < node->output_count; i++) {
        outputs[i] = AI_NO_VALUE;
        if (node->outputs[i] >= 0) {
            outputs[i] = copy_value(m, &graph->values[node->outputs[i]]);
            ai_graph_output(m->graph, outputs[i]);
        }
    }
    ai_graph_add(m->graph, node->name, node->op, node->params, node->param_bytes, operands,
                 node->input_count, outputs, node->output_count);
    m->output_count = m->graph->output_count;
    return ai_graph_status(m->graph, err);
}

/* A small file may ask for any amount by ConstantOfShape, Expand or Tile. What is folded may take
 * four times what the source holds, and 2 GiB besides: the weights of a VGG come from a few
 * numbers. */
static void set_limit(ai_graph *graph)
{
    graph->fold_limit = UINT64_C(1) << 31;
    for (uint32_t i = 0; i < graph->value_count; i++) {
        if (graph->values[i].data != NULL)
            graph->fold_limit += 4 * graph->values[i].bytes;
    }
}

/* Counts what running the model takes towards the graph's limit, before it is allocated. */
static ai_status count_bytes(ai_graph *graph, const mini *m, const ai_options *options,
                             ai_error *err)
{
    const ai_graph_node *node = &m->graph->nodes[0];
    size_t bytes = 0;
    ai_status status = ai_session_bytes(m->model, options, &bytes, err);
    if (status != AI_OK)
        return status;
    if (graph->fold_limit == 0)
        set_limit(graph);
    if (bytes > graph->fold_limit - graph->folded_bytes)
        return ai_fail(
            err, AI_E_MEMORY,
            "%s '%s': a constant that takes %zu bytes is to be computed, beside %llu that were, "
            "at most %llu are possible",
            ai_op_find(node->op)->name, node->name, bytes, (unsigned long long)graph->folded_bytes,
            (unsigned long long)graph->fold_limit);
    graph->folded_bytes += bytes;
    return AI_OK;
}

/* to_count: the graph whose limit this counts towards; NULL: none. */
static ai_status open_mini(mini *m, bool is_for_shapes, ai_graph *to_count, ai_error *err)
{
    size_t bytes = 0;
    ai_options options = AI_OPTIONS_INIT;
    options.threads = 1;
    ai_status status = is_for_shapes ? ai_flat_write_shapes(m->graph, &m->file, &bytes, err)
                                     : ai_flat_write(m->graph, NULL, 0, &m->file, &bytes, err);
    if (status == AI_OK)
        status = ai_model_view(&m->model, m->file, bytes, err);
    if (status == AI_OK && to_count != NULL)
        status = count_bytes(to_count, m, &options, err);
    if (status == AI_OK)
        status = ai_session_open(&m->session, m->model, &options, err);
    return status;
}

static ai_status run_mini(mini *m, ai_graph *graph, ai_error *err)
{
    m->outputs = calloc(m->output_count + (size_t)1, sizeof *m->outputs);
    if (m->outputs == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u outputs", m->output_count);
    for (uint32_t i = 0; i < m->output_count; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_output(m->session, i, &info);
        m->outputs[i].data = ai_graph_alloc(graph, info.bytes + 1);
        m->outputs[i].bytes = info.bytes;
    }
    ai_status status = ai_graph_status(graph, err);
    if (status == AI_OK)
        status = ai_infer(m->session, NULL, 0, m->outputs, m->output_count, NULL, err);
    return status;
}

static void close_mini(mini *m)
{
    ai_session_close(m->session);
    ai_model_close(m->model);
    free(m->file);
    free(m->outputs);
    ai_graph_free(m->graph);
}

/* Shapes after the run: where they depend on values, only now are they known. */
static ai_status take_outputs(mini *m, ai_graph *graph, uint32_t index, bool *has_copy,
                              ai_error *err)
{
    ai_status status = AI_OK;
    uint32_t next = 0;
    uint32_t count = graph->nodes[index].output_count;
    for (uint32_t i = 0; i < count && status == AI_OK; i++) {
        int32_t output = graph->nodes[index].outputs[i];
        if (output < 0)
            continue;
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_output(m->session, next, &info);
        set_shape(&graph->values[output], &info);
        status = set_constant(graph, index, i, m->outputs[next].data, info.bytes, has_copy, err);
        next++;
    }
    return status;
}

static ai_status fold_by_running(ai_graph *graph, uint32_t index, bool *has_copy, ai_error *err)
{
    mini m = {.graph = ai_graph_new()};
    if (m.graph == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a graph");
    ai_status status = build(&m, graph, &graph->nodes[index], err);
    if (status == AI_OK)
        status = open_mini(&m, false, graph, err);
    if (status == AI_OK)
        status = run_mini(&m, graph, err);
    if (status == AI_OK)
        status = take_outputs(&m, graph, index, has_copy, err);
    close_mini(&m);
    return status;
}

/* A view of a constant has its bytes, in a shape that only opening the node tells. */
static ai_status fold_view(ai_graph *graph, uint32_t index, bool *has_copy, ai_error *err)
{
    const ai_graph_node *node = &graph->nodes[index];
    const ai_value *x = ai_pass_input(graph, node, 0);
    mini m = {.graph = ai_graph_new()};
    if (m.graph == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a graph");
    ai_status status = build(&m, graph, node, err);
    if (status == AI_OK)
        status = open_mini(&m, true, NULL, err);
    if (status == AI_OK) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_output(m.session, 0, &info);
        set_shape(&graph->values[node->outputs[0]], &info);
        status = set_constant(graph, index, 0, x->data, x->bytes, has_copy, err);
    }
    close_mini(&m);
    return status;
}

/* ---- Shape and Size of a value of fixed shape ---- */

static ai_status fold_shape(ai_graph *graph, uint32_t index, bool *has_copy, ai_error *err)
{
    const ai_graph_node *node = &graph->nodes[index];
    const ai_axis_params *p = node->params;
    const ai_value *x = ai_pass_input(graph, node, 0);
    int64_t *data = ai_graph_alloc(graph, sizeof x->dim);
    if (data == NULL)
        return ai_graph_status(graph, err);
    int64_t count = 1;
    if (node->op == AI_OP_SIZE) {
        data[0] = ai_pass_elements(x);
    } else {
        count = 0;
        for (int64_t i = bounded(p->start, x->rank); i < bounded(p->end, x->rank); i++)
            data[count++] = x->dim[i];
    }
    ai_tensor_info info = {.type = AI_S64, .rank = node->op == AI_OP_SHAPE, .dim = {count}};
    if (node->op == AI_OP_SIZE)
        info.dim[0] = 0;
    set_shape(&graph->values[node->outputs[0]], &info);
    return set_constant(graph, index, 0, data, (uint64_t)count * sizeof *data, has_copy, err);
}

static ai_status fold_node(ai_graph *graph, uint32_t index, ai_error *err)
{
    const ai_graph_node *node = &graph->nodes[index];
    bool has_copy = false;
    ai_status status;
    if (is_fixed_shape(graph, node)) {
        status = fold_shape(graph, index, &has_copy, err);
    } else if (is_view(node->op)) {
        status = fold_view(graph, index, &has_copy, err);
    } else {
        status = fold_by_running(graph, index, &has_copy, err);
    }
    if (status == AI_OK && !has_copy)
        graph->nodes[index].is_dead = true;
    return status;
}

/* `op`: nodes of that operator, 0: all. */
static ai_status fold_nodes(ai_graph *graph, uint16_t op, ai_error *err)
{
    ai_status status = AI_OK;
    uint32_t count = graph->node_count;
    for (uint32_t i = 0; i < count && status == AI_OK; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        bool is_copy = node->op == AI_OP_IDENTITY && !node->is_dead &&
                       ai_pass_is_kept(graph, node->outputs[0]);
        if ((op == 0 || node->op == op) && !node->is_dead && !is_copy && is_foldable(graph, node))
            status = fold_node(graph, i, err);
    }
    return status;
}

/* Weights that are stored as numbers, with a QuantizeLinear behind: `quantize` looks for bytes. */
ai_status ai_pass_fold_bytes(ai_graph *graph, ai_error *err)
{
    ai_status status = fold_nodes(graph, AI_OP_QUANTIZE_LINEAR, err);
    return status == AI_OK ? ai_graph_status(graph, err) : status;
}

ai_status ai_pass_fold(ai_graph *graph, ai_error *err)
{
    /* What constants make may be a shape, of tables that are too large for a session to look into
     * when it opens: so it is made before shapes are inferred. Inference then checks the others. */
    ai_status status = fold_nodes(graph, 0, err);
    if (status == AI_OK)
        status = ai_pass_need_shapes(graph, err);
    if (status == AI_OK)
        status = fold_nodes(graph, 0, err);
    if (status == AI_OK)
        ai_pass_prune(graph);
    return status == AI_OK ? ai_graph_status(graph, err) : status;
}
