/* SPDX-License-Identifier: Apache-2.0
 * One layer run by a library; layer_main.c is the same for all of them. */
#ifndef BENCH_LAYER_H
#define BENCH_LAYER_H

#include <stddef.h>

/* A convolution without bias over square planes, batch 1, NCHW and OIHW; side 1 is a dense layer.
 */
typedef struct layer {
    int channels;
    int side;
    int outputs;
    int kernel;
    int stride;
    int pad;
    int group;
    int out_side;
    float *x;
    float *weights;
    float *y;
} layer;

void layer_open(const layer *l); /* exits where the library cannot run the layer */
void layer_run(void);
void layer_answer(void); /* puts the answer of the last run into y, NCHW */

#endif
