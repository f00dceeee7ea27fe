/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes envelopes around requests: the first byte chooses an activation of OpenWhisk, a
 * CloudEvent, a batch of them, a call of Azure's host or the head of a request. The worker behind
 * them has no model and reads all that it is given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activation.h"
#include "arrival.h"
#include "cloudevents.h"
#include "json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* ---- What the files need of the function ---- */

static uint8_t sum_of(const void *data, size_t bytes)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + ((const uint8_t *)data)[i]);
    return sum;
}

void ai_worker_answer(ai_worker *w, const char *model, const ai_request *r, ai_answer *answer)
{
    (void)w;
    uint8_t sum = sum_of(r->body, r->bytes);
    const char *texts[] = {model, r->type, r->accept, r->method};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        sum = (uint8_t)(sum + (texts[i] ? strlen(texts[i]) : 0));
    for (size_t i = 0; i < r->query_count; i++)
        sum = (uint8_t)(sum + strlen(r->query[i].name) + strlen(r->query[i].value));
    for (size_t i = 0; i < r->header_count; i++)
        sum = (uint8_t)(sum + strlen(r->headers[i].name) + strlen(r->headers[i].value));
    *answer = (ai_answer){.size = sizeof *answer, .status = 200, .type = "application/json"};
    answer->body = strdup("{\"statusCode\":200,\"body\":[]}");
    answer->bytes = strlen(answer->body);
    if (sum % 4 == 0) {
        ai_error err = {AI_E_VALUE, AI_NO_STEP, AI_NO_OFFSET, "sum of a quarter"};
        ai_answer_fail(answer, 0, NULL, &err);
    }
}

const char *ai_worker_used(const ai_worker *w)
{
    (void)w;
    return "none@0";
}

const char *ai_request_model(const ai_request *r)
{
    return r->query_count ? r->query[0].value : NULL;
}

const char *ai_exchange_header(const ai_exchange *x, const char *name)
{
    (void)x;
    return strcmp(name, "x-azure-functions-invocationid") == 0 ? "1" : NULL;
}

void ai_exchange_reply(ai_exchange *x, const char *name, const char *value)
{
    (void)x;
    if (!strlen(name) || !value)
        abort();
}

void ai_exchange_text(ai_exchange *x, uint32_t status, const char *type, char *text)
{
    if (!text)
        abort();
    x->answer.status = status;
    x->answer.type = type;
    x->answer.body = text;
    x->answer.bytes = strlen(text);
}

void ai_exchange_fail(ai_exchange *x, uint32_t status, const char *fault, const char *format, ...)
{
    ai_error err = {AI_E_VALUE, AI_NO_STEP, AI_NO_OFFSET, ""};
    snprintf(err.message, sizeof err.message, "%.200s", format);
    ai_answer_fail(&x->answer, status, fault, &err);
}

/* Azure's file begins a server, too; here it never does. */
const ai_routes ai_routes_health, ai_routes_oip, ai_routes_plain;

int ai_http_serve(ai_function *f, const ai_http *http)
{
    return f && http;
}

uint32_t ai_environment_port(const char *variable, uint32_t other)
{
    return variable ? other : 0;
}

/* ---- The targets ---- */

static void check(const ai_answer *a)
{
    ai_error err;
    json_t *json = a->body ? ai_json_read(a->body, a->bytes, &err) : NULL;
    if (!json || a->status < 200 || a->status > 599 || !a->type)
        abort();
    json_decref(json);
}

static void use_activation(const json_t *json)
{
    ai_request base = AI_REQUEST_INIT;
    ai_answer answer;
    ai_activation_answer(NULL, &base, json, &answer);
    check(&answer);
    ai_answer_clear(&answer);
}

typedef bool answer_fn(ai_worker *w, ai_exchange *x);

static void use_envelope(answer_fn *answer, const char *type, const char *text, size_t bytes)
{
    ai_exchange *x = calloc(1, sizeof *x);
    if (!x)
        return;
    x->request = (ai_request)AI_REQUEST_INIT;
    x->answer.size = sizeof x->answer;
    x->request.type = type;
    x->request.body = text;
    x->request.bytes = bytes;
    if (answer(NULL, x))
        check(&x->answer);
    ai_answer_clear(&x->answer);
    free(x);
}

/* No length counts but one of a head that is whole. */
static void use_head(const char *text, size_t bytes)
{
    if (ai_arrival_left(text, bytes) && !memmem(text, bytes, "\r\n\r\n", 4))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    ai_error err;
    const char *text = (const char *)data + 1;
    if (!bytes)
        return 0;
    if (*data == 'B')
        use_envelope(ai_cloudevents_answer, "application/cloudevents-batch+json", text, bytes - 1);
    else if (*data == 'C')
        use_envelope(ai_cloudevents_answer, "application/cloudevents+json; charset=utf-8", text,
                     bytes - 1);
    else if (*data == 'Z')
        use_envelope(ai_azure_answer, "application/json", text, bytes - 1);
    else if (*data == 'H')
        use_head(text, bytes - 1);
    else {
        json_t *json = ai_json_read(text, bytes - 1, &err);
        if (json)
            use_activation(json);
        json_decref(json);
    }
    return 0;
}
