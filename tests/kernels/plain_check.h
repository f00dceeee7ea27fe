/* SPDX-License-Identifier: Apache-2.0
 * As much of Check's interface as the kernel tests use, without its library and in one process:
 * for cross builds, whose tests run under an emulator. */
#ifndef AI_PLAIN_CHECK_H
#define AI_PLAIN_CHECK_H

#include <stdio.h>
#include <stdlib.h>

typedef void plain_test(int _i);
typedef struct TCase {
    struct {
        plain_test *fn;
        int         begin, end;
    } tests[16];
    int count;
} TCase;
typedef TCase Suite;
typedef struct SRunner {
    Suite *suites[8];
    int    count;
} SRunner;
enum { CK_ENV };

#define START_TEST(name)                                                                           \
    static void name(int _i)                                                                       \
    {                                                                                              \
        (void)_i;
#define END_TEST }
#define ck_abort_msg(...)                                                                          \
    do {                                                                                           \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        exit(1);                                                                                   \
    } while (0)
#define ck_assert_msg(condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

#define suite_create(name)                  ((Suite *)calloc(1, sizeof(Suite)))
#define tcase_create(name)                  ((TCase *)calloc(1, sizeof(TCase)))
#define tcase_set_timeout(c, seconds)       ((void)(c))
#define suite_add_tcase(suite, c)           (*(suite) = *(c))
#define tcase_add_test(c, test)             tcase_add_loop_test(c, test, 0, 1)
#define tcase_add_loop_test(c, test, b, e)                                                         \
    ((c)->tests[(c)->count].fn = (test), (c)->tests[(c)->count].begin = (b),                       \
     (c)->tests[(c)->count++].end = (e))

static inline SRunner *srunner_create(Suite *suite)
{
    SRunner *runner = calloc(1, sizeof *runner);
    runner->suites[runner->count++] = suite;
    return runner;
}
static inline void srunner_add_suite(SRunner *runner, Suite *suite)
{
    runner->suites[runner->count++] = suite;
}
static inline void srunner_run_all(SRunner *runner, int mode)
{
    (void)mode;
    for (int s = 0; s < runner->count; s++)
        for (int t = 0; t < runner->suites[s]->count; t++)
            for (int i = runner->suites[s]->tests[t].begin; i < runner->suites[s]->tests[t].end; i++)
                runner->suites[s]->tests[t].fn(i);
}
#define srunner_ntests_failed(runner) 0
#define srunner_free(runner)          free(runner)

#endif
