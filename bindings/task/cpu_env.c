/* SPDX-License-Identifier: Apache-2.0
 * Reads AI_CPU, the one environment variable: the highest CPU level allowed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* A level of one row includes those before it of its family and ref. */
static const struct {
    uint32_t level;
    uint32_t included;
    const char *name;
} levels[] = {
    {AI_CPU_REF, AI_CPU_REF, "ref"},
    {AI_CPU_AVX2, AI_CPU_REF | AI_CPU_AVX2, "avx2"},
    {AI_CPU_AVX512, AI_CPU_REF | AI_CPU_AVX2 | AI_CPU_AVX512, "avx512"},
    {AI_CPU_VNNI, AI_CPU_REF | AI_CPU_AVX2 | AI_CPU_AVX512 | AI_CPU_VNNI, "vnni"},
    {AI_CPU_NEON, AI_CPU_REF | AI_CPU_NEON, "neon"},
    {AI_CPU_DOTPROD, AI_CPU_REF | AI_CPU_NEON | AI_CPU_DOTPROD, "dotprod"},
    {AI_CPU_OPENBLAS, 0, "openblas"},
    {AI_CPU_ONEDNN, 0, "onednn"},
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

const char *ai_task_cpu_name(uint32_t level)
{
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].level == level)
            return levels[i].name;
    return NULL;
}

static void list_present(char *text, size_t bytes, uint32_t present)
{
    size_t used = 0;
    for (int i = 0; i < LEVELS; i++)
        if ((levels[i].level & present) && levels[i].included && used < bytes)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "",
                                     levels[i].name);
}

ai_status ai_task_cpu(uint32_t *mask, ai_error *err)
{
    if (!mask)
        return ai_task_fail(err, AI_E_ARGUMENT, "'mask' is NULL");
    const char *name = getenv("AI_CPU");
    if (!name || !*name) {
        *mask = 0;
        return AI_OK;
    }
    uint32_t present = ai_cpu();
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i].name, name) && (levels[i].included & present & levels[i].level)) {
            *mask = levels[i].included & present;
            return AI_OK;
        }
    char list[64] = "";
    list_present(list, sizeof list, present);
    return ai_task_fail(err, AI_E_UNSUPPORTED, "AI_CPU is '%.40s', this machine and build have %s",
                        name, list);
}
