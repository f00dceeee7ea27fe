/* SPDX-License-Identifier: Apache-2.0
 * libai-convert: turns a trained network into a flat file. Its ABI is free until 1.0. */
#ifndef AI_CONVERT_H
#define AI_CONVERT_H

#include "ai.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called on the calling thread while the conversion goes on. `done` of `total` units of the named
 * part ("read", "fold", "samples", "ranges", "layers", "pack", "whole", "self-test", "write", "check";
 * the third, fourth, fifth and seventh where it quantises), the first before anything is read. An
 * AI_E_IO in "write" or "check", or before any part, is the output's. Anything but 0 ends the
 * conversion with AI_E_STOPPED. */
typedef int32_t (*ai_progress_fn)(void *user, const char *part, uint64_t done, uint64_t total);

/* Called with the finished file, opened, before it gets its name; a failure keeps it from that, and
 * its code and *err are those of the conversion. */
typedef ai_status (*ai_check_fn)(void *user, const ai_model *model, ai_error *err);

/* A default shape. Fixed for ever. */
typedef struct ai_named_shape {
    const char *name;                  /* of a graph input */
    uint32_t    rank;                  /* number of dimensions */
    uint32_t    reserved;              /* 0 */
    int64_t     dim[AI_MAX_RANK];      /* the dimensions, none negative */
} ai_named_shape;

/* What becomes a resource of the file. Fixed for ever. */
typedef struct ai_named_data {
    const char *name;                  /* such as "labels" */
    const void *data;                  /* copied as it is */
    size_t      bytes;                 /* of data */
} ai_named_data;

/* Flags of ai_convert_options. */
enum {
    AI_CONVERT_NO_WINOGRAD = 1, /* every Conv runs directly: a smaller file, up to a quarter slower */
    AI_CONVERT_F16_WEIGHTS = 2, /* Conv, Gemm, MatMul and recurrent weights and Gather's tables are
                                 * rounded to f16: half the file. AI_E_VALUE: one is too large for
                                 * it. "metadata" has the error */
    AI_CONVERT_NO_STRIPS   = 4, /* every Conv and pool is a step: the same bits, for comparisons */
    AI_CONVERT_S8_WEIGHTS  = 8  /* Gemm, MatMul and recurrent weights and Gather's tables are rounded to
                                 * s8, with a scale for each output or row, and what they multiply to
                                 * 14 bits: a quarter of the file. AI_E_VALUE: one is not finite. Not
                                 * with F16_WEIGHTS */
};

/* ---- Quantising to int8: docs/quantising.md ---- */

/* Fills every input, in the model's order and its default shape, with calibration sample number
 * `sample`; each is asked for once, in order. AI_E_FORMAT: the sample cannot be read and is left out;
 * another failure ends the conversion. */
typedef ai_status (*ai_sample_fn)(void *user, size_t sample, const ai_tensor_info *inputs,
                                  void *const *data, uint32_t input_count, ai_error *err);

/* How the range of a tensor is found that becomes u8. */
enum {
    AI_RANGES_PERCENTILE = 0,          /* all but one number in 20,000 at each end */
    AI_RANGES_MIN_MAX = 1,             /* all that was seen */
    AI_RANGES_MSE = 2                  /* the least mean squared error */
};

/* How a network is quantised. */
typedef struct ai_quantise_options {
    uint32_t           size;           /* sizeof(ai_quantise_options) */
    uint32_t           ranges;         /* AI_RANGES_* */
    ai_sample_fn       sample;         /* fills the inputs; NULL with a recipe */
    void              *user;           /* of `sample` */
    size_t             sample_count;   /* samples that it has */
    const char *const *keep;           /* names of nodes that stay f32 */
    size_t             keep_count;     /* of keep */
    const char        *recipe;         /* the resource "int8" of a file made before, JSON: this model is
                                          quantised in the same way, without samples; or NULL */
    size_t             recipe_bytes;   /* of recipe */
} ai_quantise_options;
#define AI_QUANTISE_OPTIONS_INIT \
    { (uint32_t)sizeof(ai_quantise_options), 0, NULL, NULL, 0, NULL, 0, NULL, 0 }

/* What is converted and how. */
typedef struct ai_convert_options {
    uint32_t              size;            /* sizeof(ai_convert_options) */
    uint32_t              flags;           /* AI_CONVERT_* */
    const ai_named_shape *shapes;          /* default shapes of inputs; needed where the graph has none */
    size_t                shape_count;     /* of shapes */
    const char *const    *outputs;         /* inner tensors to keep as further outputs, by name */
    size_t                output_count;    /* of outputs */
    const ai_named_data  *resources;       /* "labels", "image", ... as docs/format.md lists them */
    size_t                resource_count;  /* of resources */
    const char           *name;            /* of the model; NULL: the file's name without its ending */
    const char           *licence;         /* SPDX identifier for the metadata; NULL: not stated */
    ai_progress_fn        progress;        /* NULL: none */
    void                 *user;            /* of `progress` and `check` */
    ai_check_fn           check;           /* NULL: none */
    const char *const    *states;          /* "IN=OUT": the graph's input IN is what its output OUT was in
                                              the call before, zeros at first, and the caller sees neither;
                                              "NODE": that RNN, GRU or LSTM goes on where it ended */
    size_t                state_count;     /* of states */
    const ai_quantise_options *quantise;   /* NULL: the network computes as the source does; else the
                                              resource "int8" says what became of each layer. Not with
                                              *_WEIGHTS */
} ai_convert_options;
#define AI_CONVERT_OPTIONS_INIT \
    { (uint32_t)sizeof(ai_convert_options), 0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, \
      NULL, 0, NULL }

/* Reads an ONNX file (external data beside it), folds, fuses, lays out and packs it, adds a
 * self-test, checks the result by opening and running it, and only then puts it at `out_path` by
 * rename; on failure what was there stays. options: NULL for the defaults. One call a thread; calls
 * are independent. */
AI_API ai_status ai_convert_file(const char *in_path, const char *out_path,
                                 const ai_convert_options *options, ai_error *err);

/* Runs the file's self-test at each level of `cpu` (0: all of ai_cpu() but back ends), one by one
 * from the weakest, each with the levels below it allowed, with `threads` threads (0: the default),
 * and compares the outputs with the stored ones to the bit. AI_E_FORMAT: the file has no self-test;
 * AI_E_INTERNAL: an output differs, the message says which, where and at which level. */
AI_API ai_status ai_self_test(const ai_model *model, uint32_t cpu, uint32_t threads, ai_error *err);

#ifdef __cplusplus
}
#endif

#endif
