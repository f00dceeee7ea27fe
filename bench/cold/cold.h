/* SPDX-License-Identifier: Apache-2.0
 * What the programs of the cold start share: one input, one answer, and further runs if asked for.
 * Every program is called `program RUNS ...`: it writes its first answer to stdout and exits; with
 * RUNS over 0 it goes on and prints the least time of that many further runs on stderr. */
#ifndef COLD_H
#define COLD_H

#include <stddef.h>

/* The input may be shorter, the output longer: its first COLD_OUTPUTS are the answer. */
enum { COLD_INPUTS = 3 * 224 * 224, COLD_OUTPUTS = 1000, COLD_MOST_OUTPUTS = 8192 };

/* Runs the network once more. */
typedef void cold_run_fn(void *user);

/* Numbers in [-1, 1), the same in every program. */
void cold_fill(float *input);

/* Maps a whole file, writable and private. */
void *cold_map(const char *path, size_t *bytes);

/* Prints a message and exits. */
_Noreturn void cold_fail(const char *what, const char *message);

/* Writes the first answer, does the further runs and exits, without taking anything down. */
_Noreturn void cold_finish(const char *runs, const float *answer, cold_run_fn *run, void *user);

/* A function of a library that was opened. */
void cold_symbol(void *library, const char *name, void *function);

#endif
