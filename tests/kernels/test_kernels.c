/* SPDX-License-Identifier: Apache-2.0
 * Every row of kernels.def against the row of ref, to the bit, or a back end's within what rounding
 * allows; then known values and accuracy.
 * AI_SEED repeats a run, AI_ROUNDS makes it longer. */
#include <stdlib.h>

#include "kernel_test.h"

typedef struct named_row {
    uint32_t op;
    uint8_t  act, weight, layout;
    uint32_t cpu;
} named_row;

#define AI_KERNEL(op, act, weight, layout, cpu, fn) {op, AI_##act, AI_##weight, layout, AI_CPU_##cpu},
static const named_row rows[] = {
#include "kernels.def"
};
#undef AI_KERNEL

enum { ROW_COUNT = sizeof rows / sizeof *rows };

static void one_round(const row *k, rng *r)
{
    switch (k->kernel->op) {
    case AI_K_CONV:
    case AI_K_CONV_STEM:
    case AI_K_CONV_DEPTHWISE:
        round_conv(k, r);
        return;
    case AI_K_CONV_PLAIN:
        round_conv_plain(k, r);
        return;
    case AI_K_WINOGRAD_INPUT:
        round_winograd_input(k, r);
        return;
    case AI_K_WINOGRAD_OUTPUT:
        round_winograd_output(k, r);
        return;
    case AI_K_GEMM:
        round_gemm(k, r);
        return;
    case AI_K_MAX_POOL:
    case AI_K_AVERAGE_POOL:
    case AI_K_GLOBAL_AVERAGE_POOL:
        if (k->kernel->act_type == AI_U8)
            round_byte_pool(k, r);
        else
            round_pool(k, r);
        return;
    case AI_K_WIDEN_F16:
        round_widen(k, r);
        return;
    case AI_K_QUANTISE:
        round_quantise(k, r);
        return;
    case AI_K_Q_CONV:
    case AI_K_Q_DEPTHWISE:
        round_q_conv(k, r);
        return;
    case AI_K_TO_BYTES:
        round_to_bytes(k, r);
        return;
    case AI_K_FROM_BYTES:
        round_from_bytes(k, r);
        return;
    case AI_K_LOOKUP:
        round_lookup(k, r);
        return;
    case AI_K_GEMM_S8:
        round_gemm_s8(k, r);
        return;
    case AI_K_TRANSPOSE16:
        round_transpose(k, r);
        return;
    case AI_K_SOFTMAX:
        round_softmax(k, r);
        return;
    case AI_K_RESIZE:
        round_resize(k, r);
        return;
    }
    if (k->kernel->op >= AI_K_REDUCE)
        round_reduce(k, r);
    else if (k->kernel->op >= AI_K_UNARY)
        round_unary(k, r);
    else
        round_binary(k, r);
}

int round_count(void)
{
    const char *text = getenv("AI_ROUNDS");
    const int rounds = text ? atoi(text) : 100;
    ck_assert_msg(rounds > 0, "AI_ROUNDS is '%s', needs a number over 0", text);
    return rounds;
}

START_TEST(test_row)
{
    const named_row *wanted = &rows[_i];
    const row k = {&ai_kernels[_i], ai_kernel_find(wanted->op, wanted->act, wanted->weight,
                                                   wanted->layout, AI_CPU_REF)};
    ck_assert_msg(k.kernel->op == wanted->op && k.kernel->cpu == wanted->cpu,
                  "row %d of the table is not row %d of kernels.def", _i, _i);
    ck_assert_msg(k.ref && k.ref->cpu == AI_CPU_REF, "%s has no row of ref", k.kernel->name);
    if (!(ai_cpu_detect() & wanted->cpu) ||
        (wanted->cpu == AI_CPU_AMX && !ai_cpu_may_use_tiles()))
        return;
    const int rounds = round_count();
    for (int round = 0; round < rounds; round++) {
        rng r = rng_of_round(k.kernel->name, round);
        one_round(&k, &r);
    }
    /* A back end that fails leaves its work to ref, unseen but for the bits. */
    ck_assert_msg(!is_back_end(&k) || within_count() > 0, "%s never rounds otherwise than ref",
                  k.kernel->name);
}
END_TEST

START_TEST(test_table)
{
    ck_assert_msg(ai_kernel_count == ROW_COUNT, "the table has %u rows, kernels.def %d",
                  (unsigned)ai_kernel_count, (int)ROW_COUNT);
    ck_assert_msg(ai_cpu_detect() & AI_CPU_REF, "ref is a level of every machine");
    ck_assert_msg(!ai_kernel_find(AI_K_COUNT, AI_F32, AI_F32, AI_LAYOUT_PLAIN, UINT32_MAX),
                  "no row has an operation that does not exist");
    uint32_t built = 0;
    for (uint32_t i = 0; i < ai_kernel_count; i++)
        built |= ai_kernels[i].cpu;
    ck_assert_msg(!(ai_cpu_detect() & ~built), "levels 0x%x are offered, but no row is theirs",
                  (unsigned)(ai_cpu_detect() & ~built));
    const ai_kernel *k = ai_kernel_find(AI_K_CONV, AI_F32, AI_F32, AI_LAYOUT_CONV16, UINT32_MAX);
    ck_assert_msg(k && (k == &ai_kernels[ai_kernel_count - 1] || k->cpu != AI_CPU_REF ||
                        ai_cpu_detect() == AI_CPU_REF),
                  "all levels allowed, but the strongest row was not chosen");
    for (uint32_t i = 1; i < ai_kernel_count; i++)
        ck_assert_msg(ai_kernels[i].cpu >= ai_kernels[i - 1].cpu, "%s comes after a stronger level",
                      ai_kernels[i].name);
}
END_TEST

Suite *suite_rows(void)
{
    Suite *suite = suite_create("rows");
    TCase *c = tcase_create("rows");
    tcase_set_timeout(c, 120);
    tcase_add_test(c, test_table);
    tcase_add_loop_test(c, test_row, 0, ROW_COUNT);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    test_seed(); /* one for all the processes that Check forks */
    SRunner *runner = srunner_create(suite_rows());
    srunner_add_suite(runner, suite_known());
    srunner_add_suite(runner, suite_accuracy());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
