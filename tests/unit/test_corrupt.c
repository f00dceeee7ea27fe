/* SPDX-License-Identifier: Apache-2.0
 * Tests of damaged files: each byte flipped and each truncation of a file of four kilobytes, with
 * the checksums as they were and put right, opened and run; and most of larger ones. Sanitizers
 * watch. */
#include "unit.h"

#include <stdlib.h>

static lai *(*const models[])(void) = {lai_resources, lai_shapes, lai_conv, lai_states};
enum { MODEL_COUNT = 4, TABLES = 4096 };

static const uint8_t masks[] = {0x01, 0x80, 0xFF, 0x12};

/* Opens a file and, if it opens, runs it under limits; the status of opening it. */
static ai_status try_file(const uint8_t *file, size_t bytes)
{
    static uint8_t memory[1 << 20] __attribute__((aligned(64)));
    static float data[1 << 14];
    ai_model *m = NULL;
    ai_session *s = NULL;
    ai_error err = UNTOUCHED;
    ai_view in[4];
    ai_buffer out[4];
    ai_options o = AI_OPTIONS_INIT;
    ai_call call = AI_CALL_INIT;
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_status status = ai_model_view(&m, file, bytes, &err);
    ck_assert_int_eq(err.code, status ? status : 77);
    if (status)
        return status;
    ck_assert_int_eq(ai_model_describe(m, &info), AI_OK);
    o.memory = memory;
    o.memory_bytes = sizeof(memory);
    call.timeout_ns = 10000000;
    if (info.input_count <= 4 && info.output_count <= 4 &&
        ai_session_open(&s, m, &o, &err) == AI_OK) {
        for (uint32_t i = 0; i < info.input_count; i++) {
            ai_tensor_info t = AI_TENSOR_INFO_INIT;
            ai_session_input(s, i, &t);
            in[i] = (ai_view){data, t.bytes};
        }
        for (uint32_t i = 0; i < info.output_count; i++)
            out[i] = (ai_buffer){NULL, 0};
        bool fits = info.input_count == 0 || in[0].bytes <= sizeof(data);
        if (fits)
            ai_infer(s, in, info.input_count, out, info.output_count, &call, &err);
        ai_session_close(s);
    }
    ai_model_close(m);
    return AI_OK;
}

static uint8_t *copy(const uint8_t *file, size_t bytes)
{
    uint8_t *to = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memcpy(to, file, bytes);
    return to;
}

/* Every byte of a small file; of a larger one's weights, which are all alike, some. */
static bool is_tried(size_t at, size_t bytes)
{
    return bytes < TABLES + 1024 || at < TABLES + 64 || at % 97 == 0;
}

/* Without new checksums every flip is refused but those of weights and resources, which
 * ai_model_verify finds. */
START_TEST(test_flip)
{
    size_t bytes;
    lai *f = models[_i]();
    uint8_t *file = lai_write(f, &bytes);
    for (size_t at = 0; at < bytes; at++) {
        for (size_t k = 0; k < sizeof(masks) && is_tried(at, bytes); k++) {
            file[at] ^= masks[k];
            ai_status status = try_file(file, bytes);
            if (status == AI_OK) {
                ai_model *m;
                ck_assert_int_eq(ai_model_view(&m, file, bytes, NULL), AI_OK);
                ck_assert_msg(ai_model_verify(m, NULL) == AI_E_FORMAT, "byte %zu", at);
                ai_model_close(m);
            }
            file[at] ^= masks[k];
        }
    }
    free(file);
    lai_free(f);
}
END_TEST

/* With new checksums the rest of the verifier, the planner and the operators have to stand it. */
START_TEST(test_flip_sealed)
{
    size_t bytes;
    unsigned opened = 0;
    lai *f = models[_i]();
    uint8_t *file = lai_write(f, &bytes);
    for (size_t at = 0; at < bytes; at++) {
        for (size_t k = 0; k < sizeof(masks) && is_tried(at, bytes); k++) {
            uint8_t *other = copy(file, bytes);
            other[at] ^= masks[k];
            lai_seal(other, bytes);
            opened += try_file(other, bytes) == AI_OK;
            free(other);
        }
    }
    ck_assert_uint_gt(opened, 10);
    free(file);
    lai_free(f);
}
END_TEST

/* Whole words of the tables become values that hurt. */
START_TEST(test_words_sealed)
{
    static const uint32_t words[] = {0,          1,          2,          0x7FFFFFFF, 0x80000000,
                                     0xFFFFFFFF, 0x00010000, 0x3F800000, 0x7FC00000};
    size_t bytes;
    lai *f = models[_i]();
    uint8_t *file = lai_write(f, &bytes);
    for (size_t at = 0; at + 4 <= bytes; at += 4) {
        for (size_t k = 0; k < sizeof(words) / sizeof(words[0]) && is_tried(at, bytes); k++) {
            uint8_t *other = copy(file, bytes);
            memcpy(other + at, &words[k], sizeof(words[k]));
            lai_seal(other, bytes);
            try_file(other, bytes);
            free(other);
        }
    }
    free(file);
    lai_free(f);
}
END_TEST

/* Where the weights begin inside the file, they end with it. */
static void shorten_last_section(uint8_t *file, size_t bytes)
{
    ai_file_header h;
    ai_file_section s;
    memcpy(&h, file, sizeof(h));
    size_t at = sizeof(h) + (h.section_count - 1) * sizeof(s);
    if (at + sizeof(s) > bytes)
        return;
    memcpy(&s, file + at, sizeof(s));
    if (s.offset <= bytes)
        s.bytes = bytes - s.offset;
    memcpy(file + at, &s, sizeof(s));
    lai_seal(file, bytes);
}

START_TEST(test_cut)
{
    size_t bytes;
    lai *f = models[_i]();
    uint8_t *file = lai_write(f, &bytes);
    for (size_t length = 1; length < bytes; length++) {
        if (!is_tried(length, bytes))
            continue;
        uint8_t *other = copy(file, length);
        ck_assert_int_eq(try_file(other, length), AI_E_FORMAT);
        /* the same with a header that believes in it */
        if (length >= sizeof(ai_file_header)) {
            uint64_t whole = length;
            memcpy(other + offsetof(ai_file_header, file_bytes), &whole, sizeof(whole));
            lai_seal(other, length);
            ck_assert_int_eq(try_file(other, length), AI_E_FORMAT);
            shorten_last_section(other, length);
            ck_assert_int_eq(try_file(other, length), AI_E_FORMAT);
        }
        free(other);
    }
    free(file);
    lai_free(f);
}
END_TEST

Suite *corrupt_suite(void)
{
    Suite *suite = suite_create("corrupt");
    TCase *c = tcase_create("corrupt");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, test_flip, 0, MODEL_COUNT);
    tcase_add_loop_test(c, test_flip_sealed, 0, MODEL_COUNT);
    tcase_add_loop_test(c, test_words_sealed, 0, MODEL_COUNT);
    tcase_add_loop_test(c, test_cut, 0, MODEL_COUNT);
    suite_add_tcase(suite, c);
    return suite;
}
