/* SPDX-License-Identifier: Apache-2.0
 * The answer of one image as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"

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
    json_t *object = json_object();
    if (ai_json_put(object, "rank", json_integer(rank)) &&
        ai_json_put(object, "label", json_string(class->label)) &&
        ai_json_put(object, "score", json_real(shortest(class->score))) &&
        ai_json_put(object, "index", json_integer(class->index)))
        return object;
    json_decref(object);
    return NULL;
}

static json_t *body_of(const ai_class *classes, uint32_t count)
{
    json_t *body = json_array();
    for (uint32_t i = 0; i < count; i++)
        if (!ai_json_append(body, object_of(&classes[i], i + 1))) {
            json_decref(body);
            return NULL;
        }
    return body;
}

static json_t *answer_of(const ai_class *classes, uint32_t count)
{
    json_t *answer = json_object();
    if (ai_json_put(answer, "statusCode", json_integer(200)) &&
        ai_json_put(answer, "body", body_of(classes, count)))
        return answer;
    json_decref(answer);
    return NULL;
}

static ai_status check_classes(const ai_class *classes, uint32_t count, ai_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!classes[i].label)
            return ai_task_fail(err, AI_E_ARGUMENT, "label of class %u is NULL", i);
        if (!ai_is_utf8(classes[i].label))
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
    return status == AI_OK ? ai_json_text(json, answer_of(classes, count), 9, err) : status;
}
