/* SPDX-License-Identifier: Apache-2.0
 * Gather: slices of a tensor, chosen by index along an axis. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

enum { INNER = 0, OUTER = 1, SIZE = 2 };

static ai_status check_gather(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *data = s->in[0];
    const ai_tensor *indices = s->in[1];
    int64_t dim[2 * AI_MAX_RANK];
    uint32_t axis;
    uint32_t rank = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = ai_need_axis(s, p->axis, data->rank, &axis, err);
    if (status != AI_OK)
        return status;
    if (indices->type != AI_S32 && indices->type != AI_S64)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "indices are %s, needs s32 or s64",
                            ai_type_name(indices->type));
    for (uint32_t i = 0; i < axis; i++)
        dim[rank++] = data->dim[i];
    for (uint32_t i = 0; i < indices->rank; i++)
        dim[rank++] = indices->dim[i];
    for (uint32_t i = axis + 1; i < data->rank; i++)
        dim[rank++] = data->dim[i];
    status = ai_set_output(s, 0, data->type, rank, dim, err);
    if (status != AI_OK)
        return status;
    s->local[INNER] = ai_span(data->dim, axis + 1, data->rank);
    s->local[OUTER] = ai_span(data->dim, 0, axis);
    s->local[SIZE] = data->dim[axis];
    s->work = ai_span(dim, 0, rank) == 0 ? 1 : s->local[OUTER] * ai_tensor_count(indices);
    return AI_OK;
}

/* A unit is one index at one outer index. */
static ai_status run_gather(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    const ai_tensor *indices = s->in[1];
    int64_t size = s->local[SIZE];
    int64_t count = ai_tensor_count(indices);
    size_t bytes = (size_t)s->local[INNER] * ai_type_bytes(s->in[0]->type);
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
        memcpy(out, in + (size_t)(outer * size + index) * bytes, bytes);
        out += bytes;
    }
    return AI_OK;
}

const ai_op ai_op_gather = {check_gather, NULL, run_gather, false};
