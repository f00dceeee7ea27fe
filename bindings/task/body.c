/* SPDX-License-Identifier: Apache-2.0
 * What a request's body is, told by its content type and its bytes, and the answer to it. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "handle.h"
#include "json_text.h"

enum { MOST_BYTES = 32 << 20 };

static size_t most_bytes(const ai_handling *h)
{
    return h->request->most_bytes ? h->request->most_bytes : MOST_BYTES;
}

/* ---- Pictures ---- */

static bool is_image(const void *data, size_t bytes)
{
    return bytes >= 4 && (memcmp(data, "\xff\xd8\xff", 3) == 0 || memcmp(data, "\x89PNG", 4) == 0);
}

void ai_handle_image(ai_handling *h, const void *data, size_t bytes)
{
    ai_call call;
    ai_error err;
    uint32_t count = h->top;
    char *json = NULL;
    if (!h->handler->classifier) {
        ai_reply_fail(h, 400, NULL, AI_E_UNSUPPORTED, "body is a picture, the model %s",
                      h->handler->writer ? "writes text" : "takes tensors");
        return;
    }
    if (!ai_handle_call(h, &call))
        return;
    ai_class *classes = malloc(count * sizeof *classes);
    ai_status status =
        classes ? AI_OK : ai_task_no_memory(&err, count * sizeof *classes, "classes");
    if (status == AI_OK)
        status = ai_classify(h->handler->classifier, data, bytes, classes, &count, &call, &err);
    if (status == AI_OK)
        status = ai_classes_json(classes, count, &json, &err);
    free(classes);
    if (status != AI_OK) {
        ai_reply_error(h, &err);
        return;
    }
    h->answer->status = 200;
    h->answer->type = "application/json";
    h->answer->body = json;
    h->answer->bytes = strlen(json);
}

static void handle_base64_image(ai_handling *h, const char *text)
{
    ai_error err;
    void *data;
    size_t bytes;
    size_t length = strlen(text);
    if (length / 4 > most_bytes(h) / 3)
        ai_reply_fail(h, 413, "Function.TooLarge", AI_E_VALUE,
                      "image has %zu bytes of base64, at most %zu bytes are taken", length,
                      most_bytes(h));
    else if (ai_base64_decode(text, length, &data, &bytes, &err) != AI_OK)
        ai_reply_error(h, &err);
    else {
        ai_handle_image(h, data, bytes);
        free(data);
    }
}

/* ---- Objects ---- */

static const char *object_fault(uint32_t status)
{
    return status == 404   ? "Function.ObjectNotFound"
           : status == 403 ? "Function.ObjectDenied"
           : status == 413 ? "Function.TooLarge"
           : status == 504 ? "Function.Timeout"
           : status == 400 ? "Function.BadInput"
                           : NULL;
}

void ai_handle_object(ai_handling *h, const ai_object *object)
{
    ai_error err;
    void *data;
    size_t bytes;
    uint64_t left;
    uint32_t why = 0;
    if (!h->request->fetch) {
        ai_reply_fail(h, 400, "Function.NoStore", AI_E_UNSUPPORTED,
                      "request names an object, ai-fetch is not here to get it");
        return;
    }
    if (!ai_handle_time_left(h, &left))
        return;
    ai_status status = h->request->fetch(h->request->fetch_user, object, most_bytes(h), left, &data,
                                         &bytes, &why, &err);
    if (status == AI_E_STOPPED) {
        ai_reply_note(h, "skipped", err.message);
        return;
    }
    if (status != AI_OK) {
        ai_answer_fail(h->answer, why, object_fault(why), &err);
        return;
    }
    ai_handle_image(h, data, bytes);
    free(data);
}

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0 ||
           strncmp(text, "s3://", 5) == 0 || strncmp(text, "oss://", 6) == 0;
}

/* {"image": URL, data URL or base64}, {"url"}, {"bucket","key"} */
static bool handle_named_image(ai_handling *h, const json_t *json)
{
    ai_object object = AI_OBJECT_INIT;
    const char *image = ai_json_string(json, "image");
    object.url = image && is_url(image) ? image : ai_json_string(json, "url");
    object.bucket = ai_json_string(json, "bucket");
    object.key = ai_json_string(json, "key");
    object.store = ai_json_string(json, "store");
    object.region = ai_json_string(json, "region");
    object.version = ai_json_string(json, "version");
    if (object.url || (object.bucket && object.key)) {
        ai_handle_notice(h, &object, 1);
        return true;
    }
    if (!image)
        return false;
    const char *comma = strncmp(image, "data:", 5) == 0 ? strchr(image, ',') : NULL;
    handle_base64_image(h, comma ? comma + 1 : image);
    return true;
}

/* ---- JSON ---- */

static bool take_top(ai_handling *h, const json_t *top)
{
    if (json_is_integer(top) && json_integer_value(top) >= 1 &&
        json_integer_value(top) <= AI_HANDLE_MAX_TOP) {
        h->top = (uint32_t)json_integer_value(top);
        return true;
    }
    ai_reply_fail(h, 400, NULL, AI_E_VALUE, "'top' needs a number from 1 to %d", AI_HANDLE_MAX_TOP);
    return false;
}

static const char *wanted(const ai_handling *h)
{
    if (h->handler->classifier)
        return "an image: its bytes, or {\"image\": base64 or URL}";
    return h->handler->writer ? "a wish such as {\"start\":\"...\",\"seed\":7}"
                              : "tensors, by POST /v2/models/NAME/infer";
}

void ai_handle_json(ai_handling *h, const json_t *json)
{
    const json_t *top = json_object_get(json, "top");
    if (ai_handle_event(h, json) || (top && !take_top(h, top)))
        return;
    if (ai_handle_is_wish(h, json))
        ai_handle_wish(h, json, NULL);
    else if (!handle_named_image(h, json))
        ai_reply_fail(h, 400, NULL, AI_E_FORMAT, "JSON is no event that is known, needed is %s",
                      wanted(h));
}

bool ai_handle_event(ai_handling *h, const json_t *json)
{
    static const ai_event_fn events[] = {
#define AI_EVENT(id) ai_event_##id,
#include "events.def"
#undef AI_EVENT
    };
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i](h, json))
            return true;
    return false;
}

/* ---- Bodies ---- */

static bool type_is(const char *type, const char *prefix)
{
    return type && strncasecmp(type, prefix, strlen(prefix)) == 0;
}

static bool is_json(const char *type, const char *text, size_t bytes)
{
    size_t i = 0;
    while (i < bytes && strchr(" \t\r\n", text[i]))
        i++;
    return type_is(type, "application/json") || (i < bytes && (text[i] == '{' || text[i] == '['));
}

static void handle_json_text(ai_handling *h, const char *text, size_t bytes)
{
    ai_error err;
    json_t *json = ai_json_read(text, bytes, &err);
    if (!json) {
        ai_reply_error(h, &err);
        return;
    }
    ai_handle_json(h, json);
    json_decref(json);
}

/* Text: of a picture, the start of base64; else how a poem begins. */
static void handle_text(ai_handling *h, const char *body, size_t bytes)
{
    char *text = malloc(bytes + 1);
    if (!text) {
        ai_reply_fail(h, 0, NULL, AI_E_MEMORY, "no memory for a text of %zu bytes", bytes);
        return;
    }
    memcpy(text, body, bytes);
    text[bytes] = 0;
    if (strncmp(text, "/9j/", 4) == 0 || strncmp(text, "iVBORw0", 7) == 0)
        handle_base64_image(h, text);
    else if (h->handler->writer && strlen(text) == bytes)
        ai_handle_wish(h, NULL, text);
    else
        ai_reply_fail(h, 415, "Function.TypeNotRead", AI_E_UNSUPPORTED,
                      "body is text, needed is %s", wanted(h));
    free(text);
}

static bool query_top(ai_handling *h)
{
    const char *top = ai_pair_find(h->request->query, h->request->query_count, "top");
    if (!top)
        return true;
    json_t *number = strlen(top) < 6 && strspn(top, "0123456789") == strlen(top)
                         ? json_integer(strtol(top, NULL, 10))
                         : json_null();
    bool is_taken = take_top(h, number);
    json_decref(number);
    return is_taken;
}

void ai_handle_body(ai_handling *h)
{
    const ai_request *r = h->request;
    const char *body = r->body;
    if (!query_top(h))
        return;
    if (r->bytes == 0 && (h->handler->writer || ai_handle_is_wish(h, NULL)))
        ai_handle_wish(h, NULL, NULL);
    else if (r->bytes == 0)
        ai_reply_fail(h, 400, NULL, AI_E_FORMAT, "body is empty, needed is %s", wanted(h));
    else if (is_image(body, r->bytes))
        ai_handle_image(h, body, r->bytes);
    else if (type_is(r->type, "image/"))
        ai_reply_fail(h, 415, "Function.TypeNotRead", AI_E_UNSUPPORTED,
                      "body of type '%.60s' is neither JPEG nor PNG", r->type);
    else if (type_is(r->type, "multipart/"))
        ai_reply_fail(h, 415, "Function.TypeNotRead", AI_E_UNSUPPORTED,
                      "body is '%.60s', needed is the image alone", r->type);
    else if (is_json(r->type, body, r->bytes))
        handle_json_text(h, body, r->bytes);
    else if (type_is(r->type, "text/") || body[0] == '/' || body[0] == 'i')
        handle_text(h, body, r->bytes);
    else
        ai_reply_fail(h, 415, "Function.TypeNotRead", AI_E_UNSUPPORTED,
                      "body is neither JPEG, PNG nor JSON");
}
