/* SPDX-License-Identifier: Apache-2.0
 * What the operators on quantised tensors share: bias, scale and how a sum becomes a byte. */
#ifndef AI_Q_H
#define AI_Q_H

#include "window.h"

/* Fails unless all zero points and bounds are bytes, the bounds in order, and what a residual adds
 * so small that it can be rounded by ai_q_round. Without one, both zero points are the same. */
ai_status ai_q_check_finish(const ai_step *s, const ai_q_finish *f, bool has_residual,
                            ai_error *err);
/* Fails unless inputs 2 and 3 are the bias (s32) and the scale (f32) of whole blocks of outputs. */
ai_status ai_q_check_scale(const ai_step *s, int64_t outputs, ai_error *err);
/* Fails unless input 1 is a constant of s8 in that layout. */
ai_status ai_q_check_weight(const ai_step *s, uint32_t layout, ai_error *err);

/* Pixels of so many taps of four bytes, of `count`, that a kernel widens at once. */
int64_t ai_q_wide_pixels(int64_t taps, int64_t count);

/* The finish, the weights, bias and scale. */
void ai_q_fill(const ai_step *s, const ai_q_finish *f, ai_q_conv_args *a);

/* A number below 2^22 in magnitude as an integer, half to even. */
static inline int32_t ai_q_round(float x)
{
    const float rounder = 12582912.0f;
    return (int32_t)((x + rounder) - rounder);
}

/* x clamped to [lo, hi]; NaN becomes lo. */
static inline float ai_q_clamp(float x, float lo, float hi)
{
    x = x > lo ? x : lo;
    return x < hi ? x : hi;
}

#endif
