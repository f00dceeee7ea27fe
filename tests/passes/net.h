/* SPDX-License-Identifier: Apache-2.0
 * Small graphs for the tests of passes: building, running, evaluating in f64. */
#ifndef AI_TEST_NET_H
#define AI_TEST_NET_H

#include <check.h>

#include "pass.h"

#define DIMS(...)                                                                                  \
    (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[])                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* A graph input; its dimensions in `varies` may be chosen. */
int32_t net_input(ai_graph *graph, const char *name, uint32_t rank, const int64_t *dim,
                  uint32_t varies);
/* A constant of numbers in [lo, hi), drawn from the seed. */
int32_t net_random(ai_graph *graph, const char *name, uint64_t seed, float lo, float hi,
                   uint32_t rank, const int64_t *dim);
int32_t net_f32(ai_graph *graph, const char *name, float number);
int32_t net_s64(ai_graph *graph, const char *name, uint32_t count, const int64_t *numbers);

/* One node with one output of that type, named as the node; the output. */
int32_t net_node(ai_graph *graph, const char *name, uint16_t op, const void *params, size_t bytes,
                 ai_type type, uint32_t input_count, const int32_t *inputs);
/* A node without parameters to speak of: they are all zero. f32 out; b may be AI_NO_VALUE. */
int32_t net_op(ai_graph *graph, const char *name, uint16_t op, int32_t a, int32_t b);
/* A 2-D Conv with the kernel's size of its weight, padding on every side, and random weights. */
int32_t net_conv(ai_graph *graph, const char *name, int32_t x, int64_t outputs, int64_t kernel,
                 uint32_t stride, uint32_t pad, uint32_t group, bool has_bias);
int32_t net_batch_norm(ai_graph *graph, const char *name, int32_t x, int64_t channels);
int32_t net_gemm(ai_graph *graph, const char *name, int32_t a, int32_t b, int32_t c,
                 ai_gemm_params params);

/* Runs the graph on inputs drawn from a seed at the best level and at ref, which must agree to the
 * bit. All outputs one behind the other; the caller frees them. */
float *net_run(const ai_graph *graph, size_t *count);
void net_infer(ai_graph *graph);

/* Live nodes of an operator; any: AI_NET_ANY. */
enum { AI_NET_ANY = 0xffff };
uint32_t net_nodes(const ai_graph *graph, uint16_t op);
const ai_graph_node *net_find(const ai_graph *graph, const char *name);

/* Runs a pass and compares the outputs before and after it to the bit. */
void net_pass_exact(ai_graph *graph, ai_pass_fn *pass);
/* The same, where each of at most `terms` products and sums may round elsewhere: no output may
 * move by more than 2 * (terms + 4) * 2^-24 * magnitude. */
void net_pass_close(ai_graph *graph, ai_pass_fn *pass, double terms, double magnitude);

Suite *fold_suite(void);
Suite *fuse_suite(void);
Suite *layout_suite(void);
Suite *winograd_suite(void);
Suite *narrow_suite(void);
Suite *tables_suite(void);
Suite *strips_suite(void);
Suite *convert_suite(void);
Suite *exhaustion_suite(void);
Suite *quantise_suite(void);

#endif
