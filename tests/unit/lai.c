/* SPDX-License-Identifier: Apache-2.0
 * Builds flat files in memory, right ones and wrong ones, for the tests of the core. */
#include "lai.h"

#include "sha256.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (!memory) {
        fputs("no memory for a test file\n", stderr);
        exit(1);
    }
    return memory;
}

static size_t align_up(size_t bytes, size_t align)
{
    return (bytes + align - 1) / align * align;
}

/* Appends bytes (NULL: zeros) at a multiple of `align`; where they begin. */
static uint32_t append(lai_bytes *to, const void *data, size_t bytes, size_t align)
{
    size_t begin = align_up(to->bytes, align);
    if (begin + bytes > to->capacity) {
        size_t capacity = 2 * (begin + bytes) + 256;
        uint8_t *larger = need(calloc(1, capacity));
        if (to->bytes)
            memcpy(larger, to->data, to->bytes);
        free(to->data);
        to->data = larger;
        to->capacity = capacity;
    }
    if (data && bytes)
        memcpy(to->data + begin, data, bytes);
    to->bytes = begin + bytes;
    return (uint32_t)begin;
}

lai *lai_new(const char *name)
{
    lai *f = need(calloc(1, sizeof(*f)));
    memcpy(f->header.magic, AI_FILE_MAGIC, sizeof(f->header.magic));
    f->header.version = AI_FILE_VERSION;
    lai_string(f, "");
    f->header.name = lai_string(f, name);
    return f;
}

void lai_free(lai *f)
{
    for (size_t i = 0; i <= AI_SECTION_WEIGHTS; i++)
        free(f->part[i].data);
    for (size_t i = 0; i < LAI_SECTIONS; i++)
        free(f->resource[i].data);
    free(f);
}

uint32_t lai_string(lai *f, const char *text)
{
    return append(&f->part[AI_SECTION_STRINGS], text, strlen(text) + 1, 1);
}

uint32_t lai_tensor(lai *f, const char *name, ai_type type, uint32_t kind, uint32_t rank,
                    const int64_t *dim)
{
    ai_file_tensor t = {.name = lai_string(f, name),
                        .type = (uint8_t)type,
                        .kind = (uint8_t)kind,
                        .rank = (uint8_t)rank};
    if (rank)
        memcpy(t.dim, dim, rank * sizeof(dim[0]));
    return append(&f->part[AI_SECTION_TENSORS], &t, sizeof(t), 1) / (uint32_t)sizeof(t);
}

ai_file_tensor *lai_tensor_at(lai *f, uint32_t index)
{
    return (ai_file_tensor *)(void *)f->part[AI_SECTION_TENSORS].data + index;
}

uint32_t lai_input(lai *f, const char *name, ai_type type, uint32_t varies, uint32_t rank,
                   const int64_t *dim)
{
    uint32_t index = lai_tensor(f, name, type, AI_TENSOR_INPUT, rank, dim);
    lai_tensor_at(f, index)->varies = varies;
    f->inputs[f->header.inputs.count++] = index;
    return index;
}

uint32_t lai_value(lai *f, const char *name, ai_type type)
{
    return lai_tensor(f, name, type, AI_TENSOR_VALUE, 0, NULL);
}

uint32_t lai_constant(lai *f, const char *name, ai_type type, uint32_t layout, uint32_t rank,
                      const int64_t *dim, const void *data)
{
    int64_t bytes = 0;
    ai_layout_bytes(layout, type, rank, dim, &bytes);
    uint32_t index = lai_tensor(f, name, type, AI_TENSOR_CONSTANT, rank, dim);
    ai_file_tensor *t = lai_tensor_at(f, index);
    t->layout = (uint8_t)layout;
    t->bytes = (uint64_t)bytes;
    t->offset = append(&f->part[AI_SECTION_WEIGHTS], data, (size_t)bytes, AI_FILE_ALIGN);
    return index;
}

void lai_output(lai *f, uint32_t tensor)
{
    f->outputs[f->header.outputs.count++] = tensor;
}

void lai_state(lai *f, uint32_t now, uint32_t next, uint32_t start)
{
    uint32_t *entry = f->states + 3 * (size_t)f->header.states.count++;
    entry[0] = now;
    entry[1] = next;
    entry[2] = start;
}

void lai_resource(lai *f, const char *name, const void *data, size_t bytes)
{
    f->resource_name[f->resource_count] = lai_string(f, name);
    append(&f->resource[f->resource_count++], data, bytes, 1);
}

void lai_step(lai *f, uint32_t op, const char *name, const void *params, uint32_t in_count,
              uint32_t out_count, const uint32_t *operands)
{
    const ai_op_row *row = ai_op_find(op);
    ai_file_step s = {.op = (uint16_t)op,
                      .input_count = (uint16_t)in_count,
                      .output_count = (uint16_t)out_count,
                      .name = lai_string(f, name)};
    s.param_bytes = row ? row->param_bytes : 8;
    s.param_offset = append(&f->part[AI_SECTION_PARAMETERS], params, s.param_bytes, 8);
    s.operands = append(&f->part[AI_SECTION_INDICES], operands,
                        (in_count + out_count) * sizeof(operands[0]), 1) /
                 (uint32_t)sizeof(operands[0]);
    append(&f->part[AI_SECTION_STEPS], &s, sizeof(s), 1);
}

/* ---- Writing ---- */

static uint32_t list(lai_bytes *indices, const uint32_t *entries, uint32_t count)
{
    return append(indices, entries, count * sizeof(entries[0]), 1) / (uint32_t)sizeof(entries[0]);
}

/* Indices of the steps stay; the header's lists come behind them, in a copy. */
static lai_bytes all_indices(lai *f, ai_file_header *h)
{
    lai_bytes indices = {0};
    const lai_bytes *steps = &f->part[AI_SECTION_INDICES];
    append(&indices, steps->data, steps->bytes, 1);
    h->inputs.first = list(&indices, f->inputs, h->inputs.count);
    h->outputs.first = list(&indices, f->outputs, h->outputs.count);
    h->states.first = list(&indices, f->states, 3 * h->states.count);
    return indices;
}

static void place(lai_bytes *file, uint32_t *index, uint32_t kind, uint32_t name,
                  const lai_bytes *part)
{
    ai_file_section s = {.kind = kind, .name = name, .bytes = part->bytes};
    size_t align = kind == AI_SECTION_WEIGHTS ? AI_FILE_WEIGHT_ALIGN : AI_FILE_ALIGN;
    s.offset = align_up(file->bytes, align);
    append(file, NULL, (size_t)s.offset - file->bytes, 1);
    append(file, part->data, part->bytes, 1);
    memcpy(file->data + sizeof(ai_file_header) + *index * sizeof(s), &s, sizeof(s));
    ++*index;
}

uint8_t *lai_write(lai *f, size_t *bytes)
{
    ai_file_header h = f->header;
    lai_bytes indices = all_indices(f, &h);
    lai_bytes file = {0};
    uint32_t index = 0;
    h.section_count = 6 + f->resource_count;
    append(&file, NULL, sizeof(h) + h.section_count * sizeof(ai_file_section), 1);
    for (uint32_t kind = AI_SECTION_STRINGS; kind <= AI_SECTION_PARAMETERS; kind++)
        place(&file, &index, kind, 0, kind == AI_SECTION_INDICES ? &indices : &f->part[kind]);
    for (uint32_t i = 0; i < f->resource_count; i++)
        place(&file, &index, AI_SECTION_RESOURCE, f->resource_name[i], &f->resource[i]);
    place(&file, &index, AI_SECTION_WEIGHTS, 0, &f->part[AI_SECTION_WEIGHTS]);
    h.file_bytes = file.bytes;
    uint8_t *out = need(aligned_alloc(64, align_up(file.bytes, 64)));
    memcpy(file.data, &h, sizeof(h));
    memcpy(out, file.data, file.bytes);
    lai_seal(out, file.bytes);
    *bytes = file.bytes;
    free(indices.data);
    free(file.data);
    return out;
}

void lai_seal(uint8_t *file, size_t bytes)
{
    ai_file_header h;
    size_t table;
    if (bytes < sizeof(h))
        return;
    memcpy(&h, file, sizeof(h));
    table = (bytes - sizeof(h)) / sizeof(ai_file_section);
    if (table > h.section_count)
        table = h.section_count;
    for (size_t i = 0; i < table; i++) {
        uint8_t *entry = file + sizeof(h) + i * sizeof(ai_file_section);
        ai_file_section s;
        memcpy(&s, entry, sizeof(s));
        if (s.offset <= bytes && s.bytes <= bytes - s.offset)
            ai_sha256_of(file + s.offset, (size_t)s.bytes,
                         entry + offsetof(ai_file_section, sha256));
    }
    memset(file + offsetof(ai_file_header, digest), 0, sizeof(h.digest));
    ai_sha256_of(file, sizeof(h) + table * sizeof(ai_file_section), h.digest);
    memcpy(file + offsetof(ai_file_header, digest), h.digest, sizeof(h.digest));
}

/* ---- Models ---- */

lai *lai_small(void)
{
    static const float values[3] = {1, -2, 3};
    lai *f = lai_new("small");
    uint32_t x = lai_input(f, "x", AI_F32, 1, 2, (int64_t[]){2, 3});
    uint32_t c = lai_constant(f, "c", AI_F32, AI_LAYOUT_PLAIN, 1, (int64_t[]){3}, values);
    uint32_t y = lai_value(f, "y", AI_F32);
    uint32_t z = lai_tensor(f, "z", AI_F32, AI_TENSOR_VALUE, 2, (int64_t[]){2, 3});
    lai_step(f, AI_OP_ADD, "add", NULL, 2, 1, (uint32_t[]){x, c, y});
    lai_step(f, AI_OP_RELU, "relu", NULL, 1, 1, (uint32_t[]){y, z});
    lai_output(f, z);
    lai_resource(f, "labels", "cat\ndog\n", 8);
    return f;
}

lai *lai_resources(void)
{
    static const char metadata[] = "{\"format\":\"onnx\",\"opset\":13}\n";
    static const char image[] = "{\"color\":\"RGB\"}\n";
    static const char self_test[] = "{\"seed\":1,\"outputs\":[]}\n";
    lai *f = lai_small();
    lai_resource(f, "metadata", metadata, sizeof(metadata) - 1);
    lai_resource(f, "image", image, sizeof(image) - 1);
    lai_resource(f, "self-test", self_test, sizeof(self_test) - 1);
    return f;
}

lai *lai_shapes(void)
{
    static const int64_t zero[1] = {0};
    static const int64_t rest[1] = {20};
    ai_axis_params shape = {.end = INT64_MAX};
    ai_axis_params axis = {.axis = 0};
    lai *f = lai_new("shapes");
    uint32_t x = lai_input(f, "x", AI_F32, 1, 3, (int64_t[]){2, 4, 5});
    uint32_t first = lai_constant(f, "zero", AI_S64, AI_LAYOUT_PLAIN, 1, (int64_t[]){1}, zero);
    uint32_t tail = lai_constant(f, "rest", AI_S64, AI_LAYOUT_PLAIN, 1, (int64_t[]){1}, rest);
    uint32_t dims = lai_value(f, "dims", AI_S64);
    uint32_t n = lai_value(f, "n", AI_S64);
    uint32_t target = lai_value(f, "target", AI_S64);
    uint32_t view = lai_value(f, "view", AI_F32);
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 2, (int64_t[]){2, 20});
    lai_step(f, AI_OP_SHAPE, "shape", &shape, 1, 1, (uint32_t[]){x, dims});
    lai_step(f, AI_OP_GATHER, "gather", &axis, 2, 1, (uint32_t[]){dims, first, n});
    lai_step(f, AI_OP_CONCAT, "concat", &axis, 2, 1, (uint32_t[]){n, tail, target});
    lai_step(f, AI_OP_RESHAPE, "reshape", &axis, 2, 1, (uint32_t[]){x, target, view});
    lai_step(f, AI_OP_RELU, "relu", NULL, 1, 1, (uint32_t[]){view, y});
    lai_output(f, y);
    return f;
}

lai *lai_conv(void)
{
    static float weights[32 * 20 * 9];
    ai_conv_params conv = {.window = {.spatial = 2,
                                      .kernel = {3, 3},
                                      .stride = {1, 1},
                                      .dilation = {1, 1},
                                      .pad_begin = {1, 1},
                                      .pad_end = {1, 1}},
                           .group = 1};
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
        weights[i] = (float)(i * 7 % 13) - 6;
    conv.activation.lo = -INFINITY;
    conv.activation.hi = INFINITY;
    lai *f = lai_new("conv");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 4, (int64_t[]){1, 20, 5, 6});
    uint32_t w =
        lai_constant(f, "w", AI_F32, AI_LAYOUT_CONV16, 4, (int64_t[]){18, 20, 3, 3}, weights);
    uint32_t a = lai_value(f, "a", AI_F32);
    uint32_t b = lai_value(f, "b", AI_F32);
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 4, (int64_t[]){1, 18, 5, 6});
    lai_tensor_at(f, a)->layout = AI_LAYOUT_NCHW16C;
    lai_tensor_at(f, b)->layout = AI_LAYOUT_NCHW16C;
    lai_step(f, AI_OP_REORDER, "in", NULL, 1, 1, (uint32_t[]){x, a});
    lai_step(f, AI_OP_CONV, "conv", &conv, 2, 1, (uint32_t[]){a, w, b});
    lai_step(f, AI_OP_REORDER, "out", NULL, 1, 1, (uint32_t[]){b, y});
    lai_output(f, y);
    return f;
}

lai *lai_wide(void)
{
    static float weights[48 * 20 * 9];
    static float table[50 * 64];
    ai_axis_params axis = {.axis = 0};
    ai_conv_params conv = {.window = {.spatial = 2,
                                      .kernel = {3, 3},
                                      .stride = {1, 1},
                                      .dilation = {1, 1},
                                      .pad_begin = {1, 1},
                                      .pad_end = {1, 1}},
                           .group = 1};
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
        weights[i] = (float)(i * 7 % 13) / 256 - 0.02f;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        table[i] = (float)i;
    lai *f = lai_new("wide");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 4, (int64_t[]){1, 20, 40, 44});
    uint32_t i = lai_input(f, "i", AI_S64, 0, 1, (int64_t[]){3000});
    uint32_t w =
        lai_constant(f, "w", AI_F32, AI_LAYOUT_CONV16, 4, (int64_t[]){48, 20, 3, 3}, weights);
    uint32_t t = lai_constant(f, "t", AI_F32, AI_LAYOUT_PLAIN, 2, (int64_t[]){50, 64}, table);
    uint32_t a = lai_value(f, "a", AI_F32);
    uint32_t b = lai_value(f, "b", AI_F32);
    uint32_t c = lai_value(f, "c", AI_F32);
    uint32_t d = lai_value(f, "d", AI_F32);
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 4, (int64_t[]){1, 48, 40, 44});
    uint32_t g = lai_tensor(f, "g", AI_F32, AI_TENSOR_VALUE, 2, (int64_t[]){3000, 64});
    for (uint32_t k = a; k <= c; k++)
        lai_tensor_at(f, k)->layout = AI_LAYOUT_NCHW16C;
    lai_step(f, AI_OP_REORDER, "in", NULL, 1, 1, (uint32_t[]){x, a});
    lai_step(f, AI_OP_CONV, "conv", &conv, 2, 1, (uint32_t[]){a, w, b});
    lai_step(f, AI_OP_RELU, "relu", NULL, 1, 1, (uint32_t[]){b, c});
    lai_step(f, AI_OP_REORDER, "out", NULL, 1, 1, (uint32_t[]){c, d});
    lai_step(f, AI_OP_SIGMOID, "sigmoid", NULL, 1, 1, (uint32_t[]){d, y});
    lai_step(f, AI_OP_GATHER, "gather", &axis, 2, 1, (uint32_t[]){t, i, g});
    lai_output(f, y);
    lai_output(f, g);
    return f;
}

lai *lai_states(void)
{
    static const float values[2] = {1, 2};
    const int64_t two[1] = {2};
    lai *f = lai_new("states");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, two);
    uint32_t start = lai_constant(f, "start", AI_F32, AI_LAYOUT_PLAIN, 1, two, values);
    uint32_t sum = lai_tensor(f, "sum", AI_F32, AI_TENSOR_STATE, 1, two);
    uint32_t before = lai_tensor(f, "before", AI_F32, AI_TENSOR_STATE, 1, two);
    uint32_t next = lai_value(f, "next", AI_F32);
    uint32_t kept = lai_value(f, "kept", AI_F32);
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 1, two);
    lai_step(f, AI_OP_ADD, "add", NULL, 2, 1, (uint32_t[]){sum, x, next});
    lai_step(f, AI_OP_IDENTITY, "keep", NULL, 1, 1, (uint32_t[]){sum, kept});
    lai_step(f, AI_OP_ADD, "out", NULL, 2, 1, (uint32_t[]){next, before, y});
    lai_output(f, y);
    lai_state(f, sum, next, start);
    lai_state(f, before, kept, AI_FILE_NONE);
    return f;
}
