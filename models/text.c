/* SPDX-License-Identifier: Apache-2.0
 * Text that grows, and JSON strings in it. */
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(ai_text *text, size_t more)
{
    if (text->is_exhausted || more >= SIZE_MAX / 2 - text->bytes)
        return false;
    if (text->bytes + more + 1 <= text->capacity)
        return true;
    size_t capacity = 2 * (text->bytes + more) + 256;
    char *larger = realloc(text->data, capacity);
    if (larger == NULL) {
        text->is_exhausted = true;
        return false;
    }
    text->data = larger;
    text->capacity = capacity;
    return true;
}

void ai_text_add(ai_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->bytes, (size_t)length + 1, format, again);
        text->bytes += (size_t)length;
    }
    va_end(again);
}

/* Bytes of the UTF-8 sequence that begins here; 0: none does. */
static size_t sequence_bytes(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t bytes = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    unsigned char least = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[0] < 0xc2 || s[0] > 0xf4 || s[1] < least || s[1] > most)
        return 0;
    for (size_t i = 2; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return bytes;
}

bool ai_text_is_utf8(const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    size_t bytes = 1;
    for (; *s != 0 && bytes > 0; s += bytes)
        bytes = sequence_bytes(s);
    return bytes > 0;
}

void ai_text_add_utf8(ai_text *text, const char *string, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)string;
    while (bytes > 0 && *s != 0) {
        size_t next = sequence_bytes(s);
        if (next == 0 || next > bytes)
            ai_text_add(text, "\xef\xbf\xbd");
        else
            ai_text_add(text, "%.*s", (int)next, (const char *)s);
        next = next == 0 || next > bytes ? 1 : next;
        s += next;
        bytes -= next;
    }
}

void ai_text_quote(ai_text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    ai_text_add(text, "\"");
    while (*s != 0) {
        size_t bytes = sequence_bytes(s);
        if (bytes == 0)
            ai_text_add(text, "\\ufffd");
        else if (*s < 0x20 || *s == 0x7f)
            ai_text_add(text, "\\u%04x", *s);
        else if (*s == '"' || *s == '\\')
            ai_text_add(text, "\\%c", *s);
        else
            ai_text_add(text, "%.*s", (int)bytes, (const char *)s);
        s += bytes == 0 ? 1 : bytes;
    }
    ai_text_add(text, "\"");
}

void ai_text_hex(ai_text *text, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ai_text_add(text, "%02x", bytes[i]);
}
