/* SPDX-License-Identifier: Apache-2.0
 * A register tile of an f32 convolution or matrix product, and the loops around it: what the CPU
 * levels share. Each level includes this, defines its tiles, and keeps everything static. */
#ifndef AI_F32_TILE_H
#define AI_F32_TILE_H

#include "kernels.h"

/* A tile is some panels of 16 outputs by some pixels (rows, for a matrix product). Each output
 * starts at its bias and adds in[a * d0 + b * d1 + c * d2 + k] * weight over a < n0, b < n1,
 * c < n2, k < run, in that order; the weights lie in that order. The last a has runs of run_last. */
typedef struct tile {
    const float *in;
    int64_t      in_step; /* elements from a pixel to the next; the other steps likewise */
    int64_t      n0, n1, n2;
    int64_t      d0, d1, d2;
    int64_t      run, run_last;
    const float *weights;
    int64_t      panel; /* elements from a panel to the next; the other *_panel likewise */
    const float *bias;
    int64_t      bias_step, bias_panel;
    const float *residual; /* or NULL */
    int64_t      residual_step, residual_panel;
    float       *out;
    int64_t      out_step, out_panel;
    float        lo, hi;
    int          form;
    const char  *next;        /* what to prefetch beside this panel, or NULL: the panels behind */
    int64_t      next_panel;  /* bytes of it for each panel */
    const char  *ahead;       /* what this tile prefetches to the L2 cache: */
    int64_t      ahead_step;  /* bytes of it for each element of a run, */
    int64_t      ahead_run;   /* and from a run to the next */
} tile;

/* Forms with constant distances: this in_step, bias_step 0, the other steps 16. */
enum { TILE_ANY, TILE_IN_16, TILE_IN_32, TILE_IN_2 };

static const float tile_no_bias[16];

typedef void tile_fn(const tile *t);

/* What a level defines:
 * TILE_PANELS           the panels that one tile takes, if there are as many;
 * tile_width(p, left)   how many of the pixels left a tile of p panels takes next;
 * tile_get(p, width)    the tile of that size. tile_get(1, w) exists for every w of TILE_PANELS;
 * tile_run_map(r)       runs a map that has tiles of its own; false: it has none. */
static int64_t  tile_width(int panels, int64_t left);
static tile_fn *tile_get(int panels, int64_t width);

typedef struct tile_rows tile_rows;
static bool tile_run_map(const tile_rows *r);

static void tile_forward(tile *t, int64_t pixels)
{
    t->in += pixels * t->in_step;
    t->out += pixels * t->out_step;
    t->bias += pixels * t->bias_step;
    if (t->residual)
        t->residual += pixels * t->residual_step;
}

/* The same pixels of the panels that follow. */
static void tile_next_panel(tile *t, int panels)
{
    t->weights += panels * t->panel;
    t->out += panels * t->out_panel;
    t->bias += panels * t->bias_panel;
    t->next += panels * t->next_panel;
    if (t->residual)
        t->residual += panels * t->residual_panel;
}

/* Elements of a tile's runs: how often it prefetches. */
static int64_t tile_steps(const tile *t)
{
    return t->n0 * t->n1 * t->n2 * t->run;
}

static int64_t tile_ahead_bytes(const tile *t)
{
    return tile_steps(t) * t->ahead_step;
}

/* While `tiles` tiles of a group of panels run, each asks for its part of the next group's weights,
 * or after the last group for what lies behind it: the next step's. Weights that were widened for
 * this call have theirs elsewhere: `next`. */
static void tile_set_ahead(tile *t, int64_t panels, int64_t tiles)
{
    const int64_t steps = tiles * tile_steps(t);
    const int64_t bytes = panels * (t->next ? t->next_panel : t->panel * (int64_t)sizeof(float));
    t->ahead = t->next ? t->next : (const char *)(t->weights + panels * t->panel);
    t->ahead_step = steps > 0 ? (bytes + steps - 1) / steps : 0;
    t->ahead_run = t->run * t->ahead_step;
}

/* How many tiles the pixels take. */
static int64_t tile_count(int panels, int64_t pixels)
{
    int64_t count = 0;
    for (; pixels > 0; count++)
        pixels -= tile_width(panels, pixels);
    return count;
}

/* All pixels of `panels` panels, from *at on; *at stays there but for `ahead`. */
static void tile_pixels(tile *at, int panels, int64_t pixels)
{
    const int64_t ahead = tile_ahead_bytes(at);
    tile t = *at;
    while (pixels > 0) {
        const int64_t width = tile_width(panels, pixels);
        tile_get(panels, width)(&t);
        tile_forward(&t, width);
        t.ahead += ahead;
        pixels -= width;
    }
    at->ahead = t.ahead;
}

/* While small weights stay in L2, a tile of `panels` asks for what comes from afar, run by run: the
 * residual of the panels behind, after the last of them the inputs of the next pixels. */
static void tile_set_beside(tile *t, int panels, int64_t width, bool is_last)
{
    const int64_t size = sizeof(float);
    if (t->n1 * t->n2 != 1)
        return;
    if (t->residual && !is_last) {
        t->ahead = (const char *)(t->residual + panels * t->residual_panel);
        t->ahead_step = t->residual_step * size;
        t->ahead_run = t->residual_panel * size;
    } else {
        t->ahead = (const char *)(t->in + width * t->in_step);
        t->ahead_step = t->in_step * size;
        t->ahead_run = t->d0 * size;
    }
}

/* All panels of `width` pixels. */
static void tile_panels(tile t, int64_t panels, int64_t width)
{
    while (panels > 0) {
        const int group = panels < TILE_PANELS ? 1 : TILE_PANELS;
        panels -= group;
        tile_set_beside(&t, group, width, panels == 0);
        tile_get(group, width)(&t);
        tile_next_panel(&t, group);
    }
}

/* ---- Convolution ---- */

/* One image's rows; `at` is the first pixel of the first row and panel. */
struct tile_rows {
    tile    at;
    int64_t in_row, out_row, residual_row;
    int64_t rows, columns;
    int64_t panels;
};

static void tile_next_row(tile *t, const tile_rows *r)
{
    t->in += r->in_row;
    t->out += r->out_row;
    if (t->residual)
        t->residual += r->residual_row;
}

/* Rows that follow one another without a gap are one long row: more pixels for wide tiles. */
static void tile_join_rows(tile_rows *r)
{
    if (r->in_row == r->columns * r->at.in_step && r->out_row == r->columns * r->at.out_step &&
        (!r->at.residual || r->residual_row == r->columns * r->at.residual_step)) {
        r->columns *= r->rows;
        r->rows = 1;
    }
}

/* Each weight comes from memory once; a panel's stay in the cache. */
static void tile_panel_outer(const tile_rows *r)
{
    tile at = r->at;
    for (int64_t left = r->panels; left > 0;) {
        const int group = left < TILE_PANELS ? 1 : TILE_PANELS;
        tile t = at;
        tile_set_ahead(&t, group, r->rows * tile_count(group, r->columns));
        for (int64_t row = 0; row < r->rows; row++) {
            tile_pixels(&t, group, r->columns);
            tile_next_row(&t, r);
        }
        tile_next_panel(&at, group);
        left -= group;
    }
}

/* Each activation comes from memory once; all weights stay in the cache. */
static void tile_pixel_outer(const tile_rows *r)
{
    tile first = r->at;
    for (int64_t row = 0; row < r->rows; row++) {
        tile t = first;
        for (int64_t left = r->columns; left > 0;) {
            const int64_t width = tile_width(TILE_PANELS, left);
            tile_panels(t, r->panels, width);
            tile_forward(&t, width);
            left -= width;
        }
        tile_next_row(&first, r);
    }
}

/* What all convolutions have in common; the caller adds the order of the sum. */
static tile_rows tile_conv(const ai_conv_args *c, int64_t in_step)
{
    tile_rows r = {
        .in_row = c->stride_h * c->in_row,
        .out_row = c->out_row,
        .residual_row = c->residual_row,
        .rows = c->row_end - c->row_begin,
        .columns = c->ow,
        .panels = c->panel_end - c->panel_begin,
        .at =
            {
                .in = c->in + c->row_begin * c->stride_h * c->in_row,
                .in_step = in_step,
                .weights = c->weights + c->panel_begin * c->panel,
                .panel = c->panel,
                .bias = c->bias ? c->bias + (int64_t)c->panel_begin * 16 : tile_no_bias,
                .bias_panel = c->bias ? 16 : 0,
                .residual = c->residual ? c->residual + c->panel_begin * c->residual_plane +
                                              c->row_begin * c->residual_row
                                        : NULL,
                .residual_step = 16,
                .residual_panel = c->residual_plane,
                .out = c->out + c->panel_begin * c->out_plane + c->row_begin * c->out_row,
                .out_step = 16 + c->out_gap,
                .out_panel = c->out_plane,
                .lo = c->lo,
                .hi = c->hi,
                .ahead = (const char *)c->weights, /* until set: a page that is there */
                .next = c->ahead,
                .next_panel = c->ahead ? c->ahead_panel : 0,
                .form = c->out_gap != 0 ? TILE_ANY
                        : in_step == 16 ? TILE_IN_16
                        : in_step == 32 ? TILE_IN_32
                        : in_step == 2  ? TILE_IN_2
                                        : TILE_ANY,
            },
    };
    return r;
}

/* Measured on one network (ResNet-50): maps of 28x28 and more whose weights fit the L2 cache gain
 * from reading activations once, all others from reading weights once. */
static void tile_run(tile_rows *r)
{
    const int64_t small_weights = 1300 * 1000 / (int64_t)sizeof(float);
    const bool is_large_map = r->rows * r->columns >= 28 * 28;
    tile_join_rows(r);
    if (tile_run_map(r))
        return;
    if (is_large_map && r->panels * r->at.panel < small_weights)
        tile_pixel_outer(r);
    else
        tile_panel_outer(r);
}

static void tile_run_conv(const ai_conv_args *c)
{
    tile_rows r = tile_conv(c, (int64_t)c->stride_w * 16);
    tile *t = &r.at;
    t->n0 = (c->ic + 15) / 16;
    t->n1 = c->kh;
    t->n2 = c->kw;
    t->d0 = c->in_plane;
    t->d1 = c->dilation_h * c->in_row;
    t->d2 = (int64_t)c->dilation_w * 16;
    t->run = 16;
    t->run_last = c->ic - (t->n0 - 1) * 16;
    tile_run(&r);
}

/* A run is a row of the window, whose taps are neighbours unless it is dilated. */
static void tile_run_stem(const ai_conv_args *c)
{
    tile_rows r = tile_conv(c, c->stride_w);
    tile *t = &r.at;
    const bool is_dense = c->dilation_w == 1;
    t->n0 = c->ic;
    t->n1 = c->kh;
    t->n2 = is_dense ? 1 : c->kw;
    t->d0 = c->in_plane;
    t->d1 = c->dilation_h * c->in_row;
    t->d2 = c->dilation_w;
    t->run = t->run_last = is_dense ? c->kw : 1;
    tile_run(&r);
}

#endif
