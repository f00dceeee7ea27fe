/* SPDX-License-Identifier: Apache-2.0
 * Follows an image recipe: cut, resize, cut or pad, then a value for each pixel and channel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* The tensor as rows, columns and channels of elements. */
typedef struct target {
    uint32_t height;
    uint32_t width;
    size_t row; /* elements from one to the next */
    size_t column;
    size_t channel;
} target;

/* The picture that the resize makes and where its wanted part goes. */
typedef struct placing {
    ai_resample job;
    uint32_t left; /* in the tensor */
    uint32_t top;
} placing;

static const char *type_name(ai_type type)
{
    return type == AI_F32 ? "f32" : type == AI_U8 ? "u8" : "of another type";
}

static ai_status find_layout(uint32_t *layout, const ai_recipe *r, const ai_tensor_info *info,
                             ai_error *err)
{
    bool is_nchw = info->dim[1] == r->channels;
    bool is_nhwc = info->dim[3] == r->channels;
    *layout = r->layout;
    if (r->layout == AI_LAYOUT_ANY && is_nchw != is_nhwc)
        *layout = is_nchw ? AI_LAYOUT_NCHW : AI_LAYOUT_NHWC;
    if ((*layout == AI_LAYOUT_NCHW && is_nchw) || (*layout == AI_LAYOUT_NHWC && is_nhwc))
        return AI_OK;
    return ai_task_fail(err, AI_E_SHAPE,
                        "input '%s' is %lldx%lldx%lldx%lld, the recipe needs %s with %u channels%s",
                        info->name ? info->name : "", (long long)info->dim[0],
                        (long long)info->dim[1], (long long)info->dim[2], (long long)info->dim[3],
                        *layout == AI_LAYOUT_NCHW   ? "NCHW"
                        : *layout == AI_LAYOUT_NHWC ? "NHWC"
                                                    : "NCHW or NHWC",
                        r->channels, is_nchw && is_nhwc ? ": say which by 'layout'" : "");
}

static ai_status find_target(target *t, const ai_recipe *r, const ai_tensor_info *info,
                             ai_error *err)
{
    const char *name = info->name ? info->name : "";
    if (info->type != r->type)
        return ai_task_fail(err, AI_E_SHAPE, "input '%s' is %s, the recipe makes %s", name,
                            type_name(info->type), type_name(r->type));
    if (info->rank != 4 || info->dim[0] != 1)
        return ai_task_fail(err, AI_E_SHAPE,
                            "input '%s' has rank %u and begins with %lld, the recipe makes 4 "
                            "dimensions of which the first is 1",
                            name, info->rank, (long long)info->dim[0]);
    uint32_t layout;
    ai_status status = find_layout(&layout, r, info, err);
    if (status != AI_OK)
        return status;
    int64_t height = info->dim[layout == AI_LAYOUT_NCHW ? 2 : 1];
    int64_t width = info->dim[layout == AI_LAYOUT_NCHW ? 3 : 2];
    if (height < 1 || width < 1 || height > AI_IMAGE_MAX_SIDE || width > AI_IMAGE_MAX_SIDE)
        return ai_task_fail(err, AI_E_SHAPE, "input '%s' takes %lld x %lld pixels, the limit is %d",
                            name, (long long)width, (long long)height, AI_IMAGE_MAX_SIDE);
    t->height = (uint32_t)height;
    t->width = (uint32_t)width;
    bool is_planar = layout == AI_LAYOUT_NCHW;
    t->column = is_planar ? 1 : r->channels;
    t->row = t->width * t->column;
    t->channel = is_planar ? t->row * t->height : 1;
    uint64_t bytes = (uint64_t)t->height * t->width * r->channels * (r->type == AI_F32 ? 4 : 1);
    if (info->bytes != bytes)
        return ai_task_fail(err, AI_E_SHAPE, "input '%s' has %llu bytes, its shape needs %llu",
                            name, (unsigned long long)info->bytes, (unsigned long long)bytes);
    return AI_OK;
}

/* EfficientNet-Lite's centre crop: a square whose side is rounded down and that lies half a pixel
 * further right and down where it cannot lie in the middle. */
static void cut_fraction(ai_pixels *p, double fraction)
{
    uint32_t shorter = p->width < p->height ? p->width : p->height;
    uint32_t side = (uint32_t)(fraction * shorter);
    side = side ? side : 1;
    p->data += (p->height - side + 1) / 2 * p->stride;
    p->data += (size_t)((p->width - side + 1) / 2) * p->channels;
    p->width = side;
    p->height = side;
}

/* Half of `space`, a half rounded to even: where Pillow and torchvision put a centre. */
static uint32_t half(uint32_t space)
{
    return space / 2 + (space % 4 == 3);
}

/* side * other / shorter, as Python rounds it: half to even. */
static uint32_t fit(uint32_t side, uint32_t mine, uint32_t other)
{
    uint32_t fitted = (uint32_t)rint((double)mine / other * side);
    return fitted ? fitted : 1;
}

/* The whole size of the resized picture. Letterbox is Pillow's ImageOps.pad: the longer side fits,
 * in comparison with the box. */
static void choose_size(ai_resample *job, const ai_recipe *r, const ai_pixels *p, const target *t)
{
    uint32_t height = r->size[0] ? r->size[0] : t->height;
    uint32_t width = r->size[0] ? r->size[1] : t->width;
    uint64_t shorter = p->width < p->height ? p->width : p->height;
    job->width = p->width;
    job->height = p->height;
    if (r->resize == AI_RESIZE_SHORT) {
        job->width = (uint32_t)(p->width * (uint64_t)height / shorter);
        job->height = (uint32_t)(p->height * (uint64_t)height / shorter);
    } else if (r->resize == AI_RESIZE_SQUASH) {
        job->width = width;
        job->height = height;
    } else if (r->resize == AI_RESIZE_LETTERBOX) {
        double ratio = (double)p->width / p->height;
        double wanted = (double)width / height;
        job->width = ratio < wanted ? fit(height, p->width, p->height) : width;
        job->height = ratio > wanted ? fit(width, p->height, p->width) : height;
    }
}

/* One dimension: from `have` pixels, of which the letterbox shows in `frame`, the middle `want`. */
static ai_status place_axis(uint32_t have, uint32_t frame, uint32_t want, uint32_t *begin,
                            uint32_t *count, uint32_t *at, const char *axis_name, ai_error *err)
{
    if (want > frame)
        return ai_task_fail(err, AI_E_SHAPE, "picture is %u pixels %s after the resize, needs %u",
                            frame, axis_name, want);
    uint32_t border = half(frame - have);
    uint32_t cut = half(frame - want);
    uint32_t end = border + have < cut + want ? border + have : cut + want;
    uint32_t from = border > cut ? border : cut;
    *begin = from - border;
    *count = end > from ? end - from : 0;
    *at = from - cut;
    return AI_OK;
}

static ai_status place(placing *out, const ai_recipe *r, const ai_pixels *p, const target *t,
                       ai_error *err)
{
    ai_resample *job = &out->job;
    *out =
        (placing){.job = {.filter = r->filter, .box = {0, 0, (float)p->width, (float)p->height}}};
    choose_size(job, r, p, t);
    bool is_boxed = r->resize == AI_RESIZE_LETTERBOX;
    uint32_t frame_height = !is_boxed ? job->height : r->size[0] ? r->size[0] : t->height;
    uint32_t frame_width = !is_boxed ? job->width : r->size[0] ? r->size[1] : t->width;
    uint32_t height = r->crop[0] ? r->crop[0] : frame_height;
    uint32_t width = r->crop[0] ? r->crop[1] : frame_width;
    ai_status status = place_axis(job->height, frame_height, height, &job->top, &job->part_height,
                                  &out->top, "high", err);
    if (status == AI_OK)
        status = place_axis(job->width, frame_width, width, &job->left, &job->part_width,
                            &out->left, "wide", err);
    if (status == AI_OK && (height != t->height || width != t->width))
        return ai_task_fail(err, AI_E_SHAPE,
                            "recipe makes %u x %u pixels of this picture, the input takes %u x %u",
                            width, height, t->width, t->height);
    return status;
}

/* The value of every pixel, computed in f64 and rounded once. */
static void fill_table(float table[256], const ai_recipe *r, uint32_t channel)
{
    for (int i = 0; i < 256; i++)
        table[i] = (float)((i * r->scale[channel] - r->mean[channel]) / r->std[channel]);
}

static uint8_t to_u8(float value)
{
    float rounded = rintf(value);
    return (uint8_t)(rounded <= 0 ? 0 : rounded >= 255 ? 255 : rounded);
}

static void store(void *tensor, ai_type type, size_t at, float value)
{
    if (type == AI_U8)
        ((uint8_t *)tensor)[at] = to_u8(value);
    else
        memcpy((char *)tensor + at * sizeof value, &value, sizeof value);
}

static void fill_pad(void *tensor, const target *t, ai_type type, size_t channel, float value)
{
    for (uint32_t y = 0; y < t->height; y++)
        for (uint32_t x = 0; x < t->width; x++)
            store(tensor, type, channel + y * t->row + x * t->column, value);
}

/* Channel c of the tensor from channel `from` of the pixels. */
static void fill_channel(void *tensor, const target *t, const placing *p, const ai_recipe *r,
                         uint32_t c, const uint8_t *pixels)
{
    float table[256];
    const ai_resample *job = &p->job;
    uint32_t from = r->color == AI_COLOR_BGR ? 2 - c : c;
    size_t channel = c * t->channel;
    fill_table(table, r, c);
    if (job->part_height < t->height || job->part_width < t->width)
        fill_pad(tensor, t, r->type, channel, table[r->pad[c]]);
    for (uint32_t y = 0; y < job->part_height; y++) {
        const uint8_t *in = pixels + (size_t)y * job->part_width * r->channels + from;
        size_t at = channel + (p->top + y) * t->row + p->left * t->column;
        for (uint32_t x = 0; x < job->part_width; x++, at += t->column, in += r->channels)
            store(tensor, r->type, at, table[*in]);
    }
}

/* Pillow's luma: ITU-R 601 weights of 16 bits, rounded. In place: pixel i is written after it and
 * all before it were read. */
static void make_gray(ai_image *image)
{
    size_t count = (size_t)image->width * image->height;
    const uint8_t *p = image->pixels;
    for (size_t i = 0; i < count; i++, p += 3)
        image->pixels[i] =
            (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    image->channels = 1;
}

static ai_status fill(const ai_recipe *r, ai_image *image, const target *t, void *tensor,
                      ai_error *err)
{
    if (r->color == AI_COLOR_GRAY)
        make_gray(image);
    ai_pixels view = {image->pixels, (size_t)image->width * image->channels, image->width,
                      image->height, image->channels};
    if (r->fraction > 0)
        cut_fraction(&view, r->fraction);
    placing p;
    ai_status status = place(&p, r, &view, t, err);
    if (status != AI_OK)
        return status;
    uint8_t *pixels = NULL;
    if (p.job.part_height && p.job.part_width)
        status = ai_resample_run(&pixels, &view, &p.job, err);
    for (uint32_t c = 0; status == AI_OK && c < r->channels; c++)
        fill_channel(tensor, t, &p, r, c, pixels);
    free(pixels);
    return status;
}

/* Where the recipe alone says what size comes out. */
static ai_status check_size(const ai_recipe *r, const target *t, ai_error *err)
{
    bool is_sized = r->resize == AI_RESIZE_SQUASH || r->resize == AI_RESIZE_LETTERBOX;
    uint32_t height = r->crop[0] ? r->crop[0] : is_sized ? r->size[0] : 0;
    uint32_t width = r->crop[0] ? r->crop[1] : is_sized ? r->size[1] : 0;
    if (!height || (height == t->height && width == t->width))
        return AI_OK;
    return ai_task_fail(err, AI_E_SHAPE, "recipe makes %u x %u pixels, the input takes %u x %u",
                        width, height, t->width, t->height);
}

ai_status ai_recipe_check(const ai_recipe *recipe, const ai_tensor_info *info, ai_error *err)
{
    target t = {0};
    ai_status status = find_target(&t, recipe, info, err);
    return status == AI_OK ? check_size(recipe, &t, err) : status;
}

ai_status ai_recipe_apply(const ai_recipe *recipe, const void *image, size_t image_bytes,
                          const ai_tensor_info *info, void *tensor, ai_error *err)
{
    target t = {0};
    ai_status status = find_target(&t, recipe, info, err);
    if (status != AI_OK)
        return status;
    ai_image decoded = AI_IMAGE_INIT;
    status = ai_image_decode(&decoded, image, image_bytes, err);
    if (status == AI_OK)
        status = fill(recipe, &decoded, &t, tensor, err);
    free(decoded.pixels);
    return status;
}

ai_status ai_image_prepare(const char *recipe, const void *image, size_t image_bytes,
                           const ai_tensor_info *info, void *tensor, ai_error *err)
{
    if (!recipe || !info || !tensor)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL",
                            !recipe ? "recipe"
                            : !info ? "info"
                                    : "tensor");
    ai_recipe read;
    ai_status status = ai_recipe_read(&read, recipe, strlen(recipe), err);
    return status == AI_OK ? ai_recipe_apply(&read, image, image_bytes, info, tensor, err) : status;
}
