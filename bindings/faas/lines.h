/* SPDX-License-Identifier: Apache-2.0
 * How many connections the server takes. */
#ifndef AI_FAAS_LINES_H
#define AI_FAAS_LINES_H

#include <event2/http.h>
#include <event2/listener.h>
#include <stdbool.h>

typedef struct ai_lines {
    struct event *pause; /* until it is looked again whether there is a place */
    struct evconnlistener *listener;
} ai_lines;

/* Bounds what evhttp accepts from this socket: beyond, callers wait in the system's backlog. */
bool ai_lines_watch(ai_lines *lines, struct evhttp *evhttp, struct evhttp_bound_socket *bound);
/* Before the socket or its event_base goes. */
void ai_lines_end(ai_lines *lines);

#endif
