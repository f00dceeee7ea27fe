/* SPDX-License-Identifier: Apache-2.0
 * What the files of the text generator share: recipe, vocabulary, rules of verse, sampling. */
#ifndef AI_TASK_TEXT_H
#define AI_TASK_TEXT_H

#include "task.h"

#define AI_TEXT_NONE UINT32_MAX

enum {
    AI_TEXT_MAX_LINES = 16,
    AI_TEXT_MAX_WIDTH = 64,
    AI_TEXT_MAX_MARK = 15,    /* bytes */
    AI_TEXT_MAX_TONES = 64,   /* patterns: bits of a word */
    AI_TEXT_MAX_READINGS = 4, /* of a character */
    AI_TEXT_MAX_THEME = 16    /* characters */
};

/* ---- Recipe: docs/format.md, "Text recipe" ---- */

typedef struct ai_text_recipe {
    uint32_t first;  /* number of the vocabulary's first character */
    uint32_t start;  /* the number before the first character */
    uint32_t end;    /* the number that ends a text of free form; AI_TEXT_NONE: none */
    uint32_t lines;  /* 0: free form */
    uint32_t width;  /* characters a line */
    uint32_t length; /* characters in all */
    double temperature;
    double top_p;
    double repeat; /* taken from the logits of characters that stand already */
    char mark[AI_TEXT_MAX_LINES][AI_TEXT_MAX_MARK + 1]; /* after each line */
    char rhyme[AI_TEXT_MAX_LINES + 1];                  /* lines of one letter rhyme; '-': none */
    uint32_t tone_count;
    char tone[AI_TEXT_MAX_TONES][AI_TEXT_MAX_LINES * (AI_TEXT_MAX_WIDTH + 1)];
} ai_text_recipe;

ai_status ai_text_recipe_read(ai_text_recipe *recipe, const char *text, size_t bytes,
                              ai_error *err);

/* ---- Vocabulary: the characters by their line, from 0 ---- */

typedef struct ai_vocabulary {
    uint32_t count;
    char (*text)[5];       /* one character each */
    char (*simplified)[5]; /* the same in the other script; NULL: there is one script */
} ai_vocabulary;

ai_status ai_vocabulary_open(ai_vocabulary *vocabulary, const void *data, size_t bytes,
                             ai_error *err);
/* Reads the resource "simplified" into a vocabulary that is open. */
ai_status ai_vocabulary_simplify(ai_vocabulary *vocabulary, const void *data, size_t bytes,
                                 ai_error *err);
void ai_vocabulary_close(ai_vocabulary *vocabulary);

/* Numbers, from 0, of the characters of `text`, at most `most` of them, in either script; where
 * both have one, is_simplified says which it is. what: "start" and the like, for the message. */
ai_status ai_vocabulary_read(const ai_vocabulary *vocabulary, bool is_simplified, const char *what,
                             const char *text, uint32_t most, uint32_t *number, uint32_t *count,
                             ai_error *err);

/* ---- Rules of verse: readings of characters, tones and rhymes (verse.c) ---- */

/* A reading: 0: none; else its rhyme group, 1 to 127, and AI_OBLIQUE. */
enum { AI_OBLIQUE = 0x80 };
typedef uint8_t ai_readings[AI_TEXT_MAX_READINGS];

/* Readings of `count` characters; docs/format.md, "Rhymes". */
ai_status ai_rhymes_read(ai_readings **readings, const void *data, size_t bytes, uint32_t count,
                         ai_error *err);

typedef struct ai_verse { /* how far a text is */
    const ai_text_recipe *recipe;
    const ai_readings *readings; /* NULL: the recipe has no rules */
    uint32_t place;              /* of the next character */
    uint64_t alive;              /* patterns of tones that fit so far */
    ai_readings rhyme['Z' - 'A' + 1];
    uint32_t text[AI_TEXT_MAX_LINES * AI_TEXT_MAX_WIDTH];
} ai_verse;

void ai_verse_begin(ai_verse *verse, const ai_text_recipe *recipe, const ai_readings *readings);

/* Sets allowed[i] for each of `count` characters that may stand next and returns their number,
 * which is never 0. */
uint32_t ai_verse_allow(const ai_verse *verse, uint8_t *allowed, uint32_t count);

/* Notes the character that stands next. */
void ai_verse_put(ai_verse *verse, uint32_t character);

/* ---- Sampling (sample.c): docs/format.md, "Sampling" ---- */

/* A number of 64 random bits; moves *state on. */
uint64_t ai_random_next(uint64_t *state);

/* The index of one of `count` logits, drawn among those that are allowed, at least one; all
 * are finite. weights: room for `count`. */
uint32_t ai_sample(const float *logits, const uint8_t *allowed, uint32_t count, double temperature,
                   double top_p, uint64_t *weights, uint64_t *state);

#endif
