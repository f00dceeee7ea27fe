/* SPDX-License-Identifier: Apache-2.0
 * The same without libFuzzer, for any compiler: runs every model of the corpus and mutations of it.
 * usage: model-mutations [ROUNDS [SEED]]    model-mutations --write FOLDER    model-mutations FILE
 */
#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_corpus(const char *folder)
{
    for (size_t i = 0; i < corpus_count(); i++) {
        char name[64];
        char path[1024];
        size_t bytes;
        uint8_t *file = corpus_make(i, &bytes, name);
        snprintf(path, sizeof(path), "%s/%s.lai", folder, name);
        FILE *out = fopen(path, "wb");
        bool is_written = out && fwrite(file, 1, bytes, out) == bytes;
        if (out && fclose(out) != 0)
            is_written = false;
        free(file);
        if (!is_written) {
            fprintf(stderr, "cannot write '%s'\n", path);
            return 1;
        }
    }
    return 0;
}

static int run_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *in = fopen(path, "rb");
    if (!in) {
        fprintf(stderr, "cannot open '%s'\n", path);
        return 1;
    }
    size_t bytes = fread(data, 1, sizeof(data), in);
    fclose(in);
    run_model(data, bytes);
    return 0;
}

/* A model of the corpus must open and run as it is. */
static int expect_right(const uint8_t *file, size_t bytes, const char *name)
{
    ai_model *model;
    ai_session *session;
    ai_error err;
    ai_status status = ai_model_view(&model, file, bytes, &err);
    if (!status) {
        status = ai_session_open(&session, model, NULL, &err);
        if (!status)
            ai_session_close(session);
        ai_model_close(model);
    }
    if (status)
        fprintf(stderr, "%s: %s\n", name, err.message);
    return status != AI_OK;
}

static void run_mutations(const uint8_t *file, size_t bytes, uint64_t rounds, uint64_t *random)
{
    uint8_t *other = aligned_alloc(64, (bytes + 63) / 64 * 64);
    for (uint64_t k = 0; other && k < rounds; k++) {
        memcpy(other, file, bytes);
        for (uint64_t n = draw_random(random) % 3 + 1; n > 0; n--)
            mutate_model(other, bytes, random);
        run_model(other, bytes);
    }
    free(other);
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 200;
    uint64_t random = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    int failed = 0;
    if (argc > 2 && strcmp(argv[1], "--write") == 0)
        return write_corpus(argv[2]);
    if (argc > 1 && rounds == 0)
        return run_file(argv[1]);
    for (size_t i = 0; i < corpus_count(); i++) {
        char name[64];
        size_t bytes;
        uint8_t *file = corpus_make(i, &bytes, name);
        failed += expect_right(file, bytes, name);
        run_model(file, bytes);
        run_mutations(file, bytes, rounds, &random);
        free(file);
    }
    if (failed)
        fprintf(stderr, "%d models of the corpus do not open\n", failed);
    return failed != 0;
}
