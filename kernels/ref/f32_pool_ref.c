/* SPDX-License-Identifier: Apache-2.0
 * Pooling of a block of 16 channels in plain C. */
#include "kernels.h"
#include "ref.h"

/* The taps of a window in one dimension that lie inside the input: [*begin, *end). */
static void inside(int64_t start, int32_t size, int32_t dilation, int32_t k, int32_t *begin,
                   int32_t *end)
{
    *begin = 0;
    while (*begin < k && start + (int64_t)*begin * dilation < 0)
        ++*begin;
    *end = k;
    while (*end > *begin && start + (int64_t)(*end - 1) * dilation >= size)
        --*end;
}

/* How many taps of a window in one dimension lie inside the padded input. */
static int32_t padded_count(int64_t start, int32_t size, int32_t pad_end, int32_t dilation,
                            int32_t k)
{
    int32_t count = 0;
    for (int32_t i = 0; i < k; i++)
        count += start + (int64_t)i * dilation < (int64_t)size + pad_end;
    return count;
}

/* The window of one output pixel. */
typedef struct window {
    int64_t row, col; /* of its first tap */
    int32_t y0, y1;   /* taps inside the input */
    int32_t x0, x1;
} window;

static window place(const ai_pool_args *a, int32_t row, int32_t col)
{
    window w;
    w.row = (int64_t)row * a->stride_h - a->pad_top;
    w.col = (int64_t)col * a->stride_w - a->pad_left;
    inside(w.row, a->ih, a->dilation_h, a->kh, &w.y0, &w.y1);
    inside(w.col, a->iw, a->dilation_w, a->kw, &w.x0, &w.x1);
    return w;
}

static const float *tap(const ai_pool_args *a, const window *w, int32_t y, int32_t x)
{
    return a->in + (w->row + (int64_t)y * a->dilation_h) * a->in_row +
           (w->col + (int64_t)x * a->dilation_w) * 16;
}

void ai_f32_max_pool_ref(const void *args)
{
    const ai_pool_args *a = args;
    for (int32_t row = a->row_begin; row < a->row_end; row++)
        for (int32_t col = 0; col < a->ow; col++) {
            const window w = place(a, row, col);
            for (int c = 0; c < 16; c++) {
                float best = -INFINITY;
                for (int32_t y = w.y0; y < w.y1; y++)
                    for (int32_t x = w.x0; x < w.x1; x++) {
                        const float v = tap(a, &w, y, x)[c];
                        best = best >= v || best != best ? best : v;
                    }
                a->out[row * a->out_row + (int64_t)col * 16 + c] = best;
            }
        }
}

void ai_f32_average_pool_ref(const void *args)
{
    const ai_pool_args *a = args;
    for (int32_t row = a->row_begin; row < a->row_end; row++)
        for (int32_t col = 0; col < a->ow; col++) {
            const window w = place(a, row, col);
            int64_t count = (int64_t)(w.y1 - w.y0) * (w.x1 - w.x0);
            if (a->count_include_pad)
                count = (int64_t)padded_count(w.row, a->ih, a->pad_bottom, a->dilation_h, a->kh) *
                        padded_count(w.col, a->iw, a->pad_right, a->dilation_w, a->kw);
            const float scale = 1.0f / (float)count;
            for (int c = 0; c < 16; c++) {
                float sum = 0.0f;
                for (int32_t y = w.y0; y < w.y1; y++)
                    for (int32_t x = w.x0; x < w.x1; x++)
                        sum += tap(a, &w, y, x)[c];
                a->out[row * a->out_row + (int64_t)col * 16 + c] = sum * scale;
            }
        }
}

void ai_f32_global_average_pool_ref(const void *args)
{
    const ai_pool_args *a = args;
    const float count = (float)((int64_t)a->ih * a->iw);
    for (int c = 0; c < 16; c++) {
        float sum = 0.0f;
        for (int32_t y = 0; y < a->ih; y++)
            for (int32_t x = 0; x < a->iw; x++)
                sum += a->in[y * a->in_row + (int64_t)x * 16 + c];
        a->out[c] = sum / count;
    }
}
