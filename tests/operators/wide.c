/* SPDX-License-Identifier: Apache-2.0
 * Conv, Gemm, MatMul, recurrent layers and Gather with weights of f16 against the same numbers as
 * f32: the same bits, at every CPU level, for any split of the work. Usage: wide [SEED [COUNT]]. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "half.h"
#include "step.h"

typedef struct pair {
    uint64_t state;
    uint64_t seed;
    step f32;
    step f16;
} pair;

static int64_t from(pair *p, int64_t first, int64_t last)
{
    return first + (int64_t)(draw_random(&p->state) % (uint64_t)(last - first + 1));
}

static void stop(const pair *p, const char *what, const char *message)
{
    fprintf(stderr, "wide: seed %" PRIu64 ": %s with weights of layout %u: %s %s\n", p->seed,
            ai_op_find(p->f32.file.op)->name, p->f16.in[1].layout, what, message);
    exit(1);
}

/* ---- Operands ---- */

static float number(pair *p)
{
    return (float)(draw_random(&p->state) >> 40) * 0x1p-23f - 1.0f;
}

static void values(pair *p, uint32_t i, uint8_t layout, uint32_t rank, const int64_t *dim)
{
    step *both[2] = {&p->f32, &p->f16};
    for (int k = 0; k < 2; k++) {
        step_shape(both[k], i, AI_F32, layout, rank, dim);
        step_alloc(both[k], &both[k]->in[i], i);
        memset(both[k]->memory[i], 0, (size_t)both[k]->in[i].bytes);
    }
    for (int64_t k = 0; k < ai_tensor_count(&p->f32.in[i]); k++) {
        float x = number(p);
        *step_f32(&p->f32.in[i], k) = x;
        *step_f32(&p->f16.in[i], k) = x;
    }
}

/* Any halves but infinities and NaN, denormal ones too. */
static void weights(pair *p, uint32_t i, uint8_t layout, uint32_t rank, const int64_t *dim)
{
    step_shape(&p->f32, i, AI_F32, layout, rank, dim);
    step_shape(&p->f16, i, AI_F16, layout, rank, dim);
    p->f32.in[i].kind = p->f16.in[i].kind = AI_TENSOR_CONSTANT;
    step_alloc(&p->f32, &p->f32.in[i], i);
    step_alloc(&p->f16, &p->f16.in[i], i);
    float *wide = p->f32.in[i].data;
    uint16_t *halves = p->f16.in[i].data;
    for (int64_t k = 0; k < p->f16.in[i].bytes / 2; k++) {
        halves[k] = (uint16_t)(draw_random(&p->state) & 0xbfff);
        if (from(p, 0, 7) == 0)
            halves[k] &= 0x83ff;
        wide[k] = ai_f16_to_f32(halves[k]);
    }
}

static void begin(pair *p, uint32_t op, uint32_t in_count, uint8_t out)
{
    step_init(&p->f32, op, in_count, 1);
    step_init(&p->f16, op, in_count, 1);
    p->f32.out[0].layout = p->f16.out[0].layout = out;
}

/* ---- Steps ---- */

static void window(ai_conv_params *c, uint32_t kernel, uint32_t stride)
{
    *c = (ai_conv_params){.window = {.spatial = 2}, .group = 1};
    for (int i = 0; i < 2; i++) {
        c->window.kernel[i] = kernel;
        c->window.stride[i] = stride;
        c->window.dilation[i] = 1;
    }
}

/* Small and large maps, weights of one part and of many. */
static void make_conv(pair *p)
{
    static const uint8_t layouts[] = {AI_LAYOUT_CONV16,    AI_LAYOUT_CONV16,
                                      AI_LAYOUT_STEM16,    AI_LAYOUT_DEPTHWISE16,
                                      AI_LAYOUT_WINOGRAD4, AI_LAYOUT_WINOGRAD2};
    uint8_t layout = layouts[from(p, 0, 5)];
    bool is_winograd = layout == AI_LAYOUT_WINOGRAD4 || layout == AI_LAYOUT_WINOGRAD2;
    bool is_depthwise = layout == AI_LAYOUT_DEPTHWISE16;
    int64_t side = is_winograd || from(p, 0, 5) > 0 ? from(p, 3, 12) : 30;
    int64_t ic = from(p, 1, layout == AI_LAYOUT_STEM16 ? 4 : 70);
    int64_t oc = is_depthwise ? ic : from(p, 1, 90);
    uint32_t kernel = is_winograd ? 3 : (uint32_t)from(p, 1, 3);
    begin(p, AI_OP_CONV, 3, AI_LAYOUT_NCHW16C);
    window(&p->f32.params.conv, kernel, is_winograd ? 1 : (uint32_t)from(p, 1, 2));
    p->f32.params.conv.group = is_depthwise ? (uint32_t)ic : 1;
    p->f16.params = p->f32.params;
    values(p, 0, layout == AI_LAYOUT_STEM16 ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C, 4,
           (int64_t[]){from(p, 1, 2), ic, side, side + from(p, 0, 3)});
    weights(p, 1, layout, 4, (int64_t[]){oc, is_depthwise ? 1 : ic, kernel, kernel});
    values(p, 2, AI_LAYOUT_PLAIN, 1, &oc);
}

static void make_product(pair *p)
{
    int64_t m = from(p, 1, 8);
    int64_t k = from(p, 1, 200);
    int64_t n = from(p, 1, 200);
    begin(p, from(p, 0, 1) ? AI_OP_GEMM : AI_OP_MATMUL, 3, AI_LAYOUT_PLAIN);
    p->f32.params.gemm = (ai_gemm_params){.alpha = 1, .beta = 1};
    if (p->f32.file.op == AI_OP_GEMM) {
        p->f32.params.gemm.trans_a = (uint32_t)from(p, 0, 1);
        p->f32.params.gemm.alpha = from(p, 0, 1) ? 1.0f : 0.5f;
    }
    p->f16.params = p->f32.params;
    bool is_turned = p->f32.params.gemm.trans_a != 0;
    values(p, 0, AI_LAYOUT_PLAIN, 2, (int64_t[]){is_turned ? k : m, is_turned ? m : k});
    weights(p, 1, AI_LAYOUT_PANEL16, 2, (int64_t[]){k, n});
    values(p, 2, AI_LAYOUT_PLAIN, 1, &n);
}

static void make_recurrent(pair *p)
{
    static const uint32_t ops[] = {AI_OP_RNN, AI_OP_GRU, AI_OP_LSTM};
    int64_t which = from(p, 0, 2);
    int64_t gates = which == 2 ? 4 : which == 1 ? 3 : 1;
    int64_t size = from(p, 1, 40);
    int64_t inputs = from(p, 1, 40);
    uint32_t direction = (uint32_t)from(p, 0, 2);
    int64_t count = direction == AI_BIDIRECTIONAL ? 2 : 1;
    begin(p, ops[which], 3, AI_LAYOUT_PLAIN);
    ai_recurrent_params *r = &p->f32.params.recurrent;
    *r = (ai_recurrent_params){.direction = direction, .hidden_size = (uint32_t)size};
    r->clip = INFINITY;
    r->flags = which == 1 ? (uint32_t)from(p, 0, 1) : 0;
    for (int i = 0; i < 6; i++)
        r->activation[i].function =
            i % 3 == 0 && which > 0 ? AI_FUNCTION_SIGMOID : AI_FUNCTION_TANH;
    p->f16.params = p->f32.params;
    values(p, 0, AI_LAYOUT_PLAIN, 3, (int64_t[]){from(p, 1, 9), from(p, 1, 6), inputs});
    weights(p, 1, AI_LAYOUT_PANEL16, 3, (int64_t[]){count, inputs, gates * size});
    weights(p, 2, AI_LAYOUT_PANEL16, 3, (int64_t[]){count, size, gates * size});
}

/* Rows of a plain table, and columns of the same numbers in panels. */
static void make_table(pair *p)
{
    int64_t n = from(p, 1, 50);
    int64_t k = from(p, 1, 50);
    begin(p, AI_OP_GATHER, 2, AI_LAYOUT_PLAIN);
    weights(p, 0, AI_LAYOUT_PANEL16, 2, (int64_t[]){k, n});
    step_shape(&p->f32, 0, AI_F32, AI_LAYOUT_PLAIN, 2, (int64_t[]){n, k});
    const uint16_t *halves = p->f16.in[0].data;
    step_alloc(&p->f32, &p->f32.in[0], 0);
    for (int64_t i = 0; i < n * k; i++)
        *step_f32(&p->f32.in[0], i) =
            ai_f16_to_f32(halves[(i / k / 16 * k + i % k) * 16 + i / k % 16]);
    step *both[2] = {&p->f32, &p->f16};
    for (int j = 0; j < 2; j++) {
        step_shape(both[j], 1, AI_S64, AI_LAYOUT_PLAIN, 2, (int64_t[]){3, 5});
        step_alloc(both[j], &both[j]->in[1], 1);
    }
    for (int i = 0; i < 15; i++)
        ((int64_t *)p->f32.in[1].data)[i] = ((int64_t *)p->f16.in[1].data)[i] = from(p, -n, n - 1);
}

/* ---- Comparing ---- */

/* All units, in `parts` ranges. */
static void run(const pair *p, step *s, uint32_t cpu, int64_t parts)
{
    ai_status status = step_check(s);
    if (status == AI_OK)
        status = step_prepare(s, cpu);
    for (int64_t i = 0; i < parts && status == AI_OK; i++)
        status = step_run(s, s->step.work * i / parts, s->step.work * (i + 1) / parts);
    if (status != AI_OK)
        stop(p, "fails:", s->err.message);
}

static void try_one(pair *p)
{
    p->state = p->seed;
    switch (p->seed % 6) {
    case 0:
        make_product(p);
        break;
    case 1:
        make_recurrent(p);
        break;
    case 2:
        make_table(p);
        break;
    default:
        make_conv(p);
    }
    run(p, &p->f32, AI_CPU_REF, 1);
    for (uint32_t cpu = AI_CPU_REF; cpu <= step_levels(); cpu <<= 1) {
        if ((step_levels() & cpu) == 0)
            continue;
        run(p, &p->f16, cpu | AI_CPU_REF, from(p, 1, 3));
        for (int64_t i = 0; i < ai_tensor_count(&p->f32.out[0]); i++) {
            if (memcmp(step_f32(&p->f32.out[0], i), step_f32(&p->f16.out[0], i), 4) != 0)
                stop(p, "differs from the same numbers as f32", "");
        }
    }
    step_free(&p->f32);
    step_free(&p->f16);
}

int main(int argc, char **argv)
{
    static pair p;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 400;
    for (p.seed = seed; p.seed < seed + count; p.seed++)
        try_one(&p);
    return 0;
}
