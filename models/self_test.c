/* SPDX-License-Identifier: Apache-2.0
 * The self-test of a file: what the reference computed for a seed, compared to the bit.
 *
 * The resource "self-test" is JSON:
 * {"seed":1,"outputs":[{"name":"prob","sha256":"<64 digits>"}, ...]}, outputs in the model's order;
 * with "integers":0 before the outputs where integer inputs are 0.
 */
#include "ai_convert.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "seeded.h"
#include "sha256.h"
#include "text.h"

enum { DIGEST_BYTES = 32 };

static ai_status make(const ai_model *model, ai_seeded_rule rule, const ai_call *call,
                      ai_text *text, ai_error *err)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_seeded run;
    options.cpu = AI_CPU_REF;
    options.threads = 1;
    ai_status status = ai_seeded_open(&run, model, &options, rule, err);
    if (status != AI_OK)
        return status;
    status = ai_seeded_infer(&run, call, err);
    ai_text_add(text, "{\"seed\":%llu,%s\"outputs\":[", (unsigned long long)rule.seed,
                rule.has_zero_integers ? "\"integers\":0," : "");
    for (uint32_t i = 0; i < run.output_count && status == AI_OK; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        uint8_t digest[DIGEST_BYTES];
        ai_model_output(model, i, &info);
        ai_sha256_of(run.outputs[i].data, run.outputs[i].bytes, digest);
        ai_text_add(text, "%s{\"name\":", i > 0 ? "," : "");
        ai_text_quote(text, info.name);
        ai_text_add(text, ",\"sha256\":\"");
        ai_text_hex(text, digest, sizeof digest);
        ai_text_add(text, "\"}");
    }
    ai_text_add(text, "]}\n");
    ai_seeded_close(&run);
    if (status == AI_OK && text->is_exhausted)
        status = ai_fail(err, AI_E_MEMORY, "no memory for the self-test");
    return status;
}

ai_status ai_self_test_make(const ai_model *model, uint64_t seed, const ai_call *call, char **json,
                            ai_error *err)
{
    ai_seeded_rule rule = {.seed = seed};
    ai_text text = {0};
    ai_error cause = {0};
    ai_status status = make(model, rule, call, &text, &cause);
    if (status == AI_E_VALUE) {
        free(text.data);
        text = (ai_text){0};
        rule.has_zero_integers = true;
        status = make(model, rule, call, &text, &cause);
    }
    if (status == AI_OK) {
        *json = text.data;
        return AI_OK;
    }
    free(text.data);
    if (status == AI_E_VALUE)
        ai_fail(err, status, "no self-test can be made, with integer inputs drawn or 0: %.150s",
                cause.message);
    else
        ai_fail(err, status, "%s", cause.message);
    if (err != NULL)
        err->step = cause.step;
    return status;
}

/* ---- Reading the resource: the file may hold anything. ---- */

typedef struct expected {
    ai_seeded_rule rule;
    uint32_t count;
    uint8_t (*digests)[DIGEST_BYTES];
} expected;

/* The byte after the next `key`, or NULL. A quote inside a JSON string follows a backslash, so a
 * key with its quotes and colon is never part of a name. */
static const char *find_after(const char *at, const char *end, const char *key)
{
    size_t length = strlen(key);
    for (; (size_t)(end - at) >= length; at++) {
        if (memcmp(at, key, length) == 0)
            return at + length;
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_digest(const char *at, const char *end, uint8_t *digest)
{
    if (end - at < 2 * DIGEST_BYTES)
        return false;
    for (int i = 0; i < DIGEST_BYTES; i++) {
        int high = hex_digit(at[2 * i]);
        int low = hex_digit(at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_number(const char *at, const char *end, uint64_t *number)
{
    const char *begin = at;
    *number = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return at > begin;
}

static ai_status parse(const ai_resource *resource, uint32_t outputs, expected *want, ai_error *err)
{
    const char *at = resource->data;
    const char *end = at + resource->bytes;
    at = find_after(at, end, "\"seed\":");
    if (at == NULL || !read_number(at, end, &want->rule.seed))
        return ai_fail(err, AI_E_FORMAT, "the self-test has no seed");
    const char *integers = find_after(at, end, "\"integers\":");
    uint64_t value = 0;
    want->rule.has_zero_integers = integers != NULL;
    if (integers != NULL && (!read_number(integers, end, &value) || value != 0))
        return ai_fail(err, AI_E_FORMAT, "the self-test has 'integers' other than 0");
    while ((at = find_after(at, end, "\"sha256\":\"")) != NULL) {
        if (want->count == outputs)
            return ai_fail(err, AI_E_FORMAT,
                           "the self-test has over %u digests, the model %u outputs", outputs,
                           outputs);
        if (!read_digest(at, end, want->digests[want->count]))
            return ai_fail(err, AI_E_FORMAT, "digest %u of the self-test is not 64 hex digits",
                           want->count);
        want->count++;
    }
    if (want->count != outputs)
        return ai_fail(err, AI_E_FORMAT, "the self-test has %u digests, the model has %u outputs",
                       want->count, outputs);
    return AI_OK;
}

static ai_status find_resource(const ai_model *model, const ai_model_info *info,
                               ai_resource *resource, ai_error *err)
{
    for (uint32_t i = 0; i < info->resource_count; i++) {
        if (ai_model_resource(model, i, resource) == AI_OK &&
            strcmp(resource->name, "self-test") == 0)
            return AI_OK;
    }
    return ai_fail(err, AI_E_FORMAT, "the file has no self-test");
}

/* ---- Comparing ---- */

static double element(ai_type type, const void *data, size_t index)
{
    switch (type) {
    case AI_F32:
        return (double)((const float *)data)[index];
    case AI_F64:
        return ((const double *)data)[index];
    case AI_S8:
        return ((const int8_t *)data)[index];
    case AI_S16:
        return ((const int16_t *)data)[index];
    case AI_S32:
        return ((const int32_t *)data)[index];
    case AI_S64:
        return (double)((const int64_t *)data)[index];
    case AI_U32:
        return ((const uint32_t *)data)[index];
    case AI_U64:
        return (double)((const uint64_t *)data)[index];
    case AI_U8:
    case AI_BOOL:
        return ((const uint8_t *)data)[index];
    default: /* the bits of f16 and bf16 */
        return ((const uint16_t *)data)[index];
    }
}

/* Output `index` of `run` is not what was stored: says where it leaves the reference. */
static ai_status report(const ai_seeded *run, const ai_seeded *ref, uint32_t index,
                        const char *level, ai_error *err)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_session_output(run->session, index, &info);
    const uint8_t *got = run->outputs[index].data;
    const uint8_t *want = ref->outputs[index].data;
    size_t size = ai_type_bytes(info.type);
    if (run->outputs[index].bytes != ref->outputs[index].bytes)
        return ai_fail(err, AI_E_INTERNAL, "output '%s' has %zu bytes at level %s, %zu at ref",
                       info.name, run->outputs[index].bytes, level, ref->outputs[index].bytes);
    for (size_t i = 0; i < info.bytes / size; i++) {
        if (memcmp(got + i * size, want + i * size, size) != 0)
            return ai_fail(err, AI_E_INTERNAL,
                           "output '%s', element %zu: %.9g at level %s, %.9g at ref", info.name, i,
                           element(info.type, got, i), level, element(info.type, want, i));
    }
    return ai_fail(err, AI_E_INTERNAL,
                   "output '%s' is the same at levels %s and ref, but not what the file stores",
                   info.name, level);
}

static ai_status explain(const ai_model *model, const expected *want, const ai_seeded *run,
                         uint32_t index, const char *level, ai_error *err)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_seeded ref;
    options.cpu = AI_CPU_REF;
    options.threads = 1;
    ai_status status = ai_seeded_open(&ref, model, &options, want->rule, err);
    if (status != AI_OK)
        return status;
    status = ai_seeded_infer(&ref, NULL, err);
    if (status == AI_OK)
        status = report(run, &ref, index, level, err);
    ai_seeded_close(&ref);
    return status;
}

static ai_status test_level(const ai_model *model, const expected *want, uint32_t mask,
                            uint32_t threads, ai_error *err)
{
    ai_options options = AI_OPTIONS_INIT;
    ai_seeded run;
    options.cpu = mask;
    options.threads = threads;
    ai_status status = ai_seeded_open(&run, model, &options, want->rule, err);
    if (status != AI_OK)
        return status;
    status = ai_seeded_infer(&run, NULL, err);
    for (uint32_t i = 0; i < run.output_count && status == AI_OK; i++) {
        uint8_t digest[DIGEST_BYTES];
        ai_sha256_of(run.outputs[i].data, run.outputs[i].bytes, digest);
        if (memcmp(digest, want->digests[i], sizeof digest) != 0)
            status = explain(model, want, &run, i, ai_seeded_level_name(mask), err);
    }
    ai_seeded_close(&run);
    return status;
}

static ai_status test_levels(const ai_model *model, const expected *want, uint32_t cpu,
                             uint32_t threads, ai_error *err)
{
    uint32_t masks[32];
    uint32_t count = ai_seeded_levels(cpu, masks);
    ai_status status = AI_OK;
    if (count == 0)
        return ai_fail(err, AI_E_UNSUPPORTED,
                       "this machine has none of the levels asked for (0x%x), it has 0x%x",
                       (unsigned)cpu, (unsigned)ai_cpu());
    for (uint32_t i = 0; i < count && status == AI_OK; i++)
        status = test_level(model, want, masks[i], threads, err);
    return status;
}

ai_status ai_self_test(const ai_model *model, uint32_t cpu, uint32_t threads, ai_error *err)
{
    if (model == NULL)
        return ai_fail(err, AI_E_ARGUMENT, "model is NULL");
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_resource resource = AI_RESOURCE_INIT;
    ai_status status = ai_model_describe(model, &info);
    if (status != AI_OK)
        return ai_fail(err, status, "the model does not describe itself");
    status = find_resource(model, &info, &resource, err);
    if (status != AI_OK)
        return status;
    expected want = {0};
    want.digests = calloc((size_t)info.output_count + 1, sizeof *want.digests);
    if (want.digests == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u digests", info.output_count);
    status = parse(&resource, info.output_count, &want, err);
    if (status == AI_OK)
        status = test_levels(model, &want, cpu, threads, err);
    free(want.digests);
    return status;
}
