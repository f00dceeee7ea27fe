/* SPDX-License-Identifier: Apache-2.0
 * CPU levels by name; and AI_CPU, the one environment variable: the highest level allowed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* A level of one row includes those before it of its family and ref. A back end has few kernels: it
 * includes all levels, which do the rest. */
enum { NO_BACK_END = AI_CPU_OPENBLAS - 1 };
static const struct {
    uint32_t level;
    uint32_t included;
    const char *name;
} levels[] = {
    {AI_CPU_REF, AI_CPU_REF, "ref"},
    {AI_CPU_AVX2, AI_CPU_REF | AI_CPU_AVX2, "avx2"},
    {AI_CPU_AVX512, AI_CPU_REF | AI_CPU_AVX2 | AI_CPU_AVX512, "avx512"},
    {AI_CPU_VNNI, AI_CPU_REF | AI_CPU_AVX2 | AI_CPU_AVX512 | AI_CPU_VNNI, "vnni"},
    {AI_CPU_AMX, AI_CPU_REF | AI_CPU_AVX2 | AI_CPU_AVX512 | AI_CPU_VNNI | AI_CPU_AMX, "amx"},
    {AI_CPU_NEON, AI_CPU_REF | AI_CPU_NEON, "neon"},
    {AI_CPU_DOTPROD, AI_CPU_REF | AI_CPU_NEON | AI_CPU_DOTPROD, "dotprod"},
    {AI_CPU_OPENBLAS, NO_BACK_END | AI_CPU_OPENBLAS, "openblas"},
    {AI_CPU_ONEDNN, NO_BACK_END | AI_CPU_ONEDNN, "onednn"},
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
        if ((levels[i].level & present) && used < bytes)
            used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "",
                                     levels[i].name);
}

/* `what` is where the name comes from. */
static ai_status find(const char *what, const char *name, uint32_t *mask, ai_error *err)
{
    uint32_t present = ai_cpu();
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i].name, name) && (levels[i].level & present)) {
            *mask = levels[i].included & present;
            return AI_OK;
        }
    char list[96] = "";
    list_present(list, sizeof list, present);
    return ai_task_fail(err, AI_E_UNSUPPORTED, "%s is '%.40s', this machine and build have %s",
                        what, name, list);
}

ai_status ai_task_cpu(uint32_t *mask, ai_error *err)
{
    if (!mask)
        return ai_task_fail(err, AI_E_ARGUMENT, "'mask' is NULL");
    const char *name = getenv("AI_CPU");
    if (name && *name)
        return find("AI_CPU", name, mask, err);
    *mask = 0;
    return AI_OK;
}

ai_status ai_task_cpu_mask(const char *name, uint32_t *mask, ai_error *err)
{
    if (!name || !mask)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", name ? "mask" : "name");
    return find("level", name, mask, err);
}
