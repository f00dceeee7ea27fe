/* SPDX-License-Identifier: Apache-2.0
 * Errors, memory and resources of the task layer. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void ai_task_resource(const ai_model *model, const char *name, ai_resource *found)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    if (ai_model_describe(model, &info) != AI_OK)
        return;
    for (uint32_t i = 0; i < info.resource_count; i++) {
        ai_resource resource = AI_RESOURCE_INIT;
        if (ai_model_resource(model, i, &resource) == AI_OK && !strcmp(resource.name, name)) {
            *found = resource;
            return;
        }
    }
}
