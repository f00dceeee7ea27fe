/* SPDX-License-Identifier: Apache-2.0
 * The manual page ai(1) from the commands' tables, in the language of man(7). */
#include <string.h>

#include "cli.h"

/* A dash as the sign that people type; a line must not begin with a request's sign. */
static void print_text(FILE *f, const char *text)
{
    bool is_start = true;
    for (const char *c = text; *c; c++) {
        if (is_start && (*c == '.' || *c == '\''))
            fputs("\\&", f);
        if (*c == '\\')
            fputs("\\e", f);
        else if (*c == '-')
            fputs("\\-", f);
        else
            fputc(*c, f);
        is_start = *c == '\n';
    }
}

static void print_option(FILE *f, const ai_cli_option *option)
{
    fputs(".TP\n", f);
    if (option->letter)
        fprintf(f, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", f);
    print_text(f, option->name);
    fputs("\\fR", f);
    if (option->value) {
        fputs(" \\fI", f);
        print_text(f, option->value);
        fputs("\\fR", f);
    }
    fputc('\n', f);
    print_text(f, option->help);
    fputs(option->kind == AI_CLI_LIST ? " (may be repeated)\n" : "\n", f);
}

static void print_command(FILE *f, const ai_cli_command *command)
{
    fprintf(f, ".SS \"ai %s\"\n.B ai %s\n", command->name, command->name);
    for (uint32_t i = 0; i < command->option_count; i++) {
        if (command->options[i].is_required)
            fprintf(f, "\\fB\\-\\-%s\\fR \\fI%s\\fR\n", command->options[i].name,
                    command->options[i].value);
    }
    fputs("[\\fIOPTION\\fR]... \\fI", f);
    print_text(f, command->operands);
    fputs("\\fR\n.PP\n", f);
    print_text(f, command->summary);
    fputs(".\n", f);
    for (uint32_t i = 0; i < command->option_count; i++)
        print_option(f, &command->options[i]);
    if (command->about) {
        fputs(".PP\n", f);
        print_text(f, command->about);
        fputc('\n', f);
    }
}

void ai_cli_manual(FILE *f)
{
    fprintf(f, ".\\\" Made by `ai --man`.\n.TH AI 1 \"\" \"libai %d.%d.%d\" \"User Commands\"\n",
            AI_VERSION_MAJOR, AI_VERSION_MINOR, AI_VERSION_PATCH);
    fputs(".SH NAME\nai \\- runs trained neural networks from one flat file\n"
          ".SH SYNOPSIS\n.B ai\n\\fICOMMAND\\fR ...\n.SH COMMANDS\n"
          "Every command knows \\fB\\-\\-help\\fR.\n",
          f);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++)
        print_command(f, *c);
    fputs(
        ".SH OPTIONS\n.TP\n.B \\-\\-man\nprints this page\n"
        ".TP\n.B \\-\\-version\nprints the version\n"
        ".TP\n.BI \\-\\-completion \" SHELL\"\nprints what makes bash, zsh or fish complete them\n"
        ".SH ENVIRONMENT\n.TP\n.B AI_CPU\n"
        "the highest CPU level that is used: ref, avx2, avx512, vnni, amx, neon or dotprod\n"
        ".SH EXIT STATUS\n0: done; 1: failed, with one line on standard error; 2: wrong use.\n"
        ".SH SEE ALSO\n.BR ai-function (1)\n",
        f);
}
