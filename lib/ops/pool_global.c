/* SPDX-License-Identifier: Apache-2.0
 * GlobalAveragePool and GlobalMaxPool: all positions of a channel become one. */
#include "pool.h"

static bool is_blocked(const ai_step *s)
{
    return s->in[0]->layout == AI_LAYOUT_NCHW16C;
}

/* A unit of work is a channel if plain, a block of channels if not. */
static ai_status check(ai_step *s, ai_error *err)
{
    ai_status status = ai_need_type(s, 0, AI_F32, err);
    int64_t dim[AI_MAX_RANK];

    if (status != AI_OK)
        return status;
    const ai_tensor *x = s->in[0];
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (x->rank < 2)
        return ai_fail_step(err, AI_E_SHAPE, s, "input 0 has rank %u, needs at least 2", x->rank);
    for (uint32_t i = 0; i < x->rank; i++) {
        dim[i] = i < 2 ? x->dim[i] : 1;
        if (i >= 2 && x->dim[i] < 1)
            return ai_fail_step(err, AI_E_SHAPE, s, "dimension %u is 0, needs at least 1", i);
    }
    if (!is_blocked(s))
        status = ai_need_plain(s, err);
    else if (x->dim[2] > INT32_MAX || x->dim[3] > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s, "input has over 2^31-1 rows or columns");
    if (status != AI_OK || (status = ai_set_output(s, 0, AI_F32, x->rank, dim, err)) != AI_OK)
        return status;
    s->work = ai_max(dim[0] * (is_blocked(s) ? ai_blocks(dim[1]) : dim[1]), 1);
    s->flops = (uint64_t)ai_tensor_count(x);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (!is_blocked(s))
        return AI_OK;
    uint32_t op = s->file->op == AI_OP_GLOBAL_MAX_POOL ? AI_K_MAX_POOL : AI_K_GLOBAL_AVERAGE_POOL;
    return ai_choose(s, 0, op, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
}

/* A plain output takes the channels that exist of each block. */
static void run_blocked(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    int64_t blocks = ai_blocks(x->dim[1]);
    float result[16];
    ai_pool_args a = {
        .in_row = x->row,
        .out = result,
        .out_row = 16,
        .ih = (int32_t)x->dim[2],
        .iw = (int32_t)x->dim[3],
        .ow = 1,
        .kh = (int32_t)x->dim[2],
        .kw = (int32_t)x->dim[3],
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .row_end = 1,
    };
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = unit % blocks;
        int64_t channels = 16;
        float *out = (float *)y->data + unit * y->plane;
        if (y->layout == AI_LAYOUT_PLAIN) {
            channels = ai_min(x->dim[1] - block * 16, 16);
            out = (float *)y->data + unit / blocks * x->dim[1] + block * 16;
        }
        a.in = (const float *)x->data + unit * x->plane;
        s->kernel[0]->fn(&a);
        for (int64_t c = 0; c < channels; c++)
            out[c] = result[c];
    }
}

/* Channels that are summed side by side, to hide the latency of each sum. */
enum { SIDE_BY_SIDE = 8 };

static void average_planes(const float *in, int64_t planes, int64_t size, float *out)
{
    float sum[SIDE_BY_SIDE] = {0};
    if (planes == SIDE_BY_SIDE) {
        for (int64_t i = 0; i < size; i++) {
            for (int64_t c = 0; c < SIDE_BY_SIDE; c++)
                sum[c] += in[c * size + i];
        }
    } else {
        for (int64_t c = 0; c < planes; c++) {
            for (int64_t i = 0; i < size; i++)
                sum[c] += in[c * size + i];
        }
    }
    for (int64_t c = 0; c < planes; c++)
        out[c] = sum[c] / (float)size;
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    float *out = s->out[0]->data;
    int64_t planes = x->dim[0] * x->dim[1];

    (void)scratch;
    (void)err;
    if (planes == 0)
        return AI_OK;
    if (is_blocked(s)) {
        run_blocked(s, begin, end);
        return AI_OK;
    }
    int64_t size = ai_tensor_count(x) / planes;
    if (s->file->op == AI_OP_GLOBAL_AVERAGE_POOL) {
        for (int64_t i = begin; i < end; i += SIDE_BY_SIDE)
            average_planes((const float *)x->data + i * size, ai_min(end - i, SIDE_BY_SIDE), size,
                           out + i);
        return AI_OK;
    }
    for (int64_t i = begin; i < end; i++)
        out[i] = ai_pool_max((const float *)x->data + i * size, size);
    return AI_OK;
}

const ai_op ai_op_global_average_pool = {check, prepare, run, false};
const ai_op ai_op_global_max_pool = {check, prepare, run, false};
