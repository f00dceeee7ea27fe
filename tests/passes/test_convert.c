/* SPDX-License-Identifier: Apache-2.0
 * Tests of ai_convert_file and ai_self_test: what is written, and that nothing is on failure. */
#include "net.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seeded.h"
#include "small_onnx.h"
#include "text.h"

static char folder[] = "/tmp/ai-convert-XXXXXX";
static char source[64];
static char target[64];
static ai_error err;

/* ---- Files ---- */

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

static int files_in_folder(void)
{
    int count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void setup(void)
{
    small_onnx model = small_onnx_relu("Relu");
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(source, sizeof source, "%s/net.v1.onnx", folder);
    snprintf(target, sizeof target, "%s/net.lai", folder);
    write_file(source, model.data, model.bytes);
    memset(&err, 0, sizeof err);
}

static void teardown(void)
{
    unlink(source);
    unlink(target);
    rmdir(target);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* ---- What is written ---- */

static ai_resource resource(const ai_model *model, const char *name)
{
    ai_resource found = AI_RESOURCE_INIT;
    for (uint32_t i = 0; ai_model_resource(model, i, &found) == AI_OK; i++) {
        if (strcmp(found.name, name) == 0)
            return found;
    }
    ck_abort_msg("no resource '%s'", name);
    return found;
}

START_TEST(file_is_whole)
{
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    const ai_named_data labels = {"labels", "a\nb\n", 4};
    options.resources = &labels;
    options.resource_count = 1;
    options.licence = "Apache-2.0";
    ck_assert_msg(ai_convert_file(source, target, &options, &err) == AI_OK, "%s", err.message);
    ck_assert_int_eq(files_in_folder(), 2);
    ai_model *model = NULL;
    ai_model_info info = AI_MODEL_INFO_INIT;
    ck_assert_int_eq(ai_model_open(&model, target, NULL), AI_OK);
    ck_assert_int_eq(ai_model_verify(model, NULL), AI_OK);
    ck_assert_int_eq(ai_self_test(model, 0, 1, NULL), AI_OK);
    ck_assert_int_eq(ai_model_describe(model, &info), AI_OK);
    ck_assert_str_eq(info.name, "net.v1");
    ai_resource found = resource(model, "labels");
    ck_assert_uint_eq(found.bytes, 4);
    found = resource(model, "metadata");
    ck_assert_ptr_nonnull(strstr(found.data, "\"opset\":13"));
    ck_assert_ptr_nonnull(strstr(found.data, "\"licence\":\"Apache-2.0\""));
    ai_model_close(model);
}
END_TEST

START_TEST(same_source_same_file)
{
    char again[80];
    ai_model *models[2];
    ai_model_info info[2] = {AI_MODEL_INFO_INIT, AI_MODEL_INFO_INIT};
    snprintf(again, sizeof again, "%s.again", target);
    ck_assert_int_eq(ai_convert_file(source, target, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_convert_file(source, again, NULL, NULL), AI_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(ai_model_open(&models[i], i == 0 ? target : again, NULL), AI_OK);
        ai_model_describe(models[i], &info[i]);
        ai_model_close(models[i]);
    }
    ck_assert_mem_eq(info[0].digest, info[1].digest, 32);
    unlink(again);
}
END_TEST

/* ---- What is not ---- */

static void expect_failure(const ai_convert_options *options, const char *in, const char *out,
                           ai_status status, const char *part)
{
    int before = files_in_folder();
    memset(&err, 0, sizeof err);
    ck_assert_int_eq(ai_convert_file(in, out, options, &err), status);
    ck_assert_int_eq(err.code, status);
    ck_assert_msg(strstr(err.message, part) != NULL, "'%s' lacks '%s'", err.message, part);
    ck_assert_int_eq(files_in_folder(), before);
}

START_TEST(source_is_missing)
{
    unlink(source);
    expect_failure(NULL, source, target, AI_E_IO, "");
    expect_failure(NULL, NULL, target, AI_E_ARGUMENT, "source path is missing");
    expect_failure(NULL, source, NULL, AI_E_ARGUMENT, "output path is missing");
}
END_TEST

START_TEST(what_was_there_stays)
{
    char kept[8] = {0};
    small_onnx model = small_onnx_relu("NoSuch");
    write_file(target, "before", 6);
    write_file(source, model.data, model.bytes);
    expect_failure(NULL, source, target, AI_E_UNSUPPORTED, "NoSuch");
    write_file(source,
               "\x7f"
               "ELF, not a model",
               17);
    expect_failure(NULL, source, target, AI_E_FORMAT, "");
    FILE *file = fopen(target, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(kept, 1, sizeof kept, file), 6);
    fclose(file);
    ck_assert_str_eq(kept, "before");
}
END_TEST

START_TEST(target_cannot_be_written)
{
    char path[128];
    snprintf(path, sizeof path, "%s/none/net.lai", folder);
    expect_failure(NULL, source, path, AI_E_IO, "cannot be created: No such file");
    ck_assert_int_eq(mkdir(target, 0777), 0);
    expect_failure(NULL, source, target, AI_E_IO, "is there and not a regular file");
    expect_failure(NULL, source, "/dev/null", AI_E_IO, "output is there and not a regular");
}
END_TEST

START_TEST(source_is_not_replaced)
{
    char link[64];
    snprintf(link, sizeof link, "%s/link", folder);
    expect_failure(NULL, source, source, AI_E_ARGUMENT, "output is the model that is read");
    ck_assert_int_eq(symlink(source, link), 0);
    expect_failure(NULL, source, link, AI_E_ARGUMENT, "output is the model that is read");
    ck_assert_int_eq(unlink(link), 0);
}
END_TEST

START_TEST(link_is_written_through)
{
    char link[64];
    struct stat found;
    snprintf(link, sizeof link, "%s/link", folder);
    ck_assert_int_eq(symlink("net.lai", link), 0);
    expect_failure(NULL, source, link, AI_E_IO, "output is a symbolic link that leads to no file");
    write_file(target, "before", 6);
    ck_assert_msg(ai_convert_file(source, link, NULL, &err) == AI_OK, "%s", err.message);
    ck_assert_int_eq(lstat(link, &found), 0);
    ck_assert(S_ISLNK(found.st_mode));
    ck_assert_int_eq(stat(target, &found), 0);
    ck_assert_int_gt(found.st_size, 6);
    ck_assert_int_eq(unlink(link), 0);
}
END_TEST

START_TEST(name_may_be_long)
{
    char path[320];
    char name[256] = {0};
    memset(name, 'n', 255);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_msg(ai_convert_file(source, path, NULL, &err) == AI_OK, "%s", err.message);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(options_are_checked)
{
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    ai_named_data data[2] = {{"self-test", "x", 1}, {"a", "x", 1}};
    options.flags = 0x100;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "flags 0x100, known are 0xf");
    options.flags = AI_CONVERT_F16_WEIGHTS | AI_CONVERT_S8_WEIGHTS;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "weights are to be both f16 and s8");
    options.flags = 0;
    options.size = 2;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "size 2");
    options.size = sizeof options;
    options.resources = data;
    options.resource_count = 2;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "'self-test' is written by");
    data[0].name = "a";
    expect_failure(&options, source, target, AI_E_ARGUMENT, "'a' is given twice");
    data[0] = (ai_named_data){"b", NULL, 1};
    expect_failure(&options, source, target, AI_E_ARGUMENT, "resource 0 has no name or no data");
    options.resource_count = 100000;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "100000 resources, at most");
}
END_TEST

START_TEST(names_are_utf8)
{
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    const ai_named_data data = {"caf\xe9", "x", 1};
    char path[80];
    ai_model *model = NULL;
    ai_model_info info = AI_MODEL_INFO_INIT;
    options.name = data.name;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "name of the model is not UTF-8");
    options.name = NULL;
    options.resources = &data;
    options.resource_count = 1;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "name of resource 0 is not UTF-8");
    snprintf(path, sizeof path, "%s/caf\xe9-\xc3\xa9.onnx", folder);
    ck_assert_int_eq(rename(source, path), 0);
    ck_assert_msg(ai_convert_file(path, target, NULL, &err) == AI_OK, "%s", err.message);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(ai_model_open(&model, target, NULL), AI_OK);
    ck_assert_int_eq(ai_model_describe(model, &info), AI_OK);
    ck_assert_str_eq(info.name, "caf\xef\xbf\xbd-\xc3\xa9");
    ai_model_close(model);
}
END_TEST

START_TEST(lists_are_checked)
{
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    const ai_named_shape shape = {.rank = 2, .dim = {2, 3}};
    const char *const outputs[1] = {NULL};
    const ai_named_data data = {NULL, "x", 1};
    options.shape_count = 1;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "shapes is NULL, shape_count is 1");
    options.shapes = &shape;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "shape 0 has no name");
    options = (ai_convert_options)AI_CONVERT_OPTIONS_INIT;
    options.output_count = 1;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "outputs is NULL, output_count is 1");
    options.outputs = outputs;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "output 0 has no name");
    options = (ai_convert_options)AI_CONVERT_OPTIONS_INIT;
    options.resource_count = 1;
    expect_failure(&options, source, target, AI_E_ARGUMENT,
                   "resources is NULL, resource_count is 1");
    options.resources = &data;
    expect_failure(&options, source, target, AI_E_ARGUMENT, "resource 0 has no name or no data");
}
END_TEST

typedef struct stop {
    const char *part;
    int calls;
} stop;

static int32_t stop_at(void *user, const char *part, uint64_t done, uint64_t total)
{
    stop *s = user;
    ck_assert_uint_le(done, total);
    bool is_here = s->part != NULL && strcmp(part, s->part) == 0;
    s->calls += s->part == NULL || is_here;
    return is_here;
}

START_TEST(caller_may_stop)
{
    static const char *const parts[] = {"read", "fold", "pack", "self-test", "write", "check"};
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    stop s = {parts[_i], 0};
    options.progress = stop_at;
    options.user = &s;
    expect_failure(&options, source, target, AI_E_STOPPED, "");
    ck_assert_int_eq(s.calls, 1);
    s = (stop){NULL, 0};
    ck_assert_int_eq(ai_convert_file(source, target, &options, NULL), AI_OK);
    ck_assert_int_gt(s.calls, 5);
}
END_TEST

static ai_status refuse(void *user, const ai_model *model, ai_error *error)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ck_assert_int_eq(ai_model_describe(model, &info), AI_OK);
    ck_assert_uint_eq(info.input_count, 1);
    *(int *)user += 1;
    return ai_fail(error, AI_E_VALUE, "not to my taste");
}

START_TEST(caller_may_check)
{
    ai_convert_options options = AI_CONVERT_OPTIONS_INIT;
    int calls = 0;
    options.check = refuse;
    options.user = &calls;
    expect_failure(&options, source, target, AI_E_VALUE, "not to my taste");
    ck_assert_int_eq(calls, 1);
}
END_TEST

/* ---- Self-tests ---- */

/* A model y = -x of two numbers with that self-test. */
static ai_model *model_with(const char *self_test, void **file)
{
    ai_graph *graph = ai_graph_new();
    ai_model *model = NULL;
    size_t bytes = 0;
    graph->name = "net";
    int32_t x = net_input(graph, "x", DIMS(2), 0);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_NEG, x, AI_NO_VALUE));
    net_infer(graph);
    ai_resource_data data = {"self-test", self_test, self_test == NULL ? 0 : strlen(self_test)};
    ck_assert_int_eq(ai_flat_write(graph, &data, self_test == NULL ? 0 : 1, file, &bytes, NULL),
                     AI_OK);
    ck_assert_int_eq(ai_model_view(&model, *file, bytes, NULL), AI_OK);
    ai_graph_free(graph);
    return model;
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

START_TEST(damaged_self_tests)
{
    static const struct {
        const char *json;
        ai_status status;
        const char *message;
    } cases[] = {
        {NULL, AI_E_FORMAT, "the file has no self-test"},
        {"", AI_E_FORMAT, "the self-test has no seed"},
        {"{\"seed\":x}", AI_E_FORMAT, "the self-test has no seed"},
        {"{\"seed\":99999999999999999999}", AI_E_FORMAT, "the self-test has no seed"},
        {"{\"seed\":1,\"integers\":1}", AI_E_FORMAT, "the self-test has 'integers' other than 0"},
        {"{\"seed\":1}", AI_E_FORMAT, "the self-test has 0 digests, the model has 1 outputs"},
        {"{\"seed\":1,\"sha256\":\"00", AI_E_FORMAT, "digest 0 of the self-test is not 64 hex"},
        {"{\"seed\":1,\"sha256\":\"" ZEROS "\",\"sha256\":\"" ZEROS "\"}", AI_E_FORMAT,
         "the self-test has over 1 digests"},
        {"{\"seed\":1,\"sha256\":\"" ZEROS "\"}", AI_E_INTERNAL,
         "output 'y' is the same at levels"},
    };
    void *file = NULL;
    ai_model *model = model_with(cases[_i].json, &file);
    ck_assert_int_eq(ai_self_test(model, AI_CPU_REF, 1, &err), cases[_i].status);
    ck_assert_msg(strstr(err.message, cases[_i].message) != NULL, "%s", err.message);
    ai_model_close(model);
    free(file);
}
END_TEST

START_TEST(self_test_levels)
{
    void *file = NULL;
    char *json = NULL;
    ai_model *model = model_with(NULL, &file);
    ck_assert_int_eq(ai_self_test_make(model, 7, NULL, &json, &err), AI_OK);
    ai_model_close(model);
    free(file);
    model = model_with(json, &file);
    ck_assert_int_eq(ai_self_test(model, 0, 0, NULL), AI_OK);
    ck_assert_int_eq(ai_self_test(model, 1u << 30, 0, &err), AI_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "none of the levels asked for (0x40000000)"));
    ck_assert_int_eq(ai_self_test(NULL, 0, 0, &err), AI_E_ARGUMENT);
    ai_model_close(model);
    free(file);
    free(json);
}
END_TEST

/* Each level of a mask is run, the weakest first: one call is as good as a call for each. */
START_TEST(self_test_runs_each_level)
{
    uint32_t masks[32];
    uint32_t all = ai_cpu() & (AI_CPU_OPENBLAS - 1u);
    uint32_t seen = 0;
    uint32_t count = ai_seeded_levels(0, masks);
    void *file = NULL;
    ai_model *model = model_with("{\"seed\":1,\"sha256\":\"" ZEROS "\"}", &file);
    for (uint32_t i = 0; i < count; i++) {
        char wanted[64];
        uint32_t level = masks[i] & ~seen;
        ck_assert_msg(level != 0 && (level & (level - 1)) == 0, "mask %u: 0x%x", i, masks[i]);
        seen |= level;
        ck_assert_uint_eq(masks[i], seen);
        snprintf(wanted, sizeof wanted, "same at levels %s and ref", ai_seeded_level_name(level));
        uint32_t stronger = all & ~(level - 1);
        ck_assert_int_eq(ai_self_test(model, stronger, 1, &err), AI_E_INTERNAL);
        ck_assert_msg(strstr(err.message, wanted) != NULL, "%s", err.message);
    }
    ck_assert_uint_eq(seen, all);
    ai_model_close(model);
    free(file);
}
END_TEST

/* The self-test of y = Gather(data, index), the index drawn, the data a constant of `rows` rows. */
static ai_status gather_self_test(int64_t rows, char **json, ai_error *error)
{
    ai_graph *graph = ai_graph_new();
    ai_model *model = NULL;
    void *file = NULL;
    size_t bytes = 0;
    ai_axis_params params = {0};
    graph->name = "net";
    int32_t index = net_input(graph, "index", DIMS(8), 0);
    graph->values[index].type = AI_S64;
    int32_t operands[2] = {net_random(graph, "data", 1, 5, 6, DIMS(rows, 3)), index};
    int32_t output = ai_graph_value(graph, "y", AI_F32);
    ai_graph_add(graph, "gather", AI_OP_GATHER, &params, sizeof params, operands, 2, &output, 1);
    ai_graph_output(graph, output);
    net_infer(graph);
    ck_assert_int_eq(ai_flat_write(graph, NULL, 0, &file, &bytes, NULL), AI_OK);
    ck_assert_int_eq(ai_model_view(&model, file, bytes, NULL), AI_OK);
    ai_status status = ai_self_test_make(model, 1, NULL, json, error);
    ai_model_close(model);
    free(file);
    if (status == AI_OK) { /* and it is read as it was written */
        ai_resource_data data = {"self-test", *json, strlen(*json)};
        ck_assert_int_eq(ai_flat_write(graph, &data, 1, &file, &bytes, NULL), AI_OK);
        ck_assert_int_eq(ai_model_view(&model, file, bytes, NULL), AI_OK);
        ck_assert_msg(ai_self_test(model, 0, 1, error) == AI_OK, "%s", error->message);
        ai_model_close(model);
        free(file);
    }
    ai_graph_free(graph);
    return status;
}

START_TEST(self_test_of_indices)
{
    char *json = NULL;
    ck_assert_int_eq(gather_self_test(2, &json, &err), AI_OK);
    ck_assert_ptr_null(strstr(json, "integers"));
    free(json);
    ck_assert_int_eq(gather_self_test(1, &json, &err), AI_OK);
    ck_assert_msg(strstr(json, "{\"seed\":1,\"integers\":0,\"outputs\":[") == json, "%s", json);
    free(json);
    json = NULL;
    ck_assert_int_eq(gather_self_test(0, &json, &err), AI_E_VALUE);
    ck_assert_msg(strstr(err.message, "no self-test can be made, with integer inputs drawn or 0: "
                                      "Gather 'gather': ") == err.message,
                  "%s", err.message);
    ck_assert_uint_eq(err.step, 0);
    ck_assert_int_eq(gather_self_test(0, &json, NULL), AI_E_VALUE);
    ck_assert_ptr_null(json);
}
END_TEST

START_TEST(strings_are_json)
{
    ai_text text = {0};
    ai_text_quote(&text, "a\"\\\n\x7f \xc3\xa9 \xff\xc0\xaf \xed\xa0\x80 \xf0\x9f\x8e\x89");
    ck_assert_str_eq(text.data, "\"a\\\"\\\\\\u000a\\u007f \xc3\xa9 \\ufffd\\ufffd\\ufffd "
                                "\\ufffd\\ufffd\\ufffd \xf0\x9f\x8e\x89\"");
    free(text.data);
}
END_TEST

/* The file's weights lie in the order of their use, each constant once. */
START_TEST(weights_in_order_of_use)
{
    ai_graph *graph = ai_graph_new();
    void *file = NULL;
    size_t bytes = 0;
    graph->name = "net";
    int32_t b = net_random(graph, "b", 1, 5, 6, DIMS(3));
    int32_t a = net_random(graph, "a", 2, 7, 8, DIMS(3));
    int32_t x = net_input(graph, "x", DIMS(3), 0);
    int32_t s = net_op(graph, "s", AI_OP_ADD, x, a);
    int32_t t = net_op(graph, "t", AI_OP_MUL, s, b);
    ai_graph_output(graph, net_op(graph, "y", AI_OP_ADD, t, a));
    net_infer(graph);
    ck_assert_int_eq(ai_flat_write(graph, NULL, 0, &file, &bytes, NULL), AI_OK);
    ck_assert_uint_eq(bytes % 4096, 64 + 12);
    const char *weights = (const char *)file + bytes - (64 + 12);
    ck_assert_mem_eq(weights, graph->values[a].data, 12);
    ck_assert_mem_eq(weights + 64, graph->values[b].data, 12);
    free(file);
    ai_graph_free(graph);
}
END_TEST

Suite *convert_suite(void)
{
    Suite *suite = suite_create("convert");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, file_is_whole);
    tcase_add_test(files, same_source_same_file);
    tcase_add_test(files, source_is_missing);
    tcase_add_test(files, what_was_there_stays);
    tcase_add_test(files, target_cannot_be_written);
    tcase_add_test(files, source_is_not_replaced);
    tcase_add_test(files, link_is_written_through);
    tcase_add_test(files, name_may_be_long);
    tcase_add_test(files, options_are_checked);
    tcase_add_test(files, lists_are_checked);
    tcase_add_test(files, names_are_utf8);
    tcase_add_test(files, caller_may_check);
    tcase_add_loop_test(files, caller_may_stop, 0, 6);
    suite_add_tcase(suite, files);
    TCase *memory = tcase_create("memory");
    tcase_add_loop_test(memory, damaged_self_tests, 0, 9);
    tcase_add_test(memory, self_test_levels);
    tcase_add_test(memory, self_test_of_indices);
    tcase_add_test(memory, self_test_runs_each_level);
    tcase_add_test(memory, strings_are_json);
    tcase_add_test(memory, weights_in_order_of_use);
    suite_add_tcase(suite, memory);
    return suite;
}
