/* SPDX-License-Identifier: Apache-2.0
 * The flat block in which recurrent state is kept; docs/format.md is its specification. */
#ifndef AI_STATE_H
#define AI_STATE_H

#include "session.h"

#define AI_STATE_MAGIC   "\x89LAS\r\n\x1a\n"
#define AI_STATE_VERSION 1

/* Then come the values of all states in the model's order, each dense, zero-padded to a multiple of
 * 8 bytes; then the SHA-256 of everything before it. */
typedef struct ai_state_header { /* 96 bytes */
    uint8_t magic[8];
    uint32_t version;
    uint32_t state_count;
    uint64_t bytes;     /* of the block */
    uint8_t model[32];  /* digest of the model's header */
    uint8_t shapes[32]; /* SHA-256 over each state: type, rank (u32), dims (s64) */
    uint64_t reserved;
} ai_state_header;

/* Bytes of a session's state block; 0: the model keeps no state. */
uint64_t ai_state_bytes(const ai_session *session);

#endif
