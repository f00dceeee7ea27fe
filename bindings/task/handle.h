/* SPDX-License-Identifier: Apache-2.0
 * What the files of the request handler share: from any request to one answer.
 *
 *   handler.c   opens a model for what it is made for; measures; ai_handle
 *   body.c      tells what a body is: image, wish, JSON, event; body_text.c: wishes
 *   events.def  what platforms send, told by its form: a row and a function each
 *   event_*.c   one event family a file; notice.c: objects that events name
 *   reply.c     builds answers */
#ifndef AI_TASK_HANDLE_H
#define AI_TASK_HANDLE_H

#include "json_read.h"
#include "task.h"

enum { AI_HANDLE_MAX_TOP = 1000, AI_HANDLE_TOP = 3 };

struct ai_handler {
    const ai_model *model;
    ai_options options;
    ai_classifier *classifier; /* at most one of these three */
    ai_writer *writer;
    ai_session *session;
    ai_session *shaped; /* for tensors of other shapes than the defaults, the last asked for */
    ai_shape *shapes;
    size_t shape_count;
    uint32_t threads;
};

/* One call on its way. */
typedef struct ai_handling {
    ai_handler *handler;
    const ai_request *request;
    ai_answer *answer;
    uint64_t begin_ns; /* of the monotonic clock */
    uint64_t end_ns;   /* 0: none */
    uint32_t top;      /* classes wanted */
    uint32_t depth;    /* of events within events */
} ai_handling;

/* ---- Telling (body.c) ---- */

/* Answers the request by its body. */
void ai_handle_body(ai_handling *h);
/* The same for JSON that is no HTTP envelope: an event, or a request of ours. */
void ai_handle_json(ai_handling *h, const json_t *json);
/* Names the picture in `data`. */
void ai_handle_image(ai_handling *h, const void *data, size_t bytes);
/* Fetches the object and answers by what it holds. */
void ai_handle_object(ai_handling *h, const ai_object *object);

/* ---- Texts (body_text.c) ---- */

/* Whether the members or the query ask for a text. */
bool ai_handle_is_wish(const ai_handling *h, const json_t *json);
/* Writes a text. json: wishes beside those of the query; may be NULL. start: or NULL. */
void ai_handle_wish(ai_handling *h, const json_t *json, const char *start);

/* ---- Events (events.def) ---- */

/* Answers if `json` is an event of this kind; false: it is not, nothing happened. */
typedef bool (*ai_event_fn)(ai_handling *h, const json_t *json);
#define AI_EVENT(id) bool ai_event_##id(ai_handling *h, const json_t *json);
#include "events.def"
#undef AI_EVENT

/* Answers any event; false: it is none that is known. */
bool ai_handle_event(ai_handling *h, const json_t *json);

/* ---- Notices (notice.c) ---- */

/* Answers by each of the objects, stores what was answered, if results have a place, and then
 * answers with all of it. Fails, so that the event comes again, if one of them did. */
void ai_handle_notice(ai_handling *h, const ai_object *objects, size_t count);
/* An event that another carries as text. Its answer is left in h->answer. */
void ai_handle_inner(ai_handling *h, const char *text);
/* Undoes %XX, and '+' for a space if `is_form`; from malloc; NULL: no memory. What is no escape stays;
 * some stores send keys raw. */
char *ai_unescape(const char *text, bool is_form);
/* What needs no inference: {"statusCode":200,"body":{name: value}}. */
void ai_reply_note(ai_handling *h, const char *name, const char *value);

/* ---- Replies (reply.c): all take over `value`, and answer 500 where memory is lacking ---- */

void ai_reply_json(ai_handling *h, json_t *value);
/* {"statusCode":200,"body":value} */
void ai_reply_body(ai_handling *h, json_t *value);
void ai_reply_fail(ai_handling *h, uint32_t status, const char *fault, ai_status code,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* By the error's code. */
void ai_reply_error(ai_handling *h, const ai_error *err);

/* The query's or the headers' value of that name, in any case; or NULL. */
const char *ai_pair_find(const ai_pair *pairs, size_t count, const char *name);

/* The time left, for ai_fetch_fn and the like: 0: no limit. false: it is over, and answered. */
bool ai_handle_time_left(ai_handling *h, uint64_t *ns);
/* *call as the request wants a run of the network: its time and its hook. false: as above. */
bool ai_handle_call(ai_handling *h, ai_call *call);

ai_session *ai_classifier_session(const ai_classifier *classifier);
ai_session *ai_writer_session(const ai_writer *writer);

#endif
