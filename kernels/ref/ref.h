/* SPDX-License-Identifier: Apache-2.0
 * What the files of the plain C level share: their declarations and the clamp. */
#ifndef AI_REF_H
#define AI_REF_H

#include <math.h>

#include "kernels.h"

#define AI_VEC_ROW(op, layout, name) ai_kernel_fn ai_f32_##name##_ref;
#include "vec.def"
#undef AI_VEC_ROW
ai_kernel_fn ai_f32_conv_ref;
ai_kernel_fn ai_f32_conv_stem_ref;
ai_kernel_fn ai_f32_gemm_ref;
ai_kernel_fn ai_f32_f16w_gemm_ref;
ai_kernel_fn ai_s8_gemm_ref;
ai_kernel_fn ai_u8_conv_ref;
ai_kernel_fn ai_u8_depthwise_ref;
ai_kernel_fn ai_u8_max_pool_ref;
ai_kernel_fn ai_u8_to_bytes_ref;
ai_kernel_fn ai_u8_from_bytes_ref;
ai_kernel_fn ai_u8_lookup_ref;

/* NaN stays NaN. */
static inline float clamp(float x, float lo, float hi)
{
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
}

#endif
