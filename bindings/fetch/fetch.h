/* SPDX-License-Identifier: Apache-2.0
 * ai-fetch: gets and puts objects for ai-function, in a process of its own, so that a cold start
 * does not load libcurl and what comes from the network is parsed where no model lies.
 *
 *   main.c          reads jobs from standard input, writes results to standard output
 *   place.c         a job's URL, by store, bucket, key and region
 *   sign_oss.c      Alibaba's signature; libcurl has Amazon's
 *   transfer.c      one request by libcurl, with its limits
 *
 * A job is a line of JSON, {"method":"GET","url":...} or {"method":"PUT","store":"s3","bucket":...,
 * "key":...,"type":...,"bytes":N}, for PUT followed by the N bytes; "results" is the place where
 * answers go, s3://BUCKET/PREFIX or the like or a database's URL, and takes a key behind it. The
 * result is a line,
 * {"status":200,"bytes":N,"etag":...} followed by N bytes, or {"status":404,"error":...}. */
#ifndef AI_FETCH_H
#define AI_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FETCH_URL_BYTES = 4096, FETCH_MESSAGE_BYTES = 320 };

typedef struct fetch_job {
    bool is_put;
    bool is_ours;        /* `url` was configured: it may lead to a private address */
    const char *url;     /* or store, bucket and key */
    const char *results; /* instead of url and bucket: what comes before the key */
    const char *store;   /* "s3", "oss", "couchdb"; NULL: by the credentials there are */
    const char *bucket;
    const char *key;     /* decoded */
    const char *raw_key; /* what else it may be called; or NULL */
    const char *region;
    const char *version;
    const char *etag; /* GET: only if it is another one */
    const char *type; /* PUT: content type */
    const char
        *oss_key; /* credentials of its own, with secret and token; NULL: the environment's */
    const char *oss_secret;
    const char *oss_token;
    const void *body;
    size_t bytes;
    size_t most; /* bytes of an answer */
    long timeout_ms;
} fetch_job;

typedef enum fetch_auth { FETCH_AUTH_NONE, FETCH_AUTH_S3, FETCH_AUTH_OSS } fetch_auth;

typedef struct fetch_place {
    char url[FETCH_URL_BYTES];
    char resource[FETCH_URL_BYTES]; /* OSS: /bucket/key, escaped: what is signed */
    char query[512];                /* of the URL, without '?' */
    char name[512];                 /* for messages: no query, no user, no password */
    char region[64];
    fetch_auth auth;
    bool is_ours; /* it was configured: may have a private address */
} fetch_place;

typedef struct fetch_result {
    long status; /* HTTP's; 0: there was no answer */
    char *data;  /* to be freed */
    size_t bytes;
    size_t most;
    char etag[128];
    char message[FETCH_MESSAGE_BYTES]; /* if status is not 200, 201, 204 or 304 */
} fetch_result;

/* Where the object lies; false: result->message says why it cannot be said. raw: by raw_key. */
bool fetch_find(fetch_place *place, const fetch_job *job, bool raw, fetch_result *result);

/* The value of a header "Authorization:" for `date` (20261122T101500Z), by version 4 of Alibaba's
 * signature; what is signed stands in sign_oss.c. false: it is too long. */
bool fetch_sign_oss(char *header, size_t header_bytes, const fetch_place *place,
                    const fetch_job *job, const char *date, const char *token);
/* A credential of the job, or if it has no key, of the environment; NULL: there is none. */
const char *fetch_oss_key(const fetch_job *job);
const char *fetch_oss_secret(const fetch_job *job);
const char *fetch_oss_token(const fetch_job *job);

void fetch_transfer_begin(const char *certificates);
/* Does the job, with its repetitions. */
void fetch_transfer(fetch_result *result, const fetch_job *job);
void fetch_transfer_end(void);

/* The first of these variables that is set and not empty; or NULL. */
const char *fetch_setting(const char *name, const char *other);
void fetch_say(fetch_result *result, long status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
