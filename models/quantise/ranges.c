/* SPDX-License-Identifier: Apache-2.0
 * Runs the float network on the samples: the range of every tensor that layers read or write, and
 * the network's answers. */
#include "quantise.h"

#include <stdlib.h>
#include <string.h>

typedef struct scan {
    int32_t *values; /* those that are outputs of the run: the graph's own, then others */
    uint32_t count;
    bool *is_listed;   /* of each value */
    ai_histogram **of; /* of each value: its histogram; NULL: none is needed */
} scan;

/* A value that has a range. */
static bool need(scan *s, const ai_graph *graph, int32_t value)
{
    if (s->of[value] != NULL)
        return true;
    s->of[value] = calloc(1, sizeof *s->of[value]);
    if (s->of[value] == NULL)
        return false;
    if (!graph->values[value].is_input && !s->is_listed[value])
        s->values[s->count++] = value;
    s->is_listed[value] = true;
    return true;
}

static bool list_values(scan *s, const ai_calibration *c, const ai_graph *graph)
{
    size_t count = graph->value_count + (size_t)graph->output_count + 1;
    bool is_done = true;
    s->values = calloc(count, sizeof *s->values);
    s->is_listed = calloc(count, sizeof *s->is_listed);
    s->of = calloc(count, sizeof *s->of);
    if (s->values == NULL || s->is_listed == NULL || s->of == NULL)
        return false;
    for (uint32_t i = 0; i < graph->output_count; i++) {
        s->values[s->count++] = graph->outputs[i];
        s->is_listed[graph->outputs[i]] = true;
    }
    for (uint32_t i = 0; i < c->layer_count && is_done; i++) {
        const ai_layer *l = &c->layers[i];
        for (uint32_t k = 0; k < l->inputs && is_done; k++)
            is_done = need(s, graph, ai_layer_input(graph, l, k));
        is_done = is_done && (l->inputs == 0 || need(s, graph, l->out));
    }
    return is_done;
}

static void free_scan(scan *s, const ai_graph *graph)
{
    for (uint32_t i = 0; i < graph->value_count && s->of != NULL; i++)
        free(s->of[i]);
    free(s->of);
    free(s->values);
    free(s->is_listed);
}

static ai_status count(scan *s, const ai_graph *graph, int32_t value, const void *data,
                       uint64_t bytes, size_t sample, ai_error *err)
{
    if (s->of[value] == NULL || ai_histogram_add(s->of[value], data, (int64_t)(bytes / 4)))
        return AI_OK;
    return ai_fail(err, AI_E_VALUE,
                   "tensor '%.80s' has a number that is not finite, or beyond 1e36, on calibration "
                   "sample %zu",
                   graph->values[value].name, sample + 1);
}

static ai_status keep_answer(ai_calibration *c, const ai_taps *t, uint32_t outputs, size_t sample,
                             ai_error *err)
{
    c->answer_bytes = 0;
    for (uint32_t i = 0; i < outputs; i++)
        c->answer_bytes += t->infos[i].bytes;
    char *to = malloc(c->answer_bytes + 1);
    c->answers[sample] = to;
    if (to == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for an answer of %llu bytes",
                       (unsigned long long)c->answer_bytes);
    for (uint32_t i = 0; i < outputs; i++) {
        memcpy(to, t->outputs[i].data, t->infos[i].bytes);
        to += t->infos[i].bytes;
    }
    return AI_OK;
}

static ai_status scan_sample(scan *s, ai_calibration *c, ai_taps *t, const ai_graph *graph,
                             size_t sample, ai_error *err)
{
    ai_status status = ai_taps_run(t, c, sample, err);
    const char *input = c->samples[sample];
    for (uint32_t i = 0; i < c->input_count && status == AI_OK; i++) {
        status = count(s, graph, graph->inputs[i], input, c->input_bytes[i], sample, err);
        input += c->input_bytes[i];
    }
    for (uint32_t i = 0; i < t->count && status == AI_OK; i++) { /* results, the first, last */
        uint32_t k = (i + graph->output_count) % t->count;
        status = count(s, graph, s->values[k], t->outputs[k].data, t->infos[k].bytes, sample, err);
    }
    return status == AI_OK ? keep_answer(c, t, graph->output_count, sample, err) : status;
}

static ai_status scan_all(scan *s, ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    ai_taps t;
    ai_graph *copy = ai_graph_copy(graph);
    if (copy == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for a graph");
    ai_status status = ai_taps_open(&t, copy, s->values, s->count, err);
    for (size_t i = 0; i < c->sample_count && status == AI_OK; i++) {
        status = c->progress(c->job, "ranges", i, c->sample_count, err);
        if (status == AI_OK)
            status = scan_sample(s, c, &t, graph, i, err);
    }
    ai_taps_close(&t);
    return status;
}

ai_status ai_ranges_find(ai_calibration *c, ai_graph *graph, ai_error *err)
{
    scan s = {0};
    ai_status status = AI_OK;
    if (!list_values(&s, c, graph))
        status =
            ai_fail(err, AI_E_MEMORY, "no memory for the histograms of %u layers", c->layer_count);
    if (status == AI_OK)
        status = scan_all(&s, c, graph, err);
    for (uint32_t i = 0; i < graph->value_count && status == AI_OK; i++) {
        if (s.of[i] != NULL)
            c->ranges[i] = ai_histogram_range(s.of[i], c->options.ranges);
    }
    free_scan(&s, graph);
    return status;
}
