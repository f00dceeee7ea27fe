/* SPDX-License-Identifier: Apache-2.0
 * `ai verify`: every checksum, then the self-test at each CPU level present. */
#include "ai_convert.h"
#include "ai_task.h"
#include "cli.h"

enum { LEVEL_BITS = 16 }; /* back ends lie above: they need not give the same bits */

static int test_levels(const ai_cli_model *m, const char *path)
{
    int status = AI_CLI_OK;
    uint32_t allowed = m->options.cpu ? m->options.cpu : ai_cpu();
    for (int i = 0; i < LEVEL_BITS; i++) {
        ai_error err;
        uint32_t level = allowed & 1u << i;
        if (!level)
            continue;
        /* One level a call: ai_self_test allows those below it too. */
        bool is_same = ai_self_test(m->model, level, 0, &err) == AI_OK;
        printf("%-9s %s\n", ai_task_cpu_name(level), is_same ? "same bits" : "failed");
        fflush(stdout);
        if (!is_same)
            status = ai_cli_failed(path, &err);
    }
    return status;
}

static int run(const ai_cli_args *args)
{
    const char *path = args->operands[0];
    ai_cli_model m;
    ai_error err;
    int status = ai_cli_open(&m, args, path);
    if (status != AI_CLI_OK)
        return status;
    if (ai_model_verify(m.model, &err) != AI_OK) {
        status = ai_cli_failed(path, &err);
    } else {
        printf("checksums good\n");
        fflush(stdout);
        status = test_levels(&m, path);
    }
    ai_cli_close(&m);
    return status;
}

const ai_cli_command ai_command_verify = {
    "verify",
    "M.lai",
    "checks a flat file's sums and its self-test",
    "Reads the whole file and compares every checksum, then runs the self-test that the converter\n"
    "stored at each CPU level of this machine and compares the outputs to the bit.",
    NULL,
    0,
    1,
    1,
    run};
