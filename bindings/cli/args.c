/* SPDX-License-Identifier: Apache-2.0
 * Options of a subcommand: parsing and help, both from its one table. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const ai_cli_option ai_cli_help_option = {"help", 'h',  AI_CLI_FLAG,      false,
                                          0,      NULL, "shows this text"};

int ai_cli_misused(const ai_cli_command *command, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fprintf(stderr, "ai: %s: ", command->name);
    ai_cli_print(stderr, text);
    fprintf(stderr, "; `ai %s --help` tells more\n", command->name);
    return AI_CLI_USAGE;
}

static const ai_cli_option *find_option(const ai_cli_command *command, const char *name,
                                        size_t bytes)
{
    for (uint32_t i = 0; i < command->option_count; i++) {
        const ai_cli_option *option = &command->options[i];
        if (strlen(option->name) == bytes && memcmp(option->name, name, bytes) == 0)
            return option;
    }
    if (strlen(ai_cli_help_option.name) == bytes &&
        memcmp(ai_cli_help_option.name, name, bytes) == 0)
        return &ai_cli_help_option;
    return NULL;
}

static const ai_cli_option *find_letter(const ai_cli_command *command, char letter)
{
    for (uint32_t i = 0; i < command->option_count; i++) {
        if (letter && command->options[i].letter == letter)
            return &command->options[i];
    }
    return letter == ai_cli_help_option.letter ? &ai_cli_help_option : NULL;
}

static bool parse_count(const char *text, uint32_t max, uint32_t *count)
{
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || text[digits])
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    *count = (uint32_t)value;
    return value >= 1 && value <= max;
}

static int refuse_option(const ai_cli_command *command, const char *text)
{
    size_t dashes = strspn(text, "-");
    ai_cli_near near = {.typed = text + dashes, .bytes = strcspn(text + dashes, "=")};
    for (uint32_t i = 0; i < command->option_count; i++)
        ai_cli_nearer(&near, command->options[i].name);
    ai_cli_nearer(&near, ai_cli_help_option.name);
    if (near.name)
        return ai_cli_misused(command, "'%s' is no option, '--%s' is one", text, near.name);
    return ai_cli_misused(command, "'%s' is no option", text);
}

/* Takes the option at argv[*at]; moves *at over a value that stands by itself. */
static int take_option(ai_cli_args *args, int argc, char **argv, int *at)
{
    const ai_cli_command *command = args->command;
    const char *text = argv[*at];
    const char *value = NULL;
    const ai_cli_option *option = NULL;
    if (text[1] == '-') {
        size_t bytes = strcspn(text + 2, "=");
        option = find_option(command, text + 2, bytes);
        if (text[2 + bytes])
            value = text + 2 + bytes + 1;
    } else if (!text[2]) {
        option = find_letter(command, text[1]);
    }
    if (!option)
        return refuse_option(command, text);
    if (option == &ai_cli_help_option) {
        args->is_help = true;
        return AI_CLI_OK;
    }
    if (option->kind == AI_CLI_FLAG && value)
        return ai_cli_misused(command, "--%s takes no value", option->name);
    if (option->kind != AI_CLI_FLAG && !value) {
        if (*at + 1 >= argc)
            return ai_cli_misused(command, "--%s needs %s", option->name, option->value);
        value = argv[++*at];
    }
    if (option->kind != AI_CLI_FLAG && !*value)
        return ai_cli_misused(command, "--%s is empty, needed is %s", option->name, option->value);
    uint32_t count;
    if (option->kind == AI_CLI_COUNT && !parse_count(value, option->max, &count))
        return ai_cli_misused(command, "--%s is '%s', needed is a number from 1 to %u",
                              option->name, value, option->max);
    args->given[args->given_count++] = (ai_cli_given){option, value};
    return AI_CLI_OK;
}

static int check_complete(const ai_cli_args *args)
{
    const ai_cli_command *command = args->command;
    if (args->operand_count < command->min_operands)
        return ai_cli_misused(command, "%s is missing", command->operands);
    if (args->operand_count > command->max_operands)
        return ai_cli_misused(command, "'%s' is one operand too many",
                              args->operands[command->max_operands]);
    for (uint32_t i = 0; i < args->operand_count; i++) {
        if (!*args->operands[i])
            return ai_cli_misused(command, "a path is empty, needed is %s", command->operands);
    }
    for (uint32_t i = 0; i < command->option_count; i++) {
        const ai_cli_option *option = &command->options[i];
        if (option->is_required && !ai_cli_text(args, option->name))
            return ai_cli_misused(command, "--%s %s is missing", option->name, option->value);
    }
    return AI_CLI_OK;
}

int ai_cli_parse(ai_cli_args *args, const ai_cli_command *command, int argc, char **argv)
{
    *args = (ai_cli_args){.command = command};
    args->given = calloc((size_t)argc + 1, sizeof *args->given);
    args->operands = calloc((size_t)argc + 1, sizeof *args->operands);
    if (!args->given || !args->operands)
        return ai_cli_fail(command->name, "no memory");
    bool is_over = false;
    for (int i = 0; i < argc; i++) {
        if (!is_over && strcmp(argv[i], "--") == 0) {
            is_over = true;
        } else if (!is_over && argv[i][0] == '-' && argv[i][1]) {
            int status = take_option(args, argc, argv, &i);
            if (status != AI_CLI_OK || args->is_help)
                return status;
        } else {
            args->operands[args->operand_count++] = argv[i];
        }
    }
    return check_complete(args);
}

void ai_cli_args_free(ai_cli_args *args)
{
    free(args->given);
    free(args->operands);
}

const char *ai_cli_text(const ai_cli_args *args, const char *name)
{
    assert(find_option(args->command, name, strlen(name)));
    for (uint32_t i = args->given_count; i-- > 0;) {
        if (strcmp(args->given[i].option->name, name) == 0)
            return args->given[i].value ? args->given[i].value : "";
    }
    return NULL;
}

bool ai_cli_flag(const ai_cli_args *args, const char *name)
{
    return ai_cli_text(args, name) != NULL;
}

uint32_t ai_cli_count(const ai_cli_args *args, const char *name, uint32_t otherwise)
{
    const char *text = ai_cli_text(args, name);
    uint32_t count = otherwise;
    if (text)
        parse_count(text, UINT32_MAX, &count);
    return count;
}

const char *ai_cli_next(const ai_cli_args *args, const char *name, uint32_t *position)
{
    while (*position < args->given_count) {
        const ai_cli_given *given = &args->given[(*position)++];
        if (strcmp(given->option->name, name) == 0)
            return given->value;
    }
    return NULL;
}

uint32_t ai_cli_list_count(const ai_cli_args *args, const char *name)
{
    uint32_t position = 0;
    uint32_t count = 0;
    while (ai_cli_next(args, name, &position))
        count++;
    return count;
}

static void print_option(FILE *stream, const ai_cli_option *option)
{
    char left[64];
    int used = 0;
    if (option->letter)
        used = snprintf(left, sizeof left, "-%c, ", option->letter);
    snprintf(left + used, sizeof left - (size_t)used, "--%s%s%s", option->name,
             option->value ? " " : "", option->value ? option->value : "");
    fprintf(stream, "  %-22s %s%s\n", left, option->help,
            option->kind == AI_CLI_LIST ? " (may be repeated)" : "");
}

void ai_cli_help(FILE *stream, const ai_cli_command *command)
{
    fprintf(stream, "usage: ai %s", command->name);
    for (uint32_t i = 0; i < command->option_count; i++) {
        const ai_cli_option *option = &command->options[i];
        if (option->is_required)
            fprintf(stream, " --%s %s", option->name, option->value);
    }
    fprintf(stream, " [OPTION]...%s%s\n\n", *command->operands ? " " : "", command->operands);
    fprintf(stream, "%s\n\n", command->summary);
    for (uint32_t i = 0; i < command->option_count; i++)
        print_option(stream, &command->options[i]);
    print_option(stream, &ai_cli_help_option);
    if (command->about)
        fprintf(stream, "\n%s\n", command->about);
}
