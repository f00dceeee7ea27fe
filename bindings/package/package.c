/* SPDX-License-Identifier: Apache-2.0
 * Makes a package: collects the code, hands it to the platform, puts the result in place. */
#include <stdlib.h>
#include <string.h>

#include "package.h"

static const ai_packer *const packers[] = {
#define AI_PACKER(id) &ai_packer_##id,
#include "packers.def"
#undef AI_PACKER
};

enum { PACKER_COUNT = sizeof packers / sizeof packers[0], FIRST_TIME = 315532800 };

const ai_packer *ai_packer_find(const char *name)
{
    for (int i = 0; i < PACKER_COUNT; i++) {
        if (strcmp(packers[i]->name, name) == 0)
            return packers[i];
    }
    return NULL;
}

const char *ai_packer_names(char text[128])
{
    size_t used = 0;
    for (int i = 0; i < PACKER_COUNT; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%s",
                                 i == 0                  ? ""
                                 : i == PACKER_COUNT - 1 ? " or "
                                                         : ", ",
                                 packers[i]->name);
    return text;
}

void ai_package_about(ai_package *p, const char *path)
{
    snprintf(p->about, sizeof p->about, "%s", path);
}

char *ai_package_beside(const ai_package *p, const char *ending)
{
    size_t bytes = strlen(p->out);
    char *path = malloc(bytes + strlen(ending) + 1);
    if (!path)
        return NULL;
    if (bytes > 4 && strcmp(p->out + bytes - 4, ".zip") == 0)
        bytes -= 4;
    memcpy(path, p->out, bytes);
    strcpy(path + bytes, ending);
    return path;
}

uint32_t ai_package_memory(const ai_package *p)
{
    enum { LEAST = 256, STEP = 128 }; /* every platform takes multiples of it */
    uint64_t mib = (p->memory_bytes >> 20) + 1;
    mib = (mib + STEP - 1) / STEP * STEP;
    return p->memory_mib ? p->memory_mib : mib < LEAST ? LEAST : (uint32_t)mib;
}

/* SOURCE_DATE_EPOCH as reproducible-builds.org specifies it, else 1980-01-01, before which zip
 * knows no time. */
static ai_status take_time(ai_package *p, ai_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    p->time = FIRST_TIME;
    if (!text || !*text)
        return AI_OK;
    ai_package_about(p, "SOURCE_DATE_EPOCH");
    if (text[strspn(text, "0123456789")] || strlen(text) > 10)
        return ai_cli_error(err, AI_E_ARGUMENT,
                            "is '%.40s', needed are seconds since 1970 of at most 10 digits", text);
    int64_t given = strtoll(text, NULL, 10);
    p->time = given > FIRST_TIME ? given : FIRST_TIME;
    return AI_OK;
}

static ai_status check_memory(ai_package *p, ai_error *err)
{
    char need[32];
    ai_package_about(p, p->models[0]);
    if (p->memory_mib && (uint64_t)p->memory_mib << 20 < p->memory_bytes)
        return ai_cli_error(err, AI_E_ARGUMENT, "it needs %s of memory, --memory gives %u MiB",
                            ai_cli_bytes(need, p->memory_bytes), p->memory_mib);
    return ai_limits_check(p, AI_LIMIT_MEMORY, (uint64_t)ai_package_memory(p) << 20, err);
}

ai_status ai_package_make(ai_package *p, ai_error *err)
{
    ai_status status = take_time(p, err);
    if (status == AI_OK)
        status = ai_package_collect(p, err);
    if (status == AI_OK)
        status = check_memory(p, err);
    if (status == AI_OK) {
        ai_package_sort(&p->code);
        ai_package_about(p, p->out);
        status = ai_limits_check(p, AI_LIMIT_UNPACKED, ai_package_list_bytes(&p->code), err);
    }
    if (status == AI_OK)
        status = p->packer->make(p, err);
    return status == AI_OK ? ai_package_keep(p, err) : status;
}

void ai_package_free(ai_package *p)
{
    ai_package_discard(p);
    ai_package_list_free(&p->code);
}
