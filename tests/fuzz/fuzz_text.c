/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what a text generator reads: the first byte chooses recipe, vocabulary or rhymes; what is
 * accepted is put to use. */
#include <stdlib.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void use_recipe(const char *text, size_t bytes)
{
    ai_error err;
    uint8_t allowed[32];
    ai_text_recipe *recipe = malloc(sizeof *recipe);
    ai_verse *verse = malloc(sizeof *verse);
    ai_readings readings[32] = {{0}};
    for (uint32_t i = 0; i < 32; i++)
        readings[i][0] = (uint8_t)(i % 5 | (i % 3 ? 0 : AI_OBLIQUE));
    if (recipe && verse && ai_text_recipe_read(recipe, text, bytes, &err) == AI_OK) {
        ai_verse_begin(verse, recipe, (const ai_readings *)readings);
        for (uint32_t i = 0; recipe->lines && i < recipe->length; i++) {
            if (!ai_verse_allow(verse, allowed, 32))
                abort();
            ai_verse_put(verse, i * 7 % 32);
        }
    }
    free(recipe);
    free(verse);
}

static void use_vocabulary(const char *text, size_t bytes)
{
    ai_error err;
    ai_vocabulary vocabulary;
    uint32_t number[4];
    uint32_t count;
    ai_status status = ai_vocabulary_open(&vocabulary, text, bytes, &err);
    if (status == AI_OK)
        status = ai_vocabulary_simplify(&vocabulary, text, bytes, &err);
    for (int i = 0; i < 2 && status == AI_OK; i++)
        if (ai_vocabulary_read(&vocabulary, i, "start", vocabulary.text[vocabulary.count - 1], 4,
                               number, &count, &err) != AI_OK ||
            count != 1)
            abort();
    ai_vocabulary_close(&vocabulary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_readings *readings = NULL;
    if (!bytes)
        return 0;
    if (data[0] == 'T')
        use_recipe((const char *)data + 1, bytes - 1);
    else if (data[0] == 'V')
        use_vocabulary((const char *)data + 1, bytes - 1);
    else if (ai_rhymes_read(&readings, data + 1, bytes - 1, 3, &err) == AI_OK)
        free(readings);
    return 0;
}
