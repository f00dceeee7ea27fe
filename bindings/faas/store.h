/* SPDX-License-Identifier: Apache-2.0
 * Object stores and databases, through ai-fetch. */
#ifndef AI_STORE_H
#define AI_STORE_H

#include "faas.h"
#include "fetcher.h"

typedef struct ai_store ai_store;

/* NULL: ai-fetch is not here, or no memory. results: s3://BUCKET/PREFIX, oss://BUCKET/PREFIX or a
 * database's URL; NULL: answers to events are not stored. Any thread may use it. */
ai_store *ai_store_open(const char *results);
void ai_store_close(ai_store *store);
/* Ends the processes that wait for work; the next object starts another. */
void ai_store_rest(ai_store *store);
/* What is under way ends with AI_E_STOPPED, in a tenth of a second. */
void ai_store_stop(ai_store *store);

/* As ai_fetch_fn and ai_store_fn; user: the ai_store. */
ai_status ai_store_fetch(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                         void **data, size_t *bytes, uint32_t *status, ai_error *err);
ai_status ai_store_result(void *user, const ai_object *object, const char *answer, size_t bytes,
                          uint64_t timeout_ns, uint32_t *status, ai_error *err);

/* The same with the credentials for Alibaba's store that came with a request; user: an
 * ai_store_caller. A key that is NULL or empty: the environment's. */
typedef struct ai_store_caller {
    ai_store *store;
    const char *key;
    const char *secret;
    const char *token; /* NULL: none */
} ai_store_caller;
ai_status ai_store_fetch_as(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                            void **data, size_t *bytes, uint32_t *status, ai_error *err);
ai_status ai_store_result_as(void *user, const ai_object *object, const char *answer, size_t bytes,
                             uint64_t timeout_ns, uint32_t *status, ai_error *err);

/* Fetches what the URL has if its ETag is another one, and puts that one in `etag`, empty at first;
 * *data stays NULL if it is the same. */
ai_status ai_store_fetch_newer(ai_store *store, const char *url, char etag[AI_ETAG_BYTES],
                               size_t most, void **data, size_t *bytes, ai_error *err);

#endif
