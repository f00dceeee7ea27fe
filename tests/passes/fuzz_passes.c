/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the passes: whatever the importer and inference let through is folded, fused, laid out,
 * packed and written, and the file opens. */
#include <stdint.h>
#include <stdlib.h>

#include "pass.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { MAX_ELEMENTS = 1 << 18 };

/* A few bytes may ask for any size; the fuzzer has memory for small ones. */
static bool is_small(const ai_graph *graph)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < graph->value_count; i++) {
        int64_t count = 0;
        const ai_value *value = &graph->values[i];
        if (!ai_count(value->rank, value->dim, &count) || count > MAX_ELEMENTS)
            return false;
        total += count;
    }
    return total <= MAX_ELEMENTS;
}

static ai_status run_passes(ai_graph *graph, ai_error *err)
{
    ai_status status = ai_graph_infer(graph, err);
    if (status != AI_OK || !is_small(graph))
        return AI_E_SHAPE;
    for (uint32_t i = 0; i < ai_pass_count && status == AI_OK; i++)
        status = ai_passes[i].run(graph, err);
    return status;
}

/* Passes may refuse a graph, but what they give must open. */
static void open_file(const ai_graph *graph)
{
    void *file = NULL;
    size_t bytes = 0;
    ai_model *model = NULL;
    ai_session *session = NULL;
    ai_error err;
    ai_options options = AI_OPTIONS_INIT;
    options.threads = 1;
    if (ai_flat_write(graph, NULL, 0, &file, &bytes, &err) != AI_OK)
        abort();
    if (ai_model_view(&model, file, bytes, &err) != AI_OK ||
        ai_session_open(&session, model, &options, &err) != AI_OK)
        abort();
    ai_session_close(session);
    ai_model_close(model);
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_onnx *onnx = NULL;
    ai_graph *graph = ai_graph_new();
    if (graph == NULL)
        return 0;
    if (ai_onnx_import(&onnx, graph, data, bytes, ".", NULL, &err) == AI_OK &&
        run_passes(graph, &err) == AI_OK)
        open_file(graph);
    ai_graph_free(graph);
    ai_onnx_close(onnx);
    return 0;
}
