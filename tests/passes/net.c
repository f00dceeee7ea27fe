/* SPDX-License-Identifier: Apache-2.0
 * Small graphs for the tests of passes: running, comparing. */
#include "net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "seeded.h"

void net_infer(ai_graph *graph)
{
    ai_error err = {0};
    ck_assert_msg(ai_graph_infer(graph, &err) == AI_OK, "infer: %s", err.message);
}

/* ---- Running ---- */

static float *run_level(const ai_model *model, uint32_t cpu, size_t *count)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_error err = {0};
    ai_seeded run;
    options.cpu = cpu;
    options.threads = 1;
    ai_status status = ai_seeded_open(&run, model, &options, (ai_seeded_rule){.seed = 1}, &err);
    ck_assert_msg(status == AI_OK, "open: %s", err.message);
    status = ai_seeded_infer(&run, NULL, &err);
    ck_assert_msg(status == AI_OK, "infer: %s", err.message);
    size_t bytes = 0;
    for (uint32_t i = 0; i < run.output_count; i++)
        bytes += run.outputs[i].bytes;
    char *all = malloc(bytes + 1);
    ck_assert_ptr_nonnull(all);
    *count = bytes / sizeof(float);
    for (uint32_t i = 0, at = 0; i < run.output_count; i++) {
        memcpy(all + at, run.outputs[i].data, run.outputs[i].bytes);
        at += (uint32_t)run.outputs[i].bytes;
    }
    ai_seeded_close(&run);
    return (float *)(void *)all;
}

/* At the best level and, if asked, by ref to the same bits. */
static float *run(const ai_graph *graph, bool by_ref, size_t *count)
{
    void *file = NULL;
    size_t bytes = 0;
    ai_model *model = NULL;
    ai_error err = {0};
    ai_status status = ai_flat_write(graph, NULL, 0, &file, &bytes, &err);
    ck_assert_msg(status == AI_OK, "write: %s", err.message);
    status = ai_model_view(&model, file, bytes, &err);
    ck_assert_msg(status == AI_OK, "view: %s", err.message);
    ck_assert_int_eq(ai_model_verify(model, NULL), AI_OK);
    float *best = run_level(model, 0, count);
    if (by_ref) {
        float *ref = run_level(model, AI_CPU_REF, count);
        ck_assert_mem_eq(best, ref, *count * sizeof *ref);
        free(ref);
    }
    ai_model_close(model);
    free(file);
    return best;
}

float *net_run(const ai_graph *graph, size_t *count)
{
    return run(graph, true, count);
}

uint32_t net_nodes(const ai_graph *graph, uint16_t op)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++)
        count += !graph->nodes[i].is_dead && (op == AI_NET_ANY || graph->nodes[i].op == op);
    return count;
}

const ai_graph_node *net_find(const ai_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (!graph->nodes[i].is_dead && strcmp(graph->nodes[i].name, name) == 0)
            return &graph->nodes[i];
    }
    ck_abort_msg("no node '%s'", name);
    return NULL;
}

/* ---- Passes ---- */

static void run_pass(ai_graph *graph, ai_pass_fn *pass)
{
    ai_error err = {0};
    ck_assert_msg(pass(graph, &err) == AI_OK, "pass: %s", err.message);
}

void net_pass_exact(ai_graph *graph, ai_pass_fn *pass)
{
    size_t before_count = 0;
    size_t after_count = 0;
    net_infer(graph);
    float *before = run(graph, false, &before_count);
    run_pass(graph, pass);
    float *after = net_run(graph, &after_count);
    ck_assert_uint_eq(before_count, after_count);
    ck_assert_mem_eq(before, after, before_count * sizeof *before);
    free(before);
    free(after);
}

void net_pass_close(ai_graph *graph, ai_pass_fn *pass, double terms, double magnitude)
{
    size_t before_count = 0;
    size_t after_count = 0;
    double bound = 2 * (terms + 4) * 0x1p-24 * magnitude;
    net_infer(graph);
    float *before = run(graph, false, &before_count);
    run_pass(graph, pass);
    float *after = net_run(graph, &after_count);
    ck_assert_uint_eq(before_count, after_count);
    for (size_t i = 0; i < before_count; i++)
        ck_assert_double_le(fabs((double)before[i] - (double)after[i]), bound);
    free(before);
    free(after);
}
