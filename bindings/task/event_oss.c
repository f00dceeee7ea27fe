/* SPDX-License-Identifier: Apache-2.0
 * Alibaba's notices: of its object store, direct or as CloudEvents through EventBridge, and of MNS
 * topics, which carry an event as text. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"

static bool is_written(const json_t *event)
{
    const char *name = ai_json_string(event, "eventName");
    return !name || strstr(name, "ObjectCreated") != NULL;
}

static bool read_event(ai_object *object, const json_t *event)
{
    const json_t *oss = json_object_get(event, "oss");
    const json_t *what = json_object_get(oss, "object");
    *object = (ai_object)AI_OBJECT_INIT;
    object->store = "oss";
    object->bucket = ai_json_string(json_object_get(oss, "bucket"), "name");
    object->raw_key = ai_json_string(what, "key");
    object->region = ai_json_string(event, "region");
    object->etag = ai_json_string(what, "eTag");
    object->key = object->bucket && object->raw_key ? ai_unescape(object->raw_key, false) : NULL;
    return object->key != NULL;
}

static void answer_events(ai_handling *h, const json_t *events)
{
    size_t count = 0;
    bool is_read = true;
    ai_object *objects = calloc(json_array_size(events), sizeof *objects);
    for (size_t i = 0; objects && is_read && i < json_array_size(events); i++)
        if (is_written(json_array_get(events, i))) {
            is_read = read_event(&objects[count], json_array_get(events, i));
            count += is_read;
        }
    if (!objects)
        ai_reply_fail(h, 0, NULL, AI_E_MEMORY, "no memory for the objects of an event");
    else if (!is_read)
        ai_reply_fail(h, 400, NULL, AI_E_FORMAT,
                      "record %zu of an OSS event lacks 'oss.bucket.name' or 'oss.object.key'",
                      count);
    else
        ai_handle_notice(h, objects, count);
    for (size_t i = 0; i < count; i++)
        free((void *)objects[i].key);
    free(objects);
}

bool ai_event_oss(ai_handling *h, const json_t *json)
{
    const json_t *events = json_object_get(json, "events");
    const char *message = ai_json_string(json, "Message");
    if (json_object_get(json_array_get(events, 0), "oss"))
        answer_events(h, events);
    else if (message && json_object_get(json, "TopicName"))
        ai_handle_inner(h, message);
    else
        return false;
    return true;
}
