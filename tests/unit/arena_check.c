/* SPDX-License-Identifier: Apache-2.0
 * Replays a run of a session as a map of the arena, and sums what is alive. */
#include "arena_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_in_arena(const ai_tensor *t)
{
    return !t->known && (t->kind == AI_TENSOR_VALUE || t->kind == AI_TENSOR_INPUT);
}

/* ---- Replay ---- */

enum { GRAIN = 64, SCRATCH = -1 };

typedef struct replay {
    const ai_session *s;
    int32_t *owner; /* of each grain of the arena: whose value lies there */
    int32_t *value; /* of each tensor: views have that of their source */
    int32_t last;   /* value */
    char *message;
} replay;

/* Where a tensor begins with its border, from the start of the arena. */
static int64_t begin_of(const ai_session *s, const ai_tensor *t)
{
    int64_t border =
        t->layout == AI_LAYOUT_NCHW16C
            ? (t->border[0] * t->row + (int64_t)t->border[1] * 16) * (int64_t)ai_type_bytes(t->type)
            : 0;
    return (const uint8_t *)t->data - s->arena - border;
}

static bool fill(replay *r, int64_t begin, int64_t bytes, int32_t value)
{
    if (begin < 0 || begin % GRAIN || begin + bytes > r->s->arena_bytes) {
        snprintf(r->message, 160, "%lld bytes at %lld are not in the arena", (long long)bytes,
                 (long long)begin);
        return false;
    }
    for (int64_t i = begin / GRAIN; i < (begin + bytes + GRAIN - 1) / GRAIN; i++)
        r->owner[i] = value;
    return true;
}

static bool is_whole(replay *r, const ai_tensor *t, uint32_t step)
{
    int64_t begin = begin_of(r->s, t);
    for (int64_t i = begin / GRAIN; i < (begin + t->bytes + GRAIN - 1) / GRAIN; i++) {
        if (r->owner[i] != r->value[t->index]) {
            snprintf(r->message, 160, "tensor %u is lost at step %u: %s lies in it", t->index, step,
                     r->owner[i] == SCRATCH ? "scratch" : "another");
            return false;
        }
    }
    return true;
}

static bool write_tensor(replay *r, const ai_tensor *t)
{
    r->value[t->index] = ++r->last;
    return !is_in_arena(t) || fill(r, begin_of(r->s, t), t->bytes, r->last);
}

/* All of a list of the header, as it stands before or after the run. */
static bool read_list(replay *r, ai_file_list list, uint32_t stride, uint32_t offset)
{
    for (uint32_t i = 0; i < list.count; i++) {
        const ai_tensor *t = ai_session_tensor(r->s, list.first + stride * i + offset);
        if (is_in_arena(t) && !is_whole(r, t, r->s->model->step_count))
            return false;
    }
    return true;
}

static bool read_inputs(replay *r, const ai_step *step, bool is_written)
{
    for (uint32_t k = 0; k < step->in_count; k++) {
        const ai_tensor *t = step->in[k];
        bool is_replaced = is_written && step->alias == AI_ALIAS_INPLACE &&
                           k == step->alias_input && t->data == step->out[0]->data;
        if (t && is_in_arena(t) && !is_replaced && !is_whole(r, t, step->index))
            return false;
    }
    return true;
}

static bool run_step(replay *r, const ai_step *step)
{
    int64_t scratch = ai_align(step->scratch) * step->parts;
    if (!read_inputs(r, step, false))
        return false;
    if (step->alias == AI_ALIAS_VIEW && step->in[0]->data == step->out[0]->data) {
        r->value[step->out[0]->index] = r->value[step->in[0]->index];
        return true;
    }
    if (scratch && !fill(r, step->scratch_data - r->s->arena, scratch, SCRATCH))
        return false;
    if (!read_inputs(r, step, false))
        return false;
    for (uint32_t k = 0; k < step->out_count; k++) {
        if (step->out[k] && !write_tensor(r, step->out[k]))
            return false;
    }
    if (scratch && r->owner[(step->scratch_data - r->s->arena) / GRAIN] != SCRATCH) {
        snprintf(r->message, 160, "step %u writes into its scratch", step->index);
        return false;
    }
    for (uint32_t k = 0; k < step->out_count; k++) {
        if (step->out[k] && is_in_arena(step->out[k]) && !is_whole(r, step->out[k], step->index))
            return false;
    }
    return read_inputs(r, step, true);
}

static bool run_all(replay *r)
{
    const ai_file_header *h = r->s->model->header;
    for (uint32_t i = 0; i < h->inputs.count; i++) {
        if (!write_tensor(r, ai_session_tensor(r->s, h->inputs.first + i)))
            return false;
    }
    if (!read_list(r, h->inputs, 1, 0))
        return false;
    for (uint32_t i = 0; i < r->s->model->step_count; i++) {
        if (!r->s->steps[i].is_folded && !run_step(r, &r->s->steps[i]))
            return false;
    }
    return read_list(r, h->outputs, 1, 0) && read_list(r, h->states, 3, 1);
}

bool arena_replay(const ai_session *s, char *message)
{
    replay r = {.s = s, .message = message};
    r.owner = calloc((size_t)(s->arena_bytes / GRAIN) + 1, sizeof(*r.owner));
    r.value = calloc(s->model->tensor_count + (size_t)1, sizeof(*r.value));
    snprintf(message, 160, "no memory to replay");
    bool is_right = r.owner && r.value && run_all(&r);
    free(r.owner);
    free(r.value);
    return is_right;
}

/* ---- What is alive ---- */

typedef struct life {
    uint32_t first;
    uint32_t last;
} life;

static void use(life *lives, const ai_tensor *t, uint32_t step)
{
    life *l = &lives[t->index];
    l->first = step < l->first ? step : l->first;
    l->last = step > l->last ? step : l->last;
}

static void find_lives(const ai_session *s, life *lives)
{
    const ai_file_header *h = s->model->header;
    uint32_t steps = s->model->step_count;
    for (uint32_t i = 0; i < s->model->tensor_count; i++)
        lives[i] = (life){UINT32_MAX, 0};
    for (uint32_t i = 0; i < h->inputs.count; i++)
        use(lives, ai_session_tensor(s, h->inputs.first + i), 0);
    for (uint32_t i = 0; i < steps; i++) {
        const ai_step *step = &s->steps[i];
        for (uint32_t k = 0; k < step->in_count + step->out_count && !step->is_folded; k++) {
            if (step->in[k])
                use(lives, step->in[k], i);
        }
    }
    for (uint32_t i = 0; i < h->outputs.count; i++)
        use(lives, ai_session_tensor(s, h->outputs.first + i), steps);
    for (uint32_t i = 0; i < h->states.count; i++)
        use(lives, ai_session_tensor(s, h->states.first + 3 * i + 1), steps);
    for (uint32_t i = steps; i-- > 0;) { /* a view keeps its source alive */
        const ai_step *step = &s->steps[i];
        if (step->alias == AI_ALIAS_VIEW && !step->is_folded)
            use(lives, step->in[0], lives[step->out[0]->index].last);
    }
}

static bool is_alive(const ai_session *s, const life *lives, uint32_t tensor, uint32_t step)
{
    return is_in_arena(&s->tensors[tensor]) && lives[tensor].first <= step &&
           lives[tensor].last >= step;
}

/* Views, and outputs in place of an input, lie where another lies: they count once. */
static int64_t alive_at(const ai_session *s, const life *lives, uint32_t step)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        bool is_counted = is_alive(s, lives, i, step);
        for (uint32_t k = 0; k < i && is_counted; k++)
            is_counted = s->tensors[k].data != s->tensors[i].data || !is_alive(s, lives, k, step);
        sum += is_counted ? ai_align(s->tensors[i].bytes) : 0;
    }
    return sum;
}

int64_t arena_most_alive(const ai_session *s)
{
    life *lives = malloc(s->model->tensor_count * sizeof(*lives) + 1);
    int64_t most = 0;
    if (!lives)
        return 0;
    find_lives(s, lives);
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_step *step = &s->steps[i];
        int64_t scratch = step->is_folded ? 0 : ai_align(step->scratch) * step->parts;
        int64_t sum = alive_at(s, lives, i) + scratch;
        most = sum > most ? sum : most;
    }
    free(lives);
    return most;
}
