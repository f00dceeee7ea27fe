/* SPDX-License-Identifier: Apache-2.0
 * Cast between all types. Floats round to nearest even, once; a float outside an integer type
 * becomes the nearest bound and NaN becomes 0; integers keep their low bits; bool is x != 0. */
#include <string.h>

#include "elem.h"

enum { BLOCK = 32 };

/* Each element passes through the widest type of its kind. */
typedef union wide {
    double f[BLOCK];
    int64_t i[BLOCK];
} wide;

#define LOAD(T, FIELD, VALUE)                                                                      \
    for (int64_t k = 0; k < count; k++) {                                                          \
        T x = ((const T *)in)[k];                                                                  \
        w->FIELD[k] = VALUE;                                                                       \
    }                                                                                              \
    break

static void load(const void *in, ai_type type, int64_t count, wide *w)
{
    switch (type) {
    case AI_F32:
        LOAD(float, f, x);
    case AI_F64:
        LOAD(double, f, x);
    case AI_F16:
        LOAD(uint16_t, f, ai_f16_to_f32(x));
    case AI_BF16:
        LOAD(uint16_t, f, ai_bf16_to_f32(x));
    case AI_BOOL:
    case AI_U8:
        LOAD(uint8_t, i, x);
    case AI_S8:
        LOAD(int8_t, i, x);
    case AI_S16:
        LOAD(int16_t, i, x);
    case AI_U16:
        LOAD(uint16_t, i, x);
    case AI_S32:
        LOAD(int32_t, i, x);
    case AI_U32:
        LOAD(uint32_t, i, x);
    default:
        LOAD(int64_t, i, x);
    }
}

#define STORE(T, VALUE)                                                                            \
    for (int64_t k = 0; k < count; k++)                                                            \
        ((T *)out)[k] = (T)(VALUE);                                                                \
    break

static void store_float(const wide *w, void *out, ai_type type, int64_t count)
{
    switch (type) {
    case AI_F32:
        STORE(float, w->f[k]);
    case AI_F64:
        STORE(double, w->f[k]);
    case AI_F16:
        STORE(uint16_t, ai_f64_to_f16(w->f[k]));
    case AI_BF16:
        STORE(uint16_t, ai_f64_to_bf16(w->f[k]));
    case AI_BOOL:
        STORE(uint8_t, w->f[k] != 0);
    case AI_U8:
        STORE(uint8_t, ai_f64_to_s64(w->f[k], 0, UINT8_MAX));
    case AI_S8:
        STORE(int8_t, ai_f64_to_s64(w->f[k], INT8_MIN, INT8_MAX));
    case AI_S16:
        STORE(int16_t, ai_f64_to_s64(w->f[k], INT16_MIN, INT16_MAX));
    case AI_U16:
        STORE(uint16_t, ai_f64_to_s64(w->f[k], 0, UINT16_MAX));
    case AI_S32:
        STORE(int32_t, ai_f64_to_s64(w->f[k], INT32_MIN, INT32_MAX));
    case AI_U32:
        STORE(uint32_t, ai_f64_to_s64(w->f[k], 0, UINT32_MAX));
    case AI_U64:
        STORE(uint64_t, ai_f64_to_u64(w->f[k]));
    default:
        STORE(int64_t, ai_f64_to_s64(w->f[k], INT64_MIN, INT64_MAX));
    }
}

/* An integer as f64 from which a type of at most 24 bits rounds as from the integer itself: what
 * f64 cannot hold is only told by the last bit that it can (rounding to odd). */
static double sticky_f64(int64_t x, bool is_unsigned)
{
    bool is_negative = !is_unsigned && x < 0;
    uint64_t size = is_negative ? (uint64_t)0 - (uint64_t)x : (uint64_t)x;

    if (size >> 53 != 0)
        size = (size & ~(uint64_t)0xfff) | ((size & 0xfff) != 0 ? 0x1000 : 0);
    return is_negative ? -(double)size : (double)size;
}

static void store_int(const wide *w, bool is_u64, void *out, ai_type type, int64_t count)
{
    switch (type) {
    case AI_F32:
        STORE(float, is_u64 ? (float)(uint64_t)w->i[k] : (float)w->i[k]);
    case AI_F64:
        STORE(double, is_u64 ? (double)(uint64_t)w->i[k] : (double)w->i[k]);
    case AI_F16:
        STORE(uint16_t, ai_f64_to_f16(sticky_f64(w->i[k], is_u64)));
    case AI_BF16:
        STORE(uint16_t, ai_f64_to_bf16(sticky_f64(w->i[k], is_u64)));
    case AI_BOOL:
        STORE(uint8_t, w->i[k] != 0);
    case AI_U8:
    case AI_S8:
        STORE(uint8_t, w->i[k]);
    case AI_S16:
    case AI_U16:
        STORE(uint16_t, w->i[k]);
    case AI_S32:
    case AI_U32:
        STORE(uint32_t, w->i[k]);
    default:
        STORE(int64_t, w->i[k]);
    }
}

void ai_convert(const void *in, ai_type from, void *out, ai_type to, int64_t count)
{
    const char *source = in;
    char *target = out;
    wide w;

    if (from == to) {
        memcpy(out, in, (size_t)count * ai_type_bytes(from));
        return;
    }
    for (int64_t done = 0; done < count; done += BLOCK) {
        int64_t n = count - done < BLOCK ? count - done : BLOCK;
        load(source + (size_t)done * ai_type_bytes(from), from, n, &w);
        if (ai_is_float(from))
            store_float(&w, target + (size_t)done * ai_type_bytes(to), to, n);
        else
            store_int(&w, from == AI_U64, target + (size_t)done * ai_type_bytes(to), to, n);
    }
}

static ai_status check_cast(ai_step *s, ai_error *err)
{
    const ai_cast_params *p = s->params;
    const ai_tensor *in = s->in[0];

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && (p->type > UINT8_MAX || ai_type_bytes((ai_type)p->type) == 0))
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "target has type %u, which is not known",
                              p->type);
    if (status == AI_OK)
        status = ai_set_output(s, 0, (ai_type)p->type, in->rank, in->dim, err);
    if (status != AI_OK)
        return status;
    s->work = ai_units(ai_tensor_count(in));
    if (in->type == p->type) {
        s->alias = AI_ALIAS_INPLACE;
        s->alias_input = 0;
    }
    return AI_OK;
}

static ai_status run_cast(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                          ai_error *err)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0) || (in->data == out->data && in->type == out->type))
        return AI_OK;
    ai_convert((const char *)in->data + (size_t)begin * ai_type_bytes(in->type), in->type,
               (char *)out->data + (size_t)begin * ai_type_bytes(out->type), out->type,
               end - begin);
    return AI_OK;
}

const ai_op ai_op_cast = {check_cast, NULL, run_cast, false};
