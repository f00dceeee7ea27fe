/* SPDX-License-Identifier: Apache-2.0
 * Answers: results and faults in the one form that all platforms carry. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "json_text.h"

static const struct fault {
    ai_status code;
    uint32_t status;
    const char *fault;
} faults[] = {
    {AI_E_MEMORY, 503, "Function.OutOfMemory"},     {AI_E_TIMEOUT, 504, "Function.Timeout"},
    {AI_E_STOPPED, 499, "Function.CallerGone"},     {AI_E_IO, 502, "Function.ObjectNotRead"},
    {AI_E_INTERNAL, 500, "Function.InternalError"},
};

static const struct fault *fault_of(ai_status code)
{
    static const struct fault bad_input = {0, 400, "Function.BadInput"};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (faults[i].code == code)
            return &faults[i];
    return &bad_input;
}

void ai_answer_clear(ai_answer *answer)
{
    free(answer->body);
    *answer = (ai_answer){.size = sizeof *answer};
}

static void take_text(ai_answer *answer, char *text)
{
    free(answer->body);
    answer->body = text;
    answer->bytes = strlen(text);
    answer->type = "application/json";
}

static char *error_text(uint32_t status, const char *fault, const char *message)
{
    char *text = NULL;
    json_t *body = json_object();
    json_t *answer = json_object();
    bool is_made = ai_json_put(body, "error", json_string(message));
    is_made = ai_json_put(body, "type", json_string(fault)) && is_made;
    is_made = ai_json_put(answer, "statusCode", json_integer(status)) && is_made;
    is_made = ai_json_put(answer, "body", body) && is_made;
    if (is_made)
        ai_json_text(&text, answer, 9, NULL);
    else
        json_decref(answer);
    return text;
}

void ai_answer_fail(ai_answer *answer, uint32_t status, const char *fault, const ai_error *err)
{
    ai_error error = *err; /* it may be the answer's own */
    const struct fault *by_code = fault_of(error.code);
    free(answer->body);
    answer->body = NULL;
    answer->bytes = 0;
    answer->status = status ? status : by_code->status;
    answer->fault = fault ? fault : by_code->fault;
    ai_utf8_clean(error.message); /* what it quotes may be cut within a character */
    answer->error = error;
    answer->type = "application/json";
    char *text = error_text(answer->status, answer->fault, error.message);
    if (text)
        take_text(answer, text);
}

void ai_reply_error(ai_handling *h, const ai_error *err)
{
    ai_answer_fail(h->answer, 0, NULL, err);
}

void ai_reply_fail(ai_handling *h, uint32_t status, const char *fault, ai_status code,
                   const char *format, ...)
{
    ai_error err = {.code = code, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    va_list args;
    va_start(args, format);
    vsnprintf(err.message, sizeof err.message, format, args);
    va_end(args);
    ai_answer_fail(h->answer, status, fault, &err);
}

void ai_reply_json(ai_handling *h, json_t *value)
{
    ai_error err;
    char *text;
    if (ai_json_text(&text, value, 9, &err) != AI_OK) {
        ai_reply_error(h, &err);
        return;
    }
    take_text(h->answer, text);
    h->answer->status = 200;
}

void ai_reply_body(ai_handling *h, json_t *value)
{
    json_t *answer = json_object();
    bool is_made = ai_json_put(answer, "statusCode", json_integer(200));
    if (!ai_json_put(answer, "body", value) || !is_made) {
        json_decref(answer);
        answer = NULL;
    }
    ai_reply_json(h, answer);
}
