/* SPDX-License-Identifier: Apache-2.0
 * Reading JSON from strangers: depth and number of values are bounded before memory is taken. */
#include <string.h>

#include "json_read.h"
#include "task.h"

/* Counts outside of strings: what opens, and what separates values. */
static ai_status check_bounds(const char *text, size_t bytes, ai_error *err)
{
    size_t depth = 0;
    size_t values = 0;
    bool is_string = false;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (is_string) {
            if (c == '\\')
                i++;
            is_string = c != '"';
            continue;
        }
        is_string = c == '"';
        depth += c == '{' || c == '[';
        depth -= (c == '}' || c == ']') && depth > 0;
        values += c == ',' || c == ':' || c == '[';
        if (depth > AI_JSON_MAX_DEPTH)
            return ai_task_fail(err, AI_E_FORMAT, "JSON is nested deeper than %d, at byte %zu",
                                AI_JSON_MAX_DEPTH, i);
        if (values > AI_JSON_MAX_VALUES)
            return ai_task_fail(err, AI_E_FORMAT, "JSON has more than %d values",
                                AI_JSON_MAX_VALUES);
    }
    return AI_OK;
}

json_t *ai_json_read(const void *text, size_t bytes, ai_error *err)
{
    json_error_t at;
    if (check_bounds(text, bytes, err) != AI_OK)
        return NULL;
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!json) {
        char *line = strpbrk(at.text, "\r\n");
        if (line)
            *line = 0;
        ai_task_fail(err, AI_E_FORMAT, "JSON: %.120s, at line %d, column %d", at.text, at.line,
                     at.column);
    }
    return json;
}

const char *ai_json_string(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return NULL;
    return json_string_value(value);
}
