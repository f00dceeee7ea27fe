/* SPDX-License-Identifier: Apache-2.0
 * SHA-256, as FIPS 180-4 defines it: the digest of files, sections, outputs and state blocks. */
#ifndef AI_SHA256_H
#define AI_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct ai_sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
} ai_sha256;

void ai_sha256_begin(ai_sha256 *sha);
void ai_sha256_add(ai_sha256 *sha, const void *data, size_t bytes);
void ai_sha256_end(ai_sha256 *sha, uint8_t digest[32]);

/* The digest of one piece of memory. */
void ai_sha256_of(const void *data, size_t bytes, uint8_t digest[32]);

#endif
