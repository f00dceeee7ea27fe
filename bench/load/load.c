/* SPDX-License-Identifier: Apache-2.0
 * Sends requests at given times over kept connections, whether or not the answers keep up.
 *
 * usage: load PORT PATH TYPE CONNECTIONS HEAD [BODY ANSWER]... < TIMES > RESULTS
 *
 * TIMES: microseconds from the begin, one a line, rising; all zero with one connection asks one
 * after the other. Request i sends BODY i mod their count to 127.0.0.1, HEAD of its bytes are said
 * by Inference-Header-Content-Length (0: none), and 200 is right with the bytes of ANSWER. RESULTS,
 * one a line: due, sent and answered in microseconds, status (0: none came), 1 if it is right. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_SECONDS = 30, MOST_WRITE = 1 << 20 };

typedef struct text {
    const char *data;
    size_t bytes;
} text;

typedef struct ask {
    double due, sent, done; /* us */
    int status;
    bool is_right;
} ask;

typedef struct load load;

typedef struct line { /* a connection, free or with one request */
    load *load;
    struct evhttp_connection *http;
    ask *ask;
    struct line *next; /* free */
} line;

struct load {
    struct event_base *base;
    struct event *timer;
    const char *path, *type, *head;
    text *bodies; /* body, answer, body, ... */
    size_t pairs, count, due, sent, done;
    ask *asks;
    line *free;
    uint64_t begin_ns;
};

static double now_us(const load *l)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - l->begin_ns) / 1e3;
}

static void send_due(load *l);

static bool is_right(load *l, const ask *a, struct evbuffer *in)
{
    const text *want = &l->bodies[2 * ((size_t)(a - l->asks) % l->pairs) + 1];
    return evbuffer_get_length(in) == want->bytes &&
           (!want->bytes || memcmp(evbuffer_pullup(in, -1), want->data, want->bytes) == 0);
}

static void on_answer(struct evhttp_request *http, void *user)
{
    line *c = user;
    load *l = c->load;
    ask *a = c->ask;
    a->done = now_us(l);
    a->status = http ? evhttp_request_get_response_code(http) : 0;
    a->is_right = a->status == 200 && is_right(l, a, evhttp_request_get_input_buffer(http));
    c->next = l->free;
    l->free = c;
    if (++l->done == l->count)
        event_base_loopbreak(l->base);
    else
        send_due(l);
}

static bool send_one(load *l, line *c)
{
    struct evhttp_request *http = evhttp_request_new(on_answer, c);
    if (!http)
        return false;
    c->ask = &l->asks[l->sent];
    const text *body = &l->bodies[2 * (l->sent % l->pairs)];
    struct evkeyvalq *headers = evhttp_request_get_output_headers(http);
    evhttp_add_header(headers, "Host", "127.0.0.1");
    evhttp_add_header(headers, "Content-Type", l->type);
    if (strcmp(l->head, "0") != 0)
        evhttp_add_header(headers, "Inference-Header-Content-Length", l->head);
    evbuffer_add_reference(evhttp_request_get_output_buffer(http), body->data, body->bytes, NULL,
                           NULL);
    l->sent++;
    c->ask->sent = now_us(l);
    return evhttp_make_request(c->http, http, EVHTTP_REQ_POST, l->path) == 0;
}

/* What finds no free connection waits, its time runs. */
static void send_due(load *l)
{
    double now = now_us(l);
    while (l->due < l->count && l->asks[l->due].due <= now)
        l->due++;
    while (l->sent < l->due && l->free) {
        line *c = l->free;
        l->free = c->next;
        if (!send_one(l, c)) {
            fputs("load: no memory for a request\n", stderr);
            exit(1);
        }
    }
    if (l->due < l->count && !evtimer_pending(l->timer, NULL)) {
        double wait = l->asks[l->due].due - now;
        struct timeval t = {(time_t)(wait / 1e6), (suseconds_t)((long)wait % 1000000)};
        evtimer_add(l->timer, &t);
    }
}

static void on_time(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    send_due(user);
}

static bool map(const char *path, text *t)
{
    struct stat facts;
    int fd = open(path, O_RDONLY);
    bool is_there = fd >= 0 && fstat(fd, &facts) == 0;
    t->bytes = is_there ? (size_t)facts.st_size : 0;
    t->data = t->bytes ? mmap(NULL, t->bytes, PROT_READ, MAP_PRIVATE, fd, 0) : "";
    if (fd >= 0)
        close(fd);
    if (!is_there || t->data == MAP_FAILED)
        fprintf(stderr, "load: %s: cannot be read\n", path);
    return is_there && t->data != MAP_FAILED;
}

static bool read_times(load *l)
{
    size_t room = 0;
    double due;
    while (scanf("%lf", &due) == 1) {
        if (l->count == room) {
            room = room ? 2 * room : 4096;
            ask *more = realloc(l->asks, room * sizeof *more);
            if (!more)
                return false;
            l->asks = more;
        }
        l->asks[l->count++] = (ask){.due = due};
    }
    return l->count > 0;
}

static bool open_lines(load *l, int port, int count)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    l->timer = l->base ? evtimer_new(l->base, on_time, l) : NULL;
    line *lines = calloc((size_t)count, sizeof *lines);
    if (!l->timer || !lines)
        return false;
    for (line *c = lines; c < lines + count; c++) {
        c->load = l;
        c->http = evhttp_connection_base_new(l->base, NULL, "127.0.0.1", (unsigned short)port);
        if (!c->http)
            return false;
        evhttp_connection_set_timeout(c->http, TIMEOUT_SECONDS);
        bufferevent_set_max_single_write(evhttp_connection_get_bufferevent(c->http), MOST_WRITE);
        c->next = l->free;
        l->free = c;
    }
    return true;
}

int main(int argc, char **argv)
{
    load l = {0};
    if (argc < 8 || argc % 2 || atoi(argv[1]) < 1 || atoi(argv[4]) < 1) {
        fputs("usage: load PORT PATH TYPE CONNECTIONS HEAD [BODY ANSWER]... < TIMES\n", stderr);
        return 2;
    }
    l.path = argv[2];
    l.type = argv[3];
    l.head = argv[5];
    l.pairs = (size_t)(argc - 6) / 2;
    l.bodies = calloc(2 * l.pairs, sizeof *l.bodies);
    for (size_t i = 0; l.bodies && i < 2 * l.pairs; i++)
        if (!map(argv[6 + i], &l.bodies[i]))
            return 1;
    if (!l.bodies || !read_times(&l) || !open_lines(&l, atoi(argv[1]), atoi(argv[4]))) {
        fputs("load: no times, or no memory\n", stderr);
        return 1;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    l.begin_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    send_due(&l);
    event_base_dispatch(l.base);
    for (const ask *a = l.asks; a < l.asks + l.count; a++)
        printf("%.0f %.0f %.0f %d %d\n", a->due, a->sent, a->done, a->status, a->is_right);
    return 0; /* connections end with the process */
}
