/* SPDX-License-Identifier: Apache-2.0
 * Pools of blocks of 16 channels, a template like vec.c: a lane is a channel. */
#include "kernels.h"
#include "simd.h"
#include "vmath.h"

#if AI_LANES != 16
#error "one lane is ref's: see kernels/ref"
#endif

#define JOIN2(name, level) ai_f32_##name##_##level
#define JOIN(name, level)  JOIN2(name, level)
#define KERNEL_NAME(name)  JOIN(name, AI_LEVEL)
#define MINUS_INF          v_neg(V_INF)

#define AI_VEC_ROW(op, layout, name) ai_kernel_fn KERNEL_NAME(name);
#include "vec.def"
#undef AI_VEC_ROW

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

/* The window of one output pixel: its first tap inside the input, and how many there are. */
typedef struct window {
    const float *in;
    int64_t row, col; /* of the first tap, inside or not */
    int32_t kh, kw;
} window;

static window place(const ai_pool_args *p, int32_t row, int32_t col)
{
    window w;
    int32_t y0, y1, x0, x1;
    w.row = (int64_t)row * p->stride_h - p->pad_top;
    w.col = (int64_t)col * p->stride_w - p->pad_left;
    inside(w.row, p->ih, p->dilation_h, p->kh, &y0, &y1);
    inside(w.col, p->iw, p->dilation_w, p->kw, &x0, &x1);
    w.kh = y1 - y0;
    w.kw = x1 - x0;
    w.in = p->in + (w.row + (int64_t)y0 * p->dilation_h) * p->in_row +
           (w.col + (int64_t)x0 * p->dilation_w) * 16;
    return w;
}

/* Folds all taps of a window into `acc` by `step`. */
#define FOLD(p, w, acc, step)                                                                      \
    for (int32_t y = 0; y < (w).kh; y++) {                                                         \
        const float *tap = (w).in + (int64_t)y * (p)->dilation_h * (p)->in_row;                    \
        for (int32_t x = 0; x < (w).kw; x++)                                                       \
            (acc) = step(acc, v_load(tap + (int64_t)x * (p)->dilation_w * 16));                    \
    }

/* The same for the windows of four neighbours that lie inside the input: acc0 to acc3. */
#define FOLD4(p, w, step)                                                                          \
    for (int32_t y = 0; y < (w).kh; y++) {                                                         \
        const float *tap = (w).in + (int64_t)y * (p)->dilation_h * (p)->in_row;                    \
        const int64_t next = (int64_t)(p)->stride_w * 16;                                          \
        for (int32_t x = 0; x < (w).kw; x++, tap += (int64_t)(p)->dilation_w * 16) {               \
            acc0 = step(acc0, v_load(tap));                                                        \
            acc1 = step(acc1, v_load(tap + next));                                                 \
            acc2 = step(acc2, v_load(tap + 2 * next));                                             \
            acc3 = step(acc3, v_load(tap + 3 * next));                                             \
        }                                                                                          \
    }

static bool are_four_inside(const ai_pool_args *p, int32_t col)
{
    const int64_t first = (int64_t)col * p->stride_w - p->pad_left;
    const int64_t last = first + 3 * (int64_t)p->stride_w + (int64_t)(p->kw - 1) * p->dilation_w;
    return col + 4 <= p->ow && first >= 0 && last < p->iw;
}

static void max_row(const ai_pool_args *p, int32_t row)
{
    float *out = p->out + row * p->out_row;
    for (int32_t col = 0; col < p->ow;) {
        const window w = place(p, row, col);
        vf acc0 = MINUS_INF, acc1 = acc0, acc2 = acc0, acc3 = acc0;
        if (!are_four_inside(p, col)) {
            FOLD(p, w, acc0, v_max)
            v_store(out + (int64_t)col++ * 16, acc0);
            continue;
        }
        FOLD4(p, w, v_max)
        v_store(out + (int64_t)col++ * 16, acc0);
        v_store(out + (int64_t)col++ * 16, acc1);
        v_store(out + (int64_t)col++ * 16, acc2);
        v_store(out + (int64_t)col++ * 16, acc3);
    }
}

void KERNEL_NAME(max_pool)(const void *args)
{
    const ai_pool_args *p = args;
    for (int32_t row = p->row_begin; row < p->row_end; row++)
        max_row(p, row);
}

static void average_row(const ai_pool_args *p, int32_t row)
{
    float *out = p->out + row * p->out_row;
    for (int32_t col = 0; col < p->ow;) {
        const window w = place(p, row, col);
        int64_t count = (int64_t)w.kh * w.kw; /* of all four too: their columns are inside */
        if (p->count_include_pad)
            count = padded_count(w.row, p->ih, p->pad_bottom, p->dilation_h, p->kh) *
                    padded_count(w.col, p->iw, p->pad_right, p->dilation_w, p->kw);
        const vf scale = v_set(1.0f / (float)count);
        vf acc0 = v_set(0.0f), acc1 = acc0, acc2 = acc0, acc3 = acc0;
        if (!are_four_inside(p, col)) {
            FOLD(p, w, acc0, v_add)
            v_store(out + (int64_t)col++ * 16, v_mul(acc0, scale));
            continue;
        }
        FOLD4(p, w, v_add)
        v_store(out + (int64_t)col++ * 16, v_mul(acc0, scale));
        v_store(out + (int64_t)col++ * 16, v_mul(acc1, scale));
        v_store(out + (int64_t)col++ * 16, v_mul(acc2, scale));
        v_store(out + (int64_t)col++ * 16, v_mul(acc3, scale));
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
