/* SPDX-License-Identifier: Apache-2.0
 * The transforms of Winograd's convolution, a template like vec.c: a lane is a channel. */
#include <string.h>

#include "vec.h"

enum { MOST = 6 * 6 * 16 }; /* elements of a tile */

/* ---- Lines: n + 2 vectors, each `step` after the one before ---- */

AI_INLINE void input4(const float *in, int64_t step, float *out, int64_t out_step)
{
    const vf d0 = v_load(in), d1 = v_load(in + step), d2 = v_load(in + 2 * step);
    const vf d3 = v_load(in + 3 * step), d4 = v_load(in + 4 * step), d5 = v_load(in + 5 * step);
    const vf a = v_set(0.75f), b = v_set(1.5f), a2 = v_set(0.5625f), b2 = v_set(2.25f);
    const vf a2b2 = v_set(1.265625f), sum = v_set(2.8125f);
    const vf even_a = v_fnma(b2, d2, d4), odd_a = v_fnma(b2, d1, d3);
    const vf even_b = v_fnma(a2, d2, d4), odd_b = v_fnma(a2, d1, d3);
    v_store(out, v_fma(a2b2, d0, v_fnma(sum, d2, d4)));
    v_store(out + out_step, v_fma(a, odd_a, even_a));
    v_store(out + 2 * out_step, v_fnma(a, odd_a, even_a));
    v_store(out + 3 * out_step, v_fma(b, odd_b, even_b));
    v_store(out + 4 * out_step, v_fnma(b, odd_b, even_b));
    v_store(out + 5 * out_step, v_fma(a2b2, d1, v_fnma(sum, d3, d5)));
}

AI_INLINE void output4(const float *in, int64_t step, float *out, int64_t out_step)
{
    const vf m0 = v_load(in), m1 = v_load(in + step), m2 = v_load(in + 2 * step);
    const vf m3 = v_load(in + 3 * step), m4 = v_load(in + 4 * step), m5 = v_load(in + 5 * step);
    const vf sum_a = v_add(m1, m2), difference_a = v_sub(m1, m2);
    const vf sum_b = v_add(m3, m4), difference_b = v_sub(m3, m4);
    v_store(out, v_add(v_add(m0, sum_a), sum_b));
    v_store(out + out_step, v_fma(v_set(0.75f), difference_a, v_mul(v_set(1.5f), difference_b)));
    v_store(out + 2 * out_step, v_fma(v_set(0.5625f), sum_a, v_mul(v_set(2.25f), sum_b)));
    v_store(out + 3 * out_step,
            v_fma(v_set(0.421875f), difference_a, v_fma(v_set(3.375f), difference_b, m5)));
}

AI_INLINE void input2(const float *in, int64_t step, float *out, int64_t out_step)
{
    const vf d0 = v_load(in), d1 = v_load(in + step);
    const vf d2 = v_load(in + 2 * step), d3 = v_load(in + 3 * step);
    v_store(out, v_sub(d0, d2));
    v_store(out + out_step, v_add(d1, d2));
    v_store(out + 2 * out_step, v_sub(d2, d1));
    v_store(out + 3 * out_step, v_sub(d3, d1));
}

AI_INLINE void output2(const float *in, int64_t step, float *out, int64_t out_step)
{
    const vf m0 = v_load(in), m1 = v_load(in + step);
    const vf m2 = v_load(in + 2 * step), m3 = v_load(in + 3 * step);
    v_store(out, v_add(v_add(m0, m1), m2));
    v_store(out + out_step, v_add(v_sub(m1, m2), m3));
}

/* ---- Tiles: down the columns, then along the rows ---- */

AI_INLINE void input_tile(const float *in, int64_t row, float *out, int64_t xi, const int n)
{
    const int size = n + 2;
    float column[MOST];
    for (int x = 0; x < size; x++)
        if (n == 4)
            input4(in + x * 16, row, column + x * 16, size * 16);
        else
            input2(in + x * 16, row, column + x * 16, size * 16);
    for (int y = 0; y < size; y++)
        if (n == 4)
            input4(column + y * size * 16, 16, out + y * size * xi, xi);
        else
            input2(column + y * size * 16, 16, out + y * size * xi, xi);
}

/* `out` is n rows of n pixels. */
AI_INLINE void output_tile(const float *in, int64_t xi, float *out, const int n)
{
    const int size = n + 2;
    float column[MOST];
    for (int x = 0; x < size; x++)
        if (n == 4)
            output4(in + x * xi, size * xi, column + x * 16, size * 16);
        else
            output2(in + x * xi, size * xi, column + x * 16, size * 16);
    for (int y = 0; y < n; y++)
        if (n == 4)
            output4(column + y * size * 16, 16, out + y * n * 16, 16);
        else
            output2(column + y * size * 16, 16, out + y * n * 16, 16);
}

/* A tile that reaches past the input: what lies there is zero. */
static void copy_edge(const float *in, int64_t row, int64_t rows, int64_t columns, int size,
                      float *square)
{
    memset(square, 0, MOST * sizeof(float));
    for (int64_t y = 0; y < rows && y < size; y++)
        for (int64_t x = 0; x < columns && x < size; x++)
            v_store(square + (y * size + x) * 16, v_load(in + y * row + x * 16));
}

AI_INLINE void input(const ai_winograd_input_args *a, const int n)
{
    const int size = n + 2;
    float square[MOST];
    float *out = a->out;
    int64_t y = a->tile_begin / a->tile_columns * n;
    int64_t x = a->tile_begin % a->tile_columns * n;
    for (int64_t t = a->tile_begin; t < a->tile_end; t++, out += 16) {
        const float *in = a->in + y * a->in_row + x * 16;
        int64_t row = a->in_row;
        if (y + size > a->rows || x + size > a->columns) {
            copy_edge(in, row, a->rows - y, a->columns - x, size, square);
            in = square;
            row = size * 16;
        }
        input_tile(in, row, out, a->out_xi, n);
        x += n;
        if (x == a->tile_columns * n) {
            x = 0;
            y += n;
        }
    }
}

AI_INLINE void output(const ai_winograd_output_args *a, const int n)
{
    const vf lo = v_set(a->lo), hi = v_set(a->hi);
    const vf bias = a->bias ? v_load(a->bias) : v_set(0.0f);
    const float *in = a->in;
    float square[MOST];
    int64_t y = a->tile_begin / a->tile_columns * n;
    int64_t x = a->tile_begin % a->tile_columns * n;
    for (int64_t t = a->tile_begin; t < a->tile_end; t++, in += 16) {
        const int64_t rows = a->rows - y < n ? a->rows - y : n;
        const int64_t columns = a->columns - x < n ? a->columns - x : n;
        output_tile(in, a->in_xi, square, n);
        for (int64_t i = 0; i < rows; i++) {
            const float *residual =
                a->residual ? a->residual + (y + i) * a->residual_row + x * 16 : NULL;
            float *to = a->out + (y + i) * a->out_row + x * 16;
            for (int64_t j = 0; j < columns; j++) {
                vf sum = v_add(v_load(square + (i * n + j) * 16), bias);
                if (residual)
                    sum = v_add(sum, v_load(residual + j * 16));
                v_store(to + j * 16, v_clamp(sum, lo, hi));
            }
        }
        x += n;
        if (x == a->tile_columns * n) {
            x = 0;
            y += n;
        }
    }
}

void KERNEL_NAME(winograd4_input)(const void *args)
{
    input(args, 4);
}

void KERNEL_NAME(winograd4_output)(const void *args)
{
    output(args, 4);
}

void KERNEL_NAME(winograd2_input)(const void *args)
{
    input(args, 2);
}

void KERNEL_NAME(winograd2_output)(const void *args)
{
    output(args, 2);
}
