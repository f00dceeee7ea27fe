/* SPDX-License-Identifier: Apache-2.0
 * A profile as an SVG file: a bar for each step, coloured by operator, over an axis of
 * milliseconds, and a legend that sums up. */
#include "drawing.h"
#include "profile.h"

/* Pixels. */
enum {
    WIDTH = 1120,
    LEFT = 390,  /* where bars begin */
    RIGHT = 250, /* beside the longest bar */
    TOP = 78,
    ROW = 16,
    BAR = 12,
    LEGEND = 20,
    LEGEND_HEAD = 44,
    LABEL = 56 /* characters left of the bars */
};

static void print_text(FILE *f, int x, int y, const char *class, const char *text, int width)
{
    fprintf(f, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    ai_cli_svg_text(f, text, width);
    fputs("</text>\n", f);
}

static void print_bar(FILE *f, int y, double width, uint32_t group)
{
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\"/>\n", LEFT, y,
            width, BAR, ai_cli_svg_colour(group));
}

static void print_axis(FILE *f, double most, double scale, int bottom)
{
    double tick = ai_cli_svg_tick(most);
    for (int i = 0; i * tick <= most * 1.0001; i++) {
        double x = LEFT + i * tick * scale;
        fprintf(f, "<line x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" y2=\"%d\" class=\"grid\"/>\n", x,
                TOP - 4, x, bottom);
        fprintf(f, "<text x=\"%.2f\" y=\"%d\" class=\"tick\">%.4g%s</text>\n", x, TOP - 9, i * tick,
                i ? "" : " ms");
    }
}

static void print_numbers(char *text, size_t bytes, const ai_cli_row *row, const ai_cli_profile *p)
{
    int used = snprintf(text, bytes, "%.4f ms", ai_cli_row_ms(row));
    if (row->flops)
        used +=
            snprintf(text + used, bytes - (size_t)used, ", %.1f GFLOP/s", ai_cli_row_gflops(row));
    if (p->peak > 0 && row->flops)
        snprintf(text + used, bytes - (size_t)used, ", %.0f %% of f32's peak",
                 100 * ai_cli_row_peak(row, p));
}

static void print_step(FILE *f, const ai_cli_profile *p, uint32_t index, double scale)
{
    const ai_cli_row *row = &p->steps[index];
    char text[160];
    int y = TOP + ROW * (int)index;
    double width = ai_cli_row_ms(row) * scale;
    snprintf(text, sizeof text, "%u  %s  %s", index, row->op, row->name);
    print_text(f, LEFT - 8, y + 10, "left", text, LABEL);
    print_bar(f, y, width, row->group);
    print_numbers(text, sizeof text, row, p);
    print_text(f, LEFT + 5 + (int)width, y + 10, "right", text, LABEL);
}

static void print_legend(FILE *f, const ai_cli_profile *p, int top, double scale)
{
    char text[160];
    print_text(f, 12, top + 26, "bold", "By operator and kernel", LABEL);
    for (uint32_t i = 0; i < p->group_count; i++) {
        const ai_cli_row *row = &p->groups[i];
        int y = top + LEGEND_HEAD + LEGEND * (int)i;
        double width = ai_cli_row_ms(row) * scale;
        snprintf(text, sizeof text, "%u x %s  %s", row->count, row->op, row->kernel);
        print_text(f, LEFT - 8, y + 10, "left", text, LABEL);
        print_bar(f, y, width, i);
        print_numbers(text, sizeof text, row, p);
        print_text(f, LEFT + 5 + (int)width, y + 10, "right", text, LABEL);
    }
}

static void print_head(FILE *f, const ai_cli_profile *p, int height)
{
    char text[320];
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">\n",
            WIDTH, height, WIDTH, height);
    fputs("<style>.left,.tick,.grid{fill:#333}.left{text-anchor:end}.tick{text-anchor:middle}"
          ".grid{stroke:#ddd}.right{fill:#555}.bold{font-weight:bold;font-size:14px}</style>\n"
          "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
          f);
    print_text(f, 12, 22, "bold", p->model, 100);
    int used =
        snprintf(text, sizeof text, "%s, %u thread%s: %.3f ms, %.1f GFLOP/s", p->levels, p->threads,
                 p->threads == 1 ? "" : "s", ai_cli_row_ms(&p->all), ai_cli_row_gflops(&p->all));
    if (p->peak > 0)
        snprintf(text + used, sizeof text - (size_t)used,
                 ", %.0f %% of the %.1f that f32 reaches here (int8 may pass it)",
                 100 * ai_cli_row_peak(&p->all, p), p->peak);
    print_text(f, 12, 42, "right", text, 200);
}

static void print_plot(FILE *f, const void *profile)
{
    const ai_cli_profile *p = profile;
    double most = 1e-6;
    double most_sum = 1e-6;
    for (uint32_t i = 0; i < p->step_count; i++)
        most = ai_cli_row_ms(&p->steps[i]) > most ? ai_cli_row_ms(&p->steps[i]) : most;
    if (p->group_count && ai_cli_row_ms(&p->groups[0]) > most_sum)
        most_sum = ai_cli_row_ms(&p->groups[0]);
    int bottom = TOP + ROW * (int)p->step_count;
    double scale = (WIDTH - LEFT - RIGHT) / most;
    print_head(f, p, bottom + LEGEND_HEAD + LEGEND * (int)p->group_count + 12);
    print_axis(f, most, scale, bottom);
    for (uint32_t i = 0; i < p->step_count; i++)
        print_step(f, p, i, scale);
    print_legend(f, p, bottom, (WIDTH - LEFT - RIGHT) / most_sum);
    fputs("</svg>\n", f);
}

ai_status ai_cli_profile_plot(const ai_cli_profile *p, const char *path, ai_error *err)
{
    return ai_cli_draw(path, NULL, print_plot, p, err);
}
