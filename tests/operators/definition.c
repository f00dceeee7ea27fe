/* SPDX-License-Identifier: Apache-2.0
 * Conv, ConvTranspose, the pools, Gemm, MatMul and Reorder with random shapes against their
 * definition in plain loops: the same bits for any split of the work. Usage: definition [SEED
 * [COUNT]]. */
#include <stdio.h>
#include <stdlib.h>

#include "definition.h"

bool define_reorder(dice *d)
{
    bool to_blocks = one_in(d, 2);
    int64_t dim[4] = {from(d, 0, 2), from(d, 1, 40), from(d, 1, 6), from(d, 1, 20)};
    step s;

    step_init(&s, AI_OP_REORDER, 1, 1);
    step_shape(&s, 0, AI_F32, to_blocks ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C, 4, dim);
    s.out[0].layout = to_blocks ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN;
    ai_tensor *blocks = to_blocks ? &s.out[0] : &s.in[0];
    for (int i = 0; i < 4 && one_in(d, 2); i++)
        blocks->border[i] = (uint32_t)from(d, 0, 2);
    if (step_check(&s) != AI_OK)
        fail(d, "Reorder", s.err.message);
    float *x = fill_values(d, &s, 0);
    run_split(d, &s, "Reorder");
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++)
        expect(d, &s, "Reorder", i, x[i]);
    free(x);
    step_free(&s);
    return true;
}

int main(int argc, char **argv)
{
    static bool (*const tests[])(dice *) = {
        define_conv, define_conv_transpose, define_pool,    define_global_pool,
        define_gemm, define_matmul,         define_reorder,
    };
    enum { TESTS = sizeof(tests) / sizeof(tests[0]) };
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    uint64_t ran[TESTS] = {0};

    for (uint64_t seed = first; seed < first + count; seed++) {
        for (int i = 0; i < TESTS; i++) {
            dice d = {seed * TESTS + (uint64_t)i, seed};
            ran[i] += tests[i](&d);
        }
    }
    for (int i = 0; i < TESTS; i++) {
        if (ran[i] * 2 <= count) {
            printf("test %d ran %llu of %llu cases\n", i, (unsigned long long)ran[i],
                   (unsigned long long)count);
            return 1;
        }
    }
    return 0;
}
