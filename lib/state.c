/* SPDX-License-Identifier: Apache-2.0
 * Recurrent state: its start, its turn after a call, and the block that carries it elsewhere. */
#include "state.h"

#include "sha256.h"

#include <string.h>

_Static_assert(sizeof(ai_state_header) == 96, "the header of a state block has 96 bytes");

enum { DIGEST_BYTES = 32 };

/* The tensors of one entry of the header's list of states. */
typedef struct state {
    ai_tensor *now;
    ai_tensor *next;
    ai_tensor *start; /* NULL: zeros */
} state;

static uint32_t state_count(const ai_session *s)
{
    return s->model->header->states.count;
}

static state state_of(const ai_session *s, uint32_t index)
{
    uint32_t entry = s->model->header->states.first + 3 * index;
    bool has_start = s->model->indices[entry + 2] != AI_FILE_NONE;
    return (state){ai_session_tensor(s, entry), ai_session_tensor(s, entry + 1),
                   has_start ? ai_session_tensor(s, entry + 2) : NULL};
}

void ai_state_start(ai_session *s)
{
    for (uint32_t i = 0; i < state_count(s); i++) {
        state one = state_of(s, i);
        if (one.start)
            memcpy(one.now->data, one.start->data, (size_t)one.now->bytes);
        else
            memset(one.now->data, 0, (size_t)one.now->bytes);
    }
}

/* New states lie in the arena, never in the memory of old ones, so that the order is free. */
void ai_state_advance(ai_session *s)
{
    for (uint32_t i = 0; i < state_count(s); i++) {
        state one = state_of(s, i);
        memcpy(one.now->data, one.next->data, (size_t)one.now->bytes);
    }
}

/* ---- The block ---- */

static uint64_t padded(int64_t bytes)
{
    return ((uint64_t)bytes + 7) / 8 * 8;
}

uint64_t ai_state_bytes(const ai_session *s)
{
    uint64_t bytes = sizeof(ai_state_header) + DIGEST_BYTES;
    for (uint32_t i = 0; i < state_count(s); i++)
        bytes += padded(state_of(s, i).now->bytes);
    return state_count(s) ? bytes : 0;
}

static ai_state_header header_of(const ai_session *s)
{
    ai_state_header h = {
        .version = AI_STATE_VERSION, .state_count = state_count(s), .bytes = ai_state_bytes(s)};
    ai_sha256 sha;
    memcpy(h.magic, AI_STATE_MAGIC, sizeof(h.magic));
    memcpy(h.model, s->model->header->digest, sizeof(h.model));
    ai_sha256_begin(&sha);
    for (uint32_t i = 0; i < h.state_count; i++) {
        const ai_tensor *t = state_of(s, i).now;
        uint32_t kind[2] = {t->type, t->rank};
        ai_sha256_add(&sha, kind, sizeof(kind));
        ai_sha256_add(&sha, t->dim, t->rank * sizeof(t->dim[0]));
    }
    ai_sha256_end(&sha, h.shapes);
    return h;
}

static ai_status check_block(const ai_session *s, const void *data, size_t bytes, ai_error *err)
{
    if (!s)
        return ai_fail(err, AI_E_ARGUMENT, "session is NULL");
    if (!state_count(s))
        return ai_fail(err, AI_E_ARGUMENT, "the model keeps no state");
    if (!data)
        return ai_fail(err, AI_E_ARGUMENT, "data is NULL");
    if (bytes != ai_state_bytes(s))
        return ai_fail(err, AI_E_ARGUMENT, "the state block has %zu bytes, %llu are needed", bytes,
                       (unsigned long long)ai_state_bytes(s));
    return AI_OK;
}

ai_status ai_state_save(const ai_session *s, void *data, size_t bytes, ai_error *err)
{
    ai_status status = check_block(s, data, bytes, err);
    if (status)
        return status;
    ai_state_header h = header_of(s);
    uint8_t *to = data;
    memcpy(to, &h, sizeof(h));
    to += sizeof(h);
    for (uint32_t i = 0; i < h.state_count; i++) {
        const ai_tensor *t = state_of(s, i).now;
        memcpy(to, t->data, (size_t)t->bytes);
        memset(to + t->bytes, 0, (size_t)(padded(t->bytes) - (uint64_t)t->bytes));
        to += padded(t->bytes);
    }
    ai_sha256_of(data, bytes - DIGEST_BYTES, to);
    return AI_OK;
}

static ai_status check_header(const ai_state_header *found, const ai_state_header *needed,
                              ai_error *err)
{
    if (memcmp(found->magic, needed->magic, sizeof(found->magic)) != 0)
        return ai_fail(err, AI_E_STATE, "not a state block: the magic number is missing");
    if (found->version > needed->version)
        return ai_fail(err, AI_E_VERSION,
                       "the state block has version %u, newer than this library's, %u",
                       found->version, needed->version);
    if (memcmp(found->model, needed->model, sizeof(found->model)) != 0)
        return ai_fail(err, AI_E_STATE, "the state block is of another model");
    if (memcmp(found->shapes, needed->shapes, sizeof(found->shapes)) != 0)
        return ai_fail(err, AI_E_STATE, "the state block is of a session of other shapes");
    if (memcmp(found, needed, sizeof(*found)) != 0)
        return ai_fail(err, AI_E_STATE, "the header of the state block is corrupt");
    return AI_OK;
}

ai_status ai_state_load(ai_session *s, const void *data, size_t bytes, ai_error *err)
{
    ai_state_header found;
    uint8_t digest[DIGEST_BYTES];
    ai_status status = check_block(s, data, bytes, err);
    if (status)
        return status;
    ai_state_header needed = header_of(s);
    memcpy(&found, data, sizeof(found));
    status = check_header(&found, &needed, err);
    if (status)
        return status;
    const uint8_t *from = data;
    ai_sha256_of(data, bytes - DIGEST_BYTES, digest);
    if (memcmp(digest, from + bytes - DIGEST_BYTES, DIGEST_BYTES) != 0)
        return ai_fail(err, AI_E_STATE, "the state block does not match its checksum");
    from += sizeof(found);
    for (uint32_t i = 0; i < needed.state_count; i++) {
        const ai_tensor *t = state_of(s, i).now;
        memcpy(t->data, from, (size_t)t->bytes);
        from += padded(t->bytes);
    }
    return AI_OK;
}

ai_status ai_state_reset(ai_session *s)
{
    if (!s)
        return AI_E_ARGUMENT;
    ai_state_start(s);
    return AI_OK;
}
