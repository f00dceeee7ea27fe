/* SPDX-License-Identifier: Apache-2.0
 * Strips: a chain of Conv and MaxPool in blocks of 16 channels, as one step. Some output rows of
 * the last stage are computed at a time, and of each stage before it the rows that they need and
 * that are not there yet. Only those rows exist, in the scratch: they stay in the cache. Each stage
 * is checked, prepared and run by its own operator, with its arithmetic. */
#include <inttypes.h>
#include <string.h>

#include "conv.h"

/* The rows of all stages should stay in a core's L2 with the weights, and be many, since some are
 * moved for each strip. Measured with 2 MiB of L2: from 384 to 1024 KiB nothing changes, but for a
 * block that fits whole, as one of 14x14 and 576 channels does here (1 %); with 128 and 256 a block
 * of MobileNetV2 takes 1.1 and 1.05 of the time. */
enum { STRIP_BYTES = 640 * 1024, MOST_ROWS = 4096 };

/* step->local: rows of a strip */
enum { LOCAL_ROWS };

/* A stage as a step of its own, on one image. */
typedef struct stage {
    ai_step step;
    ai_file_step file;
    ai_tensor out; /* of all but the last stage, some rows are in the scratch: [first, end), where
                    * those above the image are negative */
    ai_tensor residual;
    ai_tensor *in[4];
    ai_tensor *out_list[1];
    float *rows; /* row `first` of block 0, its border included */
    int64_t first, end;
    int64_t most;     /* rows that there is room for */
    int64_t from, to; /* rows to compute for a strip */
} stage;

typedef struct chain {
    ai_tensor x;
    uint32_t count;
    stage stage[AI_STRIPS_MAX];
} chain;

/* ---- Stages as steps ---- */

static const ai_window *window_of(const stage *t)
{
    return t->step.params; /* of both operators it comes first */
}

static int64_t stride_of(const stage *t)
{
    return window_of(t)->stride[0];
}

static int64_t extent_of(const stage *t)
{
    return (int64_t)(window_of(t)->kernel[0] - 1) * window_of(t)->dilation[0] + 1;
}

static int64_t pad_of(const stage *t)
{
    return t->step.local[AI_CONV_PAD]; /* of both operators */
}

static ai_status check_params(const ai_step *s, const ai_strips_params *p, ai_error *err)
{
    if (p->count < 1 || p->count > AI_STRIPS_MAX || s->in_count != 1 + 3 * p->count)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "%u stages have %u inputs, needs 1 to %d stages of 3 and 1 more",
                            p->count, s->in_count, AI_STRIPS_MAX);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->stage[i].op != AI_OP_CONV && p->stage[i].op != AI_OP_MAX_POOL)
            return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                                "stage %u is operator %u, needs Conv or MaxPool", i,
                                p->stage[i].op);
    }
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    return ai_need_rank(s, 0, 4, err);
}

/* Binds stage i to its operands. */
static void bind(const ai_step *s, chain *c, uint32_t i)
{
    const ai_strips_params *p = s->params;
    stage *t = &c->stage[i];
    const ai_tensor *residual = s->in[3 * i + 3];

    t->in[0] = i == 0 ? &c->x : &c->stage[i - 1].out;
    t->in[1] = s->in[3 * i + 1];
    t->in[2] = s->in[3 * i + 2];
    if (residual != NULL) {
        t->residual = *residual;
        t->residual.dim[0] -= s->in[0]->dim[0] - 1; /* 1 if there are as many images */
        t->in[3] = &t->residual;
    }
    t->out.layout = AI_LAYOUT_NCHW16C;
    t->out_list[0] = &t->out;
    t->file.op = (uint16_t)p->stage[i].op;
    t->step.op = ai_op_find(t->file.op)->op;
    t->step.file = &t->file;
    t->step.name = s->name;
    t->step.params = &p->stage[i].params;
    t->step.in = t->in;
    t->step.out = t->out_list;
    t->step.in_count = p->stage[i].op == AI_OP_CONV ? 4 : 1;
    t->step.out_count = 1;
    t->step.index = s->index;
    t->step.cpu = s->cpu;
}

/* Which forms of Conv compute whole rows, one after the other. */
static bool goes_by_rows(const stage *t)
{
    if (t->file.op == AI_OP_MAX_POOL)
        return true;
    uint32_t layout = t->in[1]->layout;
    return (layout == AI_LAYOUT_CONV16 && ai_conv_group(&t->step) == 1) ||
           layout == AI_LAYOUT_DEPTHWISE16 || layout == AI_LAYOUT_STEM16;
}

/* Makes steps of the stages. */
static ai_status open_chain(const ai_step *s, chain *c, ai_error *err)
{
    memset(c, 0, sizeof(*c));
    c->count = ((const ai_strips_params *)s->params)->count;
    c->x = *s->in[0];
    c->x.dim[0] = 1;
    for (uint32_t i = 0; i < c->count; i++) {
        stage *t = &c->stage[i];
        bind(s, c, i);
        ai_status status = t->step.op->check(&t->step, err);
        if (status != AI_OK)
            return status;
        if (!goes_by_rows(t))
            return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                                "stage %u has %u groups and weights of layout %u, needs 1 group "
                                "or depthwise, and no transform",
                                i, ai_conv_group(&t->step), t->in[1]->layout);
        if (t->file.op == AI_OP_CONV)
            t->step.local[AI_CONV_BY_ROWS] = 1;
    }
    return AI_OK;
}

/* ---- Plan ---- */

/* Sets the room for rows of each stage, when `rows` of the last one are computed at a time, and its
 * strides; false: far too large. */
static bool set_room(chain *c, int64_t rows, int64_t *bytes)
{
    *bytes = 0;
    for (uint32_t i = c->count - 1; i-- > 0;) {
        const stage *next = &c->stage[i + 1];
        stage *t = &c->stage[i];
        ai_tensor *y = &t->out;
        rows = (rows - 1) * stride_of(next) + extent_of(next);
        rows = ai_min(rows, y->dim[2] + y->border[0] + y->border[2]);
        t->most = rows;
        y->row = (y->dim[3] + y->border[1] + y->border[3]) * 16;
        if (!ai_mul(y->row, rows, &y->plane) ||
            !ai_scratch_add(bytes, y->plane, ai_blocks(y->dim[1]), 1, sizeof(float)))
            return false;
    }
    return true;
}

/* As many rows as STRIP_BYTES have room for, at least one, in strips that are even. */
static bool choose_rows(chain *c, int64_t height, int64_t *rows)
{
    int64_t bytes;

    *rows = 1;
    while (*rows < height && *rows < MOST_ROWS && set_room(c, *rows + 1, &bytes) &&
           bytes <= STRIP_BYTES)
        ++*rows;
    int64_t strips = ai_max((height + *rows - 1) / *rows, 1);
    *rows = ai_max((height + strips - 1) / strips, 1);
    return set_room(c, *rows, &bytes);
}

static ai_status plan(ai_step *s, chain *c, ai_error *err)
{
    const ai_tensor *y = &c->stage[c->count - 1].out;
    int64_t images = s->in[0]->dim[0];
    int64_t most = 0;

    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = 0;
    bool fits = choose_rows(c, y->dim[2], &s->local[LOCAL_ROWS]) &&
                ai_scratch_add(&s->scratch, 1, 1, 1, sizeof(chain));
    for (uint32_t i = 0; i < c->count; i++) {
        const stage *t = &c->stage[i];
        if (i + 1 < c->count)
            fits = fits && ai_scratch_add(&s->scratch, t->out.plane, ai_blocks(t->out.dim[1]), 1,
                                          sizeof(float));
        most = ai_max(most, t->step.scratch);
        s->flops += t->step.flops * (uint64_t)images;
    }
    if (!fits || !ai_scratch_add(&s->scratch, most, 1, 1, 1))
        return ai_fail_step(err, AI_E_SHAPE, s, "rows of a strip are over 2^44 bytes");
    s->work = ai_max(images * y->dim[2], 1);
    memcpy(s->in[0]->border, c->x.border, sizeof(c->x.border));
    return AI_OK;
}

static ai_status check(ai_step *s, ai_error *err)
{
    chain c;
    int64_t dim[4];
    ai_status status = check_params(s, s->params, err);

    if (status == AI_OK)
        status = open_chain(s, &c, err);
    if (status != AI_OK)
        return status;
    memcpy(dim, c.stage[c.count - 1].out.dim, sizeof(dim));
    dim[0] = s->in[0]->dim[0];
    status = ai_set_output(s, 0, AI_F32, 4, dim, err);
    if (status == AI_OK && s->out[0]->layout != AI_LAYOUT_NCHW16C)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is plain, needs blocks of 16 channels");
    return status == AI_OK ? plan(s, &c, err) : status;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    chain c;
    ai_status status = open_chain(s, &c, err);

    for (uint32_t i = 0; i < c.count && status == AI_OK; i++) {
        status = c.stage[i].step.op->prepare(&c.stage[i].step, err);
        s->kernel[i] = c.stage[i].step.kernel[0];
    }
    return status;
}

/* ---- Run ---- */

/* Where element (0, 0) of the image would lie, were its rows there from 0 on. */
static void point_at_rows(stage *t)
{
    ai_tensor *y = &t->out;
    y->data = t->rows + y->border[1] * 16 - t->first * y->row;
}

static void zero_columns(const stage *t)
{
    const ai_tensor *y = &t->out;
    int64_t count = t->most * ai_blocks(y->dim[1]);
    size_t left = y->border[1] * 16 * sizeof(float);
    size_t right = y->border[3] * 16 * sizeof(float);

    for (int64_t i = 0; i < count && left + right > 0; i++) {
        memset(t->rows + i * y->row, 0, left);
        memset(t->rows + (i + 1) * y->row - y->border[3] * 16, 0, right);
    }
}

/* Zeros of the border above or below. */
static void zero_rows(const stage *t, int64_t from, int64_t to)
{
    const ai_tensor *y = &t->out;
    for (int64_t b = 0; b < ai_blocks(y->dim[1]) && from < to; b++)
        memset(t->rows + b * y->plane + (from - t->first) * y->row, 0,
               (size_t)((to - from) * y->row) * sizeof(float));
}

/* Drops rows before `from` where rows up to `to` would else find no room. */
static void make_room(stage *t, int64_t from, int64_t to)
{
    const ai_tensor *y = &t->out;

    if (from >= t->end)
        t->first = t->end = from;
    if (to - t->first <= t->most)
        return;
    for (int64_t b = 0; b < ai_blocks(y->dim[1]); b++) {
        float *rows = t->rows + b * y->plane;
        memmove(rows, rows + (from - t->first) * y->row,
                (size_t)((t->end - from) * y->row) * sizeof(float));
    }
    t->first = from;
}

/* Which rows of the stage before `next` are still to be computed. */
static void ask(stage *t, const stage *next)
{
    const ai_tensor *y = &t->out;
    int64_t above = -(int64_t)y->border[0];
    int64_t below = y->dim[2] + y->border[2];

    t->from = t->to = 0;
    if (next->from >= next->to)
        return;
    int64_t from = ai_max(next->from * stride_of(next) - pad_of(next), above);
    int64_t to = (next->to - 1) * stride_of(next) - pad_of(next) + extent_of(next);
    to = ai_min(to, below);
    if (to <= t->end)
        return;
    make_room(t, from, to);
    zero_rows(t, t->end, ai_min(to, 0));
    t->from = ai_max(t->end, 0);
    t->to = ai_min(to, y->dim[2]);
    zero_rows(t, ai_max(t->end, y->dim[2]), to);
    t->end = to;
    point_at_rows(t);
}

static void run_stage(const stage *t, void *scratch)
{
    const ai_step *s = &t->step;
    int64_t height = t->out.dim[2];

    if (t->from >= t->to)
        return;
    if (t->file.op == AI_OP_CONV) { /* the units of a row follow one another */
        int64_t units = s->work / height;
        (void)s->op->run(s, t->from * units, t->to * units, scratch, NULL);
        return;
    }
    for (int64_t b = 0; b < ai_blocks(t->out.dim[1]); b++)
        (void)s->op->run(s, b * height + t->from, b * height + t->to, scratch, NULL);
}

/* Element 0 of an image of a tensor. */
static void *image_of(const ai_tensor *t, int64_t image)
{
    int64_t size = t->layout == AI_LAYOUT_PLAIN ? t->dim[1] * t->dim[2] * t->dim[3]
                                                : ai_blocks(t->dim[1]) * t->plane;
    return (float *)t->data + image * size;
}

static void open_image(const ai_step *s, chain *c, int64_t image)
{
    c->x.data = image_of(s->in[0], image);
    c->stage[c->count - 1].out.data = image_of(s->out[0], image);
    for (uint32_t i = 0; i < c->count; i++) {
        stage *t = &c->stage[i];
        t->first = t->end = INT64_MIN / 2; /* no rows */
        if (t->in[3] != NULL)
            t->residual.data = image_of(s->in[3 * i + 3], image);
    }
}

static void run_strip(chain *c, int64_t from, int64_t to, void *scratch)
{
    c->stage[c->count - 1].from = from;
    c->stage[c->count - 1].to = to;
    for (uint32_t i = c->count - 1; i-- > 0;)
        ask(&c->stage[i], &c->stage[i + 1]);
    for (uint32_t i = 0; i < c->count; i++)
        run_stage(&c->stage[i], scratch);
}

/* What check() found, with the places of all rows. */
static chain *take_chain(const ai_step *s, char **scratch)
{
    chain *c = ai_scratch_take(scratch, 1, sizeof(*c));
    int64_t bytes;

    (void)open_chain(s, c, NULL);
    (void)set_room(c, s->local[LOCAL_ROWS], &bytes);
    for (uint32_t i = 0; i < c->count; i++) {
        stage *t = &c->stage[i];
        (void)t->step.op->prepare(&t->step, NULL);
        if (i + 1 == c->count) {
            t->out.row = s->out[0]->row;
            t->out.plane = s->out[0]->plane;
            break;
        }
        t->rows = ai_scratch_take(scratch, t->out.plane * ai_blocks(t->out.dim[1]), sizeof(float));
        zero_columns(t);
    }
    return c;
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    int64_t height = s->out[0]->dim[2];
    char *left = scratch;

    (void)err;
    if (ai_tensor_count(s->out[0]) == 0)
        return AI_OK;
    chain *c = take_chain(s, &left);
    while (begin < end) {
        int64_t row = begin % height;
        int64_t last = ai_min(height, row + end - begin);
        open_image(s, c, begin / height);
        begin += last - row;
        for (int64_t to; row < last; row = to) {
            to = ai_min(row + s->local[LOCAL_ROWS], last);
            run_strip(c, row, to, left);
        }
    }
    return AI_OK;
}

const ai_op ai_op_strips = {check, prepare, run, false};
