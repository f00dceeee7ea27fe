/* SPDX-License-Identifier: Apache-2.0
 * Small models to begin from: one a form of every operator, and those of the unit tests. */
#ifndef AI_TESTS_CORPUS_H
#define AI_TESTS_CORPUS_H

#include "../random.h"
#include "lai.h"

size_t corpus_count(void);
/* The bytes of model `index`, 64-byte aligned, to be freed with free(). Its name goes to `name`. */
uint8_t *corpus_make(size_t index, size_t *bytes, char name[64]);

/* Changes a file at places that matter, sizes kept; checksums are not put right. */
void mutate_model(uint8_t *file, size_t bytes, uint64_t *random);

/* Opens and runs a file with checksums put right; ends the program where a promise is broken. */
int run_model(const uint8_t *file, size_t bytes);

#endif
