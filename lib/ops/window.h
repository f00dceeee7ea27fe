/* SPDX-License-Identifier: Apache-2.0
 * A window over one to three spatial dimensions, seen as one over three: missing ones have size 1.
 */
#ifndef AI_WINDOW_H
#define AI_WINDOW_H

#include "core.h"

typedef struct ai_window3 {
    int64_t in[3];
    int64_t out[3];
    int64_t kernel[3];
    int64_t stride[3];
    int64_t dilation[3];
    int64_t pad[3]; /* before the begin */
    int64_t pad_end[3];
} ai_window3;

/* in and out are whole shapes; pad has 2 * spatial entries. */
static inline void ai_window3_set(ai_window3 *v, const ai_window *w, const int64_t *in,
                                  const int64_t *out, const int64_t *pad)
{
    *v = (ai_window3){
        {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0},
    };
    for (uint32_t i = 0; i < w->spatial; i++) {
        uint32_t k = 3 - w->spatial + i;
        v->in[k] = in[2 + i];
        v->out[k] = out[2 + i];
        v->kernel[k] = w->kernel[i];
        v->stride[k] = w->stride[i];
        v->dilation[k] = w->dilation[i];
        v->pad[k] = pad[i];
        v->pad_end[k] = pad[w->spatial + i];
    }
}

/* Positions from the first tap of a window to its last. */
static inline int64_t ai_window3_extent(const ai_window3 *v, int i)
{
    return (v->kernel[i] - 1) * v->dilation[i] + 1;
}

/* Positions of the padded input that `count` neighbouring outputs read. */
static inline int64_t ai_window3_reach(const ai_window3 *v, int i, int64_t count)
{
    return (count - 1) * v->stride[i] + ai_window3_extent(v, i);
}

static inline int64_t ai_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t ai_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Blocks of 16 channels. */
static inline int64_t ai_blocks(int64_t channels)
{
    return (channels + 15) / 16;
}

/* Adds a part of a * b * c elements of 4 or 8 bytes to a step's scratch, such that the next part is
 * aligned to 64 bytes too; false: over 2^44 bytes. */
static inline bool ai_scratch_add(int64_t *scratch, int64_t a, int64_t b, int64_t c, int64_t bytes)
{
    const int64_t most = (int64_t)1 << 44;
    int64_t ab;
    int64_t abc;
    int64_t part;
    if (!ai_mul(a, b, &ab) || !ai_mul(ab, c, &abc) || !ai_mul(abc, bytes, &part) || part > most)
        return false;
    *scratch += (part + 63) & ~(int64_t)63;
    return *scratch <= most;
}

/* Takes the next part of `count` elements from the scratch, which is NULL if all parts are empty.
 */
static inline void *ai_scratch_take(char **scratch, int64_t count, int64_t bytes)
{
    void *part = *scratch;
    if (count > 0)
        *scratch += (count * bytes + 63) & ~(int64_t)63;
    return part;
}

#endif
