/* SPDX-License-Identifier: Apache-2.0
 * Building JSON so that a lack of memory anywhere shows at the end. */
#ifndef AI_JSON_TEXT_H
#define AI_JSON_TEXT_H

#include <jansson.h>

#include "task.h"

/* Both take over `value`. false: no memory here, or earlier, where `value` was made. */
bool ai_json_put(json_t *object, const char *name, json_t *value);
bool ai_json_append(json_t *list, json_t *value);

/* *text gets `value`, compact, numbers with `digits` digits; the caller's, with ai_task_free. Drops
 * `value`; fails if it is NULL. */
ai_status ai_json_text(char **text, json_t *value, size_t digits, ai_error *err);

#endif
