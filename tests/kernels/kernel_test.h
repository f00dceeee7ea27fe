/* SPDX-License-Identifier: Apache-2.0
 * What the kernel tests share: random numbers, guarded memory, fills, one comparison. */
#ifndef AI_KERNEL_TEST_H
#define AI_KERNEL_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai.h"
#include "format.h"
#include "kernels.h"

#ifdef AI_HAVE_CHECK
#include <check.h>
#else
#include "plain_check.h" /* cross builds, where Check is not installed */
#endif

/* ---- Random numbers ---- */

typedef struct rng {
    uint64_t state;
} rng;

uint64_t rng_next(rng *r);
/* In [low, high]. */
int64_t rng_range(rng *r, int64_t low, int64_t high);
bool    rng_bool(rng *r);
/* One of the values, of which there are `count`. */
int32_t rng_pick(rng *r, const int32_t *values, int count);
#define PICK(r, ...)                                                                               \
    rng_pick(r, (const int32_t[]){__VA_ARGS__},                                                    \
             (int)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)))

/* The seed of this run: AI_SEED, or a number from the clock; and that of one round of one row. */
uint64_t test_seed(void);
/* AI_ROUNDS, or 100. */
int      round_count(void);
rng      rng_of_round(const char *name, int round);

/* ---- Memory between two pages that nobody may touch ---- */

typedef struct guarded {
    float  *data; /* ends where the upper guard begins, or begins where the lower one ends */
    int64_t count;
    void   *map;
    size_t  map_bytes;
} guarded;

guarded guarded_new(rng *r, int64_t count);
void    guarded_free(guarded *g);

/* ---- Fills ---- */

enum {
    FILL_UNIFORM,  /* [-1, 1) */
    FILL_INTEGERS, /* -4 to 4 */
    FILL_EXTREMES, /* uniform with infinities, NaN, zeros of both signs, denormals, huge numbers */
    FILL_TINY,     /* products are denormal */
    FILL_BITS,     /* any bits */
    FILL_COUNT
};

void fill(rng *r, guarded *g, int kind);

/* A pair of clamps: none, Relu, Relu6, something else. */
void random_clamp(rng *r, float *lo, float *hi);

/* ---- Comparison ---- */

/* Equal to the bit, but one NaN is as good as another: which operand's payload survives is up to
 * the order in which the compiler puts the operands of + and *, and differs between x86 and Arm. */
bool same_number(float a, float b);
/* Fails the test, with the seed, at the first difference; where there is slack, at the first that is
 * greater than its number. */
void expect_within(const char *kernel, const guarded *got, const guarded *want,
                   const guarded *slack, const char *shape, ...)
    __attribute__((format(printf, 5, 6)));
#define expect_same(kernel, got, want, ...) expect_within(kernel, got, want, NULL, __VA_ARGS__)
/* How often it met numbers that were not the same, but within the slack. */
int within_count(void);

/* ---- One round of one row against the row of ref, by operation ---- */

typedef struct row {
    const ai_kernel *kernel;
    const ai_kernel *ref;
} row;

/* Another library's row: it rounds in its own way, and promises nothing for NaN and infinities. */
bool is_back_end(const row *k);

void round_conv(const row *k, rng *r);
void round_conv_plain(const row *k, rng *r);
void round_winograd_input(const row *k, rng *r);
void round_winograd_output(const row *k, rng *r);
void round_gemm(const row *k, rng *r);
void round_pool(const row *k, rng *r);
void round_binary(const row *k, rng *r);
void round_unary(const row *k, rng *r);
void round_widen(const row *k, rng *r);
void round_quantise(const row *k, rng *r);
void round_gemm_s8(const row *k, rng *r);
void round_q_conv(const row *k, rng *r);
void round_byte_pool(const row *k, rng *r);
void round_to_bytes(const row *k, rng *r);
void round_from_bytes(const row *k, rng *r);
void round_lookup(const row *k, rng *r);
void round_reduce(const row *k, rng *r);
void round_softmax(const row *k, rng *r);
void round_transpose(const row *k, rng *r);
void round_resize(const row *k, rng *r);

Suite *suite_rows(void);
Suite *suite_known(void);
Suite *suite_accuracy(void);

#endif
