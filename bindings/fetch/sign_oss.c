/* SPDX-License-Identifier: Apache-2.0
 * Version 4 of Alibaba's object store signature (OSS4-HMAC-SHA256, in its documents "Include
 * signatures in the Authorization header (V4)"). Signed are, a line each: the method, /bucket/key,
 * the query, the signed headers (content-type and all x-oss-*, by name), an empty line, no further
 * header, and UNSIGNED-PAYLOAD. HMAC is RFC 2104's. */
#include <stdio.h>
#include <string.h>

#include "../../lib/sha256.h"
#include "fetch.h"

enum { DIGEST = 32, BLOCK = 64 };

static void hmac(uint8_t out[DIGEST], const void *key, size_t key_bytes, const char *text)
{
    uint8_t pad[BLOCK] = {0};
    ai_sha256 sha;
    if (key_bytes > BLOCK)
        ai_sha256_of(key, key_bytes, pad);
    else
        memcpy(pad, key, key_bytes);
    for (int i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36;
    ai_sha256_begin(&sha);
    ai_sha256_add(&sha, pad, BLOCK);
    ai_sha256_add(&sha, text, strlen(text));
    ai_sha256_end(&sha, out);
    for (int i = 0; i < BLOCK; i++)
        pad[i] ^= 0x36 ^ 0x5C;
    ai_sha256_begin(&sha);
    ai_sha256_add(&sha, pad, BLOCK);
    ai_sha256_add(&sha, out, DIGEST);
    ai_sha256_end(&sha, out);
}

static void hex(char text[2 * DIGEST + 1], const uint8_t digest[DIGEST])
{
    for (int i = 0; i < DIGEST; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

const char *fetch_oss_key(const fetch_job *job)
{
    return job->oss_key ? job->oss_key : fetch_setting("ALIBABA_CLOUD_ACCESS_KEY_ID", NULL);
}

const char *fetch_oss_secret(const fetch_job *job)
{
    return job->oss_key ? job->oss_secret : fetch_setting("ALIBABA_CLOUD_ACCESS_KEY_SECRET", NULL);
}

const char *fetch_oss_token(const fetch_job *job)
{
    return job->oss_key ? job->oss_token : fetch_setting("ALIBABA_CLOUD_SECURITY_TOKEN", NULL);
}

bool fetch_sign_oss(char *header, size_t header_bytes, const fetch_place *place,
                    const fetch_job *job, const char *date, const char *token)
{
    const char *user = fetch_oss_key(job);
    const char *secret = fetch_oss_secret(job);
    char day[9];
    char scope[128];
    char text[3 * FETCH_URL_BYTES + 1024];
    char digits[2 * DIGEST + 1];
    uint8_t key[DIGEST];
    if (!user || !secret || strlen(secret) > 200)
        return false;
    snprintf(day, sizeof day, "%.8s", date);
    snprintf(scope, sizeof scope, "%s/%s/oss/aliyun_v4_request", day, place->region);
    bool is_typed = job->is_put && job->type;
    int used =
        snprintf(text, sizeof text,
                 "%s\n%s\n%s\n%s%s%sx-oss-content-sha256:UNSIGNED-PAYLOAD\nx-oss-date:%s\n"
                 "%s%s%s\n\nUNSIGNED-PAYLOAD",
                 job->is_put ? "PUT" : "GET", place->resource, place->query,
                 is_typed ? "content-type:" : "", is_typed ? job->type : "", is_typed ? "\n" : "",
                 date, token ? "x-oss-security-token:" : "", token ? token : "", token ? "\n" : "");
    if (used < 0 || (size_t)used >= sizeof text)
        return false;
    ai_sha256_of(text, (size_t)used, key);
    hex(digits, key);
    snprintf(text, sizeof text, "OSS4-HMAC-SHA256\n%s\n%s\n%s", date, scope, digits);
    char first[256];
    snprintf(first, sizeof first, "aliyun_v4%s", secret);
    hmac(key, first, strlen(first), day);
    hmac(key, key, DIGEST, place->region);
    hmac(key, key, DIGEST, "oss");
    hmac(key, key, DIGEST, "aliyun_v4_request");
    hmac(key, key, DIGEST, text);
    hex(digits, key);
    used = snprintf(header, header_bytes,
                    "Authorization: OSS4-HMAC-SHA256 Credential=%s/%s, Signature=%s", user, scope,
                    digits);
    return used > 0 && (size_t)used < header_bytes;
}
