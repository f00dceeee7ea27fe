/* SPDX-License-Identifier: Apache-2.0
 * Gather: slices of a tensor, chosen by index along an axis. The tensor may be the weights of a
 * product: its slices are their columns then, of which a network's embedding is often made. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"
#include "rounded.h"

enum { INNER = 0, OUTER = 1, SIZE = 2 };

/* Data [k][n] in panels, of which index i is column i. */
static bool is_panels(const ai_tensor *data)
{
    return data->layout != AI_LAYOUT_PLAIN;
}

static ai_status check_panels(const ai_step *s, uint32_t axis, ai_error *err)
{
    const ai_tensor *data = s->in[0];
    bool is_wide =
        data->layout == AI_LAYOUT_PANEL16 && (data->type == AI_F32 || data->type == AI_F16);
    if (!is_wide && !ai_is_rounded(data))
        return ai_fail_step(err, AI_E_FORMAT, s, "data is %s in layout %u, needs a plain tensor",
                            ai_type_name(data->type), data->layout);
    if (data->kind != AI_TENSOR_CONSTANT || data->rank != 2 || axis != 0)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "data in panels is not a constant matrix, or axis %u is not 0", axis);
    return AI_OK;
}

static ai_status check_gather(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *data = s->in[0];
    const ai_tensor *indices = s->in[1];
    const int64_t columns[2] = {data->dim[1], data->dim[0]};
    const int64_t *from = is_panels(data) ? columns : data->dim;
    int64_t dim[2 * AI_MAX_RANK];
    uint32_t axis;
    uint32_t rank = 0;

    ai_status status = ai_need_plain_from(s, is_panels(data), err);
    if (status == AI_OK)
        status = ai_need_axis(s, p->axis, data->rank, &axis, err);
    if (status == AI_OK && is_panels(data))
        status = check_panels(s, axis, err);
    if (status != AI_OK)
        return status;
    if (indices->type != AI_S32 && indices->type != AI_S64)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "indices are %s, needs s32 or s64",
                            ai_type_name(indices->type));
    for (uint32_t i = 0; i < axis; i++)
        dim[rank++] = from[i];
    for (uint32_t i = 0; i < indices->rank; i++)
        dim[rank++] = indices->dim[i];
    for (uint32_t i = axis + 1; i < data->rank; i++)
        dim[rank++] = from[i];
    status = ai_set_output(s, 0, is_panels(data) ? AI_F32 : data->type, rank, dim, err);
    if (status != AI_OK)
        return status;
    s->local[INNER] = ai_span(from, axis + 1, data->rank);
    s->local[OUTER] = ai_span(from, 0, axis);
    s->local[SIZE] = from[axis];
    s->work = ai_span(dim, 0, rank) == 0 ? 1 : s->local[OUTER] * ai_tensor_count(indices);
    return AI_OK;
}

static void copy_column(const ai_tensor *data, int64_t column, float *out)
{
    const int64_t k = data->dim[0];
    const int64_t at = column / 16 * k * 16 + column % 16;
    if (ai_is_rounded(data)) {
        const char *panel = (const char *)data->data + column / 16 * ai_rounded_bytes(k, 16);
        const int8_t *weights = (const int8_t *)panel + 64 + column % 16 * 4;
        const float scale = ((const float *)(const void *)panel)[column % 16];
        for (int64_t i = 0; i < k; i++)
            out[i] = (float)weights[i / 4 * 64 + i % 4] * scale;
    } else if (data->type == AI_F16) {
        for (int64_t i = 0; i < k; i++)
            out[i] = ai_f16_to_f32(((const uint16_t *)data->data)[at + i * 16]);
    } else {
        for (int64_t i = 0; i < k; i++)
            out[i] = ((const float *)data->data)[at + i * 16];
    }
}

/* A unit is one index at one outer index. */
static ai_status run_gather(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    const ai_tensor *indices = s->in[1];
    int64_t size = s->local[SIZE];
    int64_t count = ai_tensor_count(indices);
    size_t bytes = (size_t)s->local[INNER] * ai_type_bytes(s->out[0]->type);
    const char *in = s->in[0]->data;

    (void)scratch;
    if (ai_is_empty(s, 0))
        return AI_OK;
    char *out = (char *)s->out[0]->data + (size_t)begin * bytes;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t outer = unit / count;
        int64_t position = unit % count;
        int64_t index = ai_get_s64(indices->data, indices->type, position);
        if (index < -size || index >= size)
            return ai_fail_step(err, AI_E_VALUE, s,
                                "index %" PRId64 " at position %" PRId64
                                " of the indices, needs %" PRId64 " to %" PRId64,
                                index, position, -size, size - 1);
        if (index < 0)
            index += size;
        if (is_panels(s->in[0]))
            copy_column(s->in[0], index, (float *)(void *)out);
        else
            memcpy(out, in + (size_t)(outer * size + index) * bytes, bytes);
        out += bytes;
    }
    return AI_OK;
}

const ai_op ai_op_gather = {check_gather, NULL, run_gather, false};
