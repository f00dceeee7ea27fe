/* SPDX-License-Identifier: Apache-2.0
 * OpenWhisk, ActionLoop: a line of JSON on stdin for each activation, a line on fd 3 for each
 * answer. The platform's proxy puts the marks into the log. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "activation.h"
#include "json_read.h"

enum { ANSWERS = 3, CHUNK = 64 << 10 };

/* ---- Lines ---- */

typedef struct lines {
    char *data;
    size_t room;
    size_t most;  /* of a line */
    size_t used;  /* bytes read */
    size_t taken; /* of them handed out, at the begin */
    size_t seen;  /* of the others without a line's end */
    bool is_cut;  /* the line was longer, or */
    bool is_poor; /* memory was not enough for it: its rest is skipped */
} lines;

/* Room for one more part; a line that memory is not enough for is let go. */
static bool make_room(lines *l)
{
    if (l->room - l->used >= CHUNK)
        return true;
    char *data = realloc(l->data, l->room * 2 + CHUNK);
    if (data) {
        l->data = data;
        l->room = l->room * 2 + CHUNK;
        return true;
    }
    l->is_poor = true;
    l->used = l->seen = 0;
    return l->room >= CHUNK;
}

/* false: the end. */
static bool read_more(lines *l)
{
    if (l->taken) { /* to the front */
        memmove(l->data, l->data + l->taken, l->used - l->taken);
        l->used -= l->taken;
        l->taken = 0;
    }
    if (l->used > l->most) {
        l->is_cut = true;
        l->used = l->seen = 0;
    }
    if (!make_room(l))
        return false;
    ssize_t got;
    do
        got = read(STDIN_FILENO, l->data + l->used, CHUNK);
    while (got < 0 && errno == EINTR);
    l->used += got > 0 ? (size_t)got : 0;
    return got > 0;
}

/* The next line, without its end; NULL: there is none. */
static const char *next_line(lines *l, size_t *bytes)
{
    l->seen = 0;
    l->is_cut = false;
    l->is_poor = false;
    for (;;) {
        size_t left = l->used - l->taken;
        char *line = left > l->seen ? l->data + l->taken : NULL;
        char *end = line ? memchr(line + l->seen, '\n', left - l->seen) : NULL;
        if (end) {
            *bytes = (size_t)(end - line);
            l->taken += *bytes + 1;
            return line;
        }
        l->seen = left;
        if (!read_more(l))
            return NULL;
    }
}

static bool write_line(const char *text, size_t bytes)
{
    while (bytes) {
        ssize_t written = write(ANSWERS, text, bytes);
        if (written < 0 && errno != EINTR)
            return false;
        text += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

/* ---- Activations ---- */

/* The activation's JSON; NULL: *answer says what is wrong. */
static json_t *read_line(const lines *l, const char *line, size_t bytes, ai_answer *answer)
{
    ai_error err = {AI_E_VALUE, AI_NO_STEP, AI_NO_OFFSET, ""};
    bool is_long = l->is_cut || bytes > l->most;
    json_t *json = is_long || l->is_poor ? NULL : ai_json_read(line, bytes, &err);
    if (l->is_poor) {
        err.code = AI_E_MEMORY;
        snprintf(err.message, sizeof err.message, "no memory for a line");
    } else if (is_long)
        snprintf(err.message, sizeof err.message, "line is longer than the %zu bytes taken",
                 l->most);
    if (!json) {
        ai_answer_fail(answer,
                       l->is_poor ? 503
                       : is_long  ? 413
                                  : 400,
                       l->is_poor ? "Function.OutOfMemory"
                       : is_long  ? "Function.TooLarge"
                                  : NULL,
                       &err);
        ai_activation_dress(answer);
    }
    return json;
}

/* false: nobody takes answers any more. */
static bool turn(ai_worker *w, ai_function *f, const lines *l, const char *line, size_t bytes)
{
    ai_answer answer = {.size = sizeof answer};
    ai_request base = AI_REQUEST_INIT;
    uint64_t begin = ai_now();
    json_t *json = read_line(l, line, bytes, &answer);
    ai_function_lend(f, &base);
    base.timeout_ns = (uint64_t)f->settings.timeout_ms * 1000000u;
    base.id = ai_json_string(json, "activation_id");
    if (json)
        ai_activation_answer(w, &base, json, &answer);
    ai_log_entry entry = {.id = base.id,
                          .method = "RUN",
                          .path = ai_json_string(json, "action_name"),
                          .bytes_in = bytes,
                          .answer = &answer};
    const char *text = answer.body ? answer.body : "{\"error\":\"no memory for the answer\"}";
    entry.bytes_out = strlen(text);
    entry.model = ai_worker_used(w);
    entry.ns = ai_now() - begin;
    ai_log_request(f, &entry); /* first: at the answer the proxy ends the activation's log */
    bool is_written = write_line(text, entry.bytes_out) && write_line("\n", 1);
    ai_answer_clear(&answer);
    json_decref(json);
    return is_written;
}

static int run(ai_function *f)
{
    ai_worker *w;
    ai_error err;
    size_t bytes;
    const char *line;
    lines l = {.most = f->settings.most_bytes};
    bool is_awaited = getenv("__OW_WAIT_FOR_ACK") != NULL;
    fcntl(ANSWERS, F_SETFD, FD_CLOEXEC);
    if (ai_worker_open(&w, f, &err) != AI_OK) {
        ai_log("ERROR", "%s", err.message);
        if (is_awaited)
            write_line("{\"ok\":false}\n", 13);
        return 1;
    }
    bool is_heard = !is_awaited || write_line("{\"ok\":true}\n", 12);
    while (is_heard && (line = next_line(&l, &bytes)))
        is_heard = turn(w, f, &l, line, bytes);
    ai_worker_close(w);
    free(l.data);
    return is_heard ? 0 : 1;
}

static bool detect(void)
{
    return (getenv("__OW_PROXY_VERSION") || getenv("__OW_EXECUTION_ENV")) &&
           fcntl(ANSWERS, F_GETFD) >= 0;
}

const ai_platform ai_platform_actionloop = {
    .name = "actionloop",
    .about = "Apache OpenWhisk, ActionLoop: stdin and fd 3 (__OW_PROXY_VERSION)",
    .detect = detect,
    .run = run,
};
