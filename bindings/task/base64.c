/* SPDX-License-Identifier: Apache-2.0
 * Base64 to bytes: the standard and the URL alphabet, with or without padding and line ends. */
#include <stdlib.h>

#include "task.h"

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Where the padding begins. Behind it only padding and line ends may stand. */
static size_t find_end(const char *text, size_t length)
{
    while (length > 0 &&
           (text[length - 1] == '=' || text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    return length;
}

ai_status ai_base64_decode(const char *text, size_t length, void **data, size_t *bytes,
                           ai_error *err)
{
    if (!data || !bytes || (!text && length))
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL",
                            !data   ? "data"
                            : bytes ? "text"
                                    : "bytes");
    size_t end = find_end(text, length);
    uint8_t *out = malloc(end / 4 * 3 + 4);
    if (!out)
        return ai_task_no_memory(err, end / 4 * 3 + 4, "what base64 stands for");
    size_t count = 0;
    uint32_t held = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < end; i++) {
        int value = value_of(text[i]);
        if (value < 0 && (text[i] == '\n' || text[i] == '\r'))
            continue;
        if (value < 0) {
            free(out);
            return ai_task_fail(err, AI_E_FORMAT,
                                "base64 has byte 0x%02x at %zu, it has letters, "
                                "digits, '+' and '/'",
                                (unsigned)(uint8_t)text[i], i);
        }
        held = held << 6 | (uint32_t)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[count++] = (uint8_t)(held >> bits);
        }
    }
    if (bits == 6) { /* one character of a group of four holds no byte */
        free(out);
        return ai_task_fail(err, AI_E_FORMAT, "base64 ends within a byte, at %zu", end);
    }
    out[count] = 0;
    *data = out;
    *bytes = count;
    return AI_OK;
}
