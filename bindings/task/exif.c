/* SPDX-License-Identifier: Apache-2.0
 * Finds the orientation in an EXIF block, which is a small TIFF file and hostile. */
#include "task.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

typedef struct tiff {
    const uint8_t *data;
    size_t bytes;
    bool is_big_endian;
} tiff;

/* Both read inside the block only: the caller has compared `at` with its size. */
static uint32_t read16(const tiff *t, size_t at)
{
    const uint8_t *p = t->data + at;
    return t->is_big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t read32(const tiff *t, size_t at)
{
    uint32_t first = read16(t, at);
    uint32_t second = read16(t, at + 2);
    return t->is_big_endian ? first << 16 | second : second << 16 | first;
}

static uint32_t entry_value(const tiff *t, size_t entry)
{
    switch (read16(t, entry + 2)) {
    case TYPE_BYTE:
        return t->data[entry + 8];
    case TYPE_SHORT:
        return read16(t, entry + 8);
    case TYPE_LONG:
        return read32(t, entry + 8);
    default:
        return 0;
    }
}

static bool has_header(tiff *t)
{
    if (t->bytes < 8)
        return false;
    t->is_big_endian = t->data[0] == 'M';
    return (t->data[0] == 'I' || t->data[0] == 'M') && t->data[1] == t->data[0] &&
           read16(t, 2) == 42;
}

uint32_t ai_exif_orientation(const uint8_t *data, size_t bytes)
{
    tiff t = {data, bytes, false};
    if (!has_header(&t))
        return 1;
    size_t at = read32(&t, 4);
    if (at > bytes - 2)
        return 1;
    uint32_t count = read16(&t, at);
    uint32_t orientation = 1;
    at += 2;
    for (uint32_t i = 0; i < count && bytes - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        if (read16(&t, at) != TAG_ORIENTATION || read32(&t, at + 4) != 1)
            continue;
        orientation = entry_value(&t, at);
    }
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}
