/* SPDX-License-Identifier: Apache-2.0
 * Gathers what each step took, and sums up by operator and kernel. */
#include "profile.h"

#include <stdlib.h>
#include <string.h>

bool ai_cli_profile_open(ai_cli_profile *p, const ai_session *session)
{
    ai_session_info info = AI_SESSION_INFO_INIT;
    ai_session_describe(session, &info);
    ai_cli_levels(p->levels, info.cpu);
    p->threads = info.threads;
    p->step_count = info.step_count;
    p->steps = calloc(info.step_count + (size_t)1, sizeof *p->steps);
    p->groups = calloc(info.step_count + (size_t)1, sizeof *p->groups);
    if (!p->steps || !p->groups)
        return false;
    for (uint32_t i = 0; i < info.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(session, i, &step);
        const char *kernel = step.kernel ? step.kernel : "-";
        p->steps[i] = (ai_cli_row){
            .name = step.name ? step.name : "",
            .op = step.op,
            .kernel = kernel,
            .count = 1,
            .flops = step.flops,
            .bytes = step.bytes,
            .least_ns = UINT64_MAX,
        };
    }
    return true;
}

void ai_cli_profile_add(ai_cli_profile *p, const ai_session *session)
{
    for (uint32_t i = 0; i < p->step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(session, i, &step);
        ai_cli_row *row = &p->steps[i];
        uint64_t ns = step.ns - row->total_ns;
        row->least_ns = ns < row->least_ns ? ns : row->least_ns;
        row->total_ns = step.ns;
    }
    p->runs++;
}

static void add_row(ai_cli_row *sum, const ai_cli_row *row)
{
    sum->count += row->count;
    sum->flops += row->flops;
    sum->bytes += row->bytes;
    sum->least_ns += row->least_ns;
    sum->total_ns += row->total_ns;
}

static uint32_t find_group(const ai_cli_profile *p, const ai_cli_row *step)
{
    uint32_t i = 0;
    while (i < p->group_count && (strcmp(p->groups[i].op, step->op) != 0 ||
                                  strcmp(p->groups[i].kernel, step->kernel) != 0))
        i++;
    return i;
}

static int slowest_first(const void *a, const void *b)
{
    const ai_cli_row *x = a;
    const ai_cli_row *y = b;
    if (x->least_ns != y->least_ns)
        return x->least_ns > y->least_ns ? -1 : 1;
    int order = strcmp(x->op, y->op);
    return order ? order : strcmp(x->kernel, y->kernel);
}

void ai_cli_profile_close(ai_cli_profile *p)
{
    p->all = (ai_cli_row){.name = "", .op = "all", .kernel = ""};
    for (uint32_t i = 0; i < p->step_count; i++) {
        ai_cli_row *step = &p->steps[i];
        if (p->runs == 0)
            step->least_ns = 0;
        uint32_t group = find_group(p, step);
        if (group == p->group_count)
            p->groups[p->group_count++] =
                (ai_cli_row){.name = "", .op = step->op, .kernel = step->kernel};
        add_row(&p->groups[group], step);
        add_row(&p->all, step);
    }
    qsort(p->groups, p->group_count, sizeof *p->groups, slowest_first);
    for (uint32_t i = 0; i < p->group_count; i++)
        p->groups[i].group = i;
    for (uint32_t i = 0; i < p->step_count; i++)
        p->steps[i].group = find_group(p, &p->steps[i]);
}

void ai_cli_profile_free(ai_cli_profile *p)
{
    free(p->steps);
    free(p->groups);
}

double ai_cli_row_ms(const ai_cli_row *row)
{
    return (double)row->least_ns / 1e6;
}

/* A step that takes no time has no speed. */
static double per_ns(uint64_t count, const ai_cli_row *row)
{
    return row->least_ns ? (double)count / (double)row->least_ns : 0;
}

double ai_cli_row_gflops(const ai_cli_row *row)
{
    return per_ns(row->flops, row);
}

double ai_cli_row_gigabytes(const ai_cli_row *row)
{
    return per_ns(row->bytes, row);
}

double ai_cli_row_peak(const ai_cli_row *row, const ai_cli_profile *p)
{
    return p->peak > 0 ? ai_cli_row_gflops(row) / p->peak : 0;
}

double ai_cli_row_share(const ai_cli_row *row, const ai_cli_profile *p)
{
    return per_ns(row->least_ns, &p->all);
}
