/* SPDX-License-Identifier: Apache-2.0
 * Operators that give the same bytes another shape, and those that tell a shape. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

/* Reshape, flags: a 0 in the shape is a dimension of size 0, not a copy of the input's. */
enum { RESHAPE_ALLOW_ZERO = 1 };

/* Output 0 is input 0 under the given shape of as many elements. */
static ai_status set_view(ai_step *s, uint32_t rank, const int64_t *dim, ai_error *err)
{
    ai_status status = ai_set_output(s, 0, s->in[0]->type, rank, dim, err);
    s->alias = AI_ALIAS_VIEW;
    s->alias_input = 0;
    s->work = 1;
    return status;
}

static void copy_blocks(const ai_tensor *in, const ai_tensor *out)
{
    int64_t blocks = ai_image_blocks(out);
    size_t row_bytes = (size_t)out->dim[3] * 16 * sizeof(float);

    for (int64_t b = 0; b < blocks; b++) {
        const float *from = (const float *)in->data + b * in->plane;
        float *to = (float *)out->data + b * out->plane;
        for (int64_t y = 0; y < out->dim[2]; y++)
            memcpy(to + y * out->row, from + y * in->row, row_bytes);
    }
}

/* Runs only where the output could not lie where the input lies. */
static ai_status run_view(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                          ai_error *err)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];

    (void)scratch;
    (void)err;
    if (begin >= end || ai_is_empty(s, 0) || in->data == out->data)
        return AI_OK;
    if (out->layout == AI_LAYOUT_NCHW16C)
        copy_blocks(in, out);
    else
        memcpy(out->data, in->data, (size_t)ai_tensor_count(out) * ai_type_bytes(out->type));
    return AI_OK;
}

static ai_status check_identity(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];

    if (s->out[0] != NULL && s->out[0]->layout != in->layout)
        return ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                            in->layout, s->out[0]->layout);
    return set_view(s, in->rank, in->dim, err);
}

/* Replaces 0 and -1 in a target shape by what they stand for. */
static ai_status resolve_shape(const ai_step *s, uint32_t rank, int64_t *dim, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    bool allow_zero = (p->flags & RESHAPE_ALLOW_ZERO) != 0;
    int64_t count = ai_tensor_count(in);
    int64_t known;
    int hole = -1;
    char text[AI_SHAPE_TEXT];

    for (uint32_t i = 0; i < rank; i++) {
        if (dim[i] < -1)
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "dimension %u of the shape is %" PRId64 ", needs at least -1", i,
                                dim[i]);
        if (dim[i] == -1 && hole >= 0)
            return ai_fail_step(err, AI_E_SHAPE, s, "dimensions %d and %u of the shape are both -1",
                                hole, i);
        if (dim[i] == 0 && !allow_zero) {
            if (i >= in->rank)
                return ai_fail_step(err, AI_E_SHAPE, s,
                                    "dimension %u of the shape is 0, input has rank %u", i,
                                    in->rank);
            dim[i] = in->dim[i];
        } else if (dim[i] == -1) {
            hole = (int)i;
            dim[i] = 1;
        }
    }
    if (!ai_count(rank, dim, &known))
        return ai_fail_step(err, AI_E_SHAPE, s, "shape has over 2^40 elements: %s",
                            ai_shape_text(rank, dim, text));
    if (hole >= 0 && known > 0 && count % known == 0)
        dim[hole] = count / known;
    else if (hole >= 0 || known != count)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "input is %s of %" PRId64 " elements, shape takes %s%" PRId64,
                            ai_shape_text(in->rank, in->dim, text), count,
                            hole >= 0 ? "a multiple of " : "", known);
    return AI_OK;
}

static ai_status check_reshape(ai_step *s, ai_error *err)
{
    int64_t dim[AI_MAX_RANK];
    uint32_t rank;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_known_ints(s, 1, dim, AI_MAX_RANK, &rank, err);
    if (status == AI_OK)
        status = resolve_shape(s, rank, dim, err);
    return status == AI_OK ? set_view(s, rank, dim, err) : status;
}

static ai_status check_flatten(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    uint32_t axis = in->rank;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && p->axis != (int64_t)in->rank)
        status = ai_need_axis(s, p->axis, in->rank, &axis, err);
    if (status != AI_OK)
        return status;
    const int64_t dim[2] = {ai_span(in->dim, 0, axis), ai_span(in->dim, axis, in->rank)};
    return set_view(s, 2, dim, err);
}

static ai_status check_squeeze(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t axes[AI_MAX_RANK];
    int64_t dim[AI_MAX_RANK];
    uint32_t count = 0;
    uint32_t mask = 0;
    uint32_t rank = 0;
    bool has_axes = s->in_count > 1 && s->in[1] != NULL;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && has_axes)
        status = ai_known_ints(s, 1, axes, AI_MAX_RANK, &count, err);
    if (status == AI_OK)
        status = ai_axes_mask(s, in->rank, count, axes, &mask, err);
    if (status != AI_OK)
        return status;
    for (uint32_t i = 0; i < in->rank; i++) {
        bool is_named = (mask >> i & 1) != 0;
        if (is_named && in->dim[i] != 1)
            return ai_fail_step(err, AI_E_SHAPE, s, "dimension %u is %" PRId64 ", needs 1", i,
                                in->dim[i]);
        if (has_axes ? !is_named : in->dim[i] != 1)
            dim[rank++] = in->dim[i];
    }
    return set_view(s, rank, dim, err);
}

static ai_status check_unsqueeze(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t axes[AI_MAX_RANK];
    int64_t dim[AI_MAX_RANK];
    uint32_t count;
    uint32_t mask = 0;
    uint32_t taken = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_known_ints(s, 1, axes, AI_MAX_RANK, &count, err);
    if (status != AI_OK)
        return status;
    uint32_t rank = in->rank + count;
    if (rank > AI_MAX_RANK)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "output has rank %u, at most %d", rank,
                            AI_MAX_RANK);
    status = ai_axes_mask(s, rank, count, axes, &mask, err);
    if (status != AI_OK)
        return status;
    for (uint32_t i = 0; i < rank; i++)
        dim[i] = (mask >> i & 1) != 0 ? 1 : in->dim[taken++];
    return set_view(s, rank, dim, err);
}

/* ---- Shape and Size ---- */

/* Shape's [start, end) within the rank; local[0] and local[1]. */
static ai_status check_shape(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    int64_t rank = s->in[0]->rank;
    int64_t bound[2] = {p->start, p->end};

    for (int i = 0; i < 2; i++) {
        if (bound[i] < 0)
            bound[i] = bound[i] < -rank ? 0 : bound[i] + rank;
        s->local[i] = bound[i] > rank ? rank : bound[i];
    }
    int64_t count = s->local[1] > s->local[0] ? s->local[1] - s->local[0] : 0;
    s->work = 1;
    return ai_set_output(s, 0, AI_S64, 1, &count, err);
}

static ai_status run_shape(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                           ai_error *err)
{
    (void)scratch;
    (void)err;
    if (begin >= end || ai_is_empty(s, 0))
        return AI_OK;
    int64_t *out = s->out[0]->data;
    for (int64_t i = s->local[0]; i < s->local[1]; i++)
        *out++ = s->in[0]->dim[i];
    return AI_OK;
}

static ai_status check_size(ai_step *s, ai_error *err)
{
    s->work = 1;
    return ai_set_output(s, 0, AI_S64, 0, NULL, err);
}

static ai_status run_size(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                          ai_error *err)
{
    (void)scratch;
    (void)err;
    if (begin < end && !ai_is_empty(s, 0))
        *(int64_t *)s->out[0]->data = ai_tensor_count(s->in[0]);
    return AI_OK;
}

const ai_op ai_op_identity = {check_identity, NULL, run_view, false};
const ai_op ai_op_reshape = {check_reshape, NULL, run_view, false};
const ai_op ai_op_flatten = {check_flatten, NULL, run_view, false};
const ai_op ai_op_squeeze = {check_squeeze, NULL, run_view, false};
const ai_op ai_op_unsqueeze = {check_unsqueeze, NULL, run_view, false};
const ai_op ai_op_shape = {check_shape, NULL, run_shape, true};
const ai_op ai_op_size = {check_size, NULL, run_size, true};
