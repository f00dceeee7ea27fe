/* SPDX-License-Identifier: Apache-2.0
 * What events name: objects one by one, each answer stored, and events inside events. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_text.h"

enum { MOST_OBJECTS = 1000, MOST_DEPTH = 3 };

void ai_reply_note(ai_handling *h, const char *name, const char *value)
{
    ai_reply_body(h, json_pack("{s:s}", name, value));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

char *ai_unescape(const char *text, bool is_form)
{
    char *out = malloc(strlen(text) + 1);
    char *to = out;
    if (!out)
        return NULL;
    while (*text) {
        int high = *text == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        if (low >= 0 && 16 * high + low > 0) {
            *to++ = (char)(16 * high + low);
            text += 3;
        } else {
            *to++ = *text == '+' && is_form ? ' ' : *text;
            text++;
        }
    }
    *to = 0;
    return out;
}

static void store_answer(ai_handling *h, const ai_object *object)
{
    const ai_request *r = h->request;
    ai_error err;
    uint64_t left;
    uint32_t why = 0;
    if (!r->store || h->answer->fault || !ai_handle_time_left(h, &left))
        return;
    if (r->store(r->fetch_user, object, h->answer->body, h->answer->bytes, left, &why, &err) !=
        AI_OK)
        ai_answer_fail(h->answer, why, "Function.ResultNotStored", &err);
}

/* An answer of one object among many: with the object's name. */
static bool append(json_t *list, const ai_handling *h, const ai_object *object)
{
    const char *name = object->key ? object->key : object->url;
    json_t *answer = json_loadb(h->answer->body ? h->answer->body : "", h->answer->bytes, 0, NULL);
    return ai_json_put(answer, "key", json_string(name ? name : "")) &&
           ai_json_append(list, answer);
}

static void answer_many(ai_handling *h, const ai_object *objects, size_t count)
{
    json_t *list = json_array();
    size_t failures = 0;
    ai_answer first = {0};
    bool is_made = list != NULL;
    for (size_t i = 0; i < count && is_made; i++) {
        ai_handle_notice(h, &objects[i], 1);
        is_made = append(list, h, &objects[i]);
        if (h->answer->fault && failures++ == 0)
            first = *h->answer;
        ai_answer_clear(h->answer);
        first.body = NULL;
    }
    if (is_made && !failures) {
        ai_reply_body(h, list);
        return;
    }
    json_decref(list);
    if (!is_made)
        ai_reply_fail(h, 0, NULL, AI_E_MEMORY, "no memory for the answers of %zu objects", count);
    else
        ai_reply_fail(h, first.status, first.fault, first.error.code,
                      "%zu of %zu objects failed, the first: %.180s", failures, count,
                      first.error.message);
}

void ai_handle_notice(ai_handling *h, const ai_object *objects, size_t count)
{
    if (count > MOST_OBJECTS) {
        ai_reply_fail(h, 400, NULL, AI_E_VALUE, "event names %zu objects, at most %d are taken",
                      count, MOST_OBJECTS);
    } else if (count == 1) {
        ai_handle_object(h, objects);
        store_answer(h, objects);
    } else if (count == 0) {
        ai_reply_note(h, "skipped", "event names no object to be read");
    } else {
        answer_many(h, objects, count);
    }
}

void ai_handle_inner(ai_handling *h, const char *text)
{
    ai_error err;
    if (h->depth >= MOST_DEPTH) {
        ai_reply_fail(h, 400, NULL, AI_E_VALUE, "events lie in each other more than %d deep",
                      MOST_DEPTH);
        return;
    }
    json_t *json = ai_json_read(text, strlen(text), &err);
    if (!json) {
        ai_reply_error(h, &err);
        return;
    }
    h->depth++;
    ai_handle_json(h, json);
    h->depth--;
    json_decref(json);
}
