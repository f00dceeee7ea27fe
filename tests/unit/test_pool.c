/* SPDX-License-Identifier: Apache-2.0
 * Tests of a session's threads: the same bits, no growth, no work between calls, forks, failures.
 */
#include "session.h"
#include "unit.h"

#include <dirent.h>
#include <fenv.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { X = 20 * 40 * 44, Y = 48 * 40 * 44, I = 3000, G = 3000 * 64 };

typedef struct wide {
    ai_model *model;
    uint8_t *file;
    float x[X];
    int64_t i[I];
    float y[2][Y]; /* of one thread, of several */
    float g[2][G];
} wide;

static wide w;

static ai_session *open_with(uint32_t threads, uint32_t flags)
{
    ai_session *s = NULL;
    ai_error err = UNTOUCHED;
    ai_options o = AI_OPTIONS_INIT;
    o.threads = threads;
    o.flags = flags;
    ck_assert_msg(ai_session_open(&s, w.model, &o, &err) == AI_OK, "%s", err.message);
    return s;
}

static ai_status infer(ai_session *s, int place, const ai_call *call, ai_error *err)
{
    ai_view in[2] = {{w.x, sizeof(w.x)}, {w.i, sizeof(w.i)}};
    ai_buffer out[2] = {{w.y[place], sizeof(w.y[0])}, {w.g[place], sizeof(w.g[0])}};
    memset(w.y[place], 0xAA, sizeof(w.y[0]));
    memset(w.g[place], 0xAA, sizeof(w.g[0]));
    return ai_infer(s, in, 2, out, 2, call, err);
}

static bool is_same(void)
{
    return memcmp(w.y[0], w.y[1], sizeof(w.y[0])) == 0 &&
           memcmp(w.g[0], w.g[1], sizeof(w.g[0])) == 0;
}

static void expect_same(ai_session *s)
{
    ck_assert_int_eq(infer(s, 1, NULL, NULL), AI_OK);
    ck_assert(is_same());
}

/* The model, and the answer of one thread. */
static void setup(void)
{
    w.model = must_open(lai_wide(), &w.file);
    for (int i = 0; i < X; i++)
        w.x[i] = (float)(i * 31 % 97) / 16 - 3;
    for (int i = 0; i < I; i++)
        w.i[i] = i * 7 % 50;
    ai_session *s = open_with(1, 0);
    ck_assert_int_eq(infer(s, 0, NULL, NULL), AI_OK);
    ai_session_close(s);
}

static void teardown(void)
{
    ai_model_close(w.model);
    free(w.file);
}

static unsigned count_entries(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static unsigned count_threads(void)
{
    return count_entries("/proc/self/task");
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* A thread that has been joined may show for a moment more. */
static void expect_threads(unsigned count)
{
    for (int i = 0; i < 1000 && count_threads() != count; i++)
        pause_ms(1);
    ck_assert_uint_eq(count_threads(), count);
}

START_TEST(test_bits)
{
    static const uint32_t counts[] = {2, 3, 5, 8};
    unsigned before = count_threads();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        ai_session *s = open_with(counts[i], 0);
        ai_session_info info = AI_SESSION_INFO_INIT;
        ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
        ck_assert_uint_eq(info.threads, counts[i]);
        expect_threads(before + counts[i] - 1);
        for (int k = 0; k < 20; k++)
            expect_same(s);
        ai_session_close(s);
        expect_threads(before);
    }
}
END_TEST

/* A model without a step that is worth it has no threads, whatever is asked for. */
START_TEST(test_small)
{
    uint8_t *file;
    ai_model *m = must_open(lai_small(), &file);
    ai_options o = AI_OPTIONS_INIT;
    size_t bytes[2];
    ai_session *s;
    ai_session_info info = AI_SESSION_INFO_INIT;
    unsigned before = count_threads();
    for (uint32_t i = 0; i < 2; i++) {
        o.threads = i ? 16 : 1;
        ck_assert_int_eq(ai_session_bytes(m, &o, &bytes[i], NULL), AI_OK);
    }
    ck_assert_uint_eq(bytes[0], bytes[1]);
    ck_assert_int_eq(ai_session_open(&s, m, &o, NULL), AI_OK);
    ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
    ck_assert_uint_eq(info.threads, 1);
    ck_assert_uint_eq(count_threads(), before);
    ai_session_close(s);
    ai_model_close(m);
    free(file);
}
END_TEST

START_TEST(test_default)
{
    ai_session *s = open_with(0, 0);
    ai_session_info info = AI_SESSION_INFO_INIT;
    ck_assert_int_eq(ai_session_describe(s, &info), AI_OK);
    ck_assert_uint_ge(info.threads, 1);
    ck_assert_uint_le(info.threads, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    expect_same(s);
    ai_session_close(s);
}
END_TEST

/* All that a session has lies in the block it asked for. */
START_TEST(test_callers_memory)
{
    size_t one;
    ai_options o = AI_OPTIONS_INIT;
    o.threads = 1;
    ck_assert_int_eq(ai_session_bytes(w.model, &o, &one, NULL), AI_OK);
    o.threads = 5;
    ck_assert_int_eq(ai_session_bytes(w.model, &o, &o.memory_bytes, NULL), AI_OK);
    ck_assert_uint_gt(o.memory_bytes, one);
    for (size_t shift = 64; shift <= 128; shift += 64) {
        uint8_t *block = malloc(o.memory_bytes + 192);
        ai_session *s;
        o.memory = block + (128 - (uintptr_t)block % 128) + shift - 64;
        uint8_t *after = (uint8_t *)o.memory + o.memory_bytes;
        memset(after, 0x5A, (size_t)(block + o.memory_bytes + 192 - after));
        ck_assert_int_eq(ai_session_open(&s, w.model, &o, NULL), AI_OK);
        ck_assert_ptr_eq(s, o.memory);
        expect_same(s);
        ai_session_close(s);
        for (uint8_t *p = after; p < block + o.memory_bytes + 192; p++)
            ck_assert_uint_eq(*p, 0x5A);
        free(block);
    }
    expect_threads(1);
}
END_TEST

/* ---- Failures ---- */

/* Of the indices out of range the first counts, whichever thread meets one first. */
START_TEST(test_first_error)
{
    static const int bad[][2] = {{2999, 2998}, {10, 2900}, {1501, 1499}, {0, 2999}, {700, 1600}};
    ai_session *one = open_with(1, 0);
    ai_session *several = open_with(5, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ai_error expected = UNTOUCHED;
        ai_error err = UNTOUCHED;
        w.i[bad[i][0]] = 1000;
        w.i[bad[i][1]] = -2000;
        ck_assert_int_eq(infer(one, 0, NULL, &expected), AI_E_VALUE);
        for (int k = 0; k < 20; k++) {
            ck_assert_int_eq(infer(several, 1, NULL, &err), AI_E_VALUE);
            ck_error(err, AI_E_VALUE, expected.step, expected.offset, expected.message);
            ck_assert_int_eq(infer(several, 1, NULL, NULL), AI_E_VALUE);
        }
        w.i[bad[i][0]] = w.i[bad[i][1]] = 3;
    }
    ck_assert_int_eq(infer(one, 0, NULL, NULL), AI_OK);
    expect_same(several);
    ai_session_close(one);
    ai_session_close(several);
}
END_TEST

/* Blocks, and threads with what the C library allocates for them, fail one by one. */
START_TEST(test_no_memory)
{
    ai_options o = AI_OPTIONS_INIT;
    o.threads = 4;
    unsigned failing = 1;
    for (;; failing++) {
        ai_error err = UNTOUCHED;
        ai_session *s = NULL;
        ck_assert_uint_lt(failing, 100);
        count_allocations(failing);
        ai_status status = ai_session_open(&s, w.model, &o, &err);
        allocations();
        if (!status) {
            expect_same(s);
            ai_session_close(s);
            break;
        }
        ck_assert_ptr_null(s);
        ck_assert_int_eq(err.code, AI_E_MEMORY);
        ck_assert_ptr_eq(strstr(err.message, "no memory for "), err.message);
        expect_threads(1);
    }
    ck_assert_uint_gt(failing, 2 + 3);
    expect_threads(1);
}
END_TEST

/* ---- Calls ---- */

typedef struct hook {
    pthread_t thread;
    uint32_t stop;
    uint32_t calls;
} hook;

static int32_t before_step(void *user, uint32_t step)
{
    hook *h = user;
    ck_assert(pthread_equal(h->thread, pthread_self()));
    h->calls++;
    return step == h->stop;
}

START_TEST(test_hook)
{
    ai_session *s = open_with(3, AI_PROFILE);
    hook h = {pthread_self(), 3, 0};
    ai_call call = AI_CALL_INIT;
    ai_step_info info = AI_STEP_INFO_INIT;
    call.before_step = before_step;
    call.user = &h;
    ck_assert_int_eq(infer(s, 1, &call, NULL), AI_E_STOPPED);
    ck_assert_uint_eq(h.calls, 4);
    h.stop = UINT32_MAX;
    ck_assert_int_eq(infer(s, 1, &call, NULL), AI_OK);
    ck_assert(is_same());
    call.timeout_ns = 1;
    ck_assert_int_eq(infer(s, 1, &call, NULL), AI_E_TIMEOUT);
    expect_same(s);
    ck_assert_int_eq(ai_session_step(s, 1, &info), AI_OK);
    ck_assert_uint_ge(info.calls, 3);
    ai_session_close(s);
}
END_TEST

/* The time of a step is what passes on the wall, not the sum over its threads. */
START_TEST(test_profile)
{
    struct timespec a;
    struct timespec b;
    uint64_t sum = 0;
    ai_session *s = open_with(5, AI_PROFILE);
    ai_step_info info = AI_STEP_INFO_INIT;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 10; i++)
        expect_same(s);
    clock_gettime(CLOCK_MONOTONIC, &b);
    for (uint32_t i = 0; ai_session_step(s, i, &info) == AI_OK; i++)
        sum += info.ns;
    ck_assert_uint_gt(sum, 0);
    ck_assert_uint_le(sum, (uint64_t)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec));
    ai_session_close(s);
}
END_TEST

/* Rounding and flushing are right on every thread, wherever it was started. */
START_TEST(test_float)
{
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    ai_session *s = open_with(4, 0);
    ai_status status = infer(s, 1, NULL, NULL);
    ai_session_close(s);
    int rounding = fegetround();
#if defined(__x86_64__)
    _mm_setcsr(0x1F80);
#endif
    fesetround(FE_TONEAREST);
    ck_assert_int_eq(rounding, FE_UPWARD);
    ck_assert_int_eq(status, AI_OK);
    ck_assert(is_same());
}
END_TEST

/* ---- Between calls ---- */

/* Writes what tells of a thread's running: its state and how often it was switched to. */
static void read_switches(const char *thread, char *text, size_t size)
{
    char path[300];
    char line[256];
    size_t length = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "State:", 6) == 0 || strstr(line, "ctxt_switches:"))
            length += (size_t)snprintf(text + length, size - length, "%s", line);
    }
    fclose(file);
    ck_assert_uint_gt(length, 0);
}

/* Of all threads but this one. */
static unsigned read_workers(char (*text)[256])
{
    char self[32];
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/task");
    sprintf(self, "%d", (int)getpid());
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, self) != 0)
            read_switches(entry->d_name, text[count++], sizeof(text[0]));
    }
    closedir(folder);
    return count;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Once asleep, a worker is not run again before the next call: the process takes no more time than
 * a sleep of its first thread. */
START_TEST(test_idle)
{
    static char before[16][256];
    static char after[16][256];
    ai_session *s = open_with(4, 0);
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 5; i++)
            expect_same(s);
        for (int i = 0; i < 1000; i++) { /* until a busy machine has let all of them go to sleep */
            bool are_asleep = true;
            pause_ms(10);
            ck_assert_uint_eq(read_workers(before), 3);
            for (int n = 0; n < 3; n++)
                are_asleep = are_asleep && strncmp(before[n], "State:\tS", 8) == 0;
            if (are_asleep)
                break;
        }
        int64_t begin = cpu_ns();
        pause_ms(200);
        ck_assert_int_lt(cpu_ns() - begin, 2000000);
        ck_assert_uint_eq(read_workers(after), 3);
        for (int n = 0; n < 3; n++)
            ck_assert_str_eq(before[n], after[n]);
    }
    ai_session_close(s);
}
END_TEST

static long resident_pages(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*s %ld", &pages), 1);
    fclose(file);
    return pages;
}

START_TEST(test_no_growth)
{
#if defined(AI_TEST_WRAP)
    const long most = 8192; /* pages; a sanitizer keeps notes on threads that have ended */
#else
    const long most = 256;
#endif
    long first = 0;
    unsigned files = count_entries("/proc/self/fd");
    for (int i = 0; i < 10000; i++) {
        ai_session *s = open_with(i % 2 ? 3 : 1, 0);
        if (i % 1000 == 0)
            expect_same(s);
        ai_session_close(s);
        if (i == 1000)
            first = resident_pages();
    }
    ck_assert_int_le(resident_pages(), first + most);
    ck_assert_uint_eq(count_entries("/proc/self/fd"), files);
    expect_threads(1);
}
END_TEST

/* ---- Forks ---- */

static void expect_exit(pid_t child)
{
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "state 0x%x", (unsigned)state);
}

typedef bool in_child(ai_session *s);

static bool runs_and_closes(ai_session *s)
{
    bool is_right = infer(s, 1, NULL, NULL) == AI_OK && is_same() && count_threads() == 1;
    is_right = is_right && infer(s, 1, NULL, NULL) == AI_OK && is_same();
    ai_session_close(s);
    return is_right;
}

static bool only_closes(ai_session *s)
{
    ai_session_close(s);
    return true;
}

static bool only_exits(ai_session *s)
{
    return s != NULL;
}

static bool opens_anew(ai_session *s)
{
    ai_session *other = NULL;
    ai_options o = AI_OPTIONS_INIT;
    o.threads = 3;
    bool is_right = ai_session_open(&other, w.model, &o, NULL) == AI_OK && count_threads() == 3 &&
                    infer(other, 1, NULL, NULL) == AI_OK && is_same();
    ai_session_close(other);
    return is_right && infer(s, 1, NULL, NULL) == AI_OK && is_same();
}

static bool forks_again(ai_session *s)
{
    int state = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(!runs_and_closes(s));
    return waitpid(child, &state, 0) == child && state == 0 && runs_and_closes(s);
}

START_TEST(test_fork)
{
    in_child *const children[] = {runs_and_closes, only_closes, only_exits, opens_anew,
                                  forks_again};
    ai_session *s = open_with(4, 0);
    for (int k = 0; k < 3; k++) { /* before the first call and after calls */
        for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
            fflush(NULL);
            pid_t child = fork();
            if (child == 0) {
                alarm(60);
                bool is_right = children[i](s);
                if (children[i] == only_exits)
                    exit(0);
                _exit(!is_right);
            }
            expect_exit(child);
        }
        expect_same(s);
    }
    ai_session_close(s);
}
END_TEST

/* A child with the number of its parent, 1, in a namespace of its own; -1: not allowed here. */
static pid_t fork_first(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

/* The first process of a namespace, as in a container. No signal of its own ends it. */
static bool is_first_right(void)
{
    int state = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ai_session *s = open_with(4, 0);
    bool is_right = getpid() == 1 && infer(s, 1, NULL, NULL) == AI_OK && is_same();
    pid_t child = fork_first();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        is_right = getpid() == 1 && infer(s, 1, NULL, NULL) == AI_OK && is_same();
        ai_session_close(s);
        _exit(!is_right);
    }
    return waitpid(child, &state, 0) == child && state == 0 && is_right;
}

START_TEST(test_fork_namespace)
{
    fflush(NULL);
    pid_t child = fork_first();
    if (child < 0)
        return; /* needs CAP_SYS_ADMIN */
    if (child == 0)
        _exit(!is_first_right());
    expect_exit(child);
}
END_TEST

static int32_t fork_in_call(void *user, uint32_t step)
{
    if (step != 2)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        ai_session_close(user); /* a busy session can only be closed */
        _exit(0);
    }
    expect_exit(child);
    return 0;
}

START_TEST(test_fork_in_call)
{
    ai_session *s = open_with(4, 0);
    ai_call call = AI_CALL_INIT;
    call.before_step = fork_in_call;
    call.user = s;
    ck_assert_int_eq(infer(s, 1, &call, NULL), AI_OK);
    ck_assert(is_same());
    ai_session_close(s);
}
END_TEST

Suite *pool_suite(void)
{
    Suite *suite = suite_create("pool");
    TCase *c = tcase_create("pool");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 100);
    tcase_add_test(c, test_bits);
    tcase_add_test(c, test_small);
    tcase_add_test(c, test_default);
    tcase_add_test(c, test_callers_memory);
    tcase_add_test(c, test_first_error);
    tcase_add_test(c, test_no_memory);
    tcase_add_test(c, test_hook);
    tcase_add_test(c, test_profile);
    tcase_add_test(c, test_float);
    tcase_add_test(c, test_idle);
    tcase_add_test(c, test_no_growth);
    tcase_add_test(c, test_fork);
    tcase_add_test(c, test_fork_namespace);
    tcase_add_test(c, test_fork_in_call);
    suite_add_tcase(suite, c);
    return suite;
}
