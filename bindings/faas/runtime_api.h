/* SPDX-License-Identifier: Apache-2.0
 * A client of an API that hands out requests over HTTP: one kept connection, one call at a time. */
#ifndef AI_FAAS_RUNTIME_API_H
#define AI_FAAS_RUNTIME_API_H

#include "faas.h"

typedef struct ai_api ai_api;

/* place: HOST:PORT, or http://HOST:PORT/PREFIX. Connects at the first call. NULL: it is neither, or
 * there is no memory. */
ai_api *ai_api_open(const char *place);
void ai_api_close(ai_api *api);

typedef struct ai_reply { /* of the last call: valid until the next */
    int status;           /* 0: none came */
    const void *body;
    size_t bytes;
} ai_reply;

/* Calls `path`, GET without a body and POST with one, and waits as long as it takes. headers:
 * name, value, ..., NULL. */
ai_reply ai_api_call(ai_api *api, const char *path, const char *const *headers, const void *body,
                     size_t bytes);
/* A header of the last reply, or NULL. */
const char *ai_api_header(const ai_api *api, const char *name);

/* A POST whose body comes in pieces, on a connection of its own. */
typedef struct ai_upload ai_upload;
ai_upload *ai_upload_open(ai_api *api, const char *path, const char *const *headers);
/* false: nobody takes it any more. */
bool ai_upload_write(ai_upload *upload, const void *data, size_t bytes);
/* Ends it with these trailers (NULL: none); returns the reply's status, 0: none came. */
int ai_upload_close(ai_upload *upload, const char *const *trailers);

#endif
