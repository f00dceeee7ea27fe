/* SPDX-License-Identifier: Apache-2.0
 * Builds flat files in memory, right ones and wrong ones, for the tests of the core. */
#ifndef AI_TESTS_LAI_H
#define AI_TESTS_LAI_H

#include "core.h"

enum { LAI_SECTIONS = 16, LAI_LIST = 8192 };

typedef struct lai_bytes {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
} lai_bytes;

/* A file under construction. Fields of the header may be set directly. */
typedef struct lai {
    ai_file_header header;
    lai_bytes part[AI_SECTION_WEIGHTS + 1]; /* by kind */
    lai_bytes resource[LAI_SECTIONS];
    uint32_t resource_name[LAI_SECTIONS];
    uint32_t resource_count;
    uint32_t inputs[LAI_LIST];
    uint32_t outputs[LAI_LIST];
    uint32_t states[LAI_LIST];
} lai;

/* A new file with the model's name; it ends the program where memory does. */
lai *lai_new(const char *name);
void lai_free(lai *f);

uint32_t lai_string(lai *f, const char *text);
/* A tensor's index. dim: `rank` numbers; NULL: none. */
uint32_t lai_tensor(lai *f, const char *name, ai_type type, uint32_t kind, uint32_t rank,
                    const int64_t *dim);
ai_file_tensor *lai_tensor_at(lai *f, uint32_t index);
uint32_t lai_input(lai *f, const char *name, ai_type type, uint32_t varies, uint32_t rank,
                   const int64_t *dim);
uint32_t lai_value(lai *f, const char *name, ai_type type);
uint32_t lai_constant(lai *f, const char *name, ai_type type, uint32_t layout, uint32_t rank,
                      const int64_t *dim, const void *data);
void lai_output(lai *f, uint32_t tensor);
void lai_state(lai *f, uint32_t now, uint32_t next, uint32_t start);
void lai_resource(lai *f, const char *name, const void *data, size_t bytes);

/* Appends a step; operands: inputs, then outputs. params NULL: zeros of the operator's size. */
void lai_step(lai *f, uint32_t op, const char *name, const void *params, uint32_t in_count,
              uint32_t out_count, const uint32_t *operands);

/* The bytes of the file, 64-byte aligned, to be freed with free(). The builder stays usable. */
uint8_t *lai_write(lai *f, size_t *bytes);

/* Puts right all checksums of a file, as far as its section table leads to bytes of it. */
void lai_seal(uint8_t *file, size_t bytes);

/* ---- Models that several tests use ---- */

/* z = Relu(x + c), x f32 [n, 3] with n = 2 by default, c = {1, -2, 3}. */
lai *lai_small(void);
/* The same with every resource that docs/format.md names: four kilobytes in all. */
lai *lai_resources(void);
/* y = x [n, 4, 5] reshaped to [n, 20] by shape arithmetic. */
lai *lai_shapes(void);
/* 3x3 convolution with a border, in blocks of 16 channels: x [1, 20, 5, 6], y [1, 18, 5, 6]. */
lai *lai_conv(void);
/* Steps that are worth several threads: y = Sigmoid(Conv(x)) with a border, x [1, 20, 40, 44],
 * y [1, 48, 40, 44]; g [3000, 64] = rows i [3000] of a table with 50. */
lai *lai_wide(void);
/* sum' = sum + x, before' = sum, y = sum' + before; x f32 [2], sum starts at {1, 2}. */
lai *lai_states(void);

#endif
