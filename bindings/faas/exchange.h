/* SPDX-License-Identifier: Apache-2.0
 * An exchange as the server keeps it: everything that must outlive a caller who hangs up. */
#ifndef AI_FAAS_EXCHANGE_H
#define AI_FAAS_EXCHANGE_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdatomic.h>

#include "faas.h"

typedef struct ai_job {
    ai_exchange x; /* first: adapters see no more */
    struct ai_server *server;
    const ai_route *route;
    struct evhttp_request *http; /* NULL: the caller has gone */
    atomic_bool is_gone;
    struct evbuffer *body;
    char *text;     /* what the pairs and the path point into */
    ai_pair *pairs; /* headers, then query */
    char id[80];
    /* Under the server's lock: */
    struct ai_job *next;
    struct evbuffer *pieces; /* of a streamed answer, not yet sent */
    bool is_listed;
    bool is_done;
    uint32_t stream_status; /* the answer's, at its first piece */
    const char *stream_type;
    bool is_streaming; /* the server's thread alone: the reply's head is sent */
} ai_job;

/* Takes all from the request. NULL: *status is 400, 503, ... */
ai_job *ai_job_open(struct evhttp_request *http, ai_function *f, uint32_t *status);
void ai_job_close(ai_job *job);

/* For what came to no request; line: as far as its first line is known. NULL: no memory. */
ai_job *ai_job_refuse(ai_function *f, uint32_t status, const char *line);
/* The whole answer, after which the connection ends. */
void ai_job_print(const ai_job *job, struct evbuffer *out);

/* Sends the whole answer. */
void ai_job_reply(ai_job *job);
/* Sends the head of a streamed one. */
void ai_job_reply_start(ai_job *job);

#endif
