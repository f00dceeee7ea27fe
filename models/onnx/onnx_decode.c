/* SPDX-License-Identifier: Apache-2.0
 * Unpacks the bytes of an ONNX file within a memory limit and checks what it was made for. */
#include "onnx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A real graph takes at most about 20 bytes of memory a byte of file (short node names); what takes
 * more is made of empty messages in order to exhaust memory. */
enum { LIMIT_FACTOR = 32, LIMIT_BASE = 16 << 20 };

ai_status ai_onnx_fail(ai_onnx *onnx, ai_status code, const char *format, ...)
{
    char text[AI_ONNX_TEXT];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return ai_fail(onnx->err, code, "%s", text);
}

ai_status ai_onnx_no_memory(ai_onnx *onnx)
{
    return ai_onnx_fail(onnx, AI_E_MEMORY, "no memory for the graph");
}

static ai_status over_limit(ai_onnx *onnx)
{
    return ai_onnx_fail(onnx, AI_E_FORMAT,
                        "the model unpacks to over %llu MB: not a real ONNX model",
                        (unsigned long long)(onnx->allocation_limit >> 20));
}

ai_status ai_onnx_charge(ai_onnx *onnx, uint64_t bytes)
{
    if (bytes > onnx->allocation_limit - onnx->allocated)
        return over_limit(onnx);
    onnx->allocated += bytes;
    return AI_OK;
}

static void *limited_alloc(void *user, size_t bytes)
{
    ai_onnx *onnx = user;
    if (bytes > onnx->allocation_limit - onnx->allocated) {
        onnx->is_over_limit = true;
        return NULL;
    }
    onnx->allocated += bytes;
    void *memory = malloc(bytes > 0 ? bytes : 1);
    onnx->is_exhausted |= memory == NULL;
    return memory;
}

static void limited_free(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static ai_status check_versions(ai_onnx *onnx)
{
    const AiOnnx__Model *m = onnx->model;
    if (m->ir_version < 1)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "not an ONNX model: it states no ir_version");
    if (m->ir_version > AI_ONNX_NEWEST_IR)
        return ai_onnx_fail(onnx, AI_E_VERSION, "ONNX ir_version is %lld, the newest known is %d",
                            (long long)m->ir_version, AI_ONNX_NEWEST_IR);
    if (m->graph == NULL)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "the ONNX model holds no graph");
    if (m->graph->n_sparse_initializer > 0)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "the graph has sparse initializers, only dense ones are supported");
    return AI_OK;
}

ai_status ai_onnx_decode(ai_onnx *onnx, const void *data, size_t bytes)
{
    if (bytes == 0)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "the file is empty, an ONNX model was needed");
    if (bytes >= sizeof AI_FILE_MAGIC - 1 &&
        memcmp(data, AI_FILE_MAGIC, sizeof AI_FILE_MAGIC - 1) == 0)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "a flat file already: an ONNX model was needed");
    if (bytes > SIZE_MAX / LIMIT_FACTOR - LIMIT_BASE)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "the file has %zu bytes, too many for this machine",
                            bytes);
    onnx->allocation_limit = (uint64_t)bytes * LIMIT_FACTOR + LIMIT_BASE;
    onnx->allocator = (ProtobufCAllocator){limited_alloc, limited_free, onnx};
    onnx->model = ai_onnx__model__unpack(&onnx->allocator, bytes, data);
    if (onnx->model == NULL && onnx->is_over_limit)
        return over_limit(onnx);
    if (onnx->model == NULL && onnx->is_exhausted)
        return ai_onnx_fail(onnx, AI_E_MEMORY, "no memory for the model of %zu bytes", bytes);
    if (onnx->model == NULL)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "not an ONNX model, or truncated or corrupt");
    return check_versions(onnx);
}

void ai_onnx_release(ai_onnx *onnx)
{
    if (onnx->model != NULL)
        ai_onnx__model__free_unpacked(onnx->model, &onnx->allocator);
    onnx->model = NULL;
}
