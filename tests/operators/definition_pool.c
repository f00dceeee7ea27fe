/* SPDX-License-Identifier: Apache-2.0
 * The pools against their definition. */
#include <math.h>
#include <stdlib.h>

#include "definition.h"

static int64_t padded_taps(const place *p, const int64_t at[3])
{
    int64_t product = 1;
    for (int i = 0; i < 3; i++) {
        int64_t count = 0;
        for (int64_t k = 0; k < p->kernel[i]; k++)
            count +=
                at[i] * p->stride[i] - p->pad[i] + k * p->dilation[i] < p->in[i] + p->pad_end[i];
        product *= count;
    }
    return product;
}

static float pooled(const step *s, const place *p, const float *plane, const int64_t at[3],
                    int64_t *index)
{
    float best = -INFINITY;
    float sum = 0.0f;
    int64_t count = 0;

    *index = 0;
    for (int64_t k = 0; k < volume_of(p->kernel); k++) {
        int64_t i = tap(p, at, k);
        if (i < 0)
            continue;
        sum += plane[i];
        if (count++ == 0 || plane[i] > best || (isnan(plane[i]) && !isnan(best))) {
            best = plane[i];
            *index = i;
        }
    }
    if (s->file.op == AI_OP_MAX_POOL)
        return best;
    return sum * (1.0f / (float)(s->params.pool.count_include_pad ? padded_taps(p, at) : count));
}

static void make_pool(dice *d, step *s, bool is_blocked, bool has_index)
{
    uint32_t spatial = is_blocked ? 2 : (uint32_t)from(d, 1, 3);
    int64_t x[5] = {from(d, 0, 2), from(d, 1, one_in(d, 2) ? 3 : 40)};

    make_window(d, &s->params.pool.window, spatial);
    s->params.pool.ceil_mode = (uint32_t)from(d, 0, 1);
    s->params.pool.count_include_pad = (uint32_t)from(d, 0, 1);
    s->params.pool.storage_order = (uint32_t)from(d, 0, 1);
    for (uint32_t i = 0; i < spatial; i++)
        x[2 + i] = from(d, 1, 9);
    step_shape(s, 0, AI_F32, is_blocked ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN, 2 + spatial, x);
    s->out[0].layout = s->in[0].layout;
    s->out_list[1] = has_index ? &s->out[1] : NULL;
}

bool define_pool(dice *d)
{
    bool is_max = one_in(d, 2);
    bool is_blocked = one_in(d, 2);
    bool has_index = is_max && !is_blocked && one_in(d, 2);
    const char *name = is_max ? "MaxPool" : "AveragePool";
    step s;
    place p;

    step_init(&s, is_max ? AI_OP_MAX_POOL : AI_OP_AVERAGE_POOL, 1, is_max ? 2 : 1);
    make_pool(d, &s, is_blocked, has_index);
    if (step_check(&s) != AI_OK) /* the window is larger than the input */
        return false;
    set_place(&p, &s.params.pool.window, &s.in[0], &s.out[0]);
    int64_t positions = volume_of(p.out);
    int64_t size = volume_of(p.in);
    float *x = fill_values(d, &s, 0);
    for (int64_t i = 0; i < ai_tensor_count(&s.in[0]); i += from(d, 1, 40))
        *step_f32(&s.in[0], i) = x[i] = one_in(d, 2) ? NAN : -INFINITY;
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t from_place[3];
        int64_t index;
        int64_t plane = i / positions * size;
        split(i % positions, p.out, at);
        expect(d, &s, name, i, pooled(&s, &p, x + plane, at, &index));
        split(index, p.in, from_place);
        if (s.params.pool.storage_order == 1)
            index = (from_place[2] * p.in[1] + from_place[1]) * p.in[0] + from_place[0];
        if (has_index && ((const int64_t *)s.out[1].data)[i] != plane + index)
            fail(d, name, "index differs from the definition");
    }
    free(x);
    step_free(&s);
    return true;
}

/* The global pools, plain or in blocks, to plain or to blocks. */
bool define_global_pool(dice *d)
{
    bool is_max = one_in(d, 2);
    const char *name = is_max ? "GlobalMaxPool" : "GlobalAveragePool";
    int64_t dim[4] = {from(d, 0, 2), from(d, 1, 40), from(d, 1, 9), from(d, 1, 9)};
    int64_t size = dim[2] * dim[3];
    step s;

    step_init(&s, is_max ? AI_OP_GLOBAL_MAX_POOL : AI_OP_GLOBAL_AVERAGE_POOL, 1, 1);
    step_shape(&s, 0, AI_F32, one_in(d, 2) ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN, 4, dim);
    s.out[0].layout = one_in(d, 2) ? s.in[0].layout : AI_LAYOUT_PLAIN;
    if (step_check(&s) != AI_OK)
        fail(d, name, s.err.message);
    float *x = fill_values(d, &s, 0);
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        float best = x[i * size];
        float sum = 0.0f;
        for (int64_t k = 0; k < size; k++) {
            sum += x[i * size + k];
            best = x[i * size + k] > best ? x[i * size + k] : best;
        }
        expect(d, &s, name, i, is_max ? best : sum / (float)size);
    }
    free(x);
    step_free(&s);
    return true;
}
