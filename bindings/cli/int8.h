/* SPDX-License-Identifier: Apache-2.0
 * What `ai convert --int8` takes and tells. */
#ifndef AI_CLI_INT8_H
#define AI_CLI_INT8_H

#include "ai_convert.h"
#include "cli.h"

typedef struct ai_cli_array { /* of an .npz: the samples lie along the first dimension */
    char *name;
    ai_npy npy;
} ai_cli_array;

typedef struct ai_cli_int8 {
    ai_quantise_options options;
    ai_cli_bar *bar;    /* made way for by messages */
    const char *path;   /* as given */
    const char *recipe; /* of images */
    char **images;      /* paths */
    uint32_t image_count;
    ai_cli_array *arrays;
    uint32_t array_count;
    const char **keep;
    void *text; /* of a recipe, which `options` point into */
    ai_model *model;
} ai_cli_int8;

/* Reads --int8, --ranges and --keep. recipe: how images become inputs, or NULL. Says what is wrong
 * and returns the exit status. Free in any case. */
int ai_cli_int8_take(ai_cli_int8 *q, const ai_cli_args *args, const char *recipe, ai_cli_bar *bar);
void ai_cli_int8_free(ai_cli_int8 *q);

/* The arrays of an .npz. Free them in any case. */
ai_status ai_npz_read(ai_cli_array **arrays, uint32_t *count, const char *path, ai_error *err);
ai_status ai_npz_parse(ai_cli_array **arrays, uint32_t *count, const void *data, size_t bytes,
                       ai_error *err);
void ai_npz_free(ai_cli_array *arrays, uint32_t count);

/* Prints the report by layer from the text of the resource "int8". */
void ai_cli_int8_report(const char *text, size_t bytes);

#endif
