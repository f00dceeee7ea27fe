/* SPDX-License-Identifier: Apache-2.0
 * Operators on quantised tensors, of ONNX and as ONNX Runtime's quantiser writes them. They become
 * the operator on numbers between DequantizeLinear and QuantizeLinear, which the passes fold into a
 * step on integers. Products whose weights are computed, and those whose result is s32, are exact
 * products of integers held as f32. */
#include "onnx.h"

#include <string.h>

/* ---- Parts ---- */

int32_t ai_lower_inner(ai_lower *l, ai_lower_fn *function, const int32_t *inputs, uint32_t count)
{
    ai_lower part = *l;
    part.inputs = ai_graph_alloc(l->graph, (count + (size_t)1) * sizeof *inputs);
    part.input_count = count;
    part.is_inner = true;
    part.made = AI_NO_VALUE;
    if (part.inputs == NULL) {
        l->status = l->status == AI_OK ? ai_onnx_no_memory(l->onnx) : l->status;
        return AI_NO_VALUE;
    }
    memcpy(part.inputs, inputs, count * sizeof *inputs);
    if (l->status == AI_OK)
        function(&part);
    l->status = part.status;
    return part.made;
}

int32_t ai_lower_binary(ai_lower *l, const char *suffix, uint16_t op, ai_type type, int32_t a,
                        int32_t b)
{
    ai_none_params none = {0};
    const int32_t in[2] = {a, b};
    int32_t out = ai_lower_between(l, suffix, type);
    ai_lower_add(l, suffix, op, &none, sizeof none, in, 2, &out, 1);
    return out;
}

int32_t ai_lower_cast_to(ai_lower *l, const char *suffix, int32_t value, ai_type type)
{
    ai_cast_params p = {.type = (uint32_t)type};
    int32_t out = ai_lower_between(l, suffix, type);
    ai_lower_add(l, suffix, AI_OP_CAST, &p, sizeof p, &value, 1, &out, 1);
    return out;
}

/* Scales of 1 beside the zero point at input i. */
static int32_t ones(ai_lower *l, const char *suffix, uint32_t i)
{
    const ai_value *zero = ai_lower_value(l, i);
    if (zero == NULL || !zero->has_shape || zero->rank == 0)
        return ai_lower_scalar(l, suffix, AI_F32, 1);
    int64_t count = zero->rank == 1 ? zero->dim[0] : 0;
    if (count < 1 || count > INT16_MAX)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "zero point has rank %u, needs 0, or 1 with 1 to %d",
                      zero->rank, INT16_MAX);
    if (l->status != AI_OK)
        return AI_NO_VALUE;
    const char *name = ai_graph_format(l->graph, "%s/%s", l->node->name, suffix);
    float *scale = ai_graph_alloc(l->graph, (size_t)count * sizeof *scale);
    for (int64_t k = 0; k < count && scale != NULL; k++)
        scale[k] = 1;
    int32_t value = name == NULL || scale == NULL
                        ? AI_NO_VALUE
                        : ai_graph_constant(l->graph, name, AI_F32, 1, &count, scale,
                                            (uint64_t)count * sizeof *scale);
    if (value < 0)
        l->status = ai_onnx_no_memory(l->onnx);
    return value;
}

/* (input - zero) * scale; the zero point may be omitted. */
static int32_t dequantised(ai_lower *l, const char *suffix, int32_t input, int32_t scale,
                           int32_t zero, int64_t axis)
{
    ai_axis_params p = {.axis = axis};
    const int32_t in[3] = {input, scale, zero};
    int32_t out = ai_lower_between(l, suffix, AI_F32);
    if (l->status == AI_OK && l->graph->values[input].has_shape) {
        ai_value *y = &l->graph->values[out];
        y->has_shape = true;
        y->rank = l->graph->values[input].rank;
        memcpy(y->dim, l->graph->values[input].dim, sizeof y->dim);
    }
    ai_lower_add(l, suffix, AI_OP_DEQUANTIZE_LINEAR, &p, sizeof p, in, 3, &out, 1);
    return out;
}

/* Inputs i, i + 1, i + 2. */
static int32_t number(ai_lower *l, const char *suffix, uint32_t i, int64_t axis)
{
    return dequantised(l, suffix, ai_lower_input(l, i), ai_lower_input(l, i + 1),
                       ai_lower_input(l, i + 2), axis);
}

/* Output 0, of the zero point's type. */
static void quantise(ai_lower *l, int32_t value, int32_t scale, uint32_t zero)
{
    ai_type type = ai_lower_input(l, zero) == AI_NO_VALUE ? AI_U8 : ai_lower_type(l, zero);
    ai_axis_params p = {.axis = 1, .count = (uint32_t)type};
    const int32_t in[3] = {value, scale, ai_lower_input(l, zero)};
    if (type != AI_U8 && type != AI_S8)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "it makes %s, supported are u8 and s8",
                      type == 0 ? "a type that is not supported" : ai_type_name(type));
    int32_t out = ai_lower_output(l, 0, type);
    ai_lower_add(l, NULL, AI_OP_QUANTIZE_LINEAR, &p, sizeof p, in, 3, &out, 1);
}

static const ai_value *constant(const ai_lower *l, uint32_t i, ai_type type)
{
    const ai_value *v = ai_lower_value(l, i);
    return v != NULL && v->data != NULL && (type == 0 || v->type == type) ? v : NULL;
}

/* ---- Products of integers ---- */

/* A product's terms must sum up to less than 2^24 to be exact in f32: those of bytes do up to so
 * many. Of a number from -255 to 255 in digits of 16 or 4 the first one goes down to -16 or -4. */
enum { MOST_TERMS = 258, MOST_BY_16 = 4112, MOST_BY_4 = 16448 };

/* A dimension of input i counted from the last one; 0: not known, or the caller's to choose. */
static int64_t dimension(const ai_lower *l, uint32_t i, uint32_t from_last)
{
    const ai_value *v = ai_lower_value(l, i);
    if (v == NULL || !v->has_shape || v->rank == 0)
        return 0;
    uint32_t axis = v->rank > from_last ? v->rank - 1 - from_last : 0;
    return (v->varies >> axis & 1) != 0 ? 0 : v->dim[axis];
}

/* Of a matrix product either side says it, of a Conv all dimensions of the weight but the outputs';
 * 0: not known. */
static int64_t terms_of(ai_lower *l, uint32_t a, uint32_t b, bool is_conv)
{
    const ai_value *w = ai_lower_value(l, b);
    int64_t terms = 1;
    if (!is_conv)
        return dimension(l, b, 1) > 0 ? dimension(l, b, 1) : dimension(l, a, 0);
    for (uint32_t k = 1; w != NULL && k < w->rank && terms > 0 && terms <= MOST_BY_4; k++)
        terms *= dimension(l, b, w->rank - 1 - k);
    if (w == NULL || !w->has_shape || terms == 0)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "weight is computed: its shape must be stated");
    return terms;
}

/* MatMul of a length that the run, or whoever opens a session, says. */
static void bounded_matmul(ai_lower *l)
{
    ai_gemm_params p = {.alpha = 1, .beta = 1, .most = MOST_BY_4};
    ai_lower_one(l, &p, sizeof p);
}

/* sum + one digit's product * unit, as s32; negative sum: none yet. */
static int32_t add_digit(ai_lower *l, ai_lower_fn *function, int32_t sum, int32_t digit,
                         int32_t right, int32_t unit)
{
    int32_t part = ai_lower_inner(l, function, (const int32_t[]){digit, right}, 2);
    part = ai_lower_cast_to(l, "digit", part, AI_S32);
    if (unit != 1)
        part = ai_lower_binary(l, "scaled", AI_OP_MUL, AI_S32, part,
                               ai_lower_scalar(l, "unit", AI_S32, unit));
    return sum < 0 ? part : ai_lower_binary(l, "sum", AI_OP_ADD, AI_S32, sum, part);
}

/* As s32: by each digit of the left side, the last one first. */
static int32_t split_product(ai_lower *l, ai_lower_fn *function, int32_t left, int32_t right,
                             int32_t base)
{
    ai_unary_params none = {0};
    int32_t sum = AI_NO_VALUE;
    int32_t unit = 1;
    int32_t divisor = ai_lower_scalar(l, "base", AI_F32, base);
    for (; unit < 256 / base; unit *= base) {
        int32_t part = ai_lower_binary(l, "part", AI_OP_DIV, AI_F32, left, divisor);
        int32_t high = ai_lower_between(l, "high", AI_F32);
        ai_lower_add(l, "high", AI_OP_FLOOR, &none, sizeof none, &part, 1, &high, 1);
        int32_t whole = ai_lower_binary(l, "whole", AI_OP_MUL, AI_F32, high, divisor);
        int32_t low = ai_lower_binary(l, "low", AI_OP_SUB, AI_F32, left, whole);
        sum = add_digit(l, function, sum, low, right, unit);
        left = high;
    }
    return add_digit(l, function, sum, left, right, unit);
}

static void need_bytes(ai_lower *l, uint32_t i)
{
    ai_type type = ai_lower_type(l, i);
    if (type != AI_U8 && type != AI_S8)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "input %u is %s, supported are u8 and s8", i,
                      type == 0 ? "of a type that is not known" : ai_type_name(type));
}

/* (input a - zero point at az) by (input b - zero point at bz), as s32. */
static int32_t product(ai_lower *l, ai_lower_fn *function, uint32_t a, uint32_t az, uint32_t b,
                       uint32_t bz)
{
    bool is_conv = function == ai_lower_conv;
    int64_t terms = terms_of(l, a, b, is_conv);
    need_bytes(l, a);
    need_bytes(l, b);
    if (terms > MOST_BY_4)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "a sum has %lld products, at most %d are supported",
                      (long long)terms, MOST_BY_4);
    int32_t left = dequantised(l, "left", ai_lower_input(l, a), ones(l, "left_scale", az),
                               ai_lower_input(l, az), -2);
    int32_t right = dequantised(l, "right", ai_lower_input(l, b), ones(l, "right_scale", bz),
                                ai_lower_input(l, bz), is_conv ? 0 : -1);
    if (terms == 0)
        return split_product(l, bounded_matmul, left, right, 4);
    if (terms > MOST_TERMS)
        return split_product(l, function, left, right, terms > MOST_BY_16 ? 4 : 16);
    int32_t sum = ai_lower_inner(l, function, (const int32_t[]){left, right}, 2);
    return ai_lower_cast_to(l, "sum", sum, AI_S32);
}

static void make_s32(ai_lower *l, int32_t value)
{
    ai_none_params none = {0};
    int32_t out = ai_lower_output(l, 0, AI_S32);
    ai_lower_add(l, NULL, AI_OP_IDENTITY, &none, sizeof none, &value, 1, &out, 1);
}

void ai_lower_conv_integer(ai_lower *l)
{
    make_s32(l, product(l, ai_lower_conv, 0, 2, 1, 3));
}

void ai_lower_matmul_integer(ai_lower *l)
{
    make_s32(l, product(l, ai_lower_matmul, 0, 2, 1, 3));
}

/* A number an output channel, beside an output of Conv. */
static int32_t beside_channels(ai_lower *l, const char *suffix, uint32_t i, uint32_t rank)
{
    ai_axis_params p = {0};
    int64_t dim[AI_MAX_RANK] = {-1, 1, 1, 1, 1, 1, 1, 1};
    int32_t out = ai_lower_between(l, suffix, ai_lower_type(l, i));
    int32_t shape = ai_lower_s64(l, suffix, 1, dim, rank > 2 ? rank - 1 : 1);
    ai_lower_add(l, suffix, AI_OP_RESHAPE, &p, sizeof p,
                 (const int32_t[]){ai_lower_input(l, i), shape}, 2, &out, 1);
    return out;
}

static int32_t as_f32(ai_lower *l, const char *suffix, int32_t value)
{
    return l->status == AI_OK && l->graph->values[value].type != AI_F32
               ? ai_lower_cast_to(l, suffix, value, AI_F32)
               : value;
}

/* f32(sum) * (scale of a * scale of b / scale of y), rounded, + zero point. */
static void requantise(ai_lower *l, int32_t sum, int32_t scale_a, int32_t scale_b, uint32_t y)
{
    int32_t scale_y = as_f32(l, "y_scale", ai_lower_input(l, y));
    int32_t factor = ai_lower_binary(l, "scales", AI_OP_MUL, AI_F32, as_f32(l, "a_scale", scale_a),
                                     as_f32(l, "b_scale", scale_b));
    factor = ai_lower_binary(l, "factor", AI_OP_DIV, AI_F32, factor, scale_y);
    int32_t scaled = ai_lower_binary(l, "requantised", AI_OP_MUL, AI_F32,
                                     ai_lower_cast_to(l, "number", sum, AI_F32), factor);
    quantise(l, scaled, ones(l, "one", y + 1), y + 1);
}

/* ---- QLinear ---- */

/* The bias of s32 at input i, in units of the two scales. */
static int32_t bias(ai_lower *l, uint32_t i, const ai_value *x_scale, const ai_value *w_scale)
{
    uint64_t count = w_scale->bytes / sizeof(float);
    if (ai_lower_input(l, i) == AI_NO_VALUE || l->status != AI_OK)
        return AI_NO_VALUE;
    float *unit = ai_graph_alloc(l->graph, (size_t)(count + 1) * sizeof *unit);
    const char *name = ai_graph_format(l->graph, "%s/bias_scale", l->node->name);
    for (uint64_t k = 0; k < count && unit != NULL; k++)
        unit[k] = *(const float *)x_scale->data * ((const float *)w_scale->data)[k];
    int32_t scale = unit == NULL || name == NULL
                        ? AI_NO_VALUE
                        : ai_graph_constant(l->graph, name, AI_F32, w_scale->rank, w_scale->dim,
                                            unit, count * sizeof *unit);
    if (scale < 0) {
        l->status = ai_onnx_no_memory(l->onnx);
        return AI_NO_VALUE;
    }
    return dequantised(l, "bias", ai_lower_input(l, i), scale, AI_NO_VALUE, 0);
}

/* The weight, its scale and zero point and the scale of what it is multiplied by: constants. */
static bool has_constants(const ai_lower *l)
{
    const ai_value *x = constant(l, 1, AI_F32);
    return x != NULL && x->bytes == sizeof(float) && constant(l, 3, 0) != NULL &&
           constant(l, 4, AI_F32) != NULL &&
           (ai_lower_input(l, 5) == AI_NO_VALUE || constant(l, 5, 0) != NULL);
}

/* x, scale, zero point, w, scale, zero point, scale of y, zero point of y, bias */
void ai_lower_q_conv(ai_lower *l)
{
    const ai_value *w = ai_lower_value(l, 3);
    if (has_constants(l)) {
        int32_t in[3] = {number(l, "x", 0, 1), number(l, "w", 3, 0),
                         bias(l, 8, constant(l, 1, AI_F32), constant(l, 4, AI_F32))};
        quantise(l, ai_lower_inner(l, ai_lower_conv, in, in[2] < 0 ? 2 : 3), ai_lower_input(l, 6),
                 7);
        return;
    }
    if (!w->has_shape)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "weight is computed: its shape must be stated");
    int32_t sum = product(l, ai_lower_conv, 0, 2, 3, 5);
    if (ai_lower_input(l, 8) != AI_NO_VALUE)
        sum = ai_lower_binary(l, "biased", AI_OP_ADD, AI_S32, sum,
                              beside_channels(l, "bias", 8, w->has_shape ? w->rank : 0));
    requantise(l, sum, ai_lower_input(l, 1), beside_channels(l, "w_scale", 4, w->rank), 6);
}

/* a, scale, zero point, b, scale, zero point, scale of y, zero point of y */
void ai_lower_q_matmul(ai_lower *l)
{
    if (has_constants(l)) {
        int32_t in[2] = {number(l, "a", 0, -2), number(l, "b", 3, -1)};
        quantise(l, ai_lower_inner(l, ai_lower_matmul, in, 2), ai_lower_input(l, 6), 7);
        return;
    }
    requantise(l, product(l, ai_lower_matmul, 0, 2, 3, 5), ai_lower_input(l, 1),
               ai_lower_input(l, 4), 6);
}

/* ---- com.microsoft ---- */

/* a, scale, zero point, b, scale, zero point, scale of y, zero point of y */
void ai_lower_q_binary(ai_lower *l)
{
    int32_t in[2] = {number(l, "a", 0, 1), number(l, "b", 3, 1)};
    quantise(l, ai_lower_inner(l, ai_lower_plain, in, 2), ai_lower_input(l, 6), 7);
}

/* x, scale, zero point, scale of y, zero point of y */
static void one_tensor(ai_lower *l, ai_lower_fn *function)
{
    int32_t x = number(l, "x", 0, 1);
    quantise(l, ai_lower_inner(l, function, &x, 1), ai_lower_input(l, 3), 4);
}

void ai_lower_q_unary(ai_lower *l)
{
    one_tensor(l, ai_lower_unary);
}

/* Its opset is that of the Softmax that it stands for. */
void ai_lower_q_softmax(ai_lower *l)
{
    bool is_old = ai_lower_int(l, "opset", 13) < 13;
    one_tensor(l, is_old ? ai_lower_softmax_7 : ai_lower_softmax);
}

void ai_lower_q_pool(ai_lower *l)
{
    ai_lower_only(l, "channels_last", 0);
    one_tensor(l, l->row->op == AI_OP_AVERAGE_POOL ? ai_lower_pool : ai_lower_plain);
}

/* scale of y, zero point of y, then three of each operand */
void ai_lower_q_concat(ai_lower *l)
{
    uint32_t count = (l->input_count - 2) / 3;
    int32_t *in = ai_graph_alloc(l->graph, (count + (size_t)1) * sizeof *in);
    if (l->input_count % 3 != 2)
        ai_lower_fail(l, AI_E_FORMAT, "it has %u inputs, needs 2 and 3 for each operand",
                      l->input_count);
    for (uint32_t i = 0; i < count && in != NULL; i++)
        in[i] = number(l, "x", 2 + 3 * i, 1);
    if (in != NULL)
        quantise(l, ai_lower_inner(l, ai_lower_concat, in, count), ai_lower_input(l, 0), 1);
}

/* a, scale, zero point, b, scale, zero point, c of s32, scale of y, zero point of y; without a
 * scale of y it is a number */
void ai_lower_q_gemm(ai_lower *l)
{
    if (!has_constants(l)) {
        ai_lower_fail(l, AI_E_UNSUPPORTED, "weight or scales are computed, needs constants");
        return;
    }
    int64_t axis = ai_lower_int(l, "transB", 0) != 0 ? 0 : 1;
    int32_t in[3] = {number(l, "a", 0, 1), number(l, "b", 3, axis),
                     bias(l, 6, constant(l, 1, AI_F32), constant(l, 4, AI_F32))};
    uint32_t count = in[2] < 0 ? 2 : 3;
    if (ai_lower_input(l, 7) != AI_NO_VALUE) {
        quantise(l, ai_lower_inner(l, ai_lower_gemm, in, count), ai_lower_input(l, 7), 8);
        return;
    }
    memcpy(l->inputs, in, count * sizeof *in);
    l->input_count = count;
    ai_lower_gemm(l);
}
