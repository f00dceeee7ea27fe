/* SPDX-License-Identifier: Apache-2.0
 * One network, run through ai_infer at every level of the machine: the outputs have the same
 * SHA-256 on every machine. Without Check: cross builds and emulated processors run it too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "lai.h"
#include "sha256.h"

/* Of all outputs one behind the other. It changes where the arithmetic does: with it changes what
 * every file's self-test stores. */
static const char expected[] = "cb7a1f87f736f86007d59c8b8f65ce316115ca8a64b46e605793a72e12e569e4";

enum { ROWS = 7, COLUMNS = 50, MAX_OUTPUTS = 64 };

typedef struct network {
    lai *f;
    uint64_t seed;
} network;

static float number(uint64_t *seed)
{
    return (float)(int64_t)(draw_random(seed) >> 40) * 0x1p-23f - 1.0f;
}

/* A constant of numbers in [-scale, scale). In blocks of 16, lanes past `channels` are zeros. */
static uint32_t constant(network *n, uint32_t layout, float scale, uint32_t rank,
                         const int64_t *dim, int64_t channels)
{
    int64_t bytes = 0;
    if (!ai_layout_bytes(layout, AI_F32, rank, dim, &bytes))
        exit(1);
    int64_t count = bytes / (int64_t)sizeof(float);
    int64_t block = count / ((channels + 15) / 16);
    float *data = malloc((size_t)bytes);
    if (!data)
        exit(1);
    for (int64_t i = 0; i < count; i++) {
        bool is_lane = layout == AI_LAYOUT_PLAIN || i / block * 16 + i % 16 < channels;
        data[i] = is_lane ? scale * number(&n->seed) : 0.0f;
    }
    uint32_t index = lai_constant(n->f, "c", AI_F32, layout, rank, dim, data);
    free(data);
    return index;
}

static uint32_t blocks(network *n)
{
    uint32_t index = lai_value(n->f, "b", AI_F32);
    lai_tensor_at(n->f, index)->layout = AI_LAYOUT_NCHW16C;
    return index;
}

/* A step whose one result is an output of the network. */
static uint32_t output(network *n, uint32_t op, const char *name, const void *params,
                       uint32_t in_count, const uint32_t *in, uint32_t rank, const int64_t *dim)
{
    uint32_t operands[8];
    memcpy(operands, in, in_count * sizeof(in[0]));
    operands[in_count] = lai_tensor(n->f, name, AI_F32, AI_TENSOR_VALUE, rank, dim);
    lai_step(n->f, op, name, params, in_count, 1, operands);
    lai_output(n->f, operands[in_count]);
    return operands[in_count];
}

static ai_window window(uint32_t kernel, uint32_t stride, uint32_t dilation, uint32_t pad)
{
    return (ai_window){.spatial = 2,
                       .kernel = {kernel, kernel},
                       .stride = {stride, stride},
                       .dilation = {dilation, dilation},
                       .pad_begin = {pad, pad},
                       .pad_end = {pad, pad}};
}

static ai_conv_params conv(ai_window w, uint32_t group, float lo, float hi)
{
    return (ai_conv_params){
        .window = w, .group = group, .activation = {AI_ACTIVATION_CLIP, lo, hi}};
}

/* Images: every form of Conv, and pooling, in blocks of 16 channels and plain. */
static void add_image(network *n)
{
    lai *f = n->f;
    const int64_t twenty[1] = {20};
    ai_conv_params stem = conv(window(3, 2, 1, 1), 1, 0, INFINITY);
    ai_conv_params depthwise = conv(window(3, 1, 1, 1), 20, 0, 6);
    ai_conv_params middle = conv(window(3, 1, 1, 1), 1, -INFINITY, INFINITY);
    ai_conv_params plain = conv(window(2, 1, 2, 3), 1, -1, INFINITY);
    ai_pool_params max = {.window = window(3, 2, 1, 1)};
    ai_pool_params average = {.window = window(2, 1, 1, 0)};
    ai_lrn_params lrn = {.alpha = 0.1f, .beta = 0.75f, .bias = 1, .size = 5};
    uint32_t x = lai_input(f, "image", AI_F32, 0, 4, (int64_t[]){1, 3, 17, 19});
    uint32_t bias = constant(n, AI_LAYOUT_PLAIN, 1, 1, twenty, 1);
    uint32_t w1 = constant(n, AI_LAYOUT_STEM16, 0.5f, 4, (int64_t[]){20, 3, 3, 3}, 20);
    uint32_t w2 = constant(n, AI_LAYOUT_DEPTHWISE16, 0.5f, 4, (int64_t[]){20, 1, 3, 3}, 20);
    uint32_t w3 = constant(n, AI_LAYOUT_CONV16, 0.2f, 4, (int64_t[]){20, 20, 3, 3}, 20);
    uint32_t w4 = constant(n, AI_LAYOUT_PLAIN, 1, 4, (int64_t[]){5, 3, 2, 2}, 1);
    uint32_t a = blocks(n), b = blocks(n), c = blocks(n), d = blocks(n), e = blocks(n);
    uint32_t g = blocks(n);
    lai_step(f, AI_OP_CONV, "stem", &stem, 3, 1, (uint32_t[]){x, w1, bias, a});
    lai_step(f, AI_OP_CONV, "depthwise", &depthwise, 3, 1, (uint32_t[]){a, w2, bias, b});
    lai_step(f, AI_OP_CONV, "middle", &middle, 4, 1, (uint32_t[]){b, w3, bias, a, c});
    lai_step(f, AI_OP_MAX_POOL, "max", &max, 1, 1, (uint32_t[]){c, d});
    lai_step(f, AI_OP_AVERAGE_POOL, "average", &average, 1, 1, (uint32_t[]){d, e});
    lai_step(f, AI_OP_GLOBAL_AVERAGE_POOL, "global", NULL, 1, 1, (uint32_t[]){c, g});
    output(n, AI_OP_REORDER, "middle", NULL, 1, &c, 4, (int64_t[]){1, 20, 9, 10});
    output(n, AI_OP_REORDER, "pooled", NULL, 1, &e, 4, (int64_t[]){1, 20, 4, 4});
    output(n, AI_OP_REORDER, "global", NULL, 1, &g, 4, (int64_t[]){1, 20, 1, 1});
    uint32_t y = output(n, AI_OP_CONV, "plain", &plain, 2, (uint32_t[]){x, w4}, 4,
                        (int64_t[]){1, 5, 21, 23});
    output(n, AI_OP_LRN, "lrn", &lrn, 1, &y, 4, (int64_t[]){1, 5, 21, 23});
}

/* Functions of one number, of the product's. */
static void add_unary(network *n, uint32_t x)
{
    static const struct {
        const char *name;
        uint32_t op;
        float alpha, beta;
    } rows[] = {
        {"exp", AI_OP_EXP, 0, 0},           {"log", AI_OP_LOG, 0, 0},
        {"tanh", AI_OP_TANH, 0, 0},         {"erf", AI_OP_ERF, 0, 0},
        {"sigmoid", AI_OP_SIGMOID, 0, 0},   {"softplus", AI_OP_SOFTPLUS, 0, 0},
        {"gelu", AI_OP_GELU, 0, 0},         {"gelu-tanh", AI_OP_GELU, 1, 0},
        {"mish", AI_OP_MISH, 0, 0},         {"swish", AI_OP_SWISH, 1.5f, 0},
        {"elu", AI_OP_ELU, 0.7f, 0},        {"selu", AI_OP_SELU, 1.67f, 1.05f},
        {"celu", AI_OP_CELU, 1.3f, 0},      {"hard-swish", AI_OP_HARD_SWISH, 0, 0},
        {"sqrt", AI_OP_SQRT, 0, 0},         {"reciprocal", AI_OP_RECIPROCAL, 0, 0},
        {"softsign", AI_OP_SOFTSIGN, 0, 0}, {"round", AI_OP_ROUND, 0, 0},
    };
    const int64_t dim[2] = {ROWS, COLUMNS};
    uint32_t positive = lai_value(n->f, "positive", AI_F32);
    ai_unary_params none = {0, 0};
    lai_step(n->f, AI_OP_ABS, "abs", &none, 1, 1, (uint32_t[]){x, positive});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        /* Of what is negative these are NaN, whose sign is the processor's. */
        bool is_partial = rows[i].op == AI_OP_LOG || rows[i].op == AI_OP_SQRT;
        ai_unary_params params = {rows[i].alpha, rows[i].beta};
        output(n, rows[i].op, rows[i].name, &params, 1, is_partial ? &positive : &x, 2, dim);
    }
    output(n, AI_OP_POW, "pow", NULL, 2, (uint32_t[]){positive, x}, 2, dim);
    output(n, AI_OP_DIV, "div", NULL, 2, (uint32_t[]){x, positive}, 2, dim);
}

/* Rows: products with panels, and what sums along a row. */
static void add_rows(network *n)
{
    const int64_t dim[2] = {ROWS, COLUMNS};
    const int64_t columns[1] = {COLUMNS};
    const int64_t last[1] = {-1};
    ai_gemm_params product = {.alpha = 1, .beta = 1};
    ai_axis_params axis = {.axis = -1, .epsilon = 1e-5f, .keepdims = 1};
    uint32_t x = lai_input(n->f, "rows", AI_F32, 0, 2, (int64_t[]){ROWS, 33});
    uint32_t b = constant(n, AI_LAYOUT_PANEL16, 1, 2, (int64_t[]){33, COLUMNS}, COLUMNS);
    uint32_t bias = constant(n, AI_LAYOUT_PLAIN, 1, 1, columns, 1);
    uint32_t axes = lai_constant(n->f, "axes", AI_S64, AI_LAYOUT_PLAIN, 1, (int64_t[]){1}, last);
    uint32_t y = output(n, AI_OP_GEMM, "gemm", &product, 3, (uint32_t[]){x, b, bias}, 2, dim);
    output(n, AI_OP_MATMUL, "matmul", &product, 2, (uint32_t[]){x, b}, 2, dim);
    output(n, AI_OP_SOFTMAX, "softmax", &axis, 1, &y, 2, dim);
    output(n, AI_OP_LOG_SOFTMAX, "log-softmax", &axis, 1, &y, 2, dim);
    output(n, AI_OP_LAYER_NORMALIZATION, "layer", &axis, 3, (uint32_t[]){y, bias, bias}, 2, dim);
    output(n, AI_OP_REDUCE_MEAN, "mean", &axis, 2, (uint32_t[]){y, axes}, 2, (int64_t[]){ROWS, 1});
    add_unary(n, y);
}

static uint8_t *build(size_t *bytes)
{
    network n = {lai_new("same bits"), 1};
    add_image(&n);
    add_rows(&n);
    uint8_t *file = lai_write(n.f, bytes);
    lai_free(n.f);
    return file;
}

/* ---- Running ---- */

static void hex(const uint8_t *digest, char *text)
{
    for (int i = 0; i < 32; i++)
        sprintf(text + 2 * i, "%02x", digest[i]);
}

/* Runs the network with the levels of `cpu`; `all` gets the digest of all outputs, `each` theirs.
 */
static bool run(const ai_model *model, uint32_t cpu, char *all, char (*each)[65], ai_error *err)
{
    static float data[1 << 16];
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_options options = AI_OPTIONS_INIT;
    ai_session *session = NULL;
    ai_view in[2];
    ai_buffer out[MAX_OUTPUTS];
    uint64_t seed = 2;
    size_t used = 0;
    uint8_t digest[32];
    options.cpu = cpu;
    ai_model_describe(model, &info);
    if (ai_session_open(&session, model, &options, err) != AI_OK)
        return false;
    for (uint32_t i = 0; i < info.input_count + info.output_count; i++) {
        ai_tensor_info t = AI_TENSOR_INFO_INIT;
        bool is_input = i < info.input_count;
        if (is_input)
            ai_session_input(session, i, &t);
        else
            ai_session_output(session, i - info.input_count, &t);
        if (used + t.bytes / 4 > sizeof(data) / 4)
            exit(1);
        for (size_t k = 0; k < t.bytes / 4 && is_input; k++)
            data[used + k] = 2 * number(&seed);
        if (is_input)
            in[i] = (ai_view){data + used, t.bytes};
        else
            out[i - info.input_count] = (ai_buffer){data + used, t.bytes};
        used += t.bytes / 4;
    }
    bool is_good =
        ai_infer(session, in, info.input_count, out, info.output_count, NULL, err) == AI_OK;
    const float *first = out[0].data;
    ai_sha256_of(first, (size_t)(data + used - first) * 4, digest);
    hex(digest, all);
    for (uint32_t i = 0; i < info.output_count; i++) {
        ai_sha256_of(out[i].data, out[i].bytes, digest);
        hex(digest, each[i]);
    }
    ai_session_close(session);
    return is_good;
}

/* Which output it is tells what differs: compare with another machine's list. */
static void show(const ai_model *model, uint32_t cpu, const char *all, char (*each)[65])
{
    ai_tensor_info t = AI_TENSOR_INFO_INIT;
    fprintf(stderr, "levels 0x%x: outputs have SHA-256 %s, not %s\n", (unsigned)cpu, all, expected);
    for (uint32_t i = 0; ai_model_output(model, i, &t) == AI_OK; i++)
        fprintf(stderr, "    %.16s %s\n", each[i], t.name);
}

int main(void)
{
    size_t bytes;
    uint8_t *file = build(&bytes);
    ai_model *model = NULL;
    ai_error err = {0};
    int failed = 0, ran = 0;
    if (ai_model_view(&model, file, bytes, &err) != AI_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (uint32_t level = AI_CPU_REF; level < AI_CPU_OPENBLAS; level <<= 1) {
        char all[65];
        char each[MAX_OUTPUTS][65];
        uint32_t cpu = ai_cpu() & (level | (level - 1));
        if (!(ai_cpu() & level))
            continue;
        ran++;
        if (!run(model, cpu, all, each, &err)) {
            fprintf(stderr, "levels 0x%x: %s\n", (unsigned)cpu, err.message);
            failed++;
        } else if (strcmp(all, expected) != 0) {
            show(model, cpu, all, each);
            failed++;
        }
    }
    ai_model_close(model);
    free(file);
    return failed > 0 || ran == 0;
}
