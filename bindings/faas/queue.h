/* SPDX-License-Identifier: Apache-2.0
 * Threads, each with a worker, that take jobs from one bounded queue. */
#ifndef AI_FAAS_QUEUE_H
#define AI_FAAS_QUEUE_H

#include "faas.h"

typedef struct ai_queue ai_queue;
typedef void (*ai_work_fn)(ai_worker *w, void *job);

/* Opens all workers and starts their threads. */
ai_status ai_queue_open(ai_queue **queue, ai_function *f, ai_work_fn work, ai_error *err);
/* false: there is no place. */
bool ai_queue_put(ai_queue *queue, void *job);
/* Lets what was begun end; what waits is not done. */
void ai_queue_close(ai_queue *queue);

#endif
