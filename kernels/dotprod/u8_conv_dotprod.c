/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 by SDOT, which takes both signed: a byte with its first bit turned is 128
 * less, and each sum starts with 128 times its weights (modulo 2^32: nothing saturates). */
#include <string.h>

#include "f32_tile_rep.h"
#include "q_strip.h"

#if !defined(__ARM_FEATURE_DOTPROD)
#error "this file needs -march=armv8.2-a+dotprod"
#endif

ai_kernel_fn ai_u8_conv_6x16_dotprod;

/* A vector has a tap of four pixels, each a lane of the product. */
AI_INLINE int8x16_t taps_of_1(const char *q)
{
    int32_t four;
    memcpy(&four, q, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
AI_INLINE int8x16_t first_taps_of_6(const char *q)
{
    return vld1q_s8((const int8_t *)q);
}
AI_INLINE int8x16_t last_taps_of_6(const char *q)
{
    return vcombine_s8(vld1_s8((const int8_t *)q + 16), vdup_n_s8(0));
}

#define START(p, b, o) int32x4_t r##p = start0, t##p = start1, u##p = start2, v##p = start3;
#define DOT(p, b, o)                                                                               \
    r##p = vdotq_laneq_s32(r##p, w0, (p) < 4 ? first : last, (p) % 4);                             \
    t##p = vdotq_laneq_s32(t##p, w1, (p) < 4 ? first : last, (p) % 4);                             \
    u##p = vdotq_laneq_s32(u##p, w2, (p) < 4 ? first : last, (p) % 4);                             \
    v##p = vdotq_laneq_s32(v##p, w3, (p) < 4 ? first : last, (p) % 4);
#define STORE(p, b, o)                                                                             \
    vst1q_s32(s->sums + 16 * (p), r##p);                                                           \
    vst1q_s32(s->sums + 16 * (p) + 4, t##p);                                                       \
    vst1q_s32(s->sums + 16 * (p) + 8, u##p);                                                       \
    vst1q_s32(s->sums + 16 * (p) + 12, v##p);
#define TILE(n, FIRST, LAST)                                                                       \
    static NOINLINE void tile_##n(strip *s, int from, int32_t panel, const char *q)                \
    {                                                                                              \
        const int64_t panel_bytes = s->args->tap_count * 64;                                       \
        const int8_t *w = s->args->weights + panel * panel_bytes, *const end = w + panel_bytes;    \
        const int32x4_t start0 = vld1q_s32(s->start), start1 = vld1q_s32(s->start + 4);            \
        const int32x4_t start2 = vld1q_s32(s->start + 8), start3 = vld1q_s32(s->start + 12);       \
        REP##n(START);                                                                             \
        for (; w < end; w += 64, q += 4 * (n)) {                                                   \
            const int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);                               \
            const int8x16_t w2 = vld1q_s8(w + 32), w3 = vld1q_s8(w + 48);                          \
            const int8x16_t first = FIRST(q), last = LAST(q);                                      \
            (void)last;                                                                            \
            __builtin_prefetch(w + panel_bytes, 0, 2);                                             \
            REP##n(DOT);                                                                           \
        }                                                                                          \
        REP##n(STORE);                                                                             \
        finish(s, from, n, panel);                                                                 \
    }
TILE(1, taps_of_1, taps_of_1)
TILE(6, first_taps_of_6, last_taps_of_6)

static void move_down(const ai_q_conv_args *a, const uint8_t *in, char *moved, int64_t step)
{
    for (int64_t i = 0; i < a->tap_count; i++, moved += step) {
        uint32_t four;
        memcpy(&four, in + a->taps[i], sizeof four);
        four ^= 0x80808080;
        memcpy(moved, &four, sizeof four);
    }
}

static void start(strip *s, int32_t panel)
{
    const int64_t count = s->args->tap_count;
    const int8_t *w = s->args->weights + panel * count * 64;
    const int8x16_t ones = vdupq_n_s8(1);
    int32x4_t sum[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int64_t i = 0; i < count; i++, w += 64)
        for (int j = 0; j < 4; j++)
            sum[j] = vdotq_s32(sum[j], vld1q_s8(w + 16 * j), ones);
    for (int j = 0; j < 4; j++) {
        const int32x4_t bias = vld1q_s32(s->args->bias + panel * 16 + 4 * j);
        vst1q_s32(s->own_start + 4 * j, vaddq_s32(bias, vshlq_n_s32(sum[j], 7)));
    }
    s->start = s->own_start;
}

void ai_u8_conv_6x16_dotprod(const void *args)
{
    static const strip_level level = {6, 4, move_down, start, tile_6, tile_1};
    over_strips(args, &level);
}
