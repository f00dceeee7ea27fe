/* SPDX-License-Identifier: Apache-2.0
 * The answer to an inference by the Open Inference Protocol: JSON, and raw tensors behind it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oip_run.h"

static json_t *output_json(const ai_oip_output *out, size_t raw_bytes)
{
    uint32_t element = ai_oip_type_bytes(out->type);
    json_t *shape = json_array();
    for (uint32_t k = 0; k < out->rank; k++)
        json_array_append_new(shape, json_integer((json_int_t)out->dim[k]));
    json_t *json = json_pack("{s:s,s:s,s:o}", "name", out->name, "datatype",
                             ai_oip_type_name(out->type), "shape", shape);
    json_t *data = out->is_raw
                       ? json_pack("{s:I}", "binary_data_size", (json_int_t)raw_bytes)
                       : ai_oip_list(out->type, out->data, element ? out->bytes / element : 0);
    if (json_object_set_new(json, out->is_raw ? "parameters" : "data", data) == 0)
        return json;
    json_decref(json);
    return NULL;
}

static bool put_facts(const ai_oip_run *r, json_t *json)
{
    if (r->request.id && json_object_set_new(json, "id", json_string(r->request.id)) != 0)
        return false;
    return !r->has_seed ||
           json_object_set_new(json, "parameters",
                               json_pack("{s:I}", "seed", (json_int_t)r->seed)) == 0;
}

/* *raw_bytes: of all raw outputs. */
static json_t *answer_head(ai_oip_run *r, size_t *raw_bytes)
{
    const char *at = strchr(r->x->used, '@');
    json_t *outputs = json_array();
    json_t *json = json_pack("{s:s,s:s,s:O}", "model_name", r->model, "model_version",
                             at ? at + 1 : "1", "outputs", outputs);
    bool is_made = json && put_facts(r, json);
    for (uint32_t i = 0; i < r->output_count && is_made; i++) {
        const ai_oip_output *out = &r->output[i];
        if (!out->data)
            continue;
        size_t bytes = out->is_raw ? ai_oip_raw_bytes(out->type, out->data, out->bytes) : 0;
        is_made = json_array_append_new(outputs, output_json(out, bytes)) == 0;
        *raw_bytes += bytes;
        if (!is_made)
            ai_oip_refuse(r, "output '%.80s' has values that JSON has not, ask for binary data%s",
                          out->name, "");
    }
    json_decref(outputs);
    if (is_made)
        return json;
    json_decref(json);
    return NULL;
}

static void put_raw(const ai_oip_run *r, uint8_t *to)
{
    for (uint32_t i = 0; i < r->output_count; i++) {
        const ai_oip_output *out = &r->output[i];
        if (!out->data || !out->is_raw)
            continue;
        ai_oip_raw(out->type, out->data, out->bytes, to);
        to += ai_oip_raw_bytes(out->type, out->data, out->bytes);
    }
}

void ai_oip_answer(ai_oip_run *r)
{
    enum { FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(9) };
    size_t raw_bytes = 0;
    char length[24];
    ai_answer *a = &r->x->answer;
    json_t *json = answer_head(r, &raw_bytes);
    if (!json)
        return;
    size_t bytes = json_dumpb(json, NULL, 0, FLAGS);
    char *body = malloc(bytes + raw_bytes + 1);
    if (body)
        json_dumpb(json, body, bytes, FLAGS);
    json_decref(json);
    if (!body) {
        ai_oip_no_memory(r, "the answer");
        return;
    }
    put_raw(r, (uint8_t *)body + bytes);
    body[bytes + raw_bytes] = 0;
    a->status = 200;
    a->type = raw_bytes ? "application/octet-stream" : "application/json";
    a->body = body;
    a->bytes = bytes + raw_bytes;
    snprintf(length, sizeof length, "%zu", bytes);
    if (raw_bytes)
        ai_exchange_reply(r->x, "Inference-Header-Content-Length", length);
}
