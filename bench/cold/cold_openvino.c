/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with OpenVINO in f32.
 * usage: cold-openvino RUNS LIBOPENVINO_C MODEL.xml|MODEL.onnx [CACHE_FOLDER] */
#include <dlfcn.h>

#include "cold.h"

/* What is used of OpenVINO's C interface (openvino/c/openvino.h); 0 is success. */
typedef struct openvino {
    int (*core_create)(void **core);
    int (*set_property)(const void *core, const char *device, ...);
    int (*compile)(const void *core, const char *path, const char *device, size_t count,
                   void **compiled, ...);
    int (*create_request)(const void *compiled, void **request);
    int (*input)(const void *request, size_t index, void **tensor);
    int (*output)(const void *request, size_t index, void **tensor);
    int (*data)(const void *tensor, void **data);
    int (*infer)(void *request);
    const char *(*last_error)(void);
} openvino;

static openvino api;

static void check(int status)
{
    if (status)
        cold_fail("openvino", api.last_error());
}

static void take_api(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY);
    if (!library)
        cold_fail(path, dlerror());
    cold_symbol(library, "ov_core_create", &api.core_create);
    cold_symbol(library, "ov_core_set_property", &api.set_property);
    cold_symbol(library, "ov_core_compile_model_from_file", &api.compile);
    cold_symbol(library, "ov_compiled_model_create_infer_request", &api.create_request);
    cold_symbol(library, "ov_infer_request_get_input_tensor_by_index", &api.input);
    cold_symbol(library, "ov_infer_request_get_output_tensor_by_index", &api.output);
    cold_symbol(library, "ov_tensor_data", &api.data);
    cold_symbol(library, "ov_infer_request_infer", &api.infer);
    cold_symbol(library, "ov_get_last_err_msg", &api.last_error);
}

static void run(void *user)
{
    check(api.infer(user));
}

int main(int argc, char **argv)
{
    void *core;
    void *compiled;
    void *request;
    void *tensor;
    void *input;
    void *output;
    if (argc != 4 && argc != 5)
        cold_fail("usage", "cold-openvino RUNS LIBOPENVINO_C MODEL [CACHE_FOLDER]");
    take_api(argv[2]);
    check(api.core_create(&core));
    check(api.set_property(core, "CPU", "INFERENCE_PRECISION_HINT", "f32"));
    if (argc == 5)
        check(api.set_property(core, "CPU", "CACHE_DIR", argv[4]));
    check(api.compile(core, argv[3], "CPU", 6, &compiled, "INFERENCE_NUM_THREADS", "1",
                      "NUM_STREAMS", "1", "PERFORMANCE_HINT", "LATENCY"));
    check(api.create_request(compiled, &request));
    check(api.input(request, 0, &tensor));
    check(api.data(tensor, &input));
    cold_fill(input);
    run(request);
    check(api.output(request, 0, &tensor));
    check(api.data(tensor, &output));
    cold_finish(argv[1], output, run, request);
}
