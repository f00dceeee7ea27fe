/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM: sequences through a recurrent layer. The products of the inputs are made for a
 * block of steps in time at once, those of h step by step; recurrent_cell.c is what lies between.
 * A unit is one direction over up to ROWS sequences. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "recurrent.h"
#include "elem.h"
#include "window.h"

/* Sequences of a unit; also how many rows of sums the products of the inputs have at once. */
enum { ROWS = 32 };

/* R is read forward and backward in turn, a few panels at a time, so that a part of it is still in
 * the cache when the next step in time begins. */
enum { PANELS = 8 };

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLE };
enum { Y, Y_H, Y_C };

/* ---- Shapes ---- */

typedef struct shape {
    int64_t time;
    int64_t batch;
    int64_t inputs;
    int64_t directions;
    int64_t size;
    int64_t width;
    bool is_batch_first;
} shape;

static const ai_tensor *operand(const ai_step *s, uint32_t i)
{
    return i < s->in_count ? s->in[i] : NULL;
}

static int64_t gates_of(const ai_step *s)
{
    return s->file->op == AI_OP_LSTM ? 4 : s->file->op == AI_OP_GRU ? 3 : 1;
}

static shape shape_of(const ai_step *s)
{
    const ai_recurrent_params *p = s->params;
    const ai_tensor *x = s->in[X];
    bool is_batch_first = (p->flags & AI_BATCH_FIRST) != 0;
    return (shape){
        .time = x->dim[is_batch_first],
        .batch = x->dim[!is_batch_first],
        .inputs = x->dim[2],
        .directions = p->direction == AI_BIDIRECTIONAL ? 2 : 1,
        .size = p->hidden_size,
        .width = gates_of(s) * p->hidden_size,
        .is_batch_first = is_batch_first,
    };
}

static ai_status need_shape(const ai_step *s, uint32_t i, uint32_t rank, const int64_t *dim,
                            ai_error *err)
{
    static const char *const names[] = {"X",         "W",         "R",       "B", "sequence_lens",
                                        "initial_h", "initial_c", "peephole"};
    const ai_tensor *t = operand(s, i);
    char found[AI_SHAPE_TEXT];
    char needed[AI_SHAPE_TEXT];
    if (!t && i > R)
        return AI_OK;
    bool is_weight = i == W || i == R;
    bool is_rounded = is_weight && t && ai_is_rounded(t);
    bool is_packed = is_rounded || (is_weight && t && t->layout == AI_LAYOUT_PANEL16);
    bool is_narrow = is_packed && t->type == AI_F16;
    ai_type type = i == LENGTHS ? AI_S32 : is_rounded ? AI_S8 : is_narrow ? AI_F16 : AI_F32;
    ai_status status = ai_need_type(s, i, type, err);
    if (status)
        return status;
    if (t->layout != AI_LAYOUT_PLAIN && !(is_packed && t->kind == AI_TENSOR_CONSTANT))
        return ai_fail_step(err, AI_E_FORMAT, s, "input %u has layout %u, needs a plain tensor", i,
                            t->layout);
    if (t->rank != rank || memcmp(t->dim, dim, rank * sizeof(dim[0])) != 0)
        return ai_fail_step(err, AI_E_SHAPE, s, "%s has shape %s, needs %s", names[i],
                            ai_shape_text(t->rank, t->dim, found),
                            ai_shape_text(rank, dim, needed));
    return AI_OK;
}

static ai_status check_params(const ai_step *s, ai_error *err)
{
    const ai_recurrent_params *p = s->params;
    if (p->direction > AI_BIDIRECTIONAL || p->hidden_size < 1 || !(p->clip > 0) ||
        p->flags > (AI_LINEAR_BEFORE_RESET | AI_INPUT_FORGET | AI_BATCH_FIRST))
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "direction %u, hidden size %u, flags 0x%x, clip %g are not possible",
                            p->direction, p->hidden_size, p->flags, (double)p->clip);
    for (uint32_t i = 0; i < 6; i++) {
        if (p->activation[i].function >= AI_FUNCTION_COUNT)
            return ai_fail_step(err, AI_E_FORMAT, s, "function %u is not known",
                                p->activation[i].function);
    }
    return AI_OK;
}

static ai_status check_inputs(const ai_step *s, const shape *q, ai_error *err)
{
    const int64_t directions = q->directions;
    const int64_t state[] = {q->is_batch_first ? q->batch : directions,
                             q->is_batch_first ? directions : q->batch, q->size};
    const struct {
        uint32_t rank;
        int64_t dim[3];
    } needed[] = {
        [X] = {3, {s->in[X]->dim[0], s->in[X]->dim[1], q->inputs}},
        [W] = {3, {directions, q->inputs, q->width}},
        [R] = {3, {directions, q->size, q->width}},
        [B] = {2, {directions, 2 * q->width, 0}},
        [LENGTHS] = {1, {q->batch, 0, 0}},
        [INITIAL_H] = {3, {state[0], state[1], state[2]}},
        [INITIAL_C] = {3, {state[0], state[1], state[2]}},
        [PEEPHOLE] = {2, {directions, 3 * q->size, 0}},
    };
    ai_status status = AI_OK;
    for (uint32_t i = 0; i <= PEEPHOLE && !status; i++)
        status = need_shape(s, i, needed[i].rank, needed[i].dim, err);
    return status;
}

static ai_status set_outputs(ai_step *s, const shape *q, ai_error *err)
{
    int64_t y[] = {q->time, q->directions, q->batch, q->size};
    int64_t state[] = {q->directions, q->batch, q->size};
    if (q->is_batch_first) {
        y[0] = q->batch;
        y[1] = q->time;
        y[2] = q->directions;
        state[0] = q->batch;
        state[1] = q->directions;
    }
    for (uint32_t i = 0; i < s->out_count; i++) {
        if (s->out[i] && s->out[i]->layout != AI_LAYOUT_PLAIN)
            return ai_fail_step(err, AI_E_FORMAT, s,
                                "output %u has layout %u, needs a plain tensor", i,
                                s->out[i]->layout);
        ai_status status = i == Y ? ai_set_output(s, i, AI_F32, 4, y, err)
                                  : ai_set_output(s, i, AI_F32, 3, state, err);
        if (status)
            return status;
    }
    return AI_OK;
}

static bool is_plain(const ai_tensor *t)
{
    return t->layout == AI_LAYOUT_PLAIN;
}

/* Steps in time whose inputs are multiplied at once. */
static int64_t block_of(const shape *q)
{
    return ai_min(q->time, q->batch < ROWS ? ROWS / ai_max(q->batch, 1) : 1);
}

static bool has_rounded(const ai_step *s)
{
    return ai_is_rounded(s->in[W]) || ai_is_rounded(s->in[R]);
}

/* Rows that are rounded at once, and the most numbers of one. */
static int64_t rounded_rows(const shape *q)
{
    return block_of(q) * ai_min(q->batch, ROWS);
}
static int64_t rounded_columns(const shape *q)
{
    return ai_max(q->inputs, q->size);
}

static bool add_scratch(ai_step *s, const shape *q)
{
    const int64_t number = (int64_t)sizeof(float);
    int64_t rows = ai_min(q->batch, ROWS);
    int64_t *scratch = &s->scratch;
    *scratch = 0;
    return (!is_plain(s->in[W]) ||
            ai_scratch_add(scratch, q->inputs, 16, ai_blocks(q->width), number)) &&
           (!is_plain(s->in[R]) ||
            ai_scratch_add(scratch, q->size, 16, ai_blocks(q->width), number)) &&
           (!has_rounded(s) || ai_rounded_plan(scratch, rounded_rows(q), rounded_columns(q))) &&
           ai_scratch_add(scratch, 2, q->width, 1, number) &&
           ai_scratch_add(scratch, block_of(q), rows, q->inputs, number) &&
           ai_scratch_add(scratch, block_of(q), rows, q->width, number) &&
           ai_scratch_add(scratch, 2, rows, q->size, number) &&
           ai_scratch_add(scratch, 1, rows, q->width, number);
}

static ai_status check(ai_step *s, ai_error *err)
{
    ai_status status = check_params(s, err);
    if (status)
        return status;
    if (s->in[X]->rank != 3)
        return ai_fail_step(err, AI_E_SHAPE, s, "X has rank %u, needs 3", s->in[X]->rank);
    shape q = shape_of(s);
    if (q.time == 0)
        return ai_fail_step(err, AI_E_SHAPE, s, "the sequence has no steps, needs at least 1");
    status = check_inputs(s, &q, err);
    if (!status)
        status = set_outputs(s, &q, err);
    if (status)
        return status;
    if (!add_scratch(s, &q))
        return ai_fail_step(err, AI_E_MEMORY, s, "the scratch takes over 2^44 bytes");
    s->work = q.directions * ai_max((q.batch + ROWS - 1) / ROWS, 1);
    s->flops = 2 * (uint64_t)(q.time * q.batch) * (uint64_t)(q.width * (q.inputs + q.size)) *
               (uint64_t)q.directions;
    s->alias = AI_ALIAS_NONE;
    return AI_OK;
}

/* ---- Kernels ---- */

static ai_status choose(ai_step *s, uint32_t slot, uint32_t op, ai_type weights, uint32_t layout,
                        ai_error *err)
{
    ai_status status = ai_choose(s, 0, op, AI_F32, weights, layout, err);
    if (!status)
        s->local[slot] = s->kernel[0] - ai_kernels;
    return status;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    static const uint8_t functions[AI_FUNCTION_COUNT] = {
        AI_UNARY_AFFINE, AI_UNARY_CLIP,     AI_UNARY_LEAKY_RELU, AI_UNARY_THRESHOLDED_RELU,
        AI_UNARY_TANH,   AI_UNARY_TANH,     AI_UNARY_SIGMOID,    AI_UNARY_HARD_SIGMOID,
        AI_UNARY_ELU,    AI_UNARY_SOFTSIGN, AI_UNARY_SOFTPLUS};
    static const struct {
        uint8_t slot;
        uint8_t op;
    } fixed[] = {{AI_RECURRENT_ADD, AI_K_BINARY + AI_BINARY_ADD},
                 {AI_RECURRENT_SUB, AI_K_BINARY + AI_BINARY_SUB},
                 {AI_RECURRENT_MUL, AI_K_BINARY + AI_BINARY_MUL},
                 {AI_RECURRENT_CLIP, AI_K_UNARY + AI_UNARY_CLIP},
                 {AI_RECURRENT_FLUSH, AI_K_UNARY + AI_UNARY_FLUSH},
                 {AI_RECURRENT_AFFINE, AI_K_UNARY + AI_UNARY_AFFINE}};
    const ai_recurrent_params *p = s->params;
    ai_status status = AI_OK;
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && !status; i++)
        status = choose(s, fixed[i].slot, fixed[i].op, AI_F32, AI_LAYOUT_PLAIN, err);
    for (uint32_t i = 0; i < 6 && !status; i++)
        status =
            choose(s, AI_RECURRENT_FUNCTION + i, AI_K_UNARY + functions[p->activation[i].function],
                   AI_F32, AI_LAYOUT_PLAIN, err);
    if (!status)
        status = choose(s, AI_RECURRENT_GEMM, AI_K_GEMM, AI_F32, AI_LAYOUT_PANEL16, err);
    if (!status)
        status = choose(s, AI_RECURRENT_GEMM_F16, AI_K_GEMM, AI_F16, AI_LAYOUT_PANEL16, err);
    return status || !has_rounded(s) ? status : ai_rounded_prepare(s, AI_RECURRENT_ROUNDED, err);
}

/* ---- Run ---- */

typedef struct job {
    ai_recurrent q;
    shape shape;
    int64_t first;         /* sequence of the batch */
    int64_t lengths[ROWS]; /* of the sequences */
    float *x;              /* [block][rows][inputs] */
    float *sums;           /* [block][rows][width] */
    bool is_reverse;
} job;

/* A plain matrix [k][n] as panels. */
static void pack(const float *from, int64_t k, int64_t n, float *to)
{
    for (int64_t panel = 0; panel < n; panel += 16) {
        int64_t lanes = ai_min(n - panel, 16);
        for (int64_t i = 0; i < k; i++, to += 16) {
            memset(to, 0, 16 * sizeof(*to));
            memcpy(to, from + i * n + panel, (size_t)lanes * sizeof(*to));
        }
    }
}

/* The panels of a direction: in the file, or made of a plain tensor. */
static const void *weights_of(const job *j, uint32_t i, int64_t k, char **scratch)
{
    const ai_tensor *t = j->q.step->in[i];
    if (ai_is_rounded(t))
        return (const char *)t->data + j->q.direction * ai_rounded_bytes(k, j->q.width);
    int64_t columns = is_plain(t) ? j->q.width : ai_blocks(j->q.width) * 16;
    const char *from =
        (const char *)t->data + j->q.direction * k * columns * (int64_t)ai_type_bytes(t->type);
    if (!is_plain(t))
        return from;
    float *to = ai_scratch_take(scratch, k * ai_blocks(j->q.width) * 16, sizeof(float));
    pack((const float *)(const void *)from, k, j->q.width, to);
    return to;
}

static void set_bias(ai_recurrent *q)
{
    const ai_tensor *b = operand(q->step, B);
    const ai_recurrent_params *p = q->step->params;
    bool is_late = q->step->file->op == AI_OP_GRU && (p->flags & AI_LINEAR_BEFORE_RESET);
    for (int64_t i = 0; i < q->width; i++) {
        const float *w = b ? (const float *)b->data + q->direction * 2 * q->width : NULL;
        float late = w ? w[q->width + i] : 0;
        q->bias[i] = w ? w[i] : 0;
        q->late[i] = late;
        if (!is_late || i < 2 * q->size)
            q->bias[i] += late;
    }
}

/* Where a row of a state lies in initial_h, initial_c, Y_h or Y_c. */
static int64_t state_offset(const job *j, int64_t row)
{
    int64_t sequence = j->first + row;
    return (j->shape.is_batch_first ? sequence * j->shape.directions + j->q.direction
                                    : j->q.direction * j->shape.batch + sequence) *
           j->q.size;
}

static void set_state(const job *j, uint32_t input, float *state)
{
    const ai_tensor *t = operand(j->q.step, input);
    size_t bytes = (size_t)j->q.size * sizeof(float);
    for (int64_t row = 0; row < j->q.rows; row++) {
        if (t)
            memcpy(state + row * j->q.size, (const float *)t->data + state_offset(j, row), bytes);
        else
            memset(state + row * j->q.size, 0, bytes);
    }
}

static void store_row(const job *j, uint32_t output, int64_t offset, const float *row)
{
    ai_tensor *t = output < j->q.step->out_count ? j->q.step->out[output] : NULL;
    if (t)
        memcpy((float *)t->data + offset, row, (size_t)j->q.size * sizeof(float));
}

/* The state of sequences that end after `step` steps in time. */
static void store_states(const job *j, int64_t step)
{
    for (int64_t row = 0; row < j->q.rows; row++) {
        if (j->lengths[row] != step)
            continue;
        store_row(j, Y_H, state_offset(j, row), j->q.h + row * j->q.size);
        store_row(j, Y_C, state_offset(j, row), j->q.c + row * j->q.size);
    }
}

/* Where a sequence is at a step: ahead of its end, back from it, or past it in the padding. */
static int64_t time_of(const job *j, int64_t row, int64_t step)
{
    bool is_over = step >= j->lengths[row];
    return j->is_reverse && !is_over ? j->lengths[row] - 1 - step : step;
}

static void store_outputs(const job *j, int64_t step)
{
    const shape *s = &j->shape;
    ai_tensor *y = j->q.step->out[Y];
    for (int64_t row = 0; row < j->q.rows && y; row++) {
        int64_t time = time_of(j, row, step);
        int64_t sequence = j->first + row;
        int64_t place = s->is_batch_first
                            ? (sequence * s->time + time) * s->directions + j->q.direction
                            : (time * s->directions + j->q.direction) * s->batch + sequence;
        if (step < j->lengths[row])
            store_row(j, Y, place * s->size, j->q.h + row * s->size);
        else
            memset((float *)y->data + place * s->size, 0, (size_t)s->size * sizeof(float));
    }
}

/* With the panels of W or R. Of s8: by the rows that were rounded last. Of f16: each row widens
 * them anew, which is the faster way up to a few rows, and seldom are they more. */
static void multiply(const ai_recurrent *q, uint32_t input, const ai_gemm_args *args)
{
    const ai_tensor *t = q->step->in[input];
    if (ai_is_rounded(t))
        ai_rounded_multiply(&q->rounded, args);
    else
        ai_kernels[q->step->local[t->type == AI_F16 ? AI_RECURRENT_GEMM_F16 : AI_RECURRENT_GEMM]]
            .fn(args);
}

/* The inputs of `count` steps from `step` on, one row for each sequence, times W. */
static void multiply_inputs(const job *j, int64_t step, int64_t count)
{
    const ai_recurrent *q = &j->q;
    const shape *s = &j->shape;
    const float *x = q->step->in[X]->data;
    float *to = j->x;
    for (int64_t i = step; i < step + count; i++) {
        for (int64_t row = 0; row < q->rows; row++, to += q->inputs) {
            int64_t time = time_of(j, row, i);
            int64_t sequence = j->first + row;
            int64_t place =
                s->is_batch_first ? sequence * s->time + time : time * s->batch + sequence;
            memcpy(to, x + place * q->inputs, (size_t)q->inputs * sizeof(*to));
        }
    }
    const ai_gemm_args args = {.a = j->x,
                               .a_row = q->inputs,
                               .b = q->w,
                               .panel = q->inputs * 16,
                               .bias = q->bias,
                               .out = j->sums,
                               .out_row = q->width,
                               .m = count * q->rows,
                               .n = q->width,
                               .k = q->inputs,
                               .panel_end = ai_blocks(q->width),
                               .lo = -INFINITY,
                               .hi = INFINITY};
    if (ai_is_rounded(q->step->in[W]))
        ai_rounded_take(&q->rounded, &args);
    multiply(q, W, &args);
}

void ai_recurrent_multiply(const ai_recurrent *q, const float *h, const float *bias,
                           int64_t bias_row, float *out, int64_t begin, int64_t end)
{
    ai_gemm_args args = {.a = h,
                         .a_row = q->size,
                         .b = q->r,
                         .panel = q->size * 16,
                         .bias = bias,
                         .bias_row = bias_row,
                         .out = out,
                         .out_row = q->width,
                         .m = q->rows,
                         .n = end,
                         .k = q->size,
                         .lo = -INFINITY,
                         .hi = INFINITY};
    int64_t first = begin / 16;
    int64_t panels = ai_blocks(end) - first;
    int64_t groups = (panels + PANELS - 1) / PANELS;
    if (ai_is_rounded(q->step->in[R]))
        ai_rounded_take(&q->rounded, &args);
    for (int64_t i = 0; i < groups; i++) {
        int64_t group = q->is_odd ? groups - 1 - i : i;
        args.panel_begin = first + group * PANELS;
        args.panel_end = first + ai_min((group + 1) * PANELS, panels);
        multiply(q, R, &args);
    }
}

static void start_job(job *j, const ai_step *s, int64_t unit, char *scratch)
{
    const ai_recurrent_params *p = s->params;
    const ai_tensor *peephole = operand(s, PEEPHOLE);
    ai_recurrent *q = &j->q;
    j->shape = shape_of(s);
    int64_t per_direction = s->work / j->shape.directions;
    int64_t block = block_of(&j->shape);
    j->first = unit % per_direction * ROWS;
    *q = (ai_recurrent){.step = s,
                        .direction = unit / per_direction,
                        .size = j->shape.size,
                        .width = j->shape.width,
                        .inputs = j->shape.inputs,
                        .rows = ai_min(j->shape.batch - j->first, ROWS)};
    j->is_reverse = p->direction == AI_REVERSE || q->direction == 1;
    q->w = weights_of(j, W, q->inputs, &scratch);
    q->r = weights_of(j, R, q->size, &scratch);
    if (has_rounded(s))
        ai_rounded_start(&q->rounded, s, AI_RECURRENT_ROUNDED, rounded_rows(&j->shape),
                         rounded_columns(&j->shape), &scratch);
    int64_t rows = ai_min(j->shape.batch, ROWS);
    q->bias = ai_scratch_take(&scratch, 2 * q->width, sizeof(float));
    q->late = q->bias + q->width;
    j->x = ai_scratch_take(&scratch, block * rows * q->inputs, sizeof(float));
    j->sums = ai_scratch_take(&scratch, block * rows * q->width, sizeof(float));
    q->h = ai_scratch_take(&scratch, 2 * rows * q->size, sizeof(float));
    q->c = q->h + rows * q->size;
    q->between = ai_scratch_take(&scratch, rows * q->width, sizeof(float));
    if (peephole)
        q->peephole = (const float *)peephole->data + q->direction * 3 * q->size;
}

static ai_status set_lengths(job *j, ai_error *err)
{
    const ai_tensor *t = operand(j->q.step, LENGTHS);
    for (int64_t row = 0; row < j->q.rows; row++) {
        int64_t length = t ? ((const int32_t *)t->data)[j->first + row] : j->shape.time;
        if (length < 0 || length > j->shape.time)
            return ai_fail_step(err, AI_E_VALUE, j->q.step,
                                "sequence %" PRId64 " has length %" PRId64 ", needs 0 to %" PRId64,
                                j->first + row, length, j->shape.time);
        j->lengths[row] = length;
    }
    return AI_OK;
}

static void run_unit(job *j)
{
    int64_t block = block_of(&j->shape);
    set_bias(&j->q);
    set_state(j, INITIAL_H, j->q.h);
    if (j->q.step->file->op == AI_OP_LSTM)
        set_state(j, INITIAL_C, j->q.c);
    store_states(j, 0);
    for (int64_t step = 0; step < j->shape.time; step++) {
        if (step % block == 0)
            multiply_inputs(j, step, ai_min(block, j->shape.time - step));
        j->q.is_odd = step % 2 == 1;
        ai_recurrent_cell(&j->q, j->sums + step % block * j->q.rows * j->q.width);
        store_outputs(j, step);
        store_states(j, step + 1);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    ai_status status = AI_OK;
    for (int64_t unit = begin; unit < end && !status; unit++) {
        job j;
        start_job(&j, s, unit, scratch);
        status = set_lengths(&j, err);
        if (!status && j.q.rows > 0)
            run_unit(&j);
    }
    return status;
}

const ai_op ai_op_recurrent = {check, prepare, run, false};
