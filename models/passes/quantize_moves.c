/* SPDX-License-Identifier: Apache-2.0
 * Operators that only move numbers move bytes where what they read and write is quantised. Another
 * scale behind them is a table. */
#include "quantize.h"

#include <math.h>
#include <string.h>

bool ai_quantised_moves_only(const ai_graph_node *node)
{
    const ai_resize_params *p = node->params;
    switch (node->op) {
    case AI_OP_RESIZE:
        return p->mode == AI_RESIZE_NEAREST && p->coordinates != AI_RESIZE_TF_CROP;
    case AI_OP_MAX_POOL:
        return node->output_count == 1;
    case AI_OP_TRANSPOSE:
    case AI_OP_SPLIT:
    case AI_OP_SLICE:
    case AI_OP_PAD:
    case AI_OP_GATHER:
    case AI_OP_EXPAND:
    case AI_OP_TILE:
        return true;
    default:
        return node->op >= AI_OP_IDENTITY && node->op <= AI_OP_UNSQUEEZE;
    }
}

/* ---- What moves integers is put between two of the same scale, as in QDQ form ---- */

static int32_t dequantised(ai_graph *graph, const ai_graph_node *like, int32_t value,
                           const ai_graph_node *quantize)
{
    const int32_t list[3] = {value, quantize->inputs[1], quantize->inputs[2]};
    int32_t number = ai_quantised_part(graph, like, AI_OP_DEQUANTIZE_LINEAR, AI_F32, list);
    if (number >= 0) {
        ai_value *to = &graph->values[number];
        const ai_value *from = &graph->values[value];
        to->has_shape = from->has_shape;
        to->rank = from->rank;
        memcpy(to->dim, from->dim, sizeof to->dim);
    }
    return number;
}

/* What a Pad of integers fills with, as a number. */
static bool wrap_padding(ai_graph *graph, uint32_t index, ai_type type,
                         const ai_graph_node *quantize)
{
    const ai_graph_node node = graph->nodes[index]; /* the list may move */
    int32_t value = node.input_count > 2 ? node.inputs[2] : AI_NO_VALUE;
    if (value < 0)
        value = ai_graph_constant(graph, ai_graph_format(graph, "%s/padding", node.name), type, 0,
                                  NULL, ai_graph_alloc(graph, 1), 1);
    if (value >= 0)
        value = dequantised(graph, &node, value, quantize);
    return value >= 0 && ai_pass_set_input(graph, &graph->nodes[index], 2, value);
}

/* MaxPool of bytes becomes DequantizeLinear, MaxPool, QuantizeLinear. */
static void wrap_move(ai_graph *graph, uint32_t index)
{
    const ai_graph_node *node = &graph->nodes[index];
    int32_t in = node->input_count > 0 ? node->inputs[0] : AI_NO_VALUE;
    const ai_graph_node *from = in < 0 ? NULL : ai_pass_producer(graph, node, 0);
    ai_quantised q;
    if (from == NULL || from->op != AI_OP_QUANTIZE_LINEAR || !ai_quantised_scale(graph, from, &q) ||
        from->input_count < 3)
        return;
    const ai_graph_node quantize = *from;
    const ai_graph_node like = *node;
    ai_type type = graph->values[in].type;
    int32_t number = dequantised(graph, &like, in, &quantize);
    if (number < 0 || (like.op == AI_OP_PAD && !wrap_padding(graph, index, type, &quantize)))
        return;
    graph->nodes[index].inputs[0] = number;
    for (uint32_t k = 0; k < like.output_count; k++) {
        int32_t out = like.outputs[k];
        int32_t moved = out < 0 ? out : ai_graph_value(graph, graph->values[out].name, AI_F32);
        if (moved < 0)
            continue;
        graph->values[moved] = graph->values[out];
        graph->values[moved].type = AI_F32;
        graph->nodes[index].outputs[k] = moved;
        graph->values[moved].producer = (int32_t)index;
        const int32_t list[3] = {moved, quantize.inputs[1], quantize.inputs[2]};
        ai_axis_params p = {.axis = 1, .count = (uint32_t)type};
        ai_graph_add(graph, like.name, AI_OP_QUANTIZE_LINEAR, &p, sizeof p, list, 3, &out, 1);
    }
}

void ai_quantised_wrap_moves(ai_graph *graph)
{
    uint32_t nodes = graph->node_count;
    for (uint32_t i = 0; i < nodes; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && ai_quantised_moves_only(node) && node->op != AI_OP_IDENTITY)
            wrap_move(graph, i);
    }
}

/* ---- Folding ---- */

/* A Pad's constant, which no other mode reads, becomes a byte of that scale. */
static bool pad_with_byte(ai_graph *graph, uint32_t index, const ai_quantised *x)
{
    const ai_graph_node *node = &graph->nodes[index];
    const ai_graph_node *from = ai_pass_producer(graph, node, 2);
    ai_quantised q;
    float number = 0;
    if (ai_quantised_input(graph, node, 2, &q)) {
        const ai_value *v = ai_pass_constant(graph, from, 0, AI_U8);
        if (v == NULL || ai_pass_elements(v) != 1)
            return false;
        number = (float)(*(const uint8_t *)v->data - q.zero) * q.scale;
    } else if (ai_pass_input(graph, node, 2) != NULL &&
               (!ai_pass_scalar(graph, node, 2, &number) || isnan(number))) {
        return false;
    }
    uint8_t *data = ai_graph_alloc(graph, 1);
    if (data == NULL)
        return false;
    *data = (uint8_t)ai_quantised_byte(number, x);
    int32_t value = ai_graph_constant(graph, ai_graph_format(graph, "%s/padding", node->name),
                                      AI_U8, 0, NULL, data, 1);
    return value >= 0 && ai_pass_set_input(graph, &graph->nodes[index], 2, value);
}

/* Its bytes are what the QuantizeLinear makes, or a table away from it. */
static void move_output(ai_graph *graph, uint32_t index, uint32_t k, uint32_t reader,
                        const ai_quantised *x)
{
    ai_graph_node *node = &graph->nodes[index];
    ai_graph_node *quantize = &graph->nodes[reader];
    ai_quantised y = {0};
    ai_value *v = &graph->values[node->outputs[k]];
    v->type = AI_U8;
    v->scale = x->scale;
    v->zero_point = x->zero;
    if (!ai_quantised_scale(graph, quantize, &y))
        return;
    if (y.scale == x->scale && y.zero == x->zero) {
        node->outputs[k] = quantize->outputs[0];
        graph->values[node->outputs[k]].producer = (int32_t)index;
        quantize->is_dead = true;
        return;
    }
    ai_quantised_look_up(graph, reader, node->outputs[k], ai_pass_producer(graph, node, 0));
}

void ai_quantised_move(ai_graph *graph, uint32_t index, const uint32_t *uses, const int32_t *reader)
{
    ai_graph_node *node = &graph->nodes[index];
    ai_quantised x, y;
    int32_t first = AI_NO_VALUE;
    if (!ai_quantised_input(graph, node, 0, &x))
        return;
    for (uint32_t k = 0; k < node->output_count; k++) {
        int32_t value = node->outputs[k];
        if (value < 0 || uses[value] == 0)
            continue;
        if (reader[value] < 0)
            return;
        first = first < 0 ? reader[value] : first;
    }
    if (first < 0 || !ai_quantised_scale(graph, &graph->nodes[first], &y))
        return;
    if (node->op == AI_OP_PAD &&
        (x.scale != y.scale || x.zero != y.zero || !pad_with_byte(graph, index, &x)))
        return;
    for (uint32_t k = 0; k < node->output_count; k++) {
        int32_t value = graph->nodes[index].outputs[k];
        if (value >= 0 && uses[value] == 0)
            graph->values[value].type = AI_U8;
        else if (value >= 0)
            move_output(graph, index, k, (uint32_t)reader[value], &x);
    }
    graph->nodes[index].inputs[0] = x.value;
}
