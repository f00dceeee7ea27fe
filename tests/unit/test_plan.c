/* SPDX-License-Identifier: Apache-2.0
 * Tests of the planner: shapes from the caller, shape arithmetic, what folds and what does not. */
#include "session.h"
#include "unit.h"

#include <stdlib.h>

static ai_status open_shaped(ai_session **s, const ai_model *m, const ai_shape *shapes,
                             size_t count, ai_error *err)
{
    ai_options o = AI_OPTIONS_INIT;
    o.shapes = shapes;
    o.shape_count = count;
    return ai_session_open(s, m, &o, err);
}

START_TEST(test_callers_shape)
{
    uint8_t *file;
    ai_model *m = must_open(lai_shapes(), &file);
    for (int64_t n = 1; n <= 64; n *= 4) {
        ai_shape shape = {0, 3, {n, 4, 5}};
        ai_session *s;
        ai_tensor_info t = AI_TENSOR_INFO_INIT;
        float *x = malloc((size_t)n * 80);
        float *y = malloc((size_t)n * 80);
        ai_view in = {x, (size_t)n * 80};
        ai_buffer out = {y, (size_t)n * 80};
        for (int64_t i = 0; i < n * 20; i++)
            x[i] = (float)(i % 7) - 3;
        ck_assert_int_eq(open_shaped(&s, m, &shape, 1, NULL), AI_OK);
        ck_assert_int_eq(ai_session_output(s, 0, &t), AI_OK);
        ck_assert_uint_eq(t.rank, 2);
        ck_assert_int_eq(t.dim[0], n);
        ck_assert_int_eq(t.dim[1], 20);
        ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
        for (int64_t i = 0; i < n * 20; i++)
            ck_assert_float_eq(y[i], x[i] > 0 ? x[i] : 0);
        ai_session_close(s);
        free(x);
        free(y);
    }
    ai_model_close(m);
    free(file);
}
END_TEST

static void refuse(const ai_model *m, const ai_shape *shapes, size_t count, ai_status code,
                   const char *message)
{
    ai_error err = UNTOUCHED;
    ai_session *s;
    ck_assert_int_eq(open_shaped(&s, m, shapes, count, &err), code);
    ck_error(err, code, AI_NO_STEP, AI_NO_OFFSET, message);
}

START_TEST(test_wrong_shape)
{
    uint8_t *file;
    ai_model *m = must_open(lai_shapes(), &file);
    ai_shape shapes[2] = {{1, 3, {2, 4, 5}}, {0, 3, {2, 4, 5}}};
    refuse(m, shapes, 1, AI_E_ARGUMENT, "a shape is for input 1, the model has 1");
    shapes[0] = shapes[1];
    refuse(m, shapes, 2, AI_E_ARGUMENT, "input 0 is given two shapes");
    shapes[0].rank = 2;
    refuse(m, shapes, 1, AI_E_SHAPE, "input 'x' is given rank 2, the model has 3");
    shapes[0] = (ai_shape){0, 3, {2, 4, 6}};
    refuse(m, shapes, 1, AI_E_SHAPE,
           "input 'x' is given 6 as dimension 2, the model fixes it at 5");
    shapes[0] = (ai_shape){0, 3, {-2, 4, 5}};
    refuse(m, shapes, 1, AI_E_SHAPE,
           "input 'x' is given a negative dimension or over 2^40 elements");
    shapes[0] = (ai_shape){0, 3, {INT64_MAX, 4, 5}};
    refuse(m, shapes, 1, AI_E_SHAPE,
           "input 'x' is given a negative dimension or over 2^40 elements");
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_empty_input)
{
    uint8_t *file;
    ai_model *m = must_open(lai_shapes(), &file);
    ai_shape shape = {0, 3, {0, 4, 5}};
    ai_session *s;
    float y;
    ai_view in = {NULL, 0};
    ai_buffer out = {&y, 0};
    ai_status status = open_shaped(&s, m, &shape, 1, NULL);
    if (status == AI_OK) {
        ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
        ai_session_close(s);
    }
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_huge_input)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_shape shape = {0, 2, {INT64_C(1) << 38, 3}};
    ai_error err = UNTOUCHED;
    ai_session *s;
    size_t bytes;
    ai_options o = AI_OPTIONS_INIT;
    o.shapes = &shape;
    o.shape_count = 1;
    ck_assert_int_eq(ai_session_bytes(m, &o, &bytes, NULL), AI_OK);
    ck_assert_uint_gt(bytes, UINT64_C(12) << 38);
    ck_assert_int_eq(ai_session_open(&s, m, &o, &err), AI_E_MEMORY);
    ck_assert_ptr_nonnull(strstr(err.message, "no memory for a session of 329853"));
    ai_model_close(m);
    free(file);
}
END_TEST

/* What a check says carries the step. */
START_TEST(test_step_error)
{
    lai *f = lai_new("wrong");
    static const float values[4] = {0};
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){3});
    uint32_t c = lai_constant(f, "c", AI_F32, AI_LAYOUT_PLAIN, 1, (int64_t[]){4}, values);
    uint32_t y = lai_value(f, "y", AI_F32);
    uint32_t z = lai_value(f, "z", AI_F32);
    lai_step(f, AI_OP_RELU, "first", NULL, 1, 1, (uint32_t[]){x, y});
    lai_step(f, AI_OP_ADD, "second", NULL, 2, 1, (uint32_t[]){y, c, z});
    lai_output(f, z);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, &err), AI_E_SHAPE);
    ck_assert_uint_eq(err.step, 1);
    ck_assert_uint_eq(err.offset, AI_NO_OFFSET);
    ck_assert_ptr_eq(strstr(err.message, "Add 'second': "), err.message);
    ai_model_close(m);
    free(file);
}
END_TEST

/* A Gather index out of range in shape arithmetic shows when the session opens. */
START_TEST(test_fold_error)
{
    lai *f = lai_shapes();
    int64_t bad = 7;
    memcpy(f->part[AI_SECTION_WEIGHTS].data, &bad, sizeof(bad));
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, &err), AI_E_VALUE);
    ck_assert_uint_eq(err.step, 1);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_output_type)
{
    lai *f = lai_small();
    lai_tensor_at(f, 3)->type = AI_S32;
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, &err), AI_E_FORMAT);
    ck_error(err, AI_E_FORMAT, AI_NO_STEP, (uint64_t)((const uint8_t *)&m->tensors[3].type - file),
             "output 'z' is f32, the file says s32");
    ai_model_close(m);
    free(file);
}
END_TEST

/* Outputs that are known, views of constants and of inputs come out right. */
START_TEST(test_known_outputs)
{
    static const float values[40] = {[39] = 5};
    ai_axis_params flat = {.axis = 0};
    ai_axis_params all = {.end = INT64_MAX};
    lai *f = lai_new("known");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 2, (int64_t[]){2, 2});
    uint32_t c = lai_constant(f, "c", AI_F32, AI_LAYOUT_PLAIN, 2, (int64_t[]){4, 10}, values);
    uint32_t view = lai_value(f, "view", AI_F32);
    uint32_t big = lai_value(f, "big", AI_F32);
    uint32_t shape = lai_value(f, "shape", AI_S64);
    lai_step(f, AI_OP_FLATTEN, "x", &flat, 1, 1, (uint32_t[]){x, view});
    lai_step(f, AI_OP_FLATTEN, "c", &flat, 1, 1, (uint32_t[]){c, big});
    lai_step(f, AI_OP_SHAPE, "s", &all, 1, 1, (uint32_t[]){view, shape});
    lai_output(f, view);
    lai_output(f, big);
    lai_output(f, shape);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    float in[4] = {1, 2, 3, 4};
    float a[4];
    float b[40];
    int64_t d[2];
    ai_view inputs[1] = {{in, sizeof(in)}};
    ai_buffer outputs[3] = {{a, sizeof(a)}, {b, sizeof(b)}, {d, sizeof(d)}};
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_infer(s, inputs, 1, outputs, 3, NULL, NULL), AI_OK);
    ck_assert_mem_eq(a, in, sizeof(in));
    ck_assert_mem_eq(b, values, sizeof(values));
    ck_assert_int_eq(d[0], 1);
    ck_assert_int_eq(d[1], 4);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

/* A convolution cannot put a border around a constant. */
START_TEST(test_constant_border)
{
    static float planes[32 * 30];
    lai *f = lai_conv();
    uint32_t c =
        lai_constant(f, "planes", AI_F32, AI_LAYOUT_NCHW16C, 4, (int64_t[]){1, 20, 5, 6}, planes);
    ((uint32_t *)(void *)f->part[AI_SECTION_INDICES].data)[2] = c;
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, &err), AI_E_UNSUPPORTED);
    ck_error(err, AI_E_UNSUPPORTED, AI_NO_STEP, AI_NO_OFFSET,
             "constant 'planes' is read by a step that pads it, a value is needed");
    ai_model_close(m);
    free(file);
}
END_TEST

/* `count` images of 2^36 pictures in blocks, each with a border of `pad` above and left. */
static ai_model *padded(uint32_t count, uint32_t pad, uint8_t **file)
{
    static const float weights[16] = {1};
    ai_conv_params conv = {.window = {.spatial = 2,
                                      .kernel = {1, 1},
                                      .stride = {1 << 20, 1 << 20},
                                      .dilation = {1, 1},
                                      .pad_begin = {pad, pad}},
                           .group = 1};
    lai *f = lai_new("padded");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 4, (int64_t[]){INT64_C(1) << 36, 1, 4, 4});
    uint32_t w =
        lai_constant(f, "w", AI_F32, AI_LAYOUT_CONV16, 4, (int64_t[]){1, 1, 1, 1}, weights);
    uint32_t a[8];
    for (uint32_t i = 0; i < count; i++) {
        a[i] = lai_value(f, "a", AI_F32);
        lai_tensor_at(f, a[i])->layout = AI_LAYOUT_NCHW16C;
        lai_step(f, AI_OP_REORDER, "in", NULL, 1, 1, (uint32_t[]){x, a[i]});
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t b = lai_value(f, "b", AI_F32);
        uint32_t y = lai_value(f, "y", AI_F32);
        lai_tensor_at(f, b)->layout = AI_LAYOUT_NCHW16C;
        lai_step(f, AI_OP_CONV, "conv", &conv, 2, 1, (uint32_t[]){a[i], w, b});
        lai_step(f, AI_OP_REORDER, "out", NULL, 1, 1, (uint32_t[]){b, y});
        lai_output(f, y);
    }
    return must_open(f, file);
}

START_TEST(test_border_overflow)
{
    uint8_t *file;
    size_t bytes;
    ai_error err;
    ai_model *m = padded(1, (1 << 20) - 4, &file);
    ck_assert_int_eq(ai_session_bytes(m, NULL, &bytes, &err), AI_E_MEMORY);
    ck_error(err, AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "tensor 'a' takes over 2^61 bytes");
    ai_model_close(m);
    free(file);
    m = padded(1, 508, &file);
    ck_assert_int_eq(ai_session_bytes(m, NULL, &bytes, &err), AI_OK);
    ck_assert_uint_gt(bytes, UINT64_C(1) << 60);
    ai_model_close(m);
    free(file);
    m = padded(3, 508, &file);
    ck_assert_int_eq(ai_session_bytes(m, NULL, &bytes, &err), AI_E_MEMORY);
    ck_error(err, AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET,
             "all tensors and scratch together take over 2^61 bytes");
    ai_model_close(m);
    free(file);
}
END_TEST

Suite *plan_suite(void)
{
    Suite *suite = suite_create("plan");
    TCase *c = tcase_create("plan");
    tcase_add_test(c, test_callers_shape);
    tcase_add_test(c, test_wrong_shape);
    tcase_add_test(c, test_empty_input);
    tcase_add_test(c, test_huge_input);
    tcase_add_test(c, test_step_error);
    tcase_add_test(c, test_fold_error);
    tcase_add_test(c, test_output_type);
    tcase_add_test(c, test_known_outputs);
    tcase_add_test(c, test_constant_border);
    tcase_add_test(c, test_border_overflow);
    suite_add_tcase(suite, c);
    return suite;
}
