/* SPDX-License-Identifier: Apache-2.0
 * Reading JSON from strangers: depth and number of values are bounded before memory is taken.
 * Shared with the function handler. */
#ifndef AI_JSON_READ_H
#define AI_JSON_READ_H

#include <jansson.h>

#include "ai.h"

enum { AI_JSON_MAX_DEPTH = 64, AI_JSON_MAX_VALUES = 1 << 20 };

/* Parses an object or array; NULL: *err says where it is wrong. */
json_t *ai_json_read(const void *text, size_t bytes, ai_error *err);
/* A string member without a zero in it, or NULL. */
const char *ai_json_string(const json_t *object, const char *name);

#endif
