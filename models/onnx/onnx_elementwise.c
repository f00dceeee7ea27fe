/* SPDX-License-Identifier: Apache-2.0
 * Elementwise operators of any number of inputs, as chains of those of two. */
#include "onnx.h"

/* Adds the row's operator over all inputs, from the left; the result is `out`. */
static void add_chain(ai_lower *l, int32_t out)
{
    ai_none_params none = {0};
    ai_type type = ai_lower_type(l, 0);
    int32_t pair[2] = {ai_lower_input(l, 0), AI_NO_VALUE};
    for (uint32_t i = 0; i < l->input_count; i++)
        if (l->inputs[i] == AI_NO_VALUE)
            ai_lower_fail(l, AI_E_FORMAT, "input %u is missing", i);
    if (l->input_count == 1)
        ai_lower_add(l, NULL, AI_OP_IDENTITY, &none, sizeof none, pair, 1, &out, 1);
    for (uint32_t i = 1; i < l->input_count && l->status == AI_OK; i++) {
        bool is_last = i + 1 == l->input_count;
        int32_t sum = is_last ? out : ai_lower_between(l, "part", type);
        pair[1] = l->inputs[i];
        ai_lower_add(l, is_last ? NULL : "part", l->row->op, &none, sizeof none, pair, 2, &sum, 1);
        pair[0] = sum;
    }
}

void ai_lower_chain(ai_lower *l)
{
    add_chain(l, ai_lower_output(l, 0, ai_lower_type(l, 0)));
}

void ai_lower_mean(ai_lower *l)
{
    ai_none_params none = {0};
    ai_type type = ai_lower_type(l, 0);
    int32_t quotient[2] = {ai_lower_between(l, "sum", type), AI_NO_VALUE};
    add_chain(l, quotient[0]);
    quotient[1] = ai_lower_scalar(l, "count", type, (float)l->input_count);
    int32_t out = ai_lower_output(l, 0, type);
    ai_lower_add(l, "mean", AI_OP_DIV, &none, sizeof none, quotient, 2, &out, 1);
}
