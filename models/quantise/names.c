/* SPDX-License-Identifier: Apache-2.0
 * Layers by name: those that the caller keeps from integers, and what a name that is none may have
 * meant. */
#include "quantise.h"

#include <stdio.h>
#include <string.h>

enum { NEAREST = 3, MAX_NAME = 80 };

/* How many letters must change. */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[MAX_NAME + 1];
    size_t bytes = strnlen(b, MAX_NAME);
    for (uint32_t k = 0; k <= bytes; k++)
        row[k] = k;
    for (uint32_t i = 1; i <= MAX_NAME && a[i - 1] != 0; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t k = 1; k <= bytes; k++) {
            uint32_t best = corner + (a[i - 1] != b[k - 1]);
            corner = row[k];
            best = row[k] + 1 < best ? row[k] + 1 : best;
            row[k] = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
        }
    }
    return row[bytes];
}

ai_layer *ai_layer_named(const ai_calibration *c, const char *name)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        if (strcmp(c->layers[i].name, name) == 0)
            return &c->layers[i];
    }
    return NULL;
}

/* The layers whose names are nearest, those first that contain the one that was given. */
static ai_status fail_unknown(const ai_calibration *c, const char *name, ai_error *err)
{
    char text[190] = "";
    size_t room = sizeof text - strnlen(name, MAX_NAME);
    size_t used = 0;
    uint32_t last = 0;
    for (int k = 0; k < NEAREST; k++) { /* a greater distance each time, of several the first */
        const char *best = NULL;
        uint32_t least = UINT32_MAX;
        for (uint32_t i = 0; i < c->layer_count; i++) {
            const char *other = c->layers[i].name;
            uint32_t d = strstr(other, name) != NULL ? 0 : distance(name, other) + 1;
            d = d * 4096 + (i < 4095 ? i : 4095) + 1;
            if (d > last && d < least) {
                least = d;
                best = other;
            }
        }
        if (best == NULL || strlen(best) + used + 6 > room)
            break;
        last = least;
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%s'%s'", k > 0 ? ", " : "", best);
    }
    return ai_fail(err, AI_E_ARGUMENT, "no layer is called '%.80s'%s%s", name,
                   used > 0 ? ", the nearest are " : " or could be quantised", text);
}

ai_status ai_layers_keep(ai_calibration *c, ai_error *err)
{
    for (size_t i = 0; i < c->options.keep_count; i++) {
        ai_layer *l = ai_layer_named(c, c->options.keep[i]);
        if (l == NULL)
            return fail_unknown(c, c->options.keep[i], err);
        l->form = AI_FORM_F32;
        l->why = "asked for";
    }
    return AI_OK;
}
