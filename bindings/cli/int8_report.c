/* SPDX-License-Identifier: Apache-2.0
 * The resource "int8" as a table for people. */
#include <jansson.h>

#include "int8.h"

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_layer(json_t *layer)
{
    json_t *snr = json_object_get(layer, "snr");
    printf("%-11s ", text_of(layer, "form"));
    if (snr)
        printf("%5.1f dB ", json_number_value(snr));
    else
        printf("%8s ", "");
    ai_cli_print(stdout, text_of(layer, "op"));
    printf(" '");
    ai_cli_print(stdout, text_of(layer, "name"));
    printf("'%s", text_of(layer, "why")[0] ? ": " : "");
    ai_cli_print(stdout, text_of(layer, "why"));
    putchar('\n');
}

void ai_cli_int8_report(const char *text, size_t bytes)
{
    json_t *root = json_loadb(text, bytes, 0, NULL);
    json_t *whole = json_object_get(root, "whole");
    json_t *layer;
    size_t i;
    size_t count = 0;
    long long samples = json_integer_value(json_object_get(root, "samples"));
    json_array_foreach(json_object_get(root, "layers"), i, layer)
    {
        print_layer(layer);
        count += text_of(layer, "form")[0] != 'f';
    }
    printf("%zu of %zu layers are int8; on %lld calibration sample%s, against f32: signal to "
           "noise %.1f dB, largest error %.3g",
           count, json_array_size(json_object_get(root, "layers")), samples,
           samples == 1 ? "" : "s", json_number_value(json_object_get(whole, "snr")),
           json_number_value(json_object_get(whole, "error")));
    if (json_integer_value(json_object_get(whole, "rows")) > 0)
        printf(", the same top-1 in %lld of %lld",
               (long long)json_integer_value(json_object_get(whole, "same")),
               (long long)json_integer_value(json_object_get(whole, "rows")));
    putchar('\n');
    json_decref(root);
}
