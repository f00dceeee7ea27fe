/* SPDX-License-Identifier: Apache-2.0
 * Numbers of every type, and the sizes of parts of a shape. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elem.h"

static float f32_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

float ai_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = (bits >> 10) & 31;
    uint32_t fraction = bits & 0x3ff;

    if (exponent == 31)
        return f32_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { /* zero, or fraction * 2^-24: exact */
        float x = (float)fraction * 0x1p-24f;
        return sign != 0 ? -x : x;
    }
    return f32_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

float ai_bf16_to_f32(uint16_t bits)
{
    return f32_of_bits((uint32_t)bits << 16);
}

/* The 16-bit float with `digits` fraction bits and this exponent bias nearest to x. */
static uint16_t narrow(double x, int digits, int bias)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    uint32_t sign = (uint32_t)(bits >> 63) << 15;
    uint32_t infinity = (uint32_t)(2 * bias + 1) << digits;

    if (exponent == 1024 && fraction != 0)
        return (uint16_t)(sign | infinity | (uint32_t)1 << (digits - 1));
    if (exponent > bias)
        return (uint16_t)(sign | infinity);
    if (exponent < -bias - digits)
        return (uint16_t)sign; /* under half the least denormal */
    int shift = 52 - digits;
    uint64_t result = (uint64_t)(exponent + bias) << digits;
    if (exponent < 1 - bias) { /* denormal: the leading one shows */
        fraction |= (uint64_t)1 << 52;
        shift += 1 - bias - exponent;
        result = 0;
    }
    result += fraction >> shift;
    uint64_t rest = fraction & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    if (rest > half || (rest == half && (result & 1) != 0))
        result++; /* may carry into the exponent, up to infinity: right */
    return (uint16_t)(sign | result);
}

uint16_t ai_f64_to_f16(double x)
{
    return narrow(x, 10, 15);
}

uint16_t ai_f64_to_bf16(double x)
{
    return narrow(x, 7, 127);
}

int64_t ai_f64_to_s64(double x, int64_t lo, int64_t hi)
{
    if (x != x)
        return 0;
    if (x <= (double)lo)
        return lo;
    if (x >= (double)hi)
        return hi;
    return (int64_t)x;
}

uint64_t ai_f64_to_u64(double x)
{
    if (!(x > 0))
        return 0;
    return x >= 0x1p64 ? UINT64_MAX : (uint64_t)x;
}

bool ai_is_float(ai_type type)
{
    return type == AI_F32 || type == AI_F16 || type == AI_BF16 || type == AI_F64;
}

double ai_get_f64(const void *data, ai_type type, int64_t i)
{
    switch (type) {
    case AI_F32:
        return ((const float *)data)[i];
    case AI_F64:
        return ((const double *)data)[i];
    case AI_F16:
        return ai_f16_to_f32(((const uint16_t *)data)[i]);
    case AI_BF16:
        return ai_bf16_to_f32(((const uint16_t *)data)[i]);
    case AI_U64:
        return (double)((const uint64_t *)data)[i];
    default:
        return (double)ai_get_s64(data, type, i);
    }
}

int64_t ai_get_s64(const void *data, ai_type type, int64_t i)
{
    switch (type) {
    case AI_BOOL:
    case AI_U8:
        return ((const uint8_t *)data)[i];
    case AI_S8:
        return ((const int8_t *)data)[i];
    case AI_S16:
        return ((const int16_t *)data)[i];
    case AI_U16:
        return ((const uint16_t *)data)[i];
    case AI_S32:
        return ((const int32_t *)data)[i];
    case AI_U32:
        return ((const uint32_t *)data)[i];
    default:
        assert(type == AI_S64 || type == AI_U64);
        return ((const int64_t *)data)[i];
    }
}

const char *ai_shape_text(uint32_t rank, const int64_t *dim, char *text)
{
    size_t length = 0;

    if (rank == 0)
        strcpy(text, "a scalar");
    for (uint32_t i = 0; i < rank && i < AI_MAX_RANK; i++)
        length += (size_t)snprintf(text + length, AI_SHAPE_TEXT - length, "%s%" PRId64,
                                   i > 0 ? "x" : "", dim[i]);
    return text;
}

int64_t ai_span(const int64_t *dim, uint32_t from, uint32_t to)
{
    int64_t product = 1;
    for (uint32_t i = from; i < to; i++) {
        if (dim[i] == 0)
            return 0;
        if (!ai_mul(product, dim[i], &product))
            product = INT64_MAX;
    }
    return product;
}

int64_t ai_units(int64_t count)
{
    return count < 1 ? 1 : count;
}

bool ai_is_empty(const ai_step *s, uint32_t output)
{
    return output >= s->out_count || s->out[output] == NULL || ai_tensor_count(s->out[output]) == 0;
}

int64_t ai_image_blocks(const ai_tensor *t)
{
    return t->dim[0] * ((t->dim[1] + 15) / 16);
}

bool ai_plane_is_dense(const ai_tensor *t)
{
    return t->row == t->dim[3] * 16;
}
