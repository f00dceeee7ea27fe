/* SPDX-License-Identifier: Apache-2.0
 * Opens and closes sessions: one block, planned first, then bound to its final place. */
#include "session.h"

#include "os.h"

#include <stdlib.h>
#include <string.h>

/* ---- The block ---- */

/* The verifier bounds every count far below overflow. */
ai_block ai_block_of(const ai_model *m)
{
    int64_t places = (int64_t)m->tensor_count + m->step_count;
    ai_block b;
    b.tensors = ai_align((int64_t)sizeof(ai_session));
    b.steps = ai_align(b.tensors + (int64_t)sizeof(ai_tensor) * m->tensor_count);
    b.operands = ai_align(b.steps + (int64_t)sizeof(ai_step) * m->step_count);
    b.known = ai_align(b.operands + (int64_t)sizeof(ai_tensor *) * m->operand_count);
    b.places = b.known + (int64_t)AI_KNOWN_BYTES * m->known_count;
    b.order = ai_align(b.places + (int64_t)sizeof(ai_place) * places);
    b.scratch = ai_align(b.order + (int64_t)sizeof(uint32_t) * places);
    b.end = b.scratch + AI_FOLD_SCRATCH;
    return b;
}

ai_tensor *ai_session_tensor(const ai_session *s, uint32_t entry)
{
    return &s->tensors[s->model->indices[entry]];
}

void ai_session_link(ai_session *s)
{
    uint8_t *base = (uint8_t *)s;
    ai_block block = ai_block_of(s->model);
    s->tensors = (ai_tensor *)(void *)(base + block.tensors);
    s->steps = (ai_step *)(void *)(base + block.steps);
    s->operands = (ai_tensor **)(void *)(base + block.operands);
    s->known = base + block.known;
    ai_tensor **next = s->operands;
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        const ai_file_step *f = &s->model->steps[i];
        const uint32_t *index = s->model->indices + f->operands;
        s->steps[i].in = next;
        s->steps[i].out = next + f->input_count;
        for (uint32_t k = 0; k < (uint32_t)f->input_count + f->output_count; k++)
            *next++ = index[k] == AI_FILE_NONE ? NULL : &s->tensors[index[k]];
    }
}

/* Bytes from the start of the block to its states. */
static int64_t head_bytes(const ai_session *s)
{
    return ai_align(ai_block_of(s->model).known + s->known_bytes);
}

/* Bytes that the session takes: the tables and what a run needs, or the planner's notes where they
 * are more. */
static bool total_bytes(const ai_session *s, int64_t *bytes)
{
    int64_t end = ai_block_of(s->model).end;
    if (!ai_add(head_bytes(s), s->state_bytes, bytes) || !ai_add(*bytes, s->arena_bytes, bytes) ||
        !ai_add(*bytes, ai_pool_bytes(s->threads), bytes))
        return false;
    if (*bytes < end)
        *bytes = end;
    return *bytes <= AI_MAX_BYTES;
}

/* ---- Planning ---- */

static ai_status plan(ai_session *s, const ai_model *model, const ai_options *options,
                      ai_error *err)
{
    memset(s, 0, sizeof(*s));
    s->model = model;
    s->cpu = options->cpu | AI_CPU_REF;
    s->flags = options->flags;
    s->threads = options->threads ? options->threads : ai_os_threads(AI_MAX_THREADS);
    ai_block block = ai_block_of(model);
    s->tensors = (ai_tensor *)(void *)((uint8_t *)s + block.tensors);
    s->steps = (ai_step *)(void *)((uint8_t *)s + block.steps);
    uint64_t before = ai_os_float_begin();
    ai_status status = ai_plan(s, options, (uint8_t *)s + block.places, err);
    ai_os_float_end(before);
    if (!status && !total_bytes(s, &s->memory_bytes))
        status = ai_fail(err, AI_E_MEMORY, "the session takes over " AI_MAX_BYTES_TEXT);
    return status;
}

/* The last huge page is asked for where half of it is used. */
static void *allocate(int64_t bytes)
{
    size_t rounded = (size_t)bytes + AI_OS_HUGE / 2;
    size_t align = rounded < AI_OS_HUGE ? 64 : AI_OS_HUGE;
    void *memory = aligned_alloc(align, ((size_t)bytes + align - 1) / align * align);
    if (memory)
        ai_os_use_huge(memory, rounded);
    return memory;
}

static ai_status fail_memory(ai_error *err, int64_t bytes)
{
    return ai_fail(err, AI_E_MEMORY, "no memory for a session of %lld bytes", (long long)bytes);
}

/* Plans in memory of its own. */
static ai_status plan_apart(ai_session **session, const ai_model *model, const ai_options *options,
                            ai_error *err)
{
    int64_t bytes = ai_block_of(model).end;
    ai_session *s = allocate(bytes);
    if (!s)
        return fail_memory(err, bytes);
    ai_status status = plan(s, model, options, err);
    if (status)
        free(s);
    else
        *session = s;
    return status;
}

/* ---- Binding ---- */

/* Moves a planned session to another block: pointers into the old one follow. */
static ai_session *move(const ai_session *from, void *to)
{
    uintptr_t old = (uintptr_t)from;
    int64_t head = head_bytes(from);
    ai_session *s = to;
    memcpy(to, from, (size_t)head);
    ai_session_link(s);
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        ai_tensor *t = &s->tensors[i];
        uintptr_t known = (uintptr_t)t->known;
        if (known >= old && known < old + (uintptr_t)head) {
            t->data = (uint8_t *)to + (known - old);
            t->known = t->data;
        }
    }
    return s;
}

/* Where element 0 of a tensor lies in the arena. */
static int64_t place_of(const ai_tensor *t, const ai_place *places)
{
    int64_t size = (int64_t)ai_type_bytes(t->type);
    int64_t at = 0;
    uint32_t root = t->index;
    for (; places[root].root != root; root = places[root].root)
        at += places[root].at;
    if (t->layout != AI_LAYOUT_NCHW16C)
        return places[root].offset + at;
    return places[root].offset +
           (at * t->plane + t->border[0] * t->row + (int64_t)t->border[1] * 16) * size;
}

/* Do the outputs lie where the inputs do? */
static bool is_idle(const ai_step *step)
{
    bool is_join = step->alias == AI_ALIAS_JOIN;
    uint32_t count = is_join ? step->in_count : step->out_count;
    ai_tensor *const *part = is_join ? step->in : step->out;
    if (step->is_folded || (step->alias != AI_ALIAS_VIEW && step->alias != AI_ALIAS_JOIN &&
                            step->alias != AI_ALIAS_CUT))
        return false;
    const uint8_t *at = is_join ? step->out[0]->data : step->in[0]->data;
    for (uint32_t i = 0; i < (step->alias == AI_ALIAS_VIEW ? 1 : count); i++) {
        if (part[i]->data != at && part[i]->bytes > 0)
            return false;
        at += part[i]->bytes;
    }
    return true;
}

/* Gives every tensor and every scratch its address. `places` is of the block in which the session
 * was planned. */
static void bind(ai_session *s, ai_place *places)
{
    const ai_file_list *states = &s->model->header->states;
    int64_t offset = 0;
    s->state = (uint8_t *)s + head_bytes(s);
    s->arena = s->state + s->state_bytes;
    for (uint32_t i = 0; i < states->count; i++) {
        ai_tensor *t = ai_session_tensor(s, states->first + 3 * i);
        t->data = s->state + offset;
        offset += ai_align(t->bytes);
    }
    for (uint32_t i = 0; i < s->model->tensor_count; i++) {
        ai_tensor *t = &s->tensors[i];
        if (t->known || t->kind == AI_TENSOR_CONSTANT || t->kind == AI_TENSOR_STATE)
            continue;
        t->data = s->arena + place_of(t, places);
    }
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        ai_step *step = &s->steps[i];
        step->is_idle = is_idle(step);
        if (step->scratch)
            step->scratch_data = s->arena + places[s->model->tensor_count + i].offset;
    }
}

static ai_status prepare(ai_session *s, ai_error *err)
{
    for (uint32_t i = 0; i < s->model->step_count; i++) {
        ai_step *step = &s->steps[i];
        if (step->is_folded || !step->op->prepare)
            continue;
        ai_status status = step->op->prepare(step, err);
        if (status)
            return status;
    }
    return AI_OK;
}

static ai_status finish(ai_session *s, ai_place *places, ai_error *err)
{
    bind(s, places);
    ai_status status = prepare(s, err);
    if (status)
        return status;
    /* From here on the planner's notes are overwritten. */
    ai_state_start(s);
    s->is_loaded = (s->flags & AI_PRELOAD) != 0;
    if (s->is_loaded)
        ai_os_preload(s->model->weights, (size_t)s->model->weight_bytes);
    if (s->threads == 1)
        return AI_OK;
    return ai_pool_start(&s->pool, s->arena + s->arena_bytes, s->threads, err);
}

static ai_place *places_of(ai_session *s)
{
    return (ai_place *)(void *)((uint8_t *)s + ai_block_of(s->model).places);
}

/* ---- Opening ---- */

static const char *level_name(uint32_t level)
{
    static const struct {
        uint32_t level;
        const char *name;
    } levels[] = {
        {AI_CPU_REF, "ref"},         {AI_CPU_AVX2, "avx2"},         {AI_CPU_AVX512, "avx512"},
        {AI_CPU_VNNI, "vnni"},       {AI_CPU_AMX, "amx"},           {AI_CPU_NEON, "neon"},
        {AI_CPU_DOTPROD, "dotprod"}, {AI_CPU_OPENBLAS, "openblas"}, {AI_CPU_ONEDNN, "onednn"}};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (levels[i].level == level)
            return levels[i].name;
    }
    return "of an unknown number";
}

static ai_status take_options(ai_options *to, const ai_model *model, const ai_options *from,
                              ai_error *err)
{
    *to = (ai_options)AI_OPTIONS_INIT;
    if (!model)
        return ai_fail(err, AI_E_ARGUMENT, "model is NULL");
    ai_status status = from ? ai_take(to, sizeof(*to), from, "ai_options", err) : AI_OK;
    if (status)
        return status;
    uint32_t cpu = ai_cpu_detect();
    uint32_t missing = to->cpu & ~cpu;
    if (!to->cpu)
        to->cpu = cpu & ~(AI_CPU_OPENBLAS | AI_CPU_ONEDNN);
    if (missing)
        return ai_fail(err, AI_E_UNSUPPORTED, "level %s is not on this machine or in this build",
                       level_name(missing & (~missing + 1)));
    if (to->flags & ~(uint32_t)(AI_PROFILE | AI_PRELOAD))
        return ai_fail(err, AI_E_UNSUPPORTED, "flags 0x%x of ai_options are not known", to->flags);
    if (to->threads > AI_MAX_THREADS)
        return ai_fail(err, AI_E_UNSUPPORTED, "%u threads are asked for, at most %u are possible",
                       to->threads, (unsigned)AI_MAX_THREADS);
    if (to->shape_count && !to->shapes)
        return ai_fail(err, AI_E_ARGUMENT, "shapes is NULL, shape_count is %zu", to->shape_count);
    if ((uintptr_t)to->memory % 64)
        return ai_fail(err, AI_E_ARGUMENT, "memory lies %u bytes after a multiple of 64",
                       (unsigned)((uintptr_t)to->memory % 64));
    return AI_OK;
}

ai_status ai_session_bytes(const ai_model *model, const ai_options *options, size_t *bytes,
                           ai_error *err)
{
    ai_options o;
    ai_session *s = NULL;
    ai_status status = take_options(&o, model, options, err);
    if (!status && !bytes)
        status = ai_fail(err, AI_E_ARGUMENT, "bytes is NULL");
    if (!status)
        status = plan_apart(&s, model, &o, err);
    if (status)
        return status;
    *bytes = (size_t)s->memory_bytes;
    free(s);
    return AI_OK;
}

static ai_status fail_small(ai_error *err, int64_t needed, size_t given)
{
    return ai_fail(err, AI_E_MEMORY, "memory has %zu bytes, the session takes %lld", given,
                   (long long)needed);
}

static ai_status open_in_place(ai_session **session, const ai_model *model, const ai_options *o,
                               ai_error *err)
{
    ai_session *s = o->memory;
    size_t bytes;
    if (o->memory_bytes < (uint64_t)ai_block_of(model).end) {
        ai_status status = ai_session_bytes(model, o, &bytes, err);
        return status ? status : fail_small(err, (int64_t)bytes, o->memory_bytes);
    }
    ai_status status = plan(s, model, o, err);
    if (!status && (uint64_t)s->memory_bytes > o->memory_bytes)
        status = fail_small(err, s->memory_bytes, o->memory_bytes);
    if (!status)
        status = finish(s, places_of(s), err);
    if (!status)
        *session = s;
    return status;
}

static ai_status open_allocated(ai_session **session, const ai_model *model, const ai_options *o,
                                ai_error *err)
{
    ai_session *notes = NULL;
    ai_status status = plan_apart(&notes, model, o, err);
    if (status)
        return status;
    ai_session *s = allocate(notes->memory_bytes);
    if (!s) {
        status = fail_memory(err, notes->memory_bytes);
        free(notes);
        return status;
    }
    s = move(notes, s);
    s->is_allocated = true;
    status = finish(s, places_of(notes), err);
    free(notes);
    if (status)
        free(s);
    else
        *session = s;
    return status;
}

ai_status ai_session_open(ai_session **session, const ai_model *model, const ai_options *options,
                          ai_error *err)
{
    ai_options o;
    ai_status status = take_options(&o, model, options, err);
    if (!status && !session)
        status = ai_fail(err, AI_E_ARGUMENT, "session is NULL");
    if (status)
        return status;
    return o.memory ? open_in_place(session, model, &o, err)
                    : open_allocated(session, model, &o, err);
}

void ai_session_close(ai_session *session)
{
    if (!session)
        return;
    if (session->pool)
        ai_pool_stop(session->pool);
    if (session->is_allocated)
        free(session);
}
