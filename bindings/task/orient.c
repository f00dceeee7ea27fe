/* SPDX-License-Identifier: Apache-2.0
 * Turns a picture upright by its EXIF orientation. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* Where pixel (x, y) of the upright picture lies in the stored one: start + x * right + y * down,
 * counted in pixels. */
typedef struct walk {
    ptrdiff_t start;
    ptrdiff_t right;
    ptrdiff_t down;
} walk;

/* EXIF names the sides that row 0 and column 0 of the stored picture show:
 * 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom,
 * 8 left bottom. */
static walk walk_of(uint32_t orientation, ptrdiff_t width, ptrdiff_t height)
{
    ptrdiff_t last_column = width - 1;
    ptrdiff_t last_row = (height - 1) * width;
    switch (orientation) {
    case 2:
        return (walk){last_column, -1, width};
    case 3:
        return (walk){last_row + last_column, -1, -width};
    case 4:
        return (walk){last_row, 1, -width};
    case 5:
        return (walk){0, width, 1};
    case 6:
        return (walk){last_row, -width, 1};
    case 7:
        return (walk){last_row + last_column, -width, -1};
    case 8:
        return (walk){last_column, width, -1};
    default:
        return (walk){0, 1, width};
    }
}

/* Square tiles keep both the rows that are read and those that are written in cache. */
enum { TILE = 32 };

static void copy_tile(uint8_t *out, const uint8_t *in, walk w, uint32_t width, uint32_t x0,
                      uint32_t x1, uint32_t y)
{
    const uint8_t *from = in + 3 * (w.start + (ptrdiff_t)x0 * w.right + (ptrdiff_t)y * w.down);
    uint8_t *to = out + 3 * ((size_t)y * width + x0);
    for (uint32_t x = x0; x < x1; x++, to += 3) {
        to[0] = from[0];
        to[1] = from[1];
        to[2] = from[2];
        if (x + 1 < x1)
            from += 3 * w.right;
    }
}

ai_status ai_image_orient(ai_image *image, uint32_t orientation, ai_error *err)
{
    assert(image->channels == 3);
    if (orientation < 2 || orientation > 8)
        return AI_OK;
    bool is_turned = orientation >= 5;
    uint32_t width = is_turned ? image->height : image->width;
    uint32_t height = is_turned ? image->width : image->height;
    ai_image upright = AI_IMAGE_INIT;
    ai_status status = ai_image_allocate(&upright, width, height, err);
    if (status != AI_OK)
        return status;
    walk w = walk_of(orientation, image->width, image->height);
    for (uint32_t y0 = 0; y0 < height; y0 += TILE)
        for (uint32_t x0 = 0; x0 < width; x0 += TILE)
            for (uint32_t y = y0; y < height && y < y0 + TILE; y++)
                copy_tile(upright.pixels, image->pixels, w, width, x0,
                          x0 + TILE < width ? x0 + TILE : width, y);
    free(image->pixels);
    image->pixels = upright.pixels;
    image->width = width;
    image->height = height;
    return AI_OK;
}
