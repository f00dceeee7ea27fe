/* SPDX-License-Identifier: Apache-2.0
 * What the plan of an arena must hold, found without the planner. */
#ifndef AI_TESTS_ARENA_CHECK_H
#define AI_TESTS_ARENA_CHECK_H

#include "session.h"

/* Replays a run, step by step, as a map of who wrote each byte of the arena last. Everything that is
 * read must be what was written there. False: *message (160 bytes) says what is lost, and where. */
bool arena_replay(const ai_session *s, char *message);

/* The largest sum of tensors and scratch alive at one step. */
int64_t arena_most_alive(const ai_session *s);

#endif
