/* SPDX-License-Identifier: Apache-2.0
 * What goes into every package: the handler, the models, and what fetches objects. */
#include <elf.h>
#include <string.h>

#include "../../lib/format.h"
#include "package.h"

/* Beside weights and arena: the program, its stacks, a request and its answer. */
enum { MEMORY_OF_HANDLER = 48 << 20 };

/* Bytes of the constants of a type. The file has been checked. */
static uint64_t count_constants(const void *file, uint8_t type)
{
    const ai_file_header *header = file;
    const ai_file_section *section = (const ai_file_section *)(header + 1);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < header->section_count; i++) {
        if (section[i].kind != AI_SECTION_TENSORS)
            continue;
        const ai_file_tensor *t = (const ai_file_tensor *)((const char *)file + section[i].offset);
        for (uint64_t n = 0; n < section[i].bytes / sizeof *t; n++)
            bytes += t[n].kind == AI_TENSOR_CONSTANT && t[n].type == type ? t[n].bytes : 0;
    }
    return bytes;
}

/* The whole file is read: what is packed is good, not only what opening looks at. */
static ai_status check_model(ai_package *p, const ai_package_entry *entry, ai_error *err)
{
    ai_model *model;
    ai_options options = AI_OPTIONS_INIT;
    size_t session = 0;
    options.threads = 1;
    ai_status status = ai_model_view(&model, entry->data, entry->bytes, err);
    if (status != AI_OK)
        return status;
    status = ai_model_verify(model, err);
    if (status == AI_OK)
        status = ai_session_bytes(model, &options, &session, err);
    if (status == AI_OK) {
        p->memory_bytes += entry->bytes + session;
        p->f32_bytes += count_constants(entry->data, AI_F32);
        p->f16_bytes += count_constants(entry->data, AI_F16);
    }
    ai_model_close(model);
    return status;
}

/* A model alone is model.lai; several are models/NAME.lai, under their own names. */
static ai_status name_model(char name[300], const ai_package *p, const char *path, ai_error *err)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *slash = strrchr(path, '/');
    const char *stem = slash ? slash + 1 : path;
    size_t bytes = strlen(stem);
    snprintf(name, 300, "model.lai");
    if (p->model_count == 1)
        return AI_OK;
    if (bytes > 4 && strcmp(stem + bytes - 4, ".lai") == 0)
        bytes -= 4;
    if (bytes == 0 || bytes > 200 || strspn(stem, good) < bytes || stem[0] == '.')
        return ai_cli_error(err, AI_E_ARGUMENT,
                            "a model among several needs a name of letters, digits, '.', '_', '-'");
    snprintf(name, 300, "models/%.*s.lai", (int)bytes, stem);
    return AI_OK;
}

static ai_status add_models(ai_package *p, ai_error *err)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < p->model_count && status == AI_OK; i++) {
        char name[300];
        ai_package_entry *entry;
        ai_package_about(p, p->models[i]);
        status = name_model(name, p, p->models[i], err);
        if (status == AI_OK)
            status =
                ai_package_add_file(&p->code, name, AI_PACKAGE_FILE, p->models[i], &entry, err);
        if (status == AI_OK)
            status = check_model(p, entry, err);
    }
    return status;
}

static ai_status add_handler(ai_package *p, ai_error *err)
{
    ai_package_entry *entry;
    ai_package_about(p, p->handler);
    ai_status status = ai_package_add_file(&p->code, p->packer->program, AI_PACKAGE_PROGRAM,
                                           p->handler, &entry, err);
    if (status == AI_OK)
        status = ai_package_check_static(entry->data, entry->bytes, &p->elf_machine, err);
    if (status == AI_OK)
        p->machine = p->elf_machine == EM_X86_64 ? "amd64" : "arm64";
    return status;
}

ai_status ai_package_collect(ai_package *p, ai_error *err)
{
    p->memory_bytes = MEMORY_OF_HANDLER;
    ai_status status = add_models(p, err);
    if (status == AI_OK)
        status = add_handler(p, err);
    if (status == AI_OK && p->fetch)
        status = ai_package_add_closure(p, err);
    return status;
}
