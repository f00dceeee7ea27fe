/* SPDX-License-Identifier: Apache-2.0
 * Constants from ONNX tensors, in each of the encodings of their elements. */
#include "onnx.h"

#include <stdio.h>
#include <string.h>

/* An empty constant still points somewhere. */
static const uint64_t nothing = 0;

/* The shape was refused: the message shows it. */
static ai_status fail_shape(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what)
{
    char text[AI_MAX_RANK * 21 + 1] = "";
    size_t at = 0;
    for (size_t i = 0; i < t->n_dims; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i > 0 ? "x" : "",
                               (long long)t->dims[i]);
    return ai_onnx_fail(onnx, AI_E_FORMAT,
                        "%s: its shape is %s, no negative size and at most 2^40 elements were "
                        "needed",
                        what, text);
}

static ai_status check_tensor(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what,
                              ai_type *type, int64_t *count)
{
    *type = ai_onnx_type(t->data_type);
    if (*type == 0)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED, "%s: its type is %s, which is not supported",
                            what, ai_onnx_type_name(t->data_type));
    if (t->has_segment)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "%s: it is stored in segments, which is not supported", what);
    if (t->n_dims > AI_MAX_RANK)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "%s: it has %zu dimensions, at most %d are supported", what, t->n_dims,
                            AI_MAX_RANK);
    if (!ai_count((uint32_t)t->n_dims, t->dims, count))
        return fail_shape(onnx, t, what);
    return AI_OK;
}

/* Memory for a copy: a tensor in a function is copied at each of its calls. */
static ai_status new_copy(ai_onnx *onnx, uint64_t bytes, uint8_t **copy)
{
    ai_status status = ai_onnx_charge(onnx, bytes);
    if (status != AI_OK)
        return status;
    *copy = ai_graph_alloc(onnx->graph, (size_t)bytes);
    return *copy != NULL ? AI_OK : ai_onnx_no_memory(onnx);
}

/* Elements as they lie in the message, if the type has a field of its own width: no copy. */
static bool typed_data(const AiOnnx__Tensor *t, ai_type type, const void **data, size_t *count)
{
    switch (type) {
    case AI_F32:
        *data = t->float_data;
        *count = t->n_float_data;
        return true;
    case AI_F64:
        *data = t->double_data;
        *count = t->n_double_data;
        return true;
    case AI_S32:
        *data = t->int32_data;
        *count = t->n_int32_data;
        return true;
    case AI_S64:
        *data = t->int64_data;
        *count = t->n_int64_data;
        return true;
    case AI_U64:
        *data = t->uint64_data;
        *count = t->n_uint64_data;
        return true;
    default:
        return false;
    }
}

/* What an element of the type may be when it is stored as an int32 (16-bit floats: their bits). */
static void int32_range(ai_type type, int32_t *least, int32_t *most)
{
    *least = type == AI_S8 ? INT8_MIN : type == AI_S16 ? INT16_MIN : 0;
    *most = type == AI_S8     ? INT8_MAX
            : type == AI_S16  ? INT16_MAX
            : type == AI_U8   ? UINT8_MAX
            : type == AI_BOOL ? 1
                              : UINT16_MAX;
}

static ai_status narrow_int32(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what,
                              ai_type type, uint8_t *out)
{
    int32_t least;
    int32_t most;
    int32_range(type, &least, &most);
    size_t width = ai_type_bytes(type);
    for (size_t i = 0; i < t->n_int32_data; i++) {
        int32_t v = t->int32_data[i];
        if (v < least || v > most)
            return ai_onnx_fail(onnx, AI_E_FORMAT, "%s: element %zu is %d, out of the range of %s",
                                what, i, v, ai_onnx_type_name(t->data_type));
        uint16_t bits = (uint16_t)v;
        uint8_t low = (uint8_t)v;
        memcpy(out + i * width, width == 1 ? (const void *)&low : (const void *)&bits, width);
    }
    return AI_OK;
}

static ai_status narrow_uint64(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what,
                               uint8_t *out)
{
    for (size_t i = 0; i < t->n_uint64_data; i++) {
        if (t->uint64_data[i] > UINT32_MAX)
            return ai_onnx_fail(onnx, AI_E_FORMAT,
                                "%s: element %zu is %llu, out of the range of uint32", what, i,
                                (unsigned long long)t->uint64_data[i]);
        uint32_t v = (uint32_t)t->uint64_data[i];
        memcpy(out + i * sizeof v, &v, sizeof v);
    }
    return AI_OK;
}

static ai_status field_data(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what, ai_type type,
                            int64_t needed, const void **data)
{
    size_t count = type == AI_U32 ? t->n_uint64_data : t->n_int32_data;
    bool is_typed = typed_data(t, type, data, &count);
    if ((uint64_t)count != (uint64_t)needed)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "%s: it has %zu elements of %s, its shape needs %lld", what, count,
                            ai_onnx_type_name(t->data_type), (long long)needed);
    if (is_typed || count == 0)
        return AI_OK;
    uint8_t *out;
    ai_status status = new_copy(onnx, count * ai_type_bytes(type), &out);
    if (status != AI_OK)
        return status;
    *data = out;
    return type == AI_U32 ? narrow_uint64(onnx, t, what, out)
                          : narrow_int32(onnx, t, what, type, out);
}

static ai_status raw_data(ai_onnx *onnx, const AiOnnx__Tensor *t, const char *what, uint64_t bytes,
                          const void **data)
{
    if (t->raw_data.len != bytes)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "%s: it has %zu bytes, its shape needs %llu", what,
                            t->raw_data.len, (unsigned long long)bytes);
    *data = t->raw_data.data;
    return AI_OK;
}

/* A bool is 0 or 1 for the kernels. */
static bool has_odd_bool(ai_type type, const uint8_t *data, uint64_t bytes)
{
    if (type == AI_BOOL)
        for (uint64_t i = 0; i < bytes; i++)
            if (data[i] > 1)
                return true;
    return false;
}

/* Raw and external data may lie at any address; elements are read at their own alignment. */
static ai_status align_data(ai_onnx *onnx, ai_type type, uint64_t bytes, const void **data)
{
    if (bytes == 0) {
        *data = &nothing;
        return AI_OK;
    }
    bool is_odd = has_odd_bool(type, *data, bytes);
    if ((uintptr_t)*data % ai_type_bytes(type) == 0 && !is_odd)
        return AI_OK;
    uint8_t *copy;
    ai_status status = new_copy(onnx, bytes, &copy);
    if (status != AI_OK)
        return status;
    memcpy(copy, *data, (size_t)bytes);
    for (uint64_t i = 0; is_odd && i < bytes; i++)
        copy[i] = copy[i] != 0;
    *data = copy;
    return AI_OK;
}

ai_status ai_onnx_constant(ai_onnx *onnx, const AiOnnx__Tensor *tensor, const char *what,
                           const char *name, int32_t *value)
{
    ai_type type;
    int64_t count;
    const void *data = NULL;
    ai_status status = check_tensor(onnx, tensor, what, &type, &count);
    if (status != AI_OK)
        return status;
    uint64_t bytes = (uint64_t)count * ai_type_bytes(type);
    if (tensor->data_location != 0)
        status = ai_onnx_external(onnx, tensor, what, bytes, &data);
    else if (tensor->has_raw_data)
        status = raw_data(onnx, tensor, what, bytes, &data);
    else
        status = field_data(onnx, tensor, what, type, count, &data);
    if (status == AI_OK)
        status = align_data(onnx, type, bytes, &data);
    if (status != AI_OK)
        return status;
    *value = ai_graph_constant(onnx->graph, name, type, (uint32_t)tensor->n_dims, tensor->dims,
                               data, bytes);
    return *value < 0 ? ai_onnx_no_memory(onnx) : AI_OK;
}
