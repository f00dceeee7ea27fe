/* SPDX-License-Identifier: Apache-2.0
 * One run of a model on inputs drawn from a seed, as docs/format.md lays it down. */
#include "seeded.h"

#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "float16.h"

/* Sebastiano Vigna's SplitMix64, public domain. */
uint64_t ai_seeded_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number of [-1, 1) in steps of 2^-23: exact in f32. */
static float draw_number(uint64_t *state)
{
    return (float)(int64_t)(ai_seeded_draw(state) >> 40) * 0x1p-23f - 1.0f;
}

static void fill_small(ai_type type, void *data, int64_t count, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        if (type == AI_F16)
            ((uint16_t *)data)[i] = ai_f64_to_f16((double)draw_number(state));
        else if (type == AI_BF16)
            ((uint16_t *)data)[i] = ai_f64_to_bf16((double)draw_number(state));
        else if (type == AI_F32)
            ((float *)data)[i] = draw_number(state);
        else
            ((double *)data)[i] = (double)draw_number(state);
    }
}

/* Integers are 0 or 1, so that they may be indices; or all 0. */
static void fill_integers(size_t size, void *data, int64_t count, uint64_t mask, uint64_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        uint64_t bit = ai_seeded_draw(state) & mask;
        if (size == 1)
            ((uint8_t *)data)[i] = (uint8_t)bit;
        else if (size == 2)
            ((uint16_t *)data)[i] = (uint16_t)bit;
        else if (size == 4)
            ((uint32_t *)data)[i] = (uint32_t)bit;
        else
            ((uint64_t *)data)[i] = bit;
    }
}

static void fill(const ai_tensor_info *info, void *data, uint64_t mask, uint64_t *state)
{
    size_t size = ai_type_bytes(info->type);
    int64_t count = (int64_t)(info->bytes / size);
    bool is_real = info->type == AI_F32 || info->type == AI_F16 || info->type == AI_BF16 ||
                   info->type == AI_F64;
    if (is_real)
        fill_small(info->type, data, count, state);
    else
        fill_integers(size, data, count, mask, state);
}

enum { BUFFER_ALIGN = 64 };

static uint64_t aligned(uint64_t bytes)
{
    return (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
}

/* Bytes of all inputs and outputs, each at a multiple of BUFFER_ALIGN. */
static ai_status total_bytes(const ai_seeded *run, uint64_t *total)
{
    ai_status status = AI_OK;
    *total = BUFFER_ALIGN;
    for (uint32_t i = 0; i < run->input_count && status == AI_OK; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        status = ai_session_input(run->session, i, &info);
        *total += aligned(info.bytes);
    }
    for (uint32_t i = 0; i < run->output_count && status == AI_OK; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        status = ai_session_output(run->session, i, &info);
        *total += aligned(info.bytes);
    }
    return status;
}

static void bind(ai_seeded *run, ai_seeded_rule rule)
{
    char *at = run->memory;
    uint64_t state = rule.seed;
    uint64_t mask = rule.has_zero_integers ? 0 : 1;
    for (uint32_t i = 0; i < run->input_count; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_input(run->session, i, &info);
        fill(&info, at, mask, &state);
        run->inputs[i] = (ai_view){at, info.bytes};
        at += aligned(info.bytes);
    }
    for (uint32_t i = 0; i < run->output_count; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_output(run->session, i, &info);
        run->outputs[i] = (ai_buffer){at, info.bytes};
        at += aligned(info.bytes);
    }
}

static ai_status allocate(ai_seeded *run, ai_error *err)
{
    uint64_t total = 0;
    ai_status status = total_bytes(run, &total);
    if (status != AI_OK)
        return ai_fail(err, status, "the session does not describe its tensors");
    run->inputs = calloc((size_t)run->input_count + 1, sizeof *run->inputs);
    run->outputs = calloc((size_t)run->output_count + 1, sizeof *run->outputs);
    if (run->inputs == NULL || run->outputs == NULL ||
        posix_memalign(&run->memory, BUFFER_ALIGN, total) != 0) {
        run->memory = NULL;
        return ai_fail(err, AI_E_MEMORY, "no memory for inputs and outputs of %llu bytes",
                       (unsigned long long)total);
    }
    return AI_OK;
}

ai_status ai_seeded_open(ai_seeded *run, const ai_model *model, const ai_options *options,
                         ai_seeded_rule rule, ai_error *err)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_status status = ai_model_describe(model, &info);
    if (status != AI_OK)
        return ai_fail(err, status, "the model does not describe itself");
    *run = (ai_seeded){.input_count = info.input_count, .output_count = info.output_count};
    status = ai_session_open(&run->session, model, options, err);
    if (status == AI_OK)
        status = allocate(run, err);
    if (status != AI_OK) {
        ai_seeded_close(run);
        return status;
    }
    bind(run, rule);
    return AI_OK;
}

ai_status ai_seeded_infer(ai_seeded *run, const ai_call *call, ai_error *err)
{
    ai_status status = ai_infer(run->session, run->inputs, run->input_count, run->outputs,
                                run->output_count, call, err);
    for (uint32_t i = 0; i < run->output_count && status == AI_OK; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        status = ai_session_output(run->session, i, &info);
        run->outputs[i].bytes = info.bytes;
    }
    return status;
}

void ai_seeded_close(ai_seeded *run)
{
    ai_session_close(run->session);
    free(run->inputs);
    free(run->outputs);
    free(run->memory);
    *run = (ai_seeded){0};
}

uint32_t ai_seeded_levels(uint32_t cpu, uint32_t *masks)
{
    uint32_t levels = ai_cpu() & (AI_CPU_OPENBLAS - 1u);
    uint32_t count = 0;
    for (uint32_t bit = 1; bit < AI_CPU_OPENBLAS; bit <<= 1) {
        if ((levels & bit) != 0 && (cpu == 0 || (cpu & bit) != 0))
            masks[count++] = levels & (bit | (bit - 1));
    }
    return count;
}

const char *ai_seeded_level_name(uint32_t mask)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } levels[] = {{AI_CPU_DOTPROD, "dotprod"},
                  {AI_CPU_NEON, "neon"},
                  {AI_CPU_AMX, "amx"},
                  {AI_CPU_VNNI, "vnni"},
                  {AI_CPU_AVX512, "avx512"},
                  {AI_CPU_AVX2, "avx2"}};
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if ((mask & levels[i].bit) != 0)
            return levels[i].name;
    }
    return "ref";
}
