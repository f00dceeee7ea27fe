/* SPDX-License-Identifier: Apache-2.0
 * The vector of simd.h in NEON: 16 lanes are four registers. Included by simd.h alone. */
#ifndef AI_SIMD_NEON_H
#define AI_SIMD_NEON_H

#if !defined(__aarch64__) || !defined(__ARM_NEON)
#error "this file needs 64-bit Arm with NEON"
#endif
#include <arm_neon.h>

#define AI_LANES 16
typedef uint8x16_t vb;
typedef struct vf {
    float32x4_t q[4];
} vf;
typedef struct vi {
    uint32x4_t q[4];
} vi;
typedef vi vm;

#define V_EACH(type, expr) ((type){{expr(0), expr(1), expr(2), expr(3)}})
#define V_OP1(type, from, name, intrinsic)                                                         \
    AI_INLINE type name(from a)                                                                    \
    {                                                                                              \
        return (type){                                                                             \
            {intrinsic(a.q[0]), intrinsic(a.q[1]), intrinsic(a.q[2]), intrinsic(a.q[3])}};         \
    }
#define V_OP2(type, from, name, intrinsic)                                                         \
    AI_INLINE type name(from a, from b)                                                            \
    {                                                                                              \
        return (type){{intrinsic(a.q[0], b.q[0]), intrinsic(a.q[1], b.q[1]),                       \
                       intrinsic(a.q[2], b.q[2]), intrinsic(a.q[3], b.q[3])}};                     \
    }

V_OP2(vf, vf, v_add, vaddq_f32)
V_OP2(vf, vf, v_sub, vsubq_f32)
V_OP2(vf, vf, v_mul, vmulq_f32)
V_OP2(vf, vf, v_div, vdivq_f32)
V_OP1(vf, vf, v_sqrt, vsqrtq_f32)
V_OP1(vf, vf, v_floor, vrndmq_f32)
V_OP1(vf, vf, v_ceil, vrndpq_f32)
V_OP1(vf, vf, v_round, vrndnq_f32)
V_OP2(vm, vf, v_lt, vcltq_f32)
V_OP2(vm, vf, v_le, vcleq_f32)
V_OP2(vm, vf, v_eq, vceqq_f32)
V_OP2(vi, vi, i_add, vaddq_u32)
V_OP2(vi, vi, i_sub, vsubq_u32)
V_OP2(vi, vi, i_and, vandq_u32)
V_OP2(vi, vi, i_or, vorrq_u32)
V_OP2(vi, vi, i_xor, veorq_u32)
V_OP2(vm, vm, m_and, vandq_u32)
V_OP2(vm, vm, m_or, vorrq_u32)
V_OP1(vi, vf, i_bits, vreinterpretq_u32_f32)
V_OP1(vf, vi, v_bits, vreinterpretq_f32_u32)

AI_INLINE float32x4_t v_from_int_quarter(uint32x4_t a)
{
    return vcvtq_f32_s32(vreinterpretq_s32_u32(a));
}
V_OP1(vf, vi, v_from_int, v_from_int_quarter)

AI_INLINE vf v_fma(vf a, vf b, vf c)
{
#define FMA(i) vfmaq_f32(c.q[i], a.q[i], b.q[i])
    return V_EACH(vf, FMA);
#undef FMA
}
AI_INLINE vf v_fnma(vf a, vf b, vf c)
{
#define FNMA(i) vfmsq_f32(c.q[i], a.q[i], b.q[i])
    return V_EACH(vf, FNMA);
#undef FNMA
}
AI_INLINE vf v_set(float x)
{
#define SET(i) vdupq_n_f32(x)
    return V_EACH(vf, SET);
#undef SET
}
AI_INLINE vi i_set(uint32_t x)
{
#define SET(i) vdupq_n_u32(x)
    return V_EACH(vi, SET);
#undef SET
}
AI_INLINE vf v_load(const float *p)
{
#define LOAD(i) vld1q_f32(p + 4 * (i))
    return V_EACH(vf, LOAD);
#undef LOAD
}
AI_INLINE vf v_load_f16(const uint16_t *p)
{
#define LOAD(i) vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * (i))))
    return V_EACH(vf, LOAD);
#undef LOAD
}
AI_INLINE void v_store(float *p, vf a)
{
    vst1q_f32(p, a.q[0]);
    vst1q_f32(p + 4, a.q[1]);
    vst1q_f32(p + 8, a.q[2]);
    vst1q_f32(p + 12, a.q[3]);
}
AI_INLINE vm m_first(int64_t n)
{
    static const uint32_t lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#define FIRST(i) vcltq_u32(vld1q_u32(lane + 4 * (i)), vdupq_n_u32((uint32_t)n))
    return V_EACH(vm, FIRST);
#undef FIRST
}
AI_INLINE vf v_load_n(const float *p, int64_t n)
{
    float lanes[16] = {0};
    memcpy(lanes, p, (size_t)n * sizeof(float));
    return v_load(lanes);
}
AI_INLINE void v_store_n(float *p, vf a, int64_t n)
{
    float lanes[16];
    v_store(lanes, a);
    memcpy(p, lanes, (size_t)n * sizeof(float));
}
AI_INLINE vf v_select(vm m, vf a, vf b)
{
#define SELECT(i) vbslq_f32(m.q[i], a.q[i], b.q[i])
    return V_EACH(vf, SELECT);
#undef SELECT
}
AI_INLINE vm v_is_nan(vf a)
{
#define IS_NAN(i) vmvnq_u32(vceqq_f32(a.q[i], a.q[i]))
    return V_EACH(vm, IS_NAN);
#undef IS_NAN
}
AI_INLINE void i_load_s8(const int8_t *p, vi *even, vi *odd)
{
    for (int i = 0; i < 4; i++) {
        const int16x8_t w = vreinterpretq_s16_s8(vld1q_s8(p + 16 * i));
        even->q[i] = vreinterpretq_u32_s16(vshrq_n_s16(vshlq_n_s16(w, 8), 8));
        odd->q[i] = vreinterpretq_u32_s16(vshrq_n_s16(w, 8));
    }
}
AI_INLINE vi i_dot4(vi sum, vi even, vi odd, const int16_t *q)
{
    int32_t pair[2];
    memcpy(pair, q, sizeof pair);
    const int16x4_t a = vreinterpret_s16_s32(vdup_n_s32(pair[0]));
    const int16x4_t b = vreinterpret_s16_s32(vdup_n_s32(pair[1]));
    for (int i = 0; i < 4; i++) {
        const int16x8_t e = vreinterpretq_s16_u32(even.q[i]), o = vreinterpretq_s16_u32(odd.q[i]);
        const int32x4_t low = vmlal_s16(vmull_s16(vget_low_s16(e), a), vget_low_s16(o), b);
        const int32x4_t high = vmlal_s16(vmull_s16(vget_high_s16(e), a), vget_high_s16(o), b);
        sum.q[i] = vaddq_u32(sum.q[i], vreinterpretq_u32_s32(vpaddq_s32(low, high)));
    }
    return sum;
}
AI_INLINE vi i_dot4_u8(vi sum, vi even, vi odd, const uint8_t *in)
{
    uint32_t four;
    int16_t q[4];
    memcpy(&four, in, sizeof four);
    const uint32_t pair[2] = {four & 0x00ff00ff, four >> 8 & 0x00ff00ff};
    memcpy(q, pair, sizeof q);
    return i_dot4(sum, even, odd, q);
}
AI_INLINE vi i_dot4_taps(vi sum, vi even, vi odd, const uint8_t *const in[4])
{
    const uint8x16_t x0 = vld1q_u8(in[0]), x1 = vld1q_u8(in[1]);
    const uint8x16_t x2 = vld1q_u8(in[2]), x3 = vld1q_u8(in[3]);
    const uint8x16_t a[2] = {vzip1q_u8(x0, x2), vzip2q_u8(x0, x2)};
    const uint8x16_t b[2] = {vzip1q_u8(x1, x3), vzip2q_u8(x1, x3)};
    for (int i = 0; i < 4; i++) {
        const uint8x16_t p = a[i / 2], q = b[i / 2];
        const int16x8_t x =
            vreinterpretq_s16_u16(vmovl_u8(i % 2 ? vget_high_u8(p) : vget_low_u8(p)));
        const int16x8_t y =
            vreinterpretq_s16_u16(vmovl_u8(i % 2 ? vget_high_u8(q) : vget_low_u8(q)));
        const int16x8_t e = vreinterpretq_s16_u32(even.q[i]), o = vreinterpretq_s16_u32(odd.q[i]);
        const int32x4_t low = vmlal_s16(vmull_s16(vget_low_s16(e), vget_low_s16(x)),
                                        vget_low_s16(o), vget_low_s16(y));
        const int32x4_t high = vmlal_s16(vmull_s16(vget_high_s16(e), vget_high_s16(x)),
                                         vget_high_s16(o), vget_high_s16(y));
        sum.q[i] = vaddq_u32(sum.q[i], vreinterpretq_u32_s32(vpaddq_s32(low, high)));
    }
    return sum;
}
AI_INLINE vi i_load(const int32_t *p)
{
    const uint32_t *u = (const uint32_t *)(const void *)p;
    return (vi){{vld1q_u32(u), vld1q_u32(u + 4), vld1q_u32(u + 8), vld1q_u32(u + 12)}};
}
AI_INLINE vf v_load_u8(const uint8_t *p)
{
    const uint8x16_t all = vld1q_u8(p);
    const uint16x8_t low = vmovl_u8(vget_low_u8(all)), high = vmovl_u8(vget_high_u8(all));
    return (vf){{vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))),
                 vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
                 vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))),
                 vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)))}};
}
AI_INLINE void v_store_u8(uint8_t *p, vf a)
{
    const uint16x8_t low =
        vcombine_u16(vmovn_u32(vcvtq_u32_f32(a.q[0])), vmovn_u32(vcvtq_u32_f32(a.q[1])));
    const uint16x8_t high =
        vcombine_u16(vmovn_u32(vcvtq_u32_f32(a.q[2])), vmovn_u32(vcvtq_u32_f32(a.q[3])));
    vst1q_u8(p, vcombine_u8(vmovn_u16(low), vmovn_u16(high)));
}
AI_INLINE vb b_set(uint8_t x)
{
    return vdupq_n_u8(x);
}
AI_INLINE vb b_load(const uint8_t *p)
{
    return vld1q_u8(p);
}
AI_INLINE void b_store(uint8_t *p, vb a)
{
    vst1q_u8(p, a);
}
AI_INLINE vb b_max(vb a, vb b)
{
    return vmaxq_u8(a, b);
}
AI_INLINE float32x4_t v_swap_halves(float32x4_t a)
{
    return vextq_f32(a, a, 2);
}
V_OP1(vf, vf, v_swap1, vrev64q_f32)
V_OP1(vf, vf, v_swap2, v_swap_halves)
AI_INLINE vf v_swap(vf a, int n)
{
    if (n == 8)
        return (vf){{a.q[2], a.q[3], a.q[0], a.q[1]}};
    if (n == 4)
        return (vf){{a.q[1], a.q[0], a.q[3], a.q[2]}};
    return n == 2 ? v_swap2(a) : v_swap1(a);
}
AI_INLINE float v_first(vf a)
{
    return vgetq_lane_f32(a.q[0], 0);
}
#define i_sll(a, n)                                                                                \
    ((vi){{vshlq_n_u32((a).q[0], n), vshlq_n_u32((a).q[1], n), vshlq_n_u32((a).q[2], n),           \
           vshlq_n_u32((a).q[3], n)}})
#define I_SRA(a, n, i) vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32((a).q[i]), n))
#define i_sra(a, n)    ((vi){{I_SRA(a, n, 0), I_SRA(a, n, 1), I_SRA(a, n, 2), I_SRA(a, n, 3)}})

#endif
