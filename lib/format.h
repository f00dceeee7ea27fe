/* SPDX-License-Identifier: Apache-2.0
 * The flat file (.lai) as C structs; docs/format.md is its specification. */
#ifndef AI_FORMAT_H
#define AI_FORMAT_H

#include <stdint.h>

/* All numbers are little-endian. The file is: header, section table, sections in ascending order
 * of offset, each at a multiple of 64, the weights last and at a multiple of 4096. */
#define AI_FILE_MAGIC   "\x89LAI\r\n\x1a\n"
#define AI_FILE_VERSION 1
#define AI_FILE_NONE    UINT32_MAX /* an omitted operand, an absent index */

enum {
    AI_FILE_ALIGN        = 64,
    AI_FILE_WEIGHT_ALIGN = 4096,
    AI_FILE_MAX_SECTIONS = 1024,
    AI_FILE_MAX_TENSORS  = 1 << 18,
    AI_FILE_MAX_STEPS    = 1 << 16,
    AI_FILE_MAX_OPERANDS = 4096 /* of one step */
};

/* Indices in the INDICES section: tensors, `count` entries of `width` from entry `first` on. */
typedef struct ai_file_list {
    uint32_t first;
    uint32_t count;
} ai_file_list;

typedef struct ai_file_header { /* 128 bytes */
    uint8_t      magic[8];
    uint32_t     version;
    uint32_t     section_count;
    uint64_t     features; /* what a reader must know; an unknown bit is a newer version */
    uint64_t     file_bytes;
    uint32_t     name; /* of the model, in STRINGS */
    ai_file_list inputs;
    ai_file_list outputs;
    ai_file_list states; /* entries of three: input tensor, output tensor, constant or NONE (0) */
    uint32_t     reserved[9];
    uint8_t      digest[32]; /* SHA-256 of the header with zeros here, then the section table */
} ai_file_header;

enum {
    AI_SECTION_STRINGS    = 1, /* UTF-8, each ended by a zero byte; the section ends in one */
    AI_SECTION_TENSORS    = 2, /* ai_file_tensor */
    AI_SECTION_STEPS      = 3, /* ai_file_step, in the order in which they run */
    AI_SECTION_INDICES    = 4, /* uint32_t */
    AI_SECTION_PARAMETERS = 5, /* the structs below, each at a multiple of 8 */
    AI_SECTION_RESOURCE   = 6, /* any number, each with a name: metadata, labels, recipe, self-test */
    AI_SECTION_SIGNATURE  = 7, /* number kept, no reader yet */
    AI_SECTION_WEIGHTS    = 8  /* constants, each at a multiple of 64, in the order of their use */
};

typedef struct ai_file_section { /* 64 bytes */
    uint32_t kind;
    uint32_t name;   /* of a RESOURCE, in STRINGS; else 0 */
    uint64_t offset; /* from the start of the file */
    uint64_t bytes;
    uint64_t reserved;
    uint8_t  sha256[32];
} ai_file_section;

enum {
    AI_TENSOR_VALUE    = 0, /* written by a step */
    AI_TENSOR_INPUT    = 1, /* written by the caller */
    AI_TENSOR_CONSTANT = 2, /* lies in WEIGHTS */
    AI_TENSOR_STATE    = 3  /* carried over from the call before */
};

/* How the elements of a tensor lie. `dim` is always the logical shape in ONNX's order. */
enum {
    AI_LAYOUT_PLAIN = 0, /* dense, row-major */
    /* Activations of rank 4: [N][C/16][H][W][16], with row and plane strides of its own and, where
     * a convolution reads it, a border of zeros. Lanes past C hold finite or other values that
     * nothing reads. */
    AI_LAYOUT_NCHW16C = 1,
    /* Weights of Conv with NCHW16C input, dim [OC][IC/group][KH][KW]:
     * [OC/16][IC/16][KH][KW][16 ic][16 oc]; the last block of ic has only the rows that exist;
     * oc is padded with zeros. The sum runs in this order. */
    AI_LAYOUT_CONV16 = 2,
    /* Weights of Conv with PLAIN input and NCHW16C output, dim [OC][IC][KH][KW]:
     * [OC/16][IC][KH][KW][16 oc]. */
    AI_LAYOUT_STEM16 = 3,
    /* Weights of depthwise Conv on NCHW16C, dim [C][1][KH][KW]: [C/16][KH][KW][16]. */
    AI_LAYOUT_DEPTHWISE16 = 4,
    /* Right operand of MatMul and Gemm, dim [K][N]: [N/16][K][16], n padded with zeros. Weights of
     * recurrent layers, dim [D][K][N]: as many of these, one after the other. */
    AI_LAYOUT_PANEL16 = 5,
    /* Weights of Conv from and to NCHW16C with a 3x3 kernel, stride and dilation 1 and one group,
     * dim [OC][IC][3][3], transformed for Winograd's algorithm with tiles of 4x4 and 2x2 outputs
     * (kernels.h draws it): [36 or 16 xi][OC/16][IC][16 oc], oc padded with zeros. */
    AI_LAYOUT_WINOGRAD4 = 6,
    AI_LAYOUT_WINOGRAD2 = 7,
    /* Weights of ConvTranspose from and to NCHW16C with one group, dim [IC][OC][KH][KW]. Outputs
     * at o with the same (o + pad) % stride take the kernel positions k with k * dilation % stride
     * equal to that, and none else: they are a convolution of their own at stride 1. One after the
     * other, by (o + pad) % stride of the rows, then of the columns, each as CONV16 with its
     * positions, the last k first (it reads the first input). */
    AI_LAYOUT_TRANSPOSED16 = 8,
    /* Of s8, for what PANEL16 is for: each panel of 16 columns is 16 scales of f32, one a column,
     * then [K/4][16][4], k padded with anything and n with any scales. A weight is its s8 times its
     * column's scale. */
    AI_LAYOUT_QPANEL16 = 9,
    /* Weights of s8 of QLinearConv, dim [OC][IC][KH][KW], and of QLinearMatMul, dim [N][K]:
     * [OC/16][IC/16][KH][KW][ic/4][16 oc][4 ic], the last block of ic with as many fours as it needs;
     * ic and oc that do not exist are zeros. */
    AI_LAYOUT_QCONV16 = 10,
    /* Weights of s8 of depthwise QLinearConv, dim [C][1][KH][KW]: [C/16][KH][kw/4][16 c][4 kw]; what
     * does not exist is zeros. */
    AI_LAYOUT_QDEPTHWISE16 = 11,
    /* The same as QCONV16, dim [OC][IC][KH][KW], IC a multiple of 64:
     * [OC/16][IC/64][KH][KW][ic/4][16 oc][4 ic]. */
    AI_LAYOUT_QCONV64 = 12,
    AI_LAYOUT_COUNT
};

typedef struct ai_file_tensor { /* 128 bytes */
    uint32_t name;
    uint8_t  type; /* ai_type; of values 0: inferred, as the shape is */
    uint8_t  kind;
    uint8_t  layout;
    uint8_t  rank;   /* of values that are no output: 0, shapes are inferred */
    uint32_t varies; /* of inputs: bit i set: dim[i] is only a default */
    uint32_t reserved;
    int64_t  dim[8]; /* inputs, states, constants; outputs: as inferred from the defaults */
    uint64_t offset; /* of constants: in WEIGHTS */
    uint64_t bytes;  /* of constants: what shape, type and layout take */
    float    scale;
    int32_t  zero_point;
    uint64_t reserved2[3];
} ai_file_tensor;

typedef struct ai_file_step { /* 32 bytes */
    uint16_t op;          /* a number of ops.def */
    uint16_t flags;       /* 0 */
    uint16_t input_count; /* operands[0..input_count) are inputs, then come the outputs */
    uint16_t output_count;
    uint32_t name;         /* of the node in the source model, in STRINGS */
    uint32_t operands;     /* first entry in INDICES; a NONE there is an omitted operand */
    uint32_t param_offset; /* in PARAMETERS */
    uint32_t param_bytes;  /* the size of the operator's struct below */
    uint32_t reserved[2];
} ai_file_step;

/* ---- Parameters of operators. Fields keep the ONNX attribute's name where there is one. ---- */

enum { AI_MAX_SPATIAL = 3, AI_FILE_MAX_RANK = 8 };

/* What an epilogue does to each sum. */
enum {
    AI_ACTIVATION_NONE = 0,
    AI_ACTIVATION_CLIP = 1 /* min(max(x, lo), hi): Relu is 0, inf; Relu6 is 0, 6 */
    /* Any other kind is the number of an operator from LeakyRelu to Round; lo is its alpha, hi its
     * beta. */
};

typedef struct ai_activation {
    uint32_t kind;
    float    lo;
    float    hi;
} ai_activation;

enum { AI_PAD_EXPLICIT = 0, AI_PAD_SAME_UPPER = 1, AI_PAD_SAME_LOWER = 2, AI_PAD_VALID = 3 };

/* The window of convolution and pooling over `spatial` dimensions (1 to 3). */
typedef struct ai_window {
    uint32_t spatial;
    uint32_t auto_pad;
    uint32_t kernel[AI_MAX_SPATIAL];
    uint32_t stride[AI_MAX_SPATIAL];
    uint32_t dilation[AI_MAX_SPATIAL];
    uint32_t pad_begin[AI_MAX_SPATIAL];
    uint32_t pad_end[AI_MAX_SPATIAL];
} ai_window;

typedef struct ai_none_params {
    uint64_t reserved;
} ai_none_params;

enum { AI_CONV_RESIDUAL_LAST = 1 };

/* Conv: x, weight, bias or NONE, residual or NONE. The residual is added before the activation, or
 * after it if the flag says so. */
typedef struct ai_conv_params {
    ai_window     window;
    uint32_t      group;
    ai_activation activation;
    uint32_t      flags; /* AI_CONV_RESIDUAL_LAST */
} ai_conv_params; /* 88 bytes */

typedef struct ai_conv_transpose_params {
    ai_window window;
    uint32_t  group;
    uint32_t  has_output_shape;
    uint32_t  output_padding[AI_MAX_SPATIAL];
    uint32_t  output_shape[AI_MAX_SPATIAL];
    uint32_t  reserved;
} ai_conv_transpose_params; /* 104 bytes */

/* QLinearConv: x, weight, bias (s32), scale (f32) and residual or NONE; bias and scale have an entry
 * for each output of whole blocks. kernels.h has the formula (ai_q_conv_args). */
typedef struct ai_q_finish {
    uint32_t middle;
    uint32_t zero;
    uint32_t lo, hi;
    float    own, other, offset; /* of a residual */
    uint32_t reserved;
} ai_q_finish;

typedef struct ai_q_conv_params {
    ai_window   window;
    uint32_t    group;
    ai_q_finish finish;
} ai_q_conv_params; /* 104 bytes */

/* QLinearMatMul: a, b transposed, bias, scale as QLinearConv's. */
typedef struct ai_q_gemm_params {
    ai_q_finish finish;
} ai_q_gemm_params; /* 32 bytes */

/* A quantised tensor: real = scale * (q - zero). */
typedef struct ai_q_scale {
    float    scale;
    uint32_t zero;
} ai_q_scale;

/* QLinearAdd, QLinearMul: the numbers of a and b, the operation, then QuantizeLinear and a clamp. */
typedef struct ai_q_binary_params {
    ai_q_scale a, b, y;
    uint32_t   lo, hi;
} ai_q_binary_params; /* 32 bytes */

/* QLinearGlobalAveragePool: (sum - count * middle) * (factor / count), rounded, + zero. */
typedef struct ai_q_mean_params {
    float    factor;
    uint32_t middle;
    uint32_t zero;
    uint32_t reserved;
} ai_q_mean_params; /* 16 bytes */

typedef struct ai_pool_params { /* MaxPool, AveragePool, LpPool */
    ai_window window;
    uint32_t  ceil_mode;
    uint32_t  count_include_pad;
    uint32_t  storage_order;
    uint32_t  p;
    uint32_t  reserved;
} ai_pool_params; /* 88 bytes */

typedef struct ai_q_pool_params { /* QLinearAveragePool */
    ai_pool_params pool;
    ai_q_scale     x, y;
} ai_q_pool_params; /* 104 bytes */

/* Strips: a chain of steps, each of which alone reads what the one before it writes. Inputs: x, then
 * of each stage weight, bias and residual, or NONE. */
enum { AI_STRIPS_MAX = 4 };

typedef struct ai_strips_stage {
    uint32_t op; /* AI_OP_CONV or AI_OP_MAX_POOL */
    uint32_t reserved;
    union {
        ai_conv_params conv;
        ai_pool_params pool;
    } params;
} ai_strips_stage; /* 96 bytes */

typedef struct ai_strips_params {
    uint32_t        count;
    uint32_t        reserved;
    ai_strips_stage stage[AI_STRIPS_MAX];
} ai_strips_params; /* 392 bytes */

typedef struct ai_gemm_params { /* Gemm: A, B, C or NONE. MatMul: A, B, bias or NONE */
    float         alpha;
    float         beta;
    uint32_t      trans_a;
    uint32_t      trans_b;
    ai_activation activation;
    uint32_t      most; /* products in a sum; 0: any */
} ai_gemm_params; /* 32 bytes */

typedef struct ai_unary_params { /* activations and functions of one number */
    float alpha;
    float beta;
} ai_unary_params;

/* An axis, and what some operators say beside it: BatchNormalization, LayerNormalization and the
 * like (epsilon), Softmax, Concat, Gather, Flatten, Split, Shape (start, end), LpNormalization (p),
 * GroupNormalization (count = num_groups), Reduce* and ArgMax (keepdims), Gelu. Unused fields 0. */
typedef struct ai_axis_params {
    int64_t  axis;
    int64_t  start;
    int64_t  end;
    uint32_t count;
    uint32_t keepdims;
    uint32_t flags; /* of the operator: see its file in lib/ops */
    float    epsilon;
    float    momentum; /* BatchNormalization with training_mode (flags 1) */
    uint32_t reserved;
} ai_axis_params; /* 48 bytes */

typedef struct ai_lrn_params {
    float    alpha;
    float    beta;
    float    bias;
    uint32_t size;
} ai_lrn_params;

typedef struct ai_axes_params { /* Transpose (perm), MeanVarianceNormalization (axes) */
    uint32_t count;
    uint32_t flags;
    int32_t  axes[AI_FILE_MAX_RANK];
} ai_axes_params; /* 40 bytes */

enum { AI_PAD_CONSTANT = 0, AI_PAD_REFLECT = 1, AI_PAD_EDGE = 2, AI_PAD_WRAP = 3 };

enum { AI_FORWARD = 0, AI_REVERSE = 1, AI_BIDIRECTIONAL = 2 };

enum {
    AI_FUNCTION_AFFINE = 0, /* alpha * x + beta */
    AI_FUNCTION_RELU = 1,
    AI_FUNCTION_LEAKY_RELU = 2,
    AI_FUNCTION_THRESHOLDED_RELU = 3,
    AI_FUNCTION_TANH = 4,
    AI_FUNCTION_SCALED_TANH = 5, /* alpha * tanh(beta * x) */
    AI_FUNCTION_SIGMOID = 6,
    AI_FUNCTION_HARD_SIGMOID = 7,
    AI_FUNCTION_ELU = 8,
    AI_FUNCTION_SOFTSIGN = 9,
    AI_FUNCTION_SOFTPLUS = 10,
    AI_FUNCTION_COUNT
};

enum {
    AI_LINEAR_BEFORE_RESET = 1, /* GRU */
    AI_INPUT_FORGET = 2,        /* LSTM */
    AI_BATCH_FIRST = 4          /* ONNX's layout 1 */
};

typedef struct ai_recurrent_activation {
    uint32_t function;
    float    alpha;
    float    beta;
} ai_recurrent_activation;

/* RNN, GRU, LSTM: X, W, R, B, sequence_lens, initial_h, then of LSTM initial_c and P; Y, Y_h, Y_c.
 * W and R are [directions][inputs or hidden size][gates * hidden size], the rest as in ONNX. */
typedef struct ai_recurrent_params {
    uint32_t                direction;
    uint32_t                hidden_size;
    uint32_t                flags;
    float                   clip; /* of the sums of gates; inf: none */
    ai_recurrent_activation activation[6]; /* three a direction: f, g, h */
} ai_recurrent_params; /* 88 bytes */

typedef struct ai_cast_params { /* Cast, ConstantOfShape (type and bits of the value), Pad (mode) */
    uint32_t type;
    uint32_t mode;
    uint64_t bits; /* the value, its first bytes little-endian */
} ai_cast_params;

enum { AI_RESIZE_NEAREST = 0, AI_RESIZE_LINEAR = 1, AI_RESIZE_CUBIC = 2 };

enum {
    AI_RESIZE_HALF_PIXEL = 0,
    AI_RESIZE_HALF_PIXEL_SYMMETRIC = 1,
    AI_RESIZE_PYTORCH_HALF_PIXEL = 2,
    AI_RESIZE_ALIGN_CORNERS = 3,
    AI_RESIZE_ASYMMETRIC = 4,
    AI_RESIZE_TF_CROP = 5,
    AI_RESIZE_TF_HALF_PIXEL_NN = 6
};

enum {
    AI_RESIZE_ROUND_PREFER_FLOOR = 0,
    AI_RESIZE_ROUND_PREFER_CEIL = 1,
    AI_RESIZE_FLOOR = 2,
    AI_RESIZE_CEIL = 3,
    AI_RESIZE_SIMPLE = 4 /* before opset 11: floor, or ceil where the axis shrinks */
};

enum { AI_RESIZE_STRETCH = 0, AI_RESIZE_NOT_LARGER = 1, AI_RESIZE_NOT_SMALLER = 2 };

/* Resize: x, roi or NONE, scales or NONE, sizes or NONE; scales or sizes is there. They are for the
 * axes listed, or for all where axis_count is 0. */
typedef struct ai_resize_params {
    uint8_t mode;        /* AI_RESIZE_NEAREST to CUBIC */
    uint8_t coordinates; /* AI_RESIZE_HALF_PIXEL to TF_HALF_PIXEL_NN */
    uint8_t nearest;     /* AI_RESIZE_ROUND_PREFER_FLOOR to SIMPLE */
    uint8_t policy;      /* AI_RESIZE_STRETCH to NOT_SMALLER */
    uint8_t antialias;
    uint8_t exclude_outside;
    uint8_t axis_count;
    uint8_t reserved;
    float   cubic_a;
    float   extrapolation; /* what lies outside of x with TF_CROP */
    int8_t  axes[AI_FILE_MAX_RANK];
} ai_resize_params; /* 24 bytes */

#endif
