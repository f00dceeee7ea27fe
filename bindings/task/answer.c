/* SPDX-License-Identifier: Apache-2.0
 * The answer of one image as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "task.h"

/* The decimal number with the fewest digits that still is this f32, as f64: 0.93f becomes 0.93. */
static double shortest(float value)
{
    for (int digits = 1; digits < 9; digits++) {
        char text[32];
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        double read = strtod(text, NULL);
        if ((float)read == value)
            return read;
    }
    return (double)value;
}

static json_t *object_of(const ai_class *class, uint32_t rank)
{
    return json_pack("{s:I, s:s, s:f, s:I}", "rank", (json_int_t)rank, "label", class->label,
                     "score", shortest(class->score), "index", (json_int_t) class->index);
}

static json_t *answer_of(const ai_class *classes, uint32_t count)
{
    json_t *body = json_array();
    for (uint32_t i = 0; body && i < count; i++)
        if (json_array_append_new(body, object_of(&classes[i], i + 1))) {
            json_decref(body);
            body = NULL;
        }
    return body ? json_pack("{s:i, s:o}", "statusCode", 200, "body", body) : NULL;
}

static ai_status check_classes(const ai_class *classes, uint32_t count, ai_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!classes[i].label)
            return ai_task_fail(err, AI_E_ARGUMENT, "label of class %u is NULL", i);
        json_t *label = json_string(classes[i].label);
        json_decref(label);
        if (!label)
            return ai_task_fail(err, AI_E_ARGUMENT, "label of class %u is not UTF-8", i);
        if (!(classes[i].score - classes[i].score == 0))
            return ai_task_fail(err, AI_E_VALUE, "score of class %u is %g, JSON has only numbers",
                                i, (double)classes[i].score);
    }
    return AI_OK;
}

ai_status ai_classes_json(const ai_class *classes, uint32_t count, char **json, ai_error *err)
{
    if (!json || (!classes && count))
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", json ? "classes" : "json");
    ai_status status = check_classes(classes, count, err);
    if (status != AI_OK)
        return status;
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(9);
    json_t *answer = answer_of(classes, count);
    size_t bytes = answer ? json_dumpb(answer, NULL, 0, flags) : 0;
    char *text = bytes ? malloc(bytes + 1) : NULL;
    if (text) {
        json_dumpb(answer, text, bytes, flags);
        text[bytes] = '\0';
        *json = text;
    }
    json_decref(answer);
    return text ? AI_OK : ai_task_no_memory(err, bytes + 1, "the answer");
}
