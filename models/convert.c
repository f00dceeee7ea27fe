/* SPDX-License-Identifier: Apache-2.0
 * From a source file to a flat file: import, passes, self-test, check, and only then the rename. */
#include "ai_convert.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "graph.h"
#include "os.h"
#include "quantise/quantise.h"
#include "seeded.h"
#include "sha256.h"
#include "target.h"
#include "text.h"

enum { SELF_TEST_SEED = 1 };

static const uint32_t KNOWN_FLAGS =
    AI_CONVERT_NO_WINOGRAD | AI_CONVERT_F16_WEIGHTS | AI_CONVERT_NO_STRIPS | AI_CONVERT_S8_WEIGHTS;

static const uint32_t NARROW_FLAGS = AI_CONVERT_F16_WEIGHTS | AI_CONVERT_S8_WEIGHTS;

typedef struct job {
    const char *in_path;
    ai_convert_options options;
    const void *source;
    size_t source_bytes;
    ai_onnx *onnx;
    ai_graph *graph;
    ai_resource_data *resources;
    uint32_t resource_count;
    ai_text metadata;
    ai_calibration calibration;
    char *self_test;
    void *file;
    size_t file_bytes;
    ai_target target;
} job;

static ai_status progress(const job *j, const char *part, uint64_t done, uint64_t total,
                          ai_error *err)
{
    if (j->options.progress != NULL && j->options.progress(j->options.user, part, done, total) != 0)
        return ai_fail(err, AI_E_STOPPED, "stopped by the caller in '%s'", part);
    return AI_OK;
}

/* ---- Options ---- */

static ai_status fail_list(const char *what, const char *count_name, size_t count, ai_error *err)
{
    return ai_fail(err, AI_E_ARGUMENT, "%s is NULL, %s_count is %zu", what, count_name, count);
}

/* Every list has as many entries as its count says, and every entry has a name. */
static ai_status check_lists(const ai_convert_options *o, ai_error *err)
{
    if (o->shapes == NULL && o->shape_count > 0)
        return fail_list("shapes", "shape", o->shape_count, err);
    if (o->outputs == NULL && o->output_count > 0)
        return fail_list("outputs", "output", o->output_count, err);
    if (o->resources == NULL && o->resource_count > 0)
        return fail_list("resources", "resource", o->resource_count, err);
    if (o->states == NULL && o->state_count > 0)
        return fail_list("states", "state", o->state_count, err);
    for (size_t i = 0; i < o->state_count; i++) {
        if (o->states[i] == NULL)
            return ai_fail(err, AI_E_ARGUMENT, "state %zu has no name", i);
    }
    for (size_t i = 0; i < o->shape_count; i++) {
        if (o->shapes[i].name == NULL)
            return ai_fail(err, AI_E_ARGUMENT, "shape %zu has no name", i);
    }
    for (size_t i = 0; i < o->output_count; i++) {
        if (o->outputs[i] == NULL)
            return ai_fail(err, AI_E_ARGUMENT, "output %zu has no name", i);
    }
    return AI_OK;
}

static ai_status check_resources(const ai_convert_options *options, ai_error *err)
{
    for (size_t i = 0; i < options->resource_count; i++) {
        const ai_named_data *resource = &options->resources[i];
        if (resource->name == NULL || resource->name[0] == 0 ||
            (resource->data == NULL && resource->bytes > 0))
            return ai_fail(err, AI_E_ARGUMENT, "resource %zu has no name or no data", i);
        if (!ai_text_is_utf8(resource->name))
            return ai_fail(err, AI_E_ARGUMENT, "name of resource %zu is not UTF-8", i);
        if (strcmp(resource->name, "metadata") == 0 || strcmp(resource->name, "self-test") == 0 ||
            (options->quantise != NULL && strcmp(resource->name, "int8") == 0))
            return ai_fail(err, AI_E_ARGUMENT, "resource '%s' is written by the converter itself",
                           resource->name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(options->resources[k].name, resource->name) == 0)
                return ai_fail(err, AI_E_ARGUMENT, "resource '%s' is given twice", resource->name);
        }
    }
    return AI_OK;
}

/* A part of the progress as the quantiser tells it. */
static ai_status progress_of(const void *user, const char *part, uint64_t done, uint64_t total,
                             ai_error *err)
{
    return progress(user, part, done, total, err);
}

static ai_status copy_quantise(job *j, ai_error *err)
{
    const ai_quantise_options *given = j->options.quantise;
    ai_quantise_options *own = &j->calibration.options;
    *own = (ai_quantise_options)AI_QUANTISE_OPTIONS_INIT;
    if (given == NULL)
        return AI_OK;
    size_t bytes = given->size < sizeof *own ? given->size : sizeof *own;
    if (bytes < sizeof(uint32_t))
        return ai_fail(err, AI_E_ARGUMENT, "quantise has size %u, use AI_QUANTISE_OPTIONS_INIT",
                       given->size);
    memcpy(own, given, bytes);
    j->calibration.progress = progress_of;
    j->calibration.job = j;
    if ((j->options.flags & NARROW_FLAGS) != 0)
        return ai_fail(err, AI_E_ARGUMENT, "weights are to be both int8 and rounded otherwise");
    return ai_calibration_check(own, err);
}

static ai_status copy_options(job *j, const ai_convert_options *options, ai_error *err)
{
    j->options = (ai_convert_options)AI_CONVERT_OPTIONS_INIT;
    if (options == NULL)
        return AI_OK;
    /* A caller built for a later version has a longer struct; what follows is unknown here. */
    size_t bytes = options->size < sizeof j->options ? options->size : sizeof j->options;
    if (bytes < sizeof(uint32_t))
        return ai_fail(err, AI_E_ARGUMENT, "options have size %u, use AI_CONVERT_OPTIONS_INIT",
                       options->size);
    memcpy(&j->options, options, bytes);
    j->options.size = (uint32_t)sizeof j->options;
    if ((j->options.flags & ~KNOWN_FLAGS) != 0)
        return ai_fail(err, AI_E_ARGUMENT, "options have flags 0x%x, known are 0x%x",
                       (unsigned)j->options.flags, (unsigned)KNOWN_FLAGS);
    if ((j->options.flags & NARROW_FLAGS) == NARROW_FLAGS)
        return ai_fail(err, AI_E_ARGUMENT, "weights are to be both f16 and s8");
    if (j->options.resource_count > AI_FILE_MAX_SECTIONS / 2)
        return ai_fail(err, AI_E_ARGUMENT, "%zu resources, at most %d fit",
                       j->options.resource_count, AI_FILE_MAX_SECTIONS / 2);
    if (j->options.name != NULL && !ai_text_is_utf8(j->options.name))
        return ai_fail(err, AI_E_ARGUMENT, "name of the model is not UTF-8");
    ai_status status = check_lists(&j->options, err);
    if (status == AI_OK)
        status = check_resources(&j->options, err);
    return status == AI_OK ? copy_quantise(j, err) : status;
}

/* ---- Import ---- */

/* A file may have any bytes in its name, a model may not. NULL: no memory. */
static const char *model_name(job *j)
{
    if (j->options.name != NULL)
        return ai_graph_string(j->graph, j->options.name, strlen(j->options.name));
    const char *file = ai_last_part(j->in_path);
    const char *dot = strrchr(file, '.');
    size_t length = dot == NULL || dot == file ? strlen(file) : (size_t)(dot - file);
    ai_text text = {0};
    ai_text_add_utf8(&text, file, length);
    const char *name = text.is_exhausted
                           ? NULL
                           : ai_graph_string(j->graph, text.data ? text.data : "", text.bytes);
    free(text.data);
    return name;
}

static ai_status import(job *j, ai_error *err)
{
    ai_status status = progress(j, "read", 0, 1, err); /* how much is not known yet */
    if (status == AI_OK)
        status = ai_os_map(j->in_path, &j->source, &j->source_bytes, err);
    if (status == AI_OK)
        status = progress(j, "read", 0, j->source_bytes, err);
    if (status != AI_OK)
        return status;
    char *folder = ai_folder_of(j->in_path);
    j->graph = ai_graph_new();
    if (folder == NULL || j->graph == NULL)
        status = ai_fail(err, AI_E_MEMORY, "no memory for a graph");
    else
        status = ai_onnx_import(&j->onnx, j->graph, j->source, j->source_bytes, folder, &j->options,
                                err);
    free(folder);
    if (status != AI_OK)
        return status;
    j->graph->name = model_name(j);
    if (j->graph->name == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for the model's name");
    j->graph->flags = j->options.flags;
    j->graph->kept = j->options.states;
    j->graph->kept_count = j->options.state_count;
    j->graph->calibration = j->options.quantise != NULL ? &j->calibration : NULL;
    status = ai_graph_status(j->graph, err);
    if (status == AI_OK)
        status = progress(j, "read", j->source_bytes, j->source_bytes, err);
    return status;
}

/* ---- Passes ---- */

/* Says how many of the passes of its part are done before pass `index`. */
static ai_status report_pass(const job *j, uint32_t index, ai_error *err)
{
    uint64_t done = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < ai_pass_count; i++) {
        bool is_same = strcmp(ai_passes[i].part, ai_passes[index].part) == 0;
        total += is_same;
        done += is_same && i < index;
    }
    return progress(j, ai_passes[index].part, done, total, err);
}

static ai_status run_passes(job *j, ai_error *err)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < ai_pass_count && status == AI_OK; i++) {
        status = report_pass(j, i, err);
        if (status == AI_OK)
            status = ai_passes[i].run(j->graph, err);
        if (status == AI_OK)
            status = ai_graph_status(j->graph, err);
    }
    return status;
}

/* ---- Resources ---- */

static ai_status make_metadata(job *j, ai_error *err)
{
    uint8_t digest[32];
    ai_sha256_of(j->source, j->source_bytes, digest);
    ai_text *text = &j->metadata;
    ai_text_add(text, "{\"format\":\"onnx\",\"sha256\":\"");
    ai_text_hex(text, digest, sizeof digest);
    ai_text_add(text, "\",\"opset\":%lld", (long long)j->graph->opset);
    if (j->graph->producer != NULL) {
        ai_text_add(text, ",\"producer\":");
        ai_text_quote(text, j->graph->producer);
    }
    if (j->options.licence != NULL) {
        ai_text_add(text, ",\"licence\":");
        ai_text_quote(text, j->options.licence);
    }
    if ((j->options.flags & NARROW_FLAGS) != 0)
        ai_text_add(text, ",\"weights\":{\"type\":\"%s\",\"count\":%u,\"error\":%.3g}",
                    j->options.flags & AI_CONVERT_S8_WEIGHTS ? "s8" : "f16", j->graph->narrow_count,
                    j->graph->narrow_error);
    ai_text_add(text, ",\"converter\":\"libai %d.%d.%d\"}\n", AI_VERSION_MAJOR, AI_VERSION_MINOR,
                AI_VERSION_PATCH);
    if (text->is_exhausted)
        return ai_fail(err, AI_E_MEMORY, "no memory for the metadata");
    return AI_OK;
}

static void add_resource(job *j, const char *name, const void *data, size_t bytes)
{
    j->resources[j->resource_count++] =
        (ai_resource_data){.name = name, .data = data, .bytes = bytes};
}

static ai_status list_resources(job *j, ai_error *err)
{
    ai_status status = make_metadata(j, err);
    if (status != AI_OK)
        return status;
    j->resources = calloc(j->options.resource_count + 3, sizeof *j->resources);
    if (j->resources == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory to list %zu resources",
                       j->options.resource_count);
    add_resource(j, "metadata", j->metadata.data, j->metadata.bytes);
    if (j->options.quantise != NULL)
        add_resource(j, "int8", j->calibration.json.data, j->calibration.json.bytes);
    for (size_t i = 0; i < j->options.resource_count; i++) {
        const ai_named_data *resource = &j->options.resources[i];
        add_resource(j, resource->name, resource->data, resource->bytes);
    }
    return AI_OK;
}

/* ---- Self-test ---- */

typedef struct hook {
    const job *job;
    uint32_t step_count;
} hook;

static int32_t before_step(void *user, uint32_t step)
{
    const hook *h = user;
    return progress(h->job, "self-test", step, h->step_count, NULL);
}

/* The file without a self-test is opened to make one. */
static ai_status make_self_test(job *j, ai_error *err)
{
    void *file = NULL;
    size_t bytes = 0;
    ai_model *model = NULL;
    ai_status status = ai_flat_write(j->graph, j->resources, j->resource_count, &file, &bytes, err);
    if (status == AI_OK)
        status = ai_model_view(&model, file, bytes, err);
    if (status == AI_OK) {
        ai_model_info info = AI_MODEL_INFO_INIT;
        ai_call call = AI_CALL_INIT;
        ai_model_describe(model, &info);
        hook h = {.job = j, .step_count = info.step_count};
        call.before_step = before_step;
        call.user = &h;
        status = ai_self_test_make(model, SELF_TEST_SEED, &call, &j->self_test, err);
    }
    ai_model_close(model);
    free(file);
    if (status == AI_OK)
        add_resource(j, "self-test", j->self_test, strlen(j->self_test));
    return status;
}

/* ---- The file ---- */

static ai_status write_temporary(job *j, ai_error *err)
{
    ai_status status = progress(j, "write", 0, j->file_bytes, err);
    if (status == AI_OK)
        status = ai_target_write(&j->target, j->file, j->file_bytes, err);
    return status == AI_OK ? progress(j, "write", j->file_bytes, j->file_bytes, err) : status;
}

/* What the reader will do: open, compare every checksum, run at each level. ref ran already. */
static ai_status check_temporary(const job *j, ai_error *err)
{
    enum { CHECKS = 3 };
    ai_model *model = NULL;
    ai_status status = progress(j, "check", 0, CHECKS, err);
    if (status == AI_OK)
        status = ai_model_open(&model, j->target.temporary, err);
    if (status != AI_OK)
        return status;
    uint32_t levels = ai_cpu() & (AI_CPU_OPENBLAS - 1u) & ~(uint32_t)AI_CPU_REF;
    status = ai_model_verify(model, err);
    if (status == AI_OK)
        status = progress(j, "check", 1, CHECKS, err);
    if (status == AI_OK)
        status = ai_self_test(model, levels == 0 ? AI_CPU_REF : levels, 1, err);
    if (status == AI_OK)
        status = progress(j, "check", 2, CHECKS, err);
    if (status == AI_OK && j->options.check != NULL)
        status = j->options.check(j->options.user, model, err);
    ai_model_close(model);
    return status == AI_OK ? progress(j, "check", CHECKS, CHECKS, err) : status;
}

/* ---- All of it ---- */

/* Frees the source and what was made of it: the bytes of the file are all that is needed. */
static void release_graph(job *j)
{
    ai_graph_free(j->graph);
    ai_onnx_close(j->onnx);
    if (j->source != NULL)
        ai_os_unmap(j->source, j->source_bytes);
    j->graph = NULL;
    j->onnx = NULL;
    j->source = NULL;
}

/* A conversion must not put its result in the place of what it was made of. */
static ai_status check_external(const job *j, ai_error *err)
{
    const char *location =
        j->target.is_there ? ai_onnx_reads(j->onnx, j->target.device, j->target.inode) : NULL;
    if (location != NULL)
        return ai_fail(err, AI_E_ARGUMENT,
                       "output is the file of external data that the model reads, '%.80s'",
                       location);
    return AI_OK;
}

static ai_status check_target(job *j, ai_error *err)
{
    ai_status status = ai_target_check(&j->target, err);
    if (status == AI_OK && ai_target_is(&j->target, j->in_path))
        return ai_fail(err, AI_E_ARGUMENT, "output is the model that is read");
    return status;
}

static ai_status run(job *j, ai_error *err)
{
    ai_status status = check_target(j, err);
    if (status == AI_OK)
        status = import(j, err);
    if (status == AI_OK)
        status = check_external(j, err);
    if (status == AI_OK)
        status = run_passes(j, err);
    if (status == AI_OK && j->options.quantise != NULL)
        status = ai_calibration_finish(&j->calibration, j->graph, err);
    if (status == AI_OK)
        status = list_resources(j, err);
    if (status == AI_OK)
        status = make_self_test(j, err);
    if (status == AI_OK)
        status =
            ai_flat_write(j->graph, j->resources, j->resource_count, &j->file, &j->file_bytes, err);
    if (status == AI_OK) {
        release_graph(j);
        status = write_temporary(j, err);
    }
    if (status == AI_OK) {
        free(j->file);
        j->file = NULL;
        status = check_temporary(j, err);
    }
    if (status == AI_OK)
        status = ai_target_replace(&j->target, err);
    return status;
}

static void release(job *j)
{
    ai_target_release(&j->target);
    ai_calibration_release(&j->calibration);
    free(j->file);
    free(j->self_test);
    free(j->metadata.data);
    free(j->resources);
    release_graph(j);
}

ai_status ai_convert_file(const char *in_path, const char *out_path,
                          const ai_convert_options *options, ai_error *err)
{
    if (in_path == NULL || out_path == NULL || out_path[0] == 0)
        return ai_fail(err, AI_E_ARGUMENT, "%s path is missing",
                       in_path == NULL ? "the source" : "the output");
    job j = {.in_path = in_path, .target = {.path = out_path}};
    ai_status status = copy_options(&j, options, err);
    if (status == AI_OK)
        status = run(&j, err);
    release(&j);
    return status;
}
