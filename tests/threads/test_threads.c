/* SPDX-License-Identifier: Apache-2.0
 * Several threads, one model: each opens sessions of its own and must get the bits that one thread
 * gets. ThreadSanitizer watches in CI; Check's forks would hide the threads from it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lai.h"

enum { THREADS = 4, ROUNDS = 40, INPUTS = 20 * 5 * 6, OUTPUTS = 18 * 5 * 6 };

typedef struct job {
    const ai_model *model;
    const float    *expected; /* of each round, or NULL: write them */
    float          *answers;
    bool            is_wrong;
} job;

static void fill(float *x, int round)
{
    for (int i = 0; i < INPUTS; i++)
        x[i] = (float)((i * 7 + round * 13) % 29) / 7.0f - 2.0f;
}

static bool run_round(const job *j, int round)
{
    float x[INPUTS];
    float y[OUTPUTS];
    ai_session *session;
    ai_view in = {x, sizeof(x)};
    ai_buffer out = {y, sizeof(y)};
    fill(x, round);
    if (ai_session_open(&session, j->model, NULL, NULL) != AI_OK)
        return false;
    bool is_right = ai_infer(session, &in, 1, &out, 1, NULL, NULL) == AI_OK;
    ai_session_close(session);
    if (j->expected)
        return is_right && memcmp(y, j->expected + round * OUTPUTS, sizeof(y)) == 0;
    memcpy(j->answers + round * OUTPUTS, y, sizeof(y));
    return is_right;
}

static void *work(void *argument)
{
    job *j = argument;
    for (int round = 0; round < ROUNDS; round++) {
        if (!run_round(j, round) || ai_model_verify(j->model, NULL) != AI_OK)
            j->is_wrong = true;
    }
    return NULL;
}

int main(void)
{
    static float answers[ROUNDS * OUTPUTS];
    pthread_t threads[THREADS];
    job jobs[THREADS];
    size_t bytes;
    ai_model *model;
    lai *builder = lai_conv();
    uint8_t *file = lai_write(builder, &bytes);
    int failed = 0;

    if (ai_model_view(&model, file, bytes, NULL) != AI_OK)
        return 1;
    job alone = {model, NULL, answers, false};
    work(&alone);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){model, answers, NULL, false};
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        failed += jobs[i].is_wrong;
    }
    if (failed || alone.is_wrong)
        fprintf(stderr, "%d of %d threads got another answer than one alone\n", failed, THREADS);
    ai_model_close(model);
    free(file);
    lai_free(builder);
    return failed || alone.is_wrong;
}
