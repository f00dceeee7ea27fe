/* SPDX-License-Identifier: Apache-2.0
 * Tests of ai_infer: answers, arguments, limits, hooks, profile, no allocation. */
#include "session.h"
#include "unit.h"

#include <fenv.h>
#include <float.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static const float small_x[6] = {1, 2, 3, -1, -2, -9};
static const float small_z[6] = {2, 0, 6, 0, 0, 0};

static void expect_small(ai_session *s)
{
    float z[6];
    ai_error err = UNTOUCHED;
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, &err), AI_OK);
    ck_assert_mem_eq(z, small_z, sizeof(z));
    ck_assert_int_eq(err.code, 77);
}

static ai_session *open_small(ai_model **m, uint8_t **file, uint32_t flags)
{
    ai_session *s;
    ai_options o = AI_OPTIONS_INIT;
    o.flags = flags;
    *m = must_open(lai_small(), file);
    ck_assert_int_eq(ai_session_open(&s, *m, &o, NULL), AI_OK);
    return s;
}

static void close_all(ai_session *s, ai_model *m, uint8_t *file)
{
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}

START_TEST(test_answer)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    expect_small(s);
    expect_small(s);
    close_all(s, m, file);
}
END_TEST

START_TEST(test_any_alignment)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    char x[32];
    char z[32];
    memcpy(x + 1, small_x, sizeof(small_x));
    ai_view in = {x + 1, sizeof(small_x)};
    ai_buffer out = {z + 3, sizeof(small_z)};
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
    ck_assert_mem_eq(z + 3, small_z, sizeof(small_z));
    close_all(s, m, file);
}
END_TEST

START_TEST(test_unwanted_output)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {NULL, 0};
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
    close_all(s, m, file);
}
END_TEST

START_TEST(test_arguments)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    float z[6];
    ai_error err;
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    ai_call call = AI_CALL_INIT;
    const uint64_t no = AI_NO_OFFSET;
    const uint32_t none = AI_NO_STEP;
    ai_infer(NULL, &in, 1, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "session is NULL");
    ai_infer(s, &in, 2, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "2 inputs are given, the model has 1");
    ai_infer(s, NULL, 1, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "inputs is NULL");
    ai_infer(s, &in, 1, &out, 0, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "0 outputs are given, the model has 1");
    ai_infer(s, &in, 1, NULL, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "outputs is NULL");
    in.bytes = 23;
    ai_infer(s, &in, 1, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "input 'x' has 23 bytes, 24 are needed");
    in = (ai_view){NULL, 24};
    ai_infer(s, &in, 1, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "input 'x' is NULL");
    in.data = small_x;
    out.bytes = 20;
    ai_infer(s, &in, 1, &out, 1, NULL, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "output 'z' has room for 20 bytes, 24 are needed");
    out.bytes = 24;
    call.flags = 4;
    ai_infer(s, &in, 1, &out, 1, &call, &err);
    ck_error(err, AI_E_UNSUPPORTED, none, no, "flags 0x4 of ai_call are not known");
    call = (ai_call){.size = 0};
    ai_infer(s, &in, 1, &out, 1, &call, &err);
    ck_error(err, AI_E_ARGUMENT, none, no, "ai_call has a size of 0 bytes, its INIT macro sets 32");
    expect_small(s);
    close_all(s, m, file);
}
END_TEST

START_TEST(test_newer_caller)
{
    struct {
        ai_call known;
        uint64_t added;
    } call = {AI_CALL_INIT, 0};
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    ai_error err;
    float z[6];
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    call.known.size = sizeof(call);
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, &call.known, NULL), AI_OK);
    call.added = 1;
    ai_infer(s, &in, 1, &out, 1, &call.known, &err);
    ck_error(err, AI_E_UNSUPPORTED, AI_NO_STEP, AI_NO_OFFSET,
             "ai_call sets a field at byte 32, this library knows 32 bytes");
    close_all(s, m, file);
}
END_TEST

/* ---- Hooks and limits ---- */

typedef struct seen {
    uint32_t calls;
    uint32_t stop_at;
    long sleep_ms;
} seen;

static int32_t watch(void *user, uint32_t step)
{
    seen *s = user;
    ck_assert_uint_eq(step, s->calls);
    s->calls++;
    if (s->sleep_ms) {
        struct timespec t = {0, s->sleep_ms * 1000000};
        nanosleep(&t, NULL);
    }
    return step == s->stop_at ? -5 : 0;
}

START_TEST(test_before_step)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    float z[6] = {0};
    ai_error err;
    seen user = {0, 99, 0};
    ai_call call = AI_CALL_INIT;
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    call.before_step = watch;
    call.user = &user;
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, &call, NULL), AI_OK);
    ck_assert_uint_eq(user.calls, 2);
    user = (seen){0, 1, 0};
    memset(z, 0, sizeof(z));
    ai_infer(s, &in, 1, &out, 1, &call, &err);
    ck_error(err, AI_E_STOPPED, 1, AI_NO_OFFSET, "stopped by before_step after 1 of 2 steps");
    ck_assert_float_eq(z[0], 0);
    ck_assert_uint_eq(user.calls, 2);
    expect_small(s);
    close_all(s, m, file);
}
END_TEST

/* A chain of `count` additions of a constant. */
static lai *chain(uint32_t count)
{
    static const float one[1] = {1};
    lai *f = lai_new("chain");
    uint32_t last = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){4});
    uint32_t c = lai_constant(f, "c", AI_F32, AI_LAYOUT_PLAIN, 1, (int64_t[]){1}, one);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t y = lai_value(f, "y", AI_F32);
        lai_step(f, AI_OP_ADD, "add", NULL, 2, 1, (uint32_t[]){last, c, y});
        last = y;
    }
    lai_tensor_at(f, last)->rank = 1;
    lai_tensor_at(f, last)->dim[0] = 4;
    lai_output(f, last);
    return f;
}

START_TEST(test_timeout)
{
    static const float x[4] = {1, 2, 3, 4};
    float y[4] = {0};
    uint8_t *file;
    ai_model *m = must_open(chain(10), &file);
    ai_session *s;
    ai_error err;
    seen user = {0, 99, 10};
    ai_call call = AI_CALL_INIT;
    ai_view in = {x, sizeof(x)};
    ai_buffer out = {y, sizeof(y)};
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    call.timeout_ns = 25000000;
    call.before_step = watch;
    call.user = &user;
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, &call, &err), AI_E_TIMEOUT);
    /* Each step takes at least 10 ms, so the third is the last that may begin. */
    ck_assert_uint_ge(err.step, 0);
    ck_assert_uint_le(err.step, 2);
    ck_assert_uint_eq(user.calls, err.step + 1);
    ck_assert_ptr_nonnull(strstr(err.message, "the time of 25000000 ns was over after "));
    ck_assert_float_eq(y[0], 0);
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(y[i], x[i] + 10);
    call = (ai_call)AI_CALL_INIT;
    call.timeout_ns = UINT64_MAX;
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, &call, NULL), AI_OK);
    close_all(s, m, file);
}
END_TEST

START_TEST(test_profile)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, AI_PROFILE);
    ai_step_info info = AI_STEP_INFO_INIT;
    for (int i = 0; i < 3; i++)
        expect_small(s);
    ck_assert_int_eq(ai_session_step(s, 0, &info), AI_OK);
    ck_assert_uint_eq(info.calls, 3);
    ck_assert_uint_gt(info.ns, 0);
    ck_assert_str_eq(info.name, "add");
    ck_assert_str_eq(info.op, "Add");
    ck_assert_uint_eq(info.bytes, 24 + 12 + 24);
    ck_assert_int_eq(ai_session_step(s, 2, &info), AI_E_ARGUMENT);
    close_all(s, m, file);
}
END_TEST

START_TEST(test_no_allocation)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, AI_PROFILE);
    float z[6];
    ai_error err;
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    ai_call call = AI_CALL_INIT;
    count_allocations(0);
    ai_status good = ai_infer(s, &in, 1, &out, 1, NULL, &err);
    call.timeout_ns = 1;
    ai_status late = ai_infer(s, &in, 1, &out, 1, &call, &err);
    in.bytes = 1;
    ai_status bad = ai_infer(s, &in, 1, &out, 1, NULL, &err);
    ck_assert_uint_eq(allocations(), 0);
    ck_assert_int_eq(good, AI_OK);
    ck_assert_int_eq(late, AI_E_TIMEOUT);
    ck_assert_int_eq(bad, AI_E_ARGUMENT);
    close_all(s, m, file);
}
END_TEST

/* ---- Surroundings ---- */

/* The caller's rounding and flushing change no bit of the answer, and are as before afterwards. */
START_TEST(test_float)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    static const float x[6] = {0x1.000002p-126f, 2 + FLT_MIN, -3, -0x1.FFFFFEp-1f, 0x1p-24f, 0};
    float z[2][6];
    ai_view in = {x, sizeof(x)};
    ai_buffer out[2] = {{z[0], sizeof(z[0])}, {z[1], sizeof(z[1])}};
    ck_assert_int_eq(ai_infer(s, &in, 1, &out[0], 1, NULL, NULL), AI_OK);
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    ai_status status = ai_infer(s, &in, 1, &out[1], 1, NULL, NULL);
    int rounding = fegetround();
#if defined(__x86_64__)
    unsigned control = _mm_getcsr() & 0x8040;
    _mm_setcsr(0x1F80);
    ck_assert_uint_eq(control, 0x8040);
#endif
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(rounding, FE_UPWARD);
    ck_assert_int_eq(status, AI_OK);
    ck_assert_mem_eq(z[0], z[1], sizeof(z[0]));
    close_all(s, m, file);
}
END_TEST

/* A session that was idle at the fork works in the child. */
START_TEST(test_fork)
{
    ai_model *m;
    uint8_t *file;
    ai_session *s = open_small(&m, &file, 0);
    int state;
    expect_small(s);
    pid_t child = fork();
    if (child == 0) {
        float z[6];
        ai_view in = {small_x, sizeof(small_x)};
        ai_buffer out = {z, sizeof(z)};
        ai_status status = ai_infer(s, &in, 1, &out, 1, NULL, NULL);
        _exit(status || memcmp(z, small_z, sizeof(z)) != 0);
    }
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0);
    expect_small(s);
    close_all(s, m, file);
}
END_TEST

/* A file whose weights arrive while it runs. */
typedef struct stream {
    const ai_session *session;
    uint8_t *file;
    const uint8_t *source;
    uint64_t arrived;
} stream;

static int32_t receive(void *user, uint32_t step)
{
    stream *s = user;
    ai_step_info info = AI_STEP_INFO_INIT;
    ck_assert_int_eq(ai_session_step(s->session, step, &info), AI_OK);
    if (info.file_end > s->arrived) {
        memcpy(s->file + s->arrived, s->source + s->arrived, info.file_end - s->arrived);
        s->arrived = info.file_end;
    }
    return 0;
}

START_TEST(test_weights_arrive)
{
    lai *f = lai_small();
    size_t bytes;
    stream user = {.arrived = 4096};
    uint8_t *source = lai_write(f, &bytes);
    user.source = source;
    user.file = lai_write(f, &bytes);
    memset(user.file + 4096, 0xFF, bytes - 4096);
    lai_free(f);
    ai_model *m;
    ai_session *s;
    float z[6];
    ai_call call = AI_CALL_INIT;
    ai_view in = {small_x, sizeof(small_x)};
    ai_buffer out = {z, sizeof(z)};
    ck_assert_int_eq(ai_model_view(&m, user.file, bytes, NULL), AI_OK);
    ck_assert_int_eq(ai_model_verify(m, NULL), AI_E_FORMAT);
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    user.session = s;
    call.before_step = receive;
    call.user = &user;
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, &call, NULL), AI_OK);
    ck_assert_mem_eq(z, small_z, sizeof(z));
    ck_assert_uint_eq(user.arrived, bytes);
    close_all(s, m, user.file);
    free(source);
}
END_TEST

/* ---- Blocks of channels with a border ---- */

static void expect_conv(ai_session *s)
{
    float x[20 * 5 * 6];
    float y[18 * 5 * 6];
    ai_view in = {x, sizeof(x)};
    ai_buffer out = {y, sizeof(y)};
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++)
        x[i] = (float)(i % 11) - 5;
    ck_assert_int_eq(ai_infer(s, &in, 1, &out, 1, NULL, NULL), AI_OK);
    for (int oc = 0; oc < 18; oc++) {
        for (int at = 0; at < 30; at++) {
            float sum = 0;
            for (int ic = 0; ic < 20; ic++) {
                for (int t = 0; t < 9; t++) {
                    int row = at / 6 + t / 3 - 1;
                    int column = at % 6 + t % 3 - 1;
                    if (row < 0 || row > 4 || column < 0 || column > 5)
                        continue;
                    /* CONV16: a block of 16 input channels is 16 rows, the last one 4 */
                    int rows = ic < 16 ? 16 : 4;
                    size_t w = ((size_t)(oc / 16) * 20 * 9 + (size_t)(ic / 16) * 16 * 9 +
                                (size_t)(t * rows + ic % 16)) *
                                   16 +
                               (size_t)(oc % 16);
                    sum += x[ic * 30 + row * 6 + column] * ((float)(w * 7 % 13) - 6);
                }
            }
            ck_assert_float_eq(y[oc * 30 + at], sum);
        }
    }
}

START_TEST(test_border)
{
    uint8_t *file;
    ai_model *m = must_open(lai_conv(), &file);
    ai_session *s;
    ai_options o = AI_OPTIONS_INIT;
    for (uint32_t level = AI_CPU_REF; level <= AI_CPU_ONEDNN; level <<= 1) {
        if (!(ai_cpu() & level))
            continue;
        o.cpu = level * 2 - 1;
        o.cpu &= ai_cpu();
        ck_assert_int_eq(ai_session_open(&s, m, &o, NULL), AI_OK);
        memset(s->arena, 0xFF,
               (size_t)s->arena_bytes); /* NaN: a border is zero because it is set */
        expect_conv(s);
        expect_conv(s);
        ai_session_close(s);
    }
    close_all(NULL, m, file);
}
END_TEST

/* ---- Back ends ---- */

START_TEST(test_back_ends)
{
    const uint32_t all = AI_CPU_OPENBLAS | AI_CPU_ONEDNN;
    uint8_t *file;
    ai_model *m = must_open(lai_conv(), &file);
    ai_session *s;
    ai_session_info info = AI_SESSION_INFO_INIT;
    ai_options o = AI_OPTIONS_INIT;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
    ck_assert_msg(!(info.cpu & all), "a back end runs that nobody named");
    ai_session_close(s);
    for (o.cpu = AI_CPU_OPENBLAS; o.cpu <= AI_CPU_ONEDNN; o.cpu <<= 1) {
        if (!(ai_cpu() & o.cpu))
            continue;
        ck_assert_int_eq(ai_session_open(&s, m, &o, NULL), AI_OK);
        ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
        ck_assert_uint_eq(info.cpu & all, o.cpu);
        expect_conv(s); /* small integers: no sum is rounded */
        ai_session_close(s);
    }
    close_all(NULL, m, file);
}
END_TEST

Suite *infer_suite(void)
{
    Suite *suite = suite_create("infer");
    TCase *c = tcase_create("infer");
    tcase_add_test(c, test_answer);
    tcase_add_test(c, test_any_alignment);
    tcase_add_test(c, test_unwanted_output);
    tcase_add_test(c, test_arguments);
    tcase_add_test(c, test_newer_caller);
    tcase_add_test(c, test_before_step);
    tcase_add_test(c, test_timeout);
    tcase_add_test(c, test_profile);
    tcase_add_test(c, test_no_allocation);
    tcase_add_test(c, test_float);
    tcase_add_test(c, test_fork);
    tcase_add_test(c, test_weights_arrive);
    tcase_add_test(c, test_border);
    tcase_add_test(c, test_back_ends);
    suite_add_tcase(suite, c);
    return suite;
}
