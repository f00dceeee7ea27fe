/* SPDX-License-Identifier: Apache-2.0
 * The cells of RNN, GRU and LSTM as ONNX defines them (version 22 of the operators), one step in
 * time. A sum has its bias first, then the products of the input, then those of h. */
#include <math.h>

#include "recurrent.h"

/* h and c below this become 0: they fade without inputs, and would fade into denormal numbers, on
 * which processors take a hundred times as long. Far below what any sum with a 1 could see. */
static const float faint = 0x1p-80f;

static ai_kernel_fn *kernel_of(const ai_recurrent *q, uint32_t slot)
{
    return ai_kernels[q->step->local[slot]].fn;
}

static void unary(const ai_recurrent *q, uint32_t slot, float *x, int64_t count, float alpha,
                  float beta)
{
    const ai_unary_args args = {x, x, count, alpha, beta};
    kernel_of(q, slot)(&args);
}

static void binary(const ai_recurrent *q, uint32_t slot, const float *a, const float *b, float *out)
{
    const ai_binary_args args = {a, b, out, q->size, 1, 1};
    kernel_of(q, slot)(&args);
}

/* Function f, g or h (0, 1, 2) of this direction. `clip` bounds the sums of gates alone, as in ONNX
 * Runtime and OpenVINO. */
static void function(const ai_recurrent *q, uint32_t which, float *x, int64_t count)
{
    const ai_recurrent_params *p = q->step->params;
    uint32_t i = 3 * (uint32_t)q->direction + which;
    const ai_recurrent_activation *f = &p->activation[i];
    if (which < 2 && p->clip < INFINITY)
        unary(q, AI_RECURRENT_CLIP, x, count, -p->clip, p->clip);
    if (f->function == AI_FUNCTION_SCALED_TANH) {
        unary(q, AI_RECURRENT_AFFINE, x, count, f->beta, 0);
        unary(q, AI_RECURRENT_FUNCTION + i, x, count, 0, 0);
        unary(q, AI_RECURRENT_AFFINE, x, count, f->alpha, 0);
    } else if (f->function == AI_FUNCTION_RELU) {
        unary(q, AI_RECURRENT_FUNCTION + i, x, count, 0, INFINITY);
    } else {
        unary(q, AI_RECURRENT_FUNCTION + i, x, count, f->alpha, f->beta);
    }
}

/* x + weight * c */
static void add_peephole(const ai_recurrent *q, int64_t gate, float *x, const float *c,
                         float *between)
{
    if (!q->peephole)
        return;
    binary(q, AI_RECURRENT_MUL, q->peephole + gate * q->size, c, between);
    binary(q, AI_RECURRENT_ADD, x, between, x);
}

/* Ht = f(sum) */
static void rnn_row(const ai_recurrent *q, const float *sums, float *h)
{
    for (int64_t i = 0; i < q->size; i++)
        h[i] = sums[i];
    function(q, 0, h, q->size);
    unary(q, AI_RECURRENT_FLUSH, h, q->size, faint, 0);
}

/* i, o, f = f(sums), c~ = g(sum); c' = f c + i c~; h' = o h(c') */
static void lstm_row(const ai_recurrent *q, float *sums, float *h, float *c, float *between)
{
    const ai_recurrent_params *p = q->step->params;
    int64_t size = q->size;
    float *i = sums;
    float *o = sums + size;
    float *f = sums + 2 * size;
    float *candidate = sums + 3 * size;

    add_peephole(q, 0, i, c, between);
    add_peephole(q, 2, f, c, between);
    if (q->peephole) { /* o waits for the new c */
        function(q, 0, i, size);
        function(q, 0, f, size);
    } else {
        function(q, 0, i, 3 * size);
    }
    for (int64_t k = 0; k < size && (p->flags & AI_INPUT_FORGET); k++)
        f[k] = 1.0f - i[k];
    function(q, 1, candidate, size);
    binary(q, AI_RECURRENT_MUL, f, c, c);
    binary(q, AI_RECURRENT_MUL, i, candidate, between);
    binary(q, AI_RECURRENT_ADD, c, between, c);
    unary(q, AI_RECURRENT_FLUSH, c, size, faint, 0);
    if (q->peephole) {
        add_peephole(q, 1, o, c, between);
        function(q, 0, o, size);
    }
    for (int64_t k = 0; k < size; k++)
        between[k] = c[k];
    function(q, 2, between, size);
    binary(q, AI_RECURRENT_MUL, o, between, h);
    unary(q, AI_RECURRENT_FLUSH, h, size, faint, 0);
}

/* h~ = g(sum); h' = h~ + z (h - h~), which is (1 - z) h~ + z h */
static void gru_row(const ai_recurrent *q, const float *z, float *candidate, float *h)
{
    function(q, 1, candidate, q->size);
    binary(q, AI_RECURRENT_SUB, h, candidate, h);
    binary(q, AI_RECURRENT_MUL, z, h, h);
    binary(q, AI_RECURRENT_ADD, candidate, h, h);
    unary(q, AI_RECURRENT_FLUSH, h, q->size, faint, 0);
}

/* z, r = f(sums). The last gate's sum is that of the input plus that of r h; or, with
 * linear_before_reset, plus r times that of h. */
static void gru(const ai_recurrent *q, float *sums)
{
    const ai_recurrent_params *p = q->step->params;
    int64_t size = q->size;
    bool is_linear = (p->flags & AI_LINEAR_BEFORE_RESET) != 0;

    ai_recurrent_multiply(q, q->h, sums, q->width, sums, 0, 2 * size);
    if (is_linear)
        ai_recurrent_multiply(q, q->h, q->late, 0, q->between, 2 * size, 3 * size);
    for (int64_t m = 0; m < q->rows; m++) {
        float *z = sums + m * q->width;
        float *last = q->between + m * q->width + 2 * size;
        function(q, 0, z, 2 * size);
        if (is_linear) {
            binary(q, AI_RECURRENT_MUL, z + size, last, last);
            binary(q, AI_RECURRENT_ADD, z + 2 * size, last, last);
        } else {
            binary(q, AI_RECURRENT_MUL, z + size, q->h + m * size, q->c + m * size);
        }
    }
    if (!is_linear)
        ai_recurrent_multiply(q, q->c, sums, q->width, q->between, 2 * size, 3 * size);
    for (int64_t m = 0; m < q->rows; m++)
        gru_row(q, sums + m * q->width, q->between + m * q->width + 2 * size, q->h + m * size);
}

void ai_recurrent_cell(const ai_recurrent *q, float *sums)
{
    if (q->step->file->op == AI_OP_GRU) {
        gru(q, sums);
        return;
    }
    ai_recurrent_multiply(q, q->h, sums, q->width, sums, 0, q->width);
    for (int64_t m = 0; m < q->rows; m++) {
        float *row = sums + m * q->width;
        float *h = q->h + m * q->size;
        if (q->step->file->op == AI_OP_RNN)
            rnn_row(q, row, h);
        else
            lstm_row(q, row, h, q->c + m * q->size, q->between + m * q->width);
    }
}
