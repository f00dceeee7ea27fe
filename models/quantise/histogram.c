/* SPDX-License-Identifier: Apache-2.0
 * Histograms of a tensor's numbers, and the range of u8 that suits them. Everything is counted and
 * summed in one order, so that the same samples give the same range. */
#include "quantise.h"

#include <math.h>
#include <string.h>

enum { HALF = AI_HISTOGRAM_BINS / 2, CANDIDATES = 100, LEAST_CANDIDATE = 20, ROUNDS = 3 };

/* One number in 20,000 at each end: of a picture's 100,000 numbers a tensor, five. */
static const double PERCENTILE = 1.0 / 20000;

/* So that the width of a range, and a hundred times its ends, are numbers, too. */
static const float MOST = 1e36f;

/* ---- Counting ---- */

/* Twice the reach: two bins become one, from the middle outwards. */
static void widen(ai_histogram *h)
{
    for (int i = 0; i < HALF; i++) {
        uint64_t up = 0;
        uint64_t down = 0;
        if (i < HALF / 2) {
            up = h->bins[HALF + 2 * i] + h->bins[HALF + 2 * i + 1];
            down = h->bins[HALF - 1 - 2 * i] + h->bins[HALF - 2 - 2 * i];
        }
        h->bins[HALF + i] = up;
        h->bins[HALF - 1 - i] = down;
    }
    h->reach *= 2;
}

bool ai_histogram_add(ai_histogram *h, const float *numbers, int64_t count)
{
    float lo = h->lo;
    float hi = h->hi;
    for (int64_t i = 0; i < count; i++) {
        if (!(fabsf(numbers[i]) <= MOST))
            return false;
        lo = numbers[i] < lo ? numbers[i] : lo;
        hi = numbers[i] > hi ? numbers[i] : hi;
    }
    h->lo = lo;
    h->hi = hi;
    if (h->reach == 0)
        h->reach = 1.0 / 1024;
    while (h->reach <= (double)hi || h->reach < -(double)lo)
        widen(h);
    double factor = HALF / h->reach;
    for (int64_t i = 0; i < count; i++)
        h->bins[(int64_t)((double)numbers[i] * factor + HALF)]++;
    h->total += (uint64_t)count;
    return true;
}

/* ---- Rounding ---- */

ai_scale ai_range_scale(ai_range range)
{
    ai_scale s = {.scale = (range.hi - range.lo) / 255.0f};
    if (!(s.scale > 0)) /* nothing but zeros */
        s.scale = 1;
    float zero = nearbyintf(-range.lo / s.scale);
    s.zero = (uint8_t)(zero > 255 ? 255 : zero);
    return s;
}

float ai_scale_round(ai_scale s, float x)
{
    float q = nearbyintf(x / s.scale) + (float)s.zero;
    q = q < 0 ? 0 : q > 255 ? 255 : q;
    return (q - (float)s.zero) * s.scale;
}

/* ---- Searching ---- */

static double middle_of(const ai_histogram *h, int i)
{
    return (i - HALF + 0.5) * (h->reach / HALF);
}

static double squared_error(const ai_histogram *h, ai_range range)
{
    ai_scale s = ai_range_scale(range);
    double sum = 0;
    double scale = (double)s.scale;
    double inverse = 1 / scale;
    for (int i = 0; i < AI_HISTOGRAM_BINS; i++) {
        if (h->bins[i] == 0)
            continue;
        double x = middle_of(h, i);
        double q = rint(x * inverse) + s.zero;
        q = q < 0 ? 0 : q > 255 ? 255 : q;
        double rest = x - (q - s.zero) * scale;
        sum += (double)h->bins[i] * rest * rest;
    }
    return sum;
}

/* Each end in turn, the other as it is: the share of what was seen that errs least. */
static ai_range least_error(const ai_histogram *h)
{
    ai_range best = {.lo = h->lo, .hi = h->hi, .is_known = true};
    double least = squared_error(h, best);
    for (int round = 0; round < ROUNDS; round++) {
        ai_range before = best;
        for (int end = 0; end < 2; end++) {
            if ((end == 0 ? h->lo : h->hi) == 0)
                continue;
            for (int k = LEAST_CANDIDATE; k <= CANDIDATES; k++) {
                ai_range range = best;
                if (end == 0)
                    range.lo = h->lo * (float)k / CANDIDATES;
                else
                    range.hi = h->hi * (float)k / CANDIDATES;
                double error = squared_error(h, range);
                if (error < least) {
                    least = error;
                    best = range;
                }
            }
        }
        if (before.lo == best.lo && before.hi == best.hi)
            break;
    }
    return best;
}

static ai_range percentile(const ai_histogram *h)
{
    ai_range range = {.lo = h->lo, .hi = h->hi, .is_known = true};
    uint64_t most = (uint64_t)((double)h->total * PERCENTILE);
    uint64_t passed = 0;
    int i = 0;
    while (i < HALF && passed + h->bins[i] <= most)
        passed += h->bins[i++];
    range.lo = fmaxf(range.lo, (float)((i - HALF) * (h->reach / HALF)));
    passed = 0;
    i = AI_HISTOGRAM_BINS - 1;
    while (i >= HALF && passed + h->bins[i] <= most)
        passed += h->bins[i--];
    range.hi = fminf(range.hi, (float)((i + 1 - HALF) * (h->reach / HALF)));
    return range;
}

ai_range ai_histogram_range(const ai_histogram *h, uint32_t method)
{
    ai_range range = {.lo = h->lo, .hi = h->hi, .is_known = true};
    if (method == AI_RANGES_PERCENTILE)
        range = percentile(h);
    else if (method == AI_RANGES_MSE)
        range = least_error(h);
    range.lo = fminf(range.lo, 0);
    range.hi = fmaxf(range.hi, 0);
    return range;
}
