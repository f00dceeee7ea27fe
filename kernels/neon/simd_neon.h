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
typedef struct vh {
    int16x8_t q[4];
} vh;
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
AI_INLINE vh i_pair_s8(int8x16_t a, int8x16_t b)
{
    return (vh){{vmovl_s8(vget_low_s8(a)), vmovl_high_s8(a), vmovl_s8(vget_low_s8(b)),
                 vmovl_high_s8(b)}};
}
AI_INLINE vh i_even_s8(const int8_t *p)
{
    const int8x16x4_t w = vld4q_s8(p);
    return i_pair_s8(w.val[0], w.val[2]);
}
AI_INLINE vh i_odd_s8(const int8_t *p)
{
    const int8x16x4_t w = vld4q_s8(p);
    return i_pair_s8(w.val[1], w.val[3]);
}
AI_INLINE vi i_dot2(vi sum, vh w, const int16_t *q)
{
    int32_t pair;
    memcpy(&pair, q, sizeof pair);
    const int16x4_t x = vreinterpret_s16_s32(vdup_n_s32(pair));
    for (int i = 0; i < 2; i++) {
        int32x4_t low = vreinterpretq_s32_u32(sum.q[2 * i]);
        int32x4_t high = vreinterpretq_s32_u32(sum.q[2 * i + 1]);
        low = vmlal_lane_s16(low, vget_low_s16(w.q[i]), x, 0);
        high = vmlal_high_lane_s16(high, w.q[i], x, 0);
        low = vmlal_lane_s16(low, vget_low_s16(w.q[i + 2]), x, 1);
        high = vmlal_high_lane_s16(high, w.q[i + 2], x, 1);
        sum.q[2 * i] = vreinterpretq_u32_s32(low);
        sum.q[2 * i + 1] = vreinterpretq_u32_s32(high);
    }
    return sum;
}
AI_INLINE vi i_dot2_taps(vi sum, vh w, const uint8_t *a, const uint8_t *b)
{
    const uint8x16_t in[2] = {vld1q_u8(a), vld1q_u8(b)};
    for (int i = 0; i < 4; i++) {
        const uint8x16_t x = in[i / 2];
        const int16x8_t wide =
            vreinterpretq_s16_u16(i % 2 ? vmovl_high_u8(x) : vmovl_u8(vget_low_u8(x)));
        uint32x4_t *low = &sum.q[i % 2 * 2], *high = low + 1;
        *low = vreinterpretq_u32_s32(
            vmlal_s16(vreinterpretq_s32_u32(*low), vget_low_s16(w.q[i]), vget_low_s16(wide)));
        *high =
            vreinterpretq_u32_s32(vmlal_high_s16(vreinterpretq_s32_u32(*high), w.q[i], wide));
    }
    return sum;
}
AI_INLINE vi i_load(const int32_t *p)
{
    const uint32_t *u = (const uint32_t *)(const void *)p;
    return (vi){{vld1q_u32(u), vld1q_u32(u + 4), vld1q_u32(u + 8), vld1q_u32(u + 12)}};
}
AI_INLINE void i_store(int32_t *p, vi a)
{
    for (int i = 0; i < 4; i++)
        vst1q_s32(p + 4 * i, vreinterpretq_s32_u32(a.q[i]));
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
AI_INLINE vi i_round(vf a)
{
#define ROUND(i) vreinterpretq_u32_s32(vcvtnq_s32_f32(a.q[i]))
    return V_EACH(vi, ROUND);
#undef ROUND
}
AI_INLINE void i_store_u8(uint8_t *p, vi a)
{
    const uint16x8_t low = vcombine_u16(vmovn_u32(a.q[0]), vmovn_u32(a.q[1]));
    const uint16x8_t high = vcombine_u16(vmovn_u32(a.q[2]), vmovn_u32(a.q[3]));
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
