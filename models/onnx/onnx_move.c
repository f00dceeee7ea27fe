/* SPDX-License-Identifier: Apache-2.0
 * Operators that put elements elsewhere: Transpose, Concat, Split, Slice, Pad, Gather. */
#include "onnx.h"

#include <string.h>

void ai_lower_transpose(ai_lower *l)
{
    ai_axes_params p = {0};
    uint32_t count;
    const int64_t *perm = ai_lower_ints(l, "perm", &count);
    if (count > AI_MAX_RANK)
        ai_lower_fail(l, AI_E_UNSUPPORTED,
                      "attribute 'perm' has %u numbers, at most %d are supported", count,
                      AI_MAX_RANK);
    for (uint32_t i = 0; i < count && l->status == AI_OK; i++) {
        if (perm[i] < 0 || perm[i] >= count)
            ai_lower_fail(l, AI_E_FORMAT, "attribute 'perm' has %lld, an axis of %u was needed",
                          (long long)perm[i], count);
        p.axes[i] = (int32_t)perm[i];
    }
    p.count = count;
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_concat(ai_lower *l)
{
    if (!ai_lower_has(l, "axis"))
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'axis' is missing");
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 0)};
    ai_lower_one(l, &p, sizeof p);
}

static void add_split(ai_lower *l, const ai_axis_params *p, int32_t sizes)
{
    int32_t in[2] = {ai_lower_input(l, 0), sizes};
    int32_t *out = ai_graph_alloc(l->graph, (l->output_count + 1) * sizeof *out);
    for (uint32_t i = 0; out != NULL && i < l->output_count; i++) {
        out[i] = ai_lower_output(l, i, ai_lower_type(l, 0));
        /* Unused parts keep their place: the parts' number decides their sizes. */
        if (out[i] == AI_NO_VALUE)
            out[i] = ai_lower_between(l, "unused", ai_lower_type(l, 0));
    }
    if (out == NULL)
        l->status = ai_onnx_no_memory(l->onnx);
    ai_lower_add(l, NULL, AI_OP_SPLIT, p, sizeof *p, in, 2, out, l->output_count);
}

void ai_lower_split_7(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 0)};
    uint32_t count;
    const int64_t *split = ai_lower_ints(l, "split", &count);
    add_split(l, &p, count > 0 ? ai_lower_s64(l, "split", 1, split, count) : AI_NO_VALUE);
}

void ai_lower_split(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 0)};
    if (l->node->opset >= 18 && ai_lower_has(l, "num_outputs")) {
        p.count = (uint32_t)ai_lower_int_in(l, "num_outputs", 1, 1, AI_FILE_MAX_OPERANDS);
        if (p.count != l->output_count)
            ai_lower_fail(l, AI_E_FORMAT, "attribute 'num_outputs' is %u, the node has %u outputs",
                          p.count, l->output_count);
    }
    add_split(l, &p, ai_lower_input(l, 1));
}

void ai_lower_slice_7(ai_lower *l)
{
    ai_none_params none = {0};
    uint32_t starts_count;
    uint32_t ends_count;
    uint32_t axes_count;
    const int64_t *starts = ai_lower_ints(l, "starts", &starts_count);
    const int64_t *ends = ai_lower_ints(l, "ends", &ends_count);
    const int64_t *axes = ai_lower_ints(l, "axes", &axes_count);
    if (starts == NULL || ends == NULL)
        ai_lower_fail(l, AI_E_FORMAT, "attribute '%s' is missing",
                      starts == NULL ? "starts" : "ends");
    int32_t in[4] = {ai_lower_input(l, 0), AI_NO_VALUE, AI_NO_VALUE, AI_NO_VALUE};
    in[1] = ai_lower_s64(l, "starts", 1, starts, starts_count);
    in[2] = ai_lower_s64(l, "ends", 1, ends, ends_count);
    if (axes != NULL)
        in[3] = ai_lower_s64(l, "axes", 1, axes, axes_count);
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, AI_OP_SLICE, &none, sizeof none, in, 4, &out, 1);
}

static uint32_t pad_mode(ai_lower *l)
{
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    uint32_t mode = ai_lower_choice(l, "mode", modes, AI_PAD_CONSTANT);
    if (mode == AI_PAD_WRAP && l->node->opset < 19)
        ai_lower_fail(l, AI_E_FORMAT,
                      "attribute 'mode' is 'wrap', which is defined from opset 19 on");
    return mode;
}

void ai_lower_pad_7(ai_lower *l)
{
    ai_cast_params p = {.mode = pad_mode(l)};
    uint32_t count;
    const int64_t *pads = ai_lower_ints(l, "pads", &count);
    float value = ai_lower_float(l, "value", 0);
    if (pads == NULL)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'pads' is missing");
    int32_t in[3] = {ai_lower_input(l, 0), ai_lower_s64(l, "pads", 1, pads, count), AI_NO_VALUE};
    if (value != 0)
        in[2] = ai_lower_scalar(l, "value", ai_lower_type(l, 0), value);
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, AI_OP_PAD, &p, sizeof p, in, 3, &out, 1);
}

void ai_lower_pad(ai_lower *l)
{
    ai_cast_params p = {.mode = pad_mode(l)};
    ai_lower_one(l, &p, sizeof p);
}

void ai_lower_gather(ai_lower *l)
{
    ai_axis_params p = {.axis = ai_lower_int(l, "axis", 0)};
    ai_lower_one(l, &p, sizeof p);
}
