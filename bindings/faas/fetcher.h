/* SPDX-License-Identifier: Apache-2.0
 * Jobs for ai-fetch, each by a process that is kept for the next one. */
#ifndef AI_FETCHER_H
#define AI_FETCHER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ai_fetcher ai_fetcher;

enum { AI_ETAG_BYTES = 128 };

typedef struct ai_fetch_job {
    const char *line; /* with its newline */
    const void *body; /* behind the line */
    size_t body_bytes;
    size_t most;                   /* bytes of the answer */
    uint64_t end_ns;               /* of ai_now */
    const atomic_bool *is_stopped; /* set by ai_fetcher_run */
} ai_fetch_job;

typedef struct ai_fetch_reply {
    uint32_t status; /* 0: ai-fetch ended or broke the protocol */
    char *data;      /* to be freed */
    size_t bytes;
    char etag[AI_ETAG_BYTES];
    char message[224]; /* empty: it went well */
} ai_fetch_reply;

/* NULL: ai-fetch is not here, or no memory. Any thread may use it. */
ai_fetcher *ai_fetcher_open(void);
void ai_fetcher_close(ai_fetcher *fetcher);
/* Ends the processes that wait for work. */
void ai_fetcher_rest(ai_fetcher *fetcher);
/* What is under way ends in a tenth of a second. */
void ai_fetcher_stop(ai_fetcher *fetcher);
bool ai_fetcher_is_stopped(const ai_fetcher *fetcher);
/* By a kept process, or by a new one if that has died meanwhile. */
void ai_fetcher_run(ai_fetcher *fetcher, ai_fetch_reply *reply, ai_fetch_job *job);

#endif
