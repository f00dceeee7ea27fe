/* SPDX-License-Identifier: Apache-2.0
 * A query's text as pairs. */
#include <event2/http.h>
#include <stdlib.h>

#include "query.h"

bool ai_query_open(ai_query *q, const char *text, size_t room)
{
    q->list = (struct evkeyvalq){NULL, &q->list.tqh_first};
    q->count = 0;
    if (text && *text)
        evhttp_parse_query_str(text, &q->list);
    for (const struct evkeyval *kv = q->list.tqh_first; kv; kv = kv->next.tqe_next)
        room++;
    q->pairs = malloc((room + 1) * sizeof *q->pairs);
    if (!q->pairs)
        return false;
    for (const struct evkeyval *kv = q->list.tqh_first; kv; kv = kv->next.tqe_next)
        q->pairs[q->count++] = (ai_pair){kv->key, kv->value};
    return true;
}

void ai_query_close(ai_query *q)
{
    evhttp_clear_headers(&q->list);
    free(q->pairs);
}
