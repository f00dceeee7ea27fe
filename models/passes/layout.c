/* SPDX-License-Identifier: Apache-2.0
 * Chooses for each tensor of rank 4 whether it lies plain or in blocks of 16 channels. A Conv or
 * ConvTranspose with constant weights decides by its channels; pools, Resize, functions of one
 * number, arithmetic and Concat follow what they read; everything else is plain, and so is the
 * border of the graph. Where the two meet stands one Reorder for each tensor and direction. */
#include "pass.h"

#include <string.h>

/* What a node reads and writes. */
enum {
    FORM_PLAIN,  /* all plain */
    FORM_STEM,   /* Conv: plain planes in, blocks out */
    FORM_BLOCKS, /* Conv and followers: blocks in, blocks out */
    FORM_BINARY, /* operands as large as the output in blocks, others as they are */
    FORM_GLOBAL  /* a global pool with blocks in and plain out */
};

enum { MAX_STEM_CHANNELS = 4, LANES = 16 };

typedef struct placer {
    ai_graph *graph;
    int32_t *other;  /* of each value: the same tensor in the other layout, or AI_NO_VALUE */
    bool *is_blocks; /* the node that makes it makes blocks */
    uint32_t known;  /* values that the two lists cover */
} placer;

/* ---- The form of a node ---- */

static bool is_image(const ai_value *value)
{
    return value != NULL && value->has_shape && value->rank == 4 && value->type == AI_F32;
}

static bool is_bytes(const ai_value *value)
{
    return value != NULL && value->has_shape && value->rank == 4 && value->type == AI_U8;
}

static bool makes_blocks(const placer *p, int32_t value)
{
    return value >= 0 && (uint32_t)value < p->known && p->is_blocks[value];
}

/* A block with fewer channels than half of its lanes is mostly padding: memory that is written and
 * read for nothing. What reads plain planes stays plain then. What reads blocks goes on in them:
 * its output takes no more than its input, and a Reorder of that input would cost as much. */
static bool is_padding(const placer *p, const ai_graph_node *node, int64_t channels)
{
    return channels < LANES / 2 && !makes_blocks(p, node->inputs[0]);
}

static uint32_t conv_form(const placer *p, const ai_graph_node *node)
{
    const ai_conv_params *params = node->params;
    const ai_value *x = ai_pass_input(p->graph, node, 0);
    const ai_value *w = ai_pass_constant(p->graph, node, 1, AI_F32);
    if (w == NULL || !is_image(x) || w->rank != 4 || params->group == 0 ||
        is_padding(p, node, w->dim[0]))
        return FORM_PLAIN;
    int64_t inputs = w->dim[1];
    int64_t outputs = w->dim[0] / params->group;
    if (params->group == 1)
        return inputs <= MAX_STEM_CHANNELS && !makes_blocks(p, node->inputs[0]) ? FORM_STEM
                                                                                : FORM_BLOCKS;
    bool is_depthwise = inputs == 1 && outputs == 1;
    bool is_whole = inputs % LANES == 0 && outputs % LANES == 0;
    return is_depthwise || is_whole ? FORM_BLOCKS : FORM_PLAIN;
}

/* As blocks its outputs are convolutions at stride 1, one for each of a few classes; plain, each is
 * gathered by itself. Groups stay plain. */
static uint32_t transpose_form(const placer *p, const ai_graph_node *node)
{
    const ai_conv_transpose_params *params = node->params;
    const ai_value *x = ai_pass_input(p->graph, node, 0);
    const ai_value *w = ai_pass_constant(p->graph, node, 1, AI_F32);
    if (w == NULL || !is_image(x) || w->rank != 4 || params->group != 1 ||
        is_padding(p, node, w->dim[0]))
        return FORM_PLAIN;
    return FORM_BLOCKS;
}

/* Most operands already lie in blocks, and no block would hold channels of two of them. */
static uint32_t concat_form(const placer *p, const ai_graph_node *node)
{
    const ai_axis_params *params = node->params;
    uint32_t blocks = 0;
    for (uint32_t i = 0; i < node->input_count; i++) {
        const ai_value *x = ai_pass_input(p->graph, node, i);
        if ((!is_image(x) && !is_bytes(x)) || x->data != NULL ||
            (params->axis != 1 && params->axis != -3))
            return FORM_PLAIN;
        if (i + 1 < node->input_count && (x->dim[1] % LANES != 0 || (x->varies & 2) != 0))
            return FORM_PLAIN;
        blocks += makes_blocks(p, node->inputs[i]);
    }
    return 2 * blocks > node->input_count ? FORM_BLOCKS : FORM_PLAIN;
}

static bool is_full(const placer *p, const ai_graph_node *node, uint32_t i)
{
    const ai_value *x = ai_pass_input(p->graph, node, i);
    return (is_image(x) || is_bytes(x)) &&
           ai_pass_same_shape(x, &p->graph->values[node->outputs[0]]);
}

static uint32_t binary_form(const placer *p, const ai_graph_node *node)
{
    const ai_value *y = &p->graph->values[node->outputs[0]];
    bool is_of_bytes = node->op == AI_OP_Q_ADD || node->op == AI_OP_Q_MUL;
    if (!(is_of_bytes ? is_bytes(y) : is_image(y)))
        return FORM_PLAIN;
    for (uint32_t i = 0; i < 2; i++) {
        const ai_value *x = ai_pass_input(p->graph, node, i);
        if (x == NULL || (x->type != AI_F32 && !is_of_bytes))
            return FORM_PLAIN;
    }
    bool has_blocks = (makes_blocks(p, node->inputs[0]) && is_full(p, node, 0)) ||
                      (makes_blocks(p, node->inputs[1]) && is_full(p, node, 1));
    return has_blocks ? FORM_BINARY : FORM_PLAIN;
}

/* Images and channels keep their number and are not moved. */
static bool resizes_planes(const ai_graph *graph, const ai_graph_node *node)
{
    const ai_resize_params *p = node->params;
    const ai_value *x = ai_pass_input(graph, node, 0);
    const ai_value *y = &graph->values[node->outputs[0]];
    const ai_value *scales = ai_pass_constant(graph, node, 2, AI_F32);
    uint32_t count = p->axis_count > 0 ? p->axis_count : 4;
    for (uint32_t i = 0; i < count; i++) {
        int axis = p->axis_count == 0 ? (int)i : p->axes[i] < 0 ? p->axes[i] + 4 : p->axes[i];
        if (axis >= 2)
            continue;
        bool is_still = scales != NULL
                            ? i < scales->bytes / 4 && ((const float *)scales->data)[i] == 1
                            : p->policy == AI_RESIZE_STRETCH && (x->varies >> axis & 1) == 0;
        if (!is_still || p->coordinates == AI_RESIZE_TF_CROP || x->dim[axis] != y->dim[axis])
            return false;
    }
    return true;
}

static bool is_follower(const ai_graph *graph, const ai_graph_node *node)
{
    switch (node->op) {
    case AI_OP_RESIZE:
        return resizes_planes(graph, node);
    case AI_OP_MAX_POOL:
    case AI_OP_AVERAGE_POOL:
        return node->output_count == 1 || node->outputs[1] < 0;
    case AI_OP_BATCH_NORMALIZATION:
        return true;
    default:
        return node->op >= AI_OP_RELU && node->op <= AI_OP_CLIP;
    }
}

/* Convolutions on integers read blocks, so QuantizeLinear makes them. */
static bool is_read_as_blocks(const ai_graph *graph, int32_t value)
{
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const ai_graph_node *node = &graph->nodes[i];
        if (!node->is_dead && node->op == AI_OP_Q_CONV && node->inputs[0] == value)
            return true;
    }
    return false;
}

static uint32_t integer_form(const placer *p, const ai_graph_node *node)
{
    bool reads_blocks = makes_blocks(p, node->inputs[0]);
    switch (node->op) {
    case AI_OP_Q_CONV:
        return FORM_BLOCKS;
    case AI_OP_Q_GLOBAL_AVERAGE_POOL:
        return FORM_GLOBAL;
    case AI_OP_Q_AVERAGE_POOL:
        return FORM_BLOCKS;
    case AI_OP_Q_ADD:
    case AI_OP_Q_MUL:
        return binary_form(p, node);
    case AI_OP_Q_LOOKUP:
        return reads_blocks ? FORM_BLOCKS : FORM_PLAIN;
    case AI_OP_QUANTIZE_LINEAR:
        if (!is_bytes(&p->graph->values[node->outputs[0]]) ||
            ai_pass_elements(ai_pass_input(p->graph, node, 1)) != 1)
            return FORM_PLAIN;
        if (reads_blocks)
            return FORM_BLOCKS;
        return is_read_as_blocks(p->graph, node->outputs[0]) ? FORM_STEM : FORM_PLAIN;
    case AI_OP_DEQUANTIZE_LINEAR:
        return reads_blocks && is_bytes(ai_pass_input(p->graph, node, 0)) &&
                       ai_pass_elements(ai_pass_input(p->graph, node, 1)) == 1
                   ? FORM_BLOCKS
                   : FORM_PLAIN;
    default:
        return FORM_PLAIN;
    }
}

static uint32_t form_of(const placer *p, const ai_graph_node *node)
{
    if (node->op >= AI_OP_QUANTIZE_LINEAR && node->op <= AI_OP_Q_AVERAGE_POOL)
        return integer_form(p, node);
    if ((node->op == AI_OP_MAX_POOL || node->op == AI_OP_RESIZE) &&
        is_bytes(ai_pass_input(p->graph, node, 0)) && makes_blocks(p, node->inputs[0]))
        return is_follower(p->graph, node) ? FORM_BLOCKS : FORM_PLAIN;
    bool reads_blocks = node->input_count > 0 && makes_blocks(p, node->inputs[0]) &&
                        is_image(ai_pass_input(p->graph, node, 0));
    switch (node->op) {
    case AI_OP_CONV:
        return conv_form(p, node);
    case AI_OP_CONV_TRANSPOSE:
        return transpose_form(p, node);
    case AI_OP_CONCAT:
        return concat_form(p, node);
    case AI_OP_GLOBAL_AVERAGE_POOL:
    case AI_OP_GLOBAL_MAX_POOL:
        return reads_blocks ? FORM_GLOBAL : FORM_PLAIN;
    default:
        if (node->op >= AI_OP_ADD && node->op <= AI_OP_PRELU)
            return binary_form(p, node);
        return reads_blocks && is_follower(p->graph, node) ? FORM_BLOCKS : FORM_PLAIN;
    }
}

/* ---- Rewriting ---- */

static int32_t add_twin(placer *p, int32_t value, uint8_t layout)
{
    ai_graph *graph = p->graph;
    const char *suffix = layout == AI_LAYOUT_PLAIN ? "plain" : "blocks";
    const char *name = ai_graph_format(graph, "%s/%s", graph->values[value].name, suffix);
    int32_t twin = ai_graph_value(graph, name, AI_F32);
    if (twin < 0)
        return twin;
    ai_value *to = &graph->values[twin];
    *to = graph->values[value];
    to->name = name;
    to->layout = layout;
    to->is_input = false;
    to->data = NULL;
    to->bytes = 0;
    return twin;
}

static void add_reorder(placer *p, int32_t from, int32_t to)
{
    ai_none_params none = {0};
    ai_graph_add(p->graph, p->graph->values[to].name, AI_OP_REORDER, &none, sizeof none, &from, 1,
                 &to, 1);
}

/* The tensor in that layout; negative: no memory. */
static int32_t in_layout(placer *p, int32_t value, uint8_t layout)
{
    if (value < 0 || p->graph->values[value].layout == layout)
        return value;
    if (p->other[value] >= 0)
        return p->other[value];
    int32_t twin = add_twin(p, value, layout);
    if (twin >= 0)
        add_reorder(p, value, twin);
    p->other[value] = twin;
    return twin;
}

static void set_input(placer *p, uint32_t index, uint32_t i, uint8_t layout)
{
    if (i >= p->graph->nodes[index].input_count)
        return;
    int32_t value = in_layout(p, p->graph->nodes[index].inputs[i], layout);
    p->graph->nodes[index].inputs[i] = value; /* the list of nodes may have moved */
}

/* Output 0 becomes blocks; one at the border stays plain, behind a Reorder. */
static void set_blocks_out(placer *p, uint32_t index)
{
    ai_graph *graph = p->graph;
    int32_t value = graph->nodes[index].outputs[0];
    p->is_blocks[value] = true;
    if (!ai_pass_is_kept(graph, value)) {
        graph->values[value].layout = AI_LAYOUT_NCHW16C;
        return;
    }
    int32_t twin = add_twin(p, value, AI_LAYOUT_NCHW16C);
    if (twin < 0)
        return;
    add_reorder(p, twin, value);
    graph->nodes[index].outputs[0] = twin;
    graph->values[twin].producer = (int32_t)index;
    p->other[value] = twin;
}

/* Packed already. */
static bool is_q_weight(const ai_graph *graph, const ai_graph_node *node, uint32_t i)
{
    const ai_value *w = ai_pass_input(graph, node, i);
    return w != NULL && (w->layout == AI_LAYOUT_QCONV16 || w->layout == AI_LAYOUT_QCONV64 ||
                         w->layout == AI_LAYOUT_QDEPTHWISE16);
}

static void place_node(placer *p, uint32_t index)
{
    const ai_graph_node *node = &p->graph->nodes[index];
    uint32_t form = form_of(p, node);
    uint32_t count = node->input_count;
    bool is_list = node->op == AI_OP_CONCAT;
    bool is_q_conv = node->op == AI_OP_Q_CONV;
    bool is_conv = node->op == AI_OP_CONV;
    for (uint32_t i = 0; i < count; i++) {
        bool is_main = i == 0 || is_list || (is_conv && i == 3) || (is_q_conv && i == 4);
        if (form == FORM_PLAIN || (form == FORM_STEM && i == 0)) {
            if (!is_q_weight(p->graph, &p->graph->nodes[index], i))
                set_input(p, index, i, AI_LAYOUT_PLAIN);
        } else if (form == FORM_BINARY ? is_full(p, &p->graph->nodes[index], i) : is_main)
            set_input(p, index, i, AI_LAYOUT_NCHW16C);
    }
    if (form == FORM_STEM || form == FORM_BLOCKS || form == FORM_BINARY)
        set_blocks_out(p, index);
}

ai_status ai_pass_layout(ai_graph *graph, ai_error *err)
{
    ai_status status = ai_pass_need_shapes(graph, err);
    if (status != AI_OK)
        return status;
    size_t count = graph->value_count + (size_t)1;
    placer p = {.graph = graph, .known = graph->value_count};
    p.other = ai_graph_alloc(graph, count * sizeof *p.other);
    p.is_blocks = ai_graph_alloc(graph, count * sizeof *p.is_blocks);
    if (p.other == NULL || p.is_blocks == NULL)
        return ai_graph_status(graph, err);
    memset(p.other, 0xff, count * sizeof *p.other);
    uint32_t nodes = graph->node_count;
    for (uint32_t i = 0; i < nodes && status == AI_OK; i++) {
        if (!graph->nodes[i].is_dead)
            place_node(&p, i);
        status = ai_graph_status(graph, err);
    }
    return status == AI_OK ? ai_pass_sort(graph, err) : status;
}
