/* SPDX-License-Identifier: Apache-2.0
 * Constant weights in panels of 16 outputs: f32, read where they lie, or f16, widened into scratch
 * just before a kernel reads them. */
#ifndef AI_WIDE_H
#define AI_WIDE_H

#include "core.h"

enum {
    AI_WIDE_KERNEL = 5, /* of step->kernel */
    AI_WIDE_MOST = 31   /* of step->local */
};

typedef struct ai_wide {
    const ai_kernel *kernel; /* NULL: f32 */
    const void *data;        /* of panel 0 */
    float *wide;             /* scratch for `most` panels */
    int64_t most;
    int64_t panels;
    int64_t panel; /* elements */
    int64_t begin; /* panels [begin, end) are in the scratch */
    int64_t end;
} ai_wide;

/* Fails unless input 1 is f32, or f16 in a layout of panels. */
ai_status ai_wide_check(const ai_step *s, ai_error *err);

/* Input 1 is that many panels of `panel` elements: adds scratch for as many as fit L1, but for
 * `least` of them if there are; false: over 2^44 bytes. */
bool ai_wide_plan(ai_step *s, int64_t panels, int64_t panel, int64_t least);
ai_status ai_wide_prepare(ai_step *s, ai_error *err);

/* For a run, with the numbers that were planned. */
void ai_wide_start(ai_wide *w, const ai_step *s, int64_t panels, int64_t panel, char **scratch);

/* *weights are those of panel `first` and of those behind it as many as come back, 1 to `count`,
 * until the next call. */
int64_t ai_wide_get(ai_wide *w, int64_t first, int64_t count, const float **weights);

/* What a kernel that reads panel `first` should prefetch, a panel for each, and its bytes: the f16
 * to be widened next; NULL: what lies behind its panels. */
const void *ai_wide_ahead(const ai_wide *w, int64_t first, int64_t *panel_bytes);

#endif
