/* SPDX-License-Identifier: Apache-2.0
 * Open Inference Protocol v2: what the parts of a run share: refusals, what is asked of outputs. */
#include <stdio.h>
#include <string.h>

#include "oip_run.h"

bool ai_oip_refuse(ai_oip_run *r, const char *format, const char *name, const char *more)
{
    char message[240];
    snprintf(message, sizeof message, format, name, more); /* formats are those of these files */
    ai_exchange_fail(r->x, 400, "Function.BadInput", "%s", message);
    return false;
}

bool ai_oip_no_memory(ai_oip_run *r, const char *what)
{
    ai_exchange_fail(r->x, 503, "Function.OutOfMemory", "no memory for '%.80s'", what);
    return false;
}

const json_t *ai_oip_wanted(const ai_oip_run *r, const char *name)
{
    for (size_t i = 0; i < json_array_size(r->request.outputs); i++) {
        const json_t *row = json_array_get(r->request.outputs, i);
        const json_t *given = json_object_get(row, "name");
        if (json_is_string(given) && strcmp(json_string_value(given), name) == 0)
            return row;
    }
    return NULL;
}

bool ai_oip_wish(ai_oip_run *r, ai_oip_output *out)
{
    const json_t *row = ai_oip_wanted(r, out->name);
    const json_t *parameters = json_object_get(row, "parameters");
    const json_t *raw = json_object_get(parameters, "binary_data");
    const json_t *top = json_object_get(parameters, "classification");
    out->is_raw = raw ? json_is_true(raw) : r->request.is_binary;
    if (!top)
        return true;
    if (!json_is_integer(top) || json_integer_value(top) < 1 || json_integer_value(top) > INT32_MAX)
        return ai_oip_refuse(r, "output '%.80s': 'classification' needs a number of classes%s",
                             out->name, "");
    out->top = (uint32_t)json_integer_value(top);
    return true;
}
