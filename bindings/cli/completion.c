/* SPDX-License-Identifier: Apache-2.0
 * What makes a shell complete commands, options and values, from the commands' tables. */
#include <string.h>

#include "cli.h"

/* Values that help names in full, such as auto|off. */
static bool is_choice(const ai_cli_option *option)
{
    return option->value && strchr(option->value, '|');
}

/* Calls print for each option of a command, --help at last. */
static void each_option(FILE *f, const ai_cli_command *command,
                        void (*print)(FILE *, const ai_cli_command *, const ai_cli_option *))
{
    for (uint32_t i = 0; i < command->option_count; i++)
        print(f, command, &command->options[i]);
    print(f, command, &ai_cli_help_option);
}

static void print_words(FILE *f, const char *choices)
{
    for (const char *c = choices; *c; c++)
        fputc(*c == '|' ? ' ' : *c, f);
}

/* Text in single quotes of a shell; `also` is escaped by a backslash too. */
static void print_quoted(FILE *f, const char *text, const char *also)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            fputs("'\\''", f);
        else
            fprintf(f, strchr(also, *c) ? "\\%c" : "%c", *c);
    }
}

/* What `ai` itself takes, without a command. */
static const struct {
    const char *name;
    const char *help;
} own[] = {{"help", "lists the commands"},
           {"version", "prints the version"},
           {"man", "prints the manual page"},
           {"completion", "prints what makes a shell complete"}};
enum { OWN_COUNT = sizeof own / sizeof own[0] };

/* ---- bash: files where nothing else is known ---- */

static void print_bash_option(FILE *f, const ai_cli_command *command, const ai_cli_option *option)
{
    (void)command;
    fprintf(f, " --%s", option->name);
}

static void print_bash_choice(FILE *f, const ai_cli_command *command, const ai_cli_option *option)
{
    if (!is_choice(option))
        return;
    fprintf(f, "    %s:--%s) words='", command->name, option->name);
    print_words(f, option->value);
    fputs("' ;;\n", f);
}

static void print_bash(FILE *f)
{
    fputs("_ai() {\n  local at=${COMP_WORDS[COMP_CWORD]} words=''\n"
          "  if ((COMP_CWORD == 1)); then\n    words='",
          f);
    for (int i = 0; i < OWN_COUNT; i++)
        fprintf(f, "%s--%s", i ? " " : "", own[i].name);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++)
        fprintf(f, " %s", (*c)->name);
    fputs("'\n  elif [[ $at == -* ]]; then\n    case ${COMP_WORDS[1]} in\n", f);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++) {
        fprintf(f, "    %s) words='", (*c)->name);
        each_option(f, *c, print_bash_option);
        fputs("' ;;\n", f);
    }
    fputs("    esac\n  else\n    case ${COMP_WORDS[1]}:${COMP_WORDS[COMP_CWORD - 1]} in\n"
          "    --completion:*) words='bash zsh fish' ;;\n",
          f);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++)
        each_option(f, *c, print_bash_choice);
    fputs("    esac\n  fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$at\")\n}\n"
          "complete -o default -F _ai ai\n",
          f);
}

/* ---- zsh ---- */

static void print_zsh_option(FILE *f, const ai_cli_command *command, const ai_cli_option *option)
{
    (void)command;
    fprintf(f, "      '%s--%s%s[", option->kind == AI_CLI_LIST ? "*" : "", option->name,
            option->value ? "=" : "");
    print_quoted(f, option->help, "[]:");
    fputc(']', f);
    if (is_choice(option)) {
        fputs(":value:(", f);
        print_words(f, option->value);
        fputc(')', f);
    } else if (option->value) {
        fputc(':', f);
        print_quoted(f, option->value, "[]:");
        fputs(":_files", f);
    }
    fputs("' \\\n", f);
}

static void print_zsh(FILE *f)
{
    fputs("#compdef ai\n_ai() {\n  local -a commands=(\n", f);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++) {
        fprintf(f, "    '%s:", (*c)->name);
        print_quoted(f, (*c)->summary, ":");
        fputs("'\n", f);
    }
    fputs("  )\n  local -a options=(\n", f);
    for (int i = 0; i < OWN_COUNT; i++)
        fprintf(f, "    '--%s:%s'\n", own[i].name, own[i].help);
    fputs("  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n"
          "    [[ $PREFIX == -* ]] && _describe option options\n    return\n  fi\n"
          "  local command=${words[2]}\n  shift words\n  ((CURRENT--))\n  case $command in\n"
          "    --completion) _values shell bash zsh fish ;;\n",
          f);
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++) {
        fprintf(f, "    %s) _arguments \\\n", (*c)->name);
        each_option(f, *c, print_zsh_option);
        fputs("      '*:file:_files' ;;\n", f);
    }
    /* A file in fpath is the function's body at its first call, else it is read by the shell. */
    fputs("  esac\n}\nif [[ $funcstack[1] == _ai ]]; then _ai; else compdef _ai ai; fi\n", f);
}

/* ---- fish ---- */

static void print_fish_option(FILE *f, const ai_cli_command *command, const ai_cli_option *option)
{
    fprintf(f, "complete -c ai -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            option->name);
    if (option->letter)
        fprintf(f, " -s %c", option->letter);
    if (is_choice(option)) {
        fputs(" -x -a '", f);
        print_words(f, option->value);
        fputc('\'', f);
    } else if (option->value) {
        fputs(" -r", f);
    }
    fputs(" -d '", f);
    print_quoted(f, option->help, "\\");
    fputs("'\n", f);
}

static void print_fish(FILE *f)
{
    for (int i = 0; i < OWN_COUNT; i++)
        fprintf(f, "complete -c ai -n __fish_use_subcommand -l %s -d '%s'%s\n", own[i].name,
                own[i].help, strcmp(own[i].name, "completion") ? "" : " -x -a 'bash zsh fish'");
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++) {
        fprintf(f, "complete -c ai -n __fish_use_subcommand -f -a %s -d '", (*c)->name);
        print_quoted(f, (*c)->summary, "\\");
        fputs("'\n", f);
        each_option(f, *c, print_fish_option);
    }
}

bool ai_cli_completion(FILE *stream, const char *shell)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *);
    } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shell, shells[i].shell) == 0) {
            shells[i].print(stream);
            return true;
        }
    }
    return false;
}
