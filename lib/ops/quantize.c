/* SPDX-License-Identifier: Apache-2.0
 * QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear: real = scale * (q - zero point), for a
 * whole tensor or for each index of an axis. NaN becomes the least integer. */
#include <float.h>
#include <string.h>

#include "elem.h"
#include "quantize.h"
#include "window.h"

/* step->local */
enum { LOCAL_CHANNELS, LOCAL_INNER };

/* ---- Numbers ---- */

/* A number below 2^22 in magnitude becomes an integer, half to even, when this is added: then its
 * unit in the last place is 1. */
static const float ROUNDER = 12582912.0f;

#define QUANTIZE(T)                                                                                \
    for (int64_t i = 0; i < count; i++) {                                                          \
        float x = in[i] / scale;                                                                   \
        x = x > lo ? x : lo;                                                                       \
        x = x < hi ? x : hi;                                                                       \
        ((T *)out)[i] = (T)((int32_t)((x + ROUNDER) - ROUNDER) + zero);                            \
    }                                                                                              \
    break

void ai_quantize_span(const float *in, int64_t count, float scale, int32_t zero, ai_type type,
                      void *out)
{
    bool is_wide = type == AI_S16 || type == AI_U16;
    bool is_signed = type == AI_S16 || type == AI_S8;
    int32_t least = !is_signed ? 0 : is_wide ? INT16_MIN : INT8_MIN;
    float lo = (float)(least - zero);
    float hi = (float)(least + (is_wide ? UINT16_MAX : UINT8_MAX) - zero);
    switch (type) {
    case AI_U8:
        QUANTIZE(uint8_t);
    case AI_S8:
        QUANTIZE(int8_t);
    case AI_U16:
        QUANTIZE(uint16_t);
    default:
        QUANTIZE(int16_t);
    }
}

#define DEQUANTIZE(T)                                                                              \
    for (int64_t i = 0; i < count; i++)                                                            \
        out[i] = (float)(((const T *)in)[i] - zero) * scale;                                       \
    break

static void dequantize_span(const void *in, int64_t count, float scale, int32_t zero, ai_type type,
                            float *out)
{
    switch (type) {
    case AI_S8:
        DEQUANTIZE(int8_t);
    case AI_U16:
        DEQUANTIZE(uint16_t);
    case AI_S16:
        DEQUANTIZE(int16_t);
    default: /* a difference of 33 bits */
        for (int64_t i = 0; i < count; i++)
            out[i] = (float)((int64_t)((const int32_t *)in)[i] - zero) * scale;
    }
}

/* ---- Shared with the operators that have numbers between bytes ---- */

ai_status ai_q_check_numbers(const ai_step *s, const ai_q_scale *q, ai_error *err)
{
    if (!(q->scale > 0 && q->scale <= FLT_MAX) || q->zero > UINT8_MAX)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "scale %g and zero point %u, needs a positive number and 0 to 255",
                            (double)q->scale, q->zero);
    return AI_OK;
}

void ai_q_numbers(const ai_kernel *kernel, const uint8_t *in, int64_t count, const ai_q_scale *q,
                  float *out)
{
    kernel->fn(&(ai_from_bytes_args){in, out, count, q->scale, (int32_t)q->zero});
}

void ai_q_bytes(const ai_kernel *kernel, const float *in, int64_t count, const ai_q_scale *q,
                uint32_t lo, uint32_t hi, uint8_t *out)
{
    kernel->fn(&(ai_to_bytes_args){in, out, count, q->scale, (int32_t)q->zero});
    for (int64_t i = 0; i < count && (lo > 0 || hi < UINT8_MAX); i++) {
        uint8_t x = out[i] < lo ? (uint8_t)lo : out[i];
        out[i] = x > hi ? (uint8_t)hi : x;
    }
}

/* ---- Check ---- */

static bool is_quantised(uint32_t type)
{
    return type == AI_U8 || type == AI_S8 || type == AI_U16 || type == AI_S16;
}

/* Scale and zero point: one number each, or one for each index of the axis. */
static ai_status check_scale(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *x = s->in[0];
    const ai_tensor *scale = s->in[1];
    const ai_tensor *zero = s->in_count > 2 ? s->in[2] : NULL;
    int64_t count = ai_tensor_count(scale);
    uint32_t axis = 0;

    s->local[LOCAL_CHANNELS] = 1;
    s->local[LOCAL_INNER] = ai_max(ai_tensor_count(x), 1);
    if (zero != NULL &&
        ((count != 1 && zero->rank != scale->rank) || ai_tensor_count(zero) != count))
        return ai_fail_step(
            err, AI_E_SHAPE, s, "zero point has %lld numbers of rank %u, scale has %lld of rank %u",
            (long long)ai_tensor_count(zero), zero->rank, (long long)count, scale->rank);
    if (scale->rank > 1)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "scale has rank %u, needs 0 or 1",
                            scale->rank);
    if (count == 1)
        return AI_OK;
    ai_status status = ai_need_axis(s, p->axis, x->rank, &axis, err);
    if (status != AI_OK)
        return status;
    if (count != x->dim[axis])
        return ai_fail_step(err, AI_E_SHAPE, s, "scale has %lld numbers, dimension %u is %lld",
                            (long long)count, axis, (long long)x->dim[axis]);
    s->local[LOCAL_CHANNELS] = count;
    s->local[LOCAL_INNER] = ai_max(ai_span(x->dim, axis + 1, x->rank), 1);
    return AI_OK;
}

/* Blocks of 16 channels to blocks, and to them from plain planes: with one scale. */
static ai_status check_layouts(ai_step *s, bool is_quantize, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    bool has_blocks = x->layout != AI_LAYOUT_PLAIN || y->layout != AI_LAYOUT_PLAIN;
    bool is_known = (x->layout == AI_LAYOUT_PLAIN && is_quantize) || x->layout == y->layout;

    s->work = ai_units(ai_tensor_count(x));
    if (!has_blocks)
        return ai_need_plain(s, err);
    ai_status status = ai_need_rank(s, 0, 4, err);
    if (status != AI_OK)
        return status;
    uint32_t type = is_quantize ? y->type : x->type;
    if (!is_known || s->local[LOCAL_CHANNELS] != 1 || type != AI_U8)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "layout %u to %u with %lld scales and %s, blocks of 16 channels need "
                            "u8, one scale, and plain planes or blocks to quantise",
                            x->layout, y->layout, (long long)s->local[LOCAL_CHANNELS],
                            ai_type_name((ai_type)type));
    s->work = ai_units(x->dim[0] * ai_blocks(x->dim[1]) * x->dim[2]);
    if (x->layout == AI_LAYOUT_PLAIN &&
        !ai_scratch_add(&s->scratch, x->dim[3], 16, 1, sizeof(uint8_t)))
        return ai_fail_step(err, AI_E_SHAPE, s, "a row is over 2^44 bytes");
    return AI_OK;
}

static ai_status check(ai_step *s, bool is_quantize, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *zero = s->in_count > 2 ? s->in[2] : NULL;
    ai_status status = ai_need_type(s, 1, AI_F32, err);
    uint32_t type = is_quantize ? p->count : s->in[0]->type;

    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = 0;
    if (status != AI_OK)
        return status;
    if (is_quantize && (status = ai_need_type(s, 0, AI_F32, err)) != AI_OK)
        return status;
    if (is_quantize && type == 0)
        type = zero != NULL ? zero->type : AI_U8;
    if (!is_quantised(type) && (is_quantize || type != AI_S32))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "%s %s, needs u8, s8, u16%s",
                            is_quantize ? "output is" : "input 0 is", ai_type_name((ai_type)type),
                            is_quantize ? " or s16" : ", s16 or s32");
    if (zero != NULL && (status = ai_need_type(s, 2, (ai_type)type, err)) != AI_OK)
        return status;
    if ((status = check_scale(s, err)) != AI_OK ||
        (status = ai_set_output(s, 0, is_quantize ? (ai_type)type : AI_F32, s->in[0]->rank,
                                s->in[0]->dim, err)) != AI_OK)
        return status;
    return check_layouts(s, is_quantize, err);
}

static ai_status check_quantize(ai_step *s, ai_error *err)
{
    return check(s, true, err);
}

static ai_status check_dequantize(ai_step *s, ai_error *err)
{
    return check(s, false, err);
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    uint32_t op = s->file->op == AI_OP_DEQUANTIZE_LINEAR ? AI_K_FROM_BYTES : AI_K_TO_BYTES;
    return ai_choose(s, 0, op, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
}

/* ---- Run ---- */

static int32_t zero_at(const ai_step *s, int64_t i)
{
    const ai_tensor *zero = s->in_count > 2 ? s->in[2] : NULL;
    if (zero == NULL)
        return 0;
    return (int32_t)ai_get_s64(zero->data, (ai_type)zero->type, i);
}

/* `count` numbers of one scale. */
static void run_span(const ai_step *s, const void *in, int64_t count, int64_t channel, void *out)
{
    float scale = ((const float *)s->in[1]->data)[channel];
    int32_t zero = zero_at(s, channel);
    if (s->in[0]->type == AI_U8)
        s->kernel[0]->fn(&(ai_from_bytes_args){in, out, count, scale, zero});
    else if (s->out[0]->type == AI_F32)
        dequantize_span(in, count, scale, zero, (ai_type)s->in[0]->type, out);
    else if (s->out[0]->type == AI_U8)
        s->kernel[0]->fn(&(ai_to_bytes_args){in, out, count, scale, zero});
    else
        ai_quantize_span(in, count, scale, zero, (ai_type)s->out[0]->type, out);
}

static void run_plain(const ai_step *s, int64_t begin, int64_t end)
{
    int64_t inner = s->local[LOCAL_INNER];
    size_t in_size = ai_type_bytes((ai_type)s->in[0]->type);
    size_t out_size = ai_type_bytes((ai_type)s->out[0]->type);
    while (begin < end) {
        int64_t channel = begin / inner % s->local[LOCAL_CHANNELS];
        int64_t count = ai_min(inner - begin % inner, end - begin);
        run_span(s, (const char *)s->in[0]->data + (size_t)begin * in_size, count, channel,
                 (char *)s->out[0]->data + (size_t)begin * out_size);
        begin += count;
    }
}

/* A row of one block from `channels` planes: quantised plane by plane, then woven by fours. */
static void run_row_of_planes(const ai_step *s, const float *in, int64_t plane, int64_t channels,
                              uint8_t *scratch, uint8_t *out)
{
    int64_t width = s->in[0]->dim[3];
    for (int64_t c = 0; c < channels; c++)
        run_span(s, in + c * plane, width, 0, scratch + c * width);
    for (int64_t first = 0; first < channels; first += 4) {
        const uint8_t *q = scratch + first * width;
        for (int64_t x = 0; x < width; x++) {
            uint8_t four[4] = {q[x], q[width + x], q[2 * width + x], q[3 * width + x]};
            memcpy(out + x * 16 + first, four, sizeof(four));
        }
    }
}

static void run_blocks(const ai_step *s, int64_t begin, int64_t end, uint8_t *scratch)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    int64_t height = x->dim[2];
    int64_t blocks = ai_blocks(x->dim[1]);
    size_t in_size = ai_type_bytes((ai_type)x->type);
    size_t out_size = ai_type_bytes((ai_type)y->type);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t row = unit % height;
        int64_t block = unit / height;
        char *out = (char *)y->data + (size_t)(block * y->plane + row * y->row) * out_size;
        if (x->layout == AI_LAYOUT_PLAIN) {
            int64_t first = block % blocks * 16;
            int64_t plane = height * x->dim[3];
            const float *in = (const float *)x->data +
                              (block / blocks * x->dim[1] + first) * plane + row * x->dim[3];
            run_row_of_planes(s, in, plane, ai_min(x->dim[1] - first, 16), scratch, (uint8_t *)out);
        } else {
            const char *in =
                (const char *)x->data + (size_t)(block * x->plane + row * x->row) * in_size;
            run_span(s, in, x->dim[3] * 16, 0, out);
        }
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (s->out[0]->layout == AI_LAYOUT_PLAIN)
        run_plain(s, begin, end);
    else
        run_blocks(s, begin, end, scratch);
    return AI_OK;
}

/* ---- DynamicQuantizeLinear: y u8, scale, zero point from the least and the greatest number ----
 */

static ai_status check_dynamic(ai_step *s, ai_error *err)
{
    ai_status status = ai_need_type(s, 0, AI_F32, err);
    if (status != AI_OK || (status = ai_need_plain(s, err)) != AI_OK ||
        (status = ai_set_output(s, 0, AI_U8, s->in[0]->rank, s->in[0]->dim, err)) != AI_OK ||
        (status = ai_set_output(s, 1, AI_F32, 0, NULL, err)) != AI_OK ||
        (status = ai_set_output(s, 2, AI_U8, 0, NULL, err)) != AI_OK)
        return status;
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->work = 1;
    s->flops = 0;
    return AI_OK;
}

static ai_status run_dynamic(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                             ai_error *err)
{
    const float *in = s->in[0]->data;
    int64_t count = ai_tensor_count(s->in[0]);
    float lo = 0;
    float hi = 0;
    uint8_t zero;

    (void)begin;
    (void)end;
    (void)scratch;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        lo = in[i] < lo ? in[i] : lo;
        hi = in[i] > hi ? in[i] : hi;
    }
    float scale = (hi - lo) / 255.0f;
    if (!(scale > 0))
        scale = 1;
    lo = -lo;
    ai_quantize_span(&lo, 1, scale, 0, AI_U8, &zero);
    ai_quantize_span(in, count, scale, zero, AI_U8, s->out[0]->data);
    if (s->out_count > 1 && s->out[1] != NULL)
        *(float *)s->out[1]->data = scale;
    if (s->out_count > 2 && s->out[2] != NULL)
        *(uint8_t *)s->out[2]->data = zero;
    return AI_OK;
}

const ai_op ai_op_quantize = {check_quantize, prepare, run, false};
const ai_op ai_op_dequantize = {check_dequantize, prepare, run, false};
const ai_op ai_op_dynamic_quantize = {check_dynamic, NULL, run_dynamic, false};
