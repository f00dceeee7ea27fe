/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the ONNX importer: any bytes become a graph or an error, within bounded memory. */
#include <stdint.h>
#include <stdlib.h>

#include "graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Follows every pointer that a pass would follow. */
static void read_graph(const ai_graph *graph)
{
    volatile uint64_t sum = 0;
    for (uint32_t i = 0; i < graph->value_count; i++) {
        const ai_value *v = &graph->values[i];
        for (uint64_t k = 0; v->data != NULL && k < v->bytes; k++)
            sum = sum + ((const uint8_t *)v->data)[k];
        sum = sum + (uint8_t)v->name[0];
    }
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *n = &graph->nodes[i];
        for (uint32_t k = 0; k < n->input_count; k++)
            if (n->inputs[k] >= (int32_t)graph->value_count)
                abort();
        for (uint32_t k = 0; k < n->output_count; k++)
            if (n->outputs[k] >= (int32_t)graph->value_count)
                abort();
    }
    for (uint32_t i = 0; i < graph->output_count; i++)
        if (graph->values[graph->outputs[i]].producer == AI_NO_NODE)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    ai_error err;
    ai_onnx *onnx = NULL;
    ai_graph *graph = ai_graph_new();
    if (graph == NULL)
        return 0;
    if (ai_onnx_import(&onnx, graph, data, bytes, ".", NULL, &err) == AI_OK)
        read_graph(graph);
    ai_graph_free(graph);
    ai_onnx_close(onnx);
    return 0;
}
