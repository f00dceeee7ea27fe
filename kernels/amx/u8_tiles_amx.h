/* SPDX-License-Identifier: Apache-2.0
 * Two tiles of up to 16 pixels by two panels of 16 outputs by TDPBUSD, and how their sums become
 * bytes. */
#ifndef AI_U8_TILES_AMX_H
#define AI_U8_TILES_AMX_H

#include "u8_finish_vnni.h"

/* A step of a sum is up to 16 fours of inputs; that many if they are laid in rows. */
enum { TILE = 16, FOURS = 16, MOST_STEPS = 256 };

typedef struct strip {
    const ai_q_conv_args *args;
    finish finish;
    int32_t pixels;         /* of a tile: 4 to 16 */
    int32_t tiles;          /* of this strip: an even number */
    int32_t row_tiles;      /* direct: of a row of outputs */
    int32_t fours;          /* of a step */
    int64_t steps;          /* of a sum */
    int32_t ahead;          /* lines of weights to fetch in each step: where a map is one strip */
    int64_t pixel_step;     /* of a tile: bytes from row to row */
    bool is_direct;         /* tiles are loaded from where they lie */
    int64_t at[MOST_STEPS]; /* direct: where a step's inputs begin */
    bool is_whole;          /* fours of taps are 16 bytes */
    const uint8_t *in[AI_Q_PIXELS];
    uint8_t *out[AI_Q_PIXELS];
    const uint8_t *residual[AI_Q_PIXELS];
} strip;

/* ---- Tiles: 0 to 3 are sums, 4 and 5 pixels, 6 and 7 panels. The intrinsics of gcc 12 do not say
 * what memory they touch. ---- */

#define MOVE(instruction, at, step)                                                                \
    __asm__ volatile(instruction ::"r"(at), "r"((int64_t)(step)) : "memory")
#define LOAD(tile, from, step) MOVE("tileloadd (%0,%1,1), %%tmm" #tile, from, step)
#define STORE(tile, to)        MOVE("tilestored %%tmm" #tile ", (%0,%1,1)", to, 64)
#define ZERO(tile)             __asm__ volatile("tilezero %%tmm" #tile ::)
#define DOT(sum, pixels, panel)                                                                    \
    __asm__ volatile("tdpbusd %%tmm" #panel ", %%tmm" #pixels ", %%tmm" #sum ::)

static void configure(int32_t pixels, int32_t fours)
{
    struct {
        uint8_t palette, start, none[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = (uint16_t)(i == 4 || i == 5 ? 4 * fours : 64);
        c.rows[i] = (uint8_t)(i < 6 ? pixels : fours);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(c));
}

/* ---- The epilogue ---- */

INLINE void store_four(uint8_t *const *out, int64_t plane, __m512i bytes)
{
    uint8_t *first = out[0] + plane;
    if (out[1] - out[0] == 16 && out[2] - out[1] == 16 && out[3] - out[2] == 16) {
        _mm512_storeu_si512(first, bytes);
        return;
    }
    _mm_storeu_si128((__m128i *)(void *)first, _mm512_castsi512_si128(bytes));
    _mm_storeu_si128((__m128i *)(void *)(out[1] + plane), _mm512_extracti32x4_epi32(bytes, 1));
    _mm_storeu_si128((__m128i *)(void *)(out[2] + plane), _mm512_extracti32x4_epi32(bytes, 2));
    _mm_storeu_si128((__m128i *)(void *)(out[3] + plane), _mm512_extracti32x4_epi32(bytes, 3));
}

#define SUM(j)   product(_mm512_add_epi32(_mm512_load_si512(from + 16 * (j)), bias), scale)
#define ADDED(j) s##j = added(&a, s##j, residual[j] + residual_plane);

/* Two tiles, four pixels at a time; the last four end with them. */
INLINE void finish_pixels(const strip *s, const int32_t *sums, int32_t panel, int32_t tile,
                          bool has_residual)
{
    const ai_q_conv_args a = *s->args; /* copies: no byte that is stored is theirs */
    const finish copy = s->finish, *f = &copy;
    const int32_t pixels = 2 * s->pixels;
    const __m512i bias = _mm512_loadu_si512(a.bias + panel * 16);
    const __m512 scale = _mm512_loadu_ps(a.scale + panel * 16);
    const int64_t plane = panel * a.out_plane, residual_plane = panel * a.residual_plane;
    uint8_t *const *outs = s->out + tile * s->pixels;
    const uint8_t *const *residuals = s->residual + tile * s->pixels;
    for (int32_t i = 0; i < pixels; i += 4) {
        const int32_t at = i + 4 <= pixels ? i : pixels - 4;
        const int32_t *from = sums + at * 16;
        const uint8_t *const *residual = residuals + at;
        __m512 x0 = SUM(0), x1 = SUM(1), x2 = SUM(2), x3 = SUM(3);
        if (f->is_capped) {
            CAP(0) CAP(1) CAP(2) CAP(3)
        }
        __m512i s0 = _mm512_cvtps_epi32(x0), s1 = _mm512_cvtps_epi32(x1);
        __m512i s2 = _mm512_cvtps_epi32(x2), s3 = _mm512_cvtps_epi32(x3);
        if (has_residual) {
            ADDED(0) ADDED(1) ADDED(2) ADDED(3)
        }
        store_four(outs + at, plane, packed(f, s0, s1, s2, s3));
    }
}

static void finish_tiles(const strip *s, const int32_t *sums, int32_t panel, int32_t tile)
{
    if (s->args->residual)
        finish_pixels(s, sums, panel, tile, true);
    else
        finish_pixels(s, sums, panel, tile, false);
}

/* ---- The sums ---- */

INLINE void dots(const strip *s, const uint8_t *in0, const uint8_t *in1, const int8_t *w,
                 int64_t second, bool has_second)
{
    LOAD(4, in0, s->pixel_step);
    LOAD(6, w, 64);
    LOAD(5, in1, s->pixel_step);
    DOT(0, 4, 6);
    DOT(1, 5, 6);
    if (has_second) {
        LOAD(7, w + second, 64);
        DOT(2, 4, 7);
        DOT(3, 5, 7);
    }
}

/* Where a tile's inputs begin. */
static const uint8_t *tile_inputs(const strip *s, int32_t tile)
{
    return s->is_direct ? s->in[tile * s->pixels]
                        : s->args->rows + tile * s->steps * s->pixels * 64;
}

/* Two tiles of one panel or two. The weights of the last step end with the panel. */
INLINE void compute(const strip *s, int32_t panel, int32_t tile, bool has_second)
{
    _Alignas(64) int32_t sums[2][2 * TILE * 16];
    const ai_q_conv_args *a = s->args;
    const int64_t second = a->tap_count * 64;
    const uint8_t *in0 = tile_inputs(s, tile), *in1 = tile_inputs(s, tile + 1);
    const int8_t *w = a->weights + panel * second;
    /* of the panels behind these: each pair of tiles fetches a part */
    const int8_t *ahead = w + 2 * second + tile / 2 * s->steps * s->ahead * 64;
    ZERO(0);
    ZERO(1);
    ZERO(2);
    ZERO(3);
    for (int64_t i = 0; i < s->steps; i++) {
        const int64_t at = s->is_direct ? s->at[i] : i * s->pixels * 64;
        const int64_t from = i + 1 < s->steps ? i * s->fours : a->tap_count - s->fours;
        for (int32_t j = 0; j < s->ahead; j++)
            _mm_prefetch((const char *)(ahead + j * 64), _MM_HINT_T1);
        ahead += s->ahead * 64;
        dots(s, in0 + at, in1 + at, w + from * 64, second, has_second);
    }
    STORE(0, sums[0]);
    STORE(1, sums[0] + s->pixels * 16);
    if (has_second) {
        STORE(2, sums[1]);
        STORE(3, sums[1] + s->pixels * 16);
    }
    finish_tiles(s, sums[0], panel, tile);
    if (has_second)
        finish_tiles(s, sums[1], panel + 1, tile);
}

static void compute_panels(const strip *s)
{
    const ai_q_conv_args *a = s->args;
    int32_t panel = a->panel_begin;
    for (; panel + 2 <= a->panel_end; panel += 2)
        for (int32_t tile = 0; tile < s->tiles; tile += 2)
            compute(s, panel, tile, true);
    for (int32_t tile = 0; tile < s->tiles && panel < a->panel_end; tile += 2)
        compute(s, panel, tile, false);
}

#endif
