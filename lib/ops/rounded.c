/* SPDX-License-Identifier: Apache-2.0
 * Products with weights of s8: integer sums, which have no order to keep and half of f16's bytes.
 */
#include "rounded.h"

#include "window.h"

enum { QUANTISE, GEMM };

static int64_t whole(int64_t k)
{
    return (k + 3) / 4 * 4;
}

int64_t ai_rounded_bytes(int64_t k, int64_t n)
{
    return ai_blocks(n) * 16 * (whole(k) + 4);
}

bool ai_rounded_plan(int64_t *scratch, int64_t rows, int64_t k)
{
    /* two s16 take as much as an f32 */
    return ai_scratch_add(scratch, rows, whole(k) / 2, 1, sizeof(float)) &&
           ai_scratch_add(scratch, rows, 1, 1, sizeof(float));
}

ai_status ai_rounded_prepare(ai_step *s, uint32_t local, ai_error *err)
{
    ai_status status = ai_choose(s, 0, AI_K_QUANTISE, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
    if (status == AI_OK) {
        s->local[local + QUANTISE] = s->kernel[0] - ai_kernels;
        status = ai_choose(s, 0, AI_K_GEMM_S8, AI_S16, AI_S8, AI_LAYOUT_QPANEL16, err);
    }
    if (status == AI_OK)
        s->local[local + GEMM] = s->kernel[0] - ai_kernels;
    return status;
}

void ai_rounded_start(ai_rounded *r, const ai_step *s, uint32_t local, int64_t rows, int64_t k,
                      char **scratch)
{
    *r = (ai_rounded){.quantise = &ai_kernels[s->local[local + QUANTISE]],
                      .gemm = &ai_kernels[s->local[local + GEMM]]};
    r->rows = ai_scratch_take(scratch, rows * (whole(k) / 2), sizeof(float));
    r->scales = ai_scratch_take(scratch, rows, sizeof(float));
}

void ai_rounded_take(const ai_rounded *r, const ai_gemm_args *g)
{
    for (int64_t m = 0; m < g->m; m++)
        r->quantise->fn(&(ai_quantise_args){g->a + m * g->a_row, g->k, r->rows + m * whole(g->k),
                                            r->scales + m});
}

void ai_rounded_multiply(const ai_rounded *r, const ai_gemm_args *g)
{
    r->gemm->fn(&(ai_gemm_s8_args){r->rows, r->scales, *g});
}
