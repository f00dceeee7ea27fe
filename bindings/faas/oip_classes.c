/* SPDX-License-Identifier: Apache-2.0
 * Triton's classification extension: the best classes of an output as "score:index:label", where a
 * score is the output's own value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "oip_run.h"

enum { ROOM = 48 }; /* of a score, an index and what lies between */

typedef struct place {
    float score;
    uint32_t index;
} place;

/* Best first, equal ones by their index; what is no number comes last. */
static int by_score(const void *a, const void *b)
{
    const place *x = a;
    const place *y = b;
    bool is_x = x->score == x->score;
    bool is_y = y->score == y->score;
    if (is_x != is_y)
        return is_x ? -1 : 1;
    if (is_x && x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static float value_at(const ai_oip_output *out, size_t i)
{
    int32_t q =
        out->type == AI_U8 ? ((const uint8_t *)out->data)[i] : ((const int8_t *)out->data)[i];
    if (out->type == AI_F32)
        return ((const float *)out->data)[i];
    return out->scale > 0 ? out->scale * (float)(q - out->zero_point) : (float)q;
}

static void rank_row(const ai_oip_output *out, size_t row, uint32_t classes, place *places)
{
    for (uint32_t i = 0; i < classes; i++)
        places[i] = (place){value_at(out, row * classes + i), i};
    qsort(places, classes, sizeof *places, by_score);
}

/* Views, and behind them what they show. */
static void *make_texts(const ai_oip_output *out, size_t rows, uint32_t classes, uint32_t top,
                        const ai_labels *labels, place *places)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < labels->count; i++)
        longest = strlen(labels->line[i]) > longest ? strlen(labels->line[i]) : longest;
    size_t count = rows * top;
    ai_view *view = malloc(count * (sizeof *view + ROOM + longest) + 1);
    char *at = (char *)(view + count);
    for (size_t row = 0; row < rows && view; row++) {
        rank_row(out, row, classes, places);
        for (uint32_t i = 0; i < top; i++) {
            const place *p = &places[i];
            int bytes =
                snprintf(at, ROOM + longest, "%.9g:%u%s%s", (double)p->score, p->index,
                         labels->count ? ":" : "", labels->count ? labels->line[p->index] : "");
            view[row * top + i] = (ai_view){at, (size_t)bytes};
            at += bytes;
        }
    }
    return view;
}

static void open_labels(const ai_oip_run *r, ai_labels *labels, uint32_t classes)
{
    ai_error err;
    ai_resource found = AI_RESOURCE_INIT;
    *labels = (ai_labels){0};
    ai_task_resource(r->handler->model, "labels", &found);
    if (found.data && ai_labels_open(labels, found.data, found.bytes, classes, &err) != AI_OK)
        *labels = (ai_labels){0}; /* they are another output's */
}

/* The first of two or more dimensions counts rows, the rest are classes. */
static uint32_t classes_of(const ai_oip_output *out, size_t *rows)
{
    uint64_t classes = 1;
    *rows = out->rank > 1 ? (size_t)out->dim[0] : 1;
    for (uint32_t i = out->rank > 1; i < out->rank; i++)
        classes *= (uint64_t)out->dim[i];
    return classes && *rows && classes < INT32_MAX ? (uint32_t)classes : 0;
}

bool ai_oip_classify(ai_oip_run *r, ai_oip_output *out)
{
    size_t rows;
    ai_labels labels;
    uint32_t classes = classes_of(out, &rows);
    if (!classes || (out->type != AI_F32 && out->type != AI_U8 && out->type != AI_S8))
        return ai_oip_refuse(r, "output '%.80s' of type %s has no classes", out->name,
                             ai_oip_type_name(out->type));
    uint32_t top = out->top < classes ? out->top : classes;
    place *places = malloc(classes * sizeof *places);
    open_labels(r, &labels, classes);
    ai_view *texts = places ? make_texts(out, rows, classes, top, &labels, places) : NULL;
    free(places);
    ai_labels_close(&labels);
    if (!texts)
        return ai_oip_no_memory(r, out->name);
    free(out->data);
    out->data = texts;
    out->bytes = rows * top * sizeof *texts;
    out->type = AI_OIP_BYTES;
    out->dim[0] = out->rank > 1 ? (int64_t)rows : top;
    out->dim[1] = top;
    out->rank = out->rank > 1 ? 2 : 1;
    return true;
}
