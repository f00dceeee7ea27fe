/* SPDX-License-Identifier: Apache-2.0
 * CloudEvents that come by other ways than a route of their own. */
#ifndef AI_FAAS_CLOUDEVENTS_H
#define AI_FAAS_CLOUDEVENTS_H

#include <jansson.h>

#include "faas.h"

/* Answers an array of events or one; false: `json` is neither. */
bool ai_cloudevents_json(ai_worker *w, ai_exchange *x, const json_t *json);

#endif
