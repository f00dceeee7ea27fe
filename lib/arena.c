/* SPDX-License-Identifier: Apache-2.0
 * Places tensors in the arena: which share memory, how long each lives, where it lies. What a step
 * needs as scratch lies there too, while the step runs. */
#include "session.h"

#include <string.h>

/* The first groups of an order are placed one by one into the gaps of those before, in quadratic
 * time; a model with more groups than this gives the rest memory of their own. */
enum { GREEDY_MAX = 4096 };

/* Of the search for an order: turns, those of them that look for the least possible, and pairs of
 * groups looked at in all turns but the first. */
enum { MAX_TURNS = 32, STRICT_TURNS = 16, SEARCH_STEPS = 1 << 22 };

static uint32_t root_of(ai_place *p, uint32_t i)
{
    while (p[i].root != i) {
        p[i].at += p[p[i].root].at;
        p[i].root = p[p[i].root].root;
        i = p[i].root;
    }
    return i;
}

/* Where a tensor lies in its root. */
static int64_t at_of(const ai_place *p, uint32_t i)
{
    int64_t at = 0;
    for (; p[i].root != i; i = p[i].root)
        at += p[i].at;
    return at;
}

/* A group, or a tensor that is alone, lies in another tensor from now on. */
static void put_into(ai_place *p, uint32_t group, uint32_t tensor, int64_t at)
{
    p[group].at = at_of(p, tensor) + at;
    p[group].root = root_of(p, tensor);
}

/* Written at each call, in memory that other tensors have at other times. */
static bool is_in_arena(const ai_tensor *t)
{
    return !t->known && (t->kind == AI_TENSOR_VALUE || t->kind == AI_TENSOR_INPUT);
}

/* ---- Groups ---- */

/* What a part takes of the whole: planes, whose border is not known yet, or bytes. */
static int64_t units_of(const ai_tensor *t)
{
    return t->layout == AI_LAYOUT_NCHW16C ? t->dim[0] * ((t->dim[1] + 15) / 16) : t->bytes;
}

/* Every tensor begins at a cache line. */
static bool is_aligned(const ai_tensor *t, int64_t at)
{
    return t->layout == AI_LAYOUT_NCHW16C || at == ai_align(at);
}

/* A view lies where its source lies, and parts that were cut. One of a state is copied instead: new
 * states must not be read from old ones when they are taken over. */
static void join_views(ai_session *s, ai_place *p)
{
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_step *step = &s->steps[i];
        bool is_cut = step->alias == AI_ALIAS_CUT;
        if ((!is_cut && step->alias != AI_ALIAS_VIEW) || step->is_folded ||
            !is_in_arena(step->in[0]))
            continue;
        int64_t at = 0;
        for (uint32_t k = 0; k < (is_cut ? step->out_count : 1); k++) {
            if (is_aligned(step->out[k], at))
                put_into(p, step->out[k]->index, step->in[0]->index, at);
            at += units_of(step->out[k]);
        }
    }
}

/* The group of a tensor that may be put into another: it has all of the group's bytes, and they are
 * written by a step. AI_FILE_NONE: there is no such group. */
static uint32_t own_group(const ai_session *s, ai_place *p, const ai_tensor *t)
{
    uint32_t root = root_of(p, t->index);
    const ai_tensor *r = &s->tensors[root];
    bool is_whole = root == t->index || (r->layout == AI_LAYOUT_PLAIN && r->bytes == t->bytes);
    return is_whole && is_in_arena(r) && r->kind == AI_TENSOR_VALUE && r->layout == t->layout
               ? root
               : AI_FILE_NONE;
}

/* Inputs that are joined lie in the output, where they can; the others are copied to it. From the
 * last step on: an output that lies in a later one takes its parts along. */
static void join_parts(ai_session *s, ai_place *p)
{
    for (uint32_t i = s->model->step_count; i-- > 0;) {
        const ai_step *step = &s->steps[i];
        if (step->alias != AI_ALIAS_JOIN || step->is_folded)
            continue;
        int64_t at = 0;
        for (uint32_t k = 0; k < step->in_count; k++) {
            uint32_t group = own_group(s, p, step->in[k]);
            if (group != AI_FILE_NONE && group != root_of(p, step->out[0]->index) &&
                is_aligned(step->in[k], at))
                put_into(p, group, step->out[0]->index, at);
            at += units_of(step->in[k]);
        }
    }
}

/* All of a group have the border that any of them needs. */
static ai_status spread_borders(ai_session *s, ai_place *p, ai_error *err)
{
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        ai_tensor *t = &s->tensors[i];
        ai_tensor *root = &s->tensors[root_of(p, i)];
        for (int k = 0; k < 4; k++) {
            if (t->border[k] > root->border[k])
                root->border[k] = t->border[k];
        }
    }
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        ai_tensor *t = &s->tensors[i];
        const char *name = s->model->strings + s->model->tensors[i].name;
        static const uint32_t none[4];
        if (t->layout != AI_LAYOUT_NCHW16C)
            continue;
        memcpy(t->border, s->tensors[root_of(p, i)].border, sizeof(t->border));
        if (!is_in_arena(t) && memcmp(t->border, none, sizeof(none)) != 0)
            return ai_fail(err, AI_E_UNSUPPORTED,
                           "constant '%s' is read by a step that pads it, a value is needed", name);
        if (!ai_tensor_measure(t))
            return ai_fail(err, AI_E_MEMORY, "tensor '%s' takes over " AI_MAX_BYTES_TEXT, name);
    }
    return AI_OK;
}

/* ---- Liveness ---- */

static void use(ai_place *p, uint32_t tensor, uint32_t step)
{
    ai_place *root = &p[root_of(p, tensor)];
    if (step < root->first)
        root->first = step;
    if (step > root->last)
        root->last = step;
}

static void find_lives(const ai_session *s, ai_place *p)
{
    const ai_file_header *h = s->model->header;
    uint32_t end = s->model->step_count;
    for (uint32_t i = 0; i < h->inputs.count; i++)
        use(p, ai_session_tensor(s, h->inputs.first + i)->index, 0);
    for (uint32_t i = 0; i < end; i++) {
        const ai_step *step = &s->steps[i];
        if (step->is_folded)
            continue;
        for (uint32_t k = 0; k < step->in_count + step->out_count; k++) {
            if (step->in[k])
                use(p, step->in[k]->index, i);
        }
    }
    for (uint32_t i = 0; i < h->outputs.count; i++)
        use(p, ai_session_tensor(s, h->outputs.first + i)->index, end);
    for (uint32_t i = 0; i < h->states.count; i++)
        use(p, ai_session_tensor(s, h->states.first + 3 * i + 1)->index, end);
}

/* The scratch of all parts of a step. */
static bool measure_scratch(const ai_step *step, ai_place *p)
{
    p->first = p->last = step->index;
    return ai_mul(ai_align(step->scratch), step->parts, &p->bytes) && p->bytes <= AI_MAX_BYTES;
}

/* ---- In place ---- */

static bool can_share(const ai_session *s, ai_place *p, const ai_step *step)
{
    const ai_tensor *out = step->out[0];
    if (step->alias != AI_ALIAS_INPLACE || step->is_folded || !out ||
        step->alias_input >= step->in_count)
        return false;
    const ai_tensor *in = step->in[step->alias_input];
    if (!in || !is_in_arena(in) || in->layout != out->layout || in->bytes != out->bytes ||
        in->row != out->row || in->plane != out->plane ||
        memcmp(in->border, out->border, sizeof(in->border)) != 0)
        return false;
    uint32_t root = root_of(p, in->index);
    for (uint32_t i = 0; i < step->in_count; i++) {
        if (i != step->alias_input && step->in[i] && root_of(p, step->in[i]->index) == root)
            return false;
    }
    return p[root].last == step->index && s->tensors[root].bytes == in->bytes &&
           root_of(p, out->index) != root;
}

static void join_in_place(ai_session *s, ai_place *p)
{
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_step *step = &s->steps[i];
        if (!can_share(s, p, step))
            continue;
        uint32_t in = root_of(p, step->in[step->alias_input]->index);
        uint32_t out = root_of(p, step->out[0]->index);
        use(p, out, p[in].first);
        put_into(p, in, step->out[0]->index, 0);
    }
}

/* ---- Order: by size times life; heap sort, in place and the same on every machine ---- */

static int64_t weight_of(const ai_place *p)
{
    int64_t life = p->first <= p->last ? (int64_t)p->last - p->first + 1 : 0;
    int64_t weight;
    return ai_mul(p->bytes, life, &weight) ? weight : INT64_MAX;
}

static bool comes_before(const ai_place *p, uint32_t a, uint32_t b)
{
    int64_t a_weight = weight_of(&p[a]);
    int64_t b_weight = weight_of(&p[b]);
    if (a_weight != b_weight)
        return a_weight > b_weight;
    if (p[a].bytes != p[b].bytes)
        return p[a].bytes > p[b].bytes;
    if (p[a].first != p[b].first)
        return p[a].first < p[b].first;
    return a < b;
}

static void sift(const ai_place *p, uint32_t *order, uint32_t i, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= count)
            return;
        if (child + 1 < count && comes_before(p, order[child], order[child + 1]))
            child++;
        if (!comes_before(p, order[i], order[child]))
            return;
        uint32_t moved = order[i];
        order[i] = order[child];
        order[child] = moved;
        i = child;
    }
}

static void sort(const ai_place *p, uint32_t *order, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift(p, order, i, count);
    for (uint32_t end = count; end-- > 1;) {
        uint32_t last = order[0];
        order[0] = order[end];
        order[end] = last;
        sift(p, order, 0, end);
    }
}

/* ---- Places ---- */

/* Puts a group into the smallest gap that is free while it lives, or behind the rest. The groups
 * placed before are a list from `head`, by offset. */
static void place(ai_place *p, uint32_t group, uint32_t *head)
{
    int64_t free_from = 0;
    int64_t best_gap = INT64_MAX;
    int64_t best = -1;
    uint32_t *before = head; /* the link behind what ends at free_from */
    uint32_t *link = head;   /* behind which the gap begins */
    for (uint32_t i = *head; i != AI_FILE_NONE; i = p[i].next) {
        if (p[i].last < p[group].first || p[i].first > p[group].last)
            continue;
        int64_t gap = p[i].offset - free_from;
        if (gap >= p[group].bytes && gap < best_gap) {
            best_gap = gap;
            best = free_from;
            link = before;
        }
        if (p[i].offset + p[i].bytes > free_from) {
            free_from = p[i].offset + p[i].bytes;
            before = &p[i].next;
        }
    }
    if (best < 0) {
        best = free_from;
        link = before;
    }
    p[group].offset = best;
    while (*link != AI_FILE_NONE && p[*link].offset < p[group].offset)
        link = &p[*link].next;
    p[group].next = *link;
    *link = group;
}

/* Places groups in order, up to the first that ends beyond `limit`, or all; how many found a place.
 * Then *bytes are those of the arena. */
static uint32_t place_in_order(ai_place *p, const uint32_t *order, uint32_t count, int64_t limit,
                               int64_t *bytes)
{
    uint32_t head = AI_FILE_NONE;
    *bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        ai_place *g = &p[order[i]];
        if (i < GREEDY_MAX)
            place(p, order[i], &head);
        else
            g->offset = *bytes;
        if (g->offset + g->bytes > limit)
            return i;
        if (g->offset + g->bytes > *bytes)
            *bytes = g->offset + g->bytes;
    }
    return count;
}

/* What a turn may take: the least possible, later more of it, at the last turn anything. */
static int64_t limit_of(uint32_t turn, uint32_t turns, int64_t least)
{
    int64_t late = turn < STRICT_TURNS ? 0 : (int64_t)turn - STRICT_TURNS + 1;
    return turn + 1 < turns ? least + least / 1024 * late * late : INT64_MAX;
}

/* No one order is best for every network. What finds no gap below the limit is placed first at the
 * next turn. Returns the bytes of the arena. */
static int64_t search(ai_place *p, uint32_t *order, uint32_t count, int64_t least)
{
    uint64_t greedy = count < GREEDY_MAX ? count : GREEDY_MAX;
    uint64_t possible = 1 + SEARCH_STEPS / (greedy * greedy + 1);
    uint32_t turns = possible < MAX_TURNS ? (uint32_t)possible : MAX_TURNS;
    int64_t bytes = 0;
    sort(p, order, count);
    for (uint32_t turn = 0; turn < turns; turn++) {
        int64_t limit = limit_of(turn, turns, least);
        uint32_t placed = place_in_order(p, order, count, limit, &bytes);
        if (placed == count)
            break;
        uint32_t first = order[placed];
        memmove(order + 1, order, placed * sizeof(*order));
        order[0] = first;
    }
    return bytes;
}

/* The largest sum of groups alive at a step: no arena can be smaller. */
static int64_t most_alive(const ai_place *p, const uint32_t *order, uint32_t count)
{
    int64_t most = 0;
    count = count < GREEDY_MAX ? count : GREEDY_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t step = p[order[i]].first;
        int64_t sum = 0;
        for (uint32_t k = 0; k < count; k++) {
            const ai_place *g = &p[order[k]];
            sum += g->first <= step && g->last >= step ? g->bytes : 0;
        }
        most = sum > most ? sum : most;
    }
    return most;
}

static ai_status place_all(ai_session *s, ai_place *p, uint32_t *order, uint32_t count,
                           ai_error *err)
{
    int64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!ai_add(total, p[order[i]].bytes, &total) || total > AI_MAX_BYTES)
            return ai_fail(err, AI_E_MEMORY,
                           "all tensors and scratch together take over " AI_MAX_BYTES_TEXT);
    }
    s->live_bytes = most_alive(p, order, count);
    s->arena_bytes = search(p, order, count, s->live_bytes);
    return AI_OK;
}

static ai_status size_states(ai_session *s, ai_error *err)
{
    const ai_file_list *list = &s->model->header->states;
    for (uint32_t i = 0; i < list->count; i++) {
        const ai_tensor *t = ai_session_tensor(s, list->first + 3 * i);
        if (!ai_add(s->state_bytes, ai_align(t->bytes), &s->state_bytes) ||
            s->state_bytes > AI_MAX_BYTES)
            return ai_fail(err, AI_E_MEMORY, "all states together take over " AI_MAX_BYTES_TEXT);
    }
    return AI_OK;
}

ai_status ai_arena_plan(ai_session *s, ai_place *p, uint32_t *order, ai_error *err)
{
    uint32_t tensors = s->model->tensor_count;
    uint32_t count = 0;
    for (uint32_t i = 0; i < tensors + s->model->step_count; i++)
        p[i] = (ai_place){.root = i, .first = UINT32_MAX, .next = AI_FILE_NONE};
    join_views(s, p);
    join_parts(s, p);
    ai_status status = spread_borders(s, p, err);
    if (status)
        return status;
    find_lives(s, p);
    join_in_place(s, p);
    for (uint32_t i = 0; i < tensors; i++) {
        if (root_of(p, i) == i && is_in_arena(&s->tensors[i])) {
            p[i].bytes = ai_align(s->tensors[i].bytes);
            order[count++] = i;
        }
    }
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_step *step = &s->steps[i];
        if (step->is_folded || !step->scratch)
            continue;
        if (!measure_scratch(step, &p[tensors + i]))
            return ai_fail_step(err, AI_E_MEMORY, step, "scratch takes over " AI_MAX_BYTES_TEXT);
        order[count++] = tensors + i;
    }
    status = place_all(s, p, order, count, err);
    return status ? status : size_states(s, err);
}
