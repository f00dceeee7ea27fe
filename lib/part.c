/* SPDX-License-Identifier: Apache-2.0
 * Parts of a step, which threads compute at the same time: how many, which units, which borders. */
#include "threads.h"

#include <string.h>

/* ---- What is worth splitting ---- */

/* A part takes this long at least, by a cautious guess: 50 flops or 10 bytes a nanosecond. Handing
 * a step over takes 0.3 us where workers spin, so that two threads break even where one is guessed
 * to need 5 us in all (Relu on a Xeon of the Emerald Rapids kind). */
static const uint64_t part_ns = 5000;

static uint64_t guess_ns(const ai_step *step)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < step->in_count + step->out_count; i++)
        bytes += step->in[i] ? (uint64_t)step->in[i]->bytes : 0;
    return step->flops / 50 + bytes / 10;
}

uint32_t ai_part_count(const ai_step *step, uint32_t threads)
{
    if (step->is_folded)
        return 1;
    uint64_t parts = guess_ns(step) / part_ns;
    if (parts > (uint64_t)step->work)
        parts = (uint64_t)step->work;
    if (parts > threads)
        parts = threads;
    return parts < 1 ? 1 : (uint32_t)parts;
}

/* Where part i begins. Many small units are shared out by 64, so that their outputs, which begin at
 * a cache line, do not meet in one. */
static int64_t begin_of(const ai_step *step, uint32_t i, uint32_t parts)
{
    int64_t each = step->work / parts;
    int64_t rest = step->work % parts;
    int64_t begin = each * i + (i < rest ? i : rest);
    return each < 4096 || i == parts ? begin : begin / 64 * 64;
}

/* ---- Borders: what a convolution reads past the edge ---- */

/* Part `part` of the zeros, or zero points, around one plane of blocks. `plane` is its first byte,
 * border included. Parts are rows, as far as they can be those that the part writes. */
static void zero_plane(const ai_tensor *t, uint8_t *plane, uint32_t part, uint32_t parts)
{
    size_t size = ai_type_bytes(t->type);
    size_t row = (size_t)t->row * size;
    size_t left = (size_t)t->border[1] * 16 * size;
    size_t right = (size_t)t->border[3] * 16 * size;
    int64_t begin = t->dim[2] * part / parts;
    int64_t end = t->dim[2] * (part + 1) / parts;
    int fill = t->type == AI_U8 ? t->fill : 0;
    uint8_t *first = plane + t->border[0] * row;
    if (part == 0)
        memset(plane, fill, t->border[0] * row);
    for (int64_t y = begin; y < end && left + right; y++) {
        memset(first + (size_t)y * row, fill, left);
        memset(first + (size_t)(y + 1) * row - right, fill, right);
    }
    if (part == parts - 1)
        memset(first + (size_t)t->dim[2] * row, fill, t->border[2] * row);
}

static void zero_border(const ai_tensor *t, uint32_t part, uint32_t parts)
{
    static const uint32_t none[4];
    size_t size = ai_type_bytes(t->type);
    if (t->layout != AI_LAYOUT_NCHW16C || memcmp(t->border, none, sizeof(none)) == 0)
        return;
    uint8_t *plane = (uint8_t *)t->data - (size_t)(t->border[0] * t->row) * size -
                     (size_t)t->border[1] * 16 * size;
    int64_t count = t->dim[0] * ((t->dim[1] + 15) / 16);
    for (int64_t i = 0; i < count; i++, plane += (size_t)t->plane * size)
        zero_plane(t, plane, part, parts);
}

ai_status ai_part_run(const ai_step *step, uint32_t part, uint32_t parts, ai_error *err)
{
    uint8_t *scratch = step->scratch ? step->scratch_data + part * ai_align(step->scratch) : NULL;
    for (uint32_t i = 0; i < step->out_count; i++) {
        if (step->out[i])
            zero_border(step->out[i], part, parts);
    }
    return step->op->run(step, begin_of(step, part, parts), begin_of(step, part + 1, parts),
                         scratch, err);
}
