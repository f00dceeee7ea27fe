/* SPDX-License-Identifier: Apache-2.0
 * QLinearMatMul: plain rows of u8 by constant weights of s8, through the kernel of QLinearConv: a
 * row is a pixel. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"
#include "q.h"

/* step->local */
enum { LOCAL_M, LOCAL_N, LOCAL_K };

/* Rows that a tile has, times a few. */
enum { CHUNK = 56 };

/* The kernel reads fours of a row. */
static int64_t fours(const ai_step *s)
{
    return (s->local[LOCAL_K] + 3) / 4;
}

static int64_t wide_rows(const ai_step *s)
{
    return ai_q_wide_pixels(fours(s), ai_min(s->local[LOCAL_M], CHUNK));
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_q_gemm_params *p = s->params;
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];
    int64_t dim[AI_MAX_RANK];
    ai_status status = ai_need_type(s, 0, AI_U8, err);

    if (status != AI_OK || (status = ai_q_check_weight(s, AI_LAYOUT_QCONV16, err)) != AI_OK ||
        (status = ai_need_rank(s, 1, 2, err)) != AI_OK ||
        (status = ai_q_check_finish(s, &p->finish, false, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (x->layout != AI_LAYOUT_PLAIN || s->out[0]->layout != AI_LAYOUT_PLAIN || x->rank < 1 ||
        x->dim[x->rank - 1] != w->dim[1] || w->dim[0] < 1 || w->dim[1] < 1 || w->dim[0] > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "input of rank %u in layout %u does not fit %" PRId64 " by %" PRId64
                            " weights",
                            x->rank, x->layout, w->dim[0], w->dim[1]);
    if ((status = ai_q_check_scale(s, w->dim[0], err)) != AI_OK)
        return status;
    memcpy(dim, x->dim, x->rank * sizeof(dim[0]));
    dim[x->rank - 1] = w->dim[0];
    if ((status = ai_set_output(s, 0, AI_U8, x->rank, dim, err)) != AI_OK)
        return status;
    s->local[LOCAL_M] = ai_span(x->dim, 0, x->rank - 1);
    s->local[LOCAL_N] = w->dim[0];
    s->local[LOCAL_K] = w->dim[1];
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->work = ai_units(ai_blocks(w->dim[0])); /* a unit: a panel */
    s->flops = 2 * (uint64_t)ai_tensor_count(s->out[0]) * (uint64_t)w->dim[1];
    if (!ai_scratch_add(&s->scratch, fours(s), 1, 1, sizeof(int64_t)) ||
        !ai_scratch_add(&s->scratch, fours(s), CHUNK, 4, sizeof(uint8_t)) ||
        !ai_scratch_add(&s->scratch, CHUNK, 32, 1, sizeof(uint8_t)) ||
        !ai_scratch_add(&s->scratch, fours(s), wide_rows(s), 4, sizeof(int16_t)))
        return ai_fail_step(err, AI_E_SHAPE, s, "a row is over 2^38 numbers");
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    return ai_choose(s, 0, AI_K_Q_CONV, AI_U8, AI_S8, AI_LAYOUT_QCONV16, err);
}

/* Rows that are no whole fours are read from a copy. */
static const uint8_t *whole_rows(const ai_step *s, int64_t row, int64_t rows, uint8_t *copy)
{
    int64_t k = s->local[LOCAL_K];
    int64_t whole = fours(s) * 4;
    const uint8_t *in = (const uint8_t *)s->in[0]->data + row * k;
    if (k == whole)
        return in;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(copy + i * whole, in + i * k, (size_t)k);
        memset(copy + i * whole + k, 0, (size_t)(whole - k));
    }
    return copy;
}

/* Panels [begin, end), two at a time, of some rows. */
static void run_rows(const ai_step *s, ai_q_conv_args *a, int64_t row, int64_t begin, int64_t end)
{
    int64_t n = s->local[LOCAL_N];
    for (int64_t panel = begin; panel < end; panel += 2) {
        int64_t last = ai_min(panel + 2, end);
        uint8_t *block = a->out;
        a->panel_begin = (int32_t)panel;
        a->panel_end = (int32_t)last;
        a->out = block - panel * 16;
        s->kernel[0]->fn(a);
        a->out = block;
        for (int64_t i = 0; i < a->ow; i++)
            memcpy((uint8_t *)s->out[0]->data + (row + i) * n + panel * 16, block + i * 32,
                   (size_t)(ai_min(last * 16, n) - panel * 16));
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    char *part = scratch;
    int64_t m = s->local[LOCAL_M];

    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    int64_t *taps = ai_scratch_take(&part, fours(s), sizeof(*taps));
    uint8_t *copy = ai_scratch_take(&part, fours(s) * CHUNK, 4);
    for (int64_t i = 0; i < fours(s); i++)
        taps[i] = i * 4;
    ai_q_conv_args a = {
        .in_step = fours(s) * 4,
        .taps = taps,
        .tap_count = fours(s),
        .out = ai_scratch_take(&part, CHUNK, 32),
        .out_plane = 16,
        .out_step = 32,
        .row_end = 1,
        .wide_pixels = (int32_t)wide_rows(s),
    };
    a.wide = (int16_t *)(void *)part;
    ai_q_fill(s, &((const ai_q_gemm_params *)s->params)->finish, &a);
    for (int64_t row = 0; row < m; row += CHUNK) {
        a.ow = (int32_t)ai_min(m - row, CHUNK);
        a.in = whole_rows(s, row, a.ow, copy);
        run_rows(s, &a, row, begin, end);
    }
    return AI_OK;
}

const ai_op ai_op_q_gemm = {check, prepare, run, false};
