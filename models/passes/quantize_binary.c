/* SPDX-License-Identifier: Apache-2.0
 * Sums and products of two quantised tensors: the residual of a Conv, a step on bytes, or, where
 * both operands follow from the same byte, a table. */
#include "quantize.h"

#include <math.h>
#include <string.h>

/* Two operands, of which one may be a constant of s8. */
static bool read_operand(ai_graph *graph, const ai_graph_node *node, uint32_t i, ai_quantised *q)
{
    const ai_graph_node *from = ai_pass_producer(graph, node, i);
    if (ai_quantised_input(graph, node, i, q))
        return true;
    if (from == NULL || from->op != AI_OP_DEQUANTIZE_LINEAR || !ai_quantised_scale(graph, from, q))
        return false;
    const ai_value *v = ai_pass_constant(graph, from, 0, AI_S8);
    uint8_t *data = v == NULL ? NULL : ai_graph_alloc(graph, v->bytes + 1);
    if (data == NULL)
        return false;
    for (uint64_t k = 0; k < v->bytes; k++)
        data[k] = (uint8_t)(((const int8_t *)v->data)[k] + 128);
    q->zero += 128;
    q->value = ai_graph_constant(graph, ai_graph_format(graph, "%s/u8", v->name), AI_U8, v->rank,
                                 v->dim, data, v->bytes);
    return q->value >= 0;
}

/* ---- The residual of a Conv ---- */

/* A Conv that nobody else reads and that can still take a residual. */
static ai_graph_node *conv_of(const ai_graph *graph, const ai_graph_node *add, uint32_t i,
                              const ai_quantised *a, const uint32_t *uses)
{
    int32_t producer = graph->values[a->value].producer;
    if (producer < 0 || uses[a->value] != 1 || uses[add->inputs[i]] != 1)
        return NULL;
    ai_graph_node *conv = &graph->nodes[producer];
    const ai_q_conv_params *p = conv->params;
    bool can = conv->op == AI_OP_Q_CONV && conv->input_count == 4 && p->finish.lo == 0 &&
               p->finish.hi == 255 && (int32_t)p->finish.zero == a->zero;
    return can ? conv : NULL;
}

static bool fold_residual(ai_graph *graph, uint32_t index, const ai_graph_node *add,
                          const ai_quantised q[2], const ai_quantised *y, const ai_q_finish *f,
                          const uint32_t *uses)
{
    ai_graph_node *conv[2];
    if (add->op != AI_OP_ADD ||
        !ai_pass_same_shape(&graph->values[q[0].value], &graph->values[q[1].value]))
        return false;
    for (uint32_t i = 0; i < 2; i++)
        conv[i] = conv_of(graph, add, i, &q[i], uses);
    /* of two, the later one: then the other's result is there anyway */
    uint32_t a = conv[1] != NULL && (conv[0] == NULL || conv[1] > conv[0]) ? 1 : 0;
    ai_q_conv_params params = {.finish = *f};
    params.finish.middle = (uint32_t)q[a].zero;
    params.finish.own = q[a].scale / y->scale;
    params.finish.other = q[1 - a].scale / y->scale;
    params.finish.offset = -((float)q[1 - a].zero * params.finish.other);
    float most = 255 * (params.finish.own + params.finish.other) - params.finish.offset;
    if (conv[a] == NULL || !(most < 0x1p22f))
        return false;
    const ai_q_conv_params *p = conv[a]->params;
    params.window = p->window;
    params.group = p->group;
    int32_t inputs[5] = {0, 0, 0, 0, q[1 - a].value};
    memcpy(inputs, conv[a]->inputs, 4 * sizeof *inputs);
    ai_quantised_become(graph, &graph->nodes[index], conv[a], AI_OP_Q_CONV, &params, sizeof params,
                        inputs, 5);
    graph->nodes[index].name = conv[a]->name;
    return true;
}

/* ---- A table, as of x * Sigmoid(x) ---- */

static bool fold_table(ai_graph *graph, uint32_t index, const ai_graph_node *node, uint16_t op,
                       const ai_q_binary_params *p, const ai_quantised q[2])
{
    const ai_none_params none = {0};
    int32_t table[2];
    int32_t root[2];
    for (int i = 0; i < 2; i++)
        root[i] = ai_quantised_root(graph, q[i].value, &table[i]);
    if (root[0] != root[1]) { /* one of the two may be the other's */
        int own = root[0] == q[1].value ? 1 : 0;
        if (root[1 - own] != q[own].value)
            return false;
        root[own] = root[1 - own];
        table[own] = AI_NO_VALUE;
    }
    if (root[0] != root[1] || graph->values[root[0]].data != NULL)
        return false;
    const ai_graph_node like = *node;
    for (int i = 0; i < 2; i++) {
        if (table[i] < 0)
            table[i] = ai_quantised_every_byte(graph, &like);
    }
    const char *name = ai_graph_format(graph, "%s/table", like.name);
    int32_t made = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, AI_U8);
    if (made < 0 || table[0] < 0 || table[1] < 0)
        return true;
    ai_graph_add(graph, name, op, p, sizeof *p, table, 2, &made, 1);
    const int32_t inputs[2] = {root[0], made};
    ai_quantised_become(graph, &graph->nodes[index], &like, AI_OP_Q_LOOKUP, &none, sizeof none,
                        inputs, 2);
    return true;
}

void ai_quantised_binary(ai_graph *graph, uint32_t index, const ai_graph_node *from,
                         const ai_quantised *y, const ai_q_finish *f, const uint32_t *uses)
{
    const ai_graph_node node = *from; /* the list may move */
    uint16_t op = node.op == AI_OP_ADD ? AI_OP_Q_ADD : AI_OP_Q_MUL;
    ai_quantised q[2];
    if (!read_operand(graph, &node, 0, &q[0]) || !read_operand(graph, &node, 1, &q[1]) ||
        fold_residual(graph, index, &node, q, y, f, uses))
        return;
    const ai_q_binary_params p = {.a = {q[0].scale, (uint32_t)q[0].zero},
                                  .b = {q[1].scale, (uint32_t)q[1].zero},
                                  .y = {y->scale, (uint32_t)y->zero},
                                  .lo = f->lo,
                                  .hi = f->hi};
    float a = 255 * q[0].scale;
    float b = 255 * q[1].scale;
    if (!isfinite(a * b) || !isfinite(a + b)) /* a NaN would pass the clamp */
        return;
    const int32_t inputs[2] = {q[0].value, q[1].value};
    if (!fold_table(graph, index, &node, op, &p, q))
        ai_quantised_become(graph, &graph->nodes[index], &node, op, &p, sizeof p, inputs, 2);
}
