/* SPDX-License-Identifier: Apache-2.0
 * Opens, closes and describes models. */
#include "model.h"

#include "os.h"

#include <stdlib.h>
#include <string.h>

uint32_t ai_version(void)
{
    return AI_VERSION;
}

uint32_t ai_cpu(void)
{
    return ai_cpu_detect();
}

/* ---- Structs that grow ---- */

ai_status ai_give(void *to, const void *from, uint32_t size)
{
    uint32_t wanted;
    if (!to)
        return AI_E_ARGUMENT;
    memcpy(&wanted, to, sizeof(wanted));
    if (wanted < 2 * sizeof(wanted))
        return AI_E_ARGUMENT;
    uint32_t common = wanted < size ? wanted : size;
    memcpy((uint8_t *)to + sizeof(wanted), (const uint8_t *)from + sizeof(wanted),
           common - sizeof(wanted));
    if (wanted > size)
        memset((uint8_t *)to + size, 0, wanted - size);
    return AI_OK;
}

ai_status ai_take(void *to, uint32_t size, const void *from, const char *what, ai_error *err)
{
    uint32_t given;
    memcpy(&given, from, sizeof(given));
    if (given < 2 * sizeof(given))
        return ai_fail(err, AI_E_ARGUMENT, "%s has a size of %u bytes, its INIT macro sets %u",
                       what, given, size);
    for (uint32_t i = size; i < given; i++) {
        if (((const uint8_t *)from)[i])
            return ai_fail(err, AI_E_UNSUPPORTED,
                           "%s sets a field at byte %u, this library knows %u bytes", what, i,
                           size);
    }
    memcpy(to, from, given < size ? given : size);
    return AI_OK;
}

/* ---- Opening ---- */

static ai_status open_bytes(ai_model **model, const void *data, size_t bytes, bool is_mapped,
                            ai_error *err)
{
    ai_model *m = malloc(sizeof(*m));
    if (!m)
        return ai_fail(err, AI_E_MEMORY, "no memory for a model's handle of %zu bytes", sizeof(*m));
    ai_status status = ai_verify(m, data, bytes, err);
    if (status) {
        free(m);
        return status;
    }
    m->is_mapped = is_mapped;
    *model = m;
    return AI_OK;
}

ai_status ai_model_open(ai_model **model, const char *path, ai_error *err)
{
    const void *data;
    size_t bytes;
    if (!model || !path)
        return ai_fail(err, AI_E_ARGUMENT, "%s is NULL", model ? "path" : "model");
    ai_status status = ai_os_map(path, &data, &bytes, err);
    if (status)
        return status;
    status = open_bytes(model, data, bytes, true, err);
    if (status)
        ai_os_unmap(data, bytes);
    return status;
}

ai_status ai_model_view(ai_model **model, const void *data, size_t bytes, ai_error *err)
{
    if (!model || !data)
        return ai_fail(err, AI_E_ARGUMENT, "%s is NULL", model ? "data" : "model");
    if ((uintptr_t)data % AI_FILE_ALIGN)
        return ai_fail(err, AI_E_ARGUMENT, "data lies %u bytes after a multiple of %d",
                       (unsigned)((uintptr_t)data % AI_FILE_ALIGN), AI_FILE_ALIGN);
    if (!bytes)
        return ai_fail_at(err, AI_E_FORMAT, 0, "the model has no bytes");
    return open_bytes(model, data, bytes, false, err);
}

void ai_model_close(ai_model *model)
{
    if (!model)
        return;
    if (model->is_mapped)
        ai_os_unmap(model->base, (size_t)model->bytes);
    free(model);
}

ai_status ai_model_verify(const ai_model *model, ai_error *err)
{
    if (!model)
        return ai_fail(err, AI_E_ARGUMENT, "model is NULL");
    for (uint32_t i = 0; i < model->header->section_count; i++) {
        ai_status status = ai_verify_section(model, i, err);
        if (status)
            return status;
    }
    return AI_OK;
}

/* ---- Describing ---- */

ai_status ai_model_describe(const ai_model *model, ai_model_info *info)
{
    if (!model)
        return AI_E_ARGUMENT;
    const ai_file_header *h = model->header;
    ai_model_info all = AI_MODEL_INFO_INIT;
    all.format_version = h->version;
    all.input_count = h->inputs.count;
    all.output_count = h->outputs.count;
    all.step_count = model->step_count;
    all.resource_count = model->resource_count;
    all.file_bytes = h->file_bytes;
    all.weight_bytes = model->weight_bytes;
    memcpy(all.digest, h->digest, sizeof(all.digest));
    all.name = model->strings + h->name;
    return ai_give(info, &all, sizeof(all));
}

static ai_status describe_tensor(const ai_model *model, const ai_file_list *list, uint32_t index,
                                 ai_tensor_info *info)
{
    if (index >= list->count)
        return AI_E_ARGUMENT;
    const ai_file_tensor *t = &model->tensors[model->indices[list->first + index]];
    ai_tensor_info all = AI_TENSOR_INFO_INIT;
    int64_t bytes = 0;
    ai_layout_bytes(AI_LAYOUT_PLAIN, t->type, t->rank, t->dim, &bytes);
    all.type = t->type;
    all.rank = t->rank;
    all.varies = t->varies;
    memcpy(all.dim, t->dim, sizeof(all.dim));
    all.bytes = (uint64_t)bytes;
    all.scale = t->scale;
    all.zero_point = t->zero_point;
    all.name = model->strings + t->name;
    return ai_give(info, &all, sizeof(all));
}

ai_status ai_model_input(const ai_model *model, uint32_t index, ai_tensor_info *info)
{
    return model ? describe_tensor(model, &model->header->inputs, index, info) : AI_E_ARGUMENT;
}

ai_status ai_model_output(const ai_model *model, uint32_t index, ai_tensor_info *info)
{
    return model ? describe_tensor(model, &model->header->outputs, index, info) : AI_E_ARGUMENT;
}

ai_status ai_model_resource(const ai_model *model, uint32_t index, ai_resource *resource)
{
    if (!model || index >= model->resource_count)
        return AI_E_ARGUMENT;
    const ai_file_section *s = model->sections;
    while (s->kind != AI_SECTION_RESOURCE || index-- > 0)
        s++;
    ai_resource all = AI_RESOURCE_INIT;
    all.name = model->strings + s->name;
    all.data = model->base + s->offset;
    all.bytes = (size_t)s->bytes;
    return ai_give(resource, &all, sizeof(all));
}
