/* SPDX-License-Identifier: Apache-2.0
 * What the files of Gemm and MatMul share: a product as matrices. */
#ifndef AI_MATMUL_H
#define AI_MATMUL_H

#include "core.h"

/* Both operators as matrices A [m][k], B [k][n] and C [m][n] by strides, 0 where C is repeated. */
typedef struct ai_product {
    int64_t m;
    int64_t n;
    int64_t k;
    int64_t batches;
    uint32_t batch_rank;
    int64_t batch[AI_MAX_RANK];
    int64_t a_step[AI_MAX_RANK]; /* elements from a matrix to the next, by batch dimension */
    int64_t b_step[AI_MAX_RANK];
    int64_t a_row;
    int64_t a_col;
    int64_t b_row;
    int64_t b_col;
    int64_t c_row;
    int64_t c_col;
    bool is_packed;   /* B is PANEL16 */
    bool is_rounded;  /* B is QPANEL16 */
    bool is_narrow;   /* and of f16, which the kernel reads as it is */
    bool is_direct;   /* B is read as it lies */
    bool is_turned;   /* A and B have changed places: a column of C is a row */
    bool is_gathered; /* rows of A are columns in memory */
    bool is_spread;   /* one number of C serves many columns */
    bool is_scaled;   /* alpha or beta is not 1 */
} ai_product;

/* Reads shapes and parameters; fails where they do not fit. */
ai_status ai_get_product(const ai_step *s, ai_product *q, ai_error *err);

/* C, or NULL. */
const ai_tensor *ai_product_addend(const ai_step *s);

#endif
