/* SPDX-License-Identifier: Apache-2.0
 * Tells a picture's kind by its first bytes, decodes it and turns it upright. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

ai_status ai_image_limits(const char *kind, uint64_t width, uint64_t height, ai_error *err)
{
    if (!width || !height)
        return ai_task_fail(err, AI_E_FORMAT, "%s has %llu x %llu pixels, needs at least 1 x 1",
                            kind, (unsigned long long)width, (unsigned long long)height);
    uint64_t side = width > height ? width : height;
    if (side > AI_IMAGE_MAX_SIDE)
        return ai_task_fail(err, AI_E_UNSUPPORTED, "%s is %llu pixels %s, the limit is %d", kind,
                            (unsigned long long)side, width >= height ? "wide" : "high",
                            AI_IMAGE_MAX_SIDE);
    if (width * height > AI_IMAGE_MAX_PIXELS)
        return ai_task_fail(err, AI_E_UNSUPPORTED,
                            "%s has %llu x %llu = %llu pixels, the limit is %d", kind,
                            (unsigned long long)width, (unsigned long long)height,
                            (unsigned long long)(width * height), AI_IMAGE_MAX_PIXELS);
    return AI_OK;
}

ai_status ai_image_allocate(ai_image *image, uint32_t width, uint32_t height, ai_error *err)
{
    size_t bytes = (size_t)width * height * 3;
    image->pixels = malloc(bytes);
    if (!image->pixels)
        return ai_task_no_memory(err, bytes, "the picture");
    image->width = width;
    image->height = height;
    image->channels = 3;
    return AI_OK;
}

static ai_status refuse_kind(const uint8_t *data, size_t bytes, ai_error *err)
{
    char start[3 * 8 + 1] = "";
    for (size_t i = 0; i < bytes && i < 8; i++)
        snprintf(start + 3 * i, 4, "%02x ", data[i]);
    start[strlen(start) - 1] = '\0';
    return ai_task_fail(err, AI_E_FORMAT, "image is neither JPEG nor PNG: starts with %s", start);
}

ai_status ai_image_decode(ai_image *image, const void *data, size_t bytes, ai_error *err)
{
    static const uint8_t jpeg[3] = {0xff, 0xd8, 0xff};
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    if (!image || (!data && bytes))
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", image ? "data" : "image");
    if (!bytes)
        return ai_task_fail(err, AI_E_FORMAT, "image is empty: 0 bytes");
    ai_image decoded = AI_IMAGE_INIT;
    uint32_t orientation = 1;
    ai_status status;
    if (bytes >= sizeof jpeg && !memcmp(data, jpeg, sizeof jpeg))
        status = ai_jpeg_decode(&decoded, &orientation, data, bytes, err);
    else if (bytes >= sizeof png && !memcmp(data, png, sizeof png))
        status = ai_png_decode(&decoded, &orientation, data, bytes, err);
    else
        status = refuse_kind(data, bytes, err);
    if (status == AI_OK)
        status = ai_image_orient(&decoded, orientation, err);
    if (status != AI_OK) {
        free(decoded.pixels);
        return status;
    }
    image->width = decoded.width;
    image->height = decoded.height;
    image->channels = decoded.channels;
    image->pixels = decoded.pixels;
    return AI_OK;
}
