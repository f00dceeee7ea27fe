/* SPDX-License-Identifier: Apache-2.0
 * OpenFaaS's of-watchdog in its modes `streaming` and `serializing`, and what works alike: a
 * process a request, its body on stdin, its headers in the environment, its answer on stdout. In
 * the mode `http` it is a server as any other: plain.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "query.h"

extern char **environ;

enum { CHUNK = 64 << 10 };

#define HEADER "Http_"

typedef struct call {
    ai_request request;
    ai_query query;
    char *names; /* of the headers */
    char *body;
    int out; /* the answer's: stdout itself is the log's, on stderr */
} call;

/* ---- The request ---- */

/* Http_Content_Type=image/png: what else begins so is a header to nobody. */
static bool read_headers(call *c)
{
    size_t count = 0;
    size_t bytes = 1;
    for (char **e = environ; *e; e++)
        if (strncmp(*e, HEADER, sizeof HEADER - 1) == 0) {
            count++;
            bytes += strlen(*e);
        }
    ai_pair *pairs = malloc((count + 1) * sizeof *pairs);
    c->names = malloc(bytes);
    c->request.headers = pairs;
    if (!pairs || !c->names)
        return false;
    char *at = c->names;
    for (char **e = environ; *e; e++) {
        const char *value = strchr(*e, '=');
        if (strncmp(*e, HEADER, sizeof HEADER - 1) != 0 || !value)
            continue;
        pairs[c->request.header_count++] = (ai_pair){at, value + 1};
        for (const char *name = *e + sizeof HEADER - 1; name < value; name++)
            *at++ = *name == '_' ? '-' : *name;
        *at++ = 0;
    }
    return true;
}

/* Reads until the end, or one byte beyond the most. */
static bool read_body(call *c, size_t most)
{
    size_t room = 0;
    for (;;) {
        if (room - c->request.bytes < CHUNK) {
            char *more = realloc(c->body, room * 2 + CHUNK);
            if (!more)
                return false;
            c->body = more;
            room = room * 2 + CHUNK;
        }
        ssize_t got = read(STDIN_FILENO, c->body + c->request.bytes, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        c->request.bytes += got > 0 ? (size_t)got : 0;
        if (got <= 0 || c->request.bytes > most)
            break;
    }
    c->request.body = c->body;
    return true;
}

static void take_facts(call *c, const ai_function *f)
{
    ai_request *r = &c->request;
    for (size_t i = 0; i < r->header_count; i++) {
        const char *name = r->headers[i].name;
        const char **place = strcasecmp(name, "content-type") == 0 ? &r->type
                             : strcasecmp(name, "accept") == 0     ? &r->accept
                             : strcasecmp(name, "x-call-id") == 0  ? &r->id
                                                                   : NULL;
        if (place)
            *place = r->headers[i].value;
    }
    r->method = getenv("Http_Method");
    r->method = r->method ? r->method : "POST";
    r->query = c->query.pairs;
    r->query_count = c->query.count;
    r->timeout_ns = (uint64_t)f->settings.timeout_ms * 1000000u;
    ai_function_lend(f, r);
}

/* ---- The answer ---- */

static int32_t write_piece(void *user, const ai_answer *answer, const void *data, size_t bytes)
{
    const call *c = user;
    const char *at = data;
    (void)answer;
    while (bytes) {
        ssize_t written = write(c->out, at, bytes);
        if (written < 0 && errno != EINTR)
            return 1;
        at += written > 0 ? written : 0;
        bytes -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static void answer_request(ai_worker *w, ai_function *f, call *c, ai_answer *answer)
{
    ai_error err = {AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "no memory for the request"};
    size_t most = f->settings.most_bytes;
    if (!read_headers(c) || !ai_query_open(&c->query, getenv("Http_Query"), 0) ||
        !read_body(c, most)) {
        ai_answer_fail(answer, 0, NULL, &err);
        return;
    }
    take_facts(c, f);
    c->request.write = write_piece;
    c->request.write_user = c;
    if (c->request.bytes > most) {
        err.code = AI_E_VALUE;
        snprintf(err.message, sizeof err.message, "body has more than the %zu bytes taken", most);
        ai_answer_fail(answer, 413, "Function.TooLarge", &err);
    } else {
        ai_worker_answer(w, ai_request_model(&c->request), &c->request, answer);
    }
}

static int serve_one(ai_worker *w, ai_function *f, int out)
{
    call c = {.request = AI_REQUEST_INIT, .out = out};
    ai_answer answer = {.size = sizeof answer};
    uint64_t begin = ai_now();
    c.query.list = (struct evkeyvalq){NULL, &c.query.list.tqh_first};
    answer_request(w, f, &c, &answer);
    bool is_written = write_piece(&c, &answer, answer.body, answer.bytes) == 0;
    ai_log_entry entry = {c.request.id,    c.request.method, getenv("Http_Path"), ai_worker_used(w),
                          c.request.bytes, answer.bytes,     ai_now() - begin,    &answer};
    ai_log_request(f, &entry);
    int status = answer.fault || !is_written;
    ai_answer_clear(&answer);
    ai_query_close(&c.query);
    free((void *)c.request.headers);
    free(c.names);
    free(c.body);
    return status;
}

static int run(ai_function *f)
{
    ai_worker *w;
    ai_error err;
    int out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        ai_log("ERROR", "stdout or stderr is closed");
        return 1;
    }
    if (ai_worker_open(&w, f, &err) != AI_OK) {
        ai_log("ERROR", "%s", err.message);
        return 1;
    }
    int status = serve_one(w, f, out);
    ai_worker_close(w);
    close(out);
    return status;
}

static bool detect(void)
{
    return getenv("Http_Method") != NULL;
}

const ai_platform ai_platform_openfaas = {
    .name = "openfaas",
    .about = "OpenFaaS's of-watchdog, a process a request: stdin, stdout (Http_Method)",
    .detect = detect,
    .run = run,
};
