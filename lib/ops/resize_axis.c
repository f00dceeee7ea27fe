/* SPDX-License-Identifier: Apache-2.0
 * One axis of Resize: how large it becomes, and of which inputs an output is made. Places and
 * weights are computed in f64 and rounded once. */
#include <inttypes.h>
#include <math.h>

#include "resize.h"

/* More taps than this no image needs. */
enum { MOST_TAPS = 1 << 24 };

static const ai_resize_params *params_of(const ai_step *s)
{
    return s->params;
}

/* ---- Inputs: roi, scales, sizes ---- */

static const ai_tensor *operand(const ai_step *s, uint32_t i)
{
    return i < s->in_count ? s->in[i] : NULL;
}

static ai_status need_list(const ai_step *s, uint32_t i, const char *name, ai_type type,
                           int64_t count, ai_error *err)
{
    const ai_tensor *t = s->in[i];
    if (t->type != type || t->layout != AI_LAYOUT_PLAIN || t->rank != 1 || t->dim[0] != count)
        return ai_fail_step(err, AI_E_SHAPE, s, "%s is no list of %" PRId64 " %s values", name,
                            count, ai_type_name(type));
    if (t->known == NULL)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "%s depends on values of a run, needs a constant", name);
    return AI_OK;
}

/* Writers leave an empty list in the place of an omitted one. */
static bool is_given(const ai_tensor *t)
{
    return t != NULL && !(t->rank == 1 && t->dim[0] == 0);
}

static uint32_t axis_count(const ai_step *s)
{
    const ai_resize_params *p = params_of(s);
    return p->axis_count > 0 ? p->axis_count : s->in[0]->rank;
}

static uint32_t axis_of(const ai_step *s, uint32_t i)
{
    const ai_resize_params *p = params_of(s);
    int rank = s->in[0]->rank;
    if (p->axis_count == 0)
        return i;
    return (uint32_t)(p->axes[i] < 0 ? p->axes[i] + rank : p->axes[i]);
}

static ai_status check_axes(const ai_step *s, ai_error *err)
{
    const ai_resize_params *p = params_of(s);
    int64_t axes[AI_FILE_MAX_RANK];
    uint32_t mask;

    if (p->axis_count > s->in[0]->rank)
        return ai_fail_step(err, AI_E_SHAPE, s, "%u axes of an input of rank %u", p->axis_count,
                            s->in[0]->rank);
    for (uint32_t i = 0; i < p->axis_count; i++)
        axes[i] = p->axes[i];
    return ai_axes_mask(s, s->in[0]->rank, p->axis_count, axes, &mask, err);
}

/* ---- Sizes ---- */

static ai_status read_roi(const ai_step *s, ai_resize_axis *axis, ai_error *err)
{
    uint32_t count = axis_count(s);
    const ai_tensor *roi = operand(s, 1);

    if (params_of(s)->coordinates != AI_RESIZE_TF_CROP)
        return AI_OK;
    if (!is_given(roi))
        return ai_fail_step(err, AI_E_SHAPE, s, "roi is missing, tf_crop_and_resize needs it");
    ai_status status = need_list(s, 1, "roi", AI_F32, 2 * (int64_t)count, err);
    for (uint32_t i = 0; i < 2 * count && status == AI_OK; i++) {
        float value = ((const float *)roi->known)[i];
        if (!(fabsf(value) <= 0x1p20f))
            return ai_fail_step(err, AI_E_SHAPE, s, "roi %u is %g, needs at most 2^20", i,
                                (double)value);
        axis[axis_of(s, i % count)].roi[i / count] = value;
    }
    return status;
}

/* The output has floor(size * scale) numbers, as everybody computes it in f32. */
static ai_status read_scales(const ai_step *s, ai_resize_axis *axis, ai_error *err)
{
    uint32_t count = axis_count(s);
    ai_status status = need_list(s, 2, "scales", AI_F32, count, err);

    for (uint32_t i = 0; i < count && status == AI_OK; i++) {
        ai_resize_axis *a = &axis[axis_of(s, i)];
        float scale = ((const float *)s->in[2]->known)[i];
        float part = params_of(s)->coordinates == AI_RESIZE_TF_CROP ? a->roi[1] - a->roi[0] : 1;
        float size = floorf((float)a->in * part * scale);
        if (!(scale > 0 && scale < INFINITY && size >= 0 && size <= 0x1p30f))
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "scale %u is %g and makes %g of %" PRId64
                                ", needs to be over 0 and to make at most 2^30",
                                i, (double)scale, (double)size, a->in);
        a->scale = (double)scale;
        a->is_scaled = true;
        a->out = (int64_t)size;
    }
    return status;
}

static ai_status read_sizes(const ai_step *s, ai_resize_axis *axis, ai_error *err)
{
    uint32_t count = axis_count(s);
    uint32_t policy = params_of(s)->policy;
    double common = policy == AI_RESIZE_NOT_LARGER ? (double)INFINITY : 0;
    ai_status status = need_list(s, 3, "sizes", AI_S64, count, err);

    for (uint32_t i = 0; i < count && status == AI_OK; i++) {
        ai_resize_axis *a = &axis[axis_of(s, i)];
        int64_t size = ((const int64_t *)s->in[3]->known)[i];
        if (size < 0 || size > 1 << 30 || (size > 0 && a->in == 0))
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "size %u is %" PRId64 " of %" PRId64 ", needs at most 2^30 of some",
                                i, size, a->in);
        a->out = size;
        a->scale = a->in == 0 ? 1 : (double)size / (double)a->in;
        common = policy == AI_RESIZE_NOT_LARGER ? fmin(common, a->scale) : fmax(common, a->scale);
    }
    for (uint32_t i = 0; i < count && status == AI_OK && policy != AI_RESIZE_STRETCH; i++) {
        ai_resize_axis *a = &axis[axis_of(s, i)];
        double size = floor(common * (double)a->in + 0.5);
        if (!(size <= 0x1p30))
            return ai_fail_step(err, AI_E_SHAPE, s, "axis of %" PRId64 " becomes %g, at most 2^30",
                                a->in, size);
        a->scale = common;
        a->out = (int64_t)size;
    }
    return status;
}

/* ---- Taps ---- */

/* How far the filter reaches in inputs, and how much it is stretched. */
static double support_of(const ai_step *s)
{
    return params_of(s)->mode == AI_RESIZE_CUBIC ? 2 : 1;
}

static double stretch_of(const ai_step *s, const ai_resize_axis *a)
{
    return params_of(s)->antialias && a->scale < 1 ? a->scale : 1;
}

static ai_status count_taps(const ai_step *s, ai_resize_axis *a, ai_error *err)
{
    a->taps = 1;
    if (params_of(s)->mode == AI_RESIZE_NEAREST || ai_resize_is_still(s, a) || a->out == 0)
        return AI_OK;
    double taps = -2 * floor(-support_of(s) / stretch_of(s, a));
    if (!(taps <= MOST_TAPS))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s, "an output is made of %g inputs, at most %d",
                            taps, MOST_TAPS);
    a->taps = (int64_t)taps;
    return AI_OK;
}

ai_status ai_resize_axes(const ai_step *s, ai_resize_axis *axis, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    bool has_sizes = is_given(operand(s, 3));

    for (uint32_t d = 0; d < x->rank; d++)
        axis[d] = (ai_resize_axis){.in = x->dim[d], .out = x->dim[d], .scale = 1, .roi = {0, 1}};
    ai_status status = check_axes(s, err);
    if (status == AI_OK && has_sizes == is_given(operand(s, 2)))
        status = ai_fail_step(err, AI_E_SHAPE, s, "scales and sizes are %s, needs one of them",
                              has_sizes ? "given" : "missing");
    if (status == AI_OK)
        status = read_roi(s, axis, err);
    if (status == AI_OK)
        status = has_sizes ? read_sizes(s, axis, err) : read_scales(s, axis, err);
    for (uint32_t d = 0; d < x->rank && status == AI_OK; d++)
        status = count_taps(s, &axis[d], err);
    return status;
}

bool ai_resize_is_still(const ai_step *s, const ai_resize_axis *a)
{
    bool is_whole = a->roi[0] == 0 && a->roi[1] == 1;
    return a->in == a->out && a->scale == 1 &&
           (is_whole || params_of(s)->coordinates != AI_RESIZE_TF_CROP);
}

/* x / scale. Of a scale that was rounded to f32, such as 1/3, a quotient that is meant to be whole
 * would not be: it is rounded to f32 too. */
static double shrink(const ai_step *s, const ai_resize_axis *a, double x)
{
    if (a->is_scaled)
        return (double)((float)x / (float)a->scale);
    return params_of(s)->policy == AI_RESIZE_STRETCH ? x * (double)a->in / (double)a->out
                                                     : x / a->scale;
}

/* Where output x lies in the input. */
static double place_of(const ai_step *s, const ai_resize_axis *a, int64_t x)
{
    double last = (double)a->in - 1;
    bool is_whole = !a->is_scaled && params_of(s)->policy == AI_RESIZE_STRETCH;
    double length = is_whole ? (double)a->out : a->scale * (double)a->in;
    double start = (double)a->roi[0];
    double end = (double)a->roi[1];

    switch (params_of(s)->coordinates) {
    case AI_RESIZE_HALF_PIXEL_SYMMETRIC:
        return (double)a->in / 2 + shrink(s, a, (double)x + 0.5 - (double)a->out / 2) - 0.5;
    case AI_RESIZE_PYTORCH_HALF_PIXEL:
        return a->out > 1 ? shrink(s, a, (double)x + 0.5) - 0.5 : 0;
    case AI_RESIZE_ALIGN_CORNERS:
        return length == 1 ? 0 : (double)x * last / (length - 1);
    case AI_RESIZE_TF_HALF_PIXEL_NN:
        return shrink(s, a, (double)x + 0.5);
    case AI_RESIZE_ASYMMETRIC:
        return shrink(s, a, (double)x);
    case AI_RESIZE_TF_CROP:
        if (length == 1)
            return 0.5 * (start + end) * last;
        return start * last + (double)x * (end - start) * last / (length - 1);
    default:
        return shrink(s, a, (double)x + 0.5) - 0.5;
    }
}

static double nearest_of(const ai_step *s, const ai_resize_axis *a, double place)
{
    switch (params_of(s)->nearest) {
    case AI_RESIZE_ROUND_PREFER_FLOOR:
        return ceil(place - 0.5);
    case AI_RESIZE_ROUND_PREFER_CEIL:
        return floor(place + 0.5);
    case AI_RESIZE_FLOOR:
        return floor(place);
    case AI_RESIZE_CEIL:
        return ceil(place);
    default:
        return a->scale < 1 ? ceil(place) : floor(place);
    }
}

/* The filter at a distance from its middle. */
static double weight_at(const ai_step *s, double x)
{
    double a = (double)params_of(s)->cubic_a;
    x = fabs(x);
    if (params_of(s)->mode == AI_RESIZE_LINEAR)
        return x < 1 ? 1 - x : 0;
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static int64_t inside(double place, int64_t size)
{
    return place <= 0 ? 0 : place >= (double)size ? size - 1 : (int64_t)place;
}

bool ai_resize_taps(const ai_step *s, const ai_resize_axis *a, int64_t x, int64_t step,
                    int64_t *places, float *weights)
{
    const ai_resize_params *p = params_of(s);
    double place = a->taps == 1 && ai_resize_is_still(s, a) ? (double)x : place_of(s, a, x);
    double stretch = stretch_of(s, a);
    double base = floor(place);
    double first = floor(-support_of(s) / stretch) + 1;
    double sum = 0;
    bool is_inside = p->coordinates != AI_RESIZE_TF_CROP ||
                     ((float)place >= 0 && (float)place <= (float)(a->in - 1));

    if (a->taps == 1) {
        places[0] = inside(p->mode == AI_RESIZE_NEAREST ? nearest_of(s, a, place) : place, a->in);
        weights[0] = 1;
        return is_inside;
    }
    for (int pass = 0; pass < 2; pass++) { /* the sum of all weights, then each of them over it */
        for (int64_t t = 0; t < a->taps; t++) {
            double at = base + first + (double)t;
            double weight = weight_at(s, (at - place) * stretch);
            if (p->exclude_outside && (at < 0 || at >= (double)a->in))
                weight = 0;
            sum += pass == 0 ? weight : 0;
            places[t * step] = inside(at, a->in);
            weights[t * step] = (float)(sum == 0 ? weight : weight / sum);
        }
    }
    return is_inside;
}
