/* SPDX-License-Identifier: Apache-2.0
 * What a clock sends to keep an instance warm: answered without an inference. */
#include <string.h>

#include "handle.h"

bool ai_event_timer(ai_handling *h, const json_t *json)
{
    const char *detail = ai_json_string(json, "detail-type");
    bool is_alibaba = ai_json_string(json, "triggerTime") && ai_json_string(json, "triggerName");
    bool is_amazon = detail && strcmp(detail, "Scheduled Event") == 0;
    if (!is_alibaba && !is_amazon)
        return false;
    ai_reply_note(h, "timer", "warm");
    return true;
}
