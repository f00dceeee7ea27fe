/* SPDX-License-Identifier: Apache-2.0
 * What `ai bench --profile` knows of each step, and how it shows it: as text, JSON and a plot. */
#ifndef AI_CLI_PROFILE_H
#define AI_CLI_PROFILE_H

#include "cli.h"

/* One step, or all steps of one operator with one kernel. */
typedef struct ai_cli_row {
    const char *name; /* of a step */
    const char *op;
    const char *kernel;
    uint32_t count; /* of steps */
    uint32_t group; /* of a step: its operator's place among all by time, 0 the slowest */
    uint64_t flops;
    uint64_t bytes;
    uint64_t least_ns;
    uint64_t total_ns; /* of all runs */
} ai_cli_row;

typedef struct ai_cli_profile {
    const char *model;
    char levels[128];
    uint32_t threads;
    uint32_t runs;
    double peak; /* what the machine was measured at, in GFLOP/s; 0: not known */
    uint32_t step_count;
    uint32_t group_count;
    ai_cli_row *steps;  /* in the order of the plan */
    ai_cli_row *groups; /* the slowest first */
    ai_cli_row all;     /* the sums of the steps */
} ai_cli_profile;

/* Gathers what does not change; false: no memory. */
bool ai_cli_profile_open(ai_cli_profile *p, const ai_session *session);
/* After each run of a session that was opened with AI_PROFILE. */
void ai_cli_profile_add(ai_cli_profile *p, const ai_session *session);
/* After the last run: sums up. */
void ai_cli_profile_close(ai_cli_profile *p);
void ai_cli_profile_free(ai_cli_profile *p);

double ai_cli_row_ms(const ai_cli_row *row);
double ai_cli_row_gflops(const ai_cli_row *row);    /* per second */
double ai_cli_row_gigabytes(const ai_cli_row *row); /* per second, 10^9 bytes */
/* In 0 to 1, or more: an algorithm may need fewer operations than the operator's definition. */
double ai_cli_row_peak(const ai_cli_row *row, const ai_cli_profile *p);
double ai_cli_row_share(const ai_cli_row *row, const ai_cli_profile *p); /* of the time */

/* A table with bars; coloured and fitted where standard output is a terminal (profile_text.c). */
void ai_cli_profile_print(const ai_cli_profile *p);
/* Members of an object, with a comma before the first (profile_json.c). */
void ai_cli_profile_json(const ai_cli_profile *p);
/* Writes an SVG file (profile_plot.c). */
ai_status ai_cli_profile_plot(const ai_cli_profile *p, const char *path, ai_error *err);

/* GFLOP/s that products and sums in registers reach at a CPU level on that many threads at once,
 * the best of several short measurements of each; 0: could not be measured (machine_peak.c). */
double ai_cli_machine_peak(uint32_t cpu, uint32_t threads);

#endif
