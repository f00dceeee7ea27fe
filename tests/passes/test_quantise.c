/* SPDX-License-Identifier: Apache-2.0
 * Tests of the quantiser's parts: histograms, ranges, rounding. */
#include "net.h"

#include <math.h>
#include <stdlib.h>

#include "quantise/quantise.h"

static ai_histogram *h;

static void setup(void)
{
    h = calloc(1, sizeof *h);
    ck_assert_ptr_nonnull(h);
}

static void teardown(void)
{
    free(h);
}

static uint64_t counted(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < AI_HISTOGRAM_BINS; i++)
        sum += h->bins[i];
    return sum;
}

START_TEST(histogram_widens)
{
    const float numbers[] = {0,        1e-6f,     -1e-6f, 0.25f, -0.25f,
                             0x1p-10f, -0x1p-10f, 1000,   -4096, 1e30f};
    for (int i = 0; i < 10; i++) {
        ck_assert(ai_histogram_add(h, &numbers[i], 1));
        ck_assert_uint_eq(counted(), (uint64_t)i + 1);
    }
    ck_assert(h->lo == -4096 && h->hi == 1e30f && h->total == 10);
    ck_assert_uint_eq(h->bins[AI_HISTOGRAM_BINS / 2 - 1], 4);
    const float bad[] = {NAN, INFINITY, -INFINITY, 1.1e36f, -1.1e36f};
    for (int i = 0; i < 5; i++)
        ck_assert(!ai_histogram_add(h, &bad[i], 1));
    ck_assert(h->total == 10);
}
END_TEST

/* Bins of a histogram that grew are those of one that was large at once. */
START_TEST(histogram_merges)
{
    float numbers[1000];
    for (int i = 0; i < 1000; i++)
        numbers[i] = (float)(i - 500) * (float)(i - 500) * (i < 500 ? -0.003f : 0.001f);
    ai_histogram *other = calloc(1, sizeof *other);
    for (int i = 0; i < 1000; i++)
        ck_assert(ai_histogram_add(h, &numbers[(i * 7 + 499) % 1000], 1));
    ck_assert(ai_histogram_add(other, numbers, 1000));
    ck_assert_mem_eq(h->bins, other->bins, sizeof h->bins);
    free(other);
}
END_TEST

/* 200,000 small numbers and a few large ones. */
static void add_outliers(float outlier)
{
    for (int i = 0; i < 200000; i++) {
        float x = i % 50000 == 7 ? outlier : (float)(i % 1000) / 1000;
        ck_assert(ai_histogram_add(h, &x, 1));
    }
}

START_TEST(ranges_of_outliers)
{
    add_outliers(3);
    ai_range all = ai_histogram_range(h, AI_RANGES_MIN_MAX);
    ai_range most = ai_histogram_range(h, AI_RANGES_PERCENTILE);
    ai_range best = ai_histogram_range(h, AI_RANGES_MSE);
    ck_assert(all.lo == 0 && all.hi == 3);
    ck_assert(most.lo == 0 && most.hi >= 0.999f && most.hi < 1.01f);
    ck_assert(best.lo == 0 && best.hi > 1 && best.hi <= 3);
}
END_TEST

START_TEST(ranges_hold_zero)
{
    const float numbers[] = {5, 6, 7};
    ck_assert(ai_histogram_add(h, numbers, 3));
    for (uint32_t method = 0; method <= AI_RANGES_MSE; method++) {
        ai_range range = ai_histogram_range(h, method);
        ck_assert(range.lo == 0 && range.hi > 5);
    }
}
END_TEST

START_TEST(numbers_round)
{
    ai_scale s = ai_range_scale((ai_range){-1, 4.1f, true});
    ck_assert(s.zero == 50 && fabsf(s.scale - 0.02f) < 1e-6f);
    ck_assert(ai_scale_round(s, 0) == 0);
    ck_assert(ai_scale_round(s, 100) == 205 * s.scale);
    ck_assert(ai_scale_round(s, -100) == -50 * s.scale);
    ck_assert(ai_scale_round(s, 0.031f) == 2 * s.scale);
    s = ai_range_scale((ai_range){0, 0, true});
    ck_assert(s.zero == 0 && s.scale == 1);
    s = ai_range_scale((ai_range){-3, 0, true});
    ck_assert(s.zero == 255);
}
END_TEST

START_TEST(ratios_are_numbers)
{
    ck_assert(ai_decibels(100, 1) == 20 && ai_decibels(1, 100) == -20);
    ck_assert(ai_decibels(1, 0) == 99 && ai_decibels(0, 0) == 0 && ai_decibels(1e-30, 1e30) == -99);
    ck_assert(ai_decibels(1, INFINITY) == -99 && ai_decibels(1, NAN) == -99);
}
END_TEST

Suite *quantise_suite(void)
{
    Suite *suite = suite_create("quantise");
    TCase *tests = tcase_create("quantise");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, histogram_widens);
    tcase_add_test(tests, histogram_merges);
    tcase_add_test(tests, ranges_of_outliers);
    tcase_add_test(tests, ranges_hold_zero);
    tcase_add_test(tests, numbers_round);
    tcase_add_test(tests, ratios_are_numbers);
    suite_add_tcase(suite, tests);
    return suite;
}
