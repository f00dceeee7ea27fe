/* SPDX-License-Identifier: Apache-2.0
 * A progress bar on a terminal. */
#include <string.h>
#include <unistd.h>

#include "cli.h"

enum { BAR_WIDTH = 30, BAR_PERIOD_MS = 40 };

const char *ai_cli_bar_text(char text[64], double share, int width)
{
    int filled = (int)(share * width + 0.5);
    if (width > 63)
        width = 63;
    for (int i = 0; i < width; i++)
        text[i] = i < filled ? '#' : '.';
    text[width] = 0;
    return text;
}

void ai_cli_bar_draw(ai_cli_bar *bar, const char *part, uint64_t done, uint64_t total)
{
    char text[64];
    uint64_t now = ai_cli_now();
    bool is_due = done >= total || now - bar->drawn_ns >= BAR_PERIOD_MS * UINT64_C(1000000);
    if (total == 0 || !is_due || !isatty(STDERR_FILENO))
        return;
    bar->drawn_ns = now;
    double share = (double)done / (double)total;
    fprintf(stderr, "\r%-10s [%s] %3.0f %%\033[K", part, ai_cli_bar_text(text, share, BAR_WIDTH),
            100 * share);
    fflush(stderr);
}

void ai_cli_bar_clear(ai_cli_bar *bar)
{
    if (bar->drawn_ns)
        fputs("\r\033[K", stderr);
    bar->drawn_ns = 0;
}
