/* SPDX-License-Identifier: Apache-2.0
 * Everything that Conv, ConvTranspose, the pools, Gemm, MatMul and Reorder refuse, and what they
 * say. */
#include <stdio.h>
#include <string.h>

#include "step.h"

static int failures;

static void shape(step *s, uint32_t i, uint8_t layout, uint32_t rank, int64_t a, int64_t b,
                  int64_t c, int64_t d)
{
    const int64_t dim[4] = {a, b, c, d};
    step_shape(s, i, AI_F32, layout, rank, dim);
}

static void set_window(ai_window *w, uint32_t kernel)
{
    *w = (ai_window){.spatial = 2};
    for (int i = 0; i < AI_MAX_SPATIAL; i++) {
        w->kernel[i] = kernel;
        w->stride[i] = 1;
        w->dilation[i] = 1;
    }
}

/* ---- Steps that pass, to be spoiled ---- */

static void conv(step *s)
{
    step_init(s, AI_OP_CONV, 4, 1);
    set_window(&s->params.conv.window, 3);
    s->params.conv.group = 1;
    shape(s, 0, AI_LAYOUT_PLAIN, 4, 1, 4, 5, 6);
    shape(s, 1, AI_LAYOUT_PLAIN, 4, 8, 4, 3, 3);
    shape(s, 2, AI_LAYOUT_PLAIN, 1, 8, 0, 0, 0);
    shape(s, 3, AI_LAYOUT_PLAIN, 4, 1, 8, 3, 4);
}

static void packed_conv(step *s)
{
    conv(s);
    s->in[0].layout = s->in[3].layout = s->out[0].layout = AI_LAYOUT_NCHW16C;
    s->in[1].layout = AI_LAYOUT_CONV16;
    s->in[1].kind = AI_TENSOR_CONSTANT;
}

/* A depthwise Conv and a pointwise one with a residual. */
static void strips(step *s)
{
    ai_strips_params *p = &s->params.strips;
    step_init(s, AI_OP_STRIPS, 7, 1);
    p->count = 2;
    for (int i = 0; i < 2; i++) {
        p->stage[i].op = AI_OP_CONV;
        set_window(&p->stage[i].params.conv.window, i == 0 ? 3 : 1);
        p->stage[i].params.conv.group = i == 0 ? 4 : 1;
        s->in[1 + 3 * i].kind = AI_TENSOR_CONSTANT;
    }
    shape(s, 0, AI_LAYOUT_NCHW16C, 4, 2, 4, 5, 6);
    shape(s, 1, AI_LAYOUT_DEPTHWISE16, 4, 4, 1, 3, 3);
    shape(s, 4, AI_LAYOUT_CONV16, 4, 8, 4, 1, 1);
    shape(s, 6, AI_LAYOUT_NCHW16C, 4, 2, 8, 3, 4);
    s->in_list[2] = s->in_list[3] = s->in_list[5] = NULL;
    s->out[0].layout = AI_LAYOUT_NCHW16C;
}

/* A window over 129 rows of 2^31 columns. */
static void tall_strips(step *s)
{
    ai_strips_params *p = &s->params.strips;
    strips(s);
    set_window(&p->stage[0].params.conv.window, 1);
    p->stage[0].params.conv.group = 1;
    p->stage[1].params.conv.window.kernel[0] = 129;
    shape(s, 0, AI_LAYOUT_NCHW16C, 4, 1, 1, 200, INT32_MAX);
    shape(s, 1, AI_LAYOUT_DEPTHWISE16, 4, 1, 1, 1, 1);
    shape(s, 4, AI_LAYOUT_CONV16, 4, 1, 1, 129, 1);
    s->in_list[6] = NULL;
}

static void conv_transpose(step *s)
{
    step_init(s, AI_OP_CONV_TRANSPOSE, 3, 1);
    set_window(&s->params.conv_transpose.window, 3);
    s->params.conv_transpose.group = 1;
    shape(s, 0, AI_LAYOUT_PLAIN, 4, 1, 4, 5, 6);
    shape(s, 1, AI_LAYOUT_PLAIN, 4, 4, 2, 3, 3);
    shape(s, 2, AI_LAYOUT_PLAIN, 1, 2, 0, 0, 0);
}

static void pool(step *s, uint32_t op)
{
    step_init(s, op, 1, 1);
    set_window(&s->params.pool.window, 2);
    s->params.pool.p = 2;
    shape(s, 0, AI_LAYOUT_PLAIN, 4, 1, 4, 5, 6);
}

static void max_pool(step *s)
{
    pool(s, AI_OP_MAX_POOL);
}

static void lp_pool(step *s)
{
    pool(s, AI_OP_LP_POOL);
}

static void global_pool(step *s)
{
    pool(s, AI_OP_GLOBAL_AVERAGE_POOL);
}

static void gemm(step *s)
{
    step_init(s, AI_OP_GEMM, 3, 1);
    s->params.gemm.alpha = s->params.gemm.beta = 1.0f;
    shape(s, 0, AI_LAYOUT_PLAIN, 2, 2, 3, 0, 0);
    shape(s, 1, AI_LAYOUT_PLAIN, 2, 3, 5, 0, 0);
    shape(s, 2, AI_LAYOUT_PLAIN, 1, 5, 0, 0, 0);
}

static void matmul(step *s)
{
    step_init(s, AI_OP_MATMUL, 3, 1);
    s->params.gemm.alpha = s->params.gemm.beta = 1.0f;
    shape(s, 0, AI_LAYOUT_PLAIN, 3, 2, 3, 4, 0);
    shape(s, 1, AI_LAYOUT_PLAIN, 3, 2, 4, 5, 0);
    shape(s, 2, AI_LAYOUT_PLAIN, 1, 5, 0, 0, 0);
}

static void reorder(step *s)
{
    step_init(s, AI_OP_REORDER, 1, 1);
    shape(s, 0, AI_LAYOUT_PLAIN, 4, 1, 4, 5, 6);
    s->out[0].layout = AI_LAYOUT_NCHW16C;
}

/* ---- Checks ---- */

static void expect(const step *s, ai_status status, ai_status code, const char *message, int line)
{
    const char *said = strstr(s->err.message, ": ");
    if (status == code && s->err.code == code && s->err.step == 0 &&
        s->err.offset == AI_NO_OFFSET && said != NULL && strcmp(said + 2, message) == 0)
        return;
    printf("messages.c:%d: %s, step %u, \"%s\"\n", line, ai_status_name(status), s->err.step,
           s->err.message);
    failures++;
}

#define GOOD(make)                                                                                 \
    do {                                                                                           \
        step t;                                                                                    \
        make(&t);                                                                                  \
        if (step_check(&t) != AI_OK) {                                                             \
            printf("messages.c:%d: \"%s\"\n", __LINE__, t.err.message);                            \
            failures++;                                                                            \
        }                                                                                          \
        step_free(&t);                                                                             \
    } while (0)

/* A good step t is spoiled by `change`; what its check answers. */
#define BAD(make, change, code, message)                                                           \
    do {                                                                                           \
        step t;                                                                                    \
        make(&t);                                                                                  \
        change;                                                                                    \
        expect(&t, step_check(&t), code, message, __LINE__);                                       \
        step_free(&t);                                                                             \
    } while (0)

static void test_good(void)
{
    GOOD(conv);
    GOOD(packed_conv);
    GOOD(conv_transpose);
    GOOD(max_pool);
    GOOD(lp_pool);
    GOOD(global_pool);
    GOOD(gemm);
    GOOD(matmul);
    GOOD(reorder);
}

#define WINDOW t.params.conv.window

static void test_windows(void)
{
    BAD(conv, WINDOW.spatial = 4, AI_E_UNSUPPORTED, "window has 4 spatial dimensions, 1 to 3");
    BAD(conv, WINDOW.spatial = 0, AI_E_UNSUPPORTED, "window has 0 spatial dimensions, 1 to 3");
    BAD(conv, WINDOW.auto_pad = 4, AI_E_UNSUPPORTED, "auto_pad is 4, at most 3");
    BAD(conv, WINDOW.kernel[1] = 0, AI_E_UNSUPPORTED, "kernel[1] is 0, needs 1 to 1048576");
    BAD(conv, WINDOW.stride[0] = 0, AI_E_UNSUPPORTED, "stride[0] is 0, needs 1 to 1048576");
    BAD(conv, WINDOW.dilation[0] = UINT32_MAX, AI_E_UNSUPPORTED,
        "dilation[0] is 4294967295, needs 1 to 1048576");
    BAD(conv, WINDOW.pad_end[1] = 1 << 21, AI_E_UNSUPPORTED,
        "pad_end[1] is 2097152, needs 0 to 1048576");
    BAD(max_pool, WINDOW.kernel[0] = WINDOW.dilation[0] = 1 << 20, AI_E_UNSUPPORTED,
        "kernel[0] 1048576 with dilation 1048576 spans over 2^31-1");
    BAD(conv, t.in[0].dim[3] = 2, AI_E_SHAPE,
        "kernel spans 3 of dimension 3, which has 2 with padding");
    BAD(conv, t.in[0].dim[2] = 0, AI_E_SHAPE, "dimension 2 is 0, needs 1 to 2^31-1");
    BAD(max_pool, (t.in[0].dim[2] = INT32_MAX, WINDOW.pad_end[0] = 2), AI_E_SHAPE,
        "output dimension 2 is over 2^31-1");
    BAD(max_pool, (t.in[0].dim[0] = 1 << 30, t.in[0].dim[1] = 1 << 30), AI_E_SHAPE,
        "output 0 has a negative dimension or over 2^40 elements: 1073741824x1073741824x4x5");
}

static void test_conv(void)
{
    BAD(conv, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(conv, t.in_list[1] = NULL, AI_E_FORMAT, "input 1 is missing");
    BAD(conv, t.in[0].type = AI_F16, AI_E_UNSUPPORTED, "input 0 is f16, needs f32");
    BAD(conv, t.in[3].type = AI_S32, AI_E_UNSUPPORTED, "input 3 is s32, needs f32");
    BAD(conv, t.in[1].type = AI_F16, AI_E_UNSUPPORTED, "input 1 is f16, needs f32");
    BAD(packed_conv, t.in[1].type = AI_BF16, AI_E_UNSUPPORTED, "input 1 is bf16, needs f32");
    BAD(conv, t.params.conv.activation.kind = 2, AI_E_UNSUPPORTED, "activation 2 is unknown");
    BAD(conv, t.params.conv.activation.kind = AI_OP_RELU, AI_E_UNSUPPORTED,
        "activation 60 is unknown");
    BAD(conv, t.params.conv.activation.kind = AI_OP_CLIP, AI_E_UNSUPPORTED,
        "activation 86 is unknown");
    BAD(conv, t.params.conv.flags = 2, AI_E_UNSUPPORTED, "flags 0x2 are not known");
    BAD(conv, t.in[0].rank = 3, AI_E_SHAPE, "input 0 has rank 3, needs 4");
    BAD(conv, t.in[1].dim[1] = 3, AI_E_SHAPE, "weight has 3 channels, input has 4");
    BAD(conv, t.params.conv.group = 2, AI_E_SHAPE,
        "weight has 4 channels, input has 4 in 2 groups");
    BAD(conv, t.params.conv.group = 3, AI_E_SHAPE,
        "group 3 does not divide 4 input and 8 output channels");
    BAD(conv, t.params.conv.group = 0, AI_E_SHAPE,
        "group 0 does not divide 4 input and 8 output channels");
    BAD(conv, t.in[0].dim[1] = 0, AI_E_SHAPE,
        "input has 0 channels, weight has 8 outputs, needs 1 to 2^31-1");
    BAD(conv, t.in[1].dim[3] = 2, AI_E_SHAPE, "weight dimension 3 is 2, kernel has 3");
    BAD(conv, t.in[2].dim[0] = 7, AI_E_SHAPE, "bias has rank 1 and dimension 7, needs 8 numbers");
    BAD(conv, t.in[3].dim[2] = 4, AI_E_SHAPE, "residual dimension 2 is 4, output has 3");
    BAD(conv, t.in[3].layout = AI_LAYOUT_NCHW16C, AI_E_SHAPE,
        "residual has layout 1 and rank 4, output has 0 and 4");
    BAD(conv, t.out[0].layout = AI_LAYOUT_NCHW16C, AI_E_UNSUPPORTED,
        "layouts 0, 0 and 1 of input, weight and output do not go together");
    BAD(packed_conv, t.in[1].kind = AI_TENSOR_INPUT, AI_E_FORMAT,
        "packed weight is not a constant");
    BAD(packed_conv, (t.params.conv.group = 2, t.in[1].dim[1] = 2), AI_E_UNSUPPORTED,
        "2 groups of 2 to 4 channels do not fit weights of layout 2");
    BAD(packed_conv, t.in[1].layout = AI_LAYOUT_DEPTHWISE16, AI_E_UNSUPPORTED,
        "1 groups of 4 to 8 channels do not fit weights of layout 4");
    BAD(packed_conv, (t.in[1].layout = AI_LAYOUT_WINOGRAD4, WINDOW.stride[1] = 2), AI_E_UNSUPPORTED,
        "weights of layout 6 need 1 group, stride 1x1 and dilation 1x1, found are 1, 1x2 and 1x1");
    BAD(packed_conv, (WINDOW.spatial = 1, t.in[0].rank = t.in[1].rank = 3), AI_E_UNSUPPORTED,
        "packed weight has 1 spatial dimensions, needs 2");
}

static void test_strips(void)
{
    GOOD(strips);
    BAD(strips, t.in_list[0] = NULL, AI_E_FORMAT, "input 0 is missing");
    BAD(strips, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(strips, t.in[0].rank = 3, AI_E_SHAPE, "input 0 has rank 3, needs 4");
    BAD(strips, t.params.strips.count = 0, AI_E_FORMAT,
        "0 stages have 7 inputs, needs 1 to 4 stages of 3 and 1 more");
    BAD(strips, t.params.strips.count = 5, AI_E_FORMAT,
        "5 stages have 7 inputs, needs 1 to 4 stages of 3 and 1 more");
    BAD(strips, t.step.in_count = 6, AI_E_FORMAT,
        "2 stages have 6 inputs, needs 1 to 4 stages of 3 and 1 more");
    BAD(strips, t.params.strips.stage[1].op = AI_OP_AVERAGE_POOL, AI_E_UNSUPPORTED,
        "stage 1 is operator 4, needs Conv or MaxPool");
    BAD(strips, t.out[0].layout = AI_LAYOUT_PLAIN, AI_E_FORMAT,
        "output 0 is plain, needs blocks of 16 channels");
    /* Those of a stage */
    BAD(strips, t.in_list[4] = NULL, AI_E_FORMAT, "input 1 is missing");
    BAD(strips, t.in[4].dim[1] = 5, AI_E_SHAPE, "weight has 5 channels, input has 4");
    BAD(strips, t.in[4].kind = AI_TENSOR_VALUE, AI_E_FORMAT, "packed weight is not a constant");
    BAD(strips, t.in[6].dim[0] = 1, AI_E_SHAPE, "residual dimension 0 is 0, output has 1");
    BAD(strips, t.in[0].layout = AI_LAYOUT_PLAIN, AI_E_UNSUPPORTED,
        "layouts 0, 4 and 1 of input, weight and output do not go together");
    /* Those that are no rows of one piece */
    BAD(strips,
        (t.params.strips.count = 1, t.step.in_count = 4, t.in[0].dim[1] = 32,
         t.params.strips.stage[0].params.conv.group = 2,
         shape(&t, 1, AI_LAYOUT_CONV16, 4, 32, 16, 3, 3)),
        AI_E_UNSUPPORTED,
        "stage 0 has 2 groups and weights of layout 2, needs 1 group or depthwise, and no "
        "transform");
    BAD(strips,
        (t.params.strips.count = 1, t.step.in_count = 4,
         t.params.strips.stage[0].params.conv.group = 1,
         shape(&t, 1, AI_LAYOUT_WINOGRAD2, 4, 4, 4, 3, 3)),
        AI_E_UNSUPPORTED,
        "stage 0 has 1 groups and weights of layout 7, needs 1 group or depthwise, and no "
        "transform");
    BAD(tall_strips, (void)0, AI_E_SHAPE, "rows of a strip are over 2^44 bytes");
}

static void test_conv_transpose(void)
{
    BAD(conv_transpose, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(conv_transpose, t.in_list[0] = NULL, AI_E_FORMAT, "input 0 is missing");
    BAD(conv_transpose, t.in[0].layout = AI_LAYOUT_NCHW16C, AI_E_FORMAT,
        "input 0 has layout 1, needs a plain tensor");
    BAD(conv_transpose, t.out[0].layout = AI_LAYOUT_NCHW16C, AI_E_FORMAT,
        "output 0 has layout 1, needs a plain tensor");
    BAD(conv_transpose, t.in[1].layout = AI_LAYOUT_TRANSPOSED16, AI_E_FORMAT,
        "weight of layout 8 needs to be a constant, input and output in blocks of 16 channels, "
        "bias plain");
    BAD(conv_transpose,
        (t.in[0].layout = t.out[0].layout = AI_LAYOUT_NCHW16C,
         t.in[1].layout = AI_LAYOUT_TRANSPOSED16, t.in[1].kind = AI_TENSOR_CONSTANT,
         t.in[2].dim[0] = 4, t.params.conv_transpose.group = 2),
        AI_E_UNSUPPORTED,
        "weight of layout 8 needs 1 group and 2 spatial dimensions, found are 2 and 2");
    BAD(conv_transpose, t.in[1].rank = 2, AI_E_SHAPE, "input 1 has rank 2, needs 4");
    BAD(conv_transpose, t.params.conv_transpose.has_output_shape = 2, AI_E_UNSUPPORTED,
        "has_output_shape is 2, needs 0 or 1");
    BAD(conv_transpose, t.in[1].dim[0] = 3, AI_E_SHAPE, "weight has 3 channels, input has 4");
    BAD(conv_transpose, t.params.conv_transpose.group = 3, AI_E_SHAPE,
        "group 3 does not divide 4 channels");
    BAD(conv_transpose, t.in[1].dim[2] = 1, AI_E_SHAPE, "weight dimension 2 is 1, kernel has 3");
    BAD(conv_transpose, t.in[2].rank = 2, AI_E_SHAPE,
        "bias has rank 2 and dimension 2, needs 2 numbers");
    BAD(conv_transpose, t.in[0].dim[2] = 0, AI_E_SHAPE,
        "dimension 2 is 0, output_padding 0, needs 1 to 2^31-1");
    BAD(conv_transpose, WINDOW.pad_begin[0] = 7, AI_E_SHAPE,
        "output dimension 2 is 0, needs 1 to 2^31-1");
}

static void test_pools(void)
{
    BAD(max_pool, t.in_list[0] = NULL, AI_E_FORMAT, "input 0 is missing");
    BAD(max_pool, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(max_pool, t.in[0].type = AI_S64, AI_E_UNSUPPORTED, "input 0 is s64, needs f32, s8 or u8");
    BAD(lp_pool, t.in[0].type = AI_U8, AI_E_UNSUPPORTED, "input 0 is u8, needs f32");
    BAD(max_pool, t.params.pool.ceil_mode = 2, AI_E_UNSUPPORTED,
        "ceil_mode 2, count_include_pad 0, storage_order 0, needs 0 or 1");
    BAD(lp_pool, t.params.pool.p = 0, AI_E_UNSUPPORTED, "p is 0, needs at least 1");
    BAD(max_pool, t.in[0].layout = AI_LAYOUT_NCHW16C, AI_E_UNSUPPORTED,
        "blocks of 16 channels need two spatial dimensions, one output in blocks, and the maximum "
        "or the average");
    BAD(max_pool, t.out[0].layout = AI_LAYOUT_NCHW16C, AI_E_FORMAT,
        "output 0 has layout 1, needs a plain tensor");
    BAD(global_pool, t.in[0].rank = 1, AI_E_SHAPE, "input 0 has rank 1, needs at least 2");
    BAD(global_pool, t.in[0].dim[3] = 0, AI_E_SHAPE, "dimension 3 is 0, needs at least 1");
    BAD(global_pool, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(global_pool, (t.in[0].layout = AI_LAYOUT_NCHW16C, t.in[0].dim[2] = (int64_t)1 << 31),
        AI_E_SHAPE, "input has over 2^31-1 rows or columns");
    BAD(global_pool, (t.in[0].layout = AI_LAYOUT_NCHW16C, t.out[0].layout = AI_LAYOUT_CONV16),
        AI_E_FORMAT, "output 0 has layout 2, which is for weights");
}

static void gather(step *s)
{
    step_init(s, AI_OP_GATHER, 2, 1);
    shape(s, 0, AI_LAYOUT_PANEL16, 2, 3, 5, 0, 0);
    step_shape(s, 1, AI_S64, AI_LAYOUT_PLAIN, 1, (int64_t[]){2});
    s->in[0].kind = AI_TENSOR_CONSTANT;
}

static void test_tables(void)
{
    BAD(gather, t.in[0].type = AI_S64, AI_E_FORMAT,
        "data is s64 in layout 5, needs a plain tensor");
    BAD(gather, t.in[0].layout = AI_LAYOUT_CONV16, AI_E_FORMAT,
        "data is f32 in layout 2, needs a plain tensor");
    BAD(gather, t.params.axis.axis = 1, AI_E_FORMAT,
        "data in panels is not a constant matrix, or axis 1 is not 0");
    BAD(gather, t.in[0].kind = AI_TENSOR_INPUT, AI_E_FORMAT,
        "data in panels is not a constant matrix, or axis 0 is not 0");
    BAD(gather, t.in[1].layout = AI_LAYOUT_PANEL16, AI_E_FORMAT,
        "input 1 has layout 5, needs a plain tensor");
}

static void test_products(void)
{
    BAD(gemm, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(gemm, t.in[0].type = AI_F64, AI_E_UNSUPPORTED, "input 0 is f64, needs f32");
    BAD(gemm, t.in[1].type = AI_F16, AI_E_UNSUPPORTED, "input 1 is f16, needs f32");
    BAD(gemm, t.in[0].rank = 3, AI_E_SHAPE, "matrices have rank 3 and 2, needs 2");
    BAD(gemm, t.in[1].dim[0] = 4, AI_E_SHAPE, "weight has 4 rows, input has 3 columns");
    BAD(gemm, t.params.gemm.trans_b = 1, AI_E_SHAPE, "weight has 5 rows, input has 3 columns");
    BAD(gemm, t.params.gemm.trans_a = 2, AI_E_UNSUPPORTED, "trans_a 2, trans_b 0, needs 0 or 1");
    BAD(gemm, t.in[2].dim[0] = 4, AI_E_SHAPE, "bias of rank 1, 1 x 4, does not broadcast to 2 x 5");
    BAD(gemm, t.in[1].layout = AI_LAYOUT_QPANEL16, AI_E_UNSUPPORTED, "input 1 is f32, needs s8");
    BAD(gemm, t.in[1].type = AI_S8, AI_E_UNSUPPORTED, "input 1 is s8, needs f32");
    BAD(gemm, (t.in[1].layout = AI_LAYOUT_QPANEL16, t.in[1].type = AI_S8), AI_E_FORMAT,
        "packed weight is not a constant matrix without transposition");
    BAD(gemm,
        (t.in[1].layout = AI_LAYOUT_QPANEL16, t.in[1].type = AI_S8,
         t.in[1].kind = AI_TENSOR_CONSTANT, t.params.gemm.alpha = 2),
        AI_E_UNSUPPORTED, "weights of s8 need alpha and beta 1, a plain A, and a C of columns");
    BAD(gemm, t.in[0].layout = AI_LAYOUT_PANEL16, AI_E_FORMAT,
        "input 0 has layout 5, needs a plain tensor");
    BAD(gemm, t.out[0].layout = AI_LAYOUT_NCHW16C, AI_E_FORMAT,
        "output has layout 1, needs a plain tensor");
    BAD(gemm, t.in[1].layout = AI_LAYOUT_PANEL16, AI_E_FORMAT,
        "packed weight is not a constant matrix without transposition");
    BAD(matmul, t.params.gemm.trans_a = 1, AI_E_UNSUPPORTED, "a transposed operand needs Gemm");
    BAD(matmul, t.in[0].rank = 0, AI_E_SHAPE, "operands have rank 0 and 3, needs at least 1");
    BAD(matmul, t.in[1].dim[1] = 3, AI_E_SHAPE, "weight has 3 rows, input has 4 columns");
    BAD(matmul, t.in[1].dim[0] = 3, AI_E_SHAPE, "batch dimensions do not broadcast");
    BAD(matmul, (t.in[2].rank = 2, t.in[2].dim[0] = 3, t.in[2].dim[1] = 5), AI_E_SHAPE,
        "bias of rank 2 is 3 x 5, needs 1 x 5");
}

static void test_reorder(void)
{
    BAD(reorder, t.in[0].type = AI_F64, AI_E_UNSUPPORTED, "input 0 is f64, needs f32");
    BAD(reorder, t.in[0].rank = 3, AI_E_SHAPE, "input 0 has rank 3, needs 4");
    BAD(reorder, t.out_list[0] = NULL, AI_E_FORMAT, "output 0 is missing");
    BAD(reorder, t.out[0].layout = AI_LAYOUT_PLAIN, AI_E_FORMAT,
        "layout 0 to 0, needs plain planes to blocks of channels or back");
}

int main(void)
{
    test_good();
    test_windows();
    test_conv();
    test_strips();
    test_conv_transpose();
    test_pools();
    test_products();
    test_tables();
    test_reorder();
    return failures > 0;
}
