/* SPDX-License-Identifier: Apache-2.0
 * What the two files of the pass `quantize` share. */
#ifndef AI_PASS_QUANTIZE_H
#define AI_PASS_QUANTIZE_H

#include "pass.h"

/* A value of u8: real = scale * (q - zero). */
typedef struct ai_quantised {
    int32_t value;
    float scale;
    int32_t zero;
} ai_quantised;

/* What the DequantizeLinear at input i reads, if it is u8 with one constant scale. */
bool ai_quantised_input(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                        ai_quantised *q);

/* What is done with weights: as they are, [outputs][inner]...; turned, [inner][outputs]; depthwise.
 */
typedef enum ai_weight_form {
    AI_WEIGHT_STRAIGHT,
    AI_WEIGHT_TURNED,
    AI_WEIGHT_DEPTHWISE
} ai_weight_form;

/* Weight (input 1) and bias (input 2) of a product of x that becomes y: new constants of weight,
 * bias and scale of a step on integers that ends with f. False: they do not fit s8 and sums of s32,
 * or there is no memory. */
bool ai_quantised_weights(ai_graph *graph, const ai_graph_node *node, ai_weight_form form,
                          const ai_quantised *x, const ai_quantised *y, const ai_q_finish *f,
                          int32_t constants[3]);

#endif
