/* SPDX-License-Identifier: Apache-2.0
 * Resizes pixel by pixel as Pillow 13 does: in two passes, with 8-bit pixels between them and
 * weights of 22 bits after the point. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

/* 8 bits of pixel, 2 bits for the weights' overshoot (bicubic: at most 1.3 in sum) and the sign. */
enum { PRECISION = 32 - 8 - 2 };

/* For each wanted output position: the source positions and their weights. */
typedef struct taps {
    uint32_t *first; /* counted from the first source position that any of them reads */
    uint32_t *count;
    int32_t *weight; /* `most` for each position */
    uint32_t most;
} taps;

static void taps_free(taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weight);
}

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic convolution with a = -0.5. */
static double bicubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/* One dimension of a resize. */
typedef struct axis {
    uint32_t in;
    uint32_t out;
    float low; /* of the box */
    float high;
    uint32_t begin; /* of the wanted part */
    uint32_t count;
} axis;

static ai_status taps_allocate(taps *t, double **sum, double support, uint32_t count, ai_error *err)
{
    t->most = (uint32_t)ceil(support) * 2 + 1;
    size_t bytes = (size_t)t->most * count * sizeof *t->weight;
    t->first = malloc(count * sizeof *t->first);
    t->count = malloc(count * sizeof *t->count);
    t->weight = malloc(bytes);
    *sum = malloc(t->most * sizeof **sum);
    if (t->first && t->count && t->weight && *sum)
        return AI_OK;
    free(*sum);
    taps_free(t);
    return ai_task_no_memory(err, bytes, "the table of a resize");
}

static int32_t fixed(double weight)
{
    double scaled = weight * (1 << PRECISION);
    return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* The order of every f64 operation here is Pillow's: the weights are the same to the bit. */
static ai_status taps_make(taps *t, const axis *a, uint32_t filter, ai_error *err)
{
    double (*curve)(double) = filter == AI_RESIZE_BICUBIC ? bicubic : bilinear;
    double scale = (double)(a->high - a->low) / a->out;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double support = (filter == AI_RESIZE_BICUBIC ? 2.0 : 1.0) * stretch;
    double *value;
    ai_status status = taps_allocate(t, &value, support, a->count, err);
    if (status != AI_OK)
        return status;
    for (uint32_t i = 0; i < a->count; i++) {
        double center = a->low + (a->begin + i + 0.5) * scale;
        double from = center - support + 0.5;
        double to = center + support + 0.5;
        int32_t first = from < 0 ? 0 : (int32_t)from;
        int32_t end = to > a->in ? (int32_t)a->in : (int32_t)to;
        uint32_t count = (uint32_t)(end - first);
        assert(end > first && count <= t->most);
        double sum = 0.0;
        for (uint32_t k = 0; k < count; k++) {
            value[k] = curve(((int32_t)k + first - center + 0.5) * (1.0 / stretch));
            sum += value[k];
        }
        for (uint32_t k = 0; k < count; k++)
            t->weight[(size_t)i * t->most + k] = fixed(sum != 0.0 ? value[k] / sum : value[k]);
        t->first[i] = (uint32_t)first;
        t->count[i] = count;
    }
    free(value);
    return AI_OK;
}

static uint8_t clip(int32_t sum)
{
    int32_t value = sum >> PRECISION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void across1(uint8_t *out, const uint8_t *row, const taps *t, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++) {
        const int32_t *weight = t->weight + (size_t)x * t->most;
        const uint8_t *in = row + t->first[x];
        int32_t sum = 1 << (PRECISION - 1);
        for (uint32_t k = 0; k < t->count[x]; k++)
            sum += in[k] * weight[k];
        out[x] = clip(sum);
    }
}

static void across3(uint8_t *out, const uint8_t *row, const taps *t, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++, out += 3) {
        const int32_t *weight = t->weight + (size_t)x * t->most;
        const uint8_t *in = row + 3 * (size_t)t->first[x];
        int32_t sum0 = 1 << (PRECISION - 1);
        int32_t sum1 = sum0;
        int32_t sum2 = sum0;
        for (uint32_t k = 0; k < t->count[x]; k++, in += 3) {
            sum0 += in[0] * weight[k];
            sum1 += in[1] * weight[k];
            sum2 += in[2] * weight[k];
        }
        out[0] = clip(sum0);
        out[1] = clip(sum1);
        out[2] = clip(sum2);
    }
}

/* One output row; sum has room for as many values. */
static void down(uint8_t *out, const ai_pixels *in, const taps *t, uint32_t y, int32_t *sum)
{
    size_t bytes = (size_t)in->width * in->channels;
    for (size_t i = 0; i < bytes; i++)
        sum[i] = 1 << (PRECISION - 1);
    for (uint32_t k = 0; k < t->count[y]; k++) {
        const uint8_t *row = in->data + (t->first[y] + k) * in->stride;
        int32_t weight = t->weight[(size_t)y * t->most + k];
        for (size_t i = 0; i < bytes; i++)
            sum[i] += row[i] * weight;
    }
    for (size_t i = 0; i < bytes; i++)
        out[i] = clip(sum[i]);
}

/* Puts `made`, freshly allocated, in the place of what the pass before it made. */
static void replace(ai_pixels *pixels, uint8_t **owned, uint8_t *made, uint32_t width,
                    uint32_t height)
{
    free(*owned);
    *owned = made;
    *pixels = (ai_pixels){made, (size_t)width * pixels->channels, width, height, pixels->channels};
}

static ai_status pass_across(ai_pixels *pixels, uint8_t **owned, const taps *t, uint32_t width,
                             ai_error *err)
{
    uint32_t channels = pixels->channels;
    size_t bytes = (size_t)width * channels;
    uint8_t *made = malloc(bytes * pixels->height);
    if (!made)
        return ai_task_no_memory(err, bytes * pixels->height, "a resize");
    for (uint32_t y = 0; y < pixels->height; y++)
        (channels == 1 ? across1 : across3)(made + y * bytes, pixels->data + y * pixels->stride, t,
                                            width);
    replace(pixels, owned, made, width, pixels->height);
    return AI_OK;
}

static ai_status pass_down(ai_pixels *pixels, uint8_t **owned, const taps *t, uint32_t height,
                           ai_error *err)
{
    size_t bytes = (size_t)pixels->width * pixels->channels;
    uint8_t *made = malloc(bytes * height);
    int32_t *sum = malloc(bytes * sizeof *sum);
    if (!made || !sum) {
        free(made);
        free(sum);
        return ai_task_no_memory(err, bytes * height, "a resize");
    }
    for (uint32_t y = 0; y < height; y++)
        down(made + y * bytes, pixels, t, y, sum);
    free(sum);
    replace(pixels, owned, made, pixels->width, height);
    return AI_OK;
}

/* One direction of a resize: the source positions [first, end) and how they are weighed. */
typedef struct pass {
    taps t;
    uint32_t first;
    uint32_t end;
    bool is_needed;
} pass;

static ai_status pass_make(pass *p, const axis *a, uint32_t filter, ai_error *err)
{
    *p = (pass){.first = a->begin, .end = a->begin + a->count};
    if (a->in == a->out && a->low == 0.0f && a->high == (float)a->out)
        return AI_OK;
    ai_status status = taps_make(&p->t, a, filter, err);
    if (status != AI_OK)
        return status;
    p->is_needed = true;
    p->first = p->t.first[0];
    p->end = p->t.first[a->count - 1] + p->t.count[a->count - 1];
    for (uint32_t i = 0; i < a->count; i++)
        p->t.first[i] -= p->first;
    return AI_OK;
}

/* Across first, unless the height shrinks by over twice as much as the width (so since Pillow 13;
 * the rounding between the passes shows the order). */
static bool is_down_first(const axis *x, const axis *y)
{
    int64_t lost_rows = (int64_t)y->in - y->out;
    int64_t lost_columns = (int64_t)x->in - x->out;
    return lost_rows > 0 && lost_rows > 2 * lost_columns;
}

static ai_status copy_rows(uint8_t **owned, const ai_pixels *in, ai_error *err)
{
    size_t bytes = (size_t)in->width * in->channels;
    uint8_t *made = malloc(bytes * in->height);
    if (!made)
        return ai_task_no_memory(err, bytes * in->height, "a resize");
    for (uint32_t y = 0; y < in->height; y++)
        memcpy(made + y * bytes, in->data + y * in->stride, bytes);
    *owned = made;
    return AI_OK;
}

static ai_status run_passes(uint8_t **owned, const ai_pixels *in, const pass *x, const pass *y,
                            const ai_resample *job, bool down_first, ai_error *err)
{
    ai_pixels pixels = {in->data + y->first * in->stride + (size_t)x->first * in->channels,
                        in->stride, x->end - x->first, y->end - y->first, in->channels};
    ai_status status = AI_OK;
    if (y->is_needed && down_first)
        status = pass_down(&pixels, owned, &y->t, job->part_height, err);
    if (status == AI_OK && x->is_needed)
        status = pass_across(&pixels, owned, &x->t, job->part_width, err);
    if (status == AI_OK && y->is_needed && !down_first)
        status = pass_down(&pixels, owned, &y->t, job->part_height, err);
    if (status == AI_OK && !*owned)
        status = copy_rows(owned, &pixels, err);
    return status;
}

static ai_status smooth(uint8_t **out, const ai_pixels *in, const axis *x, const axis *y,
                        const ai_resample *job, ai_error *err)
{
    pass across = {.is_needed = false};
    pass below = {.is_needed = false};
    uint8_t *owned = NULL;
    ai_status status = pass_make(&across, x, job->filter, err);
    if (status == AI_OK)
        status = pass_make(&below, y, job->filter, err);
    if (status == AI_OK)
        status = run_passes(&owned, in, &across, &below, job, is_down_first(x, y), err);
    if (across.is_needed)
        taps_free(&across.t);
    if (below.is_needed)
        taps_free(&below.t);
    if (status == AI_OK)
        *out = owned;
    else
        free(owned);
    return status;
}

/* The source position of each wanted one, or UINT32_MAX outside. Pillow adds the step up in f64,
 * from the first position of the whole result on. */
static void nearest_table(uint32_t *table, const axis *a)
{
    double step = (double)(a->high - a->low) / a->out;
    double at = a->low + step * 0.5;
    for (uint32_t i = 0; i < a->begin + a->count; i++, at += step)
        if (i >= a->begin)
            table[i - a->begin] = at >= 0.0 && at < a->in ? (uint32_t)at : UINT32_MAX;
}

static void nearest_row(uint8_t *out, const uint8_t *row, const uint32_t *columns, uint32_t width,
                        uint32_t channels)
{
    for (uint32_t x = 0; x < width; x++)
        for (uint32_t c = 0; c < channels; c++)
            *out++ = columns[x] == UINT32_MAX ? 0 : row[(size_t)columns[x] * channels + c];
}

static ai_status nearest(uint8_t **out, const ai_pixels *in, const axis *x, const axis *y,
                         ai_error *err)
{
    size_t row_bytes = (size_t)x->count * in->channels;
    uint32_t *columns = malloc(((size_t)x->count + y->count) * sizeof *columns);
    uint8_t *made = malloc(row_bytes * y->count);
    if (!columns || !made) {
        free(columns);
        free(made);
        return ai_task_no_memory(err, row_bytes * y->count, "a resize");
    }
    uint32_t *rows = columns + x->count;
    nearest_table(columns, x);
    nearest_table(rows, y);
    for (uint32_t i = 0; i < y->count; i++)
        if (rows[i] == UINT32_MAX)
            memset(made + i * row_bytes, 0, row_bytes);
        else
            nearest_row(made + i * row_bytes, in->data + rows[i] * in->stride, columns, x->count,
                        in->channels);
    free(columns);
    *out = made;
    return AI_OK;
}

ai_status ai_resample_run(uint8_t **pixels, const ai_pixels *in, const ai_resample *job,
                          ai_error *err)
{
    axis x = {in->width, job->width, job->box[0], job->box[2], job->left, job->part_width};
    axis y = {in->height, job->height, job->box[1], job->box[3], job->top, job->part_height};
    assert(x.count && y.count && x.begin + x.count <= x.out && y.begin + y.count <= y.out);
    return job->filter == AI_RESIZE_NEAREST ? nearest(pixels, in, &x, &y, err)
                                            : smooth(pixels, in, &x, &y, job, err);
}

static ai_status check_picture(const ai_image *in, ai_error *err)
{
    if (!in || !in->pixels)
        return ai_task_fail(err, AI_E_ARGUMENT, "'%s' is NULL", in ? "in->pixels" : "in");
    if (in->channels != 1 && in->channels != 3)
        return ai_task_fail(err, AI_E_ARGUMENT, "picture has %u channels, needs 1 or 3",
                            in->channels);
    return ai_image_limits("picture", in->width, in->height, err);
}

static ai_status check_box(const ai_image *in, const float *box, ai_error *err)
{
    if (box[0] >= 0 && box[1] >= 0 && box[0] < box[2] && box[1] < box[3] &&
        box[2] <= (float)in->width && box[3] <= (float)in->height)
        return AI_OK;
    return ai_task_fail(err, AI_E_ARGUMENT,
                        "box is (%g, %g, %g, %g), needs left < right and top < bottom inside %u x "
                        "%u pixels",
                        (double)box[0], (double)box[1], (double)box[2], (double)box[3], in->width,
                        in->height);
}

ai_status ai_image_resize(ai_image *out, const ai_image *in, uint32_t width, uint32_t height,
                          uint32_t filter, const float box[4], ai_error *err)
{
    if (!out)
        return ai_task_fail(err, AI_E_ARGUMENT, "'out' is NULL");
    ai_status status = check_picture(in, err);
    if (status == AI_OK)
        status = ai_image_limits("resized picture", width, height, err);
    if (status != AI_OK)
        return status;
    if (filter != AI_RESIZE_NEAREST && filter != AI_RESIZE_BILINEAR && filter != AI_RESIZE_BICUBIC)
        return ai_task_fail(err, AI_E_ARGUMENT, "filter is %u, needs 0, 2 or 3", filter);
    ai_resample job = {width, height, filter, {0}, 0, 0, width, height};
    float whole[4] = {0, 0, (float)in->width, (float)in->height};
    memcpy(job.box, box ? box : whole, sizeof job.box);
    status = check_box(in, job.box, err);
    if (status != AI_OK)
        return status;
    ai_pixels view = {in->pixels, (size_t)in->width * in->channels, in->width, in->height,
                      in->channels};
    uint8_t *pixels;
    status = ai_resample_run(&pixels, &view, &job, err);
    if (status != AI_OK)
        return status;
    out->width = width;
    out->height = height;
    out->channels = in->channels;
    out->pixels = pixels;
    return AI_OK;
}
