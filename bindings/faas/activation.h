/* SPDX-License-Identifier: Apache-2.0
 * OpenWhisk's activations, which come by HTTP (openwhisk.c) and by lines (actionloop.c). */
#ifndef AI_FAAS_ACTIVATION_H
#define AI_FAAS_ACTIVATION_H

#include <jansson.h>

#include "faas.h"

/* Answers {"value":{...},"activation_id":...}. base: limits, and where objects come from. The body
 * becomes what OpenWhisk wants; status and fault stay those of the answer to `value`. */
void ai_activation_answer(ai_worker *w, const ai_request *base, const json_t *activation,
                          ai_answer *answer);

/* The answer's fault as {"error":"message"}: of what went wrong before there was a value. */
void ai_activation_dress(ai_answer *answer);

#endif
