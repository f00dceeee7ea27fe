/* SPDX-License-Identifier: Apache-2.0
 * What the pools share: a plain output row, the largest of many numbers. */
#ifndef AI_POOL_H
#define AI_POOL_H

#include "window.h"

/* Pools one output row of a plain tensor, one output after the other. */
void ai_pool_row(const ai_step *s, const ai_window3 *v, int64_t unit);

/* The largest of `count` numbers, at least one; the first NaN if there is any. */
float ai_pool_max(const float *in, int64_t count);

#endif
