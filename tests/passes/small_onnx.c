/* SPDX-License-Identifier: Apache-2.0
 * A small source file, put together in the wire format of protocol buffers. */
#include "small_onnx.h"

#include <string.h>

static void put_number(small_onnx *m, int field, int value)
{
    m->data[m->bytes++] = (unsigned char)(field << 3);
    m->data[m->bytes++] = (unsigned char)value;
}

static void put_bytes(small_onnx *m, int field, const void *data, size_t bytes)
{
    m->data[m->bytes++] = (unsigned char)(field << 3 | 2);
    m->data[m->bytes++] = (unsigned char)bytes;
    memcpy(m->data + m->bytes, data, bytes);
    m->bytes += bytes;
}

static void put_text(small_onnx *m, int field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

static void put_message(small_onnx *m, int field, const small_onnx *part)
{
    put_bytes(m, field, part->data, part->bytes);
}

static small_onnx value_info(const char *name)
{
    small_onnx shape = {.bytes = 0};
    small_onnx tensor = {.bytes = 0};
    small_onnx type = {.bytes = 0};
    small_onnx info = {.bytes = 0};
    for (int i = 2; i <= 3; i++) {
        small_onnx dimension = {.bytes = 0};
        put_number(&dimension, 1, i);
        put_message(&shape, 1, &dimension);
    }
    put_number(&tensor, 1, 1);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&info, 1, name);
    put_message(&info, 2, &type);
    return info;
}

small_onnx small_onnx_relu(const char *operator)
{
    small_onnx node = {.bytes = 0};
    small_onnx graph = {.bytes = 0};
    small_onnx opset = {.bytes = 0};
    small_onnx model = {.bytes = 0};
    small_onnx x = value_info("x");
    small_onnx y = value_info("y");
    put_text(&node, 1, "x");
    put_text(&node, 2, "y");
    put_text(&node, 3, "relu");
    put_text(&node, 4, operator);
    put_message(&graph, 1, &node);
    put_text(&graph, 2, "g");
    put_message(&graph, 11, &x);
    put_message(&graph, 12, &y);
    put_number(&opset, 2, 13);
    put_number(&model, 1, 8);
    put_message(&model, 7, &graph);
    put_message(&model, 8, &opset);
    return model;
}
