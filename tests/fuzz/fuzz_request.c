/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what the function handler reads: the first byte chooses a request of the Open Inference
 * Protocol (the second byte: the share of its JSON), base64, or the telling of a body. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "oip_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A tensor's own bytes come back from it. */
static void use_raw(const ai_oip_tensor *t, size_t bytes)
{
    size_t count = t->data.bytes / sizeof(ai_view);
    size_t raw_bytes = ai_oip_raw_bytes(t->type, t->data.data, t->data.bytes);
    uint8_t *raw = malloc(raw_bytes + 1);
    if (!raw)
        return;
    ai_oip_raw(t->type, t->data.data, t->data.bytes, raw);
    ai_view *again = t->type == AI_OIP_BYTES ? ai_oip_unpack(raw, raw_bytes, count) : NULL;
    if (t->type == AI_OIP_BYTES && (!again || (count && again[count - 1].bytes > bytes)))
        abort();
    free(again);
    free(raw);
}

static void use_tensors(const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_oip_request r;
    if (!bytes)
        return;
    size_t head = (bytes - 1) * data[0] / 255;
    if (ai_oip_read(&r, data + 1, bytes - 1, head, &err) == AI_OK)
        for (uint32_t i = 0; i < r.input_count; i++) {
            const ai_oip_tensor *t = &r.input[i];
            size_t count = t->data.bytes / ai_oip_type_bytes(t->type);
            volatile uint8_t byte; /* every one is there, and the name */
            for (size_t k = 0; k < t->data.bytes; k++)
                byte = ((const uint8_t *)t->data.data)[k];
            byte = (uint8_t)strlen(t->name);
            (void)byte;
            json_decref(ai_oip_list(t->type, t->data.data, count));
            use_raw(t, bytes);
        }
    ai_oip_close(&r);
}

static void use_base64(const uint8_t *data, size_t bytes)
{
    ai_error err;
    void *out;
    size_t count;
    if (ai_base64_decode((const char *)data, bytes, &out, &count, &err) != AI_OK)
        return;
    if (count > bytes || ((char *)out)[count])
        abort();
    ai_task_free(out);
}

static ai_status fetch(void *user, const ai_object *object, size_t most, uint64_t timeout_ns,
                       void **data, size_t *bytes, uint32_t *status, ai_error *err)
{
    (void)status;
    (void)user;
    (void)timeout_ns;
    if ((!object->url && (!object->bucket || !object->key)) || !most)
        abort();
    *data = NULL;
    *bytes = 0;
    return ai_task_fail(err, AI_E_IO, "object is not there");
}

/* By a handler of no model: everything is told, nothing is inferred. */
static void use_body(const uint8_t *data, size_t bytes, const char *method)
{
    static ai_handler handler;
    ai_request request = AI_REQUEST_INIT;
    ai_answer answer;
    request.method = method;
    request.body = data;
    request.bytes = bytes;
    request.fetch = fetch;
    ai_handle(&handler, &request, &answer);
    if (answer.status < 200 || answer.status > 599 || !answer.body ||
        strlen(answer.body) != answer.bytes || (!answer.fault && answer.status != 200))
        abort();
    ai_answer_clear(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    if (data[0] == 'T')
        use_tensors(data + 1, bytes - 1);
    else if (data[0] == 'B')
        use_base64(data + 1, bytes - 1);
    else
        use_body(data + 1, bytes - 1, data[0] == 'P' ? "POST" : NULL);
    return 0;
}
