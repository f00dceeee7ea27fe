/* SPDX-License-Identifier: Apache-2.0
 * The threads of a session: they share out the units of a step and sleep between calls. */
#ifndef AI_THREADS_H
#define AI_THREADS_H

#include "core.h"

typedef struct ai_pool ai_pool;

/* Most threads that a session may have. */
enum { AI_MAX_THREADS = 1024 };

/* Into how many parts a planned step is worth splitting, from 1 to `threads`; it follows from the
 * step alone (part.c). */
uint32_t ai_part_count(const ai_step *step, uint32_t threads);

/* Computes part `part` of `parts` of a step: its units, and the zeros around its outputs (part.c).
 */
ai_status ai_part_run(const ai_step *step, uint32_t part, uint32_t parts, ai_error *err);

/* Bytes of a pool, a multiple of 64. */
int64_t ai_pool_bytes(uint32_t threads);

/* Starts threads - 1 workers; `memory` is of ai_pool_bytes(). */
ai_status ai_pool_start(ai_pool **pool, void *memory, uint32_t threads, ai_error *err);

/* Ends and joins the workers; in a child of fork, which has none, it only forgets them. */
void ai_pool_stop(ai_pool *pool);

/* The workers are threads of this process, not of one that it was forked from. */
bool ai_pool_is_here(const ai_pool *pool);

/* Computes all units of a step, step->parts > 1 at the same time, the first on the calling thread.
 * Of several failures the one of the lowest units counts. */
ai_status ai_pool_run(ai_pool *pool, const ai_step *step, ai_error *err);

/* Wakes the workers at the begin of a call, for the first step; sends them to sleep at its end. */
void ai_pool_wake(ai_pool *pool);
void ai_pool_rest(ai_pool *pool);

#endif
