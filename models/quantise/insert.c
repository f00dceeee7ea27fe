/* SPDX-License-Identifier: Apache-2.0
 * Puts QuantizeLinear and DequantizeLinear around the layers that become int8. */
#include "quantise.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- Weights ---- */

int64_t ai_layer_channel(const ai_layer *l, int64_t element)
{
    return l->is_turned ? element % l->channels : element / l->inner;
}

/* The least scale at which the bias is half of what s32 holds: channels that do next to nothing
 * have weights of next to nothing. Weights alone, without integers around them, need none. */
static float least_scale(const ai_calibration *c, const ai_layer *l, int32_t input,
                         const ai_value *bias, int64_t channel)
{
    if (l->form != AI_FORM_INT8 || bias == NULL)
        return 0;
    float step = ai_range_scale(c->ranges[input]).scale;
    return fabsf(((const float *)bias->data)[channel]) / (step * 0x1p30f);
}

/* Symmetric: the greatest weight of a channel is 127 times its scale. */
void ai_layer_round(const ai_graph *graph, const ai_calibration *c, const ai_layer *l,
                    int8_t *weights, float *scales)
{
    const ai_graph_node *node = &graph->nodes[l->node];
    const ai_value *w = ai_pass_input(graph, node, 1);
    const ai_value *bias = ai_pass_input(graph, node, 2);
    const float *from = w->data;
    int64_t count = ai_pass_elements(w);
    memset(scales, 0, (size_t)l->channels * sizeof *scales);
    for (int64_t i = 0; i < count; i++) {
        float *most = &scales[ai_layer_channel(l, i)];
        *most = fabsf(from[i]) > *most ? fabsf(from[i]) : *most;
    }
    for (int64_t i = 0; i < l->channels; i++) {
        float least = least_scale(c, l, node->inputs[0], bias, i);
        scales[i] = scales[i] / 127.0f > least ? scales[i] / 127.0f : least;
        scales[i] = scales[i] >= FLT_MIN ? scales[i] : 1;
    }
    for (int64_t i = 0; i < count; i++) {
        float q = nearbyintf(from[i] / scales[ai_layer_channel(l, i)]);
        weights[i] = (int8_t)(q > 127 ? 127 : q < -127 ? -127 : q);
    }
}

int32_t ai_insert_bias(ai_graph *graph, const ai_calibration *c, const ai_layer *l)
{
    const ai_graph_node *node = &graph->nodes[l->node];
    const ai_value *bias = ai_pass_input(graph, node, 2);
    const float *from = bias == NULL ? NULL : bias->data;
    double part = (double)ai_range_scale(c->ranges[l->out]).scale / AI_BIAS_PARTS;
    int32_t index = AI_NO_VALUE;
    float *to = ai_pass_new_f32(graph, ai_graph_format(graph, "%s/bias", node->name), 1,
                                &l->channels, &index);
    for (int64_t i = 0; i < l->channels && to != NULL; i++)
        to[i] = (float)((from == NULL ? 0 : (double)from[i]) + part * l->bias[i]);
    return index;
}

/* ---- Nodes ---- */

static int32_t scalar(ai_graph *graph, const char *name, ai_type type, const void *data,
                      uint64_t bytes)
{
    void *own = ai_graph_alloc(graph, bytes);
    if (own == NULL)
        return AI_NO_VALUE;
    memcpy(own, data, bytes);
    return ai_graph_constant(graph, name, type, 0, NULL, own, bytes);
}

/* QuantizeLinear of `from`, DequantizeLinear to `to`. */
static void add_pair(ai_graph *graph, int32_t from, int32_t to, ai_scale s, const char *name)
{
    ai_axis_params p = {.axis = 1, .count = AI_U8};
    ai_axis_params none = {.axis = 1};
    const char *label = ai_graph_format(graph, "%s/u8", name);
    const char *back = ai_graph_format(graph, "%s/f32", name);
    int32_t scale =
        scalar(graph, ai_graph_format(graph, "%s/scale", name), AI_F32, &s.scale, sizeof s.scale);
    int32_t zero = scalar(graph, ai_graph_format(graph, "%s/zero", name), AI_U8, &s.zero, 1);
    int32_t q = ai_graph_value(graph, label, AI_U8);
    const int32_t in[3] = {from, scale, zero};
    const int32_t out[3] = {q, scale, zero};
    if (label == NULL || back == NULL || scale < 0 || zero < 0 || q < 0)
        return;
    ai_graph_add(graph, label, AI_OP_QUANTIZE_LINEAR, &p, sizeof p, in, 3, &q, 1);
    ai_graph_add(graph, back, AI_OP_DEQUANTIZE_LINEAR, &none, sizeof none, out, 3, &to, 1);
}

static int32_t like(ai_graph *graph, int32_t value, const char *ending)
{
    const char *name = ai_graph_format(graph, "%s%s", graph->values[value].name, ending);
    int32_t index = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, AI_F32);
    if (index >= 0) {
        const ai_value *from = &graph->values[value];
        ai_value *to = &graph->values[index];
        to->rank = from->rank;
        memcpy(to->dim, from->dim, sizeof to->dim);
        to->has_shape = from->has_shape;
        to->varies = from->varies;
    }
    return index;
}

int32_t ai_insert_pair(ai_graph *graph, int32_t from, ai_scale scale)
{
    int32_t to = like(graph, from, "/rounded");
    if (to >= 0)
        add_pair(graph, from, to, scale, graph->values[from].name);
    return to;
}

/* The weights as s8 behind a DequantizeLinear. */
static void round_weights(ai_graph *graph, const ai_calibration *c, const ai_layer *l)
{
    ai_graph_node *node = &graph->nodes[l->node];
    ai_value w = *ai_pass_input(graph, node, 1);
    const char *name = ai_graph_format(graph, "%s/s8", node->name);
    uint64_t count = (uint64_t)ai_pass_elements(&w);
    int8_t *data = ai_graph_alloc(graph, count);
    int32_t in[2] = {AI_NO_VALUE, AI_NO_VALUE};
    float *scales = ai_pass_new_f32(graph, ai_graph_format(graph, "%s/scales", node->name), 1,
                                    &l->channels, &in[1]);
    if (data == NULL || scales == NULL || name == NULL)
        return;
    ai_layer_round(graph, c, l, data, scales);
    in[0] = ai_graph_constant(graph, name, AI_S8, w.rank, w.dim, data, count);
    int32_t back = like(graph, node->inputs[1], "/rounded");
    ai_axis_params p = {.axis = l->is_turned ? 1 : 0};
    if (in[0] < 0 || back < 0)
        return;
    ai_graph_add(graph, name, AI_OP_DEQUANTIZE_LINEAR, &p, sizeof p, in, 2, &back, 1);
    graph->nodes[l->node].inputs[1] = back;
}

/* ---- All of it ---- */

/* What the layer writes gets another name, and what is left of it after rounding its own. */
static void round_output(ai_graph *graph, const ai_calibration *c, const ai_layer *l)
{
    int32_t writer = graph->values[l->out].producer;
    int32_t raw = like(graph, l->out, "/raw");
    if (raw < 0)
        return;
    ai_graph_node *node = &graph->nodes[writer];
    node->outputs[0] = raw;
    graph->values[raw].producer = writer;
    add_pair(graph, raw, l->out, ai_range_scale(c->ranges[l->out]), graph->values[l->out].name);
}

static bool is_rounded(const ai_calibration *c, int32_t value)
{
    return c->layer_of[value] >= 0 && c->layers[c->layer_of[value]].form == AI_FORM_INT8;
}

/* Inputs that no layer has rounded: once for all that read them. */
static void round_inputs(ai_graph *graph, const ai_calibration *c, const ai_layer *l,
                         int32_t *rounded)
{
    for (uint32_t k = 0; k < l->inputs; k++) {
        int32_t value = ai_layer_input(graph, l, k);
        if (is_rounded(c, value))
            continue;
        if (rounded[value] == 0)
            rounded[value] = ai_insert_pair(graph, value, ai_range_scale(c->ranges[value]));
        if (rounded[value] > 0)
            graph->nodes[l->node].inputs[l->first + k] = rounded[value];
    }
}

static void insert_layer(ai_graph *graph, const ai_calibration *c, const ai_layer *l,
                         int32_t *rounded)
{
    if (l->form == AI_FORM_WEIGHTS)
        graph->nodes[l->node].has_s8_weights = true;
    if (l->form != AI_FORM_INT8)
        return;
    if (l->kind == AI_LAYER_PRODUCT) {
        int32_t bias = ai_insert_bias(graph, c, l);
        round_weights(graph, c, l);
        ai_pass_set_input(graph, &graph->nodes[l->node], 2, bias);
    }
    round_inputs(graph, c, l, rounded);
    round_output(graph, c, l);
}

ai_status ai_insert(const ai_calibration *c, ai_graph *graph, ai_error *err)
{
    int32_t *rounded = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *rounded);
    for (uint32_t i = 0; i < c->layer_count && rounded != NULL; i++)
        insert_layer(graph, c, &c->layers[i], rounded);
    ai_status status = ai_graph_status(graph, err);
    return status == AI_OK ? ai_pass_sort(graph, err) : status;
}
