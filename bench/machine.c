/* SPDX-License-Identifier: Apache-2.0
 * What the machine can do: multiply-adds of f32 in registers, and reading memory, with one thread a
 * CPU. usage: machine CPU... (prints JSON). Compile with -O2 -march=native -ffp-contract=fast. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __AVX512F__
enum { VECTOR_BYTES = 64 };
#elif defined __AVX__
enum { VECTOR_BYTES = 32 };
#else
enum { VECTOR_BYTES = 16 };
#endif
#ifdef __aarch64__
#define OPAQUE(v) __asm__ volatile("" : "+w"(v))
#else
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))
#endif
enum {
    LANES = VECTOR_BYTES / 4,
    SUMS = 12,
    TURNS = 1 << 20,
    ROUNDS = 12,
    MAX_CPUS = 64,
    READ_BYTES = 1 << 28
};

typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef long words __attribute__((vector_size(VECTOR_BYTES)));

typedef struct worker {
    int cpu;
    size_t bytes; /* to read; 0: multiply and add */
    pthread_barrier_t *barrier;
    double seconds;
} worker;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* More sums than latency times width of any core, fewer than AVX2 has registers. Named one by one,
 * since gcc keeps an array in memory; opaque, so that no product is taken out of the loop. */
#define EACH_SUM(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(k)  vector sum##k = {0};
#define MULTIPLY_ADD(k)                                                                            \
    OPAQUE(a);                                                                                     \
    sum##k = a * b + sum##k;                                                                       \
    OPAQUE(sum##k);

static void multiply_add(void)
{
    vector a = {0};
    vector b = {0};
    OPAQUE(b);
    EACH_SUM(DECLARE)
    for (int i = 0; i < TURNS; i++) {
        EACH_SUM(MULTIPLY_ADD)
    }
}

static void read_all(const words *data, size_t count)
{
    words sum0 = {0};
    words sum1 = {0};
    words sum2 = {0};
    words sum3 = {0};
    for (size_t i = 0; i + 4 <= count; i += 4) {
        sum0 |= data[i];
        sum1 |= data[i + 1];
        sum2 |= data[i + 2];
        sum3 |= data[i + 3];
    }
    sum0 |= sum1 | sum2 | sum3;
    OPAQUE(sum0);
}

static void *work(void *argument)
{
    worker *w = argument;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(w->cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    words *data = w->bytes ? aligned_alloc(VECTOR_BYTES, w->bytes) : NULL;
    if (w->bytes && !data)
        exit(1);
    if (data)
        memset(data, 1, w->bytes);
    w->seconds = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(w->barrier);
        double begin = now();
        for (size_t done = 0; data && done < READ_BYTES; done += w->bytes)
            read_all(data, w->bytes / sizeof *data);
        if (!data)
            multiply_add();
        pthread_barrier_wait(w->barrier); /* what counts is the last to arrive */
        double seconds = now() - begin;
        if (seconds < w->seconds)
            w->seconds = seconds;
    }
    free(data);
    return NULL;
}

static double least_seconds(int count, char **cpus, size_t bytes)
{
    pthread_t threads[MAX_CPUS];
    worker workers[MAX_CPUS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    for (int i = 0; i < count; i++) {
        workers[i] = (worker){atoi(cpus[i]), bytes, &barrier, 0};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            exit(1);
    }
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    return workers[0].seconds;
}

int main(int argc, char **argv)
{
    int count = argc - 1;
    if (count < 1 || count > MAX_CPUS) {
        fprintf(stderr, "usage: machine CPU...\n");
        return 2;
    }
    double operations = 2.0 * LANES * SUMS * TURNS * count;
    double read = (double)READ_BYTES * count;
    printf("{\"fma_gflops\": %.1f, ", operations / least_seconds(count, argv + 1, 0) / 1e9);
    printf("\"l2_gb_s\": %.1f, ", read / least_seconds(count, argv + 1, 1 << 19) / 1e9);
    printf("\"memory_gb_s\": %.1f}\n", read / least_seconds(count, argv + 1, READ_BYTES) / 1e9);
    return 0;
}
