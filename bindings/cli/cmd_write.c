/* SPDX-License-Identifier: Apache-2.0
 * `ai write`: text, such as poems, by a network that knows one character after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ai_task.h"
#include "cli.h"

#define SHIPPED_MODEL "charrnn"

enum { MAX_COUNT = 1000000 };

static const ai_cli_option options[] = {
    {"model", 0, AI_CLI_TEXT, false, 0, "M.lai", "else the one that is installed: " SHIPPED_MODEL},
    {"start", 0, AI_CLI_TEXT, false, 0, "TEXT", "how the text begins"},
    {"acrostic", 0, AI_CLI_TEXT, false, 0, "TEXT", "the first character of each line"},
    {"theme", 0, AI_CLI_TEXT, false, 0, "TEXT", "characters that shall stand somewhere"},
    {"seed", 0, AI_CLI_TEXT, false, 0, "N", "the same seed gives the same text; else by the clock"},
    {"count", 0, AI_CLI_COUNT, false, MAX_COUNT, "K", "how many texts, with seeds N, N+1, ..."},
    {"temperature", 0, AI_CLI_TEXT, false, 0, "T", "below 1: what is likely gets likelier"},
    {"top-p", 0, AI_CLI_TEXT, false, 0, "P", "draws among the likeliest that have this chance"},
    {"script", 0, AI_CLI_TEXT, false, 0, "S",
     "simplified or traditional, if the model knows both; it reads either"},
    {"no-rules", 0, AI_CLI_FLAG, false, 0, NULL, "without the model's rhymes and tones"},
    {"json", 0, AI_CLI_FLAG, false, 0, NULL, "prints one JSON object a text"},
    {"stream", 0, AI_CLI_FLAG, false, 0, NULL, "shows each character as soon as it stands"},
    AI_CLI_OPTION_THREADS,
    AI_CLI_OPTION_CPU,
};

typedef struct text { /* as it grows */
    char *data;
    size_t bytes;
    size_t room;
} text;

static ai_status append(text *t, const char *piece, ai_error *err)
{
    size_t bytes = strlen(piece);
    if (t->bytes + bytes + 1 > t->room) {
        size_t room = 2 * (t->room + bytes + 1);
        char *longer = realloc(t->data, room);
        if (!longer)
            return ai_cli_error(err, AI_E_MEMORY, "no memory for a text of %zu bytes", room);
        t->data = longer;
        t->room = room;
    }
    memcpy(t->data + t->bytes, piece, bytes + 1);
    t->bytes += bytes;
    return AI_OK;
}

/* A line's end is one of the text, nothing else steers a terminal. */
static void show(const char *piece)
{
    for (const char *end; (end = strchr(piece, '\n')); piece = end + 1) {
        char part[64];
        size_t bytes =
            (size_t)(end - piece) < sizeof part ? (size_t)(end - piece) : sizeof part - 1;
        memcpy(part, piece, bytes);
        part[bytes] = 0;
        ai_cli_print(stdout, part);
        putchar('\n');
    }
    ai_cli_print(stdout, piece);
}

static void print_json(const text *t, uint64_t seed)
{
    printf("{\"statusCode\":200,\"body\":{\"seed\":%llu,\"text\":", (unsigned long long)seed);
    ai_cli_json(stdout, t->data ? t->data : "");
    puts("}}");
}

static ai_status write_text(ai_writer *writer, const ai_text_options *o, const ai_cli_args *args,
                            ai_error *err)
{
    bool is_json = ai_cli_flag(args, "json");
    text t = {NULL, 0, 0};
    const char *piece = NULL;
    ai_status status = ai_writer_begin(writer, o, err);
    do {
        if (status == AI_OK)
            status = ai_writer_next(writer, &piece, NULL, err);
        if (status == AI_OK && piece)
            status = append(&t, piece, err);
        if (status == AI_OK && piece && !is_json) {
            show(piece);
            if (ai_cli_flag(args, "stream"))
                fflush(stdout);
        }
    } while (status == AI_OK && piece);
    if (status == AI_OK && is_json)
        print_json(&t, o->seed);
    else if (!is_json && t.bytes && t.data[t.bytes - 1] != '\n')
        putchar('\n');
    free(t.data);
    return status;
}

static int write_all(ai_writer *writer, ai_text_options *o, const ai_cli_args *args,
                     const char *model_path)
{
    ai_error err;
    uint32_t count = ai_cli_count(args, "count", 1);
    /* What nobody can read is not written: main() tells why. */
    for (uint32_t i = 0; i < count && !ferror(stdout); i++, o->seed++) {
        if (i > 0 && !ai_cli_flag(args, "json"))
            putchar('\n');
        ai_status status = write_text(writer, o, args, &err);
        fflush(stdout);
        if (status == AI_OK)
            continue;
        if (ai_cli_flag(args, "json")) {
            fputs("{\"statusCode\":400,\"body\":{\"error\":", stdout);
            ai_cli_json(stdout, err.message);
            puts("}}");
        }
        fflush(stdout);
        return ai_cli_failed(model_path, &err);
    }
    return AI_CLI_OK;
}

/* A number greater than 0 and at most `most`. */
static int take_number(const ai_cli_args *args, const char *name, double most, double *number)
{
    const char *value = ai_cli_text(args, name);
    char *end;
    if (!value)
        return AI_CLI_OK;
    *number = strtod(value, &end);
    if (*end || !(*number > 0 && *number <= most))
        return ai_cli_misused(args->command,
                              "--%s is '%s', needed is a number greater than 0 and at most %g",
                              name, value, most);
    return AI_CLI_OK;
}

/* Any number of 64 bits: those of a JSON answer too, which count up. */
static int take_seed(const ai_cli_args *args, uint64_t *seed)
{
    const char *value = ai_cli_text(args, "seed");
    if (!value)
        return AI_CLI_OK;
    errno = 0;
    *seed = strtoull(value, NULL, 10);
    if (value[strspn(value, "0123456789")] || errno)
        return ai_cli_misused(args->command, "--seed is '%s', needed is a number from 0 to %llu",
                              value, (unsigned long long)UINT64_MAX);
    return AI_CLI_OK;
}

static uint64_t seed_by_clock(void)
{
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec) % UINT32_MAX + 1;
}

static int write_with(const ai_cli_args *args, ai_text_options *o, const char *model_path)
{
    ai_cli_model m;
    ai_error err;
    ai_writer *writer = NULL;
    int status = ai_cli_open(&m, args, model_path);
    if (status != AI_CLI_OK)
        return status;
    if (ai_writer_open(&writer, m.model, &m.options, &err) != AI_OK)
        status = ai_cli_failed(model_path, &err);
    else
        status = write_all(writer, o, args, model_path);
    ai_writer_close(writer);
    ai_cli_close(&m);
    return status;
}

static int take_script(ai_text_options *o, const ai_cli_args *args)
{
    const char *script = ai_cli_text(args, "script");
    if (script && strcmp(script, "simplified") == 0)
        o->flags |= AI_TEXT_SIMPLIFIED;
    else if (script && strcmp(script, "traditional"))
        return ai_cli_misused(args->command,
                              "--script is '%s', there are simplified and traditional", script);
    return AI_CLI_OK;
}

static int take_wishes(ai_text_options *o, const ai_cli_args *args)
{
    o->start = ai_cli_text(args, "start");
    o->acrostic = ai_cli_text(args, "acrostic");
    o->theme = ai_cli_text(args, "theme");
    o->seed = seed_by_clock();
    if (ai_cli_flag(args, "json") && ai_cli_flag(args, "stream"))
        return ai_cli_misused(args->command, "--json prints whole texts, --stream characters");
    o->flags = ai_cli_flag(args, "no-rules") ? AI_TEXT_NO_RULES : 0;
    int status = take_script(o, args);
    if (status == AI_CLI_OK)
        status = take_seed(args, &o->seed);
    if (status == AI_CLI_OK)
        status = take_number(args, "temperature", 1000, &o->temperature);
    return status == AI_CLI_OK ? take_number(args, "top-p", 1, &o->top_p) : status;
}

static int run(const ai_cli_args *args)
{
    const char *model_path = ai_cli_text(args, "model");
    ai_text_options o = AI_TEXT_OPTIONS_INIT;
    int status = take_wishes(&o, args);
    if (status != AI_CLI_OK)
        return status;
    if (model_path)
        return write_with(args, &o, model_path);
    char *shipped = ai_cli_find_shipped(SHIPPED_MODEL ".lai");
    if (!shipped)
        return ai_cli_fail(SHIPPED_MODEL ".lai", "not there: give --model");
    status = write_with(args, &o, shipped);
    free(shipped);
    return status;
}

const ai_cli_command ai_command_write = {
    "write",
    "",
    "writes text, such as poems",
    "Form, vocabulary and rules of verse are the model's: docs/format.md. A model gives the same\n"
    "text for the same seed and options on every machine.",
    options,
    AI_CLI_OPTION_COUNT(options),
    0,
    0,
    run};
