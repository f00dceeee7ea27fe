/* SPDX-License-Identifier: Apache-2.0
 * Independent sums of products in registers, as many as hide the latency of one. Compiled once a
 * CPU level with AI_LEVEL and the AI_SIMD_ macro. */
#include "peak.h"

#include "ai.h"
#include "simd.h"

#define JOIN2(a, b) a##b
#define JOIN(a, b)  JOIN2(a, b)

/* Named variables: gcc keeps an array of them in memory. */
#if defined(AI_SIMD_AVX512) /* 10 of 32 registers */
#define SUMS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#else /* 10 of 16 on AVX2, 20 of 32 on NEON */
#define SUMS(X) X(0) X(1) X(2) X(3) X(4)
#endif

#if AI_LANES == 1
#define FMA fma_once
#else
#define FMA v_fma
#endif

#if defined(AI_SIMD_AVX512)
#define LEVEL AI_CPU_AVX512
#elif defined(AI_SIMD_AVX2)
#define LEVEL AI_CPU_AVX2
#elif defined(AI_SIMD_NEON)
#define LEVEL AI_CPU_NEON
#else
#define LEVEL AI_CPU_REF
#endif

static float run(uint64_t rounds)
{
    const vf x = v_set(1.0f);
    const vf y = v_set(0x1p-10f);
    vf sum = v_set(0.0f);
#define START(i)  vf a##i = v_set(i);
#define ADD(i)    a##i = FMA(x, y, a##i);
#define GATHER(i) sum = v_add(sum, a##i);
    SUMS(START)
    for (uint64_t r = 0; r < rounds; r++) {
        SUMS(ADD)
    }
    SUMS(GATHER)
#if AI_LANES == 1
    return sum;
#else
    float lanes[AI_LANES];
    v_store(lanes, sum);
    return lanes[0];
#endif
}

#define ONE(i) +1
const ai_peak JOIN(ai_peak_, AI_LEVEL) = {LEVEL, 2 * AI_LANES *(0 SUMS(ONE)), run};
