/* SPDX-License-Identifier: Apache-2.0
 * Quantised tensors between which no product lies: what is done to each byte by itself, and Concat.
 */
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

int32_t ai_quantised_part(ai_graph *graph, const ai_graph_node *like, uint16_t op, ai_type type,
                          const int32_t inputs[3])
{
    ai_axis_params p = {.axis = 1, .count = op == AI_OP_QUANTIZE_LINEAR ? (uint32_t)type : 0};
    const char *name = ai_graph_format(graph, "%s/part", like->name);
    int32_t value = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, type);
    if (value >= 0)
        ai_graph_add(graph, name, op, &p, sizeof p, inputs, 3, &value, 1);
    return value;
}

/* ---- What is done to each byte by itself becomes a table, which the pass `fold` computes ---- */

enum { MOST_IN_CHAIN = 8 };

/* Input i is one constant number, as it stands or behind DequantizeLinear. */
static bool is_one_number(const ai_graph *graph, const ai_graph_node *node, uint32_t i)
{
    const ai_value *v = ai_pass_input(graph, node, i);
    const ai_graph_node *from = ai_pass_producer(graph, node, i);
    ai_quantised q;
    if (from != NULL && from->op == AI_OP_DEQUANTIZE_LINEAR && ai_quantised_scale(graph, from, &q))
        v = ai_pass_input(graph, from, 0);
    return v != NULL && v->data != NULL && v->layout == AI_LAYOUT_PLAIN && ai_pass_elements(v) == 1;
}

int32_t ai_quantised_varying(const ai_graph *graph, const ai_graph_node *node)
{
    if (node->op >= AI_OP_ADD && node->op <= AI_OP_PRELU && node->input_count == 2) {
        for (int32_t i = 0; i < 2; i++) {
            const ai_value *x = ai_pass_input(graph, node, (uint32_t)i);
            const ai_value *y = &graph->values[node->outputs[0]];
            if (is_one_number(graph, node, (uint32_t)(1 - i)) && x->data == NULL &&
                ai_pass_same_shape(x, y))
                return i;
        }
        return -1;
    }
    for (uint32_t i = 1; i < node->input_count; i++) {
        const ai_value *v = ai_pass_input(graph, node, i);
        if (v != NULL && v->data == NULL)
            return -1;
    }
    return node->op >= AI_OP_RELU && node->op <= AI_OP_CLIP ? 0 : -1;
}

int32_t ai_quantised_every_byte(ai_graph *graph, const ai_graph_node *like)
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

/* Nodes between DequantizeLinear and QuantizeLinear, the last one first. */
typedef struct chain {
    ai_graph_node node[MOST_IN_CHAIN];
    int32_t input[MOST_IN_CHAIN];
    uint32_t count;
} chain;

/* The node behind what was made of the bytes so far. */
static int32_t add_link(ai_graph *graph, const char *name, const ai_graph_node *node, int32_t input,
                        int32_t made)
{
    int32_t *inputs = ai_graph_alloc(graph, node->input_count * sizeof *inputs);
    int32_t value = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, AI_F32);
    if (inputs == NULL || value < 0)
        return AI_NO_VALUE;
    memcpy(inputs, node->inputs, node->input_count * sizeof *inputs);
    inputs[input] = made;
    ai_graph_add(graph, name, node->op, node->params, node->param_bytes, inputs, node->input_count,
                 &value, 1);
    return value;
}

int32_t ai_quantised_root(const ai_graph *graph, int32_t value, int32_t *table)
{
    int32_t producer = graph->values[value].producer;
    const ai_graph_node *node = producer < 0 ? NULL : &graph->nodes[producer];
    *table = AI_NO_VALUE;
    if (node == NULL || node->op != AI_OP_Q_LOOKUP)
        return value;
    *table = node->inputs[1];
    return node->inputs[0];
}

/* The table of DequantizeLinear, the chain and QuantizeLinear, for bytes of *value or, where these
 * come from a table themselves, for what that one reads. */
static int32_t add_table(ai_graph *graph, int32_t *value, const ai_graph_node *dequantize,
                         const chain *c, const ai_graph_node *quantize)
{
    const ai_graph_node first = *dequantize, last = *quantize; /* the list may move */
    const char *name = ai_graph_format(graph, "%s/table", last.name);
    int32_t bytes;
    *value = ai_quantised_root(graph, *value, &bytes);
    if (bytes < 0)
        bytes = ai_quantised_every_byte(graph, &last);
    int32_t list[3] = {bytes, first.inputs[1],
                       first.input_count > 2 ? first.inputs[2] : AI_NO_VALUE};
    if (list[0] >= 0)
        list[0] = ai_quantised_part(graph, &last, AI_OP_DEQUANTIZE_LINEAR, AI_F32, list);
    for (uint32_t i = c == NULL ? 0 : c->count; i-- > 0 && list[0] >= 0;)
        list[0] = add_link(graph, name, &c->node[i], c->input[i], list[0]);
    list[1] = last.inputs[1];
    list[2] = last.input_count > 2 ? last.inputs[2] : AI_NO_VALUE;
    return list[0] < 0 ? AI_NO_VALUE
                       : ai_quantised_part(graph, &last, AI_OP_QUANTIZE_LINEAR, AI_U8, list);
}

static bool look_up(ai_graph *graph, uint32_t index, int32_t value, const ai_graph_node *dequantize,
                    const chain *c)
{
    const ai_none_params none = {0};
    int32_t table = add_table(graph, &value, dequantize, c, &graph->nodes[index]);
    const int32_t inputs[2] = {value, table};
    const ai_graph_node like = c == NULL || c->count == 0 ? graph->nodes[index] : c->node[0];
    if (table >= 0)
        ai_quantised_become(graph, &graph->nodes[index], &like, AI_OP_Q_LOOKUP, &none, sizeof none,
                            inputs, 2);
    return table >= 0;
}

bool ai_quantised_look_up(ai_graph *graph, uint32_t index, int32_t value,
                          const ai_graph_node *dequantize)
{
    return look_up(graph, index, value, dequantize, NULL);
}

bool ai_quantised_lookup(ai_graph *graph, uint32_t index)
{
    const ai_graph_node *node = &graph->nodes[index];
    int32_t input = 0;
    chain c = {.count = 0};
    ai_quantised x;
    while (!ai_quantised_input(graph, node, (uint32_t)input, &x)) {
        node = ai_pass_producer(graph, node, (uint32_t)input);
        input = node == NULL || c.count == MOST_IN_CHAIN ? -1 : ai_quantised_varying(graph, node);
        if (input < 0)
            return false;
        c.node[c.count] = *node;
        c.input[c.count++] = input;
    }
    return look_up(graph, index, x.value, ai_pass_producer(graph, node, (uint32_t)input), &c);
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
        int32_t table = add_table(graph, &x.value, from, NULL, &graph->nodes[index]);
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
