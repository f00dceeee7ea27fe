/* SPDX-License-Identifier: Apache-2.0
 * Random chains of Conv and MaxPool as one Strips step against the same steps one by one: the same
 * bits at every CPU level, in strips of any height, for any split of the work, and on several
 * threads at the same time. Usage: strips [SEED [COUNT]]. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "step.h"
#include "threads.h"

enum { THREADS = 3, SCRATCH = 1 << 22, LOCAL_ROWS = 0 };

typedef struct net {
    uint64_t state;
    uint64_t seed;
    uint32_t count;
    step first; /* holds x */
    step part[AI_STRIPS_MAX];
    step whole;
    ai_pool *pool;
    uint8_t *scratch;
} net;

static int64_t from(net *n, int64_t first, int64_t last)
{
    return first + (int64_t)(draw_random(&n->state) % (uint64_t)(last - first + 1));
}

static void stop(const net *n, const char *what, const char *message)
{
    fprintf(stderr, "strips: seed %" PRIu64 ": %s %s\n", n->seed, what, message);
    exit(1);
}

/* ---- Making a chain ---- */

static void make_window(net *n, ai_window *w, int64_t most)
{
    w->spatial = 2;
    for (int i = 0; i < 2; i++) {
        w->kernel[i] = (uint32_t)from(n, 1, most);
        w->stride[i] = (uint32_t)from(n, 1, from(n, 1, 3));
        w->dilation[i] = (uint32_t)from(n, 1, from(n, 1, 2));
        w->pad_begin[i] = (uint32_t)from(n, 0, w->kernel[i] - 1);
        w->pad_end[i] = (uint32_t)from(n, 0, w->kernel[i] - 1);
    }
}

static void make_conv(net *n, step *s, int64_t channels, uint8_t weight)
{
    static const uint32_t kinds[] = {AI_ACTIVATION_NONE, AI_ACTIVATION_CLIP, AI_OP_HARD_SWISH};
    ai_conv_params *p = &s->params.conv;
    bool is_depthwise = weight == AI_LAYOUT_DEPTHWISE16;
    make_window(n, &p->window, is_depthwise ? 5 : from(n, 1, 3));
    p->group = is_depthwise ? (uint32_t)channels : 1;
    p->activation = (ai_activation){kinds[from(n, 0, 2)], 0, (float)from(n, 1, 6)};
    p->flags = (uint32_t)from(n, 0, 1);
    const int64_t dim[4] = {is_depthwise ? channels : from(n, 1, 40), is_depthwise ? 1 : channels,
                            p->window.kernel[0], p->window.kernel[1]};
    step_shape(s, 1, AI_F32, weight, 4, dim);
    s->in[1].kind = AI_TENSOR_CONSTANT;
    step_shape(s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, dim);
    if (from(n, 0, 3) == 0)
        s->in_list[2] = NULL;
}

/* The residual of the shape that the check has found. */
static bool add_residual(net *n, step *s)
{
    if (from(n, 0, 1) == 0)
        return true;
    step_shape(s, 3, AI_F32, AI_LAYOUT_NCHW16C, 4, s->out[0].dim);
    for (int k = 0; k < 4; k++)
        s->in[3].border[k] = (uint32_t)from(n, 0, 2);
    s->in_list[3] = &s->in[3];
    return step_check(s) == AI_OK;
}

static bool is_pool(const step *s)
{
    return s->file.op == AI_OP_MAX_POOL;
}

/* A step that reads x, checked; false: its window does not fit. */
static bool make_part(net *n, step *s, ai_tensor *x)
{
    static const uint8_t weights[] = {AI_LAYOUT_CONV16, AI_LAYOUT_DEPTHWISE16};
    bool is_stem = x->layout == AI_LAYOUT_PLAIN;
    if (is_stem || from(n, 0, 3) > 0)
        step_init(s, AI_OP_CONV, 4, 1);
    else
        step_init(s, AI_OP_MAX_POOL, 1, 1);
    s->in_list[0] = x;
    s->in_list[3] = NULL;
    s->out[0].layout = AI_LAYOUT_NCHW16C;
    if (is_pool(s))
        make_window(n, &s->params.pool.window, 3);
    else
        make_conv(n, s, x->dim[1], is_stem ? AI_LAYOUT_STEM16 : weights[from(n, 0, 1)]);
    return step_check(s) == AI_OK && (is_pool(s) || add_residual(n, s));
}

static bool make_parts(net *n)
{
    bool is_plain = from(n, 0, 3) == 0;
    const int64_t dim[4] = {from(n, 1, 3), from(n, 1, is_plain ? 4 : 40), from(n, 1, 24),
                            from(n, 1, 20)};
    step_init(&n->first, AI_OP_IDENTITY, 1, 1);
    step_shape(&n->first, 0, AI_F32, is_plain ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C, 4, dim);
    ai_tensor *x = &n->first.in[0];
    int64_t count = from(n, 1, AI_STRIPS_MAX);
    for (n->count = 0; n->count < (uint32_t)count; x = &n->part[n->count++].out[0]) {
        if (!make_part(n, &n->part[n->count], x))
            return false;
    }
    return true;
}

static void make_whole(net *n)
{
    step *w = &n->whole;
    ai_strips_params *p = &w->params.strips;
    step_init(w, AI_OP_STRIPS, 1 + 3 * n->count, 1);
    p->count = n->count;
    w->in_list[0] = &n->first.in[0];
    for (uint32_t i = 0; i < n->count; i++) {
        step *s = &n->part[i];
        p->stage[i].op = s->file.op;
        memcpy(&p->stage[i].params, &s->params, sizeof(p->stage[i].params));
        for (uint32_t k = 1; k <= 3; k++)
            w->in_list[3 * i + k] = is_pool(s) ? NULL : s->in_list[k];
    }
    w->out[0].layout = AI_LAYOUT_NCHW16C;
    for (int k = 0; k < 4; k++)
        w->out[0].border[k] = (uint32_t)from(n, 0, 2);
    if (step_check(w) != AI_OK)
        stop(n, "is refused:", w->err.message);
}

/* ---- Running it ---- */

static void fill(net *n, step *s, uint32_t i)
{
    ai_tensor *t = &s->in[i];
    step_alloc(s, t, i);
    memset(s->memory[i], 0, (size_t)t->bytes); /* borders, and lanes beyond the channels */
    bool is_image = t->layout == AI_LAYOUT_NCHW16C;
    int64_t count = is_image ? ai_tensor_count(t) : t->bytes / (int64_t)sizeof(float);
    for (int64_t k = 0; k < count; k++)
        *(is_image ? step_f32(t, k) : (float *)t->data + k) =
            (float)from(n, -(1 << 22), 1 << 22) * 0x1p-22f;
}

/* The outputs of the last of the steps, one by one. */
static void run_parts(net *n)
{
    fill(n, &n->first, 0);
    for (uint32_t i = 0; i < n->count; i++) {
        step *s = &n->part[i];
        for (uint32_t k = 1; k <= 3 && !is_pool(s); k++) {
            if (s->in_list[k] != NULL)
                fill(n, s, k);
        }
        if (step_prepare(s, AI_CPU_REF) != AI_OK)
            stop(n, "is not prepared:", s->err.message);
        memset(s->memory[STEP_MAX], 0, (size_t)s->out[0].bytes);
        if (step_run(s, 0, s->step.work) != AI_OK)
            stop(n, "does not run:", s->err.message);
    }
}

static void expect_same(const net *n, const char *what)
{
    const ai_tensor *want = &n->part[n->count - 1].out[0];
    const ai_tensor *found = &n->whole.out[0];
    if (memcmp(want->dim, found->dim, sizeof(want->dim)) != 0)
        stop(n, "has another shape", what);
    for (int64_t i = 0; i < ai_tensor_count(want); i++) {
        if (memcmp(step_f32(want, i), step_f32(found, i), sizeof(float)) != 0)
            stop(n, "differs", what);
    }
}

static void run_whole(net *n)
{
    step *w = &n->whole;
    int64_t planned = w->step.local[LOCAL_ROWS];
    for (uint32_t cpu = AI_CPU_REF; cpu <= step_levels(); cpu <<= 1) {
        if ((step_levels() & cpu) == 0)
            continue;
        if (step_prepare(w, cpu | AI_CPU_REF) != AI_OK)
            stop(n, "is not prepared:", w->err.message);
        w->step.local[LOCAL_ROWS] = from(n, 1, planned); /* there is room for fewer rows, too */
        for (int64_t done = 0, next; done < w->step.work; done = next) {
            next = from(n, done + 1, w->step.work);
            if (step_run(w, done, next) != AI_OK)
                stop(n, "does not run:", w->err.message);
        }
        expect_same(n, "by level, strips or split");
        if (!step_borders_are_whole(w))
            stop(n, "writes to a border", "");
    }
    w->step.local[LOCAL_ROWS] = planned;
}

static void run_at_once(net *n)
{
    step *w = &n->whole;
    if (w->step.work < THREADS || w->step.scratch > SCRATCH)
        return;
    if (step_prepare(w, n->seed % 2 ? step_levels() : AI_CPU_REF) != AI_OK)
        stop(n, "is not prepared:", w->err.message);
    w->step.parts = THREADS;
    w->step.scratch_data = n->scratch;
    if (ai_pool_run(n->pool, &w->step, &w->err) != AI_OK)
        stop(n, "does not run on several threads:", w->err.message);
    expect_same(n, "on several threads");
}

static bool try_one(net *n)
{
    n->state = n->seed;
    bool is_made = make_parts(n);
    if (is_made) {
        make_whole(n);
        run_parts(n);
        run_whole(n);
        run_at_once(n);
        step_free(&n->whole);
    }
    step_free(&n->first);
    for (uint32_t i = 0; i < n->count; i++)
        step_free(&n->part[i]);
    return is_made;
}

int main(int argc, char **argv)
{
    static net n;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : argc > 1 ? 1 : 3000;
    uint64_t ran = 0;
    void *pool = aligned_alloc(64, (size_t)ai_pool_bytes(THREADS));
    n.scratch = aligned_alloc(64, (size_t)THREADS * SCRATCH);
    if (!pool || !n.scratch || ai_pool_start(&n.pool, pool, THREADS, NULL) != AI_OK)
        return 1;
    for (n.seed = seed; n.seed < seed + count; n.seed++)
        ran += try_one(&n);
    ai_pool_stop(n.pool);
    free(n.scratch);
    free(pool);
    if (ran * 3 < count && count > 100)
        fprintf(stderr, "strips: only %" PRIu64 " of %" PRIu64 " chains ran\n", ran, count);
    return ran * 3 < count && count > 100;
}
