/* SPDX-License-Identifier: Apache-2.0
 * How fast a core can multiply and add: a loop a CPU level that never leaves the registers. It is
 * linked into `ai bench`, which measures by it, and is no part of libai. */
#ifndef AI_PEAK_H
#define AI_PEAK_H

#include <stdint.h>

typedef struct ai_peak {
    uint32_t cpu;                  /* the level's bit */
    uint32_t flops;                /* of a round */
    float (*run)(uint64_t rounds); /* its result is of no use but to the compiler */
} ai_peak;

extern const ai_peak ai_peak_ref;
#if defined(__x86_64__)
extern const ai_peak ai_peak_avx2;
extern const ai_peak ai_peak_avx512;
#elif defined(__aarch64__)
extern const ai_peak ai_peak_neon;
#endif

#endif
