/* SPDX-License-Identifier: Apache-2.0
 * What the files of the two-operand elementwise operators share. */
#ifndef AI_BINARY_H
#define AI_BINARY_H

#include "elem.h"

/* A row of outputs: out[i] = f(a[i * a_step], b[i * b_step]), steps 0 or 1, in types that no kernel
 * has. Integers wrap around. */
typedef struct ai_binary_row {
    const void *a;
    const void *b;
    void *out;
    int64_t a_step, b_step;
    int64_t count;
    uint8_t a_type; /* also of the output */
    uint8_t b_type;
} ai_binary_row;

void ai_binary_row_run(uint32_t op, const ai_binary_row *row); /* binary_row.c */
bool ai_binary_row_has(uint32_t op, ai_type a_type, ai_type b_type);

/* A row of the step, of f32, of bytes of a scale, or of what no kernel has (binary.c); `scratch`
 * has ai_binary_scratch bytes. */
void ai_binary_run(const ai_step *s, const ai_binary_row *row, void *scratch);
int64_t ai_binary_scratch(const ai_step *s);

/* Images in blocks of 16 channels (binary_blocks.c). A unit is a plane of one block. */
ai_status ai_binary_blocks_check(ai_step *s, ai_error *err);
void ai_binary_blocks_run(const ai_step *s, int64_t begin, int64_t end, void *scratch);

#endif
