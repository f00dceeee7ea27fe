/* SPDX-License-Identifier: Apache-2.0
 * Compares the arena of models, for 1 to 4 threads, with the least that any placing could reach: the
 * largest sum of tensors and scratch alive at the same step. Prints both, replays a run, and fails
 * above 1.10 or where a tensor is lost. Usage: arena-bound FILE... */
#include <stdio.h>

#include "arena_check.h"

enum { MOST_THREADS = 4 };

static int check_session(const char *path, const ai_session *s, uint32_t threads)
{
    char message[160];
    int64_t most = arena_most_alive(s);
    printf("%s: %u threads, arena %lld bytes, alive %lld, %.3f\n", path, threads,
           (long long)s->arena_bytes, (long long)most,
           (double)s->arena_bytes / (double)(most ? most : 1));
    bool is_right = arena_replay(s, message);
    if (!is_right)
        printf("%s: %s\n", path, message);
    return !is_right || 10 * s->arena_bytes > 11 * most || s->live_bytes != most;
}

static int check(const char *path)
{
    ai_error err;
    ai_model *m = NULL;
    int status = ai_model_open(&m, path, &err);
    for (uint32_t threads = 1; threads <= MOST_THREADS && !status; threads++) {
        ai_options o = AI_OPTIONS_INIT;
        ai_session *s = NULL;
        o.threads = threads;
        status = ai_session_open(&s, m, &o, &err);
        if (!status)
            status = check_session(path, s, threads);
        ai_session_close(s);
    }
    if (status < 0)
        fprintf(stderr, "arena-bound: %s: %s\n", path, err.message);
    ai_model_close(m);
    return status;
}

int main(int argc, char **argv)
{
    int status = argc < 2;
    for (int i = 1; i < argc; i++)
        status |= check(argv[i]) != 0;
    return status;
}
