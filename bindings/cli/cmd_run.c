/* SPDX-License-Identifier: Apache-2.0
 * `ai run`: NumPy files in, one run of the network, NumPy files out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static const ai_cli_option options[] = {
    {"input", 0, AI_CLI_LIST, false, 0, "NAME=F.npy", "an input, once for each that the model has"},
    {"output-dir", 0, AI_CLI_TEXT, true, 0, "DIR", "where each output becomes NAME.npy"},
    AI_CLI_OPTION_SHAPE,
    AI_CLI_OPTION_THREADS,
    AI_CLI_OPTION_CPU,
};

typedef struct run_state {
    const ai_cli_args *args;
    const char *path;
    ai_cli_model m;
    ai_session *session;
    ai_npy *in; /* one place an input and output of the model */
    ai_view *views;
    ai_buffer *buffers;
    ai_cli_output *files;
    uint32_t in_count;
    uint32_t out_count;
} run_state;

static int allocate(run_state *r)
{
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model_describe(r->m.model, &info);
    r->in = calloc((size_t)info.input_count + 1, sizeof *r->in);
    r->views = calloc((size_t)info.input_count + 1, sizeof *r->views);
    r->buffers = calloc((size_t)info.output_count + 1, sizeof *r->buffers);
    r->files = calloc((size_t)info.output_count + 1, sizeof *r->files);
    if (!r->in || !r->views || !r->buffers || !r->files)
        return ai_cli_fail(r->path, "no memory for the operands");
    r->in_count = info.input_count;
    r->out_count = info.output_count;
    for (uint32_t i = 0; i < r->out_count; i++)
        r->files[i].file = -1;
    return AI_CLI_OK;
}

static void release(run_state *r)
{
    for (uint32_t i = 0; i < r->in_count; i++)
        ai_npy_free(&r->in[i]);
    for (uint32_t i = 0; i < r->out_count; i++) {
        ai_cli_discard(&r->files[i]);
        free(r->buffers[i].data);
    }
    free(r->in);
    free(r->views);
    free(r->buffers);
    free(r->files);
    ai_session_close(r->session);
    ai_cli_close(&r->m);
}

/* The array's type must be the tensor's; its shape becomes the session's where it is not the
 * default, and whether it may is then the library's to say. */
static int check_array(run_state *r, const char *file, uint32_t index)
{
    const ai_npy *npy = &r->in[index];
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    char found[256];
    char needed[256];
    ai_model_input(r->m.model, index, &info);
    if (npy->type != info.type)
        return ai_cli_fail(file, "input '%.80s': array is %s, needed is %s", info.name,
                           ai_cli_type_name(npy->type), ai_cli_type_name(info.type));
    const ai_shape *given = ai_cli_given_shape(&r->m, index);
    uint32_t rank = given ? given->rank : info.rank;
    const int64_t *dim = given ? given->dim : info.dim;
    uint32_t varies = given ? 0 : info.varies;
    bool is_fit = npy->rank == rank;
    bool is_same = is_fit;
    for (uint32_t i = 0; is_fit && i < rank; i++) {
        is_same &= npy->dim[i] == dim[i];
        is_fit = npy->dim[i] == dim[i] || (varies >> i & 1);
    }
    if (!is_fit)
        return ai_cli_fail(file, "input '%.80s': array is %s, needed is %s", info.name,
                           ai_cli_dims(found, npy->rank, npy->dim, 0),
                           ai_cli_dims(needed, rank, dim, varies));
    if (!is_same)
        ai_cli_set_shape(&r->m, index, npy->rank, npy->dim);
    return AI_CLI_OK;
}

/* Names may hold '=': the one whose input the model has counts, the shortest first. */
static const char *split_input(const run_state *r, const char *text, int64_t *index)
{
    const char *equals = text;
    while ((equals = strchr(equals, '='))) {
        *index = ai_cli_find_input(r->m.model, text, (size_t)(equals - text));
        if (*index >= 0)
            return equals + 1;
        equals++;
    }
    return NULL;
}

static int take_input(run_state *r, const char *text)
{
    ai_error err;
    int64_t index;
    if (!strchr(text, '='))
        return ai_cli_misused(r->args->command, "--input is '%s', needed is NAME=F.npy", text);
    const char *file = split_input(r, text, &index);
    if (!file) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_model_input(r->m.model, 0, &info);
        return ai_cli_fail(r->path, "model has no input '%.*s'; its first is '%.80s'",
                           (int)strcspn(text, "="), text, r->in_count ? info.name : "");
    }
    if (!*file)
        return ai_cli_misused(r->args->command, "--input is '%s', needed is NAME=F.npy", text);
    if (r->in[index].memory)
        return ai_cli_misused(r->args->command, "--input '%s' is given twice", text);
    if (ai_npy_read(&r->in[index], file, &err) != AI_OK)
        return ai_cli_failed(file, &err);
    return check_array(r, file, (uint32_t)index);
}

static int take_inputs(run_state *r)
{
    uint32_t position = 0;
    const char *text;
    char dims[256];
    int status = AI_CLI_OK;
    while (status == AI_CLI_OK && (text = ai_cli_next(r->args, "input", &position)))
        status = take_input(r, text);
    for (uint32_t i = 0; status == AI_CLI_OK && i < r->in_count; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_model_input(r->m.model, i, &info);
        if (!r->in[i].memory)
            status = ai_cli_fail(r->path,
                                 "input '%.80s' is missing, needed is --input NAME=F.npy "
                                 "with %s %s",
                                 info.name, ai_cli_type_name(info.type),
                                 ai_cli_dims(dims, info.rank, info.dim, info.varies));
        r->views[i] = (ai_view){r->in[i].data, r->in[i].bytes};
    }
    return status;
}

static int infer(run_state *r)
{
    ai_error err;
    if (ai_session_open(&r->session, r->m.model, &r->m.options, &err) != AI_OK)
        return ai_cli_failed(r->path, &err);
    for (uint32_t i = 0; i < r->out_count; i++) {
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        ai_session_output(r->session, i, &info);
        r->buffers[i].bytes = info.bytes;
        r->buffers[i].data = malloc(info.bytes ? info.bytes : 1);
        if (!r->buffers[i].data)
            return ai_cli_fail(r->path, "output '%.80s': no memory for %llu bytes", info.name,
                               (unsigned long long)info.bytes);
    }
    ai_status status =
        ai_infer(r->session, r->views, r->in_count, r->buffers, r->out_count, NULL, &err);
    return status == AI_OK ? AI_CLI_OK : ai_cli_failed(r->path, &err);
}

/* NAME.npy with what separates folders replaced; to be freed. */
static char *output_path(const run_state *r, const char *name)
{
    char *file = malloc(strlen(name) + sizeof ".npy");
    if (!file)
        return NULL;
    strcpy(file, name);
    strcat(file, ".npy");
    for (char *c = file; *c; c++) {
        if (*c == '/' || *c == ':')
            *c = '_';
    }
    char *path = ai_cli_join(ai_cli_text(r->args, "output-dir"), file);
    free(file);
    return path;
}

static int write_output(run_state *r, uint32_t index)
{
    ai_error err;
    ai_tensor_info info = AI_TENSOR_INFO_INIT;
    ai_session_output(r->session, index, &info);
    char *path = output_path(r, info.name);
    if (!path)
        return ai_cli_fail(r->path, "no memory for a path");
    int status = AI_CLI_OK;
    if (ai_cli_create(&r->files[index], path, &err) != AI_OK)
        status = ai_cli_failed(path, &err);
    for (uint32_t i = 0; i < index && status == AI_CLI_OK; i++) {
        if (strcmp(r->files[i].path, r->files[index].path) == 0)
            status = ai_cli_fail(path, "two outputs of the model would have this file's name");
    }
    if (status == AI_CLI_OK &&
        (ai_npy_write(&r->files[index], &info, r->buffers[index].data, &err) != AI_OK ||
         ai_cli_flush(&r->files[index], &err) != AI_OK))
        status = ai_cli_failed(path, &err);
    free(path);
    return status;
}

/* All can be put in place and are complete on the disk before the first gets its name. */
static int write_outputs(run_state *r)
{
    ai_error err;
    const char *folder = ai_cli_text(r->args, "output-dir");
    if (mkdir(folder, 0777) < 0 && errno != EEXIST)
        return ai_cli_fail(folder, "cannot create folder: %s", strerror(errno));
    int status = AI_CLI_OK;
    ai_cli_hold_signals();
    for (uint32_t i = 0; status == AI_CLI_OK && i < r->out_count; i++)
        status = write_output(r, i);
    if (ai_cli_is_stopped())
        status = AI_CLI_FAILED;
    for (uint32_t i = 0; status == AI_CLI_OK && i < r->out_count; i++) {
        if (ai_cli_keep(&r->files[i], &err) != AI_OK)
            status = ai_cli_failed(r->files[i].path, &err);
    }
    return status;
}

static int run(const ai_cli_args *args)
{
    run_state r = {.args = args, .path = args->operands[0]};
    int status = ai_cli_open(&r.m, args, r.path);
    if (status != AI_CLI_OK)
        return status;
    status = allocate(&r);
    if (status == AI_CLI_OK)
        status = take_inputs(&r);
    if (status == AI_CLI_OK)
        status = infer(&r);
    if (status == AI_CLI_OK)
        status = write_outputs(&r);
    release(&r);
    ai_cli_release_signals();
    return status;
}

const ai_cli_command ai_command_run = {
    "run",
    "M.lai",
    "runs a network on NumPy files",
    "An array's shape is taken over where the model lets it vary. In the names of files '/' and "
    "':'\n"
    "become '_'. Existing files are replaced when all outputs are complete; of symbolic links, "
    "the\n"
    "files they lead to.",
    options,
    AI_CLI_OPTION_COUNT(options),
    1,
    1,
    run};
