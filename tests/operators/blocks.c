/* SPDX-License-Identifier: Apache-2.0
 * Operators on images in blocks of 16 channels against themselves on plain tensors: the same bits,
 * whatever the borders, at every CPU level. Usage: blocks [SEED [COUNT]]. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "step.h"

typedef struct pair {
    uint64_t state;
    uint64_t seed;
    step plain;
    step blocks;
} pair;

static uint64_t draw(pair *p)
{
    return draw_random(&p->state);
}

static int64_t from(pair *p, int64_t first, int64_t last)
{
    return first + (int64_t)(draw(p) % (uint64_t)(last - first + 1));
}

static void stop(const pair *p, const char *what, const char *message)
{
    fprintf(stderr, "blocks: seed %" PRIu64 ": %s: %s %s\n", p->seed,
            ai_op_find(p->plain.file.op)->name, what, message);
    exit(1);
}

/* ---- Inputs ---- */

/* Input i of both steps, the same numbers, plain in the second one too where `layout` says so. */
static void input(pair *p, uint32_t i, uint8_t layout, uint32_t rank, const int64_t *dim)
{
    step_shape(&p->plain, i, AI_F32, AI_LAYOUT_PLAIN, rank, dim);
    step_shape(&p->blocks, i, AI_F32, layout, rank, dim);
    for (int k = 0; k < 4 && layout == AI_LAYOUT_NCHW16C; k++)
        p->blocks.in[i].border[k] = (uint32_t)from(p, 0, 2);
    step_alloc(&p->plain, &p->plain.in[i], i);
    step_alloc(&p->blocks, &p->blocks.in[i], i);
    if (layout == AI_LAYOUT_NCHW16C) /* lanes beyond the channels are finite */
        memset(p->blocks.memory[i], 0, (size_t)p->blocks.in[i].bytes);
    for (int64_t k = 0; k < ai_tensor_count(&p->plain.in[i]); k++) {
        float x = (float)(draw(p) >> 40) * 0x1p-22f - 2.0f;
        *step_f32(&p->plain.in[i], k) = x;
        *step_f32(&p->blocks.in[i], k) = x;
    }
}

static void begin(pair *p, uint32_t op, uint32_t in_count)
{
    step_init(&p->plain, op, in_count, 1);
    step_init(&p->blocks, op, in_count, 1);
    p->blocks.out[0].layout = AI_LAYOUT_NCHW16C;
    for (int k = 0; k < 4; k++)
        p->blocks.out[0].border[k] = (uint32_t)from(p, 0, 2);
}

static void image(pair *p, int64_t *dim)
{
    dim[0] = from(p, 1, 3);
    dim[1] = from(p, 1, 50);
    dim[2] = from(p, 1, 6);
    dim[3] = from(p, 1, 20);
}

/* ---- Steps ---- */

static void make_unary(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, (uint32_t)from(p, AI_OP_RELU, AI_OP_ROUND), 1);
    p->plain.params.unary = (ai_unary_params){0.5f, 0.25f};
    input(p, 0, AI_LAYOUT_NCHW16C, 4, dim);
}

/* An operand that broadcasts to the image: one number a channel, a row, an image of one pixel... */
static void operand(pair *p, uint32_t i, const int64_t *whole)
{
    int64_t dim[4];
    uint32_t rank = (uint32_t)from(p, 0, 4);
    for (uint32_t d = 0; d < rank; d++)
        dim[d] = from(p, 0, 1) == 0 ? 1 : whole[4 - rank + d];
    input(p, i, rank == 4 && from(p, 0, 1) == 0 ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN, rank, dim);
}

static void make_binary(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, (uint32_t)from(p, AI_OP_ADD, AI_OP_PRELU), 2);
    uint32_t whole = p->plain.file.op == AI_OP_PRELU ? 0 : (uint32_t)from(p, 0, 1);
    input(p, whole, AI_LAYOUT_NCHW16C, 4, dim);
    if (from(p, 0, 3) == 0)
        input(p, 1 - whole, AI_LAYOUT_NCHW16C, 4, dim);
    else
        operand(p, 1 - whole, dim);
}

static void make_batch_norm(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, AI_OP_BATCH_NORMALIZATION, 5);
    p->plain.params.axis.epsilon = 4.0f; /* variances are from -2 on */
    input(p, 0, AI_LAYOUT_NCHW16C, 4, dim);
    for (uint32_t i = 1; i < 5; i++)
        input(p, i, AI_LAYOUT_PLAIN, 1, &dim[1]);
}

static void make_lrn(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, AI_OP_LRN, 1);
    p->plain.params.lrn = (ai_lrn_params){0.5f, 0.75f, 1.0f, (uint32_t)from(p, 1, 24)};
    input(p, 0, AI_LAYOUT_NCHW16C, 4, dim);
}

static void make_concat(pair *p)
{
    int64_t dim[4];
    int64_t axis = from(p, 0, 3);
    uint32_t count = (uint32_t)from(p, 1, 4);
    image(p, dim);
    begin(p, AI_OP_CONCAT, count);
    p->plain.params.axis.axis = axis;
    for (uint32_t i = 0; i < count; i++) {
        dim[axis] = from(p, 0, 5);
        if (axis == 1 && i + 1 < count)
            dim[axis] *= 16;
        input(p, i, AI_LAYOUT_NCHW16C, 4, dim);
    }
}

static void make_identity(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, AI_OP_IDENTITY, 1);
    input(p, 0, AI_LAYOUT_NCHW16C, 4, dim);
}

/* Rows and columns by scales, or by sizes; images and channels stay. */
static void make_resize(pair *p)
{
    int64_t dim[4];
    image(p, dim);
    begin(p, AI_OP_RESIZE, 4);
    p->plain.params.resize = (ai_resize_params){
        .mode = (uint8_t)from(p, 0, 2),
        .coordinates = (uint8_t)from(p, 0, 4),
        .nearest = (uint8_t)from(p, 0, 4),
        .antialias = (uint8_t)from(p, 0, 1),
        .exclude_outside = (uint8_t)from(p, 0, 1),
        .axis_count = (uint8_t)(2 * from(p, 0, 1)),
        .cubic_a = -0.75f,
        .axes = {2, -1},
    };
    uint32_t first = p->plain.params.resize.axis_count == 0 ? 0 : 2;
    bool has_sizes = from(p, 0, 1) == 0;
    float scales[4] = {1, 1, (float)from(p, 1, 12) / 4, (float)from(p, 1, 12) / 4};
    int64_t sizes[4] = {dim[0], dim[1], from(p, 1, 12), from(p, 1, 33)};
    input(p, 0, AI_LAYOUT_NCHW16C, 4, dim);
    for (int i = 0; i < 2; i++) {
        step *s = i == 0 ? &p->plain : &p->blocks;
        s->in_list[1] = s->in_list[has_sizes ? 2 : 3] = NULL;
        if (has_sizes)
            step_known(s, 3, 4 - first, sizes + first);
        else
            step_known_f32(s, 2, 4 - first, scales + first);
    }
}

/* ---- Comparing ---- */

static void run(const pair *p, step *s, uint32_t cpu)
{
    ai_status status = step_check(s);
    if (status == AI_OK)
        status = step_prepare(s, cpu);
    if (status == AI_OK)
        status = step_run(s, 0, s->step.work);
    if (status != AI_OK)
        stop(p, "fails:", s->err.message);
}

static bool is_same(float a, float b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (a != a && b != b);
}

static void try_one(pair *p)
{
    static void (*const make[])(pair *) = {make_unary,  make_binary,   make_batch_norm, make_lrn,
                                           make_concat, make_identity, make_resize};
    p->state = p->seed;
    make[p->seed % (sizeof(make) / sizeof(make[0]))](p);
    p->blocks.params = p->plain.params;
    run(p, &p->plain, AI_CPU_REF);
    for (uint32_t cpu = AI_CPU_REF; cpu <= step_levels(); cpu <<= 1) {
        if ((step_levels() & cpu) == 0)
            continue;
        run(p, &p->blocks, cpu | AI_CPU_REF);
        for (int64_t i = 0; i < ai_tensor_count(&p->plain.out[0]); i++) {
            if (!is_same(*step_f32(&p->plain.out[0], i), *step_f32(&p->blocks.out[0], i)))
                stop(p, "differs from its plain form", "");
        }
        if (!step_borders_are_whole(&p->blocks))
            stop(p, "writes to a border", "");
    }
    step_free(&p->plain);
    step_free(&p->blocks);
}

int main(int argc, char **argv)
{
    static pair p;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 3000;
    for (p.seed = seed; p.seed < seed + count; p.seed++)
        try_one(&p);
    return 0;
}
