/* SPDX-License-Identifier: Apache-2.0
 * The table of operators, and what their checks share: types, ranks, broadcasting, windows. */
#include <inttypes.h>
#include <string.h>

#include "ops/elem.h"

#define AI_OP(number, id, name, params, min_in, max_in, min_out, max_out, op)                      \
    [number] = {number, sizeof(params), min_in, max_in, min_out, max_out, name, &op},
static const ai_op_row rows[] = {
#include "ops.def"
};
#undef AI_OP

const ai_op_row *ai_op_find(uint32_t number)
{
    if (number >= sizeof(rows) / sizeof(rows[0]) || rows[number].op == NULL)
        return NULL;
    return &rows[number];
}

/* ---- Outputs ---- */

/* Of other operators all blocks of 16 channels are f32. */
static bool knows_u8_blocks(const ai_step *s)
{
    uint32_t op = s->file->op;
    return op == AI_OP_QUANTIZE_LINEAR || op == AI_OP_DEQUANTIZE_LINEAR ||
           (op >= AI_OP_Q_CONV && op <= AI_OP_Q_AVERAGE_POOL) || op == AI_OP_MAX_POOL ||
           op == AI_OP_CONCAT || op == AI_OP_RESIZE || op == AI_OP_REORDER;
}

/* Activations are plain, or images in blocks of 16 channels: f32, or u8 where the operator knows
 * them; nothing else is ever read or written. */
static ai_status check_layouts(const ai_step *s, uint32_t i, ai_type type, uint32_t rank,
                               ai_error *err)
{
    uint32_t layout = s->out[i]->layout;
    bool is_u8 = knows_u8_blocks(s);
    for (uint32_t k = 0; k < s->in_count; k++) {
        const ai_tensor *t = s->in[k];
        if (t != NULL && t->layout == AI_LAYOUT_NCHW16C && t->type != AI_F32 &&
            !(t->type == AI_U8 && is_u8))
            return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                                "input %u is %s in blocks of 16 channels, needs f32", k,
                                ai_type_name((ai_type)t->type));
    }
    if (layout == AI_LAYOUT_PLAIN)
        return AI_OK;
    if (layout != AI_LAYOUT_NCHW16C)
        return ai_fail_step(err, AI_E_FORMAT, s, "output %u has layout %u, which is for weights", i,
                            layout);
    if (rank != 4 || (type != AI_F32 && !(type == AI_U8 && is_u8)))
        return ai_fail_step(
            err, AI_E_UNSUPPORTED, s,
            "output %u is %s of rank %u, blocks of 16 channels need f32%s of rank 4", i,
            ai_type_name(type), rank, is_u8 ? " or u8" : "");
    return AI_OK;
}

ai_status ai_set_output(ai_step *s, uint32_t i, ai_type type, uint32_t rank, const int64_t *dim,
                        ai_error *err)
{
    int64_t count;

    if (i >= s->out_count || s->out[i] == NULL)
        return AI_OK;
    if (rank > AI_MAX_RANK)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "output %u has rank %u, at most %d", i, rank,
                            AI_MAX_RANK);
    if (!ai_count(rank, dim, &count)) {
        char text[AI_SHAPE_TEXT];
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "output %u has a negative dimension or over 2^40 elements: %s", i,
                            ai_shape_text(rank, dim, text));
    }
    ai_status status = check_layouts(s, i, type, rank, err);
    if (status != AI_OK)
        return status;
    ai_tensor *t = s->out[i];
    t->type = (uint8_t)type;
    t->rank = (uint8_t)rank;
    if (rank > 0)
        memmove(t->dim, dim, rank * sizeof(dim[0]));
    for (uint32_t d = rank; d < AI_MAX_RANK; d++)
        t->dim[d] = 0;
    return AI_OK;
}

ai_status ai_same_output(ai_step *s, uint32_t i, uint32_t j, ai_error *err)
{
    if (j >= s->in_count || s->in[j] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "input %u is missing", j);
    return ai_set_output(s, i, s->in[j]->type, s->in[j]->rank, s->in[j]->dim, err);
}

/* ---- Inputs ---- */

static ai_status need_input(const ai_step *s, uint32_t i, ai_error *err)
{
    if (i >= s->in_count || s->in[i] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "input %u is missing", i);
    return AI_OK;
}

ai_status ai_need_type(const ai_step *s, uint32_t i, ai_type type, ai_error *err)
{
    ai_status status = need_input(s, i, err);
    if (status == AI_OK && s->in[i]->type != type)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "input %u is %s, needs %s", i,
                            ai_type_name(s->in[i]->type), ai_type_name(type));
    return status;
}

ai_status ai_need_rank(const ai_step *s, uint32_t i, uint32_t rank, ai_error *err)
{
    ai_status status = need_input(s, i, err);
    if (status == AI_OK && s->in[i]->rank != rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "input %u has rank %u, needs %u", i, s->in[i]->rank,
                            rank);
    return status;
}

ai_status ai_need_plain(const ai_step *s, ai_error *err)
{
    return ai_need_plain_from(s, 0, err);
}

ai_status ai_need_plain_from(const ai_step *s, uint32_t first, ai_error *err)
{
    for (uint32_t i = first; i < s->in_count; i++) {
        if (s->in[i] != NULL && s->in[i]->layout != AI_LAYOUT_PLAIN)
            return ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, needs a plain tensor",
                                i, s->in[i]->layout);
    }
    for (uint32_t i = 0; i < s->out_count; i++) {
        if (s->out[i] != NULL && s->out[i]->layout != AI_LAYOUT_PLAIN)
            return ai_fail_step(err, AI_E_FORMAT, s,
                                "output %u has layout %u, needs a plain tensor", i,
                                s->out[i]->layout);
    }
    return AI_OK;
}

ai_status ai_need_axis(const ai_step *s, int64_t axis, uint32_t rank, uint32_t *out, ai_error *err)
{
    if (rank > AI_MAX_RANK || axis < -(int64_t)rank || axis >= (int64_t)rank)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "axis %" PRId64 " is not one of a tensor of rank %u", axis, rank);
    *out = (uint32_t)(axis < 0 ? axis + (int64_t)rank : axis);
    return AI_OK;
}

ai_status ai_known_ints(const ai_step *s, uint32_t i, int64_t *values, uint32_t max,
                        uint32_t *count, ai_error *err)
{
    ai_status status = need_input(s, i, err);
    if (status != AI_OK)
        return status;
    const ai_tensor *t = s->in[i];
    if ((t->type != AI_S32 && t->type != AI_S64) || t->layout != AI_LAYOUT_PLAIN || t->rank > 1)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "input %u is %s of rank %u, needs a list of s32 or s64", i,
                            ai_type_name(t->type), t->rank);
    if (t->known == NULL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "input %u depends on values of a run, needs a constant", i);
    int64_t n = ai_tensor_count(t);
    if (n < 0 || n > (int64_t)max)
        return ai_fail_step(err, AI_E_SHAPE, s, "input %u has %" PRId64 " values, at most %u", i, n,
                            max);
    for (int64_t k = 0; k < n; k++)
        values[k] =
            t->type == AI_S64 ? ((const int64_t *)t->known)[k] : ((const int32_t *)t->known)[k];
    *count = (uint32_t)n;
    return AI_OK;
}

/* ---- Shapes ---- */

bool ai_broadcast(uint32_t a_rank, const int64_t *a, uint32_t b_rank, const int64_t *b,
                  uint32_t *rank, int64_t *dim)
{
    uint32_t n = a_rank > b_rank ? a_rank : b_rank;

    if (n > AI_MAX_RANK)
        return false;
    /* from the last dimension down, through a copy: dim may be a or b */
    int64_t result[AI_MAX_RANK];
    for (uint32_t i = 0; i < n; i++) {
        int64_t x = i < a_rank ? a[a_rank - 1 - i] : 1;
        int64_t y = i < b_rank ? b[b_rank - 1 - i] : 1;
        if (x != y && x != 1 && y != 1)
            return false;
        result[n - 1 - i] = x == 1 ? y : x;
    }
    if (n > 0)
        memcpy(dim, result, n * sizeof(dim[0]));
    *rank = n;
    return true;
}

/* No window is larger, and no sum below can come near 2^63. */
enum { WINDOW_MAX = 1 << 20 };

ai_status ai_window_check(const ai_step *s, const ai_window *w, ai_error *err)
{
    if (w->spatial < 1 || w->spatial > AI_MAX_SPATIAL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "window has %u spatial dimensions, 1 to %d",
                            w->spatial, AI_MAX_SPATIAL);
    if (w->auto_pad > AI_PAD_VALID)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "auto_pad is %u, at most %d", w->auto_pad,
                            AI_PAD_VALID);
    for (uint32_t i = 0; i < w->spatial; i++) {
        const struct {
            const char *name;
            uint32_t value;
            uint32_t least;
        } field[] = {
            {"kernel", w->kernel[i], 1},     {"stride", w->stride[i], 1},
            {"dilation", w->dilation[i], 1}, {"pad_begin", w->pad_begin[i], 0},
            {"pad_end", w->pad_end[i], 0},
        };
        for (size_t f = 0; f < sizeof(field) / sizeof(field[0]); f++) {
            if (field[f].value < field[f].least || field[f].value > WINDOW_MAX)
                return ai_fail_step(err, AI_E_UNSUPPORTED, s, "%s[%u] is %u, needs %u to %d",
                                    field[f].name, i, field[f].value, field[f].least, WINDOW_MAX);
        }
        if ((int64_t)(w->kernel[i] - 1) * w->dilation[i] >= INT32_MAX)
            return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                                "kernel[%u] %u with dilation %u spans over 2^31-1", i, w->kernel[i],
                                w->dilation[i]);
    }
    return AI_OK;
}

/* One dimension of ONNX's output shape. Sizes are below 2^31 and 2^41, so nothing overflows. */
static void window_axis(const ai_window *w, uint32_t i, bool ceil_mode, int64_t in, int64_t *out,
                        int64_t *begin, int64_t *end)
{
    int64_t stride = w->stride[i];
    int64_t extent = ((int64_t)w->kernel[i] - 1) * w->dilation[i] + 1;

    *begin = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_begin[i] : 0;
    *end = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_end[i] : 0;
    if (w->auto_pad == AI_PAD_SAME_UPPER || w->auto_pad == AI_PAD_SAME_LOWER) {
        *out = (in + stride - 1) / stride;
        int64_t total = (*out - 1) * stride + extent - in;
        if (total < 0)
            total = 0;
        *begin = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : total - total / 2;
        *end = total - *begin;
        return;
    }
    int64_t room = in + *begin + *end - extent;
    if (room < 0) {
        *out = 0;
        return;
    }
    *out = room / stride + 1;
    if (ceil_mode && w->auto_pad == AI_PAD_EXPLICIT) {
        *out = (room + stride - 1) / stride + 1;
        if ((*out - 1) * stride >= in + *begin) /* starts in the padding after the end */
            *out -= 1;
    }
}

ai_status ai_window_shape(const ai_step *s, const ai_window *w, bool ceil_mode, const int64_t *in,
                          int64_t *out, int64_t *pad, ai_error *err)
{
    ai_status status = ai_window_check(s, w, err);
    if (status != AI_OK)
        return status;
    for (uint32_t i = 0; i < w->spatial; i++) {
        int64_t size = in[2 + i];
        if (size < 1 || size > INT32_MAX)
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "dimension %u is %" PRId64 ", needs 1 to 2^31-1", 2 + i, size);
        window_axis(w, i, ceil_mode, size, &out[i], &pad[i], &pad[w->spatial + i]);
        if (out[i] < 1)
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "kernel spans %" PRId64 " of dimension %u, which has %" PRId64
                                " with padding",
                                ((int64_t)w->kernel[i] - 1) * w->dilation[i] + 1, 2 + i,
                                size + pad[i] + pad[w->spatial + i]);
        if (out[i] > INT32_MAX)
            return ai_fail_step(err, AI_E_SHAPE, s, "output dimension %u is over 2^31-1", 2 + i);
    }
    return AI_OK;
}

/* ---- Kernels ---- */

ai_status ai_choose(ai_step *s, uint32_t slot, uint32_t op, ai_type act, ai_type weight,
                    uint32_t layout, ai_error *err)
{
    const ai_kernel *kernel = ai_kernel_find(op, (uint32_t)act, (uint32_t)weight, layout, s->cpu);
    if (kernel == NULL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "this build has no kernel for %s with %s weights in layout %u",
                            ai_type_name(act), ai_type_name(weight), layout);
    s->kernel[slot] = kernel;
    return AI_OK;
}
