/* SPDX-License-Identifier: Apache-2.0
 * The activation of Conv, Gemm and MatMul. */
#include "activation.h"

#include <math.h>

ai_status ai_activation_check(const ai_step *s, const ai_activation *a, ai_error *err)
{
    if (ai_activation_is_apart(a) && (a->kind < AI_OP_LEAKY_RELU || a->kind > AI_OP_ROUND))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "activation %u is unknown", a->kind);
    return AI_OK;
}

ai_status ai_activation_prepare(ai_step *s, const ai_activation *a, ai_error *err)
{
    ai_unary_args args;
    if (!ai_activation_is_apart(a))
        return AI_OK;
    return ai_choose(s, AI_SLOT_ACTIVATION,
                     AI_K_UNARY + ai_unary_kernel(a->kind, a->lo, a->hi, &args), AI_F32, AI_F32,
                     AI_LAYOUT_PLAIN, err);
}

void ai_activation_clamp(const ai_activation *a, float *lo, float *hi)
{
    *lo = a->kind == AI_ACTIVATION_CLIP ? a->lo : -INFINITY;
    *hi = a->kind == AI_ACTIVATION_CLIP ? a->hi : INFINITY;
}

void ai_activation_run(const ai_step *s, const ai_activation *a, float *x, int64_t count)
{
    ai_unary_args args;
    (void)ai_unary_kernel(a->kind, a->lo, a->hi, &args);
    args.in = args.out = x;
    args.count = count;
    s->kernel[AI_SLOT_ACTIVATION]->fn(&args);
}
