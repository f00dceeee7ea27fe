/* SPDX-License-Identifier: Apache-2.0
 * The branches of If: graphs inside attributes, unpacked where one is to run. */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

bool ai_onnx_is_if(const ai_onnx_node *node)
{
    return strcmp(node->op_type, "If") == 0 && *node->domain == '\0';
}

const char *ai_onnx_first_output(const ai_onnx_node *node)
{
    for (uint32_t i = 0; i < node->output_count; i++)
        if (*node->outputs[i] != '\0')
            return node->outputs[i];
    return "";
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool ai_onnx_is_local(const ai_onnx_branch *branch, const char *name)
{
    return branch->name_count > 0 && bsearch(&name, branch->names, branch->name_count,
                                             sizeof *branch->names, compare) != NULL;
}

static void add_name(ai_onnx_branch *branch, const char *name)
{
    if (name != NULL && *name != '\0')
        branch->names[branch->name_count++] = name;
}

static ai_status collect_names(ai_onnx *onnx, ai_onnx_branch *branch)
{
    const AiOnnx__Graph *g = branch->graph;
    size_t count = g->n_initializer;
    for (size_t i = 0; i < g->n_node; i++)
        count += g->node[i]->n_output;
    ai_status status = ai_onnx_charge(onnx, count * sizeof *branch->names);
    if (status != AI_OK)
        return status;
    branch->names = malloc((count + 1) * sizeof *branch->names);
    if (branch->names == NULL)
        return ai_onnx_no_memory(onnx);
    for (size_t i = 0; i < g->n_initializer; i++)
        add_name(branch, g->initializer[i]->name);
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            add_name(branch, g->node[i]->output[k]);
    qsort(branch->names, branch->name_count, sizeof *branch->names, compare);
    return AI_OK;
}

/* Its memory counts as the file's own does. */
static ai_status unpack(ai_onnx *onnx, const ai_onnx_node *node, ai_onnx_branch *branch)
{
    const ProtobufCBinaryData *bytes = &branch->attribute->g;
    branch->graph = ai_onnx__graph__unpack(&onnx->allocator, bytes->len, bytes->data);
    if (branch->graph != NULL)
        return collect_names(onnx, branch);
    if (onnx->is_over_limit)
        return ai_onnx_charge(onnx, UINT64_MAX);
    if (onnx->is_exhausted)
        return ai_onnx_no_memory(onnx);
    return ai_onnx_fail(onnx, AI_E_FORMAT, "If '%.80s': attribute '%.20s' is no graph", node->name,
                        branch->attribute->name);
}

static const ai_onnx_decision *find_decision(const ai_onnx *onnx, const ai_onnx_node *node)
{
    const char *output = ai_onnx_first_output(node);
    for (uint32_t i = 0; i < onnx->decision_count; i++)
        if (onnx->decisions[i].depth == node->depth &&
            strcmp(onnx->decisions[i].output, output) == 0)
            return &onnx->decisions[i];
    return NULL;
}

static const AiOnnx__Attribute *find_attribute(const ai_onnx_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->attribute_count; i++)
        if (strcmp(node->attributes[i].name, name) == 0)
            return node->attributes[i].value;
    return NULL;
}

ai_status ai_onnx_branch_of(ai_onnx *onnx, const ai_onnx_node *node, const ai_onnx_branch **branch)
{
    const ai_onnx_decision *decision = find_decision(onnx, node);
    if (decision == NULL)
        return AI_OK;
    const char *name = decision->is_true ? "then_branch" : "else_branch";
    const AiOnnx__Attribute *attribute = find_attribute(node, name);
    if (attribute == NULL || !attribute->has_g)
        return ai_onnx_fail(onnx, AI_E_FORMAT, "If '%.80s': it has no graph '%s'", node->name,
                            name);
    for (const ai_onnx_branch *b = onnx->branches; b != NULL; b = b->next) {
        if (b->attribute == attribute) {
            *branch = b;
            return AI_OK;
        }
    }
    ai_onnx_branch *new = calloc(1, sizeof *new);
    if (new == NULL)
        return ai_onnx_no_memory(onnx);
    *new = (ai_onnx_branch){.next = onnx->branches, .attribute = attribute};
    onnx->branches = new;
    *branch = new;
    return unpack(onnx, node, new);
}

void ai_onnx_free_branches(ai_onnx *onnx)
{
    while (onnx->branches != NULL) {
        ai_onnx_branch *b = onnx->branches;
        onnx->branches = b->next;
        if (b->graph != NULL)
            ai_onnx__graph__free_unpacked(b->graph, &onnx->allocator);
        free(b->names);
        free(b);
    }
    for (uint32_t i = 0; i < onnx->decision_count; i++)
        free(onnx->decisions[i].output);
    free(onnx->decisions);
    free(onnx->is_fixed);
}
