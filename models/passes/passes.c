/* SPDX-License-Identifier: Apache-2.0
 * The table of passes. */
#include "pass.h"

const ai_pass ai_passes[] = {
#define AI_PASS(name, part) {#name, part, ai_pass_##name},
#include "passes.def"
#undef AI_PASS
};

const uint32_t ai_pass_count = sizeof ai_passes / sizeof ai_passes[0];
