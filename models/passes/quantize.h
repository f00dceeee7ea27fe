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

/* Scale and zero point of QuantizeLinear or DequantizeLinear, constants of one number each. */
bool ai_quantised_scale(const ai_graph *graph, const ai_graph_node *node, ai_quantised *q);

/* What the DequantizeLinear at input i reads, if it is u8 with one constant scale. */
bool ai_quantised_input(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                        ai_quantised *q);

/* The node becomes that step; its output stays. */
void ai_quantised_become(ai_graph *graph, ai_graph_node *node, const ai_graph_node *from,
                         uint16_t op, const void *params, uint32_t bytes, const int32_t *inputs,
                         uint32_t count);

/* MaxPool, Reshape and the like. */
bool ai_quantised_moves_only(uint16_t op);
/* Puts those of bytes between DequantizeLinear and QuantizeLinear. */
void ai_quantised_wrap_moves(ai_graph *graph);

/* The QuantizeLinear behind `node`, which is a function of one number or DequantizeLinear, becomes
 * a table, whose bytes the pass `fold` computes. */
bool ai_quantised_lookup(ai_graph *graph, uint32_t index, const ai_graph_node *node);
/* The QuantizeLinear behind Concat becomes a Concat of bytes; operands of another scale pass a
 * table. */
void ai_quantised_concat(ai_graph *graph, uint32_t index, const ai_graph_node *node,
                         const ai_quantised *y);

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
