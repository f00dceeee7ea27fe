/* SPDX-License-Identifier: Apache-2.0
 * Concat, which joins tensors along an axis, and Split, which cuts one. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

/* step->local of both: elements of one index of the axis, and indices before the axis */
enum { INNER = 0, OUTER = 1, AXIS = 2 };

static void set_axis(ai_step *s, uint32_t axis, const ai_tensor *whole)
{
    s->local[AXIS] = axis;
    s->local[INNER] = ai_span(whole->dim, axis + 1, whole->rank);
    s->local[OUTER] = ai_span(whole->dim, 0, axis);
}

/* ---- Concat ---- */

static ai_status check_concat_input(const ai_step *s, uint32_t i, uint32_t axis, ai_error *err)
{
    const ai_tensor *first = s->in[0];
    const ai_tensor *in = s->in[i];

    if (in == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "input %u is missing", i);
    if (in->type != first->type)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "input %u is %s, input 0 is %s", i,
                            ai_type_name(in->type), ai_type_name(first->type));
    if (in->rank != first->rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "input %u has rank %u, input 0 has %u", i, in->rank,
                            first->rank);
    if (in->layout != first->layout)
        return ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, input 0 has %u", i,
                            in->layout, first->layout);
    for (uint32_t d = 0; d < in->rank; d++) {
        if (d != axis && in->dim[d] != first->dim[d])
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "dimension %u of input %u is %" PRId64 ", of input 0 %" PRId64, d,
                                i, in->dim[d], first->dim[d]);
    }
    if (in->layout == AI_LAYOUT_NCHW16C && axis == 1 && i + 1 < s->in_count && in->dim[1] % 16 != 0)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "input %u has %" PRId64 " channels, blocks need a multiple of 16", i,
                            in->dim[1]);
    return AI_OK;
}

static ai_status check_concat(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *first = s->in[0];
    const ai_tensor *out = s->out[0];
    int64_t dim[AI_MAX_RANK];
    uint32_t axis;

    ai_status status = ai_need_axis(s, p->axis, first->rank, &axis, err);
    if (status != AI_OK)
        return status;
    if (first->layout != out->layout ||
        (out->layout != AI_LAYOUT_PLAIN && out->layout != AI_LAYOUT_NCHW16C))
        return ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                            first->layout, out->layout);
    memcpy(dim, first->dim, sizeof(dim));
    dim[axis] = 0;
    for (uint32_t i = 0; i < s->in_count; i++) {
        status = check_concat_input(s, i, axis, err);
        if (status != AI_OK)
            return status;
        if (!ai_add(dim[axis], s->in[i]->dim[axis], &dim[axis]))
            return ai_fail_step(err, AI_E_SHAPE, s, "axis %u has over 2^63 indices", axis);
    }
    status = ai_set_output(s, 0, first->type, first->rank, dim, err);
    if (status != AI_OK)
        return status;
    set_axis(s, axis, out);
    s->alias = AI_ALIAS_NONE;
    if (out->layout == AI_LAYOUT_PLAIN ? s->local[OUTER] == 1
                                       : axis == 0 || (axis == 1 && dim[0] == 1))
        s->alias = AI_ALIAS_JOIN;
    if (out->layout == AI_LAYOUT_NCHW16C)
        s->work = ai_units(ai_span(dim, 0, 4) == 0 ? 0 : ai_image_blocks(out) * dim[2]);
    else
        s->work = ai_span(dim, 0, first->rank) == 0 ? 1 : s->local[OUTER] * s->in_count;
    return AI_OK;
}

/* A unit is one input's part of one outer index; inputs come first. */
static void run_concat_plain(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_tensor *out = s->out[0];
    size_t bytes = (size_t)s->local[INNER] * ai_type_bytes(out->type);
    int64_t axis = s->local[AXIS];
    int64_t outer = begin / s->in_count;
    uint32_t i = (uint32_t)(begin % s->in_count);
    int64_t done = outer * out->dim[axis];

    for (uint32_t k = 0; k < i; k++)
        done += s->in[k]->dim[axis];
    for (int64_t unit = begin; unit < end; unit++) {
        const ai_tensor *in = s->in[i];
        size_t part = (size_t)in->dim[axis] * bytes;
        char *to = (char *)out->data + (size_t)done * bytes;
        const char *from = (const char *)in->data + (size_t)outer * part;
        if (part > 0 && to != from)
            memcpy(to, from, part);
        done += in->dim[axis];
        if (++i == s->in_count) {
            i = 0;
            outer++;
        }
    }
}

/* The input that holds index `at` of an axis (in units of `unit` indices), and the index in it. */
static const ai_tensor *find_part(const ai_step *s, int64_t axis, int64_t unit, int64_t at,
                                  int64_t *inside)
{
    uint32_t i = 0;
    int64_t size = (s->in[0]->dim[axis] + unit - 1) / unit;

    while (at >= size) {
        at -= size;
        i++;
        size = (s->in[i]->dim[axis] + unit - 1) / unit;
    }
    *inside = at;
    return s->in[i];
}

static const char *block_row(const ai_tensor *t, int64_t n, int64_t block, int64_t y, size_t size)
{
    int64_t at = (n * ((t->dim[1] + 15) / 16) + block) * t->plane + y * t->row;
    return (const char *)t->data + (size_t)at * size;
}

/* A unit is a row of a block of the output. */
static void run_concat_blocks(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_tensor *out = s->out[0];
    int64_t axis = s->local[AXIS];
    int64_t blocks = (out->dim[1] + 15) / 16;
    int64_t height = out->dim[2];
    size_t size = ai_type_bytes((ai_type)out->type);

    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at[3] = {unit / height / blocks, unit / height % blocks, unit % height};
        char *to =
            (char *)out->data + (size_t)(unit / height * out->plane + at[2] * out->row) * size;
        if (axis < 3) {
            const ai_tensor *in = find_part(s, axis, axis == 1 ? 16 : 1, at[axis], &at[axis]);
            const char *from = block_row(in, at[0], at[1], at[2], size);
            if (to != from)
                memcpy(to, from, (size_t)out->dim[3] * 16 * size);
            continue;
        }
        for (uint32_t i = 0; i < s->in_count; i++) {
            const ai_tensor *in = s->in[i];
            if (in->dim[3] == 0)
                continue;
            memcpy(to, block_row(in, at[0], at[1], at[2], size), (size_t)in->dim[3] * 16 * size);
            to += (size_t)in->dim[3] * 16 * size;
        }
    }
}

static ai_status run_concat(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (s->out[0]->layout == AI_LAYOUT_NCHW16C)
        run_concat_blocks(s, begin, end);
    else
        run_concat_plain(s, begin, end);
    return AI_OK;
}

/* ---- Split: sizes in input 1, or equal parts of which the last may be smaller ---- */

static ai_status known_size(const ai_step *s, uint32_t i, int64_t *size, ai_error *err)
{
    const ai_tensor *t = s->in[1];

    if (t->type != AI_S64 || t->layout != AI_LAYOUT_PLAIN || t->rank != 1 ||
        t->dim[0] != s->out_count)
        return ai_fail_step(err, AI_E_SHAPE, s, "split is no list of %u s64 values", s->out_count);
    if (t->known == NULL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "split depends on values of a run, needs a constant");
    *size = ((const int64_t *)t->known)[i];
    return AI_OK;
}

static ai_status check_split(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    bool has_sizes = s->in_count > 1 && s->in[1] != NULL;
    int64_t dim[AI_MAX_RANK];
    uint32_t axis;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_axis(s, p->axis, in->rank, &axis, err);
    if (status != AI_OK)
        return status;
    int64_t total = in->dim[axis];
    int64_t left = total;
    int64_t equal = total / s->out_count + (total % s->out_count != 0);
    memcpy(dim, in->dim, sizeof(dim));
    for (uint32_t i = 0; i < s->out_count; i++) {
        int64_t size = equal < left ? equal : left;
        if (has_sizes)
            status = known_size(s, i, &size, err);
        if (status == AI_OK && (size < 0 || size > left))
            status =
                ai_fail_step(err, AI_E_SHAPE, s,
                             "output %u takes %" PRId64 " of axis %u, which has %" PRId64 " left",
                             i, size, axis, left);
        dim[axis] = size;
        if (status == AI_OK)
            status = ai_set_output(s, i, in->type, in->rank, dim, err);
        if (status != AI_OK)
            return status;
        left -= size;
    }
    if (left != 0)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "outputs take %" PRId64 " of axis %u, input has %" PRId64, total - left,
                            axis, total);
    set_axis(s, axis, in);
    s->alias = s->local[OUTER] == 1 ? AI_ALIAS_CUT : AI_ALIAS_NONE;
    for (uint32_t i = 0; i < s->out_count; i++)
        s->alias = s->out[i] == NULL ? AI_ALIAS_NONE : s->alias;
    s->local[3] = equal;
    s->work = ai_span(in->dim, 0, in->rank) == 0 ? 1 : s->local[OUTER];
    return AI_OK;
}

/* A unit is one outer index. Sizes come from the outputs, which may be NULL: not wanted. */
static ai_status run_split(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                           ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t axis = s->local[AXIS];
    size_t bytes = (size_t)s->local[INNER] * ai_type_bytes(in->type);

    (void)scratch;
    (void)err;
    if (ai_tensor_count(in) == 0)
        return AI_OK;
    int64_t done = 0;
    for (uint32_t i = 0; i < s->out_count; i++) {
        const ai_tensor *out = s->out[i];
        int64_t size = out != NULL ? out->dim[axis] : 0;
        if (out == NULL && s->in_count > 1 && s->in[1] != NULL)
            size = ((const int64_t *)s->in[1]->known)[i];
        else if (out == NULL)
            size = in->dim[axis] - done < s->local[3] ? in->dim[axis] - done : s->local[3];
        size_t part = (size_t)size * bytes;
        for (int64_t k = begin; out != NULL && part > 0 && k < end; k++) {
            const char *from = (const char *)in->data + (size_t)(k * in->dim[axis] + done) * bytes;
            char *to = (char *)out->data + (size_t)k * part;
            if (to != from)
                memcpy(to, from, part);
        }
        done += size;
    }
    return AI_OK;
}

const ai_op ai_op_concat = {check_concat, NULL, run_concat, false};
const ai_op ai_op_split = {check_split, NULL, run_split, false};
