/* SPDX-License-Identifier: Apache-2.0
 * One step without a model: tensors made by hand, checked, prepared and run. */
#ifndef STEP_H
#define STEP_H

#include <stdlib.h>

#include "core.h"

enum { STEP_MAX = 13 }; /* operands of a kind */

typedef union step_params {
    ai_none_params none;
    ai_unary_params unary;
    ai_axis_params axis;
    ai_axes_params axes;
    ai_cast_params cast;
    ai_resize_params resize;
    ai_lrn_params lrn;
    ai_conv_params conv;
    ai_conv_transpose_params conv_transpose;
    ai_pool_params pool;
    ai_gemm_params gemm;
    ai_recurrent_params recurrent;
    ai_strips_params strips;
    ai_q_conv_params q_conv;
    ai_q_gemm_params q_gemm;
    ai_q_binary_params q_binary;
    ai_q_pool_params q_pool;
    ai_q_mean_params q_mean;
    uint8_t bytes[128];
} step_params;

typedef struct step {
    ai_step step;
    ai_file_step file;
    step_params params;
    ai_tensor in[STEP_MAX];
    ai_tensor out[STEP_MAX];
    ai_tensor *in_list[STEP_MAX];
    ai_tensor *out_list[STEP_MAX];
    void *memory[2 * STEP_MAX]; /* of inputs, then outputs; NULL: none of its own */
    void *scratch;
    ai_error err;
} step;

/* An empty step of an operator with that many operands, all there, outputs plain. */
void step_init(step *s, uint32_t op, uint32_t in_count, uint32_t out_count);
void step_free(step *s);

/* Type and shape of input i; `dim` ends at rank. */
void step_shape(step *s, uint32_t i, ai_type type, uint8_t layout, uint32_t rank,
                const int64_t *dim);
/* Memory of exactly the tensor's size, its border as noise that reads as no number of a test. */
void step_alloc(step *s, ai_tensor *t, uint32_t place);
/* Input i is known before the run: s64 values, or f32. */
void step_known(step *s, uint32_t i, uint32_t count, const int64_t *values);
void step_known_f32(step *s, uint32_t i, uint32_t count, const float *values);

/* The levels of this machine that give the same bits: all but back ends. */
uint32_t step_levels(void);

ai_status step_check(step *s);
/* Allocates the outputs and what the threads need; chooses kernels of these levels. */
ai_status step_prepare(step *s, uint32_t cpu);
ai_status step_run(step *s, int64_t begin, int64_t end);
/* The border of every output is as step_alloc left it. */
bool step_borders_are_whole(const step *s);

/* Element i of a plain f32 tensor, or of one in blocks of 16 channels in plain order. */
float *step_f32(const ai_tensor *t, int64_t i);
/* The same of any type. */
void *step_element(const ai_tensor *t, int64_t i);

#endif
