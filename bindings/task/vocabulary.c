/* SPDX-License-Identifier: Apache-2.0
 * The characters that a text generator knows: UTF-8, one a line; \n and \\ stand for a line's end
 * and a backslash. */
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { MAX_COUNT = 1 << 20 };

/* One line of `bytes` bytes as a character; false: it is none. */
static bool read_line(char text[5], const char *line, size_t bytes)
{
    if (bytes == 2 && line[0] == '\\' && (line[1] == 'n' || line[1] == '\\')) {
        text[0] = line[1] == 'n' ? '\n' : '\\';
        return true;
    }
    if (!bytes || ai_utf8_length((const uint8_t *)line, bytes) != bytes || line[0] == '\\')
        return false;
    memcpy(text, line, bytes);
    return true;
}

static uint32_t count_lines(const char *data, size_t bytes)
{
    uint32_t count = bytes && data[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes && count <= MAX_COUNT; i++)
        count += data[i] == '\n';
    return count;
}

/* `count` lines; *made is the caller's on failure too. name: of the resource. */
static ai_status read_lines(char (**made)[5], uint32_t count, const char *name, const void *data,
                            size_t bytes, ai_error *err)
{
    const char *at = data;
    const char *end = at + bytes;
    *made = calloc(count, sizeof **made);
    if (!*made)
        return ai_task_no_memory(err, count * sizeof **made, "the vocabulary");
    for (uint32_t i = 0; i < count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (!read_line((*made)[i], at, (size_t)(stop - at)))
            return ai_task_fail(err, AI_E_FORMAT, "%s: line %u is not one UTF-8 character", name,
                                i + 1);
        at = stop + 1;
    }
    return AI_OK;
}

ai_status ai_vocabulary_open(ai_vocabulary *v, const void *data, size_t bytes, ai_error *err)
{
    *v = (ai_vocabulary){.count = count_lines(data, bytes)};
    if (!v->count || v->count > MAX_COUNT)
        return ai_task_fail(err, AI_E_FORMAT, "vocabulary: %s lines, 1 to %d are needed",
                            v->count ? "too many" : "no", MAX_COUNT);
    return read_lines(&v->text, v->count, "vocabulary", data, bytes, err);
}

ai_status ai_vocabulary_simplify(ai_vocabulary *v, const void *data, size_t bytes, ai_error *err)
{
    uint32_t count = count_lines(data, bytes);
    if (count != v->count)
        return ai_task_fail(err, AI_E_FORMAT, "simplified: %u lines, the vocabulary has %u", count,
                            v->count);
    return read_lines(&v->simplified, count, "simplified", data, bytes, err);
}

void ai_vocabulary_close(ai_vocabulary *v)
{
    free(v->text);
    free(v->simplified);
    *v = (ai_vocabulary){.count = 0};
}

static uint32_t find_in(char (*table)[5], uint32_t count, const char text[5])
{
    for (uint32_t i = 0; table && i < count; i++)
        if (memcmp(table[i], text, 5) == 0)
            return i;
    return AI_TEXT_NONE;
}

static uint32_t find(const ai_vocabulary *v, bool is_simplified, const char text[5])
{
    uint32_t number = find_in(is_simplified ? v->simplified : v->text, v->count, text);
    return number != AI_TEXT_NONE
               ? number
               : find_in(is_simplified ? v->text : v->simplified, v->count, text);
}

ai_status ai_vocabulary_read(const ai_vocabulary *v, bool is_simplified, const char *what,
                             const char *text, uint32_t most, uint32_t *number, uint32_t *count,
                             ai_error *err)
{
    size_t bytes = strlen(text);
    *count = 0;
    for (size_t at = 0; at < bytes;) {
        char character[5] = {0};
        size_t length = ai_utf8_length((const uint8_t *)text + at, bytes - at);
        if (!length)
            return ai_task_fail(err, AI_E_ARGUMENT, "%s is not UTF-8 at byte %zu", what, at);
        if (*count == most)
            return ai_task_fail(err, AI_E_ARGUMENT, "%s has more than %u characters", what, most);
        memcpy(character, text + at, length);
        number[*count] = find(v, is_simplified, character);
        if (number[*count] == AI_TEXT_NONE)
            return ai_task_fail(err, AI_E_ARGUMENT, "%s has '%s', the vocabulary does not", what,
                                character);
        (*count)++;
        at += length;
    }
    return AI_OK;
}
