/* SPDX-License-Identifier: Apache-2.0
 * Everything that the operators beside windows and products refuse, and what they say. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "step.h"

/* A step in words. Inputs are parted by blanks: "-" is an omitted one, "s64=1,2" a list that is
 * known, "f32=1" too, "f32[2,3]" a shape, "f32[1,16,2,2]@1" one in a layout: in one of weights it
 * is a constant of what is no zero. Outputs are layouts: "0" is a plain one. */
typedef struct refusal {
    uint32_t op;
    const char *in;
    const char *out;
    ai_status code;
    const char *message;
    step_params params;
} refusal;

#define AXIS(...)                .params = {.axis = {__VA_ARGS__}}
#define AXES(...)                .params = {.axes = {__VA_ARGS__}}
#define CAST(...)                .params = {.cast = {__VA_ARGS__}}
#define SIZED(...)               .params = {.resize = {__VA_ARGS__}}
#define LRN(size)                .params = {.lrn = {1e-4f, 0.75f, 1, size}}
#define SUM(scale, zero, lo, hi) .params = {.q_binary = {{1, 0}, {1, 255}, {scale, zero}, lo, hi}}
#define MEAN(scale, zero)                                                                          \
    .params = {.q_pool = {{.window = {2, 0, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}}},           \
                          {1, 0},                                                                  \
                          {scale, zero}}}
#define Q_CONV(k, groups, zero_point, factor, rest)                                                \
    .params = {.q_conv = {.window = {2, 0, {k, k, 1}, {1, 1, 1}, {1, 1, 1}, {0}, {0}},             \
                          .group = groups,                                                         \
                          .finish = {5, zero_point, 0, 255, factor, 0, rest, 0}}}
#define SHAPE      AI_E_SHAPE
#define FORMAT     AI_E_FORMAT
#define NOT_KNOWN  AI_E_UNSUPPORTED
#define HUGE_SIZE  "4611686018427387904"
#define OVER_INT32 "4294967296"

static const refusal refusals[] = {
    /* batch_norm.c */
    {AI_OP_BATCH_NORMALIZATION, "f32 f32[1] f32[1] f32[1] f32[1]", "0", SHAPE,
     "input 0 has rank 0, needs at least 1", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f64[2,3] f32[3] f32[3] f32[3] f32[3]", "0", NOT_KNOWN,
     "input 0 is f64, needs f32", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,3] f32[3] f32[3] f32[4] f32[3]", "0", SHAPE,
     "input 3 has 4 values, input 0 has 3 channels", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,3] f32[3] f32[3] f32[3] f32[3]", "0 0", NOT_KNOWN,
     "output 1 needs training_mode", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,3] f32[3] f32[3] f32[3] f32[3]", "0 2", FORMAT,
     "output 1 has layout 2, which is for weights", AXIS(.flags = 1)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,3,1,1] f32[3] f32[3] f32[3] f32[3]", "1", FORMAT,
     "input has layout 0, output has layout 1", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[1,1,1," OVER_INT32 "]@1 f32[1] f32[1] f32[1] f32[1]", "1",
     SHAPE, "image has 1 x 4294967296 pixels, each at most 2^31-1", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,4] f32[4] f32[1,4] f32[4] f32[4]", "0", SHAPE,
     "input 2 has rank 2, needs 1", AXIS(.axis = 0)},
    {AI_OP_BATCH_NORMALIZATION, "f32[2,4] f32[4]@5 f32[4] f32[4] f32[4]", "0", FORMAT,
     "input 1 has layout 5, needs a plain tensor", AXIS(.axis = 0)},
    /* norm.c */
    {AI_OP_INSTANCE_NORMALIZATION, "f32[4] f32[4] f32[4]", "0", SHAPE,
     "input 0 has rank 1, needs at least 2", AXIS(.axis = 0)},
    {AI_OP_INSTANCE_NORMALIZATION, "f32[2,4,5] f32[4] f32[5]", "0", SHAPE,
     "input 2 has 5 values, input 0 has 4 channels", AXIS(.axis = 0)},
    {AI_OP_GROUP_NORMALIZATION, "f32[2,4,5] f32[4] f32[4]", "0", SHAPE,
     "4 channels do not divide into 3 groups", AXIS(.count = 3)},
    {AI_OP_GROUP_NORMALIZATION, "f32[2,4,5] f32[4] f32[4]", "0", SHAPE,
     "4 channels do not divide into 0 groups", AXIS(.axis = 0)},
    {AI_OP_LAYER_NORMALIZATION, "f32[2,4] f32[2]", "0", NOT_KNOWN,
     "input 1 is 2, the normalised dimensions are 4", AXIS(.axis = -1)},
    {AI_OP_LAYER_NORMALIZATION, "f32[2,4] f32[4]", "0", SHAPE,
     "axis 2 is not one of a tensor of rank 2", AXIS(.axis = 2)},
    /* lrn.c, lp_norm.c */
    {AI_OP_LRN, "f32[4]", "0", SHAPE, "input has rank 1, needs at least 2", LRN(3)},
    {AI_OP_LRN, "f32[4,4]", "0", NOT_KNOWN, "size is 0, needs 1 to 2^31-1", LRN(0)},
    {AI_OP_LRN, "f32[1,4,1,1]", "1", FORMAT, "input has layout 0, output has layout 1", LRN(3)},
    {AI_OP_LP_NORMALIZATION, "f32[4]", "0", NOT_KNOWN, "p is 3, needs 1 or 2", AXIS(.count = 3)},
    {AI_OP_MEAN_VARIANCE_NORMALIZATION, "f32[4]", "0", SHAPE, "9 axes are named, at most 8",
     AXES(.count = 9)},
    {AI_OP_MEAN_VARIANCE_NORMALIZATION, "f32[4,2]", "0", SHAPE, "axis 1 is named twice",
     AXES(.count = 2, .axes = {1, -1})},
    /* view.c */
    {AI_OP_IDENTITY,
     "f32[1,16,1,1]@1",
     "0",
     FORMAT,
     "input has layout 1, output has layout 0",
     {{0}}},
    {AI_OP_RESHAPE, "f32[2,3] s64=-2", "0", SHAPE,
     "dimension 0 of the shape is -2, needs at least -1", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=-1,3,-1", "0", SHAPE,
     "dimensions 0 and 2 of the shape are both -1", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=2,3,0", "0", SHAPE,
     "dimension 2 of the shape is 0, input has rank 2", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=" OVER_INT32 "," OVER_INT32, "0", SHAPE,
     "shape has over 2^40 elements: " OVER_INT32 "x" OVER_INT32, AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=4", "0", SHAPE, "input is 2x3 of 6 elements, shape takes 4",
     AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=-1,4", "0", SHAPE,
     "input is 2x3 of 6 elements, shape takes a multiple of 4", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=-1,0", "0", SHAPE,
     "input is 2x3 of 6 elements, shape takes a multiple of 0", AXIS(.flags = 1)},
    {AI_OP_RESHAPE, "f32[2,3] s64[1]", "0", NOT_KNOWN,
     "input 1 depends on values of a run, needs a constant", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] f32[1]", "0", SHAPE,
     "input 1 is f32 of rank 1, needs a list of s32 or s64", AXIS(.axis = 0)},
    {AI_OP_RESHAPE, "f32[2,3] s64=1,1,1,1,1,1,1,2,3", "0", SHAPE, "input 1 has 9 values, at most 8",
     AXIS(.axis = 0)},
    {AI_OP_FLATTEN, "f32[2,3]", "0", SHAPE, "axis 3 is not one of a tensor of rank 2",
     AXIS(.axis = 3)},
    {AI_OP_SQUEEZE, "f32[2,1] s64=0", "0", SHAPE, "dimension 0 is 2, needs 1", {{0}}},
    {AI_OP_UNSQUEEZE, "f32[2,1] s64=0,-4", "0", SHAPE, "axis 0 is named twice", {{0}}},
    {AI_OP_UNSQUEEZE,
     "f32[1,1,1,1,1,1,1,1] s64=0",
     "0",
     NOT_KNOWN,
     "output has rank 9, at most 8",
     {{0}}},
    /* move.c */
    {AI_OP_TRANSPOSE, "f32[2,3]", "0", SHAPE, "perm has 3 axes, input has rank 2",
     AXES(.count = 3)},
    {AI_OP_TRANSPOSE, "f32[2,3]", "0", SHAPE, "perm names axis 1 twice",
     AXES(.count = 2, .axes = {1, 1})},
    {AI_OP_SLICE,
     "f32[2,3] s64=0 s64=1,2",
     "0",
     SHAPE,
     "starts has 1 values, input 2 has 2",
     {{0}}},
    {AI_OP_SLICE, "f32[2,3] s64=0,0 s64=1,1 s64=1,-1", "0", SHAPE, "axis 1 is named twice", {{0}}},
    {AI_OP_SLICE,
     "f32[2,3] s64=0 s64=1 - s64=0",
     "0",
     SHAPE,
     "step of axis 0 is 0, needs 1 to 2^63-1 of either sign",
     {{0}}},
    {AI_OP_EXPAND,
     "f32[2,3] s64=4",
     "0",
     SHAPE,
     "input is 2x3, which does not broadcast to 4",
     {{0}}},
    {AI_OP_TILE, "f32[2,3] s64=4", "0", SHAPE, "repeats has 1 values, input has rank 2", {{0}}},
    {AI_OP_TILE,
     "f32[2,3] s64=1,-1",
     "0",
     SHAPE,
     "dimension 1 of 3 cannot be repeated -1 times",
     {{0}}},
    {AI_OP_TILE,
     "f32[2,3] s64=" HUGE_SIZE ",1",
     "0",
     SHAPE,
     "dimension 0 of 2 cannot be repeated " HUGE_SIZE " times",
     {{0}}},
    /* concat.c */
    {AI_OP_CONCAT, "f32[2] -", "0", FORMAT, "input 1 is missing", AXIS(.axis = 0)},
    {AI_OP_CONCAT, "f32[2] s8[2]", "0", NOT_KNOWN, "input 1 is s8, input 0 is f32",
     AXIS(.axis = 0)},
    {AI_OP_CONCAT, "f32[2] f32[2,1]", "0", SHAPE, "input 1 has rank 2, input 0 has 1",
     AXIS(.axis = 0)},
    {AI_OP_CONCAT, "f32[1,16,1,1]@1 f32[1,16,1,1]", "1", FORMAT,
     "input 1 has layout 0, input 0 has 1", AXIS(.axis = 1)},
    {AI_OP_CONCAT, "f32[2,2] f32[2,3]", "0", SHAPE, "dimension 1 of input 1 is 3, of input 0 2",
     AXIS(.axis = 0)},
    {AI_OP_CONCAT, "f32[1,8,1,1]@1 f32[1,16,1,1]@1", "1", FORMAT,
     "input 0 has 8 channels, blocks need a multiple of 16", AXIS(.axis = 1)},
    {AI_OP_CONCAT, "f32[1,16,1,1]", "1", FORMAT, "input has layout 0, output has layout 1",
     AXIS(.axis = 1)},
    {AI_OP_CONCAT, "f32[0," HUGE_SIZE "] f32[0," HUGE_SIZE "]", "0", SHAPE,
     "axis 1 has over 2^63 indices", AXIS(.axis = 1)},
    {AI_OP_SPLIT, "f32[6] s64=3", "0 0", SHAPE, "split is no list of 2 s64 values",
     AXIS(.axis = 0)},
    {AI_OP_SPLIT, "f32[6] s64[2]", "0 0", NOT_KNOWN,
     "split depends on values of a run, needs a constant", AXIS(.axis = 0)},
    {AI_OP_SPLIT, "f32[6] s64=5,2", "0 0", SHAPE, "output 1 takes 2 of axis 0, which has 1 left",
     AXIS(.axis = 0)},
    {AI_OP_SPLIT, "f32[6] s64=-1,7", "0 0", SHAPE, "output 0 takes -1 of axis 0, which has 6 left",
     AXIS(.axis = 0)},
    {AI_OP_SPLIT, "f32[6] s64=2,2", "0 0", SHAPE, "outputs take 4 of axis 0, input has 6",
     AXIS(.axis = 0)},
    /* pad.c */
    {AI_OP_PAD, "f32[2,3] s64=1,1", "0", SHAPE, "pads has 2 values, 2 axes need 4",
     CAST(.type = 0)},
    {AI_OP_PAD, "f32[2,3] s64=1,1,1,1 - s64=0,0", "0", SHAPE, "axis 0 is named twice",
     CAST(.type = 0)},
    {AI_OP_PAD, "f32[2] s64=" HUGE_SIZE ",0", "0", SHAPE,
     "pads of dimension 0 are " HUGE_SIZE " and 0, each at most 2^40", CAST(.type = 0)},
    {AI_OP_PAD, "f32[2] s64=-2,-1", "0", SHAPE, "pads -2 and -1 crop dimension 0 of 2",
     CAST(.type = 0)},
    {AI_OP_PAD, "f32[2] s64=-2,1", "0", SHAPE,
     "dimension 0 has nothing left to fill its padding from", CAST(.mode = AI_PAD_EDGE)},
    {AI_OP_PAD, "f32[2] s64=0,1", "0", NOT_KNOWN, "mode is 4, at most 3", CAST(.mode = 4)},
    {AI_OP_PAD, "f32[2] s64=0,1 s8", "0", SHAPE, "value is no single f32", CAST(.type = 0)},
    /* resize.c, resize_axis.c */
    {AI_OP_RESIZE, "f32[2] - - s64=3", "0", NOT_KNOWN, "mode is 3, at most 2", SIZED(.mode = 3)},
    {AI_OP_RESIZE, "f32[2] - - s64=3", "0", NOT_KNOWN, "coordinates is 7, at most 6",
     SIZED(.coordinates = 7)},
    {AI_OP_RESIZE, "f16[2] - - s64=3", "0", NOT_KNOWN, "input 0 is f16, needs f32",
     SIZED(.mode = AI_RESIZE_LINEAR)},
    {AI_OP_RESIZE, "f32[2] - - s64=3", "1", FORMAT, "input has layout 0, output has layout 1",
     SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[1,16,2,2]@1 - - s64=1,32,2,2", "1", FORMAT,
     "blocks are resized along rows and columns alone", SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2]", "0", SHAPE, "scales and sizes are missing, needs one of them",
     SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2] - f32=2 s64=3", "0", SHAPE,
     "scales and sizes are given, needs one of them", SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2,2] - - s64=3", "0", SHAPE, "sizes is no list of 2 s64 values",
     SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2] - f32[1]", "0", NOT_KNOWN,
     "scales depends on values of a run, needs a constant", SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2] - - s64=-1", "0", SHAPE, "size 0 is -1 of 2, needs at most 2^30 of some",
     SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[2] - f32=-1", "0", SHAPE,
     "scale 0 is -1 and makes -2 of 2, needs to be over 0 and to make at most 2^30",
     SIZED(.mode = 0)},
    {AI_OP_RESIZE, "f32[1,4] - - s64=1073741824,1", "0", SHAPE,
     "axis of 4 becomes 4.29497e+09, at most 2^30", SIZED(.policy = AI_RESIZE_NOT_SMALLER)},
    {AI_OP_RESIZE, "f32[2] - f32=2", "0", SHAPE, "roi is missing, tf_crop_and_resize needs it",
     SIZED(.coordinates = AI_RESIZE_TF_CROP)},
    {AI_OP_RESIZE, "f32[2] f32=0,2097152 f32=2", "0", SHAPE,
     "roi 1 is 2.09715e+06, needs at most 2^20", SIZED(.coordinates = AI_RESIZE_TF_CROP)},
    {AI_OP_RESIZE, "f32[33554432] - - s64=1", "0", NOT_KNOWN,
     "an output is made of 6.71089e+07 inputs, at most 16777216",
     SIZED(.mode = AI_RESIZE_LINEAR, .antialias = 1)},
    {AI_OP_RESIZE, "f32[2] - - s64=3", "0", SHAPE, "2 axes of an input of rank 1",
     SIZED(.axis_count = 2)},
    {AI_OP_RESIZE, "f32[2,2] - - s64=3,3", "0", SHAPE, "axis 0 is named twice",
     SIZED(.axis_count = 2, .axes = {0, -2})},
    /* gather.c, fill.c, cast.c */
    {AI_OP_GATHER, "f32[2] f32[1]", "0", NOT_KNOWN, "indices are f32, needs s32 or s64",
     AXIS(.axis = 0)},
    {AI_OP_GATHER, "f32[3] s64=0,3", "0", AI_E_VALUE,
     "index 3 at position 1 of the indices, needs -3 to 2", AXIS(.axis = 0)},
    {AI_OP_GATHER, "f32[3] s64=-4", "0", AI_E_VALUE,
     "index -4 at position 0 of the indices, needs -3 to 2", AXIS(.axis = 0)},
    {AI_OP_CONSTANT_OF_SHAPE, "s64=2", "0", NOT_KNOWN, "value has type 99, which is not known",
     CAST(.type = 99)},
    {AI_OP_CONSTANT_OF_SHAPE, "s64=-2", "0", SHAPE,
     "output 0 has a negative dimension or over 2^40 elements: -2", CAST(.type = AI_F32)},
    {AI_OP_RANGE, "s64=0 s64=1,2 s64=1", "0", SHAPE, "input 1 is no single s64", {{0}}},
    {AI_OP_RANGE,
     "s64=0 s64[1] s64=1",
     "0",
     NOT_KNOWN,
     "input 1 depends on values of a run, needs a constant",
     {{0}}},
    {AI_OP_RANGE,
     "s64=0 s64=1 s64=0",
     "0",
     AI_E_VALUE,
     "delta is 0, needs a number other than 0",
     {{0}}},
    {AI_OP_RANGE,
     "s64=0 s64=" HUGE_SIZE " s64=1",
     "0",
     SHAPE,
     "range has over 2^40 elements",
     {{0}}},
    {AI_OP_RANGE,
     "u8[1] u8[1] u8[1]",
     "0",
     NOT_KNOWN,
     "start is u8, needs s16, s32, s64 or a float",
     {{0}}},
    {AI_OP_CAST, "f32[2]", "0", NOT_KNOWN, "target has type 0, which is not known",
     CAST(.type = 0)},
    /* binary.c, binary_blocks.c */
    {AI_OP_ADD,
     "f32[2] f64[2]",
     "0",
     NOT_KNOWN,
     "inputs are f32 and f64, needs numbers of one type",
     {{0}}},
    {AI_OP_ADD,
     "f32[2,3] f32[4]",
     "0",
     SHAPE,
     "input 0 is 2x3, input 1 of 4 does not broadcast to it",
     {{0}}},
    {AI_OP_PRELU,
     "f32 f32[4]",
     "0",
     SHAPE,
     "input 0 is a scalar, input 1 of 4 does not broadcast to it",
     {{0}}},
    {AI_OP_ADD,
     "f32[1,16,1,1]@1 f32",
     "0",
     FORMAT,
     "input 0 has layout 1, needs a plain tensor",
     {{0}}},
    {AI_OP_ADD,
     "f32[1,16,1,1]@1 f32[16,1,1,1]@2",
     "1",
     FORMAT,
     "input 1 has layout 2, which is for weights",
     {{0}}},
    {AI_OP_ADD,
     "f32[1,1,1," OVER_INT32 "]@1 f32",
     "1",
     SHAPE,
     "rows have 4294967296 pixels, at most 2^31-1",
     {{0}}},
    {AI_OP_Q_ADD, "u8[2] s8[2]", "0", NOT_KNOWN, "input 1 is s8, needs u8", SUM(1, 1, 0, 255)},
    {AI_OP_Q_MUL, "f32[2] u8[2]", "0", NOT_KNOWN, "input 0 is f32, needs u8", SUM(1, 1, 0, 255)},
    {AI_OP_Q_MUL, "u8[2,3] u8[2]", "0", SHAPE,
     "input 0 is 2x3, input 1 of 2 does not broadcast to it", SUM(1, 1, 0, 255)},
    {AI_OP_Q_ADD, "u8[2] u8[2]", "0", FORMAT,
     "scale 0 and zero point 256, needs a positive number and 0 to 255", SUM(0, 256, 0, 255)},
    {AI_OP_Q_ADD, "u8[2] u8[2]", "0", FORMAT,
     "scale inf and zero point 1, needs a positive number and 0 to 255", SUM(INFINITY, 1, 0, 255)},
    {AI_OP_Q_MUL, "u8[2] u8[2]", "0", FORMAT,
     "scale nan and zero point 1, needs a positive number and 0 to 255", SUM(NAN, 1, 0, 255)},
    {AI_OP_Q_MUL, "u8[2] u8[2]", "0", FORMAT,
     "scale 1 and zero point 256, needs a positive number and 0 to 255", SUM(1, 256, 0, 255)},
    {AI_OP_Q_ADD, "u8[2] u8[2]", "0", FORMAT, "bounds 9 and 8, needs 0 to 255 in order",
     SUM(1, 1, 9, 8)},
    {AI_OP_Q_ADD, "u8[2] u8[2]", "0", FORMAT, "bounds 0 and 256, needs 0 to 255 in order",
     SUM(1, 1, 0, 256)},
    {AI_OP_Q_AVERAGE_POOL, "f32[1,16,2,2]@1", "1", NOT_KNOWN, "input 0 is f32, needs u8",
     MEAN(1, 1)},
    {AI_OP_Q_AVERAGE_POOL, "u8[1,16,2]", "1", SHAPE, "input 0 has rank 3, needs 4", MEAN(1, 1)},
    {AI_OP_Q_AVERAGE_POOL, "u8[1,16,2,2]@1", "1", FORMAT,
     "scale -1 and zero point 1, needs a positive number and 0 to 255", MEAN(-1, 1)},
    {AI_OP_Q_AVERAGE_POOL, "u8[1,16,2,2]", "0", NOT_KNOWN,
     "blocks of 16 channels need two spatial dimensions, one output in blocks, and the maximum or "
     "the average",
     MEAN(1, 1)},
    /* q_conv.c, q_gemm.c, q_pool.c, q_lookup.c */
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@5 s32[16] f32[16]", "1", NOT_KNOWN,
     "weight has layout 5, needs a constant in layout 10", Q_CONV(3, 1, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16]", "0", NOT_KNOWN,
     "layouts 1 and 0, 2 spatial dimensions, needs blocks of 16 channels and 2",
     Q_CONV(3, 1, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16]", "1", FORMAT,
     "zero points 5 and 256, bounds 0 and 255, needs 0 to 255 in order", Q_CONV(3, 1, 256, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16]", "1", FORMAT,
     "zero points 5 and 6, factors 0, 0 and 0, needs equal ones, or a sum below 2^22",
     Q_CONV(3, 1, 6, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16] u8[1,16,3,3]@1", "1", FORMAT,
     "zero points 5 and 6, factors nan, 0 and 0, needs equal ones, or a sum below 2^22",
     Q_CONV(3, 1, 6, NAN, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16] u8[1,16,3,3]@1", "1", FORMAT,
     "zero points 5 and 6, factors 1, 0 and 4.19405e+06, needs equal ones, or a sum below 2^22",
     Q_CONV(3, 1, 6, 1, 4194049)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[16] f32[16] u8[1,16,3,4]@1", "1", SHAPE,
     "residual is 1x16x3x4 in layout 1, output 1x16x3x3 in 1", Q_CONV(3, 1, 6, 1, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,12,3,3]@10 s32[16] f32[16]", "1", SHAPE,
     "weight has 12 to 16 channels, input has 16 in 1 groups", Q_CONV(3, 1, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,8,3,3]@10 s32[16] f32[16]", "1", NOT_KNOWN,
     "2 groups of 8 to 8 channels, needs multiples of 16, or 1 to 1 in layout 11",
     Q_CONV(3, 2, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,2]@10 s32[16] f32[16]", "1", SHAPE,
     "weight is 3x2, kernel is 3x3", Q_CONV(3, 1, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,16,5,5]@1 s8[16,16,3,3]@10 s32[15] f32[16]", "1", SHAPE,
     "input 2 has rank 1 and dimension 15, needs 16 numbers", Q_CONV(3, 1, 5, 0, 0)},
    {AI_OP_Q_CONV, "u8[1,18,5,5]@1 s8[18,1,3,3]@11 s32[32] f32[32]", "1", FORMAT,
     "weight has numbers beyond the 3 of a row", Q_CONV(3, 18, 5, 0, 0)},
    {AI_OP_Q_GEMM, "u8[2,9] s8[16,8]@10 s32[16] f32[16]", "0", SHAPE,
     "input of rank 2 in layout 0 does not fit 16 by 8 weights", .params = {.q_gemm = {{.hi = 9}}}},
    {AI_OP_Q_GLOBAL_AVERAGE_POOL, "u8[1,16,2,2]@1", "1", FORMAT,
     "zero points 256 and 0, needs 0 to 255", .params = {.q_mean = {1, 256, 0, 0}}},
    {AI_OP_Q_GLOBAL_AVERAGE_POOL, "u8[1,16,2,4194305]@1", "1", NOT_KNOWN,
     "input has layout 1 and 2x4194305 positions, needs blocks of 16 channels of 1 to 2^23",
     .params = {.q_mean = {1, 0, 0, 0}}},
    {AI_OP_Q_LOOKUP,
     "u8[2] u8[255]",
     "0",
     SHAPE,
     "table has rank 1 and 255 bytes, needs 256",
     {{0}}},
    {AI_OP_Q_LOOKUP, "u8[1,16,2,2]@1 u8[256]", "0", SHAPE, "input has layout 1, output 0", {{0}}},
    {AI_OP_Q_LOOKUP, "s8[2] u8[256]", "0", NOT_KNOWN, "input 0 is s8, needs u8", {{0}}},
    /* compare.c */
    {AI_OP_EQUAL, "f32[2] f64[2]", "0", NOT_KNOWN, "input 1 is f64, needs f32", {{0}}},
    {AI_OP_LESS, "bool[2] bool[2]", "0", NOT_KNOWN, "inputs are bool, needs numbers", {{0}}},
    {AI_OP_AND, "bool[2] u8[2]", "0", NOT_KNOWN, "input 1 is u8, needs bool", {{0}}},
    {AI_OP_NOT, "f32[2]", "0", NOT_KNOWN, "input 0 is f32, needs bool", {{0}}},
    {AI_OP_GREATER,
     "f32[2,3] f32[4]",
     "0",
     SHAPE,
     "input 0 is 2x3, input 1 of 4 does not broadcast to it",
     {{0}}},
    /* unary.c */
    {AI_OP_EXP, "f64[2]", "0", NOT_KNOWN, "input is f64, needs f32", {{0}}},
    {AI_OP_RELU, "f32[1,1,1,1]", "1", FORMAT, "input has layout 0, output has layout 1", {{0}}},
    {AI_OP_CLIP, "bool[2]", "0", NOT_KNOWN, "input is bool, needs numbers", {{0}}},
    {AI_OP_CLIP, "f32[2] f64", "0", SHAPE, "min is no single f32", {{0}}},
    {AI_OP_CLIP, "f32[2] - f32[2]", "0", SHAPE, "max is no single f32", {{0}}},
    /* softmax.c, reduce.c, dropout.c */
    {AI_OP_SOFTMAX, "f32[2]", "0", SHAPE, "axis -2 is not one of a tensor of rank 1",
     AXIS(.axis = -2)},
    {AI_OP_SOFTMAX, "s8[2]", "0", NOT_KNOWN, "input 0 is s8, needs f32", AXIS(.axis = 0)},
    {AI_OP_REDUCE_SUM, "bool[2]", "0", NOT_KNOWN, "input is bool, needs f32, f64 or integers",
     AXIS(.axis = 0)},
    {AI_OP_REDUCE_MEAN, "f32[2,2] s64=1,-1", "0", SHAPE, "axis 1 is named twice", AXIS(.axis = 0)},
    {AI_OP_DROPOUT, "f32[2] s64=1", "0", SHAPE, "input 1 is no single float", AXIS(.axis = 0)},
    {AI_OP_DROPOUT, "f32[2] - f32", "0", SHAPE, "input 2 is no single bool", AXIS(.axis = 0)},
    {AI_OP_DROPOUT, "f64[2] - bool", "0", NOT_KNOWN, "input 0 is f64, needs f32", AXIS(.axis = 0)},
    {AI_OP_DROPOUT, "f32[2] - bool", "0", NOT_KNOWN, "seed is -1, needs 0 to 2^32-1",
     AXIS(.start = -1)},
    {AI_OP_DROPOUT, "f32[2] f32 bool", "0", AI_E_VALUE, "ratio is 1, needs 0 to less than 1",
     AXIS(.axis = 0)},
};

/* ---- Words to steps ---- */

static ai_type read_type(const char **at)
{
    for (ai_type type = AI_F32; type <= AI_U64; type++) {
        size_t length = strlen(ai_type_name(type));
        if (strncmp(*at, ai_type_name(type), length) == 0 && strchr(" =[@", (*at)[length])) {
            *at += length;
            return type;
        }
    }
    fprintf(stderr, "refusals: no type at '%s'\n", *at);
    exit(1);
}

static uint32_t read_numbers(const char **at, int64_t *values)
{
    uint32_t count = 0;
    do {
        char *end;
        values[count++] = strtoll(*at + 1, &end, 10);
        *at = end;
    } while (**at == ',');
    return count;
}

static void read_input(step *s, uint32_t i, const char **at)
{
    int64_t values[16];
    if (**at == '-') {
        s->in_list[i] = NULL;
        (*at)++;
        return;
    }
    ai_type type = read_type(at);
    if (**at == '=') {
        float numbers[16];
        uint32_t count = read_numbers(at, values);
        for (uint32_t k = 0; k < count; k++)
            numbers[k] = (float)values[k];
        if (type == AI_F32)
            step_known_f32(s, i, count, numbers);
        else
            step_known(s, i, count, values);
        return;
    }
    uint32_t rank = **at == '[' ? read_numbers(at, values) : 0;
    *at += **at == ']';
    step_shape(s, i, type, 0, rank, values);
    if (**at == '@') {
        read_numbers(at, values);
        s->in[i].layout = (uint8_t)values[0];
        if (values[0] == AI_LAYOUT_QCONV16 || values[0] == AI_LAYOUT_QDEPTHWISE16) {
            s->in[i].kind = AI_TENSOR_CONSTANT;
            step_alloc(s, &s->in[i], i);
            s->in[i].known = s->in[i].data;
        }
    }
}

static uint32_t words(const char *text)
{
    uint32_t count = 1;
    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

static void read_step(step *s, const refusal *r)
{
    const char *at = r->in;
    step_init(s, r->op, words(r->in), words(r->out));
    s->params = r->params;
    for (uint32_t i = 0; i < s->step.in_count; i++, at += *at == ' ')
        read_input(s, i, &at);
    for (uint32_t i = 0; i < s->step.out_count; i++)
        s->out[i].layout = (uint8_t)(r->out[2 * i] - '0');
}

/* Values that only a run shows: inputs without any get ones. */
static ai_status run(step *s)
{
    for (uint32_t i = 0; i < s->step.in_count; i++) {
        ai_tensor *t = s->in_list[i];
        if (t == NULL || t->data != NULL)
            continue;
        step_alloc(s, t, i);
        for (int64_t k = 0; k < ai_tensor_count(t) && t->type == AI_F32; k++)
            *step_f32(t, k) = 1;
        if (t->type == AI_BOOL)
            memset(t->data, 1, (size_t)t->bytes);
    }
    ai_status status = step_prepare(s, AI_CPU_REF);
    return status == AI_OK ? step_run(s, 0, s->step.work) : status;
}

static bool is_refused(const refusal *r)
{
    step s;
    char needed[300];
    read_step(&s, r);
    ai_status status = step_check(&s);
    if (status == AI_OK && r->code == AI_E_VALUE)
        status = run(&s);
    snprintf(needed, sizeof(needed), "%s 's': %s", ai_op_find(r->op)->name, r->message);
    bool is_right =
        status == r->code && s.err.code == r->code && strcmp(s.err.message, needed) == 0;
    if (!is_right)
        fprintf(stderr, "refusals: %s '%s': found %s '%s', needed %s '%s'\n",
                ai_op_find(r->op)->name, r->in, ai_status_name(status), s.err.message,
                ai_status_name(r->code), needed);
    step_free(&s);
    return is_right;
}

int main(void)
{
    int status = 0;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (!is_refused(&refusals[i]))
            status = 1;
    }
    return status;
}
