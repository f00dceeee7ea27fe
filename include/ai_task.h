/* SPDX-License-Identifier: Apache-2.0
 * libai-task: bytes in, answer out. Pre- and post-processing shared by the command, the function
 * handler and the Python binding. Its ABI is free until 1.0. */
#ifndef AI_TASK_H
#define AI_TASK_H

#include "ai.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads AI_CPU (the highest level allowed, by name: ref, avx2, avx512, vnni, amx, neon, dotprod,
 * or a back end beside all levels: openblas, onednn) and sets *mask for ai_options.cpu; unset or
 * empty: 0. An unknown or missing level is an error that names it and those that are there. */
AI_API ai_status ai_task_cpu(uint32_t *mask, ai_error *err);

/* The same for the level of that name. */
AI_API ai_status ai_task_cpu_mask(const char *name, uint32_t *mask, ai_error *err);

/* Name of one level's bit, such as "avx2"; NULL: no such level. */
AI_API const char *ai_task_cpu_name(uint32_t level);

/* ---- Image recipes: how a picture becomes a tensor. docs/format.md describes the JSON. ---- */

/* Turns a preset's name ("imagenet", "lite", "keras") or JSON text into checked JSON in its full
 * form. *json is the caller's: free it with ai_task_free. */
AI_API ai_status ai_task_recipe(const char *spec, char **json, ai_error *err);

/* Frees what functions of this header hand to the caller. NULL is allowed. */
AI_API void ai_task_free(void *memory);

/* ---- Classifiers: a model with its recipe and labels, and a session ---- */

/* An open classifier. */
typedef struct ai_classifier ai_classifier;

/* Opens a session on `model` (which must outlive it) and reads its resources "image" and "labels".
 * options: as of ai_session_open, NULL for the defaults. One caller at a time. */
AI_API ai_status ai_classifier_open(ai_classifier **classifier, const ai_model *model,
                                    const ai_options *options, ai_error *err);

/* Closes it with its session, not its model. NULL is allowed. */
AI_API void ai_classifier_close(ai_classifier *classifier);

/* A class that a picture may show. Fixed for ever. */
typedef struct ai_class {
    uint32_t    index;                 /* in the network's output, from 0 */
    float       score;                 /* after softmax where the recipe says so */
    const char *label;                 /* the classifier's; the index in decimal if there are none */
} ai_class;

/* Decodes a JPEG or PNG from memory, prepares it, runs the network, and writes the *count best
 * classes in descending order (ties: the lower index first) to `classes`; *count is lowered to the
 * number of classes there are. call: as of ai_infer. */
AI_API ai_status ai_classify(ai_classifier *classifier, const void *image, size_t bytes,
                             ai_class *classes, uint32_t *count, const ai_call *call, ai_error *err);

/* The answer of one image as callers of a function know it:
 * {"statusCode":200,"body":[{"rank":1,"label":"...","score":0.93,"index":282},...]}.
 * *json is the caller's: free it with ai_task_free. */
AI_API ai_status ai_classes_json(const ai_class *classes, uint32_t count, char **json, ai_error *err);

/* ---- Writers: a network that writes text, character by character ---- */

/* An open writer, with the text it is at. */
typedef struct ai_writer ai_writer;

/* Opens a session on `model` (which must outlive it) and reads its resources "text", "vocabulary",
 * for rules of verse "rhymes", and "simplified" if it is there: docs/format.md. The session must
 * keep a state. options: as of ai_session_open, NULL for the defaults. One caller at a time. */
AI_API ai_status ai_writer_open(ai_writer **writer, const ai_model *model,
                                const ai_options *options, ai_error *err);

/* Closes it with its session, not its model. NULL is allowed. */
AI_API void ai_writer_close(ai_writer *writer);

/* Bits of ai_text_options.flags. */
enum {
    AI_TEXT_SIMPLIFIED = 1,            /* in simplified script: the model has "simplified" */
    AI_TEXT_NO_RULES = 2               /* without the recipe's rhymes and tones */
};

/* What text is wanted. */
typedef struct ai_text_options {
    uint32_t    size;                  /* sizeof(ai_text_options) */
    uint32_t    flags;                 /* AI_TEXT_* */
    uint64_t    seed;                  /* the same: the same text, on every machine */
    const char *start;                 /* how the text begins; NULL: freely. UTF-8, either script */
    const char *acrostic;              /* the first character of each line; NULL: free */
    const char *theme;                 /* characters wanted somewhere, at most 16; NULL: none */
    double      temperature;           /* 0: the recipe's */
    double      top_p;                 /* greater than 0, at most 1; 0: the recipe's */
} ai_text_options;
#define AI_TEXT_OPTIONS_INIT { (uint32_t)sizeof(ai_text_options), 0, 0, NULL, NULL, NULL, 0, 0 }

/* Begins a text anew; after a failure there is none. options: NULL for the defaults; its strings
 * are not kept. */
AI_API ai_status ai_writer_begin(ai_writer *writer, const ai_text_options *options, ai_error *err);

/* Sets *text to the next character, after the last of a line with the line's mark, until the next
 * call; to NULL where the text is over. call: as of ai_infer; after a call that ran out of time or
 * was stopped, the text can go on. */
AI_API ai_status ai_writer_next(ai_writer *writer, const char **text, const ai_call *call,
                                ai_error *err);

/* ---- Handlers: a request in, an answer out, whatever platform brought it ---- */

/* One open model and a session. The same call serves a function runtime that hands over events
 * (Lambda, OpenWhisk, Function Compute), an HTTP server, and a program of one's own. */
typedef struct ai_handler ai_handler;

/* Opens what the model is made for: a classifier if it has an image recipe, a writer if it has a
 * text recipe, else a session for tensors. `model` must outlive it. options: as of ai_session_open,
 * without shapes. One caller at a time. */
AI_API ai_status ai_handler_open(ai_handler **handler, const ai_model *model,
                                 const ai_options *options, ai_error *err);

/* Closes it with its session, not its model. NULL is allowed. */
AI_API void ai_handler_close(ai_handler *handler);

/* The session for raw tensors with these input shapes, as of ai_options; none: the defaults. It is
 * the handler's, valid until the next call, and its state is reset. */
AI_API ai_status ai_handler_session(ai_handler *handler, const ai_shape *shapes, size_t shape_count,
                                    ai_session **session, ai_error *err);

/* A header of a request, or a parameter of its query. Fixed for ever. */
typedef struct ai_pair {
    const char *name;                  /* never NULL */
    const char *value;                 /* never NULL */
} ai_pair;

/* Where an object lies: a URL (https://, s3://BUCKET/KEY, oss://BUCKET/KEY), or bucket and key. */
typedef struct ai_object {
    uint32_t    size;                  /* sizeof(ai_object) */
    uint32_t    reserved;              /* 0 */
    const char *url;                   /* NULL: bucket and key say it */
    const char *store;                 /* "s3" or "oss"; NULL: not said */
    const char *bucket;                /* NULL: the URL says it */
    const char *key;                   /* as the event had it, see raw_key */
    const char *raw_key;               /* what to try if `key`, decoded, is not there; or NULL */
    const char *region;                /* of the bucket; NULL: not said */
    const char *version;               /* of the object; NULL: the newest */
    const char *etag;                  /* of its content; NULL: not said */
} ai_object;
#define AI_OBJECT_INIT \
    { (uint32_t)sizeof(ai_object), 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* Fetches an object of at most `most` bytes within timeout_ns (0: none). *data comes from malloc
 * and is freed by the handler. On failure *status may say why in HTTP's words (403, 404, 413, ...),
 * and the message says it without secrets. AI_E_STOPPED: it is a result of ours, to be passed by. */
typedef ai_status (*ai_fetch_fn)(void *user, const ai_object *object, size_t most,
                                 uint64_t timeout_ns, void **data, size_t *bytes, uint32_t *status,
                                 ai_error *err);

/* Stores the answer, a JSON text, about an object that an event named: under a name that depends on
 * bucket, key and version alone, since events may come twice. *status as above. */
typedef ai_status (*ai_store_fn)(void *user, const ai_object *object, const char *answer,
                                 size_t bytes, uint64_t timeout_ns, uint32_t *status, ai_error *err);

struct ai_answer;

/* Takes a piece of a streamed answer as soon as it stands; *answer has status, type and flags from
 * the first piece on. Anything but 0 ends the text: nobody listens any more. */
typedef int32_t (*ai_write_fn)(void *user, const struct ai_answer *answer, const void *data,
                               size_t bytes);

/* What is asked. All that it points to is the caller's and is read during the call alone. */
typedef struct ai_request {
    uint32_t       size;               /* sizeof(ai_request) */
    uint32_t       flags;              /* 0 */
    const char    *id;                 /* in logs only; NULL: none */
    const char    *method;             /* NULL: an event, not HTTP: the body may hold an HTTP request */
    const char    *type;               /* content type of the body; NULL: told by the bytes */
    const char    *accept;             /* text/event-stream: the text as events, if `write` is set */
    const ai_pair *query;              /* decoded */
    size_t         query_count;        /* of query */
    const ai_pair *headers;            /* names in any case */
    size_t         header_count;       /* of headers */
    const void    *body;               /* NULL: none */
    size_t         bytes;              /* of body */
    size_t         most_bytes;         /* of what is decoded or fetched; 0: 32 MiB */
    uint64_t       timeout_ns;         /* 0: none */
    ai_fetch_fn    fetch;              /* NULL: objects are refused */
    void          *fetch_user;         /* of `store` too */
    ai_write_fn    write;              /* NULL: no streaming */
    void          *write_user;         /* of `write` */
    ai_store_fn    store;              /* NULL: answers to events go back to the caller alone */
    ai_step_fn     before_step;        /* NULL: none; as in ai_call */
    void          *step_user;          /* handed to before_step */
} ai_request;
#define AI_REQUEST_INIT { (uint32_t)sizeof(ai_request), 0, NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, \
                          NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/* Bits of ai_answer.flags. */
enum {
    AI_ANSWER_HTTP   = 1 << 0,         /* the event was an HTTP request */
    AI_ANSWER_STREAM = 1 << 1          /* pieces went to `write`; the body is empty */
};

/* What is answered. */
typedef struct ai_answer {
    uint32_t    size;                  /* sizeof(ai_answer) */
    uint32_t    flags;                 /* AI_ANSWER_* */
    uint32_t    status;                /* HTTP's: 200, 400, ...; also where the caller has no HTTP */
    uint32_t    reserved;              /* 0 */
    const char *type;                  /* content type; static */
    char       *body;                  /* ends with a 0 after `bytes`; free with ai_answer_clear */
    size_t      bytes;                 /* of body */
    const char *fault;                 /* NULL: none; else "Function.BadInput" and the like; static */
    ai_error    error;                 /* if there is a fault */
    uint64_t    ns;                    /* how long it took */
    uint64_t    cpu_ns;                /* of all threads of the session */
    uint64_t    peak_bytes;            /* most memory that the process ever had */
} ai_answer;

/* Frees the body and empties the answer; *answer may also be all zero. */
AI_API void ai_answer_clear(ai_answer *answer);

/* Answers one request; never fails: what goes wrong is an answer with a status, a fault and a body
 * {"statusCode":400,"body":{"error":"...","type":"Function.BadInput"}}. A classifier answers an
 * image (as the body; as JSON {"image": base64 or URL}; {"url"}; {"bucket","key"}) as
 * ai_classes_json does, a writer a wish ({"start","acrostic","theme","seed","temperature","top_p",
 * "script","stream"}) with {"statusCode":200,"body":{"seed":7,"text":"..."}}. "top", in JSON or the
 * query, is the number of classes, else 3. What platforms send is told by its form: docs/platforms.md. */
AI_API void ai_handle(ai_handler *handler, const ai_request *request, ai_answer *answer);

/* Turns *answer into one that says what went wrong. fault: NULL: what fits err->code. */
AI_API void ai_answer_fail(ai_answer *answer, uint32_t status, const char *fault,
                           const ai_error *err);

/* Most memory that the process ever had. */
AI_API uint64_t ai_task_peak_bytes(void);

/* Bytes of base64 text (standard or URL alphabet, padded or not, line ends skipped); *data ends
 * with a 0 and is the caller's: ai_task_free. */
AI_API ai_status ai_base64_decode(const char *text, size_t length, void **data, size_t *bytes,
                                  ai_error *err);

/* ---- The parts, one by one ---- */

/* A picture: 8 bits a channel, interleaved, rows without gaps. */
typedef struct ai_image {
    uint32_t size;                     /* sizeof(ai_image) */
    uint32_t width;                    /* pixels of a row */
    uint32_t height;                   /* rows */
    uint32_t channels;                 /* 3: RGB */
    uint8_t *pixels;                   /* free with ai_task_free */
} ai_image;
#define AI_IMAGE_INIT { (uint32_t)sizeof(ai_image), 0, 0, 0, NULL }

/* What is decoded at most. */
enum {
    AI_IMAGE_MAX_SIDE   = 32768,       /* width and height */
    AI_IMAGE_MAX_PIXELS = 1 << 27      /* width times height */
};

/* Decodes JPEG (grey, YCbCr, CMYK, YCCK) or PNG (every kind; alpha is dropped, 16 bits become the
 * upper 8) to RGB and turns it upright by its EXIF orientation. The kind is told by the bytes, not
 * by a name. Truncated or damaged data is refused, sizes over the limits before memory is taken. */
AI_API ai_status ai_image_decode(ai_image *image, const void *data, size_t bytes, ai_error *err);

/* How pictures are resized; the numbers are Pillow's. */
enum {
    AI_RESIZE_NEAREST  = 0,            /* the nearest pixel */
    AI_RESIZE_BILINEAR = 2,            /* a triangle over two pixels, of the coarser side */
    AI_RESIZE_BICUBIC  = 3             /* a cubic over four, a = -0.5 */
};

/* Resizes to width x height, pixel by pixel as Pillow 13 does (antialias; box: left, top, right,
 * bottom in source pixels, or NULL for the whole image). in->channels is 1 or 3; *out gets pixels of
 * its own. */
AI_API ai_status ai_image_resize(ai_image *out, const ai_image *in, uint32_t width, uint32_t height,
                                 uint32_t filter, const float box[4], ai_error *err);

/* Decodes and prepares an image by a recipe (JSON or a preset) for a tensor of `info`'s type and
 * shape; writes info->bytes bytes. */
AI_API ai_status ai_image_prepare(const char *recipe, const void *image, size_t image_bytes,
                                  const ai_tensor_info *info, void *tensor, ai_error *err);

#ifdef __cplusplus
}
#endif

#endif
