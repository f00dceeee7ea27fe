/* SPDX-License-Identifier: Apache-2.0
 * Finds the nodes that can compute with integers, and those that the folding has no step for. */
#include "quantise.h"
#include "quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Finding ---- */

/* False: it is no layer. */
static bool find_kind(const ai_graph_node *node, ai_layer_kind *kind)
{
    switch (node->op) {
    case AI_OP_CONV:
    case AI_OP_GEMM:
    case AI_OP_MATMUL:
        *kind = AI_LAYER_PRODUCT;
        break;
    case AI_OP_ADD:
    case AI_OP_MUL:
    case AI_OP_CONCAT:
    case AI_OP_GLOBAL_AVERAGE_POOL:
    case AI_OP_AVERAGE_POOL:
    case AI_OP_REDUCE_MEAN:
        *kind = AI_LAYER_SUM;
        break;
    default:
        *kind = AI_LAYER_MOVE;
        if (node->op == AI_OP_PAD || !ai_quantised_moves_only(node))
            return false;
    }
    return !node->is_dead && node->output_count == 1;
}

static bool is_number(const ai_graph *graph, const ai_graph_node *node, uint32_t i)
{
    const ai_value *v = ai_pass_input(graph, node, i);
    return v != NULL && v->data == NULL && v->type == AI_F32 && (v->is_input || v->producer >= 0);
}

static bool is_finite(const ai_value *v)
{
    const float *numbers = v->data;
    int64_t count = ai_pass_elements(v);
    int64_t i = 0;
    while (i < count && isfinite(numbers[i]))
        i++;
    return i == count;
}

/* Weights, and how they are split into channels. */
static bool read_product(const ai_graph *graph, const ai_graph_node *node, ai_layer *l)
{
    const ai_value *w = ai_pass_constant(graph, node, 1, AI_F32);
    const ai_value *bias = ai_pass_input(graph, node, 2);
    if (!is_number(graph, node, 0) || w == NULL || w->rank < 2 || ai_pass_elements(w) == 0)
        return false;
    if (node->op == AI_OP_CONV) {
        l->channels = w->dim[0];
    } else {
        const ai_gemm_params *p = node->params;
        l->is_turned = p->trans_b == 0;
        l->channels = w->dim[l->is_turned ? 1 : 0];
        if (w->rank != 2 || p->trans_a || p->alpha != 1 || (bias != NULL && p->beta != 1))
            return false;
    }
    l->inner = ai_pass_elements(w) / l->channels;
    return is_finite(w) &&
           (bias == NULL || (bias->data != NULL && bias->type == AI_F32 &&
                             ai_pass_elements(bias) == l->channels && is_finite(bias)));
}

static bool read_others(const ai_graph *graph, const ai_graph_node *node, const ai_layer *l)
{
    for (uint32_t i = l->first; i < l->first + l->inputs; i++) {
        if (i >= node->input_count || !is_number(graph, node, i))
            return false;
    }
    return l->inputs > 0;
}

/* Products of tensors, functions of one number and moves are between layers or not at all: masks
 * and the parts of a norm, whose numbers nobody rounds, need no range. */
static bool reads_layers(const ai_calibration *c, const ai_graph_node *node, const ai_layer *l)
{
    for (uint32_t i = l->first; i < l->first + l->inputs; i++) {
        if (c->layer_of[node->inputs[i]] < 0)
            return false;
    }
    return true;
}

/* What the node would be as a layer; false: it is none. */
static bool read_node(const ai_calibration *c, const ai_graph *graph, const ai_graph_node *node,
                      ai_layer *l)
{
    int32_t varying = node->is_dead ? -1 : ai_quantised_varying(graph, node);
    l->inputs = 1;
    if (varying >= 0) {
        l->kind = AI_LAYER_SUM;
        l->first = (uint32_t)varying;
        return read_others(graph, node, l) && reads_layers(c, node, l);
    }
    if (!find_kind(node, &l->kind))
        return false;
    if (l->kind == AI_LAYER_PRODUCT)
        return read_product(graph, node, l);
    if (node->op == AI_OP_REDUCE_MEAN && !ai_quantised_means_maps(graph, node))
        return false;
    if (l->kind == AI_LAYER_SUM && node->op != AI_OP_REDUCE_MEAN)
        l->inputs = node->input_count;
    bool is_between = l->kind == AI_LAYER_MOVE || node->op == AI_OP_MUL;
    return read_others(graph, node, l) && (!is_between || reads_layers(c, node, l));
}

/* The clamp that alone reads what the node writes. */
static void read_clamp(const ai_graph *graph, const uint32_t *uses, const int32_t *reader,
                       ai_layer *l)
{
    l->lo = -INFINITY;
    l->hi = INFINITY;
    l->out = l->sum;
    if (uses[l->sum] != 1 || reader[l->sum] < 0 || l->kind == AI_LAYER_MOVE)
        return;
    const ai_graph_node *node = &graph->nodes[reader[l->sum]];
    float lo = -INFINITY;
    float hi = INFINITY;
    if (node->op == AI_OP_RELU)
        lo = 0;
    else if (node->op != AI_OP_CLIP || node->inputs[0] != l->sum ||
             (ai_pass_input(graph, node, 1) != NULL && !ai_pass_scalar(graph, node, 1, &lo)) ||
             (ai_pass_input(graph, node, 2) != NULL && !ai_pass_scalar(graph, node, 2, &hi)))
        return;
    if (!(lo <= hi))
        return;
    l->lo = lo;
    l->hi = hi;
    l->out = node->outputs[0];
}

/* The last node that reads each value. */
static int32_t *find_readers(ai_graph *graph)
{
    int32_t *reader = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *reader);
    for (uint32_t i = 0; i < graph->value_count && reader != NULL; i++)
        reader[i] = -1;
    for (uint32_t i = 0; i < graph->node_count && reader != NULL; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count && !node->is_dead; k++) {
            if (node->inputs[k] >= 0)
                reader[node->inputs[k]] = (int32_t)i;
        }
    }
    return reader;
}

/* What stays f32 behind a layer, for the report: there is no step on integers, or, of Split and
 * Pad, it is not made. */
static void add_reader(ai_calibration *c, const ai_graph *graph, uint32_t index)
{
    const ai_graph_node *node = &graph->nodes[index];
    int32_t out = node->is_dead || node->output_count == 0 ? AI_NO_VALUE : node->outputs[0];
    bool is_reader = false;
    for (uint32_t i = 0; i < node->input_count && out >= 0; i++)
        is_reader |= node->inputs[i] >= 0 && c->layer_of[node->inputs[i]] >= 0;
    if (is_reader && c->layer_of[out] < 0 && graph->values[out].type == AI_F32)
        c->layers[c->layer_count++] = (ai_layer){
            .node = index,
            .name = node->name,
            .op = node->op,
            .kind = AI_LAYER_SUM,
            .form = AI_FORM_F32,
            .why = ai_quantised_moves_only(node) ? "not quantised" : "no step on integers",
            .sum = out,
            .out = out};
}

/* False: no memory. */
static bool add_layer(ai_calibration *c, ai_graph *graph, uint32_t index, const uint32_t *uses,
                      const int32_t *reader)
{
    const ai_graph_node *node = &graph->nodes[index];
    ai_layer l = {.node = index, .name = node->name, .op = node->op, .sum = node->outputs[0]};
    if (!read_node(c, graph, node, &l)) {
        add_reader(c, graph, index);
        return true;
    }
    const ai_value *y = &graph->values[l.sum];
    bool is_clamp = c->layer_of[l.sum] >= 0; /* of the layer before */
    if (is_clamp || y->type != AI_F32 || y->rank == 0 || ai_pass_elements(y) == 0)
        return true;
    read_clamp(graph, uses, reader, &l);
    if (l.channels > 0) {
        l.bias = ai_graph_alloc(graph, (size_t)l.channels * sizeof *l.bias);
        l.distance = ai_graph_alloc(graph, (size_t)l.channels * sizeof *l.distance);
        if (l.bias == NULL || l.distance == NULL)
            return false;
    }
    c->layer_of[l.out] = (int32_t)c->layer_count;
    c->layers[c->layer_count++] = l;
    return true;
}

int32_t ai_layer_input(const ai_graph *graph, const ai_layer *l, uint32_t k)
{
    return graph->nodes[l->node].inputs[l->first + k];
}

static ai_status need_products(const ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        if (c->layers[i].kind == AI_LAYER_PRODUCT)
            return AI_OK;
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (graph->nodes[i].op == AI_OP_Q_CONV || graph->nodes[i].op == AI_OP_Q_GEMM)
            return ai_fail(err, AI_E_UNSUPPORTED,
                           "the network is quantised already: convert it without int8");
    }
    return ai_fail(err, AI_E_UNSUPPORTED,
                   "there is nothing to quantise: no Conv, Gemm or MatMul of f32 has constant "
                   "weights");
}

/* ---- What the folding takes ---- */

/* What is read by no other step on integers is left as numbers where weights alone can be s8. From
 * the end on: of a result, what only makes it is none of integers. */
static void leave_results(ai_calibration *c, ai_graph *graph)
{
    bool *is_read = ai_graph_alloc(graph, graph->value_count + (size_t)1);
    for (uint32_t i = c->layer_count; i-- > 0 && is_read != NULL;) {
        ai_layer *l = &c->layers[i];
        bool is_result = ai_pass_is_kept(graph, l->out);
        if (l->form != AI_FORM_INT8)
            continue;
        if ((l->op == AI_OP_GEMM || l->op == AI_OP_MATMUL) && (is_result || !is_read[l->out])) {
            l->form = AI_FORM_WEIGHTS;
            l->why = "result";
        } else if (is_result) {
            l->form = AI_FORM_F32;
            l->why = "result";
        }
        for (uint32_t k = 0; k < l->inputs && l->form != AI_FORM_F32; k++)
            is_read[ai_layer_input(graph, l, k)] = true;
    }
}

ai_status ai_layers_find(ai_calibration *c, ai_graph *graph, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    const uint32_t *uses = ai_pass_uses(graph);
    const int32_t *reader = find_readers(graph);
    c->layers = ai_graph_alloc(graph, (graph->node_count + (size_t)1) * sizeof *c->layers);
    c->ranges = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *c->ranges);
    c->layer_of = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *c->layer_of);
    if (uses == NULL || reader == NULL || c->layers == NULL || c->ranges == NULL ||
        c->layer_of == NULL)
        return ai_graph_status(graph, err);
    c->value_count = graph->value_count;
    for (uint32_t i = 0; i < graph->value_count; i++)
        c->layer_of[i] = -1;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!add_layer(c, graph, i, uses, reader))
            return ai_graph_status(graph, err);
    }
    status = need_products(c, graph, err);
    if (status == AI_OK)
        status = ai_layers_keep(c, err);
    if (status == AI_OK)
        leave_results(c, graph);
    return status;
}

/* A node of that name that computes with numbers although it was given integers. */
static bool is_left(const ai_graph *graph, const ai_layer *layer)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (node->is_dead || node->op != layer->op || strcmp(node->name, layer->name) != 0)
            continue;
        const ai_value *y = &graph->values[node->outputs[0]];
        if (y->type == AI_F32)
            return true;
    }
    return false;
}

void ai_layers_settle(ai_calibration *c, const ai_graph *graph)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        ai_layer *l = &c->layers[i];
        for (uint32_t k = 0; k < l->inputs && l->kind != AI_LAYER_PRODUCT; k++) {
            int32_t from = c->layer_of[ai_layer_input(graph, l, k)];
            if (l->form == AI_FORM_INT8 && (from < 0 || c->layers[from].form != AI_FORM_INT8)) {
                l->form = AI_FORM_F32;
                l->why = "reads numbers";
            }
        }
        if (l->kind == AI_LAYER_MOVE && l->form == AI_FORM_INT8)
            c->ranges[l->out] = c->ranges[ai_layer_input(graph, l, 0)];
    }
}

ai_status ai_layers_try(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    bool is_changed = true;
    ai_status status = AI_OK;
    while (is_changed && status == AI_OK) {
        ai_graph *copy = ai_graph_copy(graph);
        is_changed = false;
        if (copy == NULL)
            return ai_fail(err, AI_E_MEMORY, "no memory for a graph");
        ai_layers_settle(c, graph);
        status = ai_insert(c, copy, err);
        if (status == AI_OK)
            status = ai_pass_quantize(copy, err);
        for (uint32_t i = 0; i < c->layer_count && status == AI_OK; i++) {
            ai_layer *l = &c->layers[i];
            if (l->form == AI_FORM_INT8 && is_left(copy, l)) {
                l->form = AI_FORM_F32;
                l->why = "no step on integers";
                is_changed = true;
            }
        }
        ai_graph_free(copy);
    }
    return status;
}
