/* SPDX-License-Identifier: Apache-2.0
 * The processes of ai-fetch: started at the first job and kept, one for each job at the same time.
 * bindings/fetch/fetch.h has the protocol. */
#include "fetcher.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faas.h"

enum { LINE_BYTES = 1 << 12, SLICE_MS = 100 };

typedef struct child {
    pid_t pid;
    int fd;
    struct child *next;
} child;

struct ai_fetcher {
    pthread_mutex_t lock;
    child *idle;
    char program[1024];
    char loader[1024]; /* empty: none is packed */
    char libraries[1024];
    char certificates[1024]; /* empty: the system's */
    atomic_bool is_stopped;
};

/* ---- Where it is ---- */

static bool is_there(char path[1024], const char *folder, const char *rest)
{
    return snprintf(path, 1024, "%s/%s", folder, rest) < 1024 && access(path, R_OK) == 0;
}

/* Packed with its loader and libraries (`ai package --store`), installed, or just built. */
static bool find_program(ai_fetcher *s)
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

ai_fetcher *ai_fetcher_open(void)
{
    ai_fetcher *f = calloc(1, sizeof *f);
    if (!f || !find_program(f)) {
        free(f);
        return NULL;
    }
    pthread_mutex_init(&f->lock, NULL);
    return f;
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

static child *take(ai_fetcher *s)
{
    pthread_mutex_lock(&s->lock);
    child *c = s->idle;
    if (c)
        s->idle = c->next;
    pthread_mutex_unlock(&s->lock);
    return c;
}

void ai_fetcher_rest(ai_fetcher *s)
{
    for (child *c; (c = take(s)) != NULL;)
        end(c);
}

void ai_fetcher_close(ai_fetcher *s)
{
    if (!s)
        return;
    ai_fetcher_rest(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void ai_fetcher_stop(ai_fetcher *s)
{
    atomic_store(&s->is_stopped, true);
}

bool ai_fetcher_is_stopped(const ai_fetcher *s)
{
    return atomic_load(&s->is_stopped);
}

static bool launch(const ai_fetcher *s, int fd, pid_t *pid)
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

static child *start(const ai_fetcher *s)
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

static void give_back(ai_fetcher *s, child *c)
{
    pthread_mutex_lock(&s->lock);
    c->next = s->idle;
    s->idle = c;
    pthread_mutex_unlock(&s->lock);
}

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

static ssize_t read_some(int fd, void *to, size_t bytes, const ai_fetch_job *j)
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

static bool read_all(int fd, char *to, size_t bytes, const ai_fetch_job *j)
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
static bool read_line(int fd, char line[LINE_BYTES], size_t *extra, const ai_fetch_job *j)
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

static bool take_reply(ai_fetch_reply *r, const ai_fetch_job *j, const child *c, const char *line,
                       size_t extra)
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

static bool ask(ai_fetch_reply *r, const ai_fetch_job *j, const child *c)
{
    char line[LINE_BYTES];
    size_t extra;
    *r = (ai_fetch_reply){0};
    if (write_all(c->fd, j->line, strlen(j->line)) && write_all(c->fd, j->body, j->body_bytes) &&
        read_line(c->fd, line, &extra, j) && take_reply(r, j, c, line, extra))
        return true;
    free(r->data);
    *r = (ai_fetch_reply){0};
    return false;
}

void ai_fetcher_run(ai_fetcher *s, ai_fetch_reply *r, ai_fetch_job *j)
{
    j->is_stopped = &s->is_stopped;
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
    *r = (ai_fetch_reply){0};
    snprintf(r->message, sizeof r->message, "%s '%.160s'",
             ai_now() >= j->end_ns ? "no answer in time from" : "no answer from", s->program);
}
