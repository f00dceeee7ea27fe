/* SPDX-License-Identifier: Apache-2.0
 * Pad: a border around a tensor, of a constant or of its own elements; negative pads crop. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

/* step->local, each by dimension: where the input, cropped first, begins in the output (from 0 on),
 * its first index that is left, and how many are left */
enum { BEGIN = 0, FIRST = 8, LEFT = 16 };

/* The pads of every dimension: begins, then ends. */
static ai_status read_pads(const ai_step *s, int64_t *pads, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    int64_t list[2 * AI_MAX_RANK];
    int64_t axes[AI_MAX_RANK];
    uint32_t count;
    uint32_t axis_count = in->rank;
    uint32_t seen = 0;
    bool has_axes = s->in_count > 3 && s->in[3] != NULL;

    ai_status status = ai_known_ints(s, 1, list, 2 * AI_MAX_RANK, &count, err);
    if (status == AI_OK && has_axes)
        status = ai_known_ints(s, 3, axes, AI_MAX_RANK, &axis_count, err);
    if (status != AI_OK)
        return status;
    if (count != 2 * axis_count)
        return ai_fail_step(err, AI_E_SHAPE, s, "pads has %u values, %u axes need %u", count,
                            axis_count, 2 * axis_count);
    for (uint32_t i = 0; i < axis_count; i++) {
        uint32_t axis = i;
        if (has_axes)
            status = ai_need_axis(s, axes[i], in->rank, &axis, err);
        if (status != AI_OK)
            return status;
        if ((seen >> axis & 1) != 0)
            return ai_fail_step(err, AI_E_SHAPE, s, "axis %u is named twice", axis);
        seen |= 1u << axis;
        pads[axis] = list[i];
        pads[AI_MAX_RANK + axis] = list[axis_count + i];
    }
    return AI_OK;
}

/* Output size of dimension d; fills step->local. */
static ai_status pad_axis(ai_step *s, uint32_t d, int64_t begin, int64_t end, int64_t *size,
                          ai_error *err)
{
    const ai_cast_params *p = s->params;
    int64_t in = s->in[0]->dim[d];
    const int64_t limit = (int64_t)1 << 40;

    if (begin < -limit || begin > limit || end < -limit || end > limit)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "pads of dimension %u are %" PRId64 " and %" PRId64
                            ", each at most 2^40",
                            d, begin, end);
    int64_t left = in + (begin < 0 ? begin : 0) + (end < 0 ? end : 0);
    if (left < 0)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "pads %" PRId64 " and %" PRId64 " crop dimension %u of %" PRId64, begin,
                            end, d, in);
    if (left == 0 && p->mode != AI_PAD_CONSTANT && (begin > 0 || end > 0))
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "dimension %u has nothing left to fill its padding from", d);
    s->local[BEGIN + d] = begin > 0 ? begin : 0;
    s->local[FIRST + d] = begin < 0 ? -begin : 0;
    s->local[LEFT + d] = left;
    *size = left + (begin > 0 ? begin : 0) + (end > 0 ? end : 0);
    return AI_OK;
}

static ai_status check_pad(ai_step *s, ai_error *err)
{
    const ai_cast_params *p = s->params;
    const ai_tensor *in = s->in[0];
    const ai_tensor *value = s->in_count > 2 ? s->in[2] : NULL;
    int64_t pads[2 * AI_MAX_RANK] = {0};
    int64_t dim[AI_MAX_RANK];

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && p->mode > AI_PAD_WRAP)
        status =
            ai_fail_step(err, AI_E_UNSUPPORTED, s, "mode is %u, at most %d", p->mode, AI_PAD_WRAP);
    if (status == AI_OK && value != NULL &&
        (value->type != in->type || ai_tensor_count(value) != 1))
        status = ai_fail_step(err, AI_E_SHAPE, s, "value is no single %s", ai_type_name(in->type));
    if (status == AI_OK)
        status = read_pads(s, pads, err);
    for (uint32_t d = 0; status == AI_OK && d < in->rank; d++)
        status = pad_axis(s, d, pads[d], pads[AI_MAX_RANK + d], &dim[d], err);
    if (status == AI_OK)
        status = ai_set_output(s, 0, in->type, in->rank, dim, err);
    s->work = status == AI_OK && in->rank > 1 ? ai_units(ai_span(dim, 0, in->rank - 1)) : 1;
    return status;
}

/* The input's index at an output's index of dimension d, or -1: the constant. */
static int64_t source_index(const ai_step *s, uint32_t d, int64_t at)
{
    const ai_cast_params *p = s->params;
    int64_t n = s->local[LEFT + d];

    at -= s->local[BEGIN + d];
    if (at < 0 || at >= n) {
        if (p->mode == AI_PAD_CONSTANT)
            return -1;
        if (p->mode == AI_PAD_EDGE)
            at = at < 0 ? 0 : n - 1;
        int64_t period = p->mode == AI_PAD_REFLECT ? 2 * (n - 1) : n;
        at = period > 0 ? (at % period + period) % period : 0;
        if (at >= n)
            at = period - at;
    }
    return at + s->local[FIRST + d];
}

static void fill(char *out, const void *value, int64_t count, size_t bytes)
{
    ai_copy_strided(out, value, count, 0, bytes);
}

/* One row of the output from the row `in` of the input. */
static void pad_row(const ai_step *s, const char *in, char *out, const void *value, size_t bytes)
{
    uint32_t d = s->in[0]->rank - 1;
    int64_t columns = s->out[0]->dim[d];
    int64_t begin = s->local[BEGIN + d];
    int64_t left = s->local[LEFT + d];

    for (int64_t x = 0; x < columns; x++) {
        if (x == begin && left > 0) {
            memcpy(out + (size_t)x * bytes, in + (size_t)s->local[FIRST + d] * bytes,
                   (size_t)left * bytes);
            x += left - 1;
            continue;
        }
        int64_t from = source_index(s, d, x);
        memcpy(out + (size_t)x * bytes, from < 0 ? (const char *)value : in + (size_t)from * bytes,
               bytes);
    }
}

/* A unit is a row of the output. */
static ai_status run_pad(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    static const uint64_t zero = 0;
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    const void *value = s->in_count > 2 && s->in[2] != NULL ? s->in[2]->data : &zero;
    size_t bytes = ai_type_bytes(in->type);

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (in->rank == 0) {
        memcpy(out->data, in->data, bytes);
        return AI_OK;
    }
    int64_t columns = out->dim[in->rank - 1];
    for (int64_t row = begin; row < end; row++) {
        int64_t rest = row;
        int64_t from = 0;
        int64_t stride = in->dim[in->rank - 1];
        bool is_inside = true;
        for (uint32_t d = in->rank - 1; d-- > 0;) {
            int64_t at = source_index(s, d, rest % out->dim[d]);
            is_inside = is_inside && at >= 0;
            rest /= out->dim[d];
            from += at * stride;
            stride *= in->dim[d];
        }
        char *to = (char *)out->data + (size_t)(row * columns) * bytes;
        if (is_inside)
            pad_row(s, (const char *)in->data + from * (int64_t)bytes, to, value, bytes);
        else
            fill(to, value, columns, bytes);
    }
    return AI_OK;
}

const ai_op ai_op_pad = {check_pad, NULL, run_pad, false};
