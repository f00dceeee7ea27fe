/* SPDX-License-Identifier: Apache-2.0
 * Weights, bias and scale of products on integers: the zero point of the input goes into the bias,
 * the scales of input, weight and output become one factor. */
#include "quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16 };

typedef struct weights {
    int64_t outputs; /* [outputs][inner][taps] */
    int64_t inner;
    int64_t taps;
    bool is_turned;
    const ai_value *data;  /* s8 or u8 */
    const ai_value *scale; /* one number, or one an output */
    const ai_value *zero;  /* as many, or NULL */
} weights;

static int64_t pick(const ai_value *v, int64_t i)
{
    return v->type == AI_U8 ? ((const uint8_t *)v->data)[i] : ((const int8_t *)v->data)[i];
}

static int32_t weight_at(const weights *w, int64_t output, int64_t c, int64_t tap)
{
    int64_t at = w->is_turned ? c * w->outputs + output : (output * w->inner + c) * w->taps + tap;
    int64_t zero = 0;
    if (w->zero != NULL)
        zero = pick(w->zero, ai_pass_elements(w->zero) == 1 ? 0 : output);
    return (int32_t)(pick(w->data, at) - zero);
}

static float scale_at(const weights *w, int64_t output)
{
    return ((const float *)w->scale->data)[ai_pass_elements(w->scale) == 1 ? 0 : output];
}

static bool read_weights(const ai_graph *graph, const ai_graph_node *node, bool is_turned,
                         weights *w)
{
    const ai_graph_node *from = ai_pass_producer(graph, node, 1);
    if (from == NULL || from->op != AI_OP_DEQUANTIZE_LINEAR)
        return false;
    const ai_axis_params *p = from->params;
    w->is_turned = is_turned;
    w->data = ai_pass_constant(graph, from, 0, AI_S8);
    if (w->data == NULL)
        w->data = ai_pass_constant(graph, from, 0, AI_U8);
    w->scale = ai_pass_constant(graph, from, 1, AI_F32);
    w->zero = ai_pass_input(graph, from, 2);
    if (w->data == NULL || w->scale == NULL || w->data->rank < 2 ||
        ai_pass_elements(w->data) == 0 || (w->zero != NULL && w->zero->data == NULL))
        return false;
    uint32_t axis = is_turned ? w->data->rank - 1 : 0;
    w->outputs = w->data->dim[axis];
    w->inner = w->data->dim[is_turned ? 0 : 1];
    w->taps = ai_pass_elements(w->data) / w->outputs / w->inner;
    bool is_along = p->axis == (int64_t)axis || p->axis + (int64_t)w->data->rank == (int64_t)axis;
    int64_t count = ai_pass_elements(w->scale);
    return count == 1 || (count == w->outputs && is_along);
}

/* The bias of an output in units of scale_x * scale_w; false: it is no constant. */
static bool bias_at(const ai_graph *graph, const ai_graph_node *node, int64_t output, double unit,
                    double *bias)
{
    const ai_value *b = ai_pass_input(graph, node, 2);
    const ai_graph_node *from = ai_pass_producer(graph, node, 2);
    double factor = 1;
    *bias = 0;
    if (b == NULL)
        return true;
    if (from != NULL && from->op == AI_OP_DEQUANTIZE_LINEAR) {
        b = ai_pass_constant(graph, from, 0, AI_S32);
        const ai_value *scale = ai_pass_constant(graph, from, 1, AI_F32);
        const ai_value *zero = ai_pass_input(graph, from, 2);
        if (b == NULL || scale == NULL || (zero != NULL && zero->type != AI_S32))
            return false;
        int64_t count = ai_pass_elements(scale);
        if (count != 1 && count <= output)
            return false;
        factor = ((const float *)scale->data)[count == 1 ? 0 : output];
    }
    if (b->data == NULL || b->layout != AI_LAYOUT_PLAIN || (b->type != AI_F32 && b->type != AI_S32))
        return false;
    int64_t at = ai_pass_elements(b) == 1 ? 0 : output;
    if (at >= ai_pass_elements(b))
        return false;
    double q = b->type == AI_S32 ? ((const int32_t *)b->data)[at] : ((const float *)b->data)[at];
    *bias = nearbyint(q * (factor / unit));
    return isfinite(*bias);
}

/* Packs one output; false: a weight or the greatest sum does not fit. */
static bool pack_output(const ai_graph *graph, const ai_graph_node *node, const weights *w,
                        const ai_quantised *x, int64_t output, int8_t *to, int32_t *bias)
{
    int64_t fours = (w->inner + 3) / 4;
    int8_t *panel = to + output / LANES * fours * w->taps * 64;
    double unit = (double)(x->scale * scale_at(w, output));
    int64_t sum = 0;
    int64_t most = 0;
    double start;
    if (!(unit > 0) || !bias_at(graph, node, output, unit, &start))
        return false;
    for (int64_t c = 0; c < w->inner; c++) {
        int64_t block = c / LANES;
        int64_t in_block = fours - block * 4 < 4 ? fours - block * 4 : 4;
        for (int64_t t = 0; t < w->taps; t++) {
            int32_t q = weight_at(w, output, c, t);
            int64_t row = block * 4 * w->taps + t * in_block + c % LANES / 4;
            if (q < INT8_MIN || q > INT8_MAX)
                return false;
            panel[row * 64 + output % LANES * 4 + c % 4] = (int8_t)q;
            sum += q;
            most += 255 * (int64_t)abs(q);
        }
    }
    start -= (double)(x->zero * sum);
    if (fabs(start) + (double)most >= (double)INT32_MAX)
        return false;
    *bias = (int32_t)start;
    return true;
}

static int32_t add(ai_graph *graph, const ai_graph_node *node, const char *what, ai_type type,
                   uint32_t rank, const int64_t *dim, const void *data, int64_t bytes)
{
    return ai_graph_constant(graph, ai_graph_format(graph, "%s/%s", node->name, what), type, rank,
                             dim, data, (uint64_t)bytes);
}

bool ai_quantised_weights(ai_graph *graph, const ai_graph_node *node, bool is_turned,
                          const ai_quantised *x, const ai_quantised *y, int32_t constants[3])
{
    weights w;
    if (!read_weights(graph, node, is_turned, &w))
        return false;
    int64_t whole = (w.outputs + LANES - 1) / LANES * LANES;
    int64_t bytes = whole * ((w.inner + 3) / 4 * 4) * w.taps;
    int8_t *data = ai_graph_alloc(graph, (size_t)bytes);
    int32_t *bias = ai_graph_alloc(graph, (size_t)whole * sizeof *bias);
    float *scale = ai_graph_alloc(graph, (size_t)whole * sizeof *scale);
    if (data == NULL || bias == NULL || scale == NULL)
        return false;
    for (int64_t i = 0; i < w.outputs; i++) {
        scale[i] = x->scale * scale_at(&w, i) / y->scale;
        if (!isfinite(scale[i]) || !pack_output(graph, node, &w, x, i, data, &bias[i]))
            return false;
    }
    const int64_t turned[2] = {w.outputs, w.inner};
    ai_value like = *w.data;
    constants[0] =
        add(graph, node, "weight", AI_S8, like.rank, is_turned ? turned : like.dim, data, bytes);
    constants[1] = add(graph, node, "bias", AI_S32, 1, &whole, bias, whole * 4);
    constants[2] = add(graph, node, "scale", AI_F32, 1, &whole, scale, whole * 4);
    if (constants[0] < 0 || constants[1] < 0 || constants[2] < 0)
        return false;
    graph->values[constants[0]].layout = AI_LAYOUT_QCONV16;
    return true;
}
