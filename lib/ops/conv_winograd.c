/* SPDX-License-Identifier: Apache-2.0
 * Conv of 3x3 at stride 1 by Winograd's algorithm: kernels.h says what is computed. A chunk of
 * tiles is transformed to V [xi][IC/16][tile][16]; each xi is a 1x1 convolution of V to M
 * [xi][OC/16][tile][16]; M is transformed to the output. */
#include <math.h>

#include "conv.h"
#include "wide.h"

/* V and M of a chunk are as large as the transformed weights, which then pass through the caches as
 * often as the chunks do; but no smaller and no larger than this. The shape alone decides, so that
 * the scratch is the same on every CPU. Measured on ResNet-50: 28 of 196 tiles at 56x56 and all 49
 * at 28x28 and 14x14 are best. */
enum { LEAST_CHUNK_BYTES = 512 << 10, MOST_CHUNK_BYTES = 4 << 20 };

/* Weights of f16 that several chunks read are widened once up to this, which L2 holds. */
enum { SMALL_WEIGHTS = 1300 * 1000 };

/* How the output of an image is cut into tiles. */
typedef struct tiling {
    int64_t side; /* of a tile */
    int64_t xi;   /* numbers of a transformed tile */
    int64_t columns;
    int64_t count;
    int64_t in_blocks, out_blocks;
} tiling;

static tiling tiling_of(const ai_step *s, const ai_window3 *v)
{
    tiling t = {.side = s->in[1]->layout == AI_LAYOUT_WINOGRAD4 ? 4 : 2};
    t.xi = (t.side + 2) * (t.side + 2);
    t.columns = (v->out[2] + t.side - 1) / t.side;
    t.count = (v->out[1] + t.side - 1) / t.side * t.columns;
    t.in_blocks = ai_blocks(s->in[0]->dim[1]);
    t.out_blocks = ai_blocks(s->out[0]->dim[1]);
    return t;
}

static bool fits(const ai_step *s)
{
    const ai_window *w = &((const ai_conv_params *)s->params)->window;
    return ai_conv_group(s) == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->dilation[0] == 1 &&
           w->dilation[1] == 1;
}

static int64_t chunk_of(const tiling *t, int64_t inputs)
{
    int64_t tile = t->xi * (t->in_blocks + t->out_blocks) * 16 * (int64_t)sizeof(float);
    int64_t weights = t->xi * inputs * t->out_blocks * 16 * (int64_t)sizeof(float);
    int64_t bytes = ai_min(ai_max(weights, LEAST_CHUNK_BYTES), MOST_CHUNK_BYTES);
    return ai_max(1, ai_min(bytes / tile, t->count));
}

/* Threads that share out tiles read all weights; those that share out blocks of output channels
 * all transform the input. Blocks are for images of one chunk whose weights are at least twice V
 * and M. Measured on ResNet-50 with two threads: by blocks its layers of 256 channels at 14x14
 * take 0.85 of the time. At 28x28, 128 channels, weights are 1.3 times V and M, and tiles are
 * better. */
static bool goes_by_tiles(const ai_step *s, const tiling *t, int64_t chunk)
{
    int64_t inputs = s->in[1]->dim[1];
    return chunk < t->count ||
           inputs * t->out_blocks < 2 * (t->in_blocks + t->out_blocks) * t->count;
}

static bool plan(ai_step *s, const ai_window3 *v)
{
    tiling t = tiling_of(s, v);
    int64_t chunk = chunk_of(&t, s->in[0]->dim[1]);
    int64_t panels = t.xi * t.out_blocks;
    bool is_reread = chunk < t.count && s->in[1]->dim[1] <= SMALL_WEIGHTS / 64 / panels;

    ai_conv_raise_border(s, v);
    s->local[AI_CONV_CHUNK] = chunk;
    s->local[AI_CONV_BY_ROWS] = goes_by_tiles(s, &t, chunk);
    s->work = s->out[0]->dim[0] * (s->local[AI_CONV_BY_ROWS] ? t.count : t.out_blocks);
    return ai_conv_plan_bias(s) &&
           ai_wide_plan(s, panels, s->in[1]->dim[1] * 16, is_reread ? panels : 2) &&
           ai_scratch_add(&s->scratch, t.xi * 16, t.in_blocks, chunk, sizeof(float)) &&
           ai_scratch_add(&s->scratch, t.xi * 16, t.out_blocks, chunk, sizeof(float));
}

/* step->kernel: a profile names the first */
enum { INPUT = 0, PRODUCTS = 1, OUTPUT = 2 };

static ai_status prepare(ai_step *s, ai_error *err)
{
    uint32_t layout = s->in[1]->layout;
    ai_status status = ai_choose(s, INPUT, AI_K_WINOGRAD_INPUT, AI_F32, AI_F32, layout, err);
    if (status == AI_OK)
        status = ai_choose(s, PRODUCTS, AI_K_CONV, AI_F32, AI_F32, AI_LAYOUT_CONV16, err);
    if (status == AI_OK)
        status = ai_choose(s, OUTPUT, AI_K_WINOGRAD_OUTPUT, AI_F32, AI_F32, layout, err);
    return status;
}

/* Tiles [begin, begin + count) of an image, and blocks of output channels. */
typedef struct chunk {
    int64_t image;
    int64_t begin;
    int64_t count;
    int64_t block, end_block;
} chunk;

static void transform_input(const ai_step *s, const ai_window3 *v, const tiling *t, const chunk *c,
                            float *out)
{
    const ai_tensor *x = s->in[0];
    ai_winograd_input_args a = {
        .in_row = x->row,
        .rows = v->out[1] + 2,
        .columns = v->out[2] + 2,
        .tile_columns = t->columns,
        .tile_begin = c->begin,
        .tile_end = c->begin + c->count,
        .out_xi = t->in_blocks * c->count * 16,
    };
    for (int64_t b = 0; b < t->in_blocks; b++) {
        a.in = (const float *)x->data + (c->image * t->in_blocks + b) * x->plane -
               v->pad[1] * x->row - v->pad[2] * 16;
        a.out = out + b * c->count * 16;
        s->kernel[INPUT]->fn(&a);
    }
}

static void multiply(const ai_step *s, const tiling *t, const chunk *c, ai_wide *w, const float *in,
                     float *out)
{
    ai_conv_args a = {
        .in_row = c->count * 16,
        .in_plane = c->count * 16,
        .panel = w->panel,
        .out_row = c->count * 16,
        .out_plane = c->count * 16,
        .ic = (int32_t)s->in[1]->dim[1],
        .kh = 1,
        .kw = 1,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .ow = (int32_t)c->count,
        .row_end = 1,
        .lo = -INFINITY,
        .hi = INFINITY,
    };
    int64_t batch = w->most / t->out_blocks * t->out_blocks; /* whole xi to widen at once */
    for (int64_t xi = 0; xi < t->xi; xi++) {
        a.in = in + xi * t->in_blocks * a.in_plane;
        for (int64_t b = c->block, count; b < c->end_block; b += count) {
            int64_t i = xi * t->out_blocks + b;
            int64_t left = c->end_block - b;
            int64_t wanted = batch == 0 ? left : ai_min(batch, w->panels - i);
            count = ai_min(ai_wide_get(w, i, wanted, &a.weights), left);
            a.ahead = ai_wide_ahead(w, i, &a.ahead_panel);
            a.out = out + i * a.out_plane;
            a.panel_end = (int32_t)count;
            s->kernel[PRODUCTS]->fn(&a);
        }
    }
}

static void transform_output(const ai_step *s, const ai_window3 *v, const tiling *t, const chunk *c,
                             const float *bias, const float *in)
{
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = ai_conv_residual(s);
    ai_winograd_output_args a = {
        .in_xi = t->out_blocks * c->count * 16,
        .tile_columns = t->columns,
        .tile_begin = c->begin,
        .tile_end = c->begin + c->count,
        .residual_row = r == NULL ? 0 : r->row,
        .out_row = y->row,
        .rows = v->out[1],
        .columns = v->out[2],
    };
    ai_conv_clamp(s, &a.lo, &a.hi);
    for (int64_t b = c->block; b < c->end_block; b++) {
        int64_t block = c->image * t->out_blocks + b;
        a.in = in + b * c->count * 16;
        a.bias = bias == NULL ? NULL : bias + b * 16;
        a.residual = r == NULL ? NULL : (const float *)r->data + block * r->plane;
        a.out = (float *)y->data + block * y->plane;
        s->kernel[OUTPUT]->fn(&a);
    }
}

/* Finishes the tiles of a chunk, row of tiles by row of tiles. */
static void finish(const ai_step *s, const ai_window3 *v, const tiling *t, const chunk *c)
{
    for (int64_t i = c->begin, end = c->begin + c->count; i < end;) {
        int64_t first = i % t->columns;
        int64_t count = ai_min(t->columns - first, end - i);
        ai_conv_area a = {.image = c->image, .panel = c->block};
        a.panels = c->end_block - c->block;
        a.row = i / t->columns * t->side;
        a.rows = ai_min(t->side, v->out[1] - a.row);
        a.column = first * t->side;
        a.columns = ai_min(count * t->side, v->out[2] - a.column);
        ai_conv_finish(s, &a);
        i += count;
    }
}

/* The first chunk of a range of units: tiles, or blocks with all tiles. */
static chunk chunk_at(const ai_step *s, const tiling *t, int64_t begin, int64_t end)
{
    int64_t units = s->local[AI_CONV_BY_ROWS] ? t->count : t->out_blocks;
    chunk c = {.image = begin / units, .count = t->count, .end_block = t->out_blocks};
    int64_t left = ai_min(units - begin % units, end - begin);
    if (s->local[AI_CONV_BY_ROWS]) {
        int64_t parts = (left + s->local[AI_CONV_CHUNK] - 1) / s->local[AI_CONV_CHUNK];
        c.begin = begin % units;
        c.count = (left + parts - 1) / parts;
    } else {
        c.block = begin % units;
        c.end_block = c.block + left;
    }
    return c;
}

/* Units run through the images. A range is cut into equal chunks. */
static void run(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end, char *scratch)
{
    tiling t = tiling_of(s, v);
    int64_t most = s->local[AI_CONV_CHUNK];
    const float *bias = ai_conv_whole_bias(s, &scratch);
    ai_wide w;
    ai_wide_start(&w, s, t.xi * t.out_blocks, s->in[1]->dim[1] * 16, &scratch);
    float *in = ai_scratch_take(&scratch, t.xi * 16 * t.in_blocks * most, sizeof(float));
    float *sums = ai_scratch_take(&scratch, t.xi * 16 * t.out_blocks * most, sizeof(float));

    while (begin < end) {
        chunk c = chunk_at(s, &t, begin, end);
        transform_input(s, v, &t, &c, in);
        multiply(s, &t, &c, &w, in, sums);
        transform_output(s, v, &t, &c, bias, sums);
        finish(s, v, &t, &c);
        begin += s->local[AI_CONV_BY_ROWS] ? c.count : c.end_block - c.block;
    }
}

const ai_conv_form ai_conv_winograd4 = {
    AI_LAYOUT_NCHW16C,
    AI_LAYOUT_WINOGRAD4,
    AI_LAYOUT_NCHW16C,
    AI_LAYOUT_CONV16,
    AI_K_CONV,
    fits,
    plan,
    run,
    prepare,
};

const ai_conv_form ai_conv_winograd2 = {
    AI_LAYOUT_NCHW16C,
    AI_LAYOUT_WINOGRAD2,
    AI_LAYOUT_NCHW16C,
    AI_LAYOUT_CONV16,
    AI_K_CONV,
    fits,
    plan,
    run,
    prepare,
};
