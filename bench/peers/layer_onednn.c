/* SPDX-License-Identifier: Apache-2.0
 * A layer by oneDNN: one primitive, in the layouts that it asks for; reordering is not measured. */
#include "layer.h"

#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if ((call) != dnnl_success) {                                                              \
            fprintf(stderr, "oneDNN: %s failed\n", #call);                                         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitive;
static dnnl_exec_arg_t arguments[3];
static dnnl_memory_t plain_y;

static dnnl_memory_t plain(const dnnl_dims_t dims, int rank, dnnl_format_tag_t tag, float *data)
{
    dnnl_memory_desc_t desc;
    dnnl_memory_t memory;
    CHECK(dnnl_memory_desc_init_by_tag(&desc, rank, dims, dnnl_f32, tag));
    CHECK(dnnl_memory_create(&memory, &desc, engine, data));
    return memory;
}

static void reorder(dnnl_memory_t from, dnnl_memory_t to)
{
    const dnnl_memory_desc_t *source;
    const dnnl_memory_desc_t *target;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t copy;
    CHECK(dnnl_memory_get_memory_desc(from, &source));
    CHECK(dnnl_memory_get_memory_desc(to, &target));
    CHECK(dnnl_reorder_primitive_desc_create(&desc, source, engine, target, engine, NULL));
    CHECK(dnnl_primitive_create(&copy, desc));
    const dnnl_exec_arg_t pair[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    CHECK(dnnl_primitive_execute(copy, stream, 2, pair));
    CHECK(dnnl_stream_wait(stream));
    CHECK(dnnl_primitive_destroy(copy));
    CHECK(dnnl_primitive_desc_destroy(desc));
}

static dnnl_memory_t asked_for(const_dnnl_primitive_desc_t desc, dnnl_query_t what)
{
    dnnl_memory_t memory;
    CHECK(dnnl_memory_create(&memory, dnnl_primitive_desc_query_md(desc, what, 0), engine,
                             DNNL_MEMORY_ALLOCATE));
    return memory;
}

static void any(dnnl_memory_desc_t *desc, const dnnl_dims_t dims, int rank)
{
    CHECK(dnnl_memory_desc_init_by_tag(desc, rank, dims, dnnl_f32, dnnl_format_tag_any));
}

static dnnl_primitive_desc_t describe(const layer *l, const dnnl_dims_t x, const dnnl_dims_t w,
                                      int w_rank, const dnnl_dims_t y)
{
    const dnnl_dims_t stride = {l->stride, l->stride};
    const dnnl_dims_t pad = {l->pad, l->pad};
    dnnl_memory_desc_t dx;
    dnnl_memory_desc_t dw;
    dnnl_memory_desc_t dy;
    dnnl_convolution_desc_t convolution;
    dnnl_primitive_desc_t made;
    any(&dx, x, 4);
    any(&dw, w, w_rank);
    any(&dy, y, 4);
    CHECK(dnnl_convolution_forward_desc_init(&convolution, dnnl_forward_inference,
                                             dnnl_convolution_auto, &dx, &dw, NULL, &dy, stride,
                                             pad, pad));
    CHECK(dnnl_primitive_desc_create(&made, &convolution, NULL, engine, NULL));
    return made;
}

static dnnl_primitive_desc_t describe_dense(const dnnl_dims_t x, const dnnl_dims_t w,
                                            const dnnl_dims_t y)
{
    dnnl_memory_desc_t dx;
    dnnl_memory_desc_t dw;
    dnnl_memory_desc_t dy;
    dnnl_inner_product_desc_t product;
    dnnl_primitive_desc_t made;
    any(&dx, x, 2);
    any(&dw, w, 2);
    any(&dy, y, 2);
    CHECK(dnnl_inner_product_forward_desc_init(&product, dnnl_forward_inference, &dx, &dw, NULL,
                                               &dy));
    CHECK(dnnl_primitive_desc_create(&made, &product, NULL, engine, NULL));
    return made;
}

void layer_open(const layer *l)
{
    int is_dense = l->side == 1;
    int is_grouped = l->group > 1;
    int inner = l->channels / l->group;
    const dnnl_dims_t x = {1, l->channels, l->side, l->side};
    const dnnl_dims_t y = {1, l->outputs, l->out_side, l->out_side};
    const dnnl_dims_t w = {l->outputs, inner, l->kernel, l->kernel};
    const dnnl_dims_t grouped = {l->group, l->outputs / l->group, inner, l->kernel, l->kernel};
    CHECK(dnnl_engine_create(&engine, dnnl_cpu, 0));
    CHECK(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
    int rank = is_dense ? 2 : 4;
    int w_rank = rank + is_grouped;
    dnnl_format_tag_t tag = is_dense ? dnnl_ab : dnnl_abcd;
    dnnl_memory_t plain_x = plain(x, rank, tag, l->x);
    dnnl_memory_t plain_w =
        plain(is_grouped ? grouped : w, w_rank, is_grouped ? dnnl_abcde : tag, l->weights);
    plain_y = plain(y, rank, tag, l->y);
    dnnl_primitive_desc_t desc =
        is_dense ? describe_dense(x, w, y) : describe(l, x, is_grouped ? grouped : w, w_rank, y);
    CHECK(dnnl_primitive_create(&primitive, desc));
    arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, asked_for(desc, dnnl_query_src_md)};
    arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, asked_for(desc, dnnl_query_weights_md)};
    arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, asked_for(desc, dnnl_query_dst_md)};
    reorder(plain_x, arguments[0].memory);
    reorder(plain_w, arguments[1].memory);
}

void layer_run(void)
{
    CHECK(dnnl_primitive_execute(primitive, stream, 3, arguments));
    CHECK(dnnl_stream_wait(stream));
}

void layer_answer(void)
{
    reorder(arguments[2].memory, plain_y);
}
