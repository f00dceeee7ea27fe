/* SPDX-License-Identifier: Apache-2.0
 * Opens a model with the options that most subcommands share, and AI_CPU. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ai_task.h"
#include "cli.h"

bool ai_cli_shape(const char *text, size_t *name_bytes, uint32_t *rank, int64_t dim[AI_MAX_RANK])
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        return false;
    *name_bytes = (size_t)(equals - text);
    *rank = 0;
    const char *at = equals + 1;
    for (;;) {
        int64_t value = 0;
        size_t digits = strspn(at, "0123456789");
        if (digits == 0 || digits > 13 || *rank == AI_MAX_RANK)
            return false;
        for (size_t i = 0; i < digits; i++)
            value = value * 10 + (at[i] - '0');
        dim[(*rank)++] = value;
        at += digits;
        if (!*at)
            return true;
        if (*at++ != 'x')
            return false;
    }
}

int64_t ai_cli_find_input(const ai_model *model, const char *name, size_t bytes)
{
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    for (uint32_t i = 0; ai_model_input(model, i, &info) == AI_OK; i++) {
        if (strlen(info.name) == bytes && memcmp(info.name, name, bytes) == 0)
            return i;
    }
    return -1;
}

const ai_shape *ai_cli_given_shape(const ai_cli_model *m, uint32_t input)
{
    for (size_t i = 0; i < m->options.shape_count; i++) {
        if (m->shapes[i].input == input)
            return &m->shapes[i];
    }
    return NULL;
}

void ai_cli_set_shape(ai_cli_model *m, uint32_t input, uint32_t rank, const int64_t *dim)
{
    ai_shape *shape = (ai_shape *)ai_cli_given_shape(m, input);
    if (!shape)
        shape = &m->shapes[m->options.shape_count++];
    shape->input = input;
    shape->rank = rank;
    memcpy(shape->dim, dim, rank * sizeof dim[0]);
}

static int take_shapes(ai_cli_model *m, const ai_cli_args *args, const char *path)
{
    uint32_t position = 0;
    const char *text;
    while ((text = ai_cli_next(args, "shape", &position))) {
        size_t bytes;
        uint32_t rank;
        int64_t dim[AI_MAX_RANK];
        if (!ai_cli_shape(text, &bytes, &rank, dim))
            return ai_cli_misused(args->command, "--shape is '%s', needed is NAME=1x3x224x224",
                                  text);
        int64_t input = ai_cli_find_input(m->model, text, bytes);
        if (input < 0)
            return ai_cli_fail(path, "model has no input '%.*s' as --shape names it", (int)bytes,
                               text);
        ai_cli_set_shape(m, (uint32_t)input, rank, dim);
    }
    return AI_CLI_OK;
}

static bool has_option(const ai_cli_command *command, const char *name)
{
    for (uint32_t i = 0; i < command->option_count; i++) {
        if (strcmp(command->options[i].name, name) == 0)
            return true;
    }
    return false;
}

int ai_cli_open(ai_cli_model *m, const ai_cli_args *args, const char *path)
{
    ai_error err;
    *m = (ai_cli_model){.options = AI_OPTIONS_INIT};
    const char *level = has_option(args->command, "cpu") ? ai_cli_text(args, "cpu") : NULL;
    if (level && ai_task_cpu_mask(level, &m->options.cpu, &err) != AI_OK)
        return ai_cli_failed("--cpu", &err);
    if (!level && ai_task_cpu(&m->options.cpu, &err) != AI_OK)
        return ai_cli_failed(args->command->name, &err);
    if (has_option(args->command, "threads"))
        m->options.threads = ai_cli_count(args, "threads", 0);
    if (ai_model_open(&m->model, path, &err) != AI_OK)
        return ai_cli_failed(path, &err);
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model_describe(m->model, &info);
    m->shapes = calloc((size_t)info.input_count + 1, sizeof *m->shapes);
    m->options.shapes = m->shapes;
    int status = m->shapes ? AI_CLI_OK : ai_cli_fail(path, "no memory for shapes");
    if (status == AI_CLI_OK && has_option(args->command, "shape"))
        status = take_shapes(m, args, path);
    if (status != AI_CLI_OK)
        ai_cli_close(m);
    return status;
}

void ai_cli_close(ai_cli_model *m)
{
    ai_model_close(m->model);
    free(m->shapes);
    *m = (ai_cli_model){.options = AI_OPTIONS_INIT};
}

/* `file` in a folder beside that of the running program, or in `fixed`. */
static char *find_beside(const char *const *beside, size_t count, const char *fixed,
                         const char *file)
{
    char *folder = ai_cli_own_folder();
    char *path = NULL;
    for (size_t i = 0; i <= count && !path; i++) {
        bool is_fixed = i == count;
        char *near = is_fixed ? strdup(fixed) : folder ? ai_cli_join(folder, beside[i]) : NULL;
        path = near ? ai_cli_join(near, file) : NULL;
        free(near);
        if (path && access(path, R_OK) != 0) {
            free(path);
            path = NULL;
        }
    }
    free(folder);
    return path;
}

char *ai_cli_find_shipped(const char *file)
{
    static const char *const beside[] = {AI_SHARE_FROM_BIN, AI_ZOO_FROM_BUILD};
    return find_beside(beside, 2, AI_SHARE, file);
}

char *ai_cli_find_program(const char *file)
{
    static const char *const beside[] = {".", AI_LIBEXEC_FROM_BIN, "../faas", "../fetch"};
    return find_beside(beside, 4, AI_LIBEXEC, file);
}
