/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes model files with libFuzzer: the verifier, the planner and the operators. Checksums are put
 * right, and mutations go where the tables are. */
#include "corpus.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max_bytes, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    run_model(data, bytes);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max_bytes, unsigned seed)
{
    uint64_t random = seed;
    if (draw_random(&random) % 8 == 0)
        bytes = LLVMFuzzerMutate(data, bytes, max_bytes);
    for (uint64_t i = draw_random(&random) % 4 + 1; i > 0; i--)
        mutate_model(data, bytes, &random);
    return bytes;
}
