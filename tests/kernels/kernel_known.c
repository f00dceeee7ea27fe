/* SPDX-License-Identifier: Apache-2.0
 * Values worked out by hand, at every level that this machine has. */
#include <math.h>
#include <string.h>

#include "kernel_test.h"

/* 1 to 16 in lane 0 of a 4x4 map of one block. */
static void map_of_16(float map[16 * 16])
{
    for (int i = 0; i < 16 * 16; i++)
        map[i] = i % 16 == 0 ? (float)(i / 16 + 1) : 0.0f;
}

/* Calls test(kernel) for each row of the operation that this machine runs; they are counted. */
static void each_row(uint32_t op, void (*test)(const ai_kernel *k))
{
    int cases = 0;
    for (uint32_t i = 0; i < ai_kernel_count; i++)
        if (ai_kernels[i].op == op && ai_kernels[i].act_type != AI_U8 &&
            (ai_kernels[i].cpu & ai_cpu_detect())) {
            test(&ai_kernels[i]);
            cases++;
        }
    ck_assert_msg(cases > 0, "no row of operation %u ran", (unsigned)op);
}

static const float sobel[9] = {1, 0, -1, 2, 0, -2, 1, 0, -1};

static void conv_gives_minus_8(const ai_kernel *k)
{
    float in[16 * 16], weights[9 * 16] = {0}, out[4 * 16];
    map_of_16(in);
    for (int t = 0; t < 9; t++)
        weights[t * 16] = sobel[t];
    const ai_conv_args a = {.in = in,
                            .in_row = 4 * 16,
                            .in_plane = sizeof in / sizeof *in,
                            .weights = weights,
                            .panel = 9 * 16,
                            .out = out,
                            .out_row = 2 * 16,
                            .out_plane = 4 * 16,
                            .ic = 1,
                            .kh = 3,
                            .kw = 3,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .ow = 2,
                            .row_end = 2,
                            .panel_end = 1,
                            .lo = -INFINITY,
                            .hi = INFINITY};
    k->fn(&a);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(out[i * 16] == -8.0f, "%s: output %d is %g, needs -8", k->name, i,
                      (double)out[i * 16]);
}

static void stem_gives_minus_8(const ai_kernel *k)
{
    float in[16], weights[9 * 16] = {0}, out[4 * 16];
    for (int i = 0; i < 16; i++)
        in[i] = (float)(i + 1);
    for (int t = 0; t < 9; t++)
        weights[t * 16] = sobel[t];
    const ai_conv_args a = {.in = in,
                            .in_row = 4,
                            .in_plane = 16,
                            .weights = weights,
                            .panel = 9 * 16,
                            .out = out,
                            .out_row = 2 * 16,
                            .out_plane = 4 * 16,
                            .ic = 1,
                            .kh = 3,
                            .kw = 3,
                            .stride_h = 1,
                            .stride_w = 1,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .ow = 2,
                            .row_end = 2,
                            .panel_end = 1,
                            .lo = -INFINITY,
                            .hi = INFINITY};
    k->fn(&a);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(out[i * 16] == -8.0f, "%s: output %d is %g, needs -8", k->name, i,
                      (double)out[i * 16]);
}

static void plain_gives_minus_8(const ai_kernel *k)
{
    float in[16], out[2];
    for (int i = 0; i < 16; i++)
        in[i] = (float)(i + 1);
    const int64_t taps[9] = {0, 1, 2, 4, 5, 6, 8, 9, 10};
    ai_conv_plain_args a = {.in = in,
                            .taps = taps,
                            .weights = sobel,
                            .tap_count = 9,
                            .stride = 1,
                            .out = out,
                            .columns = 2,
                            .lo = -INFINITY,
                            .hi = INFINITY};
    for (int y = 0; y < 2; y++) {
        a.in = in + y * 4;
        k->fn(&a);
        ck_assert_msg(out[0] == -8.0f && out[1] == -8.0f, "%s: row %d is %g %g, needs -8 -8",
                      k->name, y, (double)out[0], (double)out[1]);
    }
}

static void max_pool_gives_6_8_14_16(const ai_kernel *k)
{
    static const float want[4] = {6, 8, 14, 16};
    float in[16 * 16], out[4 * 16];
    map_of_16(in);
    const ai_pool_args p = {.in = in,
                            .in_row = 4 * 16,
                            .out = out,
                            .out_row = 2 * 16,
                            .ih = 4,
                            .iw = 4,
                            .ow = 2,
                            .kh = 2,
                            .kw = 2,
                            .stride_h = 2,
                            .stride_w = 2,
                            .dilation_h = 1,
                            .dilation_w = 1,
                            .row_end = 2};
    k->fn(&p);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(out[i * 16] == want[i], "%s: output %d is %g, needs %g", k->name, i,
                      (double)out[i * 16], (double)want[i]);
}

/* [[1, 2], [3, 4]] times [[5, 6], [7, 8]] plus [1, 2] is [[20, 24], [44, 52]]. */
static void gemm_gives_20_24_44_52(const ai_kernel *k)
{
    static const float a[4] = {1, 2, 3, 4}, bias[2] = {1, 2}, want[4] = {20, 24, 44, 52};
    float b[2 * 16] = {0}, out[4];
    uint16_t halves[2 * 16] = {0};
    b[0] = 5, b[1] = 6, b[16] = 7, b[17] = 8;
    halves[0] = 0x4500, halves[1] = 0x4600, halves[16] = 0x4700, halves[17] = 0x4800;
    const ai_gemm_args g = {.a = a,
                            .a_row = 2,
                            .b = k->weight_type == AI_F16 ? (const void *)halves : b,
                            .panel = 2 * 16,
                            .b_row = 16,
                            .bias = bias,
                            .out = out,
                            .out_row = 2,
                            .m = 2,
                            .n = 2,
                            .k = 2,
                            .panel_end = 1,
                            .lo = -INFINITY,
                            .hi = INFINITY};
    k->fn(&g);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(out[i] == want[i], "%s: output %d is %g, needs %g", k->name, i,
                      (double)out[i], (double)want[i]);
}

/* The product is just below half of the last denormal place: a sum rounded twice goes up. */
static void denormal_is_rounded_once(const ai_kernel *k)
{
    const float in = 0x1.000024p-75f, weight = 0x1.ffffb8p-76f, bias = 0x1.300f48p-128f;
    const int64_t tap = 0;
    float out;
    const ai_conv_plain_args a = {.in = &in,
                                  .taps = &tap,
                                  .weights = &weight,
                                  .tap_count = 1,
                                  .stride = 1,
                                  .bias = bias,
                                  .out = &out,
                                  .columns = 1,
                                  .lo = -INFINITY,
                                  .hi = INFINITY};
    k->fn(&a);
    ck_assert_msg(out == bias, "%s: %a * %a + %a is %a, needs the last of them", k->name,
                  (double)in, (double)weight, (double)bias, (double)out);
}

/* Worked out from the definition of f16. */
static float half_value(uint32_t half)
{
    const int exponent = (int)(half >> 10 & 31);
    const double fraction = half & 1023;
    const double size = exponent == 0    ? ldexp(fraction, -24)
                        : exponent == 31 ? (fraction > 0 ? (double)NAN : (double)INFINITY)
                                         : ldexp(1024 + fraction, exponent - 25);
    return (float)(half & 0x8000 ? -size : size);
}

/* A NaN keeps its sign and fraction, and is quiet. */
static void every_half_is_exact(const ai_kernel *k)
{
    static uint16_t in[65536];
    static float out[65536];
    for (uint32_t i = 0; i < 65536; i++)
        in[i] = (uint16_t)i;
    const ai_widen_args w = {in, out, 65536};
    k->fn(&w);
    for (uint32_t i = 0; i < 65536; i++) {
        const float want = half_value(i);
        uint32_t bits, want_bits;
        memcpy(&bits, &out[i], sizeof bits);
        memcpy(&want_bits, &want, sizeof want_bits);
        if (isnan(want))
            want_bits = (i & 0x8000) << 16 | 0x7fc00000 | (i & 1023) << 13;
        ck_assert_msg(bits == want_bits, "%s: f16 %04x is %08x, needs %08x", k->name, (unsigned)i,
                      (unsigned)bits, (unsigned)want_bits);
    }
}

/* 2 is the greatest: 8191 / 2 is what 1 is times. */
static void row_has_14_bits(const ai_kernel *k)
{
    static const float in[6] = {1, -2, 0.5f, 0, 1e-3f, -0x1p-12f};
    static const int16_t want[8] = {4096, 2048, -8191, 0, 4, 0, -1, 0};
    int16_t out[8];
    float scale;
    ai_quantise_args a = {in, 6, out, &scale};
    k->fn(&a);
    ck_assert_msg(scale == 2.0f / 8191, "%s: scale is %g", k->name, (double)scale);
    for (int i = 0; i < 8; i++)
        ck_assert_msg(out[i] == want[i], "%s: number %d is %d, needs %d", k->name, i, out[i],
                      want[i]);
    const float odd[4] = {0x1p-101f, INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 4; i++) {
        a = (ai_quantise_args){odd, i + 1, out, &scale};
        k->fn(&a);
        ck_assert_msg((i == 0 ? scale == 0 : isnan(scale)) && !out[0] && !out[1] && !out[2],
                      "%s: odd row %d has scale %g", k->name, i, (double)scale);
    }
}

START_TEST(test_quantise)
{
    each_row(AI_K_QUANTISE, row_has_14_bits);
}
END_TEST

START_TEST(test_widen)
{
    each_row(AI_K_WIDEN_F16, every_half_is_exact);
}
END_TEST

START_TEST(test_conv)
{
    each_row(AI_K_CONV, conv_gives_minus_8);
    each_row(AI_K_CONV_STEM, stem_gives_minus_8);
    each_row(AI_K_CONV_PLAIN, plain_gives_minus_8);
}
END_TEST

START_TEST(test_fma)
{
    each_row(AI_K_CONV_PLAIN, denormal_is_rounded_once);
}
END_TEST

START_TEST(test_max_pool)
{
    each_row(AI_K_MAX_POOL, max_pool_gives_6_8_14_16);
}
END_TEST

START_TEST(test_gemm)
{
    each_row(AI_K_GEMM, gemm_gives_20_24_44_52);
}
END_TEST

Suite *suite_known(void)
{
    Suite *suite = suite_create("known values");
    TCase *c = tcase_create("known values");
    tcase_add_test(c, test_conv);
    tcase_add_test(c, test_fma);
    tcase_add_test(c, test_widen);
    tcase_add_test(c, test_quantise);
    tcase_add_test(c, test_max_pool);
    tcase_add_test(c, test_gemm);
    suite_add_tcase(suite, c);
    return suite;
}
