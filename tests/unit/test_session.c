/* SPDX-License-Identifier: Apache-2.0
 * Tests of opening and describing sessions: options, the caller's memory, levels. */
#include "session.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ai_status open_with(const ai_model *m, const ai_options *o, ai_error *err)
{
    ai_session *s = (ai_session *)err;
    ai_status status = ai_session_open(&s, m, o, err);
    if (status)
        ck_assert_ptr_eq(s, err);
    else
        ai_session_close(s);
    return status;
}

START_TEST(test_describe)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_session *s;
    size_t bytes;
    ai_session_info info = AI_SESSION_INFO_INIT;
    ai_tensor_info t = AI_TENSOR_INFO_INIT;
    ck_assert_int_eq(ai_session_bytes(m, NULL, &bytes, NULL), AI_OK);
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
    ck_assert_uint_eq(info.memory_bytes, bytes);
    ck_assert_uint_eq(info.step_count, 2);
    ck_assert_uint_eq(info.threads, 1);
    ck_assert_uint_eq(info.state_bytes, 0);
    ck_assert_uint_eq(info.arena_bytes, 64); /* x, y and z in one place */
    ck_assert_uint_eq(info.cpu & ~ai_cpu(), 0);
    ck_assert_int_eq(ai_session_input(s, 0, &t), AI_OK);
    ck_assert_str_eq(t.name, "x");
    ck_assert_uint_eq(t.varies, 0);
    ck_assert_uint_eq(t.bytes, 24);
    ck_assert_int_eq(ai_session_output(s, 0, &t), AI_OK);
    ck_assert_str_eq(t.name, "z");
    ck_assert_int_eq(ai_session_input(s, 1, &t), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_session_output(s, 1, &t), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_session_describe(NULL, &info), AI_E_ARGUMENT);
    ai_session_close(s);
    ai_session_close(NULL);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_arguments)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_session *s;
    size_t bytes;
    ai_error err;
    ai_options o = AI_OPTIONS_INIT;
    const uint32_t none = AI_NO_STEP;
    const uint64_t no = AI_NO_OFFSET;
    ai_session_open(NULL, m, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "session is NULL");
    ai_session_open(&s, NULL, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "model is NULL");
    ai_session_bytes(m, NULL, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "bytes is NULL");
    ai_session_bytes(NULL, NULL, &bytes, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "model is NULL");
    o.size = 4;
    open_with(m, &o, &err);
    ck_error(err, AI_E_ARGUMENT, none, no,
             "ai_options has a size of 4 bytes, its INIT macro sets 48");
    o = (ai_options)AI_OPTIONS_INIT;
    o.flags = 4;
    open_with(m, &o, &err);
    ck_error(err, AI_E_UNSUPPORTED, none, no, "flags 0x4 of ai_options are not known");
    o = (ai_options)AI_OPTIONS_INIT;
    o.threads = 1025;
    open_with(m, &o, &err);
    ck_error(err, AI_E_UNSUPPORTED, none, no,
             "1025 threads are asked for, at most 1024 are possible");
    o = (ai_options)AI_OPTIONS_INIT;
    o.shape_count = 1;
    open_with(m, &o, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "shapes is NULL, shape_count is 1");
    o = (ai_options)AI_OPTIONS_INIT;
    o.memory = file + 8;
    open_with(m, &o, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "memory lies 8 bytes after a multiple of 64");
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_levels)
{
    static const struct {
        uint32_t level;
        const char *name;
    } levels[] = {{AI_CPU_AVX2, "avx2"},
                  {AI_CPU_AVX512, "avx512"},
                  {AI_CPU_VNNI, "vnni"},
                  {AI_CPU_AMX, "amx"},
                  {AI_CPU_NEON, "neon"},
                  {AI_CPU_DOTPROD, "dotprod"},
                  {AI_CPU_OPENBLAS, "openblas"},
                  {AI_CPU_ONEDNN, "onednn"},
                  {1u << 31, "of an unknown number"}};
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    uint32_t missing = 0;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        char message[80];
        ai_error err;
        ai_options o = AI_OPTIONS_INIT;
        o.cpu = levels[i].level;
        if (ai_cpu() & o.cpu) {
            ck_assert_int_eq(open_with(m, &o, &err), AI_OK);
            continue;
        }
        missing++;
        ck_assert_int_eq(open_with(m, &o, &err), AI_E_UNSUPPORTED);
        sprintf(message, "level %s is not on this machine or in this build", levels[i].name);
        ck_error(err, AI_E_UNSUPPORTED, AI_NO_STEP, AI_NO_OFFSET, message);
    }
    ck_assert_uint_gt(missing, 0);
    ai_model_close(m);
    free(file);
}
END_TEST

/* The same number at every level and for every model, shapes given. */
START_TEST(test_bytes_of_levels)
{
    lai *(*const models[])(void) = {lai_small, lai_shapes, lai_conv, lai_states};
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        uint8_t *file;
        ai_model *m = must_open(models[i](), &file);
        size_t first = 0;
        for (uint32_t level = AI_CPU_REF; level <= AI_CPU_DOTPROD; level <<= 1) {
            ai_options o = AI_OPTIONS_INIT;
            size_t bytes;
            o.cpu = (level * 2 - 1) & ai_cpu();
            ck_assert_int_eq(ai_session_bytes(m, &o, &bytes, NULL), AI_OK);
            first = first ? first : bytes;
            ck_assert_uint_eq(bytes, first);
        }
        ai_model_close(m);
        free(file);
    }
}
END_TEST

START_TEST(test_callers_memory)
{
    lai *(*const models[])(void) = {lai_small, lai_shapes, lai_conv, lai_states};
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        uint8_t *file;
        ai_model *m = must_open(models[i](), &file);
        ai_session *s;
        ai_session_info info = AI_SESSION_INFO_INIT;
        ai_options o = AI_OPTIONS_INIT;
        ck_assert_int_eq(ai_session_bytes(m, &o, &o.memory_bytes, NULL), AI_OK);
        /* The block ends where it must: sanitizers watch the byte after it. */
        uint8_t *block = malloc(o.memory_bytes + 64);
        o.memory = block + (64 - (uintptr_t)block % 64);
        ck_assert_int_eq(ai_session_open(&s, m, &o, NULL), AI_OK);
        ck_assert_ptr_eq(s, o.memory);
        ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
        ck_assert_uint_eq(info.memory_bytes, o.memory_bytes);
        ai_session_close(s);
        free(block);
        ai_model_close(m);
        free(file);
    }
}
END_TEST

START_TEST(test_memory_too_small)
{
    lai *(*const models[])(void) = {lai_small, lai_conv};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *file;
        char message[120];
        ai_model *m = must_open(models[i](), &file);
        ai_error err;
        ai_options o = AI_OPTIONS_INIT;
        size_t needed;
        ck_assert_int_eq(ai_session_bytes(m, NULL, &needed, NULL), AI_OK);
        o.memory = aligned_alloc(64, (needed + 63) / 64 * 64);
        for (size_t given = needed - 1; given > 0; given /= 3) {
            o.memory_bytes = given;
            ck_assert_int_eq(open_with(m, &o, &err), AI_E_MEMORY);
            sprintf(message, "memory has %zu bytes, the session takes %zu", given, needed);
            ck_error(err, AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, message);
        }
        o.memory_bytes = needed;
        ck_assert_int_eq(open_with(m, &o, &err), AI_OK);
        free(o.memory);
        ai_model_close(m);
        free(file);
    }
}
END_TEST

START_TEST(test_memory_allocates_nothing)
{
    uint8_t *file;
    ai_model *m = must_open(lai_conv(), &file);
    ai_session *s;
    ai_options o = AI_OPTIONS_INIT;
    ck_assert_int_eq(ai_session_bytes(m, NULL, &o.memory_bytes, NULL), AI_OK);
    o.memory = aligned_alloc(64, (o.memory_bytes + 63) / 64 * 64);
    count_allocations(0);
    ai_status status = ai_session_open(&s, m, &o, NULL);
    ck_assert_uint_eq(allocations(), 0);
    ck_assert_int_eq(status, AI_OK);
    ai_session_close(s);
    free(o.memory);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_steps)
{
    static const char *const kernels[] = {"folded", "folded", "folded", "view"};
    uint8_t *file;
    ai_model *m = must_open(lai_shapes(), &file);
    ai_session *s;
    ai_step_info info = AI_STEP_INFO_INIT;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(ai_session_step(s, i, &info), AI_OK);
        ck_assert_str_eq(info.kernel, kernels[i]);
        ck_assert_uint_eq(info.bytes, 0);
        ck_assert_uint_eq(info.file_end, 0);
    }
    ck_assert_int_eq(ai_session_step(s, 4, &info), AI_OK);
    ck_assert_str_eq(info.op, "Relu");
    ck_assert_uint_eq(info.bytes, 320);
    ck_assert_uint_eq(info.calls, 0);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_file_end)
{
    uint8_t *file;
    ai_model *m = must_open(lai_conv(), &file);
    ai_session *s;
    ai_step_info info = AI_STEP_INFO_INIT;
    ai_model_info model = AI_MODEL_INFO_INIT;
    ai_options o = AI_OPTIONS_INIT;
    o.flags = AI_PRELOAD;
    ck_assert_int_eq(ai_model_describe(m, &model), AI_OK);
    ck_assert_int_eq(ai_session_open(&s, m, &o, NULL), AI_OK);
    ck_assert_int_eq(ai_session_step(s, 0, &info), AI_OK);
    ck_assert_uint_eq(info.file_end, 0);
    ck_assert_int_eq(ai_session_step(s, 1, &info), AI_OK);
    ck_assert_uint_eq(info.file_end, model.file_bytes);
    ck_assert_uint_gt(info.flops, 0);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

static ai_operand_info operand(const ai_session *s, uint32_t step, uint32_t index, uint32_t role,
                               uint32_t place, uint64_t bytes)
{
    ai_operand_info info = AI_OPERAND_INFO_INIT;
    ck_assert_int_eq(ai_session_operand(s, step, index, &info), AI_OK);
    ck_assert_uint_eq(info.role, role);
    ck_assert_uint_eq(info.place, place);
    ck_assert_uint_eq(info.bytes, bytes);
    return info;
}

START_TEST(test_operands)
{
    enum { MAP_BYTES = 2 * 7 * 8 * 16 * 4 }; /* two blocks of 5x6 and their border of one */
    uint8_t *file;
    ai_model *m = must_open(lai_conv(), &file);
    ai_session *s;
    ai_operand_info info = AI_OPERAND_INFO_INIT;
    ai_model_info model = AI_MODEL_INFO_INIT;
    ai_session_info all = AI_SESSION_INFO_INIT;
    ck_assert_int_eq(ai_model_describe(m, &model), AI_OK);
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_session_describe(s, &all), AI_OK);
    ai_operand_info made = operand(s, 0, 1, AI_ROLE_OUTPUT, AI_PLACE_ARENA, MAP_BYTES);
    ai_operand_info x = operand(s, 1, 0, AI_ROLE_INPUT, AI_PLACE_ARENA, MAP_BYTES);
    ai_operand_info w = operand(s, 1, 1, AI_ROLE_INPUT, AI_PLACE_FILE, 32 * 20 * 9 * 4);
    ai_operand_info y = operand(s, 1, 2, AI_ROLE_OUTPUT, AI_PLACE_ARENA, 2 * 5 * 6 * 16 * 4);
    ck_assert_uint_eq(x.tensor, made.tensor);
    ck_assert_uint_eq(x.offset, made.offset);
    ck_assert_uint_eq(x.offset % 64, 0);
    ck_assert(x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset);
    ck_assert_uint_le(x.offset + x.bytes, all.arena_bytes);
    ck_assert_uint_le(y.offset + y.bytes, all.arena_bytes);
    ck_assert_uint_eq(w.offset + w.bytes, model.file_bytes);
    ck_assert_str_eq(w.name, "w");
    ck_assert_uint_eq(w.rank, 4);
    ck_assert_int_eq(w.dim[0], 18);
    ck_assert_int_eq(w.type, AI_F32);
    ck_assert_int_eq(ai_session_operand(s, 1, 4, &info), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_session_operand(s, 3, 0, &info), AI_E_ARGUMENT);
    ck_assert_int_eq(ai_session_operand(NULL, 0, 0, &info), AI_E_ARGUMENT);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

/* A file of 16 MiB of weights, of which this process has touched nothing. */
static ai_model *open_untouched(const char *path)
{
    enum { COUNT = 1 << 22 };
    float *values = calloc(COUNT, sizeof(float));
    lai *f = lai_new("large");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){COUNT});
    uint32_t c = lai_constant(f, "c", AI_F32, AI_LAYOUT_PLAIN, 1, (int64_t[]){COUNT}, values);
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 1, (int64_t[]){COUNT});
    lai_step(f, AI_OP_ADD, "add", NULL, 2, 1, (uint32_t[]){x, c, y});
    lai_output(f, y);
    size_t bytes;
    uint8_t *data = lai_write(f, &bytes);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, bytes, file), bytes);
    ck_assert_int_eq(fclose(file), 0);
    free(data);
    free(values);
    lai_free(f);
    ai_model *m = NULL;
    ai_error err;
    ck_assert_msg(ai_model_open(&m, path, &err) == AI_OK, "%s", err.message);
    return m;
}

/* Bytes of a file that this process has in its tables: touched, or up to 2 MiB next to what was. */
static size_t resident_bytes(const char *path)
{
    char line[512];
    size_t total = 0;
    bool is_here = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long begin, end, kib;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            is_here = strstr(line, path) != NULL;
        else if (is_here && sscanf(line, "Rss: %lu kB", &kib) == 1)
            total += kib * 1024;
    }
    fclose(maps);
    return total;
}

START_TEST(test_preload)
{
    enum { BYTES = 1 << 24 };
    char path[] = "/tmp/ai-unit-XXXXXX";
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    ai_model *m = open_untouched(path);
    ai_options o = AI_OPTIONS_INIT;
    ai_session *s = NULL;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, &o, &err), AI_OK);
    ai_session_close(s);
    ck_assert_uint_lt(resident_bytes(path), BYTES / 2);
    o.flags = AI_PRELOAD;
    ck_assert_int_eq(ai_session_open(&s, m, &o, &err), AI_OK);
    ck_assert_uint_ge(resident_bytes(path), BYTES);
    ai_session_close(s);
    ai_model_close(m);
    unlink(path);
}
END_TEST

Suite *session_suite(void)
{
    Suite *suite = suite_create("session");
    TCase *c = tcase_create("session");
    tcase_add_test(c, test_describe);
    tcase_add_test(c, test_arguments);
    tcase_add_test(c, test_levels);
    tcase_add_test(c, test_bytes_of_levels);
    tcase_add_test(c, test_callers_memory);
    tcase_add_test(c, test_memory_too_small);
    tcase_add_test(c, test_memory_allocates_nothing);
    tcase_add_test(c, test_steps);
    tcase_add_test(c, test_file_end);
    tcase_add_test(c, test_operands);
    tcase_add_test(c, test_preload);
    suite_add_tcase(suite, c);
    return suite;
}
