/* SPDX-License-Identifier: Apache-2.0
 * The converter's one intermediate representation: the vocabulary of the flat file (operators by
 * their number in ops.def, parameters in the structs of format.h), with constants not yet packed.
 * Importers make it, passes rewrite it, flat/ writes it. Memory belongs to the graph. */
#ifndef AI_GRAPH_H
#define AI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai.h"
#include "ai_convert.h"
#include "format.h"

enum { AI_NO_VALUE = -1, AI_NO_NODE = -1 };

/* A tensor. Exactly one of: a graph input, a constant (data), the output of a node. */
typedef struct ai_value {
    const char *name;
    ai_type     type;
    uint32_t    rank;      /* meaningful when has_shape */
    int64_t     dim[AI_MAX_RANK];
    bool        has_shape; /* known from the importer or by ai_graph_infer */
    bool        is_input;
    uint32_t    varies;    /* inputs: bit i: the caller may choose dim[i]; others (by
                            * ai_graph_infer): dim[i] follows from such a choice, or may */
    uint8_t     layout;    /* AI_LAYOUT_*; of constants: how `data` lies */
    const void *data;      /* constants: the bytes; may point into the mapped source file */
    uint64_t    bytes;
    float       scale;     /* of u8 and s8, where known: real = scale * (q - zero_point) */
    int32_t     zero_point;
    int32_t     producer;  /* node, or AI_NO_NODE */
} ai_value;

typedef struct ai_graph_node {
    const char *name;
    uint16_t    op; /* AI_OP_* */
    bool        is_dead;
    void       *params; /* the operator's struct of format.h */
    uint32_t    param_bytes;
    int32_t    *inputs; /* indices of values, AI_NO_VALUE where omitted */
    uint32_t    input_count;
    int32_t    *outputs;
    uint32_t    output_count;
    bool        has_s8_weights; /* a product whose weights are to be rounded to s8 */
} ai_graph_node;

/* Kept by the session from one call to the next: starts as `start`, is `next` after the call. */
typedef struct ai_graph_state {
    int32_t now;  /* neither input nor constant nor written by a node */
    int32_t next; /* written by a node */
    int32_t start; /* a plain constant of that shape; AI_NO_VALUE: zeros */
} ai_graph_state;

typedef struct ai_graph {
    const char    *name;
    ai_value      *values;
    uint32_t       value_count;
    ai_graph_node *nodes; /* in an order in which they can run */
    uint32_t       node_count;
    int32_t       *inputs;
    uint32_t       input_count;
    int32_t       *outputs;
    uint32_t       output_count;
    ai_graph_state *states;
    uint32_t       state_count;
    const char *const *kept; /* what is to become states: ai_convert_options.states */
    size_t         kept_count;
    int64_t        opset;    /* of the source, for the metadata */
    const char    *producer; /* what wrote the source, or NULL */
    uint32_t       flags;    /* AI_CONVERT_* */
    struct ai_calibration *calibration; /* how it becomes int8: quantise/quantise.h; NULL: it does not */
    void          *memory; /* arena of everything above */
    uint32_t narrow_count; /* weights that were rounded to f16 or s8 */
    double   narrow_error; /* the greatest relative error (L2) of one */
    uint64_t folded_bytes; /* of constants that were computed */
    uint64_t fold_limit;   /* of folded_bytes; 0: not set yet */
} ai_graph;

/* ---- Building (graph.c). On no memory these return NULL or a negative index and the graph
 * remembers it: ai_graph_status says so at the end of a part, so that callers need not look. ---- */

ai_graph *ai_graph_new(void);
void ai_graph_free(ai_graph *graph); /* NULL is allowed */
/* A graph of its own over the names and constants of this one, which must outlive it. */
ai_graph *ai_graph_copy(const ai_graph *graph);
ai_status ai_graph_status(const ai_graph *graph, ai_error *err);

/* Zeroed memory that lives as long as the graph. */
void *ai_graph_alloc(ai_graph *graph, size_t bytes);
const char *ai_graph_string(ai_graph *graph, const char *text, size_t length);
/* printf into the graph's memory, for derived names such as "conv1/reorder". */
const char *ai_graph_format(ai_graph *graph, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Index of a new value without shape or producer. */
int32_t ai_graph_value(ai_graph *graph, const char *name, ai_type type);
/* Index of a new constant; data must live as long as the graph. */
int32_t ai_graph_constant(ai_graph *graph, const char *name, ai_type type, uint32_t rank,
                          const int64_t *dim, const void *data, uint64_t bytes);
/* Appends a node (copies the lists and params, sets the outputs' producer); its index. */
int32_t ai_graph_add(ai_graph *graph, const char *name, uint16_t op, const void *params,
                     uint32_t param_bytes, const int32_t *inputs, uint32_t input_count,
                     const int32_t *outputs, uint32_t output_count);
void ai_graph_input(ai_graph *graph, int32_t value);
void ai_graph_output(ai_graph *graph, int32_t value);
void ai_graph_state_add(ai_graph *graph, int32_t now, int32_t next, int32_t start);

/* ---- Importers: one folder a format. Fill an empty graph with nodes whose operators are those of
 * ops.def in the form of the newest opset; attributes that newer opsets made inputs become constant
 * inputs. Every attribute is used or refused by node name, with the remedy. Every graph output is
 * produced by a node (an Identity is added where it would be an input or a constant). `err->message`
 * names the node: "Conv 'stem/1': ...". ---- */

/* `data` is the whole file, mapped; `folder` is where external data lie. What the graph points to
 * (mapped external files) is released by ai_onnx_close after the graph. */
typedef struct ai_onnx ai_onnx;
ai_status ai_onnx_import(ai_onnx **source, ai_graph *graph, const void *data, size_t bytes,
                         const char *folder, const ai_convert_options *options, ai_error *err);
void ai_onnx_close(ai_onnx *source);
/* The location of the external file that is this one and was read; NULL: none is. */
const char *ai_onnx_reads(const ai_onnx *source, uint64_t device, uint64_t inode);

/* ---- Inference of shapes and folding, by the core itself (infer_shapes.c): writes the graph as it
 * stands to memory with every value as an output, opens it, and reads the shapes back. Errors are
 * those of the operators, by node name. ---- */
ai_status ai_graph_infer(ai_graph *graph, ai_error *err);

/* ---- Passes: free functions in a table (passes.def), run in its order, each runnable alone: it
 * infers what shapes it needs. Values at the border of the graph keep their index. ---- */
typedef ai_status ai_pass_fn(ai_graph *graph, ai_error *err);

typedef struct ai_pass {
    const char *name;
    const char *part; /* of the progress that it belongs to */
    ai_pass_fn *run;
} ai_pass;

extern const ai_pass  ai_passes[];
extern const uint32_t ai_pass_count;

/* ---- The writer (flat/write.c): the bytes of a file, which the caller frees with free() ---- */
typedef struct ai_resource_data {
    const char *name;
    const void *data;
    uint64_t    bytes;
} ai_resource_data;
ai_status ai_flat_write(const ai_graph *graph, const ai_resource_data *resources,
                        uint32_t resource_count, void **file, size_t *bytes, ai_error *err);
/* The same for inferring shapes only: the bytes of large constants are left undefined. */
ai_status ai_flat_write_shapes(const ai_graph *graph, void **file, size_t *bytes, ai_error *err);

#endif
