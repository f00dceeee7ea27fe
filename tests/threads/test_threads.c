/* SPDX-License-Identifier: Apache-2.0
 * Several threads, one model: each opens sessions of its own, with threads of their own too, and
 * must get the bits that one thread gets. ThreadSanitizer watches in CI; Check's forks would hide
 * the threads from it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lai.h"

enum { THREADS = 4, ROUNDS = 40, INPUTS = 20 * 5 * 6, OUTPUTS = 18 * 5 * 6 };

typedef struct job {
    const ai_model *model;
    const float *expected; /* of each round, or NULL: write them */
    float *answers;
    bool is_wrong;
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

/* ---- Sessions with threads ---- */

enum { X = 20 * 40 * 44, Y = 48 * 40 * 44, I = 3000, G = 3000 * 64 };

typedef struct wide_job {
    const ai_model *model;
    const float *expected; /* y, then g; NULL: nothing to compare with */
    float *answer;
    uint32_t threads;
    uint32_t cpu;
    bool is_wrong;
} wide_job;

static float wide_x[X];

static ai_status infer_wide(ai_session *session, float *answer, int64_t bad)
{
    int64_t i[I];
    ai_view in[2] = {{wide_x, sizeof(wide_x)}, {i, sizeof(i)}};
    ai_buffer out[2] = {{answer, Y * sizeof(float)}, {answer + Y, G * sizeof(float)}};
    for (int k = 0; k < I; k++)
        i[k] = k % 50;
    if (bad)
        i[bad] = 1000;
    return ai_infer(session, in, 2, out, 2, NULL, NULL);
}

/* Calls follow one another at once, after a pause, and after one that failed. */
static void *work_wide(void *argument)
{
    wide_job *j = argument;
    size_t bytes = (Y + G) * sizeof(float);
    ai_session *session;
    ai_options o = AI_OPTIONS_INIT;
    o.threads = j->threads;
    o.cpu = j->cpu;
    j->is_wrong = ai_session_open(&session, j->model, &o, NULL) != AI_OK;
    for (int round = 0; round < 6 && !j->is_wrong; round++) {
        memset(j->answer, 0xAA, bytes);
        if (round == 2)
            nanosleep(&(struct timespec){0, 2000000}, NULL);
        if (round == 4)
            j->is_wrong |= infer_wide(session, j->answer, I - 1) != AI_E_VALUE;
        j->is_wrong |= infer_wide(session, j->answer, 0) != AI_OK;
        if (j->expected)
            j->is_wrong |= memcmp(j->answer, j->expected, bytes) != 0;
    }
    if (!j->is_wrong)
        ai_session_close(session);
    return NULL;
}

/* How many sessions got another answer than one thread. */
static int run_wide(void)
{
    static const struct {
        uint32_t threads;
        uint32_t cpu;
    } kinds[THREADS] = {{2, 0}, {3, AI_CPU_REF}, {5, AI_CPU_REF}, {8, 0}};
    static float answers[THREADS + 1][Y + G];
    pthread_t threads[THREADS];
    wide_job jobs[THREADS + 1];
    size_t bytes;
    ai_model *model;
    lai *builder = lai_wide();
    uint8_t *file = lai_write(builder, &bytes);
    for (int i = 0; i < X; i++)
        wide_x[i] = (float)(i * 31 % 97) / 16 - 3;
    if (ai_model_view(&model, file, bytes, NULL) != AI_OK)
        return 1;
    jobs[THREADS] = (wide_job){model, NULL, answers[THREADS], 1, 0, false};
    work_wide(&jobs[THREADS]);
    int wrong = jobs[THREADS].is_wrong;
    for (int i = 0; i < THREADS; i++) {
        jobs[i] =
            (wide_job){model, answers[THREADS], answers[i], kinds[i].threads, kinds[i].cpu, false};
        if (pthread_create(&threads[i], NULL, work_wide, &jobs[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        wrong += jobs[i].is_wrong;
    }
    ai_model_close(model);
    free(file);
    lai_free(builder);
    return wrong;
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
    int wrong = run_wide();
    if (wrong)
        fprintf(stderr, "%d of %d sessions with threads got another answer\n", wrong, THREADS);
    return failed || alone.is_wrong || wrong;
}
