/* SPDX-License-Identifier: Apache-2.0
 * The HTTP server: one thread for sockets, which answers health and metrics at once; all else goes
 * through the queue to the workers. */
#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "arrival.h"
#include "exchange.h"
#include "lines.h"
#include "queue.h"

enum {
    IDLE_SECONDS = 60,
    DRAIN_SECONDS = 8,
    BACKLOG = 1024,
    MOST_HEADERS = 64 << 10,
    MOST_PORT = 65535
};

typedef struct ai_server {
    ai_function *function;
    const ai_http *http;
    struct event_base *base;
    struct evhttp *evhttp;
    struct evhttp_bound_socket *bound;
    ai_lines lines;
    ai_arrivals arrivals;
    struct event *news;    /* of the eventfd */
    struct event *ends[3]; /* signals, and the end of draining */
    ai_queue *queue;
    int wake;
    uint32_t jobs;    /* begun, not yet answered */
    uint32_t replies; /* answered, not yet sent */
    pthread_mutex_t lock;
    ai_job *listed; /* with pieces, or done */
} ai_server;

/* ---- On a worker's thread ---- */

/* Under the lock: the server's thread shall look at the job. */
static bool list(ai_job *job)
{
    if (job->is_listed)
        return false;
    job->is_listed = true;
    job->next = job->server->listed;
    job->server->listed = job;
    return true;
}

static void wake(const ai_server *s)
{
    uint64_t one = 1;
    ssize_t written = write(s->wake, &one, sizeof one);
    (void)written; /* a full counter wakes as well */
}

static int32_t write_piece(void *user, const ai_answer *answer, const void *data, size_t bytes)
{
    ai_job *job = user;
    pthread_mutex_lock(&job->server->lock);
    if (!job->stream_status) {
        job->stream_status = answer->status;
        job->stream_type = answer->type;
    }
    bool is_lost = evbuffer_add(job->pieces, data, bytes) != 0;
    bool is_new = list(job);
    pthread_mutex_unlock(&job->server->lock);
    if (is_new)
        wake(job->server);
    return is_lost || atomic_load(&job->is_gone);
}

static bool has_time(ai_job *job)
{
    ai_exchange *x = &job->x;
    uint64_t now = ai_now();
    if (!x->end_ns)
        return true;
    x->request.timeout_ns = x->end_ns > now ? x->end_ns - now : 0;
    if (x->request.timeout_ns)
        return true;
    ai_exchange_fail(x, 504, "Function.Timeout", "the request's %u ms were over before its turn",
                     x->function->settings.timeout_ms);
    return false;
}

static void work(ai_worker *w, void *user)
{
    ai_job *job = user;
    ai_server *s = job->server;
    job->x.request.write = write_piece;
    job->x.request.write_user = job;
    if (!atomic_load(&job->is_gone) && has_time(job)) {
        job->route->answer(w, &job->x);
        snprintf(job->x.used, sizeof job->x.used, "%s", ai_worker_used(w));
    }
    pthread_mutex_lock(&s->lock);
    job->is_done = true;
    bool is_new = list(job);
    pthread_mutex_unlock(&s->lock);
    if (is_new)
        wake(s);
}

/* ---- On the server's thread ---- */

static void on_gone(struct evhttp_connection *connection, void *user)
{
    ai_job *job = user;
    (void)connection;
    if (!evhttp_request_get_connection(job->http)) /* evhttp leaves it to us, else it frees it */
        evhttp_request_free(job->http);
    job->http = NULL;
    atomic_store(&job->is_gone, true);
}

static void end_if_drained(ai_server *s)
{
    if (s->function->is_draining && !s->jobs && !s->replies)
        event_base_loopbreak(s->base);
}

static void on_cut(struct evhttp_connection *connection, void *user)
{
    ai_server *s = user;
    (void)connection;
    s->replies--;
    end_if_drained(s);
}

static void on_sent(struct evhttp_request *http, void *user)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), NULL, NULL);
    on_cut(NULL, user);
}

/* From here on the connection is evhttp's again. */
static void leave(ai_job *job)
{
    job->server->replies++;
    evhttp_connection_set_closecb(evhttp_request_get_connection(job->http), on_cut, job->server);
    evhttp_request_set_on_complete_cb(job->http, on_sent, job->server);
}

static void note(ai_job *job, size_t bytes_out)
{
    ai_exchange *x = &job->x;
    ai_log_entry entry = {
        x->request.id, x->request.method,      x->path,   x->used, x->request.bytes,
        bytes_out,     ai_now() - x->begin_ns, &x->answer};
    if (!(job->route && job->route->flags & AI_ROUTE_UNLOGGED) && !x->is_unlogged)
        ai_log_request(x->function, &entry);
}

static size_t body_bytes(const ai_job *job)
{
    return job->body ? evbuffer_get_length(job->body) : 0;
}

static void finish(ai_job *job)
{
    ai_server *s = job->server;
    if (s->http->dress && !job->is_streaming)
        s->http->dress(&job->x);
    size_t bytes_out = job->x.answer.bytes;
    s->arrivals.held -= body_bytes(job);
    if (job->http) {
        leave(job);
        if (job->is_streaming)
            evhttp_send_reply_end(job->http);
        else
            ai_job_reply(job);
    } else if (!job->x.answer.status) {
        ai_exchange_fail(&job->x, 499, "Function.CallerGone", "the caller has gone");
    }
    note(job, bytes_out);
    if (s->http->after)
        s->http->after(&job->x);
    ai_job_close(job);
    s->jobs--;
    end_if_drained(s);
}

static void send_pieces(ai_job *job, struct evbuffer *pieces)
{
    if (!job->http || !evbuffer_get_length(pieces))
        return;
    if (!job->is_streaming) {
        ai_job_reply_start(job);
        job->is_streaming = true;
    }
    evhttp_send_reply_chunk(job->http, pieces);
}

static void on_news(evutil_socket_t fd, short what, void *user)
{
    ai_server *s = user;
    uint64_t count;
    (void)what;
    ssize_t taken = read(fd, &count, sizeof count);
    (void)taken;
    pthread_mutex_lock(&s->lock);
    ai_job *job = s->listed;
    s->listed = NULL;
    pthread_mutex_unlock(&s->lock);
    struct evbuffer *pieces = evbuffer_new();
    while (job && pieces) {
        pthread_mutex_lock(&s->lock);
        ai_job *next = job->next;
        bool is_done = job->is_done;
        evbuffer_add_buffer(pieces, job->pieces);
        job->is_listed = false;
        pthread_mutex_unlock(&s->lock);
        send_pieces(job, pieces);
        evbuffer_drain(pieces, evbuffer_get_length(pieces));
        if (is_done)
            finish(job);
        job = next;
    }
    if (pieces)
        evbuffer_free(pieces);
}

static void refuse(ai_job *job)
{
    ai_exchange_reply(&job->x, "Retry-After", "1");
    ai_exchange_fail(&job->x, 429, "Function.Busy", "%u requests are waiting, more are not taken",
                     job->x.function->settings.queue);
}

/* Whether it can be answered now. */
static bool answer_at_once(ai_server *s, ai_job *job)
{
    ai_exchange *x = &job->x;
    uint32_t status;
    const char *allow;
    const char *coding = ai_exchange_header(x, "content-encoding");
    if (x->answer.status)
        return true; /* its body had no room */
    job->route = ai_route_find(s->http, x->request.method, x->path, &x->rest, &status, &allow);
    if (!job->route) {
        if (allow)
            ai_exchange_reply(x, "Allow", allow);
        ai_exchange_fail(
            x, status, status == 405 ? "Function.MethodNotAllowed" : "Function.NotFound",
            status == 405 ? "method %.20s is not for '%.150s'" : "nothing answers %.20s '%.150s'",
            x->request.method, x->path);
    } else if (coding && strcasecmp(coding, "identity") != 0) {
        ai_exchange_fail(x, 415, "Function.TypeNotRead",
                         "body has content encoding '%.40s', none is read", coding);
    } else if (job->route->flags & AI_ROUTE_AT_ONCE) {
        job->route->answer(NULL, x);
    } else {
        return false;
    }
    return true;
}

static void on_request(struct evhttp_request *http, void *user)
{
    ai_server *s = user;
    uint32_t status;
    ai_arrivals_end(http);
    ai_job *job = ai_job_open(http, s->function, &status);
    if (!job) {
        evhttp_send_error(http, (int)status, NULL);
        return;
    }
    s->jobs++;
    s->arrivals.held += body_bytes(job);
    job->server = s;
    if (s->http->before)
        s->http->before(&job->x);
    if (answer_at_once(s, job)) {
        finish(job);
        return;
    }
    evhttp_connection_set_closecb(evhttp_request_get_connection(http), on_gone, job);
    if (!ai_queue_put(s->queue, job)) {
        refuse(job);
        finish(job);
    }
}

/* A request that came to no exchange: cut, or none of HTTP's. */
static void refuse_arrival(void *user, uint32_t status, const char *line, struct evbuffer *out)
{
    ai_server *s = user;
    ai_job *job = ai_job_refuse(s->function, status, line);
    if (!job)
        return;
    if (s->http->dress)
        s->http->dress(&job->x);
    ai_job_print(job, out);
    note(job, job->x.answer.bytes);
    ai_job_close(job);
}

/* ---- Beginning and end ---- */

static void on_drained(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((ai_server *)user)->base);
}

static void on_signal(evutil_socket_t fd, short what, void *user)
{
    ai_server *s = user;
    struct timeval longest = {DRAIN_SECONDS, 0};
    (void)fd;
    (void)what;
    if (s->function->is_draining)
        return;
    s->function->is_draining = true;
    ai_lines_end(&s->lines);
    evhttp_del_accept_socket(s->evhttp, s->bound);
    evtimer_add(s->ends[2], &longest);
    end_if_drained(s);
}

/* Where the port lies in a socket's address. */
static uint16_t *port_of(struct sockaddr_storage *at)
{
    return at->ss_family == AF_INET6 ? &((struct sockaddr_in6 *)at)->sin6_port
                                     : &((struct sockaddr_in *)at)->sin_port;
}

static bool listen_at(ai_server *s, const char *address, uint32_t port)
{
    struct sockaddr_storage at = {0};
    int bytes = sizeof at;
    socklen_t bound_bytes = sizeof at;
    int yes = 1;
    if (port > MOST_PORT)
        return false; /* said where it was read */
    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&at, &bytes) != 0) {
        ai_log("ERROR", "address is '%.80s', needed is an IP address to listen at", address);
        return false;
    }
    *port_of(&at) = htons((uint16_t)port);
    struct evconnlistener *listener = evconnlistener_new_bind(
        s->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
        BACKLOG, (struct sockaddr *)&at, bytes);
    if (!listener) {
        ai_log("ERROR", "cannot listen at %.80s, port %u: %s", address, port, strerror(errno));
        return false;
    }
    /* Accepted sockets inherit it: a streamed character waits for nobody. */
    setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    s->bound = evhttp_bind_listener(s->evhttp, listener);
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&at, &bound_bytes);
    uint32_t count = ai_models_count(s->function->models);
    ai_log("INFO", "serves %u model%s at %.80s, port %u", count, count == 1 ? "" : "s", address,
           ntohs(*port_of(&at)));
    return s->bound && ai_lines_watch(&s->lines, s->evhttp, s->bound);
}

static bool open_events(ai_server *s)
{
    s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    s->base = event_base_new();
    s->evhttp = s->base ? evhttp_new(s->base) : NULL;
    if (s->wake < 0 || !s->evhttp)
        return false;
    s->news = event_new(s->base, s->wake, EV_READ | EV_PERSIST, on_news, s);
    s->ends[0] = evsignal_new(s->base, SIGTERM, on_signal, s);
    s->ends[1] = evsignal_new(s->base, SIGINT, on_signal, s);
    s->ends[2] = evtimer_new(s->base, on_drained, s);
    if (!s->news || !s->ends[0] || !s->ends[1] || !s->ends[2])
        return false;
    evhttp_set_gencb(s->evhttp, on_request, s);
    evhttp_set_timeout(s->evhttp, (int)(s->http->idle_s ? s->http->idle_s : IDLE_SECONDS));
    evhttp_set_max_headers_size(s->evhttp, MOST_HEADERS);
    evhttp_set_max_body_size(s->evhttp, (ev_ssize_t)s->function->settings.most_bytes);
    evhttp_set_allowed_methods(s->evhttp, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                              EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    s->arrivals =
        (ai_arrivals){.longest_ms = s->function->settings.arrival_ms,
                      .refuse = refuse_arrival,
                      .user = s,
                      .most = AI_MOST_BODIES * (uint64_t)s->function->settings.most_bytes};
    return ai_arrivals_open(&s->arrivals, s->base) && event_add(s->news, NULL) == 0 &&
           evsignal_add(s->ends[0], NULL) == 0 && evsignal_add(s->ends[1], NULL) == 0;
}

static void close_server(ai_server *s)
{
    ai_queue_close(s->queue);
    ai_lines_end(&s->lines);
    if (s->evhttp)
        evhttp_free(s->evhttp);
    ai_arrivals_close(&s->arrivals);
    if (s->news)
        event_free(s->news);
    for (int i = 0; i < 3; i++)
        if (s->ends[i])
            event_free(s->ends[i]);
    if (s->base)
        event_base_free(s->base);
    if (s->wake >= 0)
        close(s->wake);
    pthread_mutex_destroy(&s->lock);
}

uint32_t ai_environment_number(const char *variable, uint32_t other)
{
    const char *text = getenv(variable);
    if (!text || !*text)
        return other;
    bool is_number = strlen(text) <= 9 && strspn(text, "0123456789") == strlen(text);
    return is_number ? (uint32_t)strtoul(text, NULL, 10) : UINT32_MAX;
}

uint32_t ai_environment_port(const char *variable, uint32_t other)
{
    uint32_t port = ai_environment_number(variable, other);
    if (port > MOST_PORT && port != other)
        ai_log("ERROR", "%s is '%.40s', needed is a number from 0 to %d", variable,
               getenv(variable), MOST_PORT);
    return port;
}

int ai_http_serve(ai_function *f, const ai_http *http)
{
    ai_server s = {.function = f, .http = http, .wake = -1};
    ai_error err;
    int status = 1;
    const char *address = f->settings.address ? f->settings.address : http->address;
    pthread_mutex_init(&s.lock, NULL);
    if (!open_events(&s))
        ai_log("ERROR", "no memory for the server");
    else if (ai_queue_open(&s.queue, f, work, &err) != AI_OK)
        ai_log("ERROR", "%s", err.message);
    else if (listen_at(&s, address,
                       f->settings.port >= 0 ? (uint32_t)f->settings.port : http->port)) {
        event_base_dispatch(s.base);
        status = s.jobs ? 1 : 0;
    }
    close_server(&s);
    return status;
}
