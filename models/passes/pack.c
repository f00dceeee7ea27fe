/* SPDX-License-Identifier: Apache-2.0
 * Puts the constant weights of Conv, ConvTranspose, Gemm, MatMul and recurrent layers into the
 * layout that the kernels read (format.h draws them). Nothing is computed: only the order changes.
 */
#include "pass.h"

#include <stdlib.h>
#include <string.h>

enum { LANES = 16 };

static int64_t whole(int64_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* [OC/16][IC/16][KH][KW][ic][16 oc], the last block of ic with the rows that exist. */
static void pack_conv(const ai_value *w, const float *from, float *to)
{
    int64_t ic = w->dim[1];
    int64_t taps = w->dim[2] * w->dim[3];
    for (int64_t oc = 0; oc < w->dim[0]; oc++) {
        float *panel = to + oc / LANES * ic * taps * LANES;
        for (int64_t c = 0; c < ic; c++) {
            int64_t first = c / LANES * LANES;
            int64_t rows = least(ic - first, LANES);
            for (int64_t t = 0; t < taps; t++)
                panel[(first * taps + t * rows + c - first) * LANES + oc % LANES] =
                    from[(oc * ic + c) * taps + t];
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The kernel positions of dimension i in the order of TRANSPOSED16: by the outputs that take them,
 * then from the last down; the low half of a number is the place from the end. NULL: no memory. */
static uint64_t *order_positions(ai_graph *graph, const ai_window *v, uint32_t i)
{
    uint32_t count = v->kernel[i];
    uint64_t *order = ai_graph_alloc(graph, count * sizeof *order);
    for (uint32_t k = 0; k < count && order != NULL; k++)
        order[k] = (uint64_t)k * v->dilation[i] % v->stride[i] << 32 | (count - 1 - k);
    if (order != NULL)
        qsort(order, count, sizeof *order, compare);
    return order;
}

/* Where the positions end that the same outputs take as the one at `first`. */
static uint32_t phase_end(const uint64_t *order, uint32_t first, uint32_t count)
{
    uint32_t end = first;
    while (end < count && order[end] >> 32 == order[first] >> 32)
        end++;
    return end;
}

typedef struct phase {
    const uint64_t *h, *w; /* the low half: positions from the last */
    uint32_t rows, columns;
} phase;

/* One phase as a weight of CONV16; from [IC][OC][KH][KW]. */
static void pack_phase(const ai_value *w, const phase *c, const float *from, float *to)
{
    int64_t taps = (int64_t)c->rows * c->columns;
    for (int64_t i = 0; i < w->dim[0] * w->dim[1]; i++, from += w->dim[2] * w->dim[3]) {
        int64_t ic = i / w->dim[1];
        int64_t oc = i % w->dim[1];
        int64_t first = ic / LANES * LANES;
        int64_t rows = least(w->dim[0] - first, LANES);
        float *at = to + (oc / LANES * w->dim[0] + first) * taps * LANES;
        for (int64_t t = 0; t < taps; t++) {
            int64_t h = w->dim[2] - 1 - (uint32_t)c->h[t / c->columns];
            int64_t k = w->dim[3] - 1 - (uint32_t)c->w[t % c->columns];
            at[(t * rows + ic - first) * LANES + oc % LANES] = from[h * w->dim[3] + k];
        }
    }
}

static void pack_transposed(ai_graph *graph, const ai_window *v, const ai_value *w,
                            const float *from, float *to)
{
    uint64_t *h = order_positions(graph, v, 0);
    uint64_t *k = order_positions(graph, v, 1);
    uint32_t h_end = 0;
    uint32_t k_end = 0;
    for (uint32_t i = 0; h != NULL && k != NULL && i < v->kernel[0]; i = h_end) {
        h_end = phase_end(h, i, v->kernel[0]);
        for (uint32_t j = 0; j < v->kernel[1]; j = k_end) {
            k_end = phase_end(k, j, v->kernel[1]);
            phase c = {h + i, k + j, h_end - i, k_end - j};
            pack_phase(w, &c, from, to);
            to += w->dim[0] * whole(w->dim[1]) * c.rows * c.columns;
        }
    }
}

/* [OC/16][IC][KH][KW][16 oc]; of depthwise weights, with one channel each: [C/16][KH][KW][16]. */
static void pack_lanes(const ai_value *w, const float *from, float *to)
{
    int64_t inner = w->dim[1] * w->dim[2] * w->dim[3];
    for (int64_t oc = 0; oc < w->dim[0]; oc++) {
        for (int64_t i = 0; i < inner; i++)
            to[(oc / LANES * inner + i) * LANES + oc % LANES] = from[oc * inner + i];
    }
}

/* [N/16][K][16], for each direction of a recurrent layer */
static void pack_panels(const ai_value *w, const float *from, float *to)
{
    int64_t k = w->dim[w->rank - 2];
    int64_t n = w->dim[w->rank - 1];
    for (int64_t d = 0; d < (w->rank == 3 ? w->dim[0] : 1); d++) {
        for (int64_t i = 0; i < k; i++) {
            for (int64_t j = 0; j < n; j++)
                to[(j / LANES * k + i) * LANES + j % LANES] = from[i * n + j];
        }
        from += k * n;
        to += k * whole(n);
    }
}

static bool is_recurrent(uint16_t op)
{
    return op == AI_OP_RNN || op == AI_OP_GRU || op == AI_OP_LSTM;
}

/* The layout that a node's weight is to have; AI_LAYOUT_PLAIN: it stays. */
static uint8_t layout_for(const ai_graph *graph, const ai_graph_node *node, const ai_value *w)
{
    if (node->op == AI_OP_CONV) {
        const ai_value *x = ai_pass_input(graph, node, 0);
        if (graph->values[node->outputs[0]].layout != AI_LAYOUT_NCHW16C)
            return AI_LAYOUT_PLAIN;
        if (x->layout == AI_LAYOUT_PLAIN)
            return AI_LAYOUT_STEM16;
        return w->dim[1] == 1 && w->dim[0] == x->dim[1] ? AI_LAYOUT_DEPTHWISE16 : AI_LAYOUT_CONV16;
    }
    if (is_recurrent(node->op))
        return w->rank == 3 && ai_pass_elements(w) > 0 ? AI_LAYOUT_PANEL16 : AI_LAYOUT_PLAIN;
    if (node->op == AI_OP_CONV_TRANSPOSE)
        return graph->values[node->outputs[0]].layout == AI_LAYOUT_NCHW16C ? AI_LAYOUT_TRANSPOSED16
                                                                           : AI_LAYOUT_PLAIN;
    bool is_product = node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL;
    bool is_matrix = w->rank == 2 && w->dim[0] > 0 && w->dim[1] > 0;
    if (is_product && is_matrix && ((const ai_gemm_params *)node->params)->trans_b == 0)
        return AI_LAYOUT_PANEL16;
    return AI_LAYOUT_PLAIN;
}

static int64_t packed_elements(const ai_value *w, uint8_t layout)
{
    if (layout == AI_LAYOUT_PANEL16)
        return (w->rank == 3 ? w->dim[0] : 1) * w->dim[w->rank - 2] * whole(w->dim[w->rank - 1]);
    if (layout == AI_LAYOUT_TRANSPOSED16)
        return w->dim[0] * whole(w->dim[1]) * w->dim[2] * w->dim[3];
    return whole(w->dim[0]) * w->dim[1] * w->dim[2] * w->dim[3];
}

/* A new constant with the node's weight in that layout; negative: no memory. */
static int32_t pack(ai_graph *graph, const ai_graph_node *node, const ai_value *weight,
                    uint8_t layout)
{
    ai_value w = *weight; /* the list of values may move */
    uint64_t bytes = (uint64_t)packed_elements(&w, layout) * sizeof(float);
    float *to = ai_graph_alloc(graph, bytes);
    if (to == NULL)
        return AI_NO_VALUE;
    if (layout == AI_LAYOUT_CONV16)
        pack_conv(&w, w.data, to);
    else if (layout == AI_LAYOUT_PANEL16)
        pack_panels(&w, w.data, to);
    else if (layout == AI_LAYOUT_TRANSPOSED16)
        pack_transposed(graph, &((const ai_conv_transpose_params *)node->params)->window, &w,
                        w.data, to);
    else
        pack_lanes(&w, w.data, to);
    int32_t packed = ai_graph_constant(graph, w.name, AI_F32, w.rank, w.dim, to, bytes);
    if (packed >= 0)
        graph->values[packed].layout = layout;
    return packed;
}

/* Input `i` in the layout of its operator. `packed`: of each value, what was packed from it. */
static void pack_input(ai_graph *graph, ai_graph_node *node, uint32_t i, int32_t *packed)
{
    const ai_value *w = ai_pass_constant(graph, node, i, AI_F32);
    uint8_t layout = w == NULL ? AI_LAYOUT_PLAIN : layout_for(graph, node, w);
    if (layout == AI_LAYOUT_PLAIN)
        return;
    int32_t *same = &packed[node->inputs[i]];
    /* the order of TRANSPOSED16 is that of one window */
    if (*same < 0 || graph->values[*same].layout != layout || layout == AI_LAYOUT_TRANSPOSED16)
        *same = pack(graph, node, w, layout);
    node->inputs[i] = *same;
}

ai_status ai_pass_pack(ai_graph *graph, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    uint32_t known = graph->value_count;
    /* of each weight: what was packed from it before, so that nodes go on sharing it */
    int32_t *packed = ai_graph_alloc(graph, (known + (size_t)1) * sizeof *packed);
    if (packed == NULL)
        return ai_graph_status(graph, err);
    memset(packed, 0xff, (known + (size_t)1) * sizeof *packed);
    for (uint32_t i = 0; i < graph->node_count && status == AI_OK; i++) {
        ai_graph_node *node = &graph->nodes[i];
        uint32_t weights = is_recurrent(node->op) ? 2 : 1;
        for (uint32_t k = 1; k <= weights && !node->is_dead; k++)
            pack_input(graph, node, k, packed);
        status = ai_graph_status(graph, err);
    }
    return status;
}
