/* SPDX-License-Identifier: Apache-2.0
 * Tests of the fusing passes: fewer nodes, the same outputs, and what must not be fused stays. */
#include "net.h"

#include <math.h>

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

static int32_t image(const char *name, int64_t channels, int64_t size)
{
    return net_input(graph, name, DIMS(1, channels, size, size), 0);
}

static int32_t pad_node(int32_t x, const int64_t *pads, float value)
{
    ai_cast_params params = {0};
    int32_t inputs[3] = {x, net_s64(graph, "pads", 8, pads), net_f32(graph, "value", value)};
    return net_node(graph, "pad", AI_OP_PAD, &params, sizeof params, AI_F32, 3, inputs);
}

START_TEST(pad_becomes_padding)
{
    int32_t x = image("x", 3, 9);
    int32_t p = pad_node(x, (int64_t[]){0, 0, 1, 0, 0, 0, 2, 1}, 0);
    ai_graph_output(graph, net_conv(graph, "y", p, 5, 3, 2, 1, 1, true));
    net_pass_exact(graph, ai_pass_fuse_pad);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_PAD), 0);
    const ai_conv_params *params = net_find(graph, "y")->params;
    ck_assert_uint_eq(params->window.pad_begin[0], 2);
    ck_assert_uint_eq(params->window.pad_end[0], 3);
    ck_assert_uint_eq(params->window.pad_begin[1], 1);
    ck_assert_uint_eq(params->window.pad_end[1], 2);
}
END_TEST

START_TEST(other_pads_stay)
{
    static const int64_t pads[][8] = {
        {0, 0, 1, 1, 0, 0, 1, 1}, {0, 0, -1, 0, 0, 0, 1, 0}, {0, 1, 0, 0, 0, 1, 0, 0}};
    static const float values[] = {0.5f, 0, 0};
    int64_t channels = pads[_i][1] + pads[_i][5];
    int32_t p = pad_node(image("x", 3, 9), pads[_i], values[_i]);
    int32_t y = net_conv(graph, "y", p, 5, 3, 1, 0, 1, false);
    ck_assert_int_eq(graph->values[p].dim[1], 3 + channels);
    ai_graph_output(graph, y);
    net_pass_exact(graph, ai_pass_fuse_pad);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_PAD), 1);
}
END_TEST

START_TEST(pad_read_twice_stays)
{
    int32_t p = pad_node(image("x", 3, 9), (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1}, 0);
    ai_graph_output(graph, net_conv(graph, "y", p, 5, 3, 1, 0, 1, false));
    ai_graph_output(graph, net_conv(graph, "z", p, 5, 3, 1, 0, 1, false));
    net_pass_exact(graph, ai_pass_fuse_pad);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_PAD), 1);
}
END_TEST

START_TEST(batch_norm_goes_into_conv)
{
    bool has_bias = _i == 1;
    int32_t c = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 2, has_bias);
    ai_graph_output(graph, net_batch_norm(graph, "norm", c, 10));
    /* weights are scaled by at most 1.5 / sqrt(0.5); 27 taps of at most 0.34 each */
    net_pass_close(graph, ai_pass_fuse_scale, 30, 2.2 * (27 * 0.34 + 2) + 1);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    ck_assert_uint_eq(net_find(graph, "conv")->input_count, 3);
}
END_TEST

static int32_t conv_transpose(int32_t x, int64_t inputs, int64_t outputs, uint32_t group)
{
    ai_conv_transpose_params params = {
        .group = group,
        .window = {.spatial = 2, .kernel = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}}};
    int32_t operands[2] = {
        x, net_random(graph, "w", 5, -0.2f, 0.2f, DIMS(inputs, outputs / group, 3, 3))};
    return net_node(graph, "up", AI_OP_CONV_TRANSPOSE, &params, sizeof params, AI_F32, 2, operands);
}

START_TEST(batch_norm_goes_into_conv_transpose)
{
    int32_t up = conv_transpose(image("x", 6, 5), 6, 8, 2);
    ai_graph_output(graph, net_batch_norm(graph, "norm", up, 8));
    net_pass_close(graph, ai_pass_fuse_scale, 30, 2.2 * (27 * 0.2 + 1) + 1);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

START_TEST(batch_norm_goes_into_gemm)
{
    int32_t x = net_input(graph, "x", DIMS(3, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(20, 17));
    int32_t y = net_gemm(graph, "gemm", x, b, AI_NO_VALUE, (ai_gemm_params){.alpha = 1, .beta = 1});
    ai_graph_output(graph, net_batch_norm(graph, "norm", y, 17));
    net_pass_close(graph, ai_pass_fuse_scale, 20, 2.2 * (20 + 1) + 1);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

/* BatchNormalization, times a constant, plus one, as two constants of [C, 1, 1]. */
START_TEST(scales_go_into_batch_norm)
{
    int32_t norm = net_batch_norm(graph, "norm", image("x", 5, 6), 5);
    int32_t m = net_random(graph, "m", 3, 0.5f, 2, DIMS(5, 1, 1));
    int32_t a = net_random(graph, "a", 4, -1, 1, DIMS(1, 5, 1, 1));
    int32_t product = net_op(graph, "product", AI_OP_MUL, norm, m);
    ai_graph_output(graph, net_op(graph, "sum", AI_OP_ADD, a, product));
    net_pass_close(graph, ai_pass_fuse_scale, 4, 2 * (2.2 * 2 + 1) + 1);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

START_TEST(arithmetic_goes_into_conv)
{
    static const uint16_t ops[] = {AI_OP_MUL, AI_OP_ADD, AI_OP_SUB, AI_OP_DIV, AI_OP_SUB};
    int32_t y = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 1, true);
    int32_t c = net_random(graph, "c", 3, 0.5f, 2, DIMS(10, 1, 1));
    bool is_left = _i == 4;
    ai_graph_output(graph, net_op(graph, "y", ops[_i], is_left ? c : y, is_left ? y : c));
    net_pass_close(graph, ai_pass_fuse_scale, 56, 2 * (54 * 0.24 + 2) + 2);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

/* A constant of another axis, a quotient the other way, a value read twice, one at the border. */
START_TEST(other_arithmetic_stays)
{
    int32_t y = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 1, true);
    int32_t row = net_random(graph, "row", 3, 0.5f, 2, DIMS(7));
    int32_t all = net_random(graph, "all", 3, 0.5f, 2, DIMS(10, 1, 1));
    if (_i == 0)
        y = net_op(graph, "y", AI_OP_MUL, y, row);
    else if (_i == 1)
        y = net_op(graph, "y", AI_OP_DIV, all, y);
    else if (_i == 2)
        y = net_op(graph, "y", AI_OP_MUL, net_op(graph, "z", AI_OP_MUL, y, y), y);
    else
        ai_graph_output(graph, y);
    if (_i == 3)
        y = net_op(graph, "y", AI_OP_MUL, y, all);
    ai_graph_output(graph, y);
    net_pass_exact(graph, ai_pass_fuse_scale);
    ck_assert_uint_ge(net_nodes(graph, AI_NET_ANY), 2);
}
END_TEST

START_TEST(infinite_scale_stays)
{
    int32_t y = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 1, true);
    int32_t zero = net_f32(graph, "zero", 0);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_DIV, y, zero));
    net_infer(graph);
    ck_assert_int_eq(ai_pass_fuse_scale(graph, NULL), AI_OK);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_DIV), 1);
}
END_TEST

START_TEST(bias_goes_into_matmul)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(20, 17));
    int32_t bias = net_random(graph, "bias", 2, -1, 1, DIMS(17));
    int32_t y = net_op(graph, "matmul", AI_OP_MATMUL, x, b);
    ((ai_gemm_params *)graph->nodes[0].params)->alpha = 1;
    ((ai_gemm_params *)graph->nodes[0].params)->beta = 1;
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, y, bias));
    net_pass_close(graph, ai_pass_fuse_scale, 21, 21);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    ck_assert_int_eq(net_find(graph, "matmul")->inputs[1], b);
}
END_TEST

START_TEST(add_becomes_residual)
{
    int32_t x = image("x", 6, 7);
    int32_t a = net_conv(graph, "a", x, 10, 1, 1, 0, 1, true);
    int32_t b = net_conv(graph, "b", x, 10, 3, 1, 1, 1, true);
    bool is_swapped = _i == 1;
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, is_swapped ? b : a, is_swapped ? a : b);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_RELU, sum, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_fuse_residual);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 3);
    ck_assert_int_eq(net_find(graph, "b")->inputs[3], a);
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 2);
}
END_TEST

/* The residual is written after the Conv: the fused node must come after both. */
START_TEST(late_residual)
{
    int32_t x = image("x", 6, 7);
    int32_t a = net_conv(graph, "a", x, 6, 1, 1, 0, 1, true);
    int32_t n = net_op(graph, "n", AI_OP_NEG, x, AI_NO_VALUE);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, n, a));
    net_pass_exact(graph, ai_pass_fuse_residual);
    ck_assert_int_eq(net_find(graph, "a")->inputs[3], n);
}
END_TEST

/* Sigmoid or HardSigmoid and the product, then the Conv, then the sum; what comes after it stays.
 */
START_TEST(swish_and_residual_go_into_conv)
{
    int32_t x = image("x", 6, 7);
    int32_t a = net_conv(graph, "a", x, 6, 3, 1, 1, 1, true);
    ai_unary_params gate = {_i == 2 ? 1.0f / 6 : 0, _i == 2 ? 0.5f : 0};
    int32_t g = net_node(graph, "g", _i == 2 ? AI_OP_HARD_SIGMOID : AI_OP_SIGMOID, &gate,
                         sizeof gate, AI_F32, 1, &a);
    int32_t m = net_op(graph, "m", AI_OP_MUL, _i == 1 ? g : a, _i == 1 ? a : g);
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, x, m);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_RELU, sum, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_fuse_swish);
    ck_assert_uint_eq(net_nodes(graph, _i == 2 ? AI_OP_HARD_SWISH : AI_OP_SWISH), 1);
    net_pass_exact(graph, ai_pass_fuse_residual);
    net_pass_exact(graph, ai_pass_fuse_activation);
    net_pass_exact(graph, ai_pass_fuse_late_residual);
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 2);
    const ai_graph_node *conv = net_find(graph, "a");
    const ai_conv_params *p = conv->params;
    ck_assert_uint_eq(p->activation.kind, _i == 2 ? AI_OP_HARD_SWISH : AI_OP_SWISH);
    ck_assert_uint_eq(p->flags, AI_CONV_RESIDUAL_LAST);
    ck_assert_int_eq(conv->inputs[3], x);
}
END_TEST

/* Another slope, another factor, a gate that is read twice. */
START_TEST(other_gates_stay)
{
    int32_t x = image("x", 6, 7);
    ai_unary_params gate = {0.25f, 0.5f};
    int32_t g = net_node(graph, "g", _i == 0 ? AI_OP_HARD_SIGMOID : AI_OP_SIGMOID, &gate,
                         sizeof gate, AI_F32, 1, &x);
    int32_t other = _i == 1 ? image("z", 6, 7) : x;
    ai_graph_output(graph, net_op(graph, "y", AI_OP_MUL, other, g));
    if (_i == 2)
        ai_graph_output(graph, g);
    net_pass_exact(graph, ai_pass_fuse_swish);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_MUL), 1);
}
END_TEST

START_TEST(functions_go_into_products)
{
    static const uint16_t ops[] = {AI_OP_LEAKY_RELU, AI_OP_GELU, AI_OP_TANH};
    int32_t x = net_input(graph, "x", DIMS(70, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(20, 1040));
    int32_t y = net_gemm(graph, "gemm", x, b, AI_NO_VALUE, (ai_gemm_params){.alpha = 1, .beta = 1});
    ai_unary_params p = {0.25f, 0};
    ai_graph_output(graph, net_node(graph, "y", ops[_i], &p, sizeof p, AI_F32, 1, &y));
    if (_i == 2)
        net_pass_exact(graph, ai_pass_pack);
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

/* Broadcasts, a value read elsewhere, and a Conv that clamps are no residual. */
START_TEST(other_sums_stay)
{
    int32_t x = image("x", 6, 7);
    int32_t a = net_conv(graph, "a", x, 6, 1, 1, 0, 1, true);
    if (_i == 0)
        x = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, x, AI_NO_VALUE);
    if (_i == 1)
        ai_graph_output(graph, a);
    if (_i == 2)
        a = net_op(graph, "relu", AI_OP_RELU, a, AI_NO_VALUE);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, a, _i == 3 ? a : x));
    if (_i == 2)
        net_pass_exact(graph, ai_pass_fuse_activation);
    net_pass_exact(graph, ai_pass_fuse_residual);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_ADD), 1);
}
END_TEST

/* The other operand may be broadcast once the caller chooses a batch. */
START_TEST(residual_that_may_broadcast_stays)
{
    int32_t x = net_input(graph, "x", DIMS(1, 6, 7, 7), 1);
    int32_t r = net_input(graph, "r", DIMS(1, 6, 7, 7), 0);
    int32_t a = net_conv(graph, "a", x, 6, 1, 1, 0, 1, true);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, a, r));
    net_pass_exact(graph, ai_pass_fuse_residual);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_ADD), 1);
}
END_TEST

static int32_t clip(int32_t x, int32_t lo, int32_t hi)
{
    ai_none_params none = {0};
    int32_t inputs[3] = {x, lo, hi};
    return net_node(graph, "clip", AI_OP_CLIP, &none, sizeof none, AI_F32, 3, inputs);
}

START_TEST(clip_becomes_clamp)
{
    int32_t y = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 1, true);
    int32_t lo = _i == 1 ? AI_NO_VALUE : net_f32(graph, "lo", -0.25f);
    int32_t hi = _i == 2 ? AI_NO_VALUE : net_f32(graph, "hi", 0.5f);
    ai_graph_output(graph, clip(y, lo, hi));
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    const ai_conv_params *p = net_find(graph, "conv")->params;
    ck_assert(p->activation.lo == (_i == 1 ? -INFINITY : -0.25f));
    ck_assert(p->activation.hi == (_i == 2 ? INFINITY : 0.5f));
}
END_TEST

START_TEST(clip_with_variable_bound_stays)
{
    int32_t y = net_conv(graph, "conv", image("x", 6, 7), 10, 3, 1, 1, 1, true);
    int32_t lo = net_input(graph, "lo", 0, (int64_t[]){0}, 0);
    ai_graph_output(graph, clip(y, lo, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_CLIP), 1);
}
END_TEST

START_TEST(relu_goes_into_products)
{
    int32_t x = net_input(graph, "x", DIMS(3, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(20, 17));
    int32_t c = net_random(graph, "c", 2, -1, 1, DIMS(17));
    int32_t y = net_gemm(graph, "gemm", x, b, c, (ai_gemm_params){.alpha = 1, .beta = 1});
    ai_graph_output(graph, net_op(graph, "y", AI_OP_RELU, y, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_fuse_activation);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
}
END_TEST

Suite *fuse_suite(void)
{
    Suite *suite = suite_create("fuse");
    TCase *tests = tcase_create("fuse");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, pad_becomes_padding);
    tcase_add_loop_test(tests, other_pads_stay, 0, 3);
    tcase_add_test(tests, pad_read_twice_stays);
    tcase_add_loop_test(tests, batch_norm_goes_into_conv, 0, 2);
    tcase_add_test(tests, batch_norm_goes_into_conv_transpose);
    tcase_add_test(tests, batch_norm_goes_into_gemm);
    tcase_add_test(tests, scales_go_into_batch_norm);
    tcase_add_loop_test(tests, arithmetic_goes_into_conv, 0, 5);
    tcase_add_loop_test(tests, other_arithmetic_stays, 0, 4);
    tcase_add_test(tests, infinite_scale_stays);
    tcase_add_test(tests, bias_goes_into_matmul);
    tcase_add_loop_test(tests, add_becomes_residual, 0, 2);
    tcase_add_test(tests, late_residual);
    tcase_add_loop_test(tests, swish_and_residual_go_into_conv, 0, 3);
    tcase_add_loop_test(tests, other_gates_stay, 0, 3);
    tcase_add_loop_test(tests, functions_go_into_products, 0, 3);
    tcase_add_loop_test(tests, other_sums_stay, 0, 4);
    tcase_add_test(tests, residual_that_may_broadcast_stays);
    tcase_add_loop_test(tests, clip_becomes_clamp, 0, 3);
    tcase_add_test(tests, clip_with_variable_bound_stays);
    tcase_add_test(tests, relu_goes_into_products);
    suite_add_tcase(suite, tests);
    return suite;
}
