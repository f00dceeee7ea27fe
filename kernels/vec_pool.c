/* SPDX-License-Identifier: Apache-2.0
 * Pools of blocks of 16 channels, of f32 or u8, a template like vec.c: a lane is a channel. */
#include "vec.h"
#include "vmath.h"

ai_kernel_fn BYTES(max_pool);

/* The taps [*begin, *end) of k that lie inside [0, size) when the first one is at `start`. */
static void inside(int64_t start, int32_t size, int32_t dilation, int32_t k, int32_t *begin,
                   int32_t *end)
{
    *begin = 0;
    *end = k;
    if (start >= 0 && start + (int64_t)(k - 1) * dilation < size)
        return;
    const int64_t first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t last = start < size ? (size - 1 - start) / dilation + 1 : 0;
    *begin = first < k ? (int32_t)first : k;
    *end = last < k ? (int32_t)last : k;
    if (*end < *begin)
        *end = *begin;
}

/* How many taps lie inside the padded input: those before its end. */
static int64_t padded_count(int64_t start, int32_t size, int32_t pad_end, int32_t dilation,
                            int32_t k)
{
    const int64_t end = (int64_t)size + pad_end;
    const int64_t count = start < end ? (end - 1 - start) / dilation + 1 : 0;
    return count < k ? count : k;
}

/* The windows of one row of outputs: the first row of taps inside the input, and how many. */
typedef struct windows {
    int64_t in;  /* elements from the input to that row */
    int64_t row; /* of the first taps, inside or not */
    int32_t kh;
} windows;

static windows place(const ai_pool_args *p, int32_t row)
{
    windows w;
    int32_t begin, end;
    w.row = (int64_t)row * p->stride_h - p->pad_top;
    inside(w.row, p->ih, p->dilation_h, p->kh, &begin, &end);
    w.kh = end - begin;
    w.in = (w.row + (int64_t)begin * p->dilation_h) * p->in_row;
    return w;
}

/* Folds the taps of four neighbours, the first one's from column `first` on, into acc0 to acc3 by
 * `step`, where has(p, column). */
#define FOLD4(p, data, w, first, load, step, has)                                                  \
    for (int32_t y = 0; y < (w).kh; y++) {                                                         \
        const int64_t taps = (w).in + (int64_t)y * (p)->dilation_h * (p)->in_row;                  \
        const int64_t next = (p)->stride_w;                                                        \
        for (int64_t c = (first), x = 0; x < (p)->kw; x++, c += (p)->dilation_w) {                 \
            if (has(p, c))                                                                         \
                acc0 = step(acc0, load((data) + taps + c * 16));                                   \
            if (has(p, c + next))                                                                  \
                acc1 = step(acc1, load((data) + taps + (c + next) * 16));                          \
            if (has(p, c + 2 * next))                                                              \
                acc2 = step(acc2, load((data) + taps + (c + 2 * next) * 16));                      \
            if (has(p, c + 3 * next))                                                              \
                acc3 = step(acc3, load((data) + taps + (c + 3 * next) * 16));                      \
        }                                                                                          \
    }
#define HAS_ALL(p, column)    true
#define HAS_INSIDE(p, column) ((column) >= 0 && (column) < (p)->iw)

static bool are_inside(const ai_pool_args *p, int64_t first)
{
    const int64_t last = first + 3 * (int64_t)p->stride_w + (int64_t)(p->kw - 1) * p->dilation_w;
    return first >= 0 && last < p->iw;
}

/* The first `count` of four neighbours. */
#define STORE4(store, out, count, acc0, acc1, acc2, acc3)                                          \
    do {                                                                                           \
        store(out, acc0);                                                                          \
        if ((count) > 1)                                                                           \
            store((out) + 16, acc1);                                                               \
        if ((count) > 2)                                                                           \
            store((out) + 32, acc2);                                                               \
        if ((count) > 3)                                                                           \
            store((out) + 48, acc3);                                                               \
    } while (0)

/* A row of maxima of the elements T, where a vector v has sixteen. */
#define DEFINE_MAX_ROW(name, T, v, least, load, store, step)                                       \
    static void name(const ai_pool_args *p, int32_t row)                                           \
    {                                                                                              \
        const T *in = (const void *)p->in;                                                         \
        T *out = (T *)(void *)p->out + row * p->out_row;                                           \
        const windows w = place(p, row);                                                           \
        for (int32_t col = 0; col < p->ow; col += 4) {                                             \
            const int64_t first = (int64_t)col * p->stride_w - p->pad_left;                        \
            v acc0 = (least), acc1 = acc0, acc2 = acc0, acc3 = acc0;                               \
            if (are_inside(p, first)) {                                                            \
                FOLD4(p, in, w, first, load, step, HAS_ALL)                                        \
            } else {                                                                               \
                FOLD4(p, in, w, first, load, step, HAS_INSIDE)                                     \
            }                                                                                      \
            STORE4(store, out + (int64_t)col * 16, p->ow - col, acc0, acc1, acc2, acc3);           \
        }                                                                                          \
    }
DEFINE_MAX_ROW(max_row, float, vf, v_neg(V_INF), v_load, v_store, v_max)
DEFINE_MAX_ROW(byte_max_row, uint8_t, vb, b_set(0), b_load, b_store, b_max)

void KERNEL_NAME(max_pool)(const void *args)
{
    const ai_pool_args *p = args;
    for (int32_t row = p->row_begin; row < p->row_end; row++)
        max_row(p, row);
}

void BYTES(max_pool)(const void *args)
{
    const ai_pool_args *p = args;
    for (int32_t row = p->row_begin; row < p->row_end; row++)
        byte_max_row(p, row);
}

/* One over the taps that count for the window at column `first`. */
static vf share(const ai_pool_args *p, const windows *w, int64_t first)
{
    int32_t begin, end;
    inside(first, p->iw, p->dilation_w, p->kw, &begin, &end);
    int64_t count = (int64_t)w->kh * (end - begin);
    if (p->count_include_pad)
        count = padded_count(w->row, p->ih, p->pad_bottom, p->dilation_h, p->kh) *
                padded_count(first, p->iw, p->pad_right, p->dilation_w, p->kw);
    return v_set(1.0f / (float)count);
}

static void average_row(const ai_pool_args *p, int32_t row)
{
    float *out = p->out + row * p->out_row;
    const windows w = place(p, row);
    for (int32_t col = 0; col < p->ow; col += 4) {
        const int64_t first = (int64_t)col * p->stride_w - p->pad_left;
        const vf share0 = share(p, &w, first);
        vf share1 = share0, share2 = share0, share3 = share0;
        vf acc0 = v_set(0.0f), acc1 = acc0, acc2 = acc0, acc3 = acc0;
        if (are_inside(p, first)) {
            FOLD4(p, p->in, w, first, v_load, v_add, HAS_ALL)
        } else {
            FOLD4(p, p->in, w, first, v_load, v_add, HAS_INSIDE)
            share1 = share(p, &w, first + p->stride_w);
            share2 = share(p, &w, first + 2 * (int64_t)p->stride_w);
            share3 = share(p, &w, first + 3 * (int64_t)p->stride_w);
        }
        STORE4(v_store, out + (int64_t)col * 16, p->ow - col, v_mul(acc0, share0),
               v_mul(acc1, share1), v_mul(acc2, share2), v_mul(acc3, share3));
    }
}

void KERNEL_NAME(average_pool)(const void *args)
{
    const ai_pool_args *p = args;
    for (int32_t row = p->row_begin; row < p->row_end; row++)
        average_row(p, row);
}

void KERNEL_NAME(global_average_pool)(const void *args)
{
    const ai_pool_args *p = args;
    vf sum = v_set(0.0f);
    for (int32_t y = 0; y < p->ih; y++)
        for (int32_t x = 0; x < p->iw; x++)
            sum = v_add(sum, v_load(p->in + y * p->in_row + (int64_t)x * 16));
    v_store(p->out, v_div(sum, v_set((float)((int64_t)p->ih * p->iw))));
}
