/* SPDX-License-Identifier: Apache-2.0
 * Tensors made from nothing: ConstantOfShape and Range. */
#include <math.h>

#include "elem.h"

static ai_status check_constant_of_shape(ai_step *s, ai_error *err)
{
    const ai_cast_params *p = s->params;
    int64_t dim[AI_MAX_RANK];
    uint32_t rank;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && (p->type > UINT8_MAX || ai_type_bytes((ai_type)p->type) == 0))
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "value has type %u, which is not known",
                              p->type);
    if (status == AI_OK)
        status = ai_known_ints(s, 0, dim, AI_MAX_RANK, &rank, err);
    if (status == AI_OK)
        status = ai_set_output(s, 0, (ai_type)p->type, rank, dim, err);
    s->work = status == AI_OK ? ai_units(ai_span(dim, 0, rank)) : 1;
    return status;
}

static ai_status run_constant_of_shape(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                                       ai_error *err)
{
    const ai_cast_params *p = s->params;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    size_t bytes = ai_type_bytes(s->out[0]->type);
    ai_copy_strided((char *)s->out[0]->data + (size_t)begin * bytes, &p->bits, end - begin, 0,
                    bytes);
    return AI_OK;
}

/* ---- Range: start + i * delta; of floats in f64, rounded once ---- */

static ai_status range_count(const ai_step *s, double *count, ai_error *err)
{
    const ai_type type = s->in[0]->type;
    double v[3];

    for (uint32_t i = 0; i < 3; i++) {
        const ai_tensor *t = s->in[i];
        if (t->type != type || ai_tensor_count(t) != 1)
            return ai_fail_step(err, AI_E_SHAPE, s, "input %u is no single %s", i,
                                ai_type_name(type));
        if (t->known == NULL)
            return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                                "input %u depends on values of a run, needs a constant", i);
        v[i] = ai_get_f64(t->known, type, 0);
    }
    if (v[2] == 0 || v[2] != v[2])
        return ai_fail_step(err, AI_E_VALUE, s, "delta is %g, needs a number other than 0", v[2]);
    *count = ceil((v[1] - v[0]) / v[2]);
    if (isnan(*count) || (*count > 0 && (isinf(v[0]) || isinf(v[1]))))
        return ai_fail_step(err, AI_E_VALUE, s, "range from %g to %g by %g has no end", v[0], v[1],
                            v[2]);
    return AI_OK;
}

static ai_status check_range(ai_step *s, ai_error *err)
{
    const ai_type type = s->in[0]->type;
    double count = 0;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK && !ai_is_float(type) && type != AI_S16 && type != AI_S32 && type != AI_S64)
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s,
                              "start is %s, needs s16, s32, s64 or a float", ai_type_name(type));
    if (status == AI_OK)
        status = range_count(s, &count, err);
    if (status != AI_OK)
        return status;
    if (!(count <= 0x1p40))
        return ai_fail_step(err, AI_E_SHAPE, s, "range has over 2^40 elements");
    int64_t dim = count > 0 ? (int64_t)count : 0;
    s->work = ai_units(dim);
    return ai_set_output(s, 0, type, 1, &dim, err);
}

static ai_status run_range(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                           ai_error *err)
{
    const ai_type type = s->in[0]->type;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    size_t bytes = ai_type_bytes(type);
    char *out = (char *)s->out[0]->data + (size_t)begin * bytes;
    for (int64_t i = begin; i < end; i++, out += bytes) {
        if (ai_is_float(type)) {
            double x = ai_get_f64(s->in[0]->data, type, 0) +
                       (double)i * ai_get_f64(s->in[2]->data, type, 0);
            ai_convert(&x, AI_F64, out, type, 1);
        } else {
            int64_t x = (int64_t)((uint64_t)ai_get_s64(s->in[0]->data, type, 0) +
                                  (uint64_t)i * (uint64_t)ai_get_s64(s->in[2]->data, type, 0));
            ai_convert(&x, AI_S64, out, type, 1);
        }
    }
    return AI_OK;
}

const ai_op ai_op_constant_of_shape = {check_constant_of_shape, NULL, run_constant_of_shape, false};
const ai_op ai_op_range = {check_range, NULL, run_range, false};
