/* SPDX-License-Identifier: Apache-2.0
 * What the core asks of the operating system and of the floating-point unit. */
#ifndef AI_OS_H
#define AI_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai.h"

/* Maps a whole regular file read-only. */
ai_status ai_os_map(const char *path, const void **data, size_t *bytes, ai_error *err);
void ai_os_unmap(const void *data, size_t bytes);

/* Lets the system back memory by huge pages, as far as whole ones fit and it has them. Each spares
 * 512 page faults, 1.3 us each; memory that is to have them begins at a multiple of AI_OS_HUGE. */
#define AI_OS_HUGE ((size_t)2 << 20)
void ai_os_use_huge(void *memory, size_t bytes);

/* Brings every page into memory and into the page table: at once, or by reading a byte of each. */
void ai_os_preload(const void *data, size_t bytes);
/* Is the last page in memory? It tells of all: asking for 118 MB takes 2.5 ms. */
bool ai_os_is_there(const void *data, size_t bytes);
/* Lets the system begin to read what is not in memory; returns at once. */
void ai_os_announce(const void *data, size_t bytes);

/* Nanoseconds of a clock that only goes forward. */
uint64_t ai_os_now(void);

/* CPUs that affinity mask and cgroup quota leave to the process, from 1 to limit. The only function
 * that reads /proc or /sys; with a limit of 1 it reads nothing. */
uint32_t ai_os_threads(uint32_t limit);

/* Whole CPUs, at least 1, that the quotas of the cgroups listed in a file like /proc/self/cgroup
 * allow, or `limit` if that is less. `mount` is where the hierarchies lie: /sys/fs/cgroup. */
uint32_t ai_os_quota(const char *list, const char *mount, uint32_t limit);

/* Sleeps while the word has that value; may return early. ai_os_wake wakes the one that sleeps. */
void ai_os_wait(atomic_uint *word, unsigned value);
void ai_os_wake(atomic_uint *word);

/* Tells the processor that a loop waits. */
void ai_os_pause(void);

/* A mark that only the process that made it finds; not a child of fork, even where that has the
 * same number in a namespace of its own. A page of the system's; NULL: no memory. */
typedef struct ai_os_mark ai_os_mark;
ai_os_mark *ai_os_mark_make(void);
bool ai_os_mark_is_here(const ai_os_mark *mark);
void ai_os_mark_free(ai_os_mark *mark);

/* Sets rounding to nearest even with denormals kept; returns what was set before. */
uint64_t ai_os_float_begin(void);
void ai_os_float_end(uint64_t before);

#endif
