/* SPDX-License-Identifier: Apache-2.0
 * Models in stores: fetched into a file, looked for again with the ETag, replaced by rename. What
 * comes is verified by models.c, as every other newer file is. */
#include "remote.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

enum { MOST_BYTES = 1 << 30 };

enum { AT_REST, LOOKING, LOOKED };

struct ai_remote {
    char *url;
    const char *name;
    char folder[200];
    char path[216];
    char fresh[216]; /* what is not whole yet */
    char etag[AI_ETAG_BYTES];
    ai_store *store; /* of its own, so that a look can be ended alone */
    uint64_t every_ns;
    uint64_t looked_ns;
    pthread_t thread;
    atomic_int state;
};

bool ai_remote_is(const char *given)
{
    return strstr(given, "://") != NULL;
}

const char *ai_remote_path(const ai_remote *r)
{
    return r->path;
}

static ai_status fail(ai_error *err, ai_status code, const char *what)
{
    *err = (ai_error){.code = code, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    snprintf(err->message, sizeof err->message, "%s", what);
    return code;
}

static bool write_file(const char *path, const char *data, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    ssize_t written = 1;
    while (bytes && written > 0) {
        written = write(fd, data, bytes);
        data += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return close(fd) == 0 && bytes == 0;
}

/* The newest one lies at the path then; the ETag is kept only if it does. */
static ai_status update(ai_remote *r, ai_error *err)
{
    char etag[AI_ETAG_BYTES];
    void *data = NULL;
    size_t bytes = 0;
    memcpy(etag, r->etag, sizeof etag);
    ai_status status = ai_store_fetch_newer(r->store, r->url, etag, MOST_BYTES, &data, &bytes, err);
    ai_store_rest(r->store);
    if (status != AI_OK || !data)
        return status;
    bool is_there = write_file(r->fresh, data, bytes) && rename(r->fresh, r->path) == 0;
    free(data);
    if (!is_there) {
        unlink(r->fresh);
        return fail(err, AI_E_IO, "no place for it among temporary files");
    }
    memcpy(r->etag, etag, sizeof etag);
    return AI_OK;
}

static void *look(void *user)
{
    ai_remote *r = user;
    ai_error err;
    if (update(r, &err) != AI_OK && err.code != AI_E_STOPPED)
        ai_log("ERROR", "model '%s': newer file cannot be looked for, the old one serves on: %s",
               r->name, err.message);
    atomic_store(&r->state, LOOKED);
    return NULL;
}

void ai_remote_look(ai_remote *r)
{
    if (atomic_load(&r->state) == LOOKING || ai_now() - r->looked_ns < r->every_ns)
        return;
    if (!r->etag[0]) /* the whole file would come, again and again */
        return;
    if (atomic_load(&r->state) == LOOKED)
        pthread_join(r->thread, NULL);
    r->looked_ns = ai_now();
    atomic_store(&r->state, LOOKING);
    if (pthread_create(&r->thread, NULL, look, r) != 0)
        atomic_store(&r->state, AT_REST);
}

/* In TMPDIR, else in /tmp. */
static bool make_folder(ai_remote *r)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(r->folder, sizeof r->folder, "%s/ai-model-XXXXXX",
                          parent && *parent ? parent : "/tmp");
    if (length >= (int)sizeof r->folder || !mkdtemp(r->folder))
        return false;
    snprintf(r->path, sizeof r->path, "%s/model.lai", r->folder);
    snprintf(r->fresh, sizeof r->fresh, "%s/fresh", r->folder);
    return true;
}

ai_status ai_remote_open(ai_remote **remote, const char *url, const char *name, uint32_t every_s,
                         ai_error *err)
{
    ai_remote *r = calloc(1, sizeof *r);
    if (!r)
        return fail(err, AI_E_MEMORY, "no memory for a model's URL");
    r->name = name;
    r->every_ns = (uint64_t)every_s * 1000000000u;
    r->looked_ns = ai_now();
    r->url = strdup(url);
    r->store = ai_store_open(NULL);
    ai_status status = AI_OK;
    if (!r->store || !r->url)
        status = fail(err, AI_E_ARGUMENT,
                      "a model in a store needs ai-fetch, which is not here: `ai package --store` "
                      "packs it");
    else if (!make_folder(r))
        status = fail(err, AI_E_IO, "no place for a model from a store among temporary files");
    else
        status = update(r, err);
    if (status == AI_OK)
        *remote = r;
    else
        ai_remote_close(r);
    return status;
}

void ai_remote_close(ai_remote *r)
{
    if (!r)
        return;
    if (r->store)
        ai_store_stop(r->store);
    if (atomic_load(&r->state) != AT_REST)
        pthread_join(r->thread, NULL);
    ai_store_close(r->store);
    if (r->path[0]) {
        unlink(r->path);
        rmdir(r->folder);
    }
    free(r->url);
    free(r);
}
