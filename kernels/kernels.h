/* SPDX-License-Identifier: Apache-2.0
 * The leaf loops: one argument struct an operation, one table of all kernels, the choice by level. */
#ifndef AI_KERNELS_H
#define AI_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every kernel of every operation. `args` points to the struct named at the operation. A kernel
 * allocates nothing, checks nothing, and touches its operands alone, at any alignment of their
 * element type. Rounding is to nearest even, denormals are kept: the caller has seen to it. Back ends
 * alone allocate, and round in an order of their own: docs/contributing.md says what holds there. */
typedef void ai_kernel_fn(const void *args);

/* Operations. The numbers are private to a build. */
enum {
    AI_K_CONV,           /* ai_conv_args: NCHW16C in and out, CONV16 weights */
    AI_K_CONV_STEM,      /* ai_conv_args: plain padded planes in, NCHW16C out, STEM16 weights */
    AI_K_CONV_DEPTHWISE, /* ai_conv_args: NCHW16C in and out, DEPTHWISE16 weights */
    AI_K_CONV_PLAIN,     /* ai_conv_plain_args */
    AI_K_WINOGRAD_INPUT,  /* ai_winograd_input_args, NCHW16C in, WINOGRAD4 or WINOGRAD2 */
    AI_K_WINOGRAD_OUTPUT, /* ai_winograd_output_args, NCHW16C out, WINOGRAD4 or WINOGRAD2 */
    AI_K_GEMM,           /* ai_gemm_args: plain rows times PANEL16; of f16: for few rows; PLAIN: for few too */
    AI_K_MAX_POOL,       /* ai_pool_args, NCHW16C; of u8 too: in, out and strides count bytes */
    AI_K_AVERAGE_POOL,   /* ai_pool_args, NCHW16C */
    AI_K_GLOBAL_AVERAGE_POOL, /* ai_pool_args, NCHW16C in, 16 numbers a block out */
    AI_K_WIDEN_F16,      /* ai_widen_args: f16 to f32 */
    AI_K_QUANTISE,       /* ai_quantise_args: a row of f32 to 14 bits */
    AI_K_GEMM_S8,        /* ai_gemm_s8_args: such rows times QPANEL16 */
    AI_K_BINARY,         /* + ai_binary_args: first of the AI_BINARY_* operations */
    AI_K_UNARY = AI_K_BINARY + 16,  /* + ai_unary_args: first of the AI_UNARY_* operations */
    AI_K_REDUCE = AI_K_UNARY + 64,  /* + ai_reduce_args: first of the AI_REDUCE_* operations */
    AI_K_TRANSPOSE16 = AI_K_REDUCE + 8, /* ai_transpose_args: between 16 planes and one block */
    AI_K_RESIZE, /* ai_resize_args */
    AI_K_SOFTMAX, /* ai_softmax_args */
    AI_K_TO_BYTES, /* ai_to_bytes_args */
    AI_K_Q_CONV, /* ai_q_conv_args: u8 in and out, weights of s8 in QCONV16 */
    AI_K_Q_DEPTHWISE, /* ai_q_conv_args: the same, each output of its own channel; QDEPTHWISE16 */
    AI_K_LOOKUP, /* ai_lookup_args */
    AI_K_FROM_BYTES, /* ai_from_bytes_args */
    AI_K_COUNT
};

/* The epilogue of a sum: + residual (if not NULL), then clamp by compare-and-select:
 * x < lo ? lo : x, then x > hi ? hi : x, so that NaN stays NaN. No clamp: -inf and inf. */

/* Convolution of one image, for the blocks of 16 output channels [panel_begin, panel_end) and the
 * output rows [row_begin, row_end). Each output starts at its bias and adds
 * fma(in, weight, sum) in the order of its weights' layout; taps in the border are read there
 * (zeros). Strides count elements. Input rows and columns start at the window of output (0, 0):
 * the pointer already includes the (negative) padding displacement. */
typedef struct ai_conv_args {
    const float *in;
    int64_t      in_row;
    int64_t      in_plane; /* of 16 channels; STEM: of one channel; DEPTHWISE: of its block */
    const float *weights;  /* of panel 0 */
    int64_t      panel;    /* elements from one panel's weights to the next's */
    const float *bias;     /* [panels * 16], or NULL: zeros */
    const float *residual; /* NCHW16C as the output, or NULL */
    int64_t      residual_row;
    int64_t      residual_plane;
    float       *out;
    int64_t      out_row;
    int64_t      out_plane;
    int64_t      out_gap; /* CONV: elements between an output's 16 and those of the next column */
    int32_t      ic; /* real input channels of the panel's group */
    int32_t      kh, kw;
    int32_t      stride_h, stride_w;
    int32_t      dilation_h, dilation_w;
    int32_t      ow; /* output columns */
    int32_t      row_begin, row_end;
    int32_t      panel_begin, panel_end;
    float        lo, hi;
    const void  *ahead;       /* to prefetch while panel_begin is read; NULL: the panels behind it */
    int64_t      ahead_panel; /* bytes of it for each panel */
} ai_conv_args;

/* General convolution on plain tensors of one group's one output channel, rows of the innermost
 * dimension. in: dense, already padded planes; taps come as displacements, in the order of the sum
 * (ic, then kernel positions); the lane is the output column:
 * out[x] = bias + sum over t of in[taps[t] + x * stride] * weights[t]. */
typedef struct ai_conv_plain_args {
    const float   *in;
    const int64_t *taps;
    const float   *weights;
    int64_t        tap_count;
    int64_t        stride;
    float          bias;
    const float   *residual; /* [columns] or NULL */
    float         *out;      /* [columns] */
    int64_t        columns;
    float          lo, hi;
} ai_conv_plain_args;

/* ---- Winograd's convolution of 3x3 at stride 1, F(n x n, 3 x 3) with n = 4 or 2 (Lavin and Gray,
 * "Fast algorithms for convolutional neural networks", 2016; the transforms are those of Toom and
 * Cook). The output is cut into tiles of n x n, numbered along the rows, of which the last of a row
 * or column may reach past the output. A tile reads (n + 2) x (n + 2) inputs. They are transformed to
 * as many numbers xi; each xi is a 1x1 convolution of its own (AI_K_CONV, from 0, not clamped); its
 * sums are transformed to the outputs. xi = row * (n + 2) + column of the transformed square.
 *
 * A square is transformed down its columns first, then along its rows, each line by f32 operations
 * in this form, where f(a, b, c) is a * b + c rounded once and g(a, b, c) is c - a * b rounded once:
 *
 * WINOGRAD4, points 0, +-3/4, +-3/2 and infinity (a third of the error of 0, +-1, +-2: measured;
 * all constants are exact):
 *   in:  e = g(9/4, d2, d4), o = g(9/4, d1, d3), e' = g(9/16, d2, d4), o' = g(9/16, d1, d3)
 *        f(81/64, d0, g(45/16, d2, d4)), f(3/4, o, e), g(3/4, o, e), f(3/2, o', e'), g(3/2, o', e'),
 *        f(81/64, d1, g(45/16, d3, d5))
 *   out: s = m1 + m2, t = m1 - m2, s' = m3 + m4, t' = m3 - m4
 *        (m0 + s) + s', f(3/4, t, 3/2 * t'), f(9/16, s, 9/4 * s'), f(27/64, t, f(27/8, t', m5))
 * WINOGRAD2, points 0, +-1 and infinity:
 *   in:  d0 - d2, d1 + d2, d2 - d1, d3 - d1
 *   out: (m0 + m1) + m2, (m1 - m2) + m3 ---- */

/* One block of 16 channels of one image; tiles [tile_begin, tile_end). */
typedef struct ai_winograd_input_args {
    const float *in; /* of the window of output (0, 0) */
    int64_t      in_row;
    int64_t      rows, columns; /* that may be read; what lies beyond is zero */
    int64_t      tile_columns;  /* tiles in a row */
    int64_t      tile_begin, tile_end;
    float       *out;    /* of tile_begin and xi 0; 16 elements to the next tile */
    int64_t      out_xi; /* elements from one xi to the next */
} ai_winograd_input_args;

/* One block of 16 channels of one image: output transform, + bias, + residual, clamp. */
typedef struct ai_winograd_output_args {
    const float *in; /* of tile_begin and xi 0; 16 elements to the next tile */
    int64_t      in_xi;
    int64_t      tile_columns;
    int64_t      tile_begin, tile_end;
    const float *bias;     /* [16], or NULL: zeros */
    const float *residual; /* of output (0, 0), or NULL */
    int64_t      residual_row;
    float       *out; /* of output (0, 0) */
    int64_t      out_row;
    int64_t      rows, columns; /* of the output */
    float        lo, hi;
} ai_winograd_output_args;

/* out[m][n] = bias[n] + sum over k in ascending order of a[m][k] * b[k][n], n in
 * [panel_begin * 16, min(panel_end * 16, n)). out may be bias, with the same rows. */
typedef struct ai_gemm_args {
    const float *a;
    int64_t      a_row; /* elements from a row of a to the next */
    const void  *b;     /* PANEL16 of the row's type of weights, or PLAIN */
    int64_t      panel; /* PANEL16: elements from one panel to the next */
    int64_t      b_row; /* PLAIN: elements from a row to the next */
    const float *bias;  /* [n], or NULL: zeros */
    int64_t      bias_row; /* 0: one row of bias for all m; else elements to the next row */
    float       *out;
    int64_t      out_row;
    int64_t      m, n, k;
    int64_t      panel_begin, panel_end;
    float        lo, hi;
} ai_gemm_args;

/* A row of f32 as integers: with most = max |in[i]|, scale = most / 8191 and
 * out = in[i] * (8191 / most), every operation rounded once to nearest even, the last one to an
 * integer. A row with most below 2^-100 is all zeros, with scale 0; one with an infinity or a NaN is
 * all zeros with scale NaN. */
typedef struct ai_quantise_args {
    const float *in;
    int64_t      count;
    int16_t     *out; /* [(count + 3) / 4][4]: elements 0, 2, 1, 3 of four; past the last zeros */
    float       *scale;
} ai_quantise_args;

/* Beyond this many rows of weights a sum of 14 bits times 8 might leave 32 bits. */
enum { AI_S8_BLOCK = 2048 };

/* out[m][n] = bias[n], then for each block of AI_S8_BLOCK rows of weights in order, out =
 * fma(f32(sum), scales[m] * scale of column n, out): the sum over the block is exact, its f32, the
 * product and the fma are rounded once. */
typedef struct ai_gemm_s8_args {
    const int16_t *rows;   /* as AI_K_QUANTISE leaves them, one behind the other */
    const float   *scales; /* [m] */
    ai_gemm_args   gemm;   /* without a, a_row and panel */
} ai_gemm_s8_args;
/* out[i] = in[i] / scale, at least -zero (so is NaN), at most 255 - zero, half to even, + zero. */
typedef struct ai_to_bytes_args {
    const float *in;
    uint8_t     *out;
    int64_t      count;
    float        scale;
    int32_t      zero;
} ai_to_bytes_args;

/* out[i] = (in[i] - zero) * scale */
typedef struct ai_from_bytes_args {
    const uint8_t *in;
    float         *out;
    int64_t        count;
    float          scale;
    int32_t        zero;
} ai_from_bytes_args;

/* out[i] = table[in[i]] */
typedef struct ai_lookup_args {
    const uint8_t *in;
    const uint8_t *table; /* [256] */
    uint8_t       *out;
    int64_t        count;
} ai_lookup_args;

enum { AI_Q_PIXELS = 64 };

/* Products of u8 and s8, summed in s32 (modulo 2^32), for the blocks of 16 outputs [panel_begin,
 * panel_end) and the output rows [row_begin, row_end). An input of the sum is four neighbouring bytes:
 * those at in + row * in_row + column * in_step + taps[t]. Q_DEPTHWISE: it is the bytes of output o's
 * channel at in + panel * in_plane + ... + taps[4 * t + i] + o, i = 0 to 3; taps beyond the
 * kernel's repeat another and have weights of 0. Then, all in f32 and each rounded once:
 *   q = sum * scale, at most 255 - middle (so is NaN), at least -middle, as an integer half to even
 * and without a residual y = q + zero, where zero is middle; with a residual
 *   y = fma(q, own, fma(residual, other, offset)), below 2^22 in magnitude, as an integer half to
 *   even, + zero
 * and at last y is clamped to [lo, hi]. */
typedef struct ai_q_conv_args {
    const uint8_t *in; /* of output (0, 0): padding is subtracted, its bytes are in the border */
    int64_t        in_row;
    int64_t        in_step;
    int64_t        in_plane; /* Q_DEPTHWISE */
    const int64_t *taps;
    int64_t        tap_count; /* fours */
    int32_t        kw;        /* Q_DEPTHWISE: taps 16 bytes apart in each row of the kernel, or 0 */
    const int8_t  *weights;   /* of panel 0: [taps][16 outputs][4] */
    const int32_t *bias;    /* [panels * 16] */
    const float   *scale;   /* [panels * 16] */
    const uint8_t *residual; /* 16 bytes a column, or NULL */
    int64_t        residual_row;
    int64_t        residual_plane;
    uint8_t       *out;
    int64_t        out_row;
    int64_t        out_plane; /* from one panel to the next */
    int64_t        out_step;  /* from a column to the next: at least 16 */
    int32_t        ow;
    int32_t        row_begin, row_end;
    int32_t        panel_begin, panel_end;
    int32_t        middle, zero;
    int32_t        lo, hi;
    float          own, other, offset;
    int16_t       *wide; /* Q_CONV: room for wide_pixels times tap_count fours of a level that widens */
    int32_t        wide_pixels; /* at least 1 */
    uint8_t       *rows; /* Q_CONV: in place of wide, room for AI_Q_PIXELS pixels of whole 64 bytes each
                          * at a multiple of 64; or NULL: a level that wants it does without */
} ai_q_conv_args;

/* Pooling of one block of 16 channels of one image, output rows [row_begin, row_end). Taps outside
 * the input are skipped. Max: a later tap wins if it is greater, or the first NaN stays.
 * Average: the sum in order (kh, kw), times 1 / count, count = taps inside, or inside the padded
 * input if count_include_pad. GLOBAL_AVERAGE: sum over rows then columns in order, divided. */
typedef struct ai_pool_args {
    const float *in; /* of input (0, 0) */
    int64_t      in_row;
    float       *out;
    int64_t      out_row;
    int32_t      ih, iw;
    int32_t      ow;
    int32_t      kh, kw;
    int32_t      stride_h, stride_w;
    int32_t      dilation_h, dilation_w;
    int32_t      pad_top, pad_left, pad_bottom, pad_right;
    int32_t      count_include_pad;
    int32_t      row_begin, row_end;
} ai_pool_args;

enum {
    AI_BINARY_ADD, AI_BINARY_SUB, AI_BINARY_MUL, AI_BINARY_DIV, AI_BINARY_POW, AI_BINARY_MAX,
    AI_BINARY_MIN, AI_BINARY_PRELU, AI_BINARY_COUNT
};

/* out[i] = f(a[i * a_step], b[i * b_step]), steps 0 or 1. out may be a or b. */
typedef struct ai_binary_args {
    const float *a;
    const float *b;
    float       *out;
    int64_t      count;
    int32_t      a_step, b_step;
} ai_binary_args;

enum {
    AI_UNARY_CLIP, /* lo = alpha, hi = beta; Relu is this with 0, inf */
    AI_UNARY_LEAKY_RELU, AI_UNARY_ELU, AI_UNARY_SELU, AI_UNARY_CELU, AI_UNARY_GELU,
    AI_UNARY_GELU_TANH, AI_UNARY_SIGMOID, AI_UNARY_HARD_SIGMOID, AI_UNARY_HARD_SWISH,
    AI_UNARY_SWISH, AI_UNARY_MISH, AI_UNARY_TANH, AI_UNARY_SOFTPLUS, AI_UNARY_SOFTSIGN,
    AI_UNARY_THRESHOLDED_RELU, AI_UNARY_SHRINK, AI_UNARY_ERF, AI_UNARY_EXP, AI_UNARY_LOG,
    AI_UNARY_SQRT, AI_UNARY_RECIPROCAL, AI_UNARY_NEG, AI_UNARY_ABS, AI_UNARY_FLOOR, AI_UNARY_CEIL,
    AI_UNARY_ROUND, /* half to even */
    AI_UNARY_AFFINE, /* alpha * x + beta as one fma */
    AI_UNARY_FLUSH,  /* 0 where |x| < alpha */
    AI_UNARY_COUNT
};

/* out[i] = f(in[i]). out may be in. */
typedef struct ai_unary_args {
    const float *in;
    float       *out;
    int64_t      count;
    float        alpha;
    float        beta;
} ai_unary_args;

/* One number from `count` dense ones: lane i % 16 of 16 partial results takes element i, in
 * ascending order; then the tree: 8 and 8, 4 and 4, 2 and 2, 1 and 1 (lane j with lane j + half). */
enum {
    AI_REDUCE_SUM,        /* sum of x */
    AI_REDUCE_MAX,        /* NaN if any is */
    AI_REDUCE_SUM_SQUARE, /* sum of fma((x - offset), (x - offset), sum) */
    AI_REDUCE_SUM_ABS,
    AI_REDUCE_SUM_EXP,    /* sum of e = exp(x - offset); with out: e is stored there */
    AI_REDUCE_COUNT
};

typedef struct ai_reduce_args {
    const float *in;
    float       *out; /* SUM_EXP: [count] or NULL; may be in */
    int64_t      count;
    float        offset;
    float       *result; /* one */
} ai_reduce_args;

/* Softmax of each of `rows` dense rows: m = MAX, s = SUM_EXP with offset m and e in out; then
 * out[i] = e[i] * (1 / s), the quotient rounded too. out may be in. */
typedef struct ai_softmax_args {
    const float *in;
    float       *out;
    int64_t      rows, count;
} ai_softmax_args;

/* out[i] = in[i], exactly; a NaN becomes quiet and keeps the bits that it has. */
typedef struct ai_widen_args {
    const uint16_t *in; /* f16 */
    float          *out;
    int64_t         count;
} ai_widen_args;

/* A row of `columns` pixels between `channels` (1 to 16) planes and one block of 16. */
typedef struct ai_transpose_args {
    const float *in;
    float       *out;
    int64_t      plane;    /* elements from one plane to the next */
    int32_t      channels; /* to a block: missing ones become zeros */
    int32_t      to_block; /* 1: planes to block; 0: block to planes */
    int64_t      columns;
} ai_transpose_args;

/* A row of a tensor that was resized, of `columns` times `inner` numbers. First some rows of the input
 * are mixed, then columns of the mixture, each sum from 0 in ascending order:
 * mixed[j] = sum over r of fma(rows[r][j], row_weights[r], sum), j below in_count;
 * out[x * inner + i] = sum over t of fma(mixed[places[t * columns + x] + i],
 *                                        weights[t * columns + x], sum). */
typedef struct ai_resize_args {
    const float *const *rows;
    const float   *row_weights;
    int64_t        row_count;
    int64_t        in_count;
    float         *mixed;
    const int64_t *places;
    const float   *weights;
    int64_t        taps;
    int64_t        columns;
    int64_t        inner;
    float         *out;
} ai_resize_args;

typedef struct ai_kernel {
    uint16_t      op;
    uint8_t       act_type;    /* ai_type of the activations */
    uint8_t       weight_type; /* ai_type of the weights; equal to act_type where there are none */
    uint8_t       layout;      /* AI_LAYOUT_* of the weights, or of the tensor where there are none */
    uint32_t      cpu;         /* the level's bit */
    ai_kernel_fn *fn;
    const char   *name;
} ai_kernel;

/* All rows of this build, weaker levels first. */
extern const ai_kernel ai_kernels[];
extern const uint32_t  ai_kernel_count;

/* The last row that the levels of `cpu` allow (REF always does); NULL: no such operation. */
const ai_kernel *ai_kernel_find(uint32_t op, uint32_t act_type, uint32_t weight_type,
                                uint32_t layout, uint32_t cpu);

/* Levels that this machine runs and this build has (cpu.c). */
uint32_t ai_cpu_detect(void);

/* Linux asks to be asked, once or often, before a process uses AMX's tiles, and refuses one with a
 * thread that has too small a stack for signals. AMX's kernels are found where it allows them. */
bool ai_cpu_may_use_tiles(void);

/* ---- The same functions of one number as the kernels', for operators that work on scalars ---- */
float ai_expf(float x);
float ai_logf(float x);
float ai_tanhf(float x);
float ai_erff(float x);
float ai_powf(float x, float y);

#endif
