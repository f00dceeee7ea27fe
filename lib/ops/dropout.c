/* SPDX-License-Identifier: Apache-2.0
 * Dropout: x, ratio or NONE (0.5), training_mode or NONE (false); y and the mask of what is kept.
 * In training the mask is drawn as ONNX's reference draws it: uniform numbers of NumPy's
 * RandomState. */
#include <inttypes.h>
#include <string.h>

#include "elem.h"

/* ---- MT19937 (Matsumoto and Nishimura, 1998), seeded by one integer ---- */

enum { MT_SIZE = 624, MT_SHIFT = 397 };

typedef struct mt19937 {
    uint32_t state[MT_SIZE];
    uint32_t next;
} mt19937;

static void mt_seed(mt19937 *mt, uint32_t seed)
{
    mt->state[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++)
        mt->state[i] = 1812433253u * (mt->state[i - 1] ^ mt->state[i - 1] >> 30) + i;
    mt->next = MT_SIZE;
}

static void mt_refill(mt19937 *mt)
{
    for (uint32_t i = 0; i < MT_SIZE; i++) {
        uint32_t y = (mt->state[i] & 0x80000000u) | (mt->state[(i + 1) % MT_SIZE] & 0x7fffffffu);
        uint32_t twist = (y & 1) != 0 ? 0x9908b0dfu : 0;
        mt->state[i] = mt->state[(i + MT_SHIFT) % MT_SIZE] ^ y >> 1 ^ twist;
    }
    mt->next = 0;
}

static uint32_t mt_draw(mt19937 *mt)
{
    if (mt->next == MT_SIZE)
        mt_refill(mt);
    uint32_t y = mt->state[mt->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [0, 1), 53 bits. */
static double mt_uniform(mt19937 *mt)
{
    uint32_t high = mt_draw(mt) >> 5;
    uint32_t low = mt_draw(mt) >> 6;
    return ((double)high * 67108864 + (double)low) * 0x1p-53;
}

/* ---- The operator. ai_axis_params.start is the seed. ---- */

static const ai_tensor *operand(const ai_step *s, uint32_t i)
{
    return i < s->in_count ? s->in[i] : NULL;
}

static ai_status check_scalar(const ai_step *s, uint32_t i, bool is_right, const char *needed,
                              ai_error *err)
{
    const ai_tensor *t = operand(s, i);

    if (t == NULL || (is_right && ai_tensor_count(t) == 1))
        return AI_OK;
    return ai_fail_step(err, AI_E_SHAPE, s, "input %u is no single %s", i, needed);
}

/* Training is known to be off: input 0 goes through. */
static bool is_off(const ai_step *s)
{
    const ai_tensor *mode = operand(s, 2);
    return mode == NULL || (mode->known != NULL && *(const uint8_t *)mode->known == 0);
}

static ai_status check_dropout(ai_step *s, ai_error *err)
{
    const ai_axis_params *p = s->params;
    const ai_tensor *in = s->in[0];
    const ai_tensor *ratio = operand(s, 1);
    const ai_tensor *mode = operand(s, 2);
    bool has_mask = s->out_count > 1 && s->out[1] != NULL;

    ai_status status = ai_need_plain(s, err);
    if (status == AI_OK)
        status = check_scalar(s, 1, ratio == NULL || ai_is_float(ratio->type), "float", err);
    if (status == AI_OK)
        status = check_scalar(s, 2, mode == NULL || mode->type == AI_BOOL, "bool", err);
    if (status == AI_OK && !is_off(s))
        status = ai_need_type(s, 0, AI_F32, err);
    if (status == AI_OK && (p->start < 0 || p->start > UINT32_MAX))
        status = ai_fail_step(err, AI_E_UNSUPPORTED, s, "seed is %" PRId64 ", needs 0 to 2^32-1",
                              p->start);
    if (status == AI_OK)
        status = ai_same_output(s, 0, 0, err);
    if (status == AI_OK)
        status = ai_set_output(s, 1, AI_BOOL, in->rank, in->dim, err);
    s->alias = is_off(s) && !has_mask ? AI_ALIAS_VIEW : AI_ALIAS_INPLACE;
    s->alias_input = 0;
    s->work = 1; /* numbers are drawn one after the other */
    s->scratch = is_off(s) ? 0 : (int64_t)sizeof(mt19937);
    return status;
}

static void pass_through(const ai_step *s, uint8_t *mask)
{
    const ai_tensor *in = s->in[0];
    const ai_tensor *out = s->out[0];
    size_t count = (size_t)ai_tensor_count(in);

    if (mask != NULL)
        memset(mask, 1, count);
    if (out->data != in->data)
        memcpy(out->data, in->data, count * ai_type_bytes(in->type));
}

static void drop(const ai_step *s, double ratio, uint8_t *mask, mt19937 *mt)
{
    const ai_axis_params *p = s->params;
    const float *in = s->in[0]->data;
    float *out = s->out[0]->data;
    int64_t count = ai_tensor_count(s->in[0]);
    float scale = 1 / (1 - (float)ratio);

    mt_seed(mt, (uint32_t)p->start);
    for (int64_t i = 0; i < count; i++) {
        bool is_kept = mt_uniform(mt) >= ratio;
        out[i] = (is_kept ? in[i] : 0 * in[i]) * scale;
        if (mask != NULL)
            mask[i] = is_kept;
    }
}

static ai_status run_dropout(const ai_step *s, int64_t begin, int64_t end, void *scratch,
                             ai_error *err)
{
    const ai_tensor *mode = operand(s, 2);
    const ai_tensor *given = operand(s, 1);
    uint8_t *mask = s->out_count > 1 && s->out[1] != NULL ? s->out[1]->data : NULL;
    double ratio = given != NULL ? ai_get_f64(given->data, given->type, 0) : 0.5;

    if (begin >= end || ai_is_empty(s, 0))
        return AI_OK;
    if (mode == NULL || *(const uint8_t *)mode->data == 0 || ratio == 0) {
        pass_through(s, mask);
        return AI_OK;
    }
    if (!(ratio > 0 && ratio < 1))
        return ai_fail_step(err, AI_E_VALUE, s, "ratio is %g, needs 0 to less than 1", ratio);
    drop(s, ratio, mask, scratch);
    return AI_OK;
}

const ai_op ai_op_dropout = {check_dropout, NULL, run_dropout, false};
