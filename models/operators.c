/* SPDX-License-Identifier: Apache-2.0
 * The table of operators as the converter sees it: names and parameters, nothing that runs. Built
 * under a name of its own beside the core's (see meson.build). */
#include "core.h"

#define AI_OP(number, id, name, params, min_in, max_in, min_out, max_out, op)                      \
    {number, (uint16_t)sizeof(params), min_in, max_in, min_out, max_out, name, NULL},
static const ai_op_row rows[] = {
#include "ops.def"
};
#undef AI_OP

const ai_op_row *ai_op_find(uint32_t number)
{
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].number == number)
            return &rows[i];
    }
    return NULL;
}
