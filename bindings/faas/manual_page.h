/* SPDX-License-Identifier: Apache-2.0
 * What ai-function(1) is printed by. */
#ifndef AI_FAAS_MANUAL_PAGE_H
#define AI_FAAS_MANUAL_PAGE_H

#include <ai.h>
#include <stdio.h>

void ai_manual_head(const char *about);
void ai_manual_section(const char *title);

/* An option with its value and variable, or a platform; value and variable may be NULL. */
void ai_manual_item(const char *dashes, const char *name, const char *value, const char *help,
                    const char *variable);
void ai_manual_foot(void);

#endif
