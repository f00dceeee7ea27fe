/* SPDX-License-Identifier: Apache-2.0
 * Runs the tests of the converter's graph, passes and files. */
#include "net.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(fold_suite());
    srunner_add_suite(runner, fuse_suite());
    srunner_add_suite(runner, layout_suite());
    srunner_add_suite(runner, winograd_suite());
    srunner_add_suite(runner, narrow_suite());
    srunner_add_suite(runner, tables_suite());
    srunner_add_suite(runner, strips_suite());
    srunner_add_suite(runner, quantise_suite());
    srunner_add_suite(runner, convert_suite());
    srunner_add_suite(runner, exhaustion_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    bool has_run = srunner_ntests_run(runner) > 0;
    srunner_free(runner);
    return failed == 0 && has_run ? EXIT_SUCCESS : EXIT_FAILURE;
}
