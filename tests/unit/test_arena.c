/* SPDX-License-Identifier: Apache-2.0
 * Tests of the arena: nothing that lives at the same time overlaps, views and steps in place share,
 * and the size is near the least possible. */
#include "../random.h"
#include "arena_check.h"
#include "unit.h"

#include <stdlib.h>

enum { STEPS = 60 };

/* Random graphs: Relu (in place), Identity (a view), Softmax and LpNormalization (with scratch),
 * Concat (of parts that lie in it) and Split (into parts that lie in another), Transpose (none). */
static lai *random_graph(uint64_t seed)
{
    ai_axis_params axis = {.axis = 0};
    ai_axis_params last = {.axis = -1, .count = 2};
    lai *f = lai_new("random");
    uint32_t value[STEPS + 2];
    uint32_t count = 2;
    value[0] =
        lai_input(f, "a", AI_F32, 0, 1, (int64_t[]){(int64_t)(draw_random(&seed) % 500 + 1)});
    value[1] =
        lai_input(f, "b", AI_F32, 0, 1, (int64_t[]){(int64_t)(draw_random(&seed) % 16 + 1) * 32});
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t a = value[count - 1 - draw_random(&seed) % (count < 6 ? count : 6)];
        uint32_t b = value[count - 1 - draw_random(&seed) % (count < 3 ? count : 3)];
        uint32_t y = lai_value(f, "y", AI_F32);
        if (draw_random(&seed) % 3 == 0)
            lai_step(f, AI_OP_RELU, "r", NULL, 1, 1, (uint32_t[]){a, y});
        else if (draw_random(&seed) % 4 == 0)
            lai_step(f, AI_OP_IDENTITY, "i", NULL, 1, 1, (uint32_t[]){a, y});
        else if (draw_random(&seed) % 4 == 0)
            lai_step(f, draw_random(&seed) % 2 ? AI_OP_SOFTMAX : AI_OP_LP_NORMALIZATION, "s", &last,
                     1, 1, (uint32_t[]){a, y});
        else if (draw_random(&seed) % 8 == 0)
            lai_step(f, AI_OP_CONCAT, "c", &axis, 2, 1, (uint32_t[]){a, b, y});
        else if (draw_random(&seed) % 8 == 0)
            lai_step(f, AI_OP_SPLIT, "p", &axis, 1, 2,
                     (uint32_t[]){a, lai_value(f, "rest", AI_F32), y});
        else
            lai_step(f, AI_OP_TRANSPOSE, "t", NULL, 1, 1, (uint32_t[]){a, y});
        value[count++] = y;
        if (draw_random(&seed) % 16 == 0)
            lai_output(f, y);
    }
    lai_output(f, value[count - 1]);
    return f;
}

/* The largest sum of living tensors cannot always be reached: a bound for each graph, a closer one
 * for all together. */
START_TEST(test_random_graphs)
{
    int64_t placed = 0;
    int64_t alive = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint8_t *file;
        ai_model *m = must_open(random_graph(seed), &file);
        ai_session *s;
        char message[160];
        ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
        ck_assert_uint_ge(m->tensor_count, STEPS + 2);
        ck_assert_msg(arena_replay(s, message), "seed %llu: %s", (unsigned long long)seed, message);
        int64_t most = arena_most_alive(s);
        ck_assert_int_eq(s->live_bytes, most);
        ck_assert_int_ge(s->arena_bytes, most);
        ck_assert_msg(s->arena_bytes * 10 <= most * 13, "seed %llu: %lld of %lld bytes",
                      (unsigned long long)seed, (long long)s->arena_bytes, (long long)most);
        placed += s->arena_bytes;
        alive += most;
        ai_session_close(s);
        ai_model_close(m);
        free(file);
    }
    ck_assert_msg(placed * 20 <= alive * 21, "%lld of %lld bytes", (long long)placed,
                  (long long)alive);
}
END_TEST

/* The same graph in fresh memory full of garbage gives the same answers twice. */
START_TEST(test_values)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint8_t *file;
        ai_model *m = must_open(random_graph(seed), &file);
        ai_session *s;
        ai_tensor_info t = AI_TENSOR_INFO_INIT;
        float *data[2];
        ai_view in[2];
        ai_buffer out[STEPS + 1] = {{NULL, 0}};
        uint32_t count = m->header->outputs.count;
        ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
        for (uint32_t i = 0; i < 2; i++) {
            ai_session_input(s, i, &t);
            data[i] = malloc(t.bytes);
            for (size_t k = 0; k < t.bytes / 4; k++)
                data[i][k] = (float)(k % 17) - 8;
            in[i] = (ai_view){data[i], t.bytes};
        }
        uint8_t *answer[2] = {NULL, NULL};
        for (int turn = 0; turn < 2; turn++) {
            ai_session_output(s, count - 1, &t);
            answer[turn] = malloc(t.bytes);
            out[count - 1] = (ai_buffer){answer[turn], t.bytes};
            memset(s->arena, turn ? 0xFF : 0x55, (size_t)s->arena_bytes);
            ck_assert_int_eq(ai_infer(s, in, 2, out, count, NULL, NULL), AI_OK);
        }
        ck_assert_mem_eq(answer[0], answer[1], t.bytes);
        free(answer[0]);
        free(answer[1]);
        free(data[0]);
        free(data[1]);
        ai_session_close(s);
        ai_model_close(m);
        free(file);
    }
}
END_TEST

/* A step in place must not overwrite what another operand of it, or a later step, still reads. */
START_TEST(test_no_sharing)
{
    lai *f = lai_new("share");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){4});
    uint32_t a = lai_value(f, "a", AI_F32);
    uint32_t b = lai_value(f, "b", AI_F32);
    uint32_t c = lai_value(f, "c", AI_F32);
    lai_step(f, AI_OP_RELU, "a", NULL, 1, 1, (uint32_t[]){x, a});
    lai_step(f, AI_OP_ADD, "b", NULL, 2, 1, (uint32_t[]){a, x, b});
    lai_step(f, AI_OP_ADD, "c", NULL, 2, 1, (uint32_t[]){b, b, c});
    lai_output(f, c);
    lai_output(f, b);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    float in[4] = {-1, 2, -3, 4};
    float y[2][4];
    ai_view inputs = {in, sizeof(in)};
    ai_buffer outputs[2] = {{y[0], 16}, {y[1], 16}};
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_infer(s, &inputs, 1, outputs, 2, NULL, NULL), AI_OK);
    for (int i = 0; i < 4; i++) {
        float sum = in[i] + (in[i] > 0 ? in[i] : 0);
        ck_assert_float_eq(y[1][i], sum);
        ck_assert_float_eq(y[0][i], 2 * sum);
    }
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

/* A chain of same-sized steps runs in one place. */
START_TEST(test_in_place)
{
    lai *f = lai_new("chain");
    uint32_t last = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){1000});
    for (int i = 0; i < 10; i++) {
        uint32_t y = lai_value(f, "y", AI_F32);
        lai_step(f, i % 2 ? AI_OP_RELU : AI_OP_IDENTITY, "s", NULL, 1, 1, (uint32_t[]){last, y});
        last = y;
    }
    lai_output(f, last);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(s->arena_bytes, 4032);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

/* Parts are written where they are joined, and read where they were cut: nothing is copied, and no
 * memory but that of the whole is taken. A constant part is copied to its place. */
START_TEST(test_parts)
{
    static const float constant[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    ai_axis_params axis = {.axis = 0};
    lai *f = lai_new("parts");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){32});
    uint32_t k = lai_constant(f, "k", AI_F32, 0, 1, (int64_t[]){16}, constant);
    uint32_t v[8];
    for (int i = 0; i < 8; i++)
        v[i] = lai_value(f, "v", AI_F32);
    lai_step(f, AI_OP_NEG, "neg", NULL, 1, 1, (uint32_t[]){x, v[0]});
    lai_step(f, AI_OP_TRANSPOSE, "copy", NULL, 1, 1, (uint32_t[]){x, v[1]});
    lai_step(f, AI_OP_CONCAT, "inner", &axis, 2, 1, (uint32_t[]){v[0], v[1], v[2]});
    lai_step(f, AI_OP_CONCAT, "outer", &axis, 2, 1, (uint32_t[]){v[2], k, v[3]});
    lai_step(f, AI_OP_SPLIT, "cut", &axis, 1, 5,
             (uint32_t[]){v[3], v[4], v[5], v[6], v[7], lai_value(f, "w", AI_F32)});
    lai_output(f, v[5]);
    lai_output(f, v[7]);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    float in[32];
    float y[2][16];
    char message[160];
    ai_view input = {in, sizeof(in)};
    ai_buffer outputs[2] = {{y[0], 64}, {y[1], 64}};
    for (int i = 0; i < 32; i++)
        in[i] = (float)i + 0.5f;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_msg(arena_replay(s, message), "%s", message);
    ck_assert(s->steps[2].is_idle && !s->steps[3].is_idle && s->steps[4].is_idle);
    ck_assert_ptr_eq(s->tensors[v[2]].data, s->tensors[v[3]].data);
    ck_assert_int_eq(s->arena_bytes, (32 + 80) * 4);
    ck_assert_int_eq(ai_infer(s, &input, 1, outputs, 2, NULL, NULL), AI_OK);
    for (int i = 0; i < 16; i++) {
        ck_assert_float_eq(y[0][i], -in[16 + i]);
        ck_assert_float_eq(y[1][i], in[16 + i]);
    }
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

/* More groups than are placed one by one. */
START_TEST(test_many)
{
    lai *f = lai_new("many");
    uint32_t last = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){8});
    for (int i = 0; i < 9000; i++) {
        uint32_t y = lai_value(f, "y", AI_F32);
        lai_step(f, AI_OP_TRANSPOSE, "t", NULL, 1, 1, (uint32_t[]){last, y});
        last = y;
    }
    lai_output(f, last);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    float y[8];
    ai_view in = {x, sizeof(x)};
    ai_buffer out = {y, sizeof(y)};
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
    ck_assert_mem_eq(x, y, sizeof(x));
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

Suite *arena_suite(void)
{
    Suite *suite = suite_create("arena");
    TCase *c = tcase_create("arena");
    tcase_add_test(c, test_random_graphs);
    tcase_add_test(c, test_values);
    tcase_add_test(c, test_no_sharing);
    tcase_add_test(c, test_in_place);
    tcase_add_test(c, test_parts);
    tcase_add_test(c, test_many);
    suite_add_tcase(suite, c);
    return suite;
}
