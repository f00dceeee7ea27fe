/* SPDX-License-Identifier: Apache-2.0
 * The models by name: where they come from, and how a newer file takes an older one's place. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "remote.h"

typedef struct entry {
    char *name;
    char *path;
    ai_remote *remote; /* whose copy lies at the path; NULL: no URL */
    ai_loaded *now;
    struct stat seen; /* the file looked at last, taken or refused */
    uint64_t seen_ns;
    bool is_busy; /* a worker is looking at a new file */
} entry;

struct ai_models {
    pthread_mutex_t lock;
    entry *entries;
    uint32_t count;
    uint32_t recheck_s;
    uint32_t reloaded;
    uint32_t refused;
};

static const uint64_t look_ns = 1000000000;

static ai_status fail(ai_error *err, ai_status code, const char *path, const char *what)
{
    *err = (ai_error){.code = code, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    snprintf(err->message, sizeof err->message, "%.100s: %.130s", path, what);
    return code;
}

/* ---- One file ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void unload(ai_loaded *loaded)
{
    if (loaded)
        ai_model_close(loaded->model);
    free(loaded);
}

static ai_status load(ai_loaded **loaded, const char *path, ai_error *err)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_loaded *l = calloc(1, sizeof *l);
    if (!l)
        return fail(err, AI_E_MEMORY, path, "no memory to open it");
    ai_status status = ai_model_open(&l->model, path, err);
    if (status != AI_OK) {
        char message[240];
        snprintf(message, sizeof message, "%s", err->message);
        fail(err, status, path, message);
        free(l);
        return status;
    }
    ai_model_describe(l->model, &info);
    for (int i = 0; i < 8; i++)
        snprintf(l->version + 2 * i, 3, "%02x", info.digest[i]);
    *loaded = l;
    return AI_OK;
}

/* What a file must show before it serves: every checksum, and that a session opens. */
static ai_status prove(const ai_loaded *l, const ai_options *options, ai_error *err)
{
    ai_handler *handler = NULL;
    ai_status status = ai_model_verify(l->model, err);
    if (status == AI_OK)
        status = ai_handler_open(&handler, l->model, options, err);
    ai_handler_close(handler);
    return status;
}

/* ---- Finding files ---- */

/* A URL may hold secrets: what fails is told by the model's name. */
static ai_status add_remote(entry *e, const char *url, uint32_t every_s, ai_error *err)
{
    ai_status status = ai_remote_open(&e->remote, url, e->name, every_s, err);
    if (status == AI_OK) {
        e->path = strdup(ai_remote_path(e->remote));
        if (!e->path || stat(e->path, &e->seen) != 0)
            return fail(err, AI_E_MEMORY, e->name, "no memory for its copy");
        status = load(&e->now, e->path, err);
    }
    if (status == AI_OK)
        status = ai_model_verify(e->now->model, err);
    if (status == AI_OK)
        return AI_OK;
    char message[240];
    snprintf(message, sizeof message, "%s", err->message);
    return fail(err, status, e->name, message);
}

static ai_status add(ai_models *m, const char *name, size_t name_bytes, const char *path,
                     ai_error *err)
{
    entry *more = realloc(m->entries, (m->count + 1) * sizeof *more);
    if (!more)
        return fail(err, AI_E_MEMORY, path, "no memory for its name");
    m->entries = more;
    entry *e = &more[m->count++];
    *e = (entry){.name = strndup(name, name_bytes)};
    if (e->name && ai_remote_is(path))
        return add_remote(e, path, m->recheck_s, err);
    e->path = strdup(path);
    if (!e->name || !e->path)
        return fail(err, AI_E_MEMORY, path, "no memory for its name");
    if (stat(path, &e->seen) != 0)
        return fail(err, AI_E_IO, path, "not there");
    return load(&e->now, path, err);
}

static int is_model(const struct dirent *d)
{
    size_t bytes = strlen(d->d_name);
    return bytes > 4 && strcmp(d->d_name + bytes - 4, ".lai") == 0 && d->d_name[0] != '.';
}

static ai_status add_folder(ai_models *m, const char *folder, ai_error *err)
{
    struct dirent **found;
    int count = scandir(folder, &found, is_model, alphasort);
    if (count < 0)
        return fail(err, AI_E_IO, folder, "cannot be read");
    ai_status status = AI_OK;
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (status == AI_OK) {
            snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name);
            status = add(m, found[i]->d_name, strlen(found[i]->d_name) - 4, path, err);
        }
        free(found[i]);
    }
    free(found);
    return status;
}

/* [NAME=] and a path or a URL */
static ai_status add_given(ai_models *m, const char *given, ai_error *err)
{
    struct stat at;
    const char *equals = strchr(given, '=');
    const char *path = equals && equals != given && !memchr(given, '/', (size_t)(equals - given))
                           ? equals + 1
                           : given;
    if (!ai_remote_is(path) && stat(path, &at) == 0 && S_ISDIR(at.st_mode)) {
        uint32_t before = m->count;
        ai_status status = add_folder(m, path, err);
        return status == AI_OK && m->count == before
                   ? fail(err, AI_E_IO, path, "folder has no .lai file")
                   : status;
    }
    if (path != given)
        return add(m, given, (size_t)(equals - given), path, err);
    const char *end = path + (ai_remote_is(path) ? strcspn(path, "?#") : strlen(path));
    const char *name = end;
    while (name > path && name[-1] != '/')
        name--;
    const char *dot = memrchr(name, '.', (size_t)(end - name));
    return add(m, name, (size_t)((dot && dot != name ? dot : end) - name), path, err);
}

/* The folder of the program; where there is no /proc, as it was started. */
static const char *own_folder(char own[4096])
{
    ssize_t length = readlink("/proc/self/exe", own, 4095);
    own[length > 0 ? length : 0] = 0;
    if (length <= 0)
        snprintf(own, 4096, "%s", (const char *)getauxval(AT_EXECFN));
    char *slash = strrchr(own, '/');
    if (slash)
        slash[slash == own] = 0; /* "/" itself stays */
    return slash ? own : NULL;
}

/* What lies in a folder or, if nothing does, in the folder models in it: docs/platforms.md. */
static ai_status add_near(ai_models *m, const char *folder, ai_error *err)
{
    struct stat at;
    char inner[4096];
    ai_status status = AI_OK;
    snprintf(inner, sizeof inner, "%.4000s/models", folder);
    if (stat(folder, &at) == 0 && S_ISDIR(at.st_mode))
        status = add_folder(m, folder, err);
    if (status == AI_OK && !m->count && stat(inner, &at) == 0 && S_ISDIR(at.st_mode))
        status = add_folder(m, inner, err);
    return status;
}

/* Where packages put models: beside the program, the platform's folder of code, a mount. */
static ai_status add_usual(ai_models *m, ai_error *err)
{
    char own[4096];
    const char *folders[] = {own_folder(own),
                             getenv("LAMBDA_TASK_ROOT"),
                             getenv("FC_FUNC_CODE_PATH"),
                             "/mnt/models",
                             "/models",
                             "."};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && !m->count; i++) {
        ai_status status = folders[i] ? add_near(m, folders[i], err) : AI_OK;
        if (status != AI_OK)
            return status;
    }
    return m->count ? AI_OK
                    : fail(err, AI_E_IO, "model",
                           "none is beside the program or in /mnt/models: "
                           "give --model PATH or set AI_MODEL");
}

ai_status ai_models_open(ai_models **models, const ai_settings *settings, ai_error *err)
{
    ai_models *m = calloc(1, sizeof *m);
    if (!m)
        return fail(err, AI_E_MEMORY, "models", "no memory");
    pthread_mutex_init(&m->lock, NULL);
    m->recheck_s = settings->recheck_s;
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < settings->model_count && status == AI_OK; i++)
        status = add_given(m, settings->models[i], err);
    if (status == AI_OK && !settings->model_count)
        status = add_usual(m, err);
    if (status != AI_OK) {
        ai_models_close(m);
        return status;
    }
    *models = m;
    return AI_OK;
}

void ai_models_close(ai_models *m)
{
    for (uint32_t i = 0; m && i < m->count; i++) {
        ai_remote_close(m->entries[i].remote);
        free(m->entries[i].name);
        free(m->entries[i].path);
        unload(m->entries[i].now);
    }
    if (m) {
        pthread_mutex_destroy(&m->lock);
        free(m->entries);
    }
    free(m);
}

uint32_t ai_models_count(const ai_models *m)
{
    return m->count;
}

const char *ai_models_name(const ai_models *m, uint32_t index)
{
    return m->entries[index].name;
}

int ai_models_find(const ai_models *m, const char *name)
{
    if (!name || !*name)
        return 0;
    for (uint32_t i = 0; i < m->count; i++)
        if (strcmp(m->entries[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* ---- Newer files ---- */

/* Under the lock: whether this caller is to look at a file that differs. */
static bool shall_look(entry *e, struct stat *found)
{
    uint64_t now = ai_now();
    if (e->is_busy || now - e->seen_ns < look_ns)
        return false;
    e->seen_ns = now;
    if (e->remote)
        ai_remote_look(e->remote);
    if (stat(e->path, found) != 0 || is_same_file(found, &e->seen))
        return false;
    e->seen = *found;
    e->is_busy = true;
    return true;
}

/* Without the lock: others go on with the old one. NULL: it stays. */
static ai_loaded *look(const entry *e, const ai_options *options)
{
    ai_error err;
    ai_loaded *fresh = NULL;
    if (load(&fresh, e->path, &err) == AI_OK && prove(fresh, options, &err) == AI_OK)
        return fresh;
    ai_log("ERROR", "model '%s': newer file is refused, version %s serves on: %.200s", e->name,
           e->now->version, err.message);
    unload(fresh);
    return NULL;
}

static ai_loaded *replace(ai_models *m, entry *e, ai_loaded *fresh)
{
    ai_loaded *old = fresh ? e->now : NULL;
    e->is_busy = false;
    m->reloaded += fresh != NULL;
    m->refused += fresh == NULL;
    if (fresh)
        e->now = fresh;
    return old && old->users == 0 ? old : NULL;
}

ai_loaded *ai_models_hold(ai_models *m, uint32_t index, const ai_options *options)
{
    entry *e = &m->entries[index];
    struct stat found;
    ai_loaded *unused = NULL;
    pthread_mutex_lock(&m->lock);
    if (options && shall_look(e, &found)) {
        pthread_mutex_unlock(&m->lock);
        ai_loaded *fresh = look(e, options);
        if (fresh)
            ai_log("INFO", "model '%s': version %s serves", e->name, fresh->version);
        pthread_mutex_lock(&m->lock);
        unused = replace(m, e, fresh);
    }
    ai_loaded *now = e->now;
    now->users++;
    pthread_mutex_unlock(&m->lock);
    unload(unused);
    return now;
}

void ai_models_release(ai_models *m, ai_loaded *loaded)
{
    if (!loaded)
        return;
    pthread_mutex_lock(&m->lock);
    bool is_current = false;
    for (uint32_t i = 0; i < m->count; i++)
        is_current |= m->entries[i].now == loaded;
    bool is_unused = --loaded->users == 0 && !is_current;
    pthread_mutex_unlock(&m->lock);
    if (is_unused)
        unload(loaded);
}

void ai_models_counts(ai_models *m, uint32_t *reloaded, uint32_t *refused)
{
    pthread_mutex_lock(&m->lock);
    *reloaded = m->reloaded;
    *refused = m->refused;
    pthread_mutex_unlock(&m->lock);
}
