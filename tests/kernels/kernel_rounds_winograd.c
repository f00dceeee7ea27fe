/* SPDX-License-Identifier: Apache-2.0
 * Random tiles of Winograd's convolution, each level against ref. */
#include "kernel_test.h"

/* A map that straddles its tiles, and a range of them. */
typedef struct map {
    int64_t rows, columns; /* of the output */
    int64_t side, xi;      /* of a tile; numbers of a transformed one */
    int64_t tile_columns, begin, end;
} map;

static map random_map(const row *k, rng *r)
{
    map m = {.rows = PICK(r, 1, 2, 3, 4, 5, 7, 8, 9), .columns = PICK(r, 1, 2, 3, 4, 5, 7, 8, 13)};
    m.side = k->kernel->layout == AI_LAYOUT_WINOGRAD4 ? 4 : 2;
    m.xi = (m.side + 2) * (m.side + 2);
    m.tile_columns = (m.columns + m.side - 1) / m.side;
    const int64_t tiles = (m.rows + m.side - 1) / m.side * m.tile_columns;
    m.begin = rng_bool(r) ? 0 : rng_range(r, 0, tiles - 1);
    m.end = rng_bool(r) ? tiles : rng_range(r, m.begin + 1, tiles);
    return m;
}

static int64_t gap(rng *r)
{
    return rng_bool(r) ? 0 : rng_range(r, 1, 20);
}

static void same_start(rng *r, guarded *a, const guarded *b)
{
    fill(r, a, FILL_INTEGERS);
    for (int64_t i = 0; i < a->count; i++)
        b->data[i] = a->data[i];
}

void round_winograd_input(const row *k, rng *r)
{
    const map m = random_map(k, r);
    ai_winograd_input_args a = {.in_row = (m.columns + 2) * 16 + gap(r),
                                .rows = m.rows + 2,
                                .columns = m.columns + 2,
                                .tile_columns = m.tile_columns,
                                .tile_begin = m.begin,
                                .tile_end = m.end,
                                .out_xi = (m.end - m.begin) * 16 + gap(r)};
    guarded in = guarded_new(r, (a.rows - 1) * a.in_row + a.columns * 16);
    guarded out = guarded_new(r, (m.xi - 1) * a.out_xi + (m.end - m.begin) * 16);
    guarded want = guarded_new(r, out.count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    same_start(r, &out, &want);
    a.in = in.data;
    a.out = want.data;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want, "map %lldx%lld tiles %lld-%lld fill %d",
                (long long)m.rows, (long long)m.columns, (long long)m.begin, (long long)m.end,
                kind);
    guarded_free(&in);
    guarded_free(&out);
    guarded_free(&want);
}

void round_winograd_output(const row *k, rng *r)
{
    const map m = random_map(k, r);
    ai_winograd_output_args a = {.in_xi = (m.end - m.begin) * 16 + gap(r),
                                 .tile_columns = m.tile_columns,
                                 .tile_begin = m.begin,
                                 .tile_end = m.end,
                                 .residual_row = m.columns * 16 + gap(r),
                                 .out_row = m.columns * 16 + gap(r),
                                 .rows = m.rows,
                                 .columns = m.columns};
    guarded in = guarded_new(r, (m.xi - 1) * a.in_xi + (m.end - m.begin) * 16);
    guarded bias = guarded_new(r, 16);
    guarded residual = guarded_new(r, (m.rows - 1) * a.residual_row + m.columns * 16);
    guarded out = guarded_new(r, (m.rows - 1) * a.out_row + m.columns * 16);
    guarded want = guarded_new(r, out.count);
    const int kind = (int)rng_range(r, 0, FILL_COUNT - 1);
    fill(r, &in, kind);
    fill(r, &bias, kind);
    fill(r, &residual, kind);
    same_start(r, &out, &want);
    random_clamp(r, &a.lo, &a.hi);
    a.in = in.data;
    a.bias = rng_range(r, 0, 3) ? bias.data : NULL;
    a.residual = rng_bool(r) ? residual.data : NULL;
    a.out = want.data;
    k->ref->fn(&a);
    a.out = out.data;
    k->kernel->fn(&a);
    expect_same(k->kernel->name, &out, &want,
                "map %lldx%lld tiles %lld-%lld bias %d residual %d clamp %g %g fill %d",
                (long long)m.rows, (long long)m.columns, (long long)m.begin, (long long)m.end,
                a.bias != NULL, a.residual != NULL, (double)a.lo, (double)a.hi, kind);
    guarded_free(&in);
    guarded_free(&bias);
    guarded_free(&residual);
    guarded_free(&out);
    guarded_free(&want);
}
