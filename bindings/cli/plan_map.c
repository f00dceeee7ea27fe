/* SPDX-License-Identifier: Apache-2.0
 * The arena over the steps as an SVG file: a box for each tensor, as wide as its life and as high
 * as its bytes, at the offset where it lies. */
#include <string.h>

#include "drawing.h"
#include "plan.h"

/* Pixels. */
enum {
    LEFT = 90,
    RIGHT = 20,
    TOP = 64,
    HEIGHT = 480,
    BOTTOM = 84,
    MAP_WIDTH = 1000,
    LETTER = 7, /* of the legend */
    SIGN = 12,
    LINE = 18
};

static double x_of(const ai_cli_plan *p, uint32_t step)
{
    return LEFT + (double)MAP_WIDTH * step / p->about.step_count;
}

/* The arena begins at the bottom. */
static double y_of(const ai_cli_plan *p, uint64_t offset)
{
    return TOP + HEIGHT - (double)HEIGHT * (double)offset / (double)p->about.arena_bytes;
}

static void print_axes(FILE *f, const ai_cli_plan *p)
{
    double most = (double)p->about.arena_bytes;
    double unit = most < 1024 ? 1 : most < 1024 * 1024 ? 1024 : 1024 * 1024;
    const char *name = most < 1024 ? "B" : most < 1024 * 1024 ? "KiB" : "MiB";
    double tick = ai_cli_svg_tick(most / unit);
    for (int i = 0; i * tick * unit <= most; i++)
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" class=\"left\">%.4g %s</text>\n", LEFT - 6,
                y_of(p, (uint64_t)(i * tick * unit)) + 4, i * tick, name);
    uint32_t steps = (uint32_t)(ai_cli_svg_tick(p->about.step_count) + 0.5);
    steps += !steps;
    for (uint32_t step = 0; step < p->about.step_count; step += steps)
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" class=\"tick\">%s%u</text>\n", x_of(p, step),
                TOP + HEIGHT + 16, step ? "" : "step ", step);
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" class=\"frame\"/>\n", LEFT, TOP,
            MAP_WIDTH, HEIGHT);
}

static void print_value(FILE *f, const ai_cli_plan *p, const ai_cli_value *v)
{
    char bytes[32];
    char dims[256];
    bool is_scratch = v->info.role == AI_ROLE_SCRATCH;
    const char *colour = v->writer == AI_CLI_NO_STEP ? "#333333"
                         : is_scratch                ? "#bbbbbb"
                                                     : ai_cli_svg_colour(p->groups[v->writer]);
    double top = y_of(p, v->info.offset + v->info.bytes);
    fprintf(f, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"><title>",
            x_of(p, v->first), top, x_of(p, v->last + 1) - x_of(p, v->first),
            y_of(p, v->info.offset) - top, colour);
    if (is_scratch)
        fputs("scratch", f);
    else
        ai_cli_svg_text(f, v->info.name && *v->info.name ? v->info.name : "tensor", 100);
    if (!is_scratch)
        fprintf(f, " %s", ai_cli_dims(dims, v->info.rank, v->info.dim, 0));
    fprintf(f, ", %s at %llu, steps %u to %u", ai_cli_bytes(bytes, v->info.bytes),
            (unsigned long long)v->info.offset, v->first, v->last);
    if (v->writer != AI_CLI_NO_STEP) {
        fprintf(f, ", written by %s ", p->steps[v->writer].op);
        ai_cli_svg_text(f, p->steps[v->writer].name ? p->steps[v->writer].name : "", 100);
    }
    fputs("</title></rect>\n", f);
}

/* A sign of the legend, in the next line where this one is full. */
static void print_sign(FILE *f, int at[2], const char *colour, const char *text)
{
    int width = SIGN + 30 + LETTER * (int)strlen(text);
    if (at[0] + width > LEFT + MAP_WIDTH) {
        at[0] = LEFT;
        at[1] += LINE;
    }
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", at[0],
            at[1] - SIGN + 2, SIGN, SIGN, colour);
    fprintf(f, "<text x=\"%d\" y=\"%d\">%s</text>\n", at[0] + SIGN + 5, at[1], text);
    at[0] += width;
}

/* The operators that have a colour of their own, then what is the same in every map. */
static void print_legend(FILE *f, const ai_cli_plan *p)
{
    int at[2] = {LEFT, TOP + HEIGHT + 40};
    uint32_t next = 0;
    for (uint32_t i = 0; i < p->about.step_count && next < AI_CLI_COLOURS; i++)
        if (p->groups[i] == next)
            print_sign(f, at, ai_cli_svg_colour(next++), p->steps[i].op);
    print_sign(f, at, "#333333", "from the caller");
    print_sign(f, at, "#bbbbbb", "scratch");
}

static void print_head(FILE *f, const ai_cli_plan *p)
{
    char arena[32];
    char live[32];
    int width = LEFT + MAP_WIDTH + RIGHT;
    int height = TOP + HEIGHT + BOTTOM;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
            width, height, width, height);
    fputs("<style>text{fill:#333}.left{text-anchor:end}.tick{text-anchor:middle}"
          ".bold{font-weight:bold;font-size:14px}.frame{fill:none;stroke:#999}"
          "rect{fill-opacity:0.8;stroke:#fff;stroke-width:0.5}</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\" style=\"fill-opacity:1\"/>\n",
          f);
    fputs("<text x=\"12\" y=\"22\" class=\"bold\">", f);
    ai_cli_svg_text(f, p->model, 100);
    fprintf(f,
            "</text>\n<text x=\"12\" y=\"42\">arena of %s; the most that is alive at one step is "
            "%s. A box is a tensor: how long it is kept, and where.</text>\n",
            ai_cli_bytes(arena, p->about.arena_bytes), ai_cli_bytes(live, p->about.live_bytes));
}

static void print_map(FILE *f, const void *plan)
{
    const ai_cli_plan *p = plan;
    print_head(f, p);
    if (p->about.step_count && p->about.arena_bytes) {
        for (uint32_t i = 0; i < p->value_count; i++) {
            if (p->values[i].is_met && p->values[i].info.place == AI_PLACE_ARENA)
                print_value(f, p, &p->values[i]);
        }
        print_axes(f, p);
        print_legend(f, p);
    }
    fputs("</svg>\n", f);
}

ai_status ai_cli_plan_map(const ai_cli_plan *p, const char *path, ai_error *err)
{
    return ai_cli_draw(path, NULL, print_map, p, err);
}
