/* SPDX-License-Identifier: Apache-2.0
 * Tests of checked arithmetic, types, counts and layouts. */
#include "unit.h"

START_TEST(test_arithmetic)
{
    int64_t r = -1;
    ck_assert(ai_mul(0, INT64_MAX, &r) && r == 0);
    ck_assert(ai_mul(INT64_MAX, 1, &r) && r == INT64_MAX);
    ck_assert(ai_mul(INT64_C(1) << 31, INT64_C(1) << 31, &r) && r == INT64_C(1) << 62);
    ck_assert(!ai_mul(INT64_C(1) << 32, INT64_C(1) << 31, &r));
    ck_assert(!ai_mul(INT64_MAX, 2, &r));
    ck_assert(ai_add(INT64_MAX - 1, 1, &r) && r == INT64_MAX);
    ck_assert(!ai_add(INT64_MAX, 1, &r));
}
END_TEST

START_TEST(test_types)
{
    static const struct {
        ai_type type;
        size_t bytes;
        const char *name;
    } types[] = {{AI_F32, 4, "f32"},   {AI_F16, 2, "f16"}, {AI_BF16, 2, "bf16"}, {AI_F64, 8, "f64"},
                 {AI_BOOL, 1, "bool"}, {AI_S8, 1, "s8"},   {AI_U8, 1, "u8"},     {AI_S16, 2, "s16"},
                 {AI_U16, 2, "u16"},   {AI_S32, 4, "s32"}, {AI_U32, 4, "u32"},   {AI_S64, 8, "s64"},
                 {AI_U64, 8, "u64"},   {0, 0, "none"},     {14, 0, "none"},      {-1, 0, "none"}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        ck_assert_uint_eq(ai_type_bytes(types[i].type), types[i].bytes);
        ck_assert_str_eq(ai_type_name(types[i].type), types[i].name);
    }
}
END_TEST

START_TEST(test_count)
{
    int64_t n = -1;
    ck_assert(ai_count(0, NULL, &n) && n == 1);
    ck_assert(ai_count(3, (int64_t[]){2, 3, 4}, &n) && n == 24);
    ck_assert(ai_count(3, (int64_t[]){2, 0, 4}, &n) && n == 0);
    ck_assert(ai_count(2, (int64_t[]){1 << 20, 1 << 20}, &n) && n == INT64_C(1) << 40);
    ck_assert(!ai_count(2, (int64_t[]){1 << 20, (1 << 20) + 1}, &n));
    ck_assert(!ai_count(2, (int64_t[]){2, -1}, &n));
    ck_assert(!ai_count(1, (int64_t[]){INT64_MAX}, &n));
    ck_assert(!ai_count(1, (int64_t[]){INT64_MIN}, &n));
    /* without the zero these would overflow an operator's strides */
    ck_assert(!ai_count(4, (int64_t[]){0, 1 << 20, 1 << 20, 1 << 20}, &n));
    ck_assert(!ai_count(8, (int64_t[]){1 << 30, 1 << 30, 1 << 30, 1 << 30, 0, 1, 1, 1}, &n));
}
END_TEST

START_TEST(test_layouts)
{
    static const struct {
        uint32_t layout;
        ai_type type;
        uint32_t rank;
        int64_t dim[4];
        int64_t bytes; /* -1: they do not fit */
    } rows[] = {{AI_LAYOUT_PLAIN, AI_F32, 0, {0}, 4},
                {AI_LAYOUT_PLAIN, AI_S64, 2, {3, 5}, 120},
                {AI_LAYOUT_PLAIN, AI_BOOL, 2, {3, 0}, 0},
                {AI_LAYOUT_NCHW16C, AI_F32, 4, {2, 17, 3, 5}, 2 * 32 * 15 * 4},
                {AI_LAYOUT_NCHW16C, AI_F32, 3, {2, 17, 3}, -1},
                {AI_LAYOUT_CONV16, AI_F32, 4, {17, 20, 3, 3}, 32 * 20 * 9 * 4},
                {AI_LAYOUT_CONV16, AI_F16, 4, {16, 16, 1, 1}, 512},
                {AI_LAYOUT_CONV16, AI_F32, 3, {17, 20, 3}, -1},
                {AI_LAYOUT_STEM16, AI_F32, 4, {24, 3, 3, 3}, 32 * 27 * 4},
                {AI_LAYOUT_DEPTHWISE16, AI_F32, 4, {24, 1, 3, 3}, 32 * 9 * 4},
                {AI_LAYOUT_DEPTHWISE16, AI_F32, 4, {24, 2, 3, 3}, -1},
                {AI_LAYOUT_PANEL16, AI_F32, 2, {5, 17}, 5 * 32 * 4},
                {AI_LAYOUT_PANEL16, AI_F32, 3, {2, 5, 17}, 2 * 5 * 32 * 4},
                {AI_LAYOUT_PANEL16, AI_F32, 4, {5, 17, 1, 1}, -1},
                {AI_LAYOUT_PANEL16, AI_F64, 2, {INT64_C(1) << 40, 1}, INT64_C(1) << 47},
                {AI_LAYOUT_QPANEL16, AI_S8, 2, {5, 17}, 2 * (64 + 2 * 64)},
                {AI_LAYOUT_QPANEL16, AI_S8, 3, {2, 8, 16}, 2 * (64 + 2 * 64)},
                {AI_LAYOUT_QPANEL16, AI_S8, 4, {5, 17, 1, 1}, -1},
                {AI_LAYOUT_QPANEL16, AI_F32, 2, {5, 17}, -1},
                {AI_LAYOUT_QDEPTHWISE16, AI_S8, 4, {24, 1, 3, 5}, 32 * 3 * 8},
                {AI_LAYOUT_QDEPTHWISE16, AI_S8, 4, {24, 2, 3, 5}, -1},
                {AI_LAYOUT_QCONV64, AI_S8, 4, {24, 128, 3, 5}, 32 * 128 * 15},
                {AI_LAYOUT_QCONV64, AI_S8, 4, {24, 96, 3, 5}, -1},
                {AI_LAYOUT_QCONV64, AI_S8, 2, {24, 64}, -1},
                {AI_LAYOUT_QCONV64, AI_F32, 4, {24, 64, 3, 3}, -1},
                {AI_LAYOUT_WINOGRAD4, AI_F32, 4, {17, 20, 3, 3}, 36 * 32 * 20 * 4},
                {AI_LAYOUT_WINOGRAD2, AI_F32, 4, {17, 20, 3, 3}, 16 * 32 * 20 * 4},
                {AI_LAYOUT_WINOGRAD4, AI_F32, 4, {17, 20, 3, 1}, -1},
                {AI_LAYOUT_WINOGRAD2, AI_F32, 4, {17, 20, 1, 3}, -1},
                {AI_LAYOUT_WINOGRAD2, AI_F32, 2, {3, 3}, -1},
                {AI_LAYOUT_TRANSPOSED16, AI_F32, 4, {20, 17, 3, 2}, 32 * 20 * 6 * 4},
                {AI_LAYOUT_TRANSPOSED16, AI_F32, 3, {20, 17, 3}, -1},
                {AI_LAYOUT_COUNT, AI_F32, 0, {0}, -1},
                {AI_LAYOUT_PLAIN, 0, 0, {0}, -1},
                {AI_LAYOUT_PLAIN, AI_F32, 9, {0}, -1}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t dim[16] = {0};
        int64_t bytes = -7;
        memcpy(dim, rows[i].dim, sizeof(rows[i].dim));
        bool fits = ai_layout_bytes(rows[i].layout, rows[i].type, rows[i].rank, dim, &bytes);
        ck_assert_msg(fits == (rows[i].bytes >= 0), "row %zu", i);
        ck_assert_msg(!fits || bytes == rows[i].bytes, "row %zu: %lld", i, (long long)bytes);
    }
}
END_TEST

Suite *size_suite(void)
{
    Suite *suite = suite_create("size");
    TCase *c = tcase_create("size");
    tcase_add_test(c, test_arithmetic);
    tcase_add_test(c, test_types);
    tcase_add_test(c, test_count);
    tcase_add_test(c, test_layouts);
    suite_add_tcase(suite, c);
    return suite;
}
