/* SPDX-License-Identifier: Apache-2.0
 * Reads text recipes: docs/format.md, "Text recipe", says what each field means. */
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "text.h"

enum { MAX_BYTES = 1 << 16, MAX_LENGTH = 1 << 20, DEFAULT_LENGTH = 1000, MAX_REPEAT = 1000 };

static ai_status refuse(const char *name, const char *needed, ai_error *err)
{
    return ai_task_fail(err, AI_E_FORMAT, "text recipe: '%s' is not %s", name, needed);
}

static ai_status read_number(ai_text_recipe *r, const char *name, const json_t *value,
                             ai_error *err)
{
    static const struct {
        const char *name;
        size_t at;
        uint32_t least;
        uint32_t most;
    } fields[] = {
        {"first", offsetof(ai_text_recipe, first), 0, MAX_LENGTH},
        {"start", offsetof(ai_text_recipe, start), 0, 2 * MAX_LENGTH},
        {"end", offsetof(ai_text_recipe, end), 0, 2 * MAX_LENGTH},
        {"lines", offsetof(ai_text_recipe, lines), 1, AI_TEXT_MAX_LINES},
        {"width", offsetof(ai_text_recipe, width), 1, AI_TEXT_MAX_WIDTH},
        {"length", offsetof(ai_text_recipe, length), 1, MAX_LENGTH},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (strcmp(name, fields[i].name))
            continue;
        json_int_t number = json_integer_value(value);
        if (!json_is_integer(value) || number < fields[i].least || number > fields[i].most)
            return ai_task_fail(err, AI_E_FORMAT,
                                "text recipe: '%s' is not an integer from %u to %u", name,
                                fields[i].least, fields[i].most);
        memcpy((char *)r + fields[i].at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
        return AI_OK;
    }
    return ai_task_fail(err, AI_E_FORMAT, "text recipe: there is no field '%.60s'", name);
}

static ai_status read_marks(ai_text_recipe *r, const json_t *value, ai_error *err)
{
    if (!json_is_array(value) || !r->lines || json_array_size(value) != r->lines)
        return refuse("marks", "a list of one string a line", err);
    for (uint32_t i = 0; i < r->lines; i++) {
        const json_t *mark = json_array_get(value, i);
        if (!json_is_string(mark) || json_string_length(mark) > AI_TEXT_MAX_MARK)
            return refuse("marks", "a list of strings of at most 15 bytes", err);
        strcpy(r->mark[i], json_string_value(mark));
    }
    return AI_OK;
}

static ai_status read_rhyme(ai_text_recipe *r, const json_t *value, ai_error *err)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (!r->lines || strlen(text) != r->lines ||
        strspn(text, "-ABCDEFGHIJKLMNOPQRSTUVWXYZ") != r->lines)
        return refuse("rhyme", "a letter A to Z or '-' for each line", err);
    strcpy(r->rhyme, text);
    return AI_OK;
}

static bool is_pattern(const ai_text_recipe *r, const char *text)
{
    for (uint32_t line = 0; line < r->lines; line++) {
        size_t tones = strspn(text, "LO*");
        tones += line == 0 && tones + 1 == r->width && text[tones] == 'R';
        if (tones != r->width || text[r->width] != (line + 1 < r->lines ? ' ' : '\0'))
            return false;
        text += r->width + 1;
    }
    return true;
}

static ai_status read_tones(ai_text_recipe *r, const json_t *value, ai_error *err)
{
    size_t count = json_array_size(value);
    if (!r->lines || !count || count > AI_TEXT_MAX_TONES)
        return refuse("tones", "a list of 1 to 64 patterns", err);
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(value, i));
        if (!text || !is_pattern(r, text))
            return refuse(
                "tones",
                "patterns of L, O and *, a blank between lines, R perhaps at the end of the first",
                err);
        strcpy(r->tone[i], text);
    }
    r->tone_count = (uint32_t)count;
    return AI_OK;
}

static ai_status read_chances(ai_text_recipe *r, const json_t *json, ai_error *err)
{
    const json_t *temperature = json_object_get(json, "temperature");
    const json_t *top_p = json_object_get(json, "top_p");
    const json_t *repeat = json_object_get(json, "repeat");
    r->temperature = temperature ? json_number_value(temperature) : 1;
    r->top_p = top_p ? json_number_value(top_p) : 1;
    r->repeat = json_number_value(repeat);
    if (!(r->temperature > 0))
        return refuse("temperature", "a number greater than 0", err);
    if (!(r->top_p > 0 && r->top_p <= 1))
        return refuse("top_p", "a number greater than 0 and at most 1", err);
    if (repeat && !(json_is_number(repeat) && r->repeat >= 0 && r->repeat <= MAX_REPEAT))
        return refuse("repeat", "a number from 0 to 1000", err);
    return AI_OK;
}

/* Fields of which one needs others come after the numbers. */
static ai_status read_form(ai_text_recipe *r, const json_t *json, ai_error *err)
{
    const json_t *marks = json_object_get(json, "marks");
    const json_t *rhyme = json_object_get(json, "rhyme");
    const json_t *tones = json_object_get(json, "tones");
    ai_status status = AI_OK;
    if (!json_object_get(json, "start"))
        return ai_task_fail(err, AI_E_FORMAT, "text recipe: 'start' is missing");
    if (!r->lines != !r->width)
        return ai_task_fail(err, AI_E_FORMAT, "text recipe: '%s' is missing beside '%s'",
                            r->lines ? "width" : "lines", r->lines ? "lines" : "width");
    if (r->lines && (json_object_get(json, "length") || r->end != AI_TEXT_NONE))
        return ai_task_fail(err, AI_E_FORMAT,
                            "text recipe: 'length' and 'end' are for texts without lines");
    r->length = r->lines ? r->lines * r->width : r->length;
    memset(r->rhyme, '-', r->lines);
    for (uint32_t i = 0; i < r->lines; i++)
        strcpy(r->mark[i], "\n");
    if (marks)
        status = read_marks(r, marks, err);
    if (status == AI_OK && rhyme)
        status = read_rhyme(r, rhyme, err);
    if (status == AI_OK && tones)
        status = read_tones(r, tones, err);
    return status == AI_OK ? read_chances(r, json, err) : status;
}

static ai_status read_object(ai_text_recipe *r, json_t *json, ai_error *err)
{
    static const char *const others[] = {"marks",       "rhyme", "tones",
                                         "temperature", "top_p", "repeat"};
    memset(r, 0, sizeof *r); /* 66 KB: too large for a literal on the stack */
    r->end = AI_TEXT_NONE;
    r->length = DEFAULT_LENGTH;
    if (!json_is_object(json))
        return ai_task_fail(err, AI_E_FORMAT, "text recipe is no JSON object");
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        bool is_other = false;
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            is_other = is_other || !strcmp(name, others[i]);
        ai_status status = is_other ? AI_OK : read_number(r, name, value, err);
        if (status != AI_OK)
            return status;
    }
    return read_form(r, json, err);
}

ai_status ai_text_recipe_read(ai_text_recipe *recipe, const char *text, size_t bytes, ai_error *err)
{
    json_error_t why;
    if (bytes > MAX_BYTES)
        return ai_task_fail(err, AI_E_FORMAT, "text recipe has %zu bytes, the limit is %d", bytes,
                            MAX_BYTES);
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    bool is_told = why.text[0] && json_error_code(&why) != json_error_out_of_memory;
    if (!json && !is_told)
        return ai_task_no_memory(err, bytes, "the text recipe");
    if (!json)
        return ai_task_fail(err, AI_E_FORMAT, "text recipe is no JSON: %.120s at byte %d", why.text,
                            why.position);
    ai_status status = read_object(recipe, json, err);
    json_decref(json);
    return status;
}
