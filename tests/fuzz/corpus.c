/* SPDX-License-Identifier: Apache-2.0
 * Small models to begin from: one a form of every operator, and those of the unit tests. */
#include "corpus.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A step with its operands: "fi2,3" is an f32 input [2, 3], "lc2:1,4" a constant of two s64,
 * "fc16,4@5" an f32 constant of layout 5, "fc:2" one half, "Fi1,16,5,5" an input brought into
 * blocks of 16 channels, "-" an omitted operand. Types: f f32, d f64, h f16, l s64, i s32, q s8, u
 * u8, b bool. */
typedef struct seed {
    uint16_t op;
    uint8_t outputs;
    uint8_t is_blocked; /* output 0 is in blocks of 16 channels */
    const char *operands;
    union {
        ai_conv_params conv;
        ai_conv_transpose_params transpose;
        ai_pool_params pool;
        ai_gemm_params gemm;
        ai_axis_params axis;
        ai_axes_params axes;
        ai_cast_params cast;
        ai_lrn_params lrn;
        ai_unary_params unary;
        ai_strips_params strips;
        ai_resize_params resize;
        ai_recurrent_params recurrent;
        ai_q_conv_params q_conv;
        ai_q_gemm_params q_gemm;
        ai_q_binary_params q_binary;
        ai_q_mean_params q_mean;
        ai_q_pool_params q_pool;
    } params;
} seed;

#define WINDOW(k, s, p)                                                                            \
    {                                                                                              \
        .spatial = 2, .kernel = {k, k}, .stride = {s, s}, .dilation = {1, 1}, .pad_begin = {p, p}, \
        .pad_end = {                                                                               \
            p,                                                                                     \
            p                                                                                      \
        }                                                                                          \
    }
#define CONV(k, s, p, g)                                                                           \
    {                                                                                              \
        .conv = { WINDOW(k, s, p), g, {AI_ACTIVATION_CLIP, 0, 6}, 0 }                              \
    }
#define POOL(k, s, p)                                                                              \
    {                                                                                              \
        .pool = { WINDOW(k, s, p), 1, 0, 0, 2, 0 }                                                 \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .unary = { 0, 0 }                                                                          \
    }
#define AXIS(...)                                                                                  \
    {                                                                                              \
        .axis = { __VA_ARGS__ }                                                                    \
    }

#define FINISH(middle)                                                                             \
    {                                                                                              \
        middle, 5, 5, 250, 0.75f, 0.5f, -2, 0                                                      \
    }
#define Q_CONV(k, s, p, g, middle)                                                                 \
    {                                                                                              \
        .q_conv = { WINDOW(k, s, p), g, FINISH(middle) }                                           \
    }
#define Q_BINARY                                                                                   \
    {                                                                                              \
        .q_binary = { {0.25f, 3}, {0.5f, 255}, {1, 128}, 0, 250 }                                  \
    }

static const seed seeds[] = {
    {AI_OP_CONV, 1, 1, "Fi1,20,6,5 fc18,20,3,3@2 fc18", CONV(3, 1, 1, 1)},
    {AI_OP_CONV, 1, 1, "Fi1,32,6,5 fc32,16,1,1@2 - Fi1,32,6,5", CONV(1, 1, 0, 2)},
    {AI_OP_CONV, 1, 1, "fi1,3,9,8 fc16,3,3,3@3 fc16", CONV(3, 2, 1, 1)},
    {AI_OP_CONV, 1, 1, "Fi1,18,6,5 fc18,1,3,3@4 fc18", CONV(3, 2, 1, 18)},
    {AI_OP_CONV, 1, 1, "Fi1,20,6,5 hc18,20,3,3@2 fc18", CONV(3, 1, 1, 1)},
    {AI_OP_CONV, 1, 1, "Fi1,20,9,5 hc36,20,3,3@6 fc36", CONV(3, 1, 1, 1)},
    {AI_OP_CONV, 1, 0, "fi2,4,6,5 fc6,2,3,3 fc6 fi2,6,3,3", CONV(3, 2, 1, 2)},
    {AI_OP_CONV_TRANSPOSE,
     1,
     0,
     "fi1,2,3,4 fc2,3,3,3 fc3",
     {.transpose = {.window = WINDOW(3, 2, 1), .group = 1, .output_padding = {1, 1}}}},
    {AI_OP_CONV_TRANSPOSE,
     1,
     1,
     "Fi1,20,3,4 fc20,18,3,3@8 fc18",
     {.transpose = {.window = WINDOW(3, 2, 1), .group = 1, .output_padding = {1, 1}}}},
    {AI_OP_STRIPS,
     1,
     1,
     "Fi1,20,9,8 fc36,20,1,1@2 fc36 - fc36,1,3,3@4 fc36 - fc20,36,1,1@2 fc20 Fi1,20,9,8",
     {.strips = {3,
                 0,
                 {{AI_OP_CONV, 0, CONV(1, 1, 0, 1)},
                  {AI_OP_CONV, 0, CONV(3, 1, 1, 36)},
                  {AI_OP_CONV, 0, CONV(1, 1, 0, 1)}}}}},
    {AI_OP_STRIPS,
     1,
     1,
     "fi1,3,9,8 fc16,3,3,3@3 fc16 - - - -",
     {.strips = {2, 0, {{AI_OP_CONV, 0, CONV(3, 2, 1, 1)}, {AI_OP_MAX_POOL, 0, POOL(3, 2, 1)}}}}},
    {AI_OP_MAX_POOL, 1, 1, "Fi1,18,7,6", POOL(3, 2, 1)},
    {AI_OP_MAX_POOL, 2, 0, "fi1,2,7,6", POOL(2, 2, 0)},
    {AI_OP_AVERAGE_POOL, 1, 1, "Fi1,18,7,6", POOL(3, 2, 1)},
    {AI_OP_AVERAGE_POOL, 1, 0, "fi1,2,7,6", POOL(3, 2, 1)},
    {AI_OP_LP_POOL, 1, 0, "fi1,2,7,6", POOL(3, 2, 1)},
    {AI_OP_GLOBAL_AVERAGE_POOL, 1, 1, "Fi2,18,3,4", NONE},
    {AI_OP_GLOBAL_MAX_POOL, 1, 0, "fi2,3,3,4", NONE},
    {AI_OP_GEMM, 1, 0, "fi3,5 fc5,18@5 fc18", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_GEMM, 1, 0, "fi1,5 hc5,18@5 fc18", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_MATMUL, 1, 0, "fi7,5 qc5,40@9 fc40", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_MATMUL, 1, 0, "fi7,5 hc5,40@5", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_GEMM, 1, 0, "fi5,3 fi4,5 fc3,1", {.gemm = {2, 3, 1, 1, {1, 0, 6}, 0}}},
    {AI_OP_MATMUL, 1, 0, "fi2,3,5 fc5,18@5 fc18", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_MATMUL, 1, 0, "fi2,1,3,5 fi4,5,6", {.gemm = {1, 1, 0, 0, {0, 0, 0}, 0}}},
    {AI_OP_BATCH_NORMALIZATION, 1, 0, "fi2,3,4 fc3 fc3 fc3 fc3", AXIS(.epsilon = 1e-5f)},
    {AI_OP_BATCH_NORMALIZATION, 3, 0, "fi2,3,4 fc3 fc3 fc3 fc3",
     AXIS(.epsilon = 1e-5f, .flags = 1, .momentum = 0.9f)},
    {AI_OP_INSTANCE_NORMALIZATION, 1, 0, "fi2,3,4 fc3 fc3", AXIS(.epsilon = 1e-5f)},
    {AI_OP_LAYER_NORMALIZATION, 3, 0, "fi2,3,4 fc4 fc4", AXIS(.axis = -1, .epsilon = 1e-5f)},
    {AI_OP_GROUP_NORMALIZATION, 1, 0, "fi2,4,3 fc4 fc4", AXIS(.count = 2, .epsilon = 1e-5f)},
    {AI_OP_LRN, 1, 0, "fi1,5,3,3", {.lrn = {1e-4f, 0.75f, 1, 3}}},
    {AI_OP_LRN, 1, 1, "Fi1,18,3,3", {.lrn = {1e-4f, 0.75f, 1, 3}}},
    {AI_OP_LP_NORMALIZATION, 1, 0, "fi3,4", AXIS(.axis = -1, .count = 2)},
    {AI_OP_MEAN_VARIANCE_NORMALIZATION, 1, 0, "fi2,3,2,2", {.axes = {3, 0, {0, 2, 3}}}},
    {AI_OP_REORDER, 1, 1, "fi2,17,3,4", NONE},
    {AI_OP_IDENTITY, 1, 0, "fi3", NONE},
    {AI_OP_RESHAPE, 1, 0, "fi2,3,4 lc3:0,-1,2", NONE},
    {AI_OP_FLATTEN, 1, 0, "fi2,3,4", AXIS(.axis = 1)},
    {AI_OP_SQUEEZE, 1, 0, "fi2,1,4 lc1:1", NONE},
    {AI_OP_UNSQUEEZE, 1, 0, "fi2,4 lc2:0,3", NONE},
    {AI_OP_SHAPE, 1, 0, "fi2,4", AXIS(.end = INT64_MAX)},
    {AI_OP_SIZE, 1, 0, "fi2,4", NONE},
    {AI_OP_TRANSPOSE, 1, 0, "fi2,3,4", {.axes = {3, 0, {2, 0, 1}}}},
    {AI_OP_CONCAT, 1, 0, "fi2,3 fi2,4 fi2,1", AXIS(.axis = 1)},
    {AI_OP_SPLIT, 3, 0, "fi2,7", AXIS(.axis = 1)},
    {AI_OP_SPLIT, 2, 0, "li7 lc2:3,4", AXIS(.axis = 0)},
    {AI_OP_SLICE, 1, 0, "fi4,5,6 lc2:1,-1 lc2:3,-9 lc2:1,2 lc2:1,-2", NONE},
    {AI_OP_PAD, 1, 0, "fi2,3 lc4:1,0,2,-1 fc", {.cast = {0, AI_PAD_CONSTANT, 0}}},
    {AI_OP_PAD, 1, 0, "fi4,3 lc2:1,2 - lc1:0", {.cast = {0, AI_PAD_REFLECT, 0}}},
    {AI_OP_GATHER, 1, 0, "fi3,4 li2", AXIS(.axis = 0)},
    {AI_OP_GATHER, 1, 0, "hc5,18@5 li2", AXIS(.axis = 0)},
    {AI_OP_GATHER, 1, 0, "qc5,18@9 li2", AXIS(.axis = 0)},
    {AI_OP_EXPAND, 1, 0, "fi3,1 lc3:2,1,4", NONE},
    {AI_OP_TILE, 1, 0, "fi2,3 lc2:2,3", NONE},
    {AI_OP_CONSTANT_OF_SHAPE, 1, 0, "lc2:3,4", {.cast = {AI_F32, 0, 0x3F800000}}},
    {AI_OP_RANGE, 1, 0, "lc:1 lc:9 lc:2", NONE},
    {AI_OP_EQUAL, 1, 0, "li2,3 lc3:1,0,1", NONE},
    {AI_OP_NOT, 1, 0, "bi2,3", NONE},
    {AI_OP_CAST, 1, 0, "fi5", {.cast = {AI_F16, 0, 0}}},
    {AI_OP_CAST, 1, 0, "hi5", {.cast = {AI_S8, 0, 0}}},
    {AI_OP_ADD, 1, 0, "fi2,1,3 fi4,1", NONE},
    {AI_OP_ADD, 1, 1, "Fi1,18,3,2 Fi1,18,3,2", NONE},
    {AI_OP_MUL, 1, 1, "Fi1,18,3,2 Fi1,18,1,1", NONE},
    {AI_OP_SUB, 1, 0, "li3 lc3:1,2,3", NONE},
    {AI_OP_DIV, 1, 0, "ii3 ii1", NONE},
    {AI_OP_POW, 1, 0, "fi3 fi1", NONE},
    {AI_OP_MAX, 1, 0, "hi3 hi2,1", NONE},
    {AI_OP_MIN, 1, 0, "fi3 fi3", NONE},
    {AI_OP_PRELU, 1, 0, "fi2,3,4 fc3,1", NONE},
    {AI_OP_RELU, 1, 1, "Fi1,18,3,2", NONE},
    {AI_OP_LEAKY_RELU, 1, 0, "fi7", {.unary = {0.1f, 0}}},
    {AI_OP_ELU, 1, 0, "fi7", {.unary = {1, 0}}},
    {AI_OP_GELU, 1, 0, "fi7", {.unary = {1, 0}}},
    {AI_OP_SIGMOID, 1, 0, "hi7", NONE},
    {AI_OP_HARD_SIGMOID, 1, 0, "fi7", {.unary = {0.2f, 0.5f}}},
    {AI_OP_TANH, 1, 0, "fi33", NONE},
    {AI_OP_ERF, 1, 0, "fi33", NONE},
    {AI_OP_LOG, 1, 0, "fi33", NONE},
    {AI_OP_NEG, 1, 0, "li7", NONE},
    {AI_OP_ABS, 1, 0, "ii7", NONE},
    {AI_OP_ROUND, 1, 0, "di7", NONE},
    {AI_OP_CLIP, 1, 0, "fi7 fc -", NONE},
    {AI_OP_SOFTMAX, 1, 0, "fi2,33", AXIS(.axis = -1)},
    {AI_OP_LOG_SOFTMAX, 1, 0, "fi2,3,4", AXIS(.axis = 1)},
    {AI_OP_HARDMAX, 1, 0, "fi2,3,4", AXIS(.axis = 1, .flags = 1)},
    {AI_OP_REDUCE_MEAN, 1, 0, "fi2,3,4 lc2:0,2", AXIS(.keepdims = 1)},
    {AI_OP_REDUCE_SUM, 1, 0, "fi2,3,4 -", AXIS(.flags = 1)},
    {AI_OP_RNN,
     2,
     0,
     "fi3,2,4 fc1,4,5 fc1,5,5",
     {.recurrent = {0, 5, 0, 1, {{AI_FUNCTION_TANH, 0, 0}}}}},
    {AI_OP_GRU,
     2,
     0,
     "fi2,3,4 fc2,4,18@5 fc2,6,18 fc2,36",
     {.recurrent = {AI_BIDIRECTIONAL, 6, AI_BATCH_FIRST | AI_LINEAR_BEFORE_RESET, 9, {{0}}}}},
    {AI_OP_GRU,
     2,
     0,
     "fi2,3,4 qc2,4,18@9 hc2,6,18@5 fc2,36",
     {.recurrent = {AI_BIDIRECTIONAL, 6, AI_BATCH_FIRST, 9, {{0}}}}},
    {AI_OP_LSTM,
     3,
     0,
     "fi3,2,4 qc1,4,20@9 qc1,5,20@9 fc1,40 ic2:3,1",
     {.recurrent = {0, 5, 0, INFINITY, {{AI_FUNCTION_SIGMOID, 0, 0}}}}},
    {AI_OP_LSTM,
     3,
     0,
     "fi3,2,4 fc1,4,20@5 fc1,5,20@5 fc1,40 ic2:3,1 fi1,2,5 fi1,2,5 fc1,15",
     {.recurrent = {AI_REVERSE, 5, AI_INPUT_FORGET, 2, {{AI_FUNCTION_SIGMOID, 0, 0}}}}},
    {AI_OP_RESIZE, 1, 1, "Fi1,18,3,4 - - lc4:1,18,5,7", {.resize = {.mode = AI_RESIZE_LINEAR}}},
    {AI_OP_DROPOUT, 2, 0, "fi2,3 fc bc:1", AXIS(.start = 7)},
    {AI_OP_QUANTIZE_LINEAR, 1, 1, "fi1,18,3,5 fc:2 uc:3", AXIS(.count = AI_U8)},
    {AI_OP_QUANTIZE_LINEAR, 1, 0, "fi2,3,5 fc3:1,2,3 qc3:1,2,3", AXIS(.axis = 1)},
    {AI_OP_DEQUANTIZE_LINEAR, 1, 1, "Ui1,18,3,5 fc:2 uc:3", NONE},
    {AI_OP_DEQUANTIZE_LINEAR, 1, 0, "ii2,3,5 fc3:1,2,3 -", AXIS(.axis = 1)},
    {AI_OP_DYNAMIC_QUANTIZE_LINEAR, 3, 0, "fi2,9", NONE},
    {AI_OP_Q_CONV, 1, 1, "Ui1,20,6,5 qc18,20,3,3@10 ic32 fc32", Q_CONV(3, 1, 1, 1, 5)},
    {AI_OP_Q_CONV, 1, 1, "Ui2,32,6,5 qc32,16,1,1@10 ic32 fc32 Ui2,32,6,5", Q_CONV(1, 1, 0, 2, 7)},
    {AI_OP_Q_CONV, 1, 1, "Ui1,3,9,8 qc16,3,3,3@10 ic16 fc16", Q_CONV(3, 2, 1, 1, 5)},
    {AI_OP_Q_CONV, 1, 1, "Ui1,64,6,13 qc16,64,3,3@12 ic16 fc16", Q_CONV(3, 1, 1, 1, 5)},
    {AI_OP_Q_CONV, 1, 1, "Ui1,18,6,5 qc18,1,3,3@11 ic32 fc32", Q_CONV(3, 2, 1, 18, 5)},
    {AI_OP_Q_CONV, 1, 1, "Ui1,18,6,7 qc18,1,5,5@11 ic32 fc32 Ui1,18,6,7", Q_CONV(5, 1, 2, 18, 9)},
    {AI_OP_Q_GEMM, 1, 0, "ui3,5 qc18,5@10 ic32 fc32", {.q_gemm = {FINISH(5)}}},
    {AI_OP_Q_GEMM, 1, 0, "ui2,1,64 qc40,64@10 ic48 fc48", {.q_gemm = {FINISH(5)}}},
    {AI_OP_Q_GLOBAL_AVERAGE_POOL, 1, 1, "Ui2,18,3,4", {.q_mean = {0.5f, 3, 5, 0}}},
    {AI_OP_Q_LOOKUP, 1, 1, "Ui1,18,3,5 uc256", NONE},
    {AI_OP_Q_LOOKUP, 1, 0, "ui7 uc256", NONE},
    {AI_OP_Q_ADD, 1, 0, "ui2,1,3 ui4,1", Q_BINARY},
    {AI_OP_Q_ADD, 1, 1, "Ui2,18,3,2 Ui1,18,3,2", Q_BINARY},
    {AI_OP_Q_MUL, 1, 1, "Ui1,18,3,2 Ui1,18,1,1", Q_BINARY},
    {AI_OP_Q_MUL, 1, 1, "uc18,1,1 Ui1,18,3,2", Q_BINARY},
    {AI_OP_Q_AVERAGE_POOL,
     1,
     1,
     "Ui2,18,7,6",
     {.q_pool = {{WINDOW(3, 2, 1), 1, 0, 0, 2, 0}, {0.25f, 3}, {0.5f, 255}}}},
    {AI_OP_MAX_POOL, 1, 1, "Ui1,18,7,6", POOL(3, 2, 1)},
    {AI_OP_MAX_POOL, 1, 0, "qi1,2,7,6", POOL(3, 2, 1)},
    {AI_OP_CONCAT, 1, 1, "Ui1,16,3,2 Ui1,18,3,2", AXIS(.axis = 1)},
    {AI_OP_RESIZE, 1, 1, "Ui1,18,3,4 - - lc4:1,18,5,7", {.resize = {.mode = AI_RESIZE_NEAREST}}},
};

enum { SEED_COUNT = sizeof(seeds) / sizeof(seeds[0]), UNIT_COUNT = 4, OPERAND_MAX = 16 };

/* ---- Operands ---- */

static ai_type type_of(char letter)
{
    switch (letter) {
    case 'd':
        return AI_F64;
    case 'h':
        return AI_F16;
    case 'q':
        return AI_S8;
    case 'u':
        return AI_U8;
    case 'l':
        return AI_S64;
    case 'i':
        return AI_S32;
    case 'b':
        return AI_BOOL;
    default:
        return AI_F32;
    }
}

static uint32_t numbers(const char **at, int64_t *list)
{
    uint32_t count = 0;
    while (isdigit((unsigned char)**at) || **at == '-') {
        char *end;
        list[count++] = strtoll(*at, &end, 10);
        *at = *end == ',' ? end + 1 : end;
    }
    return count;
}

/* Values of f32 are quarters, and so are those of constants without values. */
static uint32_t constant(lai *f, ai_type type, uint32_t layout, uint32_t rank, const int64_t *dim,
                         const int64_t *values, uint32_t count)
{
    static _Alignas(64) uint8_t data[1 << 17];
    memset(data, type == AI_S8 ? 0x3C : 0, sizeof(data)); /* the scales of s8 are 0.01 then */
    for (size_t i = 0; i < 1 << 15 && type == AI_F32; i++)
        ((float *)(void *)data)[i] = (float)(i % 9) / 4 - 1;
    for (size_t i = 0; i < 1 << 16 && type == AI_F16; i++)
        ((uint16_t *)(void *)data)[i] = (uint16_t)(0x3400 + i % 9 * 256);
    for (size_t i = 0; i < sizeof(data) && type == AI_U8; i++)
        data[i] = (uint8_t)(i * 7);
    if (layout == AI_LAYOUT_QDEPTHWISE16) {
        for (size_t i = 0; i < sizeof(data); i++)
            data[i] = (int64_t)(i / 64 * 4 + i % 4) % ((dim[3] + 3) / 4 * 4) < dim[3] ? 0x3C : 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (type == AI_F32)
            ((float *)(void *)data)[i] = (float)values[i] / 4;
        else if (type == AI_S64)
            ((int64_t *)(void *)data)[i] = values[i];
        else if (type == AI_S32)
            ((int32_t *)(void *)data)[i] = (int32_t)values[i];
        else
            data[i] = (uint8_t)values[i];
    }
    return lai_constant(f, "c", type, layout, rank, dim, data);
}

static uint32_t reordered(lai *f, uint32_t tensor, ai_type type)
{
    uint32_t blocks = lai_value(f, "blocks", type);
    lai_tensor_at(f, blocks)->layout = AI_LAYOUT_NCHW16C;
    lai_step(f, AI_OP_REORDER, "reorder", NULL, 1, 1, (uint32_t[]){tensor, blocks});
    return blocks;
}

static uint32_t operand(lai *f, const char **at)
{
    int64_t dim[AI_MAX_RANK] = {0};
    int64_t values[16] = {0};
    uint32_t count = 0;
    int64_t layout = AI_LAYOUT_PLAIN;
    if (**at == '-') {
        ++*at;
        return AI_FILE_NONE;
    }
    char letter = *(*at)++;
    ai_type type = type_of((char)tolower((unsigned char)letter));
    bool is_constant = *(*at)++ == 'c';
    uint32_t rank = numbers(at, dim);
    if (**at == '@') {
        ++*at;
        numbers(at, &layout);
    }
    if (**at == ':') {
        ++*at;
        count = numbers(at, values);
    }
    if (is_constant)
        return constant(f, type, (uint32_t)layout, rank, dim, values, count);
    uint32_t input = lai_input(f, "x", type, (1u << rank) - 1, rank, dim);
    return isupper((unsigned char)letter) ? reordered(f, input, type) : input;
}

/* ---- Models ---- */

static void add_output(lai *f, uint32_t tensor, bool is_blocked)
{
    uint32_t y = tensor;
    if (is_blocked) {
        lai_tensor_at(f, tensor)->layout = AI_LAYOUT_NCHW16C;
        y = lai_value(f, "y", 0);
        lai_step(f, AI_OP_REORDER, "back", NULL, 1, 1, (uint32_t[]){tensor, y});
    }
    lai_output(f, y);
}

static lai *make_seed(const seed *s)
{
    lai *f = lai_new(ai_op_find(s->op)->name);
    uint32_t operands[OPERAND_MAX];
    uint32_t count = 0;
    for (const char *at = s->operands; *at;) {
        if (*at == ' ')
            at++;
        else
            operands[count++] = operand(f, &at);
    }
    for (uint32_t i = 0; i < s->outputs; i++)
        operands[count + i] = lai_value(f, "y", 0);
    lai_step(f, s->op, "step", &s->params, count, s->outputs, operands);
    for (uint32_t i = 0; i < s->outputs; i++)
        add_output(f, operands[count + i], i == 0 && s->is_blocked);
    return f;
}

size_t corpus_count(void)
{
    return UNIT_COUNT + SEED_COUNT;
}

uint8_t *corpus_make(size_t index, size_t *bytes, char name[64])
{
    static lai *(*const units[UNIT_COUNT])(void) = {lai_small, lai_shapes, lai_conv, lai_states};
    lai *f = index < UNIT_COUNT ? units[index]() : make_seed(&seeds[index - UNIT_COUNT]);
    const char *text = (const char *)f->part[AI_SECTION_STRINGS].data + f->header.name;
    snprintf(name, 64, "%02zu-%.48s", index, text);
    uint8_t *file = lai_write(f, bytes);
    lai_free(f);
    return file;
}

/* ---- Mutation ---- */

static uint64_t interesting(uint64_t *random)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      3,
                                      4,
                                      5,
                                      8,
                                      15,
                                      16,
                                      17,
                                      31,
                                      32,
                                      255,
                                      256,
                                      4095,
                                      4096,
                                      65535,
                                      65536,
                                      0x7FFFFFFF,
                                      0x80000000,
                                      0xFFFFFFFF,
                                      0x100000000,
                                      UINT64_C(1) << 40,
                                      INT64_MAX,
                                      UINT64_C(1) << 63,
                                      UINT64_MAX,
                                      UINT64_MAX - 1,
                                      0x3F800000,
                                      0x7F800000,
                                      0xFF800000,
                                      0x7FC00000};
    return values[draw_random(random) % (sizeof(values) / sizeof(values[0]))];
}

/* Where to: the header, or a section; tables more often than weights. */
static void choose_range(const uint8_t *file, size_t bytes, uint64_t *random, size_t *begin,
                         size_t *length)
{
    ai_file_header h;
    ai_file_section s;
    memcpy(&h, file, sizeof(h));
    *begin = 0;
    *length = sizeof(h);
    if (!h.section_count || draw_random(random) % 16 == 0)
        return;
    size_t at = sizeof(h) + draw_random(random) % h.section_count % 64 * sizeof(s);
    if (at > bytes - sizeof(s))
        return;
    memcpy(&s, file + at, sizeof(s));
    if (s.bytes && s.offset < bytes && s.bytes <= bytes - s.offset &&
        s.kind != AI_SECTION_STRINGS) {
        *begin = (size_t)s.offset;
        *length = (size_t)s.bytes;
    }
}

void mutate_model(uint8_t *file, size_t bytes, uint64_t *random)
{
    size_t begin;
    size_t length;
    if (bytes < sizeof(ai_file_header))
        return;
    choose_range(file, bytes, random, &begin, &length);
    size_t width = (size_t)1 << draw_random(random) % 4;
    size_t at = begin + draw_random(random) % length / width * width;
    uint64_t value = 0;
    if (at + width > bytes)
        return;
    memcpy(&value, file + at, width);
    switch (draw_random(random) % 4) {
    case 0:
        value = interesting(random);
        break;
    case 1:
        value += draw_random(random) % 9 - 4;
        break;
    case 2:
        value ^= UINT64_C(1) << draw_random(random) % (8 * width);
        break;
    default:
        value = draw_random(random) % 24;
        break;
    }
    memcpy(file + at, &value, width);
}
