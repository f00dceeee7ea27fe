/* SPDX-License-Identifier: Apache-2.0
 * `ai convert`: a trained network becomes a flat file. */
#include <stdlib.h>
#include <string.h>

#include "ai_convert.h"
#include "ai_task.h"
#include "cli.h"
#include "int8.h"

enum { MAX_LABEL_BYTES = 64 << 20, MAX_RESOURCE_BYTES = 64 << 20 };

static const ai_cli_option options[] = {
    {"out", 'o', AI_CLI_TEXT, true, 0, "OUT.lai", "the flat file to write"},
    AI_CLI_OPTION_SHAPE,
    {"labels", 0, AI_CLI_TEXT, false, 0, "FILE", "names of the classes, one a line"},
    {"image", 0, AI_CLI_TEXT, false, 0, "SPEC",
     "how an image becomes the input: imagenet, lite, keras or JSON"},
    {"resource", 0, AI_CLI_LIST, false, 0, "NAME=FILE",
     "bytes that travel with the model, such as vocabulary=FILE"},
    {"output", 0, AI_CLI_LIST, false, 0, "NAME", "keeps an inner tensor as an output"},
    {"state", 0, AI_CLI_LIST, false, 0, "IN=OUT",
     "OUT is the next IN; or NODE, an LSTM that goes on"},
    {"name", 0, AI_CLI_TEXT, false, 0, "NAME", "name of the model; else that of the file"},
    {"licence", 0, AI_CLI_TEXT, false, 0, "ID", "SPDX identifier of the weights' licence"},
    {"winograd", 0, AI_CLI_TEXT, false, 0, "auto|off",
     "off: every Conv runs directly, in a smaller file; else where it pays"},
    {"weights", 0, AI_CLI_TEXT, false, 0, "f32|f16|s8",
     "weights are rounded, in half or a quarter of the file; the error is told"},
    {"int8", 0, AI_CLI_TEXT, false, 0, "FROM",
     "layers compute with 8 bits, by a folder of images, an .npz or a .lai"},
    {"ranges", 0, AI_CLI_TEXT, false, 0, "METHOD",
     "of 8 bits: mse, min-max or percentile; else percentile"},
    {"keep", 0, AI_CLI_LIST, false, 0, "NODE", "a layer that stays f32 with --int8"},
    {"strips", 0, AI_CLI_TEXT, false, 0, "auto|off",
     "off: every Conv and pool is a step of its own; else some run together"},
};

typedef struct parts { /* what the converter's options point to */
    ai_named_shape *shapes;
    char **shape_names;
    const char **outputs;
    const char **states;
    ai_named_data *resources;
    char **resource_names; /* of those that --resource gives */
    void **resource_data;
    uint32_t given_count;
    uint32_t resource_count;
    uint32_t shape_count;
    void *labels;
    char *recipe;
} parts;

typedef struct watch { /* what the converter's hooks know */
    ai_cli_bar bar;
    const char *part; /* of the progress; NULL: none yet */
    bool is_classifier;
    bool is_writer;
    bool is_rounded;
    bool is_quantised;
    char rounding[128]; /* what rounding the weights did */
    char *report;       /* of --int8 */
} watch;

static void free_parts(parts *p)
{
    ai_cli_free_list(p->shape_names, p->shape_count);
    free(p->shapes);
    free(p->outputs);
    free(p->states);
    for (uint32_t i = 0; i < p->given_count; i++)
        free(p->resource_data[i]);
    ai_cli_free_list(p->resource_names, p->given_count);
    free(p->resource_data);
    free(p->resources);
    free(p->labels);
    ai_task_free(p->recipe);
}

static int take_shapes(parts *p, const ai_cli_args *args)
{
    uint32_t position = 0;
    const char *text;
    while ((text = ai_cli_next(args, "shape", &position))) {
        ai_named_shape *shape = &p->shapes[p->shape_count];
        size_t bytes;
        if (!ai_cli_shape(text, &bytes, &shape->rank, shape->dim))
            return ai_cli_misused(args->command, "--shape is '%s', needed is NAME=1x3x224x224",
                                  text);
        shape->name = p->shape_names[p->shape_count++] = strndup(text, bytes);
        if (!shape->name)
            return ai_cli_fail(args->operands[0], "no memory for a name");
    }
    return AI_CLI_OK;
}

static int take_labels(parts *p, const char *path, const char *out)
{
    ai_error err;
    size_t bytes;
    if (!path)
        return AI_CLI_OK;
    if (ai_cli_is_same(path, out))
        return ai_cli_fail(out, "output is the file of labels that is read");
    if (ai_cli_read(&p->labels, &bytes, path, MAX_LABEL_BYTES, &err) != AI_OK)
        return ai_cli_failed(path, &err);
    if (bytes == 0)
        return ai_cli_fail(path, "file is empty, needed is one label a line");
    if (memchr(p->labels, 0, bytes))
        return ai_cli_fail(path, "file has a zero byte, needed is text, one label a line");
    char *text = realloc(p->labels, bytes + 1);
    if (!text)
        return ai_cli_fail(path, "no memory for the labels");
    p->labels = text;
    text[bytes] = 0;
    uint32_t line = ai_cli_bad_line(text);
    if (line)
        return ai_cli_fail(path, "line %u is not UTF-8, needed is one label a line", line);
    p->resources[p->resource_count++] = (ai_named_data){"labels", p->labels, bytes};
    return AI_CLI_OK;
}

static int take_recipe(parts *p, const char *spec)
{
    ai_error err;
    if (!spec)
        return AI_CLI_OK;
    if (ai_task_recipe(spec, &p->recipe, &err) != AI_OK)
        return ai_cli_failed("--image", &err);
    p->resources[p->resource_count++] = (ai_named_data){"image", p->recipe, strlen(p->recipe)};
    return AI_CLI_OK;
}

static int take_resources(parts *p, const ai_cli_args *args)
{
    ai_error err;
    uint32_t position = 0;
    const char *text;
    while ((text = ai_cli_next(args, "resource", &position))) {
        const char *path = strchr(text, '=');
        size_t bytes;
        if (!path || path == text || !path[1])
            return ai_cli_misused(args->command, "--resource is '%s', needed is NAME=FILE", text);
        path++;
        if (ai_cli_is_same(path, ai_cli_text(args, "out")))
            return ai_cli_fail(path, "output is the file of a resource that is read");
        uint32_t i = p->given_count++;
        p->resource_names[i] = strndup(text, (size_t)(path - 1 - text));
        if (!p->resource_names[i])
            return ai_cli_fail(args->operands[0], "no memory for a name");
        if (ai_cli_read(&p->resource_data[i], &bytes, path, MAX_RESOURCE_BYTES, &err) != AI_OK)
            return ai_cli_failed(path, &err);
        p->resources[p->resource_count++] =
            (ai_named_data){p->resource_names[i], p->resource_data[i], bytes};
    }
    return AI_CLI_OK;
}

static int take_parts(parts *p, const ai_cli_args *args)
{
    uint32_t position = 0;
    uint32_t shape_count = ai_cli_list_count(args, "shape");
    uint32_t output_count = ai_cli_list_count(args, "output");
    uint32_t state_count = ai_cli_list_count(args, "state");
    uint32_t resource_count = ai_cli_list_count(args, "resource");
    const char *name = ai_cli_text(args, "name");
    *p = (parts){0};
    if (name && ai_cli_bad_line(name))
        return ai_cli_fail("--name", "name of the model is not UTF-8");
    p->shapes = calloc(shape_count + 1, sizeof *p->shapes);
    p->shape_names = calloc(shape_count + 1, sizeof *p->shape_names);
    p->outputs = calloc(output_count + 1, sizeof *p->outputs);
    p->states = calloc(state_count + 1, sizeof *p->states);
    p->resources = calloc(resource_count + 2, sizeof *p->resources);
    p->resource_names = calloc(resource_count + 1, sizeof *p->resource_names);
    p->resource_data = calloc(resource_count + 1, sizeof *p->resource_data);
    if (!p->shapes || !p->shape_names || !p->outputs || !p->states || !p->resources ||
        !p->resource_names || !p->resource_data)
        return ai_cli_fail(args->operands[0], "no memory for the options");
    for (uint32_t i = 0; i < output_count; i++)
        p->outputs[i] = ai_cli_next(args, "output", &position);
    position = 0;
    for (uint32_t i = 0; i < state_count; i++)
        p->states[i] = ai_cli_next(args, "state", &position);
    int status = take_shapes(p, args);
    if (status == AI_CLI_OK)
        status = take_labels(p, ai_cli_text(args, "labels"), ai_cli_text(args, "out"));
    if (status == AI_CLI_OK)
        status = take_recipe(p, ai_cli_text(args, "image"));
    if (status == AI_CLI_OK)
        status = take_resources(p, args);
    return status;
}

/* Whether an option of two values has the second; without it: the first. */
static int take_choice(const ai_cli_args *args, const char *name, const char *first,
                       const char *second, bool *is_second)
{
    const char *text = ai_cli_text(args, name);
    *is_second = text && strcmp(text, second) == 0;
    if (text && !*is_second && strcmp(text, first) != 0)
        return ai_cli_misused(args->command, "--%s is '%s', needed is %s or %s", name, text, first,
                              second);
    return AI_CLI_OK;
}

static int take_weights(const ai_cli_args *args, uint32_t *flag)
{
    const char *text = ai_cli_text(args, "weights");
    *flag = 0;
    if (!text || strcmp(text, "f32") == 0)
        return AI_CLI_OK;
    *flag = strcmp(text, "f16") == 0  ? AI_CONVERT_F16_WEIGHTS
            : strcmp(text, "s8") == 0 ? AI_CONVERT_S8_WEIGHTS
                                      : 0;
    if (!*flag)
        return ai_cli_misused(args->command, "--weights is '%s', needed is f32, f16 or s8", text);
    return AI_CLI_OK;
}

static int take_flags(const ai_cli_args *args, uint32_t *flags)
{
    bool is_direct;
    bool is_apart;
    uint32_t weights;
    int status = take_choice(args, "winograd", "auto", "off", &is_direct);
    if (status == AI_CLI_OK)
        status = take_weights(args, &weights);
    if (status == AI_CLI_OK)
        status = take_choice(args, "strips", "auto", "off", &is_apart);
    if (status == AI_CLI_OK)
        *flags = (is_direct ? AI_CONVERT_NO_WINOGRAD : 0u) | weights |
                 (is_apart ? AI_CONVERT_NO_STRIPS : 0u);
    return status;
}

static int32_t show_progress(void *user, const char *part, uint64_t done, uint64_t total)
{
    watch *w = user;
    w->part = part;
    ai_cli_bar_draw(&w->bar, part, done, total);
    return ai_cli_is_stopped();
}

/* The converter's own words in its metadata: docs/format.md. */
static void note_rounding(watch *w, const ai_model *model)
{
    ai_resource resource = AI_RESOURCE_INIT;
    char type[4];
    unsigned count;
    double error;
    for (uint32_t i = 0; ai_model_resource(model, i, &resource) == AI_OK; i++) {
        char *text = strcmp(resource.name, "metadata") == 0 && w->is_rounded
                         ? strndup(resource.data, resource.bytes)
                         : NULL;
        const char *found = text ? strstr(text, "\"weights\":{") : NULL;
        if (found &&
            sscanf(found, "\"weights\":{\"type\":\"%3[a-z0-9]\",\"count\":%u,\"error\":%lf", type,
                   &count, &error) == 3)
            snprintf(w->rounding, sizeof w->rounding,
                     "%u weights are %s, with a relative error of at most %.2g", count, type,
                     error);
        free(text);
        if (strcmp(resource.name, "int8") == 0 && w->is_quantised)
            w->report = strndup(resource.data, resource.bytes);
    }
}

/* What has a recipe must be a model that `ai classify` or `ai write` takes. */
static ai_status check_model(void *user, const ai_model *model, ai_error *err)
{
    watch *w = user;
    ai_options o = AI_OPTIONS_INIT;
    ai_classifier *classifier = NULL;
    ai_writer *writer = NULL;
    o.threads = 1;
    note_rounding(w, model);
    ai_status status = AI_OK;
    if (w->is_classifier)
        status = ai_classifier_open(&classifier, model, &o, err);
    if (status == AI_OK && w->is_writer)
        status = ai_writer_open(&writer, model, &o, err);
    ai_classifier_close(classifier);
    ai_writer_close(writer);
    return status;
}

/* The path of the file that an error is about. */
static const char *concerned(const ai_cli_args *args, const watch *w, ai_status code)
{
    bool is_early = !w->part && (code == AI_E_IO || code == AI_E_ARGUMENT);
    bool is_late = w->part && code == AI_E_IO &&
                   (strcmp(w->part, "write") == 0 || strcmp(w->part, "check") == 0);
    return is_early || is_late ? ai_cli_text(args, "out") : args->operands[0];
}

static void fill_options(ai_convert_options *o, const ai_cli_args *args, const parts *p,
                         const ai_cli_int8 *q, watch *w)
{
    o->shapes = p->shapes;
    o->shape_count = p->shape_count;
    o->outputs = p->outputs;
    o->output_count = ai_cli_list_count(args, "output");
    o->states = p->states;
    o->state_count = ai_cli_list_count(args, "state");
    o->resources = p->resources;
    o->resource_count = p->resource_count;
    o->name = ai_cli_text(args, "name");
    o->licence = ai_cli_text(args, "licence");
    o->quantise = q->path ? &q->options : NULL;
    o->progress = show_progress;
    o->check = check_model;
    o->user = w;
    w->is_classifier = p->recipe != NULL;
    for (uint32_t i = 0; i < p->given_count; i++)
        w->is_writer = w->is_writer || strcmp(p->resource_names[i], "text") == 0;
    w->is_rounded = (o->flags & (AI_CONVERT_F16_WEIGHTS | AI_CONVERT_S8_WEIGHTS)) != 0;
    w->is_quantised = q->path != NULL;
}

static int convert(const ai_cli_args *args, const ai_convert_options *o, watch *w)
{
    ai_error err;
    int status = AI_CLI_OK;
    ai_cli_hold_signals();
    ai_status converted = ai_convert_file(args->operands[0], ai_cli_text(args, "out"), o, &err);
    ai_cli_bar_clear(&w->bar);
    if (converted != AI_OK)
        status = ai_cli_failed(concerned(args, w, converted), &err);
    else if (w->rounding[0])
        puts(w->rounding);
    else if (w->report)
        ai_cli_int8_report(w->report, strlen(w->report));
    ai_cli_release_signals();
    return status;
}

static int run(const ai_cli_args *args)
{
    parts p;
    ai_cli_int8 q = {0};
    watch w = {0};
    ai_convert_options o = AI_CONVERT_OPTIONS_INIT;
    int status = take_parts(&p, args);
    if (status == AI_CLI_OK)
        status = take_flags(args, &o.flags);
    if (status == AI_CLI_OK)
        status = ai_cli_int8_take(&q, args, p.recipe, &w.bar);
    if (status == AI_CLI_OK) {
        fill_options(&o, args, &p, &q, &w);
        status = convert(args, &o, &w);
    }
    free(w.report);
    ai_cli_int8_free(&q);
    free_parts(&p);
    return status;
}

const ai_cli_command ai_command_convert = {
    "convert",
    "IN.onnx",
    "turns an ONNX file into a flat file",
    "A file of that name is replaced only when the new one is complete and has been checked;\n"
    "of a symbolic link, the file it leads to. With --image, `ai classify` must take the result,\n"
    "with a resource 'text' `ai write`.\n"
    "SPEC as JSON is described in docs/format.md; keras is nearest to 224x224 without crop, BGR\n"
    "minus the mean. --int8 calibrates with samples of what the network will see, images through\n"
    "--image or an array for each input, or does again what made a .lai; it prints what became of\n"
    "each layer: docs/quantising.md.",
    options,
    AI_CLI_OPTION_COUNT(options),
    1,
    1,
    run};
