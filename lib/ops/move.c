/* SPDX-License-Identifier: Apache-2.0
 * Operators that only put elements elsewhere: Transpose, Slice, Expand, Tile. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

static ai_status check_transpose(ai_step *s, ai_error *err)
{
    const ai_axes_params *p = s->params;
    const ai_tensor *in = s->in[0];
    int64_t dense[AI_MAX_RANK];
    int64_t dim[AI_MAX_RANK];
    int64_t stride[AI_MAX_RANK];
    uint32_t seen = 0;

    ai_status status = ai_need_plain(s, err);
    if (status != AI_OK)
        return status;
    if (p->count != 0 && p->count != in->rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "perm has %u axes, input has rank %u", p->count,
                            in->rank);
    ai_dense_strides(in->rank, in->dim, dense);
    for (uint32_t i = 0; i < in->rank; i++) {
        uint32_t axis = in->rank - 1 - i; /* no perm: reversed */
        if (p->count != 0) {
            status = ai_need_axis(s, p->axes[i], in->rank, &axis, err);
            if (status != AI_OK)
                return status;
        }
        if ((seen >> axis & 1) != 0)
            return ai_fail_step(err, AI_E_SHAPE, s, "perm names axis %u twice", axis);
        seen |= 1u << axis;
        dim[i] = in->dim[axis];
        stride[i] = dense[axis];
    }
    status = ai_set_output(s, 0, in->type, in->rank, dim, err);
    if (status == AI_OK)
        ai_walk_set(s, in->rank, dim, stride, 0);
    return status;
}

/* ---- Slice: data, starts, ends, axes, steps ---- */

/* One axis as ONNX slices it: the first index, and how many are taken. Bounds that are outside are
 * moved inside; a start before the first index is the first one, backward too, unlike in NumPy. */
static void slice_axis(int64_t size, int64_t start, int64_t end, int64_t step, int64_t *first,
                       int64_t *count)
{
    int64_t low = step > 0 || size == 0 ? 0 : -1; /* the least that an end may be */
    int64_t high = step > 0 || size == 0 ? size : size - 1;

    if (start < 0)
        start = start < -size ? 0 : start + size;
    if (end < 0)
        end = end < -size ? low : end + size;
    start = start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    if (step > 0)
        *count = end > start ? (end - start - 1) / step + 1 : 0;
    else
        *count = start > end ? (start - end - 1) / -step + 1 : 0;
    *first = start;
}

typedef struct slice_lists {
    int64_t start[AI_MAX_RANK];
    int64_t end[AI_MAX_RANK];
    int64_t axis[AI_MAX_RANK];
    int64_t step[AI_MAX_RANK];
    uint32_t count;
} slice_lists;

static ai_status read_slices(const ai_step *s, slice_lists *l, ai_error *err)
{
    int64_t *list[4] = {l->start, l->end, l->axis, l->step};
    uint32_t count[4];

    for (uint32_t i = 0; i < 4; i++) {
        if (i >= 2 && (s->in_count <= i + 1 || s->in[i + 1] == NULL)) {
            for (uint32_t k = 0; k < l->count; k++)
                list[i][k] = i == 2 ? (int64_t)k : 1;
            continue;
        }
        ai_status status = ai_known_ints(s, i + 1, list[i], AI_MAX_RANK, &count[i], err);
        if (status != AI_OK)
            return status;
        if (i == 0)
            l->count = count[0];
        if (count[i] != l->count)
            return ai_fail_step(err, AI_E_SHAPE, s, "starts has %u values, input %u has %u",
                                l->count, i + 1, count[i]);
    }
    return AI_OK;
}

static ai_status check_slice(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    slice_lists l;
    int64_t dim[AI_MAX_RANK];
    int64_t stride[AI_MAX_RANK];
    int64_t offset = 0;
    uint32_t seen = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = read_slices(s, &l, err);
    if (status != AI_OK)
        return status;
    ai_dense_strides(in->rank, in->dim, stride);
    for (uint32_t i = 0; i < in->rank; i++)
        dim[i] = in->dim[i];
    bool is_empty = ai_span(dim, 0, in->rank) == 0;
    for (uint32_t i = 0; i < l.count; i++) {
        uint32_t axis;
        int64_t first;
        status = ai_need_axis(s, l.axis[i], in->rank, &axis, err);
        if (status != AI_OK)
            return status;
        if ((seen >> axis & 1) != 0)
            return ai_fail_step(err, AI_E_SHAPE, s, "axis %u is named twice", axis);
        seen |= 1u << axis;
        if (l.step[i] == 0 || l.step[i] == INT64_MIN)
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "step of axis %u is %" PRId64 ", needs 1 to 2^63-1 of either sign",
                                axis, l.step[i]);
        slice_axis(in->dim[axis], l.start[i], l.end[i], l.step[i], &first, &dim[axis]);
        is_empty = is_empty || dim[axis] == 0;
        if (is_empty)
            continue;
        offset += first * stride[axis];
        /* a step is only taken when there are two elements: then it is less than the size */
        stride[axis] *= dim[axis] > 1 ? l.step[i] : 1;
    }
    status = ai_set_output(s, 0, in->type, in->rank, dim, err);
    if (status == AI_OK)
        ai_walk_set(s, in->rank, dim, stride, offset);
    return status;
}

static ai_status check_expand(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t target[AI_MAX_RANK];
    int64_t dense[AI_MAX_RANK];
    int64_t dim[AI_MAX_RANK];
    int64_t stride[AI_MAX_RANK];
    uint32_t target_rank;
    uint32_t rank;
    char text[2][AI_SHAPE_TEXT];

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_known_ints(s, 1, target, AI_MAX_RANK, &target_rank, err);
    if (status != AI_OK)
        return status;
    if (!ai_broadcast(in->rank, in->dim, target_rank, target, &rank, dim))
        return ai_fail_step(err, AI_E_SHAPE, s, "input is %s, which does not broadcast to %s",
                            ai_shape_text(in->rank, in->dim, text[0]),
                            ai_shape_text(target_rank, target, text[1]));
    status = ai_set_output(s, 0, in->type, rank, dim, err);
    if (status != AI_OK)
        return status;
    ai_dense_strides(in->rank, in->dim, dense);
    for (uint32_t i = 0; i < rank; i++) {
        uint32_t missing = rank - in->rank;
        stride[i] = i < missing || in->dim[i - missing] == 1 ? 0 : dense[i - missing];
    }
    ai_walk_set(s, rank, dim, stride, 0);
    return AI_OK;
}

/* ---- Tile ---- */

static ai_status check_tile(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t repeats[AI_MAX_RANK];
    int64_t dim[AI_MAX_RANK];
    uint32_t count;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_known_ints(s, 1, repeats, AI_MAX_RANK, &count, err);
    if (status != AI_OK)
        return status;
    if (count != in->rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "repeats has %u values, input has rank %u", count,
                            in->rank);
    for (uint32_t i = 0; i < count; i++) {
        if (repeats[i] < 0 || !ai_mul(in->dim[i], repeats[i], &dim[i]))
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "dimension %u of %" PRId64 " cannot be repeated %" PRId64 " times",
                                i, in->dim[i], repeats[i]);
    }
    status = ai_set_output(s, 0, in->type, count, dim, err);
    s->work = count > 1 ? ai_units(ai_span(dim, 0, count - 1)) : 1;
    return status;
}

/* A unit is a row of the output: a row of the input, again and again. */
static ai_status run_tile(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                          ai_error *err)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    int last = (int)in->rank - 1;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    size_t in_bytes = (last >= 0 ? (size_t)in->dim[last] : 1) * ai_type_bytes(in->type);
    size_t out_bytes = (last >= 0 ? (size_t)out->dim[last] : 1) * ai_type_bytes(in->type);
    for (int64_t row = begin; row < end; row++) {
        int64_t rest = row;
        int64_t from = 0;
        int64_t stride = 1;
        for (int d = last - 1; d >= 0; d--) {
            from += rest % out->dim[d] % in->dim[d] * stride;
            rest /= out->dim[d];
            stride *= in->dim[d];
        }
        const char *source = (const char *)in->data + (size_t)from * in_bytes;
        char *target = (char *)out->data + (size_t)row * out_bytes;
        for (size_t x = 0; x < out_bytes; x += in_bytes)
            memcpy(target + x, source, in_bytes);
    }
    return AI_OK;
}

const ai_op ai_op_transpose = {check_transpose, NULL, ai_walk_run, false};
const ai_op ai_op_slice = {check_slice, NULL, ai_walk_run, false};
const ai_op ai_op_expand = {check_expand, NULL, ai_walk_run, false};
const ai_op ai_op_tile = {check_tile, NULL, run_tile, false};
