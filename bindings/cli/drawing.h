/* SPDX-License-Identifier: Apache-2.0
 * What drawings of a plan share: colours, text, and the file that appears when it is whole. */
#ifndef AI_CLI_DRAWING_H
#define AI_CLI_DRAWING_H

#include "cli.h"

enum { AI_CLI_COLOURS = 7 };

/* Okabe and Ito's colours, which the colour-blind tell apart; grey for all further groups. */
const char *ai_cli_svg_colour(uint32_t group);
/* Between the numbers at an axis: the largest of 1, 2 and 5 times a power of ten that `most` holds
 * at least four times. */
double ai_cli_svg_tick(double most);
/* At most `width` characters, without controls, which XML does not allow. */
void ai_cli_svg_text(FILE *f, const char *text, int width);

typedef void ai_cli_draw_fn(FILE *f, const void *what);

/* Writes to a file what `draw` prints, or what the program filter[0] with those arguments makes of
 * it. filter: NULL for none. */
ai_status ai_cli_draw(const char *path, char *const *filter, ai_cli_draw_fn *draw, const void *what,
                      ai_error *err);

#endif
