/* SPDX-License-Identifier: Apache-2.0
 * Tests of layout and pack: what lies in blocks, where a Reorder stands, and the bits. The sum of a
 * Conv in blocks runs in another order than that of a plain one, so those two differ by rounding;
 * packing alone changes nothing. */
#include "net.h"

#include <stdlib.h>

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
    return status == AI_OK ? ai_pass_pack(g, err) : status;
}

static uint8_t layout_of(const char *node)
{
    return graph->values[net_find(graph, node)->outputs[0]].layout;
}

static uint8_t weight_layout(const char *node)
{
    return graph->values[net_find(graph, node)->inputs[1]].layout;
}

/* Channels: image, stem, dense, grouped, depthwise; sizes straddle blocks of 16. */
START_TEST(convolutions_choose_by_channels)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 11, 11), 0);
    int32_t a = net_conv(graph, "stem", x, 20, 3, 2, 1, 1, true);
    int32_t b = net_conv(graph, "dense", a, 32, 3, 1, 1, 1, false);
    int32_t c = net_conv(graph, "group", b, 64, 1, 1, 0, 2, true);
    int32_t d = net_conv(graph, "depthwise", c, 64, 3, 1, 1, 64, true);
    int32_t e = net_conv(graph, "odd", d, 24, 1, 1, 0, 8, true);
    ai_graph_output(graph, net_conv(graph, "last", e, 17, 1, 1, 0, 1, true));
    /* each sum is of at most 180 products; bounds add up over six layers */
    net_pass_close(graph, lay_out, 180, 300);
    ck_assert_uint_eq(weight_layout("stem"), AI_LAYOUT_STEM16);
    ck_assert_uint_eq(weight_layout("dense"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("group"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(weight_layout("depthwise"), AI_LAYOUT_DEPTHWISE16);
    ck_assert_uint_eq(weight_layout("odd"), AI_LAYOUT_PLAIN);
    ck_assert_uint_eq(weight_layout("last"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 3);
    ck_assert_uint_eq(layout_of("odd"), AI_LAYOUT_PLAIN);
}
END_TEST

/* Blocks of under 8 channels are made of blocks only, which are as large. */
START_TEST(few_channels_stay_plain)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 11, 11), 0);
    int32_t a = net_conv(graph, "seven", x, 7, 3, 1, 1, 1, true);
    int32_t b = net_op(graph, "relu", AI_OP_RELU, a, AI_NO_VALUE);
    int32_t c = net_conv(graph, "depthwise", b, 7, 3, 1, 1, 7, true);
    int32_t d = net_conv(graph, "eight", c, 8, 3, 1, 1, 1, true);
    ai_graph_output(graph, net_conv(graph, "one", d, 1, 3, 1, 1, 1, true));
    net_pass_close(graph, lay_out, 72, 100);
    static const char *const plain[] = {"seven", "relu", "depthwise"};
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(layout_of(plain[i]), AI_LAYOUT_PLAIN);
    ck_assert_uint_eq(weight_layout("seven"), AI_LAYOUT_PLAIN);
    ck_assert_uint_eq(layout_of("eight"), AI_LAYOUT_NCHW16C);
    ck_assert_uint_eq(layout_of("one"), AI_LAYOUT_NCHW16C);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
}
END_TEST

/* Sums of 1x1 convolutions run in the same order in both layouts: equal bits. */
START_TEST(followers_keep_the_layout)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3, 9, 9), 0);
    int32_t a = net_conv(graph, "a", x, 32, 1, 1, 0, 1, true);
    int32_t b = net_op(graph, "b", AI_OP_SIGMOID, a, AI_NO_VALUE);
    int32_t c = net_op(graph, "c", AI_OP_MUL, a, b);
    int32_t slope = net_random(graph, "slope", 3, 0, 1, DIMS(32, 1, 1));
    int32_t d = net_op(graph, "d", AI_OP_PRELU, c, slope);
    int32_t norm = net_batch_norm(graph, "norm", d, 32);
    ai_axis_params axis = {.axis = 1};
    int32_t two[2] = {d, norm};
    int32_t joined = net_node(graph, "joined", AI_OP_CONCAT, &axis, sizeof axis, AI_F32, 2, two);
    int32_t pool = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, joined, AI_NO_VALUE);
    ai_axis_params flat = {.axis = 1};
    ai_graph_output(graph,
                    net_node(graph, "y", AI_OP_FLATTEN, &flat, sizeof flat, AI_F32, 1, &pool));
    net_pass_close(graph, lay_out, 81, 10);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 0);
    ck_assert_uint_eq(layout_of("joined"), AI_LAYOUT_NCHW16C);
    ck_assert_uint_eq(layout_of("pool"), AI_LAYOUT_PLAIN);
}
END_TEST

/* One tensor read in both layouts by several nodes is reordered once. */
START_TEST(one_reorder_a_direction)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 9, 9), 0);
    int32_t a = net_conv(graph, "a", x, 32, 1, 1, 0, 1, true);
    ai_axis_params axis = {.axis = 2};
    for (int i = 0; i < 2; i++) {
        const char *name = ai_graph_format(graph, "soft%d", i);
        ai_graph_output(graph,
                        net_node(graph, name, AI_OP_SOFTMAX, &axis, sizeof axis, AI_F32, 1, &a));
    }
    ai_graph_output(graph, net_op(graph, "y", AI_OP_RELU, a, AI_NO_VALUE));
    net_pass_exact(graph, lay_out);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
}
END_TEST

/* An output in the middle stays plain, and what follows reads the blocks behind it. */
START_TEST(outputs_are_plain)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 9, 9), 0);
    int32_t a = net_conv(graph, "a", x, 32, 1, 1, 0, 1, true);
    int32_t b = net_conv(graph, "b", a, 32, 1, 1, 0, 1, true);
    ai_graph_output(graph, a);
    ai_graph_output(graph, b);
    net_pass_exact(graph, lay_out);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
    ck_assert_int_eq(graph->outputs[0], a);
    ck_assert_uint_eq(graph->values[a].layout, AI_LAYOUT_PLAIN);
}
END_TEST

START_TEST(channels_that_share_a_block_are_joined_plain)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 9, 9), 0);
    int32_t two[2] = {net_conv(graph, "a", x, 24, 1, 1, 0, 1, true),
                      net_conv(graph, "b", x, 8, 1, 1, 0, 1, true)};
    ai_axis_params axis = {.axis = 1};
    ai_graph_output(graph, net_node(graph, "y", AI_OP_CONCAT, &axis, sizeof axis, AI_F32, 2, two));
    net_pass_exact(graph, lay_out);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
    ck_assert_uint_eq(layout_of("y"), AI_LAYOUT_PLAIN);
}
END_TEST

START_TEST(residual_is_reordered_too)
{
    int32_t x = net_input(graph, "x", DIMS(1, 8, 9, 9), 0);
    int32_t a = net_conv(graph, "a", x, 8, 1, 1, 0, 1, true);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, a, x));
    net_pass_exact(graph, ai_pass_fuse_residual);
    net_pass_exact(graph, lay_out);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
}
END_TEST

START_TEST(gate_of_a_channel)
{
    int32_t x = net_input(graph, "x", DIMS(1, 3, 9, 9), 0);
    int32_t a = net_conv(graph, "a", x, 40, 1, 1, 0, 1, true);
    int32_t pool = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, a, AI_NO_VALUE);
    int32_t squeeze = net_conv(graph, "squeeze", pool, 8, 1, 1, 0, 1, true);
    int32_t excite = net_conv(graph, "excite", squeeze, 40, 1, 1, 0, 1, true);
    int32_t y = net_op(graph, "y", AI_OP_MUL, a, excite);
    ai_graph_output(graph, y);
    net_pass_close(graph, lay_out, 140, 30);
    ck_assert_uint_eq(weight_layout("excite"), AI_LAYOUT_CONV16);
    ck_assert_uint_eq(graph->values[y].layout, AI_LAYOUT_PLAIN);
}
END_TEST

static int32_t conv_transpose(const char *name, int32_t x, int32_t w, uint32_t stride,
                              uint32_t group)
{
    ai_conv_transpose_params params = {.group = group,
                                       .window = {.spatial = 2,
                                                  .kernel = {3, 4},
                                                  .stride = {stride, 3},
                                                  .dilation = {1, 2},
                                                  .pad_begin = {1, 0}},
                                       .output_padding = {0, 2}};
    int32_t operands[2] = {x, w};
    return net_node(graph, name, AI_OP_CONV_TRANSPOSE, &params, sizeof params, AI_F32, 2, operands);
}

/* The order of packed weights is that of one window: two of them do not share. */
START_TEST(transposed_convolutions_choose_by_group)
{
    int32_t x = net_input(graph, "x", DIMS(1, 20, 5, 6), 0);
    int32_t w = net_random(graph, "w", 5, -0.2f, 0.2f, DIMS(20, 20, 3, 4));
    int32_t a = conv_transpose("a", x, w, 2, 1);
    int32_t b = conv_transpose("b", a, w, 1, 1);
    ai_graph_output(graph, conv_transpose("c", b, w, 4, 2));
    net_pass_close(graph, lay_out, 3 * 240, 250);
    ck_assert_uint_eq(weight_layout("a"), AI_LAYOUT_TRANSPOSED16);
    ck_assert_uint_eq(weight_layout("b"), AI_LAYOUT_TRANSPOSED16);
    ck_assert_int_ne(net_find(graph, "a")->inputs[1], net_find(graph, "b")->inputs[1]);
    ck_assert_uint_eq(weight_layout("c"), AI_LAYOUT_PLAIN);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 2);
}
END_TEST

START_TEST(products_are_packed)
{
    int32_t x = net_input(graph, "x", DIMS(3, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(20, 17));
    int32_t y = net_gemm(graph, "one", x, b, AI_NO_VALUE, (ai_gemm_params){.alpha = 1, .beta = 1});
    int32_t z = net_gemm(graph, "two", x, b, AI_NO_VALUE, (ai_gemm_params){.alpha = 2, .beta = 1});
    ai_graph_output(graph, y);
    ai_graph_output(graph, z);
    net_pass_exact(graph, ai_pass_pack);
    ck_assert_uint_eq(weight_layout("one"), AI_LAYOUT_PANEL16);
    ck_assert_int_eq(net_find(graph, "one")->inputs[1], net_find(graph, "two")->inputs[1]);
}
END_TEST

START_TEST(variable_weights_stay_plain)
{
    int32_t x = net_input(graph, "x", DIMS(1, 16, 9, 9), 0);
    int32_t y = net_conv(graph, "y", x, 16, 1, 1, 0, 1, false);
    int32_t w = net_input(graph, "w", DIMS(16, 16, 1, 1), 0);
    graph->nodes[0].inputs[1] = w;
    ai_graph_output(graph, y);
    net_pass_exact(graph, lay_out);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_REORDER), 0);
}
END_TEST

/* Sorting puts nodes that were added last before their readers, and keeps the rest in order. */
START_TEST(sorting_keeps_the_order)
{
    int32_t x = net_input(graph, "x", DIMS(4), 0);
    int32_t a = net_op(graph, "a", AI_OP_NEG, x, AI_NO_VALUE);
    int32_t b = net_op(graph, "b", AI_OP_ABS, x, AI_NO_VALUE);
    int32_t c = net_op(graph, "c", AI_OP_ADD, a, b);
    ai_graph_output(graph, c);
    int32_t late = net_op(graph, "late", AI_OP_EXP, x, AI_NO_VALUE);
    graph->nodes[1].inputs[0] = late;
    ck_assert_int_eq(ai_pass_sort(graph, NULL), AI_OK);
    static const char *const names[] = {"a", "late", "b", "c"};
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_str_eq(graph->nodes[i].name, names[i]);
        ck_assert_int_eq(graph->values[graph->nodes[i].outputs[0]].producer, (int32_t)i);
    }
}
END_TEST

Suite *layout_suite(void)
{
    Suite *suite = suite_create("layout");
    TCase *tests = tcase_create("layout");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, convolutions_choose_by_channels);
    tcase_add_test(tests, few_channels_stay_plain);
    tcase_add_test(tests, followers_keep_the_layout);
    tcase_add_test(tests, one_reorder_a_direction);
    tcase_add_test(tests, outputs_are_plain);
    tcase_add_test(tests, channels_that_share_a_block_are_joined_plain);
    tcase_add_test(tests, residual_is_reordered_too);
    tcase_add_test(tests, gate_of_a_channel);
    tcase_add_test(tests, transposed_convolutions_choose_by_group);
    tcase_add_test(tests, products_are_packed);
    tcase_add_test(tests, variable_weights_stay_plain);
    tcase_add_test(tests, sorting_keeps_the_order);
    suite_add_tcase(suite, tests);
    return suite;
}
