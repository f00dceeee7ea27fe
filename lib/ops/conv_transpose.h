/* SPDX-License-Identifier: Apache-2.0
 * What the two forms of ConvTranspose share. */
#ifndef AI_CONV_TRANSPOSE_H
#define AI_CONV_TRANSPOSE_H

#include "conv.h"

/* step->local: padding before the begin, as the three dimensions of a window */
enum { AI_TRANSPOSE_PAD };

void ai_transpose_window(const ai_step *s, ai_window3 *v);

/* The part of the input that outputs read, by its first position and size: with a border of zeros
 * it reaches past the edges. */
typedef struct ai_transpose_slab {
    int64_t first[3];
    int64_t size[3];
    bool has_border;
} ai_transpose_slab;

void ai_transpose_reach(const ai_window3 *v, ai_transpose_slab *b);

/* ---- Blocks of 16 channels, weights in TRANSPOSED16; a unit of work: image, output row ---- */

ai_status ai_transpose_blocks_check(ai_step *s, ai_error *err);
void ai_transpose_blocks_run(const ai_step *s, int64_t begin, int64_t end, char *scratch);

#endif
