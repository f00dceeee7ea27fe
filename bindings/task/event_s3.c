/* SPDX-License-Identifier: Apache-2.0
 * S3's notices: direct, through EventBridge, or carried by SQS and SNS. Other stores with S3's
 * interface send the same. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_text.h"

static const json_t *member(const json_t *json, const char *outer, const char *inner)
{
    return json_object_get(json_object_get(json, outer), inner);
}

static bool is_written(const json_t *record)
{
    const char *name = ai_json_string(record, "eventName");
    return !name || strstr(name, "ObjectCreated") != NULL;
}

/* *object's key is from malloc. false: no memory, or no object. */
static bool read_record(ai_object *object, const json_t *record)
{
    const json_t *s3 = json_object_get(record, "s3");
    const json_t *what = json_object_get(s3, "object");
    *object = (ai_object)AI_OBJECT_INIT;
    object->store = "s3";
    object->bucket = ai_json_string(json_object_get(s3, "bucket"), "name");
    object->raw_key = ai_json_string(what, "key");
    object->region = ai_json_string(record, "awsRegion");
    object->version = ai_json_string(what, "versionId");
    object->etag = ai_json_string(what, "eTag");
    object->key = object->bucket && object->raw_key ? ai_unescape(object->raw_key, true) : NULL;
    return object->key != NULL;
}

static void answer_records(ai_handling *h, const json_t *records)
{
    size_t count = 0;
    bool is_read = true;
    ai_object *objects = calloc(json_array_size(records), sizeof *objects);
    for (size_t i = 0; objects && is_read && i < json_array_size(records); i++)
        if (is_written(json_array_get(records, i))) {
            is_read = read_record(&objects[count], json_array_get(records, i));
            count += is_read;
        }
    if (!objects)
        ai_reply_fail(h, 0, NULL, AI_E_MEMORY, "no memory for the objects of an event");
    else if (!is_read)
        ai_reply_fail(h, 400, NULL, AI_E_FORMAT,
                      "record %zu of an S3 event lacks 's3.bucket.name' or 's3.object.key'", count);
    else
        ai_handle_notice(h, objects, count);
    for (size_t i = 0; i < count; i++)
        free((void *)objects[i].key);
    free(objects);
}

/* SQS: which messages failed is the answer, and only they come again. */
static void answer_messages(ai_handling *h, const json_t *records)
{
    json_t *failures = json_array();
    json_t *answer = json_object();
    bool is_made = failures && answer;
    for (size_t i = 0; is_made && i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const char *body = ai_json_string(record, "body");
        const char *id = ai_json_string(record, "messageId");
        ai_handle_inner(h, body ? body : "");
        if (h->answer->fault && id)
            is_made = ai_json_append(failures, json_pack("{s:s}", "itemIdentifier", id));
        ai_answer_clear(h->answer);
    }
    if (!ai_json_put(answer, "batchItemFailures", failures) || !is_made) {
        json_decref(answer);
        answer = NULL;
    }
    ai_reply_json(h, answer);
}

static void answer_bridge(ai_handling *h, const json_t *event)
{
    const json_t *detail = json_object_get(event, "detail");
    ai_object object = AI_OBJECT_INIT;
    object.store = "s3";
    object.bucket = ai_json_string(json_object_get(detail, "bucket"), "name");
    object.key = ai_json_string(json_object_get(detail, "object"), "key");
    object.etag = ai_json_string(json_object_get(detail, "object"), "etag");
    object.version = ai_json_string(json_object_get(detail, "object"), "version-id");
    object.region = ai_json_string(event, "region");
    if (object.bucket && object.key)
        ai_handle_notice(h, &object, 1);
    else
        ai_reply_fail(h, 400, NULL, AI_E_FORMAT,
                      "event of EventBridge lacks 'detail.bucket.name' or 'detail.object.key'");
}

bool ai_event_s3(ai_handling *h, const json_t *json)
{
    const json_t *records = json_object_get(json, "Records");
    const json_t *first = json_array_get(records, 0);
    const char *source = ai_json_string(first, "eventSource");
    const char *told = ai_json_string(json, "Event");
    const char *detail = ai_json_string(json, "detail-type");
    const json_t *message = member(first, "Sns", "Message");
    if (told && strcmp(told, "s3:TestEvent") == 0)
        ai_reply_note(h, "event", told);
    else if (json_object_get(first, "s3"))
        answer_records(h, records);
    else if (source && strcmp(source, "aws:sqs") == 0)
        answer_messages(h, records);
    else if (json_is_string(message))
        ai_handle_inner(h, json_string_value(message));
    else if (detail && strncmp(detail, "Object ", 7) == 0)
        answer_bridge(h, json);
    else
        return false;
    return true;
}
