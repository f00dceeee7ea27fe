/* SPDX-License-Identifier: Apache-2.0
 * A model that names pictures: its session, recipe and labels, from the image's bytes to the best
 * classes. */
#include <stdlib.h>
#include <string.h>

#include "handle.h"

struct ai_classifier {
    ai_session *session;
    ai_recipe recipe;
    ai_labels labels;
    ai_tensor_info input;
    ai_tensor_info output;
    uint32_t count; /* of classes */
    uint32_t output_count;
    ai_buffer *outputs; /* the first is raw, the others are not wanted */
    void *tensor;
    void *raw;
    float *scores;
    ai_class *ranking;
};

static ai_status read_recipe(ai_classifier *c, const ai_model *model, ai_error *err)
{
    ai_resource image = AI_RESOURCE_INIT;
    ai_task_resource(model, "image", &image);
    if (!image.data)
        return ai_task_fail(
            err, AI_E_FORMAT,
            "model has no image recipe: convert it with --image, or with a resource 'image'");
    return ai_recipe_read(&c->recipe, image.data, image.bytes, err);
}

static ai_status read_input(ai_classifier *c, const ai_model *model, ai_error *err)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_status status = ai_model_describe(model, &info);
    if (status != AI_OK)
        return ai_task_fail(err, status, "'model' cannot be described");
    if (info.input_count != 1 || !info.output_count)
        return ai_task_fail(err, AI_E_SHAPE,
                            "model has %u inputs and %u outputs, a classifier has one input and at "
                            "least one output",
                            info.input_count, info.output_count);
    c->output_count = info.output_count;
    c->input = (ai_tensor_info)AI_TENSOR_INFO_INIT;
    c->output = (ai_tensor_info)AI_TENSOR_INFO_INIT;
    status = ai_session_input(c->session, 0, &c->input);
    if (status == AI_OK)
        status = ai_session_output(c->session, 0, &c->output);
    return status == AI_OK ? AI_OK : ai_task_fail(err, status, "session has no input or output 0");
}

static size_t element_bytes(ai_type type)
{
    return type == AI_F32 ? 4 : type == AI_U8 || type == AI_S8 ? 1 : 0;
}

/* The classes lie along the one dimension that is not 1. */
static ai_status count_classes(ai_classifier *c, ai_error *err)
{
    const ai_tensor_info *out = &c->output;
    const char *name = out->name ? out->name : "";
    size_t bytes = element_bytes(out->type);
    int64_t count = 1;
    for (uint32_t i = 0; i < out->rank; i++) {
        if (out->dim[i] != 1 && count != 1)
            return ai_task_fail(err, AI_E_SHAPE,
                                "output '%s' has %lld and %lld along two dimensions, classes lie "
                                "along one",
                                name, (long long)count, (long long)out->dim[i]);
        count = out->dim[i] == 1 ? count : out->dim[i];
    }
    if (!bytes || (bytes == 1 && !(out->scale > 0)))
        return ai_task_fail(err, AI_E_UNSUPPORTED,
                            "output '%s' has type number %d, scores are f32 or quantised u8 or s8",
                            name, (int)out->type);
    if (count < 1 || count > UINT32_MAX / 2 || out->bytes != (uint64_t)count * bytes)
        return ai_task_fail(err, AI_E_SHAPE, "output '%s' has %llu bytes for %lld classes", name,
                            (unsigned long long)out->bytes, (long long)count);
    c->count = (uint32_t)count;
    return AI_OK;
}

static ai_status allocate(ai_classifier *c, ai_error *err)
{
    c->outputs = calloc(c->output_count, sizeof *c->outputs);
    c->tensor = malloc(c->input.bytes);
    c->raw = malloc(c->output.bytes);
    c->scores = malloc(c->count * sizeof *c->scores);
    c->ranking = malloc(c->count * sizeof *c->ranking);
    if (!c->outputs || !c->tensor || !c->raw || !c->scores || !c->ranking)
        return ai_task_no_memory(err, c->input.bytes, "the classifier's input");
    c->outputs[0] = (ai_buffer){c->raw, c->output.bytes};
    return AI_OK;
}

static ai_status open_parts(ai_classifier *c, const ai_model *model, const ai_options *options,
                            ai_error *err)
{
    ai_resource labels = AI_RESOURCE_INIT;
    ai_task_resource(model, "labels", &labels);
    ai_status status = read_recipe(c, model, err);
    if (status == AI_OK)
        status = ai_session_open(&c->session, model, options, err);
    if (status == AI_OK)
        status = read_input(c, model, err);
    if (status == AI_OK)
        status = ai_recipe_check(&c->recipe, &c->input, err);
    if (status == AI_OK)
        status = count_classes(c, err);
    if (status == AI_OK)
        status = ai_labels_open(&c->labels, labels.data, labels.bytes, c->count, err);
    return status == AI_OK ? allocate(c, err) : status;
}

ai_status ai_classifier_open(ai_classifier **classifier, const ai_model *model,
                             const ai_options *options, ai_error *err)
{
    if (!classifier || !model)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", model ? "classifier" : "model");
    ai_classifier *c = calloc(1, sizeof *c);
    if (!c)
        return ai_task_no_memory(err, sizeof *c, "the classifier");
    ai_status status = open_parts(c, model, options, err);
    if (status != AI_OK) {
        ai_classifier_close(c);
        return status;
    }
    *classifier = c;
    return AI_OK;
}

void ai_classifier_close(ai_classifier *c)
{
    if (!c)
        return;
    ai_session_close(c->session);
    ai_labels_close(&c->labels);
    free(c->outputs);
    free(c->tensor);
    free(c->raw);
    free(c->scores);
    free(c->ranking);
    free(c);
}

ai_session *ai_classifier_session(const ai_classifier *c)
{
    return c->session;
}

/* real = scale * (q - zero point) */
static void widen(ai_classifier *c)
{
    const ai_tensor_info *out = &c->output;
    if (out->type == AI_F32) {
        memcpy(c->scores, c->raw, c->count * sizeof *c->scores);
        return;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        int32_t q = out->type == AI_U8 ? ((uint8_t *)c->raw)[i] : ((int8_t *)c->raw)[i];
        c->scores[i] = out->scale * (float)(q - out->zero_point);
    }
}

static int by_score(const void *a, const void *b)
{
    const ai_class *x = a;
    const ai_class *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static ai_status rank(ai_classifier *c, ai_error *err)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (!(c->scores[i] - c->scores[i] == 0))
            return ai_task_fail(err, AI_E_VALUE, "output '%s' has %s at class %u, needs a number",
                                c->output.name ? c->output.name : "",
                                c->scores[i] == c->scores[i] ? "an infinity" : "NaN", i);
    if (c->recipe.softmax)
        ai_task_softmax(c->scores, c->count);
    for (uint32_t i = 0; i < c->count; i++)
        c->ranking[i] = (ai_class){i, c->scores[i], c->labels.line[i]};
    qsort(c->ranking, c->count, sizeof *c->ranking, by_score);
    return AI_OK;
}

ai_status ai_classify(ai_classifier *c, const void *image, size_t bytes, ai_class *classes,
                      uint32_t *count, const ai_call *call, ai_error *err)
{
    if (!c || !count || (!classes && *count))
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL",
                            !c       ? "classifier"
                            : !count ? "count"
                                     : "classes");
    ai_status status = ai_recipe_apply(&c->recipe, image, bytes, &c->input, c->tensor, err);
    if (status != AI_OK)
        return status;
    ai_view input = {c->tensor, c->input.bytes};
    status = ai_infer(c->session, &input, 1, c->outputs, c->output_count, call, err);
    if (status != AI_OK)
        return status;
    widen(c);
    status = rank(c, err);
    if (status != AI_OK)
        return status;
    *count = *count < c->count ? *count : c->count;
    memcpy(classes, c->ranking, *count * sizeof *classes);
    return AI_OK;
}
