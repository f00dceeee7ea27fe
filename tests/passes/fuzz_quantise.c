/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the quantiser. Any numbers as samples give a file and a report that makes the same file
 * again, or an error; any bytes as a report give a file that opens, or an error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "quantise/quantise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

typedef struct numbers { /* that samples are made of, again and again */
    const uint8_t *data;
    size_t bytes;
} numbers;

static ai_status fill_sample(void *user, size_t sample, const ai_tensor_info *inputs,
                             void *const *data, uint32_t input_count, ai_error *err)
{
    const numbers *from = user;
    size_t at = sample * sizeof(float);
    (void)err;
    for (uint32_t i = 0; i < input_count; i++) {
        for (uint64_t k = 0; k < inputs[i].bytes; k++)
            ((uint8_t *)data[i])[k] = from->bytes == 0 ? 0 : from->data[at++ % from->bytes];
    }
    return AI_OK;
}

static ai_status go_on(const void *job, const char *part, uint64_t done, uint64_t total,
                       ai_error *err)
{
    (void)job;
    (void)part;
    (void)done;
    (void)total;
    (void)err;
    return AI_OK;
}

static void enlarge(ai_graph *graph, int32_t product, int by)
{
    ai_value *w = &graph->values[graph->nodes[graph->values[product].producer].inputs[1]];
    for (uint64_t i = 0; i < w->bytes / sizeof(float); i++)
        ((float *)(uintptr_t)w->data)[i] = ldexpf(((float *)(uintptr_t)w->data)[i], by);
}

/* Weights of any size, a clamp, a residual, a concatenation, a pool, a dense layer, two results. */
static ai_graph *network(int first_by, int second_by)
{
    ai_graph *graph = ai_graph_new();
    graph->name = "net";
    int32_t x = net_input(graph, "x", DIMS(1, 2, 4, 4), 0);
    int32_t a = net_conv(graph, "a", x, 16, 3, 1, 1, 1, true);
    int32_t relu = net_op(graph, "relu", AI_OP_RELU, a, AI_NO_VALUE);
    int32_t b = net_conv(graph, "b", relu, 16, 1, 1, 0, 1, false);
    int32_t sum = net_op(graph, "sum", AI_OP_ADD, b, relu);
    int32_t d = net_conv(graph, "d", sum, 16, 3, 1, 1, 16, true);
    ai_axis_params one = {.axis = 1};
    const int32_t both[2] = {d, sum};
    int32_t joined = net_node(graph, "joined", AI_OP_CONCAT, &one, sizeof one, AI_F32, 2, both);
    int32_t pool = net_op(graph, "pool", AI_OP_GLOBAL_AVERAGE_POOL, joined, AI_NO_VALUE);
    int32_t row = net_node(graph, "row", AI_OP_FLATTEN, &one, sizeof one, AI_F32, 1, &pool);
    int32_t w = net_random(graph, "w", 1, -1, 1, DIMS(10, 32));
    ai_graph_output(graph, net_gemm(graph, "y", row, w, AI_NO_VALUE,
                                    (ai_gemm_params){.alpha = 1, .beta = 1, .trans_b = 1}));
    ai_graph_output(graph, pool);
    enlarge(graph, a, first_by);
    enlarge(graph, b, second_by);
    return graph;
}

/* The file and, if one is asked for, the report. */
static ai_status quantise(const ai_quantise_options *options, ai_graph *graph, void **file,
                          size_t *bytes, ai_text *report)
{
    ai_calibration c = {.options = *options, .progress = go_on};
    ai_error err = {0};
    graph->calibration = &c;
    ai_status status = ai_graph_infer(graph, &err);
    for (uint32_t i = 0; i < ai_pass_count && status == AI_OK; i++)
        status = ai_passes[i].run(graph, &err);
    if (status == AI_OK)
        status = ai_calibration_finish(&c, graph, &err);
    if (status == AI_OK)
        status = ai_flat_write(graph, NULL, 0, file, bytes, &err);
    if (status == AI_OK)
        ai_text_add_utf8(report, c.json.data, c.json.bytes);
    else if (err.code != status || err.message[0] == 0)
        abort();
    ai_calibration_release(&c);
    ai_graph_free(graph);
    return status;
}

static void open_file(const void *file, size_t bytes)
{
    ai_model *model = NULL;
    ai_session *session = NULL;
    ai_options options = AI_OPTIONS_INIT;
    ai_error err;
    options.threads = 1;
    if (ai_model_view(&model, file, bytes, &err) != AI_OK ||
        ai_session_open(&session, model, &options, &err) != AI_OK)
        abort();
    ai_session_close(session);
    ai_model_close(model);
}

/* A report as if no layer of so small a network cost more than it saves. */
static char *all_int8(const ai_text *report)
{
    static const char from[] = "\"form\":\"f32\"";
    char *text = calloc(2, report->bytes + 1);
    const char *at = report->data;
    if (text == NULL)
        abort();
    for (const char *next = strstr(at, from); next != NULL; next = strstr(at, from)) {
        strncat(text, at, (size_t)(next - at));
        strcat(text, "\"form\":\"int8\"");
        at = next + strlen(from);
    }
    return strcat(text, at);
}

static ai_status remake(const char *report, const int by[2], void **file, size_t *bytes)
{
    ai_quantise_options options = AI_QUANTISE_OPTIONS_INIT;
    ai_text again = {0};
    options.recipe = report;
    options.recipe_bytes = strlen(report);
    ai_status status = quantise(&options, network(by[0], by[1]), file, bytes, &again);
    if (status == AI_OK)
        open_file(*file, *bytes);
    free(again.data);
    return status;
}

static void use_samples(const uint8_t *data, size_t bytes)
{
    numbers from = {data + 3, bytes - 3};
    const int by[2] = {(int8_t)data[1], (int8_t)data[2]};
    ai_quantise_options options = AI_QUANTISE_OPTIONS_INIT;
    options.ranges = data[0] == AI_RANGES_MSE ? AI_RANGES_MSE : data[0] % 2; /* MSE takes long */
    options.sample = fill_sample;
    options.user = &from;
    options.sample_count = 2;
    ai_text report = {0};
    void *files[3] = {NULL, NULL, NULL};
    size_t sizes[3] = {0, 0, 0};
    if (quantise(&options, network(by[0], by[1]), &files[0], &sizes[0], &report) == AI_OK) {
        char *forced = all_int8(&report);
        open_file(files[0], sizes[0]);
        if (remake(report.data, by, &files[1], &sizes[1]) != AI_OK || sizes[0] != sizes[1] ||
            memcmp(files[0], files[1], sizes[0]) != 0)
            abort();
        remake(forced, by, &files[2], &sizes[2]);
        free(forced);
    }
    free(report.data);
    for (int i = 0; i < 3; i++)
        free(files[i]);
}

static void use_report(const uint8_t *data, size_t bytes)
{
    ai_quantise_options options = AI_QUANTISE_OPTIONS_INIT;
    options.recipe = (const char *)data;
    options.recipe_bytes = bytes;
    ai_text report = {0};
    void *file = NULL;
    size_t size = 0;
    if (quantise(&options, network(0, 0), &file, &size, &report) == AI_OK)
        open_file(file, size);
    free(report.data);
    free(file);
}

/* S: samples; else a report. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes >= 4 && data[0] == 'S')
        use_samples(data + 1, bytes - 1);
    else if (bytes > 0 && data[0] != 'S')
        use_report(data + 1, bytes - 1);
    return 0;
}
