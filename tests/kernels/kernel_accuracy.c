/* SPDX-License-Identifier: Apache-2.0
 * The functions of vmath.h against libm in double, in units of the last place of the correctly
 * rounded result; each with the bound that vmath.h states, and special values. */
#include <math.h>
#include <string.h>

#include "kernel_test.h"

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Distance in units of the last place; 0 between two NaN, infinite if only one is special. */
static double ulps(float got, double want)
{
    const float nearest = (float)want;
    if (isnan(want))
        return isnan(got) ? 0.0 : INFINITY;
    if (isinf(nearest) || isinf(got) || isnan(got))
        return got == nearest || fabs(want) > 0x1.ffffffp127 - 0x1p104 * 2 ? 0.0 : INFINITY;
    const float above = nextafterf(fabsf(nearest), INFINITY);
    const double unit =
        isinf(above) ? 0x1p104 : fmax((double)above - (double)fabsf(nearest), 0x1p-149);
    return fabs((double)got - want) / unit;
}

/* ---- Functions as C has them ---- */

typedef struct function {
    const char *name;
    float (*fn)(float);
    double (*want)(double);
    double bound;
} function;

static const function functions[] = {
    {"exp", ai_expf, exp, 1.0},
    {"log", ai_logf, log, 1.0},
    {"tanh", ai_tanhf, tanh, 2.0},
    {"erf", ai_erff, erf, 2.0},
};

static void check_one(const function *f, float x)
{
    const float y = f->fn(x);
    const double want = f->want((double)x), error = ulps(y, want);
    ck_assert_msg(error <= f->bound, "%s(%a) is %a, %.3f ulp from %a, at most %g", f->name,
                  (double)x, (double)y, error, want, f->bound);
    ck_assert_msg(isnan(y) || signbit(y) == signbit((float)want), "%s(%a) is %a, needs %a", f->name,
                  (double)x, (double)y, want);
}

/* Points of a function: fewer where AI_ROUNDS asks for fewer than its 100 rounds. */
static int points(int all)
{
    const int rounds = round_count();
    return rounds < 100 ? all / 100 * rounds : all;
}

START_TEST(test_function)
{
    const function *f = &functions[_i];
    const int count = points(860000), dense = points(200000);
    for (int64_t i = 0; i < count; i++) /* all exponents, both signs */
        check_one(f, from_bits((uint32_t)(i * UINT32_MAX / count)));
    for (int i = 0; i <= dense; i++) /* densely where the pieces meet */
        check_one(f, -2.0f + (float)i * 4.0f / (float)dense);
    static const uint32_t special[] = {0, 0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 1,
                                       0x80000001, 0x7f7fffff, 0xff7fffff, 0x42b17218, 0xc2cff1b5};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        check_one(f, from_bits(special[i]));
}
END_TEST

static void check_pow(float x, float y)
{
    const float got = ai_powf(x, y);
    const double want = pow((double)x, (double)y), error = ulps(got, want);
    ck_assert_msg(error <= 2.0, "pow(%a, %a) is %a, %.3f ulp from %a", (double)x, (double)y,
                  (double)got, error, want);
    ck_assert_msg(isnan(got) || !signbit(got) == !signbit((float)want), "pow(%a, %a) is %a",
                  (double)x, (double)y, (double)got);
}

START_TEST(test_pow)
{
    static const float special[] = {
        0.0f,       -0.0f,     1.0f,       -1.0f,    2.0f,     -2.0f,        3.0f,
        -3.0f,      0.5f,      -0.5f,      INFINITY, -INFINITY, NAN,         1e30f,
        -1e30f,     1e-40f,    -1e-40f,    0x1p24f,  8388609.0f, -8388609.0f, 16777215.0f,
        0x1p-149f,  1.0000001f, 0.9999999f, 2.5f,     -2.5f,    3.4028235e38f};
    enum { COUNT = sizeof special / sizeof *special };
    for (int i = 0; i < COUNT * COUNT; i++)
        check_pow(special[i / COUNT], special[i % COUNT]);
    rng r = rng_of_round("pow", 0);
    const int count = points(300000);
    for (int i = 0; i < count; i++) {
        const float x = i % 3 ? from_bits((uint32_t)rng_range(&r, 0x00800000, 0x7f7fffff))
                              : (float)rng_range(&r, 1 << 22, 1 << 24) * 0x1p-23f;
        const double log2x = log2((double)x);
        const double y = (double)rng_range(&r, -155000, 155000) * 1e-3;
        check_pow(x, i % 5 ? (float)(y / (log2x == 0.0 ? 1.0 : log2x)) : rintf((float)(y / 8)));
    }
}
END_TEST

/* ---- Activations, through the kernels of ref ---- */

static double d_sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}
static double d_softplus(double x)
{
    return (x < 0 ? 0 : x) + log1p(exp(-fabs(x)));
}
static double d_mish(double x)
{
    return x * tanh(d_softplus(x));
}
static double d_elu(double x)
{
    return x < 0 ? 0.75 * expm1(x) : x;
}
static double d_selu(double x)
{
    return 1.25 * d_elu(x);
}
static double d_celu(double x)
{
    return fmax(0, x) + fmin(0, 0.75 * expm1(x / 0.75));
}
static double d_swish(double x)
{
    return x * d_sigmoid(0.75 * x);
}
static double d_softsign(double x)
{
    return x / (1 + fabs(x));
}
static double d_gelu(double x)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752));
}
static double d_gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

/* alpha is 0.75, beta 1.25 in all. Bounds in ulp of the result or, for those that subtract two
 * numbers near 1, in f32 epsilons times |x|. */
typedef struct activation {
    const char *name;
    uint32_t    unary;
    double (*want)(double);
    double low;
    double bound;
    bool   is_absolute;
} activation;

static const activation activations[] = {
    {"sigmoid", AI_UNARY_SIGMOID, d_sigmoid, -110, 3, false},
    {"softplus", AI_UNARY_SOFTPLUS, d_softplus, -110, 3, false},
    {"mish", AI_UNARY_MISH, d_mish, -80, 6, false},
    {"elu", AI_UNARY_ELU, d_elu, -110, 3, false},
    {"selu", AI_UNARY_SELU, d_selu, -110, 4, false},
    {"celu", AI_UNARY_CELU, d_celu, -110, 4, false},
    {"swish", AI_UNARY_SWISH, d_swish, -5, 6, false}, /* alpha x is rounded: grows with |x| */
    {"softsign", AI_UNARY_SOFTSIGN, d_softsign, -110, 2, false},
    {"gelu", AI_UNARY_GELU, d_gelu, -10, 2, true},
    {"gelu_tanh", AI_UNARY_GELU_TANH, d_gelu_tanh, -10, 2, true},
};

START_TEST(test_activation)
{
    const activation *a = &activations[_i];
    const ai_kernel *k =
        ai_kernel_find(AI_K_UNARY + a->unary, AI_F32, AI_F32, AI_LAYOUT_PLAIN, AI_CPU_REF);
    ck_assert_msg(k, "%s has no row", a->name);
    const int count = points(200000);
    for (int i = 0; i <= count; i++) {
        const float x = (float)(a->low + (100 - a->low) * i / count);
        float y;
        const ai_unary_args u = {&x, &y, 1, 0.75f, 1.25f};
        k->fn(&u);
        const double want = a->want((double)x);
        const double error = a->is_absolute
                                 ? fabs((double)y - want) / fmax(0x1p-23 * fabs((double)x), 0x1p-149)
                                 : ulps(y, want);
        ck_assert_msg(error <= a->bound, "%s(%a) is %a, %.3f from %a, at most %g", a->name,
                      (double)x, (double)y, error, want, a->bound);
    }
}
END_TEST

Suite *suite_accuracy(void)
{
    Suite *suite = suite_create("accuracy");
    TCase *c = tcase_create("accuracy");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, test_function, 0, (int)(sizeof functions / sizeof *functions));
    tcase_add_test(c, test_pow);
    tcase_add_loop_test(c, test_activation, 0, (int)(sizeof activations / sizeof *activations));
    suite_add_tcase(suite, c);
    return suite;
}
