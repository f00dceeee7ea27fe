/* SPDX-License-Identifier: Apache-2.0
 * The files of a package: in memory or mapped, under the names they have there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "package.h"

static ai_status fail_io(ai_error *err, const char *verb)
{
    return ai_cli_error(err, AI_E_IO, "cannot %s: %s", verb, strerror(errno));
}

static ai_status take_place(ai_package_list *list, const char *name, uint32_t mode,
                            ai_package_entry **entry, ai_error *err)
{
    if (ai_package_find(list, name))
        return ai_cli_error(err, AI_E_ARGUMENT, "the package has a file '%s' already", name);
    if (list->count == list->room) {
        uint32_t room = list->room ? list->room * 2 : 16;
        ai_package_entry *larger = realloc(list->entry, room * sizeof *larger);
        if (!larger)
            return ai_cli_error(err, AI_E_MEMORY, "no memory for %u names", room);
        list->entry = larger;
        list->room = room;
    }
    *entry = &list->entry[list->count];
    **entry = (ai_package_entry){.name = strdup(name), .mode = mode};
    if (!(*entry)->name)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a name");
    list->count++;
    return AI_OK;
}

ai_status ai_package_add(ai_package_list *list, const char *name, uint32_t mode, const void *data,
                         size_t bytes, ai_error *err)
{
    ai_package_entry *entry;
    ai_status status = take_place(list, name, mode, &entry, err);
    if (status != AI_OK || bytes == 0)
        return status;
    entry->data = malloc(bytes);
    if (!entry->data)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for %zu bytes", bytes);
    memcpy(entry->data, data, bytes);
    entry->bytes = bytes;
    return AI_OK;
}

static ai_status map(ai_package_entry *entry, int file, ai_error *err)
{
    struct stat st;
    if (fstat(file, &st) < 0)
        return fail_io(err, "read");
    if (!S_ISREG(st.st_mode))
        return ai_cli_error(err, AI_E_IO, "is %s, needed is a file",
                            S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    if (st.st_size == 0)
        return ai_cli_error(err, AI_E_FORMAT, "file is empty");
    void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (data == MAP_FAILED)
        return fail_io(err, "read");
    entry->data = data;
    entry->bytes = (size_t)st.st_size;
    entry->is_mapped = true;
    return AI_OK;
}

ai_status ai_package_add_file(ai_package_list *list, const char *name, uint32_t mode,
                              const char *path, ai_package_entry **entry, ai_error *err)
{
    ai_package_entry *added;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_io(err, "open");
    ai_status status = take_place(list, name, mode, &added, err);
    if (status == AI_OK)
        status = map(added, file, err);
    if (status == AI_OK && !(added->source = strdup(path)))
        status = ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    close(file);
    if (status == AI_OK && entry)
        *entry = added;
    return status;
}

const ai_package_entry *ai_package_find(const ai_package_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (strcmp(list->entry[i].name, name) == 0)
            return &list->entry[i];
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ai_package_entry *)a)->name, ((const ai_package_entry *)b)->name);
}

void ai_package_sort(ai_package_list *list)
{
    if (list->count)
        qsort(list->entry, list->count, sizeof *list->entry, by_name);
}

uint64_t ai_package_list_bytes(const ai_package_list *list)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < list->count; i++)
        bytes += list->entry[i].bytes;
    return bytes;
}

void ai_package_list_free(ai_package_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        ai_package_entry *entry = &list->entry[i];
        if (entry->is_mapped)
            munmap(entry->data, entry->bytes);
        else
            free(entry->data);
        free(entry->source);
        free(entry->name);
    }
    free(list->entry);
    *list = (ai_package_list){0};
}
