/* SPDX-License-Identifier: Apache-2.0
 * The handle of an open model: where its verified tables lie in the file. */
#ifndef AI_MODEL_H
#define AI_MODEL_H

#include "core.h"

struct ai_model {
    const uint8_t *base;
    uint64_t bytes;
    bool is_mapped; /* by us */
    const ai_file_header *header;
    const ai_file_section *sections;
    const char *strings;
    const ai_file_tensor *tensors;
    const ai_file_step *steps;
    const uint32_t *indices;
    const uint8_t *parameters;
    const uint8_t *weights;
    uint64_t string_bytes;
    uint64_t parameter_bytes;
    uint64_t weight_bytes;
    uint32_t tensor_count;
    uint32_t step_count;
    uint32_t index_count;
    uint32_t resource_count;
    uint32_t operand_count; /* of all steps together */
    uint32_t known_count;   /* at most so many outputs of steps are known before a run */
};

/* The verifier (verify.c): checks everything but the checksums of weights and resources and fills
 * *model. Nothing after it checks the file again. */
ai_status ai_verify(ai_model *model, const void *data, uint64_t bytes, ai_error *err);

/* Compares the checksum of one section. */
ai_status ai_verify_section(const ai_model *model, uint32_t index, ai_error *err);

/* Copies a struct that begins with its size to a caller whose version of it may be another one. */
ai_status ai_give(void *to, const void *from, uint32_t size);

/* Copies what the caller's version has of a struct; fails where it sets fields beyond ours. */
ai_status ai_take(void *to, uint32_t size, const void *from, const char *what, ai_error *err);

#endif
