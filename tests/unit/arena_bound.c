/* SPDX-License-Identifier: Apache-2.0
 * Compares the arena of models with the least that any placing could reach: the largest sum of
 * tensors and scratch alive at the same step. Prints both, and fails above 1.10. Usage: arena-bound
 * FILE... */
#include <stdio.h>
#include <stdlib.h>

#include "session.h"

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
    const ai_tensor *t = &s->tensors[tensor];
    return !t->known && (t->kind == AI_TENSOR_VALUE || t->kind == AI_TENSOR_INPUT) &&
           lives[tensor].first <= step && lives[tensor].last >= step;
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

static int64_t most_alive(const ai_session *s)
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

static int compare(const char *path)
{
    ai_error err;
    ai_model *m = NULL;
    ai_session *s = NULL;
    ai_options o = AI_OPTIONS_INIT;
    o.threads = 1;
    int status = ai_model_open(&m, path, &err) || ai_session_open(&s, m, &o, &err);
    if (status) {
        fprintf(stderr, "arena-bound: %s\n", err.message);
    } else {
        int64_t most = most_alive(s);
        printf("%s: arena %lld bytes, alive %lld, %.3f\n", path, (long long)s->arena_bytes,
               (long long)most, (double)s->arena_bytes / (double)(most ? most : 1));
        status = 10 * s->arena_bytes > 11 * most;
    }
    ai_session_close(s);
    ai_model_close(m);
    return status;
}

int main(int argc, char **argv)
{
    int status = argc < 2;
    for (int i = 1; i < argc; i++)
        status |= compare(argv[i]);
    return status;
}
