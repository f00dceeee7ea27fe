/* SPDX-License-Identifier: Apache-2.0
 * Threads, each with a worker, that take jobs from one bounded queue. */
#include <signal.h>
#include <stdlib.h>

#include "queue.h"

typedef struct hand {
    ai_queue *queue;
    ai_worker *worker;
    pthread_t thread;
    bool is_started;
} hand;

struct ai_queue {
    ai_function *function;
    ai_work_fn work;
    pthread_cond_t filled;
    bool is_over;
    uint32_t first; /* a ring of `room` jobs */
    uint32_t room;
    void **jobs;
    uint32_t hand_count;
    hand hands[];
};

/* The lock and the counts of what waits and runs are those of the metrics. */
static void *run(void *argument)
{
    hand *h = argument;
    ai_queue *q = h->queue;
    ai_metrics *m = &q->function->metrics;
    pthread_mutex_lock(&m->lock);
    for (;;) {
        while (!m->waiting && !q->is_over)
            pthread_cond_wait(&q->filled, &m->lock);
        if (q->is_over)
            break;
        void *job = q->jobs[q->first];
        q->first = (q->first + 1) % q->room;
        m->waiting--;
        m->running++;
        pthread_mutex_unlock(&m->lock);
        q->work(h->worker, job);
        pthread_mutex_lock(&m->lock);
        m->running--;
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static ai_status start(hand *h, ai_error *err)
{
    sigset_t all;
    sigset_t before;
    ai_status status = ai_worker_open(&h->worker, h->queue->function, err);
    if (status != AI_OK)
        return status;
    sigfillset(&all); /* signals are the server's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->is_started = pthread_create(&h->thread, NULL, run, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (h->is_started)
        return AI_OK;
    *err = (ai_error){AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "a worker's thread cannot be started"};
    return AI_E_MEMORY;
}

ai_status ai_queue_open(ai_queue **queue, ai_function *f, ai_work_fn work, ai_error *err)
{
    uint32_t count = f->settings.workers;
    uint32_t room = f->settings.queue + count;
    ai_queue *q = calloc(1, sizeof *q + count * sizeof q->hands[0]);
    void **jobs = calloc(room, sizeof *jobs);
    if (!q || !jobs) {
        free(q);
        free(jobs);
        *err = (ai_error){AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "no memory for the queue"};
        return AI_E_MEMORY;
    }
    q->function = f;
    q->work = work;
    q->room = room;
    q->jobs = jobs;
    q->hand_count = count;
    pthread_cond_init(&q->filled, NULL);
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < count && status == AI_OK; i++) {
        q->hands[i].queue = q;
        status = start(&q->hands[i], err);
    }
    if (status != AI_OK) {
        ai_queue_close(q);
        return status;
    }
    *queue = q;
    return AI_OK;
}

bool ai_queue_put(ai_queue *q, void *job)
{
    ai_metrics *m = &q->function->metrics;
    pthread_mutex_lock(&m->lock);
    bool has_place = m->waiting + m->running < q->room;
    if (has_place) {
        q->jobs[(q->first + m->waiting) % q->room] = job;
        m->waiting++;
        pthread_cond_signal(&q->filled);
    } else {
        m->refused++;
    }
    pthread_mutex_unlock(&m->lock);
    return has_place;
}

void ai_queue_close(ai_queue *q)
{
    if (!q)
        return;
    ai_metrics *m = &q->function->metrics;
    pthread_mutex_lock(&m->lock);
    q->is_over = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&m->lock);
    for (uint32_t i = 0; i < q->hand_count; i++) {
        if (q->hands[i].is_started)
            pthread_join(q->hands[i].thread, NULL);
        ai_worker_close(q->hands[i].worker);
    }
    pthread_cond_destroy(&q->filled);
    free(q->jobs);
    free(q);
}
