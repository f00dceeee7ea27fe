/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with ONNX Runtime.
 * usage: cold-ort RUNS LIBONNXRUNTIME MODEL.onnx|MODEL.ort [DIM...], else 1 3 224 224 */
#include "cold.h"
#include "ort.h"

#include <stdlib.h>

static void run(void *user)
{
    (void)ort_run(user);
}

int main(int argc, char **argv)
{
    static float input[COLD_INPUTS];
    int64_t dim[4] = {1, 3, 224, 224};
    size_t rank = argc > 4 ? (size_t)argc - 4 : 4;
    ort_net net;
    if (argc < 4 || argc > 8)
        cold_fail("usage", "cold-ort RUNS LIBONNXRUNTIME MODEL [DIM...]");
    for (int i = 4; i < argc; i++)
        dim[i - 4] = atoi(argv[i]);
    ort_open(&net, argv[2], argv[3], input, dim, rank);
    cold_fill(input);
    cold_finish(argv[1], ort_run(&net), run, &net);
}
