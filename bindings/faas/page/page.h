/* SPDX-License-Identifier: Apache-2.0
 * The page at `/`, as assemble.py makes it of page.html, style.css and page.js. */
#ifndef AI_FAAS_PAGE_H
#define AI_FAAS_PAGE_H

#include <stddef.h>

extern const char ai_page[];
extern const size_t ai_page_bytes;
extern const char ai_page_policy[]; /* of Content-Security-Policy */
extern const char ai_page_tag[];    /* of ETag, with its quotes */

#endif
