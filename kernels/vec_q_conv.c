/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 by widening both to s16, which saturates on no input, a template like
 * vec.c. Bytes are widened once for all panels, in pairs that are broadcast; weights once for a
 * tile. */
#include <string.h>

#include "f32_tile_rep.h"
#include "q_strip.h"

/* Pixels of a tile: their sums and a pair of weights fill the registers. */
#if defined(AI_SIMD_AVX512)
#define CONV     BYTES(conv_14x16)
#define TILE_ALL tile_14
enum { PIXELS = 14 };
#elif defined(AI_SIMD_AVX2)
#define CONV     BYTES(conv_6x16)
#define TILE_ALL tile_6
enum { PIXELS = 6 };
#else
#define CONV     BYTES(conv_4x16)
#define TILE_ALL tile_4
enum { PIXELS = 4 };
#endif

ai_kernel_fn CONV;
ai_kernel_fn BYTES(depthwise_4x16);

/* ---- All channels: some pixels by a panel ---- */

#define START(p, b, o) vi sum##p = start;
#define EVEN(p, b, o)  sum##p = i_dot2(sum##p, even, q + 4 * (p));
#define ODD(p, b, o)   sum##p = i_dot2(sum##p, odd, q + 4 * (p) + 2);
#define STORE(p, b, o) i_store(s->sums + 16 * (p), sum##p);
#define TILE(n)                                                                                    \
    static NOINLINE void tile_##n(strip *s, int first, int32_t panel, const char *prepared)        \
    {                                                                                              \
        const ai_q_conv_args *a = s->args;                                                         \
        const int64_t panel_bytes = a->tap_count * 64;                                             \
        const int8_t *w = a->weights + panel * panel_bytes, *const end = w + panel_bytes;          \
        const int16_t *q = (const int16_t *)(const void *)prepared;                                \
        const vi start = i_load(s->start);                                                         \
        REP##n(START);                                                                             \
        for (; w < end; w += 64, q += 4 * (n)) {                                                   \
            const vh even = i_even_s8(w);                                                          \
            __builtin_prefetch(w + panel_bytes, 0, 2);                                             \
            REP##n(EVEN);                                                                          \
            const vh odd = i_odd_s8(w);                                                            \
            REP##n(ODD);                                                                           \
        }                                                                                          \
        REP##n(STORE);                                                                             \
        finish(s, first, n, panel);                                                                \
    }
TILE(1)
#if defined(AI_SIMD_AVX512)
TILE(14)
#elif defined(AI_SIMD_AVX2)
TILE(6)
#else
TILE(4)
#endif

/* Bytes 0, 2, 1, 3 of each four as s16. */
static void widen(const ai_q_conv_args *a, const uint8_t *in, char *wide, int64_t step)
{
    for (int64_t i = 0; i < a->tap_count; i++, wide += step) {
        uint32_t four;
        memcpy(&four, in + a->taps[i], sizeof four);
        const uint32_t pairs[2] = {four & 0x00ff00ff, four >> 8 & 0x00ff00ff};
        memcpy(wide, pairs, sizeof pairs);
    }
}

static void start(strip *s, int32_t panel)
{
    s->start = s->args->bias + panel * 16;
}

void CONV(const void *args)
{
    static const strip_level level = {PIXELS, 8, widen, start, TILE_ALL, tile_1};
    over_strips(args, &level);
}

/* ---- Depthwise: each lane its own channel, taps by fours, four pixels ---- */

static void dot_channels(strip *s, const uint8_t *const in[4], int32_t panel)
{
    const ai_q_conv_args *a = s->args;
    const int8_t *w = a->weights + panel * a->tap_count * 64;
    const int64_t *tap = a->taps;
    vi sum[4];
    for (int j = 0; j < 4; j++)
        sum[j] = i_load(a->bias + panel * 16);
    for (int64_t i = 0; i < a->tap_count; i++, w += 64, tap += 4) {
        const vh even = i_even_s8(w), odd = i_odd_s8(w);
        for (int j = 0; j < 4; j++) {
            sum[j] = i_dot2_taps(sum[j], even, in[j] + tap[0], in[j] + tap[2]);
            sum[j] = i_dot2_taps(sum[j], odd, in[j] + tap[1], in[j] + tap[3]);
        }
    }
    for (int j = 0; j < 4; j++)
        i_store(s->sums + 16 * j, sum[j]);
    finish(s, 0, 4, panel);
}

/* The last tile of a row computes its last pixel as often as it must. */
void BYTES(depthwise_4x16)(const void *args)
{
    const ai_q_conv_args *a = args;
    strip s;
    s.args = a;
    for (int32_t panel = a->panel_begin; panel < a->panel_end; panel++)
        for (int32_t row = a->row_begin; row < a->row_end; row++)
            for (int32_t col = 0; col < a->ow; col += 4) {
                const uint8_t *in[4];
                for (int i = 0; i < 4; i++) {
                    const int32_t x = col + i < a->ow ? col + i : a->ow - 1;
                    in[i] = a->in + panel * a->in_plane + row * a->in_row + x * a->in_step;
                    s.out[i] = a->out + row * a->out_row + x * a->out_step;
                    if (a->residual)
                        s.residual[i] = a->residual + row * a->residual_row + (int64_t)x * 16;
                }
                dot_channels(&s, in, panel);
            }
}
