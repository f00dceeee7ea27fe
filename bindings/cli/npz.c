/* SPDX-License-Identifier: Apache-2.0
 * NumPy's .npz: a zip of .npy files, stored or deflated, each under 4 GiB. Offsets and sizes are
 * those of the central directory (PKWARE, .ZIP File Format Specification, 4.3), of which nothing is
 * trusted. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "int8.h"

enum {
    END_BYTES = 22,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    STORED = 0,
    DEFLATED = 8
};

static const size_t MAX_BYTES = (size_t)1 << 36;

typedef struct zip {
    const uint8_t *data;
    size_t bytes;
} zip;

typedef struct entry {
    uint32_t method;
    uint32_t packed;
    uint32_t bytes;
    uint32_t name_bytes;
    uint32_t at; /* local header */
    const char *name;
} entry;

static uint32_t u16(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8;
}

static uint32_t u32(const uint8_t *at)
{
    return u16(at) | u16(at + 2) << 16;
}

/* `bytes` bytes at `at`, or NULL: the file ends before. */
static const uint8_t *span(const zip *z, uint64_t at, uint64_t bytes)
{
    return at > z->bytes || bytes > z->bytes - at ? NULL : z->data + at;
}

static const uint8_t *find_end(const zip *z)
{
    for (size_t back = END_BYTES; back <= z->bytes && back <= END_BYTES + MAX_COMMENT; back++) {
        const uint8_t *at = z->data + z->bytes - back;
        if (memcmp(at, "PK\5\6", 4) == 0)
            return at;
    }
    return NULL;
}

/* The next entry of the central directory, which begins at *at. */
static bool read_entry(const zip *z, uint64_t *at, entry *e)
{
    const uint8_t *d = span(z, *at, ENTRY_BYTES);
    if (!d || memcmp(d, "PK\1\2", 4) != 0)
        return false;
    *e = (entry){.method = u16(d + 10),
                 .packed = u32(d + 20),
                 .bytes = u32(d + 24),
                 .name_bytes = u16(d + 28),
                 .at = u32(d + 42)};
    e->name = (const char *)span(z, *at + ENTRY_BYTES, e->name_bytes);
    *at += ENTRY_BYTES + e->name_bytes + u16(d + 30) + u16(d + 32);
    return e->name != NULL;
}

static bool inflate_all(const uint8_t *from, uint32_t packed, uint8_t *to, uint32_t bytes)
{
    z_stream s = {
        .next_in = (z_const Bytef *)from, .avail_in = packed, .next_out = to, .avail_out = bytes};
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return false;
    int end = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    return end == Z_STREAM_END && s.avail_out == 0;
}

static ai_status read_array(const zip *z, const entry *e, ai_cli_array *array, ai_error *err)
{
    uint32_t name = e->name_bytes;
    if (name > 4 && memcmp(e->name + name - 4, ".npy", 4) == 0)
        name -= 4;
    array->name = strndup(e->name, name);
    uint8_t *memory = malloc(e->bytes + (size_t)1);
    const uint8_t *local = span(z, e->at, LOCAL_BYTES);
    const uint8_t *from = NULL;
    if (local && memcmp(local, "PK\3\4", 4) == 0)
        from =
            span(z, e->at + (uint64_t)LOCAL_BYTES + u16(local + 26) + u16(local + 28), e->packed);
    bool is_read = array->name && memory && from;
    if (is_read && e->method == STORED && e->packed == e->bytes)
        memcpy(memory, from, e->bytes);
    else
        is_read =
            is_read && e->method == DEFLATED && inflate_all(from, e->packed, memory, e->bytes);
    if (is_read)
        return ai_npy_parse(&array->npy, memory, e->bytes, err);
    free(memory);
    return ai_cli_error(err, AI_E_FORMAT, "array '%.80s' is damaged, or no stored or deflated one",
                        array->name ? array->name : "");
}

ai_status ai_cli_npz(ai_cli_array **arrays, uint32_t *count, const char *path, ai_error *err)
{
    void *data = NULL;
    zip z = {0};
    ai_status status = ai_cli_read(&data, &z.bytes, path, MAX_BYTES, err);
    z.data = data;
    const uint8_t *end = status == AI_OK ? find_end(&z) : NULL;
    if (status == AI_OK && !end)
        status = ai_cli_error(err, AI_E_FORMAT, "not an .npz: it has no list of arrays at its end");
    uint32_t entries = end ? u16(end + 10) : 0;
    uint64_t at = end ? u32(end + 16) : 0;
    *count = 0;
    *arrays = calloc(entries + (size_t)1, sizeof **arrays);
    if (status == AI_OK && !*arrays)
        status = ai_cli_error(err, AI_E_MEMORY, "no memory for %u arrays", entries);
    for (uint32_t i = 0; i < entries && status == AI_OK; i++) {
        entry e;
        if (!read_entry(&z, &at, &e))
            status =
                ai_cli_error(err, AI_E_FORMAT, "not an .npz: entry %u of its list is damaged", i);
        else
            status = read_array(&z, &e, &(*arrays)[(*count)++], err);
    }
    free(data);
    return status;
}
