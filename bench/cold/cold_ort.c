/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with ONNX Runtime.
 * usage: cold-ort RUNS LIBONNXRUNTIME MODEL.onnx|MODEL.ort */
#include "cold.h"
#include "ort.h"

static void run(void *user)
{
    (void)ort_run(user);
}

int main(int argc, char **argv)
{
    static float input[COLD_INPUTS];
    static const int64_t dim[4] = {1, 3, 224, 224};
    ort_net net;
    if (argc != 4)
        cold_fail("usage", "cold-ort RUNS LIBONNXRUNTIME MODEL");
    ort_open(&net, argv[2], argv[3], input, dim, 4);
    cold_fill(input);
    cold_finish(argv[1], ort_run(&net), run, &net);
}
