/* SPDX-License-Identifier: Apache-2.0
 * `ai classify`: photographs to labels. */
#include <stdlib.h>
#include <string.h>

#include "ai_task.h"
#include "cli.h"

#define SHIPPED_MODEL "efficientnet-lite0"

enum { DEFAULT_TOP = 5, MAX_TOP = 65536, MAX_OPERANDS = 1 << 20 };
enum { MAX_IMAGE_BYTES = 1 << 28 };

static const ai_cli_option options[] = {
    {"model", 0, AI_CLI_TEXT, false, 0, "M.lai", "else the one that is installed: " SHIPPED_MODEL},
    AI_CLI_OPTION_CPU,
    {"top", 0, AI_CLI_COUNT, false, MAX_TOP, "K", "how many classes an image gets; else 5"},
    {"json", 0, AI_CLI_FLAG, false, 0, NULL, "prints one JSON object an image"},
};

typedef struct work {
    ai_classifier *classifier;
    ai_class *classes;
    uint32_t top;
    bool is_json;
    ai_cli_bar bar;
    uint32_t image_count; /* of all operands */
    uint32_t done_count;
    uint32_t answer_count;
    int status;
} work;

/* ---- One image ---- */

static void print_failure(work *w, const char *path, const ai_error *err)
{
    ai_cli_bar_clear(&w->bar);
    if (w->is_json) {
        fputs("{\"statusCode\":400,\"body\":{\"error\":", stdout);
        ai_cli_json(stdout, err->message);
        puts("}}");
    }
    fflush(stdout);
    w->status = ai_cli_failed(path, err);
}

static void print_classes(const char *path, const ai_class *classes, uint32_t count, uint64_t ns)
{
    ai_cli_print(stdout, path);
    printf(": %.1f ms\n", (double)ns / 1e6);
    for (uint32_t i = 0; i < count; i++) {
        printf("%3u  %6.2f %%  ", i + 1, 100 * (double)classes[i].score);
        ai_cli_print(stdout, classes[i].label);
        putchar('\n');
    }
}

static ai_status print_answer(work *w, const char *path, uint32_t count, uint64_t ns, ai_error *err)
{
    char *json = NULL;
    if (w->is_json) {
        ai_status status = ai_classes_json(w->classes, count, &json, err);
        if (status != AI_OK)
            return status;
    }
    ai_cli_bar_clear(&w->bar);
    if (json)
        puts(json);
    else
        print_classes(path, w->classes, count, ns);
    ai_task_free(json);
    fflush(stdout);
    return AI_OK;
}

static void classify_image(work *w, const char *path)
{
    ai_error err;
    void *data = NULL;
    size_t bytes;
    uint32_t count = w->top;
    uint64_t start = ai_cli_now();
    ai_status status = ai_cli_read(&data, &bytes, path, MAX_IMAGE_BYTES, &err);
    if (status == AI_OK && bytes == 0)
        status = ai_cli_error(&err, AI_E_FORMAT, "file is empty, needed is a JPEG or PNG image");
    if (status == AI_OK)
        status = ai_classify(w->classifier, data, bytes, w->classes, &count, NULL, &err);
    if (status == AI_OK)
        status = print_answer(w, path, count, ai_cli_now() - start, &err);
    if (status == AI_OK)
        w->answer_count++;
    else
        print_failure(w, path, &err);
    free(data);
    w->done_count++;
    if (w->image_count > 1)
        ai_cli_bar_draw(&w->bar, "images", w->done_count, w->image_count);
}

/* ---- All images ---- */

typedef struct batch { /* an operand: one image, or a folder's */
    char **paths;
    uint32_t count;
} batch;

static void collect(work *w, const char *operand, batch *b)
{
    ai_error err;
    ai_status status = AI_OK;
    if (ai_cli_is_folder(operand)) {
        status = ai_cli_images(&b->paths, &b->count, operand, &err);
        if (status == AI_OK && b->count == 0)
            status = ai_cli_error(&err, AI_E_IO, "folder has no .jpg, .jpeg or .png");
    } else {
        b->paths = calloc(1, sizeof *b->paths);
        if (b->paths)
            b->paths[0] = strdup(operand);
        b->count = b->paths != NULL;
        if (!b->count || !b->paths[0])
            status = ai_cli_error(&err, AI_E_MEMORY, "no memory for a path");
    }
    if (status == AI_OK) {
        w->image_count += b->count;
        return;
    }
    print_failure(w, operand, &err);
    ai_cli_free_list(b->paths, b->count);
    *b = (batch){NULL, 0};
}

static int classify_all(work *w, const ai_cli_args *args)
{
    batch *batches = calloc(args->operand_count, sizeof *batches);
    if (!batches)
        return ai_cli_fail(args->operands[0], "no memory for %u paths", args->operand_count);
    for (uint32_t i = 0; i < args->operand_count; i++)
        collect(w, args->operands[i], &batches[i]);
    for (uint32_t i = 0; i < args->operand_count; i++) {
        for (uint32_t k = 0; k < batches[i].count; k++)
            classify_image(w, batches[i].paths[k]);
        ai_cli_free_list(batches[i].paths, batches[i].count);
    }
    ai_cli_bar_clear(&w->bar);
    free(batches);
    return w->status;
}

static void print_summary(const ai_model *model, uint64_t open_ns)
{
    char text[32];
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model_describe(model, &info);
    ai_cli_print(stdout, info.name);
    printf(": opened in %.2f ms; peak memory %s\n", (double)open_ns / 1e6,
           ai_cli_bytes(text, ai_cli_peak_rss()));
}

static int classify_with(const ai_cli_args *args, const char *model_path)
{
    ai_cli_model m;
    ai_error err;
    work w = {.top = ai_cli_count(args, "top", DEFAULT_TOP), .is_json = ai_cli_flag(args, "json")};
    uint64_t start = ai_cli_now();
    int status = ai_cli_open(&m, args, model_path);
    if (status != AI_CLI_OK)
        return status;
    w.classes = calloc(w.top, sizeof *w.classes);
    if (!w.classes)
        status = ai_cli_fail(model_path, "no memory for %u classes", w.top);
    else if (ai_classifier_open(&w.classifier, m.model, &m.options, &err) != AI_OK)
        status = ai_cli_failed(model_path, &err);
    if (status == AI_CLI_OK) {
        uint64_t open_ns = ai_cli_now() - start;
        status = classify_all(&w, args);
        if (!w.is_json && w.answer_count > 0)
            print_summary(m.model, open_ns);
    }
    ai_classifier_close(w.classifier);
    free(w.classes);
    ai_cli_close(&m);
    return status;
}

static int run(const ai_cli_args *args)
{
    const char *model_path = ai_cli_text(args, "model");
    if (model_path)
        return classify_with(args, model_path);
    char *shipped = ai_cli_find_shipped(SHIPPED_MODEL ".lai");
    if (!shipped)
        return ai_cli_fail(SHIPPED_MODEL ".lai", "not there: run models/zoo/fetch " SHIPPED_MODEL
                                                 " and build again, or give --model");
    int status = classify_with(args, shipped);
    free(shipped);
    return status;
}

const ai_cli_command ai_command_classify = {
    "classify",
    "IMAGE...",
    "names what photographs show",
    "IMAGE is a JPEG or PNG file, or a folder: its .jpg, .jpeg and .png in order of their names.\n"
    "What cannot be read gets a line on standard error, and the exit status is then 1; the others\n"
    "are classified all the same.",
    options,
    AI_CLI_OPTION_COUNT(options),
    1,
    MAX_OPERANDS,
    run};
