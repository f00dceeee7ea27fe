/* SPDX-License-Identifier: Apache-2.0
 * What the files of the task layer share: errors, pictures in memory, recipes. */
#ifndef AI_TASK_INTERNAL_H
#define AI_TASK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ai_task.h"

/* Fills *err (if not NULL) with AI_NO_STEP and AI_NO_OFFSET and returns `code`. */
ai_status ai_task_fail(ai_error *err, ai_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for "out of memory" with what was wanted. */
ai_status ai_task_no_memory(ai_error *err, size_t bytes, const char *what);

/* The model's resource of this name; *found stays without data where there is none. */
void ai_task_resource(const ai_model *model, const char *name, ai_resource *found);

/* Bytes of the UTF-8 sequence at p of which `bytes` are there; 0: none, or over-long, or a
 * surrogate, or past U+10FFFF, or a zero. */
size_t ai_utf8_length(const uint8_t *p, size_t bytes);

/* Whether a string is UTF-8. */
bool ai_is_utf8(const char *text);
/* Puts one question mark in the place of each part that is no UTF-8. */
void ai_utf8_clean(char *text);

/* exp(x) for x <= 0, the same bits on every machine. */
double ai_task_exp(double x);

/* ---- Pictures ---- */

/* Somebody else's pixels: rows of width * channels bytes, `stride` bytes apart. */
typedef struct ai_pixels {
    const uint8_t *data;
    size_t stride;
    uint32_t width;
    uint32_t height;
    uint32_t channels;
} ai_pixels;

/* Refuses a side or a number of pixels over the limits of ai_task.h, and 0. kind: "jpeg", "png". */
ai_status ai_image_limits(const char *kind, uint64_t width, uint64_t height, ai_error *err);

/* Allocates image->pixels for width x height x 3; sides are within the limits. */
ai_status ai_image_allocate(ai_image *image, uint32_t width, uint32_t height, ai_error *err);

/* Each decodes to RGB and tells the EXIF orientation (1 to 8; 1 where there is none). On failure
 * image->pixels is left NULL. */
ai_status ai_jpeg_decode(ai_image *image, uint32_t *orientation, const uint8_t *data, size_t bytes,
                         ai_error *err);
ai_status ai_png_decode(ai_image *image, uint32_t *orientation, const uint8_t *data, size_t bytes,
                        ai_error *err);

/* Orientation of a TIFF block as APP1 carries it after "Exif\0\0"; 1 if there is none or the block
 * is damaged. */
uint32_t ai_exif_orientation(const uint8_t *tiff, size_t bytes);

/* Turns the picture upright. Orientations 2 to 8 as EXIF numbers them; 1 does nothing. */
ai_status ai_image_orient(ai_image *image, uint32_t orientation, ai_error *err);

/* A resize of which only a part of the result is wanted. */
typedef struct ai_resample {
    uint32_t width; /* of the whole result */
    uint32_t height;
    uint32_t filter;
    float box[4];  /* left, top, right, bottom in the source */
    uint32_t left; /* the part: inside the whole result */
    uint32_t top;
    uint32_t part_width;
    uint32_t part_height;
} ai_resample;

/* The wanted part, part_width * part_height * in->channels bytes; *pixels: free with ai_task_free.
 */
ai_status ai_resample_run(uint8_t **pixels, const ai_pixels *in, const ai_resample *job,
                          ai_error *err);

/* ---- Recipes: docs/format.md, "Image recipe" ---- */

enum { AI_RESIZE_NONE = 0, AI_RESIZE_SHORT = 1, AI_RESIZE_SQUASH = 2, AI_RESIZE_LETTERBOX = 3 };
enum { AI_COLOR_RGB = 0, AI_COLOR_BGR = 1, AI_COLOR_GRAY = 2 };
enum { AI_LAYOUT_ANY = 0, AI_LAYOUT_NCHW = 1, AI_LAYOUT_NHWC = 2 };

typedef struct ai_recipe {
    double fraction; /* of the short side: a central square cut first; 0: none */
    uint32_t resize;
    uint32_t filter;
    uint32_t size[2]; /* height, width; 0: the tensor's. SHORT: size[0] is the short side */
    uint32_t crop[2]; /* height, width; 0: none */
    uint32_t color;
    uint32_t layout;
    uint32_t channels; /* 1 for GRAY, else 3 */
    ai_type type;
    uint8_t pad[3]; /* in the order of `color` */
    bool softmax;
    double scale[3]; /* value = (pixel * scale - mean) / std */
    double mean[3];
    double std[3];
} ai_recipe;

/* Reads a preset's name or `bytes` bytes of JSON. */
ai_status ai_recipe_read(ai_recipe *recipe, const char *spec, size_t bytes, ai_error *err);

/* The recipe as JSON with every field. */
ai_status ai_recipe_write(const ai_recipe *recipe, char **json, ai_error *err);

/* Fails unless the recipe can fill a tensor of this type and shape. */
ai_status ai_recipe_check(const ai_recipe *recipe, const ai_tensor_info *info, ai_error *err);

/* Decodes and prepares an image; writes info->bytes bytes. */
ai_status ai_recipe_apply(const ai_recipe *recipe, const void *image, size_t image_bytes,
                          const ai_tensor_info *info, void *tensor, ai_error *err);

/* ---- Answers ---- */

typedef struct ai_labels {
    char **line; /* line[i] is the label of class i */
    uint32_t count;
    char *text; /* what the lines point into */
} ai_labels;

/* Splits UTF-8 text of one label a line, which must have `count` lines. data NULL: the labels are
 * the indices in decimal. */
ai_status ai_labels_open(ai_labels *labels, const void *data, size_t bytes, uint32_t count,
                         ai_error *err);
void ai_labels_close(ai_labels *labels);

/* Replaces logits by exp(x - max) / sum, computed in f64 in ascending order of the index. */
void ai_task_softmax(float *scores, uint32_t count);

#endif
