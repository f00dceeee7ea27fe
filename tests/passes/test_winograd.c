/* SPDX-License-Identifier: Apache-2.0
 * Tests of the choice of Winograd's algorithm and of what it computes beside the direct sum. */
#include "net.h"

static ai_graph *graph;

static void setup(void)
{
    graph = ai_graph_new();
    graph->name = "net";
}

static void teardown(void)
{
    ai_graph_free(graph);
}

static ai_status lay_out(ai_graph *g, ai_error *err)
{
    ai_status status = ai_pass_layout(g, err);
    if (status == AI_OK)
        status = ai_pass_winograd(g, err);
    return status == AI_OK ? ai_pass_pack(g, err) : status;
}

static uint8_t weight_layout(const char *node)
{
    return graph->values[net_find(graph, node)->inputs[1]].layout;
}

/* Other constants, so that the file may grow by a quarter of them. */
static void add_ballast(int64_t numbers)
{
    int32_t x = net_input(graph, "ballast", DIMS(1, numbers), 0);
    int32_t w = net_random(graph, "ballast/w", 9, -1, 1, DIMS(numbers));
    ai_graph_output(graph, net_op(graph, "ballast/y", AI_OP_ADD, x, w));
}

static int32_t image(int64_t n, int64_t channels, int64_t height, int64_t width)
{
    return net_input(graph, "x", DIMS(n, channels, height, width), 0);
}

/* 32 to 48 channels, a map that straddles tiles in both directions, two images, residual, clamp. */
START_TEST(tiles_of_4_equal_the_direct_sum)
{
    int32_t x = image(2, 32, 13, 10);
    int32_t a = net_conv(graph, "a", x, 44, 3, 1, 1, 1, true);
    int32_t b = net_conv(graph, "b", a, 44, 3, 1, 1, 1, false);
    int32_t c = net_op(graph, "c", AI_OP_ADD, b, a);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_RELU, c, AI_NO_VALUE));
    add_ballast(1 << 20);
    net_pass_exact(graph, ai_pass_fuse_residual);
    net_pass_exact(graph, ai_pass_fuse_activation);
    /* sums of 9 * 44 products below 1 * 9 * 32, of which each may be 10 times as far off */
    net_pass_close(graph, lay_out, 10 * 9 * 44, 9 * 32);
    ck_assert_uint_eq(weight_layout("a"), AI_LAYOUT_WINOGRAD4);
    ck_assert_uint_eq(weight_layout("b"), AI_LAYOUT_WINOGRAD4);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_RELU), 0);
}
END_TEST

/* In blocks: Winograd's tiles, a strided Conv by rows and a stem, each larger than the piece of the
 * output over which an activation runs. */
START_TEST(activations_go_into_blocks)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 99, 90), 0);
    int32_t stem = net_conv(graph, "stem", x, 20, 3, 1, 1, 1, true);
    stem = net_op(graph, "stem/y", AI_OP_SIGMOID, stem, AI_NO_VALUE);
    int32_t a = net_conv(graph, "a", stem, 44, 3, 1, 1, 1, true);
    a = net_op(graph, "a/y", AI_OP_HARD_SWISH, a, AI_NO_VALUE);
    int32_t b = net_conv(graph, "b", a, 44, 3, 1, 1, 44, true);
    b = net_op(graph, "b/y", AI_OP_SIGMOID, b, AI_NO_VALUE);
    int32_t c = net_conv(graph, "c", net_op(graph, "b/sum", AI_OP_ADD, b, a), 70, 3, 2, 1, 1, true);
    ai_graph_output(graph, net_op(graph, "c/y", AI_OP_TANH, c, AI_NO_VALUE));
    add_ballast(1 << 20);
    net_pass_close(graph, lay_out, 10 * 9 * 44 * 99, 9 * 32 * 99);
    ck_assert_uint_eq(weight_layout("a"), AI_LAYOUT_WINOGRAD4);
    uint32_t nodes = net_nodes(graph, AI_NET_ANY);
    net_pass_exact(graph, ai_pass_fuse_activation);
    net_pass_exact(graph, ai_pass_fuse_late_residual);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), nodes - 5);
}
END_TEST

START_TEST(tiles_of_2_equal_the_direct_sum)
{
    int32_t x = image(1, 130, 15, 14);
    ai_graph_output(graph, net_conv(graph, "y", x, 144, 3, 1, 1, 1, true));
    add_ballast(1 << 20);
    net_pass_close(graph, lay_out, 10 * 9 * 130, 9 * 130);
    ck_assert_uint_eq(weight_layout("y"), AI_LAYOUT_WINOGRAD2);
}
END_TEST

START_TEST(padding_may_be_any)
{
    int32_t x = image(1, 32, 9, 11);
    int32_t a = net_conv(graph, "none", x, 32, 3, 1, 0, 1, true);
    int32_t b = net_conv(graph, "wide", a, 32, 3, 1, 3, 1, true);
    ai_conv_params *p = net_find(graph, "wide")->params;
    p->window.pad_begin[0] = 0;
    p->window.pad_end[1] = 5;
    ai_graph_output(graph, b);
    ai_graph_output(graph, net_conv(graph, "again", b, 32, 3, 1, 1, 1, true));
    add_ballast(1 << 20);
    net_pass_close(graph, lay_out, 10 * 27 * 32, 9 * 32 * 20);
    ck_assert_uint_eq(weight_layout("none"), AI_LAYOUT_CONV16); /* 7 rows */
    ck_assert_uint_eq(weight_layout("wide"), AI_LAYOUT_WINOGRAD4);
    ck_assert_uint_eq(weight_layout("again"), AI_LAYOUT_WINOGRAD4);
}
END_TEST

/* A weight, a map, and what is chosen. */
static void expect_choice(int64_t inputs, int64_t outputs, int64_t side, uint8_t layout)
{
    setup();
    int32_t x = image(1, inputs, side, side);
    ai_graph_output(graph, net_conv(graph, "y", x, outputs, 3, 1, 1, 1, true));
    add_ballast(16 << 20);
    ck_assert_int_eq(lay_out(graph, NULL), AI_OK);
    ck_assert_msg(weight_layout("y") == layout, "%d to %d channels at %d: layout %d", (int)inputs,
                  (int)outputs, (int)side, (int)weight_layout("y"));
    teardown();
}

START_TEST(size_decides)
{
    expect_choice(64, 64, 56, AI_LAYOUT_WINOGRAD4);
    expect_choice(128, 128, 28, AI_LAYOUT_WINOGRAD4);
    expect_choice(256, 256, 14, AI_LAYOUT_WINOGRAD2);
    expect_choice(512, 512, 7, AI_LAYOUT_CONV16);
    expect_choice(256, 256, 28, AI_LAYOUT_WINOGRAD4);
    expect_choice(256, 256, 24, AI_LAYOUT_WINOGRAD2);
    expect_choice(256, 256, 13, AI_LAYOUT_WINOGRAD2);
    expect_choice(256, 256, 12, AI_LAYOUT_CONV16);
    expect_choice(16, 16, 8, AI_LAYOUT_WINOGRAD4);
    expect_choice(16, 16, 7, AI_LAYOUT_CONV16);
    expect_choice(15, 16, 56, AI_LAYOUT_CONV16);
    expect_choice(16, 15, 56, AI_LAYOUT_CONV16);
}
END_TEST

START_TEST(only_what_the_algorithm_does)
{
    int32_t x = image(1, 64, 24, 24);
    int32_t a = net_conv(graph, "stride", x, 64, 3, 2, 1, 1, true);
    int32_t b = net_conv(graph, "group", a, 64, 3, 1, 1, 2, true);
    int32_t c = net_conv(graph, "five", b, 64, 5, 1, 2, 1, true);
    int32_t d = net_conv(graph, "wide", c, 64, 3, 1, 2, 1, true);
    ai_conv_params *p = net_find(graph, "wide")->params;
    p->window.dilation[0] = p->window.dilation[1] = 2;
    ai_graph_output(graph, net_conv(graph, "y", d, 64, 3, 1, 1, 1, true));
    add_ballast(1 << 20);
    ck_assert_int_eq(lay_out(graph, NULL), AI_OK);
    ck_assert_uint_eq(weight_layout("stride"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("group"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("five"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("wide"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("y"), AI_LAYOUT_WINOGRAD4);
}
END_TEST

/* For each 7 * 32 * 32 numbers more in tiles of 2, and 20 * 32 * 32 on top of those in tiles of 4:
 * first tiles of 2 for all, then tiles of 4 on the larger map. */
static void expect_growth(int64_t times, uint8_t small, uint8_t large)
{
    setup();
    int32_t x = image(1, 32, 12, 12);
    int32_t a = net_conv(graph, "small", x, 32, 3, 1, 1, 1, false);
    ai_graph_output(graph, net_conv(graph, "large", a, 32, 3, 1, 3, 1, false));
    add_ballast((4 * times - 18) * 32 * 32); /* the weights are 18 */
    ck_assert_int_eq(lay_out(graph, NULL), AI_OK);
    ck_assert_uint_eq(weight_layout("small"), small);
    ck_assert_uint_eq(weight_layout("large"), large);
    teardown();
}

START_TEST(the_file_grows_by_a_quarter_at_most)
{
    expect_growth(6, AI_LAYOUT_CONV16, AI_LAYOUT_CONV16);
    expect_growth(7, AI_LAYOUT_CONV16, AI_LAYOUT_WINOGRAD2);
    expect_growth(14, AI_LAYOUT_WINOGRAD2, AI_LAYOUT_WINOGRAD2);
    expect_growth(33, AI_LAYOUT_WINOGRAD2, AI_LAYOUT_WINOGRAD2);
    expect_growth(34, AI_LAYOUT_WINOGRAD2, AI_LAYOUT_WINOGRAD4);
    expect_growth(54, AI_LAYOUT_WINOGRAD4, AI_LAYOUT_WINOGRAD4);
}
END_TEST

START_TEST(nodes_share_a_transformed_weight)
{
    int32_t x = image(1, 32, 12, 12);
    int32_t a = net_conv(graph, "a", x, 32, 3, 1, 1, 1, false);
    ai_graph_output(graph, net_conv(graph, "b", a, 32, 3, 1, 1, 1, false));
    graph->nodes[1].inputs[1] = graph->nodes[0].inputs[1];
    add_ballast(4 * 27 * 32 * 32);
    net_pass_close(graph, lay_out, 20 * 9 * 32, 9 * 32 * 20);
    ck_assert_uint_eq(weight_layout("a"), AI_LAYOUT_WINOGRAD4);
    ck_assert_int_eq(net_find(graph, "a")->inputs[1], net_find(graph, "b")->inputs[1]);
}
END_TEST

START_TEST(a_flag_leaves_it_out)
{
    int32_t x = image(1, 32, 12, 12);
    ai_graph_output(graph, net_conv(graph, "y", x, 32, 3, 1, 1, 1, false));
    add_ballast(1 << 20);
    graph->flags = AI_CONVERT_NO_WINOGRAD;
    ck_assert_int_eq(lay_out(graph, NULL), AI_OK);
    ck_assert_uint_eq(weight_layout("y"), AI_LAYOUT_CONV16);
}
END_TEST

Suite *winograd_suite(void)
{
    Suite *suite = suite_create("winograd");
    TCase *tests = tcase_create("winograd");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30); /* ref sums 5 million products */
    tcase_add_test(tests, tiles_of_4_equal_the_direct_sum);
    tcase_add_test(tests, activations_go_into_blocks);
    tcase_add_test(tests, tiles_of_2_equal_the_direct_sum);
    tcase_add_test(tests, padding_may_be_any);
    tcase_add_test(tests, only_what_the_algorithm_does);
    tcase_add_test(tests, nodes_share_a_transformed_weight);
    tcase_add_test(tests, a_flag_leaves_it_out);
    suite_add_tcase(suite, tests);
    TCase *choice = tcase_create("choice");
    tcase_set_timeout(choice, 30);
    tcase_add_test(choice, size_decides);
    tcase_add_test(choice, the_file_grows_by_a_quarter_at_most);
    suite_add_tcase(suite, choice);
    return suite;
}
