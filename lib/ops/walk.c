/* SPDX-License-Identifier: Apache-2.0
 * Dense outputs gathered from strided inputs: what Transpose, Slice and Expand have in common. */
#include <string.h>

#include "elem.h"

void ai_dense_strides(uint32_t rank, const int64_t *dim, int64_t *stride)
{
    for (uint32_t i = 0; i < rank; i++)
        stride[i] = ai_span(dim, i + 1, rank);
}

void ai_walk_set(ai_step *s, uint32_t rank, const int64_t *dim, const int64_t *stride,
                 int64_t offset)
{
    int64_t *walk_dim = s->local + AI_WALK_DIM;
    int64_t *walk_stride = s->local + AI_WALK_STRIDE;
    uint32_t n = 0;

    s->local[AI_WALK_OFFSET] = offset;
    s->work = 1;
    if (ai_span(dim, 0, rank) == 0) { /* never run; strides may be anything */
        s->local[AI_WALK_RANK] = 0;
        return;
    }
    for (uint32_t i = 0; i < rank; i++) {
        if (dim[i] == 1)
            continue;
        if (n > 0 && walk_stride[n - 1] == stride[i] * dim[i]) {
            walk_dim[n - 1] *= dim[i];
            walk_stride[n - 1] = stride[i];
            continue;
        }
        walk_dim[n] = dim[i];
        walk_stride[n] = stride[i];
        n++;
    }
    s->local[AI_WALK_RANK] = n;
    s->work = n > 1 ? ai_span(walk_dim, 0, n - 1) : 1;
}

#define COPY(T)                                                                                    \
    do {                                                                                           \
        const T *from = in;                                                                        \
        T *to = out;                                                                               \
        for (int64_t i = 0; i < count; i++)                                                        \
            to[i] = from[i * stride];                                                              \
    } while (0)

void ai_copy_strided(void *out, const void *in, int64_t count, int64_t stride, size_t bytes)
{
    if (stride == 1) {
        memcpy(out, in, (size_t)count * bytes);
        return;
    }
    switch (bytes) {
    case 1:
        COPY(uint8_t);
        break;
    case 2:
        COPY(uint16_t);
        break;
    case 4:
        COPY(uint32_t);
        break;
    default:
        COPY(uint64_t);
        break;
    }
}

ai_status ai_walk_run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const int64_t *dim = s->local + AI_WALK_DIM;
    const int64_t *stride = s->local + AI_WALK_STRIDE;
    int rank = (int)s->local[AI_WALK_RANK];
    int64_t index[AI_MAX_RANK] = {0};
    size_t bytes = ai_type_bytes(s->out[0]->type);

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    int64_t columns = rank > 0 ? dim[rank - 1] : 1;
    int64_t step = rank > 0 ? stride[rank - 1] : 1;
    int64_t from = s->local[AI_WALK_OFFSET];
    int64_t rest = begin;
    for (int d = rank - 2; d >= 0; d--) {
        index[d] = rest % dim[d];
        rest /= dim[d];
        from += index[d] * stride[d];
    }
    const char *in = s->in[0]->data;
    char *out = (char *)s->out[0]->data + (size_t)(begin * columns) * bytes;
    for (int64_t row = begin; row < end; row++) {
        ai_copy_strided(out, in + from * (int64_t)bytes, columns, step, bytes);
        out += (size_t)columns * bytes;
        for (int d = rank - 2; d >= 0; d--) {
            from += stride[d];
            if (++index[d] < dim[d])
                break;
            from -= stride[d] * dim[d];
            index[d] = 0;
        }
    }
    return AI_OK;
}
