/* SPDX-License-Identifier: Apache-2.0
 * Gemm and MatMul against their definition. */
#include <math.h>
#include <stdlib.h>

#include "definition.h"

/* alpha * (a . b) + beta * c as matmul.c says it; c is 0 where there is none. */
static float product(const step *s, const float *a, int64_t a_step, const float *b, int64_t b_step,
                     int64_t k, float c)
{
    const ai_gemm_params *p = &s->params.gemm;
    bool is_scaled = p->alpha != 1.0f || (s->in_list[2] != NULL && p->beta != 1.0f);
    float sum = is_scaled ? 0.0f : c;
    for (int64_t i = 0; i < k; i++)
        sum = fmaf(a[i * a_step], b[i * b_step], sum);
    if (is_scaled) {
        sum = p->alpha * sum;
        c = p->beta * c;
        sum = s->in_list[2] != NULL ? sum + c : sum;
    }
    return activate(&p->activation, sum);
}

static float *fill_matrix(dice *d, step *s)
{
    const ai_tensor *b = &s->in[1];
    if (b->layout == AI_LAYOUT_PLAIN)
        return fill_values(d, s, 1);
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(b); i++) {
        int64_t k = i / b->dim[1];
        int64_t n = i % b->dim[1];
        ((float *)b->data)[(n / 16 * b->dim[0] + k) * 16 + n % 16] = plain[i];
    }
    return plain;
}

bool define_gemm(dice *d)
{
    int64_t m = from(d, 1, one_in(d, 2) ? 1 : 70);
    int64_t k = from(d, 0, 20);
    int64_t n = from(d, 1, 50);
    bool is_packed = one_in(d, 2);
    step s;

    step_init(&s, AI_OP_GEMM, 3, 1);
    ai_gemm_params *p = &s.params.gemm;
    p->alpha = one_in(d, 3) ? 0.5f : 1.0f;
    p->beta = one_in(d, 3) ? 0.3f : 1.0f;
    p->trans_a = (uint32_t)from(d, 0, 1);
    p->trans_b = is_packed ? 0 : (uint32_t)from(d, 0, 1);
    make_activation(d, &p->activation);
    int64_t c_dim[2] = {one_in(d, 2) ? m : 1, one_in(d, 2) ? n : 1};
    uint32_t c_rank = (uint32_t)from(d, 0, 2);
    step_shape(&s, 0, AI_F32, AI_LAYOUT_PLAIN, 2,
               p->trans_a ? (int64_t[]){k, m} : (int64_t[]){m, k});
    step_shape(&s, 1, AI_F32, is_packed ? AI_LAYOUT_PANEL16 : AI_LAYOUT_PLAIN, 2,
               p->trans_b ? (int64_t[]){n, k} : (int64_t[]){k, n});
    step_shape(&s, 2, AI_F32, AI_LAYOUT_PLAIN, c_rank, c_dim + 2 - c_rank);
    s.in[1].kind = AI_TENSOR_CONSTANT;
    s.in_list[2] = one_in(d, 3) ? NULL : &s.in[2];
    if (step_check(&s) != AI_OK)
        fail(d, "Gemm", s.err.message);
    float *a = fill_values(d, &s, 0);
    float *b = fill_matrix(d, &s);
    float *c = fill_values(d, &s, 2);
    int64_t c_col = c_rank > 0 && c_dim[1] > 1 ? 1 : 0;
    int64_t c_row = c_rank > 1 && c_dim[0] > 1 ? c_dim[1] : 0;
    run_split(d, &s, "Gemm");
    for (int64_t i = 0; i < m * n; i++) {
        int64_t row = i / n;
        int64_t col = i % n;
        expect(d, &s, "Gemm", i,
               product(&s, a + row * (p->trans_a ? 1 : k), p->trans_a ? m : 1,
                       b + col * (p->trans_b ? k : 1), p->trans_b ? 1 : n, k,
                       s.in_list[2] != NULL ? c[row * c_row + col * c_col] : 0.0f));
    }
    free(a);
    free(b);
    free(c);
    step_free(&s);
    return true;
}

/* Two batch dimensions at most, either operand with all, some or none of them, or a vector. */
bool define_matmul(dice *d)
{
    uint32_t a_rank = (uint32_t)from(d, 1, 4);
    bool is_packed = one_in(d, 3);
    uint32_t b_rank = is_packed ? 2 : (uint32_t)from(d, 1, 4);
    int64_t m = a_rank == 1 ? 1 : from(d, 1, 40);
    int64_t k = from(d, 0, 20);
    int64_t n = b_rank == 1 ? 1 : from(d, 1, 40);
    int64_t a_dim[4] = {from(d, 1, 3), from(d, 1, 3), m, k};
    int64_t b_dim[4] = {one_in(d, 2) ? 1 : a_dim[0], one_in(d, 2) ? 1 : a_dim[1], k, n};
    step s;

    for (int i = 0; i < 2; i++)
        a_dim[i] = b_dim[i] > 1 && one_in(d, 3) ? 1 : a_dim[i];
    step_init(&s, AI_OP_MATMUL, 3, 1);
    s.params.gemm.alpha = s.params.gemm.beta = 1.0f;
    make_activation(d, &s.params.gemm.activation);
    step_shape(&s, 0, AI_F32, AI_LAYOUT_PLAIN, a_rank, a_dim + 4 - a_rank);
    step_shape(&s, 1, AI_F32, is_packed ? AI_LAYOUT_PANEL16 : AI_LAYOUT_PLAIN, b_rank,
               b_rank == 1 ? &k : b_dim + 4 - b_rank);
    step_shape(&s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, &n);
    s.in[1].kind = AI_TENSOR_CONSTANT;
    s.in_list[2] = one_in(d, 2) ? NULL : &s.in[2];
    if (step_check(&s) != AI_OK)
        fail(d, "MatMul", s.err.message);
    float *a = fill_values(d, &s, 0);
    float *b = fill_matrix(d, &s);
    float *c = fill_values(d, &s, 2);
    run_split(d, &s, "MatMul");
    int64_t a_batch[2] = {a_rank == 4 ? a_dim[0] : 1, a_rank >= 3 ? a_dim[1] : 1};
    int64_t b_batch[2] = {b_rank == 4 ? b_dim[0] : 1, b_rank >= 3 ? b_dim[1] : 1};
    int64_t inner = a_batch[1] > b_batch[1] ? a_batch[1] : b_batch[1];
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t batch = i / n / m;
        int64_t x = (a_batch[0] > 1 ? batch / inner * a_batch[1] : 0) +
                    (a_batch[1] > 1 ? batch % inner : 0);
        int64_t y = (b_batch[0] > 1 ? batch / inner * b_batch[1] : 0) +
                    (b_batch[1] > 1 ? batch % inner : 0);
        expect(d, &s, "MatMul", i,
               product(&s, a + (x * m + i / n % m) * k, 1, b + y * k * n + i % n, n, k,
                       s.in_list[2] != NULL ? c[i % n] : 0.0f));
    }
    free(a);
    free(b);
    free(c);
    step_free(&s);
    return true;
}
