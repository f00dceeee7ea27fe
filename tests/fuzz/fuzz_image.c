/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what the task layer reads from strangers: pictures with their EXIF blocks, and recipes. */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "ai_task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Chunks get the sums that they should have: otherwise nothing past the first would be reached. */
static void mend_png(uint8_t *data, size_t bytes)
{
    for (size_t at = 8; bytes - at >= 12;) {
        size_t length =
            (size_t)data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3];
        if (length > bytes - at - 12)
            return;
        uint32_t sum = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
        at += length + 12;
    }
}

static void resize(const ai_image *image, const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_image out = AI_IMAGE_INIT;
    uint32_t filter = data[bytes / 2] % 3;
    ai_status status = ai_image_resize(&out, image, 1 + data[bytes - 1], 1 + data[bytes / 3],
                                       filter ? filter + 1 : 0, NULL, &err);
    require(status == AI_OK || status == AI_E_MEMORY);
    ai_task_free(out.pixels);
}

static void decode(const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_image image = AI_IMAGE_INIT;
    if (ai_image_decode(&image, data, bytes, &err) != AI_OK) {
        require(!image.pixels && err.message[0] && err.code < 0);
        return;
    }
    require(image.width && image.height && image.channels == 3 && image.pixels);
    size_t count = (size_t)image.width * image.height * 3;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += image.pixels[i];
    require(sum <= count * 255);
    resize(&image, data, bytes);
    ai_task_free(image.pixels);
}

/* The full form of a recipe is its own full form. */
static void read_recipe(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1);
    char *first = NULL;
    char *second = NULL;
    require(text != NULL);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    if (ai_task_recipe(text, &first, NULL) == AI_OK) {
        require(ai_task_recipe(first, &second, NULL) == AI_OK);
        require(!strcmp(first, second));
    }
    ai_task_free(second);
    ai_task_free(first);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    if (data[0] == '{') {
        read_recipe(data, bytes);
        return 0;
    }
    uint8_t *copy = malloc(bytes);
    require(copy != NULL);
    memcpy(copy, data, bytes);
    if (bytes > 8 && copy[0] == 0x89)
        mend_png(copy, bytes);
    decode(copy, bytes);
    free(copy);
    return 0;
}
