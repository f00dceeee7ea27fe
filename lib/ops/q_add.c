/* SPDX-License-Identifier: Apache-2.0
 * QLinearAdd: two tensors of u8 and of one shape, with the arithmetic of QLinearConv's residual. */
#include <math.h>
#include <string.h>

#include "elem.h"
#include "q.h"

static bool has_blocks(const ai_step *s)
{
    return s->out[0]->layout == AI_LAYOUT_NCHW16C;
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_q_add_params *p = s->params;
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];
    ai_status status = ai_need_type(s, 0, AI_U8, err);

    if (status != AI_OK || (status = ai_need_type(s, 1, AI_U8, err)) != AI_OK ||
        (status = ai_q_check_finish(s, &p->finish, true, err)) != AI_OK ||
        (status = ai_same_output(s, 0, 0, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (a->rank != b->rank || memcmp(a->dim, b->dim, a->rank * sizeof(a->dim[0])) != 0 ||
        a->layout != b->layout || a->layout != s->out[0]->layout)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "inputs differ in shape or layout: ranks %u and %u, layouts %u and %u",
                            a->rank, b->rank, a->layout, b->layout);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = (uint64_t)ai_tensor_count(a);
    s->work = ai_units(ai_tensor_count(a));
    if (has_blocks(s))
        s->work = ai_units(a->dim[0] * ai_blocks(a->dim[1]) * a->dim[2]);
    return AI_OK;
}

static void add_span(const ai_q_finish *f, const uint8_t *a, const uint8_t *b, int64_t count,
                     uint8_t *out)
{
    for (int64_t i = 0; i < count; i++) {
        float x = fmaf((float)b[i], f->other, f->offset);
        x = fmaf((float)(a[i] - (int32_t)f->middle), f->own, x);
        int32_t q = ai_q_round(x) + (int32_t)f->zero;
        q = q < (int32_t)f->lo ? (int32_t)f->lo : q;
        out[i] = (uint8_t)(q > (int32_t)f->hi ? (int32_t)f->hi : q);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_q_finish *f = &((const ai_q_add_params *)s->params)->finish;
    const ai_tensor *a = s->in[0];
    const ai_tensor *b = s->in[1];
    const ai_tensor *y = s->out[0];

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (!has_blocks(s)) {
        add_span(f, (const uint8_t *)a->data + begin, (const uint8_t *)b->data + begin, end - begin,
                 (uint8_t *)y->data + begin);
        return AI_OK;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = unit / y->dim[2];
        int64_t row = unit % y->dim[2];
        add_span(f, (const uint8_t *)a->data + block * a->plane + row * a->row,
                 (const uint8_t *)b->data + block * b->plane + row * b->row, y->dim[3] * 16,
                 (uint8_t *)y->data + block * y->plane + row * y->row);
    }
    return AI_OK;
}

const ai_op ai_op_q_add = {check, NULL, run, false};
