/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 by TDPBUSD. The panels of weights are tiles as they are. So are pixels
 * whose taps are up to 64 bytes on end, as a row of a 3x3 kernel in blocks of 16 channels. Maps of
 * 64 channels at each tap, and of up to 4, are laid anew so that theirs are. The inputs of others
 * are laid in rows of 64 bytes, once for all panels of a strip. */
#include "u8_tiles_amx.h"

ai_kernel_fn ai_u8_conv_32x32_amx;
ai_kernel_fn ai_u8_conv_14x32_vnni;

/* Fewer pixels, or a shorter sum, and VNNI is as fast. Shorter runs, or rows that fill less of a
 * tile, and it is as fast to lay inputs in rows. */
enum { LEAST_PIXELS = 8, LEAST_FOURS = 16, LEAST_RUN = 8, LEAST_ROW = 12 };

/* ---- Inputs in rows ---- */

#define LOAD16(at) _mm_loadu_si128((const __m128i *)(const void *)(at))

/* A step of the sum of a tile's pixels: by fours, or by 16 bytes. Lanes that are not in the mask
 * are zeros, and not read. */
INLINE void pack_fours(const strip *s, const uint8_t *const *in, const int64_t *taps,
                       __mmask16 mask, uint8_t *to)
{
    const __mmask8 low = (__mmask8)mask, high = (__mmask8)(mask >> 8);
    const __m512i t0 = _mm512_maskz_loadu_epi64(low, taps);
    const __m512i t1 = _mm512_maskz_loadu_epi64(high, taps + 8);
    const __m256i none = _mm256_setzero_si256();
    for (int32_t i = 0; i < s->pixels; i++, to += 64) {
        __m256i x0 = _mm512_mask_i64gather_epi32(none, low, t0, in[i], 1);
        __m256i x1 = _mm512_mask_i64gather_epi32(none, high, t1, in[i], 1);
        _mm256_store_si256((__m256i *)(void *)to, x0);
        _mm256_store_si256((__m256i *)(void *)(to + 32), x1);
    }
}

INLINE void pack_blocks(const strip *s, const uint8_t *const *in, const int64_t *taps,
                        __mmask16 mask, uint8_t *to)
{
    const __mmask16 m0 = mask & 0xf, m1 = mask & 0xf0, m2 = mask & 0xf00, m3 = mask & 0xf000;
    const int64_t t0 = taps[0], t1 = taps[4], t2 = taps[8], t3 = taps[12];
    for (int32_t i = 0; i < s->pixels; i++, to += 64) {
        __m512i x = _mm512_maskz_broadcast_i32x4(m0, LOAD16(in[i] + t0));
        x = _mm512_mask_broadcast_i32x4(x, m1, LOAD16(in[i] + t1));
        x = _mm512_mask_broadcast_i32x4(x, m2, LOAD16(in[i] + t2));
        x = _mm512_mask_broadcast_i32x4(x, m3, LOAD16(in[i] + t3));
        _mm512_store_si512(to, x);
    }
}

/* A tile's steps follow each other. The last step has fours of the one before again, as zeros. */
static void pack(const strip *s)
{
    const ai_q_conv_args *a = s->args;
    const int again = (int)(s->steps * 16 - a->tap_count);
    for (int32_t tile = 0; tile < s->tiles; tile++) {
        const uint8_t *const *in = s->in + tile * s->pixels;
        uint8_t *to = a->rows + tile * s->steps * s->pixels * 64;
        for (int64_t i = 0; i < s->steps; i++, to += s->pixels * 64) {
            const int skip = i == s->steps - 1 ? again : 0;
            const int64_t *taps = a->taps + i * 16 - skip;
            const __mmask16 mask = (__mmask16)(0xffff << skip);
            if (s->is_whole && skip % 4 == 0)
                pack_blocks(s, in, taps, mask, to);
            else
                pack_fours(s, in, taps, mask, to);
        }
    }
}

/* ---- Strips ---- */

static void point(strip *s, int32_t pixel, int64_t row, int64_t col)
{
    const ai_q_conv_args *a = s->args;
    s->in[pixel] = a->in + row * a->in_row + col * a->in_step;
    s->out[pixel] = a->out + row * a->out_row + col * a->out_step;
    if (a->residual)
        s->residual[pixel] = a->residual + row * a->residual_row + col * 16;
}

/* Pixels from tile `first` on, along the rows; those that are missing repeat the last. */
static void point_on(strip *s, int64_t first, int64_t count)
{
    const ai_q_conv_args *a = s->args;
    int64_t at = first * s->pixels, row = a->row_begin + at / a->ow, col = at % a->ow;
    for (int32_t i = 0; i < s->tiles * s->pixels; i++) {
        point(s, i, row, col);
        if (++at >= count)
            continue;
        if (++col == a->ow) {
            col = 0;
            row++;
        }
    }
}

/* The same where a tile lies in one row: a row's last ends with it. */
static void point_rows(strip *s, int64_t first, int64_t count)
{
    const ai_q_conv_args *a = s->args;
    for (int32_t i = 0; i < s->tiles; i++) {
        const int64_t tile = first + i < count ? first + i : count - 1;
        const int64_t row = a->row_begin + tile / s->row_tiles;
        const int64_t col = tile % s->row_tiles * s->pixels, last = a->ow - s->pixels;
        for (int32_t j = 0; j < s->pixels; j++)
            point(s, i * s->pixels + j, row, (col < last ? col : last) + j);
    }
}

/* Taps in runs of as many bytes on end as there are in the first: how many fours, or 0. Not worth a
 * second copy. */
static __attribute__((noinline)) int32_t run_of(const int64_t *taps, int64_t count)
{
    int64_t run = 1;
    while (run < count && taps[run] == taps[run - 1] + 4)
        run++;
    if (count % run)
        return 0;
    for (int64_t i = run; i < count; i += run)
        for (int64_t j = 1; j < run; j++)
            if (taps[i + j] != taps[i] + 4 * j)
                return 0;
    return (int32_t)run;
}

static void lay_rows(strip *s, int64_t count)
{
    s->steps = (s->args->tap_count + FOURS - 1) / FOURS;
    const int64_t tiles = (count + 2 * TILE - 1) / (2 * TILE) * 2;
    s->pixels = (int32_t)((count + tiles - 1) / tiles);
    s->fours = FOURS;
    s->pixel_step = 64;
    s->ahead = tiles == 2 ? 32 : tiles == 4 ? 16 : 0;
    configure(s->pixels, s->fours);
    for (int64_t tile = 0; tile < tiles; tile += s->tiles) {
        s->tiles = tiles - tile < 4 ? 2 : 4;
        point_on(s, tile, count);
        pack(s);
        compute_panels(s);
    }
}

static void load_rows(strip *s)
{
    const ai_q_conv_args *a = s->args;
    s->row_tiles = (a->ow + TILE - 1) / TILE;
    s->pixels = (a->ow + s->row_tiles - 1) / s->row_tiles;
    s->pixel_step = a->in_step;
    s->is_direct = true;
    const int64_t tiles = (int64_t)(a->row_end - a->row_begin) * s->row_tiles;
    const int32_t most = AI_Q_PIXELS / s->pixels / 2 * 2;
    configure(s->pixels, s->fours);
    for (int64_t tile = 0; tile < tiles; tile += s->tiles) {
        s->tiles = (int32_t)(tiles - tile < most ? (tiles - tile + 1) / 2 * 2 : most);
        point_rows(s, tile, tiles);
        compute_panels(s);
    }
}

/* Tiles from the map itself. Loops over a sum's steps are short beside the sum: clang unrolls them
 * if nobody objects. */
static bool load_runs(strip *s, int32_t run)
{
    const ai_q_conv_args *a = s->args;
    if (run < LEAST_RUN || run > FOURS || a->ow <= TILE || a->tap_count / run > MOST_STEPS)
        return false;
    s->fours = run;
    s->steps = a->tap_count / run;
#pragma GCC unroll 1
    for (int64_t i = 0; i < s->steps; i++)
        s->at[i] = a->taps[i * run];
    load_rows(s);
    return true;
}

/* ---- Maps laid anew: the 64 channels of a pixel on end, or the up to 4 of its 16 bytes, so that
 * the row of a kernel lies on end ---- */

typedef struct map {
    int64_t planes; /* of 64 channels; 0: a pixel has up to 4 */
    int64_t plane;  /* from a block of 16 channels to the next */
    int64_t taps;   /* of a plane */
    int64_t last;   /* a plane's farthest tap */
} map;

static void zip(const uint8_t *in, int64_t plane, int64_t count, uint8_t *to)
{
    for (int64_t i = 0; i < count; i++, in += 16, to += 64) {
        __m512i x = _mm512_castsi128_si512(LOAD16(in));
        x = _mm512_mask_broadcast_i32x4(x, 0xf0, LOAD16(in + plane));
        x = _mm512_mask_broadcast_i32x4(x, 0xf00, LOAD16(in + 2 * plane));
        x = _mm512_mask_broadcast_i32x4(x, 0xf000, LOAD16(in + 3 * plane));
        _mm512_storeu_si512(to, x);
    }
}

static void squeeze(const uint8_t *in, int64_t count, uint8_t *to)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    for (int64_t i = 0; i < count; i += 4) {
        const int beyond = count - i < 4 ? (int)(4 - (count - i)) : 0;
        const __m512i x = _mm512_maskz_loadu_epi32(0x1111 >> 4 * beyond, in + 16 * i);
        _mm512_mask_storeu_epi32(to + 4 * i, 0xf >> beyond, _mm512_permutexvar_epi32(order, x));
    }
}

/* A tap of a map that is laid anew lies whole pixels behind the first. */
static bool add_tap(map *m, int64_t at)
{
    m->last = at > m->last ? at : m->last;
    return at >= 0 && at % 16 == 0;
}

/* Taps of four bytes. */
static bool is_thin(strip *s, map *m)
{
    const ai_q_conv_args *a = s->args;
    *m = (map){0};
    if (a->tap_count > MOST_STEPS)
        return false;
    for (int64_t i = 0; i < a->tap_count; i++) {
        if (!add_tap(m, a->taps[i] - a->taps[0]))
            return false;
        s->at[i] = (a->taps[i] - a->taps[0]) / 4;
    }
    s->fours = run_of(s->at, a->tap_count);
    if (s->fours < 4 || s->fours > FOURS)
        return false;
    s->steps = a->tap_count / s->fours;
#pragma GCC unroll 1
    for (int64_t i = 1; i < s->steps; i++)
        s->at[i] = s->at[i * s->fours];
    return true;
}

/* Taps of 4 blocks of 16 bytes, of one pixel after the other, which serve several windows: the same
 * for each 4 blocks. */
static bool is_wide(strip *s, map *m)
{
    const ai_q_conv_args *a = s->args;
    const int64_t *taps = a->taps, plane = taps[4] - taps[0];
    s->fours = FOURS;
    s->steps = a->tap_count / FOURS;
    if (a->tap_count % FOURS || s->steps > MOST_STEPS || plane <= 0 || a->in_step != 16)
        return false;
    m->plane = plane;
    for (m->taps = 1; m->taps < s->steps; m->taps++)
        if (taps[m->taps * FOURS] - taps[0] >= 4 * plane)
            break;
    m->planes = s->steps / m->taps;
    if (m->taps == 1 || s->steps % m->taps)
        return false;
    for (int64_t i = 0; i < a->tap_count; i++) {
        const int64_t step = i / FOURS, at = taps[step % m->taps * FOURS] - taps[0];
        const int64_t block = step / m->taps * 4 + i % FOURS / 4;
        if (!add_tap(m, at) || taps[i] - taps[0] != block * plane + i % 4 * 4 + at)
            return false;
    }
    return true;
}

/* Lays what rows of outputs read: so many bytes of each block. */
static void lay(strip *s, const map *m, const ai_q_conv_args *a, int64_t bytes, int64_t first)
{
    const uint8_t *in = a->in + first * a->in_row + a->taps[0];
    if (!m->planes) {
        squeeze(in, bytes / 16, a->rows);
        return;
    }
    for (int64_t i = 0; i < m->planes; i++)
        zip(in + i * 4 * m->plane, m->plane, bytes / 16, a->rows + i * 4 * bytes);
#pragma GCC unroll 1
    for (int64_t i = 0; i < s->steps; i++)
        s->at[i] = 4 * (i / m->taps * bytes + a->taps[i % m->taps * FOURS] - a->taps[0]);
}

/* As many rows of outputs at a time as there is room for their inputs. */
static bool load_laid(strip *s)
{
    const ai_q_conv_args *a = s->args;
    map found = {0}, *m = &found;
    if (!is_wide(s, m) && !is_thin(s, m))
        return false;
    const int64_t row = (a->ow - 1) * a->in_step + m->last + 16;
    const int64_t bytes = (a->tap_count + FOURS - 1) / FOURS * AI_Q_PIXELS * 64;
    const int64_t room = m->planes ? bytes / (4 * m->planes) : 4 * bytes;
    if (room < row || a->in_step % 16 || a->in_row % 16 || a->in_row <= 0)
        return false;
    const int64_t most = (room - row) / a->in_row + 1;
    ai_q_conv_args laid = *a;
    s->args = &laid;
    laid.in_step = m->planes ? 4 * a->in_step : a->in_step / 4;
    laid.in_row = m->planes ? 4 * a->in_row : a->in_row / 4;
    for (int32_t first = a->row_begin; first < a->row_end; first = laid.row_end) {
        laid.row_begin = first;
        laid.row_end = a->row_end - first < most ? a->row_end : first + (int32_t)most;
        laid.in = a->rows - first * laid.in_row;
        lay(s, m, a, (laid.row_end - first - 1) * a->in_row + row, first);
        load_rows(s);
    }
    s->args = a;
    return true;
}

void ai_u8_conv_32x32_amx(const void *args)
{
    const ai_q_conv_args *a = args;
    const int64_t count = (int64_t)(a->row_end - a->row_begin) * a->ow;
    if (!a->rows || count < LEAST_PIXELS || a->tap_count < LEAST_FOURS) {
        ai_u8_conv_14x32_vnni(args);
        return;
    }
    const int32_t run = run_of(a->taps, a->tap_count);
    strip s = {.args = a, .finish = finish_of(a), .is_whole = run && run % 4 == 0};
    if (a->ow < LEAST_ROW || (!load_runs(&s, run) && !load_laid(&s)))
        lay_rows(&s, count);
    __asm__ volatile("tilerelease" ::);
}
