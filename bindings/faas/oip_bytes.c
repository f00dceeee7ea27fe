/* SPDX-License-Identifier: Apache-2.0
 * BYTES of the Open Inference Protocol for the models that are made for more than tensors: pictures
 * by the model's recipe in place of its input, and a wish in place of all inputs of a writer. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"
#include "oip_run.h"

enum { MOST_PICTURES = 64 }; /* a small file may be a large tensor */

/* ---- Pictures ---- */

static bool fail(ai_oip_run *r, const ai_error *err)
{
    ai_answer_fail(&r->x->answer, 0, NULL, err);
    return false;
}

/* A picture as it is, or base64 of one. */
static ai_status prepare(const ai_recipe *recipe, const ai_view *element,
                         const ai_tensor_info *info, void *tensor, ai_error *err)
{
    void *decoded;
    size_t bytes;
    const uint8_t *begin = element->data;
    if (element->bytes && (begin[0] == 0xff || begin[0] == 0x89))
        return ai_recipe_apply(recipe, element->data, element->bytes, info, tensor, err);
    if (ai_base64_decode(element->data, element->bytes, &decoded, &bytes, err) != AI_OK)
        return ai_task_fail(err, AI_E_FORMAT,
                            "input '%.80s': BYTES are neither JPEG, PNG nor base64", info->name);
    ai_status status = ai_recipe_apply(recipe, decoded, bytes, info, tensor, err);
    ai_task_free(decoded);
    return status;
}

static bool open_recipe(ai_oip_run *r, ai_recipe *recipe, const ai_tensor_info *info)
{
    ai_error err;
    ai_resource image = AI_RESOURCE_INIT;
    ai_task_resource(r->handler->model, "image", &image);
    if (!image.data || !r->handler->classifier)
        return ai_oip_refuse(r, "input '%.80s' needs type %s", info->name,
                             ai_oip_type_name(info->type));
    return (ai_recipe_read(recipe, image.data, image.bytes, &err) == AI_OK &&
            ai_recipe_check(recipe, info, &err) == AI_OK) ||
           fail(r, &err);
}

bool ai_oip_pictures(ai_oip_run *r, ai_oip_tensor *t, const ai_tensor_info *info)
{
    ai_error err;
    ai_recipe recipe;
    size_t count = t->data.bytes / sizeof(ai_view);
    if (!open_recipe(r, &recipe, info))
        return false;
    if (count < 1 || count > MOST_PICTURES || (count > 1 && info->dim[0] != 1))
        return ai_oip_refuse(r, "input '%.80s' has too many pictures at once, or none%s",
                             info->name, "");
    char *tensor = malloc(count * info->bytes);
    if (!tensor)
        return ai_oip_no_memory(r, info->name);
    for (size_t i = 0; i < count; i++)
        if (prepare(&recipe, (const ai_view *)t->data.data + i, info, tensor + i * info->bytes,
                    &err) != AI_OK) {
            free(tensor);
            return fail(r, &err);
        }
    free(t->memory);
    t->memory = tensor;
    t->data = (ai_view){tensor, count * info->bytes};
    t->type = info->type;
    t->rank = info->rank;
    memcpy(t->dim, info->dim, sizeof t->dim);
    if (count > 1)
        t->dim[0] = (int64_t)count;
    return true;
}

/* ---- Texts ---- */

bool ai_oip_is_wish(const ai_oip_run *r)
{
    return r->handler->writer && r->request.input_count == 1 &&
           r->request.input[0].type == AI_OIP_BYTES;
}

/* The text of an answer {"statusCode":200,"body":{"seed","text"}}, behind the one view of it. */
static bool take_text(ai_oip_run *r, ai_oip_output *out, const ai_answer *answer)
{
    json_t *json = json_loadb(answer->body, answer->bytes, 0, NULL);
    const json_t *body = json_object_get(json, "body");
    const json_t *text = json_object_get(body, "text");
    size_t bytes = json_string_length(text);
    ai_view *view = malloc(sizeof *view + bytes + 1);
    if (view && json_is_string(text)) {
        memcpy(view + 1, json_string_value(text), bytes + 1);
        *view = (ai_view){view + 1, bytes};
    }
    r->has_seed = true;
    r->seed = json_integer_value(json_object_get(body, "seed"));
    json_decref(json);
    out->data = view;
    out->bytes = sizeof *view;
    return view || ai_oip_no_memory(r, "text");
}

static bool write_text(ai_oip_run *r, const ai_view *wish)
{
    ai_answer answer;
    ai_request request = r->x->request;
    request.body = wish->data;
    request.bytes = wish->bytes;
    request.type =
        wish->bytes && *(const char *)wish->data == '{' ? "application/json" : "text/plain";
    request.accept = NULL;
    request.write = NULL;
    request.query_count = 0;
    ai_handle(r->handler, &request, &answer);
    bool is_written = !answer.fault;
    if (is_written)
        is_written = take_text(r, &r->output[0], &answer);
    else
        ai_answer_fail(&r->x->answer, answer.status, answer.fault, &answer.error);
    ai_answer_clear(&answer);
    return is_written;
}

bool ai_oip_write_text(ai_oip_run *r)
{
    const ai_oip_tensor *t = &r->request.input[0];
    ai_oip_output *out = &r->output[0];
    *out = (ai_oip_output){.name = "text", .type = AI_OIP_BYTES, .rank = t->rank};
    memcpy(out->dim, t->dim, sizeof out->dim);
    r->output_count = 1;
    if (strcmp(t->name, "text") != 0 || t->data.bytes != sizeof(ai_view))
        return ai_oip_refuse(r, "input '%.80s': a wish is one element of BYTES, named 'text'%s",
                             t->name, "");
    if (r->request.outputs && !ai_oip_wanted(r, out->name))
        return ai_oip_refuse(r, "a wish has the output '%s' alone%s", out->name, "");
    if (!ai_oip_wish(r, out))
        return false;
    if (out->top)
        return ai_oip_refuse(r, "output '%s' has no classes%s", out->name, "");
    return write_text(r, t->data.data);
}
