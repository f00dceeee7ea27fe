/* SPDX-License-Identifier: Apache-2.0
 * Tests of opening, describing and verifying models. */
#include "model.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/ai-unit-XXXXXX";
static char path[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/ai-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    sprintf(path, "%s/m.lai", folder);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void write_file(const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_io(const char *name, ai_status code, uint64_t offset, const char *message)
{
    ai_error err = UNTOUCHED;
    ai_model *m = NULL;
    ck_assert_int_eq(ai_model_open(&m, name, &err), code);
    ck_error(err, code, AI_NO_STEP, offset, message);
    ck_assert_ptr_null(m);
}

START_TEST(test_open)
{
    size_t bytes;
    lai *f = lai_small();
    uint8_t *data = lai_write(f, &bytes);
    ai_model *m;
    ai_error err = UNTOUCHED;
    make_folder();
    write_file(data, bytes);
    ck_assert_int_eq(ai_model_open(&m, path, &err), AI_OK);
    ck_assert_int_eq(err.code, 77);
    ck_assert_int_eq(ai_model_verify(m, NULL), AI_OK);
    ai_model_close(m);
    remove_folder();
    free(data);
    lai_free(f);
}
END_TEST

START_TEST(test_not_a_file)
{
    make_folder();
    expect_io(path, AI_E_IO, AI_NO_OFFSET, "file cannot be opened: no such file");
    expect_io(folder, AI_E_IO, AI_NO_OFFSET, "path is a directory, a model file is needed");
    write_file("", 0);
    expect_io(path, AI_E_FORMAT, 0, "file is empty, a model is needed");
    write_file("PK\3\4", 4);
    expect_io(path, AI_E_FORMAT, 0, "not a libai model: the magic number is missing");
    write_file(AI_FILE_MAGIC, 8);
    expect_io(path, AI_E_FORMAT, 8, "cut off after 8 bytes, a header has 128");
    strcat(path, "/x");
    expect_io(path, AI_E_IO, AI_NO_OFFSET,
              "file cannot be opened: a part of the path is not a directory");
    path[strlen(path) - 2] = 0;
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_io(path, AI_E_IO, AI_NO_OFFSET, "file is not a regular one, which mapping needs");
    remove_folder();
}
END_TEST

START_TEST(test_arguments)
{
    static _Alignas(64) const uint8_t data[128] = {0};
    ai_model *m = NULL;
    ai_error err;
    ai_model_open(NULL, "x", &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "model is NULL");
    ai_model_open(&m, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "path is NULL");
    ai_model_view(NULL, data, 128, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "model is NULL");
    ai_model_view(&m, NULL, 128, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "data is NULL");
    ai_model_view(&m, data + 8, 120, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET,
             "data lies 8 bytes after a multiple of 64");
    ai_model_view(&m, data, 0, &err);
    ck_error(err, AI_E_FORMAT, AI_NO_STEP, 0, "the model has no bytes");
    ai_model_verify(NULL, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "model is NULL");
    ai_model_close(NULL);
    ck_assert_ptr_null(m);
}
END_TEST

START_TEST(test_describe)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_tensor_info t = AI_TENSOR_INFO_INIT;
    ai_resource r = AI_RESOURCE_INIT;
    ck_assert_int_eq(ai_model_describe(m, &info), AI_OK);
    ck_assert_uint_eq(info.size, sizeof(info));
    ck_assert_uint_eq(info.format_version, 1);
    ck_assert_uint_eq(info.input_count, 1);
    ck_assert_uint_eq(info.output_count, 1);
    ck_assert_uint_eq(info.step_count, 2);
    ck_assert_uint_eq(info.resource_count, 1);
    ck_assert_uint_eq(info.file_bytes, 4096 + 12);
    ck_assert_uint_eq(info.weight_bytes, 12);
    ck_assert_str_eq(info.name, "small");
    ck_assert_mem_eq(info.digest, file + 96, 32);
    ck_assert_int_eq(ai_model_input(m, 0, &t), AI_OK);
    ck_assert_str_eq(t.name, "x");
    ck_assert_int_eq(t.type, AI_F32);
    ck_assert_uint_eq(t.rank, 2);
    ck_assert_uint_eq(t.varies, 1);
    ck_assert_int_eq(t.dim[0], 2);
    ck_assert_int_eq(t.dim[1], 3);
    ck_assert_uint_eq(t.bytes, 24);
    ck_assert_int_eq(ai_model_output(m, 0, &t), AI_OK);
    ck_assert_str_eq(t.name, "z");
    ck_assert_int_eq(ai_model_resource(m, 0, &r), AI_OK);
    ck_assert_str_eq(r.name, "labels");
    ck_assert_uint_eq(r.bytes, 8);
    ck_assert_mem_eq(r.data, "cat\ndog\n", 8);
    ck_assert_int_eq(ai_model_input(m, 1, &t), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_model_output(m, 1, &t), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_model_resource(m, 1, &r), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_model_describe(NULL, &info), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_model_describe(m, NULL), AI_E_ARGUMENT);
    ai_model_close(m);
    free(file);
}
END_TEST

/* A caller of another version has a shorter or a longer struct. */
START_TEST(test_sizes)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    struct {
        ai_model_info info;
        uint64_t added;
    } newer = {AI_MODEL_INFO_INIT, 99};
    ai_model_info older = {.size = 12, .output_count = 99};
    newer.info.size = sizeof(newer);
    ck_assert_int_eq(ai_model_describe(m, &newer.info), AI_OK);
    ck_assert_uint_eq(newer.info.size, sizeof(newer));
    ck_assert_uint_eq(newer.info.step_count, 2);
    ck_assert_uint_eq(newer.added, 0);
    ck_assert_int_eq(ai_model_describe(m, &older), AI_OK);
    ck_assert_uint_eq(older.size, 12);
    ck_assert_uint_eq(older.input_count, 1);
    ck_assert_uint_eq(older.output_count, 99);
    older.size = 0;
    ck_assert_int_eq(ai_model_describe(m, &older), AI_E_ARGUMENT);
    ai_model_close(m);
    free(file);
}
END_TEST

/* Weights and resources are read by ai_model_verify alone. */
START_TEST(test_verify)
{
    ai_error err;
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    uint64_t at = m->sections[5].offset;
    file[at] ^= 1;
    ck_assert_int_eq(ai_model_verify(m, &err), AI_E_FORMAT);
    ck_error(err, AI_E_FORMAT, AI_NO_STEP, at, "resource 'labels' does not match its checksum");
    file[at] ^= 1;
    file[4096 + 11] ^= 0x80;
    ck_assert_int_eq(ai_model_verify(m, &err), AI_E_FORMAT);
    ck_error(err, AI_E_FORMAT, AI_NO_STEP, 4096, "section weights does not match its checksum");
    file[4096 + 11] ^= 0x80;
    ck_assert_int_eq(ai_model_verify(m, &err), AI_OK);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_version)
{
    ck_assert_uint_eq(ai_version(), AI_VERSION);
    ck_assert_uint_ne(ai_cpu() & AI_CPU_REF, 0);
}
END_TEST

Suite *model_suite(void)
{
    Suite *suite = suite_create("model");
    TCase *c = tcase_create("model");
    tcase_add_test(c, test_open);
    tcase_add_test(c, test_not_a_file);
    tcase_add_test(c, test_arguments);
    tcase_add_test(c, test_describe);
    tcase_add_test(c, test_sizes);
    tcase_add_test(c, test_verify);
    tcase_add_test(c, test_version);
    suite_add_tcase(suite, c);
    return suite;
}
