/* SPDX-License-Identifier: Apache-2.0
 * Chooses the Convs that run by Winograd's algorithm and stores their weights transformed: rounded
 * once from f64, in the layouts that format.h draws and for the transforms that kernels.h gives.
 *
 * What the rule rests on, 3x3 at stride 1 alone (least ms of 60 runs, one core with AVX-512 and
 * 2 MiB of L2, weights in L3; MB of weights):
 *   map, channels   direct        F(2x2)       F(4x4)        taken
 *   56x56, 16        0.082 0.01                 0.055  0.04  F(4x4)
 *   56x56, 64        1.11  0.15                 0.46   0.59  F(4x4)
 *   56x56, 256      18.5   2.4                  6.3    9.4   F(4x4)
 *   28x28, 128       1.10  0.59                 0.40   2.4   F(4x4)
 *   28x28, 256       4.96  2.4    2.76   4.2    1.67   9.4   F(4x4)
 *   28x28, 512      19.7   9.4   11.4   16.8    6.99  37.7   F(4x4)
 *   14x14, 128       0.28  0.59                 0.15   2.4   F(4x4)
 *   14x14, 256       1.12  2.4    0.63   4.2    0.60   9.4   F(2x2)
 *   14x14, 512       4.67  9.4    2.45  16.8    2.18  37.7   F(2x2)
 *   13x13, 384       2.32  5.3    1.27   9.4    1.24  21.2   F(2x2)
 *   8x8, 64          0.025 0.15                 0.015  0.59  F(4x4)
 *   7x7, 128         0.078 0.59                 0.077  2.4   direct
 *   7x7, 512         1.17  9.4    0.92  16.8                 direct: in a network the weights take
 *                                                            longer to arrive than the sums (1.65)
 * F(4x4) pays where its weights lie in L2 or nearly, and with enough tiles that use them; F(2x2)
 * beyond. The file grows by a quarter at most: transforms that save most products a byte come
 * first. */
#include "pass.h"

#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,
    LEAST_CHANNELS = 16,
    LEAST_SIDE = 8,     /* of a map */
    LEAST_TILES = 49,   /* for weights beyond L2 */
    L2_BYTES = 2400000, /* of a layer's transformed weights */
    MOST_SIDE = 6,      /* of a transformed kernel */
    DIRECT_TAPS = 9,    /* numbers a pair of channels */
    WINOGRAD2_TAPS = 16,
    WINOGRAD4_TAPS = 36
};

/* A weight to transform: from direct to WINOGRAD2, or from there to WINOGRAD4. */
typedef struct move {
    int32_t weight;
    uint8_t layout;
    uint32_t place; /* in the list: the order of equal ones */
    int64_t bytes;  /* that the file grows by */
    double gain;    /* products saved, by the byte */
} move;

static int64_t whole(int64_t count)
{
    return (count + LANES - 1) / LANES * LANES;
}

/* ---- Choice ---- */

/* Bytes of a weight of `taps` numbers for each pair of channels. */
static int64_t weight_bytes(const ai_value *w, int64_t taps)
{
    return whole(w->dim[0]) * w->dim[1] * taps * (int64_t)sizeof(float);
}

static bool is_candidate(const ai_graph *graph, const ai_graph_node *node)
{
    if (node->is_dead || node->op != AI_OP_CONV)
        return false;
    const ai_conv_params *p = node->params;
    const ai_window *v = &p->window;
    const ai_value *x = ai_pass_input(graph, node, 0);
    const ai_value *y = &graph->values[node->outputs[0]];
    const ai_value *w = ai_pass_constant(graph, node, 1, AI_F32);
    if (w == NULL || v->spatial != 2 || p->group != 1 || x->layout != AI_LAYOUT_NCHW16C ||
        y->layout != AI_LAYOUT_NCHW16C || !y->has_shape || y->rank != 4)
        return false;
    for (int i = 0; i < 2; i++) {
        if (v->kernel[i] != 3 || v->stride[i] != 1 || v->dilation[i] != 1 ||
            w->dim[i] < LEAST_CHANNELS || y->dim[2 + i] < LEAST_SIDE)
            return false;
    }
    return true;
}

static int64_t tile_count(const ai_value *y, int64_t side)
{
    return (y->dim[2] + side - 1) / side * ((y->dim[3] + side - 1) / side);
}

static void add_move(move *list, uint32_t *count, const ai_graph *graph, const ai_graph_node *node,
                     uint8_t layout)
{
    const ai_value *w = ai_pass_input(graph, node, 1);
    const ai_value *y = &graph->values[node->outputs[0]];
    bool is_second = layout == AI_LAYOUT_WINOGRAD4;
    int taps = is_second ? WINOGRAD4_TAPS - WINOGRAD2_TAPS : WINOGRAD2_TAPS - DIRECT_TAPS;
    double saved = is_second ? 4 - 2.25 : 9 - 4; /* products an output and input channel */
    list[*count] = (move){
        .weight = node->inputs[1],
        .layout = layout,
        .place = *count,
        .bytes = weight_bytes(w, taps),
        .gain = (double)(y->dim[2] * y->dim[3]) * saved / taps,
    };
    ++*count;
}

/* The best first. */
static int compare(const void *a, const void *b)
{
    const move *x = a;
    const move *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static uint32_t list_moves(const ai_graph *graph, move *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!is_candidate(graph, node))
            continue;
        const ai_value *w = ai_pass_input(graph, node, 1);
        const ai_value *y = &graph->values[node->outputs[0]];
        bool fits_l2 = weight_bytes(w, WINOGRAD4_TAPS) <= L2_BYTES;
        if (fits_l2 || tile_count(y, 2) >= LEAST_TILES)
            add_move(list, &count, graph, node, AI_LAYOUT_WINOGRAD2);
        if (fits_l2 || tile_count(y, 4) >= LEAST_TILES)
            add_move(list, &count, graph, node, AI_LAYOUT_WINOGRAD4);
    }
    qsort(list, count, sizeof *list, compare);
    return count;
}

/* The layout of each weight after the moves that the file has room for. */
static void choose(const move *list, uint32_t count, int64_t left, uint8_t *layouts)
{
    for (uint32_t i = 0; i < count; i++) {
        const move *m = &list[i];
        uint8_t before = m->layout == AI_LAYOUT_WINOGRAD4 ? AI_LAYOUT_WINOGRAD2 : AI_LAYOUT_PLAIN;
        if (layouts[m->weight] != before || m->bytes > left)
            continue;
        layouts[m->weight] = m->layout;
        left -= m->bytes;
    }
}

/* A quarter of all constants: the file grows by no more. */
static ai_status growth_limit(ai_graph *graph, int64_t *bytes, ai_error *err)
{
    uint8_t *is_counted = ai_graph_alloc(graph, graph->value_count + (size_t)1);
    uint64_t sum = 0;
    if (is_counted == NULL)
        return ai_graph_status(graph, err);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        for (uint32_t k = 0; k < node->input_count && !node->is_dead; k++) {
            int32_t value = node->inputs[k];
            if (value >= 0 && graph->values[value].data != NULL && !is_counted[value]++)
                sum += graph->values[value].bytes;
        }
    }
    *bytes = (int64_t)(sum / 4);
    return AI_OK;
}

/* ---- Transformed weights ---- */

typedef double matrix[MOST_SIDE][3];

/* A row for each point p: 1, p, p^2 over the product of p - q for all other points q; then
 * infinity. */
static void make_matrix(const double *points, int count, matrix g)
{
    for (int i = 0; i < count; i++) {
        double product = 1;
        for (int k = 0; k < count; k++)
            product *= k == i ? 1 : points[i] - points[k];
        for (int k = 0; k < 3; k++)
            g[i][k] = (k == 0 ? 1 : k == 1 ? points[i] : points[i] * points[i]) / product;
    }
    g[count][0] = g[count][1] = 0;
    g[count][2] = 1;
}

static void matrix_of(uint8_t layout, matrix g)
{
    static const double points4[] = {0, 0.75, -0.75, 1.5, -1.5};
    static const double points2[] = {0, 1, -1};
    if (layout == AI_LAYOUT_WINOGRAD4) {
        make_matrix(points4, 5, g);
        return;
    }
    make_matrix(points2, 3, g);
    g[0][0] = 1; /* the input's transform for point 0 has the other sign */
}

/* G kernel G': down the columns, then along the rows. The sums start at their first product. */
static void transform_kernel(const matrix g, int side, const float kernel[9], double *to)
{
    double column[MOST_SIDE][3];
    for (int i = 0; i < side; i++)
        for (int x = 0; x < 3; x++)
            column[i][x] = g[i][0] * kernel[x] + g[i][1] * kernel[3 + x] + g[i][2] * kernel[6 + x];
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            to[i * side + j] =
                column[i][0] * g[j][0] + column[i][1] * g[j][1] + column[i][2] * g[j][2];
}

/* [xi][OC/16][IC][16 oc] */
static void transform_weight(const ai_value *w, uint8_t layout, float *to)
{
    int side = layout == AI_LAYOUT_WINOGRAD4 ? 6 : 4;
    int64_t plane = whole(w->dim[0]) * w->dim[1]; /* of one xi */
    const float *from = w->data;
    double kernel[MOST_SIDE * MOST_SIDE];
    matrix g;
    matrix_of(layout, g);
    for (int64_t oc = 0; oc < w->dim[0]; oc++) {
        for (int64_t ic = 0; ic < w->dim[1]; ic++) {
            int64_t at = (oc / LANES * w->dim[1] + ic) * LANES + oc % LANES;
            transform_kernel((const double(*)[3])g, side, from + (oc * w->dim[1] + ic) * 9, kernel);
            for (int xi = 0; xi < side * side; xi++)
                to[xi * plane + at] = (float)kernel[xi];
        }
    }
}

/* A new constant, transformed; negative: no memory. */
static int32_t add_transformed(ai_graph *graph, int32_t weight, uint8_t layout)
{
    ai_value w = graph->values[weight]; /* the list of values may move */
    uint64_t bytes =
        (uint64_t)weight_bytes(&w, layout == AI_LAYOUT_WINOGRAD4 ? WINOGRAD4_TAPS : WINOGRAD2_TAPS);
    float *to = ai_graph_alloc(graph, bytes);
    if (to == NULL)
        return AI_NO_VALUE;
    transform_weight(&w, layout, to);
    int32_t value = ai_graph_constant(graph, w.name, AI_F32, w.rank, w.dim, to, bytes);
    if (value >= 0)
        graph->values[value].layout = layout;
    return value;
}

/* ---- The pass ---- */

/* Nodes go on sharing a weight. */
static ai_status transform_chosen(ai_graph *graph, const uint8_t *layouts, uint32_t known,
                                  ai_error *err)
{
    ai_status status = AI_OK;
    int32_t *done = ai_graph_alloc(graph, (known + (size_t)1) * sizeof *done);
    if (done == NULL)
        return ai_graph_status(graph, err);
    memset(done, 0xff, (known + (size_t)1) * sizeof *done);
    for (uint32_t i = 0; i < graph->node_count && status == AI_OK; i++) {
        ai_graph_node *node = &graph->nodes[i];
        if (!is_candidate(graph, node) || layouts[node->inputs[1]] == AI_LAYOUT_PLAIN)
            continue;
        int32_t *same = &done[node->inputs[1]];
        if (*same < 0)
            *same = add_transformed(graph, node->inputs[1], layouts[node->inputs[1]]);
        node->inputs[1] = *same;
        status = ai_graph_status(graph, err);
    }
    return status;
}

ai_status ai_pass_winograd(ai_graph *graph, ai_error *err)
{
    int64_t left = 0;
    if ((graph->flags & AI_CONVERT_NO_WINOGRAD) != 0)
        return AI_OK;
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status == AI_OK)
        status = growth_limit(graph, &left, err);
    if (status != AI_OK)
        return status;
    uint32_t known = graph->value_count;
    move *list = ai_graph_alloc(graph, (graph->node_count + (size_t)1) * 2 * sizeof *list);
    uint8_t *layouts = ai_graph_alloc(graph, known + (size_t)1);
    if (list == NULL || layouts == NULL)
        return ai_graph_status(graph, err);
    choose(list, list_moves(graph, list), left, layouts);
    return transform_chosen(graph, layouts, known, err);
}
