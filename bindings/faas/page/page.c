/* SPDX-License-Identifier: Apache-2.0
 * The page at `/`: pictures and poems by hand, in a browser. It asks the same routes as any caller.
 */
#include <stdlib.h>
#include <string.h>

#include "faas.h"
#include "page.h"

static void put_headers(ai_exchange *x)
{
    ai_exchange_reply(x, "Content-Security-Policy", ai_page_policy);
    ai_exchange_reply(x, "X-Content-Type-Options", "nosniff");
    ai_exchange_reply(x, "Referrer-Policy", "no-referrer");
    ai_exchange_reply(x, "Cache-Control", "no-cache"); /* kept, and asked for by its tag */
    ai_exchange_reply(x, "ETag", ai_page_tag);
}

void ai_page_answer(ai_worker *w, ai_exchange *x)
{
    const char *known = ai_exchange_header(x, "if-none-match");
    bool is_known = known && strstr(known, ai_page_tag);
    (void)w;
    ai_exchange_text(x, is_known ? 304 : 200, "text/html; charset=utf-8",
                     is_known ? strdup("") : strndup(ai_page, ai_page_bytes));
    put_headers(x);
}
