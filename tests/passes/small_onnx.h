/* SPDX-License-Identifier: Apache-2.0
 * A small source file: y = Relu(x), x [2, 3]. */
#ifndef AI_TEST_SMALL_ONNX_H
#define AI_TEST_SMALL_ONNX_H

#include <stddef.h>

typedef struct small_onnx {
    unsigned char data[256];
    size_t bytes;
} small_onnx;

/* An ONNX file with one node of that operator. */
small_onnx small_onnx_relu(const char *operator);

#endif
