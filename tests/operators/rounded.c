/* SPDX-License-Identifier: Apache-2.0
 * Gemm, MatMul, recurrent layers and Gather with weights of s8, at every CPU level and for any
 * split of the work the same bits; Gather has its numbers as they are. Products of integers with
 * one of 8191 in each row are exact: they are those of the same numbers as f32. Recurrent layers
 * are near theirs. Usage: rounded [SEED [COUNT]]. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "step.h"

typedef struct pair {
    uint64_t state;
    uint64_t seed;
    step f32;
    step s8;
} pair;

static int64_t from(pair *p, int64_t first, int64_t last)
{
    return first + (int64_t)(draw_random(&p->state) % (uint64_t)(last - first + 1));
}

static void stop(const pair *p, const char *what, const char *message)
{
    fprintf(stderr, "rounded: seed %" PRIu64 ": %s with weights of s8: %s %s\n", p->seed,
            ai_op_find(p->f32.file.op)->name, what, message);
    exit(1);
}

/* ---- Operands ---- */

static bool is_recurrent(const pair *p)
{
    const uint16_t op = p->f32.file.op;
    return op == AI_OP_RNN || op == AI_OP_GRU || op == AI_OP_LSTM;
}

static bool is_table(const pair *p)
{
    return p->f32.file.op == AI_OP_GATHER;
}

static void begin(pair *p, uint32_t op, uint32_t in_count)
{
    step_init(&p->f32, op, in_count, 1);
    step_init(&p->s8, op, in_count, 1);
}

static void values(pair *p, uint32_t i, uint32_t rank, const int64_t *dim)
{
    step *both[2] = {&p->f32, &p->s8};
    for (int k = 0; k < 2; k++) {
        step_shape(both[k], i, AI_F32, AI_LAYOUT_PLAIN, rank, dim);
        step_alloc(both[k], &both[k]->in[i], i);
    }
    for (int64_t k = 0; k < ai_tensor_count(&p->f32.in[i]); k++) {
        float x = is_recurrent(p) ? (float)from(p, -999, 999) / 999 : (float)from(p, -15, 15);
        bool is_greatest = !is_recurrent(p) && i == 0 && k % dim[rank - 1] == dim[rank - 1] / 2;
        *step_f32(&p->f32.in[i], k) = *step_f32(&p->s8.in[i], k) = is_greatest ? -8191 : x;
    }
}

/* Scales are powers of two. */
static void weights(pair *p, uint32_t i, uint32_t rank, const int64_t *dim)
{
    int64_t rows = dim[rank - 2];
    int64_t columns = dim[rank - 1];
    int64_t panel = 64 * ((rows + 3) / 4 + 1);
    step_shape(&p->f32, i, AI_F32, AI_LAYOUT_PLAIN, rank,
               is_table(p) ? (int64_t[]){columns, rows} : dim);
    step_shape(&p->s8, i, AI_S8, AI_LAYOUT_QPANEL16, rank, dim);
    p->s8.in[i].kind = AI_TENSOR_CONSTANT;
    step_alloc(&p->f32, &p->f32.in[i], i);
    step_alloc(&p->s8, &p->s8.in[i], i);
    memset(p->s8.in[i].data, 0x55, (size_t)p->s8.in[i].bytes); /* what pads is not seen */
    for (int64_t k = 0; k < ai_tensor_count(&p->f32.in[i]); k++) {
        int64_t column = k % columns;
        int64_t row = k / columns % rows;
        int64_t matrix = k / columns / rows;
        char *to = (char *)p->s8.in[i].data + ((columns + 15) / 16 * matrix + column / 16) * panel;
        float scale = is_recurrent(p) ? 0x1p-10f : ldexpf(1, (int)(column % 7) - 3);
        int8_t q = (int8_t)from(p, -127, 127);
        memcpy(to + column % 16 * 4, &scale, sizeof scale);
        memcpy(to + 64 + row / 4 * 64 + column % 16 * 4 + row % 4, &q, 1);
        *step_f32(&p->f32.in[i], is_table(p) ? column * rows + row : k) = (float)q * scale;
    }
}

/* ---- Steps ---- */

static void make_product(pair *p)
{
    int64_t m = from(p, 1, 5) == 5 ? from(p, 30, 70) : from(p, 1, 5);
    int64_t k = from(p, 1, 90);
    int64_t n = from(p, 1, 100);
    begin(p, from(p, 0, 1) ? AI_OP_GEMM : AI_OP_MATMUL, 3);
    p->f32.params.gemm = (ai_gemm_params){.alpha = 1, .beta = 1};
    if (from(p, 0, 2) == 0)
        p->f32.params.gemm.activation = (ai_activation){.kind = AI_OP_TANH};
    p->s8.params = p->f32.params;
    values(p, 0, 2, (int64_t[]){m, k});
    weights(p, 1, 2, (int64_t[]){k, n});
    values(p, 2, 1, &n);
    if (from(p, 0, 3) == 0)
        p->f32.in_list[2] = p->s8.in_list[2] = NULL;
}

/* A row of the table is a column of the panels. */
static void make_table(pair *p)
{
    int64_t n = from(p, 1, 50);
    begin(p, AI_OP_GATHER, 2);
    weights(p, 0, 2, (int64_t[]){from(p, 1, 50), n});
    step *both[2] = {&p->f32, &p->s8};
    for (int k = 0; k < 2; k++) {
        step_shape(both[k], 1, AI_S32, AI_LAYOUT_PLAIN, 1, (int64_t[]){7});
        step_alloc(both[k], &both[k]->in[1], 1);
    }
    for (int i = 0; i < 7; i++)
        ((int32_t *)p->f32.in[1].data)[i] = ((int32_t *)p->s8.in[1].data)[i] =
            (int32_t)from(p, -n, n - 1);
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
    begin(p, ops[which], 4);
    ai_recurrent_params *r = &p->f32.params.recurrent;
    *r = (ai_recurrent_params){.direction = direction, .hidden_size = (uint32_t)size};
    r->clip = INFINITY;
    r->flags = which == 1 ? (uint32_t)from(p, 0, 1) : 0;
    for (int i = 0; i < 6; i++)
        r->activation[i].function =
            i % 3 == 0 && which > 0 ? AI_FUNCTION_SIGMOID : AI_FUNCTION_TANH;
    p->s8.params = p->f32.params;
    values(p, 0, 3, (int64_t[]){from(p, 1, 40), from(p, 1, 3) == 3 ? 35 : from(p, 1, 3), inputs});
    weights(p, 1, 3, (int64_t[]){count, inputs, gates * size});
    weights(p, 2, 3, (int64_t[]){count, size, gates * size});
    values(p, 3, 2, (int64_t[]){count, 2 * gates * size});
}

/* ---- Comparing ---- */

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

static void compare(const pair *p, const float *first, bool is_first)
{
    for (int64_t i = 0; i < ai_tensor_count(&p->f32.out[0]); i++) {
        float want = *step_f32(&p->f32.out[0], i);
        float got = *step_f32(&p->s8.out[0], i);
        if (is_recurrent(p) ? !(fabsf(got - want) < 0.01f) : memcmp(&want, &got, 4) != 0)
            stop(p, "differs from the same numbers as f32", "");
        if (!is_first && memcmp(&first[i], &got, 4) != 0)
            stop(p, "differs between levels", "");
    }
}

static void try_one(pair *p)
{
    float *first = NULL;
    p->state = p->seed;
    if (p->seed % 8 == 0)
        make_table(p);
    else if (p->seed % 2 > 0)
        make_recurrent(p);
    else
        make_product(p);
    run(p, &p->f32, AI_CPU_REF, 1);
    for (uint32_t cpu = AI_CPU_REF; cpu <= ai_cpu_detect(); cpu <<= 1) {
        if ((ai_cpu_detect() & cpu) == 0)
            continue;
        run(p, &p->s8, cpu | AI_CPU_REF, from(p, 1, 3));
        compare(p, first, first == NULL);
        size_t bytes = (size_t)p->s8.out[0].bytes;
        if (first == NULL && (first = malloc(bytes + 1)) != NULL)
            memcpy(first, p->s8.out[0].data, bytes);
    }
    free(first);
    step_free(&p->f32);
    step_free(&p->s8);
}

int main(int argc, char **argv)
{
    static pair p;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 300;
    for (p.seed = seed; p.seed < seed + count; p.seed++)
        try_one(&p);
    return 0;
}
