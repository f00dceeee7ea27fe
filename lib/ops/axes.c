/* SPDX-License-Identifier: Apache-2.0
 * Axes of a dense tensor of which some are reduced: lists of axes, and the walk over what is left.
 */
#include "elem.h"

ai_status ai_axes_mask(const ai_step *s, uint32_t rank, uint32_t count, const int64_t *axes,
                       uint32_t *mask, ai_error *err)
{
    *mask = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t axis;
        ai_status status = ai_need_axis(s, axes[i], rank, &axis, err);
        if (status != AI_OK)
            return status;
        if ((*mask >> axis & 1) != 0)
            return ai_fail_step(err, AI_E_SHAPE, s, "axis %u is named twice", axis);
        *mask |= 1u << axis;
    }
    return AI_OK;
}

void ai_group_axes(uint32_t rank, const int64_t *dim, uint32_t reduced, ai_axis_groups *g)
{
    int before = -1; /* kind of the group that grows: 1 reduced, 0 kept */

    g->kept_rank = 0;
    g->reduced_rank = 0;
    for (uint32_t d = 0; d < rank; d++) {
        int kind = (int)(reduced >> d & 1);
        int64_t *n = kind ? &g->reduced_rank : &g->kept_rank;
        int64_t *dims = kind ? g->reduced_dim : g->kept_dim;
        int64_t *strides = kind ? g->reduced_stride : g->kept_stride;
        if (dim[d] == 1)
            continue;
        if (kind != before)
            dims[(*n)++] = 1;
        dims[*n - 1] *= dim[d];
        strides[*n - 1] = ai_span(dim, d + 1, rank);
        before = kind;
    }
}

static int64_t product(const int64_t *dim, int64_t count)
{
    return count > 0 ? ai_span(dim, 0, (uint32_t)count) : 1;
}

static int64_t offset_of(const int64_t *dim, const int64_t *stride, int64_t rank, int64_t at)
{
    int64_t offset = 0;

    for (int64_t d = rank - 1; d >= 0; d--) {
        offset += at % dim[d] * stride[d];
        at /= dim[d];
    }
    return offset;
}

int64_t ai_kept_count(const ai_axis_groups *g)
{
    return product(g->kept_dim, g->kept_rank);
}

int64_t ai_reduced_count(const ai_axis_groups *g)
{
    return product(g->reduced_dim, g->reduced_rank);
}

int64_t ai_kept_offset(const ai_axis_groups *g, int64_t at)
{
    return offset_of(g->kept_dim, g->kept_stride, g->kept_rank, at);
}

int64_t ai_reduced_row_offset(const ai_axis_groups *g, int64_t at)
{
    return offset_of(g->reduced_dim, g->reduced_stride, g->reduced_rank - 1, at);
}

int64_t ai_reduced_rows(const ai_axis_groups *g)
{
    return product(g->reduced_dim, g->reduced_rank - 1);
}

int64_t ai_reduced_columns(const ai_axis_groups *g)
{
    return g->reduced_rank > 0 ? g->reduced_dim[g->reduced_rank - 1] : 1;
}

int64_t ai_reduced_step(const ai_axis_groups *g)
{
    return g->reduced_rank > 0 ? g->reduced_stride[g->reduced_rank - 1] : 1;
}
