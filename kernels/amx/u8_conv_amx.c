/* SPDX-License-Identifier: Apache-2.0
 * Products of u8 and s8 by TDPBUSD: two tiles of up to 16 pixels by two panels of 16 outputs. The
 * panels of weights are tiles as they are. So are pixels whose taps are up to 64 bytes on end, as a
 * row of a 3x3 kernel in blocks of 16 channels; the inputs of others are laid in rows of 64 bytes
 * first, once for all panels of a strip. */
#include <string.h>

#include "u8_finish_vnni.h"

ai_kernel_fn ai_u8_conv_32x32_amx;
ai_kernel_fn ai_u8_conv_14x32_vnni;

/* A step of a sum is up to 16 fours of inputs; that many if they are laid in rows. */
enum { TILE = 16, FOURS = 16, STEP = TILE * FOURS * 4 };

/* Fewer pixels, or a shorter sum, and VNNI is as fast. Shorter runs, or rows narrower than a tile,
 * and it is as fast to lay inputs in rows. */
enum { LEAST_PIXELS = 8, LEAST_FOURS = 16, LEAST_RUN = 8, MOST_THIN = 256 };

typedef struct strip {
    const ai_q_conv_args *args;
    finish finish;
    int32_t pixels;     /* of a tile: 4 to 16 */
    int32_t tiles;      /* of this strip: an even number */
    int32_t row_tiles;  /* direct: of a row of outputs */
    int32_t fours;      /* of a step */
    int64_t steps;      /* of a sum */
    int32_t ahead;      /* lines of weights to fetch in each step: where a map is one strip */
    int64_t pixel_step; /* of a tile: bytes from row to row */
    bool is_direct;     /* tiles are loaded from where they lie */
    bool is_whole;      /* fours of taps are 16 bytes */
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

/* Tiles of a step follow each other. The last step has fours of the one before again, as zeros. */
static void pack(const strip *s)
{
    const ai_q_conv_args *a = s->args;
    const int again = (int)(s->steps * 16 - a->tap_count);
    for (int32_t tile = 0; tile < s->tiles; tile++) {
        const uint8_t *const *in = s->in + tile * s->pixels;
        uint8_t *to = a->rows + tile * s->steps * STEP;
        for (int64_t i = 0; i < s->steps; i++, to += STEP) {
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
    return s->is_direct ? s->in[tile * s->pixels] : s->args->rows + tile * s->steps * STEP;
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
        const int64_t at = s->is_direct ? a->taps[i * s->fours] : i * STEP;
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

/* Taps in runs of as many bytes on end as there are in the first: how many fours, or 0. */
static int32_t run_of(const ai_q_conv_args *a)
{
    int64_t run = 1;
    while (run < a->tap_count && a->taps[run] == a->taps[run - 1] + 4)
        run++;
    if (a->tap_count % run)
        return 0;
    for (int64_t i = run; i < a->tap_count; i += run)
        for (int64_t j = 1; j < run; j++)
            if (a->taps[i + j] != a->taps[i] + 4 * j)
                return 0;
    return (int32_t)run;
}

static void lay_rows(strip *s, int64_t count)
{
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

/* ---- Maps of up to 4 channels: a pixel's are 4 bytes of 16, and the row of a kernel lies on end
 * once those are laid side by side ---- */

static void squeeze(const uint8_t *in, int64_t count, uint8_t *to)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512i x[4];
        for (int j = 0; j < 4; j++)
            x[j] = _mm512_maskz_loadu_epi32(0x1111, in + 16 * (i + 4 * j));
        const __m512i low = _mm512_permutex2var_epi32(x[0], order, x[1]);
        const __m512i high = _mm512_permutex2var_epi32(x[2], order, x[3]);
        _mm512_storeu_si512(to + 4 * i, _mm512_mask_blend_epi32(0xff00, low, high));
    }
    for (; i < count; i++)
        memcpy(to + 4 * i, in + 16 * i, 4);
}

/* The rows of a kernel, kw fours 16 bytes apart in each, and pixels a whole number of those apart.
 */
static bool is_thin(const ai_q_conv_args *a)
{
    const int64_t kw = a->kw;
    if (kw < 4 || kw > FOURS || a->tap_count > MOST_THIN || a->tap_count % kw ||
        a->tap_count == kw || a->in_step % 16 || a->ow <= TILE)
        return false;
    const int64_t row = a->taps[kw] - a->taps[0];
    for (int64_t i = 0; i < a->tap_count; i++)
        if (a->taps[i] != a->taps[0] + i / kw * row + i % kw * 16)
            return false;
    return row > 0 && a->in_row % row == 0;
}

/* As many rows of outputs at a time as there is room for their inputs. */
static bool load_thin(const strip *thick)
{
    const ai_q_conv_args *a = thick->args;
    const int64_t kw = a->kw, kh = a->tap_count / kw, row = a->taps[kw] - a->taps[0];
    const int64_t columns = (a->ow - 1) * (a->in_step / 16) + kw, stride = a->in_row / row;
    const int64_t room = (a->tap_count + FOURS - 1) / FOURS * AI_Q_PIXELS * 64 / (4 * columns);
    if (room < kh)
        return false;
    int64_t taps[MOST_THIN];
    ai_q_conv_args thin = *a;
    strip s = *thick;
    s.args = &thin;
    s.fours = (int32_t)kw;
    s.steps = kh;
    thin.taps = taps;
    thin.in_step = a->in_step / 4;
    thin.in_row = stride * columns * 4;
    for (int64_t i = 0; i < kh; i++)
        taps[i * kw] = i * columns * 4;
    const int32_t most = (int32_t)((room - kh) / stride + 1);
    for (int32_t first = a->row_begin; first < a->row_end; first = thin.row_end) {
        thin.row_begin = first;
        thin.row_end = a->row_end - first < most ? a->row_end : first + most;
        const int64_t rows = (thin.row_end - first - 1) * stride + kh;
        for (int64_t i = 0; i < rows; i++)
            squeeze(a->in + first * a->in_row + a->taps[0] + i * row, columns,
                    a->rows + i * columns * 4);
        thin.in = a->rows - first * thin.in_row;
        load_rows(&s);
    }
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
    const int32_t run = run_of(a);
    strip s = {.args = a, .finish = finish_of(a), .fours = run, .is_whole = run && run % 4 == 0};
    const bool is_direct = run >= LEAST_RUN && run <= FOURS && a->ow > TILE;
    s.steps = is_direct ? a->tap_count / run : (a->tap_count + FOURS - 1) / FOURS;
    if (is_direct)
        load_rows(&s);
    else if (!is_thin(a) || !load_thin(&s))
        lay_rows(&s, count);
    __asm__ volatile("tilerelease" ::);
}
