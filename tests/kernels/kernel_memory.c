/* SPDX-License-Identifier: Apache-2.0
 * Random numbers, guarded memory, fills and the comparison of the kernel tests. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../random.h"
#include "kernel_test.h"

uint64_t rng_next(rng *r)
{
    return draw_random(&r->state);
}

int64_t rng_range(rng *r, int64_t low, int64_t high)
{
    return low + (int64_t)(rng_next(r) % (uint64_t)(high - low + 1));
}

bool rng_bool(rng *r)
{
    return rng_next(r) >> 63;
}

int32_t rng_pick(rng *r, const int32_t *values, int count)
{
    return values[rng_range(r, 0, count - 1)];
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    const char *text = getenv("AI_SEED");
    if (text)
        seed = strtoull(text, NULL, 0);
    else if (!seed)
        seed = (uint64_t)time(NULL);
    return seed;
}

rng rng_of_round(const char *name, int round)
{
    rng r = {test_seed() * 1000003u + (uint64_t)round};
    for (; *name; name++)
        r.state = r.state * 31 + (unsigned char)*name;
    return r;
}

guarded guarded_new(rng *r, int64_t count)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (size_t)count * sizeof(float);
    const size_t inner = (bytes + page - 1) / page * page;
    guarded g = {.count = count, .map_bytes = inner + 2 * page};
    g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_msg(g.map != MAP_FAILED, "cannot map %zu bytes", g.map_bytes);
    char *first = (char *)g.map + page;
    mprotect(g.map, page, PROT_NONE);
    mprotect(first + inner, page, PROT_NONE);
    const bool at_end = rng_range(r, 0, 3) > 0;
    g.data = (float *)(void *)(at_end ? first + inner - bytes : first);
    return g;
}

void guarded_free(guarded *g)
{
    if (g->map)
        munmap(g->map, g->map_bytes);
    *g = (guarded){0};
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float uniform(rng *r)
{
    return (float)(rng_next(r) >> 40) * 0x1p-23f - 1.0f;
}

static float extreme(rng *r)
{
    static const uint32_t bits[] = {
        0x7f800000, 0xff800000,             /* infinities */
        0x7fc00000, 0xffc00001,             /* NaN */
        0x00000000, 0x80000000,             /* zeros */
        0x00000001, 0x80000001, 0x007fffff, /* denormals */
        0x00800000, 0x7f7fffff, 0xff7fffff, /* least normal, greatest */
        0x3f800000, 0xbf800000, 0x4b000001, 0xcb800000,
    };
    return from_bits(bits[rng_range(r, 0, (int64_t)(sizeof bits / sizeof *bits) - 1)]);
}

void fill(rng *r, guarded *g, int kind)
{
    for (int64_t i = 0; i < g->count; i++) {
        float *x = &g->data[i];
        switch (kind) {
        case FILL_INTEGERS:
            *x = (float)rng_range(r, -4, 4);
            break;
        case FILL_EXTREMES:
            *x = rng_range(r, 0, 15) == 0 ? extreme(r) : uniform(r);
            break;
        case FILL_TINY:
            *x = uniform(r) * 0x1p-66f;
            break;
        case FILL_BITS:
            *x = from_bits((uint32_t)rng_next(r));
            break;
        default:
            *x = uniform(r);
        }
    }
}

void random_clamp(rng *r, float *lo, float *hi)
{
    static const float pairs[][2] = {
        {-INFINITY, INFINITY}, {0.0f, INFINITY}, {0.0f, 6.0f}, {-0.5f, 0.25f}, {-0.0f, 0.0f}};
    const int64_t i = rng_range(r, 0, 4);
    *lo = pairs[i][0];
    *hi = pairs[i][1];
}

bool same_number(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

static int near_count;

int within_count(void)
{
    return near_count;
}

static bool is_within(float got, float want, const guarded *slack, int64_t i)
{
    if (same_number(got, want))
        return true;
    if (!slack || !slack->data || !(fabs((double)got - (double)want) <= (double)slack->data[i]))
        return false;
    near_count++;
    return true;
}

void expect_within(const char *kernel, const guarded *got, const guarded *want,
                   const guarded *slack, const char *shape, ...)
{
    if (memcmp(got->data, want->data, (size_t)got->count * sizeof(float)) == 0)
        return;
    for (int64_t i = 0; i < got->count; i++) {
        if (is_within(got->data[i], want->data[i], slack, i))
            continue;
        char text[512];
        va_list list;
        va_start(list, shape);
        vsnprintf(text, sizeof text, shape, list);
        va_end(list);
        ck_abort_msg("%s: element %lld of %lld is %a, ref has %a (%s; AI_SEED=%llu)", kernel,
                     (long long)i, (long long)got->count, (double)got->data[i],
                     (double)want->data[i], text, (unsigned long long)test_seed());
    }
}
