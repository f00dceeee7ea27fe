/* SPDX-License-Identifier: Apache-2.0
 * Convolution of bytes where some pixels are prepared once for all panels: what levels share that
 * have no product of u8 and s8. Included behind vec.h. */
#ifndef AI_Q_STRIP_H
#define AI_Q_STRIP_H

#include "vec.h"

/* Pixels of which all panels are made before the next ones are prepared; of a tile: at most. */
enum { STRIP = 64, TILE_MOST = 14 };

/* By itself a tile is what tests look at. */
#define NOINLINE __attribute__((noinline))

typedef struct strip {
    const ai_q_conv_args *args;
    const int32_t *start; /* of the panel's sums */
    const uint8_t *residual[STRIP];
    uint8_t *out[STRIP];
    int32_t sums[TILE_MOST * 16]; /* of a tile */
    int32_t own_start[16];
} strip;

/* What a level brings along. A prepared tap of a pixel takes `four` bytes; those of a tile's pixels
 * lie side by side. */
typedef struct strip_level {
    int pixels, four;
    /* the taps of a pixel, `step` bytes apart */
    void (*prepare)(const ai_q_conv_args *a, const uint8_t *in, char *prepared, int64_t step);
    void (*start)(strip *s, int32_t panel); /* sets s->start */
    /* `pixels` of them, or one, from `first` on */
    void (*tile)(strip *s, int first, int32_t panel, const char *prepared);
    void (*tile_1)(strip *s, int first, int32_t panel, const char *prepared);
} strip_level;

/* The sums of `count` pixels, from `first` on, become bytes. */
static NOINLINE void finish(const strip *s, int first, int count, int32_t panel)
{
    const ai_q_conv_args *a = s->args;
    const int32_t *sums = s->sums;
    const vf scale = v_load(a->scale + panel * 16);
    const vf least = v_set((float)-a->middle), most = v_set((float)(255 - a->middle));
    const vf own = v_set(a->own), other = v_set(a->other), offset = v_set(a->offset);
    const vf lo = v_set((float)(a->lo - a->zero)), hi = v_set((float)(a->hi - a->zero));
    const vi zero = i_set((uint32_t)a->zero);
    for (int i = first; i < first + count; i++, sums += 16) {
        vf x = v_mul(v_from_int(i_load(sums)), scale);
        if (a->residual) {
            const vf r = v_load_u8(s->residual[i] + panel * a->residual_plane);
            x = v_round(v_within(x, least, most));
            x = v_fma(x, own, v_fma(r, other, offset));
        }
        x = v_within(x, lo, hi);
        i_store_u8(s->out[i] + panel * a->out_plane, i_add(i_round(x), zero));
    }
}

/* Prepares pixels [first, first + count) of the rows in turn, tile by tile. */
AI_INLINE void fill(strip *s, const strip_level *l, int64_t first, int count)
{
    const ai_q_conv_args *a = s->args;
    const int whole = count - count % l->pixels;
    for (int i = 0; i < count; i++) {
        const int64_t row = a->row_begin + (first + i) / a->ow, x = (first + i) % a->ow;
        const int64_t begin = i < whole ? i - i % l->pixels : i;
        const int64_t step = i < whole ? l->pixels * l->four : l->four;
        l->prepare(a, a->in + row * a->in_row + x * a->in_step,
                   (char *)a->wide + (begin * a->tap_count + i - begin) * l->four, step);
        s->out[i] = a->out + row * a->out_row + x * a->out_step;
        if (a->residual)
            s->residual[i] = a->residual + row * a->residual_row + x * 16;
    }
}

AI_INLINE void over_strips(const ai_q_conv_args *a, const strip_level *l)
{
    const int64_t pixels = (int64_t)(a->row_end - a->row_begin) * a->ow;
    const int room = a->wide_pixels < STRIP ? a->wide_pixels : STRIP;
    const int whole = room < l->pixels ? room : room - room % l->pixels;
    const int64_t bytes = a->tap_count * l->four;
    strip s;
    s.args = a;
    int count;
    for (int64_t first = 0; first < pixels; first += count) {
        count = pixels - first <= room ? (int)(pixels - first) : whole;
        fill(&s, l, first, count);
        for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++) {
            int i = 0;
            l->start(&s, panel);
            for (; i + l->pixels <= count; i += l->pixels)
                l->tile(&s, i, panel, (const char *)a->wide + i * bytes);
            for (; i < count; i++)
                l->tile_1(&s, i, panel, (const char *)a->wide + i * bytes);
        }
    }
}

#endif
