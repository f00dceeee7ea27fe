/* SPDX-License-Identifier: Apache-2.0
 * The threads of a session. A worker has a word of its own on which it waits, first spinning, then
 * asleep in the system; the caller raises it for each step. The caller waits likewise for the
 * number of workers that are not done. All else is what the step reads and writes. */
#include "threads.h"

#include "os.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* Longest spin, in a call only. A worker that spins takes a step in 0.3 us; one that the system
 * must wake takes it in 30 us or more (a virtual machine). With 5 us instead, MobileNetV2 gains
 * nothing by a second thread; with 50 us it is 4 % faster still. */
static const uint64_t spin_ns = 20000;

/* A worker needs the deepest operator and kernel, under 16 KiB, and what the C library keeps at
 * the top of a stack. */
static const size_t stack_bytes = 256 * 1024;

/* What a worker is told is in the low bits of its word; the others count. */
enum { TOLD_REST, TOLD_WAKE, TOLD_RUN, TOLD_END, TOLD_MASK = 3, TOLD_NEXT = 4 };

/* Two cache lines apart: processors fetch them in pairs. */
typedef struct worker {
    _Alignas(128) atomic_uint told;
    atomic_uint is_asleep;
    ai_pool *pool;
    const ai_step *step;
    uint32_t part;
    ai_status status;
    pthread_t thread;
    ai_error error;
} worker;

struct ai_pool {
    _Alignas(128) atomic_uint pending; /* workers that are not done with the step */
    atomic_uint is_waiting;            /* the caller is asleep, or about to be */
    ai_os_mark *mark;                  /* of the process whose threads the workers are */
    uint32_t count;                    /* of workers */
    worker workers[];
};

/* ---- Waiting ---- */

/* Spins until the word is not `value`; false: for too long. */
static bool spin(const atomic_uint *word, unsigned value)
{
    uint64_t end = 0;
    for (;;) {
        for (int i = 0; i < 16; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value)
                return true;
            ai_os_pause();
        }
        uint64_t now = ai_os_now();
        end = end ? end : now + spin_ns;
        if (now >= end)
            return false;
    }
}

/* Returns what the worker is told after `old`. Whoever changes the word looks at `is_asleep`
 * afterwards, whoever sleeps looks at the word afterwards: one of them sees the other. */
static unsigned wait_after(worker *w, unsigned old)
{
    unsigned told;
    if ((old & TOLD_MASK) == TOLD_REST || !spin(&w->told, old)) {
        atomic_store(&w->is_asleep, 1);
        while (atomic_load(&w->told) == old)
            ai_os_wait(&w->told, old);
        atomic_store(&w->is_asleep, 0);
    }
    told = atomic_load(&w->told);
    return told;
}

static void tell(worker *w, unsigned what)
{
    unsigned told = atomic_load_explicit(&w->told, memory_order_relaxed);
    atomic_store(&w->told, (told & ~(unsigned)TOLD_MASK) + TOLD_NEXT + what);
    if (what != TOLD_REST && atomic_load(&w->is_asleep))
        ai_os_wake(&w->told);
}

static void wait_for_workers(ai_pool *pool)
{
    unsigned count = atomic_load(&pool->pending);
    while (count && spin(&pool->pending, count))
        count = atomic_load(&pool->pending);
    if (!count)
        return;
    atomic_store(&pool->is_waiting, 1);
    while ((count = atomic_load(&pool->pending)) != 0)
        ai_os_wait(&pool->pending, count);
    atomic_store(&pool->is_waiting, 0);
}

/* ---- Workers ---- */

static void *work(void *argument)
{
    worker *w = argument;
    unsigned told = 0;
    (void)ai_os_float_begin();
    for (;;) {
        told = wait_after(w, told);
        if ((told & TOLD_MASK) == TOLD_END)
            return NULL;
        if ((told & TOLD_MASK) != TOLD_RUN)
            continue;
        w->status = ai_part_run(w->step, w->part, w->step->parts, &w->error);
        if (atomic_fetch_sub(&w->pool->pending, 1) == 1 && atomic_load(&w->pool->is_waiting))
            ai_os_wake(&w->pool->pending);
    }
}

ai_status ai_pool_run(ai_pool *pool, const ai_step *step, ai_error *err)
{
    uint32_t others = step->parts - 1;
    atomic_store_explicit(&pool->pending, others, memory_order_relaxed);
    for (uint32_t i = 0; i < others; i++) {
        worker *w = &pool->workers[i];
        w->step = step;
        tell(w, TOLD_RUN);
    }
    ai_status status = ai_part_run(step, 0, step->parts, err);
    wait_for_workers(pool);
    for (uint32_t i = 0; i < others && !status; i++) {
        status = pool->workers[i].status;
        if (status && err)
            *err = pool->workers[i].error;
    }
    return status;
}

void ai_pool_wake(ai_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        tell(&pool->workers[i], TOLD_WAKE);
}

void ai_pool_rest(ai_pool *pool)
{
    for (uint32_t i = 0; i < pool->count; i++)
        tell(&pool->workers[i], TOLD_REST);
}

/* ---- Beginning and end ---- */

int64_t ai_pool_bytes(uint32_t threads)
{
    return threads > 1 ? (int64_t)(sizeof(ai_pool) + (threads - 1) * sizeof(worker)) + 64 : 0;
}

/* Signals are for the program's own threads. */
static int start_worker(worker *w, const pthread_attr_t *attributes)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&w->thread, attributes, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* Programs with much thread-local data need more than a small stack: they get the usual one. */
static bool start_all(ai_pool *pool, uint32_t count)
{
    pthread_attr_t attributes;
    bool is_small = pthread_attr_init(&attributes) == 0;
    int code = 0;
    if (is_small)
        (void)pthread_attr_setstacksize(&attributes, stack_bytes);
    while (pool->count < count && !code) {
        worker *w = &pool->workers[pool->count];
        code = start_worker(w, is_small ? &attributes : NULL);
        if (code == EINVAL && is_small)
            code = start_worker(w, NULL);
        pool->count += code == 0;
    }
    if (is_small)
        pthread_attr_destroy(&attributes);
    return code == 0;
}

ai_status ai_pool_start(ai_pool **out, void *memory, uint32_t threads, ai_error *err)
{
    /* The block is aligned to 64 bytes. */
    ai_pool *pool = (void *)((uint8_t *)memory + (uintptr_t)memory % _Alignof(ai_pool));
    memset(pool, 0, sizeof(*pool) + (threads - 1) * sizeof(worker));
    atomic_init(&pool->pending, 0);
    atomic_init(&pool->is_waiting, 0);
    pool->mark = ai_os_mark_make();
    for (uint32_t i = 0; i < threads - 1; i++) {
        worker *w = &pool->workers[i];
        atomic_init(&w->told, 0);
        atomic_init(&w->is_asleep, 0);
        w->pool = pool;
        w->part = i + 1;
    }
    if (!pool->mark || !start_all(pool, threads - 1)) {
        uint32_t count = pool->count;
        if (pool->mark)
            ai_pool_stop(pool);
        return ai_fail(err, AI_E_MEMORY, "no memory for thread %u of %u, or no more are allowed",
                       count + 2, threads);
    }
    *out = pool;
    return AI_OK;
}

void ai_pool_stop(ai_pool *pool)
{
    uint32_t count = ai_pool_is_here(pool) ? pool->count : 0;
    for (uint32_t i = 0; i < count; i++)
        tell(&pool->workers[i], TOLD_END);
    for (uint32_t i = 0; i < count; i++)
        pthread_join(pool->workers[i].thread, NULL);
    ai_os_mark_free(pool->mark);
}

bool ai_pool_is_here(const ai_pool *pool)
{
    return ai_os_mark_is_here(pool->mark);
}
