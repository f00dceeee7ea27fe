/* SPDX-License-Identifier: Apache-2.0
 * Folds DequantizeLinear, an operator and QuantizeLinear into one step on integers. What does not
 * fit stays as it is and computes with numbers. */
#include "quantize.h"

#include <math.h>
#include <string.h>

/* ---- Reading ---- */

static bool is_number(const ai_value *v)
{
    return v != NULL && v->data != NULL && v->layout == AI_LAYOUT_PLAIN && ai_pass_elements(v) == 1;
}

bool ai_quantised_scale(const ai_graph *graph, const ai_graph_node *node, ai_quantised *q)
{
    const ai_value *zero = ai_pass_input(graph, node, 2);
    if (!ai_pass_scalar(graph, node, 1, &q->scale) || !(q->scale > 0) || isinf(q->scale))
        return false;
    q->zero = 0;
    if (zero == NULL)
        return true;
    if (!is_number(zero))
        return false;
    if (zero->type == AI_U8)
        q->zero = *(const uint8_t *)zero->data;
    else if (zero->type == AI_S8)
        q->zero = *(const int8_t *)zero->data;
    else
        return zero->type == AI_S32 && *(const int32_t *)zero->data == 0;
    return true;
}

bool ai_quantised_input(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                        ai_quantised *q)
{
    const ai_graph_node *from = ai_pass_producer(graph, node, i);
    if (from == NULL || from->op != AI_OP_DEQUANTIZE_LINEAR || !ai_quantised_scale(graph, from, q))
        return false;
    q->value = from->inputs[0];
    return graph->values[q->value].type == AI_U8;
}

/* ---- s8 becomes u8: both the integer and its zero point grow by 128, and nothing saturates
 * otherwise than before ---- */

static bool is_dequantised(const ai_graph *graph, const ai_graph_node *node, uint32_t k)
{
    ai_quantised q;
    return node->op == AI_OP_DEQUANTIZE_LINEAR && k == 0 && ai_quantised_scale(graph, node, &q);
}

static void add_128(ai_graph *graph, ai_graph_node *node)
{
    ai_quantised q;
    uint8_t *data = ai_graph_alloc(graph, 1);
    const char *name = ai_graph_format(graph, "%s/zero", node->name);
    if (data == NULL || name == NULL || !ai_quantised_scale(graph, node, &q))
        return;
    *data = (uint8_t)(q.zero + 128);
    int32_t zero = ai_graph_constant(graph, name, AI_U8, 0, NULL, data, 1);
    ai_pass_set_input(graph, node, 2, zero);
}

static void make_unsigned(ai_graph *graph)
{
    bool *keeps = ai_graph_alloc(graph, graph->value_count + (size_t)1);
    uint32_t nodes = graph->node_count;
    bool *is_shifted = ai_graph_alloc(graph, graph->value_count + (size_t)1);
    if (keeps == NULL || is_shifted == NULL)
        return;
    for (uint32_t i = 0; i < nodes; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count && !node->is_dead; k++) {
            if (node->inputs[k] >= 0 && !is_dequantised(graph, node, k))
                keeps[node->inputs[k]] = true;
        }
    }
    for (uint32_t i = 0; i < nodes; i++) {
        ai_graph_node *node = &graph->nodes[i];
        int32_t value = node->is_dead ? AI_NO_VALUE : node->outputs[0];
        ai_quantised q;
        if (node->is_dead || node->op != AI_OP_QUANTIZE_LINEAR || keeps[value] ||
            graph->values[value].type != AI_S8 || ai_pass_is_kept(graph, value) ||
            !ai_quantised_scale(graph, node, &q))
            continue;
        add_128(graph, node);
        ((ai_axis_params *)node->params)->count = AI_U8;
        graph->values[value].type = AI_U8;
        is_shifted[value] = true;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && node->op == AI_OP_DEQUANTIZE_LINEAR && is_shifted[node->inputs[0]])
            add_128(graph, node);
    }
}

/* ---- Patterns ---- */

static bool clamps(const ai_graph *graph, const ai_graph_node *node, float *lo, float *hi)
{
    *lo = -INFINITY;
    *hi = INFINITY;
    if (node->op == AI_OP_RELU) {
        *lo = 0;
        return true;
    }
    return node->op == AI_OP_CLIP &&
           (ai_pass_input(graph, node, 1) == NULL || ai_pass_scalar(graph, node, 1, lo)) &&
           (ai_pass_input(graph, node, 2) == NULL || ai_pass_scalar(graph, node, 2, hi)) &&
           !isnan(*lo) && !isnan(*hi);
}

/* A bound as the integer that it becomes: rounding keeps the order. */
static uint32_t bound(float x, const ai_quantised *y)
{
    double q = nearbyint((double)(x / y->scale)) + y->zero;
    return (uint32_t)(q < 0 ? 0 : q > 255 ? 255 : q);
}

/* The operator before a QuantizeLinear and a clamp on the way to it; NULL: something else reads
 * what it makes. */
static const ai_graph_node *operator_before(const ai_graph *graph, const ai_graph_node *quantize,
                                            const uint32_t *uses, const ai_quantised *y,
                                            ai_q_finish *f)
{
    const ai_graph_node *node = ai_pass_producer(graph, quantize, 0);
    float lo, hi;
    f->lo = 0;
    f->hi = 255;
    f->zero = f->middle = (uint32_t)y->zero;
    if (node == NULL || uses[quantize->inputs[0]] != 1)
        return NULL;
    if (clamps(graph, node, &lo, &hi)) {
        if (uses[node->inputs[0]] != 1)
            return NULL;
        f->lo = bound(lo, y);
        f->hi = bound(hi, y);
        node = f->lo <= f->hi ? ai_pass_producer(graph, node, 0) : NULL;
    }
    return node;
}

static void fold_conv(ai_graph *graph, uint32_t index, const ai_graph_node *conv,
                      const ai_quantised *y, const ai_q_finish *f)
{
    const ai_conv_params *p = conv->params;
    ai_q_conv_params params = {.window = p->window, .group = p->group, .finish = *f};
    ai_quantised x;
    int32_t inputs[4];
    const ai_value *w = ai_pass_input(graph, conv, 1);
    bool is_depthwise = w != NULL && w->has_shape && w->rank == 4 && p->group > 1 &&
                        w->dim[1] == 1 && w->dim[0] == p->group;
    bool is_whole = w != NULL && w->has_shape && w->rank == 4 &&
                    (p->group == 1 || is_depthwise ||
                     (w->dim[1] % 16 == 0 && w->dim[0] % (16 * (int64_t)p->group) == 0));
    ai_weight_form form = is_depthwise ? AI_WEIGHT_DEPTHWISE : AI_WEIGHT_STRAIGHT;
    if (p->window.spatial != 2 || p->activation.kind != AI_ACTIVATION_NONE || !is_whole ||
        conv->input_count > 3 || !ai_quantised_input(graph, conv, 0, &x))
        return;
    inputs[0] = x.value;
    if (ai_quantised_weights(graph, conv, form, &x, y, f, &inputs[1]))
        ai_quantised_become(graph, &graph->nodes[index], conv, AI_OP_Q_CONV, &params, sizeof params,
                            inputs, 4);
}

static void fold_gemm(ai_graph *graph, uint32_t index, const ai_graph_node *gemm,
                      const ai_quantised *y, const ai_q_finish *f)
{
    const ai_gemm_params *p = gemm->params;
    ai_q_gemm_params params = {.finish = *f};
    ai_quantised x;
    int32_t inputs[4];
    const ai_value *w = ai_pass_input(graph, gemm, 1);
    if (p->alpha != 1 || p->trans_a != 0 || (ai_pass_input(graph, gemm, 2) && p->beta != 1) ||
        w == NULL || !w->has_shape || w->rank != 2 || !ai_quantised_input(graph, gemm, 0, &x))
        return;
    inputs[0] = x.value;
    if (ai_quantised_weights(graph, gemm, p->trans_b == 0 ? AI_WEIGHT_TURNED : AI_WEIGHT_STRAIGHT,
                             &x, y, f, &inputs[1]))
        ai_quantised_become(graph, &graph->nodes[index], gemm, AI_OP_Q_GEMM, &params, sizeof params,
                            inputs, 4);
}

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

static void fold_add(ai_graph *graph, uint32_t index, const ai_graph_node *add,
                     const ai_quantised *y, const ai_q_finish *f, const uint32_t *uses)
{
    ai_quantised q[2];
    ai_graph_node *conv[2];
    if (!ai_quantised_input(graph, add, 0, &q[0]) || !ai_quantised_input(graph, add, 1, &q[1]) ||
        !ai_pass_same_shape(&graph->values[q[0].value], &graph->values[q[1].value]))
        return;
    for (uint32_t i = 0; i < 2; i++)
        conv[i] = conv_of(graph, add, i, &q[i], uses);
    /* of two, the later one: then the other's result is there anyway */
    uint32_t a = conv[1] != NULL && (conv[0] == NULL || conv[1] > conv[0]) ? 1 : 0;
    ai_q_conv_params params = {.finish = *f};
    params.finish.middle = (uint32_t)q[a].zero;
    params.finish.own = q[a].scale / y->scale;
    params.finish.other = q[1 - a].scale / y->scale;
    params.finish.offset = -((float)q[1 - a].zero * params.finish.other);
    if (conv[a] == NULL) {
        ai_q_add_params own = {.finish = params.finish};
        const int32_t inputs[2] = {q[a].value, q[1 - a].value};
        ai_quantised_become(graph, &graph->nodes[index], add, AI_OP_Q_ADD, &own, sizeof own, inputs,
                            2);
        return;
    }
    const ai_q_conv_params *p = conv[a]->params;
    params.window = p->window;
    params.group = p->group;
    int32_t inputs[5] = {0, 0, 0, 0, q[1 - a].value};
    memcpy(inputs, conv[a]->inputs, 4 * sizeof *inputs);
    ai_quantised_become(graph, &graph->nodes[index], conv[a], AI_OP_Q_CONV, &params, sizeof params,
                        inputs, 5);
    graph->nodes[index].name = conv[a]->name;
}

static void fold_node(ai_graph *graph, uint32_t index, const uint32_t *uses)
{
    ai_graph_node *quantize = &graph->nodes[index];
    ai_quantised x, y = {.value = quantize->outputs[0]};
    ai_q_finish f = {0};
    if (graph->values[y.value].type != AI_U8 || !ai_quantised_scale(graph, quantize, &y))
        return;
    const ai_graph_node *node = operator_before(graph, quantize, uses, &y, &f);
    bool is_clamped = f.lo != 0 || f.hi != 255;
    const ai_graph_node *last = ai_pass_producer(graph, quantize, 0);
    if (last != NULL && ai_quantised_lookup(graph, index, last))
        return;
    if (node == NULL)
        return;
    if (node->op == AI_OP_CONV) {
        fold_conv(graph, index, node, &y, &f);
    } else if (node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL) {
        fold_gemm(graph, index, node, &y, &f);
    } else if (node->op == AI_OP_ADD) {
        fold_add(graph, index, node, &y, &f, uses);
    } else if (!is_clamped && node->op == AI_OP_CONCAT) {
        ai_quantised_concat(graph, index, node, &y);
    } else if (is_clamped || !ai_quantised_input(graph, node, 0, &x)) {
        return;
    } else if (node->op == AI_OP_GLOBAL_AVERAGE_POOL) {
        const ai_value *v = &graph->values[x.value];
        ai_q_mean_params p = {x.scale / y.scale, (uint32_t)x.zero, (uint32_t)y.zero, 0};
        if (v->has_shape && v->rank == 4)
            ai_quantised_become(graph, quantize, node, AI_OP_Q_GLOBAL_AVERAGE_POOL, &p, sizeof p,
                                &x.value, 1);
    } else if (ai_quantised_moves_only(node->op) && node->output_count == 1 && x.scale == y.scale &&
               x.zero == y.zero) {
        int32_t own = quantize->outputs[0];
        ai_quantised_become(graph, quantize, node, node->op, node->params, node->param_bytes,
                            node->inputs, node->input_count);
        if (quantize->op == node->op)
            quantize->inputs[0] = x.value;
        graph->values[own].type = AI_U8;
    }
}

/* What borders are made of, and what readers of an output ask for. */
static void note_scale(ai_graph *graph, const ai_graph_node *node)
{
    ai_quantised q;
    if (!ai_quantised_scale(graph, node, &q))
        return;
    ai_value *value =
        &graph->values[node->op == AI_OP_QUANTIZE_LINEAR ? node->outputs[0] : node->inputs[0]];
    if (value->type != AI_U8 && value->type != AI_S8)
        return;
    value->scale = q.scale;
    value->zero_point = q.zero;
}

ai_status ai_pass_quantize(ai_graph *graph, ai_error *err)
{
    uint32_t nodes = graph->node_count;
    bool is_quantised = false;
    for (uint32_t i = 0; i < nodes; i++)
        is_quantised |= !graph->nodes[i].is_dead && graph->nodes[i].op == AI_OP_QUANTIZE_LINEAR;
    if (!is_quantised)
        return AI_OK;
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    ai_quantised_wrap_moves(graph);
    status = ai_pass_sort(graph, err);
    if (status != AI_OK)
        return status;
    nodes = graph->node_count;
    make_unsigned(graph);
    for (uint32_t i = 0; i < nodes; i++) {
        uint16_t op = graph->nodes[i].op;
        if (!graph->nodes[i].is_dead &&
            (op == AI_OP_QUANTIZE_LINEAR || op == AI_OP_DEQUANTIZE_LINEAR))
            note_scale(graph, &graph->nodes[i]);
    }
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < nodes && uses != NULL; i++) {
        if (!graph->nodes[i].is_dead && graph->nodes[i].op == AI_OP_QUANTIZE_LINEAR)
            fold_node(graph, i, uses);
    }
    ai_pass_prune(graph);
    status = ai_graph_status(graph, err);
    return status == AI_OK ? ai_pass_sort(graph, err) : status;
}
