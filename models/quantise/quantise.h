/* SPDX-License-Identifier: Apache-2.0
 * The quantiser: finds ranges on calibration samples, decides for each layer, and puts pairs of
 * QuantizeLinear and DequantizeLinear into the graph, which the pass `quantize` folds.
 * docs/quantising.md says what and why. */
#ifndef AI_QUANTISE_H
#define AI_QUANTISE_H

#include "pass.h"
#include "text.h"

/* What a layer becomes. */
typedef enum ai_layer_form {
    AI_FORM_INT8,    /* a step on u8 */
    AI_FORM_WEIGHTS, /* weights of s8, numbers in and out */
    AI_FORM_F32
} ai_layer_form;

typedef enum ai_layer_kind {
    AI_LAYER_PRODUCT, /* has weights */
    AI_LAYER_SUM,     /* reads values alone; a function of one number, too */
    AI_LAYER_MOVE     /* what it writes has the scale of what it reads */
} ai_layer_kind;

/* A node that can compute with integers, and the clamp behind it if there is one. */
typedef struct ai_layer {
    uint32_t node;
    const char *name;
    uint16_t op;
    ai_layer_kind kind;
    ai_layer_form form;
    const char *why; /* it is not INT8; NULL */
    uint32_t first;  /* of the node's inputs that are numbers */
    uint32_t inputs; /* how many these are; 0: it stays f32 in any case */
    int32_t sum;     /* what the node writes */
    int32_t out;     /* what it is after the clamp, or the same */
    float lo;
    float hi;
    /* Of a PRODUCT: */
    int64_t channels;
    int64_t inner;    /* weights of a channel */
    bool is_turned;   /* outputs lie along the last dimension of the weights */
    int32_t *bias;    /* [channels] what is added to the bias, in BIAS_PARTS of a step of `out` */
    double *distance; /* [channels] sums of what is lost, before the clamp */
    /* Of a trial: squares of numbers and of what they lost. */
    double signal;
    double noise;
    uint64_t count; /* numbers of each channel */
} ai_layer;

enum { AI_BIAS_PARTS = 16 };

typedef struct ai_range {
    float lo; /* at most 0 */
    float hi; /* at least 0 */
    bool is_known;
} ai_range;

typedef struct ai_scale {
    float scale;
    uint8_t zero;
} ai_scale;

typedef ai_status ai_calibration_progress(const void *job, const char *part, uint64_t done,
                                          uint64_t total, ai_error *err);

typedef struct ai_calibration {
    ai_quantise_options options;
    ai_calibration_progress *progress;
    const void *job;
    /* Samples, all inputs of each behind one another, and what the float network answered */
    void **samples;
    void **answers;
    size_t sample_count;
    size_t skipped_count;
    uint64_t *input_bytes;
    uint32_t input_count;
    uint64_t answer_bytes;
    /* The plan; memory of the graph */
    ai_layer *layers;
    uint32_t layer_count;
    ai_range *ranges; /* of each value */
    uint32_t value_count;
    int32_t *layer_of; /* of each value: the layer whose `out` it is, or -1 */
    /* Of the whole, against the float network on the samples */
    uint64_t row_count;
    uint64_t same_count; /* rows whose greatest element is the same */
    double largest;      /* error */
    double signal;
    double noise;
    ai_text json; /* the resource "int8" */
} ai_calibration;

void ai_calibration_release(ai_calibration *c);
ai_status ai_calibration_check(const ai_quantise_options *options, ai_error *err);
/* Runs the finished graph on the samples, and writes the resource. */
ai_status ai_calibration_finish(ai_calibration *c, const ai_graph *graph, ai_error *err);

/* ---- layers.c: which nodes ---- */
ai_status ai_layers_find(ai_calibration *c, ai_graph *graph, ai_error *err);
/* What the folding cannot take stays f32: tried on a copy. */
ai_status ai_layers_try(ai_calibration *c, const ai_graph *graph, ai_error *err);
/* Number k of what it reads. */
int32_t ai_layer_input(const ai_graph *graph, const ai_layer *l, uint32_t k);
/* Sums and moves of what stays numbers are left alone; moves get the range of what they read. */
void ai_layers_settle(ai_calibration *c, const ai_graph *graph);

/* ---- names.c ---- */
ai_layer *ai_layer_named(const ai_calibration *c, const char *name);
/* What the caller wants to stay f32 does. */
ai_status ai_layers_keep(ai_calibration *c, ai_error *err);

/* ---- weigh.c: what is slower on integers stays f32 ---- */
ai_status ai_layers_weigh(ai_calibration *c, const ai_graph *graph, ai_error *err);

/* ---- samples.c ---- */
ai_status ai_samples_read(ai_calibration *c, const ai_graph *graph, ai_error *err);

/* ---- taps.c: a network with further outputs, run on the samples ---- */
typedef struct ai_taps {
    void *file;
    ai_model *model;
    ai_session *session;
    ai_tensor_info *infos;
    ai_buffer *outputs;
    ai_view *inputs;
    uint32_t count;
} ai_taps;

/* Runs all passes behind `calibrate` on the graph and opens it with these values as outputs; frees
 * the graph in any case. values NULL: the graph's own outputs. */
ai_status ai_taps_open(ai_taps *taps, ai_graph *graph, const int32_t *values, uint32_t count,
                       ai_error *err);
/* The same for a graph that went through all passes, with its own outputs. */
ai_status ai_taps_view(ai_taps *taps, const ai_graph *graph, ai_error *err);
ai_status ai_taps_run(ai_taps *taps, const ai_calibration *c, size_t sample, ai_error *err);
void ai_taps_close(ai_taps *taps);

/* ---- histogram.c: how often numbers occur, and the range that is best for them ---- */
enum { AI_HISTOGRAM_BINS = 1 << 14 };
typedef struct ai_histogram {
    float lo;
    float hi;
    double reach; /* the bins part [-reach, reach) evenly */
    uint64_t total;
    uint64_t bins[AI_HISTOGRAM_BINS];
} ai_histogram;

/* False: one is not finite, or beyond 1e36. */
bool ai_histogram_add(ai_histogram *h, const float *numbers, int64_t count);
ai_range ai_histogram_range(const ai_histogram *h, uint32_t method);
ai_scale ai_range_scale(ai_range range);
/* A number as it is after rounding to u8. */
float ai_scale_round(ai_scale s, float x);

/* ---- ranges.c: of all tensors that layers read and write ---- */
ai_status ai_ranges_find(ai_calibration *c, ai_graph *graph, ai_error *err);

/* ---- trial.c: each layer alone on integers, fed by the float network, beside it ---- */
ai_status ai_trial(ai_calibration *c, const ai_graph *graph, uint32_t round, ai_error *err);
/* What the layers lose on average goes into their biases. */
void ai_trial_correct(ai_calibration *c);
/* What loses too much stays f32. */
void ai_trial_judge(ai_calibration *c);

/* ---- insert.c ---- */
/* Weights of a layer as s8 with a scale for each channel. */
void ai_layer_round(const ai_graph *graph, const ai_calibration *c, const ai_layer *l,
                    int8_t *weights, float *scales);
/* The channel of an element of its weights. */
int64_t ai_layer_channel(const ai_layer *l, int64_t element);
/* Values: what the value is after rounding to u8. AI_NO_VALUE: no memory. */
int32_t ai_insert_pair(ai_graph *graph, int32_t from, ai_scale scale);
/* The layer's bias with what it is corrected by; AI_NO_VALUE: there is none, or no memory. */
int32_t ai_insert_bias(ai_graph *graph, const ai_calibration *c, const ai_layer *l);
ai_status ai_insert(const ai_calibration *c, ai_graph *graph, ai_error *err);

/* ---- remake.c: the resource "int8" ---- */
ai_status ai_remake_write(ai_calibration *c, const ai_graph *graph, ai_error *err);
ai_status ai_remake_read(ai_calibration *c, const ai_graph *graph, ai_error *err);

/* The signal over the noise in dB, from -99 to 99. */
double ai_decibels(double signal, double noise);

#endif
