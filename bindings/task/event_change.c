/* SPDX-License-Identifier: Apache-2.0
 * Changes that databases and other stores announce: a document of CouchDB or Cloudant (the picture
 * is an attachment of it), an object of Google's store. */
#include <string.h>

#include "handle.h"

static void answer_document(ai_handling *h, const json_t *change)
{
    ai_object object = AI_OBJECT_INIT;
    const json_t *changes = json_object_get(change, "changes");
    object.store = "couchdb";
    object.bucket = ai_json_string(change, "dbname");
    object.key = ai_json_string(change, "id");
    object.etag = ai_json_string(json_array_get(changes, 0), "rev");
    if (json_is_true(json_object_get(change, "deleted")) || strncmp(object.key, "_design/", 8) == 0)
        ai_handle_notice(h, NULL, 0);
    else
        ai_handle_notice(h, &object, 1);
}

static void answer_google(ai_handling *h, const json_t *told)
{
    ai_object object = AI_OBJECT_INIT;
    object.store = "s3"; /* Google's speaks it at AWS_ENDPOINT_URL=https://storage.googleapis.com */
    object.bucket = ai_json_string(told, "bucket");
    object.key = ai_json_string(told, "name");
    object.etag = ai_json_string(told, "generation");
    ai_handle_notice(h, &object, 1);
}

bool ai_event_change(ai_handling *h, const json_t *json)
{
    bool is_document =
        ai_json_string(json, "id") && json_is_array(json_object_get(json, "changes"));
    bool is_google = ai_json_string(json, "generation") && ai_json_string(json, "bucket") &&
                     ai_json_string(json, "name");
    if (is_document)
        answer_document(h, json);
    else if (is_google)
        answer_google(h, json);
    return is_document || is_google;
}
