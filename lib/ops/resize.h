/* SPDX-License-Identifier: Apache-2.0
 * What the files of Resize share: an axis, and the numbers from which its outputs are mixed. */
#ifndef AI_RESIZE_H
#define AI_RESIZE_H

#include "elem.h"

typedef struct ai_resize_axis {
    int64_t in;
    int64_t out;
    double scale;   /* as given, or out / in */
    bool is_scaled; /* the scale was given: it is an f32 */
    float roi[2];
    int64_t taps; /* of an output; 1 if it is copied */
} ai_resize_axis;

/* Reads the axes of a step: sizes, scales, taps. There is one for each dimension of input 0. */
ai_status ai_resize_axes(const ai_step *s, ai_resize_axis *axis, ai_error *err);

/* Outputs are the inputs at the same places. */
bool ai_resize_is_still(const ai_step *s, const ai_resize_axis *axis);

/* The inputs at `places` and their weights, of which `x` has `taps`, `step` entries apart. False:
 * the output lies outside of the input and is the extrapolation value. */
bool ai_resize_taps(const ai_step *s, const ai_resize_axis *axis, int64_t x, int64_t step,
                    int64_t *places, float *weights);

#endif
