/* SPDX-License-Identifier: Apache-2.0
 * Tensor data in files beside the model: found inside its folder only, and mapped read-only. */
#include "onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct place {
    const char *location;
    uint64_t offset;
    uint64_t length;
    bool has_length;
} place;

/* A decimal number without sign; false: it is none or over INT64_MAX. */
static bool parse_number(const char *text, uint64_t *number)
{
    const uint64_t most = INT64_MAX;
    uint64_t n = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        uint64_t digit = (uint64_t)*text - '0';
        if (*text < '0' || *text > '9' || n > (most - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return true;
}

static ai_status read_place(ai_onnx *onnx, const AiOnnx__Tensor *tensor, const char *what,
                            place *out)
{
    *out = (place){0};
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const char *key = tensor->external_data[i]->key;
        const char *value = tensor->external_data[i]->value;
        bool is_good = true;
        if (key == NULL || value == NULL)
            return ai_onnx_fail(onnx, AI_E_FORMAT,
                                "%s: external data has an entry without key or value", what);
        if (strcmp(key, "location") == 0)
            out->location = value;
        else if (strcmp(key, "offset") == 0)
            is_good = parse_number(value, &out->offset);
        else if (strcmp(key, "length") == 0)
            is_good = out->has_length = parse_number(value, &out->length);
        if (!is_good)
            return ai_onnx_fail(onnx, AI_E_FORMAT,
                                "%s: external data has %s '%.40s', a number from 0 to %lld was "
                                "needed",
                                what, key, value, (long long)INT64_MAX);
    }
    if (out->location == NULL || *out->location == '\0')
        return ai_onnx_fail(onnx, AI_E_FORMAT, "%s: external data has no location", what);
    return AI_OK;
}

/* Opens `name` inside `folder` (closed by this). -1: it cannot be. */
static int open_step(int folder, const char *name, bool is_last)
{
    /* O_NONBLOCK: opening a pipe must not wait; it means nothing for files. */
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (is_last ? O_NONBLOCK : O_DIRECTORY);
    int fd = openat(folder, name, flags);
    int reason = errno;
    struct stat status;
    /* A linked folder is told from a file that is none: the system says ENOTDIR of both. */
    if (fd < 0 && reason == ENOTDIR && fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(status.st_mode))
        reason = ELOOP;
    close(folder);
    errno = reason;
    return fd;
}

/* Opens a relative path component by component, so that no link leads out of the folder. */
static ai_status open_inside(ai_onnx *onnx, const char *what, const char *location, int *out)
{
    if (*location == '/')
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "%s: external data at the absolute path '%.80s', a path inside the "
                            "model's folder was needed",
                            what, location);
    const char *folder = onnx->folder != NULL && *onnx->folder != '\0' ? onnx->folder : ".";
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    const char *rest = location;
    while (fd >= 0 && *rest != '\0') {
        char name[256];
        size_t length = strcspn(rest, "/");
        if (length >= sizeof name) {
            close(fd);
            return ai_onnx_fail(
                onnx, AI_E_FORMAT,
                "%s: external data at '%.60s', which has a name of %zu bytes, at most %zu are "
                "possible",
                what, location, length, sizeof name - 1);
        }
        if (length == 2 && memcmp(rest, "..", 2) == 0) {
            close(fd);
            return ai_onnx_fail(
                onnx, AI_E_FORMAT,
                "%s: external data at '%.80s', a path inside the model's folder was needed", what,
                location);
        }
        memcpy(name, rest, length);
        name[length] = '\0';
        rest += length + strspn(rest + length, "/");
        if (length > 0 && strcmp(name, ".") != 0)
            fd = open_step(fd, name, *rest == '\0');
    }
    if (fd < 0 && (errno == ELOOP || errno == EMLINK))
        return ai_onnx_fail(onnx, AI_E_IO,
                            "%s: external data '%.80s' goes through a symbolic link, a file in the "
                            "model's folder was "
                            "needed",
                            what, location);
    if (fd < 0)
        return ai_onnx_fail(onnx, AI_E_IO, "%s: external data '%.80s' cannot be opened: %s", what,
                            location, strerror(errno));
    *out = fd;
    return AI_OK;
}

static ai_status map_file(ai_onnx *onnx, const char *what, int fd, ai_onnx_file *file)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return ai_onnx_fail(onnx, AI_E_IO, "%s: external data '%.80s' is not a file", what,
                            file->location);
    file->bytes = (size_t)status.st_size;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    if (file->bytes == 0)
        return AI_OK;
    void *data = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return ai_onnx_fail(onnx, AI_E_IO, "%s: external data '%.80s' cannot be mapped: %s", what,
                            file->location, strerror(errno));
    file->data = data;
    return AI_OK;
}

static ai_status find_file(ai_onnx *onnx, const char *what, const char *location,
                           const ai_onnx_file **out)
{
    /* One model names few files, nearly always one: the last one opened comes first. */
    for (ai_onnx_file *f = onnx->files; f != NULL; f = f->next)
        if (strcmp(f->location, location) == 0) {
            *out = f;
            return AI_OK;
        }
    int fd = -1;
    ai_status status = open_inside(onnx, what, location, &fd);
    if (status != AI_OK)
        return status;
    ai_onnx_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        close(fd);
        return ai_onnx_no_memory(onnx);
    }
    file->location = location;
    status = map_file(onnx, what, fd, file);
    close(fd);
    if (status != AI_OK) {
        free(file);
        return status;
    }
    onnx->allocation_limit += file->bytes; /* what lies there unaligned is copied */
    file->next = onnx->files;
    onnx->files = file;
    *out = file;
    return AI_OK;
}

ai_status ai_onnx_external(ai_onnx *onnx, const AiOnnx__Tensor *tensor, const char *what,
                           uint64_t bytes, const void **data)
{
    place at;
    const ai_onnx_file *file = NULL;
    ai_status status = read_place(onnx, tensor, what, &at);
    if (status == AI_OK)
        status = find_file(onnx, what, at.location, &file);
    if (status != AI_OK)
        return status;
    if (at.has_length && at.length != bytes)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "%s: external data has %llu bytes, its shape needs %llu", what,
                            (unsigned long long)at.length, (unsigned long long)bytes);
    if (at.offset > file->bytes || bytes > file->bytes - at.offset)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "%s: external data needs bytes %llu to %llu of '%.60s', which has %zu",
                            what, (unsigned long long)at.offset,
                            (unsigned long long)(at.offset + bytes), at.location, file->bytes);
    *data = bytes > 0 ? (const uint8_t *)file->data + at.offset : NULL;
    return AI_OK;
}

const char *ai_onnx_reads(const ai_onnx *onnx, uint64_t device, uint64_t inode)
{
    for (const ai_onnx_file *f = onnx->files; f != NULL; f = f->next)
        if (f->device == device && f->inode == inode)
            return f->location;
    return NULL;
}

void ai_onnx_unmap(ai_onnx *onnx)
{
    while (onnx->files != NULL) {
        ai_onnx_file *file = onnx->files;
        onnx->files = file->next;
        if (file->data != NULL)
            munmap(file->data, file->bytes);
        free(file);
    }
}
