/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes where ai-fetch goes: lines of a job (kind, URL, bucket, key, region, version, results), as
 * an event may name them. Whatever they say, a store's URL leads to that store, and signs for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int is_true)
{
    if (!is_true)
        abort();
}

static int ends_with(const char *text, size_t length, const char *end)
{
    return length >= strlen(end) && memcmp(text + length - strlen(end), end, strlen(end)) == 0;
}

/* Of Amazon's and Alibaba's, nothing in a name leads elsewhere or ends a header's line. */
static void check_store(const fetch_place *place, const char *suffix)
{
    const char *host = place->url + strlen("https://");
    size_t length = strcspn(host, "/");
    require(strncmp(place->url, "https://", 8) == 0 && ends_with(host, length, suffix));
    require(strcspn(host, "@#\\ \t\r\n") == strlen(host));
    require(strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") ==
            length);
    require(!strstr(host, "/../") && !ends_with(host, strcspn(host, "?"), "/.."));
}

static void use(const fetch_job *job)
{
    static fetch_place place;
    fetch_result result = {0};
    char header[1024];
    if (!fetch_find(&place, job, false, &result)) {
        require(result.status == 400 && result.message[0]);
        return;
    }
    require(place.url[0] && place.name[0]);
    if (place.auth == FETCH_AUTH_S3)
        check_store(&place, ".amazonaws.com");
    if (place.auth != FETCH_AUTH_OSS)
        return;
    check_store(&place, ".aliyuncs.com");
    if (fetch_sign_oss(header, sizeof header, &place, job, "20261122T101500Z", NULL))
        require(strncmp(header, "Authorization: OSS4-HMAC-SHA256 Credential=AK/20261122/", 55) ==
                    0 &&
                strcspn(header, "\r\n") == strlen(header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum { FIELDS = 7 };
    static const char *const stores[] = {"s3", "oss", "couchdb", NULL};
    const char *field[FIELDS] = {NULL};
    char *text = malloc(bytes + 1);
    if (!text || !bytes) {
        free(text);
        return 0;
    }
    memcpy(text, data, bytes);
    text[bytes] = 0;
    char *at = text;
    for (int i = 0; i < FIELDS && at; i++) {
        char *end = strchr(at, '\n');
        if (end)
            *end = 0;
        field[i] = *at ? at : NULL;
        at = end ? end + 1 : NULL;
    }
    setenv("AWS_ACCESS_KEY_ID", "AK", 1);
    setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "AK", 1);
    setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret", 1);
    setenv("AI_COUCHDB_URL", "https://user:secret@couch.example", 1);
    unsigned kind = field[0] ? (unsigned char)field[0][0] : 3;
    fetch_job job = {.store = stores[kind % 4],
                     .is_put = kind % 8 > 3,
                     .url = field[1],
                     .bucket = field[2],
                     .key = field[3],
                     .region = field[4],
                     .version = field[5],
                     .results = field[6]};
    use(&job);
    free(text);
    return 0;
}
