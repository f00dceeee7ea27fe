/* SPDX-License-Identifier: Apache-2.0
 * Sizes of types, shapes and layouts, in arithmetic that reports overflow. */
#include "core.h"

#include <assert.h>

static const int64_t max_count = INT64_C(1) << 40;

bool ai_mul(int64_t a, int64_t b, int64_t *product)
{
    assert(a >= 0 && b >= 0);
    if (b && a > INT64_MAX / b)
        return false;
    *product = a * b;
    return true;
}

bool ai_add(int64_t a, int64_t b, int64_t *sum)
{
    assert(a >= 0 && b >= 0);
    if (a > INT64_MAX - b)
        return false;
    *sum = a + b;
    return true;
}

int64_t ai_align(int64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static const struct {
    const char *name;
    uint8_t bytes;
} types[] = {{"none", 0}, {"f32", 4}, {"f16", 2}, {"bf16", 2}, {"f64", 8}, {"bool", 1}, {"s8", 1},
             {"u8", 1},   {"s16", 2}, {"u16", 2}, {"s32", 4},  {"u32", 4}, {"s64", 8},  {"u64", 8}};

static bool is_type(ai_type type)
{
    return type >= AI_F32 && type <= AI_U64;
}

size_t ai_type_bytes(ai_type type)
{
    return is_type(type) ? types[type].bytes : 0;
}

const char *ai_type_name(ai_type type)
{
    return is_type(type) ? types[type].name : types[0].name;
}

bool ai_count(uint32_t rank, const int64_t *dim, int64_t *count)
{
    /* The bound holds without the zeros too, so that strides of an empty tensor are safe. */
    int64_t product = 1;
    bool is_empty = false;
    for (uint32_t i = 0; i < rank; i++) {
        if (dim[i] < 0 || dim[i] > max_count)
            return false;
        is_empty |= dim[i] == 0;
        if (dim[i] > 0 && !ai_mul(product, dim[i], &product))
            return false;
        if (product > max_count)
            return false;
    }
    *count = is_empty ? 0 : product;
    return true;
}

/* The product of up to five factors; all are at most 2^40. */
static bool product_of(int64_t *bytes, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)
{
    return ai_mul(a, b, &a) && ai_mul(a, c, &a) && ai_mul(a, d, &a) && ai_mul(a, e, bytes);
}

static int64_t round16(int64_t count)
{
    return (count + 15) / 16 * 16;
}

bool ai_layout_bytes(uint32_t layout, ai_type type, uint32_t rank, const int64_t *dim,
                     int64_t *bytes)
{
    int64_t count;
    int64_t size = (int64_t)ai_type_bytes(type);
    if (!size || rank > AI_MAX_RANK || !ai_count(rank, dim, &count))
        return false;
    switch (layout) {
    case AI_LAYOUT_PLAIN:
        return ai_mul(count, size, bytes);
    case AI_LAYOUT_NCHW16C:
        return rank == 4 && product_of(bytes, size, dim[0], round16(dim[1]), dim[2], dim[3]);
    case AI_LAYOUT_CONV16:
    case AI_LAYOUT_STEM16:
        return rank == 4 && product_of(bytes, size, round16(dim[0]), dim[1], dim[2], dim[3]);
    case AI_LAYOUT_TRANSPOSED16:
        return rank == 4 && product_of(bytes, size, dim[0], round16(dim[1]), dim[2], dim[3]);
    case AI_LAYOUT_DEPTHWISE16:
        return rank == 4 && dim[1] == 1 &&
               product_of(bytes, size, round16(dim[0]), dim[2], dim[3], 1);
    case AI_LAYOUT_PANEL16:
        return (rank == 2 && product_of(bytes, size, dim[0], round16(dim[1]), 1, 1)) ||
               (rank == 3 && product_of(bytes, size, dim[0], dim[1], round16(dim[2]), 1));
    case AI_LAYOUT_QPANEL16: /* as many panels of 64 bytes for the scales and each 4 rows */
        return type == AI_S8 &&
               ((rank == 2 &&
                 product_of(bytes, 64, (dim[0] + 3) / 4 + 1, round16(dim[1]) / 16, 1, 1)) ||
                (rank == 3 &&
                 product_of(bytes, 64, (dim[1] + 3) / 4 + 1, round16(dim[2]) / 16, dim[0], 1)));
    case AI_LAYOUT_QCONV16:
        return type == AI_S8 &&
               ((rank == 2 && product_of(bytes, round16(dim[0]), (dim[1] + 3) / 4, 4, 1, 1)) ||
                (rank == 4 &&
                 product_of(bytes, round16(dim[0]), (dim[1] + 3) / 4, 4, dim[2], dim[3])));
    case AI_LAYOUT_QCONV64:
        return type == AI_S8 && rank == 4 && dim[1] % 64 == 0 &&
               product_of(bytes, round16(dim[0]), dim[1], dim[2], dim[3], 1);
    case AI_LAYOUT_QDEPTHWISE16:
        return type == AI_S8 && rank == 4 && dim[1] == 1 &&
               product_of(bytes, round16(dim[0]), dim[2], (dim[3] + 3) / 4, 4, 1);
    case AI_LAYOUT_WINOGRAD4:
    case AI_LAYOUT_WINOGRAD2:
        return rank == 4 && dim[2] == 3 && dim[3] == 3 &&
               product_of(bytes, size, round16(dim[0]), dim[1],
                          layout == AI_LAYOUT_WINOGRAD4 ? 36 : 16, 1);
    default:
        return false;
    }
}

int64_t ai_tensor_count(const ai_tensor *t)
{
    int64_t count = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        count *= t->dim[i];
    return count;
}
