/* SPDX-License-Identifier: Apache-2.0
 * A client of an API that hands out requests over HTTP: one kept connection, one call at a time. */
#include "runtime_api.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The instance may be frozen inside of a call: no clock may end it. */
enum { LONGEST_SECONDS = 365 * 24 * 3600, UPLOAD_SECONDS = 30 };

struct ai_api {
    struct event_base *base;
    struct evhttp_uri *uri;
    struct evhttp_connection *connection;
    struct evhttp_request *last; /* ours: headers and body lie in it */
    bool is_over;
};

/* ---- Opening ---- */

ai_api *ai_api_open(const char *place)
{
    char text[1024];
    snprintf(text, sizeof text, "%s%s", strstr(place, "://") ? "" : "http://", place);
    ai_api *api = calloc(1, sizeof *api);
    if (!api)
        return NULL;
    api->uri = evhttp_uri_parse(text);
    const char *host = api->uri ? evhttp_uri_get_host(api->uri) : NULL;
    int port = api->uri ? evhttp_uri_get_port(api->uri) : -1;
    api->base = host && *host ? event_base_new() : NULL;
    if (api->base)
        api->connection =
            evhttp_connection_base_new(api->base, NULL, host, (uint16_t)(port > 0 ? port : 80));
    if (!api->connection) {
        ai_api_close(api);
        return NULL;
    }
    evhttp_connection_set_timeout(api->connection, LONGEST_SECONDS);
    return api;
}

void ai_api_close(ai_api *api)
{
    if (!api)
        return;
    if (api->last)
        evhttp_request_free(api->last);
    if (api->connection)
        evhttp_connection_free(api->connection);
    if (api->base)
        event_base_free(api->base);
    if (api->uri)
        evhttp_uri_free(api->uri);
    free(api);
}

static void full_path(const ai_api *api, const char *path, char text[1024])
{
    const char *prefix = evhttp_uri_get_path(api->uri);
    size_t bytes = prefix ? strlen(prefix) : 0;
    while (bytes && prefix[bytes - 1] == '/')
        bytes--;
    snprintf(text, 1024, "%.*s%s", (int)bytes, prefix ? prefix : "", path);
}

/* ---- Calls ---- */

static void on_reply(struct evhttp_request *request, void *user)
{
    ai_api *api = user;
    if (request && evhttp_request_get_response_code(request)) {
        evhttp_request_own(request);
        api->last = request;
    }
    api->is_over = true;
    event_base_loopbreak(api->base);
}

static void call_once(ai_api *api, const char *path, const char *const *headers, const void *body,
                      size_t bytes)
{
    struct evhttp_request *request = evhttp_request_new(on_reply, api);
    if (api->last)
        evhttp_request_free(api->last);
    api->last = NULL;
    api->is_over = false;
    if (!request)
        return;
    struct evkeyvalq *out = evhttp_request_get_output_headers(request);
    evhttp_add_header(out, "User-Agent", "libai");
    for (; headers && headers[0]; headers += 2)
        evhttp_add_header(out, headers[0], headers[1]);
    if (body)
        evbuffer_add_reference(evhttp_request_get_output_buffer(request), body, bytes, NULL, NULL);
    if (evhttp_make_request(api->connection, request, body ? EVHTTP_REQ_POST : EVHTTP_REQ_GET,
                            path) != 0)
        return;
    while (!api->is_over && event_base_dispatch(api->base) == 0)
        ;
}

ai_reply ai_api_call(ai_api *api, const char *path, const char *const *headers, const void *body,
                     size_t bytes)
{
    char text[1024];
    full_path(api, path, text);
    /* A kept connection may have been cut while the instance was frozen. */
    for (int i = 0; i < 2 && (i == 0 || !api->last); i++)
        call_once(api, text, headers, body, bytes);
    if (!api->last)
        return (ai_reply){0};
    struct evbuffer *in = evhttp_request_get_input_buffer(api->last);
    size_t length = evbuffer_get_length(in);
    return (ai_reply){evhttp_request_get_response_code(api->last),
                      length ? evbuffer_pullup(in, -1) : NULL, length};
}

const char *ai_api_header(const ai_api *api, const char *name)
{
    return api->last ? evhttp_find_header(evhttp_request_get_input_headers(api->last), name) : NULL;
}

/* ---- Uploads: evhttp's client sends no chunks and no trailers ---- */

struct ai_upload {
    ai_api *api;
    struct bufferevent *stream;
    bool is_broken;
};

static void on_event(struct bufferevent *stream, short what, void *user)
{
    ai_upload *u = user;
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) {
        u->is_broken = true;
        event_base_loopbreak(u->api->base);
    }
}

/* Enough to know the status. */
static bool has_status(const ai_upload *u)
{
    struct evbuffer *in = bufferevent_get_input(u->stream);
    return evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_CRLF).pos >= 0;
}

static void on_read(struct bufferevent *stream, void *user)
{
    ai_upload *u = user;
    (void)stream;
    if (has_status(u))
        event_base_loopbreak(u->api->base);
}

static void free_upload(ai_upload *u)
{
    if (u->stream)
        bufferevent_free(u->stream);
    free(u);
}

ai_upload *ai_upload_open(ai_api *api, const char *path, const char *const *headers)
{
    char text[1024];
    struct timeval longest = {UPLOAD_SECONDS, 0};
    const char *host = evhttp_uri_get_host(api->uri);
    int port = evhttp_uri_get_port(api->uri);
    ai_upload *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->api = api;
    u->stream = bufferevent_socket_new(api->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!u->stream || bufferevent_socket_connect_hostname(u->stream, NULL, AF_UNSPEC, host,
                                                          port > 0 ? port : 80) != 0) {
        free_upload(u);
        return NULL;
    }
    bufferevent_setcb(u->stream, on_read, NULL, on_event, u);
    bufferevent_set_timeouts(u->stream, NULL, &longest);
    bufferevent_enable(u->stream, EV_READ | EV_WRITE);
    full_path(api, path, text);
    struct evbuffer *out = bufferevent_get_output(u->stream);
    evbuffer_add_printf(out, "POST %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: libai\r\n", text, host,
                        port > 0 ? port : 80);
    for (; headers[0]; headers += 2)
        evbuffer_add_printf(out, "%s: %s\r\n", headers[0], headers[1]);
    evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n\r\n");
    return u;
}

bool ai_upload_write(ai_upload *u, const void *data, size_t bytes)
{
    struct evbuffer *out = bufferevent_get_output(u->stream);
    if (u->is_broken || !bytes)
        return !u->is_broken;
    evbuffer_add_printf(out, "%zx\r\n", bytes);
    evbuffer_add(out, data, bytes);
    evbuffer_add(out, "\r\n", 2);
    /* What the socket takes goes at once, the rest with the next piece. */
    event_base_loop(u->api->base, EVLOOP_NONBLOCK);
    return !u->is_broken;
}

int ai_upload_close(ai_upload *u, const char *const *trailers)
{
    int status = 0;
    struct timeval longest = {UPLOAD_SECONDS, 0};
    struct evbuffer *out = bufferevent_get_output(u->stream);
    evbuffer_add_printf(out, "0\r\n");
    for (; trailers && trailers[0]; trailers += 2)
        evbuffer_add_printf(out, "%s: %s\r\n", trailers[0], trailers[1]);
    evbuffer_add_printf(out, "\r\n");
    bufferevent_set_timeouts(u->stream, &longest, &longest);
    while (!u->is_broken && !has_status(u))
        event_base_dispatch(u->api->base);
    char *line = evbuffer_readln(bufferevent_get_input(u->stream), NULL, EVBUFFER_EOL_CRLF);
    if (line)
        sscanf(line, "HTTP/1.%*c %d", &status);
    free(line);
    free_upload(u);
    return status;
}
