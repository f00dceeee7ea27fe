/* SPDX-License-Identifier: Apache-2.0
 * Tests that the structs of the file are what docs/format.md says, on every compiler. */
#include "unit.h"

START_TEST(test_tables)
{
    ck_assert_uint_eq(sizeof(ai_file_header), 128);
    ck_assert_uint_eq(offsetof(ai_file_header, inputs), 36);
    ck_assert_uint_eq(offsetof(ai_file_header, states), 52);
    ck_assert_uint_eq(offsetof(ai_file_header, digest), 96);
    ck_assert_uint_eq(sizeof(ai_file_section), 64);
    ck_assert_uint_eq(offsetof(ai_file_section, sha256), 32);
    ck_assert_uint_eq(sizeof(ai_file_tensor), 128);
    ck_assert_uint_eq(offsetof(ai_file_tensor, dim), 16);
    ck_assert_uint_eq(offsetof(ai_file_tensor, offset), 80);
    ck_assert_uint_eq(offsetof(ai_file_tensor, zero_point), 100);
    ck_assert_uint_eq(sizeof(ai_file_step), 32);
    ck_assert_uint_eq(offsetof(ai_file_step, param_bytes), 20);
}
END_TEST

START_TEST(test_parameters)
{
    ck_assert_uint_eq(sizeof(ai_window), 68);
    ck_assert_uint_eq(sizeof(ai_activation), 12);
    ck_assert_uint_eq(sizeof(ai_none_params), 8);
    ck_assert_uint_eq(sizeof(ai_conv_params), 88);
    ck_assert_uint_eq(offsetof(ai_conv_params, activation), 72);
    ck_assert_uint_eq(sizeof(ai_conv_transpose_params), 104);
    ck_assert_uint_eq(offsetof(ai_conv_transpose_params, output_shape), 88);
    ck_assert_uint_eq(sizeof(ai_pool_params), 88);
    ck_assert_uint_eq(offsetof(ai_pool_params, p), 80);
    ck_assert_uint_eq(sizeof(ai_gemm_params), 32);
    ck_assert_uint_eq(sizeof(ai_unary_params), 8);
    ck_assert_uint_eq(sizeof(ai_axis_params), 48);
    ck_assert_uint_eq(offsetof(ai_axis_params, momentum), 40);
    ck_assert_uint_eq(sizeof(ai_lrn_params), 16);
    ck_assert_uint_eq(sizeof(ai_axes_params), 40);
    ck_assert_uint_eq(sizeof(ai_cast_params), 16);
    ck_assert_uint_eq(sizeof(ai_resize_params), 24);
    ck_assert_uint_eq(sizeof(ai_strips_params), 392);
    ck_assert_uint_eq(offsetof(ai_strips_params, stage[1].params.conv.group), 8 + 96 + 8 + 68);
}
END_TEST

/* Structs lie at multiples of 8 in the file; none may need more. */
START_TEST(test_operators)
{
    uint32_t count = 0;
    for (uint32_t number = 0; number <= UINT16_MAX; number++) {
        const ai_op_row *row = ai_op_find(number);
        if (!row)
            continue;
        count++;
        ck_assert_uint_eq(row->number, number);
        ck_assert_uint_ge(row->param_bytes, 8);
        ck_assert_uint_ge(row->min_outputs, 1);
        ck_assert_uint_le(row->max_inputs + row->max_outputs, AI_FILE_MAX_OPERANDS);
        ck_assert(row->op->check != NULL);
        ck_assert(row->op->run != NULL);
    }
    ck_assert_uint_gt(count, 70);
    ck_assert_ptr_null(ai_op_find(UINT32_MAX));
}
END_TEST

Suite *format_suite(void)
{
    Suite *suite = suite_create("format");
    TCase *c = tcase_create("format");
    tcase_add_test(c, test_tables);
    tcase_add_test(c, test_parameters);
    tcase_add_test(c, test_operators);
    suite_add_tcase(suite, c);
    return suite;
}
