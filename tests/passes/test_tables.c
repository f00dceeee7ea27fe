/* SPDX-License-Identifier: Apache-2.0
 * Tests of Gather's tables in panels. */
#include "net.h"

enum { ROWS = 20, WIDTH = 23 };

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

static int32_t table(void)
{
    return net_random(graph, "table", 3, -1, 1, DIMS(ROWS, WIDTH));
}

static int32_t gather(const char *name, int32_t data, int64_t axis)
{
    ai_axis_params params = {.axis = axis};
    int32_t inputs[2] = {data, net_s64(graph, "index", 3, (int64_t[]){19, 0, -3})};
    return net_node(graph, name, AI_OP_GATHER, &params, sizeof params, AI_F32, 2, inputs);
}

/* x = Gather(table), y = x * table, transposed. */
static void tie(void)
{
    int32_t from = table();
    int32_t to = net_random(graph, "turned", 4, 0, 1, DIMS(WIDTH, ROWS));
    for (int i = 0; i < ROWS * WIDTH; i++)
        ((float *)graph->values[to].data)[i % WIDTH * ROWS + i / WIDTH] =
            ((float *)graph->values[from].data)[i];
    ai_graph_output(graph, net_op(graph, "y", AI_OP_MATMUL, gather("x", from, 0), to));
    ((ai_gemm_params *)net_find(graph, "y")->params)->alpha = 1;
    ck_assert_int_eq(ai_pass_pack(graph, NULL), AI_OK);
}

static const ai_value *data_of(const char *node)
{
    return &graph->values[net_find(graph, node)->inputs[0]];
}

START_TEST(a_table_is_the_weight_that_it_equals)
{
    tie();
    net_pass_exact(graph, ai_pass_pack_tables);
    ck_assert_int_eq(net_find(graph, "x")->inputs[0], net_find(graph, "y")->inputs[1]);
    ck_assert_uint_eq(data_of("x")->layout, AI_LAYOUT_PANEL16);
}
END_TEST

START_TEST(but_not_if_a_number_differs)
{
    tie();
    ((float *)graph->values[net_find(graph, "x")->inputs[0]].data)[ROWS * WIDTH - 1] = 7;
    net_pass_exact(graph, ai_pass_pack_tables);
    ck_assert_uint_eq(data_of("x")->layout, AI_LAYOUT_PLAIN);
}
END_TEST

static void expect_narrow(uint32_t flag, ai_type type, double terms)
{
    graph->flags = flag;
    tie();
    net_pass_exact(graph, ai_pass_pack_tables);
    net_pass_close(graph, ai_pass_narrow, terms, WIDTH);
    ck_assert_int_eq(net_find(graph, "x")->inputs[0], net_find(graph, "y")->inputs[1]);
    ck_assert_uint_eq(data_of("x")->type, type);
    ck_assert_uint_eq(graph->narrow_count, 1);
}

START_TEST(both_readers_become_f16)
{
    expect_narrow(AI_CONVERT_F16_WEIGHTS, AI_F16, 2 * 2048 + 2 * WIDTH);
}
END_TEST

START_TEST(both_readers_become_s8)
{
    expect_narrow(AI_CONVERT_S8_WEIGHTS, AI_S8, 1 << 17);
}
END_TEST

START_TEST(a_table_by_itself_has_a_quarter_of_the_bytes)
{
    graph->flags = AI_CONVERT_S8_WEIGHTS;
    int32_t from = table();
    ai_graph_output(graph, gather("a", from, 0));
    ai_graph_output(graph, gather("b", from, 0));
    ai_graph_output(graph, gather("columns", from, 1));
    net_pass_exact(graph, ai_pass_pack_tables);
    net_pass_close(graph, ai_pass_narrow, 1 << 16, 1);
    ck_assert_uint_eq(data_of("a")->bytes, 2 * (64 + (WIDTH + 3) / 4 * 64));
    ck_assert_ptr_eq(data_of("a"), data_of("b"));
    ck_assert_uint_eq(data_of("columns")->layout, AI_LAYOUT_PLAIN);
}
END_TEST

START_TEST(only_where_it_is_asked_for)
{
    ai_graph_output(graph, gather("a", table(), 0));
    net_pass_exact(graph, ai_pass_pack_tables);
    ck_assert_uint_eq(data_of("a")->layout, AI_LAYOUT_PLAIN);
}
END_TEST

Suite *tables_suite(void)
{
    Suite *suite = suite_create("tables");
    TCase *tests = tcase_create("tables");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_table_is_the_weight_that_it_equals);
    tcase_add_test(tests, but_not_if_a_number_differs);
    tcase_add_test(tests, both_readers_become_f16);
    tcase_add_test(tests, both_readers_become_s8);
    tcase_add_test(tests, a_table_by_itself_has_a_quarter_of_the_bytes);
    tcase_add_test(tests, only_where_it_is_asked_for);
    suite_add_tcase(suite, tests);
    return suite;
}
