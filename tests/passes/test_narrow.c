/* SPDX-License-Identifier: Apache-2.0
 * Tests of weights stored as f16 and s8. */
#include "net.h"

#include <math.h>

static ai_graph *graph;

static void setup(void)
{
    graph = ai_graph_new();
    graph->name = "net";
    graph->flags = AI_CONVERT_F16_WEIGHTS;
}

static void teardown(void)
{
    ai_graph_free(graph);
}

/* Rounding a factor to 11 bits moves a product by 2^-12 of it at most: 2 * 2048 * 2^-24. */
enum { ROUNDED = 2048 };

static const ai_value *weight(const char *node)
{
    return &graph->values[net_find(graph, node)->inputs[1]];
}

static void lay_out(void)
{
    ck_assert_int_eq(ai_pass_layout(graph, NULL), AI_OK);
    ck_assert_int_eq(ai_pass_winograd(graph, NULL), AI_OK);
    ck_assert_int_eq(ai_pass_pack(graph, NULL), AI_OK);
}

static void expect_narrow(int64_t inputs, int64_t outputs, int64_t kernel, uint32_t group,
                          uint8_t layout)
{
    setup();
    int32_t x = net_input(graph, "x", DIMS(1, inputs, 9, 8), 0);
    ai_graph_output(graph, net_conv(graph, "y", x, outputs, kernel, 1, 0, group, true));
    lay_out();
    ck_assert_uint_eq(weight("y")->layout, layout);
    uint64_t bytes = weight("y")->bytes;
    double products = (double)(inputs / group * kernel * kernel);
    net_pass_close(graph, ai_pass_narrow, ROUNDED + 2 * products + 2, products + 1);
    ck_assert_uint_eq(weight("y")->layout, layout);
    ck_assert_uint_eq(weight("y")->type, AI_F16);
    ck_assert_uint_eq(weight("y")->bytes, bytes / 2);
    ck_assert_uint_eq(graph->values[net_find(graph, "y")->inputs[2]].type, AI_F32);
    ck_assert_uint_eq(graph->narrow_count, 1);
    ck_assert(graph->narrow_error > 0x1p-14 && graph->narrow_error < 0x1p-11);
    teardown();
}

START_TEST(convolutions_have_half_the_bytes)
{
    expect_narrow(20, 36, 1, 1, AI_LAYOUT_CONV16);
    expect_narrow(20, 36, 3, 1, AI_LAYOUT_CONV16);
    expect_narrow(3, 36, 3, 1, AI_LAYOUT_STEM16);
    expect_narrow(36, 36, 3, 36, AI_LAYOUT_DEPTHWISE16);
}
END_TEST

/* m rows: few are multiplied as they are, more with weights that were widened. */
static void expect_product(int64_t m)
{
    setup();
    int32_t a = net_input(graph, "a", DIMS(m, 70), 0);
    int32_t b = net_random(graph, "b", 3, -1, 1, DIMS(70, 150));
    int32_t c = net_random(graph, "c", 4, -1, 1, DIMS(150));
    ai_graph_output(graph, net_gemm(graph, "y", a, b, c, (ai_gemm_params){.alpha = 1, .beta = 1}));
    lay_out();
    net_pass_close(graph, ai_pass_narrow, ROUNDED + 2 * 70 + 2, 71);
    ck_assert_uint_eq(weight("y")->type, AI_F16);
    teardown();
}

START_TEST(products_too)
{
    expect_product(1);
    expect_product(3);
    expect_product(4);
    expect_product(33);
}
END_TEST

/* Each number of the transformed weights is rounded: F(4x4) multiplies errors (see winograd.c). */
START_TEST(winograd_s_too)
{
    int32_t x = net_input(graph, "x", DIMS(1, 32, 12, 12), 0);
    ai_graph_output(graph, net_conv(graph, "y", x, 32, 3, 1, 1, 1, false));
    int32_t z = net_input(graph, "z", DIMS(1, 1 << 18), 0);
    int32_t w = net_random(graph, "w", 9, -1, 1, DIMS(1 << 18));
    ai_graph_output(graph, net_op(graph, "other", AI_OP_ADD, z, w));
    lay_out();
    ck_assert_uint_eq(weight("y")->layout, AI_LAYOUT_WINOGRAD4);
    net_pass_close(graph, ai_pass_narrow, 4 * ROUNDED, 9 * 32);
    ck_assert_uint_eq(weight("y")->type, AI_F16);
    ck_assert_uint_eq(graph->values[w].type, AI_F32); /* no weight of a sum */
}
END_TEST

static float *make_product(int64_t rows)
{
    int32_t a = net_input(graph, "a", DIMS(1, rows), 0);
    int32_t b = net_random(graph, "b", 3, -1, 1, DIMS(rows, 16));
    ai_graph_output(graph, net_op(graph, "fc/1", AI_OP_MATMUL, a, b));
    ((ai_gemm_params *)net_find(graph, "fc/1")->params)->alpha = 1;
    ck_assert_int_eq(ai_pass_pack(graph, NULL), AI_OK);
    return (float *)weight("fc/1")->data;
}

START_TEST(too_large_a_weight_is_named)
{
    ai_error err;
    float *numbers = make_product(8);
    numbers[5] = 65519; /* rounds to 65504 */
    numbers[77] = -65520;
    ck_assert_int_eq(ai_pass_narrow(graph, &err), AI_E_VALUE);
    ck_assert_msg(strstr(err.message, "MatMul 'fc/1': weight 'b' has -65520 in layout 5, f16 ends "
                                      "at 65504") != NULL,
                  "%s", err.message);
}
END_TEST

START_TEST(what_f16_has_is_kept)
{
    float *numbers = make_product(2);
    for (int i = 0; i < 32; i++)
        numbers[i] = (float)i * 0x1p-24f;
    numbers[0] = INFINITY;
    numbers[1] = 65504;
    net_pass_exact(graph, ai_pass_narrow);
    ck_assert(graph->narrow_error == 0);
}
END_TEST

START_TEST(nodes_share_a_weight)
{
    int32_t x = net_input(graph, "x", DIMS(1, 32, 5, 5), 0);
    int32_t a = net_conv(graph, "a", x, 32, 1, 1, 0, 1, false);
    ai_graph_output(graph, net_conv(graph, "b", a, 32, 1, 1, 0, 1, false));
    graph->nodes[1].inputs[1] = graph->nodes[0].inputs[1];
    lay_out();
    ck_assert_int_eq(ai_pass_narrow(graph, NULL), AI_OK);
    ck_assert_uint_eq(weight("a")->type, AI_F16);
    ck_assert_ptr_eq(weight("a"), weight("b"));
    ck_assert_uint_eq(graph->narrow_count, 1);
}
END_TEST

START_TEST(only_where_it_is_asked_for)
{
    graph->flags = 0;
    make_product(2);
    net_pass_exact(graph, ai_pass_narrow);
    ck_assert_uint_eq(weight("fc/1")->type, AI_F32);
}
END_TEST

/* ---- s8 ---- */

/* Weights move by 1/254 of their column's greatest, inputs by 1/16382. */
enum { ROUNDED_S8 = 1 << 16 };

START_TEST(products_have_a_quarter_of_the_bytes)
{
    graph->flags = AI_CONVERT_S8_WEIGHTS;
    int32_t a = net_input(graph, "a", DIMS(3, 70), 0);
    int32_t b = net_random(graph, "b", 3, -1, 1, DIMS(70, 150));
    int32_t c = net_random(graph, "c", 4, -1, 1, DIMS(150));
    ai_graph_output(graph, net_gemm(graph, "y", a, b, c, (ai_gemm_params){.alpha = 1, .beta = 1}));
    lay_out();
    net_pass_close(graph, ai_pass_narrow, ROUNDED_S8, 71);
    ck_assert_uint_eq(weight("y")->type, AI_S8);
    ck_assert_uint_eq(weight("y")->layout, AI_LAYOUT_QPANEL16);
    ck_assert_uint_eq(weight("y")->bytes, 10 * (64 + 18 * 64));
    ck_assert_uint_eq(graph->narrow_count, 1);
    ck_assert(graph->narrow_error > 0.002 && graph->narrow_error < 0.006);
}
END_TEST

/* The greatest is 127, halves go to the even, rows are padded with zeros. */
START_TEST(columns_have_scales)
{
    graph->flags = AI_CONVERT_S8_WEIGHTS;
    float *numbers = make_product(5);
    static const float column[5] = {-254, 5, 3, 0, 1};
    static const int8_t want[8] = {-127, 2, 2, 0, 0, 0, 0, 0};
    for (int i = 0; i < 5; i++) {
        numbers[i * 16 + 3] = column[i];
        numbers[i * 16 + 4] = 0;
    }
    ck_assert_int_eq(ai_pass_narrow(graph, NULL), AI_OK);
    const float *scales = (const float *)weight("fc/1")->data;
    const int8_t *q = (const int8_t *)weight("fc/1")->data + 64;
    ck_assert(scales[3] == 2 && scales[4] == 0);
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(q[i / 4 * 64 + 3 * 4 + i % 4], want[i]);
        ck_assert_int_eq(q[i / 4 * 64 + 4 * 4 + i % 4], 0);
    }
}
END_TEST

START_TEST(weights_must_be_finite)
{
    ai_error err;
    graph->flags = AI_CONVERT_S8_WEIGHTS;
    make_product(8)[77] = -INFINITY;
    ck_assert_int_eq(ai_pass_narrow(graph, &err), AI_E_VALUE);
    ck_assert_msg(strstr(err.message, "MatMul 'fc/1': weight 'b' has inf, s8 has not: keep f32"),
                  "%s", err.message);
}
END_TEST

/* What lib/ops/matmul.c does not do with s8 stays f32, and so does Conv. */
START_TEST(other_forms_stay)
{
    graph->flags = AI_CONVERT_S8_WEIGHTS;
    int32_t a = net_input(graph, "a", DIMS(2, 7), 0);
    int32_t b = net_random(graph, "b", 3, -1, 1, DIMS(7, 20));
    int32_t c = net_random(graph, "c", 4, -1, 1, DIMS(2, 1));
    ai_gemm_params twice = {.alpha = 2, .beta = 1};
    ai_gemm_params once = {.alpha = 1, .beta = 1};
    ai_graph_output(graph, net_gemm(graph, "scaled", a, b, AI_NO_VALUE, twice));
    ai_graph_output(graph, net_gemm(graph, "rows", a, b, c, once));
    int32_t x = net_input(graph, "x", DIMS(1, 20, 9, 8), 0);
    ai_graph_output(graph, net_conv(graph, "conv", x, 36, 1, 1, 0, 1, true));
    lay_out();
    net_pass_exact(graph, ai_pass_narrow);
    ck_assert_uint_eq(graph->narrow_count, 0);
}
END_TEST

Suite *narrow_suite(void)
{
    Suite *suite = suite_create("narrow");
    TCase *tests = tcase_create("narrow");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, winograd_s_too);
    tcase_add_test(tests, too_large_a_weight_is_named);
    tcase_add_test(tests, what_f16_has_is_kept);
    tcase_add_test(tests, nodes_share_a_weight);
    tcase_add_test(tests, only_where_it_is_asked_for);
    tcase_add_test(tests, products_have_a_quarter_of_the_bytes);
    tcase_add_test(tests, columns_have_scales);
    tcase_add_test(tests, weights_must_be_finite);
    tcase_add_test(tests, other_forms_stay);
    suite_add_tcase(suite, tests);
    TCase *forms = tcase_create("forms");
    tcase_add_test(forms, convolutions_have_half_the_bytes);
    tcase_add_test(forms, products_too);
    suite_add_tcase(suite, forms);
    return suite;
}
