/* SPDX-License-Identifier: Apache-2.0
 * Stores weights in panels as f16 or s8, where the caller or the quantiser asked for it: half or a quarter of the
 * bytes. Biases and all else stay f32. */
#include "pass.h"

#include <math.h>
#include <string.h>

#include "float16.h"
#include "half.h"

enum { GREATEST = 65504 };

static bool is_recurrent(uint16_t op)
{
    return op == AI_OP_RNN || op == AI_OP_GRU || op == AI_OP_LSTM;
}

static bool is_product(uint16_t op)
{
    return op == AI_OP_GEMM || op == AI_OP_MATMUL;
}

/* The operators that read f16. */
static bool takes_f16(const ai_graph_node *node)
{
    return node->op == AI_OP_CONV || node->op == AI_OP_GATHER || is_product(node->op) ||
           is_recurrent(node->op);
}

/* Those that read s8, in the form that lib/ops/matmul.c has for it. */
static bool takes_s8(const ai_graph *graph, const ai_graph_node *node, const ai_value *w)
{
    const ai_gemm_params *p = node->params;
    const ai_value *c = ai_pass_input(graph, node, 2);
    if (w->layout != AI_LAYOUT_PANEL16)
        return false;
    if (is_recurrent(node->op) || node->op == AI_OP_GATHER)
        return true;
    if (!is_product(node->op) || p->trans_a || p->alpha != 1 || (c != NULL && p->beta != 1))
        return false;
    return c == NULL || (c->rank > 0 && c->dim[c->rank - 1] == w->dim[1]);
}

static bool is_for_s8(const ai_graph *graph, const ai_graph_node *node)
{
    return node->has_s8_weights || (graph->flags & AI_CONVERT_S8_WEIGHTS) != 0;
}

static bool is_weight(const ai_graph *graph, const ai_graph_node *node, const ai_value *w)
{
    if (w == NULL || w->data == NULL || w->type != AI_F32 || w->layout == AI_LAYOUT_PLAIN)
        return false;
    if (is_for_s8(graph, node))
        return takes_s8(graph, node, w);
    return (graph->flags & AI_CONVERT_F16_WEIGHTS) != 0 && takes_f16(node);
}

/* A weight's type and bytes after rounding, and how far it moved. */
typedef struct narrow_form {
    ai_type type;
    uint8_t layout;
    void *data;
    uint64_t bytes;
    double rest; /* squares of the distances, and of the numbers */
    double whole;
} narrow_form;

static void add_error(narrow_form *f, double number, double narrow)
{
    f->rest += (number - narrow) * (number - narrow);
    f->whole += number * number;
}

/* Returns the first finite number that would become infinite, or 0. */
static float round_f16(const float *from, narrow_form *f)
{
    uint16_t *to = f->data;
    for (uint64_t i = 0; i < f->bytes / sizeof *to; i++) {
        double number = (double)from[i];
        to[i] = ai_f64_to_f16(number);
        double narrow = (double)ai_f16_to_f32(to[i]);
        if (!isfinite(number))
            continue; /* the same in f16 */
        if (!isfinite(narrow))
            return from[i];
        add_error(f, number, narrow);
    }
    return 0;
}

/* Column `lane` of a panel of k rows: its greatest number is 127 times the scale. Returns the first
 * number that is not finite, or 0. */
static float round_column(const float *from, int64_t k, int64_t lane, char *panel, narrow_form *f)
{
    float most = 0;
    for (int64_t i = 0; i < k; i++) {
        float x = fabsf(from[i * 16 + lane]);
        if (!isfinite(x))
            return x;
        most = x > most ? x : most;
    }
    float scale = most / 127.0f;
    memcpy(panel + 4 * lane, &scale, sizeof scale);
    for (int64_t i = 0; i < k && scale > 0; i++) {
        double x = (double)from[i * 16 + lane];
        double q = fmin(fmax(rint(x / (double)scale), -127), 127);
        panel[64 + i / 4 * 64 + lane * 4 + i % 4] = (char)(int8_t)q;
        add_error(f, x, q * (double)scale);
    }
    return 0;
}

/* All panels, of which the memory is zeros. */
static float round_s8(const ai_value *w, narrow_form *f)
{
    int64_t k = w->dim[w->rank - 2];
    int64_t panel = ((k + 3) / 4 + 1) * 64;
    const float *from = w->data;
    char *to = f->data;
    float beyond = 0;
    for (uint64_t i = 0; i < f->bytes / (uint64_t)panel; i++, from += k * 16, to += panel) {
        for (int64_t lane = 0; lane < 16 && beyond == 0; lane++)
            beyond = round_column(from, k, lane, to, f);
    }
    return beyond;
}

static narrow_form form_of(const ai_graph *graph, const ai_graph_node *node, const ai_value *w)
{
    narrow_form f = {.type = AI_F16, .layout = w->layout, .bytes = w->bytes / 2};
    int64_t bytes = 0;
    if (is_for_s8(graph, node)) {
        f.type = AI_S8;
        f.layout = AI_LAYOUT_QPANEL16;
        (void)ai_layout_bytes(f.layout, f.type, w->rank, w->dim, &bytes);
        f.bytes = (uint64_t)bytes;
    }
    return f;
}

/* A new constant; *narrowed is negative if there is no memory. */
static ai_status narrow(ai_graph *graph, const ai_graph_node *node, int32_t weight,
                        int32_t *narrowed, ai_error *err)
{
    ai_value w = graph->values[weight]; /* the list of values may move */
    narrow_form f = form_of(graph, node, &w);
    f.data = ai_graph_alloc(graph, f.bytes);
    if (f.data == NULL)
        return ai_graph_status(graph, err);
    float beyond = f.type == AI_S8 ? round_s8(&w, &f) : round_f16(w.data, &f);
    if (beyond != 0 && f.type == AI_S8)
        return ai_fail(err, AI_E_VALUE, "%s '%s': weight '%.80s' has %g, s8 has not: keep f32",
                       ai_op_find(node->op)->name, node->name, w.name, (double)beyond);
    if (beyond != 0)
        return ai_fail(err, AI_E_VALUE,
                       "%s '%s': weight '%.80s' has %.9g in layout %u, f16 ends at %d: keep f32",
                       ai_op_find(node->op)->name, node->name, w.name, (double)beyond, w.layout,
                       GREATEST);
    *narrowed = ai_graph_constant(graph, w.name, f.type, w.rank, w.dim, f.data, f.bytes);
    if (*narrowed >= 0)
        graph->values[*narrowed].layout = f.layout;
    double error = f.rest > 0 ? sqrt(f.rest / f.whole) : 0;
    graph->narrow_count++;
    graph->narrow_error = error > graph->narrow_error ? error : graph->narrow_error;
    return ai_graph_status(graph, err);
}

/* Input i of a node, if it is a weight. `done`: of each weight its narrow one. */
static ai_status narrow_input(ai_graph *graph, ai_graph_node *node, uint32_t i, int32_t *done,
                              ai_error *err)
{
    ai_status status = AI_OK;
    if (!is_weight(graph, node, ai_pass_input(graph, node, i)))
        return AI_OK;
    int32_t *narrowed = &done[node->inputs[i]];
    if (*narrowed < 0)
        status = narrow(graph, node, node->inputs[i], narrowed, err);
    node->inputs[i] = *narrowed;
    return status;
}

ai_status ai_pass_narrow(ai_graph *graph, ai_error *err)
{
    ai_status status = AI_OK;
    uint32_t known = graph->value_count;
    /* of each weight: its narrow one, which nodes go on sharing */
    int32_t *done = ai_graph_alloc(graph, (known + (size_t)1) * sizeof *done);
    if (done == NULL)
        return ai_graph_status(graph, err);
    memset(done, 0xff, (known + (size_t)1) * sizeof *done);
    for (uint32_t i = 0; i < graph->node_count && status == AI_OK; i++) {
        ai_graph_node *node = &graph->nodes[i];
        uint32_t first = node->op == AI_OP_GATHER ? 0 : 1;
        uint32_t last = is_recurrent(node->op) ? 2 : first;
        for (uint32_t k = first; k <= last && !node->is_dead && status == AI_OK; k++)
            status = narrow_input(graph, node, k, done, err);
    }
    return status;
}
