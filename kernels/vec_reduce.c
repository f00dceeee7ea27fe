/* SPDX-License-Identifier: Apache-2.0
 * Reductions of a row and Softmax, a template like vec.c: a lane is one of the 16 partial results. */
#include "vec.h"
#include "vmath.h"

#define MINUS_INF v_neg(V_INF)

static float tree_sum(vf sum)
{
    sum = v_add(sum, v_swap(sum, 8));
    sum = v_add(sum, v_swap(sum, 4));
    sum = v_add(sum, v_swap(sum, 2));
    return v_first(v_add(sum, v_swap(sum, 1)));
}

/* Only the lower of two lanes is read on: which of two zeros is kept is theirs to say. */
static float tree_max(vf best)
{
    best = v_max(best, v_swap(best, 8));
    best = v_max(best, v_swap(best, 4));
    best = v_max(best, v_swap(best, 2));
    return v_first(v_max(best, v_swap(best, 1)));
}

AI_INLINE vf add_plain(vf sum, vf x, vf offset)
{
    (void)offset;
    return v_add(sum, x);
}
AI_INLINE vf add_abs(vf sum, vf x, vf offset)
{
    (void)offset;
    return v_add(sum, v_abs(x));
}
AI_INLINE vf add_square(vf sum, vf x, vf offset)
{
    const vf d = v_sub(x, offset);
    return v_fma(d, d, sum);
}

/* `next` in the lanes that have an element, what was there in the others. */
AI_INLINE vf keep_some(vf next, vf sum, int64_t n)
{
    return n >= 16 ? next : v_select(m_first(n), next, sum);
}

#define REDUCE(name, step)                                                                         \
    void KERNEL_NAME(name)(const void *args)                                                       \
    {                                                                                              \
        const ai_reduce_args *r = args;                                                            \
        const vf offset = v_set(r->offset);                                                        \
        vf sum = v_set(0.0f);                                                                      \
        for (int64_t i = 0, left = r->count; left > 0; i += 16, left -= 16)                        \
            sum = keep_some(step(sum, load_some(r->in + i, left), offset), sum, left);             \
        *r->result = tree_sum(sum);                                                                \
    }

REDUCE(reduce_sum, add_plain)
REDUCE(reduce_sum_abs, add_abs)
REDUCE(reduce_sum_square, add_square)

void KERNEL_NAME(reduce_sum_exp)(const void *args)
{
    const ai_reduce_args *r = args;
    const vf offset = v_set(r->offset);
    vf sum = v_set(0.0f);
    for (int64_t i = 0, left = r->count; left > 0; i += 16, left -= 16) {
        const vf e = v_exp(v_sub(load_some(r->in + i, left), offset));
        if (r->out)
            store_some(r->out + i, e, left);
        sum = keep_some(v_add(sum, e), sum, left);
    }
    *r->result = tree_sum(sum);
}

void KERNEL_NAME(reduce_max)(const void *args)
{
    const ai_reduce_args *r = args;
    vf best = MINUS_INF;
    for (int64_t i = 0, left = r->count; left > 0; i += 16, left -= 16)
        best = keep_some(v_max(best, load_some(r->in + i, left)), best, left);
    *r->result = tree_max(best);
}

/* ---- Softmax: two rows at once hide the latency of one another's reductions ---- */

/* Two rows, or twice the same one: nothing of the second is read after the first is written. */
typedef struct pair {
    const float *in0, *in1;
    float *out0, *out1;
    vf best0, best1;
    vf sum0, sum1; /* then what e is multiplied by */
} pair;

AI_INLINE void pair_max(pair *p, int64_t i, int64_t n)
{
    p->best0 = keep_some(v_max(p->best0, load_some(p->in0 + i, n)), p->best0, n);
    p->best1 = keep_some(v_max(p->best1, load_some(p->in1 + i, n)), p->best1, n);
}

AI_INLINE void pair_exp(pair *p, int64_t i, int64_t n)
{
    const vf x0 = load_some(p->in0 + i, n), x1 = load_some(p->in1 + i, n);
    const vf e0 = v_exp(v_sub(x0, p->best0)), e1 = v_exp(v_sub(x1, p->best1));
    store_some(p->out0 + i, e0, n);
    store_some(p->out1 + i, e1, n);
    p->sum0 = keep_some(v_add(p->sum0, e0), p->sum0, n);
    p->sum1 = keep_some(v_add(p->sum1, e1), p->sum1, n);
}

AI_INLINE void pair_scale(pair *p, int64_t i, int64_t n)
{
    const vf e0 = load_some(p->out0 + i, n), e1 = load_some(p->out1 + i, n);
    store_some(p->out0 + i, v_mul(e0, p->sum0), n);
    store_some(p->out1 + i, v_mul(e1, p->sum1), n);
}

#define PAIR_EACH(step)                                                                            \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + 16 <= a->count; i += 16)                                                        \
            step(&p, i, 16);                                                                       \
        if (i < a->count)                                                                          \
            step(&p, i, a->count - i);                                                             \
    } while (0)

void KERNEL_NAME(softmax)(const void *args)
{
    const ai_softmax_args *a = args;
    for (int64_t row = 0; row < a->rows; row += 2) {
        const int64_t at = row * a->count, next = row + 1 < a->rows ? at + a->count : at;
        pair p = {a->in + at,  a->in + next, a->out + at, a->out + next,
                  MINUS_INF,   MINUS_INF,    v_set(0.0f), v_set(0.0f)};
        PAIR_EACH(pair_max);
        p.best0 = v_set(tree_max(p.best0));
        p.best1 = v_set(tree_max(p.best1));
        PAIR_EACH(pair_exp);
        p.sum0 = v_set(1.0f / tree_sum(p.sum0));
        p.sum1 = v_set(1.0f / tree_sum(p.sum1));
        PAIR_EACH(pair_scale);
    }
}
