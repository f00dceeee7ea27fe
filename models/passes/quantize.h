/* SPDX-License-Identifier: Apache-2.0
 * What the files of the pass `quantize` share. */
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

/* GlobalAveragePool, or ReduceMean of the same; of four dimensions, if it is to be a step. */
bool ai_quantised_means_maps(const ai_graph *graph, const ai_graph_node *node);

/* A number as the byte that QuantizeLinear makes of it; no NaN. */
uint32_t ai_quantised_byte(float x, const ai_quantised *y);

/* A new QuantizeLinear or DequantizeLinear; its value, negative: no memory. */
int32_t ai_quantised_part(ai_graph *graph, const ai_graph_node *like, uint16_t op, ai_type type,
                          const int32_t inputs[3]);

/* ---- quantize_moves.c ---- */

/* MaxPool, Reshape and the like. */
bool ai_quantised_moves_only(const ai_graph_node *node);
/* Puts those of bytes between DequantizeLinear and QuantizeLinear. */
void ai_quantised_wrap_moves(ai_graph *graph);
/* Has the node move bytes, if all that read it quantise. `reader`: of each value the QuantizeLinear
 * that alone reads it, or a negative number. */
void ai_quantised_move(ai_graph *graph, uint32_t index, const uint32_t *uses,
                       const int32_t *reader);

/* ---- quantize_binary.c ---- */

/* The QuantizeLinear behind Add or Mul becomes a step that ends with f. */
void ai_quantised_binary(ai_graph *graph, uint32_t index, const ai_graph_node *from,
                         const ai_quantised *y, const ai_q_finish *f, const uint32_t *uses);

/* ---- quantize_table.c ---- */

/* The input that each number of the output is a function of; negative: there is none. */
int32_t ai_quantised_varying(const ai_graph *graph, const ai_graph_node *node);
/* The bytes that a value follows from, and the table, negative where there is none: itself. */
int32_t ai_quantised_root(const ai_graph *graph, int32_t value, int32_t *table);
/* A constant of the bytes 0 to 255. */
int32_t ai_quantised_every_byte(ai_graph *graph, const ai_graph_node *like);
/* The QuantizeLinear becomes a table, whose bytes the pass `fold` computes, if each number that it
 * reads is a function of one byte. */
bool ai_quantised_lookup(ai_graph *graph, uint32_t index);
/* It becomes the table of bytes that are `value` and have the scale of a DequantizeLinear. */
bool ai_quantised_look_up(ai_graph *graph, uint32_t index, int32_t value,
                          const ai_graph_node *dequantize);
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
