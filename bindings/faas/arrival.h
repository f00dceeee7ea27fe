/* SPDX-License-Identifier: Apache-2.0
 * Requests on their way in, one a connection. */
#ifndef AI_FAAS_ARRIVAL_H
#define AI_FAAS_ARRIVAL_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdint.h>

enum { AI_MOST_LINES = 1000 }; /* connections at once */
enum { AI_MOST_BODIES = 8 };   /* of the greatest length, on their way in and waiting */

typedef struct ai_arrivals {
    uint32_t longest_ms; /* from a request's first byte to its last */
    /* Writes a whole answer in the platform's words. line: the request's first, as far as known. */
    void (*refuse)(void *user, uint32_t status, const char *line, struct evbuffer *out);
    void *user;
    uint64_t most; /* bytes of all requests, */
    uint64_t held; /* of which so many have arrived and wait for their answers */
    struct event *watch;
} ai_arrivals;

bool ai_arrivals_open(ai_arrivals *arrivals, struct event_base *base);
void ai_arrivals_close(ai_arrivals *arrivals);
/* A connection for evhttp; NULL: no memory. */
struct bufferevent *ai_arrivals_line(struct event_base *base);
/* The request is whole. */
void ai_arrivals_end(struct evhttp_request *http);
/* How much of a body follows a head that came whole. So much is read at once, into one piece; what
 * the length is worth is evhttp's to say. */
uint64_t ai_arrival_left(const char *data, size_t bytes);
/* Whether its headers leave no doubt about where its body ended. */
bool ai_arrival_is_clear(struct evhttp_request *http);

#endif
