/* SPDX-License-Identifier: Apache-2.0
 * An HTTP request that comes as an event (API Gateway with payload 1.0 and 2.0, function URL, load
 * balancer, Function Compute's gateway), and the answer in the envelope that each wants. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_text.h"

typedef struct parts {
    ai_pair *headers;
    size_t header_count;
    ai_pair *query;
    size_t query_count;
    void *body; /* decoded; NULL: the event's own text */
} parts;

/* An object's strings as pairs; of lists, as of multiValueHeaders, the last. */
static bool read_pairs(const json_t *object, ai_pair **pairs, size_t *count)
{
    const char *name;
    json_t *value;
    size_t used = *count;
    ai_pair *more = realloc(*pairs, (used + json_object_size(object) + 1) * sizeof *more);
    if (!more)
        return false;
    *pairs = more;
    json_object_foreach((json_t *)object, name, value)
    {
        if (json_is_array(value) && json_array_size(value))
            value = json_array_get(value, json_array_size(value) - 1);
        if (json_is_string(value))
            more[used++] = (ai_pair){name, json_string_value(value)};
    }
    *count = used;
    return true;
}

static bool read_body(ai_handling *h, const json_t *event, parts *p, ai_request *inner)
{
    ai_error err;
    const json_t *body = json_object_get(event, "body");
    inner->body = json_string_value(body);
    inner->bytes = json_string_length(body);
    if (!json_is_true(json_object_get(event, "isBase64Encoded")) || !inner->bytes)
        return true;
    if (ai_base64_decode(inner->body, inner->bytes, &p->body, &inner->bytes, &err) != AI_OK) {
        ai_reply_error(h, &err);
        return false;
    }
    inner->body = p->body;
    return true;
}

static bool read_request(ai_handling *h, const json_t *event, const char *method, parts *p,
                         ai_request *inner)
{
    bool is_read =
        read_pairs(json_object_get(event, "multiValueHeaders"), &p->headers, &p->header_count) &&
        read_pairs(json_object_get(event, "headers"), &p->headers, &p->header_count) &&
        read_pairs(json_object_get(event, "multiValueQueryStringParameters"), &p->query,
                   &p->query_count) &&
        read_pairs(json_object_get(event, "queryStringParameters"), &p->query, &p->query_count) &&
        read_pairs(json_object_get(event, "queryParameters"), &p->query, &p->query_count);
    if (!is_read) {
        ai_reply_fail(h, 0, NULL, AI_E_MEMORY, "no memory for the headers of an event");
        return false;
    }
    inner->method = method;
    inner->headers = p->headers;
    inner->header_count = p->header_count;
    inner->query = p->query;
    inner->query_count = p->query_count;
    inner->type = ai_pair_find(p->headers, p->header_count, "content-type");
    inner->accept = ai_pair_find(p->headers, p->header_count, "accept");
    return read_body(h, event, p, inner);
}

/* The envelope around the answer, whatever that says. */
static void wrap(ai_handling *h, bool is_multi)
{
    ai_answer *a = h->answer;
    const char *type = a->type ? a->type : "application/json";
    json_t *envelope = json_object();
    json_t *headers = json_object();
    json_t *body = json_stringn(a->body ? a->body : "", a->bytes);
    bool is_made = is_multi ? ai_json_put(headers, "Content-Type", json_pack("[s]", type))
                            : ai_json_put(headers, "Content-Type", json_string(type));
    is_made = ai_json_put(envelope, "statusCode", json_integer(a->status)) && is_made;
    if (is_multi)
        is_made = ai_json_put(envelope, "statusDescription",
                              json_string(a->status == 200 ? "200 OK" : "400 Bad Request")) &&
                  is_made;
    is_made = ai_json_put(envelope, is_multi ? "multiValueHeaders" : "headers", headers) && is_made;
    if (!is_multi)
        is_made = ai_json_put(envelope, "cookies", json_array()) && is_made;
    is_made = ai_json_put(envelope, "body", body) && is_made;
    is_made = ai_json_put(envelope, "isBase64Encoded", json_false()) && is_made;
    uint32_t status = a->status;
    if (!is_made) {
        json_decref(envelope);
        envelope = NULL;
    }
    ai_reply_json(h, envelope);
    if (envelope)
        a->status = status;
}

bool ai_event_http(ai_handling *h, const json_t *event)
{
    const json_t *context = json_object_get(event, "requestContext");
    const char *method = ai_json_string(event, "httpMethod");
    if (!method)
        method = ai_json_string(json_object_get(context, "http"), "method");
    if (!method || h->request->method)
        return false;
    parts p = {0};
    const ai_request *outer = h->request;
    ai_request inner = *outer;
    h->answer->flags |= AI_ANSWER_HTTP;
    if (read_request(h, event, method, &p, &inner)) {
        h->request = &inner;
        ai_handle_body(h);
        h->request = outer;
    }
    if (!(h->answer->flags & AI_ANSWER_STREAM))
        wrap(h, json_object_get(event, "multiValueHeaders") && json_object_get(context, "elb"));
    free(p.headers);
    free(p.query);
    free(p.body);
    return true;
}
