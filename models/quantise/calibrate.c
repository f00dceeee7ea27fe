/* SPDX-License-Identifier: Apache-2.0
 * The pass `calibrate`, from samples or a recipe to pairs in the graph, and the comparison of the
 * whole. */
#include "quantise.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

ai_status ai_calibration_check(const ai_quantise_options *o, ai_error *err)
{
    if (o->keep == NULL && o->keep_count > 0)
        return ai_fail(err, AI_E_ARGUMENT, "keep is NULL, keep_count is %zu", o->keep_count);
    for (size_t i = 0; i < o->keep_count; i++) {
        if (o->keep[i] == NULL)
            return ai_fail(err, AI_E_ARGUMENT, "kept node %zu has no name", i);
    }
    if (o->ranges > AI_RANGES_MSE)
        return ai_fail(err, AI_E_ARGUMENT, "ranges is %u, known are 0 to %d", o->ranges,
                       AI_RANGES_MSE);
    if (o->recipe != NULL && (o->keep_count > 0 || o->ranges != 0 || o->sample_count > 0))
        return ai_fail(err, AI_E_ARGUMENT,
                       "a recipe says all, it takes no samples, ranges or nodes");
    if (o->recipe == NULL && (o->sample == NULL || o->sample_count == 0))
        return ai_fail(err, AI_E_ARGUMENT, "there are no calibration samples");
    return AI_OK;
}

void ai_calibration_release(ai_calibration *c)
{
    for (size_t i = 0; i < c->options.sample_count; i++) {
        if (c->samples != NULL)
            free(c->samples[i]);
        if (c->answers != NULL)
            free(c->answers[i]);
    }
    free(c->samples);
    free(c->answers);
    free(c->input_bytes);
    free(c->json.data);
}

/* Everything that a recipe would say, found out on the samples. */
static ai_status decide(ai_calibration *c, ai_graph *graph, ai_error *err)
{
    ai_status status = ai_samples_read(c, graph, err);
    if (status == AI_OK)
        status = ai_ranges_find(c, graph, err);
    if (status == AI_OK)
        status = ai_layers_try(c, graph, err);
    if (status == AI_OK)
        status = ai_trial(c, graph, 0, err);
    if (status != AI_OK)
        return status;
    ai_trial_correct(c);
    status = ai_trial(c, graph, 1, err);
    if (status == AI_OK) {
        ai_trial_judge(c);
        ai_layers_settle(c, graph);
        status = ai_layers_weigh(c, graph, err);
    }
    if (status == AI_OK)
        status = ai_layers_try(c, graph, err);
    return status;
}

ai_status ai_pass_calibrate(ai_graph *graph, ai_error *err)
{
    ai_calibration *c = graph->calibration;
    if (c == NULL)
        return AI_OK;
    ai_status status = ai_layers_find(c, graph, err);
    if (status == AI_OK)
        status = c->options.recipe != NULL ? ai_remake_read(c, graph, err) : decide(c, graph, err);
    return status == AI_OK ? ai_insert(c, graph, err) : status;
}

/* ---- The whole ---- */

static uint64_t greatest(const float *row, uint64_t count)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < count; i++) {
        if (row[i] > row[best])
            best = i;
    }
    return best;
}

static const double MOST = FLT_MAX;

static void compare(ai_calibration *c, const ai_tensor_info *info, const float *real,
                    const float *found)
{
    uint64_t count = info->bytes / sizeof *real;
    uint64_t row = info->rank == 0 ? 1 : (uint64_t)info->dim[info->rank - 1];
    for (uint64_t i = 0; i < count; i++) {
        double distance = fabs((double)real[i] - (double)found[i]);
        distance = distance <= MOST ? distance : MOST; /* of what is not finite, too */
        c->largest = distance > c->largest ? distance : c->largest;
        c->signal += (double)real[i] * (double)real[i];
        c->noise += distance * distance;
    }
    for (uint64_t i = 0; row > 1 && i < count; i += row) {
        c->row_count++;
        c->same_count += greatest(real + i, row) == greatest(found + i, row);
    }
}

ai_status ai_calibration_finish(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    ai_taps taps = {0};
    ai_status status = AI_OK;
    if (c->sample_count > 0)
        status = ai_taps_view(&taps, graph, err);
    for (size_t i = 0; i < c->sample_count && status == AI_OK; i++) {
        status = c->progress(c->job, "whole", i, c->sample_count, err);
        if (status == AI_OK)
            status = ai_taps_run(&taps, c, i, err);
        const char *real = c->answers[i];
        for (uint32_t k = 0; k < taps.count && status == AI_OK; k++) {
            if (taps.infos[k].type == AI_F32)
                compare(c, &taps.infos[k], (const void *)real, taps.outputs[k].data);
            real += taps.infos[k].bytes;
        }
    }
    ai_taps_close(&taps);
    return status == AI_OK ? ai_remake_write(c, graph, err) : status;
}
