/* SPDX-License-Identifier: Apache-2.0
 * What the files of the core share: tensors and steps of a session, the operator's interface. */
#ifndef AI_CORE_H
#define AI_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai.h"
#include "format.h"
#include "kernels.h"

/* ---- Errors (error.c) ---- */

typedef struct ai_step ai_step;

/* Fills *err (if not NULL) with AI_NO_STEP and AI_NO_OFFSET and returns `code`. */
ai_status ai_fail(ai_error *err, ai_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for the byte `offset` of the file. */
ai_status ai_fail_at(ai_error *err, ai_status code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a step; the message gets the prefix "Conv 'stem/1': ". */
ai_status ai_fail_step(ai_error *err, ai_status code, const ai_step *step, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- Sizes: overflow is an error, never a wrap (size.c) ---- */

bool ai_mul(int64_t a, int64_t b, int64_t *product); /* both >= 0; false: over INT64_MAX */
bool ai_add(int64_t a, int64_t b, int64_t *sum);
int64_t ai_align(int64_t bytes); /* to a multiple of 64; bytes: at most AI_MAX_BYTES */
size_t ai_type_bytes(ai_type type); /* of one element; 0: no such type */
const char *ai_type_name(ai_type type);
/* Elements of a shape; false if a dimension is negative or the product is over 2^40. */
bool ai_count(uint32_t rank, const int64_t *dim, int64_t *count);
/* Bytes that a constant of this shape takes in a layout; false: shape and layout do not fit. */
bool ai_layout_bytes(uint32_t layout, ai_type type, uint32_t rank, const int64_t *dim, int64_t *bytes);

/* ---- Tensors of a session ---- */

enum { AI_KNOWN_BYTES = 128 };

typedef struct ai_tensor {
    void       *data;  /* element 0; bound when the session is open, NULL while shapes are inferred */
    const void *known; /* values known before the run: constants, shape arithmetic; else NULL */
    int64_t     dim[AI_MAX_RANK];
    int64_t     row;   /* NCHW16C: elements from a row to the next, border included */
    int64_t     plane; /* NCHW16C: elements from a block of 16 channels to the next */
    int64_t     bytes; /* of memory, border included */
    uint32_t    border[4]; /* NCHW16C: rows above, columns left, rows below, columns right: zeros, or `fill` */
    uint8_t     type;
    uint8_t     rank;
    uint8_t     layout;
    uint8_t     kind;
    uint8_t     fill;  /* u8: the zero point, which a border is made of */
    uint32_t    index; /* in the file */
} ai_tensor;

/* Elements of t->dim. */
int64_t ai_tensor_count(const ai_tensor *t);

/* ---- Steps ---- */

enum {
    AI_ALIAS_NONE = 0,
    AI_ALIAS_VIEW = 1,   /* output 0 has the bytes of input 0: nothing runs */
    AI_ALIAS_INPLACE = 2, /* output 0 may lie where input `alias_input` lay, if that ends here */
    AI_ALIAS_JOIN = 3, /* output 0 is its inputs one behind the other: they may lie in it */
    AI_ALIAS_CUT = 4   /* the outputs, all wanted, are parts of input 0 one behind the other */
};

typedef struct ai_op ai_op;

/* A step bound to the tensors of a session. check() fills what is marked (check). */
struct ai_step {
    const ai_op        *op;
    const ai_file_step *file;
    const char         *name;   /* of the node in the source model */
    const void         *params; /* the operator's struct of format.h */
    ai_tensor         **in;     /* file->input_count pointers; NULL: omitted */
    ai_tensor         **out;    /* file->output_count pointers; NULL: not wanted */
    uint32_t            in_count;
    uint32_t            out_count;
    uint32_t            index;
    uint32_t            cpu;   /* levels the session may use */
    uint8_t             alias; /* (check) */
    uint8_t             alias_input; /* (check) */
    bool                is_folded;   /* ran while the session opened; outputs are known */
    bool                is_idle;     /* outputs lie where inputs do: nothing is left to run */
    int64_t             work;    /* (check) independent units of output, at least 1 */
    int64_t             scratch; /* (check) bytes that one part needs, the same on every CPU */
    uint8_t            *scratch_data; /* of all parts, each at a multiple of 64; bound */
    uint64_t            flops;   /* (check) of one run, as the operator defines it */
    const ai_kernel    *kernel[6]; /* (prepare) */
    /* The operator's own: (check) or (prepare). From check numbers only: the tables may move. */
    int64_t             local[32];
    uint32_t            parts;     /* that run at the same time (part.c) */
    uint64_t            calls;     /* profile */
    uint64_t            ns;
};

/* An operator. A row of ops.def names one; several rows may share it (step->file->op tells). */
struct ai_op {
    /* The shape rule and the whole check of parameters, types, layouts and ranks, written once.
     * Shapes of the inputs are set, their data is not; `known` values may be read. Sets type, rank,
     * dim and (from the file, already there) layout of each output, and the fields above. May raise
     * in[i]->border of NCHW16C inputs that it reads past the edge. The file is hostile: whatever
     * passes here must be safe to run. The row's least inputs and outputs are there (model.c). A
     * value that is needed before the run and not known is AI_E_UNSUPPORTED. */
    ai_status (*check)(ai_step *step, ai_error *err);
    /* Chooses kernels from step->cpu; strides and borders are final. NULL: nothing to choose. */
    ai_status (*prepare)(ai_step *step, ai_error *err);
    /* Computes the units [begin, end) of step->work. Threads call it with disjoint ranges, each with
     * a scratch of its own, aligned to 64 bytes. Leaves borders alone: the caller zeroes them. */
    ai_status (*run)(const ai_step *step, int64_t begin, int64_t end, void *scratch, ai_error *err);
    /* The outputs follow from shapes alone (Shape, Size): run while the session opens. */
    bool is_shape_only;
};

#define AI_OP(number, id, name, params, min_in, max_in, min_out, max_out, op) \
    enum { AI_OP_##id = number };
#include "ops.def"
#undef AI_OP

#define AI_OP(number, id, name, params, min_in, max_in, min_out, max_out, op) extern const ai_op op;
#include "ops.def"
#undef AI_OP

typedef struct ai_op_row {
    uint16_t     number;
    uint16_t     param_bytes;
    uint16_t     min_inputs, max_inputs;
    uint16_t     min_outputs, max_outputs;
    const char  *name;
    const ai_op *op;
} ai_op_row;

/* The row of an operator's number, or NULL (ops.c). */
const ai_op_row *ai_op_find(uint32_t number);

/* ---- Helpers for operators (ops.c) ---- */

/* Sets type, rank and dim of output i (if wanted) after checking the count. */
ai_status ai_set_output(ai_step *s, uint32_t i, ai_type type, uint32_t rank, const int64_t *dim, ai_error *err);
/* Output i gets type and shape of input j. */
ai_status ai_same_output(ai_step *s, uint32_t i, uint32_t j, ai_error *err);
/* Fails unless input i is there and of that type (rank, layout); names input, found and needed. */
ai_status ai_need_type(const ai_step *s, uint32_t i, ai_type type, ai_error *err);
ai_status ai_need_rank(const ai_step *s, uint32_t i, uint32_t rank, ai_error *err);
/* Fails unless every input and output is PLAIN. */
ai_status ai_need_plain(const ai_step *s, ai_error *err);
ai_status ai_need_plain_from(const ai_step *s, uint32_t first, ai_error *err); /* input */
/* An axis in [-rank, rank) as one in [0, rank). */
ai_status ai_need_axis(const ai_step *s, int64_t axis, uint32_t rank, uint32_t *out, ai_error *err);
/* Reads up to `max` known integers (S32 or S64) of input i. */
ai_status ai_known_ints(const ai_step *s, uint32_t i, int64_t *values, uint32_t max, uint32_t *count, ai_error *err);
/* NumPy's broadcasting of two shapes; false: they do not fit. */
bool ai_broadcast(uint32_t a_rank, const int64_t *a, uint32_t b_rank, const int64_t *b, uint32_t *rank, int64_t *dim);
/* Checks every field of a window: each is at most 2^20, kernel * dilation below 2^31. */
ai_status ai_window_check(const ai_step *s, const ai_window *w, ai_error *err);
/* Output sizes (spatial entries) and effective padding of a window on the whole shape `in`, whose
 * dimensions from 2 on it covers; checks all fields and sizes, but not that there are as many.
 * ceil_mode as ONNX defines it. pad has 2 * spatial entries: begins, then ends. */
ai_status ai_window_shape(const ai_step *s, const ai_window *w, bool ceil_mode, const int64_t *in, int64_t *out, int64_t *pad, ai_error *err);
/* The row of kernels.def to use, or AI_E_UNSUPPORTED (ref has every row: cannot fail for cpu != 0). */
ai_status ai_choose(ai_step *s, uint32_t slot, uint32_t op, ai_type act, ai_type weight, uint32_t layout, ai_error *err);

#endif
