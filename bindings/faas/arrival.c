/* SPDX-License-Identifier: Apache-2.0
 * Requests on their way in: read in large parts, in bounded time and memory, and refused in the
 * platform's words. libevent 2.1 has none of it: it reads 4 KiB a turn, its timeout begins anew
 * with each byte, and what is no request it answers by a page of its own. */
#include "arrival.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { LINE_BYTES = 240, PART_BYTES = 64 << 10, MOST_PART = 1 << 20, LOOKS = 8 };

typedef struct arrival {
    const struct bufferevent *line; /* whose request arrives; it may have gone. NULL: none does */
    ino_t socket;
    uint32_t looks; /* while it arrived: what is spent frozen does not count, whatever clocks say */
    uint64_t left;  /* of the body, as the head says; 0: not known */
    uint64_t bytes; /* that have come */
    bool is_cut;    /* nothing of it counts any more */
    char first[LINE_BYTES]; /* line of the request, as far as it came with the first part */
} arrival;

/* By descriptor: the process has one table of those, too. All is the server's thread's. */
static arrival arrivals[AI_MOST_LINES + 64];
enum { ROOM = sizeof arrivals / sizeof arrivals[0] };
static uint64_t come; /* bytes of all of them */
static const ai_arrivals *now;

static ino_t socket_of(int fd)
{
    struct stat facts;
    return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

/* Of a connection; NULL: its descriptor has no place. */
static arrival *find(struct bufferevent *line)
{
    evutil_socket_t fd = bufferevent_getfd(line);
    return fd >= 0 && fd < ROOM ? &arrivals[fd] : NULL;
}

static void forget(arrival *a)
{
    come -= a->bytes;
    a->bytes = 0;
    a->line = NULL;
}

static void look_again(void)
{
    uint32_t ms = now->longest_ms / LOOKS + 1;
    struct timeval pause = {ms / 1000, ms % 1000 * 1000};
    evtimer_add(now->watch, &pause);
}

/* ---- Reading ---- */

uint64_t ai_arrival_left(const char *data, size_t bytes)
{
    static const char name[] = "\r\nContent-Length:";
    const char *end = memmem(data, bytes, "\r\n\r\n", 4);
    for (const char *at = data; end && at < end; at++)
        if (*at == '\r' && strncasecmp(at, name, sizeof name - 1) == 0) {
            uint64_t length = 0;
            for (at += sizeof name - 1; *at == ' ' || *at == '\t';)
                at++;
            for (; *at >= '0' && *at <= '9'; at++) /* up to the line's end */
                length = length * 10 + (uint64_t)(*at - '0');
            size_t here = bytes - (size_t)(end + 4 - data);
            return length > here ? length - here : 0;
        }
    return 0;
}

static void begin(arrival *a, struct bufferevent *line, const char *data, size_t bytes)
{
    forget(a);
    *a = (arrival){.line = line, .socket = socket_of(bufferevent_getfd(line))};
    a->left = ai_arrival_left(data, bytes);
    for (size_t i = 0; i < bytes && i < LINE_BYTES - 1 && data[i] != '\r' && data[i] != '\n'; i++)
        a->first[i] = data[i];
    if (!evtimer_pending(now->watch, NULL))
        look_again();
}

/* What more is there, in one call in place of hundreds. */
static size_t read_on(arrival *a, struct evbuffer *in, evutil_socket_t fd)
{
    struct evbuffer_iovec space;
    uint64_t part = a->left ? a->left : PART_BYTES;
    size_t bytes = part < MOST_PART ? (size_t)part : MOST_PART;
    if (evbuffer_reserve_space(in, (ev_ssize_t)bytes, &space, 1) != 1)
        return 0;
    ssize_t got = recv(fd, space.iov_base, bytes, MSG_DONTWAIT);
    if (got <= 0)
        return 0; /* libevent's own next read finds the same */
    a->left -= a->left ? (uint64_t)got : 0;
    space.iov_len = (size_t)got;
    evbuffer_commit_space(in, &space, 1);
    return space.iov_len;
}

/* ---- Refusing ---- */

/* evhttp finds the connection's end and closes it. */
static void end(int fd, uint32_t status, const char *first)
{
    struct evbuffer *out = evbuffer_new();
    if (out) {
        now->refuse(now->user, status, first, out);
        ssize_t sent = send(fd, evbuffer_pullup(out, -1), evbuffer_get_length(out),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent; /* who does not read it has no answer */
        evbuffer_free(out);
    }
    shutdown(fd, SHUT_RDWR);
}

static void cut(arrival *a, int fd, uint32_t status)
{
    a->is_cut = true;
    come -= a->bytes;
    a->bytes = 0;
    end(fd, status, a->first);
}

static bool is_too_much(void)
{
    return come + now->held > now->most;
}

/* What callers left behind, who went within a request, counts until somebody asks. */
static void forget_gone(void)
{
    for (int i = 0; i < ROOM && is_too_much(); i++)
        if (arrivals[i].bytes && socket_of(i) != arrivals[i].socket)
            forget(&arrivals[i]);
}

/* ---- Reading, bounded ---- */

/* Runs within libevent's reading, where the buffer's end may grow. */
static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *user)
{
    static bool is_inner;
    struct evbuffer_iovec part;
    struct bufferevent *line = user;
    arrival *a = find(line);
    if (!info->n_added || is_inner || !a || (a->line == line && a->is_cut))
        return;
    if (a->line == line)
        a->left -= a->left < info->n_added ? a->left : info->n_added;
    else if (evbuffer_peek(in, -1, NULL, &part, 1) >= 1)
        begin(a, line, part.iov_base, part.iov_len);
    else
        return;
    is_inner = true;
    size_t bytes = info->n_added + read_on(a, in, bufferevent_getfd(line));
    is_inner = false;
    a->bytes += bytes;
    come += bytes;
    forget_gone();
    if (is_too_much())
        cut(a, bufferevent_getfd(line), 429);
}

void ai_arrivals_end(struct evhttp_request *http)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(http);
    arrival *a = find(evhttp_connection_get_bufferevent(connection));
    if (a)
        forget(a);
}

/* Where a body ends must be beyond doubt, or what one server takes for it is another's next
 * request: evhttp takes the first of several lengths, knows no coding but chunked, and until Debian's
 * 2.1.12-stable-8+deb12u1 takes that with a length beside it, too. */
bool ai_arrival_is_clear(struct evhttp_request *http)
{
    const char *length = NULL;
    bool is_coded = false;
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
    for (const struct evkeyval *kv = headers->tqh_first; kv; kv = kv->next.tqe_next) {
        if (strcasecmp(kv->key, "transfer-encoding") == 0) {
            if (strcasecmp(kv->value, "chunked") != 0)
                return false;
            is_coded = true;
        }
        if (strcasecmp(kv->key, "content-length") != 0)
            continue;
        if ((length && strcmp(length, kv->value) != 0) ||
            strspn(kv->value, "0123456789") != strlen(kv->value))
            return false;
        length = kv->value;
    }
    return !is_coded || !length;
}

/* ---- evhttp's own answers ---- */

/* evhttp's own pages, complete with their last part; all other answers are ours. */
static uint32_t page_status(struct evbuffer *out)
{
    static const char end[] = "</BODY></HTML>\n";
    char head[512] = "";
    size_t bytes = evbuffer_get_length(out);
    struct evbuffer_ptr at;
    if (bytes < sizeof end || bytes >= sizeof head ||
        evbuffer_ptr_set(out, &at, 0, EVBUFFER_PTR_SET) != 0 ||
        evbuffer_copyout_from(out, &at, head, bytes) != (ev_ssize_t)bytes)
        return 0;
    bool is_page = strncmp(head, "HTTP/1.", 7) == 0 &&
                   strstr(head, "\r\nContent-Type: text/html\r\n") &&
                   strcmp(head + bytes - (sizeof end - 1), end) == 0;
    return is_page ? (uint32_t)strtoul(head + 9, NULL, 10) : 0;
}

static void on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *user)
{
    if (!info->n_added)
        return;
    evbuffer_unfreeze(out, 1); /* it is but while libevent writes */
    uint32_t status = page_status(out);
    if (status) {
        arrival *a = find(user);
        bool is_known = a && a->line == user;
        evbuffer_drain(out, evbuffer_get_length(out));
        end(bufferevent_getfd(user), status, is_known ? a->first : "");
        if (is_known)
            forget(a);
    }
    evbuffer_freeze(out, 1);
}

/* ---- Bounding ---- */

static void on_watch(evutil_socket_t fd, short what, void *user)
{
    bool is_any = false;
    (void)fd;
    (void)what;
    (void)user;
    for (int i = 0; i < ROOM; i++) {
        arrival *a = &arrivals[i];
        if (a->line && ++a->looks > LOOKS) {
            if (!a->is_cut && socket_of(i) == a->socket) /* else it has gone */
                cut(a, i, 408);
            forget(a);
        }
        is_any |= a->line != NULL;
    }
    if (is_any)
        look_again();
}

/* ---- Beginning and end ---- */

struct bufferevent *ai_arrivals_line(struct event_base *base)
{
    struct bufferevent *line = bufferevent_socket_new(base, -1, 0);
    if (!line)
        return NULL;
    for (int i = 0; i < ROOM; i++)
        if (arrivals[i].line == line) /* one that has gone lay in the same place */
            forget(&arrivals[i]);
    bufferevent_set_max_single_write(line, MOST_PART);
    if (evbuffer_add_cb(bufferevent_get_input(line), on_input, line) &&
        evbuffer_add_cb(bufferevent_get_output(line), on_output, line))
        return line;
    bufferevent_free(line);
    return NULL;
}

bool ai_arrivals_open(ai_arrivals *o, struct event_base *base)
{
    now = o;
    o->watch = evtimer_new(base, on_watch, o);
    return o->watch != NULL;
}

void ai_arrivals_close(ai_arrivals *o)
{
    if (o->watch)
        event_free(o->watch);
    o->watch = NULL;
}
