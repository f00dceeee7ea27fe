/* SPDX-License-Identifier: Apache-2.0
 * Tests of fold, simplify and fold_gemm: what is constant is computed once, what only copies goes.
 */
#include "net.h"

#include <string.h>
#include <sys/resource.h>

/* gcc has a macro for AddressSanitizer, clang a feature. */
#ifdef __has_feature
#define IS_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

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

START_TEST(constants_run_once)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3), 0);
    int32_t a = net_random(graph, "a", 1, -1, 1, DIMS(2, 3));
    int32_t b = net_random(graph, "b", 2, -1, 1, DIMS(3));
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, a, b);
    int32_t product = net_op(graph, "product", AI_OP_MUL, sum, b);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, x, product));
    net_pass_exact(graph, ai_pass_fold);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    ck_assert_ptr_nonnull(graph->values[product].data);
}
END_TEST

/* What a few numbers ask for: 2 GiB is the limit, of one constant or of several together. */
START_TEST(folded_bytes_are_bounded)
{
    static const struct {
        int64_t dim[2];
        uint32_t nodes;
    } cases[] = {{{1 << 20, 1 << 20}, 1}, {{1 << 10, (1 << 19) + 16}, 1}, {{1 << 9, 1 << 10}, 3}};
    ai_error err = {0};
    ai_cast_params params = {.type = AI_F32};
    int32_t shape = net_s64(graph, "shape", 2, cases[_i].dim);
    int32_t sum = net_input(graph, "x", DIMS(1, 1), 0);
    if (_i == 2) /* so that the test itself takes nothing */
        graph->fold_limit = 5 << 20;
    for (uint32_t i = 0; i < cases[_i].nodes; i++) {
        const char *name = ai_graph_format(graph, "large%u", i);
        int32_t large = net_node(graph, name, AI_OP_CONSTANT_OF_SHAPE, &params, sizeof params,
                                 AI_F32, 1, &shape);
        sum = net_op(graph, ai_graph_format(graph, "sum%u", i), AI_OP_ADD, sum, large);
    }
    ai_graph_output(graph, sum);
    for (uint32_t i = 0; i < graph->value_count; i++) { /* what ai_graph_infer finds */
        ai_value *value = &graph->values[i];
        if (value->data != NULL || value->is_input)
            continue;
        value->has_shape = true;
        value->rank = 2;
        memcpy(value->dim, cases[_i].dim, sizeof cases[_i].dim);
    }
    ck_assert_int_eq(ai_pass_fold(graph, &err), AI_E_MEMORY);
    const char *node = _i == 2 ? "ConstantOfShape 'large2': a" : "ConstantOfShape 'large0': a";
    ck_assert_msg(strstr(err.message, node) == err.message, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "bytes is to be computed"));
}
END_TEST

/* More than any machine has: told by node, before anything is touched. */
START_TEST(large_tensors_are_named)
{
    ai_error err = {0};
    ai_cast_params params = {.type = AI_F32};
    const int64_t dim[2] = {1 << 20, 1 << 20};
    int32_t x = net_input(graph, "x", DIMS(1, 1), 0);
    int32_t shape = net_s64(graph, "shape", 2, dim);
    int32_t before = net_op(graph, "before", AI_OP_NEG, x, AI_NO_VALUE);
    int32_t large = net_node(graph, "large", AI_OP_CONSTANT_OF_SHAPE, &params, sizeof params,
                             AI_F32, 1, &shape);
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, before, large);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_NEG, sum, AI_NO_VALUE));
    struct rlimit before_limit;
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &before_limit), 0);
#if !IS_SANITIZED /* its shadow is larger, and its allocator refuses 2^40 bytes itself */
    struct rlimit limit = {(rlim_t)1 << 40, before_limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
#endif
    ck_assert_int_eq(ai_graph_infer(graph, &err), AI_E_MEMORY);
    setrlimit(RLIMIT_AS, &before_limit);
    ck_assert_msg(strstr(err.message, "ConstantOfShape 'large': with its output all") ==
                      err.message,
                  "%s", err.message);
}
END_TEST

START_TEST(constant_output_is_copied)
{
    int32_t a = net_random(graph, "a", 1, -1, 1, DIMS(2, 3));
    net_input(graph, "x", DIMS(1), 0);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_NEG, a, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_fold);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_NEG), 0);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_IDENTITY), 1);
}
END_TEST

/* x -> Shape -> Slice of its last entries -> Reshape of a constant as large. */
static int32_t shape_chain(uint32_t varies)
{
    int32_t x = net_input(graph, "x", DIMS(2, 12), varies);
    ai_axis_params from = {.start = 1, .end = INT64_MAX};
    ai_axis_params none = {0};
    int32_t shape = net_node(graph, "shape", AI_OP_SHAPE, &from, sizeof from, AI_S64, 1, &x);
    int32_t c = net_random(graph, "c", 1, -1, 1, DIMS(3, 4));
    int32_t inputs[2] = {c, shape};
    int32_t flat = net_node(graph, "flat", AI_OP_RESHAPE, &none, sizeof none, AI_F32, 2, inputs);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_MUL, x, flat));
    return flat;
}

START_TEST(fixed_shape_is_constant)
{
    int32_t flat = shape_chain(0);
    net_pass_exact(graph, ai_pass_fold);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    ck_assert_ptr_nonnull(graph->values[flat].data);
}
END_TEST

/* The dimension that is asked for varies, or another one does. */
START_TEST(shape_that_varies_stays)
{
    static const uint32_t stays[] = {0, 1};
    shape_chain(1u << _i);
    net_pass_exact(graph, ai_pass_fold);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_SHAPE), stays[_i]);
}
END_TEST

START_TEST(varying_dimensions_are_found)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3, 8, 8), 1 | 4 | 8);
    int32_t y = net_conv(graph, "conv", x, 5, 3, 2, 1, 1, false);
    int32_t pooled = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, y, AI_NO_VALUE);
    ai_graph_output(graph, pooled);
    net_infer(graph);
    ck_assert_uint_eq(graph->values[y].varies, 1 | 4 | 8);
    ck_assert_uint_eq(graph->values[pooled].varies, 1);
}
END_TEST

/* A Reshape that allows no other batch: what lies before it is known, what follows may be anything.
 */
START_TEST(varying_dimensions_before_a_fixed_one)
{
    ai_axis_params none = {0};
    int32_t x = net_input(graph, "x", DIMS(2, 3, 8, 8), 1);
    int32_t y = net_conv(graph, "conv", x, 5, 3, 2, 1, 1, false);
    int32_t inputs[2] = {y, net_s64(graph, "two", 2, (int64_t[]){2, 80})};
    int32_t flat = net_node(graph, "flat", AI_OP_RESHAPE, &none, sizeof none, AI_F32, 2, inputs);
    int32_t z = net_op(graph, "z", AI_OP_NEG, flat, AI_NO_VALUE);
    ai_graph_output(graph, z);
    net_infer(graph);
    ck_assert_uint_eq(graph->values[y].varies, 1);
    ck_assert_uint_eq(graph->values[z].varies, 3);
}
END_TEST

/* Two inputs whose sizes must be equal, one along an odd dimension, one along an even one. */
START_TEST(varying_dimensions_that_agree)
{
    int32_t a = net_input(graph, "a", DIMS(3, 4), 2);
    int32_t b = net_input(graph, "b", DIMS(4, 5), 1);
    int32_t y = net_op(graph, "y", AI_OP_MATMUL, a, b);
    ((ai_gemm_params *)graph->nodes[0].params)->alpha = 1;
    ai_graph_output(graph, y);
    net_infer(graph);
    ck_assert_uint_eq(graph->values[y].varies, 0);
}
END_TEST

START_TEST(error_names_the_node)
{
    ai_error err = {0};
    int32_t data = net_random(graph, "data", 1, -1, 1, DIMS(3));
    int32_t index = net_s64(graph, "index", 1, (int64_t[]){7});
    ai_axis_params axis = {0};
    int32_t inputs[2] = {data, index};
    net_input(graph, "x", DIMS(1), 0);
    ai_graph_output(graph,
                    net_node(graph, "pick", AI_OP_GATHER, &axis, sizeof axis, AI_F32, 2, inputs));
    ck_assert_int_eq(ai_pass_fold(graph, &err), AI_E_VALUE);
    ck_assert_ptr_nonnull(strstr(err.message, "Gather 'pick': "));
}
END_TEST

START_TEST(copies_are_removed)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3), 0);
    ai_axis_params none = {0};
    int32_t a = net_op(graph, "a", AI_OP_IDENTITY, x, AI_NO_VALUE);
    int32_t b = net_op(graph, "b", AI_OP_NEG, a, AI_NO_VALUE);
    int32_t inputs[2] = {b, net_s64(graph, "same", 2, (int64_t[]){2, 3})};
    int32_t c = net_node(graph, "c", AI_OP_RESHAPE, &none, sizeof none, AI_F32, 2, inputs);
    int32_t d = net_op(graph, "d", AI_OP_DROPOUT, c, AI_NO_VALUE);
    net_op(graph, "unread", AI_OP_ABS, d, AI_NO_VALUE);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_IDENTITY, d, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_simplify);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 1);
    ck_assert_int_eq(net_find(graph, "b")->outputs[0], graph->outputs[0]);
}
END_TEST

START_TEST(copy_of_an_input_stays)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3), 0);
    int32_t y = net_op(graph, "y", AI_OP_IDENTITY, x, AI_NO_VALUE);
    ai_graph_output(graph, y);
    ai_graph_output(graph, net_op(graph, "z", AI_OP_IDENTITY, y, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_simplify);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_IDENTITY), 2);
}
END_TEST

/* Two outputs of one value: the second needs a copy. */
START_TEST(output_twice)
{
    int32_t x = net_input(graph, "x", DIMS(2, 3), 0);
    int32_t n = net_op(graph, "n", AI_OP_NEG, x, AI_NO_VALUE);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_IDENTITY, n, AI_NO_VALUE));
    ai_graph_output(graph, net_op(graph, "z", AI_OP_IDENTITY, n, AI_NO_VALUE));
    net_pass_exact(graph, ai_pass_simplify);
    ck_assert_uint_eq(net_nodes(graph, AI_NET_ANY), 2);
}
END_TEST

START_TEST(reversed_slice_stays)
{
    int32_t x = net_input(graph, "x", DIMS(4), 0);
    ai_none_params none = {0};
    int32_t inputs[5] = {x, net_s64(graph, "starts", 1, (int64_t[]){-1}),
                         net_s64(graph, "ends", 1, (int64_t[]){INT64_MIN}),
                         net_s64(graph, "axes", 1, (int64_t[]){0}),
                         net_s64(graph, "steps", 1, (int64_t[]){-1})};
    ai_graph_output(graph,
                    net_node(graph, "y", AI_OP_SLICE, &none, sizeof none, AI_F32, 5, inputs));
    net_pass_exact(graph, ai_pass_simplify);
    ck_assert_uint_eq(net_nodes(graph, AI_OP_SLICE), 1);
}
END_TEST

START_TEST(gemm_is_normalised)
{
    int32_t x = net_input(graph, "x", DIMS(3, 20), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(17, 20));
    int32_t c = net_random(graph, "c", 2, -1, 1, DIMS(1, 17));
    ai_graph_output(graph, net_gemm(graph, "y", x, b, c,
                                    (ai_gemm_params){.alpha = 0.3f, .beta = 1.7f, .trans_b = 1}));
    net_pass_close(graph, ai_pass_fold_gemm, 20, 20 * 0.3 + 1.7);
    const ai_graph_node *node = net_find(graph, "y");
    const ai_gemm_params *p = node->params;
    ck_assert(p->alpha == 1 && p->beta == 1 && p->trans_b == 0);
    ck_assert_uint_eq(graph->values[node->inputs[2]].rank, 1);
    ck_assert_int_eq(graph->values[node->inputs[1]].dim[0], 20);
}
END_TEST

/* alpha * (A * B) + C with a variable C: alpha may go into B. */
START_TEST(gemm_with_variable_c)
{
    int32_t x = net_input(graph, "x", DIMS(3, 4), 0);
    int32_t c = net_input(graph, "c", DIMS(3, 5), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(4, 5));
    ai_graph_output(graph, net_gemm(graph, "y", x, b, c, (ai_gemm_params){.alpha = 2, .beta = 3}));
    net_pass_close(graph, ai_pass_fold_gemm, 4, 2 * 4 + 3);
}
END_TEST

START_TEST(gemm_of_one_number)
{
    int32_t x = net_input(graph, "x", DIMS(3, 4), 0);
    int32_t b = net_random(graph, "b", 1, -1, 1, DIMS(4, 5));
    int32_t c = net_f32(graph, "c", 0.25f);
    ai_graph_output(graph, net_gemm(graph, "y", x, b, c, (ai_gemm_params){.alpha = 1, .beta = 1}));
    net_pass_exact(graph, ai_pass_fold_gemm);
    ck_assert_int_eq(graph->values[net_find(graph, "y")->inputs[2]].dim[0], 5);
}
END_TEST

Suite *fold_suite(void)
{
    Suite *suite = suite_create("fold");
    TCase *tests = tcase_create("fold");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, constants_run_once);
    tcase_add_test(tests, large_tensors_are_named);
    tcase_add_loop_test(tests, folded_bytes_are_bounded, 0, 3);
    tcase_add_test(tests, constant_output_is_copied);
    tcase_add_test(tests, fixed_shape_is_constant);
    tcase_add_loop_test(tests, shape_that_varies_stays, 0, 2);
    tcase_add_test(tests, varying_dimensions_are_found);
    tcase_add_test(tests, varying_dimensions_before_a_fixed_one);
    tcase_add_test(tests, varying_dimensions_that_agree);
    tcase_add_test(tests, error_names_the_node);
    tcase_add_test(tests, copies_are_removed);
    tcase_add_test(tests, copy_of_an_input_stays);
    tcase_add_test(tests, output_twice);
    tcase_add_test(tests, reversed_slice_stays);
    tcase_add_test(tests, gemm_is_normalised);
    tcase_add_test(tests, gemm_with_variable_c);
    tcase_add_test(tests, gemm_of_one_number);
    suite_add_tcase(suite, tests);
    return suite;
}
