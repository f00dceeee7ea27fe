/* SPDX-License-Identifier: Apache-2.0
 * One open model that answers requests: opened for what the model is made for, every call timed. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "handle.h"

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The system's own count begins anew at exec; where it cannot be read, that of rusage includes the
 * program that started this one. */
uint64_t ai_task_peak_bytes(void)
{
    char text[4096];
    struct rusage used;
    int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[bytes > 0 ? bytes : 0] = 0;
    const char *line = strstr(text, "VmHWM:");
    if (line)
        return strtoull(line + 6, NULL, 10) * 1024;
    return getrusage(RUSAGE_SELF, &used) == 0 ? (uint64_t)used.ru_maxrss * 1024 : 0;
}

/* ---- Opening ---- */

static ai_status open_session(ai_handler *h, const ai_model *model, const ai_options *options,
                              ai_error *err)
{
    ai_resource image = AI_RESOURCE_INIT;
    ai_resource text = AI_RESOURCE_INIT;
    ai_task_resource(model, "image", &image);
    ai_task_resource(model, "text", &text);
    if (image.data)
        return ai_classifier_open(&h->classifier, model, options, err);
    if (text.data)
        return ai_writer_open(&h->writer, model, options, err);
    return ai_session_open(&h->session, model, options, err);
}

static ai_session *own_session(const ai_handler *h)
{
    if (h->classifier)
        return ai_classifier_session(h->classifier);
    return h->writer ? ai_writer_session(h->writer) : h->session;
}

ai_status ai_handler_open(ai_handler **handler, const ai_model *model, const ai_options *options,
                          ai_error *err)
{
    static const ai_options defaults = AI_OPTIONS_INIT;
    if (!handler || !model)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", model ? "handler" : "model");
    ai_handler *h = calloc(1, sizeof *h);
    if (!h)
        return ai_task_no_memory(err, sizeof *h, "the handler");
    h->model = model;
    h->options = options ? *options : defaults;
    ai_status status = open_session(h, model, &h->options, err);
    if (status != AI_OK) {
        ai_handler_close(h);
        return status;
    }
    ai_session_info info = AI_SESSION_INFO_INIT;
    ai_session_describe(own_session(h), &info);
    h->threads = info.threads;
    *handler = h;
    return AI_OK;
}

void ai_handler_close(ai_handler *h)
{
    if (!h)
        return;
    ai_classifier_close(h->classifier);
    ai_writer_close(h->writer);
    ai_session_close(h->session);
    ai_session_close(h->shaped);
    free(h->shapes);
    free(h);
}

/* ---- Tensors of other shapes ---- */

static bool is_open_for(const ai_handler *h, const ai_shape *shapes, size_t count)
{
    return h->shaped && h->shape_count == count &&
           memcmp(h->shapes, shapes, count * sizeof *shapes) == 0;
}

static ai_status open_shaped(ai_handler *h, const ai_shape *shapes, size_t count, ai_error *err)
{
    ai_options options = h->options;
    ai_shape *copy = malloc(count * sizeof *copy);
    if (!copy)
        return ai_task_no_memory(err, count * sizeof *copy, "shapes");
    ai_session_close(h->shaped); /* first: two arenas may be more than there is room for */
    free(h->shapes);
    h->shaped = NULL;
    h->shapes = memcpy(copy, shapes, count * sizeof *copy);
    h->shape_count = count;
    options.shapes = copy;
    options.shape_count = count;
    return ai_session_open(&h->shaped, h->model, &options, err);
}

ai_status ai_handler_session(ai_handler *h, const ai_shape *shapes, size_t count,
                             ai_session **session, ai_error *err)
{
    if (!h || !session || (!shapes && count))
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL",
                            !h        ? "handler"
                            : session ? "shapes"
                                      : "session");
    if (count && !is_open_for(h, shapes, count)) {
        ai_status status = open_shaped(h, shapes, count, err);
        if (status != AI_OK)
            return status;
    }
    ai_session *found = count ? h->shaped : own_session(h);
    ai_state_reset(found);
    *session = found;
    return AI_OK;
}

/* ---- One request ---- */

const char *ai_pair_find(const ai_pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

bool ai_handle_time_left(ai_handling *h, uint64_t *ns)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    *ns = h->end_ns && h->end_ns > now ? h->end_ns - now : 0;
    if (!h->end_ns || *ns)
        return true;
    ai_reply_fail(h, 0, NULL, AI_E_TIMEOUT, "the request's %llu ms are over",
                  (unsigned long long)(h->request->timeout_ns / 1000000));
    return false;
}

bool ai_handle_call(ai_handling *h, ai_call *call)
{
    *call = (ai_call)AI_CALL_INIT;
    call->before_step = h->request->before_step;
    call->user = h->request->step_user;
    return ai_handle_time_left(h, &call->timeout_ns);
}

void ai_handle(ai_handler *handler, const ai_request *request, ai_answer *answer)
{
    uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    /* The session's other threads show in the clock of the process alone. */
    clockid_t cpu = handler->threads > 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID;
    uint64_t cpu_begin = clock_ns(cpu);
    ai_handling h = {.handler = handler,
                     .request = request,
                     .answer = answer,
                     .begin_ns = begin,
                     .top = AI_HANDLE_TOP};
    *answer = (ai_answer){.size = sizeof *answer};
    if (request->timeout_ns)
        h.end_ns = begin + request->timeout_ns;
    ai_handle_body(&h);
    answer->ns = clock_ns(CLOCK_MONOTONIC) - begin;
    answer->cpu_ns = clock_ns(cpu) - cpu_begin;
    answer->peak_bytes = ai_task_peak_bytes();
}
