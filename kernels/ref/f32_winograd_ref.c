/* SPDX-License-Identifier: Apache-2.0
 * The transforms of Winograd's convolution in plain C: kernels.h says what they are. */
#include "kernels.h"
#include "ref.h"
#include "simd.h"

enum { MOST = 6 }; /* numbers along a side of a transformed tile */

/* One line of n + 2 numbers, or n of them on the way out, each `step` after the one before. */
typedef void transform(const float *in, int step, float *out);

static void input4(const float *in, int step, float *out)
{
    const float d0 = in[0], d1 = in[step], d2 = in[2 * step];
    const float d3 = in[3 * step], d4 = in[4 * step], d5 = in[5 * step];
    const float even_a = fma_once(-2.25f, d2, d4), odd_a = fma_once(-2.25f, d1, d3);
    const float even_b = fma_once(-0.5625f, d2, d4), odd_b = fma_once(-0.5625f, d1, d3);
    out[0] = fma_once(1.265625f, d0, fma_once(-2.8125f, d2, d4));
    out[step] = fma_once(0.75f, odd_a, even_a);
    out[2 * step] = fma_once(-0.75f, odd_a, even_a);
    out[3 * step] = fma_once(1.5f, odd_b, even_b);
    out[4 * step] = fma_once(-1.5f, odd_b, even_b);
    out[5 * step] = fma_once(1.265625f, d1, fma_once(-2.8125f, d3, d5));
}

static void output4(const float *in, int step, float *out)
{
    const float m0 = in[0], m1 = in[step], m2 = in[2 * step];
    const float m3 = in[3 * step], m4 = in[4 * step], m5 = in[5 * step];
    const float sum_a = m1 + m2, difference_a = m1 - m2;
    const float sum_b = m3 + m4, difference_b = m3 - m4;
    out[0] = (m0 + sum_a) + sum_b;
    out[step] = fma_once(0.75f, difference_a, 1.5f * difference_b);
    out[2 * step] = fma_once(0.5625f, sum_a, 2.25f * sum_b);
    out[3 * step] = fma_once(0.421875f, difference_a, fma_once(3.375f, difference_b, m5));
}

static void input2(const float *in, int step, float *out)
{
    const float d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step];
    out[0] = d0 - d2;
    out[step] = d1 + d2;
    out[2 * step] = d2 - d1;
    out[3 * step] = d3 - d1;
}

static void output2(const float *in, int step, float *out)
{
    const float m0 = in[0], m1 = in[step], m2 = in[2 * step], m3 = in[3 * step];
    out[0] = (m0 + m1) + m2;
    out[step] = (m1 - m2) + m3;
}

/* A square of size x size numbers: down its columns, then along its rows, of which `rows` are left
 * after the columns. */
static void transform_square(transform *f, float square[MOST * MOST], int size, int rows)
{
    float column[MOST * MOST];
    for (int x = 0; x < size; x++)
        f(square + x, size, column + x);
    for (int y = 0; y < rows; y++)
        f(column + y * size, 1, square + y * size);
}

static void input(const ai_winograd_input_args *a, int n, transform *f)
{
    const int size = n + 2;
    for (int64_t t = a->tile_begin; t < a->tile_end; t++)
        for (int c = 0; c < 16; c++) {
            float square[MOST * MOST];
            for (int i = 0; i < size * size; i++) {
                const int64_t y = t / a->tile_columns * n + i / size;
                const int64_t x = t % a->tile_columns * n + i % size;
                const bool is_inside = y < a->rows && x < a->columns;
                square[i] = is_inside ? a->in[y * a->in_row + x * 16 + c] : 0.0f;
            }
            transform_square(f, square, size, size);
            for (int i = 0; i < size * size; i++)
                a->out[i * a->out_xi + (t - a->tile_begin) * 16 + c] = square[i];
        }
}

static void output(const ai_winograd_output_args *a, int n, transform *f)
{
    const int size = n + 2;
    for (int64_t t = a->tile_begin; t < a->tile_end; t++)
        for (int c = 0; c < 16; c++) {
            float square[MOST * MOST];
            for (int i = 0; i < size * size; i++)
                square[i] = a->in[i * a->in_xi + (t - a->tile_begin) * 16 + c];
            transform_square(f, square, size, n);
            for (int i = 0; i < n * n; i++) {
                const int64_t y = t / a->tile_columns * n + i / n;
                const int64_t x = t % a->tile_columns * n + i % n;
                if (y >= a->rows || x >= a->columns)
                    continue;
                float sum = square[i / n * size + i % n] + (a->bias ? a->bias[c] : 0.0f);
                if (a->residual)
                    sum += a->residual[y * a->residual_row + x * 16 + c];
                a->out[y * a->out_row + x * 16 + c] = clamp(sum, a->lo, a->hi);
            }
        }
}

void ai_f32_winograd4_input_ref(const void *args)
{
    input(args, 4, input4);
}

void ai_f32_winograd4_output_ref(const void *args)
{
    output(args, 4, output4);
}

void ai_f32_winograd2_input_ref(const void *args)
{
    input(args, 2, input2);
}

void ai_f32_winograd2_output_ref(const void *args)
{
    output(args, 2, output2);
}
