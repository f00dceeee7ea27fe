/* SPDX-License-Identifier: Apache-2.0
 * Building JSON so that a lack of memory anywhere shows at the end. */
#include <stdlib.h>

#include "json_text.h"

bool ai_json_put(json_t *object, const char *name, json_t *value)
{
    return !json_object_set_new(object, name, value);
}

bool ai_json_append(json_t *list, json_t *value)
{
    return !json_array_append_new(list, value);
}

ai_status ai_json_text(char **text, json_t *value, size_t digits, ai_error *err)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(digits);
    size_t bytes = value ? json_dumpb(value, NULL, 0, flags) : 0;
    char *made = bytes ? malloc(bytes + 1) : NULL;
    bool is_whole = made && json_dumpb(value, made, bytes, flags) == bytes;
    json_decref(value);
    if (!is_whole) {
        free(made);
        return ai_task_no_memory(err, bytes + 1, "a JSON text");
    }
    made[bytes] = '\0';
    *text = made;
    return AI_OK;
}
