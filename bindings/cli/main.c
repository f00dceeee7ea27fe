/* SPDX-License-Identifier: Apache-2.0
 * The command `ai`: finds the subcommand and hands it its options. */
#include <errno.h>
#include <string.h>

#include "cli.h"

static const ai_cli_command *const commands[] = {
#define AI_COMMAND(id) &ai_command_##id,
#include "commands.def"
#undef AI_COMMAND
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_overview(FILE *stream)
{
    fprintf(stream, "ai %d.%d.%d: runs trained neural networks from one flat file\n\n",
            AI_VERSION_MAJOR, AI_VERSION_MINOR, AI_VERSION_PATCH);
    fprintf(stream, "usage: ai COMMAND ...\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(stream,
            "\n`ai COMMAND --help` tells more about one of them. AI_CPU limits the CPU levels\n"
            "that are used: ref, avx2, avx512 or neon.\n");
}

static const ai_cli_command *find_command(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
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

int main(int argc, char **argv)
{
    int status = AI_CLI_OK;
    const char *name = argc > 1 ? argv[1] : "";
    const ai_cli_command *command = find_command(name);
    if (command) {
        status = run_command(command, argc - 2, argv + 2);
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_overview(stdout);
    } else if (argc < 2) {
        print_overview(stderr);
        return AI_CLI_USAGE;
    } else {
        fputs("ai: '", stderr);
        ai_cli_print(stderr, name);
        fputs("' is no command; `ai --help` lists them\n", stderr);
        return AI_CLI_USAGE;
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return ai_cli_fail("standard output", "%s", strerror(errno));
    return status;
}
