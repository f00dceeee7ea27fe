/* SPDX-License-Identifier: Apache-2.0
 * Decodes PNG by libpng to RGB: palettes looked up, alpha and tRNS dropped, 16 bits cut to the
 * upper 8, gamma and profiles left alone, as Pillow's convert("RGB") does (which clips 16-bit grey
 * instead: nearly all of it becomes white, so the upper byte is taken there too). */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "task.h"

typedef struct reader {
    png_structp png;
    png_infop info;
    jmp_buf leave;
    ai_error *err;
    ai_status status;
    const uint8_t *data;
    size_t bytes;
    size_t at;
    ai_image *image;
    uint32_t orientation;
} reader;

static _Noreturn void leave(reader *r, ai_status status)
{
    r->status = status;
    longjmp(r->leave, 1);
}

/* libpng's own words, which begin with a capital letter. */
static _Noreturn void on_error(png_structp png, png_const_charp text)
{
    reader *r = png_get_error_ptr(png);
    ai_status status = strstr(text, "emory") ? AI_E_MEMORY : AI_E_FORMAT;
    char first = text[0];
    if (first >= 'A' && first <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
        first = (char)(first - 'A' + 'a');
    leave(r, ai_task_fail(r->err, status, "png: %c%s", first, text[0] ? text + 1 : ""));
}

/* Rules broken without a loss pass. Without memory a chunk is skipped: then the picture might not
 * be turned upright. */
static void on_warning(png_structp png, png_const_charp text)
{
    if (strstr(text, "emory"))
        on_error(png, text);
}

static void on_read(png_structp png, png_bytep to, size_t bytes)
{
    reader *r = png_get_io_ptr(png);
    if (bytes > r->bytes - r->at)
        leave(r, ai_task_fail(r->err, AI_E_FORMAT,
                              "png is truncated: its %zu bytes end in row %u of %u", r->bytes,
                              png_get_current_row_number(png), png_get_image_height(png, r->info)));
    memcpy(to, r->data + r->at, bytes);
    r->at += bytes;
}

static uint32_t read32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The header at its fixed place: signature 8, length 4, "IHDR", width 4, height 4, depth, colour.
 */
enum {
    HEADER_BYTES = 33,
    AT_TYPE = 12,
    AT_WIDTH = 16,
    AT_HEIGHT = 20,
    AT_DEPTH = 24,
    AT_COLOR = 25
};

/* Looks at the size before libpng does. Deflate makes at most 1032 bytes of one: a short file with
 * a large header is known before memory is taken for it. */
static ai_status check_header(const uint8_t *data, size_t bytes, ai_error *err)
{
    static const uint8_t channels[8] = {1, 1, 3, 1, 2, 1, 4, 1};
    if (bytes < HEADER_BYTES)
        return ai_task_fail(err, AI_E_FORMAT,
                            "png is truncated: its %zu bytes end in the header of %d", bytes,
                            HEADER_BYTES);
    if (memcmp(data + AT_TYPE, "IHDR", 4))
        return ai_task_fail(err, AI_E_FORMAT, "png has no header chunk");
    uint32_t width = read32(data + AT_WIDTH);
    uint32_t height = read32(data + AT_HEIGHT);
    ai_status status = ai_image_limits("png", width, height, err);
    if (status != AI_OK)
        return status;
    uint64_t row_bits = (uint64_t)width * data[AT_DEPTH] * channels[data[AT_COLOR] & 7];
    if ((row_bits / 8 + 1) * height / 1032 > bytes)
        return ai_task_fail(err, AI_E_FORMAT,
                            "png is truncated: %zu bytes cannot hold its %u x %u pixels", bytes,
                            width, height);
    return AI_OK;
}

/* Of the chunks beside the picture only eXIf is read: libpng need not unpack texts and profiles. */
static void skip_chunks(png_structp png)
{
    static const png_byte transparency[5] = "tRNS";
    static const png_byte exif[5] = "eXIf";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, transparency, 1);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, exif, 1);
}

/* Asks for 3 channels of 8 bits, whatever the file has; tells the number of passes. */
static int choose_output(png_structp png, png_infop info)
{
    int color = png_get_color_type(png, info);
    int depth = png_get_bit_depth(png, info);
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (color == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16)
        png_set_strip_16(png);
    if (color & PNG_COLOR_MASK_ALPHA)
        png_set_strip_alpha(png);
    if (!(color & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    return passes;
}

static uint32_t find_orientation(png_structp png, png_infop info)
{
    png_bytep exif = NULL;
    png_uint_32 bytes = 0;
    if (!png_get_eXIf_1(png, info, &bytes, &exif))
        return 1;
    return ai_exif_orientation(exif, bytes);
}

static void read_picture(reader *r)
{
    png_structp png = r->png;
    png_read_info(png, r->info);
    int passes = choose_output(png, r->info);
    uint32_t width = png_get_image_width(png, r->info);
    uint32_t height = png_get_image_height(png, r->info);
    size_t row_bytes = png_get_rowbytes(png, r->info);
    if (row_bytes != (size_t)width * 3)
        leave(r, ai_task_fail(r->err, AI_E_INTERNAL, "png: a row has %zu bytes, needs %u x 3",
                              row_bytes, width));
    ai_status status = ai_image_allocate(r->image, width, height, r->err);
    if (status != AI_OK)
        leave(r, status);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++)
            png_read_row(png, r->image->pixels + y * row_bytes, NULL);
    png_read_end(png, r->info);
    r->orientation = find_orientation(png, r->info);
}

/* Everything that may jump back; nothing local changes after the mark is set. */
static ai_status run(reader *r)
{
    if (setjmp(r->leave))
        return r->status;
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info)
        return ai_task_no_memory(r->err, 1 << 12, "the png decoder");
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, AI_IMAGE_MAX_SIDE, AI_IMAGE_MAX_SIDE);
    skip_chunks(r->png);
    read_picture(r);
    return AI_OK;
}

ai_status ai_png_decode(ai_image *image, uint32_t *orientation, const uint8_t *data, size_t bytes,
                        ai_error *err)
{
    ai_status status = check_header(data, bytes, err);
    if (status != AI_OK)
        return status;
    reader r = {.err = err, .data = data, .bytes = bytes, .image = image, .orientation = 1};
    status = run(&r);
    *orientation = r.orientation;
    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (status != AI_OK) {
        free(image->pixels);
        image->pixels = NULL;
    }
    return status;
}
