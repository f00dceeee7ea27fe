/* SPDX-License-Identifier: Apache-2.0
 * Tests of errors: what is filled in, and that a message stays one line of UTF-8. */
#include "unit.h"

START_TEST(test_fields)
{
    ai_error err;
    ck_assert_uint_eq(sizeof(err), 256);
    ck_assert_int_eq(ai_fail(&err, AI_E_IO, "%d of %s", 3, "four"), AI_E_IO);
    ck_error(err, AI_E_IO, AI_NO_STEP, AI_NO_OFFSET, "3 of four");
    ck_assert_int_eq(ai_fail_at(&err, AI_E_FORMAT, 77, "here"), AI_E_FORMAT);
    ck_error(err, AI_E_FORMAT, AI_NO_STEP, 77, "here");
    ck_assert_int_eq(ai_fail(NULL, AI_E_MEMORY, "nobody listens"), AI_E_MEMORY);
    ck_assert_int_eq(ai_fail_at(NULL, AI_E_MEMORY, 1, "nobody listens"), AI_E_MEMORY);
}
END_TEST

START_TEST(test_step)
{
    ai_file_step file = {.op = AI_OP_CONV};
    ai_step step = {.file = &file, .name = "stem/1", .index = 9};
    ai_error err;
    ai_fail_step(&err, AI_E_SHAPE, &step, "weight has %d channels, input has %d", 3, 4);
    ck_error(err, AI_E_SHAPE, 9, AI_NO_OFFSET, "Conv 'stem/1': weight has 3 channels, input has 4");
    ck_assert_int_eq(ai_fail_step(NULL, AI_E_SHAPE, &step, "x"), AI_E_SHAPE);
}
END_TEST

START_TEST(test_long_name)
{
    char name[1000];
    ai_file_step file = {.op = AI_OP_CONV};
    ai_step step = {.file = &file, .name = name};
    ai_error err;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(name, 'x', sizeof(name));
        for (size_t i = shift; i + 3 < sizeof(name); i += 3)
            memcpy(name + i, "\xE2\x82\xAC", 3);
        name[sizeof(name) - 1] = 0;
        ai_fail_step(&err, AI_E_SHAPE, &step, "the end");
        const char *end = strstr(err.message, "': the end");
        ck_assert_ptr_nonnull(end);
        /* No character is cut: after the prefix come `shift` letters, then whole euros. */
        ck_assert_uint_eq(((size_t)(end - err.message) - strlen("Conv '") - shift) % 3, 0);
    }
}
END_TEST

START_TEST(test_long_message)
{
    char text[400];
    ai_error err;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 4 < sizeof(text); i += 4)
            memcpy(text + i, "\xF0\x9F\x90\x88", 4);
        text[sizeof(text) - 1] = 0;
        ai_fail(&err, AI_E_IO, "%s", text);
        ck_assert_uint_lt(strlen(err.message), sizeof(err.message));
        ck_assert_uint_ge(strlen(err.message), sizeof(err.message) - 5);
        ck_assert_uint_eq((strlen(err.message) - shift) % 4, 0);
    }
}
END_TEST

START_TEST(test_one_line)
{
    ai_error err;
    ai_fail(&err, AI_E_IO,
            "a\nb\tc\x7F"
            "d\x1B[31m");
    ck_assert_str_eq(err.message, "a?b?c?d?[31m");
}
END_TEST

START_TEST(test_names)
{
    static const char *const names[] = {
        "AI_OK",        "AI_E_ARGUMENT",    "AI_E_MEMORY",  "AI_E_IO",    "AI_E_FORMAT",
        "AI_E_VERSION", "AI_E_UNSUPPORTED", "AI_E_SHAPE",   "AI_E_VALUE", "AI_E_STATE",
        "AI_E_TIMEOUT", "AI_E_STOPPED",     "AI_E_INTERNAL"};
    for (int i = 0; i < 13; i++)
        ck_assert_str_eq(ai_status_name(-i), names[i]);
    ck_assert_str_eq(ai_status_name(1), "AI_E_UNKNOWN");
    ck_assert_str_eq(ai_status_name(-13), "AI_E_UNKNOWN");
    ck_assert_str_eq(ai_status_name(INT32_MIN), "AI_E_UNKNOWN");
}
END_TEST

Suite *error_suite(void)
{
    Suite *suite = suite_create("error");
    TCase *c = tcase_create("error");
    tcase_add_test(c, test_fields);
    tcase_add_test(c, test_step);
    tcase_add_test(c, test_long_name);
    tcase_add_test(c, test_long_message);
    tcase_add_test(c, test_one_line);
    tcase_add_test(c, test_names);
    suite_add_tcase(suite, c);
    return suite;
}
