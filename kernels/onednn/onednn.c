/* SPDX-License-Identifier: Apache-2.0
 * One call of oneDNN. */
#include "onednn.h"

#include <math.h>
#include <stddef.h>

/* Of the OpenMP library that oneDNN runs on; <omp.h> is the compiler's and may be another's. */
int omp_get_max_threads(void);
void omp_set_num_threads(int count);

static bool is_good(const ai_onednn *c)
{
    return c->status == dnnl_success;
}

void ai_onednn_begin(ai_onednn *c)
{
    *c = (ai_onednn){.status = dnnl_success};
    c->status = dnnl_engine_create(&c->engine, dnnl_cpu, 0);
    if (is_good(c))
        c->status = dnnl_primitive_attr_create(&c->attr);
    if (is_good(c))
        c->status = dnnl_post_ops_create(&c->after);
}

void ai_onednn_operand(ai_onednn *c, int id, const dnnl_memory_desc_t *desc, const float *data)
{
    dnnl_memory_t memory;
    if (is_good(c))
        c->status = dnnl_memory_create(&memory, desc, c->engine, (void *)(uintptr_t)data);
    if (is_good(c))
        c->operands[c->operand_count++] = (dnnl_exec_arg_t){id, memory};
}

void ai_onednn_add(ai_onednn *c, const dnnl_memory_desc_t *desc, const float *data)
{
    const int at = dnnl_post_ops_len(c->after);
    if (is_good(c))
        c->status = dnnl_post_ops_append_binary(c->after, dnnl_binary_add, desc);
    ai_onednn_operand(c, DNNL_ARG_ATTR_MULTIPLE_POST_OP(at) | DNNL_ARG_SRC_1, desc, data);
}

void ai_onednn_add_output(ai_onednn *c)
{
    if (is_good(c))
        c->status = dnnl_post_ops_append_sum(c->after, 1.0f);
}

void ai_onednn_clamp(ai_onednn *c, float lo, float hi)
{
    if (!is_good(c) || (lo == -INFINITY && hi == INFINITY))
        return;
    if (lo == 0.0f && hi == INFINITY)
        c->status = dnnl_post_ops_append_eltwise(c->after, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f);
    else
        c->status = dnnl_post_ops_append_eltwise(c->after, 1.0f, dnnl_eltwise_clip, lo, hi);
}

static dnnl_status_t execute(ai_onednn *c, dnnl_primitive_t primitive)
{
    dnnl_stream_t stream;
    dnnl_status_t status = dnnl_stream_create(&stream, c->engine, dnnl_stream_default_flags);
    if (status != dnnl_success)
        return status;
    status = dnnl_primitive_execute(primitive, stream, c->operand_count, c->operands);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    dnnl_stream_destroy(stream);
    return status;
}

static dnnl_status_t run(ai_onednn *c, const void *op)
{
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_status_t status = dnnl_primitive_attr_set_post_ops(c->attr, c->after);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&desc, op, c->attr, c->engine, NULL);
    if (status != dnnl_success)
        return status;
    status = dnnl_primitive_create(&primitive, desc);
    if (status == dnnl_success) {
        status = execute(c, primitive);
        dnnl_primitive_destroy(primitive);
    }
    dnnl_primitive_desc_destroy(desc);
    return status;
}

bool ai_onednn_run(ai_onednn *c, const void *op)
{
    /* libai's own threads share out the work. The number is the calling thread's: others keep
     * theirs, and it gets its own back. */
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    if (is_good(c))
        c->status = run(c, op);
    omp_set_num_threads(threads);
    for (int i = 0; i < c->operand_count; i++)
        dnnl_memory_destroy(c->operands[i].memory);
    if (c->after)
        dnnl_post_ops_destroy(c->after);
    if (c->attr)
        dnnl_primitive_attr_destroy(c->attr);
    if (c->engine)
        dnnl_engine_destroy(c->engine);
    return is_good(c);
}
