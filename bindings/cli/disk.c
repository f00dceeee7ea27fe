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
    /* O_NONBLOCK: opening a pipe must not wait for a writer. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_io(err, "open");
    ai_status status = AI_OK;
    if (fstat(file, &st) < 0)
        status = fail_io(err, "read");
    else if (S_ISDIR(st.st_mode))
        status = ai_cli_error(err, AI_E_IO, "is a folder, needed is a file");
    else if (!S_ISREG(st.st_mode))
        status = ai_cli_error(err, AI_E_IO, "is no regular file");
    else if ((uint64_t)st.st_size > most)
        status = ai_cli_error(err, AI_E_IO, "file has %lld bytes, the limit is %zu",
                              (long long)st.st_size, most);
    else /* one byte of room beyond the size, to see the end without growing */
        status = read_all(file, &text, bytes, (size_t)st.st_size + 1, most, err);
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
    static const char name[] = "ai-XXXXXX.tmp"; /* short: the path's own may be a long one */
    struct stat st;
    *out = (ai_cli_output){.file = -1};
    bool is_link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    out->path = is_link ? realpath(path, NULL) : strdup(path);
    if (!out->path && is_link)
        return fail_io(err, "follow the symbolic link");
    if (!out->path)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    /* Renaming would put a file in the place of a device, and would fail late on a folder. */
    if (stat(out->path, &st) == 0 && !S_ISREG(st.st_mode))
        return ai_cli_error(err, AI_E_IO, "is there and not a regular file");
    const char *slash = strrchr(out->path, '/');
    size_t folder = slash ? (size_t)(slash - out->path) + 1 : 0;
    out->temporary = malloc(folder + sizeof name);
    if (!out->temporary)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a path");
    memcpy(out->temporary, out->path, folder);
    memcpy(out->temporary + folder, name, sizeof name);
    out->file = mkostemps(out->temporary, (int)strlen(".tmp"), O_CLOEXEC);
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
        if (ai_cli_is_stopped())
            return ai_cli_error(err, AI_E_STOPPED, "stopped by a signal");
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

bool ai_cli_is_same(const char *a, const char *b)
{
    struct stat first;
    struct stat second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
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

/* Folders and pipes with an image's name are passed over; what is broken is told when it is read.
 */
static bool is_read(const char *path)
{
    struct stat st;
    return stat(path, &st) != 0 || S_ISREG(st.st_mode);
}

ai_status ai_cli_images(char ***paths, uint32_t *count, const char *folder, ai_error *err)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, is_image_name, by_name);
    if (found < 0)
        return fail_io(err, "read");
    char **list = calloc((size_t)found + 1, sizeof *list);
    bool is_full = list != NULL;
    uint32_t kept = 0;
    for (int i = 0; i < found; i++) {
        if (is_full)
            is_full = (list[kept] = ai_cli_join(folder, entries[i]->d_name)) != NULL;
        if (is_full && is_read(list[kept]))
            kept++;
        else if (is_full)
            free(list[kept]);
        free(entries[i]);
    }
    free(entries);
    if (!is_full) {
        ai_cli_free_list(list, kept);
        return ai_cli_error(err, AI_E_MEMORY, "no memory for %d paths", found);
    }
    *paths = list;
    *count = kept;
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
