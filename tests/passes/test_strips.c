/* SPDX-License-Identifier: Apache-2.0
 * Tests of the chains that become steps in strips, and that their bits stay. */
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
    return status == AI_OK ? ai_pass_pack(g, err) : status;
}

static int32_t image(int64_t n, int64_t channels, int64_t side)
{
    return net_input(graph, "x", DIMS(n, channels, side, side), 0);
}

static const ai_strips_params *strips_of(const char *name)
{
    const ai_graph_node *node = net_find(graph, name);
    ck_assert_uint_eq(node->op, AI_OP_STRIPS);
    return node->params;
}

/* Bits are compared before and after. */
static void expect(uint32_t strips, uint32_t convs, uint32_t pools)
{
    net_pass_exact(graph, ai_pass_fuse_residual);
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_int_eq(lay_out(graph, NULL), AI_OK);
    net_pass_exact(graph, ai_pass_fuse_strips);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_STRIPS), strips);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_CONV), convs);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_MAX_POOL), pools);
}

static int32_t relu(const char *name, int32_t x)
{
    return net_op(graph, name, AI_OP_RELU, x, AI_NO_VALUE);
}

/* Expand to 72 channels of 60x60; a depthwise kernel; project to 12. */
static int32_t block(int32_t x, int64_t kernel, uint32_t stride)
{
    int32_t a = relu("a/relu", net_conv(graph, "a", x, 72, 1, 1, 0, 1, true));
    int32_t b = net_conv(graph, "b", a, 72, kernel, stride, (uint32_t)kernel / 2, 72, true);
    return net_conv(graph, "c", relu("b/relu", b), 12, 1, 1, 0, 1, true);
}

static int32_t pool(int32_t x)
{
    ai_pool_params p = {.window = {.spatial = 2}};
    for (int i = 0; i < 2; i++) {
        p.window.kernel[i] = 3;
        p.window.stride[i] = 2;
        p.window.dilation[i] = 1;
        p.window.pad_begin[i] = p.window.pad_end[i] = 1;
    }
    return net_node(graph, "pool", AI_OP_MAX_POOL, &p, sizeof p, AI_F32, 1, &x);
}

START_TEST(a_block_with_its_residual)
{
    int32_t x = net_conv(graph, "x/blocks", image(1, 16, 60), 12, 1, 1, 0, 1, false);
    ai_graph_output(graph, net_op(graph, "sum", AI_OP_ADD, x, block(x, 3, 1)));
    expect(1, 1, 0);
    ck_assert_uint_eq(strips_of("c")->count, 3);
    ck_assert_int_eq(net_find(graph, "c")->inputs[9], net_find(graph, "c")->inputs[0]);
}
END_TEST

START_TEST(a_block_with_stride_2)
{
    ai_graph_output(graph, block(image(1, 10, 60), 5, 2));
    expect(1, 0, 0);
    ck_assert_uint_eq(strips_of("c")->count, 3);
}
END_TEST

START_TEST(a_stem_with_its_pool)
{
    int32_t a = relu("a/relu", net_conv(graph, "a", image(2, 3, 90), 70, 7, 2, 3, 1, true));
    ai_graph_output(graph, pool(a));
    expect(1, 0, 0);
    ck_assert_uint_eq(strips_of("pool")->count, 2);
}
END_TEST

START_TEST(a_stem_with_what_follows)
{
    int32_t a = relu("a/relu", net_conv(graph, "a", image(1, 3, 120), 72, 3, 2, 1, 1, true));
    int32_t b = relu("b/relu", net_conv(graph, "b", a, 72, 3, 1, 1, 72, true));
    ai_graph_output(graph, net_conv(graph, "c", b, 12, 1, 1, 0, 1, true));
    expect(1, 0, 0);
    ck_assert_uint_eq(strips_of("c")->count, 3);
}
END_TEST

START_TEST(what_others_read_stays)
{
    int32_t c = block(image(1, 10, 60), 3, 1);
    ai_graph_output(graph, c);
    ai_graph_output(graph, net_op(graph, "other", AI_OP_NEG, net_find(graph, "a/relu")->outputs[0],
                                  AI_NO_VALUE));
    expect(1, 1, 0); /* depthwise and project */
    ck_assert_uint_eq(strips_of("c")->count, 2);
}
END_TEST

START_TEST(what_the_border_needs_stays)
{
    int32_t c = block(image(1, 10, 60), 3, 1);
    ai_graph_output(graph, c);
    ai_graph_output(graph, net_find(graph, "b/relu")->outputs[0]);
    expect(0, 3, 0);
}
END_TEST

START_TEST(small_tensors_stay)
{
    ai_graph_output(graph, block(image(1, 10, 29), 3, 1)); /* 72 * 29 * 29 numbers: 242 kB */
    expect(0, 3, 0);
}
END_TEST

START_TEST(a_flag_leaves_it_out)
{
    ai_graph_output(graph, block(image(1, 10, 60), 3, 1));
    graph->flags = AI_CONVERT_NO_STRIPS;
    expect(0, 3, 0);
}
END_TEST

Suite *strips_suite(void)
{
    Suite *suite = suite_create("strips");
    TCase *tests = tcase_create("strips");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, a_block_with_its_residual);
    tcase_add_test(tests, a_block_with_stride_2);
    tcase_add_test(tests, a_stem_with_its_pool);
    tcase_add_test(tests, a_stem_with_what_follows);
    tcase_add_test(tests, what_others_read_stays);
    tcase_add_test(tests, what_the_border_needs_stays);
    tcase_add_test(tests, small_tensors_stay);
    tcase_add_test(tests, a_flag_leaves_it_out);
    suite_add_tcase(suite, tests);
    return suite;
}
