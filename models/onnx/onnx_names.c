/* SPDX-License-Identifier: Apache-2.0
 * Names: who makes each tensor, which nodes the outputs need, and an order in which they can run.
 */
#include "onnx.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, or 0: the ranges of RFC 3629. */
static size_t character_bytes(const uint8_t *p)
{
    static const struct {
        uint8_t first, last, low, high, bytes;
    } ranges[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (p[0] < ranges[i].first || p[0] > ranges[i].last)
            continue;
        if (ranges[i].bytes > 1 && (p[1] < ranges[i].low || p[1] > ranges[i].high))
            return 0;
        for (size_t k = 2; k < ranges[i].bytes; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return ranges[i].bytes;
    }
    return 0;
}

ai_status ai_onnx_check_text(ai_onnx *onnx, const char *kind, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    while (*p != 0) {
        size_t bytes = character_bytes(p);
        if (bytes == 0)
            return ai_onnx_fail(onnx, AI_E_FORMAT, "the %s is not UTF-8: '%.100s'", kind, text);
        p += bytes;
    }
    return AI_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const ai_onnx_name *)a)->name, ((const ai_onnx_name *)b)->name);
}

ai_onnx_name *ai_onnx_find(const ai_onnx *onnx, const char *name)
{
    ai_onnx_name key = {.name = name};
    if (onnx->name_count == 0)
        return NULL;
    return bsearch(&key, onnx->names, onnx->name_count, sizeof key, compare_names);
}

static size_t count_names(const ai_onnx *onnx)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    size_t count = g->n_initializer + g->n_input + onnx->tensor_count;
    for (uint32_t i = 0; i < onnx->node_count; i++)
        count += onnx->nodes[i].output_count;
    return count;
}

static const char *name_kind(const ai_onnx_name *n)
{
    return n->tensor != NULL ? "an initializer" : n->input != NULL ? "an input" : "a node's output";
}

/* Sorts the names and merges an input with the initialiser of its name, which is its value. */
static ai_status sort_names(ai_onnx *onnx)
{
    qsort(onnx->names, onnx->name_count, sizeof *onnx->names, compare_names);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < onnx->name_count; i++) {
        ai_onnx_name *n = &onnx->names[i];
        ai_onnx_name *last = kept > 0 ? &onnx->names[kept - 1] : NULL;
        if (last == NULL || strcmp(last->name, n->name) != 0) {
            onnx->names[kept++] = *n;
            continue;
        }
        bool is_pair = (last->tensor != NULL && n->input != NULL) ||
                       (last->input != NULL && n->tensor != NULL);
        if (!is_pair)
            return ai_onnx_fail(onnx, AI_E_FORMAT,
                                "the name '%.100s' is given twice, to %s and to %s", n->name,
                                name_kind(last), name_kind(n));
        if (last->tensor == NULL)
            last->tensor = n->tensor;
        last->input = NULL;
    }
    onnx->name_count = kept;
    return AI_OK;
}

static ai_status add_name(ai_onnx *onnx, const char *kind, ai_onnx_name name)
{
    if (name.name == NULL || *name.name == '\0')
        return ai_onnx_fail(onnx, AI_E_FORMAT, "an %s of the graph has no name", kind);
    name.value = AI_NO_VALUE;
    onnx->names[onnx->name_count++] = name;
    return ai_onnx_check_text(onnx, "name of a tensor", name.name);
}

static ai_status collect_names(ai_onnx *onnx)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    size_t count = count_names(onnx);
    if (count > AI_FILE_MAX_TENSORS)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "the graph has %zu tensors, at most %d are supported", count,
                            AI_FILE_MAX_TENSORS);
    onnx->names = ai_graph_alloc(onnx->graph, (count + 1) * sizeof *onnx->names);
    if (onnx->names == NULL)
        return ai_onnx_no_memory(onnx);
    onnx->name_count = 0;
    ai_status status = AI_OK;
    for (size_t i = 0; i < onnx->tensor_count && status == AI_OK; i++)
        status = add_name(onnx, "initializer",
                          (ai_onnx_name){.name = onnx->tensors[i].name,
                                         .tensor = onnx->tensors[i].tensor,
                                         .node = AI_NO_NODE});
    for (size_t i = 0; i < g->n_initializer && status == AI_OK; i++)
        status = add_name(onnx, "initializer",
                          (ai_onnx_name){.name = g->initializer[i]->name,
                                         .tensor = g->initializer[i],
                                         .node = AI_NO_NODE});
    for (size_t i = 0; i < g->n_input && status == AI_OK; i++)
        status = add_name(
            onnx, "input",
            (ai_onnx_name){.name = g->input[i]->name, .input = g->input[i], .node = AI_NO_NODE});
    for (uint32_t i = 0; i < onnx->node_count && status == AI_OK; i++)
        for (uint32_t j = 0; j < onnx->nodes[i].output_count && status == AI_OK; j++)
            if (*onnx->nodes[i].outputs[j] != '\0')
                status =
                    add_name(onnx, "output",
                             (ai_onnx_name){.name = onnx->nodes[i].outputs[j], .node = (int32_t)i});
    return status == AI_OK ? sort_names(onnx) : status;
}

static ai_status check_inputs(ai_onnx *onnx)
{
    for (uint32_t i = 0; i < onnx->node_count; i++) {
        const ai_onnx_node *n = &onnx->nodes[i];
        for (uint32_t j = 0; j < n->input_count; j++)
            if (*n->inputs[j] != '\0' && ai_onnx_find(onnx, n->inputs[j]) == NULL)
                return ai_onnx_fail(onnx, AI_E_FORMAT,
                                    "%.40s '%.80s': input '%.80s' is made by no node of the graph",
                                    n->op_type, n->name, n->inputs[j]);
    }
    return AI_OK;
}

/* ---- Order: depth first over producers, nodes in the file's order, so that a graph that is
 * already sorted, as the specification demands, keeps its order. ---- */

enum { WHITE = 0, GREY = 1, BLACK = 2 };

typedef struct visit {
    uint32_t node;
    uint32_t next_input;
} visit;

typedef struct walk {
    visit *stack;
    uint8_t *color;
    uint32_t depth;
    uint32_t done;
} walk;

static ai_status step_into(ai_onnx *onnx, walk *w, uint32_t node)
{
    const ai_onnx_node *n = &onnx->nodes[node];
    if (w->color[node] == BLACK)
        return AI_OK;
    if (w->color[node] == GREY)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "%.40s '%.100s': its input depends on its own output", n->op_type,
                            n->name);
    w->color[node] = GREY;
    w->stack[w->depth++] = (visit){node, 0};
    return AI_OK;
}

static ai_status walk_from(ai_onnx *onnx, walk *w, uint32_t start)
{
    ai_status status = step_into(onnx, w, start);
    while (w->depth > 0 && status == AI_OK) {
        visit *v = &w->stack[w->depth - 1];
        const ai_onnx_node *n = &onnx->nodes[v->node];
        if (v->next_input == n->input_count) {
            w->color[v->node] = BLACK;
            onnx->order[w->done++] = v->node;
            w->depth--;
            continue;
        }
        const char *name = n->inputs[v->next_input++];
        const ai_onnx_name *input = *name != '\0' ? ai_onnx_find(onnx, name) : NULL;
        if (input != NULL && input->node != AI_NO_NODE)
            status = step_into(onnx, w, (uint32_t)input->node);
    }
    return status;
}

static ai_status order_nodes(ai_onnx *onnx)
{
    size_t count = (size_t)onnx->node_count + 1;
    walk w = {0};
    onnx->order = ai_graph_alloc(onnx->graph, count * sizeof *onnx->order);
    w.stack = ai_graph_alloc(onnx->graph, count * sizeof *w.stack);
    w.color = ai_graph_alloc(onnx->graph, count);
    if (onnx->order == NULL || w.stack == NULL || w.color == NULL)
        return ai_onnx_no_memory(onnx);
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < onnx->node_count && status == AI_OK; i++)
        if (w.color[i] == WHITE)
            status = walk_from(onnx, &w, i);
    return status;
}

/* ---- Need: from the outputs back, against the order ---- */

static ai_status need_output(ai_onnx *onnx, const char *name, bool is_asked_for)
{
    ai_onnx_name *n = name != NULL && *name != '\0' ? ai_onnx_find(onnx, name) : NULL;
    if (n == NULL)
        return ai_onnx_fail(
            onnx, is_asked_for ? AI_E_ARGUMENT : AI_E_FORMAT,
            is_asked_for ? "output '%.100s' was asked for, the graph has no tensor of that name"
                         : "the graph's output '%.100s' is made by no node",
            name != NULL ? name : "");
    n->is_used = true;
    if (n->node != AI_NO_NODE)
        onnx->nodes[n->node].is_needed = true;
    return AI_OK;
}

static void need_inputs(ai_onnx *onnx)
{
    for (uint32_t i = onnx->node_count; i-- > 0;) {
        const ai_onnx_node *n = &onnx->nodes[onnx->order[i]];
        for (uint32_t j = 0; n->is_needed && j < n->input_count; j++) {
            ai_onnx_name *input = *n->inputs[j] != '\0' ? ai_onnx_find(onnx, n->inputs[j]) : NULL;
            if (input == NULL)
                continue;
            input->is_used = true;
            if (input->node != AI_NO_NODE)
                onnx->nodes[input->node].is_needed = true;
        }
    }
}

void ai_onnx_need_only(ai_onnx *onnx, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < onnx->node_count; i++)
        onnx->nodes[i].is_needed = false;
    for (uint32_t i = 0; i < onnx->name_count; i++)
        onnx->names[i].is_used = false;
    for (uint32_t i = 0; i < count; i++)
        need_output(onnx, names[i], false);
    need_inputs(onnx);
}

ai_status ai_onnx_resolve(ai_onnx *onnx)
{
    const AiOnnx__Graph *g = onnx->model->graph;
    const ai_convert_options *o = onnx->options;
    ai_status status = collect_names(onnx);
    if (status == AI_OK)
        status = check_inputs(onnx);
    if (status == AI_OK)
        status = order_nodes(onnx);
    if (status == AI_OK && g->n_output == 0)
        status = ai_onnx_fail(onnx, AI_E_FORMAT, "the graph has no outputs");
    for (size_t i = 0; i < g->n_output && status == AI_OK; i++)
        status = need_output(onnx, g->output[i]->name, false);
    for (size_t i = 0; i < o->output_count && status == AI_OK; i++)
        status = need_output(onnx, o->outputs[i], true);
    if (status == AI_OK)
        need_inputs(onnx);
    return status;
}
