/* SPDX-License-Identifier: Apache-2.0
 * What the templates share that are compiled once a CPU level (vec.c and its like), with AI_LEVEL
 * (avx2, ...) and the AI_SIMD_ macro: names of kernels, their declarations, parts of a vector. */
#ifndef AI_VEC_H
#define AI_VEC_H

#include "kernels.h"
#include "simd.h"

#if AI_LANES != 16
#error "one lane is ref's: see kernels/ref"
#endif

#define JOIN2(type, name, level) ai_##type##_##name##_##level
#define JOIN(type, name, level)  JOIN2(type, name, level)
#define KERNEL_NAME(name)        JOIN(f32, name, AI_LEVEL)
#define BYTES(name)              JOIN(u8, name, AI_LEVEL)

#define AI_VEC_ROW(op, layout, name) ai_kernel_fn KERNEL_NAME(name);
#include "vec.def"
#undef AI_VEC_ROW

/* All 16 lanes, or the n < 16 that are left. */
AI_INLINE vf load_some(const float *p, int64_t n)
{
    return n >= 16 ? v_load(p) : v_load_n(p, n);
}
AI_INLINE void store_some(float *p, vf a, int64_t n)
{
    if (n >= 16)
        v_store(p, a);
    else
        v_store_n(p, a, n);
}

#endif
