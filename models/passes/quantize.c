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

uint32_t ai_quantised_byte(float x, const ai_quantised *y)
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
        f->lo = ai_quantised_byte(lo, y); /* rounding keeps the order */
        f->hi = ai_quantised_byte(hi, y);
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

bool ai_quantised_means_maps(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_axis_params *p = node->params;
    const ai_value *axes =
        node->op == AI_OP_REDUCE_MEAN ? ai_pass_constant(graph, node, 1, AI_S64) : NULL;
    const int64_t *axis = axes == NULL ? NULL : axes->data;
    return node->op == AI_OP_GLOBAL_AVERAGE_POOL ||
           (axis != NULL && p->keepdims != 0 && ai_pass_elements(axes) == 2 &&
            ((axis[0] == 2 && axis[1] == 3) || (axis[0] == -2 && axis[1] == -1)));
}

/* Bytes whose sum s32 holds. */
enum { MOST_POSITIONS = 1 << 23 };

static void fold_node(ai_graph *graph, uint32_t index, const uint32_t *uses)
{
    ai_quantised x, y = {.value = graph->nodes[index].outputs[0]};
    ai_q_finish f = {0};
    if (graph->values[y.value].type != AI_U8 ||
        !ai_quantised_scale(graph, &graph->nodes[index], &y) || ai_quantised_lookup(graph, index))
        return;
    ai_graph_node *quantize = &graph->nodes[index]; /* a table adds nodes: the list may move */
    const ai_graph_node *node = operator_before(graph, quantize, uses, &y, &f);
    bool is_clamped = f.lo != 0 || f.hi != 255;
    if (node == NULL)
        return;
    if (node->op == AI_OP_CONV) {
        fold_conv(graph, index, node, &y, &f);
    } else if (node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL) {
        fold_gemm(graph, index, node, &y, &f);
    } else if (node->op == AI_OP_ADD || node->op == AI_OP_MUL) {
        ai_quantised_binary(graph, index, node, &y, &f, uses);
    } else if (!is_clamped && node->op == AI_OP_CONCAT) {
        ai_quantised_concat(graph, index, node, &y);
    } else if (is_clamped || !ai_quantised_input(graph, node, 0, &x)) {
        return;
    } else if (ai_quantised_means_maps(graph, node)) {
        const ai_value *v = &graph->values[x.value];
        ai_q_mean_params p = {x.scale / y.scale, (uint32_t)x.zero, (uint32_t)y.zero, 0};
        bool is_summed = v->has_shape && v->rank == 4 && v->dim[2] > 0 && v->dim[3] > 0 &&
                         v->dim[2] <= MOST_POSITIONS / v->dim[3];
        if (is_summed && isfinite(p.factor))
            ai_quantised_become(graph, quantize, node, AI_OP_Q_GLOBAL_AVERAGE_POOL, &p, sizeof p,
                                &x.value, 1);
    } else if (node->op == AI_OP_AVERAGE_POOL) {
        const ai_value *v = &graph->values[x.value];
        ai_q_pool_params p = {.x = {x.scale, (uint32_t)x.zero}, .y = {y.scale, (uint32_t)y.zero}};
        memcpy(&p.pool, node->params, sizeof p.pool);
        if (v->has_shape && v->rank == 4)
            ai_quantised_become(graph, quantize, node, AI_OP_Q_AVERAGE_POOL, &p, sizeof p, &x.value,
                                1);
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

/* Of each value the QuantizeLinear to u8 with one scale that alone reads it. */
static int32_t *find_readers(ai_graph *graph, const uint32_t *uses)
{
    int32_t *reader = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *reader);
    ai_quantised y;
    for (uint32_t i = 0; i < graph->value_count && reader != NULL; i++)
        reader[i] = -1;
    for (uint32_t i = 0; i < graph->node_count && reader != NULL; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && node->op == AI_OP_QUANTIZE_LINEAR && uses[node->inputs[0]] == 1 &&
            graph->values[node->outputs[0]].type == AI_U8 && ai_quantised_scale(graph, node, &y))
            reader[node->inputs[0]] = (int32_t)i;
    }
    return reader;
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
    const int32_t *reader = uses == NULL ? NULL : find_readers(graph, uses);
    for (uint32_t i = 0; i < nodes && reader != NULL; i++) {
        if (graph->nodes[i].is_dead)
            continue;
        if (graph->nodes[i].op == AI_OP_QUANTIZE_LINEAR)
            fold_node(graph, i, uses);
        else if (ai_quantised_moves_only(&graph->nodes[i]))
            ai_quantised_move(graph, i, uses, reader);
    }
    ai_pass_prune(graph);
    status = ai_graph_status(graph, err);
    return status == AI_OK ? ai_pass_sort(graph, err) : status;
}
