/* SPDX-License-Identifier: Apache-2.0
 * The peer of `ai classify`: one photograph through ONNX Runtime, from exec to label. Decoding and
 * preparing are libai-task's, so that only the engine differs.
 * usage: classify-ort LIBONNXRUNTIME MODEL RECIPE LABELS IMAGE */
#include <stdio.h>
#include <string.h>

#include "ai_task.h"
#include "cold.h"
#include "ort.h"

static int best(const float *scores)
{
    int index = 0;
    for (int i = 1; i < COLD_OUTPUTS; i++)
        index = scores[i] > scores[index] ? i : index;
    return index;
}

static void print_label(const char *path, int index)
{
    char line[256];
    FILE *file = fopen(path, "r");
    for (int i = 0; file && fgets(line, sizeof(line), file); i++) {
        if (i == index)
            printf("%s", line);
    }
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    static float pixels[COLD_INPUTS];
    static const int64_t dim[4] = {1, 3, 224, 224};
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_error err;
    size_t bytes;
    ort_net net;
    if (argc != 6)
        cold_fail("usage", "classify-ort LIBONNXRUNTIME MODEL RECIPE LABELS IMAGE");
    info.type = AI_F32;
    info.rank = 4;
    memcpy(info.dim, dim, sizeof(dim));
    info.bytes = sizeof(pixels);
    info.name = "input";
    const void *image = cold_map(argv[5], &bytes);
    if (ai_image_prepare(argv[3], image, bytes, &info, pixels, &err) != AI_OK)
        cold_fail(argv[5], err.message);
    ort_open(&net, argv[1], argv[2], false, pixels, dim, 4);
    print_label(argv[4], best(ort_run(&net)));
    return 0;
}
