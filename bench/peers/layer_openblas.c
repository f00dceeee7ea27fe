/* SPDX-License-Identifier: Apache-2.0
 * A layer by OpenBLAS: im2col where the kernel is not 1x1, then one matrix product; a matrix-vector
 * product for a dense layer. It has nothing for groups. */
#include "layer.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

static layer l;
static float *columns;

static int is_pointwise(void)
{
    return l.kernel == 1 && l.stride == 1;
}

void layer_open(const layer *given)
{
    l = *given;
    if (l.group != 1) {
        fprintf(stderr, "OpenBLAS has no grouped convolution\n");
        exit(1);
    }
    size_t count =
        (size_t)l.channels * (size_t)(l.kernel * l.kernel) * (size_t)(l.out_side * l.out_side);
    columns = malloc(count * sizeof *columns);
    if (!columns)
        exit(1);
}

/* One row of outputs of one tap of one channel. */
static void copy_row(float *out, const float *plane, int row, int tap)
{
    for (int ox = 0; ox < l.out_side; ox++) {
        int column = ox * l.stride + tap - l.pad;
        int is_inside = row >= 0 && row < l.side && column >= 0 && column < l.side;
        out[ox] = is_inside ? plane[row * l.side + column] : 0;
    }
}

static void im2col(void)
{
    float *out = columns;
    for (int channel = 0; channel < l.channels; channel++) {
        const float *plane = l.x + (size_t)channel * (size_t)(l.side * l.side);
        for (int tap = 0; tap < l.kernel * l.kernel; tap++)
            for (int oy = 0; oy < l.out_side; oy++, out += l.out_side)
                copy_row(out, plane, oy * l.stride + tap / l.kernel - l.pad, tap % l.kernel);
    }
}

void layer_run(void)
{
    int inner = l.channels * l.kernel * l.kernel;
    int pixels = l.out_side * l.out_side;
    if (l.side == 1) {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, l.outputs, inner, 1, l.weights, inner, l.x, 1, 0,
                    l.y, 1);
        return;
    }
    if (!is_pointwise())
        im2col();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, l.outputs, pixels, inner, 1, l.weights,
                inner, is_pointwise() ? l.x : columns, pixels, 0, l.y, pixels);
}

void layer_answer(void)
{
}
