/* SPDX-License-Identifier: Apache-2.0
 * Calibration samples for `ai convert --int8`: images, arrays, or what an earlier conversion found
 * out. */
#include "int8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ai_task.h"

enum { MAX_IMAGE_BYTES = 64 << 20, MAX_RECIPE_BYTES = 64 << 20 };

/* ---- Images ---- */

static bool is_left_out(ai_status status)
{
    return status == AI_E_FORMAT || status == AI_E_UNSUPPORTED || status == AI_E_IO;
}

static ai_status read_image(void *user, size_t sample, const ai_tensor_info *inputs,
                            void *const *data, uint32_t input_count, ai_error *err)
{
    ai_cli_int8 *q = user;
    const char *path = q->images[sample];
    void *bytes = NULL;
    size_t count = 0;
    ai_error cause = {0};
    if (input_count != 1)
        return ai_cli_error(err, AI_E_ARGUMENT,
                            "network has %u inputs, an image is one: calibrate with an .npz",
                            input_count);
    ai_status status = ai_cli_read(&bytes, &count, path, MAX_IMAGE_BYTES, &cause);
    if (status == AI_OK)
        status = ai_image_prepare(q->recipe, bytes, count, inputs, data[0], &cause);
    free(bytes);
    if (status == AI_OK)
        return AI_OK;
    if (!is_left_out(status))
        return ai_cli_error(err, status, "image '%.80s': %.140s", path, cause.message);
    ai_cli_bar_clear(q->bar);
    fprintf(stderr, "ai: ");
    ai_cli_print(stderr, path);
    fprintf(stderr, ": left out: ");
    ai_cli_print(stderr, cause.message);
    fputc('\n', stderr);
    return ai_cli_error(err, AI_E_FORMAT, "'%.80s': %.140s", path, cause.message);
}

static int take_folder(ai_cli_int8 *q)
{
    ai_error err;
    if (!q->recipe)
        return ai_cli_fail(q->path, "a folder of images needs --image, how an image becomes the "
                                    "input");
    if (ai_cli_images(&q->images, &q->image_count, q->path, &err) != AI_OK)
        return ai_cli_failed(q->path, &err);
    if (q->image_count == 0)
        return ai_cli_fail(q->path, "folder has no .jpg, .jpeg or .png to calibrate with");
    q->options.sample = read_image;
    q->options.sample_count = q->image_count;
    return AI_CLI_OK;
}

/* ---- Arrays ---- */

/* The shape of a sample: that of the input, whose first dimension of 1 may be missing. */
static bool fits(const ai_npy *npy, const ai_tensor_info *input)
{
    uint32_t skip = npy->rank == input->rank && input->dim[0] == 1 ? 1 : 0;
    if (npy->type != input->type || npy->rank + skip != input->rank + 1)
        return false;
    for (uint32_t i = 1; i < npy->rank; i++) {
        if (npy->dim[i] != input->dim[i - 1 + skip])
            return false;
    }
    return true;
}

static ai_cli_array *find_array(ai_cli_int8 *q, const char *name)
{
    for (uint32_t i = 0; i < q->array_count; i++) {
        if (strcmp(q->arrays[i].name, name) == 0)
            return &q->arrays[i];
    }
    return NULL;
}

static ai_status read_array(void *user, size_t sample, const ai_tensor_info *inputs,
                            void *const *data, uint32_t input_count, ai_error *err)
{
    ai_cli_int8 *q = user;
    char found[256];
    char needed[256];
    for (uint32_t i = 0; i < input_count; i++) {
        const ai_tensor_info *input = &inputs[i];
        const ai_cli_array *array = find_array(q, input->name);
        if (!array)
            return ai_cli_error(
                err, AI_E_ARGUMENT,
                "'%.80s' has no array '%.50s', which is an input: its first is '%.50s'", q->path,
                input->name, q->arrays[0].name);
        const ai_npy *npy = &array->npy;
        if (!fits(npy, input))
            return ai_cli_error(
                err, AI_E_SHAPE, "array '%.60s' is %s %s, needed is N x %s %s: N samples",
                array->name, ai_cli_type_name(npy->type),
                ai_cli_dims(found, npy->rank, npy->dim, 0), ai_cli_type_name(input->type),
                ai_cli_dims(needed, input->rank, input->dim, 0));
        memcpy(data[i], (const char *)npy->data + sample * input->bytes, input->bytes);
    }
    return AI_OK;
}

static int take_arrays(ai_cli_int8 *q)
{
    ai_error err;
    if (ai_npz_read(&q->arrays, &q->array_count, q->path, &err) != AI_OK)
        return ai_cli_failed(q->path, &err);
    if (q->array_count == 0)
        return ai_cli_fail(q->path, "file has no array");
    for (uint32_t i = 0; i < q->array_count; i++) {
        const ai_cli_array *a = &q->arrays[i];
        if (a->npy.rank == 0 || a->npy.dim[0] == 0)
            return ai_cli_fail(q->path, "array '%.80s' has no samples along its first dimension",
                               a->name);
        if (a->npy.dim[0] != q->arrays[0].npy.dim[0])
            return ai_cli_fail(q->path, "array '%.80s' has %lld samples, '%.80s' has %lld", a->name,
                               (long long)a->npy.dim[0], q->arrays[0].name,
                               (long long)q->arrays[0].npy.dim[0]);
    }
    q->options.sample = read_array;
    q->options.sample_count = (size_t)q->arrays[0].npy.dim[0];
    return AI_CLI_OK;
}

/* ---- What an earlier conversion found out ---- */

static int take_text(ai_cli_int8 *q)
{
    ai_error err;
    size_t bytes = 0;
    if (ai_cli_read(&q->text, &bytes, q->path, MAX_RECIPE_BYTES, &err) != AI_OK)
        return ai_cli_failed(q->path, &err);
    q->options.recipe = q->text;
    q->options.recipe_bytes = bytes;
    return AI_CLI_OK;
}

static int take_model(ai_cli_int8 *q)
{
    ai_error err;
    ai_resource resource = AI_RESOURCE_INIT;
    if (ai_model_open(&q->model, q->path, &err) != AI_OK)
        return ai_cli_failed(q->path, &err);
    for (uint32_t i = 0; ai_model_resource(q->model, i, &resource) == AI_OK; i++) {
        if (strcmp(resource.name, "int8") == 0) {
            q->options.recipe = resource.data;
            q->options.recipe_bytes = resource.bytes;
            return AI_CLI_OK;
        }
    }
    return ai_cli_fail(q->path, "file has no resource 'int8': it was not made with --int8");
}

/* ---- Options ---- */

static int take_ranges(ai_cli_int8 *q, const ai_cli_args *args)
{
    static const char *const names[] = {"percentile", "min-max", "mse"};
    const char *text = ai_cli_text(args, "ranges");
    for (uint32_t i = 0; i < 3 && text; i++) {
        if (strcmp(text, names[i]) == 0) {
            q->options.ranges = i;
            return AI_CLI_OK;
        }
    }
    if (!text)
        return AI_CLI_OK;
    return ai_cli_misused(args->command, "--ranges is '%s', needed is mse, min-max or percentile",
                          text);
}

static int take_keep(ai_cli_int8 *q, const ai_cli_args *args)
{
    uint32_t position = 0;
    q->options.keep_count = ai_cli_list_count(args, "keep");
    q->keep = calloc(q->options.keep_count + 1, sizeof *q->keep);
    if (!q->keep)
        return ai_cli_fail(q->path, "no memory for the names of nodes");
    for (size_t i = 0; i < q->options.keep_count; i++)
        q->keep[i] = ai_cli_next(args, "keep", &position);
    q->options.keep = q->keep;
    return AI_CLI_OK;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path);
    size_t bytes = strlen(ending);
    return length > bytes && strcmp(path + length - bytes, ending) == 0;
}

static int take_source(ai_cli_int8 *q, const ai_cli_args *args)
{
    struct stat st;
    bool is_text = ends_in(q->path, ".json");
    bool is_model = ends_in(q->path, ".lai");
    if (ai_cli_is_folder(q->path))
        return take_folder(q);
    if (ends_in(q->path, ".npz"))
        return take_arrays(q);
    if (stat(q->path, &st) != 0)
        return ai_cli_fail(q->path, "cannot open: %s", strerror(errno));
    if (!is_text && !is_model)
        return ai_cli_fail(q->path, "calibration is neither a folder of images nor an .npz, nor a "
                                    ".lai or .json that an earlier one made");
    if (ai_cli_text(args, "ranges") || ai_cli_list_count(args, "keep") > 0)
        return ai_cli_misused(args->command,
                              "--ranges and --keep belong to a calibration, '%s' says "
                              "what an earlier one found",
                              q->path);
    return is_text ? take_text(q) : take_model(q);
}

int ai_cli_int8_take(ai_cli_int8 *q, const ai_cli_args *args, const char *recipe, ai_cli_bar *bar)
{
    *q = (ai_cli_int8){.options = AI_QUANTISE_OPTIONS_INIT, .recipe = recipe, .bar = bar};
    q->options.user = q;
    q->path = ai_cli_text(args, "int8");
    if (!q->path) {
        if (ai_cli_text(args, "ranges") || ai_cli_list_count(args, "keep") > 0)
            return ai_cli_misused(args->command, "--ranges and --keep need --int8");
        return AI_CLI_OK;
    }
    int status = take_ranges(q, args);
    if (status == AI_CLI_OK)
        status = take_keep(q, args);
    return status == AI_CLI_OK ? take_source(q, args) : status;
}

void ai_cli_int8_free(ai_cli_int8 *q)
{
    ai_cli_free_list(q->images, q->image_count);
    ai_npz_free(q->arrays, q->array_count);
    free(q->keep);
    free(q->text);
    ai_model_close(q->model);
}
