/* SPDX-License-Identifier: Apache-2.0
 * A model that lies in a store: a copy of it in a private folder, and a look for a newer one. */
#ifndef AI_REMOTE_H
#define AI_REMOTE_H

#include "faas.h"

typedef struct ai_remote ai_remote;

bool ai_remote_is(const char *given); /* s3://..., oss://..., https://... */
/* Fetches it. `every_s`: seconds between looks. `name` is the model's, for the log; kept. */
ai_status ai_remote_open(ai_remote **remote, const char *url, const char *name, uint32_t every_s,
                         ai_error *err);
/* Ends a look under way; removes the copy. */
void ai_remote_close(ai_remote *remote);
/* Where the copy lies; a newer one takes its place by rename. */
const char *ai_remote_path(const ai_remote *remote);
/* If the time has come, a thread looks for a newer one: no request waits for the store. Returns at
 * once; one caller at a time. */
void ai_remote_look(ai_remote *remote);

#endif
