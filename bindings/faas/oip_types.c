/* SPDX-License-Identifier: Apache-2.0
 * Element types of the Open Inference Protocol: names, sizes, elements from and to JSON and raw. */
#include <stdlib.h>
#include <string.h>

#include "oip_types.h"

/* Where a type has no JSON form, it comes raw only. */
const ai_oip_type ai_oip_types[] = {
    {"FP32", AI_F32, 4},   {"BOOL", AI_BOOL, 1},
    {"UINT8", AI_U8, 1},   {"INT8", AI_S8, 1},
    {"UINT16", AI_U16, 2}, {"INT16", AI_S16, 2},
    {"UINT32", AI_U32, 4}, {"INT32", AI_S32, 4},
    {"UINT64", AI_U64, 8}, {"INT64", AI_S64, 8},
    {"FP64", AI_F64, 8},   {"FP16", AI_F16, 2},
    {"BF16", AI_BF16, 2},  {"BYTES", AI_OIP_BYTES, sizeof(ai_view)},
};
enum { TYPE_COUNT = sizeof ai_oip_types / sizeof ai_oip_types[0] };

const ai_oip_type *ai_oip_type_find(const char *name)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        if (strcmp(ai_oip_types[i].name, name) == 0)
            return &ai_oip_types[i];
    return NULL;
}

static const ai_oip_type *find(ai_type type)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        if (ai_oip_types[i].type == type)
            return &ai_oip_types[i];
    return NULL;
}

const char *ai_oip_type_name(ai_type type)
{
    const ai_oip_type *found = find(type);
    return found ? found->name : NULL;
}

uint32_t ai_oip_type_bytes(ai_type type)
{
    const ai_oip_type *found = find(type);
    return found ? found->bytes : 0;
}

/* Least and largest whole number of a type; false: it has others, or none as JSON. */
static bool bounds_of(ai_type type, json_int_t *least, json_int_t *largest)
{
    int bits = 8 * (int)ai_oip_type_bytes(type);
    switch (type) {
    case AI_U8:
    case AI_U16:
    case AI_U32:
        *least = 0;
        *largest = ((json_int_t)1 << bits) - 1;
        return true;
    case AI_U64: /* as far as jansson's numbers go */
        *least = 0;
        *largest = INT64_MAX;
        return true;
    case AI_S64:
        *least = INT64_MIN;
        *largest = INT64_MAX;
        return true;
    case AI_S8:
    case AI_S16:
    case AI_S32:
        *least = -((json_int_t)1 << (bits - 1));
        *largest = -*least - 1;
        return true;
    default:
        return false;
    }
}

bool ai_oip_put(ai_type type, void *data, size_t index, const json_t *value)
{
    uint32_t bytes = ai_oip_type_bytes(type);
    uint8_t *at = (uint8_t *)data + index * bytes;
    json_int_t least;
    json_int_t largest;
    ai_view text = {json_string_value(value), json_string_length(value)};
    if (type == AI_OIP_BYTES && text.data) {
        memcpy(at, &text, sizeof text);
        return true;
    }
    if (type == AI_BOOL && (json_is_boolean(value) || json_is_integer(value))) {
        *at = json_is_boolean(value) ? json_is_true(value) : json_integer_value(value) != 0;
        return true;
    }
    if (!json_is_number(value))
        return false;
    double real = json_number_value(value);
    float single = (float)real;
    if (type == AI_F32)
        memcpy(at, &single, sizeof single);
    else if (type == AI_F64)
        memcpy(at, &real, sizeof real);
    else if (!bounds_of(type, &least, &largest) || !json_is_integer(value) ||
             json_integer_value(value) < least || json_integer_value(value) > largest)
        return false;
    else {
        json_int_t whole = json_integer_value(value);
        memcpy(at, &whole, bytes); /* little-endian, two's complement */
    }
    return true;
}

static json_t *element(ai_type type, const uint8_t *at)
{
    uint32_t bytes = ai_oip_type_bytes(type);
    uint64_t whole = 0;
    float single;
    double real;
    ai_view text;
    if (type == AI_OIP_BYTES) {
        memcpy(&text, at, sizeof text);
        return json_stringn(text.data, text.bytes);
    }
    if (type == AI_F32) {
        memcpy(&single, at, sizeof single);
        return json_real((double)single);
    }
    if (type == AI_F64) {
        memcpy(&real, at, sizeof real);
        return json_real(real);
    }
    if (type == AI_F16 || type == AI_BF16)
        return NULL;
    memcpy(&whole, at, bytes);
    if (type == AI_BOOL)
        return json_boolean(whole != 0);
    if ((type == AI_S8 || type == AI_S16 || type == AI_S32) && whole >> (8 * bytes - 1))
        whole |= ~(uint64_t)0 << (8 * bytes);
    return type == AI_U64 && whole > INT64_MAX ? NULL : json_integer((json_int_t)whole);
}

json_t *ai_oip_list(ai_type type, const void *data, size_t count)
{
    uint32_t bytes = ai_oip_type_bytes(type);
    json_t *list = json_array();
    for (size_t i = 0; i < count && list; i++)
        if (json_array_append_new(list, element(type, (const uint8_t *)data + i * bytes)) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* ---- BYTES: four bytes of length, little-endian, before each element ---- */

ai_view *ai_oip_unpack(const void *raw, size_t bytes, size_t count)
{
    const uint8_t *at = raw;
    if (count > bytes / 4)
        return NULL;
    ai_view *element = malloc((count + 1) * sizeof *element);
    for (size_t i = 0; i < count && element; i++) {
        size_t length =
            bytes < 4 ? bytes
                      : at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        if (bytes < 4 || length > bytes - 4) {
            free(element);
            return NULL;
        }
        element[i] = (ai_view){at + 4, length};
        at += 4 + length;
        bytes -= 4 + length;
    }
    if (!bytes || !element)
        return element;
    free(element);
    return NULL;
}

size_t ai_oip_raw_bytes(ai_type type, const void *data, size_t bytes)
{
    const ai_view *element = data;
    size_t sum = 0;
    if (type != AI_OIP_BYTES)
        return bytes;
    for (size_t i = 0; i < bytes / sizeof *element; i++)
        sum += 4 + element[i].bytes;
    return sum;
}

void ai_oip_raw(ai_type type, const void *data, size_t bytes, uint8_t *to)
{
    const ai_view *element = data;
    if (type != AI_OIP_BYTES) {
        memcpy(to, data, bytes);
        return;
    }
    for (size_t i = 0; i < bytes / sizeof *element; i++) {
        for (int k = 0; k < 4; k++)
            *to++ = (uint8_t)(element[i].bytes >> 8 * k);
        memcpy(to, element[i].data, element[i].bytes);
        to += element[i].bytes;
    }
}
