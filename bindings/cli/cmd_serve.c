/* SPDX-License-Identifier: Apache-2.0
 * `ai serve`: the function handler on a developer's machine. It is ai-function itself, which lies
 * beside this program, and so the very same code. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define PROGRAM "ai-function"

enum { MAX_PORT = 65535, MAX_WORKERS = 256, MAX_ARGUMENTS = 16 };

static const ai_cli_option options[] = {
    {"port", 0, AI_CLI_COUNT, false, MAX_PORT, "N", "to listen at; else 8080"},
    {"address", 0, AI_CLI_TEXT, false, 0, "IP", "to listen at; else 127.0.0.1"},
    {"workers", 0, AI_CLI_COUNT, false, MAX_WORKERS, "N", "requests answered at once; else 1"},
    {"timeout", 0, AI_CLI_COUNT, false, 1 << 30, "MS", "of a request, waiting included; else none"},
    AI_CLI_OPTION_THREADS,
    AI_CLI_OPTION_CPU,
};

/* Beside an installed `ai`, or where this build makes it; to be freed. */
static char *find_program(void)
{
    static const char *const places[] = {PROGRAM, "../faas/" PROGRAM};
    char *folder = ai_cli_own_folder();
    char *found = NULL;
    for (size_t i = 0; folder && !found && i < sizeof places / sizeof places[0]; i++) {
        found = ai_cli_join(folder, places[i]);
        if (found && access(found, X_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(folder);
    return found;
}

/* A model's path may have a '=', which the program would take for a name's end: "./" goes before.
 */
static char *model_argument(const char *path)
{
    return path[0] == '/' ? strdup(path) : ai_cli_join(".", path);
}

static int start(const char *program, const ai_cli_args *args)
{
    static const char *const handed[] = {"port", "workers", "timeout", "threads"};
    const char *address = ai_cli_text(args, "address");
    const char *cpu = ai_cli_text(args, "cpu");
    char **arguments = calloc(2 * (size_t)args->operand_count + MAX_ARGUMENTS, sizeof *arguments);
    uint32_t count = 0;
    if (!arguments)
        return ai_cli_fail(program, "no memory for its arguments");
    arguments[count++] = (char *)program;
    arguments[count++] = "--platform";
    arguments[count++] = "http";
    arguments[count++] = "--address";
    arguments[count++] = (char *)(address ? address : "127.0.0.1");
    for (size_t i = 0; i < sizeof handed / sizeof handed[0]; i++)
        if (ai_cli_text(args, handed[i])) {
            static const char *const flags[] = {"--port", "--workers", "--timeout", "--threads"};
            arguments[count++] = (char *)flags[i];
            arguments[count++] = (char *)ai_cli_text(args, handed[i]);
        }
    for (uint32_t i = 0; i < args->operand_count; i++) {
        arguments[count++] = "--model";
        arguments[count++] = model_argument(args->operands[i]);
    }
    if (cpu)
        setenv("AI_CPU", cpu, 1);
    execv(program, arguments);
    int status = ai_cli_fail(program, "%s", strerror(errno));
    free(arguments);
    return status;
}

static int run(const ai_cli_args *args)
{
    for (uint32_t i = 0; i < args->operand_count; i++)
        if (access(args->operands[i], R_OK) != 0)
            return ai_cli_fail(args->operands[i], "cannot open: %s", strerror(errno));
    char *program = find_program();
    if (!program)
        return ai_cli_fail(PROGRAM,
                           "is not beside this program, which it is where it is installed");
    int status = start(program, args);
    free(program);
    return status;
}

const ai_cli_command ai_command_serve = {
    "serve",
    "MODEL...",
    "answers requests over HTTP, as a function does on its platform",
    "POST an image to http://127.0.0.1:8080/, or a wish for a text; to /models/NAME where MODEL "
    "is\n"
    "several files or a folder of them. docs/platforms.md tells all.",
    options,
    AI_CLI_OPTION_COUNT(options),
    1,
    256,
    run};
