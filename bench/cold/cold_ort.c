/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with ONNX Runtime.
 * usage: cold-ort RUNS LIBONNXRUNTIME MODEL.onnx|MODEL.ort [prepack] [DIM...], else 1 3 224 224 */
#include "cold.h"
#include "ort.h"

#include <stdlib.h>
#include <string.h>

static void run(void *user)
{
    (void)ort_run(user);
}

int main(int argc, char **argv)
{
    static float input[COLD_INPUTS];
    int64_t dim[4] = {1, 3, 224, 224};
    ort_net net;
    bool is_prepacked = argc > 4 && strcmp(argv[4], "prepack") == 0;
    int first = 4 + is_prepacked; /* of DIM */
    if (argc < 4 || argc > first + 4)
        cold_fail("usage", "cold-ort RUNS LIBONNXRUNTIME MODEL [prepack] [DIM...]");
    for (int i = first; i < argc; i++)
        dim[i - first] = atoi(argv[i]);
    ort_open(&net, argv[2], argv[3], is_prepacked, input, dim,
             argc > first ? (size_t)(argc - first) : 4);
    cold_fill(input);
    cold_finish(argv[1], ort_run(&net), run, &net);
}
