/* SPDX-License-Identifier: Apache-2.0
 * Layers on integers that lie together are worth what they save, less what it costs to convert the
 * tensors at their border. docs/quantising.md has the measurements. */
#include "quantise.h"

#include <stdlib.h>

/* In 1e-12 s, one thread at vnni. A depthwise Conv saves nothing that can be relied on. */
enum { SAVED_BY_MAC = 8, SAVED_BY_WINOGRAD_MAC = 1, QUANTISE = 250, DEQUANTISE = 250 };

typedef struct scales {
    uint32_t
        *group;    /* of each layer: the first of those that it lies together with, or before it */
    double *saved; /* of the first of a group */
    bool *is_seen; /* of each value: its conversion is counted */
} scales;

static uint32_t first_of(const scales *s, uint32_t layer)
{
    while (s->group[layer] != layer)
        layer = s->group[layer];
    return layer;
}

static bool is_int8(const ai_calibration *c, int32_t value)
{
    return c->layer_of[value] >= 0 && c->layers[c->layer_of[value]].form == AI_FORM_INT8;
}

static void join(scales *s, uint32_t a, uint32_t b)
{
    a = first_of(s, a);
    b = first_of(s, b);
    s->group[a > b ? a : b] = a > b ? b : a;
}

/* What Winograd may run in f32. */
static bool is_by_winograd(const ai_conv_params *p)
{
    bool can = p->window.spatial == 2;
    for (int i = 0; i < 2; i++)
        can = can && p->window.kernel[i] == 3 && p->window.stride[i] == 1 &&
              p->window.dilation[i] == 1;
    return can;
}

static double saved_by(const ai_graph *graph, const ai_layer *l)
{
    if (l->kind != AI_LAYER_PRODUCT)
        return 0;
    double macs = (double)ai_pass_elements(&graph->values[l->sum]) * (double)l->inner;
    const ai_graph_node *node = &graph->nodes[l->node];
    if (l->op != AI_OP_CONV)
        return macs * SAVED_BY_MAC;
    if (ai_pass_input(graph, node, 1)->dim[1] == 1)
        return 0;
    return macs * (is_by_winograd(node->params) ? SAVED_BY_WINOGRAD_MAC : SAVED_BY_MAC);
}

static void charge(scales *s, const ai_graph *graph, int32_t value, uint32_t layer, double each)
{
    if (!s->is_seen[value])
        s->saved[first_of(s, layer)] -= each * (double)ai_pass_elements(&graph->values[value]);
    s->is_seen[value] = true;
}

static void form_groups(scales *s, const ai_calibration *c, const ai_graph *graph)
{
    for (uint32_t i = 0; i < c->layer_count; i++)
        s->group[i] = i;
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const ai_layer *l = &c->layers[i];
        for (uint32_t k = 0; k < l->inputs && l->form == AI_FORM_INT8; k++) {
            int32_t value = ai_layer_input(graph, l, k);
            if (is_int8(c, value))
                join(s, i, (uint32_t)c->layer_of[value]);
        }
    }
}

/* What the groups read in numbers. */
static void charge_inputs(scales *s, const ai_calibration *c, const ai_graph *graph, bool *is_done)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const ai_layer *l = &c->layers[i];
        if (l->form != AI_FORM_INT8)
            continue;
        is_done[l->node] = true;
        s->saved[first_of(s, i)] += saved_by(graph, l);
        for (uint32_t k = 0; k < l->inputs; k++) {
            int32_t value = ai_layer_input(graph, l, k);
            if (!is_int8(c, value))
                charge(s, graph, value, i, QUANTISE);
        }
    }
}

/* What others read of them. */
static void charge_outputs(scales *s, const ai_calibration *c, const ai_graph *graph,
                           const bool *is_done)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count && !node->is_dead && !is_done[i]; k++) {
            int32_t value = node->inputs[k];
            if (value >= 0 && is_int8(c, value))
                charge(s, graph, value, (uint32_t)c->layer_of[value], DEQUANTISE);
        }
    }
}

ai_status ai_layers_weigh(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    scales s = {0};
    s.group = calloc(c->layer_count + (size_t)1, sizeof *s.group);
    s.saved = calloc(c->layer_count + (size_t)1, sizeof *s.saved);
    s.is_seen = calloc(graph->value_count + (size_t)1, sizeof *s.is_seen);
    bool *is_done = calloc(graph->node_count + (size_t)1, sizeof *is_done);
    ai_status status = AI_OK;
    if (s.group == NULL || s.saved == NULL || s.is_seen == NULL || is_done == NULL) {
        status = ai_fail(err, AI_E_MEMORY, "no memory to weigh %u layers", c->layer_count);
    } else {
        form_groups(&s, c, graph);
        charge_inputs(&s, c, graph, is_done);
        charge_outputs(&s, c, graph, is_done);
        for (uint32_t i = 0; i < c->layer_count; i++) {
            ai_layer *l = &c->layers[i];
            if (l->form == AI_FORM_INT8 && s.saved[first_of(&s, i)] < 0) {
                l->form = AI_FORM_F32;
                l->why = "converting costs more";
            }
        }
    }
    free(s.group);
    free(s.saved);
    free(s.is_seen);
    free(is_done);
    return status;
}
