/* SPDX-License-Identifier: Apache-2.0
 * Products with constant weights in QPANEL16: the rows are rounded to 14 bits in scratch first. */
#ifndef AI_ROUNDED_H
#define AI_ROUNDED_H

#include "core.h"

typedef struct ai_rounded {
    const ai_kernel *quantise;
    const ai_kernel *gemm;
    int16_t *rows; /* scratch */
    float *scales;
} ai_rounded;

static inline bool ai_is_rounded(const ai_tensor *weights)
{
    return weights->layout == AI_LAYOUT_QPANEL16;
}

/* Bytes of the panels of a matrix [k][n]. */
int64_t ai_rounded_bytes(int64_t k, int64_t n);

/* Adds scratch for that many rows of k numbers; false: over 2^44 bytes. */
bool ai_rounded_plan(int64_t *scratch, int64_t rows, int64_t k);
/* Finds both kernels, in two places of step->local from `local` on. */
ai_status ai_rounded_prepare(ai_step *s, uint32_t local, ai_error *err);
/* For a run, with the numbers that were planned. */
void ai_rounded_start(ai_rounded *r, const ai_step *s, uint32_t local, int64_t rows, int64_t k,
                      char **scratch);

/* The rows g->a, for the products that follow. */
void ai_rounded_take(const ai_rounded *r, const ai_gemm_args *g);
/* The product of those rows. */
void ai_rounded_multiply(const ai_rounded *r, const ai_gemm_args *g);

#endif
