/* SPDX-License-Identifier: Apache-2.0
 * The manual page ai-function(1) in the language of man(7), row by row from main.c's tables. */
#include "manual_page.h"

static void print_text(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '-' || *c == '\\')
            fputs(*c == '-' ? "\\-" : "\\e", stdout);
        else
            fputc(*c, stdout);
    }
}

void ai_manual_head(const char *about)
{
    printf(".\\\" Made by `ai-function --man`.\n"
           ".TH AI-FUNCTION 1 \"\" \"libai %d.%d.%d\" \"User Commands\"\n"
           ".SH NAME\nai-function \\- answers requests by a trained network\n"
           ".SH SYNOPSIS\n.B ai-function\n[\\fIOPTION\\fR]...\n.SH DESCRIPTION\n",
           AI_VERSION_MAJOR, AI_VERSION_MINOR, AI_VERSION_PATCH);
    print_text(about);
    fputc('\n', stdout);
}

void ai_manual_section(const char *title)
{
    printf(".SH %s\n", title);
}

void ai_manual_item(const char *dashes, const char *name, const char *value, const char *help,
                    const char *variable)
{
    fputs(".TP\n\\fB", stdout);
    print_text(dashes);
    print_text(name);
    fputs("\\fR", stdout);
    if (value) {
        fputs(" \\fI", stdout);
        print_text(value);
        fputs("\\fR", stdout);
    }
    fputc('\n', stdout);
    print_text(help);
    if (variable)
        printf(" (%s)", variable);
    fputc('\n', stdout);
}

void ai_manual_foot(void)
{
    fputs(".SH FILES\n.TP\n.I libexec/libai/ai\\-fetch\n"
          "beside ai\\-function's folder: gets objects from stores and writes results.\n"
          "ai\\-function starts it for models and events in s3:// and oss://, and speaks\n"
          "to it by its standard input and output alone.\n"
          ".SH EXIT STATUS\n0: done; 1: failed; 2: wrong use; each with a line on standard error.\n"
          ".SH SEE ALSO\n.BR ai (1)\n",
          stdout);
}
