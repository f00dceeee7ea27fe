/* SPDX-License-Identifier: Apache-2.0
 * LRN: x / (bias + alpha / size * sum)^beta, where the sum runs over the squares of `size` channels
 * around x's own, in their order. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

enum { CHUNK = 512 }; /* numbers of a plain row at a time */

/* kernel slots */
enum { MUL = 0, ADD = 1, POW = 2, DIV = 3 };

/* step->local of plain tensors: numbers of a channel */
enum { INNER = 0 };

static ai_status check_lrn(ai_step *s, ai_error *err)
{
    const ai_lrn_params *p = s->params;
    const ai_tensor *in = s->in[0];

    ai_status status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK && in->rank < 2)
        status = ai_fail_step(err, AI_E_SHAPE, s, "input has rank %u, needs at least 2", in->rank);
    if (status == AI_OK && (p->size < 1 || p->size > INT32_MAX))
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "size is %u, needs 1 to 2^31-1", p->size);
    if (status == AI_OK && in->layout != s->out[0]->layout)
        status = ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                              in->layout, s->out[0]->layout);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status != AI_OK)
        return status;
    s->local[INNER] = ai_span(in->dim, 2, in->rank);
    s->work = 1;
    if (in->layout == AI_LAYOUT_NCHW16C) {
        s->scratch = in->dim[3] * 16 * (int64_t)sizeof(float);
        s->work = ai_tensor_count(in) > 0 ? ai_image_blocks(in) : 1;
    } else {
        s->scratch = 2 * CHUNK * (int64_t)sizeof(float);
        s->work = ai_tensor_count(in) > 0 ? in->dim[0] * in->dim[1] : 1;
    }
    s->flops = (uint64_t)ai_tensor_count(in) * (2 * (uint64_t)p->size + 4);
    return AI_OK;
}

static ai_status prepare_lrn(ai_step *s, ai_error *err)
{
    static const uint32_t op[4] = {AI_BINARY_MUL, AI_BINARY_ADD, AI_BINARY_POW, AI_BINARY_DIV};

    for (uint32_t i = 0; i < 4; i++) {
        ai_status status =
            ai_choose(s, i, AI_K_BINARY + op[i], AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
        if (status != AI_OK)
            return status;
    }
    return AI_OK;
}

static void combine(const ai_step *s, uint32_t slot, const float *a, const float *b, float *out,
                    int64_t count, int32_t b_step)
{
    ai_binary_args args = {a, b, out, count, 1, b_step};
    s->kernel[slot]->fn(&args);
}

/* out = x / (bias + alpha / size * sum)^beta; sum is overwritten. */
static void finish(const ai_step *s, const float *x, float *sum, float *out, int64_t count)
{
    const ai_lrn_params *p = s->params;
    const float factor = p->alpha / (float)p->size;

    combine(s, MUL, sum, &factor, sum, count, 0);
    combine(s, ADD, sum, &p->bias, sum, count, 0);
    combine(s, POW, sum, &p->beta, sum, count, 0);
    combine(s, DIV, x, sum, out, count, 1);
}

/* The channels whose squares count for channel c: [first, end). */
static void window(const ai_step *s, int64_t c, int64_t *first, int64_t *end)
{
    const ai_lrn_params *p = s->params;
    int64_t before = ((int64_t)p->size - 1) / 2;
    int64_t after = p->size / 2;
    int64_t channels = s->in[0]->dim[1];

    *first = c > before ? c - before : 0;
    *end = c + after + 1 < channels ? c + after + 1 : channels;
}

/* A unit is a channel of an image. */
static void run_plain(const ai_step *s, int64_t begin, int64_t end, float *sum)
{
    float *square = sum + CHUNK;
    int64_t inner = s->local[INNER];
    int64_t channels = s->in[0]->dim[1];

    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first;
        int64_t last;
        window(s, unit % channels, &first, &last);
        const float *image = (const float *)s->in[0]->data + unit / channels * channels * inner;
        for (int64_t x = 0; x < inner; x += CHUNK) {
            int64_t n = inner - x < CHUNK ? inner - x : CHUNK;
            const float *row = image + first * inner + x;
            combine(s, MUL, row, row, sum, n, 1);
            for (int64_t c = first + 1; c < last; c++) {
                row = image + c * inner + x;
                combine(s, MUL, row, row, square, n, 1);
                combine(s, ADD, sum, square, sum, n, 1);
            }
            finish(s, image + unit % channels * inner + x, sum,
                   (float *)s->out[0]->data + unit * inner + x, n);
        }
    }
}

/* Sums of squares for one row of a block; the same order and rounding as above. */
static void sum_block_row(const ai_step *s, int64_t image, int64_t block, int64_t y, float *sum)
{
    const ai_tensor *in = s->in[0];
    int64_t blocks = (in->dim[1] + 15) / 16;

    memset(sum, 0, (size_t)in->dim[3] * 16 * sizeof(float));
    for (int64_t lane = 0; lane < 16 && block * 16 + lane < in->dim[1]; lane++) {
        int64_t first;
        int64_t last;
        window(s, block * 16 + lane, &first, &last);
        for (int64_t c = first; c < last; c++) {
            const float *row = (const float *)in->data + (image * blocks + c / 16) * in->plane +
                               y * in->row + c % 16;
            for (int64_t x = 0; x < in->dim[3]; x++)
                sum[x * 16 + lane] += row[x * 16] * row[x * 16];
        }
    }
}

/* A unit is a plane of 16 channels. */
static void run_blocks(const ai_step *s, int64_t begin, int64_t end, float *sum)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    int64_t blocks = (in->dim[1] + 15) / 16;

    for (int64_t plane = begin; plane < end; plane++) {
        for (int64_t y = 0; y < in->dim[2]; y++) {
            sum_block_row(s, plane / blocks, plane % blocks, y, sum);
            finish(s, (const float *)in->data + plane * in->plane + y * in->row, sum,
                   (float *)out->data + plane * out->plane + y * out->row, in->dim[3] * 16);
        }
    }
}

static ai_status run_lrn(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    if (s->in[0]->layout == AI_LAYOUT_NCHW16C)
        run_blocks(s, begin, end, scratch);
    else
        run_plain(s, begin, end, scratch);
    return AI_OK;
}

const ai_op ai_op_lrn = {check_lrn, prepare_lrn, run_lrn, false};
