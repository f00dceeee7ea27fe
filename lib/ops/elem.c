/* SPDX-License-Identifier: Apache-2.0
 * Numbers of every type, and the sizes of parts of a shape. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "elem.h"

float ai_bf16_to_f32(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, sizeof(x));
    return x;
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
