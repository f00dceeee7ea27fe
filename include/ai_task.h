/* SPDX-License-Identifier: Apache-2.0
 * libai-task: bytes in, answer out. Pre- and post-processing shared by the command, the function
 * handler and the Python binding. Its ABI is free until 1.0. */
#ifndef AI_TASK_H
#define AI_TASK_H

#include "ai.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads AI_CPU (the highest level allowed, by name: ref, avx2, avx512, vnni, neon, dotprod, or a
 * back end beside all levels: openblas, onednn) and sets *mask for ai_options.cpu; unset or empty:
 * 0. An unknown or missing level is an error that names it and those that are there. */
AI_API ai_status ai_task_cpu(uint32_t *mask, ai_error *err);

/* The same for the level of that name. */
AI_API ai_status ai_task_cpu_mask(const char *name, uint32_t *mask, ai_error *err);

/* Name of one level's bit, such as "avx2"; NULL: no such level. */
AI_API const char *ai_task_cpu_name(uint32_t level);

/* ---- Image recipes: how a picture becomes a tensor. docs/format.md describes the JSON. ---- */

/* Turns a preset's name ("imagenet", "lite", "keras") or JSON text into checked JSON in its full
 * form. *json is the caller's: free it with ai_task_free. */
AI_API ai_status ai_task_recipe(const char *spec, char **json, ai_error *err);

AI_API void ai_task_free(void *memory);

/* ---- Classifiers: a model with its recipe and labels, and a session ---- */

typedef struct ai_classifier ai_classifier;

/* Opens a session on `model` (which must outlive it) and reads its resources "image" and "labels".
 * options: as of ai_session_open, NULL for the defaults. One caller at a time. */
AI_API ai_status ai_classifier_open(ai_classifier **classifier, const ai_model *model,
                                    const ai_options *options, ai_error *err);
AI_API void ai_classifier_close(ai_classifier *classifier);

typedef struct ai_class {              /* fixed for ever */
    uint32_t    index;
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

typedef struct ai_writer ai_writer;

/* Opens a session on `model` (which must outlive it) and reads its resources "text", "vocabulary"
 * and, for rules of verse, "rhymes": docs/format.md. The session must keep a state. options: as of
 * ai_session_open, NULL for the defaults. One caller at a time. */
AI_API ai_status ai_writer_open(ai_writer **writer, const ai_model *model,
                                const ai_options *options, ai_error *err);
AI_API void ai_writer_close(ai_writer *writer);

typedef struct ai_text_options {
    uint32_t    size;
    uint32_t    reserved;
    uint64_t    seed;                  /* the same: the same text, on every machine */
    const char *start;                 /* how the text begins; NULL: freely. All UTF-8 */
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

/* ---- The parts, one by one ---- */

typedef struct ai_image {              /* 8 bits a channel, interleaved, rows without gaps */
    uint32_t size;
    uint32_t width;
    uint32_t height;
    uint32_t channels;                 /* 3: RGB */
    uint8_t *pixels;                   /* free with ai_task_free */
} ai_image;
#define AI_IMAGE_INIT { (uint32_t)sizeof(ai_image), 0, 0, 0, NULL }

/* Largest width, height and number of pixels that are decoded. */
enum { AI_IMAGE_MAX_SIDE = 32768, AI_IMAGE_MAX_PIXELS = 1 << 27 };

/* Decodes JPEG (grey, YCbCr, CMYK, YCCK) or PNG (every kind; alpha is dropped, 16 bits become the
 * upper 8) to RGB and turns it upright by its EXIF orientation. The kind is told by the bytes, not
 * by a name. Truncated or damaged data is refused, sizes over the limits before memory is taken. */
AI_API ai_status ai_image_decode(ai_image *image, const void *data, size_t bytes, ai_error *err);

enum { AI_RESIZE_NEAREST = 0, AI_RESIZE_BILINEAR = 2, AI_RESIZE_BICUBIC = 3 };  /* Pillow's numbers */

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
