/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the readers of .npy and, of what begins as a zip, .npz: what they accept has as many bytes
 * as its shape says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "int8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_error(const ai_error *err)
{
    if (err->code >= 0 || !memchr(err->message, 0, sizeof err->message))
        abort();
}

static void check_array(const ai_npy *npy)
{
    uint64_t count = ai_cli_type_bytes(npy->type);
    for (uint32_t i = 0; i < npy->rank; i++)
        count *= (uint64_t)npy->dim[i];
    volatile unsigned char sum = 0;
    for (uint64_t i = 0; i < npy->bytes; i++)
        sum = (unsigned char)(sum + ((unsigned char *)npy->data)[i]);
    if (count != npy->bytes)
        abort();
}

static void read_array(void *data, size_t bytes)
{
    ai_npy npy;
    ai_error err;
    if (ai_npy_parse(&npy, data, bytes, &err) != AI_OK) {
        check_error(&err);
        return;
    }
    check_array(&npy);
    ai_npy_free(&npy);
}

static void read_arrays(const void *data, size_t bytes)
{
    ai_cli_array *arrays;
    uint32_t count;
    ai_error err;
    if (ai_npz_parse(&arrays, &count, data, bytes, &err) != AI_OK)
        check_error(&err);
    else
        for (uint32_t i = 0; i < count; i++)
            check_array(&arrays[i].npy);
    ai_npz_free(arrays, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *copy =
        malloc(bytes ? bytes : 1); /* of this size, so that ASan sees each byte beyond it */
    if (!copy)
        return 0;
    memcpy(copy, data, bytes);
    if (bytes >= 2 && memcmp(copy, "PK", 2) == 0) {
        read_arrays(copy, bytes);
        free(copy);
    } else {
        read_array(copy, bytes); /* frees it */
    }
    return 0;
}
