/* SPDX-License-Identifier: Apache-2.0
 * Element types of the Open Inference Protocol, for the files that read and write it. */
#ifndef AI_FAAS_OIP_TYPES_H
#define AI_FAAS_OIP_TYPES_H

#include "oip.h"

typedef struct ai_oip_type {
    const char *name;
    ai_type type;
    uint32_t bytes;
} ai_oip_type;

/* NULL: there is none of this name. */
const ai_oip_type *ai_oip_type_find(const char *name);
/* Writes a JSON number as element `index`; false: it is none of this type. */
bool ai_oip_put(ai_type type, void *data, size_t index, const json_t *value);

/* The elements of a raw tensor of BYTES; to be freed; NULL: no memory, or they are not `count` that
 * fill it. */
ai_view *ai_oip_unpack(const void *raw, size_t bytes, size_t count);

#endif
