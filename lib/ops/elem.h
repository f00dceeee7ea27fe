/* SPDX-License-Identifier: Apache-2.0
 * What the operators of lib/ops share below the level of a tensor: numbers of any type, strided
 * walks, sizes of parts of a shape. */
#ifndef AI_ELEM_H
#define AI_ELEM_H

#include "core.h"
#include "float16.h"
#include "half.h"

/* ---- Numbers (elem.c); those of 16 bits: half.h, float16.h ---- */

float ai_bf16_to_f32(uint16_t bits);

/* x as an integer within [lo, hi]: the fraction is dropped, what lies outside becomes the nearest
 * bound, NaN becomes 0. */
int64_t ai_f64_to_s64(double x, int64_t lo, int64_t hi);
uint64_t ai_f64_to_u64(double x);

bool ai_is_float(ai_type type); /* f32, f16, bf16, f64 */

/* Element i of a plain tensor's data as a number; 64-bit integers round to f64. */
double ai_get_f64(const void *data, ai_type type, int64_t i);
/* The same of an integer type or bool; u64 keeps its bits. */
int64_t ai_get_s64(const void *data, ai_type type, int64_t i);

/* `count` numbers from one type to another, as Cast defines it (cast.c). */
void ai_convert(const void *in, ai_type from, void *out, ai_type to, int64_t count);

/* ---- Shapes ---- */

/* A shape for messages: "2x3x4", or "a scalar". `text` comes back. */
enum { AI_SHAPE_TEXT = 8 * 21 };
const char *ai_shape_text(uint32_t rank, const int64_t *dim, char *text);

/* Product of dim[from..to), at most INT64_MAX: hostile shapes with a zero elsewhere may pass it. */
int64_t ai_span(const int64_t *dim, uint32_t from, uint32_t to);

/* Units of work, at least 1. Whoever runs looks at ai_is_empty first. */
int64_t ai_units(int64_t count);

/* Output 0 has no element (or is not wanted): nothing to run. */
bool ai_is_empty(const ai_step *s, uint32_t output);

/* ---- Walks: a dense output read from a strided input (walk.c) ----
 * step->local holds the walk in elements; dimensions that lie together are joined, those of one
 * element dropped. The units are rows of the last dimension that is left. */
enum {
    AI_WALK_RANK = 0,
    AI_WALK_OFFSET = 1,
    AI_WALK_DIM = 2,
    AI_WALK_STRIDE = 10,
    AI_WALK_END = 18
};

void ai_walk_set(ai_step *s, uint32_t rank, const int64_t *dim, const int64_t *stride,
                 int64_t offset);
ai_status ai_walk_run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err);

/* Elements from one index of a dimension to the next in a dense tensor. */
void ai_dense_strides(uint32_t rank, const int64_t *dim, int64_t *stride);

/* out[i] = in[i * stride] of elements of `bytes` (1, 2, 4 or 8). */
void ai_copy_strided(void *out, const void *in, int64_t count, int64_t stride, size_t bytes);

/* ---- Axes of a dense tensor, some of them reduced (axes.c) ---- */

/* Neighbours of one kind are joined, those of one element dropped: at most four of each are left,
 * alternating, with the elements from one index to the next. */
typedef struct ai_axis_groups {
    int64_t kept_rank;
    int64_t kept_dim[4];
    int64_t kept_stride[4];
    int64_t reduced_rank;
    int64_t reduced_dim[4];
    int64_t reduced_stride[4];
} ai_axis_groups;

/* Bit d of `reduced`: axis d is reduced. No dimension may be 0. */
void ai_group_axes(uint32_t rank, const int64_t *dim, uint32_t reduced, ai_axis_groups *g);
int64_t ai_kept_count(const ai_axis_groups *g);
int64_t ai_reduced_count(const ai_axis_groups *g);
/* Where index `at` of the kept space, or of the reduced space without its last dimension, lies. */
int64_t ai_kept_offset(const ai_axis_groups *g, int64_t at);
int64_t ai_reduced_row_offset(const ai_axis_groups *g, int64_t at);
/* Rows of the reduced space, their length and step. */
int64_t ai_reduced_rows(const ai_axis_groups *g);
int64_t ai_reduced_columns(const ai_axis_groups *g);
int64_t ai_reduced_step(const ai_axis_groups *g);

/* The axes of a list as bits; each may come once. */
ai_status ai_axes_mask(const ai_step *s, uint32_t rank, uint32_t count, const int64_t *axes,
                       uint32_t *mask, ai_error *err);

/* ---- Images in blocks of 16 channels ---- */

int64_t ai_image_blocks(const ai_tensor *t); /* images times blocks of 16 channels */
/* Every row of the tensor follows the one before it: a plane is one span. */
bool ai_plane_is_dense(const ai_tensor *t);

#endif
