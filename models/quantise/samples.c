/* SPDX-License-Identifier: Apache-2.0
 * Asks the caller for the calibration samples, once. */
#include "quantise.h"

#include <stdlib.h>
#include <string.h>

static ai_tensor_info describe(const ai_value *v)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    info.type = v->type;
    info.rank = v->rank;
    info.varies = v->varies;
    memcpy(info.dim, v->dim, sizeof info.dim);
    info.bytes = (uint64_t)ai_pass_elements(v) * ai_type_bytes(v->type);
    info.name = v->name;
    return info;
}

/* One sample in memory of its own; AI_E_FORMAT: it is to be left out. */
static ai_status read_sample(ai_calibration *c, size_t index, const ai_tensor_info *infos,
                             uint64_t bytes, ai_error *err)
{
    const ai_quantise_options *o = &c->options;
    char *memory = malloc(bytes + 1);
    void **data = calloc(c->input_count + (size_t)1, sizeof *data);
    ai_status status = AI_OK;
    if (memory == NULL || data == NULL)
        status = ai_fail(err, AI_E_MEMORY, "no memory for sample %zu of %zu, %llu bytes each",
                         index + 1, o->sample_count, (unsigned long long)bytes);
    uint64_t at = 0;
    for (uint32_t i = 0; i < c->input_count && status == AI_OK; i++) {
        data[i] = memory + at;
        at += c->input_bytes[i];
    }
    if (status == AI_OK)
        status = o->sample(o->user, index, infos, data, c->input_count, err);
    if (status == AI_OK)
        c->samples[c->sample_count++] = memory;
    else
        free(memory);
    free(data);
    return status;
}

static ai_status read_all(ai_calibration *c, const ai_tensor_info *infos, uint64_t bytes,
                          ai_error *err)
{
    ai_status status = AI_OK;
    ai_error last = {0};
    size_t count = c->options.sample_count;
    for (size_t i = 0; i < count && status == AI_OK; i++) {
        status = c->progress(c->job, "samples", i, count, err);
        if (status != AI_OK)
            break;
        status = read_sample(c, i, infos, bytes, &last);
        if (status == AI_E_FORMAT) {
            c->skipped_count++;
            status = AI_OK;
        } else if (status != AI_OK) {
            ai_fail(err, status, "%s", last.message);
        }
    }
    if (status != AI_OK || c->sample_count > 0)
        return status;
    return ai_fail(err, AI_E_VALUE, "none of %zu calibration samples can be read: %.150s", count,
                   last.message);
}

ai_status ai_samples_read(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    c->input_count = graph->input_count;
    c->input_bytes = calloc(graph->input_count + (size_t)1, sizeof *c->input_bytes);
    c->samples = calloc(c->options.sample_count + 1, sizeof *c->samples);
    c->answers = calloc(c->options.sample_count + 1, sizeof *c->answers);
    ai_tensor_info *infos = calloc(graph->input_count + (size_t)1, sizeof *infos);
    ai_status status = AI_OK;
    uint64_t bytes = 0;
    if (c->input_bytes == NULL || c->samples == NULL || c->answers == NULL || infos == NULL)
        status =
            ai_fail(err, AI_E_MEMORY, "no memory to list %zu samples", c->options.sample_count);
    for (uint32_t i = 0; i < graph->input_count && status == AI_OK; i++) {
        infos[i] = describe(&graph->values[graph->inputs[i]]);
        c->input_bytes[i] = infos[i].bytes;
        bytes += infos[i].bytes;
    }
    if (status == AI_OK)
        status = read_all(c, infos, bytes, err);
    free(infos);
    return status;
}
