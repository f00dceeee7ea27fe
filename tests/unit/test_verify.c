/* SPDX-License-Identifier: Apache-2.0
 * Tests of the verifier: every rule of docs/format.md is broken once, with checksums put right, and
 * the message says what, where, found and needed. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

/* A whole file to break. */
typedef struct broken {
    uint8_t *file;
    size_t bytes;
    lai *f;
} broken;

static broken small_file(void)
{
    broken b = {.f = lai_small()};
    b.file = lai_write(b.f, &b.bytes);
    return b;
}

static broken states_file(void)
{
    broken b = {.f = lai_states()};
    b.file = lai_write(b.f, &b.bytes);
    return b;
}

static ai_file_header *header(const broken *b)
{
    return (ai_file_header *)(void *)b->file;
}

static ai_file_section *section(const broken *b, uint32_t kind)
{
    ai_file_section *s = (ai_file_section *)(void *)(b->file + sizeof(ai_file_header));
    for (uint32_t i = 0; i < header(b)->section_count; i++) {
        if (s[i].kind == kind)
            return &s[i];
    }
    ck_abort_msg("no section %u", kind);
    return NULL;
}

static void *data_of(const broken *b, uint32_t kind)
{
    return b->file + section(b, kind)->offset;
}

static ai_file_tensor *tensor(const broken *b, uint32_t index)
{
    return (ai_file_tensor *)data_of(b, AI_SECTION_TENSORS) + index;
}

static ai_file_step *step(const broken *b, uint32_t index)
{
    return (ai_file_step *)data_of(b, AI_SECTION_STEPS) + index;
}

static uint32_t *index_at(const broken *b, uint32_t index)
{
    return (uint32_t *)data_of(b, AI_SECTION_INDICES) + index;
}

/* Opens what is there, expects an error at `field` and releases the file. */
static void expect_at(broken *b, bool is_sealed, ai_status code, uint64_t offset,
                      const char *message)
{
    ai_model *m = (ai_model *)b;
    ai_error err = UNTOUCHED;
    if (is_sealed)
        lai_seal(b->file, b->bytes);
    ai_status status = ai_model_view(&m, b->file, b->bytes, &err);
    ck_assert_int_eq(status, code);
    ck_error(err, code, AI_NO_STEP, offset, message);
    ck_assert_ptr_eq(m, b);
    free(b->file);
    lai_free(b->f);
}

static void expect(broken *b, const void *field, const char *message)
{
    expect_at(b, true, AI_E_FORMAT, (uint64_t)((const uint8_t *)field - b->file), message);
}

/* ---- Header ---- */

START_TEST(test_magic)
{
    broken b = small_file();
    b.file[3] = 'X';
    expect(&b, b.file, "not a libai model: the magic number is missing");
}
END_TEST

START_TEST(test_short)
{
    for (size_t bytes = 1; bytes < 128; bytes += 42) {
        char message[80];
        broken b = small_file();
        b.bytes = bytes;
        sprintf(message, "cut off after %zu bytes, a header has 128", bytes);
        expect_at(&b, false, AI_E_FORMAT, bytes, message);
    }
}
END_TEST

START_TEST(test_version)
{
    broken b = small_file();
    header(&b)->version = 2;
    expect_at(&b, true, AI_E_VERSION, 8, "format version 2 is newer than this library's, 1");
    b = small_file();
    header(&b)->version = 0;
    expect_at(&b, true, AI_E_FORMAT, 8, "format version 0, 1 is needed");
}
END_TEST

START_TEST(test_features)
{
    broken b = small_file();
    header(&b)->features = 0x80;
    expect_at(&b, true, AI_E_VERSION, 16, "needs features 0x80, which this library does not know");
}
END_TEST

START_TEST(test_length)
{
    char message[80];
    broken b = small_file();
    size_t whole = b.bytes;
    b.bytes -= 1;
    sprintf(message, "cut off after %zu bytes, the header says %zu", whole - 1, whole);
    expect_at(&b, false, AI_E_FORMAT, whole - 1, message);
    b = small_file();
    header(&b)->file_bytes -= 1;
    sprintf(message, "has %zu bytes, the header says %zu", whole, whole - 1);
    expect(&b, &header(&b)->file_bytes, message);
}
END_TEST

START_TEST(test_section_count)
{
    char message[80];
    broken b = small_file();
    header(&b)->section_count = 1025;
    expect(&b, &header(&b)->section_count, "1025 sections, at most 1024 are allowed");
    b = small_file();
    header(&b)->section_count = 1024;
    sprintf(message, "1024 sections do not fit into %zu bytes", b.bytes);
    expect(&b, &header(&b)->section_count, message);
    b = small_file();
    header(&b)->section_count = 3;
    sprintf(message, "section strings lies at 576, 320 is needed");
    expect(&b, &section(&b, AI_SECTION_STRINGS)->offset, message);
}
END_TEST

START_TEST(test_reserved)
{
    broken b = small_file();
    header(&b)->reserved[8] = 1;
    expect(&b, header(&b)->reserved, "a reserved field of the header is not zero");
    b = small_file();
    section(&b, AI_SECTION_STEPS)->reserved = 1;
    expect(&b, &section(&b, AI_SECTION_STEPS)->reserved,
           "a reserved field of section steps is not zero");
    b = small_file();
    tensor(&b, 1)->reserved = 1;
    expect(&b, &tensor(&b, 1)->reserved, "a reserved field of tensor 'c' is not zero");
    b = small_file();
    tensor(&b, 1)->reserved2[2] = 1;
    expect(&b, tensor(&b, 1)->reserved2, "a reserved field of tensor 'c' is not zero");
    b = small_file();
    step(&b, 1)->reserved[1] = 1;
    expect(&b, step(&b, 1)->reserved, "a reserved field of Relu 'relu' is not zero");
    b = small_file();
    step(&b, 1)->flags = 1;
    expect(&b, &step(&b, 1)->flags, "a reserved field of Relu 'relu' is not zero");
}
END_TEST

START_TEST(test_digest)
{
    broken b = small_file();
    header(&b)->digest[0] ^= 1;
    expect_at(&b, false, AI_E_FORMAT, offsetof(ai_file_header, digest),
              "header and section table do not match their checksum");
}
END_TEST

/* ---- Sections ---- */

START_TEST(test_section_kind)
{
    broken b = small_file();
    section(&b, AI_SECTION_RESOURCE)->kind = 9;
    ai_file_section *s = (ai_file_section *)(void *)(b.file + 128) + 5;
    expect(&b, &s->kind, "section 5 is of kind 9, which is not known");
    b = small_file();
    section(&b, AI_SECTION_RESOURCE)->kind = 0;
    s = (ai_file_section *)(void *)(b.file + 128) + 5;
    expect(&b, &s->kind, "section 5 is of kind 0, which is not known");
}
END_TEST

START_TEST(test_section_twice)
{
    broken b = small_file();
    ai_file_section *s = section(&b, AI_SECTION_RESOURCE);
    s->kind = AI_SECTION_STEPS;
    s->name = 0;
    expect(&b, &s->kind, "section steps is there twice");
}
END_TEST

START_TEST(test_section_name)
{
    broken b = small_file();
    section(&b, AI_SECTION_TENSORS)->name = 1;
    expect(&b, &section(&b, AI_SECTION_TENSORS)->name,
           "section tensors has a name, only resources have one");
    b = small_file();
    section(&b, AI_SECTION_RESOURCE)->name = 2;
    expect(&b, &section(&b, AI_SECTION_RESOURCE)->name,
           "a name begins at 2, inside of another one");
}
END_TEST

/* Turns the resource into further weights; the true ones follow. */
static broken two_weights(void)
{
    broken b = small_file();
    ai_file_section *s = section(&b, AI_SECTION_RESOURCE);
    memset(b.file + s->offset, 0, (size_t)s->bytes);
    *s = (ai_file_section){.kind = AI_SECTION_WEIGHTS, .offset = 4096, .bytes = 12};
    return b;
}

START_TEST(test_section_order)
{
    broken b = two_weights();
    ai_file_section *last = (ai_file_section *)(void *)(b.file + 128) + 6;
    expect(&b, &last->kind, "section weights is there twice");
    b = two_weights();
    last = (ai_file_section *)(void *)(b.file + 128) + 6;
    last->kind = AI_SECTION_SIGNATURE;
    expect(&b, &last->kind, "section signature lies after the weights");
}
END_TEST

START_TEST(test_section_place)
{
    char message[120];
    broken b = small_file();
    ai_file_section *s = section(&b, AI_SECTION_TENSORS);
    uint64_t was = s->offset;
    s->offset = 1 << 20;
    sprintf(message, "section tensors lies at 1048576, %u is needed", (unsigned)was);
    expect(&b, &s->offset, message);
    b = small_file();
    s = section(&b, AI_SECTION_TENSORS);
    s->bytes = UINT64_MAX;
    sprintf(message, "section tensors has 18446744073709551615 bytes at %u, the file has %zu",
            (unsigned)was, b.bytes);
    expect(&b, &s->bytes, message);
}
END_TEST

START_TEST(test_section_gap)
{
    broken b = small_file();
    uint8_t *gap = b.file + section(&b, AI_SECTION_WEIGHTS)->offset - 1;
    *gap = 1;
    ai_file_section *s = section(&b, AI_SECTION_RESOURCE);
    expect(&b, b.file + s->offset + s->bytes, "the bytes before section weights are not zero");
}
END_TEST

START_TEST(test_file_end)
{
    char message[80];
    broken b = small_file();
    ai_file_section *s = section(&b, AI_SECTION_WEIGHTS);
    s->bytes -= 4;
    sprintf(message, "the last section ends at %zu, the file at %zu", b.bytes - 4, b.bytes);
    expect_at(&b, true, AI_E_FORMAT, b.bytes - 4, message);
}
END_TEST

START_TEST(test_section_entries)
{
    char message[120];
    for (uint32_t kind = AI_SECTION_TENSORS; kind <= AI_SECTION_INDICES; kind++) {
        static const char *const names[] = {"tensors", "steps", "indices"};
        broken b = small_file();
        ai_file_section *s = section(&b, kind);
        s->bytes -= 1;
        sprintf(message, "section %s has %u bytes: no whole number of entries or too many",
                names[kind - AI_SECTION_TENSORS], (unsigned)s->bytes);
        expect(&b, &s->bytes, message);
    }
}
END_TEST

START_TEST(test_section_missing)
{
    broken b = small_file();
    section(&b, AI_SECTION_STEPS)->kind = AI_SECTION_SIGNATURE;
    expect(&b, &header(&b)->section_count,
           "one of the sections strings, tensors, steps and indices is missing");
}
END_TEST

START_TEST(test_checksum)
{
    static const char *const names[] = {"strings", "tensors", "steps", "indices", "parameters"};
    for (uint32_t kind = AI_SECTION_STRINGS; kind <= AI_SECTION_PARAMETERS; kind++) {
        char message[80];
        broken b = small_file();
        uint64_t offset = section(&b, kind)->offset;
        b.file[offset] ^= 1;
        sprintf(message, "section %s does not match its checksum",
                names[kind - AI_SECTION_STRINGS]);
        expect_at(&b, false, AI_E_FORMAT, offset, message);
    }
}
END_TEST

/* ---- Strings ---- */

START_TEST(test_string_end)
{
    broken b = small_file();
    ai_file_section *s = section(&b, AI_SECTION_STRINGS);
    b.file[s->offset + s->bytes - 1] = 'x';
    expect(&b, b.file + s->offset + s->bytes, "section strings does not end in a zero byte");
}
END_TEST

START_TEST(test_string_utf8)
{
    static const char *const wrong[] = {"\x80",         "\xC1\x80",         "\xC2",
                                        "\xE0\x80\x80", "\xED\xA0\x80",     "\xE2\x82",
                                        "\xF5\x80\x80", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80"};
    static const char *const right[] = {"\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x90\x88", "\x7F"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        broken b = {.f = lai_small()};
        uint32_t at = lai_string(b.f, wrong[i]);
        b.file = lai_write(b.f, &b.bytes);
        expect(&b, b.file + section(&b, AI_SECTION_STRINGS)->offset + at,
               "section strings is not UTF-8");
    }
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        lai *f = lai_small();
        uint8_t *file;
        lai_string(f, right[i]);
        ai_model_close(must_open(f, &file));
        free(file);
    }
}
END_TEST

START_TEST(test_names)
{
    char message[80];
    broken b = small_file();
    unsigned bytes = (unsigned)section(&b, AI_SECTION_STRINGS)->bytes;
    header(&b)->name = bytes;
    sprintf(message, "a name lies at %u, section strings has %u bytes", bytes, bytes);
    expect(&b, &header(&b)->name, message);
    b = small_file();
    tensor(&b, 2)->name = UINT32_MAX;
    sprintf(message, "a name lies at 4294967295, section strings has %u bytes", bytes);
    expect(&b, &tensor(&b, 2)->name, message);
    b = small_file();
    step(&b, 0)->name += 1;
    sprintf(message, "a name begins at %u, inside of another one", step(&b, 0)->name);
    expect(&b, &step(&b, 0)->name, message);
}
END_TEST

/* ---- Tensors ---- */

START_TEST(test_tensor_fields)
{
    broken b = small_file();
    tensor(&b, 0)->type = 14;
    expect(&b, &tensor(&b, 0)->type, "tensor 'x' has type 14, which is not known");
    b = small_file();
    tensor(&b, 0)->type = 0;
    expect(&b, &tensor(&b, 0)->type, "tensor 'x' has type 0, which is not known");
    b = small_file();
    tensor(&b, 0)->kind = 4;
    expect(&b, &tensor(&b, 0)->kind, "tensor 'x' is of kind 4, which is not known");
    b = small_file();
    tensor(&b, 0)->layout = 255;
    expect(&b, &tensor(&b, 0)->layout, "tensor 'x' has layout 255, which is not known");
    b = small_file();
    tensor(&b, 0)->layout = AI_LAYOUT_NCHW16C;
    expect(&b, &tensor(&b, 0)->layout, "tensor 'x' has layout 1, which its kind cannot have");
    b = small_file();
    tensor(&b, 2)->layout = AI_LAYOUT_CONV16;
    expect(&b, &tensor(&b, 2)->layout, "tensor 'y' has layout 2, which its kind cannot have");
    b = small_file();
    tensor(&b, 0)->scale = -1;
    expect(&b, &tensor(&b, 0)->scale, "tensor 'x' has a scale that is negative or not finite");
    b = small_file();
    tensor(&b, 2)->bytes = 4;
    expect(&b, &tensor(&b, 2)->offset, "tensor 'y' is no constant but lies in the weights");
}
END_TEST

START_TEST(test_tensor_shape)
{
    broken b = small_file();
    tensor(&b, 0)->rank = 9;
    expect(&b, &tensor(&b, 0)->rank, "tensor 'x' has rank 9, at most 8 is allowed");
    b = small_file();
    tensor(&b, 0)->dim[1] = -1;
    expect(&b, tensor(&b, 0)->dim, "tensor 'x' has a negative dimension or over 2^40 elements");
    b = small_file();
    tensor(&b, 0)->dim[1] = INT64_MAX;
    expect(&b, tensor(&b, 0)->dim, "tensor 'x' has a negative dimension or over 2^40 elements");
    b = small_file();
    tensor(&b, 0)->dim[2] = 1;
    expect(&b, &tensor(&b, 0)->dim[2], "tensor 'x' has dimensions beyond its rank of 2");
    b = small_file();
    tensor(&b, 0)->varies = 4;
    expect(&b, &tensor(&b, 0)->varies, "tensor 'x' has dimensions that vary beyond its rank of 2");
    b = small_file();
    tensor(&b, 3)->varies = 1;
    expect(&b, &tensor(&b, 3)->varies, "tensor 'z' is no input but has dimensions that vary");
    b = small_file();
    tensor(&b, 2)->rank = 1;
    expect(&b, &tensor(&b, 2)->rank, "tensor 'y' is no output but has a rank of 1");
}
END_TEST

START_TEST(test_constant)
{
    broken b = small_file();
    tensor(&b, 1)->layout = AI_LAYOUT_PANEL16;
    expect(&b, tensor(&b, 1)->dim, "constant 'c' has a shape that layout 5 cannot have");
    b = small_file();
    tensor(&b, 1)->bytes = 8;
    expect(&b, &tensor(&b, 1)->bytes, "constant 'c' has 8 bytes, its shape needs 12");
    b = small_file();
    tensor(&b, 1)->offset = 4;
    expect(&b, &tensor(&b, 1)->offset, "constant 'c' lies at 4, not at a multiple of 64");
    b = small_file();
    tensor(&b, 1)->offset = 64;
    expect(&b, &tensor(&b, 1)->offset, "constant 'c' has 12 bytes at 64, the weights have 12");
    b = small_file();
    tensor(&b, 1)->dim[0] = 4;
    tensor(&b, 1)->bytes = 16;
    expect(&b, &tensor(&b, 1)->offset, "constant 'c' has 16 bytes at 0, the weights have 12");
}
END_TEST

/* ---- Lists ---- */

START_TEST(test_lists)
{
    broken b = small_file();
    header(&b)->inputs.first = 6;
    header(&b)->inputs.count = 2;
    expect(&b, &header(&b)->inputs, "the list of inputs ends at index 8, there are 7");
    b = small_file();
    header(&b)->outputs.count = UINT32_MAX;
    expect(&b, &header(&b)->outputs, "the list of outputs ends at index 4294967301, there are 7");
    b = small_file();
    header(&b)->states.count = 1;
    expect(&b, &header(&b)->states, "the list of states ends at index 10, there are 7");
    b = small_file();
    *index_at(&b, 5) = 4;
    expect(&b, index_at(&b, 5), "an input is tensor 4, there are 4");
    b = small_file();
    *index_at(&b, 5) = 1;
    expect(&b, index_at(&b, 5), "tensor 'c' is listed as an input but is of kind 2");
    b = small_file();
    *index_at(&b, 6) = 0;
    expect(&b, index_at(&b, 6), "tensor 'x' is listed as an output but is not a plain value");
    b = small_file();
    header(&b)->inputs.count = 0;
    expect(&b, index_at(&b, 0), "Add 'add' reads 'x' before a step writes it");
}
END_TEST

START_TEST(test_listed_twice)
{
    broken b = {.f = lai_small()};
    b.f->inputs[b.f->header.inputs.count++] = 0;
    b.file = lai_write(b.f, &b.bytes);
    expect(&b, index_at(&b, 6), "tensor 'x' is listed twice");
}
END_TEST

START_TEST(test_states)
{
    /* operands of three steps: 3 + 2 + 3; inputs, outputs: 1 + 1; states from index 10 on */
    broken b = states_file();
    *index_at(&b, 11) = 0;
    expect(&b, index_at(&b, 11), "tensor 'x' is listed as a new state but is not a plain value");
    b = states_file();
    *index_at(&b, 10) = 0;
    expect(&b, index_at(&b, 10), "tensor 'x' is listed as a state but is of kind 1");
    b = states_file();
    *index_at(&b, 12) = 99;
    expect(&b, index_at(&b, 12), "a start value is tensor 99, there are 7");
    b = states_file();
    tensor(&b, 1)->dim[0] = 1;
    tensor(&b, 1)->bytes = 4;
    expect(&b, index_at(&b, 12),
           "start value 'start' is no constant of the type and shape of 'sum'");
    b = states_file();
    header(&b)->states.count = 1;
    expect(&b, index_at(&b, 6), "Add 'out' reads 'before' before a step writes it");
}
END_TEST

/* ---- Steps ---- */

START_TEST(test_operator)
{
    broken b = small_file();
    uint64_t offset = section(&b, AI_SECTION_STEPS)->offset + sizeof(ai_file_step);
    step(&b, 1)->op = 60000;
    expect_at(&b, true, AI_E_UNSUPPORTED, offset,
              "step 'relu' is operator 60000, which this library does not have");
    b = small_file();
    step(&b, 1)->op = 0;
    expect_at(&b, true, AI_E_UNSUPPORTED, offset,
              "step 'relu' is operator 0, which this library does not have");
}
END_TEST

START_TEST(test_step_counts)
{
    broken b = small_file();
    step(&b, 0)->input_count = 3;
    expect(&b, &step(&b, 0)->input_count, "Add 'add' has 3 inputs, 2 to 2 are needed");
    b = small_file();
    step(&b, 0)->output_count = 0;
    expect(&b, &step(&b, 0)->output_count, "Add 'add' has 0 outputs, 1 to 1 are needed");
    b = small_file();
    step(&b, 1)->op = AI_OP_CONCAT;
    step(&b, 1)->input_count = 4096;
    expect(&b, &step(&b, 1)->input_count, "Concat 'relu' has 4096 inputs, 1 to 4095 are needed");
    b = small_file();
    step(&b, 1)->op = AI_OP_SPLIT;
    step(&b, 1)->input_count = 2;
    step(&b, 1)->output_count = 4095;
    expect(&b, &step(&b, 1)->output_count, "Split 'relu' has 4095 outputs, 1 to 4094 are needed");
    b = small_file();
    step(&b, 1)->operands = 5;
    step(&b, 1)->op = AI_OP_CONCAT;
    step(&b, 1)->param_bytes = 48;
    expect(&b, &step(&b, 1)->param_offset, "Concat 'relu' has parameters at 8 of 16 bytes");
}
END_TEST

START_TEST(test_step_parameters)
{
    broken b = small_file();
    step(&b, 0)->param_bytes = 4;
    expect(&b, &step(&b, 0)->param_bytes, "Add 'add' has parameters of 4 bytes, 8 are needed");
    b = small_file();
    step(&b, 0)->param_offset = 4;
    expect(&b, &step(&b, 0)->param_offset, "Add 'add' has parameters at 4 of 16 bytes");
    b = small_file();
    step(&b, 0)->param_offset = UINT32_MAX - 7;
    expect(&b, &step(&b, 0)->param_offset, "Add 'add' has parameters at 4294967288 of 16 bytes");
}
END_TEST

START_TEST(test_step_operands)
{
    broken b = small_file();
    step(&b, 1)->operands = 2;
    expect(&b, &step(&b, 1)->operands, "Relu 'relu' has 2 operands at index 2, 3 to 7 are left");
    b = small_file();
    step(&b, 1)->operands = UINT32_MAX;
    expect(&b, &step(&b, 1)->operands,
           "Relu 'relu' has 2 operands at index 4294967295, 3 to 7 are left");
    b = small_file();
    *index_at(&b, 0) = 1000;
    expect(&b, index_at(&b, 0), "an input of a step is tensor 1000, there are 4");
    b = small_file();
    *index_at(&b, 2) = 1000;
    expect(&b, index_at(&b, 2), "an output of a step is tensor 1000, there are 4");
    b = small_file();
    *index_at(&b, 1) = AI_FILE_NONE;
    expect(&b, index_at(&b, 1), "input 1 of Add 'add' is missing");
    b = small_file();
    *index_at(&b, 2) = AI_FILE_NONE;
    expect(&b, index_at(&b, 2), "output 0 of Add 'add' is missing");
    b = small_file();
    *index_at(&b, 1) = 2;
    expect(&b, index_at(&b, 1), "Add 'add' reads 'y' before a step writes it");
    b = small_file();
    *index_at(&b, 2) = 1;
    expect(&b, index_at(&b, 2), "Add 'add' writes 'c', which is no value");
    b = small_file();
    *index_at(&b, 4) = 2;
    expect(&b, index_at(&b, 4), "Relu 'relu' writes 'y' a second time");
}
END_TEST

START_TEST(test_unwritten)
{
    broken b = {.f = lai_small()};
    uint32_t lost = lai_value(b.f, "lost", AI_F32);
    b.file = lai_write(b.f, &b.bytes);
    expect(&b, tensor(&b, lost), "tensor 'lost' is written by no step and is in no list");
    b = (broken){.f = lai_small()};
    lost = lai_tensor(b.f, "lost", AI_F32, AI_TENSOR_STATE, 0, NULL);
    b.file = lai_write(b.f, &b.bytes);
    expect(&b, tensor(&b, lost), "tensor 'lost' is written by no step and is in no list");
}
END_TEST

Suite *verify_suite(void)
{
    Suite *suite = suite_create("verify");
    TCase *c = tcase_create("verify");
    tcase_add_test(c, test_magic);
    tcase_add_test(c, test_short);
    tcase_add_test(c, test_version);
    tcase_add_test(c, test_features);
    tcase_add_test(c, test_length);
    tcase_add_test(c, test_section_count);
    tcase_add_test(c, test_reserved);
    tcase_add_test(c, test_digest);
    tcase_add_test(c, test_section_kind);
    tcase_add_test(c, test_section_twice);
    tcase_add_test(c, test_section_name);
    tcase_add_test(c, test_section_order);
    tcase_add_test(c, test_section_place);
    tcase_add_test(c, test_section_gap);
    tcase_add_test(c, test_file_end);
    tcase_add_test(c, test_section_entries);
    tcase_add_test(c, test_section_missing);
    tcase_add_test(c, test_checksum);
    tcase_add_test(c, test_string_end);
    tcase_add_test(c, test_string_utf8);
    tcase_add_test(c, test_names);
    tcase_add_test(c, test_tensor_fields);
    tcase_add_test(c, test_tensor_shape);
    tcase_add_test(c, test_constant);
    tcase_add_test(c, test_lists);
    tcase_add_test(c, test_listed_twice);
    tcase_add_test(c, test_states);
    tcase_add_test(c, test_operator);
    tcase_add_test(c, test_step_counts);
    tcase_add_test(c, test_step_parameters);
    tcase_add_test(c, test_step_operands);
    tcase_add_test(c, test_unwritten);
    suite_add_tcase(suite, c);
    return suite;
}
