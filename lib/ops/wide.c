/* SPDX-License-Identifier: Apache-2.0
 * Weights stored as f16. */
#include "wide.h"

#include "window.h"

/* What is widened at once where nothing else is said: it stays in L1. Measured (AVX-512, ns for 16
 * weights): 0.5 from L2 to L1, 1.3 from L2 to L2, while 49 pixels are multiplied by them in 8.8. */
enum { PART_BYTES = 24 << 10 };

ai_status ai_wide_check(const ai_step *s, ai_error *err)
{
    const ai_tensor *w = s->in[1];
    if (w != NULL && w->type == AI_F16 && w->layout != AI_LAYOUT_PLAIN)
        return AI_OK;
    return ai_need_type(s, 1, AI_F32, err);
}

bool ai_wide_plan(ai_step *s, int64_t panels, int64_t panel, int64_t least)
{
    int64_t bytes = ai_max(panel, 1) * (int64_t)sizeof(float);
    int64_t pairs = PART_BYTES / bytes / 2 * 2; /* of panels, as the widest tiles take them */
    int64_t most = ai_min(panels, ai_max(pairs, least));
    s->local[AI_WIDE_MOST] = most;
    return s->in[1]->type != AI_F16 || ai_scratch_add(&s->scratch, most, panel, 1, sizeof(float));
}

ai_status ai_wide_prepare(ai_step *s, ai_error *err)
{
    if (s->in[1]->type != AI_F16)
        return AI_OK;
    return ai_choose(s, AI_WIDE_KERNEL, AI_K_WIDEN_F16, AI_F32, AI_F32, AI_LAYOUT_PLAIN, err);
}

void ai_wide_start(ai_wide *w, const ai_step *s, int64_t panels, int64_t panel, char **scratch)
{
    *w = (ai_wide){.data = s->in[1]->data, .panels = panels, .panel = panel};
    if (s->in[1]->type != AI_F16)
        return;
    w->kernel = s->kernel[AI_WIDE_KERNEL];
    w->most = s->local[AI_WIDE_MOST];
    w->wide = ai_scratch_take(scratch, w->most * panel, sizeof(float));
}

int64_t ai_wide_get(ai_wide *w, int64_t first, int64_t count, const float **weights)
{
    if (w->kernel == NULL) {
        *weights = (const float *)w->data + first * w->panel;
        return count;
    }
    if (first < w->begin || first >= w->end) {
        w->begin = first;
        w->end = first + ai_min(count, w->most);
        w->kernel->fn(&(ai_widen_args){
            .in = (const uint16_t *)w->data + first * w->panel,
            .out = w->wide,
            .count = (w->end - first) * w->panel,
        });
    }
    *weights = w->wide + (first - w->begin) * w->panel;
    return ai_min(w->end - first, count);
}

const void *ai_wide_ahead(const ai_wide *w, int64_t first, int64_t *panel_bytes)
{
    *panel_bytes = w->panel * (int64_t)sizeof(uint16_t);
    if (w->kernel == NULL)
        return NULL;
    return (const uint16_t *)w->data + (first + w->end - w->begin) * w->panel;
}
