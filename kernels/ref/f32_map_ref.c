/* SPDX-License-Identifier: Apache-2.0
 * Functions of one and of two numbers, element by element, in plain C. */
#include "kernels.h"
#include "ref.h"
#include "vmath.h"

#define AI_VEC_BINARY(id, name)                                                                    \
    void ai_f32_##name##_ref(const void *args)                                                     \
    {                                                                                              \
        const ai_binary_args *a = args;                                                            \
        for (int64_t i = 0; i < a->count; i++)                                                     \
            a->out[i] = g_##name(a->a[i * a->a_step], a->b[i * a->b_step]);                        \
    }

#define AI_VEC_UNARY(id, name)                                                                     \
    void ai_f32_##name##_ref(const void *args)                                                     \
    {                                                                                              \
        const ai_unary_args *a = args;                                                             \
        for (int64_t i = 0; i < a->count; i++)                                                     \
            a->out[i] = f_##name(a->in[i], a->alpha, a->beta);                                     \
    }

#include "vec.def"

float ai_expf(float x)
{
    return v_exp(x);
}

float ai_logf(float x)
{
    return v_log(x);
}

float ai_tanhf(float x)
{
    return v_tanh(x);
}

float ai_erff(float x)
{
    return v_erf(x);
}

float ai_powf(float x, float y)
{
    return v_pow(x, y);
}
