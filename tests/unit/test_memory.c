/* SPDX-License-Identifier: Apache-2.0
 * Tests without memory: each allocation fails once, cleanly, and nothing is lost. And of huge pages
 * under sessions. */
#include "os.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Calls until no allocation fails any more; how many there are. */
static unsigned try_all(ai_status (*attempt)(const void *, ai_error *), const void *user)
{
    for (unsigned failing = 1; failing < 100; failing++) {
        ai_error err = UNTOUCHED;
        count_allocations(failing);
        ai_status status = attempt(user, &err);
        unsigned count = allocations();
        if (!status)
            return count;
        ck_assert_int_eq(status, AI_E_MEMORY);
        ck_assert_int_eq(err.code, AI_E_MEMORY);
        ck_assert_ptr_eq(strstr(err.message, "no memory for "), err.message);
    }
    ck_abort_msg("still fails");
    return 0;
}

typedef struct file {
    uint8_t *data;
    size_t bytes;
} file;

static ai_status open_model(const void *user, ai_error *err)
{
    const file *f = user;
    ai_model *m = NULL;
    ai_status status = ai_model_view(&m, f->data, f->bytes, err);
    ai_model_close(m);
    return status;
}

static ai_status open_session(const void *user, ai_error *err)
{
    ai_session *s = NULL;
    ai_status status = ai_session_open(&s, user, NULL, err);
    ai_session_close(s);
    return status;
}

static ai_status ask_bytes(const void *user, ai_error *err)
{
    size_t bytes;
    return ai_session_bytes(user, NULL, &bytes, err);
}

START_TEST(test_failures)
{
    lai *(*const models[])(void) = {lai_small, lai_shapes, lai_conv, lai_states};
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        file f;
        ai_model *m;
        lai *builder = models[i]();
        f.data = lai_write(builder, &f.bytes);
        lai_free(builder);
        ck_assert_uint_eq(try_all(open_model, &f), 2); /* the handle; the verifier's notes */
        ck_assert_int_eq(ai_model_view(&m, f.data, f.bytes, NULL), AI_OK);
        ck_assert_uint_eq(try_all(open_session, m), 2); /* the planner's block; the session's */
        ck_assert_uint_eq(try_all(ask_bytes, m), 1);
        ai_model_close(m);
        free(f.data);
    }
}
END_TEST

/* Has the system been asked for a huge page at this address? */
static bool is_huge(const uint8_t *address)
{
    char line[512];
    bool is_here = false;
    bool is_asked = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            is_here = (uintptr_t)address >= begin && (uintptr_t)address < end;
        else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            is_asked = strstr(line, " hg") != NULL;
    }
    fclose(maps);
    return is_asked;
}

/* With how many huge pages a session begins whose arena has so many bytes. */
static int huge_pages(int64_t bytes)
{
    uint8_t *data;
    lai *f = lai_new("large");
    uint32_t x = lai_input(f, "x", AI_F32, 0, 1, (int64_t[]){bytes / 4});
    uint32_t y = lai_tensor(f, "y", AI_F32, AI_TENSOR_VALUE, 1, (int64_t[]){bytes / 4});
    lai_step(f, AI_OP_RELU, "relu", NULL, 1, 1, (uint32_t[]){x, y});
    lai_output(f, y);
    ai_model *m = must_open(f, &data);
    ai_session *s;
    int count = 0;
    ck_assert_int_eq(ai_session_open(&s, m, NULL, NULL), AI_OK);
    while (count < 3 && is_huge((uint8_t *)s + (size_t)count * AI_OS_HUGE))
        count++;
    ai_session_close(s);
    ai_model_close(m);
    free(data);
    return count;
}

START_TEST(test_huge_pages)
{
    const int64_t kib = 1024;
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        return;
    ck_assert_int_eq(huge_pages(900 * kib), 0);
    ck_assert_int_eq(huge_pages(1100 * kib), 1);
    ck_assert_int_eq(huge_pages(2900 * kib), 1);
    ck_assert_int_eq(huge_pages(3200 * kib), 2);
}
END_TEST

Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *c = tcase_create("memory");
    tcase_add_test(c, test_failures);
    tcase_add_test(c, test_huge_pages);
    suite_add_tcase(suite, c);
    return suite;
}
