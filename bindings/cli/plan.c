/* SPDX-License-Identifier: Apache-2.0
 * Gathers a session's plan: its steps, their operators, and the life of every tensor. */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

static bool get_operand(const ai_session *session, uint32_t step, uint32_t index,
                        ai_operand_info *info)
{
    *info = (ai_operand_info)AI_OPERAND_INFO_INIT;
    return ai_session_operand(session, step, index, info) == AI_OK;
}

static uint32_t count_tensors(const ai_session *session, uint32_t steps)
{
    uint32_t count = 0;
    ai_operand_info info;
    for (uint32_t i = 0; i < steps; i++) {
        for (uint32_t k = 0; get_operand(session, i, k, &info); k++) {
            if (info.tensor != AI_NO_TENSOR && info.tensor >= count)
                count = info.tensor + 1;
        }
    }
    return count;
}

static void meet(ai_cli_plan *p, uint32_t step, const ai_operand_info *info)
{
    bool is_scratch = info->role == AI_ROLE_SCRATCH;
    if (info->tensor == AI_NO_TENSOR && !is_scratch)
        return;
    ai_cli_value *v = &p->values[is_scratch ? p->tensor_count + step : info->tensor];
    bool is_written = info->role != AI_ROLE_INPUT;
    if (!v->is_met) /* what no step has written before it is read was there from the start */
        *v = (ai_cli_value){.info = *info,
                            .writer = is_written ? step : AI_CLI_NO_STEP,
                            .first = is_written ? step : 0,
                            .is_met = true};
    v->last = step;
}

static bool is_named(const ai_cli_value *v, const ai_tensor_info *info)
{
    return v->is_met && v->info.name && *v->info.name && strcmp(v->info.name, info->name) == 0;
}

/* Outputs live to the end. Names of inputs and outputs are their own in a model. */
static void mark_ends(ai_cli_plan *p)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    for (uint32_t i = 0; ai_session_input(p->session, i, &info) == AI_OK; i++) {
        for (uint32_t k = 0; k < p->tensor_count; k++) {
            if (is_named(&p->values[k], &info) && p->values[k].writer == AI_CLI_NO_STEP)
                p->values[k].is_input = true;
        }
    }
    for (uint32_t i = 0; ai_session_output(p->session, i, &info) == AI_OK; i++) {
        for (uint32_t k = 0; k < p->tensor_count; k++) {
            if (is_named(&p->values[k], &info)) {
                p->values[k].is_output = true;
                p->values[k].last = p->about.step_count - 1;
            }
        }
    }
}

static uint32_t group_of(const ai_cli_plan *p, uint32_t step, uint32_t *count)
{
    for (uint32_t i = 0; i < step; i++) {
        if (strcmp(p->steps[i].op, p->steps[step].op) == 0)
            return p->groups[i];
    }
    return (*count)++;
}

ai_status ai_cli_plan_open(ai_cli_plan *p, const ai_session *session, const char *model,
                           ai_error *err)
{
    *p = (ai_cli_plan){.session = session, .model = model};
    p->about = (ai_session_info)AI_SESSION_INFO_INIT;
    ai_session_describe(session, &p->about);
    uint32_t steps = p->about.step_count;
    uint32_t groups = 0;
    p->tensor_count = count_tensors(session, steps);
    p->value_count = p->tensor_count + steps;
    p->steps = calloc((size_t)steps + 1, sizeof *p->steps);
    p->groups = calloc((size_t)steps + 1, sizeof *p->groups);
    p->values = calloc((size_t)p->value_count + 1, sizeof *p->values);
    if (!p->steps || !p->groups || !p->values) {
        ai_cli_plan_free(p);
        return ai_cli_error(err, AI_E_MEMORY, "no memory for the plan");
    }
    for (uint32_t i = 0; i < steps; i++) {
        ai_operand_info info;
        p->steps[i] = (ai_step_info)AI_STEP_INFO_INIT;
        ai_session_step(session, i, &p->steps[i]);
        p->groups[i] = group_of(p, i, &groups);
        for (uint32_t k = 0; get_operand(session, i, k, &info); k++)
            meet(p, i, &info);
    }
    mark_ends(p);
    return AI_OK;
}

void ai_cli_plan_free(ai_cli_plan *p)
{
    free(p->steps);
    free(p->groups);
    free(p->values);
}
