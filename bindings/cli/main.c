/* SPDX-License-Identifier: Apache-2.0
 * The command `ai`: finds the subcommand and hands it its options. */
#include <errno.h>
#include <string.h>

#include "cli.h"

const ai_cli_command *const ai_cli_commands[] = {
#define AI_COMMAND(id) &ai_command_##id,
#include "commands.def"
#undef AI_COMMAND
    NULL};

static void print_overview(FILE *stream)
{
    fprintf(stream, "ai %d.%d.%d: runs trained neural networks from one flat file\n\n",
            AI_VERSION_MAJOR, AI_VERSION_MINOR, AI_VERSION_PATCH);
    fprintf(stream, "usage: ai COMMAND ...\n\n");
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++)
        fprintf(stream, "  %-9s %s\n", (*c)->name, (*c)->summary);
    fprintf(
        stream,
        "\n`ai COMMAND --help` tells more about one of them, `ai --man` all of it as a manual\n"
        "page; `ai --completion bash`, zsh or fish completes them in a shell. AI_CPU limits the\n"
        "CPU levels that are used: ref, avx2, avx512, vnni, amx, neon or dotprod.\n");
}

static const ai_cli_command *find_command(const char *name)
{
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0)
            return *c;
    }
    return NULL;
}

static int run_command(const ai_cli_command *command, int argc, char **argv)
{
    ai_cli_args args;
    int status = ai_cli_parse(&args, command, argc, argv);
    if (status == AI_CLI_OK && args.is_help)
        ai_cli_help(stdout, command);
    else if (status == AI_CLI_OK)
        status = command->run(&args);
    ai_cli_args_free(&args);
    return status;
}

static int refuse_command(const char *name)
{
    ai_cli_near near = {.typed = name, .bytes = strlen(name)};
    for (const ai_cli_command *const *c = ai_cli_commands; *c; c++)
        ai_cli_nearer(&near, (*c)->name);
    fputs("ai: '", stderr);
    ai_cli_print(stderr, name);
    if (near.name)
        fprintf(stderr, "' is no command, '%s' is one; `ai --help` lists them\n", near.name);
    else
        fputs("' is no command; `ai --help` lists them\n", stderr);
    return AI_CLI_USAGE;
}

int main(int argc, char **argv)
{
    int status = AI_CLI_OK;
    const char *name = argc > 1 ? argv[1] : "";
    const ai_cli_command *command = find_command(name);
    if (command) {
        status = run_command(command, argc - 2, argv + 2);
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_overview(stdout);
    } else if (strcmp(name, "--version") == 0) {
        printf("ai %d.%d.%d\n", AI_VERSION_MAJOR, AI_VERSION_MINOR, AI_VERSION_PATCH);
    } else if (strcmp(name, "--man") == 0) {
        ai_cli_manual(stdout);
    } else if (strcmp(name, "--completion") == 0) {
        if (argc != 3 || !ai_cli_completion(stdout, argv[2])) {
            fputs("ai: --completion needs bash, zsh or fish\n", stderr);
            return AI_CLI_USAGE;
        }
    } else if (argc < 2) {
        print_overview(stderr);
        return AI_CLI_USAGE;
    } else {
        return refuse_command(name);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return ai_cli_fail("standard output", "%s", strerror(errno));
    return status;
}
