/* SPDX-License-Identifier: Apache-2.0
 * What drawings of a plan share: colours, text, and the file that appears when it is whole. */
#include "drawing.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *ai_cli_svg_colour(uint32_t group)
{
    static const char *const colours[AI_CLI_COLOURS] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                                        "#56b4e9", "#d55e00", "#f0e442"};
    return group < AI_CLI_COLOURS ? colours[group] : "#888888";
}

double ai_cli_svg_tick(double most)
{
    double tick = 1e-6;
    static const double factors[] = {2, 2.5, 2};
    for (int i = 0; tick * factors[i % 3] * 4 <= most && i < 60; i++)
        tick *= factors[i % 3];
    return tick;
}

void ai_cli_svg_text(FILE *f, const char *text, int width)
{
    for (const char *c = text; *c && width > 0; c++) {
        unsigned char byte = (unsigned char)*c;
        width -= (byte & 0xc0) != 0x80;
        if (*c == '<')
            fputs("&lt;", f);
        else if (*c == '>')
            fputs("&gt;", f);
        else if (*c == '&')
            fputs("&amp;", f);
        else if (byte >= 0x20 && byte < 0x7f)
            fputc(*c, f);
        else
            fputc('?', f);
    }
}

/* Runs a program with standard input and output on two files. */
static ai_status run_filter(char *const *filter, int in, int out, ai_error *err)
{
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ai_cli_error(err, AI_E_MEMORY, "no memory to start '%s'", filter[0]);
    int number = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (!number)
        number = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!number)
        number = posix_spawnp(&child, filter[0], &actions, NULL, filter, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (number == ENOENT)
        return ai_cli_error(err, AI_E_UNSUPPORTED,
                            "'%s' of Graphviz is not installed; a .dot file needs none", filter[0]);
    if (number)
        return ai_cli_error(err, AI_E_IO, "'%s' does not start: %s", filter[0], strerror(number));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return ai_cli_error(err, AI_E_IO, "'%s' failed", filter[0]);
    return AI_OK;
}

static ai_status write_filtered(ai_cli_output *out, char *const *filter, const char *text,
                                size_t bytes, ai_error *err)
{
    FILE *in = tmpfile();
    if (!in || fwrite(text, 1, bytes, in) != bytes || fflush(in) != 0 ||
        lseek(fileno(in), 0, SEEK_SET) != 0) {
        if (in)
            fclose(in);
        return ai_cli_error(err, AI_E_IO, "a temporary file cannot be written");
    }
    ai_status status = run_filter(filter, fileno(in), out->file, err);
    fclose(in);
    return status;
}

static ai_status save(const char *path, char *const *filter, const char *text, size_t bytes,
                      ai_error *err)
{
    ai_cli_output out;
    ai_status status = ai_cli_create(&out, path, err);
    if (status == AI_OK)
        status = filter ? write_filtered(&out, filter, text, bytes, err)
                        : ai_cli_write(&out, text, bytes, err);
    if (status == AI_OK)
        status = ai_cli_flush(&out, err);
    if (status == AI_OK)
        status = ai_cli_keep(&out, err);
    ai_cli_discard(&out);
    return status;
}

ai_status ai_cli_draw(const char *path, char *const *filter, ai_cli_draw_fn *draw, const void *what,
                      ai_error *err)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    if (!f)
        return ai_cli_error(err, AI_E_MEMORY, "no memory for a drawing");
    draw(f, what);
    ai_status status = fclose(f) == 0 ? save(path, filter, text, bytes, err)
                                      : ai_cli_error(err, AI_E_MEMORY, "no memory for a drawing");
    free(text);
    return status;
}
