/* SPDX-License-Identifier: Apache-2.0
 * UTF-8, character by character. */
#include <string.h>

#include "task.h"

size_t ai_utf8_length(const uint8_t *p, size_t bytes)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80       ? 1
                    : p[0] >> 5 == 6  ? 2
                    : p[0] >> 4 == 14 ? 3
                    : p[0] >> 3 == 30 ? 4
                                      : 0;
    if (!length || length > bytes || !p[0])
        return 0;
    uint32_t code = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= least[length] && code <= 0x10ffff && !is_surrogate ? length : 0;
}

void ai_utf8_clean(char *text)
{
    char *to = text;
    bool was_whole = true;
    for (size_t bytes = strlen(text); bytes;) {
        size_t length = ai_utf8_length((const uint8_t *)text, bytes);
        size_t part = length ? length : 1;
        if (length) {
            memmove(to, text, length);
            to += length;
        } else if (was_whole)
            *to++ = '?';
        was_whole = length != 0;
        text += part;
        bytes -= part;
    }
    *to = 0;
}

bool ai_is_utf8(const char *text)
{
    size_t bytes = strlen(text);
    size_t length = 1;
    for (size_t at = 0; at < bytes && length; at += length)
        length = ai_utf8_length((const uint8_t *)text + at, bytes - at);
    return length != 0;
}
