/* SPDX-License-Identifier: Apache-2.0
 * Lets each allocation of the task layer and of the libraries under it fail, one by one: the call
 * says AI_E_MEMORY or does without, leaves its results alone and keeps no memory. Arguments:
 * pictures, classifiers as .lai, and text generators as text.lai. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ai_task.h"

/* glibc's own functions under other names: those below take their place, for libraries too. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *memory);
AI_API void *malloc(size_t bytes);
AI_API void *calloc(size_t count, size_t bytes);
AI_API void *realloc(void *memory, size_t bytes);
AI_API void *aligned_alloc(size_t align, size_t bytes);
AI_API void free(void *memory);

static long until_failure = -1; /* allocations that still succeed; negative: all */
static long held;               /* blocks that are allocated and not freed */

static int fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

static void *counted(void *memory)
{
    held += memory != NULL;
    return memory;
}

void *malloc(size_t bytes)
{
    return fails() ? NULL : counted(__libc_malloc(bytes));
}

void *calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(__libc_calloc(count, bytes));
}

void *realloc(void *memory, size_t bytes)
{
    if (fails())
        return NULL;
    void *moved = __libc_realloc(memory, bytes);
    held += moved && !memory;
    return moved;
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return fails() ? NULL : counted(__libc_memalign(align, bytes));
}

void free(void *memory)
{
    held -= memory != NULL;
    __libc_free(memory);
}

/* What is called again and again. */
typedef struct job {
    const char *name;
    uint8_t *data;
    size_t bytes;
} job;

/* *sum gets a sum of the result's bytes. */
typedef ai_status (*job_fn)(const job *j, uint32_t *sum, ai_error *err);

static uint32_t sum_of(const void *data, size_t bytes)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < bytes; i++)
        sum = sum * 31 + ((const uint8_t *)data)[i];
    return sum;
}

static ai_status decode(const job *j, uint32_t *sum, ai_error *err)
{
    ai_image image = AI_IMAGE_INIT;
    ai_status status = ai_image_decode(&image, j->data, j->bytes, err);
    if (status != AI_OK && image.pixels)
        abort();
    *sum = sum_of(image.pixels, (size_t)image.width * image.height * image.channels);
    ai_task_free(image.pixels);
    return status;
}

static ai_status prepare(const job *j, uint32_t *sum, ai_error *err)
{
    static float tensor[3 * 32 * 32];
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    info.type = AI_F32;
    info.rank = 4;
    info.dim[0] = 1;
    info.dim[1] = 3;
    info.dim[2] = info.dim[3] = 32;
    info.bytes = sizeof tensor;
    ai_status status = ai_image_prepare(
        "{\"resize\":\"short\",\"size\":40,\"crop\":32,\"filter\":\"bicubic\",\"pad\":[1,2,3]}",
        j->data, j->bytes, &info, tensor, err);
    *sum = sum_of(tensor, sizeof tensor);
    return status;
}

static ai_status write_recipe(const job *j, uint32_t *sum, ai_error *err)
{
    char *text = NULL;
    ai_status status = ai_task_recipe(j->name, &text, err);
    if (status != AI_OK && text)
        abort();
    *sum = sum_of(text, text ? strlen(text) : 0);
    ai_task_free(text);
    return status;
}

static ai_status answer(const job *j, uint32_t *sum, ai_error *err)
{
    ai_class classes[2] = {{1, 0.75f, j->name}, {2, 0.25f, "b"}};
    char *text = NULL;
    ai_status status = ai_classes_json(classes, 2, &text, err);
    if (status != AI_OK && text)
        abort();
    *sum = sum_of(text, text ? strlen(text) : 0);
    ai_task_free(text);
    return status;
}

static ai_status open_classifier(const job *j, uint32_t *sum, ai_error *err)
{
    ai_model *model = NULL;
    ai_classifier *classifier = NULL;
    ai_status status = ai_model_open(&model, j->name, err);
    if (status == AI_OK)
        status = ai_classifier_open(&classifier, model, NULL, err);
    if (status != AI_OK && classifier)
        abort();
    ai_classifier_close(classifier);
    ai_model_close(model);
    *sum = 0;
    return status;
}

/* Two texts: opening allocates, writing does not. */
static ai_status write_text(const job *j, uint32_t *sum, ai_error *err)
{
    ai_model *model = NULL;
    ai_writer *writer = NULL;
    ai_text_options options = AI_TEXT_OPTIONS_INIT;
    const char *text = "";
    ai_status status = ai_model_open(&model, j->name, err);
    if (status == AI_OK)
        status = ai_writer_open(&writer, model, NULL, err);
    if (status != AI_OK && writer)
        abort();
    *sum = 0;
    for (options.seed = 1; options.seed < 3 && status == AI_OK; options.seed++, text = "") {
        long before = held;
        status = ai_writer_begin(writer, &options, err);
        while (status == AI_OK && text) {
            status = ai_writer_next(writer, &text, NULL, err);
            *sum = *sum * 31 + (status == AI_OK && text ? sum_of(text, strlen(text)) : 0);
        }
        if (held != before)
            abort();
    }
    ai_writer_close(writer);
    ai_model_close(model);
    return status;
}

/* jansson tells a lack of memory within a string as a mistake in the text. */
static int is_no_memory(ai_status status, const ai_error *err)
{
    return status == AI_E_MEMORY ||
           (status == AI_E_FORMAT && strstr(err->message, "recipe is no JSON"));
}

/* Whether each failure is told; libraries may do without some allocations, with the same result. */
static int fail_each(job_fn run, const job *j, const char *what)
{
    ai_error err = {0};
    uint32_t expected;
    int told = 0;
    if (run(j, &expected, &err) != AI_OK) {
        fprintf(stderr, "%s %s: %s\n", what, j->name, err.message);
        return 0;
    }
    for (long n = 0;; n++) {
        long before = held;
        uint32_t sum;
        until_failure = n;
        ai_status status = run(j, &sum, &err);
        int is_over = until_failure >= 0;
        until_failure = -1;
        int is_right = status == AI_OK ? sum == expected : !is_over && is_no_memory(status, &err);
        if (held != before || !is_right) {
            fprintf(stderr, "%s %s: allocation %ld: status %d, %ld blocks kept: %s\n", what,
                    j->name, n + 1, (int)status, held - before, status ? err.message : "");
            return 0;
        }
        told += status != AI_OK;
        if (is_over)
            return told > 0;
    }
}

static int read_file(job *j, const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t data[1 << 16];
    if (!file)
        return 0;
    *j = (job){path, data, fread(data, 1, sizeof data, file)};
    fclose(file);
    return j->bytes > 0;
}

static int test_file(const char *path)
{
    job j = {path, NULL, 0};
    size_t length = strlen(path);
    if (length > 4 && !strcmp(path + length - 4, ".lai"))
        return strstr(path, "text.lai") ? fail_each(write_text, &j, "write")
                                        : fail_each(open_classifier, &j, "open");
    return read_file(&j, path) && fail_each(decode, &j, "decode") &&
           fail_each(prepare, &j, "prepare");
}

int main(int count, char **paths)
{
    /* No number in it is over 16 bytes: without memory to hold more, jansson 2.14 loses digits. */
    job text = {"lite", NULL, 0};
    if (count < 2 || !fail_each(write_recipe, &text, "recipe") ||
        !fail_each(answer, &text, "answer"))
        return 1;
    for (int i = 1; i < count; i++)
        if (!test_file(paths[i]))
            return 1;
    return 0;
}
