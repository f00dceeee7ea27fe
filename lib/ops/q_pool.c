/* SPDX-License-Identifier: Apache-2.0
 * QLinearGlobalAveragePool: u8 in blocks of 16 channels, whole sums. */
#include <string.h>

#include "elem.h"
#include "q.h"

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_q_mean_params *p = s->params;
    const ai_tensor *x = s->in[0];
    ai_status status = ai_need_type(s, 0, AI_U8, err);

    if (status != AI_OK || (status = ai_need_rank(s, 0, 4, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (p->middle > 255 || p->zero > 255)
        return ai_fail_step(err, AI_E_FORMAT, s, "zero points %u and %u, needs 0 to 255", p->middle,
                            p->zero);
    if (x->layout != AI_LAYOUT_NCHW16C || x->dim[2] < 1 || x->dim[3] < 1 ||
        x->dim[2] > (1 << 23) / x->dim[3])
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "input has layout %u and %lldx%lld positions, needs blocks of 16 "
                            "channels of 1 to 2^23",
                            x->layout, (long long)x->dim[2], (long long)x->dim[3]);
    const int64_t dim[4] = {x->dim[0], x->dim[1], 1, 1};
    if ((status = ai_set_output(s, 0, AI_U8, 4, dim, err)) != AI_OK)
        return status;
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    s->flops = (uint64_t)ai_tensor_count(x);
    s->work = ai_units(x->dim[0] * ai_blocks(x->dim[1])); /* a unit: a block */
    return AI_OK;
}

/* So many u8 fit a sum in 16 bits, of which a register holds twice as many. */
enum { RUN = 65535 / 255 };

/* Adds `count` positions of a block to its sums. */
static void add_run(const uint8_t *in, int64_t count, int32_t sum[16])
{
    uint16_t part[16] = {0};
    for (int64_t i = 0; i < count; i++) {
        for (int c = 0; c < 16; c++)
            part[c] = (uint16_t)(part[c] + in[i * 16 + c]);
    }
    for (int c = 0; c < 16; c++)
        sum[c] += part[c];
}

static void run_block(const ai_step *s, const uint8_t *in, uint8_t result[16])
{
    const ai_q_mean_params *p = s->params;
    const ai_tensor *x = s->in[0];
    int32_t count = (int32_t)(x->dim[2] * x->dim[3]);
    float factor = p->factor / (float)count;
    float lo = -(float)p->zero;
    int32_t sum[16] = {0};
    bool is_joined = x->row == x->dim[3] * 16; /* rows without a border are one */
    int64_t rows = is_joined ? 1 : x->dim[2];
    int64_t width = is_joined ? count : x->dim[3];
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < width; i += RUN)
            add_run(in + row * x->row + i * 16, ai_min(width - i, RUN), sum);
    }
    for (int c = 0; c < 16; c++) {
        float mean = (float)(sum[c] - count * (int32_t)p->middle) * factor;
        result[c] = (uint8_t)(ai_q_round(ai_q_clamp(mean, lo, lo + 255.0f)) + (int32_t)p->zero);
    }
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    int64_t blocks = ai_blocks(x->dim[1]);
    uint8_t result[16];

    (void)scratch;
    (void)err;
    if (ai_is_empty(s, 0))
        return AI_OK;
    for (int64_t unit = begin; unit < end; unit++) {
        run_block(s, (const uint8_t *)x->data + unit * x->plane, result);
        if (y->layout == AI_LAYOUT_PLAIN) {
            int64_t first = unit % blocks * 16;
            memcpy((uint8_t *)y->data + unit / blocks * x->dim[1] + first, result,
                   (size_t)ai_min(x->dim[1] - first, 16));
        } else {
            memcpy((uint8_t *)y->data + unit * y->plane, result, 16);
        }
    }
    return AI_OK;
}

const ai_op ai_op_q_global_average_pool = {check, NULL, run, false};
