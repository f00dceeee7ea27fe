/* SPDX-License-Identifier: Apache-2.0
 * The file that a conversion writes: beside its place first, in its place by one rename. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

enum { WRITE_BYTES = 1 << 24, TRIES = 100 };

const char *ai_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

char *ai_folder_of(const char *path)
{
    size_t length = (size_t)(ai_last_part(path) - path);
    if (length == 0)
        return strdup(".");
    return strndup(path, length > 1 ? length - 1 : 1);
}

/* The caller knows the path and puts it before the message, which would not hold a long one. */
static ai_status fail_write(const char *what, ai_error *err)
{
    return ai_fail(err, AI_E_IO, "output cannot be %s: %s", what, strerror(errno));
}

/* Creates a new file beside the place, with a name that fits where the place's own is a long one.
 */
static ai_status create_temporary(ai_target *t, int *file, ai_error *err)
{
    size_t length = (size_t)(ai_last_part(t->place) - t->place);
    size_t bytes = length + 48;
    char *path = malloc(bytes);
    if (path == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a path of %zu bytes", bytes);
    *file = -1;
    memcpy(path, t->place, length);
    for (unsigned i = 0; i < TRIES && *file < 0; i++) {
        snprintf(path + length, bytes - length, "ai-%ld-%u.tmp", (long)getpid(), i);
        *file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*file < 0 && errno != EEXIST)
            break;
    }
    if (*file < 0) {
        ai_status status = fail_write("created", err);
        free(path);
        return status;
    }
    t->temporary = path;
    return AI_OK;
}

/* A link stays what it is: the file that it leads to is replaced. */
static ai_status find_place(ai_target *t, ai_error *err)
{
    struct stat found;
    bool is_link = lstat(t->path, &found) == 0 && S_ISLNK(found.st_mode);
    t->place = is_link ? realpath(t->path, NULL) : strdup(t->path);
    if (t->place == NULL && is_link && errno != ENOMEM)
        return ai_fail(err, AI_E_IO, "output is a symbolic link that leads to no file: %s",
                       strerror(errno));
    if (t->place == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a path");
    return AI_OK;
}

/* Renaming would put the file in the place of a folder or a device; and what is certain to fail in
 * the end should fail before the work. */
ai_status ai_target_check(ai_target *t, ai_error *err)
{
    struct stat found;
    ai_status status = find_place(t, err);
    if (status != AI_OK)
        return status;
    t->is_there = stat(t->place, &found) == 0;
    if (!t->is_there && errno != ENOENT)
        return fail_write("created", err);
    if (t->is_there && !S_ISREG(found.st_mode))
        return ai_fail(err, AI_E_IO, "output is there and not a regular file");
    if (t->is_there) {
        t->device = found.st_dev;
        t->inode = found.st_ino;
    }
    char *folder = ai_folder_of(t->place);
    if (folder == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a path");
    if (access(folder, W_OK | X_OK) != 0)
        status = fail_write("created", err);
    free(folder);
    return status;
}

bool ai_target_is(const ai_target *t, const char *path)
{
    struct stat found;
    return t->is_there && stat(path, &found) == 0 && found.st_dev == t->device &&
           found.st_ino == t->inode;
}

static ai_status write_all(int file, const char *data, size_t bytes, ai_error *err)
{
    size_t done = 0;
    while (done < bytes) {
        size_t part = bytes - done < WRITE_BYTES ? bytes - done : WRITE_BYTES;
        ssize_t written = write(file, data + done, part);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return fail_write("written", err);
        done += (size_t)written;
    }
    if (fsync(file) != 0)
        return fail_write("written", err);
    return AI_OK;
}

ai_status ai_target_write(ai_target *t, const void *data, size_t bytes, ai_error *err)
{
    int file = -1;
    ai_status status = create_temporary(t, &file, err);
    if (status != AI_OK)
        return status;
    status = write_all(file, data, bytes, err);
    if (close(file) != 0 && status == AI_OK)
        status = fail_write("written", err);
    return status;
}

/* A rename is safe on disk once its folder is; a folder that cannot be synced is no failure. */
static void sync_folder(const char *path)
{
    char *folder = ai_folder_of(path);
    int file = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    free(folder);
}

ai_status ai_target_replace(ai_target *t, ai_error *err)
{
    if (rename(t->temporary, t->place) != 0)
        return fail_write("replaced", err);
    free(t->temporary);
    t->temporary = NULL;
    sync_folder(t->place);
    return AI_OK;
}

void ai_target_release(ai_target *t)
{
    if (t->temporary != NULL)
        (void)unlink(t->temporary);
    free(t->temporary);
    free(t->place);
    t->temporary = NULL;
    t->place = NULL;
}
