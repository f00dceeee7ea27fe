/* SPDX-License-Identifier: Apache-2.0
 * Tests without memory: each allocation fails once, cleanly, and nothing is lost. */
#include "unit.h"

#include <stdlib.h>

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

Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *c = tcase_create("memory");
    tcase_add_test(c, test_failures);
    suite_add_tcase(suite, c);
    return suite;
}
