/* SPDX-License-Identifier: Apache-2.0
 * What the forms of Conv share: the table's row, the window, slabs of padded input. */
#ifndef AI_CONV_H
#define AI_CONV_H

#include "window.h"

/* A way to run Conv, by the layouts of input, weight and output. */
typedef struct ai_conv_form {
    uint8_t in;
    uint8_t weight;
    uint8_t out;
    uint8_t kernel_layout;
    uint16_t kernel;
    /* Whether group and channels suit it. Types, ranks and counts are checked before. */
    bool (*fits)(const ai_step *s);
    /* Adds its scratch, sets work; false: over 2^44 bytes. */
    bool (*plan)(ai_step *s, const ai_window3 *v);
    void (*run)(const ai_step *s, const ai_window3 *v, int64_t begin, int64_t end, char *scratch);
    /* Chooses all kernels where there are more than the one named; else NULL. */
    ai_status (*prepare)(ai_step *s, ai_error *err);
} ai_conv_form;

extern const ai_conv_form ai_conv_blocked;   /* a unit of work: image, panel and output row */
extern const ai_conv_form ai_conv_depthwise; /* the same */
extern const ai_conv_form ai_conv_stem;      /* a unit: image, output row */
extern const ai_conv_form ai_conv_winograd4; /* a unit: image, tile */
extern const ai_conv_form ai_conv_winograd2; /* the same */
extern const ai_conv_form ai_conv_columns;   /* a unit: image, group, 16 output positions */
extern const ai_conv_form ai_conv_rows;      /* a unit: image, group, slice, output channel */

/* step->local: padding (begins, then ends), the form, slices of a slab or tiles of a chunk, the order
 * of the units */
enum {
    AI_CONV_PAD,
    AI_CONV_FORM = AI_CONV_PAD + 2 * AI_MAX_SPATIAL,
    AI_CONV_SLICES,
    AI_CONV_CHUNK = AI_CONV_SLICES,
    AI_CONV_BY_ROWS
};

/* Input i: bias 2, residual 3; NULL: omitted. */
static inline const ai_tensor *ai_conv_operand(const ai_step *s, uint32_t i)
{
    return i < s->in_count ? s->in[i] : NULL;
}

static inline uint32_t ai_conv_group(const ai_step *s)
{
    return ((const ai_conv_params *)s->params)->group;
}

/* ---- The epilogue: what the kernels do of it, and what runs over their outputs ---- */

/* The clamp of the kernel. */
void ai_conv_clamp(const ai_step *s, float *lo, float *hi);
/* The residual that the kernel adds, or NULL. */
const ai_tensor *ai_conv_residual(const ai_step *s);

/* Something is left to do when the kernel is done: its outputs should still be in the cache then. */
bool ai_conv_is_unfinished(const ai_step *s);
ai_status ai_conv_prepare_finish(ai_step *s, ai_error *err);

/* Outputs in blocks that a kernel has written. */
typedef struct ai_conv_area {
    int64_t image;
    int64_t panel, panels;
    int64_t row, rows;
    int64_t column, columns;
} ai_conv_area;

/* Does what is left, if anything is. */
void ai_conv_finish(const ai_step *s, const ai_conv_area *area);
void ai_conv_finish_plain(const ai_step *s, float *out, int64_t count);

/* ---- Blocks of 16 channels ---- */

/* Raises the border of the input to what the window needs. */
void ai_conv_raise_border(ai_step *s, const ai_window3 *v);

/* The kernels read whole blocks of bias: the scratch for a last one that is not, and all of them,
 * or NULL. */
bool ai_conv_plan_bias(ai_step *s);
const float *ai_conv_whole_bias(const ai_step *s, char **scratch);

/* ---- Slabs: the padded part of a plain input that some output rows read, in the scratch. They are
 * cut into slices along the outermost dimension that a window moves over but the columns: rows, or
 * in three dimensions planes. ---- */

int ai_conv_slice_axis(const ai_window3 *v);

/* Whether a window leaves the input. If not, the input serves as it is. */
bool ai_conv_is_padded(const ai_window3 *v);

/* Elements of one channel of a slab, by dimension and in all; false: far too many. */
bool ai_conv_slab_size(const ai_window3 *v, int64_t slices, int64_t size[3], int64_t *count);

/* Chooses local[AI_CONV_SLICES], the slices of a slab, and adds its scratch. */
bool ai_conv_plan_slab(ai_step *s, const ai_window3 *v);

/* Fills `size` positions of each channel from the padded position `first` on. */
void ai_conv_fill_slab(const ai_window3 *v, const float *in, int64_t channels,
                       const int64_t first[2], const int64_t size[3], int64_t plane, float *slab);

#endif
