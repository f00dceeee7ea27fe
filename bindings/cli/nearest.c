/* SPDX-License-Identifier: Apache-2.0
 * Whether a word that is unknown is a known one with a slip of the finger. */
#include <string.h>

#include "cli.h"

enum { LONGEST = 24, SLIPS = 2 };

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Letters left out, added, changed, or swapped with their neighbour (Damerau, 1964; restricted). */
static uint32_t slips(const char *a, size_t m, const char *b, size_t n)
{
    uint32_t d[LONGEST + 1][LONGEST + 1];
    for (uint32_t i = 0; i <= m; i++)
        for (uint32_t j = 0; j <= n; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = least(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                            least(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[m][n];
}

void ai_cli_nearer(ai_cli_near *near, const char *name)
{
    size_t bytes = strlen(name);
    if (near->bytes > LONGEST || bytes > LONGEST)
        return;
    uint32_t count = slips(near->typed, near->bytes, name, bytes);
    bool is_near = count <= SLIPS && count < near->bytes / 2;
    if (is_near && (!near->name || count < near->slips)) {
        near->name = name;
        near->slips = count;
    }
}
