/* SPDX-License-Identifier: Apache-2.0
 * One network in ONNX Runtime by its C interface, with one input, one output and one thread. */
#ifndef ORT_H
#define ORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ort_net {
    void *session;
    void *input;
    void *output;
    char *in_name;
    char *out_name;
} ort_net;

/* Opens a model; one whose name ends in .ort, which is optimised already, is mapped and used in
 * place, its weights prepacked only if asked. `library` is the path of libonnxruntime. */
void ort_open(ort_net *net, const char *library, const char *model, bool is_prepacked,
              float *input, const int64_t *dim, size_t rank);

/* Runs it; returns the first value of the output. */
const float *ort_run(ort_net *net);

#endif
