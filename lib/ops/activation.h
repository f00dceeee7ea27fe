/* SPDX-License-Identifier: Apache-2.0
 * The activation of Conv, Gemm and MatMul. A clip is done by the kernel of the sum; any other
 * function runs over what the kernel has just written, while it is in the cache. */
#ifndef AI_ACTIVATION_H
#define AI_ACTIVATION_H

#include "core.h"

/* step->kernel: of the activation, of a residual that comes after it */
enum { AI_SLOT_ACTIVATION = 3, AI_SLOT_RESIDUAL = 4 };

/* What a kernel of the sum may write before the activation runs over it: a part of L2. */
enum { AI_ACTIVATION_BYTES = 256 * 1024 };

ai_status ai_activation_check(const ai_step *s, const ai_activation *a, ai_error *err);
/* Chooses the kernel of a function that is no clip. */
ai_status ai_activation_prepare(ai_step *s, const ai_activation *a, ai_error *err);
/* The clamp for the kernel of the sum; none if the activation is another function. */
void ai_activation_clamp(const ai_activation *a, float *lo, float *hi);

/* A function that the kernel of the sum does not do. */
static inline bool ai_activation_is_apart(const ai_activation *a)
{
    return a->kind > AI_ACTIVATION_CLIP;
}

/* Such a function of `count` numbers. */
void ai_activation_run(const ai_step *s, const ai_activation *a, float *x, int64_t count);

/* The kernel that is operator `op` on f32, and its numbers; AI_UNARY_COUNT: there is none
 * (unary.c). */
uint32_t ai_unary_kernel(uint32_t op, float alpha, float beta, ai_unary_args *args);

#endif
