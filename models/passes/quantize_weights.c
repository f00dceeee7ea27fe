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
    ai_weight_form form;
    int64_t columns;       /* DEPTHWISE: taps in a row of the kernel */
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
    int64_t at = w->form == AI_WEIGHT_TURNED ? c * w->outputs + output
                                             : (output * w->inner + c) * w->taps + tap;
    int64_t zero = 0;
    if (w->zero != NULL)
        zero = pick(w->zero, ai_pass_elements(w->zero) == 1 ? 0 : output);
    return (int32_t)(pick(w->data, at) - zero);
}

static float scale_at(const weights *w, int64_t output)
{
    return ((const float *)w->scale->data)[ai_pass_elements(w->scale) == 1 ? 0 : output];
}

static bool read_weights(const ai_graph *graph, const ai_graph_node *node, ai_weight_form form,
                         weights *w)
{
    const ai_graph_node *from = ai_pass_producer(graph, node, 1);
    if (from == NULL || from->op != AI_OP_DEQUANTIZE_LINEAR)
        return false;
    const ai_axis_params *p = from->params;
    bool is_turned = form == AI_WEIGHT_TURNED;
    w->form = form;
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
    w->columns = w->data->dim[w->data->rank - 1];
    bool is_along = p->axis == (int64_t)axis || p->axis + (int64_t)w->data->rank == (int64_t)axis;
    int64_t count = ai_pass_elements(w->scale);
    return count == 1 || (count == w->outputs && is_along);
}

static bool is_zeros(const ai_value *v)
{
    for (uint64_t i = 0; i < v->bytes && v->data != NULL; i++) {
        if (((const uint8_t *)v->data)[i] != 0)
            return false;
    }
    return v->data != NULL;
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
        if (b == NULL || scale == NULL || (zero != NULL && !is_zeros(zero)))
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

/* Bytes of 16 outputs. */
static int64_t panel_bytes(const weights *w)
{
    if (w->form == AI_WEIGHT_DEPTHWISE)
        return w->taps / w->columns * ((w->columns + 3) / 4) * 64;
    return (w->inner + 3) / 4 * w->taps * 64;
}

static uint8_t layout_of(const weights *w)
{
    if (w->form == AI_WEIGHT_DEPTHWISE)
        return AI_LAYOUT_QDEPTHWISE16;
    return w->taps > 1 && w->inner % 64 == 0 ? AI_LAYOUT_QCONV64 : AI_LAYOUT_QCONV16;
}

/* Where in its panel the weight of channel c of an output lies. */
static int64_t place(const weights *w, int64_t output, int64_t c, int64_t tap)
{
    int64_t fours = (w->inner + 3) / 4;
    int64_t most = layout_of(w) == AI_LAYOUT_QCONV64 ? 16 : 4;
    int64_t first = c / 4 / most * most;
    int64_t in_block = fours - first < most ? fours - first : most;
    int64_t row = first * w->taps + tap * in_block + c / 4 - first;
    if (w->form == AI_WEIGHT_DEPTHWISE) {
        c = tap % w->columns;
        row = tap / w->columns * ((w->columns + 3) / 4) + c / 4;
    }
    return row * 64 + output % LANES * 4 + c % 4;
}

/* The least and the greatest sum of an output must be of s32, and so its start, which is between.
 * Where one is beyond and the output is the same byte for all of them (a channel that a Relu makes
 * 0), the start may be moved. False: it does not fit. */
static bool fit_start(int64_t *start, int64_t least, int64_t most, double scale,
                      const ai_q_finish *f)
{
    int64_t below = INT32_MIN - (*start + least);
    int64_t above = *start + most - INT32_MAX;
    if (below <= 0 && above <= 0)
        return true;
    if (below > 0)
        *start += below;
    else
        *start -= above;
    if (*start + least < INT32_MIN || *start + most > INT32_MAX)
        return false;
    return below > 0 ? (double)(*start + most) * scale + f->zero < f->lo - 1.0
                     : (double)(*start + least) * scale + f->zero > f->hi + 1.0;
}

/* Packs one output; false: a weight or a sum does not fit. */
static bool pack_output(const ai_graph *graph, const ai_graph_node *node, const weights *w,
                        const ai_quantised *x, const ai_q_finish *f, int64_t output, float scale,
                        int8_t *to, int32_t *bias)
{
    int8_t *panel = to + output / LANES * panel_bytes(w);
    double unit = (double)(x->scale * scale_at(w, output));
    int64_t sum = 0;
    int64_t least = 0;
    int64_t most = 0;
    double offset;
    if (!(unit > 0) || !bias_at(graph, node, output, unit, &offset) || !(fabs(offset) < 0x1p40))
        return false;
    for (int64_t c = 0; c < w->inner; c++) {
        for (int64_t t = 0; t < w->taps; t++) {
            int32_t q = weight_at(w, output, c, t);
            if (q < INT8_MIN || q > INT8_MAX)
                return false;
            panel[place(w, output, c, t)] = (int8_t)q;
            sum += q;
            least += q < 0 ? 255 * (int64_t)q : 0;
            most += q > 0 ? 255 * (int64_t)q : 0;
        }
    }
    int64_t start = (int64_t)offset - x->zero * sum;
    if (!fit_start(&start, least, most, (double)scale, f))
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

bool ai_quantised_weights(ai_graph *graph, const ai_graph_node *node, ai_weight_form form,
                          const ai_quantised *x, const ai_quantised *y, const ai_q_finish *f,
                          int32_t constants[3])
{
    weights w;
    if (!read_weights(graph, node, form, &w))
        return false;
    int64_t whole = (w.outputs + LANES - 1) / LANES * LANES;
    int64_t bytes = whole / LANES * panel_bytes(&w);
    int8_t *data = ai_graph_alloc(graph, (size_t)bytes);
    int32_t *bias = ai_graph_alloc(graph, (size_t)whole * sizeof *bias);
    float *scale = ai_graph_alloc(graph, (size_t)whole * sizeof *scale);
    if (data == NULL || bias == NULL || scale == NULL)
        return false;
    for (int64_t i = 0; i < w.outputs; i++) {
        scale[i] = x->scale * scale_at(&w, i) / y->scale;
        if (!isfinite(scale[i]) || !pack_output(graph, node, &w, x, f, i, scale[i], data, &bias[i]))
            return false;
    }
    const int64_t turned[2] = {w.outputs, w.inner};
    ai_value like = *w.data;
    constants[0] = add(graph, node, "weight", AI_S8, like.rank,
                       form == AI_WEIGHT_TURNED ? turned : like.dim, data, bytes);
    constants[1] = add(graph, node, "bias", AI_S32, 1, &whole, bias, whole * 4);
    constants[2] = add(graph, node, "scale", AI_F32, 1, &whole, scale, whole * 4);
    if (constants[0] < 0 || constants[1] < 0 || constants[2] < 0)
        return false;
    graph->values[constants[0]].layout = layout_of(&w);
    return true;
}
