/* SPDX-License-Identifier: Apache-2.0
 * The file that a conversion writes, and paths. */
#ifndef AI_TARGET_H
#define AI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai.h"

typedef struct ai_target {
    const char *path;
    char *place;   /* the path, or where its link leads; from ai_target_check on */
    bool is_there; /* a file lies there already: this one */
    uint64_t device;
    uint64_t inode;
    char *temporary; /* path; a file of ours lies there as long as this is not NULL */
} ai_target;

/* Fails early what would fail in the end: a folder that cannot be written, a path that is no file.
 */
ai_status ai_target_check(ai_target *target, ai_error *err);
/* Whether `path` is the file that would be replaced. */
bool ai_target_is(const ai_target *target, const char *path);
/* Writes a temporary file beside the place, down to the disk. */
ai_status ai_target_write(ai_target *target, const void *data, size_t bytes, ai_error *err);
/* Puts the temporary file at the place; what was there is gone only now. */
ai_status ai_target_replace(ai_target *target, ai_error *err);
/* Removes the temporary file, if there is one; frees. */
void ai_target_release(ai_target *target);

/* The file's name in a path. */
const char *ai_last_part(const char *path);
/* The folder that a path lies in, without its last slash but for the root's; the caller frees it.
 */
char *ai_folder_of(const char *path);

#endif
