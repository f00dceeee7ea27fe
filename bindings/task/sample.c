/* SPDX-License-Identifier: Apache-2.0
 * Draws a character by its logits, with the same result on every machine: weights are integers, and
 * their sums do not depend on an order. */
#include <math.h>

#include "text.h"

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t ai_random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* exp((logit - largest) / temperature) in units of 2^-32; no more than 2^20 of them, so that sums
 * stay below 2^53 and are exact in f64. */
static void weigh(uint64_t *weights, const float *logits, const uint8_t *allowed, uint32_t count,
                  double temperature)
{
    double most = -INFINITY;
    for (uint32_t i = 0; i < count; i++)
        most = allowed[i] && (double)logits[i] > most ? (double)logits[i] : most;
    for (uint32_t i = 0; i < count; i++) {
        weights[i] = 0;
        if (allowed[i])
            weights[i] = (uint64_t)(ai_task_exp(((double)logits[i] - most) / temperature) * 0x1p32);
    }
}

static uint64_t sum_from(const uint64_t *weights, uint32_t count, uint64_t least)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weights[i] >= least ? weights[i] : 0;
    return sum;
}

/* The greatest weight such that those not below it sum up to at least `wanted`: bit by bit. */
static uint64_t threshold(const uint64_t *weights, uint32_t count, uint64_t wanted)
{
    uint64_t least = 0;
    for (uint64_t bit = (uint64_t)1 << 32; bit; bit >>= 1)
        if (sum_from(weights, count, least | bit) >= wanted)
            least |= bit;
    return least;
}

uint32_t ai_sample(const float *logits, const uint8_t *allowed, uint32_t count, double temperature,
                   double top_p, uint64_t *weights, uint64_t *state)
{
    uint64_t least = 0;
    weigh(weights, logits, allowed, count, temperature);
    uint64_t sum = sum_from(weights, count, 0);
    if (top_p < 1) {
        uint64_t wanted = (uint64_t)(top_p * (double)sum);
        least = threshold(weights, count, wanted ? wanted : 1);
        sum = sum_from(weights, count, least);
    }
    uint64_t left = (uint64_t)((double)(ai_random_next(state) >> 11) * 0x1p-53 * (double)sum);
    uint32_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!weights[i] || weights[i] < least)
            continue;
        last = i;
        if (left < weights[i])
            break;
        left -= weights[i];
    }
    return last;
}
