/* SPDX-License-Identifier: Apache-2.0
 * Measures how fast this machine multiplies and adds, to hold steps against. */
#include <pthread.h>
#include <stdlib.h>

#include "peak.h"
#include "profile.h"

/* Long enough for a core to reach its speed, short enough to fit between two disturbances. */
enum { SLICES = 12, SLICE_NS = 3000000 };

static const ai_peak *const peaks[] = {
    &ai_peak_ref,
#if defined(__x86_64__)
    &ai_peak_avx2,
    &ai_peak_avx512,
#elif defined(__aarch64__)
    &ai_peak_neon,
#endif
};

typedef struct worker {
    const ai_peak *peak;
    double gflops;
    volatile float result;
    pthread_t thread;
} worker;

static void *measure(void *argument)
{
    worker *w = argument;
    uint64_t rounds = 1000;
    uint64_t ns = 0;
    while (ns < SLICE_NS) { /* how many rounds fill a slice */
        rounds *= 2;
        uint64_t start = ai_cli_now();
        w->result = w->peak->run(rounds);
        ns = ai_cli_now() - start;
    }
    for (int i = 0; i < SLICES; i++) {
        uint64_t start = ai_cli_now();
        w->result = w->peak->run(rounds);
        ns = ai_cli_now() - start;
        double gflops = (double)w->peak->flops * (double)rounds / (double)(ns ? ns : 1);
        w->gflops = gflops > w->gflops ? gflops : w->gflops;
    }
    return NULL;
}

double ai_cli_machine_peak(uint32_t cpu, uint32_t threads)
{
    const ai_peak *best = &ai_peak_ref;
    double gflops = 0;
    uint32_t started = 1;
    worker *workers = calloc(threads, sizeof *workers);
    if (!workers)
        return 0;
    for (size_t i = 0; i < sizeof peaks / sizeof peaks[0]; i++)
        best = cpu & peaks[i]->cpu ? peaks[i] : best;
    for (uint32_t i = 0; i < threads; i++)
        workers[i].peak = best;
    while (started < threads &&
           pthread_create(&workers[started].thread, NULL, measure, &workers[started]) == 0)
        started++;
    measure(&workers[0]);
    for (uint32_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < threads; i++)
        gflops += workers[i].gflops;
    free(workers);
    return started == threads ? gflops : 0;
}
