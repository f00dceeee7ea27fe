/* SPDX-License-Identifier: Apache-2.0
 * Lookup: each byte becomes what a table says. */
#include "elem.h"
#include "q.h"

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *table = s->in[1];
    ai_status status = ai_need_type(s, 0, AI_U8, err);

    if (status != AI_OK || (status = ai_need_type(s, 1, AI_U8, err)) != AI_OK ||
        (status = ai_set_output(s, 0, AI_U8, x->rank, x->dim, err)) != AI_OK)
        return status;
    if (table->layout != AI_LAYOUT_PLAIN || table->rank != 1 || table->dim[0] != 256)
        return ai_fail_step(err, AI_E_SHAPE, s, "table has rank %u and %lld bytes, needs 256",
                            table->rank, (long long)table->dim[0]);
    if (x->layout != s->out[0]->layout)
        return ai_fail_step(err, AI_E_SHAPE, s, "input has layout %u, output %u", x->layout,
                            s->out[0]->layout);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = 0;
    s->work = ai_units(ai_tensor_count(x));
    if (x->layout == AI_LAYOUT_NCHW16C)
        s->work = ai_units(x->dim[0] * ai_blocks(x->dim[1]) * x->dim[2]); /* a row of a block */
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    return ai_choose(s, 0, AI_K_LOOKUP, AI_U8, AI_U8, AI_LAYOUT_PLAIN, err);
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    const uint8_t *table = s->in[1]->data;
    const uint8_t *in = x->data;
    uint8_t *out = y->data;

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (x->layout != AI_LAYOUT_NCHW16C) {
        s->kernel[0]->fn(&(ai_lookup_args){in + begin, table, out + begin, end - begin});
        return AI_OK;
    }
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t block = unit / x->dim[2];
        int64_t row = unit % x->dim[2];
        s->kernel[0]->fn(&(ai_lookup_args){in + block * x->plane + row * x->row, table,
                                           out + block * y->plane + row * y->row, x->dim[3] * 16});
    }
    return AI_OK;
}

const ai_op ai_op_q_lookup = {check, prepare, run, false};
