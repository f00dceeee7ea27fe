/* SPDX-License-Identifier: Apache-2.0
 * A profile as a table with bars. On a terminal it fits the width, leaving out what has no room,
 * and is coloured by operator unless NO_COLOR is set; elsewhere it is plain and whole. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "profile.h"

enum { MAX_OP = 12, MAX_KERNEL = 22, MIN_BAR = 8, MAX_BAR = 30, PLAIN_BAR = 20, MIN_NAME = 8 };

/* Columns; 0: left out. Name: the last column, 0 with is_terminal off means whole. */
typedef struct table {
    int op;
    int kernel;
    int rates; /* bytes and bytes a second */
    int bar;
    int name;
    bool is_terminal;
    bool is_coloured;
    bool is_utf8;
} table;

/* ---- The terminal ---- */

static bool has_text(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

static bool is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        if (has_text(names[i])) {
            const char *value = getenv(names[i]);
            return strstr(value, "UTF-8") || strstr(value, "utf8");
        }
    }
    return false;
}

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

/* ---- Columns ---- */

/* The kernel's name without what all have: on a terminal the level too, which stands above. */
static const char *short_kernel(char text[64], const char *kernel, bool is_terminal)
{
    snprintf(text, 64, "%s", strncmp(kernel, "ai_", 3) == 0 ? kernel + 3 : kernel);
    char *level = strrchr(text, '_');
    if (level && is_terminal)
        *level = 0;
    return text;
}

static int longer(int width, const char *text)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}

/* What is missed least goes first: the name, bytes, the kernel; the bar has what is left. */
static void fit(table *t, int left, int kernel, int name)
{
    t->op = t->op < MAX_OP ? t->op : MAX_OP;
    kernel = kernel < MAX_KERNEL ? kernel : MAX_KERNEL;
    left -= 37 + t->op; /* step, operator, ms, share, GFLOP/s, share of the peak */
    t->bar = left > MIN_BAR ? MIN_BAR : 0;
    left -= t->bar + 1;
    if (left > kernel) {
        t->kernel = kernel;
        left -= kernel + 1;
    }
    if (left >= 17) {
        t->rates = 1;
        left -= 17;
    }
    if (left > MIN_NAME) {
        t->name = name < left - 1 ? name : left - 1;
        left -= t->name + 1;
    }
    if (t->bar && left > 0)
        t->bar = t->bar + left < MAX_BAR ? t->bar + left : MAX_BAR;
}

static table make_table(const ai_cli_profile *p)
{
    table t = {.is_terminal = isatty(STDOUT_FILENO), .op = 8};
    char text[64];
    int kernel = 6;
    int name = 4;
    for (uint32_t i = 0; i < p->step_count; i++) {
        t.op = longer(t.op, p->steps[i].op);
        kernel = longer(kernel, short_kernel(text, p->steps[i].kernel, t.is_terminal));
        name = longer(name, p->steps[i].name);
    }
    if (t.is_terminal) {
        const char *term = getenv("TERM");
        t.is_coloured = !has_text("NO_COLOR") && term && strcmp(term, "dumb") != 0;
        t.is_utf8 = is_utf8();
        fit(&t, terminal_width(), kernel, name);
    } else {
        t.kernel = kernel;
        t.rates = 1;
        t.bar = PLAIN_BAR;
    }
    return t;
}

/* ---- Rows ---- */

static void begin_colour(const table *t, uint32_t group)
{
    static const int codes[] = {36, 33, 32, 35, 34, 31};
    uint32_t count = sizeof codes / sizeof codes[0];
    if (t->is_coloured)
        printf("\033[%dm", group < count ? codes[group] : 37);
}

static void end_colour(const table *t)
{
    if (t->is_coloured)
        fputs("\033[0m", stdout);
}

/* Block elements where the terminal has them: U+2588 is full, U+2590 - n has n eighths. */
static void print_bar(const table *t, double share)
{
    char text[64];
    int eighths = (int)(share * t->bar * 8 + 0.5);
    if (!t->bar)
        return;
    putchar(' ');
    if (!t->is_utf8) {
        fputs(ai_cli_bar_text(text, share, t->bar), stdout);
        return;
    }
    for (int i = 0; i < eighths / 8; i++)
        fputs("\xe2\x96\x88", stdout);
    if (eighths % 8)
        printf("\xe2\x96%c", 0x90 - eighths % 8);
    for (int i = (eighths + 7) / 8; i < t->bar; i++)
        putchar(' ');
}

/* The first `width` characters. */
static void print_name(const table *t, const char *name)
{
    char text[512];
    size_t bytes = 0;
    int width = t->is_terminal ? t->name : (int)sizeof text;
    for (int i = 0; i < width && name[bytes] && bytes + 4 < sizeof text; i++) {
        text[bytes] = name[bytes];
        bytes++;
        while (((unsigned char)name[bytes] & 0xc0) == 0x80 && bytes + 4 < sizeof text) {
            text[bytes] = name[bytes];
            bytes++;
        }
    }
    text[bytes] = 0;
    if (bytes) {
        putchar(' ');
        ai_cli_print(stdout, text);
    }
}

static void print_head(const table *t, const char *first, const char *last)
{
    printf("%4s %-*s", first, t->op, "operator");
    if (t->kernel)
        printf(" %-*s", t->kernel, "kernel");
    printf(" %9s %5s %8s %6s", "ms", "%", "GFLOP/s", "peak");
    if (t->rates)
        printf(" %9s %6s", "MB", "GB/s");
    if (t->bar && *last)
        printf(" %-*s", t->bar, "");
    print_name(t, last);
    putchar('\n');
}

static void print_row(const table *t, const ai_cli_profile *p, const ai_cli_row *row,
                      uint32_t number, double bar)
{
    char kernel[64];
    printf("%4u %-*.*s", number, t->op, t->op, row->op);
    if (t->kernel)
        printf(" %-*.*s", t->kernel, t->kernel, short_kernel(kernel, row->kernel, t->is_terminal));
    printf(" %9.4f %5.1f %8.1f", ai_cli_row_ms(row), 100 * ai_cli_row_share(row, p),
           ai_cli_row_gflops(row));
    if (p->peak > 0)
        printf(" %4.0f %%", 100 * ai_cli_row_peak(row, p));
    else
        printf(" %6s", "-");
    if (t->rates)
        printf(" %9.3f %6.1f", (double)row->bytes / 1e6, ai_cli_row_gigabytes(row));
    if (bar >= 0) {
        begin_colour(t, row->group);
        print_bar(t, bar);
        end_colour(t);
    }
    print_name(t, row->name);
    putchar('\n');
}

/* Each with a bar beside the longest. */
static void print_rows(const table *t, const ai_cli_profile *p, const ai_cli_row *rows,
                       uint32_t count, bool is_sum)
{
    uint64_t most = 1;
    for (uint32_t i = 0; i < count; i++)
        most = rows[i].least_ns > most ? rows[i].least_ns : most;
    for (uint32_t i = 0; i < count; i++)
        print_row(t, p, &rows[i], is_sum ? rows[i].count : i,
                  (double)rows[i].least_ns / (double)most);
}

void ai_cli_profile_print(const ai_cli_profile *p)
{
    table t = make_table(p);
    printf("peak        ");
    if (p->peak > 0)
        printf("%.1f GFLOP/s in f32, measured on as many threads\n\n", p->peak);
    else
        printf("not known: a thread to measure it cannot be started\n\n");
    print_head(&t, "step", "name");
    print_rows(&t, p, p->steps, p->step_count, false);
    putchar('\n');
    print_head(&t, "sum", "");
    print_rows(&t, p, p->groups, p->group_count, true);
    print_row(&t, p, &p->all, p->all.count, -1);
    printf(
        "\nEach step's least time of %u runs. Operations are counted as the operator defines "
        "them:\n"
        "Winograd's convolution needs fewer and may pass the peak. The peak is that of f32: int8 "
        "may\npass it too.\n",
        p->runs);
}
