/* SPDX-License-Identifier: Apache-2.0
 * Functions of one number, and Clip. f32 runs by kernel, plain or in blocks of 16 channels; f16 and
 * bf16 through f32; f64 and integers where the function is exact, in plain C. */
#include <math.h>
#include <string.h>

#include "activation.h"
#include "elem.h"

/* ---- f32 by kernel ---- */

uint32_t ai_unary_kernel(uint32_t op, float alpha, float beta, ai_unary_args *args)
{
    static const uint8_t table[][2] = {
        {AI_OP_RELU, AI_UNARY_CLIP},
        {AI_OP_LEAKY_RELU, AI_UNARY_LEAKY_RELU},
        {AI_OP_ELU, AI_UNARY_ELU},
        {AI_OP_SELU, AI_UNARY_SELU},
        {AI_OP_CELU, AI_UNARY_CELU},
        {AI_OP_SIGMOID, AI_UNARY_SIGMOID},
        {AI_OP_HARD_SIGMOID, AI_UNARY_HARD_SIGMOID},
        {AI_OP_HARD_SWISH, AI_UNARY_HARD_SWISH},
        {AI_OP_SWISH, AI_UNARY_SWISH},
        {AI_OP_MISH, AI_UNARY_MISH},
        {AI_OP_TANH, AI_UNARY_TANH},
        {AI_OP_SOFTPLUS, AI_UNARY_SOFTPLUS},
        {AI_OP_SOFTSIGN, AI_UNARY_SOFTSIGN},
        {AI_OP_THRESHOLDED_RELU, AI_UNARY_THRESHOLDED_RELU},
        {AI_OP_SHRINK, AI_UNARY_SHRINK},
        {AI_OP_ERF, AI_UNARY_ERF},
        {AI_OP_EXP, AI_UNARY_EXP},
        {AI_OP_LOG, AI_UNARY_LOG},
        {AI_OP_SQRT, AI_UNARY_SQRT},
        {AI_OP_RECIPROCAL, AI_UNARY_RECIPROCAL},
        {AI_OP_NEG, AI_UNARY_NEG},
        {AI_OP_ABS, AI_UNARY_ABS},
        {AI_OP_FLOOR, AI_UNARY_FLOOR},
        {AI_OP_CEIL, AI_UNARY_CEIL},
        {AI_OP_ROUND, AI_UNARY_ROUND},
        {AI_OP_CLIP, AI_UNARY_CLIP},
    };

    *args = (ai_unary_args){.alpha = alpha, .beta = beta};
    if (op == AI_OP_RELU)
        *args = (ai_unary_args){.alpha = 0, .beta = INFINITY};
    if (op == AI_OP_HARD_SWISH) /* x HardSigmoid(x) with these */
        *args = (ai_unary_args){.alpha = 1.0f / 6, .beta = 0.5f};
    if (op == AI_OP_GELU)
        return alpha == 1 ? AI_UNARY_GELU_TANH : AI_UNARY_GELU;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i][0] == op)
            return table[i][1];
    }
    return AI_UNARY_COUNT;
}

static ai_status prepare_unary(ai_step *s, ai_error *err)
{
    if (s->in[0]->type != AI_F32 && s->in[0]->type != AI_F16 && s->in[0]->type != AI_BF16)
        return AI_OK;
    const ai_unary_params *p = s->params; /* of Clip, which has none, zeros */
    ai_unary_args args;
    return ai_choose(s, 0, AI_K_UNARY + ai_unary_kernel(s->file->op, p->alpha, p->beta, &args),
                     AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
}

static void run_f32(const ai_step *s, ai_unary_args *args, int64_t begin, int64_t end)
{
    args->in = (const float *)s->in[0]->data + begin;
    args->out = (float *)s->out[0]->data + begin;
    args->count = end - begin;
    s->kernel[0]->fn(args);
}

/* Units are planes of 16 channels. Borders are no part of the tensor and stay. */
static void run_blocks(const ai_step *s, ai_unary_args *args, int64_t begin, int64_t end)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    bool is_dense = ai_plane_is_dense(in) && ai_plane_is_dense(out);
    int64_t rows = is_dense ? 1 : out->dim[2];

    args->count = out->dim[3] * 16 * (is_dense ? out->dim[2] : 1);
    for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t y = 0; y < rows; y++) {
            args->in = (const float *)in->data + plane * in->plane + y * in->row;
            args->out = (float *)out->data + plane * out->plane + y * out->row;
            s->kernel[0]->fn(args);
        }
    }
}

/* f16 and bf16: exact to f32, rounded back. */
static void run_half(const ai_step *s, const ai_unary_args *args, int64_t begin, int64_t end)
{
    const ai_type type = s->in[0]->type;
    const uint16_t *in = s->in[0]->data;
    uint16_t *out = s->out[0]->data;
    float block[64];
    ai_unary_args part = {block, block, 0, args->alpha, args->beta};

    for (int64_t i = begin; i < end; i += part.count) {
        part.count = end - i < 64 ? end - i : 64;
        ai_convert(in + i, type, block, AI_F32, part.count);
        s->kernel[0]->fn(&part);
        ai_convert(block, AI_F32, out + i, type, part.count);
    }
}

static bool is_kernel_type(const ai_tensor *t)
{
    return t->type == AI_F32 || t->type == AI_F16 || t->type == AI_BF16;
}

static void run_by_kernel(const ai_step *s, ai_unary_args *args, int64_t begin, int64_t end)
{
    if (s->in[0]->layout == AI_LAYOUT_NCHW16C)
        run_blocks(s, args, begin, end);
    else if (s->in[0]->type == AI_F32)
        run_f32(s, args, begin, end);
    else
        run_half(s, args, begin, end);
}

/* Shape, layouts, units and alias of an elementwise step. */
static ai_status check_elementwise(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];

    if (in->layout != out->layout)
        return ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                            in->layout, out->layout);
    ai_status status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    s->work = in->layout == AI_LAYOUT_NCHW16C ? ai_image_blocks(in) : ai_tensor_count(in);
    s->work = ai_units(s->work);
    s->alias = AI_ALIAS_INPLACE;
    s->alias_input = 0;
    s->flops = (uint64_t)ai_tensor_count(in);
    return AI_OK;
}

/* ---- f64 and integers ---- */

static bool has_plain_form(uint32_t op, ai_type type)
{
    switch (op) {
    case AI_OP_RELU:
    case AI_OP_NEG:
    case AI_OP_ABS:
        return type != AI_BOOL;
    case AI_OP_FLOOR:
    case AI_OP_CEIL:
    case AI_OP_ROUND:
    case AI_OP_SQRT:
    case AI_OP_RECIPROCAL:
        return type == AI_F64;
    default:
        return false;
    }
}

static double function_f64(uint32_t op, double x)
{
    switch (op) {
    case AI_OP_RELU:
        return x < 0 ? 0 : x;
    case AI_OP_NEG:
        return -x;
    case AI_OP_ABS:
        return fabs(x);
    case AI_OP_FLOOR:
        return floor(x);
    case AI_OP_CEIL:
        return ceil(x);
    case AI_OP_ROUND:
        return nearbyint(x);
    case AI_OP_SQRT:
        return sqrt(x);
    default:
        return 1 / x;
    }
}

/* Through s64: what is taken from the low bits is right for every width; the least number of a type
 * has itself as its negative. */
static int64_t function_int(uint32_t op, ai_type type, int64_t x)
{
    bool is_negative = x < 0 && type != AI_U64;
    if (op == AI_OP_RELU)
        return is_negative ? 0 : x;
    if (op == AI_OP_ABS && !is_negative)
        return x;
    return (int64_t)((uint64_t)0 - (uint64_t)x);
}

static void run_plain(const ai_step *s, int64_t begin, int64_t end)
{
    const ai_type type = s->in[0]->type;
    size_t bytes = ai_type_bytes(type);

    for (int64_t i = begin; i < end; i++) {
        if (type == AI_F64) {
            ((double *)s->out[0]->data)[i] =
                function_f64(s->file->op, ((const double *)s->in[0]->data)[i]);
            continue;
        }
        int64_t x = function_int(s->file->op, type, ai_get_s64(s->in[0]->data, type, i));
        ai_convert(&x, AI_S64, (char *)s->out[0]->data + (size_t)i * bytes, type, 1);
    }
}

/* ---- The unary operators ---- */

static ai_status check_unary(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];

    if (!is_kernel_type(in) && !has_plain_form(s->file->op, in->type))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "input is %s, needs f32",
                            ai_type_name(in->type));
    return check_elementwise(s, err);
}

static ai_status run_unary(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                           ai_error *err)
{
    const ai_unary_params *p = s->params;
    ai_unary_args args;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    (void)ai_unary_kernel(s->file->op, p->alpha, p->beta, &args);
    if (is_kernel_type(s->in[0]))
        run_by_kernel(s, &args, begin, end);
    else
        run_plain(s, begin, end);
    return AI_OK;
}

/* ---- Clip: x, min or NONE, max or NONE, in any type of numbers ---- */

static ai_status check_clip(ai_step *s, ai_error *err)
{
    const ai_tensor *in = s->in[0];

    if (in->type == AI_BOOL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "input is bool, needs numbers");
    for (uint32_t i = 1; i < s->in_count; i++) {
        const ai_tensor *t = s->in[i];
        if (t == NULL)
            continue;
        if (t->type != in->type || t->layout != AI_LAYOUT_PLAIN || ai_tensor_count(t) != 1)
            return ai_fail_step(err, AI_E_SHAPE, s, "%s is no single %s", i == 1 ? "min" : "max",
                                ai_type_name(in->type));
    }
    return check_elementwise(s, err);
}

static const void *bound(const ai_step *s, uint32_t i)
{
    return i < s->in_count && s->in[i] != NULL ? s->in[i]->data : NULL;
}

/* Where min is over max, all becomes max. */
#define CLIP(T)                                                                                    \
    do {                                                                                           \
        const T *in = s->in[0]->data;                                                              \
        T *out = s->out[0]->data;                                                                  \
        for (int64_t i = begin; i < end; i++) {                                                    \
            T x = in[i];                                                                           \
            x = lo != NULL && x < *(const T *)lo ? *(const T *)lo : x;                             \
            out[i] = hi != NULL && x > *(const T *)hi ? *(const T *)hi : x;                        \
        }                                                                                          \
    } while (0)

static void clip_plain(const ai_step *s, int64_t begin, int64_t end)
{
    const void *lo = bound(s, 1);
    const void *hi = bound(s, 2);

    switch (s->in[0]->type) {
    case AI_F64:
        CLIP(double);
        break;
    case AI_S8:
        CLIP(int8_t);
        break;
    case AI_U8:
        CLIP(uint8_t);
        break;
    case AI_S16:
        CLIP(int16_t);
        break;
    case AI_U16:
        CLIP(uint16_t);
        break;
    case AI_S32:
        CLIP(int32_t);
        break;
    case AI_U32:
        CLIP(uint32_t);
        break;
    case AI_U64:
        CLIP(uint64_t);
        break;
    default:
        CLIP(int64_t);
        break;
    }
}

static ai_status run_clip(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                          ai_error *err)
{
    const ai_type type = s->in[0]->type;
    const void *lo = bound(s, 1);
    const void *hi = bound(s, 2);
    ai_unary_args args = {.alpha = -INFINITY, .beta = INFINITY};

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (!is_kernel_type(s->in[0])) {
        clip_plain(s, begin, end);
        return AI_OK;
    }
    if (lo != NULL)
        args.alpha = (float)ai_get_f64(lo, type, 0);
    if (hi != NULL)
        args.beta = (float)ai_get_f64(hi, type, 0);
    run_by_kernel(s, &args, begin, end);
    return AI_OK;
}

const ai_op ai_op_unary = {check_unary, prepare_unary, run_unary, false};
const ai_op ai_op_clip = {check_clip, prepare_unary, run_clip, false};
