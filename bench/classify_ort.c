/* SPDX-License-Identifier: Apache-2.0
 * The peer of `ai classify`: one photograph through ONNX Runtime's C interface, from exec to label.
 * Decoding, preparing and ranking are libai-task's, so that only the engine differs.
 * usage: classify-ort LIBONNXRUNTIME MODEL [ort] RECIPE LABELS IMAGE
 * "ort": MODEL is an optimised .ort file, mapped and used in place without prepacking. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ai_task.h"

/* ONNX Runtime's C interface is a table of functions whose order never changes; these are the
 * positions of those that one inference needs (onnxruntime_c_api.h, struct OrtApi). */
enum {
    GET_ERROR_MESSAGE = 2,
    CREATE_ENV = 3,
    CREATE_SESSION = 7,
    CREATE_SESSION_FROM_ARRAY = 8,
    RUN = 9,
    CREATE_SESSION_OPTIONS = 10,
    SET_OPTIMIZED_MODEL_PATH = 11,
    SET_OPTIMIZATION_LEVEL = 23,
    SET_INTRA_OP_THREADS = 24,
    CREATE_TENSOR_WITH_DATA = 49,
    GET_TENSOR_DATA = 51,
    CREATE_CPU_MEMORY_INFO = 69,
    ADD_SESSION_CONFIG_ENTRY = 130,
    ORT_API_VERSION = 16
};

typedef void *ort_fn();
typedef struct ort_base {
    ort_fn *const *(*get_api)(uint32_t version);
    const char *(*get_version)(void);
} ort_base;

static ort_fn *const *api;

static void fail(const char *what, const char *message)
{
    fprintf(stderr, "classify-ort: %s: %s\n", what, message);
    exit(1);
}

static void check(void *status)
{
    if (status != NULL)
        fail("onnxruntime", (const char *)api[GET_ERROR_MESSAGE](status));
}

static void *map(const char *path, size_t *bytes)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        fail(path, "cannot be read");
    *bytes = (size_t)st.st_size;
    void *data = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        fail(path, "cannot be mapped");
    return data;
}

static void *open_session(const char *path, int is_ort)
{
    void *env;
    void *options;
    void *session;
    check(api[CREATE_ENV](3, "classify", &env));
    check(api[CREATE_SESSION_OPTIONS](&options));
    check(api[SET_INTRA_OP_THREADS](options, 1));
    const char *save = getenv("ORT_SAVE");
    if (save != NULL)
        check(api[SET_OPTIMIZED_MODEL_PATH](options, save));
    if (!is_ort) {
        check(api[CREATE_SESSION](env, path, options, &session));
        if (save != NULL)
            exit(0);
        return session;
    }
    static const char *const entries[] = {"session.load_model_format",
        "session.use_ort_model_bytes_directly", "session.use_ort_model_bytes_for_initializers",
        "session.disable_prepacking"};
    size_t bytes;
    void *data = map(path, &bytes);
    check(api[SET_OPTIMIZATION_LEVEL](options, 0));
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        check(api[ADD_SESSION_CONFIG_ENTRY](options, entries[i], i == 0 ? "ORT" : "1"));
    check(api[CREATE_SESSION_FROM_ARRAY](env, data, bytes, options, &session));
    return session;
}

static int best(const float *scores, int count)
{
    int index = 0;
    for (int i = 1; i < count; i++)
        if (scores[i] > scores[index])
            index = i;
    return index;
}

static void print_label(const char *path, int index)
{
    char line[256];
    FILE *file = fopen(path, "r");
    for (int i = 0; file != NULL && fgets(line, sizeof line, file) != NULL; i++)
        if (i == index)
            printf("%s", line);
    if (file != NULL)
        fclose(file);
}

int main(int argc, char **argv)
{
    int is_ort = argc == 7 && strcmp(argv[3], "ort") == 0;
    if (argc != 6 + is_ort)
        fail("usage", "classify-ort LIBONNXRUNTIME MODEL [ort] RECIPE LABELS IMAGE");
    char **rest = argv + 3 + is_ort;
    void *library = dlopen(argv[1], RTLD_NOW);
    if (library == NULL)
        fail(argv[1], dlerror());
    const ort_base *(*get_base)(void);
    *(void **)&get_base = dlsym(library, "OrtGetApiBase");
    api = get_base()->get_api(ORT_API_VERSION);

    size_t bytes;
    void *image = map(rest[2], &bytes);
    float *pixels = malloc(4 * 3 * 224 * 224);
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    info.type = AI_F32;
    info.rank = 4;
    memcpy(info.dim, (int64_t[4]){1, 3, 224, 224}, sizeof(int64_t[4]));
    info.bytes = 4 * 3 * 224 * 224;
    info.name = "input";
    ai_error err;
    if (ai_image_prepare(rest[0], image, bytes, &info, pixels, &err) != AI_OK)
        fail(rest[2], err.message);

    void *session = open_session(argv[2], is_ort);
    void *memory;
    void *input;
    void *output = NULL;
    float *scores;
    const char *in_name = "input";
    const char *out_name = "output";
    check(api[CREATE_CPU_MEMORY_INFO](1, 0, &memory));
    check(api[CREATE_TENSOR_WITH_DATA](memory, pixels, (size_t)info.bytes, info.dim, (size_t)4, 1,
        &input));
    check(api[RUN](session, (void *)0, &in_name, (const void *const *)&input, (size_t)1, &out_name,
        (size_t)1, &output));
    check(api[GET_TENSOR_DATA](output, &scores));
    print_label(rest[1], best(scores, 1000));
    return 0;
}
