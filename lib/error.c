/* SPDX-License-Identifier: Apache-2.0
 * Fills ai_error: one line of clean UTF-8, however hostile the names in it are. */
#include "core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Shortens `text` to at most `limit` bytes without cutting a UTF-8 character in two. */
static void cut(char *text, size_t limit)
{
    size_t length = strlen(text);
    if (length > limit)
        length = limit;
    else if (length < limit)
        return;
    size_t start = length;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (length - (start - 1) < need)
            length = start - 1;
    }
    text[length] = 0;
}

static ai_status fill(ai_error *err, ai_status code, uint32_t step, uint64_t offset,
                      const char *prefix, const char *format, va_list args)
{
    if (!err)
        return code;
    err->code = code;
    err->step = step;
    err->offset = offset;
    size_t used = strlen(prefix);
    memcpy(err->message, prefix, used);
    vsnprintf(err->message + used, sizeof(err->message) - used, format, args);
    cut(err->message, sizeof(err->message) - 1);
    for (char *p = err->message; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = '?';
    }
    return code;
}

ai_status ai_fail(ai_error *err, ai_status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, AI_NO_STEP, AI_NO_OFFSET, "", format, args);
    va_end(args);
    return code;
}

ai_status ai_fail_at(ai_error *err, ai_status code, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, AI_NO_STEP, offset, "", format, args);
    va_end(args);
    return code;
}

ai_status ai_fail_step(ai_error *err, ai_status code, const ai_step *step, const char *format, ...)
{
    char prefix[128];
    const ai_op_row *row = ai_op_find(step->file->op);
    /* A long name keeps its beginning, and leaves room for what went wrong. */
    snprintf(prefix, sizeof(prefix) - 4, "%s '%s", row ? row->name : "operator", step->name);
    cut(prefix, sizeof(prefix) - 5);
    strcat(prefix, "': ");
    va_list args;
    va_start(args, format);
    fill(err, code, step->index, AI_NO_OFFSET, prefix, format, args);
    va_end(args);
    return code;
}

const char *ai_status_name(ai_status status)
{
    static const char *const names[] = {
        "AI_OK",        "AI_E_ARGUMENT",    "AI_E_MEMORY",  "AI_E_IO",    "AI_E_FORMAT",
        "AI_E_VERSION", "AI_E_UNSUPPORTED", "AI_E_SHAPE",   "AI_E_VALUE", "AI_E_STATE",
        "AI_E_TIMEOUT", "AI_E_STOPPED",     "AI_E_INTERNAL"};
    if (status > 0 || status < AI_E_INTERNAL)
        return "AI_E_UNKNOWN";
    return names[-status];
}
