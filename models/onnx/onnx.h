/* SPDX-License-Identifier: Apache-2.0
 * What the files of the ONNX importer share: the model as unpacked, its nodes as a flat list, and
 * the helpers with which one node is lowered to operators of ops.def. */
#ifndef AI_ONNX_H
#define AI_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"
#include "graph.h"
#include "onnx_model.pb-c.h"

enum { AI_ONNX_OLDEST = 7, AI_ONNX_NEWEST = 28, AI_ONNX_NEWEST_IR = 14, AI_ONNX_TEXT = 240 };

/* ONNX's numbers of element types (TensorProto.DataType). */
enum {
    AI_ONNX_FLOAT = 1,
    AI_ONNX_UINT8 = 2,
    AI_ONNX_INT8 = 3,
    AI_ONNX_UINT16 = 4,
    AI_ONNX_INT16 = 5,
    AI_ONNX_INT32 = 6,
    AI_ONNX_INT64 = 7,
    AI_ONNX_BOOL = 9,
    AI_ONNX_FLOAT16 = 10,
    AI_ONNX_DOUBLE = 11,
    AI_ONNX_UINT32 = 12,
    AI_ONNX_UINT64 = 13,
    AI_ONNX_BFLOAT16 = 16
};

/* ONNX's numbers of attribute types (AttributeProto.AttributeType). */
enum {
    AI_ONNX_ATTR_FLOAT = 1,
    AI_ONNX_ATTR_INT = 2,
    AI_ONNX_ATTR_STRING = 3,
    AI_ONNX_ATTR_TENSOR = 4,
    AI_ONNX_ATTR_GRAPH = 5,
    AI_ONNX_ATTR_FLOATS = 6,
    AI_ONNX_ATTR_INTS = 7,
    AI_ONNX_ATTR_STRINGS = 8
};

typedef struct ai_lower ai_lower;
typedef void ai_lower_fn(ai_lower *l);

/* A row of lower.def: how the operator is lowered from opset `first` to opset `last`. */
typedef struct ai_lower_row {
    const char *name;
    int16_t first;
    int16_t last;
    uint16_t op; /* AI_OP_*, where the function lowers to that one */
    uint16_t min_inputs;
    uint16_t max_inputs;
    uint16_t min_outputs;
    uint16_t max_outputs;
    ai_lower_fn *lower;
} ai_lower_row;

typedef struct ai_onnx_attribute {
    const char *name;
    const AiOnnx__Attribute *value;
    bool is_read;
} ai_onnx_attribute;

/* A node after functions and branches were put in place. Names are unique in the whole graph. */
typedef struct ai_onnx_node {
    const char *name; /* its own, or its first output's */
    const char *op_type;
    const char *domain;
    int64_t opset;
    const char **inputs; /* "" where omitted */
    const char **outputs;
    uint32_t input_count;
    uint32_t output_count;
    ai_onnx_attribute *attributes;
    uint32_t attribute_count;
    const ai_lower_row *row;
    uint32_t depth; /* of calls and branches around it */
    bool is_needed; /* a graph output depends on it */
} ai_onnx_node;

/* Everything that has a name, sorted by it. */
typedef struct ai_onnx_name {
    const char *name;
    const AiOnnx__Tensor *tensor;   /* initialisers */
    const AiOnnx__ValueInfo *input; /* graph inputs that are no initialisers */
    int32_t node;                   /* that produces it, or AI_NO_NODE */
    int32_t value;                  /* in the graph, or AI_NO_VALUE while not lowered */
    bool is_used;
} ai_onnx_name;

/* A graph that an If may run: unpacked, once. */
typedef struct ai_onnx_branch {
    struct ai_onnx_branch *next;
    const AiOnnx__Attribute *attribute;
    AiOnnx__Graph *graph;
    const char **names; /* what it makes and holds, sorted */
    size_t name_count;
} ai_onnx_branch;

/* The condition of an If, which is known by its first output and how deep it lies: a branch may end
 * in an If that makes what the outer one does. */
typedef struct ai_onnx_decision {
    char *output;
    uint32_t depth;
    bool is_true;
} ai_onnx_decision;

typedef struct ai_onnx_tensor {
    const char *name;
    const AiOnnx__Tensor *tensor;
} ai_onnx_tensor;

typedef struct ai_onnx_file {
    struct ai_onnx_file *next;
    const char *location;
    void *data;
    size_t bytes;
    uint64_t device;
    uint64_t inode;
} ai_onnx_file;

struct ai_onnx {
    AiOnnx__Model *model;
    ProtobufCAllocator allocator;
    uint64_t allocated;
    uint64_t allocation_limit;
    bool is_over_limit;
    bool is_exhausted;
    const char *folder;
    ai_onnx_file *files; /* external data, mapped */
    ai_graph *graph;
    ai_error *err;
    const ai_convert_options *options; /* never NULL */
    ai_onnx_node *nodes;
    uint32_t node_count;
    uint32_t node_capacity;
    uint32_t *order; /* indices of nodes in an order in which they can run */
    ai_onnx_name *names;
    uint32_t name_count;
    ai_onnx_tensor *tensors; /* initialisers of branches */
    size_t tensor_count;
    ai_onnx_branch *branches;
    ai_onnx_decision *decisions;
    uint32_t decision_count;
    bool *is_fixed; /* graph inputs whose shape decided a branch; NULL: none */
};

/* ai_fail with control characters of names made visible, so that the message stays one line. */
ai_status ai_onnx_fail(ai_onnx *onnx, ai_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
ai_status ai_onnx_no_memory(ai_onnx *onnx);
/* Counts memory that grows with what the model repeats (calls of functions, copied constants)
 * against the limit for a file of its size (decode.c). */
ai_status ai_onnx_charge(ai_onnx *onnx, uint64_t bytes);

/* Unpacks the model within a memory limit and checks versions (decode.c). */
ai_status ai_onnx_decode(ai_onnx *onnx, const void *data, size_t bytes);
void ai_onnx_release(ai_onnx *onnx);

/* Lists all nodes, those of functions and of decided branches in place (functions.c). */
ai_status ai_onnx_list_nodes(ai_onnx *onnx);

bool ai_onnx_is_if(const ai_onnx_node *node);
/* The first output that has a name; "" if none has. */
const char *ai_onnx_first_output(const ai_onnx_node *node);
/* The branch that an If runs; NULL: not decided yet (branch.c). */
ai_status ai_onnx_branch_of(ai_onnx *onnx, const ai_onnx_node *node, const ai_onnx_branch **branch);
bool ai_onnx_is_local(const ai_onnx_branch *branch, const char *name);
void ai_onnx_free_branches(ai_onnx *onnx);
/* Decides every If that an output needs, by folding what the conditions depend on (decide.c). */
ai_status ai_onnx_decide(ai_onnx *onnx);
/* Finds each node's row of lower.def; one error names all operators without (lower.c). */
ai_status ai_onnx_find_rows(ai_onnx *onnx);
/* Lowers every needed node in order (lower.c). */
ai_status ai_onnx_lower_nodes(ai_onnx *onnx);

/* Collects and checks names, finds the needed nodes and their order (names.c). */
ai_status ai_onnx_resolve(ai_onnx *onnx);
/* Only these are needed now, which names hold. */
void ai_onnx_need_only(ai_onnx *onnx, const char *const *names, uint32_t count);
/* Fails unless the text is UTF-8, as names in a flat file are. */
ai_status ai_onnx_check_text(ai_onnx *onnx, const char *kind, const char *text);
ai_onnx_name *ai_onnx_find(const ai_onnx *onnx, const char *name);
/* Sets the value of a name that no node makes or whose node was lowered (lower.c). */
ai_status ai_onnx_value_of(ai_onnx *onnx, ai_onnx_name *name);

/* Makes the graph's inputs with their types and default shapes (inputs.c). */
ai_status ai_onnx_make_inputs(ai_onnx *onnx);

/* The type of an ONNX number, or 0; the number's name for messages (types.c). */
ai_type ai_onnx_type(int64_t number);
const char *ai_onnx_type_name(int64_t number);

/* Makes a constant of a tensor; `what` names it in errors (tensor.c). */
ai_status ai_onnx_constant(ai_onnx *onnx, const AiOnnx__Tensor *tensor, const char *what,
                           const char *name, int32_t *value);
/* Bytes [offset, offset + bytes) of a file beside the model (external.c). */
ai_status ai_onnx_external(ai_onnx *onnx, const AiOnnx__Tensor *tensor, const char *what,
                           uint64_t bytes, const void **data);
void ai_onnx_unmap(ai_onnx *onnx);

/* ---- Lowering one node (lower.c). The first failure is kept in `status`; what comes after it
 * does nothing, so that lowering functions need not look. ---- */

struct ai_lower {
    ai_onnx *onnx;
    ai_graph *graph;
    ai_onnx_node *node;
    const ai_lower_row *row;
    int32_t *inputs; /* values, AI_NO_VALUE where omitted; trailing ones are cut off */
    uint32_t input_count;
    uint32_t output_count;
    bool is_inner; /* a part of the node: output 0 is made between, as `made` */
    int32_t made;
    ai_status status;
};

/* Fails with the prefix "Conv 'stem/1': ". */
void ai_lower_fail(ai_lower *l, ai_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Attributes, with the default if absent. Each marks the attribute as read. */
bool ai_lower_has(const ai_lower *l, const char *name);
int64_t ai_lower_int(ai_lower *l, const char *name, int64_t value);
/* The same with a check of the range. */
int64_t ai_lower_int_in(ai_lower *l, const char *name, int64_t value, int64_t least, int64_t most);
float ai_lower_float(ai_lower *l, const char *name, float value);
/* The index of the attribute's text in `choices` (ended by NULL); `value` if absent. */
uint32_t ai_lower_choice(ai_lower *l, const char *name, const char *const *choices, uint32_t value);
/* NULL and count 0 if absent. */
const int64_t *ai_lower_ints(ai_lower *l, const char *name, uint32_t *count);
const AiOnnx__Attribute *ai_lower_attribute(ai_lower *l, const char *name, int32_t type);
/* Reads an attribute that says nothing at inference. */
void ai_lower_ignore(ai_lower *l, const char *name);
/* The attribute `name` must be absent or `needed`. */
void ai_lower_only(ai_lower *l, const char *name, int64_t needed);

/* Input i, or AI_NO_VALUE if omitted. */
int32_t ai_lower_input(const ai_lower *l, uint32_t i);
/* The value behind input i, or NULL if omitted. */
const ai_value *ai_lower_value(const ai_lower *l, uint32_t i);
/* Type of input i (0 if omitted). */
ai_type ai_lower_type(const ai_lower *l, uint32_t i);
/* Makes the value of output i; AI_NO_VALUE if i > 0 and nobody uses it. */
int32_t ai_lower_output(ai_lower *l, uint32_t i, ai_type type);
/* Makes a value between two operators of one node. */
int32_t ai_lower_between(ai_lower *l, const char *suffix, ai_type type);
/* The output i is this value, which no operator produces. */
void ai_lower_bind(ai_lower *l, uint32_t i, int32_t value);
int32_t ai_lower_s64(ai_lower *l, const char *suffix, uint32_t rank, const int64_t *values,
                     uint32_t count);
/* A constant scalar of a float type (made by a Cast if it is not f32). */
int32_t ai_lower_scalar(ai_lower *l, const char *suffix, ai_type type, float value);

/* Adds an operator; suffix NULL: it bears the node's name alone. Trailing AI_NO_VALUE are cut. */
void ai_lower_add(ai_lower *l, const char *suffix, uint16_t op, const void *params,
                  uint32_t param_bytes, const int32_t *inputs, uint32_t input_count,
                  const int32_t *outputs, uint32_t output_count);
/* Adds the row's operator with all inputs and one output of the first input's type. */
void ai_lower_one(ai_lower *l, const void *params, uint32_t param_bytes);
/* The same without parameters. */
ai_lower_fn ai_lower_plain;

/* ---- Parts of a node that becomes several operators (qlinear.c) ---- */

/* The operator of the row, with these inputs; its output is no output of the node. */
int32_t ai_lower_inner(ai_lower *l, ai_lower_fn *function, const int32_t *inputs, uint32_t count);
int32_t ai_lower_binary(ai_lower *l, const char *suffix, uint16_t op, ai_type type, int32_t a,
                        int32_t b);
int32_t ai_lower_cast_to(ai_lower *l, const char *suffix, int32_t value, ai_type type);

/* ---- The lowering functions of lower.def ---- */

#define AI_LOWER(name, first, last, op, min_in, max_in, min_out, max_out, function)                \
    ai_lower_fn function;
#define AI_NEWEST AI_ONNX_NEWEST
#include "lower.def"
#undef AI_LOWER

/* Window attributes of Conv and pooling (window.c); `kernel` and `spatial` if the weight tells. */
void ai_lower_window(ai_lower *l, ai_window *window, const ai_value *weight);

#endif
