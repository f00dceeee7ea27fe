/* SPDX-License-Identifier: Apache-2.0
 * MaxPool, AveragePool, LpPool and the global pools, on plain tensors and on blocks of 16 channels.
 */
#include <inttypes.h>
#include <math.h>

#include "window.h"

/* step->local: padding (begins, then ends) */
enum { LOCAL_PAD };

static bool is_blocked(const ai_step *s)
{
    return s->in[0]->layout == AI_LAYOUT_NCHW16C;
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
    if (type != AI_F32 && !(is_byte && op == AI_OP_MAX_POOL && !is_blocked(s)))
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
    if (!is_blocked(s))
        return AI_OK;
    if (s->file->op == AI_OP_LP_POOL || p->window.spatial != 2 || is_wanted(s, 1) ||
        s->out[0]->layout != AI_LAYOUT_NCHW16C)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "blocks of 16 channels need two spatial dimensions, one output in "
                            "blocks, and the maximum or the average");
    return AI_OK;
}

/* A unit of work is an output row: of a channel if plain, of a block of channels if not. */
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
    int64_t count = ai_tensor_count(s->out[0]);
    s->work = 1;
    if (count > 0)
        s->work = is_blocked(s) ? dim[0] * ai_blocks(dim[1]) * dim[2] : count / dim[x->rank - 1];
    s->flops = (uint64_t)count;
    for (uint32_t i = 0; i < p->window.spatial; i++)
        s->flops *= p->window.kernel[i];
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (!is_blocked(s))
        return AI_OK;
    uint32_t op = s->file->op == AI_OP_MAX_POOL ? AI_K_MAX_POOL : AI_K_AVERAGE_POOL;
    return ai_choose(s, 0, op, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
}

/* ---- Blocks of 16 channels ---- */

static void run_blocked(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_pool_params *p = s->params;
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    ai_window3 v;

    ai_window3_set(&v, &p->window, x->dim, y->dim, &s->local[LOCAL_PAD]);
    ai_pool_args a = {
        .in_row = x->row,
        .out_row = y->row,
        .ih = (int32_t)v.in[1],
        .iw = (int32_t)v.in[2],
        .ow = (int32_t)v.out[2],
        .kh = (int32_t)v.kernel[1],
        .kw = (int32_t)v.kernel[2],
        .stride_h = (int32_t)v.stride[1],
        .stride_w = (int32_t)v.stride[2],
        .dilation_h = (int32_t)v.dilation[1],
        .dilation_w = (int32_t)v.dilation[2],
        .pad_top = (int32_t)v.pad[1],
        .pad_left = (int32_t)v.pad[2],
        .pad_bottom = (int32_t)v.pad_end[1],
        .pad_right = (int32_t)v.pad_end[2],
        .count_include_pad = (int32_t)p->count_include_pad,
    };
    while (begin < end) {
        int64_t row = begin % v.out[1];
        int64_t block = begin / v.out[1]; /* of all images */
        int64_t rows = ai_min(v.out[1] - row, end - begin);
        a.in = (const float *)x->data + block * x->plane;
        a.out = (float *)y->data + block * y->plane;
        a.row_begin = (int32_t)row;
        a.row_end = (int32_t)(row + rows);
        s->kernel[0]->fn(&a);
        begin += rows;
    }
}

/* ---- Plain tensors ---- */

/* The taps of one output that lie inside the input. */
typedef struct taps {
    int64_t first[3]; /* input position of the first */
    int64_t count[3];
    int64_t padded[3]; /* taps inside the padded input */
} taps;

/* Taps k of [0, kernel) with 0 <= start + k * dilation < size. */
static void clip_axis(const ai_window3 *v, int i, int64_t position, taps *t)
{
    int64_t dilation = v->dilation[i];
    int64_t start = position * v->stride[i] - v->pad[i];
    int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int64_t end = start < v->in[i] ? (v->in[i] - start + dilation - 1) / dilation : 0;
    int64_t padded_end = (v->in[i] + v->pad_end[i] - start + dilation - 1) / dilation;

    t->first[i] = start + skipped * dilation;
    t->count[i] = ai_max(ai_min(end, v->kernel[i]) - skipped, 0);
    t->padded[i] = ai_min(padded_end, v->kernel[i]);
}

/* Sets the outer two axes for a row of outputs. */
static void clip_row(const ai_window3 *v, int64_t row, taps *t)
{
    clip_axis(v, 0, row / v->out[1], t);
    clip_axis(v, 1, row % v->out[1], t);
}

/* The largest of the taps, the first of equals, or the first NaN; the lowest number if there is no
 * tap. `at` is its place in the plane. */
#define DEFINE_MAX(name, type, lowest, is_nan)                                                     \
    static type name(const ai_window3 *v, const taps *t, const type *in, int64_t *at)              \
    {                                                                                              \
        type best = (lowest);                                                                      \
        *at = -1;                                                                                  \
        for (int64_t d = 0; d < t->count[0]; d++) {                                                \
            for (int64_t h = 0; h < t->count[1]; h++) {                                            \
                int64_t row = (t->first[0] + d * v->dilation[0]) * v->in[1] + t->first[1] +        \
                              h * v->dilation[1];                                                  \
                for (int64_t w = 0; w < t->count[2]; w++) {                                        \
                    int64_t i = row * v->in[2] + t->first[2] + w * v->dilation[2];                 \
                    if (*at >= 0 && !(in[i] > best) && !(is_nan(in[i]) && !is_nan(best)))          \
                        continue;                                                                  \
                    best = in[i];                                                                  \
                    *at = i;                                                                       \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
        return best;                                                                               \
    }
#define NEVER_NAN(x) ((void)(x), false)

DEFINE_MAX(max_f32, float, -INFINITY, isnan)
DEFINE_MAX(max_s8, int8_t, INT8_MIN, NEVER_NAN)
DEFINE_MAX(max_u8, uint8_t, 0, NEVER_NAN)

/* ONNX counts places in the whole tensor; storage_order 1 lets the first spatial axis run fastest.
 */
static int64_t index_of(const ai_window3 *v, bool is_column_major, int64_t plane, int64_t at)
{
    int64_t size = v->in[0] * v->in[1] * v->in[2];
    at = ai_max(at, 0);
    if (!is_column_major)
        return plane * size + at;
    int64_t d = at / v->in[2] / v->in[1];
    int64_t h = at / v->in[2] % v->in[1];
    int64_t w = at % v->in[2];
    return plane * size + (w * v->in[1] + h) * v->in[0] + d;
}

static void max_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    int64_t plane = unit / rows;
    int64_t size = v->in[0] * v->in[1] * v->in[2];
    taps t;

    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        int64_t to = unit * v->out[2] + x;
        int64_t at;
        clip_axis(v, 2, x, &t);
        if (s->in[0]->type == AI_F32)
            ((float *)s->out[0]->data)[to] =
                max_f32(v, &t, (const float *)s->in[0]->data + plane * size, &at);
        else if (s->in[0]->type == AI_S8)
            ((int8_t *)s->out[0]->data)[to] =
                max_s8(v, &t, (const int8_t *)s->in[0]->data + plane * size, &at);
        else
            ((uint8_t *)s->out[0]->data)[to] =
                max_u8(v, &t, (const uint8_t *)s->in[0]->data + plane * size, &at);
        if (is_wanted(s, 1))
            ((int64_t *)s->out[1]->data)[to] = index_of(v, p->storage_order == 1, plane, at);
    }
}

/* The sum in the order of the taps. */
static float sum_taps(const ai_window3 *v, const taps *t, const float *in)
{
    float sum = 0.0f;
    for (int64_t d = 0; d < t->count[0]; d++) {
        for (int64_t h = 0; h < t->count[1]; h++) {
            int64_t row =
                (t->first[0] + d * v->dilation[0]) * v->in[1] + t->first[1] + h * v->dilation[1];
            const float *from = in + row * v->in[2] + t->first[2];
            for (int64_t w = 0; w < t->count[2]; w++)
                sum += from[w * v->dilation[2]];
        }
    }
    return sum;
}

static void average_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    const float *in = s->in[0]->data;
    float *out = (float *)s->out[0]->data + unit * v->out[2];
    taps t;

    in += unit / rows * (v->in[0] * v->in[1] * v->in[2]);
    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        clip_axis(v, 2, x, &t);
        const int64_t *counted = p->count_include_pad ? t.padded : t.count;
        int64_t count = counted[0] * counted[1] * counted[2];
        out[x] = sum_taps(v, &t, in) * (1.0f / (float)count);
    }
}

static float power_of(float x, uint32_t p)
{
    return p == 1 ? fabsf(x) : p == 2 ? x * x : ai_powf(fabsf(x), (float)p);
}

static float root_of(float x, uint32_t p)
{
    return p == 1 ? x : p == 2 ? sqrtf(x) : ai_powf(x, 1.0f / (float)p);
}

/* The p-th root of the sum of p-th powers, added in the order of the taps, each rounded before. */
static void lp_row(const ai_step *s, const ai_window3 *v, int64_t unit)
{
    const ai_pool_params *p = s->params;
    int64_t rows = v->out[0] * v->out[1];
    const float *in = s->in[0]->data;
    float *out = (float *)s->out[0]->data + unit * v->out[2];
    taps t;

    in += unit / rows * (v->in[0] * v->in[1] * v->in[2]);
    clip_row(v, unit % rows, &t);
    for (int64_t x = 0; x < v->out[2]; x++) {
        clip_axis(v, 2, x, &t);
        float sum = 0.0f;
        for (int64_t d = 0; d < t.count[0]; d++) {
            for (int64_t h = 0; h < t.count[1]; h++) {
                int64_t row =
                    (t.first[0] + d * v->dilation[0]) * v->in[1] + t.first[1] + h * v->dilation[1];
                for (int64_t w = 0; w < t.count[2]; w++)
                    sum += power_of(in[row * v->in[2] + t.first[2] + w * v->dilation[2]], p->p);
            }
        }
        out[x] = root_of(sum, p->p);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_pool_params *p = s->params;
    ai_window3 v;

    (void)scratch;
    (void)err;
    if (ai_tensor_count(s->out[0]) == 0)
        return AI_OK;
    if (is_blocked(s)) {
        run_blocked(s, begin, end);
        return AI_OK;
    }
    ai_window3_set(&v, &p->window, s->in[0]->dim, s->out[0]->dim, &s->local[LOCAL_PAD]);
    for (int64_t unit = begin; unit < end; unit++) {
        if (s->file->op == AI_OP_MAX_POOL)
            max_row(s, &v, unit);
        else if (s->file->op == AI_OP_AVERAGE_POOL)
            average_row(s, &v, unit);
        else
            lp_row(s, &v, unit);
    }
    return AI_OK;
}

const ai_op ai_op_max_pool = {check, prepare, run, false};
const ai_op ai_op_average_pool = {check, prepare, run, false};
const ai_op ai_op_lp_pool = {check, prepare, run, false};

/* ---- The global pools: all positions of a channel become one ---- */

/* A unit of work is a channel if plain, a block of channels if not. */
static ai_status check_global(ai_step *s, ai_error *err)
{
    ai_status status = ai_need_type(s, 0, AI_F32, err);
    int64_t dim[AI_MAX_RANK];

    if (status != AI_OK)
        return status;
    const ai_tensor *x = s->in[0];
    if (!is_wanted(s, 0))
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

static ai_status prepare_global(ai_step *s, ai_error *err)
{
    if (!is_blocked(s))
        return AI_OK;
    uint32_t op = s->file->op == AI_OP_GLOBAL_MAX_POOL ? AI_K_MAX_POOL : AI_K_GLOBAL_AVERAGE_POOL;
    return ai_choose(s, 0, op, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
}

/* A plain output takes the channels that exist of each block. */
static void run_global_blocked(const ai_step *s, int64_t begin, int64_t end)
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

static ai_status run_global(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                            ai_error *err)
{
    const ai_tensor *x = s->in[0];
    float *out = s->out[0]->data;
    int64_t planes = x->dim[0] * x->dim[1];

    (void)scratch;
    (void)err;
    if (planes == 0)
        return AI_OK;
    if (is_blocked(s)) {
        run_global_blocked(s, begin, end);
        return AI_OK;
    }
    int64_t size = ai_tensor_count(x) / planes;
    if (s->file->op == AI_OP_GLOBAL_AVERAGE_POOL) {
        for (int64_t i = begin; i < end; i += SIDE_BY_SIDE)
            average_planes((const float *)x->data + i * size, ai_min(end - i, SIDE_BY_SIDE), size,
                           out + i);
        return AI_OK;
    }
    const ai_window3 v = {.in = {1, 1, size}, .dilation = {1, 1, 1}};
    const taps t = {.count = {1, 1, size}};
    for (int64_t i = begin; i < end; i++) {
        int64_t at;
        out[i] = max_f32(&v, &t, (const float *)x->data + i * size, &at);
    }
    return AI_OK;
}

const ai_op ai_op_global_average_pool = {check_global, prepare_global, run_global, false};
const ai_op ai_op_global_max_pool = {check_global, prepare_global, run_global, false};
