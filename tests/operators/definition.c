/* SPDX-License-Identifier: Apache-2.0
 * Conv, ConvTranspose, the pools, Gemm, MatMul and Reorder with random shapes against their
 * definition in plain loops: the same bits for any split of the work. Usage: definition [SEED
 * [COUNT]].
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"
#include "step.h"

typedef struct dice {
    uint64_t state;
    uint64_t seed;
} dice;

static uint64_t draw(dice *d)
{
    return draw_random(&d->state);
}

/* A number in [first, last]. */
static int64_t from(dice *d, int64_t first, int64_t last)
{
    return first + (int64_t)(draw(d) % (uint64_t)(last - first + 1));
}

static bool one_in(dice *d, int64_t n)
{
    return from(d, 1, n) == 1;
}

static float number(dice *d)
{
    return (float)(draw(d) >> 40) * 0x1p-23f - 1.0f;
}

static void fail(const dice *d, const char *name, const char *what)
{
    printf("%s, seed %llu: %s\n", name, (unsigned long long)d->seed, what);
    exit(1);
}

/* ---- Steps ---- */

/* Memory for input i, zeros in its border, random numbers in a copy in plain order. */
static float *fill(dice *d, step *s, uint32_t i)
{
    ai_tensor *t = &s->in[i];
    int64_t count = ai_tensor_count(t);
    float *plain = malloc((size_t)(count > 0 ? count : 1) * sizeof(float));

    step_alloc(s, t, i);
    memset(s->memory[i], 0, (size_t)t->bytes);
    for (int64_t k = 0; k < count; k++)
        plain[k] = number(d);
    return plain;
}

static float *fill_values(dice *d, step *s, uint32_t i)
{
    float *plain = fill(d, s, i);
    for (int64_t k = 0; k < ai_tensor_count(&s->in[i]); k++)
        *step_f32(&s->in[i], k) = plain[k];
    return plain;
}

/* Where an element of a weight [oc][ic][kernel] lies in its layout. */
static int64_t weight_at(const ai_tensor *w, int64_t oc, int64_t ic, int64_t k, int64_t volume)
{
    int64_t panel = oc / 16 * w->dim[1] * volume * 16 + oc % 16;
    int64_t block = ic / 16 * 16;
    int64_t rows = w->dim[1] - block < 16 ? w->dim[1] - block : 16;

    switch (w->layout) {
    case AI_LAYOUT_CONV16:
        return panel + (block * volume + k * rows + ic - block) * 16;
    case AI_LAYOUT_STEM16:
    case AI_LAYOUT_DEPTHWISE16:
        return panel + (ic * volume + k) * 16;
    default:
        return (oc * w->dim[1] + ic) * volume + k;
    }
}

static float *fill_weight(dice *d, step *s, int64_t volume)
{
    const ai_tensor *w = &s->in[1];
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(w); i++) {
        int64_t oc = i / volume / w->dim[1];
        int64_t ic = i / volume % w->dim[1];
        ((float *)w->data)[weight_at(w, oc, ic, i % volume, volume)] = plain[i];
    }
    return plain;
}

static void run_split(dice *d, step *s, const char *name)
{
    if (step_prepare(s, AI_CPU_REF) != AI_OK)
        fail(d, name, s->err.message);
    for (int64_t begin = 0; begin < s->step.work;) {
        int64_t end = begin + from(d, 1, s->step.work);
        end = end < s->step.work ? end : s->step.work;
        if (step_run(s, begin, end) != AI_OK)
            fail(d, name, s->err.message);
        begin = end;
    }
    if (!step_borders_are_whole(s))
        fail(d, name, "a border was written");
}

/* Output element i is `wanted`; all NaN are equal. */
static void expect(const dice *d, const step *s, const char *name, int64_t i, float wanted)
{
    float found = *step_f32(&s->out[0], i);
    if (memcmp(&found, &wanted, sizeof(found)) == 0 || (isnan(found) && isnan(wanted)))
        return;
    printf("element %lld is %a, needs %a\n", (long long)i, (double)found, (double)wanted);
    fail(d, name, "differs from the definition");
}

/* A function of one number by its ref kernel, of which other tests see that it is right. */
static float activate(const ai_activation *a, float x)
{
    static const uint16_t functions[][2] = {
        {AI_OP_SWISH, AI_UNARY_SWISH},
        {AI_OP_HARD_SWISH, AI_UNARY_HARD_SWISH},
        {AI_OP_LEAKY_RELU, AI_UNARY_LEAKY_RELU},
        {AI_OP_ROUND, AI_UNARY_ROUND},
    };
    bool is_fixed = a->kind == AI_OP_HARD_SWISH;
    ai_unary_args args = {&x, &x, 1, is_fixed ? 1.0f / 6 : a->lo, is_fixed ? 0.5f : a->hi};

    if (a->kind == AI_ACTIVATION_NONE)
        return x;
    for (int i = 0; i < 4 && a->kind != AI_ACTIVATION_CLIP; i++) {
        uint32_t op = AI_K_UNARY + functions[i][1];
        if (functions[i][0] != a->kind)
            continue;
        ai_kernel_find(op, AI_F32, AI_F32, AI_LAYOUT_PLAIN, AI_CPU_REF)->fn(&args);
        return x;
    }
    x = x < a->lo ? a->lo : x;
    return x > a->hi ? a->hi : x;
}

static void make_activation(dice *d, ai_activation *a)
{
    static const uint32_t kinds[] = {AI_OP_SWISH, AI_OP_HARD_SWISH, AI_OP_LEAKY_RELU, AI_OP_ROUND};

    if (one_in(d, 2))
        *a = (ai_activation){AI_ACTIVATION_CLIP, -0.5f, 0.75f};
    else if (one_in(d, 2))
        *a = (ai_activation){kinds[from(d, 0, 3)], 0.25f, 0};
}

/* ---- Windows ---- */

static void make_window(dice *d, ai_window *w, uint32_t spatial)
{
    bool is_pointwise = one_in(d, 4);

    w->spatial = spatial;
    w->auto_pad = one_in(d, 4) ? (uint32_t)from(d, 1, 3) : AI_PAD_EXPLICIT;
    for (uint32_t i = 0; i < spatial; i++) {
        w->kernel[i] = is_pointwise ? 1 : (uint32_t)from(d, 1, 4);
        w->stride[i] = is_pointwise ? 1 : (uint32_t)from(d, 1, 3);
        w->dilation[i] = (uint32_t)from(d, 1, 2);
        w->pad_begin[i] = is_pointwise ? 0 : (uint32_t)from(d, 0, 3);
        w->pad_end[i] = is_pointwise ? 0 : (uint32_t)from(d, 0, 3);
    }
}

/* The same as three dimensions, missing ones of size 1. */
typedef struct place {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
} place;

static void set_place(place *p, const ai_window *w, const ai_tensor *x, const ai_tensor *y)
{
    *p = (place){{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
    for (uint32_t i = 0; i < w->spatial; i++) {
        uint32_t k = 3 - w->spatial + i;
        p->in[k] = x->dim[2 + i];
        p->out[k] = y->dim[2 + i];
        p->kernel[k] = w->kernel[i];
        p->stride[k] = w->stride[i];
        p->dilation[k] = w->dilation[i];
        p->pad[k] = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_begin[i] : 0;
        p->pad_end[k] = w->auto_pad == AI_PAD_EXPLICIT ? w->pad_end[i] : 0;
        if (w->auto_pad != AI_PAD_SAME_UPPER && w->auto_pad != AI_PAD_SAME_LOWER)
            continue;
        int64_t total =
            (p->out[k] - 1) * p->stride[k] + (p->kernel[k] - 1) * p->dilation[k] + 1 - p->in[k];
        total = total > 0 ? total : 0;
        p->pad[k] = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : (total + 1) / 2;
        p->pad_end[k] = total - p->pad[k];
    }
}

static int64_t volume_of(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

static void split(int64_t i, const int64_t size[3], int64_t at[3])
{
    at[0] = i / size[2] / size[1];
    at[1] = i / size[2] % size[1];
    at[2] = i % size[2];
}

/* Place in a plane of tap k of output `at`, or -1 outside the input. */
static int64_t tap(const place *p, const int64_t at[3], int64_t k)
{
    int64_t to[3];
    int64_t place_in = 0;
    split(k, p->kernel, to);
    for (int i = 0; i < 3; i++) {
        int64_t x = at[i] * p->stride[i] - p->pad[i] + to[i] * p->dilation[i];
        if (x < 0 || x >= p->in[i])
            return -1;
        place_in = place_in * p->in[i] + x;
    }
    return place_in;
}

/* ---- Conv ---- */

enum { BLOCKED, STEM, DEPTHWISE, PLAIN };

static void make_conv(dice *d, step *s, int form)
{
    static const uint8_t layouts[][3] = {
        {AI_LAYOUT_NCHW16C, AI_LAYOUT_CONV16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_PLAIN, AI_LAYOUT_STEM16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_NCHW16C, AI_LAYOUT_DEPTHWISE16, AI_LAYOUT_NCHW16C},
        {AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN, AI_LAYOUT_PLAIN},
    };
    uint32_t spatial = form == PLAIN ? (uint32_t)from(d, 1, 3) : 2;
    int64_t group = form == DEPTHWISE ? from(d, 1, 40) : form == PLAIN ? from(d, 1, 3) : 1;
    int64_t ic = form == DEPTHWISE ? 1 : from(d, 1, form == BLOCKED ? 40 : 5);
    int64_t oc = form == DEPTHWISE ? 1 : from(d, 1, form == PLAIN ? 9 : 40);
    if (form == BLOCKED && one_in(d, 2)) {
        group = 2;
        ic = 16 * from(d, 1, 2);
        oc = 16 * from(d, 1, 2);
    }
    make_window(d, &s->params.conv.window, spatial);
    make_activation(d, &s->params.conv.activation);
    s->params.conv.flags = one_in(d, 3) ? AI_CONV_RESIDUAL_LAST : 0;
    s->params.conv.group = (uint32_t)group;
    int64_t x[5] = {one_in(d, 9) ? 0 : from(d, 1, 2), group * ic};
    int64_t w[5] = {group * oc, ic};
    for (uint32_t i = 0; i < spatial; i++) {
        x[2 + i] = from(d, 1, one_in(d, 3) ? 40 : 12);
        w[2 + i] = s->params.conv.window.kernel[i];
    }
    step_shape(s, 0, AI_F32, layouts[form][0], 2 + spatial, x);
    step_shape(s, 1, AI_F32, layouts[form][1], 2 + spatial, w);
    step_shape(s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, w);
    s->in[1].kind = AI_TENSOR_CONSTANT;
    s->out[0].layout = layouts[form][2];
    s->in_list[2] = one_in(d, 3) ? NULL : &s->in[2];
    s->in_list[3] = NULL;
}

/* The order of the sum: blocks of input channels, kernel positions, channels of the block. */
static float conv_sum(const place *p, const float *x, const float *w, int64_t ic, int64_t block,
                      const int64_t at[3], float sum)
{
    int64_t volume = volume_of(p->kernel);
    for (int64_t c = 0; c < ic; c += block) {
        for (int64_t k = 0; k < volume; k++) {
            int64_t from_place = tap(p, at, k);
            for (int64_t i = c; i < ic && i < c + block; i++)
                sum = fmaf(from_place < 0 ? 0.0f : x[i * volume_of(p->in) + from_place],
                           w[i * volume + k], sum);
        }
    }
    return sum;
}

static bool conv(dice *d)
{
    static const char *const names[] = {"blocked Conv", "stem Conv", "depthwise Conv",
                                        "plain Conv"};
    int form = (int)from(d, 0, 3);
    step s;
    place p;

    step_init(&s, AI_OP_CONV, 4, 1);
    make_conv(d, &s, form);
    if (step_check(&s) != AI_OK) /* the window is larger than the input */
        return false;
    set_place(&p, &s.params.conv.window, &s.in[0], &s.out[0]);
    if (one_in(d, 2)) {
        step_shape(&s, 3, AI_F32, s.out[0].layout, s.out[0].rank, s.out[0].dim);
        s.in_list[3] = &s.in[3];
        for (int i = 0; i < 4 && s.out[0].layout == AI_LAYOUT_NCHW16C; i++)
            s.in[3].border[i] = s.out[0].border[i] = (uint32_t)from(d, 0, 2);
        if (step_check(&s) != AI_OK)
            fail(d, names[form], s.err.message);
    }
    int64_t ic = s.in[1].dim[1];
    int64_t oc = s.in[1].dim[0];
    int64_t volume = volume_of(p.kernel);
    int64_t positions = volume_of(p.out);
    float *x = fill_values(d, &s, 0);
    float *w = fill_weight(d, &s, volume);
    float *bias = fill_values(d, &s, 2);
    float *residual = s.in_list[3] != NULL ? fill_values(d, &s, 3) : NULL;
    run_split(d, &s, names[form]);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t channel = i / positions % oc;
        int64_t image = i / positions / oc;
        int64_t first = (image * s.params.conv.group + channel / (oc / s.params.conv.group)) * ic;
        split(i % positions, p.out, at);
        float sum = conv_sum(&p, x + first * volume_of(p.in), w + channel * ic * volume, ic,
                             form == BLOCKED ? 16 : 1, at, s.in_list[2] ? bias[channel] : 0.0f);
        bool is_last = s.params.conv.flags != 0;
        sum = residual != NULL && !is_last ? sum + residual[i] : sum;
        sum = activate(&s.params.conv.activation, sum);
        expect(d, &s, names[form], i, residual != NULL && is_last ? sum + residual[i] : sum);
    }
    free(x);
    free(w);
    free(bias);
    free(residual);
    step_free(&s);
    return true;
}

/* ---- ConvTranspose ---- */

static void make_conv_transpose(dice *d, step *s, bool is_blocked)
{
    ai_conv_transpose_params *p = &s->params.conv_transpose;
    uint32_t spatial = is_blocked ? 2 : (uint32_t)from(d, 1, 3);
    int64_t group = is_blocked ? 1 : from(d, 1, 3);
    int64_t x[5] = {from(d, 1, 2), group * from(d, 1, is_blocked ? 40 : 4)};
    int64_t w[5] = {x[1], from(d, 1, is_blocked ? 40 : 4)};
    int64_t channels = w[1] * group;

    make_window(d, &p->window, spatial);
    p->group = (uint32_t)group;
    p->has_output_shape = one_in(d, 4);
    for (uint32_t i = 0; i < spatial; i++) {
        x[2 + i] = from(d, 1, 6);
        w[2 + i] = p->window.kernel[i];
        p->output_padding[i] = (uint32_t)from(d, 0, 2);
        p->output_shape[i] = (uint32_t)from(d, 1, 20);
    }
    uint8_t image = is_blocked ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN;
    uint8_t weight = is_blocked ? AI_LAYOUT_TRANSPOSED16 : AI_LAYOUT_PLAIN;
    step_shape(s, 0, AI_F32, image, 2 + spatial, x);
    step_shape(s, 1, AI_F32, weight, 2 + spatial, w);
    step_shape(s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, &channels);
    s->in[1].kind = AI_TENSOR_CONSTANT;
    s->out[0].layout = image;
    for (int i = 0; i < 4 && is_blocked; i++)
        s->out[0].border[i] = (uint32_t)from(d, 0, 2);
}

/* Of position k in dimension i: how many lie before it in TRANSPOSED16, its class not counted; how
 * many of its class lie before it; how many its class has. */
static void class_place(const place *p, int i, int64_t k, int64_t at[3])
{
    int64_t residue = k * p->dilation[i] % p->stride[i];
    at[0] = at[1] = at[2] = 0;
    for (int64_t j = 0; j < p->kernel[i]; j++) {
        int64_t other = j * p->dilation[i] % p->stride[i];
        at[0] += other < residue;
        at[1] += other == residue && j > k;
        at[2] += other == residue;
    }
}

/* Where the weight of those channels and position k lies in TRANSPOSED16. */
static int64_t transposed_at(const place *p, const ai_tensor *w, int64_t ic, int64_t oc, int64_t k)
{
    int64_t h[3];
    int64_t v[3];
    class_place(p, 1, k / p->kernel[2], h);
    class_place(p, 2, k % p->kernel[2], v);
    int64_t block = ic / 16 * 16;
    int64_t rows = w->dim[0] - block < 16 ? w->dim[0] - block : 16;
    int64_t earlier = h[0] * p->kernel[2] + h[2] * v[0];
    int64_t volume = h[2] * v[2];
    return earlier * w->dim[0] * ((w->dim[1] + 15) / 16 * 16) + oc / 16 * w->dim[0] * volume * 16 +
           (block * volume + (h[1] * v[2] + v[1]) * rows + ic - block) * 16 + oc % 16;
}

static float *fill_transposed(dice *d, step *s, const place *p)
{
    const ai_tensor *w = &s->in[1];
    int64_t volume = volume_of(p->kernel);
    if (w->layout == AI_LAYOUT_PLAIN)
        return fill_values(d, s, 1);
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(w); i++) {
        int64_t channels = i / volume;
        ((float *)
             w->data)[transposed_at(p, w, channels / w->dim[1], channels % w->dim[1], i % volume)] =
            plain[i];
    }
    return plain;
}

/* The padding of a ConvTranspose: what its output lacks of the whole one. */
static void set_transposed_pads(place *p, const ai_conv_transpose_params *q)
{
    const ai_window *w = &q->window;
    for (uint32_t i = 0; i < w->spatial; i++) {
        uint32_t k = 3 - w->spatial + i;
        int64_t total = (p->in[k] - 1) * p->stride[k] + q->output_padding[i] +
                        (p->kernel[k] - 1) * p->dilation[k] + 1 - p->out[k];
        total = total > 0 ? total : 0;
        p->pad[k] = w->auto_pad == AI_PAD_VALID ? 0 : w->pad_begin[i];
        if (q->has_output_shape || w->auto_pad % 3 != 0)
            p->pad[k] = w->auto_pad == AI_PAD_SAME_UPPER ? total / 2 : (total + 1) / 2;
    }
}

/* Place in a plane of what output `at` takes through kernel position k: -1 outside, -2 none. */
static int64_t transposed_tap(const place *p, const int64_t at[3], int64_t k)
{
    int64_t to[3];
    int64_t place_in = 0;
    bool is_outside = false;
    split(k, p->kernel, to);
    for (int i = 0; i < 3; i++) {
        int64_t x = at[i] + p->pad[i] - to[i] * p->dilation[i];
        if (x % p->stride[i] != 0)
            return -2;
        x /= p->stride[i];
        is_outside |= x < 0 || x >= p->in[i];
        place_in = place_in * p->in[i] + x;
    }
    return is_outside ? -1 : place_in;
}

/* The order of the sum: plain by input channels, then positions; in blocks by blocks of 16
 * channels, then positions from the last, then channels. `w` is [ic][oc][volume] from the output
 * channel on. */
static float transposed_sum(const place *p, const step *s, const float *x, const float *w,
                            int64_t ic, const int64_t at[3], float sum)
{
    int64_t volume = volume_of(p->kernel);
    bool is_blocked = s->in[1].layout != AI_LAYOUT_PLAIN;
    int64_t block = is_blocked ? 16 : 1;
    for (int64_t c = 0; c < ic; c += block) {
        for (int64_t i = 0; i < volume; i++) {
            int64_t k = is_blocked ? volume - 1 - i : i;
            int64_t place_in = transposed_tap(p, at, k);
            for (int64_t j = c; j < ic && j < c + block && place_in != -2; j++)
                sum = fmaf(place_in < 0 ? 0.0f : x[j * volume_of(p->in) + place_in],
                           w[j * s->in[1].dim[1] * volume + k], sum);
        }
    }
    return sum;
}

static bool conv_transpose(dice *d)
{
    const char *name = "ConvTranspose";
    step s;
    place p;

    step_init(&s, AI_OP_CONV_TRANSPOSE, 3, 1);
    make_conv_transpose(d, &s, one_in(d, 2));
    if (step_check(&s) != AI_OK) /* padding leaves nothing */
        return false;
    set_place(&p, &s.params.conv_transpose.window, &s.in[0], &s.out[0]);
    set_transposed_pads(&p, &s.params.conv_transpose);
    int64_t group = s.params.conv_transpose.group;
    int64_t ic = s.in[1].dim[0] / group;
    int64_t oc = s.in[1].dim[1];
    int64_t volume = volume_of(p.kernel);
    int64_t positions = volume_of(p.out);
    float *x = fill_values(d, &s, 0);
    float *w = fill_transposed(d, &s, &p);
    float *bias = fill_values(d, &s, 2);
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t channel = i / positions % oc;
        int64_t unit = i / positions / oc; /* image and group */
        split(i % positions, p.out, at);
        float sum = transposed_sum(&p, &s, x + unit * ic * volume_of(p.in),
                                   w + (unit % group * ic * oc + channel) * volume, ic, at,
                                   bias[unit % group * oc + channel]);
        expect(d, &s, name, i, sum);
    }
    free(x);
    free(w);
    free(bias);
    step_free(&s);
    return true;
}

/* ---- Pools ---- */

static int64_t padded_taps(const place *p, const int64_t at[3])
{
    int64_t product = 1;
    for (int i = 0; i < 3; i++) {
        int64_t count = 0;
        for (int64_t k = 0; k < p->kernel[i]; k++)
            count +=
                at[i] * p->stride[i] - p->pad[i] + k * p->dilation[i] < p->in[i] + p->pad_end[i];
        product *= count;
    }
    return product;
}

static float pooled(const step *s, const place *p, const float *plane, const int64_t at[3],
                    int64_t *index)
{
    float best = -INFINITY;
    float sum = 0.0f;
    int64_t count = 0;

    *index = 0;
    for (int64_t k = 0; k < volume_of(p->kernel); k++) {
        int64_t i = tap(p, at, k);
        if (i < 0)
            continue;
        sum += plane[i];
        if (count++ == 0 || plane[i] > best || (isnan(plane[i]) && !isnan(best))) {
            best = plane[i];
            *index = i;
        }
    }
    if (s->file.op == AI_OP_MAX_POOL)
        return best;
    return sum * (1.0f / (float)(s->params.pool.count_include_pad ? padded_taps(p, at) : count));
}

static void make_pool(dice *d, step *s, bool is_blocked, bool has_index)
{
    uint32_t spatial = is_blocked ? 2 : (uint32_t)from(d, 1, 3);
    int64_t x[5] = {from(d, 0, 2), from(d, 1, one_in(d, 2) ? 3 : 40)};

    make_window(d, &s->params.pool.window, spatial);
    s->params.pool.ceil_mode = (uint32_t)from(d, 0, 1);
    s->params.pool.count_include_pad = (uint32_t)from(d, 0, 1);
    s->params.pool.storage_order = (uint32_t)from(d, 0, 1);
    for (uint32_t i = 0; i < spatial; i++)
        x[2 + i] = from(d, 1, 9);
    step_shape(s, 0, AI_F32, is_blocked ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN, 2 + spatial, x);
    s->out[0].layout = s->in[0].layout;
    s->out_list[1] = has_index ? &s->out[1] : NULL;
}

static bool pool(dice *d)
{
    bool is_max = one_in(d, 2);
    bool is_blocked = one_in(d, 2);
    bool has_index = is_max && !is_blocked && one_in(d, 2);
    const char *name = is_max ? "MaxPool" : "AveragePool";
    step s;
    place p;

    step_init(&s, is_max ? AI_OP_MAX_POOL : AI_OP_AVERAGE_POOL, 1, is_max ? 2 : 1);
    make_pool(d, &s, is_blocked, has_index);
    if (step_check(&s) != AI_OK) /* the window is larger than the input */
        return false;
    set_place(&p, &s.params.pool.window, &s.in[0], &s.out[0]);
    int64_t positions = volume_of(p.out);
    int64_t size = volume_of(p.in);
    float *x = fill_values(d, &s, 0);
    for (int64_t i = 0; i < ai_tensor_count(&s.in[0]); i += from(d, 1, 40))
        *step_f32(&s.in[0], i) = x[i] = one_in(d, 2) ? NAN : -INFINITY;
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t at[3];
        int64_t from_place[3];
        int64_t index;
        int64_t plane = i / positions * size;
        split(i % positions, p.out, at);
        expect(d, &s, name, i, pooled(&s, &p, x + plane, at, &index));
        split(index, p.in, from_place);
        if (s.params.pool.storage_order == 1)
            index = (from_place[2] * p.in[1] + from_place[1]) * p.in[0] + from_place[0];
        if (has_index && ((const int64_t *)s.out[1].data)[i] != plane + index)
            fail(d, name, "index differs from the definition");
    }
    free(x);
    step_free(&s);
    return true;
}

/* The global pools, plain or in blocks, to plain or to blocks. */
static bool global_pool(dice *d)
{
    bool is_max = one_in(d, 2);
    const char *name = is_max ? "GlobalMaxPool" : "GlobalAveragePool";
    int64_t dim[4] = {from(d, 0, 2), from(d, 1, 40), from(d, 1, 9), from(d, 1, 9)};
    int64_t size = dim[2] * dim[3];
    step s;

    step_init(&s, is_max ? AI_OP_GLOBAL_MAX_POOL : AI_OP_GLOBAL_AVERAGE_POOL, 1, 1);
    step_shape(&s, 0, AI_F32, one_in(d, 2) ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN, 4, dim);
    s.out[0].layout = one_in(d, 2) ? s.in[0].layout : AI_LAYOUT_PLAIN;
    if (step_check(&s) != AI_OK)
        fail(d, name, s.err.message);
    float *x = fill_values(d, &s, 0);
    run_split(d, &s, name);
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        float best = x[i * size];
        float sum = 0.0f;
        for (int64_t k = 0; k < size; k++) {
            sum += x[i * size + k];
            best = x[i * size + k] > best ? x[i * size + k] : best;
        }
        expect(d, &s, name, i, is_max ? best : sum / (float)size);
    }
    free(x);
    step_free(&s);
    return true;
}

/* ---- Gemm and MatMul ---- */

/* alpha * (a . b) + beta * c as matmul.c says it; c is 0 where there is none. */
static float product(const step *s, const float *a, int64_t a_step, const float *b, int64_t b_step,
                     int64_t k, float c)
{
    const ai_gemm_params *p = &s->params.gemm;
    bool is_scaled = p->alpha != 1.0f || (s->in_list[2] != NULL && p->beta != 1.0f);
    float sum = is_scaled ? 0.0f : c;
    for (int64_t i = 0; i < k; i++)
        sum = fmaf(a[i * a_step], b[i * b_step], sum);
    if (is_scaled) {
        sum = p->alpha * sum;
        c = p->beta * c;
        sum = s->in_list[2] != NULL ? sum + c : sum;
    }
    return activate(&p->activation, sum);
}

static float *fill_matrix(dice *d, step *s)
{
    const ai_tensor *b = &s->in[1];
    if (b->layout == AI_LAYOUT_PLAIN)
        return fill_values(d, s, 1);
    float *plain = fill(d, s, 1);
    for (int64_t i = 0; i < ai_tensor_count(b); i++) {
        int64_t k = i / b->dim[1];
        int64_t n = i % b->dim[1];
        ((float *)b->data)[(n / 16 * b->dim[0] + k) * 16 + n % 16] = plain[i];
    }
    return plain;
}

static bool gemm(dice *d)
{
    int64_t m = from(d, 1, one_in(d, 2) ? 1 : 70);
    int64_t k = from(d, 0, 20);
    int64_t n = from(d, 1, 50);
    bool is_packed = one_in(d, 2);
    step s;

    step_init(&s, AI_OP_GEMM, 3, 1);
    ai_gemm_params *p = &s.params.gemm;
    p->alpha = one_in(d, 3) ? 0.5f : 1.0f;
    p->beta = one_in(d, 3) ? 0.3f : 1.0f;
    p->trans_a = (uint32_t)from(d, 0, 1);
    p->trans_b = is_packed ? 0 : (uint32_t)from(d, 0, 1);
    make_activation(d, &p->activation);
    int64_t c_dim[2] = {one_in(d, 2) ? m : 1, one_in(d, 2) ? n : 1};
    uint32_t c_rank = (uint32_t)from(d, 0, 2);
    step_shape(&s, 0, AI_F32, AI_LAYOUT_PLAIN, 2,
               p->trans_a ? (int64_t[]){k, m} : (int64_t[]){m, k});
    step_shape(&s, 1, AI_F32, is_packed ? AI_LAYOUT_PANEL16 : AI_LAYOUT_PLAIN, 2,
               p->trans_b ? (int64_t[]){n, k} : (int64_t[]){k, n});
    step_shape(&s, 2, AI_F32, AI_LAYOUT_PLAIN, c_rank, c_dim + 2 - c_rank);
    s.in[1].kind = AI_TENSOR_CONSTANT;
    s.in_list[2] = one_in(d, 3) ? NULL : &s.in[2];
    if (step_check(&s) != AI_OK)
        fail(d, "Gemm", s.err.message);
    float *a = fill_values(d, &s, 0);
    float *b = fill_matrix(d, &s);
    float *c = fill_values(d, &s, 2);
    int64_t c_col = c_rank > 0 && c_dim[1] > 1 ? 1 : 0;
    int64_t c_row = c_rank > 1 && c_dim[0] > 1 ? c_dim[1] : 0;
    run_split(d, &s, "Gemm");
    for (int64_t i = 0; i < m * n; i++) {
        int64_t row = i / n;
        int64_t col = i % n;
        expect(d, &s, "Gemm", i,
               product(&s, a + row * (p->trans_a ? 1 : k), p->trans_a ? m : 1,
                       b + col * (p->trans_b ? k : 1), p->trans_b ? 1 : n, k,
                       s.in_list[2] != NULL ? c[row * c_row + col * c_col] : 0.0f));
    }
    free(a);
    free(b);
    free(c);
    step_free(&s);
    return true;
}

/* Two batch dimensions at most, either operand with all, some or none of them, or a vector. */
static bool matmul(dice *d)
{
    uint32_t a_rank = (uint32_t)from(d, 1, 4);
    bool is_packed = one_in(d, 3);
    uint32_t b_rank = is_packed ? 2 : (uint32_t)from(d, 1, 4);
    int64_t m = a_rank == 1 ? 1 : from(d, 1, 40);
    int64_t k = from(d, 0, 20);
    int64_t n = b_rank == 1 ? 1 : from(d, 1, 40);
    int64_t a_dim[4] = {from(d, 1, 3), from(d, 1, 3), m, k};
    int64_t b_dim[4] = {one_in(d, 2) ? 1 : a_dim[0], one_in(d, 2) ? 1 : a_dim[1], k, n};
    step s;

    for (int i = 0; i < 2; i++)
        a_dim[i] = b_dim[i] > 1 && one_in(d, 3) ? 1 : a_dim[i];
    step_init(&s, AI_OP_MATMUL, 3, 1);
    s.params.gemm.alpha = s.params.gemm.beta = 1.0f;
    make_activation(d, &s.params.gemm.activation);
    step_shape(&s, 0, AI_F32, AI_LAYOUT_PLAIN, a_rank, a_dim + 4 - a_rank);
    step_shape(&s, 1, AI_F32, is_packed ? AI_LAYOUT_PANEL16 : AI_LAYOUT_PLAIN, b_rank,
               b_rank == 1 ? &k : b_dim + 4 - b_rank);
    step_shape(&s, 2, AI_F32, AI_LAYOUT_PLAIN, 1, &n);
    s.in[1].kind = AI_TENSOR_CONSTANT;
    s.in_list[2] = one_in(d, 2) ? NULL : &s.in[2];
    if (step_check(&s) != AI_OK)
        fail(d, "MatMul", s.err.message);
    float *a = fill_values(d, &s, 0);
    float *b = fill_matrix(d, &s);
    float *c = fill_values(d, &s, 2);
    run_split(d, &s, "MatMul");
    int64_t a_batch[2] = {a_rank == 4 ? a_dim[0] : 1, a_rank >= 3 ? a_dim[1] : 1};
    int64_t b_batch[2] = {b_rank == 4 ? b_dim[0] : 1, b_rank >= 3 ? b_dim[1] : 1};
    int64_t inner = a_batch[1] > b_batch[1] ? a_batch[1] : b_batch[1];
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++) {
        int64_t batch = i / n / m;
        int64_t x = (a_batch[0] > 1 ? batch / inner * a_batch[1] : 0) +
                    (a_batch[1] > 1 ? batch % inner : 0);
        int64_t y = (b_batch[0] > 1 ? batch / inner * b_batch[1] : 0) +
                    (b_batch[1] > 1 ? batch % inner : 0);
        expect(d, &s, "MatMul", i,
               product(&s, a + (x * m + i / n % m) * k, 1, b + y * k * n + i % n, n, k,
                       s.in_list[2] != NULL ? c[i % n] : 0.0f));
    }
    free(a);
    free(b);
    free(c);
    step_free(&s);
    return true;
}

/* ---- Reorder ---- */

static bool reorder(dice *d)
{
    bool to_blocks = one_in(d, 2);
    int64_t dim[4] = {from(d, 0, 2), from(d, 1, 40), from(d, 1, 6), from(d, 1, 20)};
    step s;

    step_init(&s, AI_OP_REORDER, 1, 1);
    step_shape(&s, 0, AI_F32, to_blocks ? AI_LAYOUT_PLAIN : AI_LAYOUT_NCHW16C, 4, dim);
    s.out[0].layout = to_blocks ? AI_LAYOUT_NCHW16C : AI_LAYOUT_PLAIN;
    ai_tensor *blocks = to_blocks ? &s.out[0] : &s.in[0];
    for (int i = 0; i < 4 && one_in(d, 2); i++)
        blocks->border[i] = (uint32_t)from(d, 0, 2);
    if (step_check(&s) != AI_OK)
        fail(d, "Reorder", s.err.message);
    float *x = fill_values(d, &s, 0);
    run_split(d, &s, "Reorder");
    for (int64_t i = 0; i < ai_tensor_count(&s.out[0]); i++)
        expect(d, &s, "Reorder", i, x[i]);
    free(x);
    step_free(&s);
    return true;
}

int main(int argc, char **argv)
{
    static bool (*const tests[])(dice *) = {
        conv, conv_transpose, pool, global_pool, gemm, matmul, reorder,
    };
    enum { TESTS = sizeof(tests) / sizeof(tests[0]) };
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    uint64_t ran[TESTS] = {0};

    for (uint64_t seed = first; seed < first + count; seed++) {
        for (int i = 0; i < TESTS; i++) {
            dice d = {seed * TESTS + (uint64_t)i, seed};
            ran[i] += tests[i](&d);
        }
    }
    for (int i = 0; i < TESTS; i++) {
        if (ran[i] * 2 <= count) {
            printf("test %d ran %llu of %llu cases\n", i, (unsigned long long)ran[i],
                   (unsigned long long)count);
            return 1;
        }
    }
    return 0;
}
