/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of .npy files: what it accepts has as many bytes as its shape says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    ai_npy npy;
    ai_error err;
    char *copy =
        malloc(bytes ? bytes : 1); /* of this size, so that ASan sees each byte beyond it */
    if (!copy)
        return 0;
    memcpy(copy, data, bytes);
    if (ai_npy_parse(&npy, copy, bytes, &err) != AI_OK) {
        if (err.code >= 0 || !memchr(err.message, 0, sizeof err.message))
            abort();
        return 0;
    }
    uint64_t count = ai_cli_type_bytes(npy.type);
    for (uint32_t i = 0; i < npy.rank; i++)
        count *= (uint64_t)npy.dim[i];
    volatile unsigned char sum = 0;
    for (uint64_t i = 0; i < npy.bytes; i++)
        sum = (unsigned char)(sum + ((unsigned char *)npy.data)[i]);
    if (count != npy.bytes)
        abort();
    ai_npy_free(&npy);
    return 0;
}
