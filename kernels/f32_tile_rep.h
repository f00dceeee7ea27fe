/* SPDX-License-Identifier: Apache-2.0
 * The loops of one register tile, and the macros that name its sums one by one: gcc 12 keeps a
 * local array of them in memory. */
#ifndef AI_F32_TILE_REP_H
#define AI_F32_TILE_REP_H

/* For a tile `t` with weights `w`, both moved on by the loops: ADD(n) adds input k of the run to
 * the sums of all n pixels. Each k also asks for some of the weights that come next, evenly: a core
 * waits for a dozen lines at a time, and many from afar at once would hold up what the sums need. */
#define SUM(ADD, n) SUM_FROM(BASES, ADD, n)
#define SUM_FROM(BASES, ADD, n)                                                                    \
    const int64_t ahead_step = t->ahead_step;                                                      \
    const int64_t ahead_run = t->ahead_run;                                                        \
    const char *ahead = t->ahead;                                                                  \
    for (int64_t i0 = 0; i0 < t->n0; i0++) {                                                       \
        const int64_t run = i0 + 1 < t->n0 ? t->run : t->run_last;                                 \
        for (int64_t i1 = 0; i1 < t->n1; i1++)                                                     \
            for (int64_t i2 = 0; i2 < t->n2; i2++, w += run * 16, ahead += ahead_run) {           \
                const float *const in = t->in + i0 * t->d0 + i1 * t->d1 + i2 * t->d2;              \
                BASES                                                                              \
                UNROLL for (int64_t k = 0; k < run; k++)                                           \
                {                                                                                  \
                    __builtin_prefetch(ahead + k * ahead_step, 0, 2);                              \
                    ADD(n)                                                                         \
                }                                                                                  \
            }                                                                                      \
    }
#define UNROLL _Pragma("GCC unroll 2")

/* tile_<name> from body_<name>(t, in_step, is_fixed), once for each form. */
#define FORMS(name)                                                                                \
    static void tile_##name(const tile *t)                                                         \
    {                                                                                              \
        if (t->form == TILE_IN_16)                                                                 \
            body_##name(t, 16, true);                                                              \
        else if (t->form == TILE_IN_32)                                                            \
            body_##name(t, 32, true);                                                              \
        else if (t->form == TILE_IN_2)                                                             \
            body_##name(t, 2, true);                                                               \
        else                                                                                       \
            body_##name(t, t->in_step, false);                                                     \
    }
/* For tiles that are rare or small: strides of one block, and any; or any alone. */
#define TWO_FORMS(name)                                                                            \
    static void tile_##name(const tile *t)                                                         \
    {                                                                                              \
        if (t->form == TILE_IN_16)                                                                 \
            body_##name(t, 16, true);                                                              \
        else                                                                                       \
            body_##name(t, t->in_step, false);                                                     \
    }
#define ONE_FORM(name)                                                                             \
    static void tile_##name(const tile *t)                                                         \
    {                                                                                              \
        body_##name(t, t->in_step, false);                                                         \
    }

/* Where pixel j and panel p start and end. */
#define BIAS(p, j)     (t->bias + (p) * t->bias_panel + (is_fixed ? 0 : (j) * t->bias_step))
#define RESIDUAL(p, j) (residual + (p) * t->residual_panel + (j) * (is_fixed ? 16 : t->residual_step))
#define OUT(p, j)      (out + (p) * out_panel + (j) * (is_fixed ? 16 : out_step))

/* Read once: as far as a compiler knows, what is stored there may be the tile itself. */
#define OUT_ONCE                                                                                   \
    float *const out = t->out;                                                                     \
    const int64_t out_panel = t->out_panel, out_step = t->out_step;                                \
    (void)out_panel, (void)out_step;

/* The line of pixel j and panel p that the tile will write, asked for before the sums: a store that
 * misses would wait for it. NO_PREFETCH is for tiles too small to gain. */
#define PREFETCH_OUT(p, j)   __builtin_prefetch(OUT(p, j), 1);
#define NO_PREFETCH(j, b, o) (void)0;

/* Input k of pixel j = 3 b + o: at a constant distance if is_fixed, else from a base. Three pixels
 * share one, since x86 addresses base, base + step and base + 2 step. */
#define IN(j, b, o) (is_fixed ? in[(j) * step + k] : base##b[(o) * step + k])
#define BASES                                                                                      \
    const float *const base0 = in, *const base1 = base0 + 3 * step;                                \
    const float *const base2 = base1 + 3 * step, *const base3 = base2 + 3 * step;                  \
    const float *const base4 = base3 + 3 * step, *const base5 = base4 + 3 * step;                  \
    const float *const base6 = base5 + 3 * step, *const base7 = base6 + 3 * step;                  \
    const float *const base8 = base7 + 3 * step, *const base9 = base8 + 3 * step;                  \
    (void)base0, (void)base1, (void)base2, (void)base3, (void)base4, (void)base5, (void)base6,     \
        (void)base7, (void)base8, (void)base9;

/* REP<n>(M): M(0, 0, 0) M(1, 0, 1) M(2, 0, 2) M(3, 1, 0) ... M(j, j / 3, j % 3) for j < n. */

#define REP1(M)  M(0, 0, 0)
#define REP2(M)  REP1(M) M(1, 0, 1)
#define REP3(M)  REP2(M) M(2, 0, 2)
#define REP4(M)  REP3(M) M(3, 1, 0)
#define REP5(M)  REP4(M) M(4, 1, 1)
#define REP6(M)  REP5(M) M(5, 1, 2)
#define REP7(M)  REP6(M) M(6, 2, 0)
#define REP8(M)  REP7(M) M(7, 2, 1)
#define REP9(M)  REP8(M) M(8, 2, 2)
#define REP10(M) REP9(M) M(9, 3, 0)
#define REP11(M) REP10(M) M(10, 3, 1)
#define REP12(M) REP11(M) M(11, 3, 2)
#define REP13(M) REP12(M) M(12, 4, 0)
#define REP14(M) REP13(M) M(13, 4, 1)
#define REP15(M) REP14(M) M(14, 4, 2)
#define REP16(M) REP15(M) M(15, 5, 0)
#define REP17(M) REP16(M) M(16, 5, 1)
#define REP18(M) REP17(M) M(17, 5, 2)
#define REP19(M) REP18(M) M(18, 6, 0)
#define REP20(M) REP19(M) M(19, 6, 1)
#define REP21(M) REP20(M) M(20, 6, 2)
#define REP22(M) REP21(M) M(21, 7, 0)
#define REP23(M) REP22(M) M(22, 7, 1)
#define REP24(M) REP23(M) M(23, 7, 2)
#define REP25(M) REP24(M) M(24, 8, 0)
#define REP26(M) REP25(M) M(25, 8, 1)
#define REP27(M) REP26(M) M(26, 8, 2)
#define REP28(M) REP27(M) M(27, 9, 0)

/* MAP25(M) and MAP24(M): M(j, y, x) for the first 25 and the last 24 pixels of a 7x7 map, y counted
 * from the first one's row. */
#define MAP25(M)                                                                                   \
    M(0, 0, 0) M(1, 0, 1) M(2, 0, 2) M(3, 0, 3) M(4, 0, 4) M(5, 0, 5) M(6, 0, 6) M(7, 1, 0)        \
    M(8, 1, 1) M(9, 1, 2) M(10, 1, 3) M(11, 1, 4) M(12, 1, 5) M(13, 1, 6) M(14, 2, 0)              \
    M(15, 2, 1) M(16, 2, 2) M(17, 2, 3) M(18, 2, 4) M(19, 2, 5) M(20, 2, 6) M(21, 3, 0)            \
    M(22, 3, 1) M(23, 3, 2) M(24, 3, 3)
#define MAP24(M)                                                                                   \
    M(0, 0, 4) M(1, 0, 5) M(2, 0, 6) M(3, 1, 0) M(4, 1, 1) M(5, 1, 2) M(6, 1, 3) M(7, 1, 4)        \
    M(8, 1, 5) M(9, 1, 6) M(10, 2, 0) M(11, 2, 1) M(12, 2, 2) M(13, 2, 3) M(14, 2, 4)              \
    M(15, 2, 5) M(16, 2, 6) M(17, 3, 0) M(18, 3, 1) M(19, 3, 2) M(20, 3, 3) M(21, 3, 4)            \
    M(22, 3, 5) M(23, 3, 6)

#endif
