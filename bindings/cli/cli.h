/* SPDX-License-Identifier: Apache-2.0
 * What the subcommands of `ai` share: options as data, opening models, files, text for people and
 * machines. */
#ifndef AI_CLI_H
#define AI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ai.h"

enum { AI_CLI_OK = 0, AI_CLI_FAILED = 1, AI_CLI_USAGE = 2 }; /* exit statuses */

/* ---- Commands and their options: data from which parsing and help are made (args.c) ---- */

enum {
    AI_CLI_FLAG,  /* takes no value */
    AI_CLI_COUNT, /* a whole number from 1 to `max` */
    AI_CLI_TEXT,  /* any text */
    AI_CLI_LIST   /* any text, as often as wanted */
};

typedef struct ai_cli_option {
    const char *name; /* without the two dashes */
    char letter;      /* of the short form, or 0 */
    uint8_t kind;
    bool is_required;
    uint32_t max;      /* of a COUNT */
    const char *value; /* how help calls the value; NULL for a flag */
    const char *help;  /* one sentence */
} ai_cli_option;

typedef struct ai_cli_args ai_cli_args;

typedef struct ai_cli_command {
    const char *name;
    const char *operands; /* how help calls them */
    const char *summary;  /* one line for the list of commands */
    const char *about;    /* paragraphs after the options, or NULL */
    const ai_cli_option *options;
    uint32_t option_count;
    uint32_t min_operands;
    uint32_t max_operands;
    int (*run)(const ai_cli_args *args);
} ai_cli_command;

#define AI_COMMAND(id) extern const ai_cli_command ai_command_##id;
#include "commands.def"
#undef AI_COMMAND

/* All commands in the order of commands.def, then NULL (main.c). */
extern const ai_cli_command *const ai_cli_commands[];
/* --help, which every command has (args.c). */
extern const ai_cli_option ai_cli_help_option;

/* The same tables as a manual page and as a shell's completion (manual.c, completion.c); false: a
 * shell other than bash, zsh and fish. */
void ai_cli_manual(FILE *stream);
bool ai_cli_completion(FILE *stream, const char *shell);

#define AI_CLI_OPTION_COUNT(options) ((uint32_t)(sizeof(options) / sizeof((options)[0])))

/* Options that several commands have. */
#define AI_CLI_OPTION_SHAPE                                                                        \
    {                                                                                              \
        "shape", 0, AI_CLI_LIST, false, 0, "NAME=DIMS", "shape of an input, such as x=1x3x224x224" \
    }
#define AI_CLI_OPTION_CPU                                                                          \
    {                                                                                              \
        "cpu", 0, AI_CLI_TEXT, false, 0, "LEVEL",                                                  \
            "the highest CPU level to use; else AI_CPU's, or the machine's"                        \
    }
#define AI_CLI_OPTION_THREADS                                                                      \
    {                                                                                              \
        "threads", 0, AI_CLI_COUNT, false, 1024, "N",                                              \
            "threads; else what affinity and quota allow"                                          \
    }

typedef struct ai_cli_given { /* an option as it was given */
    const ai_cli_option *option;
    const char *value;
} ai_cli_given;

struct ai_cli_args {
    const ai_cli_command *command;
    ai_cli_given *given; /* in the order of the command line */
    uint32_t given_count;
    const char **operands;
    uint32_t operand_count;
    bool is_help;
};

/* Sorts argv[0..argc) into options and operands. A wrong use prints what is wrong and returns
 * AI_CLI_USAGE. Free with ai_cli_args_free in any case. */
int ai_cli_parse(ai_cli_args *args, const ai_cli_command *command, int argc, char **argv);
void ai_cli_args_free(ai_cli_args *args);
void ai_cli_help(FILE *stream, const ai_cli_command *command);

/* The last value given for an option of the command, or NULL. */
const char *ai_cli_text(const ai_cli_args *args, const char *name);
bool ai_cli_flag(const ai_cli_args *args, const char *name);
/* A COUNT, or `otherwise` if it was not given. */
uint32_t ai_cli_count(const ai_cli_args *args, const char *name, uint32_t otherwise);
/* Values of a LIST: the next one from *position on, which starts at 0; NULL: no more. */
const char *ai_cli_next(const ai_cli_args *args, const char *name, uint32_t *position);
uint32_t ai_cli_list_count(const ai_cli_args *args, const char *name);

/* Prints `ai: <command>: <message>` and where help is; returns AI_CLI_USAGE. */
int ai_cli_misused(const ai_cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Slips (nearest.c) ---- */

typedef struct ai_cli_near {
    const char *typed;
    size_t bytes;     /* of typed */
    const char *name; /* the nearest so far; NULL: none is near */
    uint32_t slips;
} ai_cli_near;

/* Takes `name` where it is nearer to what was typed than those before: at most two slips. */
void ai_cli_nearer(ai_cli_near *near, const char *name);

/* ---- Errors (report.c) ---- */

/* Prints `ai: <path>: <message>`, one line without control characters; returns AI_CLI_FAILED. */
int ai_cli_failed(const char *path, const ai_error *err);
int ai_cli_fail(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fills *err as the library does and returns its code. */
ai_status ai_cli_error(ai_error *err, ai_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- Signals (signals.c): between hold and release SIGHUP, SIGINT and SIGTERM only leave a note,
 * so that what is unfinished can be removed; release dies of the one that came. ---- */

void ai_cli_hold_signals(void);
bool ai_cli_is_stopped(void);
void ai_cli_release_signals(void);

/* ---- Text (report.c) ---- */

/* Line number, from 1, of the first byte that is not UTF-8, or 0: there is none. */
uint32_t ai_cli_bad_line(const char *text);

/* Prints text of a file's with '?' for control characters and what is no UTF-8, so that it cannot
 * steer a terminal. */
void ai_cli_print(FILE *stream, const char *text);
/* Prints a JSON string with its quotes; what is no UTF-8 becomes U+FFFD. */
void ai_cli_json(FILE *stream, const char *text);
/* "18.5 MiB" and the like. */
const char *ai_cli_bytes(char text[32], uint64_t bytes);
/* "1x3x224x224", or "scalar"; dimensions that vary get a '*'. */
const char *ai_cli_dims(char text[256], uint32_t rank, const int64_t *dim, uint32_t varies);
/* "ref avx2 avx512" */
const char *ai_cli_levels(char text[128], uint32_t mask);

uint64_t ai_cli_now(void);      /* ns of the monotonic clock */
uint64_t ai_cli_peak_rss(void); /* bytes */

/* ---- Progress: one line on stderr, only where that is a terminal (progress.c) ---- */

typedef struct ai_cli_bar {
    uint64_t drawn_ns; /* 0: not yet */
} ai_cli_bar;

void ai_cli_bar_draw(ai_cli_bar *bar, const char *part, uint64_t done, uint64_t total);
void ai_cli_bar_clear(ai_cli_bar *bar);
/* `width` characters of which `share` (0 to 1) are filled. */
const char *ai_cli_bar_text(char text[64], double share, int width);

/* ---- Files (disk.c) ---- */

/* Reads a whole regular file; *data is the caller's, to be freed. Larger ones than `most` are
 * refused. */
ai_status ai_cli_read(void **data, size_t *bytes, const char *path, size_t most, ai_error *err);

/* A file that appears under its name only when ai_cli_keep is called. */
typedef struct ai_cli_output {
    char *path;
    char *temporary;
    int file; /* -1: closed */
} ai_cli_output;

/* Beside `path` or, where that is a symbolic link, beside the file it leads to. */
ai_status ai_cli_create(ai_cli_output *out, const char *path, ai_error *err);
ai_status ai_cli_write(ai_cli_output *out, const void *data, size_t bytes, ai_error *err);
ai_status ai_cli_flush(ai_cli_output *out, ai_error *err); /* to the disk, and closes */
ai_status ai_cli_keep(ai_cli_output *out, ai_error *err);
void ai_cli_discard(ai_cli_output *out); /* whatever was not kept; frees */

/* `folder` and `name` with a '/' between; to be freed; NULL: no memory. */
char *ai_cli_join(const char *folder, const char *name);
/* Paths of a folder's images in order of their names; to be freed with ai_cli_free_list. */
ai_status ai_cli_images(char ***paths, uint32_t *count, const char *folder, ai_error *err);
void ai_cli_free_list(char **paths, uint32_t count);
bool ai_cli_is_folder(const char *path);
/* Whether both lead to one file that is there. */
bool ai_cli_is_same(const char *a, const char *b);
/* Folder of the running program; to be freed; NULL: not known. */
char *ai_cli_own_folder(void);

/* ---- Tensors (npy.c): types by name, NumPy's files ---- */

const char *ai_cli_type_name(ai_type type); /* "f32"; "unknown" */
uint32_t ai_cli_type_bytes(ai_type type);

typedef struct ai_npy {
    ai_type type;
    uint32_t rank;
    int64_t dim[AI_MAX_RANK];
    uint64_t bytes;
    void *data;   /* row-major; inside memory */
    void *memory; /* to be freed */
} ai_npy;

/* Reads NumPy's format, versions 1 to 3, in C or Fortran order. */
ai_status ai_npy_read(ai_npy *npy, const char *path, ai_error *err);
/* The same from a file's bytes, which become npy's to free, on failure too. */
ai_status ai_npy_parse(ai_npy *npy, void *memory, size_t bytes, ai_error *err);
void ai_npy_free(ai_npy *npy);
ai_status ai_npy_write(ai_cli_output *out, const ai_tensor_info *info, const void *data,
                       ai_error *err);

/* ---- Opening a model with the options --shape, --threads and --cpu, and AI_CPU (load.c) ---- */

typedef struct ai_cli_model {
    ai_model *model;
    ai_options options;
    ai_shape *shapes; /* one place an input */
} ai_cli_model;

/* Parses NAME=1x3x224x224. The name ends at *name_bytes. */
bool ai_cli_shape(const char *text, size_t *name_bytes, uint32_t *rank, int64_t dim[AI_MAX_RANK]);
/* Says what is wrong on stderr and returns the exit status, or AI_CLI_OK. */
int ai_cli_open(ai_cli_model *m, const ai_cli_args *args, const char *path);
/* Index of the input with a name of `bytes` bytes, or -1. */
int64_t ai_cli_find_input(const ai_model *model, const char *name, size_t bytes);
/* The session shape of an input as given so far, or NULL: the default. */
const ai_shape *ai_cli_given_shape(const ai_cli_model *m, uint32_t input);
void ai_cli_set_shape(ai_cli_model *m, uint32_t input, uint32_t rank, const int64_t *dim);
void ai_cli_close(ai_cli_model *m);

/* A model that the project ships: beside an installed bin/, in this build's tree, or where this
 * build installs it; to be freed; NULL: it is not there. */
char *ai_cli_find_shipped(const char *file);
/* A program that people do not call themselves, found in the same way. */
char *ai_cli_find_program(const char *file);

#endif
