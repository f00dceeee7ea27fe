/* SPDX-License-Identifier: Apache-2.0
 * Networks that are run on the calibration samples by the core itself, inner tensors included. */
#include "quantise.h"

#include <stdlib.h>
#include <string.h>

/* All passes behind `calibrate`. */
static ai_status run_passes(ai_graph *graph, ai_error *err)
{
    ai_status status = AI_OK;
    uint32_t i = 0;
    while (i < ai_pass_count && ai_passes[i].run != ai_pass_calibrate)
        i++;
    for (i++; i < ai_pass_count && status == AI_OK; i++) {
        status = ai_passes[i].run(graph, err);
        if (status == AI_OK)
            status = ai_graph_status(graph, err);
    }
    return status;
}

static ai_status make_buffers(ai_taps *t, ai_error *err)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model_describe(t->model, &info);
    t->count = info.output_count;
    t->infos = calloc(t->count + (size_t)1, sizeof *t->infos);
    t->outputs = calloc(t->count + (size_t)1, sizeof *t->outputs);
    t->inputs = calloc(info.input_count + (size_t)1, sizeof *t->inputs);
    if (t->infos == NULL || t->outputs == NULL || t->inputs == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u outputs", t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        t->infos[i] = (ai_tensor_info)AI_TENSOR_INFO_INIT;
        ai_session_output(t->session, i, &t->infos[i]);
        t->outputs[i].bytes = t->infos[i].bytes;
        t->outputs[i].data = malloc(t->infos[i].bytes + 1);
        if (t->outputs[i].data == NULL)
            return ai_fail(err, AI_E_MEMORY, "no memory for tensor '%.80s', %llu bytes",
                           t->infos[i].name, (unsigned long long)t->infos[i].bytes);
    }
    return AI_OK;
}

ai_status ai_taps_view(ai_taps *taps, const ai_graph *graph, ai_error *err)
{
    size_t bytes = 0;
    *taps = (ai_taps){0};
    ai_status status = ai_flat_write(graph, NULL, 0, &taps->file, &bytes, err);
    if (status == AI_OK)
        status = ai_model_view(&taps->model, taps->file, bytes, err);
    if (status == AI_OK)
        status = ai_session_open(&taps->session, taps->model, NULL, err);
    if (status == AI_OK)
        status = make_buffers(taps, err);
    if (status != AI_OK)
        ai_taps_close(taps);
    return status;
}

ai_status ai_taps_open(ai_taps *taps, ai_graph *graph, const int32_t *values, uint32_t count,
                       ai_error *err)
{
    *taps = (ai_taps){0};
    graph->output_count = 0;
    for (uint32_t i = 0; i < count; i++)
        ai_graph_output(graph, values[i]);
    ai_status status = ai_graph_status(graph, err);
    if (status == AI_OK)
        status = run_passes(graph, err);
    if (status == AI_OK)
        status = ai_taps_view(taps, graph, err);
    ai_graph_free(graph);
    return status;
}

ai_status ai_taps_run(ai_taps *taps, const ai_calibration *c, size_t sample, ai_error *err)
{
    const char *at = c->samples[sample];
    for (uint32_t i = 0; i < c->input_count; i++) {
        taps->inputs[i] = (ai_view){at, c->input_bytes[i]};
        at += c->input_bytes[i];
    }
    ai_state_reset(taps->session);
    return ai_infer(taps->session, taps->inputs, c->input_count, taps->outputs, taps->count, NULL,
                    err);
}

void ai_taps_close(ai_taps *taps)
{
    for (uint32_t i = 0; i < taps->count && taps->outputs != NULL; i++)
        free(taps->outputs[i].data);
    free(taps->outputs);
    free(taps->infos);
    free(taps->inputs);
    ai_session_close(taps->session);
    ai_model_close(taps->model);
    free(taps->file);
    *taps = (ai_taps){0};
}
