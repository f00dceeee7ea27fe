/* SPDX-License-Identifier: Apache-2.0
 * One run of a model on inputs drawn from a seed: what a self-test stores and compares. */
#ifndef AI_SEEDED_H
#define AI_SEEDED_H

#include <stdbool.h>

#include "ai.h"

typedef struct ai_seeded {
    ai_session *session;
    void *memory;
    ai_view *inputs;
    ai_buffer *outputs; /* after the run, `bytes` are those of the true shape */
    uint32_t input_count;
    uint32_t output_count;
} ai_seeded;

/* What inputs are drawn by: see docs/format.md. */
typedef struct ai_seeded_rule {
    uint64_t seed;
    bool has_zero_integers; /* integers and bool are 0, not draws */
} ai_seeded_rule;

/* Opens a session with `options` and draws its inputs. On failure nothing is left to close. */
ai_status ai_seeded_open(ai_seeded *run, const ai_model *model, const ai_options *options,
                         ai_seeded_rule rule, ai_error *err);
ai_status ai_seeded_infer(ai_seeded *run, const ai_call *call, ai_error *err);
void ai_seeded_close(ai_seeded *run);

/* The next number of the sequence SplitMix64 that *state stands in. */
uint64_t ai_seeded_draw(uint64_t *state);

/* Every level of `cpu` that this machine has, as the mask that allows it and those before it.
 * At most 32; how many. */
uint32_t ai_seeded_levels(uint32_t cpu, uint32_t *masks);
/* Name of the highest level of a mask, such as "avx2". */
const char *ai_seeded_level_name(uint32_t mask);

/* The JSON of a self-test: `ref` is run; again with zeros for integers where the drawn ones are
 * values that the model cannot take. The caller frees *json. */
ai_status ai_self_test_make(const ai_model *model, uint64_t seed, const ai_call *call, char **json,
                            ai_error *err);

#endif
