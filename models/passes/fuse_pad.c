/* SPDX-License-Identifier: Apache-2.0
 * A Pad with zeros whose only reader is a Conv becomes padding of the Conv: the sums are the same,
 * to the bit. */
#include "pass.h"

#include <string.h>

static bool pads_with_zero(const ai_graph *graph, const ai_graph_node *pad)
{
    const ai_cast_params *p = pad->params;
    float value = 0;
    if (p->mode != 0)
        return false;
    return ai_pass_input(graph, pad, 2) == NULL ||
           (ai_pass_scalar(graph, pad, 2, &value) && value == 0);
}

/* The pads of every dimension, begins then ends; false: they are not known, or some crop. */
static bool read_pads(const ai_graph *graph, const ai_graph_node *pad, uint32_t rank,
                      int64_t pads[2][AI_MAX_RANK])
{
    const ai_value *list = ai_pass_constant(graph, pad, 1, AI_S64);
    bool has_axes = ai_pass_input(graph, pad, 3) != NULL;
    const ai_value *axes = ai_pass_constant(graph, pad, 3, AI_S64);
    uint64_t count = axes == NULL ? rank : axes->bytes / sizeof(int64_t);
    if (list == NULL || (has_axes && axes == NULL) || count > rank ||
        list->bytes != 2 * count * sizeof(int64_t))
        return false;
    memset(pads, 0, 2 * sizeof pads[0]);
    for (uint64_t i = 0; i < count; i++) {
        int64_t axis = (int64_t)i;
        if (axes != NULL)
            memcpy(&axis, (const char *)axes->data + i * sizeof axis, sizeof axis);
        if (axis < 0)
            axis += rank;
        if (axis < 0 || axis >= rank)
            return false;
        for (uint64_t end = 0; end < 2; end++) {
            int64_t *to = &pads[end][axis];
            memcpy(to, (const char *)list->data + (end * count + i) * sizeof *to, sizeof *to);
            if (*to < 0 || *to > UINT16_MAX)
                return false;
        }
    }
    return true;
}

static bool add_pads(ai_conv_params *p, int64_t pads[2][AI_MAX_RANK])
{
    ai_window *w = &p->window;
    if (w->auto_pad == AI_PAD_SAME_UPPER || w->auto_pad == AI_PAD_SAME_LOWER)
        return false;
    for (uint32_t end = 0; end < 2; end++) {
        if (pads[end][0] != 0 || pads[end][1] != 0)
            return false;
    }
    for (uint32_t i = 0; i < w->spatial; i++) {
        if (w->auto_pad == AI_PAD_VALID)
            w->pad_begin[i] = w->pad_end[i] = 0;
        w->pad_begin[i] += (uint32_t)pads[0][2 + i];
        w->pad_end[i] += (uint32_t)pads[1][2 + i];
    }
    w->auto_pad = AI_PAD_EXPLICIT;
    return true;
}

ai_status ai_pass_fuse_pad(ai_graph *graph, ai_error *err)
{
    const uint32_t *uses = ai_pass_uses(graph);
    for (uint32_t i = 0; i < graph->node_count && uses != NULL; i++) {
        ai_graph_node *conv = &graph->nodes[i];
        ai_conv_params *p = conv->params;
        int64_t pads[2][AI_MAX_RANK];
        if (conv->is_dead || conv->op != AI_OP_CONV)
            continue;
        ai_graph_node *pad = ai_pass_producer(graph, conv, 0);
        if (pad == NULL || pad->op != AI_OP_PAD || uses[pad->outputs[0]] != 1 ||
            graph->values[pad->outputs[0]].type != AI_F32 || !pads_with_zero(graph, pad) ||
            !read_pads(graph, pad, p->window.spatial + 2, pads) || !add_pads(p, pads))
            continue;
        conv->inputs[0] = pad->inputs[0];
        pad->is_dead = true;
    }
    return ai_graph_status(graph, err);
}
