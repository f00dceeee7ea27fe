/* SPDX-License-Identifier: Apache-2.0
 * MaxPool, AveragePool and LpPool: their check, and the pools of blocks of 16 channels.
 * QLinearAveragePool is DequantizeLinear, AveragePool and QuantizeLinear, a row at a time. */
#include "pool.h"

#include "quantize.h"

/* step->local: padding (begins, then ends), the form */
enum { LOCAL_PAD, LOCAL_FORM = LOCAL_PAD + 2 * AI_MAX_SPATIAL };

/* All forms give the same bits. */
enum {
    FORM_BLOCKED, /* blocks of 16 channels; a unit of work: image, block, output row */
    FORM_BYTES,   /* the same of bytes, with the numbers in the scratch */
    FORM_TURNED,  /* plain, through a block in the scratch; a unit: image, block */
    FORM_PLAIN    /* one output after the other; a unit: an output row of a channel */
};

/* Fewer channels do not repay the turning, and a block should stay in L2 or L3. */
enum { LEAST_CHANNELS = 4, TURNED_BYTES = 4 * 1024 * 1024 };

static bool is_blocked(const ai_step *s)
{
    return s->in[0]->layout == AI_LAYOUT_NCHW16C;
}

static bool is_of_bytes(const ai_step *s)
{
    return s->file->op == AI_OP_Q_AVERAGE_POOL;
}

static bool is_wanted(const ai_step *s, uint32_t i)
{
    return i < s->out_count && s->out[i] != NULL;
}

/* ---- Check ---- */

static ai_status check_operands(const ai_step *s, ai_error *err)
{
    if (s->in_count < 1 || s->in[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "input 0 is missing");
    if (!is_wanted(s, 0))
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    uint32_t op = s->file->op;
    uint32_t type = s->in[0]->type;
    bool is_byte = type == AI_S8 || type == AI_U8;
    if (is_of_bytes(s)) {
        const ai_q_pool_params *p = s->params;
        ai_status status = ai_need_type(s, 0, AI_U8, err);
        if (status == AI_OK)
            status = ai_q_check_numbers(s, &p->x, err);
        if (status == AI_OK)
            status = ai_q_check_numbers(s, &p->y, err);
        return status == AI_OK ? ai_need_rank(s, 0, 4, err) : status;
    }
    if (type != AI_F32 && !(is_byte && op == AI_OP_MAX_POOL))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "input 0 is %s, needs f32%s",
                            ai_type_name((ai_type)type), op == AI_OP_MAX_POOL ? ", s8 or u8" : "");
    if (!is_blocked(s))
        return ai_need_plain(s, err);
    return ai_need_rank(s, 0, 4, err);
}

static ai_status check_pool_params(const ai_step *s, const ai_pool_params *p, ai_error *err)
{
    if (p->ceil_mode > 1 || p->count_include_pad > 1 || p->storage_order > 1)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "ceil_mode %u, count_include_pad %u, storage_order %u, needs 0 or 1",
                            p->ceil_mode, p->count_include_pad, p->storage_order);
    if (s->file->op == AI_OP_LP_POOL && p->p < 1)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "p is 0, needs at least 1");
    if (!is_blocked(s) && !is_of_bytes(s))
        return AI_OK;
    if (!is_blocked(s) || s->file->op == AI_OP_LP_POOL || p->window.spatial != 2 ||
        is_wanted(s, 1) || s->out[0]->layout != AI_LAYOUT_NCHW16C)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "blocks of 16 channels need two spatial dimensions, one output in "
                            "blocks, and the maximum or the average");
    return AI_OK;
}

static void get_window(const ai_step *s, ai_window3 *v)
{
    const ai_pool_params *p = s->params;
    ai_window3_set(v, &p->window, s->in[0]->dim, s->out[0]->dim, &s->local[LOCAL_PAD]);
}

/* Whether the kernel for blocks can do it, and the block is small enough. */
static bool can_turn(const ai_step *s, const ai_window3 *v)
{
    if (s->in[0]->type != AI_F32 || s->file->op == AI_OP_LP_POOL || is_wanted(s, 1) ||
        s->in[0]->dim[1] < LEAST_CHANNELS || v->in[0] != 1 || v->out[0] != 1 || v->kernel[0] != 1)
        return false;
    int64_t positions = v->in[1] * v->in[2] + v->out[1] * v->out[2]; /* below 2^63: two products */
    return positions <= TURNED_BYTES / (16 * (int64_t)sizeof(float));
}

/* Input rows that one output row may read. */
static int64_t rows_read(const ai_window3 *v)
{
    return ai_min(ai_window3_extent(v, 1), v->in[1]);
}

static void plan(ai_step *s)
{
    const ai_tensor *x = s->in[0];
    int64_t count = ai_tensor_count(s->out[0]);
    ai_window3 v;

    get_window(s, &v);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    if (is_blocked(s)) {
        s->local[LOCAL_FORM] = is_of_bytes(s) ? FORM_BYTES : FORM_BLOCKED;
        s->work = x->dim[0] * ai_blocks(x->dim[1]) * v.out[1];
        if (is_of_bytes(s)) {
            (void)ai_scratch_add(&s->scratch, rows_read(&v), v.in[2], 16, sizeof(float));
            (void)ai_scratch_add(&s->scratch, v.out[2], 16, 1, sizeof(float));
        }
    } else if (can_turn(s, &v)) {
        s->local[LOCAL_FORM] = FORM_TURNED;
        s->work = x->dim[0] * ai_blocks(x->dim[1]);
        (void)ai_scratch_add(&s->scratch, v.in[1], v.in[2], 16, sizeof(float));
        (void)ai_scratch_add(&s->scratch, v.out[1], v.out[2], 16, sizeof(float));
    } else {
        s->local[LOCAL_FORM] = FORM_PLAIN;
        s->work = count / v.out[2];
    }
    s->work = ai_max(s->work, 1);
    s->flops =
        (uint64_t)count * (uint64_t)v.kernel[0] * (uint64_t)v.kernel[1] * (uint64_t)v.kernel[2];
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_pool_params *p = s->params;
    ai_status status = check_operands(s, err);
    int64_t dim[AI_MAX_RANK];

    if (status != AI_OK || (status = ai_window_check(s, &p->window, err)) != AI_OK ||
        (status = ai_need_rank(s, 0, 2 + p->window.spatial, err)) != AI_OK ||
        (status = check_pool_params(s, p, err)) != AI_OK)
        return status;
    const ai_tensor *x = s->in[0];
    dim[0] = x->dim[0];
    dim[1] = x->dim[1];
    if ((status = ai_window_shape(s, &p->window, p->ceil_mode != 0, x->dim, &dim[2],
                                  &s->local[LOCAL_PAD], err)) != AI_OK ||
        (status = ai_set_output(s, 0, x->type, x->rank, dim, err)) != AI_OK ||
        (status = ai_set_output(s, 1, AI_S64, x->rank, dim, err)) != AI_OK)
        return status;
    plan(s);
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (s->local[LOCAL_FORM] == FORM_PLAIN)
        return AI_OK;
    uint32_t op = s->file->op == AI_OP_MAX_POOL ? AI_K_MAX_POOL : AI_K_AVERAGE_POOL;
    ai_type type = (ai_type)s->in[0]->type;
    if (is_of_bytes(s))
        type = AI_F32;
    ai_status status = ai_choose(s, 0, op, type, type, AI_LAYOUT_NCHW16C, err);
    if (status == AI_OK && s->local[LOCAL_FORM] == FORM_BYTES)
        status = ai_choose(s, 1, AI_K_TO_BYTES, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK && s->local[LOCAL_FORM] == FORM_BYTES)
        status = ai_choose(s, 2, AI_K_FROM_BYTES, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK && s->local[LOCAL_FORM] == FORM_TURNED)
        status = ai_choose(s, 1, AI_K_TRANSPOSE16, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
    return status;
}

/* ---- Blocks of 16 channels ---- */

static void fill_args(const ai_step *s, const ai_window3 *v, ai_pool_args *a)
{
    const ai_pool_params *p = s->params;
    *a = (ai_pool_args){
        .ih = (int32_t)v->in[1],
        .iw = (int32_t)v->in[2],
        .ow = (int32_t)v->out[2],
        .kh = (int32_t)v->kernel[1],
        .kw = (int32_t)v->kernel[2],
        .stride_h = (int32_t)v->stride[1],
        .stride_w = (int32_t)v->stride[2],
        .dilation_h = (int32_t)v->dilation[1],
        .dilation_w = (int32_t)v->dilation[2],
        .pad_top = (int32_t)v->pad[1],
        .pad_left = (int32_t)v->pad[2],
        .pad_bottom = (int32_t)v->pad_end[1],
        .pad_right = (int32_t)v->pad_end[2],
        .count_include_pad = (int32_t)p->count_include_pad,
    };
}

static void run_blocked(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    size_t size = ai_type_bytes((ai_type)x->type);
    ai_pool_args a;

    fill_args(s, v, &a);
    a.in_row = x->row;
    a.out_row = y->row;
    while (begin < end) {
        int64_t row = begin % v->out[1];
        int64_t block = begin / v->out[1]; /* of all images */
        int64_t rows = ai_min(v->out[1] - row, end - begin);
        a.in = (const void *)((const char *)x->data + (size_t)(block * x->plane) * size);
        a.out = (void *)((char *)y->data + (size_t)(block * y->plane) * size);
        a.row_begin = (int32_t)row;
        a.row_end = (int32_t)(row + rows);
        s->kernel[0]->fn(&a);
        begin += rows;
    }
}

/* The rows that an output row reads become numbers, a plane of their own with less padding. */
static void run_bytes(const ai_step *s, const ai_window3 *v, int64_t unit, char *scratch)
{
    const ai_q_pool_params *p = s->params;
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    int64_t row = unit % v->out[1];
    int64_t block = unit / v->out[1];
    int64_t first = row * v->stride[1] - v->pad[1];
    int64_t from = ai_min(ai_max(first, 0), v->in[1]);
    int64_t to = ai_min(ai_max(first + ai_window3_extent(v, 1), from), v->in[1]);
    float *in = ai_scratch_take(&scratch, rows_read(v) * v->in[2] * 16, sizeof(float));
    float *out = ai_scratch_take(&scratch, v->out[2] * 16, sizeof(float));
    ai_pool_args a;

    for (int64_t i = from; i < to; i++)
        ai_q_numbers(s->kernel[2], (const uint8_t *)x->data + block * x->plane + i * x->row,
                     v->in[2] * 16, &p->x, in + (i - from) * v->in[2] * 16);
    fill_args(s, v, &a);
    a.in = in;
    a.in_row = v->in[2] * 16;
    a.ih = (int32_t)(to - from);
    a.pad_top = (int32_t)(from - first);
    a.pad_bottom = (int32_t)(v->in[1] + v->pad_end[1] - to);
    a.out = out;
    a.row_end = 1;
    s->kernel[0]->fn(&a);
    ai_q_bytes(s->kernel[1], out, v->out[2] * 16, &p->y, 0, UINT8_MAX,
               (uint8_t *)y->data + block * y->plane + row * y->row);
}

/* Turns one block's planes to a block in the scratch, pools it, and turns the result back. */
static void run_turned(const ai_step *s, const ai_window3 *v, int64_t unit, char *scratch)
{
    const ai_tensor *x = s->in[0];
    int64_t blocks = ai_blocks(x->dim[1]);
    int64_t block = unit % blocks;
    int64_t plane = unit / blocks * x->dim[1] + block * 16;
    int64_t in_size = v->in[1] * v->in[2];
    int64_t out_size = v->out[1] * v->out[2];
    float *in = ai_scratch_take(&scratch, in_size * 16, sizeof(float));
    float *out = ai_scratch_take(&scratch, out_size * 16, sizeof(float));
    ai_transpose_args turn = {
        .in = (const float *)x->data + plane * in_size,
        .out = in,
        .plane = in_size,
        .channels = (int32_t)ai_min(x->dim[1] - block * 16, 16),
        .to_block = 1,
        .columns = in_size,
    };
    ai_pool_args a;

    s->kernel[1]->fn(&turn);
    fill_args(s, v, &a);
    a.in = in;
    a.in_row = v->in[2] * 16;
    a.out = out;
    a.out_row = v->out[2] * 16;
    a.row_end = (int32_t)v->out[1];
    s->kernel[0]->fn(&a);
    turn.in = out;
    turn.out = (float *)s->out[0]->data + plane * out_size;
    turn.plane = out_size;
    turn.to_block = 0;
    turn.columns = out_size;
    s->kernel[1]->fn(&turn);
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    ai_window3 v;

    (void)err;
    if (ai_tensor_count(s->out[0]) == 0)
        return AI_OK;
    get_window(s, &v);
    if (s->local[LOCAL_FORM] == FORM_BLOCKED) {
        run_blocked(s, &v, begin, end);
        return AI_OK;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        if (s->local[LOCAL_FORM] == FORM_TURNED)
            run_turned(s, &v, unit, scratch);
        else if (s->local[LOCAL_FORM] == FORM_BYTES)
            run_bytes(s, &v, unit, scratch);
        else
            ai_pool_row(s, &v, unit);
    }
    return AI_OK;
}

const ai_op ai_op_max_pool = {check, prepare, run, false};
const ai_op ai_op_average_pool = {check, prepare, run, false};
const ai_op ai_op_lp_pool = {check, prepare, run, false};
