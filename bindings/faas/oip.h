/* SPDX-License-Identifier: Apache-2.0
 * Open Inference Protocol v2: an infer request as it came, checked as far as no model is needed. */
#ifndef AI_FAAS_OIP_H
#define AI_FAAS_OIP_H

#include <jansson.h>
#include <stdbool.h>

#include "ai.h"

enum { AI_OIP_MAX_TENSORS = 64 };

/* Beside the numbers of ai_type: an element is an ai_view of any bytes. No model takes it: what
 * takes pictures or wishes does (oip_bytes.c). */
enum { AI_OIP_BYTES = 0x100 };

typedef struct ai_oip_tensor {
    const char *name;
    ai_type type;
    uint32_t rank;
    int64_t dim[AI_MAX_RANK];
    ai_view data;
    void *memory; /* to be freed: what JSON became, or the views; NULL: data lies in the body */
} ai_oip_tensor;

typedef struct ai_oip_request {
    json_t *json; /* names point into it */
    const char *id;
    ai_oip_tensor input[AI_OIP_MAX_TENSORS];
    uint32_t input_count;
    const json_t *outputs; /* an array, or NULL: all */
    bool is_binary;        /* outputs that do not say otherwise */
} ai_oip_request;

/* head_bytes: of the JSON at the body's begin; the rest is raw tensors in order. The body must
 * outlive *r. To be closed on failure too. */
ai_status ai_oip_read(ai_oip_request *r, const void *body, size_t bytes, size_t head_bytes,
                      ai_error *err);
void ai_oip_close(ai_oip_request *r);

/* The protocol's name of a type, or NULL. */
const char *ai_oip_type_name(ai_type type);
uint32_t ai_oip_type_bytes(ai_type type);
/* Elements of a type as a flat JSON list; NULL: no memory, or a value that JSON has not. */
json_t *ai_oip_list(ai_type type, const void *data, size_t count);
/* How many bytes `bytes` of elements have in a body, and those bytes. */
size_t ai_oip_raw_bytes(ai_type type, const void *data, size_t bytes);
void ai_oip_raw(ai_type type, const void *data, size_t bytes, uint8_t *to);

#endif
