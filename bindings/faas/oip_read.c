/* SPDX-License-Identifier: Apache-2.0
 * Reads an infer request of the Open Inference Protocol, with its binary extension. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"
#include "oip_types.h"

typedef struct rest { /* of the body: raw tensors */
    const uint8_t *at;
    size_t bytes;
} rest;

static ai_status fail(ai_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static ai_status fail(ai_error *err, const char *format, ...)
{
    va_list args;
    *err = (ai_error){.code = AI_E_VALUE, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return err->code;
}

/* *bytes: of the whole tensor, which no body can reach if it overflows. */
static ai_status read_shape(ai_oip_tensor *t, const json_t *shape, size_t element, size_t *bytes,
                            ai_error *err)
{
    size_t rank = json_array_size(shape);
    if (!json_is_array(shape) || rank > AI_MAX_RANK)
        return fail(err, "input '%.60s': 'shape' needs a list of at most %d numbers", t->name,
                    AI_MAX_RANK);
    *bytes = element;
    t->rank = (uint32_t)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        json_int_t value = json_integer_value(dim);
        if (!json_is_integer(dim) || value < 0 || value > INT32_MAX)
            return fail(err, "input '%.60s': dimension %zu is no number from 0 to 2^31-1", t->name,
                        i);
        if (value && *bytes > SIZE_MAX / 2 / (size_t)value)
            return fail(err, "input '%.60s': shape is larger than any body", t->name);
        *bytes *= (size_t)value;
        t->dim[i] = value;
    }
    return AI_OK;
}

static ai_status take_raw(ai_oip_tensor *t, const json_t *given, size_t bytes, rest *left,
                          ai_error *err)
{
    json_int_t size = json_integer_value(given);
    bool is_text = t->type == AI_OIP_BYTES;
    if (!json_is_integer(given) || size < 0 || (!is_text && (uint64_t)size != bytes))
        return fail(err, "input '%.60s': 'binary_data_size' is %lld, its shape has %zu bytes",
                    t->name, (long long)size, bytes);
    if ((uint64_t)size > left->bytes)
        return fail(err, "input '%.60s': has %lld bytes, the body has %zu more", t->name,
                    (long long)size, left->bytes);
    t->data = (ai_view){left->at, (size_t)size};
    if (is_text) {
        t->memory = ai_oip_unpack(left->at, (size_t)size, bytes / sizeof(ai_view));
        t->data = (ai_view){t->memory, bytes};
        if (!t->memory)
            return fail(err, "input '%.60s': its %lld bytes are not %zu elements of BYTES", t->name,
                        (long long)size, bytes / sizeof(ai_view));
    }
    left->at += size;
    left->bytes -= (size_t)size;
    return AI_OK;
}

/* Walks a list that may be nested, with a stack of its own. Sets *count to what it found. */
static ai_status take_numbers(ai_oip_tensor *t, const json_t *data, size_t most, size_t *count,
                              ai_error *err)
{
    const json_t *list[AI_MAX_RANK + 1] = {data};
    size_t place[AI_MAX_RANK + 1] = {0};
    int depth = 0;
    *count = 0;
    while (depth >= 0) {
        if (place[depth] == json_array_size(list[depth])) {
            depth--;
            continue;
        }
        const json_t *value = json_array_get(list[depth], place[depth]++);
        if (json_is_array(value)) {
            if (depth == AI_MAX_RANK)
                return fail(err, "input '%.60s': 'data' is nested too deep", t->name);
            list[++depth] = value;
            place[depth] = 0;
        } else if (*count == most) {
            return fail(err, "input '%.60s': 'data' has more than the shape's %zu elements",
                        t->name, most);
        } else if (!ai_oip_put(t->type, t->memory, (*count)++, value)) {
            return fail(err, "input '%.60s': element %zu is no %s", t->name, *count - 1,
                        ai_oip_type_name(t->type));
        }
    }
    return AI_OK;
}

static ai_status take_data(ai_oip_tensor *t, const json_t *data, size_t bytes, ai_error *err)
{
    size_t element = ai_oip_type_bytes(t->type);
    size_t count;
    if (!json_is_array(data))
        return fail(err, "input '%.60s': has neither 'data' nor 'binary_data_size'", t->name);
    if (t->type == AI_F16 || t->type == AI_BF16)
        return fail(err, "input '%.60s': %s has no JSON form, send it raw", t->name,
                    ai_oip_type_name(t->type));
    if (bytes / element > AI_JSON_MAX_VALUES)
        return fail(err, "input '%.60s': %zu elements are too many for JSON, send them raw",
                    t->name, bytes / element);
    t->memory = malloc(bytes + 1);
    if (!t->memory) {
        fail(err, "no memory for input '%.60s' of %zu bytes", t->name, bytes);
        return err->code = AI_E_MEMORY;
    }
    ai_status status = take_numbers(t, data, bytes / element, &count, err);
    if (status == AI_OK && count != bytes / element)
        status = fail(err, "input '%.60s': 'data' has %zu elements, its shape %zu", t->name, count,
                      bytes / element);
    t->data = (ai_view){t->memory, bytes};
    return status;
}

static ai_status read_input(ai_oip_tensor *t, const json_t *json, rest *left, ai_error *err)
{
    size_t bytes = 0;
    const char *type = ai_json_string(json, "datatype");
    const json_t *raw = json_object_get(json_object_get(json, "parameters"), "binary_data_size");
    t->name = ai_json_string(json, "name");
    if (!t->name)
        return fail(err, "an input has no 'name'");
    const ai_oip_type *found = type ? ai_oip_type_find(type) : NULL;
    if (!found)
        return fail(err, "input '%.60s': 'datatype' is '%.20s', no type of tensors that are taken",
                    t->name, type ? type : "");
    t->type = found->type;
    ai_status status = read_shape(t, json_object_get(json, "shape"), found->bytes, &bytes, err);
    if (status != AI_OK)
        return status;
    return raw ? take_raw(t, raw, bytes, left, err)
               : take_data(t, json_object_get(json, "data"), bytes, err);
}

static ai_status read_inputs(ai_oip_request *r, rest *left, ai_error *err)
{
    const json_t *inputs = json_object_get(r->json, "inputs");
    size_t count = json_array_size(inputs);
    if (!json_is_array(inputs) || count > AI_OIP_MAX_TENSORS)
        return fail(err, "'inputs' needs a list of at most %d tensors", AI_OIP_MAX_TENSORS);
    for (size_t i = 0; i < count; i++) {
        r->input_count++;
        ai_status status = read_input(&r->input[i], json_array_get(inputs, i), left, err);
        if (status != AI_OK)
            return status;
    }
    return left->bytes ? fail(err, "body has %zu bytes behind its last input", left->bytes) : AI_OK;
}

ai_status ai_oip_read(ai_oip_request *r, const void *body, size_t bytes, size_t head_bytes,
                      ai_error *err)
{
    *r = (ai_oip_request){0};
    if (head_bytes > bytes)
        return fail(err, "Inference-Header-Content-Length is %zu, the body has %zu bytes",
                    head_bytes, bytes);
    r->json = ai_json_read(body, head_bytes, err);
    if (!r->json)
        return err->code;
    rest left = {(const uint8_t *)body + head_bytes, bytes - head_bytes};
    const json_t *parameters = json_object_get(r->json, "parameters");
    r->id = ai_json_string(r->json, "id");
    r->is_binary = json_is_true(json_object_get(parameters, "binary_data_output"));
    r->outputs = json_object_get(r->json, "outputs");
    if (r->outputs && !json_is_array(r->outputs))
        return fail(err, "'outputs' needs a list");
    return read_inputs(r, &left, err);
}

void ai_oip_close(ai_oip_request *r)
{
    for (uint32_t i = 0; i < r->input_count; i++)
        free(r->input[i].memory);
    json_decref(r->json);
}
