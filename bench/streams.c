/* SPDX-License-Identifier: Apache-2.0
 * Many sessions of one model that keeps states: what they take together, and how long a call is.
 *
 * usage: streams MODEL.lai SESSIONS CALLS
 *
 * Each session is called once with ones, then with zeros: silence, in which states fade. Prints one
 * line of JSON; exits 1 where memory is not weights once and each session's own. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ai.h"

enum { MAX_OPERANDS = 16, WINDOWS = 20, SLACK = 4 << 20 };

typedef struct operands {
    ai_view input[MAX_OPERANDS];
    ai_view silence[MAX_OPERANDS];
    ai_buffer output[MAX_OPERANDS];
    uint32_t input_count;
    uint32_t output_count;
} operands;

static void fail(const char *what, const ai_error *err)
{
    fprintf(stderr, "streams: %s: %s\n", what, err->message);
    exit(1);
}

static void *need(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory)
        exit(1);
    return memory;
}

/* Ones, of 32-bit floats or of 64-bit integers. */
static void *ones(const ai_tensor_info *info)
{
    char *data = need(info->bytes + 8);
    for (size_t i = 0; info->type == AI_F32 && i < info->bytes; i += sizeof(float))
        memcpy(data + i, &(float){1}, sizeof(float));
    for (size_t i = 0; info->type == AI_S64 && i < info->bytes; i += sizeof(int64_t))
        memcpy(data + i, &(int64_t){1}, sizeof(int64_t));
    return data;
}

static operands operands_of(const ai_model *model)
{
    operands o = {0};
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    for (; o.input_count < MAX_OPERANDS && ai_model_input(model, o.input_count, &info) == AI_OK;
         o.input_count++) {
        o.input[o.input_count] = (ai_view){ones(&info), info.bytes};
        o.silence[o.input_count] = (ai_view){need(info.bytes), info.bytes};
    }
    for (; o.output_count < MAX_OPERANDS && ai_model_output(model, o.output_count, &info) == AI_OK;
         o.output_count++)
        o.output[o.output_count] = (ai_buffer){need(info.bytes), info.bytes};
    return o;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Bytes of a line of /proc/self/status. */
static uint64_t resident(const char *key)
{
    char line[128];
    unsigned long long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%llu", &kib);
    if (file)
        fclose(file);
    return kib << 10;
}

/* Least nanoseconds a call of all sessions in each part of the calls. */
static void run(ai_session **sessions, long count, long calls, operands *o, uint64_t *least)
{
    ai_error err;
    for (long i = 0; i < calls; i++) {
        uint64_t *window = &least[i * WINDOWS / calls];
        uint64_t begin = now();
        for (long k = 0; k < count; k++)
            if (ai_infer(sessions[k], i == 0 ? o->input : o->silence, o->input_count, o->output,
                         o->output_count, NULL, &err) != AI_OK)
                fail("call", &err);
        uint64_t each = (now() - begin) / (uint64_t)count;
        if (*window == 0 || each < *window)
            *window = each;
    }
}

int main(int argc, char **argv)
{
    ai_error err;
    ai_model *model = NULL;
    ai_options options = AI_OPTIONS_INIT;
    ai_model_info about = AI_MODEL_INFO_INIT;
    ai_session_info info = AI_SESSION_INFO_INIT;
    uint64_t least[WINDOWS] = {0};
    long count = argc == 4 ? atol(argv[2]) : 0;
    long calls = argc == 4 ? atol(argv[3]) : 0;
    if (count < 1 || calls < 1) {
        fprintf(stderr, "usage: streams MODEL.lai SESSIONS CALLS\n");
        return 2;
    }
    if (ai_model_open(&model, argv[1], &err) != AI_OK)
        fail("open", &err);
    ai_model_describe(model, &about);
    operands o = operands_of(model);
    ai_session **sessions = need((size_t)count * sizeof *sessions);
    uint64_t before = resident("RssAnon:");
    options.threads = 1;
    for (long i = 0; i < count; i++)
        if (ai_session_open(&sessions[i], model, &options, &err) != AI_OK)
            fail("session", &err);
    ai_session_describe(sessions[0], &info);
    run(sessions, count, calls, &o, least);
    uint64_t anonymous = resident("RssAnon:") - before;
    uint64_t mapped = resident("RssFile:");
    printf("{\"sessions\": %ld, \"calls\": %ld, \"weights\": %llu, \"session\": %llu, "
           "\"state\": %llu, \"anonymous\": %llu, \"mapped\": %llu, \"ns\": [",
           count, calls, (unsigned long long)about.weight_bytes,
           (unsigned long long)info.memory_bytes, (unsigned long long)info.state_bytes,
           (unsigned long long)anonymous, (unsigned long long)mapped);
    for (int i = 0; i < WINDOWS; i++)
        printf("%s%llu", i ? ", " : "", (unsigned long long)least[i]);
    printf("]}\n");
    for (long i = 0; i < count; i++)
        ai_session_close(sessions[i]);
    ai_model_close(model);
    return anonymous > (uint64_t)count * (info.memory_bytes + 4096) + SLACK ||
           mapped > about.file_bytes + SLACK;
}
