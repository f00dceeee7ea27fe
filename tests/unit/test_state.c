/* SPDX-License-Identifier: Apache-2.0
 * Tests of recurrent state: its turn, saving, loading, damage, failed calls. */
#include "state.h"
#include "unit.h"

#include "sha256.h"

#include <stdlib.h>

enum { STATE_BYTES = 96 + 8 + 8 + 32 };

typedef struct opened {
    uint8_t *file;
    ai_model *m;
    ai_session *s;
} opened;

static opened open_states(void)
{
    opened o;
    o.m = must_open(lai_states(), &o.file);
    ck_assert_int_eq(ai_session_open(&o.s, o.m, NULL, NULL), AI_OK);
    return o;
}

static void close_states(opened *o)
{
    ai_session_close(o->s);
    ai_model_close(o->m);
    free(o->file);
}

/* Adds x to both sums; checks y[0]. */
static void turn(ai_session *s, float x, float wanted)
{
    float in[2] = {x, x};
    float out[2];
    ai_view view = {in, sizeof(in)};
    ai_buffer buffer = {out, sizeof(out)};
    ck_assert_int_eq(ai_infer(s, &view, 1, &buffer, 1, NULL, NULL), AI_OK);
    ck_assert_float_eq(out[0], wanted);
}

START_TEST(test_turns)
{
    opened o = open_states();
    /* sum: 1, 11, 31; before: 0, 1, 11 */
    turn(o.s, 10, 11);
    turn(o.s, 20, 31 + 1);
    turn(o.s, 0, 31 + 11);
    ck_assert_int_eq(ai_state_reset(o.s), AI_OK);
    turn(o.s, 10, 11);
    ck_assert_int_eq(ai_state_reset(NULL), AI_E_ARGUMENT);
    close_states(&o);
}
END_TEST

START_TEST(test_save_and_load)
{
    opened a = open_states();
    opened b = open_states();
    uint8_t block[STATE_BYTES + 1];
    ai_session_info info = AI_SESSION_INFO_INIT;
    ck_assert_int_eq(ai_session_describe(a.s, &info), AI_OK);
    ck_assert_uint_eq(info.state_bytes, STATE_BYTES);
    turn(a.s, 10, 11);
    turn(a.s, 20, 32);
    ck_assert_int_eq(ai_state_save(a.s, block + 1, STATE_BYTES, NULL), AI_OK);
    ck_assert_int_eq(ai_state_load(b.s, block + 1, STATE_BYTES, NULL), AI_OK);
    turn(a.s, 0, 42);
    turn(b.s, 0, 42);
    close_states(&a);
    close_states(&b);
}
END_TEST

static int32_t stop_at_last(void *user, uint32_t step)
{
    (void)user;
    return step == 2;
}

START_TEST(test_failed_call)
{
    opened o = open_states();
    float in[2] = {100, 100};
    float out[2];
    ai_view view = {in, sizeof(in)};
    ai_buffer buffer = {out, sizeof(out)};
    ai_call call = AI_CALL_INIT;
    call.before_step = stop_at_last;
    turn(o.s, 10, 11);
    ck_assert_int_eq(ai_infer(o.s, &view, 1, &buffer, 1, &call, NULL), AI_E_STOPPED);
    turn(o.s, 20, 31 + 1);
    close_states(&o);
}
END_TEST

START_TEST(test_arguments)
{
    opened o = open_states();
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_session *s;
    ai_error err;
    uint8_t block[STATE_BYTES];
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ai_state_save(NULL, block, sizeof(block), &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "session is NULL");
    ai_state_load(NULL, block, sizeof(block), &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "session is NULL");
    ai_state_save(s, block, 0, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "the model keeps no state");
    ai_state_save(o.s, NULL, sizeof(block), &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, "data is NULL");
    ai_state_save(o.s, block, sizeof(block) - 1, &err);
    ck_error(err, AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET,
             "the state block has 143 bytes, 144 are needed");
    ck_assert_int_eq(ai_state_reset(s), AI_OK);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
    close_states(&o);
}
END_TEST

static void seal(uint8_t *block)
{
    ai_sha256_of(block, STATE_BYTES - 32, block + STATE_BYTES - 32);
}

static void refuse(ai_session *s, const uint8_t *block, size_t at, ai_status code,
                   const char *message)
{
    uint8_t other[STATE_BYTES];
    ai_error err;
    memcpy(other, block, sizeof(other));
    other[at] ^= 1;
    seal(other);
    ck_assert_int_eq(ai_state_load(s, other, sizeof(other), &err), code);
    ck_error(err, code, AI_NO_STEP, AI_NO_OFFSET, message);
}

START_TEST(test_wrong_block)
{
    opened o = open_states();
    uint8_t block[STATE_BYTES];
    ck_assert_int_eq(ai_state_save(o.s, block, sizeof(block), NULL), AI_OK);
    refuse(o.s, block, 0, AI_E_STATE, "not a state block: the magic number is missing");
    refuse(o.s, block, 9, AI_E_VERSION,
           "the state block has version 257, newer than this library's, 1");
    refuse(o.s, block, 24, AI_E_STATE, "the state block is of another model");
    refuse(o.s, block, 56, AI_E_STATE, "the state block is of a session of other shapes");
    refuse(o.s, block, 8, AI_E_STATE, "the header of the state block is corrupt");
    refuse(o.s, block, 12, AI_E_STATE, "the header of the state block is corrupt");
    refuse(o.s, block, 16, AI_E_STATE, "the header of the state block is corrupt");
    refuse(o.s, block, 88, AI_E_STATE, "the header of the state block is corrupt");
    close_states(&o);
}
END_TEST

/* Each byte of a block damaged, each cut: refused, and the state stays. */
START_TEST(test_damage)
{
    opened o = open_states();
    uint8_t block[STATE_BYTES];
    turn(o.s, 10, 11);
    ck_assert_int_eq(ai_state_save(o.s, block, sizeof(block), NULL), AI_OK);
    turn(o.s, 20, 32);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x10;
        ai_status status = ai_state_load(o.s, block, sizeof(block), NULL);
        ck_assert(status == AI_E_STATE || (i >= 8 && i < 12 && status == AI_E_VERSION));
        block[i] ^= 0x10;
        ck_assert_int_eq(ai_state_load(o.s, block, i, NULL), AI_E_ARGUMENT);
    }
    ai_error err;
    block[100] ^= 1;
    ai_state_load(o.s, block, sizeof(block), &err);
    ck_error(err, AI_E_STATE, AI_NO_STEP, AI_NO_OFFSET,
             "the state block does not match its checksum");
    turn(o.s, 0, 31 + 11);
    close_states(&o);
}
END_TEST

/* The shape of a new state is only known to a session. */
START_TEST(test_wrong_shape)
{
    lai *f = lai_new("wrong");
    const int64_t two[1] = {2};
    const int64_t one[1] = {1};
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, two);
    uint32_t h = lai_tensor(f, "h", AI_F32, AI_TENSOR_STATE, 1, one);
    uint32_t next = lai_value(f, "next", AI_F32);
    lai_step(f, AI_OP_ADD, "add", NULL, 2, 1, (uint32_t[]){x, h, next});
    lai_state(f, h, next, AI_FILE_NONE);
    uint8_t *file;
    ai_model *m = must_open(f, &file);
    ai_session *s;
    ai_error err;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, &err), AI_E_SHAPE);
    ck_error(err, AI_E_SHAPE, AI_NO_STEP, AI_NO_OFFSET,
             "state 'h' has 4 bytes, its new value has another shape (8 bytes)");
    ai_model_close(m);
    free(file);
}
END_TEST

Suite *state_suite(void)
{
    Suite *suite = suite_create("state");
    TCase *c = tcase_create("state");
    tcase_add_test(c, test_turns);
    tcase_add_test(c, test_save_and_load);
    tcase_add_test(c, test_failed_call);
    tcase_add_test(c, test_arguments);
    tcase_add_test(c, test_wrong_block);
    tcase_add_test(c, test_damage);
    tcase_add_test(c, test_wrong_shape);
    suite_add_tcase(suite, c);
    return suite;
}
