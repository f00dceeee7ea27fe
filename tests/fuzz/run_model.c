/* SPDX-License-Identifier: Apache-2.0
 * Opens and runs one hostile file, and checks what the interface promises about it. */
#include "corpus.h"

#include "sha256.h"

#include <stdlib.h>
#include <string.h>

/* Limits of what is worth running: the point is where reads and writes go, not how many. */
enum { MAX_FILE = 1 << 20, MAX_MEMORY = 1 << 24, MAX_INPUTS = 64 };
static const uint64_t max_flops = UINT64_C(1) << 24;
static const uint64_t max_bytes = UINT64_C(1) << 26;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_error(ai_status status, const ai_error *err)
{
    require(status < 0 && status > AI_E_INTERNAL);
    require(err->code == status && err->message[0]);
    require(memchr(err->message, 0, sizeof(err->message)) != NULL);
}

/* Memory that ends where sanitizers watch. */
static void *block_of(size_t bytes, void **start)
{
    uint8_t *block = malloc(bytes + 64);
    require(block != NULL);
    *start = block;
    return block + (64 - (uintptr_t)block % 64);
}

static bool is_small(const ai_session *s)
{
    ai_session_info info = AI_SESSION_INFO_INIT;
    uint64_t flops = 0;
    uint64_t bytes = 0;
    require(ai_session_describe(s, &info) == AI_OK);
    for (uint32_t i = 0; i < info.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        require(ai_session_step(s, i, &step) == AI_OK);
        require(step.name && step.op && step.kernel);
        if (step.flops > max_flops || step.bytes > max_bytes)
            return false;
        flops += step.flops;
        bytes += step.bytes;
    }
    return flops <= max_flops && bytes <= max_bytes;
}

/* A saved state loads; a failed call leaves it as it was. */
static void check_state(ai_session *s, ai_status status, const uint8_t *before, size_t bytes)
{
    uint8_t *after = malloc(bytes + 1);
    require(after != NULL);
    require(ai_state_save(s, after, bytes, NULL) == AI_OK);
    require(status == AI_OK || memcmp(before, after, bytes) == 0);
    require(ai_state_load(s, before, bytes, NULL) == AI_OK);
    free(after);
}

static void *fill_input(const ai_session *s, uint32_t index, ai_view *view)
{
    ai_tensor_info t = AI_TENSOR_INFO_INIT;
    require(ai_session_input(s, index, &t) == AI_OK);
    uint8_t *data = malloc(t.bytes + 1);
    require(data != NULL);
    uint64_t random = index;
    for (size_t i = 0; i < t.bytes; i++)
        data[i] = t.type == AI_F32  ? (uint8_t)(i % 4 == 3 ? 0x3F : i * 37)
                  : t.type == AI_U8 ? (uint8_t)draw_random(&random)
                                    : (uint8_t)(draw_random(&random) % 3 == 0);
    *view = (ai_view){data, t.bytes};
    return data;
}

static void *make_output(const ai_session *s, uint32_t index, ai_buffer *buffer)
{
    ai_tensor_info t = AI_TENSOR_INFO_INIT;
    require(ai_session_output(s, index, &t) == AI_OK);
    void *data = malloc(t.bytes + 1);
    require(data != NULL);
    *buffer = (ai_buffer){data, t.bytes};
    return data;
}

/* What a run gave: equal at every level and whatever lay in the memory before. */
typedef struct answer {
    bool has_run;
    ai_status status;
    uint8_t digest[32];
} answer;

/* Of NaN only that it is one is promised: sign and payload follow the order of operands. */
static void settle_nan(ai_type type, uint8_t *data, size_t bytes)
{
    size_t size = ai_type_bytes(type);
    uint64_t infinity = type == AI_F64   ? UINT64_C(0x7FF0000000000000)
                        : type == AI_F32 ? 0x7F800000
                        : type == AI_F16 ? 0x7C00
                                         : 0x7F80;
    if (type != AI_F64 && type != AI_F32 && type != AI_F16 && type != AI_BF16)
        return;
    for (size_t i = 0; i < bytes; i += size) {
        uint64_t bits = 0;
        memcpy(&bits, data + i, size);
        if ((bits & ~(UINT64_C(1) << (8 * size - 1))) > infinity)
            memset(data + i, 0xFF, size);
    }
}

static void digest_outputs(const ai_session *s, const ai_buffer *outputs, uint32_t count,
                           uint8_t digest[32])
{
    ai_sha256 sha;
    ai_sha256_begin(&sha);
    for (uint32_t i = 0; i < count; i++) {
        ai_tensor_info t = AI_TENSOR_INFO_INIT;
        require(ai_session_output(s, i, &t) == AI_OK);
        settle_nan(t.type, outputs[i].data, outputs[i].bytes);
        ai_sha256_add(&sha, outputs[i].data, outputs[i].bytes);
    }
    ai_sha256_end(&sha, digest);
}

static void infer(ai_session *s, const ai_model_info *m, answer *a)
{
    ai_view inputs[MAX_INPUTS];
    ai_buffer outputs[MAX_INPUTS];
    void *data[2 * MAX_INPUTS];
    ai_session_info info = AI_SESSION_INFO_INIT;
    ai_call call = AI_CALL_INIT;
    ai_error err;
    require(ai_session_describe(s, &info) == AI_OK);
    for (uint32_t i = 0; i < m->input_count; i++)
        data[i] = fill_input(s, i, &inputs[i]);
    for (uint32_t i = 0; i < m->output_count; i++)
        data[m->input_count + i] = make_output(s, i, &outputs[i]);
    uint8_t *state = malloc(info.state_bytes + 1);
    require(state != NULL);
    if (info.state_bytes)
        require(ai_state_save(s, state, info.state_bytes, NULL) == AI_OK);
    call.timeout_ns = UINT64_C(60000000000);
    ai_status status = ai_infer(s, inputs, m->input_count, outputs, m->output_count, &call, &err);
    a->has_run = true;
    a->status = status;
    if (!status)
        digest_outputs(s, outputs, m->output_count, a->digest);
    if (status)
        check_error(status, &err);
    if (info.state_bytes)
        check_state(s, status, state, info.state_bytes);
    for (uint32_t i = 0; i < m->input_count + m->output_count; i++)
        free(data[i]);
    free(state);
}

/* `fill` is what lies in the session's memory before it opens. */
static void open_session(const ai_model *model, const ai_model_info *m, uint32_t cpu, int fill,
                         answer *a)
{
    ai_options o = AI_OPTIONS_INIT;
    ai_session *s;
    ai_error err;
    size_t bytes;
    void *start;
    o.cpu = cpu;
    ai_status status = ai_session_bytes(model, &o, &bytes, &err);
    if (status) {
        check_error(status, &err);
        return;
    }
    if (bytes > MAX_MEMORY)
        return;
    o.memory = block_of(bytes, &start);
    o.memory_bytes = bytes;
    memset(o.memory, fill, bytes);
    status = ai_session_open(&s, model, &o, &err);
    if (status) {
        check_error(status, &err);
    } else {
        if (is_small(s) && m->input_count <= MAX_INPUTS && m->output_count <= MAX_INPUTS)
            infer(s, m, a);
        ai_session_close(s);
    }
    free(start);
}

static void compare_levels(const ai_model *model, const ai_model_info *m)
{
    answer best = {0};
    answer reference = {0};
    open_session(model, m, 0, 0x00, &best);
    open_session(model, m, AI_CPU_REF, 0xFF, &reference);
    require(best.has_run == reference.has_run && best.status == reference.status);
    require(memcmp(best.digest, reference.digest, sizeof(best.digest)) == 0);
}

int run_model(const uint8_t *file, size_t bytes)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model *model;
    ai_error err;
    void *start;
    if (bytes == 0 || bytes > MAX_FILE)
        return 0;
    uint8_t *copy = block_of(bytes, &start);
    memcpy(copy, file, bytes);
    lai_seal(copy, bytes);
    ai_status status = ai_model_view(&model, copy, bytes, &err);
    if (status) {
        check_error(status, &err);
        require(err.offset <= bytes || err.offset == AI_NO_OFFSET);
    } else {
        require(ai_model_verify(model, NULL) == AI_OK);
        require(ai_model_describe(model, &info) == AI_OK);
        compare_levels(model, &info);
        ai_model_close(model);
    }
    free(start);
    return status == AI_OK;
}
