/* SPDX-License-Identifier: Apache-2.0
 * Reorder: images between plain planes and blocks of 16 channels. */
#include "window.h"

static const ai_tensor *blocked_side(const ai_step *s)
{
    return s->out[0]->layout == AI_LAYOUT_NCHW16C ? s->out[0] : s->in[0];
}

static ai_status check(ai_step *s, ai_error *err)
{
    bool is_u8 = s->in_count > 0 && s->in[0] != NULL && s->in[0]->type == AI_U8;
    ai_status status = ai_need_type(s, 0, is_u8 ? AI_U8 : AI_F32, err);
    if (status != AI_OK || (status = ai_need_rank(s, 0, 4, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    uint32_t from = s->in[0]->layout;
    uint32_t to = s->out[0]->layout;
    if (from + to != AI_LAYOUT_PLAIN + AI_LAYOUT_NCHW16C || from > AI_LAYOUT_NCHW16C)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "layout %u to %u, needs plain planes to blocks of channels or back",
                            from, to);
    if ((status = ai_same_output(s, 0, 0, err)) != AI_OK)
        return status;
    const int64_t *dim = s->in[0]->dim;
    /* a unit: image, block, row */
    s->work = ai_tensor_count(s->in[0]) == 0 ? 1 : dim[0] * ai_blocks(dim[1]) * dim[2];
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = 0;
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (s->in[0]->type == AI_U8)
        return AI_OK;
    return ai_choose(s, 0, AI_K_TRANSPOSE16, AI_F32, AI_F32, AI_LAYOUT_NCHW16C, err);
}

/* A row of bytes; lanes past the last channel are zeros. */
static void turn_bytes(const ai_step *s, int64_t planes_at, int64_t block_at, int64_t channels,
                       bool to_block)
{
    const ai_tensor *t = blocked_side(s);
    int64_t plane = t->dim[2] * t->dim[3];
    const uint8_t *in = s->in[0]->data;
    uint8_t *out = s->out[0]->data;
    for (int64_t c = 0; c < (to_block ? 16 : channels); c++) {
        for (int64_t x = 0; x < t->dim[3]; x++) {
            int64_t in_plane = planes_at + c * plane + x;
            int64_t in_block = block_at + x * 16 + c;
            if (to_block)
                out[in_block] = c < channels ? in[in_plane] : 0;
            else
                out[in_plane] = in[in_block];
        }
    }
}

/* Rows of an image whose blocks have no border lie one behind the other: they are one long row. */
static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_tensor *t = blocked_side(s);
    bool to_block = t == s->out[0];
    int64_t blocks = ai_blocks(t->dim[1]);
    int64_t height = t->dim[2];
    int64_t width = t->dim[3];
    bool is_dense = t->row == width * 16;
    bool is_u8 = t->type == AI_U8;

    (void)scratch;
    (void)err;
    if (ai_tensor_count(t) == 0)
        return AI_OK;
    while (begin < end) {
        int64_t row = begin % height;
        int64_t block = begin / height % blocks;
        int64_t image = begin / height / blocks;
        int64_t rows = is_dense && !is_u8 ? ai_min(height - row, end - begin) : 1;
        int64_t planes_at = ((image * t->dim[1] + block * 16) * height + row) * width;
        int64_t block_at = (image * blocks + block) * t->plane + row * t->row;

        if (is_u8) {
            turn_bytes(s, planes_at, block_at, ai_min(t->dim[1] - block * 16, 16), to_block);
            begin++;
            continue;
        }
        const ai_transpose_args a = {
            .in = (const float *)s->in[0]->data + (to_block ? planes_at : block_at),
            .out = (float *)s->out[0]->data + (to_block ? block_at : planes_at),
            .plane = height * width,
            .channels = (int32_t)ai_min(t->dim[1] - block * 16, 16),
            .to_block = to_block,
            .columns = rows * width,
        };
        s->kernel[0]->fn(&a);
        begin += rows;
    }
    return AI_OK;
}

const ai_op ai_op_reorder = {check, prepare, run, false};
