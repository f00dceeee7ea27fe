/* SPDX-License-Identifier: Apache-2.0
 * What the passes share: reading and rewriting the graph. */
#ifndef AI_PASS_H
#define AI_PASS_H

#include "core.h"
#include "graph.h"

#define AI_PASS(name, part) ai_status ai_pass_##name(ai_graph *graph, ai_error *err);
#include "passes.def"
#undef AI_PASS

/* ---- Reading ---- */

/* How often each value is read; being kept beyond the run counts. Lives as long as the graph.
 * NULL: no memory, remembered by the graph. */
uint32_t *ai_pass_uses(ai_graph *graph);

/* An output of the graph, or what a state becomes: it keeps its value, PLAIN. */
bool ai_pass_is_kept(const ai_graph *graph, int32_t value);

/* Infers the shapes if a value that a node writes has none. */
ai_status ai_pass_need_shapes(ai_graph *graph, ai_error *err);

/* The node that writes input i of a node, or NULL. */
ai_graph_node *ai_pass_producer(const ai_graph *graph, const ai_graph_node *node, uint32_t i);
/* Input i of a node, or NULL where it is omitted. */
ai_value *ai_pass_input(const ai_graph *graph, const ai_graph_node *node, uint32_t i);
/* Input i, if it is a constant of that type in the plain layout; else NULL. */
const ai_value *ai_pass_constant(const ai_graph *graph, const ai_graph_node *node, uint32_t i,
                                 ai_type type);
/* The one number that input i holds; false: it is no f32 constant of one element. */
bool ai_pass_scalar(const ai_graph *graph, const ai_graph_node *node, uint32_t i, float *number);
/* Elements of a value whose shape is known. */
int64_t ai_pass_elements(const ai_value *value);
bool ai_pass_same_shape(const ai_value *a, const ai_value *b);

/* ---- Rewriting ---- */

/* Puts `first`, whose only reader is `second`, in the place of `second`: it writes what `second`
 * wrote, and `second` is gone. Inputs and parameters are those of `first`. */
ai_graph_node *ai_pass_merge(ai_graph *graph, uint32_t first, uint32_t second);
/* Input i, with room made for it where the node has fewer; false: no memory. */
bool ai_pass_set_input(ai_graph *graph, ai_graph_node *node, uint32_t i, int32_t value);
/* A new f32 constant of that shape whose elements are to be filled; *index is its value. */
float *ai_pass_new_f32(ai_graph *graph, const char *name, uint32_t rank, const int64_t *dim,
                       int32_t *index);
/* Removes nodes whose outputs nobody reads. */
void ai_pass_prune(ai_graph *graph);
/* Drops dead nodes and moves each node before its first reader, else keeps the order. */
ai_status ai_pass_sort(ai_graph *graph, ai_error *err);

#endif
