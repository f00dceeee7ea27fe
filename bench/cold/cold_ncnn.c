/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with ncnn, weights mapped and used in place where it can.
 * usage: cold-ncnn RUNS LIBNCNN MODEL.param MODEL.bin [plain]
 * "plain": neither Winograd nor sgemm, whose weights ncnn would transform first. */
#include <dlfcn.h>
#include <stdbool.h>

#include "cold.h"

/* What is used of ncnn's C interface (c_api.h). */
typedef struct ncnn {
    void *(*net_create)(void);
    void *(*net_get_option)(void *net);
    void (*set_threads)(void *option, int count);
    void (*set_winograd)(void *option, int enable);
    void (*set_sgemm)(void *option, int enable);
    int (*load_param)(void *net, const char *path);
    size_t (*load_model)(void *net, const unsigned char *data);
    void *(*extractor_create)(void *net);
    void (*extractor_destroy)(void *extractor);
    int (*input)(void *extractor, int index, void *mat);
    int (*extract)(void *extractor, int index, void **mat);
    int (*input_index)(void *net, int i);
    int (*output_index)(void *net, int i);
    void *(*mat_create)(int w, int h, int c, void *data, void *allocator);
    void (*mat_destroy)(void *mat);
    void *(*mat_data)(void *mat);
} ncnn;

static ncnn api;

typedef struct net {
    void *net;
    void *input;
    void *output;
} net;

static void take_api(const char *path)
{
    void *library = dlopen(path, RTLD_LAZY);
    if (!library)
        cold_fail(path, dlerror());
    cold_symbol(library, "ncnn_net_create", &api.net_create);
    cold_symbol(library, "ncnn_net_get_option", &api.net_get_option);
    cold_symbol(library, "ncnn_option_set_num_threads", &api.set_threads);
    cold_symbol(library, "ncnn_option_set_use_winograd_convolution", &api.set_winograd);
    cold_symbol(library, "ncnn_option_set_use_sgemm_convolution", &api.set_sgemm);
    cold_symbol(library, "ncnn_net_load_param", &api.load_param);
    cold_symbol(library, "ncnn_net_load_model_memory", &api.load_model);
    cold_symbol(library, "ncnn_extractor_create", &api.extractor_create);
    cold_symbol(library, "ncnn_extractor_destroy", &api.extractor_destroy);
    cold_symbol(library, "ncnn_extractor_input_index", &api.input);
    cold_symbol(library, "ncnn_extractor_extract_index", &api.extract);
    cold_symbol(library, "ncnn_net_get_input_index", &api.input_index);
    cold_symbol(library, "ncnn_net_get_output_index", &api.output_index);
    cold_symbol(library, "ncnn_mat_create_external_3d", &api.mat_create);
    cold_symbol(library, "ncnn_mat_destroy", &api.mat_destroy);
    cold_symbol(library, "ncnn_mat_get_data", &api.mat_data);
}

static void run(void *user)
{
    net *n = user;
    void *extractor = api.extractor_create(n->net);
    if (n->output)
        api.mat_destroy(n->output);
    if (api.input(extractor, api.input_index(n->net, 0), n->input) != 0 ||
        api.extract(extractor, api.output_index(n->net, 0), &n->output) != 0)
        cold_fail("ncnn", "the network does not run");
    api.extractor_destroy(extractor);
}

int main(int argc, char **argv)
{
    static float input[COLD_INPUTS];
    net n = {0};
    size_t bytes;
    if (argc != 5 && argc != 6)
        cold_fail("usage", "cold-ncnn RUNS LIBNCNN MODEL.param MODEL.bin [plain]");
    take_api(argv[2]);
    n.net = api.net_create();
    void *option = api.net_get_option(n.net);
    bool is_plain = argc == 6;
    api.set_threads(option, 1);
    api.set_winograd(option, !is_plain);
    api.set_sgemm(option, !is_plain);
    if (api.load_param(n.net, argv[3]) != 0 ||
        api.load_model(n.net, cold_map(argv[4], &bytes)) == 0)
        cold_fail(argv[4], "cannot be loaded");
    n.input = api.mat_create(224, 224, 3, input, NULL);
    cold_fill(input);
    run(&n);
    cold_finish(argv[1], api.mat_data(n.output), run, &n);
}
