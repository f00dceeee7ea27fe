/* SPDX-License-Identifier: Apache-2.0
 * What the driver of recurrent layers (recurrent.c) and their cells (recurrent_cell.c) share. */
#ifndef AI_RECURRENT_H
#define AI_RECURRENT_H

#include "rounded.h"

/* Where step->local keeps what prepare() chose: indices in ai_kernels. */
enum {
    AI_RECURRENT_GEMM,
    AI_RECURRENT_GEMM_F16,
    AI_RECURRENT_ROUNDED, /* two, where W or R is of s8 */
    AI_RECURRENT_ADD = AI_RECURRENT_ROUNDED + 2,
    AI_RECURRENT_SUB,
    AI_RECURRENT_MUL,
    AI_RECURRENT_CLIP,
    AI_RECURRENT_FLUSH,
    AI_RECURRENT_AFFINE,
    AI_RECURRENT_FUNCTION, /* six of them, as in the parameters */
    AI_RECURRENT_LOCALS = AI_RECURRENT_FUNCTION + 6
};

/* One direction of a layer over some rows of the batch. A row of sums holds `size` numbers for each
 * gate, in ONNX's order of gates. */
typedef struct ai_recurrent {
    const ai_step *step;
    int64_t direction;
    int64_t size; /* the hidden size */
    int64_t width; /* gates * size */
    int64_t inputs;
    int64_t rows;
    const void *w; /* panels of this direction */
    const void *r;
    ai_rounded rounded; /* where one of them is of s8 */
    float *bias; /* [width]: Wb + Rb */
    float *late; /* [width]: GRU with linear_before_reset has Rb of its last gate here, not there */
    const float *peephole; /* [3 * size] of i, o, f; or NULL */
    float *h;              /* [rows][size] */
    float *c;              /* of LSTM; GRU keeps r h there */
    float *between;        /* [rows][width] of the cell's own */
    bool is_odd;           /* the step in time */
} ai_recurrent;

/* out = bias + h * R for columns [begin, end) of the gates, and those before them in their panel.
 * out has `width` elements a row, and so has bias, or 0: one row for all. out may be bias. */
void ai_recurrent_multiply(const ai_recurrent *q, const float *h, const float *bias,
                           int64_t bias_row, float *out, int64_t begin, int64_t end);

/* One step in time: sums of the input part, bias included, become new h and c. */
void ai_recurrent_cell(const ai_recurrent *q, float *sums);

#endif
