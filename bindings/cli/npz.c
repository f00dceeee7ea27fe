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
    DEFLATED = 8,
    MOST_OF_A_BYTE = 1032 /* a match of 258 bytes takes at least two bits */
};

static const size_t MAX_BYTES = (size_t)1 << 36;

/* Of all arrays together: a small file may claim to hold any number of bytes. */
static const uint64_t MAX_UNPACKED = (uint64_t)1 << 32;

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

static const uint8_t *find_bytes(const zip *z, const entry *e)
{
    const uint8_t *local = span(z, e->at, LOCAL_BYTES);
    if (!local || memcmp(local, "PK\3\4", 4) != 0 || e->bytes / MOST_OF_A_BYTE > e->packed)
        return NULL;
    return span(z, e->at + (uint64_t)LOCAL_BYTES + u16(local + 26) + u16(local + 28), e->packed);
}

/* The bytes of an entry; false: they cannot be had. */
static bool unpack(const zip *z, const entry *e, uint8_t *to)
{
    const uint8_t *from = find_bytes(z, e);
    if (from && e->method == STORED && e->packed == e->bytes)
        memcpy(to, from, e->bytes);
    else
        return from && e->method == DEFLATED && inflate_all(from, e->packed, to, e->bytes);
    return true;
}

static ai_status read_array(const zip *z, const entry *e, ai_cli_array *array, ai_error *err)
{
    ai_error cause;
    uint32_t name = e->name_bytes;
    if (name > 4 && memcmp(e->name + name - 4, ".npy", 4) == 0)
        name -= 4;
    array->name = strndup(e->name, name);
    uint8_t *memory = malloc(find_bytes(z, e) ? e->bytes + (size_t)1 : 1);
    if (!array->name || !memory) {
        free(memory);
        return ai_cli_error(err, AI_E_MEMORY, "no memory for an array of %u bytes", e->bytes);
    }
    if (!unpack(z, e, memory)) {
        free(memory);
        return ai_cli_error(err, AI_E_FORMAT,
                            "array '%.80s' is damaged, or no stored or deflated one", array->name);
    }
    if (ai_npy_parse(&array->npy, memory, e->bytes, &cause) != AI_OK)
        return ai_cli_error(err, cause.code, "array '%.80s': %.140s", array->name, cause.message);
    return AI_OK;
}

/* Says how many bytes all arrays have before one is unpacked. */
static ai_status check_entries(const zip *z, uint64_t at, uint32_t entries, ai_error *err)
{
    uint64_t unpacked = 0;
    for (uint32_t i = 0; i < entries; i++) {
        entry e;
        if (!read_entry(z, &at, &e))
            return ai_cli_error(err, AI_E_FORMAT, "not an .npz: entry %u of its list is damaged",
                                i);
        unpacked += e.bytes;
    }
    if (unpacked > MAX_UNPACKED)
        return ai_cli_error(err, AI_E_FORMAT, "its arrays have %llu bytes, the limit is %llu",
                            (unsigned long long)unpacked, (unsigned long long)MAX_UNPACKED);
    return AI_OK;
}

ai_status ai_npz_parse(ai_cli_array **arrays, uint32_t *count, const void *data, size_t bytes,
                       ai_error *err)
{
    const zip z = {data, bytes};
    const uint8_t *end = find_end(&z);
    *count = 0;
    *arrays = NULL;
    if (!end)
        return ai_cli_error(err, AI_E_FORMAT, "not an .npz: it has no list of arrays at its end");
    uint32_t entries = u16(end + 10);
    uint64_t at = u32(end + 16);
    ai_status status = check_entries(&z, at, entries, err);
    if (status != AI_OK)
        return status;
    *arrays = calloc(entries + (size_t)1, sizeof **arrays);
    if (!*arrays)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for %u arrays", entries);
    for (uint32_t i = 0; i < entries && status == AI_OK; i++) {
        entry e;
        if (read_entry(&z, &at, &e))
            status = read_array(&z, &e, &(*arrays)[(*count)++], err);
    }
    return status;
}

ai_status ai_npz_read(ai_cli_array **arrays, uint32_t *count, const char *path, ai_error *err)
{
    void *data = NULL;
    size_t bytes = 0;
    ai_status status = ai_cli_read(&data, &bytes, path, MAX_BYTES, err);
    if (status == AI_OK)
        status = ai_npz_parse(arrays, count, data, bytes, err);
    free(data);
    return status;
}

void ai_npz_free(ai_cli_array *arrays, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free(arrays[i].name);
        ai_npy_free(&arrays[i].npy);
    }
    free(arrays);
}
