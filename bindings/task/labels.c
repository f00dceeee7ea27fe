/* SPDX-License-Identifier: Apache-2.0
 * The names of classes: UTF-8, one a line, line i for class i. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

static ai_status check_text(const uint8_t *data, size_t bytes, uint32_t *lines, ai_error *err)
{
    uint32_t line = 0;
    for (size_t at = 0; at < bytes;) {
        size_t length = ai_utf8_length(data + at, bytes - at);
        if (!length)
            return ai_task_fail(err, AI_E_FORMAT, "labels: line %u is not UTF-8 at byte %zu",
                                line + 1, at);
        line += data[at] == '\n';
        at += length;
    }
    *lines = line + (bytes && data[bytes - 1] != '\n');
    return AI_OK;
}

static ai_status allocate(ai_labels *l, uint32_t count, size_t bytes, ai_error *err)
{
    l->count = count;
    l->line = calloc(count, sizeof *l->line);
    l->text = malloc(bytes);
    if (l->line && l->text)
        return AI_OK;
    ai_labels_close(l);
    return ai_task_no_memory(err, bytes + count * sizeof *l->line, "the labels");
}

/* Ten digits and an end for each. */
static ai_status make_numbers(ai_labels *l, uint32_t count, ai_error *err)
{
    enum { WIDTH = 11 };
    ai_status status = allocate(l, count, (size_t)count * WIDTH, err);
    for (uint32_t i = 0; status == AI_OK && i < count; i++) {
        l->line[i] = l->text + (size_t)i * WIDTH;
        snprintf(l->line[i], WIDTH, "%u", i);
    }
    return status;
}

static void split(ai_labels *l, size_t bytes)
{
    char *at = l->text;
    char *end = l->text + bytes;
    for (uint32_t i = 0; i < l->count; i++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        *stop = '\0';
        if (stop > at && stop[-1] == '\r')
            stop[-1] = '\0';
        l->line[i] = at;
        at = stop + 1;
    }
}

ai_status ai_labels_open(ai_labels *labels, const void *data, size_t bytes, uint32_t count,
                         ai_error *err)
{
    *labels = (ai_labels){NULL, 0, NULL};
    if (!data)
        return make_numbers(labels, count, err);
    uint32_t lines = 0;
    ai_status status = check_text(data, bytes, &lines, err);
    if (status != AI_OK)
        return status;
    if (lines != count)
        return ai_task_fail(err, AI_E_FORMAT, "labels: %u lines, the output has %u classes", lines,
                            count);
    status = allocate(labels, count, bytes + 1, err);
    if (status != AI_OK)
        return status;
    memcpy(labels->text, data, bytes);
    split(labels, bytes);
    return AI_OK;
}

void ai_labels_close(ai_labels *labels)
{
    free(labels->line);
    free(labels->text);
    *labels = (ai_labels){NULL, 0, NULL};
}
