/* SPDX-License-Identifier: Apache-2.0
 * A worker: one handler, and so one session, of each model that it was asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "faas.h"

typedef struct place {
    ai_loaded *loaded;
    ai_handler *handler;
} place;

struct ai_worker {
    ai_function *function;
    ai_options options;
    place *places;
    char used[80];
};

/* Opens the model's current version if it is not open; the old one serves if that fails. */
static ai_status renew(ai_worker *w, uint32_t index, ai_error *err)
{
    ai_models *models = w->function->models;
    place *p = &w->places[index];
    ai_loaded *now = ai_models_hold(models, index, &w->options);
    if (p->loaded == now && p->handler) {
        ai_models_release(models, now);
        return AI_OK;
    }
    ai_handler *handler;
    ai_status status = ai_handler_open(&handler, now->model, &w->options, err);
    if (status != AI_OK) {
        ai_models_release(models, now);
        return p->handler ? AI_OK : status;
    }
    ai_handler_close(p->handler);
    ai_models_release(models, p->loaded);
    *p = (place){now, handler};
    return AI_OK;
}

ai_status ai_worker_open(ai_worker **worker, ai_function *f, ai_error *err)
{
    ai_worker *w = calloc(1, sizeof *w);
    place *places = calloc(ai_models_count(f->models), sizeof *places);
    if (!w || !places) {
        free(w);
        free(places);
        *err = (ai_error){AI_E_MEMORY, AI_NO_STEP, AI_NO_OFFSET, "no memory for a worker"};
        return AI_E_MEMORY;
    }
    w->function = f;
    w->places = places;
    w->options = (ai_options)AI_OPTIONS_INIT;
    w->options.cpu = f->settings.cpu;
    w->options.threads = f->settings.threads;
    ai_status status = renew(w, 0, err);
    if (status != AI_OK) {
        ai_worker_close(w);
        return status;
    }
    *worker = w;
    return AI_OK;
}

void ai_worker_close(ai_worker *w)
{
    for (uint32_t i = 0; w && i < ai_models_count(w->function->models); i++) {
        ai_handler_close(w->places[i].handler);
        ai_models_release(w->function->models, w->places[i].loaded);
    }
    if (w)
        free(w->places);
    free(w);
}

ai_handler *ai_worker_handler(ai_worker *w, const char *model, ai_answer *answer)
{
    ai_error err = {AI_E_ARGUMENT, AI_NO_STEP, AI_NO_OFFSET, ""};
    ai_models *models = w->function->models;
    int index = ai_models_find(models, model);
    w->used[0] = 0;
    if (index < 0) {
        snprintf(err.message, sizeof err.message, "model '%.80s' is not there, '%.80s' is", model,
                 ai_models_name(models, 0));
        ai_answer_fail(answer, 404, "Function.ModelNotFound", &err);
        return NULL;
    }
    if (renew(w, (uint32_t)index, &err) != AI_OK) {
        ai_answer_fail(answer, 503, "Function.ModelNotOpened", &err);
        return NULL;
    }
    snprintf(w->used, sizeof w->used, "%.60s@%s", ai_models_name(models, (uint32_t)index),
             w->places[index].loaded->version);
    return w->places[index].handler;
}

/* Inputs of zeros; outputs are not wanted. What fails here fails again where it can be told. */
void ai_worker_warm(ai_worker *w, const char *model)
{
    enum { MOST_TENSORS = 16 };
    ai_error err;
    ai_answer answer = {0};
    ai_session *session = NULL;
    ai_view views[MOST_TENSORS] = {{NULL, 0}};
    ai_buffer buffers[MOST_TENSORS] = {{NULL, 0}};
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    uint32_t inputs = 0;
    uint32_t outputs = 0;
    ai_handler *handler = ai_worker_handler(w, model, &answer);
    if (handler && ai_handler_session(handler, NULL, 0, &session, &err) == AI_OK) {
        for (; inputs < MOST_TENSORS && ai_session_input(session, inputs, &info) == AI_OK; inputs++)
            views[inputs] = (ai_view){calloc(1, info.bytes + 1), info.bytes};
        while (outputs < MOST_TENSORS && ai_session_output(session, outputs, &info) == AI_OK)
            outputs++;
        ai_infer(session, views, inputs, buffers, outputs, NULL, &err);
        ai_state_reset(session);
    }
    while (inputs-- > 0)
        free((void *)views[inputs].data);
    ai_answer_clear(&answer);
}

void ai_worker_answer(ai_worker *w, const char *model, const ai_request *request, ai_answer *answer)
{
    *answer = (ai_answer){.size = sizeof *answer};
    ai_handler *handler = ai_worker_handler(w, model, answer);
    if (handler)
        ai_handle(handler, request, answer);
}

const char *ai_worker_used(const ai_worker *w)
{
    return w->used;
}

/* ---- Time ---- */

static uint64_t clock_ns(int clock)
{
    struct timespec now = {0, 0};
    clock_gettime((clockid_t)clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A session's other threads show in the clock of the process alone. */
ai_timer ai_timer_begin(const ai_worker *w)
{
    int clock = w->options.threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
    return (ai_timer){ai_now(), clock_ns(clock), clock};
}

void ai_timer_end(const ai_timer *t, ai_answer *answer)
{
    answer->ns = ai_now() - t->ns;
    answer->cpu_ns = clock_ns(t->clock) - t->cpu_ns;
    answer->peak_bytes = ai_task_peak_bytes();
}
