/* SPDX-License-Identifier: Apache-2.0
 * Rows of two-operand arithmetic in f64, f16, bf16 and integers, and Pow of mixed types. */
#include <math.h>

#include "binary.h"

/* ---- Integers and f64 ---- */

/* Truncated. The quotient of the least number by -1 wraps to the least number; by 0 all is 0, as in
 * NumPy, and so in ONNX's reference. */
#define DIV_FLOAT(x, y)    ((x) / (y))
#define DIV_UNSIGNED(x, y) ((y) == 0 ? 0 : (x) / (y))
#define DIV_SIGNED(x, y)                                                                           \
    ((y) == 0 ? 0 : (y) == -1 ? (uint64_t)0 - (uint64_t)(x) : (uint64_t)((x) / (y)))

#define LOOP(T, VALUE)                                                                             \
    for (int64_t i = 0; i < r->count; i++) {                                                       \
        const T x = ((const T *)r->a)[i * r->a_step];                                              \
        const T y = ((const T *)r->b)[i * r->b_step];                                              \
        ((T *)r->out)[i] = (T)(VALUE);                                                             \
    }                                                                                              \
    break

#define ROW(NAME, T, WIDE, DIV)                                                                    \
    static void row_##NAME(uint32_t op, const ai_binary_row *r)                                    \
    {                                                                                              \
        switch (op) {                                                                              \
        case AI_OP_ADD:                                                                            \
            LOOP(T, (WIDE)x + (WIDE)y);                                                            \
        case AI_OP_SUB:                                                                            \
            LOOP(T, (WIDE)x - (WIDE)y);                                                            \
        case AI_OP_MUL:                                                                            \
            LOOP(T, (WIDE)x *(WIDE)y);                                                             \
        case AI_OP_DIV:                                                                            \
            LOOP(T, DIV(x, y));                                                                    \
        case AI_OP_MAX:                                                                            \
            LOOP(T, x < y ? y : x);                                                                \
        case AI_OP_MIN:                                                                            \
            LOOP(T, x > y ? y : x);                                                                \
        default: /* PRelu */                                                                       \
            LOOP(T, is_negative_##NAME(x) ? (WIDE)x *(WIDE)y : (WIDE)x);                           \
        }                                                                                          \
    }

#define is_negative_f64(x) ((x) < 0)
#define is_negative_s8(x)  ((x) < 0)
#define is_negative_s16(x) ((x) < 0)
#define is_negative_s32(x) ((x) < 0)
#define is_negative_s64(x) ((x) < 0)
#define is_negative_u8(x)  false
#define is_negative_u16(x) false
#define is_negative_u32(x) false
#define is_negative_u64(x) false

ROW(f64, double, double, DIV_FLOAT)
ROW(s8, int8_t, uint64_t, DIV_SIGNED)
ROW(s16, int16_t, uint64_t, DIV_SIGNED)
ROW(s32, int32_t, uint64_t, DIV_SIGNED)
ROW(s64, int64_t, uint64_t, DIV_SIGNED)
ROW(u8, uint8_t, uint64_t, DIV_UNSIGNED)
ROW(u16, uint16_t, uint64_t, DIV_UNSIGNED)
ROW(u32, uint32_t, uint64_t, DIV_UNSIGNED)
ROW(u64, uint64_t, uint64_t, DIV_UNSIGNED)

static void run_row(uint32_t op, const ai_binary_row *r)
{
    switch (r->a_type) {
    case AI_F64:
        row_f64(op, r);
        break;
    case AI_S8:
        row_s8(op, r);
        break;
    case AI_S16:
        row_s16(op, r);
        break;
    case AI_S32:
        row_s32(op, r);
        break;
    case AI_S64:
        row_s64(op, r);
        break;
    case AI_U8:
        row_u8(op, r);
        break;
    case AI_U16:
        row_u16(op, r);
        break;
    case AI_U32:
        row_u32(op, r);
        break;
    default:
        row_u64(op, r);
        break;
    }
}

/* ---- Pow of integers, and of numbers of two types ---- */

/* x^y modulo 2^64. A negative y leaves what truncation leaves of 1 / x^-y: 1 or -1 for x of 1 or
 * -1, else 0, also for x = 0. */
static int64_t pow_int(int64_t x, int64_t y)
{
    uint64_t result = 1;
    uint64_t base = (uint64_t)x;

    if (y < 0) {
        if (x != 1 && x != -1)
            return 0;
        return x == -1 && (y & 1) != 0 ? -1 : 1;
    }
    for (; y > 0; y >>= 1) {
        if ((y & 1) != 0)
            result *= base;
        base *= base;
    }
    return (int64_t)result;
}

static void pow_one(const ai_binary_row *r, int64_t i)
{
    int64_t j = i * r->b_step;
    char *out = (char *)r->out + (size_t)i * ai_type_bytes(r->a_type);

    if (ai_is_float(r->a_type)) {
        float y = ai_powf((float)ai_get_f64(r->a, r->a_type, i * r->a_step),
                          (float)ai_get_f64(r->b, r->b_type, j));
        ai_convert(&y, AI_F32, out, r->a_type, 1);
        return;
    }
    int64_t x = ai_get_s64(r->a, r->a_type, i * r->a_step);
    if (ai_is_float(r->b_type)) {
        double exponent = ai_get_f64(r->b, r->b_type, j);
        if (exponent != floor(exponent) || fabs(exponent) >= 0x1p53) {
            float y = ai_powf((float)ai_get_f64(r->a, r->a_type, i * r->a_step), (float)exponent);
            ai_convert(&y, AI_F32, out, r->a_type, 1);
            return;
        }
        x = pow_int(x, (int64_t)exponent);
    } else {
        x = pow_int(x, ai_get_s64(r->b, r->b_type, j));
    }
    ai_convert(&x, AI_S64, out, r->a_type, 1);
}

/* ---- f16 and bf16: the f32 function of exact operands, rounded once more ---- */

static float apply_f32(uint32_t op, float x, float y)
{
    switch (op) {
    case AI_OP_ADD:
        return x + y;
    case AI_OP_SUB:
        return x - y;
    case AI_OP_MUL:
        return x * y;
    case AI_OP_DIV:
        return x / y;
    case AI_OP_MAX:
        return x < y || y != y ? y : x;
    case AI_OP_MIN:
        return x > y || y != y ? y : x;
    default:
        return x < 0 ? x * y : x;
    }
}

static void run_half(uint32_t op, const ai_binary_row *r)
{
    for (int64_t i = 0; i < r->count; i++) {
        float x = (float)ai_get_f64(r->a, r->a_type, i * r->a_step);
        float y = (float)ai_get_f64(r->b, r->b_type, i * r->b_step);
        float z = apply_f32(op, x, y);
        ai_convert(&z, AI_F32, (uint16_t *)r->out + i, r->a_type, 1);
    }
}

bool ai_binary_row_has(uint32_t op, ai_type a_type, ai_type b_type)
{
    if (a_type == AI_BOOL || b_type == AI_BOOL)
        return false;
    return op == AI_OP_POW ? a_type != AI_F64 : a_type == b_type;
}

void ai_binary_row_run(uint32_t op, const ai_binary_row *r)
{
    if (op == AI_OP_POW) {
        for (int64_t i = 0; i < r->count; i++)
            pow_one(r, i);
    } else if (r->a_type == AI_F16 || r->a_type == AI_BF16) {
        run_half(op, r);
    } else {
        run_row(op, r);
    }
}
