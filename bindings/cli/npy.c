/* SPDX-License-Identifier: Apache-2.0
 * NumPy's .npy files: a reader that trusts nothing in them and a writer. The format: six magic
 * bytes, version, length of the header, a Python dictionary as text, then the elements. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

enum { MAX_HEADER = 1 << 16, HEADER_ALIGN = 64, MAX_FILE_BITS = 36 };

static const struct type_row {
    ai_type type;
    uint32_t bytes;
    const char *name;
    const char *descr;
} types[] = {
    {AI_F32, 4, "f32", "<f4"}, {AI_F16, 2, "f16", "<f2"},   {AI_BF16, 2, "bf16", "<V2"},
    {AI_F64, 8, "f64", "<f8"}, {AI_BOOL, 1, "bool", "|b1"}, {AI_S8, 1, "s8", "|i1"},
    {AI_U8, 1, "u8", "|u1"},   {AI_S16, 2, "s16", "<i2"},   {AI_U16, 2, "u16", "<u2"},
    {AI_S32, 4, "s32", "<i4"}, {AI_U32, 4, "u32", "<u4"},   {AI_S64, 8, "s64", "<i8"},
    {AI_U64, 8, "u64", "<u8"},
};

static const struct type_row *find_type(ai_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (types[i].type == type)
            return &types[i];
    }
    return NULL;
}

const char *ai_cli_type_name(ai_type type)
{
    const struct type_row *row = find_type(type);
    return row ? row->name : "unknown";
}

uint32_t ai_cli_type_bytes(ai_type type)
{
    const struct type_row *row = find_type(type);
    return row ? row->bytes : 0;
}

/* ---- The header's dictionary ---- */

typedef struct cursor {
    const char *at;
    const char *end;
} cursor;

static bool take(cursor *c, char wanted)
{
    while (c->at < c->end && strchr(" \t\n", *c->at) && *c->at)
        c->at++;
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t bytes = strlen(word);
    if (!take(c, word[0]))
        return false;
    c->at--;
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, word, bytes) != 0)
        return false;
    c->at += bytes;
    return true;
}

/* A quoted string without escapes, cut to fit. */
static bool take_string(cursor *c, char text[32])
{
    char quote = '\'';
    if (!take(c, quote)) {
        quote = '"';
        if (!take(c, quote))
            return false;
    }
    size_t used = 0;
    while (c->at < c->end && *c->at != quote) {
        if (used < 31)
            text[used++] = *c->at;
        c->at++;
    }
    text[used] = 0;
    return take(c, quote);
}

static bool take_number(cursor *c, int64_t *number)
{
    int64_t value = 0;
    int digits = 0;
    while (take(c, ' '))
        continue;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits++) {
        if (value > (INT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *number = value;
    return digits > 0;
}

static ai_status take_shape(cursor *c, ai_npy *npy, ai_error *err)
{
    bool is_open = take(c, '(');
    while (is_open && !take(c, ')')) {
        int64_t dim;
        if (!take_number(c, &dim))
            return ai_cli_error(err, AI_E_FORMAT, "header has a shape that cannot be read");
        if (npy->rank == AI_MAX_RANK)
            return ai_cli_error(err, AI_E_SHAPE, "array has more than %d dimensions", AI_MAX_RANK);
        npy->dim[npy->rank++] = dim;
        if (!take(c, ',')) {
            is_open = take(c, ')');
            break;
        }
    }
    return is_open ? AI_OK : ai_cli_error(err, AI_E_FORMAT, "header has no complete shape");
}

static ai_status read_descr(cursor *c, ai_npy *npy, ai_error *err)
{
    char descr[32] = "";
    if (!take_string(c, descr))
        return ai_cli_error(err, AI_E_UNSUPPORTED, "elements are records, needed are numbers");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct type_row *row = &types[i];
        bool is_order_free = row->bytes == 1 || row->type == AI_BF16;
        if (strcmp(descr + 1, row->descr + 1) == 0 &&
            (descr[0] == '<' || (is_order_free && descr[0] == '|')))
            npy->type = row->type;
    }
    if (npy->type == 0)
        return ai_cli_error(err, AI_E_UNSUPPORTED,
                            "elements are of dtype '%s', needed are little-endian numbers", descr);
    return AI_OK;
}

static ai_status read_header(const char *text, size_t bytes, ai_npy *npy, bool *is_fortran,
                             ai_error *err)
{
    cursor c = {text, text + bytes};
    unsigned seen = 0;
    ai_status status = AI_OK;
    bool is_dictionary = take(&c, '{');
    while (is_dictionary && status == AI_OK && !take(&c, '}')) {
        char key[32];
        is_dictionary = take_string(&c, key) && take(&c, ':');
        unsigned bit = strcmp(key, "descr") == 0           ? 1
                       : strcmp(key, "fortran_order") == 0 ? 2
                       : strcmp(key, "shape") == 0         ? 4
                                                           : 0;
        if (!is_dictionary || bit == 0 || (seen & bit))
            break;
        seen |= bit;
        if (bit == 1)
            status = read_descr(&c, npy, err);
        else if (bit == 4)
            status = take_shape(&c, npy, err);
        else if (take_word(&c, "True"))
            *is_fortran = true;
        else if (!take_word(&c, "False"))
            break;
        if (status == AI_OK && !take(&c, ',') && !take(&c, '}'))
            break;
        if (c.at[-1] == '}')
            break;
    }
    if (status == AI_OK && seen != 7)
        return ai_cli_error(err, AI_E_FORMAT, "header lacks descr, fortran_order or shape");
    return status;
}

/* ---- The elements ---- */

static bool count_bytes(const ai_npy *npy, uint64_t *bytes)
{
    uint64_t product = ai_cli_type_bytes(npy->type);
    for (uint32_t i = 0; i < npy->rank; i++) {
        if (npy->dim[i] != 0 && product > (UINT64_C(1) << MAX_FILE_BITS) / (uint64_t)npy->dim[i])
            return false;
        product *= (uint64_t)npy->dim[i];
    }
    *bytes = product;
    return true;
}

/* From first index fastest to last index fastest. */
static ai_status turn_rows(ai_npy *npy, ai_error *err)
{
    uint32_t size = ai_cli_type_bytes(npy->type);
    uint64_t stride[AI_MAX_RANK];
    int64_t at[AI_MAX_RANK] = {0};
    char *turned = malloc(npy->bytes ? npy->bytes : 1);
    if (!turned)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for %llu bytes",
                            (unsigned long long)npy->bytes);
    uint64_t from = size;
    for (uint32_t i = 0; i < npy->rank; i++) {
        stride[i] = from;
        from *= (uint64_t)npy->dim[i];
    }
    from = 0;
    for (uint64_t to = 0; to < npy->bytes; to += size) {
        memcpy(turned + to, (const char *)npy->data + from, size);
        for (uint32_t i = npy->rank; i-- > 0;) {
            from += stride[i];
            if (++at[i] < npy->dim[i])
                break;
            from -= stride[i] * (uint64_t)npy->dim[i];
            at[i] = 0;
        }
    }
    free(npy->memory);
    npy->memory = turned;
    npy->data = turned;
    return AI_OK;
}

/* Where the header's text begins and how long it is. */
static ai_status find_header(const unsigned char *file, size_t bytes, size_t *start, size_t *length,
                             ai_error *err)
{
    if (bytes < 10 || memcmp(file, magic, sizeof magic) != 0)
        return ai_cli_error(err, AI_E_FORMAT, "not a .npy file");
    if (file[6] < 1 || file[6] > 3)
        return ai_cli_error(err, AI_E_VERSION, ".npy version is %d, needed is 1, 2 or 3", file[6]);
    *start = file[6] == 1 ? 10 : 12;
    *length = file[8] | (size_t)file[9] << 8;
    if (file[6] > 1 && bytes >= *start)
        *length |= (size_t)file[10] << 16 | (size_t)file[11] << 24;
    if (*length > MAX_HEADER)
        return ai_cli_error(err, AI_E_FORMAT, ".npy header has %zu bytes, the limit is %d", *length,
                            MAX_HEADER);
    if (bytes < *start || bytes - *start < *length)
        return ai_cli_error(err, AI_E_FORMAT, "file ends within its .npy header");
    return AI_OK;
}

static ai_status parse(ai_npy *npy, size_t bytes, ai_error *err)
{
    size_t start = 0;
    size_t length = 0;
    bool is_fortran = false;
    ai_status status = find_header(npy->memory, bytes, &start, &length, err);
    if (status == AI_OK)
        status = read_header((const char *)npy->memory + start, length, npy, &is_fortran, err);
    if (status != AI_OK)
        return status;
    size_t rest = bytes - start - length;
    if (!count_bytes(npy, &npy->bytes) || npy->bytes != rest) {
        char dims[256];
        return ai_cli_error(err, AI_E_FORMAT, "%zu bytes of elements do not fill %s %s", rest,
                            ai_cli_type_name(npy->type), ai_cli_dims(dims, npy->rank, npy->dim, 0));
    }
    npy->data = (char *)npy->memory + start + length;
    return is_fortran && npy->rank > 1 ? turn_rows(npy, err) : AI_OK;
}

ai_status ai_npy_parse(ai_npy *npy, void *memory, size_t bytes, ai_error *err)
{
    *npy = (ai_npy){.memory = memory};
    ai_status status = parse(npy, bytes, err);
    if (status != AI_OK)
        ai_npy_free(npy);
    return status;
}

ai_status ai_npy_read(ai_npy *npy, const char *path, ai_error *err)
{
    void *memory;
    size_t bytes;
    ai_status status = ai_cli_read(&memory, &bytes, path, (size_t)1 << MAX_FILE_BITS, err);
    return status == AI_OK ? ai_npy_parse(npy, memory, bytes, err) : status;
}

void ai_npy_free(ai_npy *npy)
{
    free(npy->memory);
    *npy = (ai_npy){0};
}

ai_status ai_npy_write(ai_cli_output *out, const ai_tensor_info *info, const void *data,
                       ai_error *err)
{
    const struct type_row *row = find_type(info->type);
    char header[512];
    if (!row)
        return ai_cli_error(err, AI_E_UNSUPPORTED, "type %d has no place in a .npy file",
                            info->type);
    int used = snprintf(header + 10, sizeof header - 10,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (", row->descr);
    for (uint32_t i = 0; i < info->rank; i++)
        used += snprintf(header + 10 + used, sizeof header - 10 - (size_t)used, "%s%lld%s",
                         i ? ", " : "", (long long)info->dim[i], info->rank == 1 ? "," : "");
    used += snprintf(header + 10 + used, sizeof header - 10 - (size_t)used, "), }");
    size_t bytes = 10 + (size_t)used + 1;
    size_t padded = (bytes + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
    memset(header + 10 + used, ' ', padded - bytes + 1);
    header[padded - 1] = '\n';
    memcpy(header, magic, sizeof magic);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((padded - 10) & 0xff);
    header[9] = (char)((padded - 10) >> 8);
    ai_status status = ai_cli_write(out, header, padded, err);
    return status == AI_OK ? ai_cli_write(out, data, info->bytes, err) : status;
}
