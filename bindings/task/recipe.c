/* SPDX-License-Identifier: Apache-2.0
 * Reads and writes image recipes: docs/format.md, "Image recipe", says what each field means. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"

enum { MAX_BYTES = 1 << 16 };

static const struct {
    const char *name;
    const char *json;
} presets[] = {
    {"imagenet", "{\"resize\":\"short\",\"size\":256,\"filter\":\"bilinear\",\"crop\":224,"
                 "\"scale\":0.00392156862745098,\"mean\":[0.485,0.456,0.406],"
                 "\"std\":[0.229,0.224,0.225],\"softmax\":true}"},
    {"lite", "{\"fraction\":0.875,\"resize\":\"squash\",\"size\":224,\"filter\":\"bicubic\","
             "\"mean\":127,\"std\":128,\"softmax\":true}"},
    {"keras", "{\"resize\":\"squash\",\"size\":224,\"filter\":\"nearest\",\"color\":\"BGR\","
              "\"mean\":[103.939,116.779,123.68]}"},
};
enum { PRESETS = sizeof presets / sizeof presets[0] };

/* The words a field may have, with their numbers; the list ends in NULL. A first word "null" stands
 * for JSON's null. */
typedef struct word {
    const char *name;
    uint32_t value;
} word;

static const word resizes[] = {{"null", AI_RESIZE_NONE},
                               {"short", AI_RESIZE_SHORT},
                               {"squash", AI_RESIZE_SQUASH},
                               {"letterbox", AI_RESIZE_LETTERBOX},
                               {NULL, 0}};
static const word filters[] = {{"nearest", AI_RESIZE_NEAREST},
                               {"bilinear", AI_RESIZE_BILINEAR},
                               {"bicubic", AI_RESIZE_BICUBIC},
                               {NULL, 0}};
static const word colors[] = {
    {"RGB", AI_COLOR_RGB}, {"BGR", AI_COLOR_BGR}, {"GRAY", AI_COLOR_GRAY}, {NULL, 0}};
static const word layouts[] = {
    {"null", AI_LAYOUT_ANY}, {"NCHW", AI_LAYOUT_NCHW}, {"NHWC", AI_LAYOUT_NHWC}, {NULL, 0}};
static const word types[] = {{"f32", AI_F32}, {"u8", AI_U8}, {NULL, 0}};

static ai_status refuse(const char *field, const json_t *found, const char *needed, ai_error *err)
{
    char text[64];
    size_t bytes = json_dumpb(found, text, sizeof text, JSON_COMPACT | JSON_ENCODE_ANY);
    if (bytes > sizeof text)
        return ai_task_fail(err, AI_E_FORMAT, "recipe: '%s' is a value of %zu bytes, needs %s",
                            field, bytes, needed);
    return ai_task_fail(err, AI_E_FORMAT, "recipe: '%s' is %.*s, needs %s", field, (int)bytes, text,
                        needed);
}

static void list_words(char *text, size_t bytes, const word *words)
{
    size_t used = 0;
    text[0] = '\0';
    for (const word *w = words; w->name && used < bytes; w++)
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%s", w == words ? "" : ", ", w->name);
}

static ai_status read_word(uint32_t *value, const char *field, const json_t *json,
                           const word *words, ai_error *err)
{
    const char *name = json_is_null(json) ? "null" : json_string_value(json);
    for (const word *w = words; name && w->name; w++)
        if (!strcmp(w->name, name)) {
            *value = w->value;
            return AI_OK;
        }
    char needed[80];
    list_words(needed, sizeof needed, words);
    return refuse(field, json, needed, err);
}

static json_t *write_word(uint32_t value, const word *words)
{
    while (words->name && words->value != value)
        words++;
    return words->name && strcmp(words->name, "null") ? json_string(words->name) : json_null();
}

static bool is_side(const json_t *json)
{
    return json_is_integer(json) && json_integer_value(json) >= 1 &&
           json_integer_value(json) <= AI_IMAGE_MAX_SIDE;
}

/* null, a side of a square, or [height, width]. */
static ai_status read_sides(uint32_t side[2], const char *field, const json_t *json, ai_error *err)
{
    const json_t *height = json_is_array(json) ? json_array_get(json, 0) : json;
    const json_t *width = json_is_array(json) ? json_array_get(json, 1) : json;
    if (json_is_array(json) ? json_array_size(json) != 2 || !is_side(height) || !is_side(width)
                            : !json_is_null(json) && !is_side(json))
        return refuse(field, json, "a side from 1 to 32768, [height, width] of such, or null", err);
    side[0] = (uint32_t)json_integer_value(height);
    side[1] = (uint32_t)json_integer_value(width);
    return AI_OK;
}

static json_t *write_number(double value)
{
    bool is_whole = fabs(value) < 1e15 && value == rint(value);
    return is_whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *write_list(const double *value, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        if (!ai_json_append(list, write_number(value[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *write_sides(const uint32_t side[2])
{
    double both[2] = {side[0], side[1]};
    if (!side[0])
        return json_null();
    return side[0] == side[1] ? json_integer(side[0]) : write_list(both, 2);
}

/* A number for all channels, or a list of one for each. */
static ai_status read_channels(double value[3], uint32_t channels, const char *field,
                               const json_t *json, ai_error *err)
{
    char needed[48];
    snprintf(needed, sizeof needed, "a number or a list of %u", channels);
    if (json_is_array(json) ? json_array_size(json) != channels : !json_is_number(json))
        return refuse(field, json, needed, err);
    for (uint32_t c = 0; c < channels; c++) {
        const json_t *number = json_is_array(json) ? json_array_get(json, c) : json;
        if (!json_is_number(number))
            return refuse(field, json, needed, err);
        value[c] = json_number_value(number);
    }
    return AI_OK;
}

static ai_status read_fraction(double *value, const char *field, const json_t *json, ai_error *err)
{
    double number = json_number_value(json);
    if (!json_is_null(json) && !(json_is_number(json) && number > 0 && number <= 1))
        return refuse(field, json, "a number over 0 and up to 1, or null", err);
    *value = number;
    return AI_OK;
}

static ai_status read_pad(uint8_t pad[3], uint32_t channels, const char *field, const json_t *json,
                          ai_error *err)
{
    double value[3];
    ai_status status = read_channels(value, channels, field, json, err);
    for (uint32_t c = 0; status == AI_OK && c < channels; c++) {
        if (!(value[c] >= 0 && value[c] <= 255 && value[c] == rint(value[c])))
            return refuse(field, json, "whole numbers from 0 to 255", err);
        pad[c] = (uint8_t)value[c];
    }
    return status;
}

static ai_status read_type(ai_type *type, const char *field, const json_t *json, ai_error *err)
{
    uint32_t value;
    ai_status status = read_word(&value, field, json, types, err);
    if (status == AI_OK)
        *type = (ai_type)value;
    return status;
}

static ai_status read_field(ai_recipe *r, const char *name, const json_t *json, ai_error *err)
{
    if (!strcmp(name, "fraction"))
        return read_fraction(&r->fraction, name, json, err);
    if (!strcmp(name, "resize"))
        return read_word(&r->resize, name, json, resizes, err);
    if (!strcmp(name, "size"))
        return read_sides(r->size, name, json, err);
    if (!strcmp(name, "filter"))
        return read_word(&r->filter, name, json, filters, err);
    if (!strcmp(name, "crop"))
        return read_sides(r->crop, name, json, err);
    if (!strcmp(name, "color"))
        return AI_OK; /* read before the others: it tells the number of channels */
    if (!strcmp(name, "pad"))
        return read_pad(r->pad, r->channels, name, json, err);
    if (!strcmp(name, "scale"))
        return read_channels(r->scale, r->channels, name, json, err);
    if (!strcmp(name, "mean"))
        return read_channels(r->mean, r->channels, name, json, err);
    if (!strcmp(name, "std"))
        return read_channels(r->std, r->channels, name, json, err);
    if (!strcmp(name, "layout"))
        return read_word(&r->layout, name, json, layouts, err);
    if (!strcmp(name, "type"))
        return read_type(&r->type, name, json, err);
    if (!strcmp(name, "softmax")) {
        r->softmax = json_is_true(json);
        return json_is_boolean(json) ? AI_OK : refuse(name, json, "true or false", err);
    }
    return ai_task_fail(err, AI_E_FORMAT,
                        "recipe: unknown field '%.40s', there are fraction, resize, size, filter, "
                        "crop, color, pad, scale, mean, std, layout, type, softmax",
                        name);
}

/* What one field alone cannot tell. */
static ai_status check_sizes(const ai_recipe *r, ai_error *err)
{
    if (r->resize == AI_RESIZE_NONE && r->size[0])
        return ai_task_fail(err, AI_E_FORMAT, "recipe: 'size' is given, 'resize' is null");
    if (r->resize == AI_RESIZE_SHORT && (!r->size[0] || r->size[0] != r->size[1]))
        return ai_task_fail(err, AI_E_FORMAT,
                            "recipe: 'resize' is \"short\", needs 'size' as one number");
    if (r->size[0] && (r->crop[0] > r->size[0] || r->crop[1] > r->size[1]))
        return ai_task_fail(err, AI_E_FORMAT, "recipe: 'crop' is %u x %u, 'size' only %u x %u",
                            r->crop[1], r->crop[0], r->size[1], r->size[0]);
    return AI_OK;
}

/* Values are linear in the pixel: its two extremes bound them all. */
static ai_status check_values(const ai_recipe *r, ai_error *err)
{
    for (uint32_t c = 0; c < r->channels; c++) {
        float low = (float)((0.0 - r->mean[c]) / r->std[c]);
        float high = (float)((255.0 * r->scale[c] - r->mean[c]) / r->std[c]);
        if (!isfinite(low) || !isfinite(high))
            return ai_task_fail(err, AI_E_FORMAT,
                                "recipe: scale %g, mean %g and std %g of channel %u make values "
                                "that are not finite",
                                r->scale[c], r->mean[c], r->std[c], c);
    }
    return AI_OK;
}

static ai_status read_object(ai_recipe *r, json_t *json, ai_error *err)
{
    *r = (ai_recipe){.filter = AI_RESIZE_BILINEAR,
                     .type = AI_F32,
                     .channels = 3,
                     .scale = {1, 1, 1},
                     .std = {1, 1, 1}};
    if (!json_is_object(json))
        return ai_task_fail(err, AI_E_FORMAT, "recipe is no JSON object");
    ai_status status = AI_OK;
    const json_t *color = json_object_get(json, "color");
    if (color)
        status = read_word(&r->color, "color", color, colors, err);
    r->channels = r->color == AI_COLOR_GRAY ? 1 : 3;
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        if (status == AI_OK)
            status = read_field(r, name, value, err);
    }
    if (status == AI_OK)
        status = check_sizes(r, err);
    if (status == AI_OK)
        status = check_values(r, err);
    return status;
}

static ai_status read_json(ai_recipe *recipe, const char *text, size_t bytes, ai_error *err)
{
    json_error_t why;
    if (bytes > MAX_BYTES)
        return ai_task_fail(err, AI_E_FORMAT, "recipe has %zu bytes, the limit is %d", bytes,
                            MAX_BYTES);
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &why);
    bool is_told = why.text[0] && json_error_code(&why) != json_error_out_of_memory;
    if (!json && !is_told)
        return ai_task_no_memory(err, bytes, "the recipe");
    if (!json)
        return ai_task_fail(err, AI_E_FORMAT, "recipe is no JSON: %.120s at byte %d", why.text,
                            why.position);
    ai_recipe read;
    ai_status status = read_object(&read, json, err);
    json_decref(json);
    if (status == AI_OK)
        *recipe = read;
    return status;
}

ai_status ai_recipe_read(ai_recipe *recipe, const char *spec, size_t bytes, ai_error *err)
{
    size_t start = 0;
    while (start < bytes && strchr(" \t\r\n", spec[start]) && spec[start])
        start++;
    if (start < bytes && spec[start] == '{')
        return read_json(recipe, spec, bytes, err);
    for (int i = 0; i < PRESETS; i++)
        if (strlen(presets[i].name) == bytes && !memcmp(presets[i].name, spec, bytes))
            return read_json(recipe, presets[i].json, strlen(presets[i].json), err);
    return ai_task_fail(err, AI_E_ARGUMENT,
                        "recipe '%.*s' is neither a preset (imagenet, lite, keras) nor JSON",
                        (int)(bytes < 60 ? bytes : 60), spec);
}

static json_t *object_of(const ai_recipe *r)
{
    double pad[3] = {r->pad[0], r->pad[1], r->pad[2]};
    json_t *object = json_object();
    if (ai_json_put(object, "fraction",
                    r->fraction > 0 ? write_number(r->fraction) : json_null()) &&
        ai_json_put(object, "resize", write_word(r->resize, resizes)) &&
        ai_json_put(object, "size", write_sides(r->size)) &&
        ai_json_put(object, "filter", write_word(r->filter, filters)) &&
        ai_json_put(object, "crop", write_sides(r->crop)) &&
        ai_json_put(object, "color", write_word(r->color, colors)) &&
        ai_json_put(object, "pad", write_list(pad, r->channels)) &&
        ai_json_put(object, "scale", write_list(r->scale, r->channels)) &&
        ai_json_put(object, "mean", write_list(r->mean, r->channels)) &&
        ai_json_put(object, "std", write_list(r->std, r->channels)) &&
        ai_json_put(object, "layout", write_word(r->layout, layouts)) &&
        ai_json_put(object, "type", write_word((uint32_t)r->type, types)) &&
        ai_json_put(object, "softmax", json_boolean(r->softmax)))
        return object;
    json_decref(object);
    return NULL;
}

static bool is_short_number(double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.15g", value);
    return strtod(text, NULL) == value;
}

/* 15 digits give back what somebody wrote with as many; 17 every f64. */
static size_t digits_of(const ai_recipe *r)
{
    bool is_short = is_short_number(r->fraction);
    for (int c = 0; c < 3; c++)
        is_short = is_short && is_short_number(r->scale[c]) && is_short_number(r->mean[c]) &&
                   is_short_number(r->std[c]);
    return is_short ? 15 : 17;
}

ai_status ai_recipe_write(const ai_recipe *recipe, char **json, ai_error *err)
{
    return ai_json_text(json, object_of(recipe), digits_of(recipe), err);
}

ai_status ai_task_recipe(const char *spec, char **json, ai_error *err)
{
    if (!spec || !json)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", spec ? "json" : "spec");
    ai_recipe recipe;
    ai_status status = ai_recipe_read(&recipe, spec, strlen(spec), err);
    return status == AI_OK ? ai_recipe_write(&recipe, json, err) : status;
}
