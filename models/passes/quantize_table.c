/* SPDX-License-Identifier: Apache-2.0
 * Quantised tensors between which no product lies: what moves bytes, what is done to each byte by
 * itself, and Concat. */
#include "quantize.h"

#include <string.h>

void ai_quantised_become(ai_graph *graph, ai_graph_node *node, const ai_graph_node *from,
                         uint16_t op, const void *params, uint32_t bytes, const int32_t *inputs,
                         uint32_t count)
{
    void *own = ai_graph_alloc(graph, bytes);
    int32_t *list = ai_graph_alloc(graph, count * sizeof *list);
    if (own == NULL || list == NULL)
        return;
    memcpy(own, params, bytes);
    memcpy(list, inputs, count * sizeof *list);
    node->name = from->name;
    node->op = op;
    node->params = own;
    node->param_bytes = bytes;
    node->inputs = list;
    node->input_count = count;
}

static int32_t add_part(ai_graph *graph, const ai_graph_node *like, uint16_t op, ai_type type,
                        const int32_t inputs[3])
{
    ai_axis_params p = {.axis = 1, .count = op == AI_OP_QUANTIZE_LINEAR ? (uint32_t)type : 0};
    const char *name = ai_graph_format(graph, "%s/part", like->name);
    int32_t value = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, type);
    if (value >= 0)
        ai_graph_add(graph, name, op, &p, sizeof p, inputs, 3, &value, 1);
    return value;
}

bool ai_quantised_moves_only(uint16_t op)
{
    return op == AI_OP_MAX_POOL || op == AI_OP_TRANSPOSE || op == AI_OP_SLICE ||
           (op >= AI_OP_IDENTITY && op <= AI_OP_UNSQUEEZE);
}

/* ---- What only moves integers is put between two of the same scale, as in QDQ form ---- */

/* MaxPool of bytes becomes DequantizeLinear, MaxPool, QuantizeLinear. */
static void wrap_move(ai_graph *graph, uint32_t index)
{
    ai_graph_node *node = &graph->nodes[index];
    int32_t in = node->input_count > 0 ? node->inputs[0] : AI_NO_VALUE;
    const ai_graph_node *from = in < 0 ? NULL : ai_pass_producer(graph, node, 0);
    int32_t out = node->outputs[0];
    ai_quantised q;
    if (from == NULL || from->op != AI_OP_QUANTIZE_LINEAR || !ai_quantised_scale(graph, from, &q) ||
        from->input_count < 3 || node->output_count != 1)
        return;
    ai_type type = graph->values[in].type;
    int32_t list[3] = {in, from->inputs[1], from->inputs[2]};
    int32_t number = add_part(graph, node, AI_OP_DEQUANTIZE_LINEAR, AI_F32, list);
    int32_t moved = ai_graph_value(graph, graph->values[out].name, AI_F32);
    if (number < 0 || moved < 0)
        return;
    graph->values[number].has_shape = graph->values[in].has_shape;
    graph->values[number].rank = graph->values[in].rank;
    memcpy(graph->values[number].dim, graph->values[in].dim, sizeof graph->values[in].dim);
    graph->values[moved] = graph->values[out];
    graph->values[moved].type = AI_F32;
    node = &graph->nodes[index]; /* the list may have moved */
    node->inputs[0] = number;
    node->outputs[0] = moved;
    graph->values[moved].producer = (int32_t)index;
    list[0] = moved;
    ai_axis_params p = {.axis = 1, .count = (uint32_t)type};
    ai_graph_add(graph, node->name, AI_OP_QUANTIZE_LINEAR, &p, sizeof p, list, 3, &out, 1);
}

void ai_quantised_wrap_moves(ai_graph *graph)
{
    uint32_t nodes = graph->node_count;
    for (uint32_t i = 0; i < nodes; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && ai_quantised_moves_only(node->op) && node->op != AI_OP_IDENTITY)
            wrap_move(graph, i);
    }
}

/* ---- What is done to each byte by itself becomes a table, which the pass `fold` computes ---- */

static bool is_of_one_number(const ai_graph *graph, const ai_graph_node *node)
{
    for (uint32_t i = 1; i < node->input_count; i++) {
        const ai_value *v = ai_pass_input(graph, node, i);
        if (v != NULL && v->data == NULL)
            return false;
    }
    return node->op >= AI_OP_RELU && node->op <= AI_OP_CLIP;
}

static int32_t every_byte(ai_graph *graph, const ai_graph_node *like)
{
    const int64_t count = 256;
    uint8_t *data = ai_graph_alloc(graph, (size_t)count);
    const char *name = ai_graph_format(graph, "%s/bytes", like->name);
    for (int i = 0; i < 256 && data != NULL; i++)
        data[i] = (uint8_t)i;
    return data == NULL || name == NULL
               ? AI_NO_VALUE
               : ai_graph_constant(graph, name, AI_U8, 1, &count, data, (uint64_t)count);
}

/* The table of DequantizeLinear, that node if there is one, and QuantizeLinear. */
static int32_t add_table(ai_graph *graph, const ai_graph_node *dequantize,
                         const ai_graph_node *node, const ai_graph_node *quantize)
{
    const ai_graph_node first = *dequantize, last = *quantize; /* the list may move */
    int32_t list[3] = {every_byte(graph, &last), first.inputs[1],
                       first.input_count > 2 ? first.inputs[2] : AI_NO_VALUE};
    if (list[0] < 0)
        return AI_NO_VALUE;
    ai_graph_node middle = node != NULL ? *node : first;
    list[0] = add_part(graph, &last, AI_OP_DEQUANTIZE_LINEAR, AI_F32, list);
    if (node != NULL && list[0] >= 0) {
        const char *name = ai_graph_format(graph, "%s/table", last.name);
        int32_t *inputs = ai_graph_alloc(graph, middle.input_count * sizeof *inputs);
        int32_t value = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, AI_F32);
        if (inputs == NULL || value < 0)
            return AI_NO_VALUE;
        memcpy(inputs, middle.inputs, middle.input_count * sizeof *inputs);
        inputs[0] = list[0];
        ai_graph_add(graph, name, middle.op, middle.params, middle.param_bytes, inputs,
                     middle.input_count, &value, 1);
        list[0] = value;
    }
    list[1] = last.inputs[1];
    list[2] = last.input_count > 2 ? last.inputs[2] : AI_NO_VALUE;
    return list[0] < 0 ? AI_NO_VALUE : add_part(graph, &last, AI_OP_QUANTIZE_LINEAR, AI_U8, list);
}

bool ai_quantised_lookup(ai_graph *graph, uint32_t index, const ai_graph_node *node)
{
    const ai_none_params none = {0};
    bool is_bare = node->op == AI_OP_DEQUANTIZE_LINEAR;
    const ai_graph_node *from = is_bare ? node : ai_pass_producer(graph, node, 0);
    ai_quantised x;
    if (!is_bare && (!is_of_one_number(graph, node) || !ai_quantised_input(graph, node, 0, &x)))
        return false;
    if (is_bare && !ai_quantised_input(graph, &graph->nodes[index], 0, &x))
        return false;
    int32_t table = add_table(graph, from, is_bare ? NULL : node, &graph->nodes[index]);
    if (table < 0)
        return false;
    const int32_t inputs[2] = {x.value, table};
    ai_graph_node *quantize = &graph->nodes[index];
    const ai_graph_node like = *quantize;
    ai_quantised_become(graph, quantize, &like, AI_OP_Q_LOOKUP, &none, sizeof none, inputs, 2);
    return true;
}

void ai_quantised_concat(ai_graph *graph, uint32_t index, const ai_graph_node *node,
                         const ai_quantised *y)
{
    const ai_none_params none = {0};
    uint32_t count = node->input_count;
    int32_t *inputs = ai_graph_alloc(graph, count * sizeof *inputs);
    const ai_graph_node concat = *node;
    ai_quantised x;
    for (uint32_t i = 0; i < count; i++) {
        if (inputs == NULL || !ai_quantised_input(graph, &concat, i, &x))
            return;
    }
    for (uint32_t i = 0; i < count; i++) {
        ai_quantised_input(graph, &concat, i, &x);
        inputs[i] = x.value;
        if (x.scale == y->scale && x.zero == y->zero)
            continue;
        const ai_graph_node *from = ai_pass_producer(graph, &concat, i);
        int32_t table = add_table(graph, from, NULL, &graph->nodes[index]);
        const char *name = ai_graph_format(graph, "%s/operand", concat.name);
        const int32_t pair[2] = {x.value, table};
        int32_t value =
            name == NULL || table < 0 ? AI_NO_VALUE : ai_graph_value(graph, name, AI_U8);
        if (value < 0)
            return;
        ai_value *v = &graph->values[value];
        v->has_shape = graph->values[x.value].has_shape;
        v->rank = graph->values[x.value].rank;
        memcpy(v->dim, graph->values[x.value].dim, sizeof v->dim);
        v->scale = y->scale;
        v->zero_point = y->zero;
        ai_graph_add(graph, name, AI_OP_Q_LOOKUP, &none, sizeof none, pair, 2, &value, 1);
        inputs[i] = value;
    }
    ai_quantised_become(graph, &graph->nodes[index], &concat, AI_OP_CONCAT, concat.params,
                        concat.param_bytes, inputs, count);
}
