/* SPDX-License-Identifier: Apache-2.0
 * Small graphs for the tests of passes: building. */
#include "net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "seeded.h"

int32_t net_input(ai_graph *graph, const char *name, uint32_t rank, const int64_t *dim,
                  uint32_t varies)
{
    int32_t index = ai_graph_value(graph, name, AI_F32);
    ai_value *value = &graph->values[index];
    value->rank = rank;
    memcpy(value->dim, dim, rank * sizeof dim[0]);
    value->has_shape = true;
    value->varies = varies;
    ai_graph_input(graph, index);
    return index;
}

int32_t net_random(ai_graph *graph, const char *name, uint64_t seed, float lo, float hi,
                   uint32_t rank, const int64_t *dim)
{
    int32_t index = AI_NO_VALUE;
    float *data = ai_pass_new_f32(graph, name, rank, dim, &index);
    int64_t count = ai_pass_elements(&graph->values[index]);
    for (int64_t i = 0; i < count; i++)
        data[i] = lo + (hi - lo) * (float)(ai_seeded_draw(&seed) >> 40) * 0x1p-24f;
    return index;
}

int32_t net_f32(ai_graph *graph, const char *name, float number)
{
    int32_t index = AI_NO_VALUE;
    *ai_pass_new_f32(graph, name, 0, NULL, &index) = number;
    return index;
}

int32_t net_s64(ai_graph *graph, const char *name, uint32_t count, const int64_t *numbers)
{
    int64_t *data = ai_graph_alloc(graph, (count + 1) * sizeof *data);
    memcpy(data, numbers, count * sizeof *data);
    return ai_graph_constant(graph, name, AI_S64, 1, (int64_t[]){count}, data,
                             count * sizeof *data);
}

int32_t net_node(ai_graph *graph, const char *name, uint16_t op, const void *params, size_t bytes,
                 ai_type type, uint32_t input_count, const int32_t *inputs)
{
    int32_t output = ai_graph_value(graph, name, type);
    ai_graph_add(graph, name, op, params, (uint32_t)bytes, inputs, input_count, &output, 1);
    return output;
}

int32_t net_op(ai_graph *graph, const char *name, uint16_t op, int32_t a, int32_t b)
{
    const char zeros[128] = {0};
    int32_t inputs[2] = {a, b};
    return net_node(graph, name, op, zeros, ai_op_find(op)->param_bytes, AI_F32, b < 0 ? 1 : 2,
                    inputs);
}

int32_t net_conv(ai_graph *graph, const char *name, int32_t x, int64_t outputs, int64_t kernel,
                 uint32_t stride, uint32_t pad, uint32_t group, bool has_bias)
{
    ai_error err;
    if (!graph->values[x].has_shape && ai_graph_infer(graph, &err) != AI_OK)
        abort();
    int64_t inputs = graph->values[x].dim[1] / group;
    float limit = sqrtf(3.0f / (float)(inputs * kernel * kernel));
    ai_conv_params params = {.group = group, .window = {.spatial = 2}};
    for (int i = 0; i < 2; i++) {
        params.window.kernel[i] = (uint32_t)kernel;
        params.window.stride[i] = stride;
        params.window.dilation[i] = 1;
        params.window.pad_begin[i] = params.window.pad_end[i] = pad;
    }
    uint64_t seed = (uint64_t)(graph->value_count * 1000 + outputs);
    int32_t operands[3] = {x,
                           net_random(graph, ai_graph_format(graph, "%s/w", name), seed, -limit,
                                      limit, DIMS(outputs, inputs, kernel, kernel)),
                           AI_NO_VALUE};
    if (has_bias)
        operands[2] =
            net_random(graph, ai_graph_format(graph, "%s/b", name), seed + 1, -1, 1, DIMS(outputs));
    return net_node(graph, name, AI_OP_CONV, &params, sizeof params, AI_F32, has_bias ? 3 : 2,
                    operands);
}

int32_t net_batch_norm(ai_graph *graph, const char *name, int32_t x, int64_t channels)
{
    ai_axis_params params = {.epsilon = 1e-5f};
    int32_t inputs[5] = {x, net_random(graph, "scale", 11, 0.5f, 1.5f, DIMS(channels)),
                         net_random(graph, "shift", 12, -1, 1, DIMS(channels)),
                         net_random(graph, "mean", 13, -1, 1, DIMS(channels)),
                         net_random(graph, "variance", 14, 0.5f, 2, DIMS(channels))};
    return net_node(graph, name, AI_OP_BATCH_NORMALIZATION, &params, sizeof params, AI_F32, 5,
                    inputs);
}

int32_t net_gemm(ai_graph *graph, const char *name, int32_t a, int32_t b, int32_t c,
                 ai_gemm_params params)
{
    int32_t inputs[3] = {a, b, c};
    return net_node(graph, name, AI_OP_GEMM, &params, sizeof params, AI_F32, c < 0 ? 2 : 3, inputs);
}
