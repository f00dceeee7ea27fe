/* SPDX-License-Identifier: Apache-2.0
 * One network in ONNX Runtime, whose headers are not needed: its interface is a table of functions
 * whose order never changes. */
#include "ort.h"

#include "cold.h"

#include <dlfcn.h>
#include <string.h>

/* Positions in the table (onnxruntime_c_api.h, struct OrtApi). */
enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    CREATE_SESSION_FROM_ARRAY = 8,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    SET_INTER_OP_THREADS = 25,
    SESSION_INPUT_NAME = 36,
    SESSION_OUTPUT_NAME = 37,
    CREATE_TENSOR_WITH_DATA = 49,
    GET_TENSOR_DATA = 51,
    CREATE_CPU_MEMORY_INFO = 69,
    DEFAULT_ALLOCATOR = 78,
    RELEASE_VALUE = 96,
    ADD_SESSION_CONFIG_ENTRY = 130,
    ORT_API_VERSION = 16
};

enum { LOG_ERRORS = 3, TYPE_FLOAT = 1, ARENA_ALLOCATOR = 1, MEMORY_DEFAULT = 0 };

typedef void *ort_fn();
typedef struct ort_base {
    ort_fn *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ort_base;

static ort_fn *const *api;

static void check(void *status)
{
    if (status)
        cold_fail("onnxruntime", (const char *)api[GET_ERROR_MESSAGE](status));
}

static void use_in_place(void *options, bool is_prepacked)
{
    static const char *const entries[] = {
        "session.load_model_format", "session.use_ort_model_bytes_directly",
        "session.use_ort_model_bytes_for_initializers", "session.disable_prepacking"};
    check(api[SET_OPTIMIZATION_LEVEL](options, 0));
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]) - is_prepacked; i++) /* the last */
        check(api[ADD_SESSION_CONFIG_ENTRY](options, entries[i], i == 0 ? "ORT" : "1"));
}

static void open_session(ort_net *net, const char *model, bool is_prepacked)
{
    void *env;
    void *options;
    size_t bytes;
    size_t length = strlen(model);
    check(api[CREATE_ENV](LOG_ERRORS, "cold", &env));
    check(api[CREATE_SESSION_OPTIONS](&options));
    check(api[SET_INTRA_OP_THREADS](options, 1));
    check(api[SET_INTER_OP_THREADS](options, 1));
    if (length < 4 || strcmp(model + length - 4, ".ort") != 0) {
        check(api[CREATE_SESSION](env, model, options, &net->session));
        return;
    }
    use_in_place(options, is_prepacked);
    void *data = cold_map(model, &bytes);
    check(api[CREATE_SESSION_FROM_ARRAY](env, data, bytes, options, &net->session));
}

void ort_open(ort_net *net, const char *library, const char *model, bool is_prepacked, float *input,
              const int64_t *dim, size_t rank)
{
    const ort_base *(*get_base)(void);
    void *allocator;
    void *memory;
    size_t bytes = sizeof(float);
    void *handle = dlopen(library, RTLD_LAZY);
    if (!handle)
        cold_fail(library, dlerror());
    cold_symbol(handle, "OrtGetApiBase", &get_base);
    api = get_base()->get_api(ORT_API_VERSION);
    *net = (ort_net){0};
    open_session(net, model, is_prepacked);
    check(api[DEFAULT_ALLOCATOR](&allocator));
    check(api[SESSION_INPUT_NAME](net->session, (size_t)0, allocator, &net->in_name));
    check(api[SESSION_OUTPUT_NAME](net->session, (size_t)0, allocator, &net->out_name));
    for (size_t i = 0; i < rank; i++)
        bytes *= (size_t)dim[i];
    check(api[CREATE_CPU_MEMORY_INFO](ARENA_ALLOCATOR, MEMORY_DEFAULT, &memory));
    check(api[CREATE_TENSOR_WITH_DATA](memory, input, bytes, dim, rank, TYPE_FLOAT, &net->input));
}

const float *ort_run(ort_net *net)
{
    float *values;
    if (net->output)
        (void)api[RELEASE_VALUE](net->output);
    net->output = NULL;
    check(api[RUN](net->session, (void *)0, &net->in_name, (const void *const *)&net->input,
                   (size_t)1, &net->out_name, (size_t)1, &net->output));
    check(api[GET_TENSOR_DATA](net->output, &values));
    return values;
}
