/* SPDX-License-Identifier: Apache-2.0
 * Equal, Less, Greater, And, Or and Not with NumPy's broadcasting: what makes a bool of numbers or
 * bools. Conditions are small, so elements are read one by one. */
#include "elem.h"

static ai_status check_types(const ai_step *s, ai_error *err)
{
    uint16_t op = s->file->op;
    ai_type type = s->in[0]->type;
    if (op == AI_OP_NOT)
        return ai_need_type(s, 0, AI_BOOL, err);
    if (op == AI_OP_AND || op == AI_OP_OR) {
        ai_status status = ai_need_type(s, 0, AI_BOOL, err);
        return status ? status : ai_need_type(s, 1, AI_BOOL, err);
    }
    if (op != AI_OP_EQUAL && type == AI_BOOL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "inputs are bool, needs numbers");
    return ai_need_type(s, 1, type, err);
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[s->in_count - 1];
    int64_t dim[AI_MAX_RANK] = {0};
    char text[2][AI_SHAPE_TEXT];
    uint32_t rank;
    ai_status status = check_types(s, err);
    if (status)
        return status;
    if (!ai_broadcast(a->rank, a->dim, b->rank, b->dim, &rank, dim))
        return ai_fail_step(
            err, AI_E_SHAPE, s, "input 0 is %s, input 1 of %s does not broadcast to it",
            ai_shape_text(a->rank, a->dim, text[0]), ai_shape_text(b->rank, b->dim, text[1]));
    status = ai_set_output(s, 0, AI_BOOL, rank, dim, err);
    if (status)
        return status;
    s->work = ai_units(ai_tensor_count(s->out[0]));
    s->flops = (uint64_t)ai_tensor_count(s->out[0]);
    s->alias = AI_ALIAS_NONE;
    return ai_need_plain(s, err);
}

/* Where element `at` of the output comes from. */
static int64_t source(const ai_tensor *in, const ai_tensor *out, int64_t at)
{
    int64_t place = 0;
    int64_t stride = 1;
    for (uint32_t i = 0; i < in->rank; i++) {
        int64_t size = in->dim[in->rank - 1 - i];
        int64_t index = at % out->dim[out->rank - 1 - i];
        at /= out->dim[out->rank - 1 - i];
        place += size == 1 ? 0 : index * stride;
        stride *= size;
    }
    return place;
}

/* Less than 0, 0 or more: as a is to b; 2: neither, as one is NaN. */
static int order(const ai_tensor *a, int64_t i, const ai_tensor *b, int64_t k)
{
    if (ai_is_float(a->type)) {
        double x = ai_get_f64(a->data, a->type, i);
        double y = ai_get_f64(b->data, b->type, k);
        return x != x || y != y ? 2 : (x > y) - (x < y);
    }
    int64_t x = ai_get_s64(a->data, a->type, i);
    int64_t y = ai_get_s64(b->data, b->type, k);
    return a->type == AI_U64 ? ((uint64_t)x > (uint64_t)y) - ((uint64_t)x < (uint64_t)y)
                             : (x > y) - (x < y);
}

static bool holds(const ai_step *s, int64_t at)
{
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[s->in_count - 1];
    int64_t i = source(a, s->out[0], at);
    int64_t k = source(b, s->out[0], at);
    switch (s->file->op) {
    case AI_OP_NOT:
        return ai_get_s64(a->data, AI_BOOL, i) == 0;
    case AI_OP_AND:
        return ai_get_s64(a->data, AI_BOOL, i) != 0 && ai_get_s64(b->data, AI_BOOL, k) != 0;
    case AI_OP_OR:
        return ai_get_s64(a->data, AI_BOOL, i) != 0 || ai_get_s64(b->data, AI_BOOL, k) != 0;
    default:
        return order(a, i, b, k) == (s->file->op == AI_OP_LESS      ? -1
                                     : s->file->op == AI_OP_GREATER ? 1
                                                                    : 0);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t i = begin; i < end; i++)
        ((uint8_t *)s->out[0]->data)[i] = holds(s, i);
    return AI_OK;
}

const ai_op ai_op_compare = {check, NULL, run, false};
