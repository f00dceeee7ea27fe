/* SPDX-License-Identifier: Apache-2.0
 * Every layer a second time in the float network, on rounded inputs and weights: what it loses by
 * itself. The mean of that goes into the bias (Nagel et al., Data-Free Quantization, 2019, 4.2,
 * measured instead of derived); what remains decides whether the layer stays f32. */
#include "quantise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A layer's noise may be a tenth of its signal: docs/quantising.md says what was measured. */
static const double LEAST_DECIBELS = 10;

double ai_decibels(double signal, double noise)
{
    if (!(signal > 0))
        return 0;
    double db = noise == 0 ? 99 : 10 * log10(signal / noise);
    return db > 99 ? 99 : db > -99 ? db : -99;
}

/* ---- The second network ---- */

typedef struct trial {
    int32_t *values; /* of each layer that is tried: what it writes, and what its double writes */
    ai_layer **layers;
    uint32_t count;
    int32_t *rounded; /* of each value, or 0 */
} trial;

/* Weights as they are after rounding. */
static int32_t rounded_weights(ai_graph *graph, const ai_calibration *c, const ai_layer *l)
{
    const ai_graph_node *node = &graph->nodes[l->node];
    ai_value w = *ai_pass_input(graph, node, 1);
    int64_t count = ai_pass_elements(&w);
    int8_t *q = malloc((size_t)count);
    float *scales = malloc((size_t)l->channels * sizeof *scales);
    int32_t index = AI_NO_VALUE;
    float *to = ai_pass_new_f32(graph, w.name, w.rank, w.dim, &index);
    if (q != NULL && scales != NULL && to != NULL) {
        ai_layer_round(graph, c, l, q, scales);
        for (int64_t i = 0; i < count; i++)
            to[i] = (float)q[i] * scales[ai_layer_channel(l, i)];
    }
    bool is_made = q != NULL && scales != NULL;
    free(q);
    free(scales);
    return is_made ? index : AI_NO_VALUE;
}

static int32_t rounded_input(trial *t, ai_graph *graph, const ai_calibration *c, int32_t value)
{
    if (t->rounded[value] == 0)
        t->rounded[value] = ai_insert_pair(graph, value, ai_range_scale(c->ranges[value]));
    return t->rounded[value];
}

/* False: no memory. */
static bool add_double(trial *t, ai_graph *graph, const ai_calibration *c, ai_layer *l)
{
    int32_t *inputs = ai_graph_alloc(graph, 3 * sizeof *inputs +
                                                sizeof *inputs * graph->nodes[l->node].input_count);
    const char *name = ai_graph_format(graph, "%s/trial", l->name);
    int32_t out = name == NULL ? AI_NO_VALUE : ai_graph_value(graph, name, AI_F32);
    if (inputs == NULL || out < 0)
        return false;
    ai_graph_node node = graph->nodes[l->node];
    uint32_t count = node.input_count;
    memcpy(inputs, node.inputs, count * sizeof *inputs);
    for (uint32_t k = l->first; k < l->first + l->inputs && l->form == AI_FORM_INT8; k++)
        inputs[k] = rounded_input(t, graph, c, inputs[k]);
    if (l->kind == AI_LAYER_PRODUCT) {
        inputs[1] = rounded_weights(graph, c, l);
        if (inputs[1] < 0)
            return false;
    }
    if (l->kind == AI_LAYER_PRODUCT && l->form == AI_FORM_INT8) {
        inputs[2] = ai_insert_bias(graph, c, l);
        count = count < 3 ? 3 : count;
    }
    t->values[2 * t->count] = l->sum;
    t->values[2 * t->count + 1] = out;
    t->layers[t->count++] = l;
    return ai_graph_add(graph, name, node.op, node.params, node.param_bytes, inputs, count, &out,
                        1) >= 0;
}

static bool build(trial *t, ai_calibration *c, ai_graph *graph)
{
    t->values = calloc(2 * (c->layer_count + (size_t)1), sizeof *t->values);
    t->layers = calloc(c->layer_count + (size_t)1, sizeof *t->layers);
    t->rounded = ai_graph_alloc(graph, (graph->value_count + (size_t)1) * sizeof *t->rounded);
    bool is_done = t->values != NULL && t->layers != NULL && t->rounded != NULL;
    for (uint32_t i = 0; i < c->layer_count && is_done; i++) {
        ai_layer *l = &c->layers[i];
        l->signal = l->noise = 0;
        l->count = 0;
        if (l->channels > 0)
            memset(l->distance, 0, (size_t)l->channels * sizeof *l->distance);
        if (l->form != AI_FORM_F32 && l->kind != AI_LAYER_MOVE)
            is_done = add_double(t, graph, c, l);
    }
    return is_done;
}

/* ---- Comparing ---- */

static float clamp(const ai_layer *l, float x)
{
    x = x > l->lo ? x : l->lo;
    return x < l->hi ? x : l->hi;
}

/* Elements of one channel lie together, `inner` of them, the channels in turn. */
static void compare(ai_layer *l, const ai_calibration *c, const ai_tensor_info *info,
                    const float *real, const float *tried)
{
    ai_scale s = ai_range_scale(c->ranges[l->out]);
    int64_t inner = 1;
    int64_t count = (int64_t)(info->bytes / sizeof *real);
    int64_t channels = l->channels > 0 ? l->channels : 1;
    for (uint32_t i = 2; i < info->rank && l->op == AI_OP_CONV; i++)
        inner *= info->dim[i];
    for (int64_t begin = 0; begin < count; begin += inner) {
        double distance = 0;
        for (int64_t i = begin; i < begin + inner; i++) {
            float x = clamp(l, real[i]);
            float y = clamp(l, tried[i]);
            if (l->form == AI_FORM_INT8)
                y = ai_scale_round(s, y);
            distance += (double)real[i] - (double)tried[i];
            l->signal += (double)x * (double)x;
            l->noise += ((double)x - (double)y) * ((double)x - (double)y);
        }
        if (l->distance != NULL)
            l->distance[begin / inner % channels] += distance;
    }
    l->count += (uint64_t)(count / channels);
}

static ai_status run_all(trial *t, ai_calibration *c, ai_graph *graph, uint32_t round,
                         ai_error *err)
{
    ai_taps taps;
    ai_status status = ai_taps_open(&taps, graph, t->values, 2 * t->count, err);
    for (size_t i = 0; i < c->sample_count && status == AI_OK; i++) {
        status =
            c->progress(c->job, "layers", round * c->sample_count + i, 2 * c->sample_count, err);
        if (status == AI_OK)
            status = ai_taps_run(&taps, c, i, err);
        for (uint32_t k = 0; k < t->count && status == AI_OK; k++)
            compare(t->layers[k], c, &taps.infos[2 * k], taps.outputs[2 * k].data,
                    taps.outputs[2 * k + 1].data);
    }
    ai_taps_close(&taps);
    return status;
}

ai_status ai_trial(ai_calibration *c, const ai_graph *graph, uint32_t round, ai_error *err)
{
    trial t = {0};
    ai_graph *copy = ai_graph_copy(graph);
    ai_status status = AI_OK;
    if (copy == NULL || !build(&t, c, copy)) {
        status = ai_fail(err, AI_E_MEMORY, "no memory for a second graph");
        ai_graph_free(copy);
    } else if (t.count > 0) {
        status = run_all(&t, c, copy, round, err);
    } else {
        ai_graph_free(copy);
    }
    free(t.values);
    free(t.layers);
    return status;
}

/* ---- Deciding ---- */

/* A range that a clamp made small may lie far from what was lost before it. */
static int32_t in_parts(double distance, double part)
{
    double parts = rint(distance / part);
    double most = 1 << 30;
    return (int32_t)(parts > most ? most : parts > -most ? parts : -most);
}

void ai_trial_correct(ai_calibration *c)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        ai_layer *l = &c->layers[i];
        if (l->kind != AI_LAYER_PRODUCT || l->form != AI_FORM_INT8 || l->count == 0)
            continue;
        double part = (double)ai_range_scale(c->ranges[l->out]).scale / AI_BIAS_PARTS;
        for (int64_t k = 0; k < l->channels; k++)
            l->bias[k] = in_parts(l->distance[k] / (double)l->count, part);
    }
}

void ai_trial_judge(ai_calibration *c)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        ai_layer *l = &c->layers[i];
        if (l->form != AI_FORM_F32 && l->kind != AI_LAYER_MOVE &&
            ai_decibels(l->signal, l->noise) < LEAST_DECIBELS) {
            l->form = AI_FORM_F32;
            l->why = "loses too much";
        }
    }
}
