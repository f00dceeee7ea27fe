/* SPDX-License-Identifier: Apache-2.0
 * What the tests of operators against their definition share: random numbers, steps that are filled
 * and run in parts, windows; and the tests, each of one case: false if it was none. */
#ifndef DEFINITION_H
#define DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "step.h"

typedef struct dice {
    uint64_t state;
    uint64_t seed;
} dice;

/* The same as three dimensions, missing ones of size 1. */
typedef struct place {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
} place;

/* A number in [first, last]. */
int64_t from(dice *d, int64_t first, int64_t last);
bool one_in(dice *d, int64_t n);
void fail(const dice *d, const char *name, const char *what);
/* Memory for input i, zeros in its border, random numbers in a copy in plain order. */
float *fill(dice *d, step *s, uint32_t i);
float *fill_values(dice *d, step *s, uint32_t i);
float *fill_weight(dice *d, step *s, int64_t volume);
void run_split(dice *d, step *s, const char *name);
/* Output element i is `wanted`; all NaN are equal. */
void expect(const dice *d, const step *s, const char *name, int64_t i, float wanted);
/* A function of one number by its ref kernel, of which other tests see that it is right. */
float activate(const ai_activation *a, float x);
void make_activation(dice *d, ai_activation *a);
void make_window(dice *d, ai_window *w, uint32_t spatial);
void set_place(place *p, const ai_window *w, const ai_tensor *x, const ai_tensor *y);
int64_t volume_of(const int64_t size[3]);
void split(int64_t i, const int64_t size[3], int64_t at[3]);
/* Place in a plane of tap k of output `at`, or -1 outside the input. */
int64_t tap(const place *p, const int64_t at[3], int64_t k);

bool define_conv(dice *d);
bool define_conv_transpose(dice *d);
bool define_pool(dice *d);
bool define_global_pool(dice *d);
bool define_gemm(dice *d);
bool define_matmul(dice *d);
bool define_reorder(dice *d);

#endif
