/* SPDX-License-Identifier: Apache-2.0
 * The ONNX importer: from the bytes of a file to a graph of the library's own operators. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

/* Makes a constant of an initialiser or an unlowered name on its way to an output. */
static ai_status output_value(ai_onnx *onnx, ai_onnx_name *n, int32_t *value)
{
    ai_status status = ai_onnx_value_of(onnx, n);
    if (status != AI_OK)
        return status;
    *value = n->value;
    const ai_value *v = &onnx->graph->values[n->value];
    if (v->producer != AI_NO_NODE)
        return AI_OK;
    int32_t input = n->value;
    *value = ai_graph_value(onnx->graph, n->name, v->type);
    if (*value < 0)
        return ai_onnx_no_memory(onnx);
    ai_none_params none = {0};
    ai_graph_add(onnx->graph, n->name, AI_OP_IDENTITY, &none, sizeof none, &input, 1, value, 1);
    return AI_OK;
}

static ai_status check_output_type(ai_onnx *onnx, const AiOnnx__ValueInfo *info, int32_t value)
{
    const AiOnnx__TensorType *t = info->type != NULL ? info->type->tensor_type : NULL;
    ai_type type = onnx->graph->values[value].type;
    if (t == NULL || t->elem_type == 0 || ai_onnx_type(t->elem_type) == type)
        return AI_OK;
    return ai_onnx_fail(onnx, AI_E_FORMAT, "output '%.100s' is declared as %s, its node makes %s",
                        info->name, ai_onnx_type_name(t->elem_type), ai_type_name(type));
}

static bool is_output(const ai_onnx *onnx, int32_t value)
{
    for (uint32_t i = 0; i < onnx->graph->output_count; i++)
        if (strcmp(onnx->graph->values[onnx->graph->outputs[i]].name,
                   onnx->graph->values[value].name) == 0)
            return true;
    return false;
}

static ai_status make_outputs(ai_onnx *onnx)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    const ai_convert_options *o = onnx->options;
    size_t count = g->n_output + o->output_count;
    if (count > AI_FILE_MAX_OPERANDS)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "the graph has %zu outputs, at most %d are supported", count,
                            AI_FILE_MAX_OPERANDS);
    for (size_t i = 0; i < count; i++) {
        bool is_declared = i < g->n_output;
        const char *name = is_declared ? g->output[i]->name : o->outputs[i - g->n_output];
        int32_t value;
        ai_status status = output_value(onnx, ai_onnx_find(onnx, name), &value);
        if (status == AI_OK && is_declared)
            status = check_output_type(onnx, g->output[i], value);
        if (status != AI_OK)
            return status;
        if (is_output(onnx, value) && is_declared)
            return ai_onnx_fail(onnx, AI_E_FORMAT, "the graph lists output '%.100s' twice", name);
        if (!is_output(onnx, value))
            ai_graph_output(onnx->graph, value);
    }
    return AI_OK;
}

/* "pytorch 2.1", for the metadata. */
static ai_status set_producer(ai_onnx *onnx)
{
    const AiOnnx__Model *m = onnx->model;
    const char *version = m->producer_version != NULL ? m->producer_version : "";
    if (m->producer_name == NULL || *m->producer_name == '\0')
        return AI_OK;
    const char *text = ai_graph_format(onnx->graph, "%.200s%s%.50s", m->producer_name,
                                       *version != '\0' ? " " : "", version);
    onnx->graph->producer = text;
    return text != NULL ? ai_onnx_check_text(onnx, "name of the producer", text)
                        : ai_onnx_no_memory(onnx);
}

static ai_status import_model(ai_onnx *onnx, const void *data, size_t bytes)
{
    ai_status status = ai_onnx_decode(onnx, data, bytes);
    if (status == AI_OK)
        status = set_producer(onnx);
    if (status == AI_OK)
        status = ai_onnx_decide(onnx);
    if (status == AI_OK)
        status = ai_onnx_find_rows(onnx);
    if (status == AI_OK)
        status = ai_onnx_make_inputs(onnx);
    if (status == AI_OK)
        status = ai_onnx_lower_nodes(onnx);
    if (status == AI_OK)
        status = make_outputs(onnx);
    return status == AI_OK ? ai_graph_status(onnx->graph, onnx->err) : status;
}

ai_status ai_onnx_import(ai_onnx **source, ai_graph *graph, const void *data, size_t bytes,
                         const char *folder, const ai_convert_options *options, ai_error *err)
{
    static const ai_convert_options defaults = AI_CONVERT_OPTIONS_INIT;
    ai_onnx *onnx = calloc(1, sizeof *onnx);
    if (onnx == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory to read the model");
    onnx->graph = graph;
    onnx->folder = folder;
    onnx->options = options != NULL ? options : &defaults;
    onnx->err = err;
    ai_status status = import_model(onnx, data, bytes);
    onnx->err = NULL;
    onnx->options = NULL;
    if (status == AI_OK)
        *source = onnx;
    else
        ai_onnx_close(onnx);
    return status;
}

void ai_onnx_close(ai_onnx *source)
{
    if (source == NULL)
        return;
    ai_onnx_unmap(source);
    ai_onnx_free_branches(source);
    ai_onnx_release(source);
    free(source);
}
