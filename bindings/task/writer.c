/* SPDX-License-Identifier: Apache-2.0
 * A network that writes text: its session, recipe and vocabulary, and the text that grows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "text.h"

struct ai_writer {
    ai_session *session;
    ai_text_recipe recipe;
    ai_vocabulary vocabulary;
    ai_readings *readings; /* NULL: no rules of verse */
    ai_tensor_info input[2];
    uint32_t input_count;
    ai_tensor_info output;
    uint32_t output_count;
    ai_buffer *outputs; /* the first is logits, the others are not wanted */
    float *logits;      /* all numbers; the vocabulary's from recipe.first on */
    uint8_t *allowed;
    uint8_t *stands; /* of the vocabulary: whether it stands already */
    uint64_t *weights;
    /* The text */
    uint32_t *forced; /* recipe.length of them: indices into the vocabulary, or AI_TEXT_NONE */
    ai_verse verse;
    uint32_t count;  /* characters that stand */
    uint32_t before; /* number of the last */
    bool is_over;
    uint64_t random;
    double temperature;
    double top_p;
    bool is_simplified;
    uint32_t theme[AI_TEXT_MAX_THEME];
    uint32_t theme_count;
    char piece[5 + AI_TEXT_MAX_MARK];
};

/* ---- Opening ---- */

static ai_status read_resources(ai_writer *w, const ai_model *model, ai_error *err)
{
    ai_resource text = AI_RESOURCE_INIT;
    ai_resource vocabulary = AI_RESOURCE_INIT;
    ai_resource rhymes = AI_RESOURCE_INIT;
    ai_resource simplified = AI_RESOURCE_INIT;
    ai_task_resource(model, "text", &text);
    ai_task_resource(model, "vocabulary", &vocabulary);
    ai_task_resource(model, "rhymes", &rhymes);
    ai_task_resource(model, "simplified", &simplified);
    if (!text.data || !vocabulary.data)
        return ai_task_fail(err, AI_E_FORMAT,
                            "model has no resource '%s', a text generator has one",
                            text.data ? "vocabulary" : "text");
    ai_status status = ai_text_recipe_read(&w->recipe, text.data, text.bytes, err);
    if (status == AI_OK)
        status = ai_vocabulary_open(&w->vocabulary, vocabulary.data, vocabulary.bytes, err);
    if (status == AI_OK && simplified.data)
        status = ai_vocabulary_simplify(&w->vocabulary, simplified.data, simplified.bytes, err);
    if (status != AI_OK)
        return status;
    bool is_verse = w->recipe.tone_count || strspn(w->recipe.rhyme, "-") != w->recipe.lines;
    if (is_verse && !rhymes.data)
        return ai_task_fail(err, AI_E_FORMAT,
                            "text recipe has rhymes or tones, the model has no resource 'rhymes'");
    return is_verse
               ? ai_rhymes_read(&w->readings, rhymes.data, rhymes.bytes, w->vocabulary.count, err)
               : AI_OK;
}

static ai_status check_inputs(ai_writer *w, ai_error *err)
{
    for (uint32_t i = 0; i < w->input_count; i++) {
        ai_tensor_info *in = &w->input[i];
        *in = (ai_tensor_info)AI_TENSOR_INFO_INIT;
        ai_status status = ai_session_input(w->session, i, in);
        if (status != AI_OK)
            return ai_task_fail(err, status, "session has no input %u", i);
        uint32_t bytes = in->type == AI_S32 ? 4 : in->type == AI_S64 ? 8 : 0;
        if (!bytes || in->bytes != bytes)
            return ai_task_fail(err, AI_E_SHAPE,
                                "input '%s' has %llu bytes of type number %d, one s32 or s64 is "
                                "needed",
                                in->name, (unsigned long long)in->bytes, (int)in->type);
    }
    return AI_OK;
}

static ai_status check_output(ai_writer *w, ai_error *err)
{
    const ai_text_recipe *r = &w->recipe;
    uint32_t numbers = r->first + w->vocabulary.count;
    w->output = (ai_tensor_info)AI_TENSOR_INFO_INIT;
    ai_status status = ai_session_output(w->session, 0, &w->output);
    if (status != AI_OK)
        return ai_task_fail(err, status, "session has no output 0");
    if (w->output.type != AI_F32)
        return ai_task_fail(err, AI_E_UNSUPPORTED, "output '%s' has type number %d, f32 is needed",
                            w->output.name, (int)w->output.type);
    if (w->output.bytes != (uint64_t)numbers * sizeof(float))
        return ai_task_fail(err, AI_E_SHAPE,
                            "vocabulary has %u characters from number %u on, output '%s' has %llu "
                            "numbers",
                            w->vocabulary.count, r->first, w->output.name,
                            (unsigned long long)w->output.bytes / sizeof(float));
    if (r->start >= numbers || (r->end != AI_TEXT_NONE && r->end >= numbers))
        return ai_task_fail(err, AI_E_SHAPE, "text recipe: '%s' is %u, the model has %u numbers",
                            r->start >= numbers ? "start" : "end",
                            r->start >= numbers ? r->start : r->end, numbers);
    return AI_OK;
}

static ai_status check_model(ai_writer *w, const ai_model *model, ai_error *err)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_session_info session = AI_SESSION_INFO_INIT;
    if (ai_model_describe(model, &info) != AI_OK ||
        ai_session_describe(w->session, &session) != AI_OK)
        return ai_task_fail(err, AI_E_ARGUMENT, "'model' cannot be described");
    w->input_count = info.input_count;
    w->output_count = info.output_count;
    if (!session.state_bytes)
        return ai_task_fail(err, AI_E_UNSUPPORTED,
                            "model keeps no state: convert it with --state, naming its recurrent "
                            "nodes or states");
    if (info.input_count < 1 || info.input_count > 2 || !info.output_count)
        return ai_task_fail(err, AI_E_SHAPE,
                            "model has %u inputs and %u outputs, a text generator has the "
                            "character before and perhaps its place, and at least one output",
                            info.input_count, info.output_count);
    ai_status status = check_inputs(w, err);
    return status == AI_OK ? check_output(w, err) : status;
}

static ai_status allocate(ai_writer *w, ai_error *err)
{
    size_t numbers = (size_t)w->recipe.first + w->vocabulary.count;
    w->outputs = calloc(w->output_count, sizeof *w->outputs);
    w->logits = malloc(numbers * sizeof *w->logits);
    w->allowed = calloc(numbers, 1);
    w->stands = malloc(w->vocabulary.count);
    w->weights = malloc(numbers * sizeof *w->weights);
    w->forced = malloc(w->recipe.length * sizeof *w->forced);
    if (!w->outputs || !w->logits || !w->allowed || !w->stands || !w->weights || !w->forced)
        return ai_task_no_memory(err, numbers * sizeof *w->weights, "the text generator");
    w->outputs[0] = (ai_buffer){w->logits, numbers * sizeof *w->logits};
    w->is_over = true;
    return AI_OK;
}

ai_status ai_writer_open(ai_writer **writer, const ai_model *model, const ai_options *options,
                         ai_error *err)
{
    if (!writer || !model)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", model ? "writer" : "model");
    ai_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ai_task_no_memory(err, sizeof *w, "the text generator");
    ai_status status = read_resources(w, model, err);
    if (status == AI_OK)
        status = ai_session_open(&w->session, model, options, err);
    if (status == AI_OK)
        status = check_model(w, model, err);
    if (status == AI_OK)
        status = allocate(w, err);
    if (status != AI_OK) {
        ai_writer_close(w);
        return status;
    }
    *writer = w;
    return AI_OK;
}

void ai_writer_close(ai_writer *w)
{
    if (!w)
        return;
    ai_session_close(w->session);
    ai_vocabulary_close(&w->vocabulary);
    free(w->readings);
    free(w->outputs);
    free(w->logits);
    free(w->allowed);
    free(w->stands);
    free(w->weights);
    free(w->forced);
    free(w);
}

ai_session *ai_writer_session(const ai_writer *w)
{
    return w->session;
}

/* ---- Beginning a text ---- */

static ai_status read_chances(ai_writer *w, const ai_text_options *o, ai_error *err)
{
    w->temperature = o->temperature != 0 ? o->temperature : w->recipe.temperature;
    w->top_p = o->top_p != 0 ? o->top_p : w->recipe.top_p;
    if (!(w->temperature > 0 && w->temperature - w->temperature == 0))
        return ai_task_fail(err, AI_E_ARGUMENT, "temperature is %g, more than 0 is needed",
                            w->temperature);
    if (!(w->top_p > 0 && w->top_p <= 1))
        return ai_task_fail(err, AI_E_ARGUMENT, "top-p is %g, more than 0 and at most 1 is needed",
                            w->top_p);
    return AI_OK;
}

static ai_status read_flags(ai_writer *w, uint32_t flags, ai_error *err)
{
    if (flags & ~(uint32_t)(AI_TEXT_SIMPLIFIED | AI_TEXT_NO_RULES))
        return ai_task_fail(err, AI_E_ARGUMENT, "flags are 0x%x, there are 0x3", flags);
    w->is_simplified = flags & AI_TEXT_SIMPLIFIED;
    if (w->is_simplified && !w->vocabulary.simplified)
        return ai_task_fail(err, AI_E_ARGUMENT,
                            "simplified script is asked for, the model has no resource "
                            "'simplified'");
    return AI_OK;
}

static ai_status read_acrostic(ai_writer *w, const char *text, ai_error *err)
{
    const ai_text_recipe *r = &w->recipe;
    uint32_t number[AI_TEXT_MAX_LINES];
    uint32_t count;
    if (!r->lines)
        return ai_task_fail(err, AI_E_ARGUMENT,
                            "acrostic is given, the model's texts have no lines");
    ai_status status = ai_vocabulary_read(&w->vocabulary, w->is_simplified, "acrostic", text,
                                          r->lines, number, &count, err);
    if (status != AI_OK)
        return status;
    if (count != r->lines)
        return ai_task_fail(err, AI_E_ARGUMENT, "acrostic has %u character%s, the form has %u lines",
                            count, count == 1 ? "" : "s", r->lines);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *forced = &w->forced[i * r->width];
        if (*forced != AI_TEXT_NONE && *forced != number[i])
            return ai_task_fail(err, AI_E_ARGUMENT,
                                "acrostic has '%s' for line %u, start has '%s' there",
                                w->vocabulary.text[number[i]], i + 1, w->vocabulary.text[*forced]);
        *forced = number[i];
    }
    return AI_OK;
}

static ai_status read_wishes(ai_writer *w, const ai_text_options *o, ai_error *err)
{
    const ai_vocabulary *v = &w->vocabulary;
    uint32_t count = 0;
    ai_status status = read_flags(w, o->flags, err);
    if (status == AI_OK)
        status = read_chances(w, o, err);
    if (status == AI_OK && o->start)
        status = ai_vocabulary_read(v, w->is_simplified, "start", o->start, w->recipe.length,
                                    w->forced, &count, err);
    for (uint32_t i = count; i < w->recipe.length; i++)
        w->forced[i] = AI_TEXT_NONE;
    if (status == AI_OK && o->acrostic)
        status = read_acrostic(w, o->acrostic, err);
    w->theme_count = 0;
    if (status == AI_OK && o->theme)
        status = ai_vocabulary_read(v, w->is_simplified, "theme", o->theme, AI_TEXT_MAX_THEME,
                                    w->theme, &w->theme_count, err);
    return status;
}

ai_status ai_writer_begin(ai_writer *w, const ai_text_options *options, ai_error *err)
{
    static const ai_text_options defaults = AI_TEXT_OPTIONS_INIT;
    if (!w)
        return ai_task_fail(err, AI_E_ARGUMENT, "'writer' is NULL");
    const ai_text_options *o = options ? options : &defaults;
    if (o->size < sizeof *o)
        return ai_task_fail(err, AI_E_ARGUMENT, "'options' has size %u, needed is %zu", o->size,
                            sizeof *o);
    w->is_over = true;
    ai_status status = read_wishes(w, o, err);
    if (status != AI_OK)
        return status;
    status = ai_state_reset(w->session);
    if (status != AI_OK)
        return ai_task_fail(err, status, "state of the session cannot be reset");
    ai_verse_begin(&w->verse, &w->recipe,
                   o->flags & AI_TEXT_NO_RULES ? NULL : (const ai_readings *)w->readings);
    memset(w->stands, 0, w->vocabulary.count);
    w->count = 0;
    w->before = w->recipe.start;
    w->random = o->seed;
    w->is_over = false;
    return AI_OK;
}

/* ---- The next character ---- */

static ai_status infer(ai_writer *w, const ai_call *call, ai_error *err)
{
    uint32_t number[2] = {w->before, w->count};
    int64_t wide[2];
    ai_view views[2];
    for (uint32_t i = 0; i < w->input_count; i++) {
        wide[i] = number[i];
        views[i] = (ai_view){w->input[i].type == AI_S64 ? (void *)&wide[i] : (void *)&number[i],
                             w->input[i].bytes};
    }
    return ai_infer(w->session, views, w->input_count, w->outputs, w->output_count, call, err);
}

/* A character of the theme that does not stand yet is raised by 16 * count / length. */
static void raise_theme(ai_writer *w)
{
    float raise = 16.0f * (float)w->count / (float)w->recipe.length;
    for (uint32_t i = 0; i < w->theme_count; i++)
        w->logits[w->recipe.first + w->theme[i]] += raise;
}

static void lower_repeats(ai_writer *w)
{
    for (uint32_t i = 0; w->recipe.repeat > 0 && i < w->vocabulary.count; i++)
        if (w->stands[i])
            w->logits[w->recipe.first + i] -= (float)w->recipe.repeat;
}

static void drop_theme(ai_writer *w, uint32_t character)
{
    for (uint32_t i = 0; i < w->theme_count; i++)
        if (w->theme[i] == character) {
            w->theme[i] = w->theme[--w->theme_count];
            return;
        }
}

/* Index into the vocabulary, or AI_TEXT_NONE: the text ends. */
static ai_status choose(ai_writer *w, uint32_t *chosen, ai_error *err)
{
    const ai_text_recipe *r = &w->recipe;
    uint32_t count = r->first + w->vocabulary.count;
    for (uint32_t i = 0; i < count; i++)
        if (!(w->logits[i] - w->logits[i] == 0))
            return ai_task_fail(err, AI_E_VALUE, "output '%s' has %s at %u, needs a number",
                                w->output.name,
                                w->logits[i] == w->logits[i] ? "an infinity" : "NaN", i);
    if (w->forced[w->count] != AI_TEXT_NONE) {
        *chosen = w->forced[w->count];
        return AI_OK;
    }
    lower_repeats(w);
    raise_theme(w);
    ai_verse_allow(&w->verse, w->allowed + r->first, w->vocabulary.count);
    if (r->end < r->first)
        w->allowed[r->end] = 1;
    uint32_t number =
        ai_sample(w->logits, w->allowed, count, w->temperature, w->top_p, w->weights, &w->random);
    *chosen = number == r->end ? AI_TEXT_NONE : number - r->first;
    return AI_OK;
}

static void put(ai_writer *w, uint32_t character)
{
    const ai_text_recipe *r = &w->recipe;
    ai_verse_put(&w->verse, character);
    drop_theme(w, character);
    w->stands[character] = 1;
    w->before = r->first + character;
    w->count++;
    bool is_line = r->lines && w->count % r->width == 0;
    char(*script)[5] = w->is_simplified ? w->vocabulary.simplified : w->vocabulary.text;
    snprintf(w->piece, sizeof w->piece, "%s%s", script[character],
             is_line ? r->mark[w->count / r->width - 1] : "");
}

ai_status ai_writer_next(ai_writer *w, const char **text, const ai_call *call, ai_error *err)
{
    uint32_t chosen = AI_TEXT_NONE;
    if (!w || !text)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", w ? "text" : "writer");
    if (!w->is_over && w->count < w->recipe.length) {
        ai_status status = infer(w, call, err);
        if (status != AI_OK)
            return status;
        status = choose(w, &chosen, err);
        if (status != AI_OK) {
            w->is_over = true;
            return status;
        }
    }
    w->is_over = chosen == AI_TEXT_NONE;
    if (!w->is_over)
        put(w, chosen);
    *text = w->is_over ? NULL : w->piece;
    return AI_OK;
}
