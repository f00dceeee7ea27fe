/* SPDX-License-Identifier: Apache-2.0
 * Two-operand arithmetic on images in blocks of 16 channels. An operand that broadcasts, or that is
 * plain (a constant of one number a channel), is spread out to rows of the output in scratch. */
#include <inttypes.h>
#include <string.h>

#include "binary.h"
#include "window.h"

/* The operand's dimensions in the place of N, C, H, W. */
static void dims4(const ai_tensor *t, int64_t *dim)
{
    for (uint32_t i = 0; i < 4; i++)
        dim[i] = i + t->rank < 4 ? 1 : t->dim[i + t->rank - 4];
}

/* Rows of the operand are used where they lie. */
static bool is_direct(const ai_tensor *t, const ai_tensor *out)
{
    return t->layout == AI_LAYOUT_NCHW16C && t->dim[1] == out->dim[1] && t->dim[3] == out->dim[3];
}

static int64_t size(const ai_tensor *t)
{
    return (int64_t)ai_type_bytes((ai_type)t->type);
}

ai_status ai_binary_blocks_check(ai_step *s, ai_error *err)
{
    const ai_tensor *out = s->out[0];

    if (out->dim[3] > INT32_MAX)
        return ai_fail_step(err, AI_E_SHAPE, s, "rows have %" PRId64 " pixels, at most 2^31-1",
                            out->dim[3]);
    for (uint32_t i = 0; i < 2; i++) {
        const ai_tensor *t = s->in[i];
        if (t->layout != AI_LAYOUT_PLAIN && t->layout != AI_LAYOUT_NCHW16C)
            return ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, which is for weights",
                                i, t->layout);
        if (!is_direct(t, out))
            s->scratch += (out->dim[3] * 16 * size(out) + 63) & ~(int64_t)63;
    }
    s->work = ai_units(ai_tensor_count(out) == 0 ? 0 : ai_image_blocks(out));
    return AI_OK;
}

/* Where element (n, c, h, w) of the operand lies. */
static int64_t place(const ai_tensor *t, const int64_t *dim, int64_t n, int64_t c, int64_t h,
                     int64_t w)
{
    if (t->layout == AI_LAYOUT_PLAIN)
        return ((n * dim[1] + c) * dim[2] + h) * dim[3] + w;
    return (n * ((dim[1] + 15) / 16) + c / 16) * t->plane + h * t->row + w * 16 + c % 16;
}

/* Row y of the output's block, from an operand that is not direct. */
static void spread(const ai_tensor *t, const ai_tensor *out, int64_t n, int64_t block, int64_t y,
                   char *row)
{
    static const char zero[sizeof(float)];
    int64_t dim[4];
    bool is_f32 = t->type == AI_F32; /* else u8 */
    int64_t pixel = is_f32 ? 64 : 16;
    dims4(t, dim);
    int64_t width = dim[3] == 1 ? 1 : out->dim[3]; /* one pixel is repeated below */
    if (dim[0] == 1)
        n = 0;
    if (dim[2] == 1)
        y = 0;
    for (int64_t lane = 0; lane < 16; lane++) {
        int64_t c = block * 16 + lane;
        bool is_real = c < out->dim[1];
        if (dim[1] == 1)
            c = 0;
        for (int64_t w = 0; w < width; w++) {
            int64_t at = w * 16 + lane;
            const char *from = zero;
            if (is_real)
                from = (const char *)t->data + place(t, dim, n, c, y, w) * (is_f32 ? 4 : 1);
            if (is_f32)
                memcpy(row + at * 4, from, 4);
            else
                row[at] = *from;
        }
    }
    for (int64_t w = width; w < out->dim[3]; w++)
        memcpy(row + w * pixel, row, (size_t)pixel);
}

static const char *direct_row(const ai_tensor *t, int64_t n, int64_t block, int64_t y)
{
    int64_t image = t->dim[0] == 1 ? 0 : n;
    int64_t row = t->dim[2] == 1 ? 0 : y;
    int64_t at = (image * ((t->dim[1] + 15) / 16) + block) * t->plane + row * t->row;
    return (const char *)t->data + at * size(t);
}

void ai_binary_blocks_run(const ai_step *s, int64_t begin, int64_t end, void *scratch)
{
    const ai_tensor *out = s->out[0];
    int64_t blocks = (out->dim[1] + 15) / 16;
    int64_t columns = out->dim[3] * 16;
    const char *row[2];
    char *part = scratch;
    void *own = ai_scratch_take(&part, ai_binary_scratch(s), 1);
    char *spread_row[2];
    bool is_dense = ai_plane_is_dense(out);

    for (int i = 0; i < 2; i++) {
        bool is_used = is_direct(s->in[i], out);
        spread_row[i] = ai_scratch_take(&part, is_used ? 0 : columns * size(out), 1);
        is_dense =
            is_dense && is_used && s->in[i]->dim[2] == out->dim[2] && ai_plane_is_dense(s->in[i]);
    }
    for (int64_t plane = begin; plane < end; plane++) {
        int64_t n = plane / blocks;
        int64_t block = plane % blocks;
        for (int64_t y = 0; y < (is_dense ? 1 : out->dim[2]); y++) {
            for (int i = 0; i < 2; i++) {
                const ai_tensor *t = s->in[i];
                if (is_direct(t, out)) {
                    row[i] = direct_row(t, n, block, y);
                    continue;
                }
                if (y == 0 || (t->rank >= 2 && t->dim[t->rank - 2] != 1))
                    spread(t, out, n, block, y, spread_row[i]);
                row[i] = spread_row[i];
            }
            ai_binary_run(s,
                          &(ai_binary_row){
                              row[0], row[1],
                              (char *)out->data + (plane * out->plane + y * out->row) * size(out),
                              1, 1, columns * (is_dense ? out->dim[2] : 1), out->type, out->type},
                          own);
        }
    }
}
