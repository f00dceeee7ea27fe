/* SPDX-License-Identifier: Apache-2.0
 * The program that fetches objects, packed so that it runs anywhere: with its own loader, every
 * shared library it needs and certificates. Found as the loader would: by the program's run path,
 * then in the system's folders. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "package.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* One folder of a run path, in which $ORIGIN is the folder of the file that has it. */
static bool try_folder(char path[4096], const char *folder, size_t bytes, const char *origin,
                       const char *name)
{
    static const char mark[] = "$ORIGIN";
    int used;
    if (bytes >= sizeof mark - 1 && strncmp(folder, mark, sizeof mark - 1) == 0)
        used = snprintf(path, 4096, "%.*s%.*s/%s", (int)(base_name(origin) - origin), origin,
                        (int)(bytes - (sizeof mark - 1)), folder + sizeof mark - 1, name);
    else
        used = snprintf(path, 4096, "%.*s/%s", (int)bytes, folder, name);
    return bytes > 0 && used > 0 && used < 4096 && access(path, R_OK) == 0;
}

static bool try_folders(char path[4096], const char *folders, const char *origin, const char *name)
{
    while (folders && *folders) {
        size_t bytes = strcspn(folders, ":");
        if (try_folder(path, folders, bytes, origin, name))
            return true;
        folders += bytes + (folders[bytes] == ':');
    }
    return false;
}

static bool find_library(char path[4096], const ai_elf *elf, const char *origin, const char *name)
{
    const char *system = elf->machine == EM_X86_64
                             ? "/usr/local/lib/x86_64-linux-gnu:/usr/local/lib:"
                               "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib64:/usr/lib64:"
                               "/lib:/usr/lib"
                             : "/usr/local/lib/aarch64-linux-gnu:/usr/local/lib:"
                               "/lib/aarch64-linux-gnu:/usr/lib/aarch64-linux-gnu:/lib64:"
                               "/usr/lib64:/lib:/usr/lib";
    if (strchr(name, '/')) {
        snprintf(path, 4096, "%s", name);
        return access(path, R_OK) == 0;
    }
    return try_folders(path, elf->run_path, origin, name) ||
           try_folders(path, system, origin, name);
}

/* Adds a library under fetch/lib/ unless it is there, then those that it needs. The list of entries
 * is the queue: what is added last is read last. */
static ai_status add_library(ai_package *p, const ai_elf *elf, const char *origin, const char *name,
                             ai_error *err)
{
    char path[4096];
    char *place = ai_cli_join("fetch/lib", base_name(name));
    if (!place)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a name");
    ai_status status = AI_OK;
    if (!ai_package_find(&p->code, place)) {
        if (!find_library(path, elf, origin, name)) {
            status = ai_cli_error(err, AI_E_IO, "needs '%.150s', which is not installed", name);
        } else {
            ai_package_about(p, path);
            status = ai_package_add_file(&p->code, place, AI_PACKAGE_PROGRAM, path, NULL, err);
        }
    }
    free(place);
    return status;
}

/* What an entry of the list needs; copied, because the list moves when it grows. */
static ai_status add_needed(ai_package *p, ai_package_entry entry, ai_elf *elf, ai_error *err)
{
    ai_package_about(p, entry.source);
    ai_status status = ai_elf_read(elf, entry.data, entry.bytes, err);
    if (status == AI_OK && elf->machine != p->elf_machine)
        status = ai_cli_error(err, AI_E_FORMAT, "is for another machine than the handler");
    for (uint32_t i = 0; i < elf->needed_count && status == AI_OK; i++) {
        ai_package_about(p, entry.source);
        status = add_library(p, elf, entry.source, elf->needed[i], err);
    }
    return status;
}

static ai_status add_all(ai_package *p, uint32_t first, ai_error *err)
{
    ai_elf elf;
    ai_status status = add_needed(p, p->code.entry[first], &elf, err);
    if (status == AI_OK && !elf.interpreter)
        return ai_cli_error(err, AI_E_FORMAT, "is a static program, needed is one with a loader");
    if (status == AI_OK)
        status = add_library(p, &elf, p->fetch, elf.interpreter, err);
    for (uint32_t i = first + 1; i < p->code.count && status == AI_OK; i++) {
        ai_elf library;
        status = add_needed(p, p->code.entry[i], &library, err);
    }
    return status;
}

ai_status ai_package_add_closure(ai_package *p, ai_error *err)
{
    uint32_t first = p->code.count;
    ai_package_about(p, p->fetch);
    ai_status status =
        ai_package_add_file(&p->code, "fetch/ai-fetch", AI_PACKAGE_PROGRAM, p->fetch, NULL, err);
    if (status == AI_OK)
        status = add_all(p, first, err);
    if (status == AI_OK) {
        ai_package_about(p, p->certificates);
        status = ai_package_add_file(&p->code, "fetch/ca-certificates.crt", AI_PACKAGE_FILE,
                                     p->certificates, NULL, err);
    }
    return status;
}
