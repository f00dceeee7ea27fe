/* SPDX-License-Identifier: Apache-2.0
 * Text that grows, and JSON strings in it. */
#ifndef AI_TEXT_H
#define AI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ai_text {
    char *data; /* freed by the caller; ends in a zero byte once something was added */
    size_t bytes;
    size_t capacity;
    bool is_exhausted; /* memory ran out: what follows was left out */
} ai_text;

void ai_text_add(ai_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void ai_text_quote(ai_text *text, const char *string);
bool ai_text_is_utf8(const char *string);
/* Adds `bytes` bytes; those that are not UTF-8 become U+FFFD. */
void ai_text_add_utf8(ai_text *text, const char *string, size_t bytes);
/* Adds bytes as lower-case hexadecimal digits. */
void ai_text_hex(ai_text *text, const unsigned char *bytes, size_t count);

#endif
