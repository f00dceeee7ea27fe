/* SPDX-License-Identifier: Apache-2.0
 * Puts the constant weights of Conv, Gemm and MatMul into the layout that the kernels read
 * (format.h draws them). Nothing is computed: only the order changes. */
#include "pass.h"

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

/* [OC/16][IC][KH][KW][16 oc]; of depthwise weights, with one channel each: [C/16][KH][KW][16]. */
static void pack_lanes(const ai_value *w, const float *from, float *to)
{
    int64_t inner = w->dim[1] * w->dim[2] * w->dim[3];
    for (int64_t oc = 0; oc < w->dim[0]; oc++) {
        for (int64_t i = 0; i < inner; i++)
            to[(oc / LANES * inner + i) * LANES + oc % LANES] = from[oc * inner + i];
    }
}

/* [N/16][K][16] */
static void pack_panels(const ai_value *w, const float *from, float *to)
{
    int64_t k = w->dim[0];
    int64_t n = w->dim[1];
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = 0; j < n; j++)
            to[(j / LANES * k + i) * LANES + j % LANES] = from[i * n + j];
    }
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
    bool is_product = node->op == AI_OP_GEMM || node->op == AI_OP_MATMUL;
    bool is_matrix = w->rank == 2 && w->dim[0] > 0 && w->dim[1] > 0;
    if (is_product && is_matrix && ((const ai_gemm_params *)node->params)->trans_b == 0)
        return AI_LAYOUT_PANEL16;
    return AI_LAYOUT_PLAIN;
}

static int64_t packed_elements(const ai_value *w, uint8_t layout)
{
    if (layout == AI_LAYOUT_PANEL16)
        return w->dim[0] * whole(w->dim[1]);
    return whole(w->dim[0]) * w->dim[1] * w->dim[2] * w->dim[3];
}

/* A new constant with the weight in that layout; negative: no memory. */
static int32_t pack(ai_graph *graph, const ai_value *weight, uint8_t layout)
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
    else
        pack_lanes(&w, w.data, to);
    int32_t packed = ai_graph_constant(graph, w.name, AI_F32, w.rank, w.dim, to, bytes);
    if (packed >= 0)
        graph->values[packed].layout = layout;
    return packed;
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
        const ai_value *w = node->is_dead ? NULL : ai_pass_constant(graph, node, 1, AI_F32);
        uint8_t layout = w == NULL ? AI_LAYOUT_PLAIN : layout_for(graph, node, w);
        if (layout == AI_LAYOUT_PLAIN)
            continue;
        int32_t *same = &packed[node->inputs[1]];
        if (*same < 0 || graph->values[*same].layout != layout)
            *same = pack(graph, w, layout);
        node->inputs[1] = *same;
        status = ai_graph_status(graph, err);
    }
    return status;
}
