/* SPDX-License-Identifier: Apache-2.0
 * One inference by a static program that may be alone in its root: MODEL INPUT OUTPUT LEVELS. */
#include <stdio.h>
#include <stdlib.h>

#include "ai.h"

static void *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    void *data = malloc(*bytes);
    size_t got = data ? fread(data, 1, *bytes, file) : 0;
    fclose(file);
    return got == *bytes ? data : NULL;
}

int main(int argc, char **argv)
{
    ai_error err = {0};
    ai_model *model;
    ai_session *session;
    ai_options options = AI_OPTIONS_INIT;
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_view in;
    ai_buffer out;
    if (argc != 5)
        return 2;
    options.threads = 1;
    options.cpu = (uint32_t)strtoul(argv[4], NULL, 0) & ai_cpu();
    in.data = read_file(argv[2], &in.bytes);
    if (ai_model_open(&model, argv[1], &err) != AI_OK ||
        ai_session_open(&session, model, &options, &err) != AI_OK ||
        ai_session_output(session, 0, &info) != AI_OK)
        return fprintf(stderr, "%s\n", err.message), 1;
    out.bytes = (size_t)info.bytes;
    out.data = malloc(out.bytes);
    if (ai_infer(session, &in, 1, &out, 1, NULL, &err) != AI_OK)
        return fprintf(stderr, "%s\n", err.message), 1;
    FILE *file = fopen(argv[3], "wb");
    return file == NULL || fwrite(out.data, 1, out.bytes, file) != out.bytes || fclose(file) != 0;
}
