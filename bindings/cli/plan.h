/* SPDX-License-Identifier: Apache-2.0
 * The plan of a session as `ai info` draws it: its steps, and which step writes and reads what. */
#ifndef AI_CLI_PLAN_H
#define AI_CLI_PLAN_H

#include "cli.h"

#define AI_CLI_NO_STEP UINT32_MAX

/* A tensor that steps write or read, or a step's scratch. */
typedef struct ai_cli_value {
    ai_operand_info info;
    uint32_t writer; /* AI_CLI_NO_STEP: the caller, the file, or the call before */
    uint32_t first;  /* step at which its memory is taken */
    uint32_t last;   /* step after which it is free again */
    bool is_input;   /* of the model */
    bool is_output;
    bool is_met; /* an operand of some step */
} ai_cli_value;

typedef struct ai_cli_plan {
    const ai_session *session;
    const char *model;
    ai_session_info about;
    ai_step_info *steps;
    uint32_t *groups;     /* of steps: the number of its operator, in the order of appearance */
    ai_cli_value *values; /* by tensor; then the scratch of each step */
    uint32_t tensor_count;
    uint32_t value_count;
} ai_cli_plan;

ai_status ai_cli_plan_open(ai_cli_plan *p, const ai_session *session, const char *model,
                           ai_error *err);
void ai_cli_plan_free(ai_cli_plan *p);

/* The steps as a graph. FILE.dot or FILE.gv is Graphviz' text; of FILE.svg, .png and .pdf its
 * program `dot` makes the picture (plan_graph.c). */
ai_status ai_cli_plan_graph(const ai_cli_plan *p, const char *path, ai_error *err);
/* What lies where in the arena at which step, as an SVG file (plan_map.c). */
ai_status ai_cli_plan_map(const ai_cli_plan *p, const char *path, ai_error *err);

#endif
