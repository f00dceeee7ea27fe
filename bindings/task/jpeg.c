/* SPDX-License-Identifier: Apache-2.0
 * Decodes JPEG by libjpeg-turbo with its defaults (accurate integer DCT, smooth upsampling), which
 * are Pillow's too, so that the pixels are the same. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "task.h"

/* A progressive picture holds all its coefficients, two bytes each: 1 GiB is what the largest
 * picture of four channels takes. A hundred scans are far more than any encoder writes. */
enum { MAX_MEMORY = 1 << 30, MAX_SCANS = 100 };

typedef struct reader {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    ai_error *err;
    ai_status status;
    size_t bytes;
    uint8_t *cmyk; /* one row */
    ai_image *image;
    uint32_t orientation;
} reader;

static reader *reader_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

static _Noreturn void leave(reader *r, ai_status status)
{
    r->status = status;
    longjmp(r->leave, 1);
}

static _Noreturn void refuse_truncated(reader *r)
{
    const struct jpeg_decompress_struct *c = &r->cinfo;
    if (!c->output_height)
        leave(r,
              ai_task_fail(r->err, AI_E_FORMAT,
                           "jpeg is truncated: its %zu bytes end before the first row", r->bytes));
    leave(r, ai_task_fail(r->err, AI_E_FORMAT,
                          "jpeg is truncated: its %zu bytes end after %u of %u rows", r->bytes,
                          c->output_scanline, c->output_height));
}

static ai_status status_of(int message)
{
    switch (message) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        return AI_E_MEMORY;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOTIMPL:
        return AI_E_UNSUPPORTED;
    default:
        return AI_E_FORMAT;
    }
}

/* libjpeg's own words, which begin with a capital letter. */
static _Noreturn void refuse_message(reader *r)
{
    char text[JMSG_LENGTH_MAX];
    r->errors.format_message((j_common_ptr)&r->cinfo, text);
    if (text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z')
        text[0] = (char)(text[0] - 'A' + 'a');
    leave(r, ai_task_fail(r->err, status_of(r->errors.msg_code), "jpeg: %s", text));
}

static void on_error(j_common_ptr cinfo)
{
    reader *r = reader_of(cinfo);
    const struct jpeg_decompress_struct *c = &r->cinfo;
    if (r->errors.msg_code == JERR_IMAGE_TOO_BIG)
        leave(r, ai_image_limits("jpeg", c->image_width, c->image_height, r->err));
    refuse_message(r);
}

/* libjpeg warns of damaged data and goes on with grey: that would be a guess. What only breaks a
 * rule and loses no pixel passes. */
static void on_message(j_common_ptr cinfo, int level)
{
    reader *r = reader_of(cinfo);
    if (level >= 0)
        return;
    switch (r->errors.msg_code) {
    case JWRN_JPEG_EOF:
        refuse_truncated(r);
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        refuse_message(r);
    default:
        break;
    }
}

static void on_progress(j_common_ptr cinfo)
{
    reader *r = reader_of(cinfo);
    if (r->cinfo.input_scan_number > MAX_SCANS)
        leave(r, ai_task_fail(r->err, AI_E_UNSUPPORTED, "jpeg has over %d scans, the limit is %d",
                              MAX_SCANS, MAX_SCANS));
}

/* Every block of 8 x 8 takes at least one bit, save by arithmetic coding: a short file with a large
 * header is known before memory is taken for it. */
static void check_bytes(reader *r)
{
    const struct jpeg_decompress_struct *c = &r->cinfo;
    uint64_t blocks = 0;
    for (int i = 0; i < c->num_components; i++)
        blocks += (uint64_t)c->comp_info[i].width_in_blocks * c->comp_info[i].height_in_blocks;
    if (!c->arith_code && blocks / 8 > r->bytes)
        leave(r, ai_task_fail(r->err, AI_E_FORMAT,
                              "jpeg is truncated: %zu bytes cannot hold its %u x %u pixels",
                              r->bytes, c->image_width, c->image_height));
}

static void read_header(reader *r, const uint8_t *data)
{
    struct jpeg_decompress_struct *c = &r->cinfo;
    jpeg_create_decompress(c);
    c->client_data = r;
    c->mem->max_memory_to_use = MAX_MEMORY;
    r->progress.progress_monitor = on_progress;
    c->progress = &r->progress;
    jpeg_save_markers(c, JPEG_APP0 + 1, 0xffff);
    jpeg_mem_src(c, data, (unsigned long)r->bytes);
    jpeg_read_header(c, TRUE);
    if (ai_image_limits("jpeg", c->image_width, c->image_height, r->err) != AI_OK)
        leave(r, r->err ? r->err->code : AI_E_UNSUPPORTED);
    check_bytes(r);
}

static uint32_t find_orientation(const struct jpeg_decompress_struct *c)
{
    static const uint8_t exif[6] = "Exif\0";
    for (jpeg_saved_marker_ptr m = c->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > sizeof exif &&
            !memcmp(m->data, exif, sizeof exif))
            return ai_exif_orientation(m->data + sizeof exif, m->data_length - sizeof exif);
    return 1;
}

static void choose_output(reader *r)
{
    struct jpeg_decompress_struct *c = &r->cinfo;
    switch (c->num_components) {
    case 1:
    case 3:
        c->out_color_space = JCS_RGB;
        return;
    case 4:
        c->out_color_space = JCS_CMYK;
        return;
    default:
        leave(r, ai_task_fail(r->err, AI_E_UNSUPPORTED, "jpeg has %d channels, needs 1, 3 or 4",
                              c->num_components));
    }
}

/* a * b / 255, rounded, for a and b in 0..255. */
static uint8_t product255(uint32_t a, uint32_t b)
{
    uint32_t t = a * b + 128;
    return (uint8_t)((t + (t >> 8)) >> 8);
}

/* Inks as Adobe stores them, 255 for none; like Pillow for every file of four channels. */
static void rgb_of_cmyk(uint8_t *rgb, const uint8_t *cmyk, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++, rgb += 3, cmyk += 4) {
        uint8_t white = cmyk[3];
        rgb[0] = (uint8_t)(white - product255(255u - cmyk[0], white));
        rgb[1] = (uint8_t)(white - product255(255u - cmyk[1], white));
        rgb[2] = (uint8_t)(white - product255(255u - cmyk[2], white));
    }
}

static void read_rows(reader *r)
{
    struct jpeg_decompress_struct *c = &r->cinfo;
    uint32_t width = c->output_width;
    while (c->output_scanline < c->output_height) {
        uint8_t *out = r->image->pixels + (size_t)c->output_scanline * width * 3;
        JSAMPROW row = r->cmyk ? r->cmyk : out;
        if (!jpeg_read_scanlines(c, &row, 1))
            refuse_truncated(r);
        if (r->cmyk)
            rgb_of_cmyk(out, r->cmyk, width);
    }
}

static void read_picture(reader *r)
{
    struct jpeg_decompress_struct *c = &r->cinfo;
    choose_output(r);
    jpeg_start_decompress(c);
    if (c->out_color_space == JCS_CMYK) {
        r->cmyk = malloc((size_t)c->output_width * 4);
        if (!r->cmyk)
            leave(r, ai_task_no_memory(r->err, (size_t)c->output_width * 4, "a row of the jpeg"));
    }
    ai_status status = ai_image_allocate(r->image, c->output_width, c->output_height, r->err);
    if (status != AI_OK)
        leave(r, status);
    read_rows(r);
    jpeg_finish_decompress(c);
}

/* Everything that may jump back; nothing local changes after the mark is set. */
static ai_status run(reader *r, const uint8_t *data)
{
    if (setjmp(r->leave))
        return r->status;
    read_header(r, data);
    r->orientation = find_orientation(&r->cinfo);
    read_picture(r);
    return AI_OK;
}

ai_status ai_jpeg_decode(ai_image *image, uint32_t *orientation, const uint8_t *data, size_t bytes,
                         ai_error *err)
{
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return ai_task_no_memory(err, sizeof *r, "the jpeg decoder");
    r->cinfo.err = jpeg_std_error(&r->errors);
    r->cinfo.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->err = err;
    r->bytes = bytes;
    r->image = image;
    ai_status status = run(r, data);
    *orientation = r->orientation;
    jpeg_destroy_decompress(&r->cinfo);
    free(r->cmyk);
    free(r);
    if (status != AI_OK) {
        free(image->pixels);
        image->pixels = NULL;
    }
    return status;
}
