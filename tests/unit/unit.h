/* SPDX-License-Identifier: Apache-2.0
 * What the unit tests share: the suites, and a check of everything that an error says. */
#ifndef AI_TESTS_UNIT_H
#define AI_TESTS_UNIT_H

#include <check.h>
#include <string.h>

#include "lai.h"

Suite *size_suite(void);
Suite *error_suite(void);
Suite *sha256_suite(void);
Suite *os_suite(void);
Suite *format_suite(void);
Suite *verify_suite(void);
Suite *model_suite(void);
Suite *plan_suite(void);
Suite *arena_suite(void);
Suite *session_suite(void);
Suite *infer_suite(void);
Suite *state_suite(void);
Suite *corrupt_suite(void);
Suite *memory_suite(void);
Suite *pool_suite(void);

/* An error that no function has touched. */
#define UNTOUCHED                                                                                  \
    {                                                                                              \
        77, 77, 77, "untouched"                                                                    \
    }

/* Checks code, step, offset and message of an error. */
#define ck_error(err, wanted_code, wanted_step, wanted_offset, wanted_message)                     \
    do {                                                                                           \
        ck_assert_str_eq(ai_status_name((err).code), ai_status_name(wanted_code));                 \
        ck_assert_str_eq((err).message, wanted_message);                                           \
        ck_assert_uint_eq((err).step, wanted_step);                                                \
        ck_assert_uint_eq((err).offset, wanted_offset);                                            \
    } while (0)

/* Opens the file that the builder has so far; the bytes stay with *file. */
ai_status open_lai(ai_model **model, lai *f, uint8_t **file, ai_error *err);
/* The same for a file that must open; the builder is freed. */
ai_model *must_open(lai *f, uint8_t **file);

/* ---- The counter of allocations (alloc.c) ---- */

/* Counts those that the core asks for from here on; number `failing` (from 1) gets no memory. */
void count_allocations(unsigned failing);
unsigned allocations(void);

#endif
