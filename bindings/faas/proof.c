/* SPDX-License-Identifier: Apache-2.0
 * The models' self-tests: that this machine computes the bits that the converter did. */
#include <stdio.h>
#include <string.h>

#include "ai_convert.h"
#include "faas.h"

/* The level that answers requests, with those below it: the highest there is. */
static uint32_t highest_level(uint32_t allowed)
{
    const uint32_t back_ends = AI_CPU_OPENBLAS | AI_CPU_ONEDNN; /* round in their own order */
    uint32_t levels = ai_cpu() & (allowed ? allowed : ~0u) & ~back_ends;
    while (levels & (levels - 1))
        levels &= levels - 1;
    return levels;
}

static bool has_self_test(const ai_model *model)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_resource resource = AI_RESOURCE_INIT;
    ai_model_describe(model, &info);
    for (uint32_t i = 0; i < info.resource_count; i++)
        if (ai_model_resource(model, i, &resource) == AI_OK &&
            strcmp(resource.name, "self-test") == 0)
            return true;
    return false;
}

static ai_status test(const char *name, const ai_model *model, const ai_settings *o, ai_error *err)
{
    ai_error cause;
    uint32_t level = highest_level(o->cpu);
    if (!has_self_test(model)) {
        ai_log("WARNING", "model '%.80s' has no self-test", name);
        return AI_OK;
    }
    ai_status status = level ? ai_self_test(model, level, o->threads, &cause) : AI_OK;
    if (status == AI_OK)
        return AI_OK;
    *err = cause;
    snprintf(err->message, sizeof err->message, "model '%.60s' fails its self-test: %.140s", name,
             cause.message);
    return status;
}

ai_status ai_models_self_test(ai_models *models, const ai_settings *settings, ai_error *err)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < ai_models_count(models) && status == AI_OK; i++) {
        ai_loaded *now = ai_models_hold(models, i, NULL);
        status = test(ai_models_name(models, i), now->model, settings, err);
        ai_models_release(models, now);
    }
    return status;
}
