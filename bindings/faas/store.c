/* SPDX-License-Identifier: Apache-2.0
 * Objects, by ai-fetch: started at the first one and kept, one process for each request that needs
 * it at the same time. bindings/fetch/fetch.h has the protocol. Results of events go to the place
 * that --results names, under bucket, key and version. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

enum { LINE_BYTES = 1 << 12, GRACE_MS = 2000, DEFAULT_MS = 60000, SLICE_MS = 100 };

typedef struct child {
    pid_t pid;
    int fd;
    struct child *next;
} child;

struct ai_store {
    pthread_mutex_t lock;
    child *idle;
    char program[1024];
    char loader[1024]; /* empty: none is packed */
    char libraries[1024];
    char certificates[1024]; /* empty: the system's */
    const char *results;     /* NULL: nowhere */
    atomic_bool is_stopped;
};

/* ---- Where it is ---- */

static bool is_there(char path[1024], const char *folder, const char *rest)
{
    return snprintf(path, 1024, "%s/%s", folder, rest) < 1024 && access(path, R_OK) == 0;
}

/* Packed with its loader and libraries (`ai package --store`), installed, or just built. */
static bool find_program(ai_store *s)
{
    static const char *const places[] = {"../libexec/libai/ai-fetch", "ai-fetch",
                                         "../fetch/ai-fetch"};
    char folder[900];
    const char *named = getenv("AI_FETCH");
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    if (named && *named)
        return snprintf(s->program, sizeof s->program, "%s", named) < (int)sizeof s->program;
    folder[length > 0 ? length : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = 0;
    if (is_there(s->program, folder, "fetch/ai-fetch") &&
        (is_there(s->loader, folder, "fetch/lib/ld-linux-x86-64.so.2") ||
         is_there(s->loader, folder, "fetch/lib/ld-linux-aarch64.so.1"))) {
        if (!is_there(s->certificates, folder, "fetch/ca-certificates.crt"))
            s->certificates[0] = 0;
        return is_there(s->libraries, folder, "fetch/lib");
    }
    s->loader[0] = 0;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (is_there(s->program, folder, places[i]))
            return true;
    return false;
}

ai_store *ai_store_open(const char *results)
{
    ai_store *s = calloc(1, sizeof *s);
    if (!s || !find_program(s)) {
        free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->results = results && *results ? results : NULL;
    return s;
}

/* ---- Processes ---- */

static void end(child *c)
{
    close(c->fd);
    kill(c->pid, SIGKILL);
    while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    free(c);
}

static child *take(ai_store *s)
{
    pthread_mutex_lock(&s->lock);
    child *c = s->idle;
    if (c)
        s->idle = c->next;
    pthread_mutex_unlock(&s->lock);
    return c;
}

void ai_store_rest(ai_store *s)
{
    for (child *c; (c = take(s)) != NULL;)
        end(c);
}

void ai_store_close(ai_store *s)
{
    if (!s)
        return;
    ai_store_rest(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void ai_store_stop(ai_store *s)
{
    atomic_store(&s->is_stopped, true);
}

static bool launch(const ai_store *s, int fd, pid_t *pid)
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    char *arguments[8];
    int count = 0;
    if (s->loader[0]) {
        arguments[count++] = (char *)s->loader;
        arguments[count++] = "--library-path";
        arguments[count++] = (char *)s->libraries;
    }
    arguments[count++] = (char *)s->program;
    if (s->certificates[0]) {
        arguments[count++] = "--certificates";
        arguments[count++] = (char *)s->certificates;
    }
    arguments[count] = NULL;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&attributes, &none);
    bool is_started =
        posix_spawn(pid, arguments[0], &actions, &attributes, arguments, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return is_started;
}

static child *start(const ai_store *s)
{
    int ends[2];
    child *c = calloc(1, sizeof *c);
    if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        free(c);
        return NULL;
    }
    bool is_started = launch(s, ends[1], &c->pid);
    close(ends[1]);
    c->fd = ends[0];
    if (is_started)
        return c;
    close(c->fd);
    free(c);
    return NULL;
}

static void give_back(ai_store *s, child *c)
{
    pthread_mutex_lock(&s->lock);
    c->next = s->idle;
    s->idle = c;
    pthread_mutex_unlock(&s->lock);
}

typedef struct job {
    char *line; /* with its newline */
    const void *body;
    size_t body_bytes;
    size_t most;
    uint64_t end_ns;
    const atomic_bool *is_stopped;
} job;

/* ---- Bytes both ways ---- */

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *from = data;
    while (bytes) {
        ssize_t sent = send(fd, from, bytes, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        from += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

static ssize_t read_some(int fd, void *to, size_t bytes, const job *j)
{
    for (;;) {
        struct pollfd p = {fd, POLLIN, 0};
        bool is_over = ai_now() >= j->end_ns || atomic_load(j->is_stopped);
        int ready = is_over ? 0 : poll(&p, 1, SLICE_MS);
        if ((ready == 0 && !is_over) || (ready < 0 && errno == EINTR))
            continue;
        ssize_t got = ready > 0 ? read(fd, to, bytes) : -1;
        if (got < 0 && ready > 0 && errno == EINTR)
            continue;
        return got;
    }
}

static bool read_all(int fd, char *to, size_t bytes, const job *j)
{
    while (bytes) {
        ssize_t got = read_some(fd, to, bytes, j);
        if (got <= 0)
            return false;
        to += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* The line, and whatever came behind it in the same piece: *extra bytes of `line` after the end. */
static bool read_line(int fd, char line[LINE_BYTES], size_t *extra, const job *j)
{
    size_t have = 0;
    while (have < LINE_BYTES - 1) {
        ssize_t got = read_some(fd, line + have, LINE_BYTES - 1 - have, j);
        if (got <= 0)
            return false;
        have += (size_t)got;
        char *newline = memchr(line, '\n', have);
        if (newline) {
            *newline = 0;
            *extra = have - (size_t)(newline + 1 - line);
            return true;
        }
    }
    return false;
}

/* ---- A job ---- */

typedef struct reply {
    uint32_t status; /* 0: ai-fetch ended or broke the protocol */
    char *data;
    size_t bytes;
    char etag[AI_ETAG_BYTES];
    char message[224];
} reply;

static bool take_reply(reply *r, const job *j, const child *c, const char *line, size_t extra)
{
    json_t *json = json_loads(line, 0, NULL);
    json_int_t status = json_integer_value(json_object_get(json, "status"));
    json_int_t bytes = json_integer_value(json_object_get(json, "bytes"));
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *etag = json_string_value(json_object_get(json, "etag"));
    bool is_whole =
        status > 0 && bytes >= 0 && (uint64_t)bytes <= j->most && extra <= (size_t)bytes;
    snprintf(r->message, sizeof r->message, "%s", error ? error : "");
    snprintf(r->etag, sizeof r->etag, "%s", etag ? etag : "");
    json_decref(json);
    if (!is_whole)
        return false;
    r->bytes = (size_t)bytes;
    r->data = malloc(r->bytes + 1);
    if (!r->data)
        return false;
    memcpy(r->data, line + strlen(line) + 1, extra);
    r->data[r->bytes] = 0;
    r->status = (uint32_t)status;
    return read_all(c->fd, r->data + extra, r->bytes - extra, j);
}

static bool ask(reply *r, const job *j, const child *c)
{
    char line[LINE_BYTES];
    size_t extra;
    *r = (reply){0};
    if (write_all(c->fd, j->line, strlen(j->line)) && write_all(c->fd, j->body, j->body_bytes) &&
        read_line(c->fd, line, &extra, j) && take_reply(r, j, c, line, extra))
        return true;
    free(r->data);
    *r = (reply){0};
    return false;
}

/* By a kept process, or by a new one if that has died meanwhile. */
static void run(ai_store *s, reply *r, const job *j)
{
    for (int i = 0; i < 2; i++) {
        child *kept = i == 0 ? take(s) : NULL;
        child *c = kept ? kept : start(s);
        if (c && ask(r, j, c)) {
            give_back(s, c);
            return;
        }
        if (c)
            end(c);
        if (!kept || ai_now() >= j->end_ns || s->is_stopped)
            break;
    }
    *r = (reply){0};
    snprintf(r->message, sizeof r->message, "%s '%.160s'",
             ai_now() >= j->end_ns ? "no answer in time from" : "no answer from", s->program);
}

static void set_text(json_t *json, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(json, name, json_string(text));
}

static ai_status tell(ai_error *err, ai_status code, const char *text)
{
    *err = (ai_error){.code = code, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    snprintf(err->message, sizeof err->message, "%s", text);
    return code;
}

/* Finishes the job's line, runs it and frees `json`. */
static ai_status run_job(ai_store *s, reply *r, job *j, json_t *json, uint64_t timeout_ns,
                         uint32_t *status, ai_error *err)
{
    uint64_t ms = timeout_ns ? timeout_ns / 1000000 + 1 : DEFAULT_MS;
    j->is_stopped = &s->is_stopped;
    j->end_ns = ai_now() + (ms + GRACE_MS) * 1000000;
    json_object_set_new(json, "timeout_ms", json_integer((json_int_t)ms));
    char *text = json_dumps(json, JSON_COMPACT);
    size_t length = text ? strlen(text) : 0;
    json_decref(json);
    j->line = text ? realloc(text, length + 2) : NULL;
    *r = (reply){0};
    if (!j->line) {
        free(text);
        return tell(err, AI_E_MEMORY, "no memory for the name of an object, or it is no UTF-8");
    }
    memcpy(j->line + length, "\n", 2);
    run(s, r, j);
    free(j->line);
    if (!r->message[0])
        return AI_OK;
    *status = r->status;
    if (s->is_stopped)
        return tell(err, AI_E_STOPPED, "it was stopped");
    return tell(err, r->status == 504 ? AI_E_TIMEOUT : AI_E_IO, r->message);
}

static json_t *describe(const ai_object *o)
{
    json_t *json = json_object();
    set_text(json, "url", o->url);
    set_text(json, "store", o->store);
    set_text(json, "bucket", o->bucket);
    set_text(json, "key", o->key);
    set_text(json, "raw_key", o->raw_key);
    set_text(json, "region", o->region);
    set_text(json, "version", o->version);
    return json;
}

/* Whether the object lies where results go: else each result would be an event, without end. */
static bool is_result(const ai_store *s, const ai_object *o)
{
    char name[1200];
    const char *rest = s->results ? strstr(s->results, "://") : NULL;
    return rest && o->bucket && o->key &&
           snprintf(name, sizeof name, "%s/%s", o->bucket, o->key) > 0 &&
           strncmp(name, rest + 3, strlen(rest + 3)) == 0;
}

ai_status ai_store_fetch(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                         void **data, size_t *bytes, uint32_t *status, ai_error *err)
{
    ai_store *s = user;
    job j = {.most = most};
    reply r;
    if (is_result(s, object))
        return tell(err, AI_E_STOPPED, "the object lies where results go");
    json_t *json = describe(object);
    json_object_set_new(json, "most", json_integer((json_int_t)most));
    ai_status code = run_job(s, &r, &j, json, timeout_ns, status, err);
    if (code != AI_OK) {
        free(r.data);
        return code;
    }
    *data = r.data;
    *bytes = r.bytes;
    return AI_OK;
}

ai_status ai_store_fetch_newer(ai_store *s, const char *url, char etag[AI_ETAG_BYTES], size_t most,
                               void **data, size_t *bytes, ai_error *err)
{
    enum { NOT_MODIFIED = 304 };
    job j = {.most = most};
    reply r;
    uint32_t status;
    json_t *json = json_object();
    set_text(json, "url", url);
    set_text(json, "etag", etag);
    json_object_set_new(json, "most", json_integer((json_int_t)most));
    ai_status code = run_job(s, &r, &j, json, 0, &status, err);
    if (code != AI_OK || r.status == NOT_MODIFIED) {
        free(r.data);
        return code;
    }
    memcpy(etag, r.etag, sizeof r.etag);
    *data = r.data;
    *bytes = r.bytes;
    return AI_OK;
}

/* ---- Results ---- */

/* BUCKET/KEY.VERSION.json behind the place's prefix. */
static bool name_result(char name[2048], const ai_object *o)
{
    const char *version = o->version && *o->version ? o->version : o->etag;
    int used = o->bucket && o->key
                   ? snprintf(name, 2048, "%s/%s%s%s.json", o->bucket, o->key,
                              version && *version ? "." : "", version ? version : "")
                   : 0;
    for (char *c = name; used > 0 && *c; c++) /* an ETag has quotes */
        *c = *c == '"' ? '_' : *c;
    return used > 0 && used < 2048;
}

ai_status ai_store_result(void *user, const ai_object *object, const char *answer, size_t bytes,
                          uint64_t timeout_ns, uint32_t *status, ai_error *err)
{
    ai_store *s = user;
    job j = {.body = answer, .body_bytes = bytes};
    reply r;
    char name[2048];
    if (!s->results || !name_result(name, object))
        return AI_OK;
    json_t *json = json_object();
    set_text(json, "method", "PUT");
    set_text(json, "results", s->results);
    set_text(json, "key", name);
    set_text(json, "type", "application/json");
    json_object_set_new(json, "bytes", json_integer((json_int_t)bytes));
    ai_status code = run_job(s, &r, &j, json, timeout_ns, status, err);
    free(r.data);
    if (code != AI_OK && *status == 409) /* a database that has it: the event came twice */
        return AI_OK;
    if (code != AI_OK)
        *status = 502;
    return code;
}
