/* SPDX-License-Identifier: Apache-2.0
 * Lets the converter's allocations fail one by one: AI_E_MEMORY each time, and no file is left. */
#include "net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "quantise/quantise.h"
#include "small_onnx.h"

/* The linker leads the converter's calls here (meson.build). */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *data, size_t bytes);
int __real_posix_memalign(void **data, size_t align, size_t bytes);
/* In a sanitizer's build the linker sees calls of libai.so, too, as calls of these. */
#define SEEN __attribute__((visibility("default")))
SEEN void *__wrap_malloc(size_t bytes);
SEEN void *__wrap_calloc(size_t count, size_t bytes);
SEEN void *__wrap_realloc(void *data, size_t bytes);
SEEN int __wrap_posix_memalign(void **data, size_t align, size_t bytes);

static long left = -1; /* allocations until one fails; negative: none does */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *data, size_t bytes)
{
    return fails() ? NULL : __real_realloc(data, bytes);
}

int __wrap_posix_memalign(void **data, size_t align, size_t bytes)
{
    return fails() ? 12 : __real_posix_memalign(data, align, bytes);
}

/* A graph in which every pass has something to do. */
static ai_graph *busy_graph(void)
{
    ai_graph *graph = ai_graph_new();
    graph->name = "net";
    int32_t x = net_input(graph, "x", DIMS(1, 3, 8, 8), 1);
    int32_t a = net_conv(graph, "a", x, 16, 3, 1, 1, 1, true);
    int32_t norm = net_batch_norm(graph, "norm", a, 16);
    int32_t relu = net_op(graph, "relu", AI_OP_RELU, norm, AI_NO_VALUE);
    int32_t b = net_conv(graph, "b", relu, 16, 1, 1, 0, 1, false);
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, b, relu);
    int32_t copy = net_op(graph, "copy", AI_OP_IDENTITY, sum, AI_NO_VALUE);
    int32_t pool = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, copy, AI_NO_VALUE);
    ai_axis_params flat = {.axis = 1};
    int32_t row = net_node(graph, "row", AI_OP_FLATTEN, &flat, sizeof flat, AI_F32, 1, &pool);
    int32_t w = net_random(graph, "w", 1, -1, 1, DIMS(10, 16));
    int32_t half = net_op(graph, "half", AI_OP_NEG, w, AI_NO_VALUE);
    ai_graph_output(graph, net_gemm(graph, "y", row, half, AI_NO_VALUE,
                                    (ai_gemm_params){.alpha = 2, .beta = 1, .trans_b = 1}));
    ai_graph_output(graph, sum);
    return graph;
}

static ai_status run_all(ai_graph *graph, void **file, ai_error *err)
{
    size_t bytes = 0;
    ai_status status = ai_graph_infer(graph, err);
    for (uint32_t i = 0; i < ai_pass_count && status == AI_OK; i++)
        status = ai_passes[i].run(graph, err);
    return status == AI_OK ? ai_flat_write(graph, NULL, 0, file, &bytes, err) : status;
}

START_TEST(passes_without_memory)
{
    ai_status status = AI_E_MEMORY;
    for (long n = 0; status != AI_OK; n++) {
        void *file = NULL;
        ai_error err = {0};
        ai_graph *graph = busy_graph();
        left = n;
        status = run_all(graph, &file, &err);
        left = -1;
        if (status != AI_OK) {
            ck_assert_msg(status == AI_E_MEMORY, "allocation %ld: %s", n, err.message);
            ck_assert_int_eq(err.code, AI_E_MEMORY);
            ck_assert_ptr_null(file);
        }
        ck_assert_int_lt(n, 10000);
        free(file);
        ai_graph_free(graph);
    }
}
END_TEST

static ai_status fill_sample(void *user, size_t sample, const ai_tensor_info *inputs,
                             void *const *data, uint32_t input_count, ai_error *err)
{
    (void)user;
    (void)err;
    for (uint32_t i = 0; i < input_count; i++) {
        float *to = data[i];
        for (uint64_t k = 0; k < inputs[i].bytes / sizeof *to; k++)
            to[k] = (float)((k + sample) % 7) - 3;
    }
    return AI_OK;
}

static ai_status go_on(const void *job, const char *part, uint64_t done, uint64_t total,
                       ai_error *err)
{
    (void)job;
    (void)part;
    (void)err;
    return done < total ? AI_OK : AI_E_INTERNAL;
}

/* From samples to the resource; the resource goes to *text. */
static ai_status quantise_all(const ai_quantise_options *options, long fails_at, char **text,
                              ai_error *err)
{
    ai_calibration c = {.options = *options, .progress = go_on};
    ai_graph *graph = busy_graph();
    void *file = NULL;
    left = fails_at;
    graph->calibration = &c;
    ai_status status = run_all(graph, &file, err);
    if (status == AI_OK)
        status = ai_calibration_finish(&c, graph, err);
    if (status == AI_OK && text != NULL)
        *text = strdup(c.json.data);
    left = -1;
    ai_calibration_release(&c);
    ai_graph_free(graph);
    free(file);
    return status;
}

static void fail_one_by_one(const ai_quantise_options *options)
{
    ai_status status = AI_E_MEMORY;
    for (long n = 0; status != AI_OK; n++) {
        ai_error err = {0};
        status = quantise_all(options, n, NULL, &err);
        ck_assert_msg(status == AI_OK || status == AI_E_MEMORY, "allocation %ld: %s", n,
                      err.message);
        ck_assert_int_lt(n, 100000);
    }
}

/* A graph this small is not worth it: the recipe is told that it is. */
static char *all_int8(const char *text)
{
    static const char from[] = "\"form\":\"f32\"";
    char *to = calloc(2, strlen(text) + 1);
    ck_assert_ptr_nonnull(to);
    int count = 0;
    for (const char *at = strstr(text, from); at != NULL; at = strstr(text, from), count++) {
        strncat(to, text, (size_t)(at - text));
        strcat(to, "\"form\":\"int8\"");
        text = at + strlen(from);
    }
    ck_assert_int_gt(count, 0);
    return strcat(to, text);
}

START_TEST(quantising_without_memory)
{
    ai_quantise_options options = AI_QUANTISE_OPTIONS_INIT;
    ai_error err = {0};
    char *text = NULL;
    options.sample = fill_sample;
    options.sample_count = 2;
    ck_assert_msg(quantise_all(&options, -1, &text, &err) == AI_OK, "%s", err.message);
    fail_one_by_one(&options);
    ai_quantise_options again = AI_QUANTISE_OPTIONS_INIT;
    char *forced = all_int8(text);
    again.recipe = forced;
    again.recipe_bytes = strlen(forced);
    fail_one_by_one(&again);
    free(forced);
    free(text);
}
END_TEST

START_TEST(conversion_without_memory)
{
    char source[] = "/tmp/ai-exhaustion-XXXXXX";
    char target[64];
    int descriptor = mkstemp(source);
    ai_status status = AI_E_MEMORY;
    ck_assert_int_ge(descriptor, 0);
    small_onnx model = small_onnx_relu("Relu");
    ck_assert_int_eq(write(descriptor, model.data, model.bytes), (long)model.bytes);
    close(descriptor);
    snprintf(target, sizeof target, "%s.lai", source);
    for (long n = 0; status != AI_OK; n++) {
        ai_error err = {0};
        left = n;
        status = ai_convert_file(source, target, NULL, &err);
        left = -1;
        if (status != AI_OK) {
            ck_assert_msg(status == AI_E_MEMORY, "allocation %ld: %s", n, err.message);
            ck_assert_int_ne(access(target, F_OK), 0);
        }
        ck_assert_int_lt(n, 10000);
    }
    unlink(source);
    ck_assert_int_eq(unlink(target), 0);
}
END_TEST

Suite *exhaustion_suite(void)
{
    Suite *suite = suite_create("exhaustion");
    TCase *tests = tcase_create("exhaustion");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, passes_without_memory);
    tcase_add_test(tests, quantising_without_memory);
    tcase_add_test(tests, conversion_without_memory);
    suite_add_tcase(suite, tests);
    return suite;
}
