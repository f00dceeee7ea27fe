/* SPDX-License-Identifier: Apache-2.0
 * Errors and memory of the task layer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "task.h"

ai_status ai_task_fail(ai_error *err, ai_status code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        err->code = code;
        err->step = AI_NO_STEP;
        err->offset = AI_NO_OFFSET;
    }
    return code;
}

ai_status ai_task_no_memory(ai_error *err, size_t bytes, const char *what)
{
    return ai_task_fail(err, AI_E_MEMORY, "no memory: %s needs %zu bytes", what, bytes);
}

void ai_task_free(void *memory)
{
    free(memory);
}
