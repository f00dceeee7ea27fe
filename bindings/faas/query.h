/* SPDX-License-Identifier: Apache-2.0
 * A query's text as pairs, for platforms that do not hand over an HTTP request as it is. */
#ifndef AI_FAAS_QUERY_H
#define AI_FAAS_QUERY_H

#include <event2/keyvalq_struct.h>

#include "faas.h"

typedef struct ai_query {
    struct evkeyvalq list;
    ai_pair *pairs;
    size_t count;
} ai_query;

/* text: without the '?'; NULL: none. room: pairs that the caller adds behind. What is no query
 * counts as none. false: no memory. Close it in any case. */
bool ai_query_open(ai_query *q, const char *text, size_t room);
void ai_query_close(ai_query *q);

#endif
