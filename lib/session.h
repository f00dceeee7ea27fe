/* SPDX-License-Identifier: Apache-2.0
 * The one block of a session, and the planner that fills it. */
#ifndef AI_SESSION_H
#define AI_SESSION_H

#include "model.h"
#include "threads.h"

/* No tensor, part of a session or session is larger: sums of a few of them cannot overflow. */
#define AI_MAX_BYTES      (INT64_C(1) << 61)
#define AI_MAX_BYTES_TEXT "2^61 bytes"

/* The block of a session: this struct, then the tables it points to, then state, arena and pool.
 * While the session opens, the planner's notes lie where state and arena will be. */
struct ai_session {
    const ai_model *model;
    ai_tensor *tensors; /* those of the file, in its order */
    ai_step *steps;
    ai_tensor **operands; /* of all steps: inputs, then outputs */
    uint8_t *known;       /* AI_KNOWN_BYTES for each output that was computed at open */
    uint8_t *state;
    uint8_t *arena;
    int64_t known_bytes; /* used */
    int64_t state_bytes; /* of the states' values, each at a multiple of 64 */
    int64_t arena_bytes;
    int64_t live_bytes;   /* the largest sum of places alive at once */
    int64_t memory_bytes; /* of the block */
    ai_pool *pool;        /* NULL: one thread, or in a child of fork */
    uint32_t cpu;
    uint32_t threads;
    uint32_t flags;
    bool is_allocated; /* the block is ours */
    bool is_loaded;    /* a call has run all steps: their weights are in memory */
};

/* A planner's note on a tensor or on a step's scratch. Tensors that share memory form a group; the
 * notes of the group are those of its root. */
typedef struct ai_place {
    int64_t bytes;
    int64_t offset; /* in the arena */
    int64_t at;     /* in the root: planes of NCHW16C, else bytes */
    uint32_t root;
    uint32_t first; /* step that writes it */
    uint32_t last;  /* step that reads it last; the number of steps: it is an output */
    uint32_t next;  /* root that lies after it, while the arena is laid out */
} ai_place;

/* Where things lie in the block, counted from its start. */
typedef struct ai_block {
    int64_t tensors;
    int64_t steps;
    int64_t operands;
    int64_t known;
    int64_t places;  /* ai_place: of the tensors, then of the steps' scratch */
    int64_t order;   /* uint32_t for each place */
    int64_t scratch; /* of steps that run while the session opens */
    int64_t end;
} ai_block;

enum { AI_FOLD_SCRATCH = 4096 };

ai_block ai_block_of(const ai_model *model);

/* Sets the pointers of a session into its block, and those of the steps to their operands. */
void ai_session_link(ai_session *session);

/* plan.c: infers all shapes, runs what can run, places all tensors and splits the steps. `work` is
 * the planner's part of the block. Afterwards state_bytes and arena_bytes are known, and how many of
 * the threads have work. */
ai_status ai_plan(ai_session *session, const ai_options *options, uint8_t *work, ai_error *err);

/* arena.c: gives every tensor its group and its place, and every scratch its place. */
ai_status ai_arena_plan(ai_session *session, ai_place *places, uint32_t *order, ai_error *err);

/* Sets strides and bytes of a tensor from shape, layout and border; false: over AI_MAX_BYTES. */
bool ai_tensor_measure(ai_tensor *t);

/* The tensor at an entry of one of the header's lists. */
ai_tensor *ai_session_tensor(const ai_session *session, uint32_t entry);

/* Sets the states to their start values. */
void ai_state_start(ai_session *session);
/* Takes over the new states after the last step. */
void ai_state_advance(ai_session *session);

#endif
