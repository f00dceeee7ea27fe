/* SPDX-License-Identifier: Apache-2.0
 * Random numbers of the tests in C: the sequence SplitMix64 (S. Vigna), the same from a seed on
 * every machine. */
#ifndef AI_TESTS_RANDOM_H
#define AI_TESTS_RANDOM_H

#include <stdint.h>

/* The next number of the sequence that `*state` stands in. */
static inline uint64_t draw_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
