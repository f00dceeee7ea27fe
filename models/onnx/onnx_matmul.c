/* SPDX-License-Identifier: Apache-2.0
 * Gemm and MatMul. */
#include "onnx.h"

void ai_lower_gemm(ai_lower *l)
{
    ai_gemm_params p = {0};
    p.alpha = ai_lower_float(l, "alpha", 1);
    p.beta = ai_lower_float(l, "beta", 1);
    p.trans_a = ai_lower_int(l, "transA", 0) != 0;
    p.trans_b = ai_lower_int(l, "transB", 0) != 0;
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_matmul(ai_lower *l)
{
    ai_gemm_params p = {.alpha = 1, .beta = 1};
    ai_lower_one(l, &p, sizeof p);
}
