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

enum { GRAIN = 4, SCRATCH = -1 };

typedef struct replay {
    const ai_session *s;
    int32_t *owner;   /* of each grain of the arena: which write was the last */
    int32_t **grains; /* of each tensor: what its grains were when it was there */
    int32_t last;     /* write */
    char *message;
} replay;

static bool lies_at(const ai_tensor *part, const ai_tensor *whole)
{
    const uint8_t *begin = whole->data;
    const uint8_t *at = part->data;
    return at >= begin && at + part->bytes <= begin + whole->bytes;
}

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
    if (begin < 0 || begin + bytes > r->s->arena_bytes) {
        snprintf(r->message, 160, "%lld bytes at %lld are not in the arena", (long long)bytes,
                 (long long)begin);
        return false;
    }
    for (int64_t i = (begin + GRAIN - 1) / GRAIN; i < (begin + bytes + GRAIN - 1) / GRAIN; i++)
        r->owner[i] = value;
    return true;
}

static bool is_whole(replay *r, const ai_tensor *t, uint32_t step)
{
    int64_t begin = begin_of(r->s, t);
    for (int64_t i = begin / GRAIN; i < (begin + t->bytes + GRAIN - 1) / GRAIN; i++) {
        if (!r->grains[t->index] || r->owner[i] != r->grains[t->index][i - begin / GRAIN]) {
            snprintf(r->message, 160, "tensor %u is lost at step %u: %s lies in it", t->index, step,
                     r->owner[i] == SCRATCH ? "scratch" : "another");
            return false;
        }
    }
    return true;
}

/* From now on the tensor is what lies where it lies. */
static bool take(replay *r, const ai_tensor *t)
{
    int64_t begin = begin_of(r->s, t) / GRAIN;
    size_t count = (size_t)((t->bytes + GRAIN - 1) / GRAIN);
    free(r->grains[t->index]);
    r->grains[t->index] = malloc((count + 1) * sizeof(int32_t));
    if (r->grains[t->index])
        memcpy(r->grains[t->index], r->owner + begin, count * sizeof(int32_t));
    return r->grains[t->index] != NULL;
}

static bool write_tensor(replay *r, const ai_tensor *t)
{
    if (is_in_arena(t) && begin_of(r->s, t) % 64 != 0) {
        snprintf(r->message, 160, "tensor %u does not begin at a cache line", t->index);
        return false;
    }
    return !is_in_arena(t) || (fill(r, begin_of(r->s, t), t->bytes, ++r->last) && take(r, t));
}

/* Writes the inputs of a joining step that do not lie in its output to their places in it. */
static bool join(replay *r, const ai_step *step)
{
    int64_t begin = begin_of(r->s, step->out[0]);
    const uint8_t *at = step->out[0]->data;
    for (uint32_t k = 0; k < step->in_count; k++) {
        int64_t bytes = step->in[k]->bytes;
        if (step->in[k]->data != at && !fill(r, begin, bytes, ++r->last))
            return false;
        begin += bytes;
        at += bytes;
    }
    return take(r, step->out[0]);
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
    for (uint32_t k = 0; step->is_idle && k < step->out_count; k++) {
        if (!take(r, step->out[k]))
            return false;
    }
    if (step->is_idle)
        return true;
    if (scratch && !fill(r, step->scratch_data - r->s->arena, scratch, SCRATCH))
        return false;
    if (!read_inputs(r, step, false))
        return false;
    bool is_joined = step->alias == AI_ALIAS_JOIN && is_in_arena(step->out[0]);
    for (uint32_t k = 0; k < step->out_count; k++) {
        bool is_cut = step->alias == AI_ALIAS_CUT && lies_at(step->out[k], step->in[0]);
        if (step->out[k] && !(is_joined ? join(r, step)
                              : is_cut  ? take(r, step->out[k])
                                        : write_tensor(r, step->out[k])))
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
    r.grains = calloc(s->model->tensor_count + (size_t)1, sizeof(*r.grains));
    snprintf(message, 160, "no memory to replay");
    bool is_right = r.owner && r.grains && run_all(&r);
    for (uint32_t i = 0; i < s->model->tensor_count && r.grains; i++)
        free(r.grains[i]);
    free(r.owner);
    free(r.grains);
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

/* A whole is there as long as one of its parts: its memory is kept. */
static bool keep(life *whole, const life *part)
{
    life old = *whole;
    whole->first = part->first < old.first ? part->first : old.first;
    whole->last = part->last > old.last ? part->last : old.last;
    return whole->first != old.first || whole->last != old.last;
}

/* A source lives as long as its views, a whole as long as the parts that lie in it, an output that
 * lies in place of an input from when that was there; a view and its source are one. */
static bool spread_lives(const ai_session *s, life *lives)
{
    bool is_changed = false;
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_step *step = &s->steps[i];
        bool is_join = step->alias == AI_ALIAS_JOIN;
        bool is_in_place = step->alias == AI_ALIAS_INPLACE;
        const ai_tensor *whole = is_join || is_in_place ? step->out[0] : step->in[0];
        uint32_t count = is_join ? step->in_count : is_in_place ? 1 : step->out_count;
        ai_tensor *const *part = is_join       ? step->in
                                 : is_in_place ? &step->in[step->alias_input]
                                               : step->out;
        if (step->is_folded || step->alias == AI_ALIAS_NONE || !is_in_arena(whole))
            continue;
        for (uint32_t k = 0; k < count; k++) {
            if (part[k] && is_in_arena(part[k]) && lies_at(part[k], whole))
                is_changed |= keep(&lives[whole->index], &lives[part[k]->index]);
            if (step->alias == AI_ALIAS_VIEW && step->is_idle)
                is_changed |= keep(&lives[part[k]->index], &lives[whole->index]);
        }
    }
    return is_changed;
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
    while (spread_lives(s, lives))
        ;
}

static bool is_alive(const ai_session *s, const life *lives, uint32_t tensor, uint32_t step)
{
    return is_in_arena(&s->tensors[tensor]) && lives[tensor].first <= step &&
           lives[tensor].last >= step;
}

/* Does the tensor lie in the other one, or where the other one of a lower number lies? */
static bool lies_in(const ai_tensor *t, const ai_tensor *other)
{
    const uint8_t *begin = t->data;
    const uint8_t *other_begin = other->data;
    if (begin == other_begin && t->bytes == other->bytes)
        return other->index < t->index;
    return begin >= other_begin && begin + t->bytes <= other_begin + other->bytes;
}

/* Views, parts, and outputs in place of an input lie where another lies: they count once. */
static int64_t alive_at(const ai_session *s, const life *lives, uint32_t step)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        bool is_counted = is_alive(s, lives, i, step);
        for (uint32_t k = 0; k < s->model->tensor_count && is_counted; k++)
            is_counted =
                k == i || !is_alive(s, lives, k, step) || !lies_in(&s->tensors[i], &s->tensors[k]);
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
