/* SPDX-License-Identifier: Apache-2.0
 * A wish for a text and the text, at once or piece by piece. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_text.h"

static const char *const wishes[] = {"start",       "acrostic", "theme", "seed",
                                     "temperature", "top_p",    "script"};
enum { WISH_COUNT = sizeof wishes / sizeof wishes[0] };

typedef struct text { /* as it grows */
    char *data;
    size_t bytes;
    size_t room;
} text;

static const char *query(const ai_handling *h, const char *name)
{
    return ai_pair_find(h->request->query, h->request->query_count, name);
}

bool ai_handle_is_wish(const ai_handling *h, const json_t *json)
{
    for (int i = 0; i < WISH_COUNT; i++)
        if (json_object_get(json, wishes[i]) || query(h, wishes[i]))
            return true;
    return h->handler->writer && (json_object_size(json) == 0 || json_object_get(json, "stream"));
}

/* ---- The wish ---- */

static bool refuse(ai_handling *h, const char *name, const char *needed)
{
    ai_reply_fail(h, 400, NULL, AI_E_VALUE, "'%s' needs %s", name, needed);
    return false;
}

static bool take_string(ai_handling *h, const json_t *json, const char *name, const char **value)
{
    const json_t *member = json_object_get(json, name);
    if (member && !json_is_null(member)) {
        *value = ai_json_string(json, name);
        return *value || refuse(h, name, "a text");
    }
    const char *given = query(h, name);
    *value = given ? given : *value;
    return true;
}

static bool take_number(ai_handling *h, const json_t *json, const char *name, double *value)
{
    const json_t *member = json_object_get(json, name);
    const char *given = query(h, name);
    char *end = NULL;
    if (json_is_number(member))
        *value = json_number_value(member);
    else if (member && !json_is_null(member))
        return refuse(h, name, "a number");
    else if (given)
        *value = strtod(given, &end);
    else
        return true;
    if ((end && (end == given || *end)) || !(*value > 0 && *value <= 1e16))
        return refuse(h, name, "a number greater than 0");
    return true;
}

/* Whole and, as JSON's readers keep them, below 2^53. Without one the text differs each time. */
static bool take_seed(ai_handling *h, const json_t *json, uint64_t *seed)
{
    double number = 0;
    const json_t *member = json_object_get(json, "seed");
    const char *given = query(h, "seed");
    if (!(json_is_number(member) && json_number_value(member) == 0) &&
        !(!member && given && strcmp(given, "0") == 0) && !take_number(h, json, "seed", &number))
        return false;
    if (number > 9007199254740991.0 || number != (double)(uint64_t)number)
        return refuse(h, "seed", "a whole number below 2^53");
    *seed = (uint64_t)number;
    return true;
}

static bool take_script(ai_handling *h, const json_t *json, uint32_t *flags)
{
    const char *script = NULL;
    if (!take_string(h, json, "script", &script))
        return false;
    if (script && strcmp(script, "simplified") == 0)
        *flags |= AI_TEXT_SIMPLIFIED;
    else if (script && strcmp(script, "traditional"))
        return refuse(h, "script", "'simplified' or 'traditional'");
    return true;
}

static bool take_wish(ai_handling *h, const json_t *json, ai_text_options *o)
{
    if (!take_string(h, json, "start", &o->start) ||
        !take_string(h, json, "acrostic", &o->acrostic) ||
        !take_string(h, json, "theme", &o->theme) || !take_script(h, json, &o->flags) ||
        !take_number(h, json, "temperature", &o->temperature) ||
        !take_number(h, json, "top_p", &o->top_p))
        return false;
    bool has_seed = json_object_get(json, "seed") || query(h, "seed");
    return !has_seed || take_seed(h, json, &o->seed);
}

/* ---- The text ---- */

static ai_status append(text *t, const char *piece, ai_error *err)
{
    size_t bytes = strlen(piece);
    if (t->bytes + bytes + 1 > t->room) {
        size_t room = 2 * (t->room + bytes + 1);
        char *longer = realloc(t->data, room);
        if (!longer)
            return ai_task_no_memory(err, room, "a text");
        t->data = longer;
        t->room = room;
    }
    memcpy(t->data + t->bytes, piece, bytes + 1);
    t->bytes += bytes;
    return AI_OK;
}

static bool is_streamed(const ai_handling *h, const json_t *json, bool *as_events)
{
    const char *accept = h->request->accept;
    *as_events = accept && strstr(accept, "text/event-stream");
    const char *given = query(h, "stream");
    return h->request->write && (*as_events || json_is_true(json_object_get(json, "stream")) ||
                                 (given && strcmp(given, "1") == 0));
}

/* One server-sent event; drops `data`. */
static ai_status send_event(ai_handling *h, const char *name, json_t *data, ai_error *err)
{
    char *json;
    char *event = NULL;
    ai_status status = ai_json_text(&json, data, 9, err);
    if (status != AI_OK)
        return status;
    int bytes = asprintf(&event, "%s%s%sdata: %s\n\n", name ? "event: " : "", name ? name : "",
                         name ? "\n" : "", json);
    ai_task_free(json);
    if (bytes < 0)
        return ai_task_no_memory(err, 64, "an event");
    int32_t is_over = h->request->write(h->request->write_user, h->answer, event, (size_t)bytes);
    free(event);
    return is_over ? ai_task_fail(err, AI_E_STOPPED, "the caller has gone") : AI_OK;
}

static ai_status send_piece(ai_handling *h, const char *piece, bool as_events, ai_error *err)
{
    if (as_events)
        return send_event(h, NULL, json_pack("{s:s}", "text", piece), err);
    return h->request->write(h->request->write_user, h->answer, piece, strlen(piece))
               ? ai_task_fail(err, AI_E_STOPPED, "the caller has gone")
               : AI_OK;
}

static json_t *text_json(uint64_t seed, const text *t)
{
    return json_pack("{s:I,s:s}", "seed", (json_int_t)seed, "text", t->data ? t->data : "");
}

static ai_status write_pieces(ai_handling *h, text *t, bool is_stream, bool as_events,
                              ai_error *err)
{
    const char *piece = NULL;
    ai_status status = AI_OK;
    do {
        ai_call call;
        if (!ai_handle_call(h, &call)) {
            *err = h->answer->error;
            return err->code;
        }
        status = ai_writer_next(h->handler->writer, &piece, &call, err);
        if (status == AI_OK && piece)
            status = append(t, piece, err);
        if (status == AI_OK && piece && is_stream)
            status = send_piece(h, piece, as_events, err);
    } while (status == AI_OK && piece);
    return status;
}

static uint64_t draw_seed(const ai_handling *h)
{
    uint64_t state = (uint64_t)(uintptr_t)h ^ h->begin_ns; /* different each time is enough */
    return (state * 0x9E3779B97F4A7C15u) >> 12;
}

static void finish(ai_handling *h, const text *t, uint64_t seed, ai_status status, bool is_stream,
                   bool as_events, ai_error *err)
{
    bool is_begun = is_stream && t->bytes;
    if (is_begun && as_events && status == AI_OK)
        status = send_event(h, "end", text_json(seed, t), err);
    else if (is_begun && as_events && status != AI_E_STOPPED)
        send_event(h, "error", json_pack("{s:s}", "error", err->message), &(ai_error){0});
    if (status != AI_OK) {
        ai_reply_error(h, err);
        h->answer->flags &= is_begun ? ~0u : ~(uint32_t)AI_ANSWER_STREAM;
    } else if (!is_begun) {
        ai_reply_body(h, text_json(seed, t));
        h->answer->flags &= ~(uint32_t)AI_ANSWER_STREAM;
    }
}

void ai_handle_wish(ai_handling *h, const json_t *json, const char *start)
{
    ai_text_options o = AI_TEXT_OPTIONS_INIT;
    ai_error err;
    text t = {NULL, 0, 0};
    bool as_events;
    bool is_stream = is_streamed(h, json, &as_events);
    if (!h->handler->writer) {
        ai_reply_fail(h, 400, NULL, AI_E_UNSUPPORTED, "request asks for a text, the model %s",
                      h->handler->classifier ? "names pictures" : "takes tensors");
        return;
    }
    o.start = start;
    o.seed = draw_seed(h);
    if (!take_wish(h, json, &o))
        return;
    if (is_stream) {
        h->answer->flags |= AI_ANSWER_STREAM;
        h->answer->status = 200;
        h->answer->type = as_events ? "text/event-stream" : "text/plain; charset=utf-8";
    }
    ai_status status = ai_writer_begin(h->handler->writer, &o, &err);
    if (status == AI_OK)
        status = write_pieces(h, &t, is_stream, as_events, &err);
    finish(h, &t, o.seed, status, is_stream, as_events, &err);
    free(t.data);
}
