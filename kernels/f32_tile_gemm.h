/* SPDX-License-Identifier: Apache-2.0
 * The loops of a matrix product around the tiles of f32_tile.h. */
#ifndef AI_F32_TILE_GEMM_H
#define AI_F32_TILE_GEMM_H

#include <string.h>

#include "f32_tile.h"

/* Few rows leave a tile of few panels waiting for its own sums; so a level also defines
 * TILE_ROW_PANELS and tile_row(p), the tile of p panels by one row, p a power of two to that. */
static tile_fn *tile_row(int panels);

static tile tile_gemm(const ai_gemm_args *g)
{
    const tile t = {
        .in = g->a,
        .in_step = g->a_row,
        .n0 = 1,
        .n1 = 1,
        .n2 = 1,
        .run = g->k,
        .run_last = g->k,
        .weights = (const float *)g->b + g->panel_begin * g->panel,
        .panel = g->panel,
        .bias = g->bias ? g->bias + g->panel_begin * 16 : tile_no_bias,
        .bias_step = g->bias ? g->bias_row : 0,
        .bias_panel = g->bias ? 16 : 0,
        .out = g->out + g->panel_begin * 16,
        .out_step = g->out_row,
        .out_panel = 16,
        .lo = g->lo,
        .hi = g->hi,
        .ahead = g->b, /* a page that is there: NULL would be looked up every time */
        .form = TILE_ANY,
    };
    return t;
}

/* The last panel when it has n < 16 columns: the tile sees whole ones, in scratch. */
static void tile_partial_panel(tile t, int64_t rows, int64_t n)
{
    enum { ROWS = 28 };
    float bias[ROWS * 16] = {0}, out[ROWS * 16];
    const size_t bytes = (size_t)n * sizeof(float);
    while (rows > 0) {
        const int64_t width = tile_width(1, rows);
        tile whole = t;
        whole.out = out;
        whole.out_step = 16;
        for (int64_t i = 0; i < (t.bias_step ? width : 1); i++)
            memcpy(bias + i * 16, t.bias + i * t.bias_step, bytes);
        whole.bias = bias;
        whole.bias_step = t.bias_step ? 16 : 0;
        tile_get(1, width)(&whole);
        for (int64_t i = 0; i < width; i++)
            memcpy(t.out + i * t.out_step, out + i * 16, bytes);
        tile_forward(&t, width);
        rows -= width;
    }
}

/* Few rows: many panels at once, each row in turn while they are in the cache. */
static void tile_few_rows(tile at, int64_t rows, int64_t panels)
{
    int group = TILE_ROW_PANELS;
    while (panels > 0) {
        while (group > panels)
            group /= 2;
        tile t = at;
        for (int64_t i = 0; i < rows; i++) {
            tile_row(group)(&t);
            tile_forward(&t, 1);
        }
        tile_next_panel(&at, group);
        panels -= group;
    }
}

static void tile_run_gemm(const ai_gemm_args *g)
{
    const int64_t whole_end = g->panel_end * 16 <= g->n ? g->panel_end : g->n / 16;
    const int64_t whole = whole_end > g->panel_begin ? whole_end - g->panel_begin : 0;
    tile t = tile_gemm(g);
    if (g->m < 4) {
        tile_few_rows(t, g->m, whole);
    } else {
        tile at = t;
        for (int64_t left = whole; left > 0;) {
            const int group = left < TILE_PANELS ? 1 : TILE_PANELS;
            tile_pixels(&at, group, g->m);
            tile_next_panel(&at, group);
            left -= group;
        }
    }
    if (whole < g->panel_end - g->panel_begin && g->n > (g->panel_begin + whole) * 16) {
        t.weights += whole * t.panel;
        t.out += whole * 16;
        t.bias += whole * t.bias_panel;
        tile_partial_panel(t, g->m, g->n - (g->panel_begin + whole) * 16);
    }
}

#endif
