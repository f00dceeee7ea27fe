/* SPDX-License-Identifier: Apache-2.0
 * Resize: nearest of any type by copying; linear and cubic of f32 by mixing rows, then columns.
 *
 * A tensor is seen as [outer axes][columns][inner]: the last axis that is resized makes the
 * columns, the axes behind it, and the lanes of a block, are inner. A row of the output is made of
 * as many rows of the input as the outer axes have taps in all; the weight of a row is the product
 * of theirs in f32, in the order of the axes. */
#include <inttypes.h>
#include <string.h>

#include "resize.h"

typedef struct table {
    int64_t *places;
    float *weights;
    bool *is_inside; /* of each output */
} table;

typedef struct resize {
    ai_resize_axis axis[AI_MAX_RANK]; /* outer, then the columns */
    int64_t in_step[AI_MAX_RANK];     /* elements from one index to the next */
    int64_t out_step[AI_MAX_RANK];
    uint32_t outer;
    int64_t inner;
    int64_t rows; /* of the input for one of the output */
    table tables[AI_MAX_RANK];
    const float **row;
    float *row_weights;
    float *mixed;
} resize;

/* ---- Shapes ---- */

static ai_status check_params(const ai_step *s, ai_error *err)
{
    const ai_resize_params *p = s->params;
    const struct {
        const char *name;
        uint32_t value, most;
    } field[] = {
        {"mode", p->mode, AI_RESIZE_CUBIC},
        {"coordinates", p->coordinates, AI_RESIZE_TF_HALF_PIXEL_NN},
        {"nearest", p->nearest, AI_RESIZE_SIMPLE},
        {"policy", p->policy, AI_RESIZE_NOT_SMALLER},
        {"antialias", p->antialias, 1},
        {"exclude_outside", p->exclude_outside, 1},
    };
    for (size_t i = 0; i < sizeof(field) / sizeof(field[0]); i++) {
        if (field[i].value > field[i].most)
            return ai_fail_step(err, AI_E_UNSUPPORTED, s, "%s is %u, at most %u", field[i].name,
                                field[i].value, field[i].most);
    }
    return p->mode == AI_RESIZE_NEAREST ? AI_OK : ai_need_type(s, 0, AI_F32, err);
}

/* Sees blocks as [images and blocks][rows][columns][16], and all as [outer][columns][inner]. */
static ai_status get_resize(const ai_step *s, resize *r, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    uint32_t rank = x->rank;
    ai_status status = ai_resize_axes(s, r->axis, err);

    if (status != AI_OK)
        return status;
    r->inner = 1;
    if (x->layout == AI_LAYOUT_NCHW16C) {
        if (!ai_resize_is_still(s, &r->axis[0]) || !ai_resize_is_still(s, &r->axis[1]))
            return ai_fail_step(err, AI_E_FORMAT, s,
                                "blocks are resized along rows and columns "
                                "alone");
        r->inner = 16;
        r->axis[1].in = r->axis[1].out = (x->dim[1] + 15) / 16 * x->dim[0];
        memmove(&r->axis[0], &r->axis[1], 3 * sizeof(r->axis[0]));
        rank = 3;
    }
    while (x->layout == AI_LAYOUT_PLAIN && rank > 1 && ai_resize_is_still(s, &r->axis[rank - 1]))
        r->inner *= r->axis[--rank].in;
    if (rank == 0) /* a scalar */
        r->axis[rank++] = (ai_resize_axis){.in = 1, .out = 1, .scale = 1, .roi = {0, 1}, .taps = 1};
    r->outer = rank - 1;
    int64_t in = r->inner;
    int64_t out = r->inner;
    for (uint32_t d = rank; d-- > 0;) {
        r->in_step[d] = in;
        r->out_step[d] = out;
        in *= r->axis[d].in;
        out *= r->axis[d].out;
    }
    if (x->layout == AI_LAYOUT_NCHW16C) {
        r->in_step[0] = x->plane;
        r->in_step[1] = x->row;
        r->out_step[0] = y->plane;
        r->out_step[1] = y->row;
    }
    return AI_OK;
}

/* ---- Check ---- */

static bool add(int64_t *scratch, int64_t count, int64_t taps, int64_t bytes)
{
    const int64_t most = INT64_C(1) << 44;
    int64_t part;
    if (!ai_mul(count, taps, &part) || part > most / bytes)
        return false;
    *scratch += (part * bytes + 63) & ~INT64_C(63);
    return *scratch <= most;
}

static bool plan_scratch(ai_step *s, resize *r)
{
    r->rows = 1;
    s->scratch = 0;
    for (uint32_t d = 0; d <= r->outer; d++) {
        const ai_resize_axis *a = &r->axis[d];
        if (!add(&s->scratch, a->out, a->taps, sizeof(int64_t)) ||
            !add(&s->scratch, a->out, a->taps, sizeof(float)) ||
            !add(&s->scratch, a->out, 1, sizeof(bool)) ||
            (d < r->outer && !ai_mul(r->rows, a->taps, &r->rows)))
            return false;
    }
    return add(&s->scratch, r->rows, 1, sizeof(float *)) &&
           add(&s->scratch, r->rows, 1, sizeof(float)) &&
           add(&s->scratch, r->axis[r->outer].in, r->inner, sizeof(float));
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    int64_t dim[AI_MAX_RANK];
    resize r;

    if (x->layout != y->layout)
        return ai_fail_step(err, AI_E_FORMAT, s, "input has layout %u, output has layout %u",
                            x->layout, y->layout);
    ai_status status = check_params(s, err);
    if (status == AI_OK)
        status = ai_resize_axes(s, r.axis, err);
    for (uint32_t d = 0; d < x->rank && status == AI_OK; d++)
        dim[d] = r.axis[d].out;
    if (status == AI_OK)
        status = ai_set_output(s, 0, x->type, x->rank, dim, err);
    s->work = 1;
    if (status != AI_OK || ai_is_empty(s, 0) || (status = get_resize(s, &r, err)) != AI_OK)
        return status;
    if (!plan_scratch(s, &r))
        return ai_fail_step(err, AI_E_SHAPE, s, "places and weights take over 2^44 bytes");
    for (uint32_t d = 0; d < r.outer; d++)
        s->work *= r.axis[d].out;
    s->flops = 2 * (uint64_t)ai_tensor_count(y) * (uint64_t)(r.rows + r.axis[r.outer].taps);
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    const ai_resize_params *p = s->params;
    if (p->mode == AI_RESIZE_NEAREST)
        return AI_OK;
    return ai_choose(s, 0, AI_K_RESIZE, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
}

/* ---- Run ---- */

static void *take(char **scratch, int64_t bytes)
{
    void *part = *scratch;
    *scratch += (bytes + 63) & ~INT64_C(63);
    return part;
}

/* Places in elements. Those of the columns lie tap by tap, as the kernel reads them. */
static void fill_tables(const ai_step *s, resize *r, char *scratch)
{
    r->rows = 1;
    for (uint32_t d = 0; d <= r->outer; d++) {
        const ai_resize_axis *a = &r->axis[d];
        bool is_columns = d == r->outer;
        table *t = &r->tables[d];
        t->places = take(&scratch, a->out * a->taps * (int64_t)sizeof(int64_t));
        t->weights = take(&scratch, a->out * a->taps * (int64_t)sizeof(float));
        t->is_inside = take(&scratch, a->out * (int64_t)sizeof(bool));
        for (int64_t x = 0; x < a->out; x++) {
            int64_t at = is_columns ? x : x * a->taps;
            t->is_inside[x] =
                ai_resize_taps(s, a, x, is_columns ? a->out : 1, t->places + at, t->weights + at);
        }
        for (int64_t i = 0; i < a->out * a->taps; i++)
            t->places[i] *= r->in_step[d];
        r->rows *= is_columns ? 1 : a->taps;
    }
    r->row = take(&scratch, r->rows * (int64_t)sizeof(float *));
    r->row_weights = take(&scratch, r->rows * (int64_t)sizeof(float));
    r->mixed = (float *)(void *)scratch;
}

/* Element 0 of the first row of the input, of the row of the output; false: all of it is outside.
 */
static bool find_row(const resize *r, int64_t unit, int64_t at[AI_MAX_RANK], int64_t *out)
{
    bool is_inside = true;
    *out = 0;
    for (uint32_t d = r->outer; d-- > 0; unit /= r->axis[d].out) {
        at[d] = unit % r->axis[d].out;
        *out += at[d] * r->out_step[d];
        is_inside = is_inside && r->tables[d].is_inside[at[d]];
    }
    return is_inside;
}

/* Row i of those that are mixed: its place; its weight is multiplied. */
static int64_t tap_row(const resize *r, const int64_t at[AI_MAX_RANK], int64_t i, float *weight)
{
    int64_t place = 0;
    int64_t left = r->rows;
    *weight = 1;
    for (uint32_t d = 0; d < r->outer; d++) {
        left /= r->axis[d].taps;
        int64_t entry = at[d] * r->axis[d].taps + i / left % r->axis[d].taps;
        place += r->tables[d].places[entry];
        *weight *= r->tables[d].weights[entry];
    }
    return place;
}

static void mix_row(const ai_step *s, const resize *r, const int64_t at[AI_MAX_RANK], float *out)
{
    const ai_resize_axis *columns = &r->axis[r->outer];
    const table *t = &r->tables[r->outer];
    ai_resize_args args = {
        .rows = r->row,
        .row_weights = r->row_weights,
        .row_count = r->rows,
        .in_count = columns->in * r->inner,
        .mixed = r->mixed,
        .places = t->places,
        .weights = t->weights,
        .taps = columns->taps,
        .columns = columns->out,
        .inner = r->inner,
        .out = out,
    };
    for (int64_t i = 0; i < r->rows; i++)
        r->row[i] = (const float *)s->in[0]->data + tap_row(r, at, i, &r->row_weights[i]);
    s->kernel[0]->fn(&args);
}

#define COPY(bytes)                                                                                \
    for (int64_t x = 0; x < count; x++)                                                            \
    memcpy(out + x * (bytes), in + t->places[x] * size, (size_t)(bytes))

/* `before` is the row of the output that was copied from `before_in`: mostly the same row is wanted
 * again, and to copy the copy is faster. */
static void copy_row(const resize *r, const char *in, int64_t size, char *out,
                     const char *before_in, const char *before)
{
    const table *t = &r->tables[r->outer];
    int64_t count = r->axis[r->outer].out;
    int64_t bytes = r->inner * size;

    if (in == before_in) {
        memcpy(out, before, (size_t)(count * bytes));
        return;
    }
    switch (bytes) {
    case 4:
        COPY(4);
        return;
    case 16:
        COPY(16);
        return;
    case 64:
        COPY(64);
        return;
    default:
        COPY(bytes);
    }
}

/* The extrapolation value, in the type of the tensor, in columns that are outside. */
static void fill_outside(const ai_step *s, const resize *r, bool is_inside, char *out)
{
    const ai_tensor *y = s->out[0];
    float value = ((const ai_resize_params *)s->params)->extrapolation;
    int64_t size = (int64_t)ai_type_bytes(y->type);

    for (int64_t x = 0; x < r->axis[r->outer].out; x++) {
        bool is_kept = is_inside && r->tables[r->outer].is_inside[x];
        for (int64_t i = 0; i < r->inner && !is_kept; i++)
            ai_convert(&value, AI_F32, out + (x * r->inner + i) * size, y->type, 1);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_resize_params *p = s->params;
    int64_t size = (int64_t)ai_type_bytes(s->in[0]->type);
    int64_t at[AI_MAX_RANK];
    int64_t to;
    const char *before_in = NULL;
    const char *before = NULL;
    resize r;
    ai_status status;

    if (ai_is_empty(s, 0) || (status = get_resize(s, &r, err)) != AI_OK)
        return AI_OK; /* check has seen that it is right */
    fill_tables(s, &r, scratch);
    for (int64_t unit = begin; unit < end; unit++) {
        bool is_inside = find_row(&r, unit, at, &to);
        char *out = (char *)s->out[0]->data + to * size;
        float weight;
        if (p->mode == AI_RESIZE_NEAREST) {
            const char *in = (const char *)s->in[0]->data + tap_row(&r, at, 0, &weight) * size;
            copy_row(&r, in, size, out, before_in, before);
            before_in = p->coordinates == AI_RESIZE_TF_CROP ? NULL : in;
            before = out;
        } else {
            mix_row(s, &r, at, (float *)(void *)out);
        }
        if (p->coordinates == AI_RESIZE_TF_CROP)
            fill_outside(s, &r, is_inside, out);
    }
    return AI_OK;
}

const ai_op ai_op_resize = {check, prepare, run, false};
