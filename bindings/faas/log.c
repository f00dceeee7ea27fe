/* SPDX-License-Identifier: Apache-2.0
 * One JSON line a request or event. Who does not read them loses lines, and is told how many. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "faas.h"
#include "task.h"

uint64_t ai_now(void)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Lines ---- */

static void put_time(json_t *line)
{
    char text[40];
    struct timespec now = {0, 0};
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t bytes = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + bytes, sizeof text - bytes, ".%03ldZ", now.tv_nsec / 1000000);
    json_object_set_new(line, "time", json_string(text));
}

/* A log that nobody reads must not hold up requests: past a moment's patience lines are left out
 * and counted, until somebody reads again. */
static struct log {
    pthread_mutex_t lock;
    bool is_stuck;
    bool is_broken; /* the last line has no end */
    uint32_t lost;  /* since the last one that was written */
} logs[3] = {[STDOUT_FILENO] = {.lock = PTHREAD_MUTEX_INITIALIZER},
             [STDERR_FILENO] = {.lock = PTHREAD_MUTEX_INITIALIZER}};
static atomic_uint lost_lines;

/* Bytes that were written; less: it would wait. A pipe that is ready takes PIPE_BUF at once. Where
 * the reader has gone all counts as written. */
static size_t put_bytes(int file, const char *text, size_t bytes, int patience_ms)
{
    size_t done = 0;
    while (done < bytes) {
        struct pollfd p = {file, POLLOUT, 0};
        int ready = poll(&p, 1, patience_ms);
        if (ready == 0)
            return done;
        size_t part = bytes - done < PIPE_BUF ? bytes - done : PIPE_BUF;
        ssize_t written = ready > 0 ? write(file, text + done, part) : -1;
        if (written < 0 && errno != EINTR)
            return bytes;
        done += written > 0 ? (size_t)written : 0;
    }
    return done;
}

/* Under the lock: says before the next line how many there are not. */
static bool tell_lost(int file, struct log *l)
{
    char text[160];
    int bytes = snprintf(text, sizeof text,
                         "%s{\"severity\":\"WARNING\",\"message\":\"%u lines of the log are left "
                         "out, nobody read it\"}\n",
                         l->is_broken ? "\n" : "", l->lost);
    if (put_bytes(file, text, (size_t)bytes, 0) < (size_t)bytes)
        return false;
    l->lost = 0;
    l->is_broken = false;
    return true;
}

static void put_line(int file, const char *text, size_t bytes)
{
    enum { PATIENCE_MS = 200 };
    struct log *l = &logs[file];
    pthread_mutex_lock(&l->lock);
    bool is_told = !l->lost || tell_lost(file, l);
    size_t done = is_told ? put_bytes(file, text, bytes, l->is_stuck ? 0 : PATIENCE_MS) : 0;
    l->is_stuck = done < bytes;
    l->is_broken |= done > 0 && done < bytes;
    if (l->is_stuck) {
        l->lost++;
        atomic_fetch_add(&lost_lines, 1);
    }
    pthread_mutex_unlock(&l->lock);
}

void ai_log_mark(int file, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int bytes = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (bytes > 0 && bytes < (int)sizeof text)
        put_line(file, text, (size_t)bytes);
}

/* A line is written whole: several may write. What is no UTF-8 is left out. Drops `line`. */
static void write_line(int file, json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));
    size_t bytes = text ? strlen(text) : 0;
    if (text) {
        text[bytes] = '\n'; /* in the 0's place */
        put_line(file, text, bytes + 1);
    }
    free(text);
    json_decref(line);
}

static void put_text(json_t *line, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(line, name, json_string(text));
}

void ai_log(const char *severity, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ai_utf8_clean(message);
    json_t *line = json_object();
    put_time(line);
    put_text(line, "severity", severity);
    put_text(line, "message", message);
    write_line(STDERR_FILENO, line);
}

static double to_ms(uint64_t ns)
{
    return (double)(ns / 1000) / 1000;
}

void ai_log_answer(const ai_log_entry *e)
{
    const ai_answer *a = e->answer;
    json_t *line = json_object();
    put_time(line);
    put_text(line, "severity", a->status < 500 ? "INFO" : "ERROR");
    put_text(line, "id", e->id);
    put_text(line, "method", e->method);
    put_text(line, "path", e->path);
    json_object_set_new(line, "status", json_integer(a->status));
    put_text(line, "model", e->model);
    json_object_set_new(line, "ms", json_real(to_ms(e->ns)));
    json_object_set_new(line, "answer_ms", json_real(to_ms(a->ns)));
    json_object_set_new(line, "cpu_ms", json_real(to_ms(a->cpu_ns)));
    json_object_set_new(line, "peak_kib", json_integer((json_int_t)(a->peak_bytes / 1024)));
    json_object_set_new(line, "bytes_in", json_integer((json_int_t)e->bytes_in));
    json_object_set_new(line, "bytes_out", json_integer((json_int_t)e->bytes_out));
    put_text(line, "fault", a->fault);
    put_text(line, "error", a->fault ? a->error.message : NULL);
    write_line(STDOUT_FILENO, line);
}

uint32_t ai_log_lost(void)
{
    return atomic_load(&lost_lines);
}
