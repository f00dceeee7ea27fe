/* SPDX-License-Identifier: Apache-2.0
 * QLinearConv: u8 in blocks of 16 channels by weights of s8. A sum of products becomes a byte with
 * one factor for each output channel; kernels.h has the formula. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "conv.h"
#include "elem.h"
#include "q.h"

/* ---- Shared with the other operators on quantised tensors ---- */

ai_status ai_q_check_finish(const ai_step *s, const ai_q_finish *f, bool has_residual,
                            ai_error *err)
{
    float most = 255 * (fabsf(f->own) + fabsf(f->other)) + fabsf(f->offset);
    if (f->middle > 255 || f->zero > 255 || f->hi > 255 || f->lo > f->hi)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "zero points %u and %u, bounds %u and %u, needs 0 to 255 in order",
                            f->middle, f->zero, f->lo, f->hi);
    if (has_residual ? !(most < 0x1p22f) : f->middle != f->zero)
        return ai_fail_step(err, AI_E_FORMAT, s,
                            "zero points %u and %u, factors %g, %g and %g, needs equal ones, or a "
                            "sum below 2^22",
                            f->middle, f->zero, (double)f->own, (double)f->other,
                            (double)f->offset);
    return AI_OK;
}

ai_status ai_q_check_scale(const ai_step *s, int64_t outputs, ai_error *err)
{
    int64_t whole = ai_blocks(outputs) * 16;
    ai_status status = ai_need_type(s, 2, AI_S32, err);
    if (status != AI_OK || (status = ai_need_type(s, 3, AI_F32, err)) != AI_OK)
        return status;
    for (uint32_t i = 2; i < 4; i++) {
        const ai_tensor *t = s->in[i];
        if (t->layout != AI_LAYOUT_PLAIN || t->rank != 1 || t->dim[0] != whole)
            return ai_fail_step(err, AI_E_SHAPE, s,
                                "input %u has rank %u and dimension %" PRId64 ", needs %" PRId64
                                " numbers",
                                i, t->rank, t->dim[0], whole);
    }
    return AI_OK;
}

ai_status ai_q_check_weight(const ai_step *s, uint32_t layout, ai_error *err)
{
    const ai_tensor *w = s->in[1];
    ai_status status = ai_need_type(s, 1, AI_S8, err);
    if (status != AI_OK)
        return status;
    if (w->layout != layout || w->kind != AI_TENSOR_CONSTANT)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "weight has layout %u, needs a constant in layout %u", w->layout,
                            layout);
    return AI_OK;
}

/* As many as 32 KiB hold, at least a tile of any level. */
int64_t ai_q_wide_pixels(int64_t taps, int64_t count)
{
    return ai_min(count, ai_max(32 * 1024 / 8 / taps, 14));
}

void ai_q_fill(const ai_step *s, const ai_q_finish *f, ai_q_conv_args *a)
{
    a->weights = s->in[1]->data;
    a->bias = s->in[2]->data;
    a->scale = s->in[3]->data;
    a->middle = (int32_t)f->middle;
    a->zero = (int32_t)f->zero;
    a->lo = (int32_t)f->lo;
    a->hi = (int32_t)f->hi;
    a->own = f->own;
    a->other = f->other;
    a->offset = f->offset;
}

/* ---- Check ---- */

static bool is_depthwise(const ai_step *s)
{
    return s->in[1]->layout == AI_LAYOUT_QDEPTHWISE16;
}

static void get_window(const ai_step *s, ai_window3 *v)
{
    const ai_q_conv_params *p = s->params;
    ai_window3_set(v, &p->window, s->in[0]->dim, s->out[0]->dim, &s->local[AI_CONV_PAD]);
}

static ai_status check_operands(const ai_step *s, const ai_q_conv_params *p, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    uint32_t layout = s->in[1]->layout;
    if (layout != AI_LAYOUT_QDEPTHWISE16 && layout != AI_LAYOUT_QCONV64)
        layout = AI_LAYOUT_QCONV16;
    ai_status status = ai_need_type(s, 0, AI_U8, err);

    if (status != AI_OK || (status = ai_q_check_weight(s, layout, err)) != AI_OK ||
        (status = ai_need_rank(s, 0, 4, err)) != AI_OK ||
        (status = ai_need_rank(s, 1, 4, err)) != AI_OK ||
        (status = ai_window_check(s, &p->window, err)) != AI_OK)
        return status;
    if (s->out_count < 1 || s->out[0] == NULL)
        return ai_fail_step(err, AI_E_FORMAT, s, "output 0 is missing");
    if (x->layout != AI_LAYOUT_NCHW16C || s->out[0]->layout != AI_LAYOUT_NCHW16C ||
        p->window.spatial != 2)
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "layouts %u and %u, %u spatial dimensions, needs blocks of 16 channels "
                            "and 2",
                            x->layout, s->out[0]->layout, p->window.spatial);
    return ai_q_check_finish(s, &p->finish, s->in_count > 4 && s->in[4] != NULL, err);
}

/* Levels differ in which bytes those without a weight meet. */
static bool is_filled_with_zeros(const ai_tensor *w)
{
    int64_t fours = (w->dim[3] + 3) / 4;
    int64_t rows = ai_blocks(w->dim[0]) * w->dim[2];
    const uint8_t *last = (const uint8_t *)w->known + (fours - 1) * 64;
    uint32_t any = 0;
    for (int64_t i = 0; i < rows * 16; i++) {
        for (int64_t k = w->dim[3] - (fours - 1) * 4; k < 4; k++)
            any |= last[i / 16 * fours * 64 + i % 16 * 4 + k];
    }
    return any == 0;
}

static ai_status check_weight(const ai_step *s, const ai_q_conv_params *p, ai_error *err)
{
    const ai_tensor *x = s->in[0];
    const ai_tensor *w = s->in[1];

    if (x->dim[1] < 1 || x->dim[1] > INT32_MAX || w->dim[0] < 1 || w->dim[0] > INT32_MAX ||
        p->group < 1 || x->dim[1] % p->group != 0 || w->dim[1] != x->dim[1] / p->group)
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight has %" PRId64 " to %" PRId64 " channels, input has %" PRId64
                            " in %u groups",
                            w->dim[1], w->dim[0], x->dim[1], p->group);
    if (is_depthwise(s)
            ? w->dim[1] != 1 || w->dim[0] != p->group
            : p->group > 1 && (w->dim[1] % 16 != 0 || w->dim[0] % (16 * (int64_t)p->group) != 0))
        return ai_fail_step(err, AI_E_UNSUPPORTED, s,
                            "%u groups of %" PRId64 " to %" PRId64
                            " channels, needs multiples of 16, or 1 to 1 in layout %d",
                            p->group, w->dim[1], w->dim[0] / p->group, AI_LAYOUT_QDEPTHWISE16);
    if (w->dim[2] != p->window.kernel[0] || w->dim[3] != p->window.kernel[1])
        return ai_fail_step(err, AI_E_SHAPE, s,
                            "weight is %" PRId64 "x%" PRId64 ", kernel is %ux%u", w->dim[2],
                            w->dim[3], p->window.kernel[0], p->window.kernel[1]);
    if (is_depthwise(s) && w->known != NULL && !is_filled_with_zeros(w))
        return ai_fail_step(err, AI_E_FORMAT, s, "weight has numbers beyond the %u of a row",
                            p->window.kernel[1]);
    return ai_q_check_scale(s, w->dim[0], err);
}

static ai_status check_residual(const ai_step *s, ai_error *err)
{
    const ai_tensor *r = s->in_count > 4 ? s->in[4] : NULL;
    const ai_tensor *y = s->out[0];
    if (r == NULL)
        return AI_OK;
    ai_status status = ai_need_type(s, 4, AI_U8, err);
    if (status != AI_OK)
        return status;
    if (r->layout != y->layout || r->rank != y->rank ||
        memcmp(r->dim, y->dim, y->rank * sizeof(y->dim[0])) != 0) {
        char found[AI_SHAPE_TEXT], needed[AI_SHAPE_TEXT];
        return ai_fail_step(err, AI_E_SHAPE, s, "residual is %s in layout %u, output %s in %u",
                            ai_shape_text(r->rank, r->dim, found), r->layout,
                            ai_shape_text(y->rank, y->dim, needed), y->layout);
    }
    return AI_OK;
}

/* Groups of four input channels times kernel positions; rows of the kernel in fours. */
static int64_t tap_count(const ai_step *s)
{
    const ai_tensor *w = s->in[1];
    if (is_depthwise(s))
        return w->dim[2] * ((w->dim[3] + 3) / 4);
    return (w->dim[1] + 3) / 4 * w->dim[2] * w->dim[3];
}

static int64_t wide_pixels(const ai_step *s, const ai_window3 *v)
{
    return is_depthwise(s) ? 0 : ai_q_wide_pixels(tap_count(s), v->out[1] * v->out[2]);
}

/* What a level lays out anew of some pixels: one of them does, wide or in rows of 64 bytes. */
static bool add_pixels(int64_t *scratch, const ai_step *s, const ai_window3 *v)
{
    int64_t wide = 0, rows = 0;
    if (is_depthwise(s))
        return true;
    bool fits = ai_scratch_add(&wide, tap_count(s), wide_pixels(s, v), 4, sizeof(int16_t)) &&
                ai_scratch_add(&rows, (tap_count(s) + 15) / 16, AI_Q_PIXELS, 64, 1);
    *scratch += ai_max(wide, rows);
    return fits;
}

/* Threads that share out panels read all of the input, and lay it out each for itself; those that
 * share out rows read all weights. A depthwise panel starts with its weights, for few rows or many.
 * Measured with two threads, by AMX: 1x1 from 256 to 64 channels at 56x56 80 us by panels, 35 by
 * rows, from 256 to 1024 at 14x14 39 and 49. */
static bool goes_by_rows(const ai_step *s, const ai_window3 *v)
{
    if (is_depthwise(s))
        return v->out[1] >= 56;
    return v->out[1] >= 14 && ai_tensor_count(s->in[1]) / 2 <= ai_tensor_count(s->in[0]);
}

static ai_status check(ai_step *s, ai_error *err)
{
    const ai_q_conv_params *p = s->params;
    int64_t dim[4];
    ai_window3 v;
    ai_status status = check_operands(s, p, err);

    if (status != AI_OK || (status = check_weight(s, p, err)) != AI_OK)
        return status;
    dim[0] = s->in[0]->dim[0];
    dim[1] = s->in[1]->dim[0];
    if ((status = ai_window_shape(s, &p->window, false, s->in[0]->dim, &dim[2],
                                  &s->local[AI_CONV_PAD], err)) != AI_OK ||
        (status = ai_set_output(s, 0, AI_U8, 4, dim, err)) != AI_OK ||
        (status = check_residual(s, err)) != AI_OK)
        return status;
    get_window(s, &v);
    ai_conv_raise_border(s, &v);
    s->alias = AI_ALIAS_NONE;
    s->scratch = 0;
    if (!ai_scratch_add(&s->scratch, tap_count(s), is_depthwise(s) ? 4 : 1, 1, sizeof(int64_t)) ||
        !add_pixels(&s->scratch, s, &v))
        return ai_fail_step(err, AI_E_SHAPE, s, "weight has over 2^37 rows");
    s->local[AI_CONV_BY_ROWS] = goes_by_rows(s, &v);
    /* a unit: image, row, pair of panels */
    s->work = ai_units(dim[0] * ((ai_blocks(dim[1]) + 1) / 2) * v.out[1]);
    s->flops = 2 * (uint64_t)ai_tensor_count(s->out[0]) *
               (uint64_t)(s->in[1]->dim[1] * v.kernel[1] * v.kernel[2]);
    return AI_OK;
}

static ai_status prepare(ai_step *s, ai_error *err)
{
    if (is_depthwise(s))
        return ai_choose(s, 0, AI_K_Q_DEPTHWISE, AI_U8, AI_S8, AI_LAYOUT_QDEPTHWISE16, err);
    return ai_choose(s, 0, AI_K_Q_CONV, AI_U8, AI_S8, AI_LAYOUT_QCONV16, err);
}

/* ---- Run ---- */

/* By block of 16 or 64 channels, kernel position, four channels: the order of the weights. */
static void fill_taps(const ai_step *s, const ai_window3 *v, int64_t *taps)
{
    const ai_tensor *x = s->in[0];
    int64_t fours = (s->in[1]->dim[1] + 3) / 4;
    int64_t block = s->in[1]->layout == AI_LAYOUT_QCONV64 ? 16 : 4;
    for (int64_t first = 0; first < fours; first += block) {
        for (int64_t h = 0; h < v->kernel[1]; h++) {
            for (int64_t w = 0; w < v->kernel[2]; w++) {
                for (int64_t i = first; i < ai_min(first + block, fours); i++)
                    *taps++ = i / 4 * x->plane + h * v->dilation[1] * x->row +
                              w * v->dilation[2] * 16 + i % 4 * 4;
            }
        }
    }
}

/* By kernel position; a row is filled up to fours with its last. */
static void fill_channel_taps(const ai_step *s, const ai_window3 *v, int64_t *taps)
{
    for (int64_t h = 0; h < v->kernel[1]; h++) {
        for (int64_t w = 0; w < (v->kernel[2] + 3) / 4 * 4; w++)
            *taps++ = h * v->dilation[1] * s->in[0]->row +
                      ai_min(w, v->kernel[2] - 1) * v->dilation[2] * 16;
    }
}

static void fill_args(const ai_step *s, const ai_window3 *v, char *scratch, ai_q_conv_args *a)
{
    int64_t *taps =
        ai_scratch_take(&scratch, tap_count(s) * (is_depthwise(s) ? 4 : 1), sizeof(*taps));
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = s->in_count > 4 ? s->in[4] : NULL;

    if (is_depthwise(s))
        fill_channel_taps(s, v, taps);
    else
        fill_taps(s, v, taps);
    *a = (ai_q_conv_args){
        .in_row = v->stride[1] * x->row,
        .in_step = v->stride[2] * 16,
        .in_plane = x->plane,
        .taps = taps,
        .tap_count = tap_count(s),
        .rows = (uint8_t *)scratch,
        .kw = v->dilation[2] == 1 ? (int32_t)v->kernel[2] : 0,
        .residual_row = r == NULL ? 0 : r->row,
        .residual_plane = r == NULL ? 0 : r->plane,
        .out_row = y->row,
        .out_plane = y->plane,
        .out_step = 16,
        .ow = (int32_t)v->out[2],
        .wide = (int16_t *)(void *)scratch,
        .wide_pixels = (int32_t)wide_pixels(s, v),
    };
    ai_q_fill(s, &((const ai_q_conv_params *)s->params)->finish, a);
}

/* The first block of a range of units. They run through the rows of a pair of panels, then the
 * pairs of an image; or through the pairs of a row, then the rows. */
static ai_conv_area block_of(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end)
{
    bool is_by_rows = s->local[AI_CONV_BY_ROWS] != 0;
    int64_t pairs = (ai_blocks(s->out[0]->dim[1]) + 1) / 2;
    int64_t inner = is_by_rows ? pairs : v->out[1], outer = is_by_rows ? v->out[1] : pairs;
    int64_t first = begin % inner, i = begin / inner % outer;
    int64_t count = ai_min(inner - first, end - begin);
    int64_t lines = count == inner ? ai_min((end - begin) / inner, outer - i) : 1;
    int64_t image = begin / inner / outer;
    if (is_by_rows)
        return (ai_conv_area){image, first, count, i, lines, 0, v->out[2]};
    return (ai_conv_area){image, i, lines, first, count, 0, v->out[2]};
}

static ai_status run(const ai_step *s, int64_t begin, int64_t end, void *scratch, ai_error *err)
{
    const ai_q_conv_params *p = s->params;
    const ai_tensor *x = s->in[0];
    const ai_tensor *y = s->out[0];
    const ai_tensor *r = s->in_count > 4 ? s->in[4] : NULL;
    int64_t panels = ai_blocks(y->dim[1]);
    bool is_whole = p->group == 1 || is_depthwise(s);
    int64_t group_panels = is_whole ? panels : panels / p->group;
    int64_t blocks = ai_blocks(is_whole ? s->in[0]->dim[1] : s->in[1]->dim[1]);
    ai_q_conv_args a;
    ai_window3 v;

    (void)err;
    if (ai_tensor_count(y) == 0)
        return AI_OK;
    get_window(s, &v);
    fill_args(s, &v, scratch, &a);
    while (begin < end) {
        ai_conv_area b = block_of(s, &v, begin, end);
        a.out = (uint8_t *)y->data + b.image * panels * y->plane;
        if (r != NULL)
            a.residual = (const uint8_t *)r->data + b.image * panels * r->plane;
        a.row_begin = (int32_t)b.row;
        a.row_end = (int32_t)(b.row + b.rows);
        int64_t last = ai_min((b.panel + b.panels) * 2, panels);
        for (int64_t panel = b.panel * 2; panel < last; panel = a.panel_end) {
            int64_t group = panel / group_panels;
            int64_t block = (is_whole ? b.image : b.image * p->group + group) * blocks;
            a.in = (const uint8_t *)x->data + block * x->plane - v.pad[1] * x->row - v.pad[2] * 16;
            a.panel_begin = (int32_t)panel;
            a.panel_end = (int32_t)ai_min((group + 1) * group_panels, last);
            s->kernel[0]->fn(&a);
        }
        begin += b.rows * b.panels;
    }
    return AI_OK;
}

const ai_op ai_op_q_conv = {check, prepare, run, false};
