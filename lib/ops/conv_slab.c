/* SPDX-License-Identifier: Apache-2.0
 * The padded part of a plain input that some output rows of a Conv read. */
#include <string.h>

#include "conv.h"

/* A slab should stay in L2. */
enum { SLAB_BYTES = 256 * 1024 };

bool ai_conv_is_padded(const ai_window3 *v)
{
    for (int i = 0; i < 3; i++) {
        if (v->pad[i] != 0 || ai_window3_reach(v, i, v->out[i]) > v->in[i])
            return true;
    }
    return false;
}

int ai_conv_slice_axis(const ai_window3 *v)
{
    return v->out[0] > 1 || v->kernel[0] > 1 ? 0 : 1;
}

bool ai_conv_slab_size(const ai_window3 *v, int64_t slices, int64_t size[3], int64_t *count)
{
    int axis = ai_conv_slice_axis(v);
    int64_t part;

    for (int i = 0; i < 3; i++)
        size[i] = ai_window3_reach(v, i, i == axis ? slices : v->out[i]);
    return ai_mul(size[0], size[1], &part) && ai_mul(part, size[2], count);
}

/* As many slices as fill SLAB_BYTES, at least one. */
static bool choose_slices(const ai_window3 *v, int64_t channels, int64_t *slices)
{
    int axis = ai_conv_slice_axis(v);
    int64_t size[3];
    int64_t one;
    int64_t row;

    *slices = 1;
    if (!ai_conv_slab_size(v, 1, size, &one) || !ai_mul(one / size[axis], channels * 4, &row))
        return false;
    int64_t rows = SLAB_BYTES / row - ai_window3_extent(v, axis);
    if (rows > 0)
        *slices = ai_min(rows / v->stride[axis] + 1, v->out[axis]);
    return true;
}

bool ai_conv_plan_slab(ai_step *s, const ai_window3 *v)
{
    int64_t channels = s->in[1]->dim[1];
    int64_t *slices = &s->local[AI_CONV_SLICES];
    int64_t size[3];
    int64_t count;

    *slices = v->out[ai_conv_slice_axis(v)];
    if (!ai_conv_is_padded(v))
        return true;
    return choose_slices(v, channels, slices) && ai_conv_slab_size(v, *slices, size, &count) &&
           ai_scratch_add(&s->scratch, channels, count, 1, sizeof(float));
}

/* Fills one row of `columns` from input columns that start `pad` before the first. */
static void fill_row(float *out, int64_t columns, const float *in, int64_t in_columns, int64_t pad)
{
    int64_t left = ai_min(pad, columns);
    int64_t count = ai_min(in_columns, columns - left);
    int64_t right = columns - left - count;
    memset(out, 0, (size_t)left * sizeof(float));
    memcpy(out + left, in, (size_t)count * sizeof(float));
    memset(out + left + count, 0, (size_t)right * sizeof(float));
}

void ai_conv_fill_slab(const ai_window3 *v, const float *in, int64_t channels,
                       const int64_t first[2], const int64_t size[3], int64_t plane, float *slab)
{
    for (int64_t c = 0; c < channels; c++) {
        for (int64_t i = 0; i < size[0] * size[1]; i++) {
            int64_t d = first[0] + i / size[1] - v->pad[0];
            int64_t h = first[1] + i % size[1] - v->pad[1];
            float *out = slab + c * plane + i * size[2];
            if (d < 0 || d >= v->in[0] || h < 0 || h >= v->in[1])
                memset(out, 0, (size_t)size[2] * sizeof(float));
            else
                fill_row(out, size[2], in + ((c * v->in[0] + d) * v->in[1] + h) * v->in[2],
                         v->in[2], v->pad[2]);
        }
    }
}
