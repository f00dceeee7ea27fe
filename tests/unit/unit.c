/* SPDX-License-Identifier: Apache-2.0
 * Runs the unit tests of the core: all suites, or those named as arguments. */
#include "unit.h"

#include <stdlib.h>

ai_status open_lai(ai_model **model, lai *f, uint8_t **file, ai_error *err)
{
    size_t bytes;
    *file = lai_write(f, &bytes);
    return ai_model_view(model, *file, bytes, err);
}

ai_model *must_open(lai *f, uint8_t **file)
{
    ai_model *model;
    ai_error err = UNTOUCHED;
    ai_status status = open_lai(&model, f, file, &err);
    lai_free(f);
    ck_assert_msg(status == AI_OK, "%s", err.message);
    return model;
}

int main(int argc, char **argv)
{
    static Suite *(*const suites[])(void) = {
        size_suite,   error_suite, sha256_suite,  os_suite,     format_suite,
        verify_suite, model_suite, plan_suite,    arena_suite,  session_suite,
        infer_suite,  state_suite, corrupt_suite, memory_suite, pool_suite};
    SRunner *runner = srunner_create(NULL);
    int ran = 0;
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
        srunner_add_suite(runner, suites[i]());
    if (argc < 2)
        srunner_run_all(runner, CK_ENV);
    for (int i = 1; i < argc; i++)
        srunner_run(runner, argv[i], NULL, CK_ENV);
    ran = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
