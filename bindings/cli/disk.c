/* SPDX-License-Identifier: Apache-2.0
 * Files of `ai`: read whole, written beside their name and renamed, images of a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static ai_status fail_io(ai_error *err, const char *verb)
{
    return ai_cli_error(err, AI_E_IO, "cannot %s: %s", verb, strerror(errno));
}

/* Reads to the end of the file, whatever it is, into memory that grows with what comes. */
static ai_status read_all(int file, char **data, size_t *bytes, size_t room, size_t most,
                          ai_error *err)
{
    size_t used = 0;
    for (;;) {
        if (used == room || !*data) {
            room = *data ? room * 2 : room;
            char *larger = realloc(*data, room);
            if (!larger)
                return ai_cli_error(err, AI_E_MEMORY, "no memory for %zu bytes", room);
            *data = larger;
        }
        ssize_t got = read(file, *data + used, room - used);
        if (got < 0 && errno != EINTR)
            return fail_io(err, "read");
        if (got == 0)
            break;
        used += got > 0 ? (size_t)got : 0;
        if (used > most)
            return ai_cli_error(err, AI_E_IO, "file is larger than %zu bytes, the limit", most);
    }
    *bytes = used;
    return AI_OK;
}

ai_status ai_cli_read(void **data, size_t *bytes, const char *path, size_t most, ai_error *err)
{
    char *text = NULL;
    struct stat st;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_io(err, "open");
    ai_status status = AI_OK;
    if (fstat(file, &st) < 0)
        status = fail_io(err, "read");
    else if (S_ISDIR(st.st_mode))
        status = ai_cli_error(err, AI_E_IO, "is a folder, needed is a file");
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > most)
        status = ai_cli_error(err, AI_E_IO, "file has %lld bytes, the limit is %zu",
                              (long long)st.st_size, most);
    else /* one byte of room beyond the size, to see the end without growing */
        status = read_all(file, &text, bytes, S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 65536,
                          most, err);
    close(file);
    if (status != AI_OK) {
        free(text);
        return status;
    }
    *data = text;
    return AI_OK;
}

char *ai_cli_join(const char *folder, const char *name)
{
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path)
        snprintf(path, bytes, "%s/%s", folder, name);
    return path;
}

/* ---- Writing ---- */

ai_status ai_cli_create(ai_cli_output *out, const char *path, ai_error *err)
{
    *out = (ai_cli_output){.file = -1};
    size_t bytes = strlen(path) + sizeof ".XXXXXX";
    out->path = strdup(path);
    out->temporary = malloc(bytes);
    if (!out->path || !out->temporary) {
        free(out->temporary);
        out->temporary = NULL;
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    }
    snprintf(out->temporary, bytes, "%s.XXXXXX", path);
    out->file = mkostemp(out->temporary, O_CLOEXEC);
    if (out->file < 0) {
        free(out->temporary);
        out->temporary = NULL;
        return fail_io(err, "create");
    }
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(out->file, 0666 & ~mask) < 0)
        return fail_io(err, "create");
    return AI_OK;
}

ai_status ai_cli_write(ai_cli_output *out, const void *data, size_t bytes, ai_error *err)
{
    const char *next = data;
    while (bytes > 0) {
        ssize_t done = write(out->file, next, bytes);
        if (done < 0 && errno != EINTR)
            return fail_io(err, "write");
        next += done > 0 ? done : 0;
        bytes -= done > 0 ? (size_t)done : 0;
    }
    return AI_OK;
}

ai_status ai_cli_flush(ai_cli_output *out, ai_error *err)
{
    int failed = fsync(out->file) < 0 && errno != EINVAL;
    failed |= close(out->file) < 0;
    out->file = -1;
    return failed ? fail_io(err, "write") : AI_OK;
}

ai_status ai_cli_keep(ai_cli_output *out, ai_error *err)
{
    if (rename(out->temporary, out->path) < 0)
        return fail_io(err, "write");
    free(out->temporary);
    out->temporary = NULL;
    return AI_OK;
}

void ai_cli_discard(ai_cli_output *out)
{
    if (out->file >= 0 && out->temporary)
        close(out->file);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (ai_cli_output){.file = -1};
}

/* ---- Folders ---- */

bool ai_cli_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_image_name(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && entry->d_name[0] != '.' &&
           (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
            strcasecmp(dot, ".png") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

ai_status ai_cli_images(char ***paths, uint32_t *count, const char *folder, ai_error *err)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, is_image_name, by_name);
    if (found < 0)
        return fail_io(err, "read");
    char **list = calloc((size_t)found + 1, sizeof *list);
    bool is_full = list != NULL;
    for (int i = 0; i < found; i++) {
        if (is_full)
            is_full = (list[i] = ai_cli_join(folder, entries[i]->d_name)) != NULL;
        free(entries[i]);
    }
    free(entries);
    if (!is_full) {
        ai_cli_free_list(list, list ? (uint32_t)found : 0);
        return ai_cli_error(err, AI_E_MEMORY, "no memory for %d paths", found);
    }
    *paths = list;
    *count = (uint32_t)found;
    return AI_OK;
}

void ai_cli_free_list(char **paths, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
}

char *ai_cli_own_folder(void)
{
    char path[4096];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
    if (bytes <= 0)
        return NULL;
    path[bytes] = 0;
    char *slash = strrchr(path, '/');
    if (!slash)
        return NULL;
    *slash = 0;
    return strdup(path);
}
