/* SPDX-License-Identifier: Apache-2.0
 * The verifier: after it no file, however corrupt, leads the rest of the core astray. Time and
 * memory are linear in the size of the tables. */
#include "model.h"
#include "sha256.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the tables are used in place: a big-endian machine needs another reader"
#endif

_Static_assert(sizeof(ai_file_header) == 128, "the header has 128 bytes");
_Static_assert(sizeof(ai_file_section) == 64, "a section entry has 64 bytes");
_Static_assert(sizeof(ai_file_tensor) == 128, "a tensor has 128 bytes");
_Static_assert(sizeof(ai_file_step) == 32, "a step has 32 bytes");

/* What is found out about a tensor while the steps are read. */
enum {
    IS_WRITTEN = 1, /* has a value at this step */
    IS_OUTPUT = 2,
    MAY_BE_KNOWN = 4 /* its values may be known before a run */
};

typedef struct ai_check {
    ai_model *m;
    uint8_t *flags; /* one byte a tensor */
    ai_error *err;
} ai_check;

static uint64_t offset_of(const ai_check *c, const void *field)
{
    return (uint64_t)((const uint8_t *)field - c->m->base);
}

#define FAIL(c, code, field, ...) ai_fail_at((c)->err, code, offset_of(c, field), __VA_ARGS__)
#define REFUSE(c, field, ...)     FAIL(c, AI_E_FORMAT, field, __VA_ARGS__)

typedef unsigned long long ull; /* for printf */

static bool all_zero(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++) {
        if (p[i])
            return false;
    }
    return true;
}

/* ---- Header and section table ---- */

static ai_status check_header(ai_check *c, uint64_t bytes)
{
    const ai_file_header *h = c->m->header;
    uint64_t start = bytes < sizeof(h->magic) ? bytes : sizeof(h->magic);
    if (memcmp(h->magic, AI_FILE_MAGIC, (size_t)start) != 0)
        return REFUSE(c, h->magic, "not a libai model: the magic number is missing");
    if (bytes < sizeof(ai_file_header))
        return ai_fail_at(c->err, AI_E_FORMAT, bytes, "cut off after %llu bytes, a header has 128",
                          (ull)bytes);
    if (h->version > AI_FILE_VERSION)
        return FAIL(c, AI_E_VERSION, &h->version,
                    "format version %u is newer than this library's, %d", h->version,
                    AI_FILE_VERSION);
    if (h->version != AI_FILE_VERSION)
        return REFUSE(c, &h->version, "format version %u, %d is needed", h->version,
                      AI_FILE_VERSION);
    if (h->features)
        return FAIL(c, AI_E_VERSION, &h->features,
                    "needs features 0x%llx, which this library does not know", (ull)h->features);
    if (h->file_bytes > bytes)
        return ai_fail_at(c->err, AI_E_FORMAT, bytes,
                          "cut off after %llu bytes, the header says %llu", (ull)bytes,
                          (ull)h->file_bytes);
    if (h->file_bytes < bytes)
        return REFUSE(c, &h->file_bytes, "has %llu bytes, the header says %llu", (ull)bytes,
                      (ull)h->file_bytes);
    if (h->section_count > AI_FILE_MAX_SECTIONS)
        return REFUSE(c, &h->section_count, "%u sections, at most %d are allowed", h->section_count,
                      AI_FILE_MAX_SECTIONS);
    if (sizeof(*h) + h->section_count * sizeof(ai_file_section) > bytes)
        return REFUSE(c, &h->section_count, "%u sections do not fit into %llu bytes",
                      h->section_count, (ull)bytes);
    if (!all_zero(h->reserved, sizeof(h->reserved)))
        return REFUSE(c, h->reserved, "a reserved field of the header is not zero");
    return AI_OK;
}

static ai_status check_digest(ai_check *c)
{
    static const uint8_t zeros[32];
    const ai_file_header *h = c->m->header;
    uint8_t digest[32];
    ai_sha256 sha;
    ai_sha256_begin(&sha);
    ai_sha256_add(&sha, h, offsetof(ai_file_header, digest));
    ai_sha256_add(&sha, zeros, sizeof(zeros));
    ai_sha256_add(&sha, c->m->sections, h->section_count * sizeof(ai_file_section));
    ai_sha256_end(&sha, digest);
    if (memcmp(digest, h->digest, sizeof(digest)) != 0)
        return REFUSE(c, h->digest, "header and section table do not match their checksum");
    return AI_OK;
}

static const char *section_name(uint32_t kind)
{
    static const char *const names[] = {"unknown",    "strings",  "tensors",   "steps",  "indices",
                                        "parameters", "resource", "signature", "weights"};
    return kind <= AI_SECTION_WEIGHTS ? names[kind] : names[0];
}

/* The bytes between two sections are as few as alignment asks for, and zero. */
static ai_status check_gap(ai_check *c, const ai_file_section *s, uint64_t end)
{
    uint64_t align = s->kind == AI_SECTION_WEIGHTS ? AI_FILE_WEIGHT_ALIGN : AI_FILE_ALIGN;
    uint64_t needed = (end + align - 1) / align * align;
    if (s->offset != needed)
        return REFUSE(c, &s->offset, "section %s lies at %llu, %llu is needed",
                      section_name(s->kind), (ull)s->offset, (ull)needed);
    if (s->offset > c->m->bytes || s->bytes > c->m->bytes - s->offset)
        return REFUSE(c, &s->bytes, "section %s has %llu bytes at %llu, the file has %llu",
                      section_name(s->kind), (ull)s->bytes, (ull)s->offset, (ull)c->m->bytes);
    if (!all_zero(c->m->base + end, (size_t)(needed - end)))
        return REFUSE(c, c->m->base + end, "the bytes before section %s are not zero",
                      section_name(s->kind));
    return AI_OK;
}

static ai_status check_section(ai_check *c, uint32_t index, uint64_t end, uint32_t *seen)
{
    const ai_file_section *s = &c->m->sections[index];
    if (s->kind < AI_SECTION_STRINGS || s->kind > AI_SECTION_WEIGHTS)
        return REFUSE(c, &s->kind, "section %u is of kind %u, which is not known", index, s->kind);
    if (s->reserved)
        return REFUSE(c, &s->reserved, "a reserved field of section %s is not zero",
                      section_name(s->kind));
    if (s->kind == AI_SECTION_RESOURCE) {
        c->m->resource_count++;
    } else {
        if (*seen & 1u << s->kind)
            return REFUSE(c, &s->kind, "section %s is there twice", section_name(s->kind));
        if (s->name)
            return REFUSE(c, &s->name, "section %s has a name, only resources have one",
                          section_name(s->kind));
    }
    if (*seen & 1u << AI_SECTION_WEIGHTS)
        return REFUSE(c, &s->kind, "section %s lies after the weights", section_name(s->kind));
    *seen |= 1u << s->kind;
    return check_gap(c, s, end);
}

/* Number of entries of a section; UINT64_MAX: not a whole number, or over the limit. */
static uint64_t entries(const ai_file_section *s, uint64_t size, uint64_t limit)
{
    uint64_t count = s->bytes / size;
    return s->bytes % size || count > limit ? UINT64_MAX : count;
}

static ai_status bind_section(ai_check *c, const ai_file_section *s)
{
    ai_model *m = c->m;
    const void *data = m->base + s->offset;
    uint64_t count = 0;
    switch (s->kind) {
    case AI_SECTION_STRINGS:
        m->strings = data;
        m->string_bytes = s->bytes;
        count = s->bytes <= UINT32_MAX ? 0 : UINT64_MAX;
        break;
    case AI_SECTION_TENSORS:
        m->tensors = data;
        count = entries(s, sizeof(ai_file_tensor), AI_FILE_MAX_TENSORS);
        m->tensor_count = (uint32_t)count;
        break;
    case AI_SECTION_STEPS:
        m->steps = data;
        count = entries(s, sizeof(ai_file_step), AI_FILE_MAX_STEPS);
        m->step_count = (uint32_t)count;
        break;
    case AI_SECTION_INDICES:
        m->indices = data;
        count = entries(s, sizeof(uint32_t), UINT32_MAX - 1);
        m->index_count = (uint32_t)count;
        break;
    case AI_SECTION_PARAMETERS:
        m->parameters = data;
        m->parameter_bytes = s->bytes;
        break;
    case AI_SECTION_WEIGHTS:
        m->weights = data;
        m->weight_bytes = s->bytes;
        break;
    default:
        break;
    }
    if (count == UINT64_MAX)
        return REFUSE(c, &s->bytes,
                      "section %s has %llu bytes: no whole number of entries or too many",
                      section_name(s->kind), (ull)s->bytes);
    return AI_OK;
}

static ai_status check_sections(ai_check *c)
{
    ai_model *m = c->m;
    uint32_t seen = 0;
    uint64_t end = sizeof(ai_file_header) + m->header->section_count * sizeof(ai_file_section);
    m->weights = m->parameters = m->base;
    for (uint32_t i = 0; i < m->header->section_count; i++) {
        const ai_file_section *s = &m->sections[i];
        ai_status status = check_section(c, i, end, &seen);
        if (!status)
            status = bind_section(c, s);
        if (!status && s->kind != AI_SECTION_RESOURCE && s->kind != AI_SECTION_WEIGHTS)
            status = ai_verify_section(m, i, c->err);
        if (status)
            return status;
        end = s->offset + s->bytes;
    }
    if (end != m->bytes)
        return ai_fail_at(c->err, AI_E_FORMAT, end,
                          "the last section ends at %llu, the file at %llu", (ull)end,
                          (ull)m->bytes);
    if (!m->strings || !m->tensors || !m->steps || !m->indices)
        return REFUSE(c, &m->header->section_count,
                      "one of the sections strings, tensors, steps and indices is missing");
    return AI_OK;
}

ai_status ai_verify_section(const ai_model *m, uint32_t index, ai_error *err)
{
    const ai_file_section *s = &m->sections[index];
    uint8_t digest[32];
    ai_sha256_of(m->base + s->offset, (size_t)s->bytes, digest);
    if (memcmp(digest, s->sha256, sizeof(digest)) == 0)
        return AI_OK;
    if (s->kind == AI_SECTION_RESOURCE)
        return ai_fail_at(err, AI_E_FORMAT, s->offset, "resource '%s' does not match its checksum",
                          m->strings + s->name);
    return ai_fail_at(err, AI_E_FORMAT, s->offset, "section %s does not match its checksum",
                      section_name(s->kind));
}

/* ---- Strings ---- */

/* Bytes of the well-formed UTF-8 character at p (RFC 3629), 0 if it is none. */
static uint64_t character(const uint8_t *p, uint64_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (p[0] < 0x80)
        return 1;
    uint32_t length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || length > left)
        return 0;
    uint32_t code = p[0] & (0x7Fu >> length);
    for (uint32_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < least[length] || code > 0x10FFFF || is_surrogate ? 0 : length;
}

static ai_status check_strings(ai_check *c)
{
    const ai_model *m = c->m;
    const uint8_t *text = (const uint8_t *)m->strings;
    if (!m->string_bytes || text[m->string_bytes - 1])
        return REFUSE(c, text + m->string_bytes, "section strings does not end in a zero byte");
    for (uint64_t i = 0; i < m->string_bytes;) {
        uint64_t length = character(text + i, m->string_bytes - i);
        if (!length)
            return REFUSE(c, text + i, "section strings is not UTF-8");
        i += length;
    }
    return AI_OK;
}

/* `field` holds the offset of a whole string. */
static ai_status check_name(ai_check *c, const uint32_t *field)
{
    const ai_model *m = c->m;
    if (*field >= m->string_bytes)
        return REFUSE(c, field, "a name lies at %u, section strings has %llu bytes", *field,
                      (ull)m->string_bytes);
    if (*field && m->strings[*field - 1])
        return REFUSE(c, field, "a name begins at %u, inside of another one", *field);
    return AI_OK;
}

static ai_status check_resource_names(ai_check *c)
{
    for (uint32_t i = 0; i < c->m->header->section_count; i++) {
        const ai_file_section *s = &c->m->sections[i];
        ai_status status = s->kind == AI_SECTION_RESOURCE ? check_name(c, &s->name) : AI_OK;
        if (status)
            return status;
    }
    return AI_OK;
}

/* ---- Tensors ---- */

static const char *name_of(const ai_check *c, uint32_t tensor)
{
    return c->m->strings + c->m->tensors[tensor].name;
}

static ai_status check_dims(ai_check *c, uint32_t index)
{
    const ai_file_tensor *t = &c->m->tensors[index];
    int64_t count;
    if (t->rank > AI_MAX_RANK)
        return REFUSE(c, &t->rank, "tensor '%s' has rank %u, at most %d is allowed",
                      name_of(c, index), t->rank, AI_MAX_RANK);
    if (!ai_count(t->rank, t->dim, &count))
        return REFUSE(c, t->dim, "tensor '%s' has a negative dimension or over 2^40 elements",
                      name_of(c, index));
    if (!all_zero(t->dim + t->rank, (AI_MAX_RANK - t->rank) * sizeof(t->dim[0])))
        return REFUSE(c, t->dim + t->rank, "tensor '%s' has dimensions beyond its rank of %u",
                      name_of(c, index), t->rank);
    if (t->varies && t->kind != AI_TENSOR_INPUT)
        return REFUSE(c, &t->varies, "tensor '%s' is no input but has dimensions that vary",
                      name_of(c, index));
    if (t->varies >> t->rank)
        return REFUSE(c, &t->varies, "tensor '%s' has dimensions that vary beyond its rank of %u",
                      name_of(c, index), t->rank);
    return AI_OK;
}

static ai_status check_constant(ai_check *c, uint32_t index)
{
    const ai_file_tensor *t = &c->m->tensors[index];
    int64_t needed;
    if (!ai_layout_bytes(t->layout, t->type, t->rank, t->dim, &needed))
        return REFUSE(c, t->dim, "constant '%s' has a shape that layout %u cannot have",
                      name_of(c, index), t->layout);
    if (t->bytes != (uint64_t)needed)
        return REFUSE(c, &t->bytes, "constant '%s' has %llu bytes, its shape needs %lld",
                      name_of(c, index), (ull)t->bytes, (long long)needed);
    if (t->offset % AI_FILE_ALIGN)
        return REFUSE(c, &t->offset, "constant '%s' lies at %llu, not at a multiple of %d",
                      name_of(c, index), (ull)t->offset, AI_FILE_ALIGN);
    if (t->offset > c->m->weight_bytes || t->bytes > c->m->weight_bytes - t->offset)
        return REFUSE(c, &t->offset, "constant '%s' has %llu bytes at %llu, the weights have %llu",
                      name_of(c, index), (ull)t->bytes, (ull)t->offset, (ull)c->m->weight_bytes);
    c->flags[index] = IS_WRITTEN | MAY_BE_KNOWN;
    return AI_OK;
}

static ai_status check_not_constant(ai_check *c, uint32_t index)
{
    const ai_file_tensor *t = &c->m->tensors[index];
    bool is_value = t->kind == AI_TENSOR_VALUE;
    if (t->offset || t->bytes)
        return REFUSE(c, &t->offset, "tensor '%s' is no constant but lies in the weights",
                      name_of(c, index));
    if (t->layout != AI_LAYOUT_PLAIN && !(is_value && t->layout == AI_LAYOUT_NCHW16C))
        return REFUSE(c, &t->layout, "tensor '%s' has layout %u, which its kind cannot have",
                      name_of(c, index), t->layout);
    return AI_OK;
}

static ai_status check_tensor(ai_check *c, uint32_t index)
{
    const ai_file_tensor *t = &c->m->tensors[index];
    ai_status status = check_name(c, &t->name);
    if (status)
        return status;
    /* Values may leave their type to inference, as they do their shape. */
    if (!ai_type_bytes(t->type) && (t->type || t->kind != AI_TENSOR_VALUE))
        return REFUSE(c, &t->type, "tensor '%s' has type %u, which is not known", name_of(c, index),
                      t->type);
    if (t->kind > AI_TENSOR_STATE)
        return REFUSE(c, &t->kind, "tensor '%s' is of kind %u, which is not known",
                      name_of(c, index), t->kind);
    if (t->layout >= AI_LAYOUT_COUNT)
        return REFUSE(c, &t->layout, "tensor '%s' has layout %u, which is not known",
                      name_of(c, index), t->layout);
    if (!isfinite(t->scale) || t->scale < 0)
        return REFUSE(c, &t->scale, "tensor '%s' has a scale that is negative or not finite",
                      name_of(c, index));
    if (t->reserved || !all_zero(t->reserved2, sizeof(t->reserved2)))
        return REFUSE(c, t->reserved ? (const void *)&t->reserved : t->reserved2,
                      "a reserved field of tensor '%s' is not zero", name_of(c, index));
    status = check_dims(c, index);
    if (status)
        return status;
    return t->kind == AI_TENSOR_CONSTANT ? check_constant(c, index) : check_not_constant(c, index);
}

/* ---- Lists of the header ---- */

static ai_status check_list(ai_check *c, const ai_file_list *list, uint32_t width, const char *what)
{
    uint64_t end = list->first + (uint64_t)list->count * width;
    if (end > c->m->index_count)
        return REFUSE(c, list, "the list of %s ends at index %llu, there are %u", what, (ull)end,
                      c->m->index_count);
    return AI_OK;
}

static ai_status check_index(ai_check *c, const uint32_t *entry, const char *what)
{
    if (*entry >= c->m->tensor_count)
        return REFUSE(c, entry, "%s is tensor %u, there are %u", what, *entry, c->m->tensor_count);
    return AI_OK;
}

/* A tensor that the outside writes: of this kind, and listed once. */
static ai_status check_source(ai_check *c, const uint32_t *entry, uint32_t kind, const char *what)
{
    ai_status status = check_index(c, entry, what);
    if (status)
        return status;
    if (c->m->tensors[*entry].kind != kind)
        return REFUSE(c, entry, "tensor '%s' is listed as %s but is of kind %u", name_of(c, *entry),
                      what, c->m->tensors[*entry].kind);
    if (c->flags[*entry] & IS_WRITTEN)
        return REFUSE(c, entry, "tensor '%s' is listed twice", name_of(c, *entry));
    c->flags[*entry] |= IS_WRITTEN;
    return AI_OK;
}

/* A tensor that leaves the network: a dense value; that a step writes it is found out later. */
static ai_status check_target(ai_check *c, const uint32_t *entry, const char *what)
{
    ai_status status = check_index(c, entry, what);
    if (status)
        return status;
    const ai_file_tensor *t = &c->m->tensors[*entry];
    if (t->kind != AI_TENSOR_VALUE || t->layout != AI_LAYOUT_PLAIN)
        return REFUSE(c, entry, "tensor '%s' is listed as %s but is not a plain value",
                      name_of(c, *entry), what);
    c->flags[*entry] |= IS_OUTPUT;
    return AI_OK;
}

static ai_status check_start(ai_check *c, const uint32_t *entry)
{
    const ai_file_tensor *state = &c->m->tensors[entry[0]];
    if (entry[2] == AI_FILE_NONE)
        return AI_OK;
    ai_status status = check_index(c, entry + 2, "a start value");
    if (status)
        return status;
    const ai_file_tensor *start = &c->m->tensors[entry[2]];
    if (start->kind != AI_TENSOR_CONSTANT || start->layout != AI_LAYOUT_PLAIN ||
        start->type != state->type || start->rank != state->rank ||
        memcmp(start->dim, state->dim, sizeof(state->dim)) != 0)
        return REFUSE(c, entry + 2, "start value '%s' is no constant of the type and shape of '%s'",
                      name_of(c, entry[2]), name_of(c, entry[0]));
    return AI_OK;
}

static ai_status check_states(ai_check *c)
{
    const ai_file_list *list = &c->m->header->states;
    for (uint32_t i = 0; i < list->count; i++) {
        const uint32_t *entry = c->m->indices + list->first + 3 * (size_t)i;
        ai_status status = check_source(c, entry, AI_TENSOR_STATE, "a state");
        if (!status)
            status = check_target(c, entry + 1, "a new state");
        if (!status)
            status = check_start(c, entry);
        if (status)
            return status;
    }
    return AI_OK;
}

static ai_status check_lists(ai_check *c)
{
    const ai_file_header *h = c->m->header;
    ai_status status = check_list(c, &h->inputs, 1, "inputs");
    if (!status)
        status = check_list(c, &h->outputs, 1, "outputs");
    if (!status)
        status = check_list(c, &h->states, 3, "states");
    for (uint32_t i = 0; i < h->inputs.count && !status; i++)
        status = check_source(c, c->m->indices + h->inputs.first + i, AI_TENSOR_INPUT, "an input");
    for (uint32_t i = 0; i < h->outputs.count && !status; i++)
        status = check_target(c, c->m->indices + h->outputs.first + i, "an output");
    return status ? status : check_states(c);
}

/* ---- Steps ---- */

static ai_status check_inputs(ai_check *c, const ai_file_step *s, const ai_op_row *row, bool *known)
{
    const uint32_t *operands = c->m->indices + s->operands;
    *known = true;
    for (uint32_t i = 0; i < s->input_count; i++) {
        if (operands[i] == AI_FILE_NONE) {
            if (i < row->min_inputs)
                return REFUSE(c, operands + i, "input %u of %s '%s' is missing", i, row->name,
                              c->m->strings + s->name);
            continue;
        }
        ai_status status = check_index(c, operands + i, "an input of a step");
        if (status)
            return status;
        if (!(c->flags[operands[i]] & IS_WRITTEN))
            return REFUSE(c, operands + i, "%s '%s' reads '%s' before a step writes it", row->name,
                          c->m->strings + s->name, name_of(c, operands[i]));
        *known &= (c->flags[operands[i]] & MAY_BE_KNOWN) != 0;
    }
    return AI_OK;
}

static ai_status check_outputs(ai_check *c, const ai_file_step *s, const ai_op_row *row, bool known)
{
    const uint32_t *operands = c->m->indices + s->operands + s->input_count;
    for (uint32_t i = 0; i < s->output_count; i++) {
        if (operands[i] == AI_FILE_NONE) {
            if (i < row->min_outputs)
                return REFUSE(c, operands + i, "output %u of %s '%s' is missing", i, row->name,
                              c->m->strings + s->name);
            continue;
        }
        ai_status status = check_index(c, operands + i, "an output of a step");
        if (status)
            return status;
        uint8_t *flags = &c->flags[operands[i]];
        if (c->m->tensors[operands[i]].kind != AI_TENSOR_VALUE)
            return REFUSE(c, operands + i, "%s '%s' writes '%s', which is no value", row->name,
                          c->m->strings + s->name, name_of(c, operands[i]));
        if (*flags & IS_WRITTEN)
            return REFUSE(c, operands + i, "%s '%s' writes '%s' a second time", row->name,
                          c->m->strings + s->name, name_of(c, operands[i]));
        *flags |= known ? IS_WRITTEN | MAY_BE_KNOWN : IS_WRITTEN;
        c->m->known_count += known;
    }
    return AI_OK;
}

static ai_status check_counts(ai_check *c, const ai_file_step *s, const ai_op_row *row)
{
    const char *name = c->m->strings + s->name;
    if (s->input_count < row->min_inputs || s->input_count > row->max_inputs)
        return REFUSE(c, &s->input_count, "%s '%s' has %u inputs, %u to %u are needed", row->name,
                      name, s->input_count, row->min_inputs, row->max_inputs);
    if (s->output_count < row->min_outputs || s->output_count > row->max_outputs)
        return REFUSE(c, &s->output_count, "%s '%s' has %u outputs, %u to %u are needed", row->name,
                      name, s->output_count, row->min_outputs, row->max_outputs);
    if (s->param_bytes != row->param_bytes)
        return REFUSE(c, &s->param_bytes, "%s '%s' has parameters of %u bytes, %u are needed",
                      row->name, name, s->param_bytes, row->param_bytes);
    if (s->param_offset % 8 || s->param_offset + (uint64_t)s->param_bytes > c->m->parameter_bytes)
        return REFUSE(c, &s->param_offset, "%s '%s' has parameters at %u of %llu bytes", row->name,
                      name, s->param_offset, (ull)c->m->parameter_bytes);
    return AI_OK;
}

/* Operands lie one step after the other, so that all of them together are no more than INDICES. */
static ai_status check_step(ai_check *c, uint32_t index, uint64_t *end)
{
    const ai_file_step *s = &c->m->steps[index];
    ai_status status = check_name(c, &s->name);
    if (status)
        return status;
    const ai_op_row *row = ai_op_find(s->op);
    if (!row)
        return FAIL(c, AI_E_UNSUPPORTED, &s->op,
                    "step '%s' is operator %u, which this library does not have",
                    c->m->strings + s->name, s->op);
    if (s->flags || !all_zero(s->reserved, sizeof(s->reserved)))
        return REFUSE(c, s->flags ? (const void *)&s->flags : s->reserved,
                      "a reserved field of %s '%s' is not zero", row->name,
                      c->m->strings + s->name);
    status = check_counts(c, s, row);
    if (status)
        return status;
    uint32_t count = (uint32_t)s->input_count + s->output_count;
    if (s->operands < *end || (uint64_t)s->operands + count > c->m->index_count)
        return REFUSE(c, &s->operands, "%s '%s' has %u operands at index %u, %llu to %u are left",
                      row->name, c->m->strings + s->name, count, s->operands, (ull)*end,
                      c->m->index_count);
    *end = (uint64_t)s->operands + count;
    c->m->operand_count += count;
    bool known;
    status = check_inputs(c, s, row, &known);
    return status ? status : check_outputs(c, s, row, known || row->op->is_shape_only);
}

/* Every value is written; values that stay inside take their shape from inference alone. */
static ai_status check_written(ai_check *c)
{
    for (uint32_t i = 0; i < c->m->tensor_count; i++) {
        const ai_file_tensor *t = &c->m->tensors[i];
        if (!(c->flags[i] & IS_WRITTEN))
            return REFUSE(c, t, "tensor '%s' is written by no step and is in no list",
                          name_of(c, i));
        if (t->kind == AI_TENSOR_VALUE && t->rank && !(c->flags[i] & IS_OUTPUT))
            return REFUSE(c, &t->rank, "tensor '%s' is no output but has a rank of %u",
                          name_of(c, i), t->rank);
    }
    return AI_OK;
}

static ai_status check_content(ai_check *c)
{
    uint64_t end = 0;
    ai_status status = check_strings(c);
    if (!status)
        status = check_name(c, &c->m->header->name);
    if (!status)
        status = check_resource_names(c);
    for (uint32_t i = 0; i < c->m->tensor_count && !status; i++)
        status = check_tensor(c, i);
    if (!status)
        status = check_lists(c);
    for (uint32_t i = 0; i < c->m->step_count && !status; i++)
        status = check_step(c, i, &end);
    return status ? status : check_written(c);
}

ai_status ai_verify(ai_model *model, const void *data, uint64_t bytes, ai_error *err)
{
    ai_check c = {model, NULL, err};
    *model = (ai_model){.base = data, .bytes = bytes, .header = data};
    model->sections = (const ai_file_section *)(model->base + sizeof(ai_file_header));
    ai_status status = check_header(&c, bytes);
    if (!status)
        status = check_digest(&c);
    if (!status)
        status = check_sections(&c);
    if (status)
        return status;
    c.flags = calloc(model->tensor_count + (size_t)1, 1);
    if (!c.flags)
        return ai_fail(err, AI_E_MEMORY, "no memory for checking %u tensors", model->tensor_count);
    status = check_content(&c);
    free(c.flags);
    return status;
}
