/* SPDX-License-Identifier: Apache-2.0
 * Rules of verse while a text grows: level and oblique tones, rhymes, no line twice. Where no
 * character keeps all of them, tones give way first, then rhymes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- The table: line i has the readings of character i, "L12 O45" ---- */

static bool read_line(ai_readings readings, const char *at, const char *end)
{
    uint32_t count = 0;
    while (at < end) {
        if ((*at != 'L' && *at != 'O') || count == AI_TEXT_MAX_READINGS)
            return false;
        uint32_t group = 0;
        uint8_t tone = *at++ == 'O' ? AI_OBLIQUE : 0;
        while (at < end && *at >= '0' && *at <= '9' && group < AI_OBLIQUE)
            group = group * 10 + (uint32_t)(*at++ - '0');
        if (!group || group >= AI_OBLIQUE || (at < end && *at != ' '))
            return false;
        readings[count++] = (uint8_t)(tone | group);
        at += at < end;
    }
    return true;
}

ai_status ai_rhymes_read(ai_readings **readings, const void *data, size_t bytes, uint32_t count,
                         ai_error *err)
{
    const char *at = data;
    const char *end = at + bytes;
    ai_readings *made = calloc(count, sizeof *made);
    ai_status status = made ? AI_OK : ai_task_no_memory(err, count * sizeof *made, "the rhymes");
    uint32_t line = 0;
    for (; status == AI_OK && at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if (line < count && !read_line(made[line], at, stop))
            status = ai_task_fail(err, AI_E_FORMAT,
                                  "rhymes: line %u is not up to %d readings such as 'L12 O45'",
                                  line + 1, AI_TEXT_MAX_READINGS);
        at = stop + 1;
    }
    if (status == AI_OK && line != count)
        status =
            ai_task_fail(err, AI_E_FORMAT, "rhymes: %u lines, the vocabulary has %u", line, count);
    if (status != AI_OK) {
        free(made);
        return status;
    }
    *readings = made;
    return AI_OK;
}

/* ---- What may stand next ---- */

typedef struct place { /* what the rules ask of the next character */
    uint64_t any;      /* patterns that take a character without readings */
    uint64_t level;    /* ... with a level reading */
    uint64_t oblique;
    uint64_t rhyming; /* that begin the rhyme of A here, with a level reading */
    int32_t letter;   /* index of the rhyme, or -1 */
} place;

void ai_verse_begin(ai_verse *v, const ai_text_recipe *recipe, const ai_readings *readings)
{
    memset(v, 0, sizeof *v);
    v->recipe = recipe;
    v->readings = readings;
    v->alive = recipe->tone_count ? ~(uint64_t)0 >> (64 - recipe->tone_count) : 0;
}

static place look(const ai_verse *v)
{
    const ai_text_recipe *r = v->recipe;
    place p = {.letter = -1};
    uint32_t line = v->place / r->width;
    uint32_t column = v->place % r->width;
    for (uint32_t i = 0; i < r->tone_count; i++) {
        uint64_t bit = v->alive & (uint64_t)1 << i;
        char tone = r->tone[i][line * (r->width + 1) + column];
        p.any |= tone == '*' ? bit : 0;
        p.level |= tone != 'O' ? bit : 0;
        p.oblique |= tone == 'O' || tone == '*' ? bit : 0;
        p.rhyming |= tone == 'R' ? bit : 0;
    }
    if (column + 1 == r->width && r->rhyme[line] >= 'A')
        p.letter = r->rhyme[line] - 'A';
    return p;
}

static uint64_t fitting(const place *p, const uint8_t *readings)
{
    uint64_t fit = readings[0] ? 0 : p->any;
    for (int i = 0; i < AI_TEXT_MAX_READINGS && readings[i]; i++)
        fit |= readings[i] & AI_OBLIQUE ? p->oblique : p->level;
    return fit;
}

static bool has(const uint8_t *readings, uint8_t reading)
{
    return memchr(readings, reading, AI_TEXT_MAX_READINGS) != NULL;
}

/* The readings that may carry the rhyme: of a tone that fits, and of the rhyme's group if it has
 * one by now. */
static uint32_t rhyming(const ai_verse *v, const place *p, const uint8_t *readings,
                        ai_readings found)
{
    const uint8_t *rhyme = v->rhyme[p->letter];
    uint32_t count = 0;
    memset(found, 0, sizeof(ai_readings));
    for (int i = 0; i < AI_TEXT_MAX_READINGS && readings[i]; i++) {
        bool fits = !v->alive || (readings[i] & AI_OBLIQUE ? p->oblique : p->level);
        if (fits && (!rhyme[0] || has(rhyme, readings[i])))
            found[count++] = readings[i];
    }
    return count;
}

/* Whether an earlier line ends in this character. */
static bool ends_line(const ai_verse *v, uint32_t character)
{
    const ai_text_recipe *r = v->recipe;
    uint32_t line = v->place / r->width;
    for (uint32_t i = 0; i < line; i++)
        if (v->text[(i + 1) * r->width - 1] == character)
            return true;
    return false;
}

/* Takes out the characters that would make the line that now ends one that is there already. */
static void forbid_lines(const ai_verse *v, uint8_t *allowed, uint32_t count)
{
    uint32_t width = v->recipe->width;
    const uint32_t *line = v->text + v->place / width * width;
    if (v->place % width + 1 != width || count < AI_TEXT_MAX_LINES)
        return;
    for (const uint32_t *other = v->text; other < line; other += width)
        if (memcmp(other, line, (width - 1) * sizeof *line) == 0)
            allowed[other[width - 1]] = 0;
}

enum { WITH_TONES, WITH_RHYMES, WITH_NEITHER };

static bool is_allowed(const ai_verse *v, const place *p, uint32_t character, int rules)
{
    ai_readings found;
    const uint8_t *readings = v->readings ? v->readings[character] : NULL;
    if (!readings || rules == WITH_NEITHER)
        return true;
    if (rules == WITH_TONES && v->alive && !fitting(p, readings))
        return false;
    if (p->letter < 0)
        return true;
    return rhyming(v, p, readings, found) && !ends_line(v, character);
}

uint32_t ai_verse_allow(const ai_verse *v, uint8_t *allowed, uint32_t count)
{
    uint32_t found = 0;
    place p = v->recipe->lines ? look(v) : (place){.letter = -1};
    for (int rules = WITH_TONES; rules <= WITH_NEITHER && !found; rules++) {
        for (uint32_t i = 0; i < count; i++)
            allowed[i] = is_allowed(v, &p, i, rules);
        if (v->recipe->lines)
            forbid_lines(v, allowed, count);
        for (uint32_t i = 0; i < count; i++)
            found += allowed[i];
    }
    return found;
}

/* The first line rhymes in every pattern that is left. */
static void begin_rhyme(ai_verse *v, const uint8_t *readings)
{
    uint32_t count = 0;
    for (int i = 0; i < AI_TEXT_MAX_READINGS && readings[i]; i++)
        if (!(readings[i] & AI_OBLIQUE))
            v->rhyme[0][count++] = readings[i];
}

void ai_verse_put(ai_verse *v, uint32_t character)
{
    if (!v->recipe->lines)
        return;
    place p = look(v);
    ai_readings found;
    const uint8_t *readings = v->readings ? v->readings[character] : NULL;
    if (readings && p.letter >= 0 && rhyming(v, &p, readings, found))
        memcpy(v->rhyme[p.letter], found, sizeof found);
    uint64_t fit = readings ? fitting(&p, readings) : v->alive;
    if (readings && fit && !(fit & ~p.rhyming))
        begin_rhyme(v, readings);
    v->alive = fit ? fit : v->alive;
    v->text[v->place++] = character;
}
