/* SPDX-License-Identifier: Apache-2.0
 * `ai package`: a flat file and the function handler become what a platform deploys. */
#include <stdlib.h>
#include <string.h>

#include "../package/package.h"

#define CERTIFICATES "/etc/ssl/certs/ca-certificates.crt"

static const ai_cli_option options[] = {
    {"platform", 'p', AI_CLI_TEXT, true, 0, "NAME",
     "lambda, openwhisk, aliyun-fc, azure, knative or oci"},
    {"model", 'm', AI_CLI_LIST, true, 0, "M.lai", "the flat file to pack"},
    {"out", 'o', AI_CLI_TEXT, true, 0, "OUT", "the zip or the folder to make"},
    {"name", 0, AI_CLI_TEXT, false, 0, "NAME", "name of the function; else that of the file"},
    {"handler", 0, AI_CLI_TEXT, false, 0, "PATH", "the function handler; else libai's own"},
    {"memory", 0, AI_CLI_COUNT, false, 1 << 20, "MIB", "of an instance; else what the models need"},
    {"image", 0, AI_CLI_TEXT, false, 0, "REF", "where a service finds its image; else NAME:latest"},
    {"read", 0, AI_CLI_LIST, false, 0, "BUCKET", "objects the policy lets it read: BUCKET/PREFIX"},
    {"write", 0, AI_CLI_LIST, false, 0, "BUCKET", "objects the policy lets it write"},
    {"store", 0, AI_CLI_FLAG, false, 0, NULL,
     "packs what fetches objects, with its libraries and certificates"},
    {"fetch", 0, AI_CLI_TEXT, false, 0, "PATH", "the program that fetches; else libai's own"},
    {"certificates", 0, AI_CLI_TEXT, false, 0, "FILE", "those it trusts; else this machine's"},
    {"limit", 0, AI_CLI_LIST, false, 0, "NAME=SIZE",
     "a limit of zip, unpacked, image or memory: zip=250MiB"},
    {"replace", 0, AI_CLI_FLAG, false, 0, NULL, "replaces what has the name OUT"},
};

static int check_platform(ai_package *p, const ai_cli_args *args)
{
    char names[128];
    const char *name = ai_cli_text(args, "platform");
    p->packer = ai_packer_find(name);
    if (!p->packer)
        return ai_cli_misused(args->command, "--platform is '%s', needed is %s", name,
                              ai_packer_names(names));
    bool is_fetching = ai_cli_text(args, "fetch") || ai_cli_text(args, "certificates");
    if (is_fetching && !ai_cli_flag(args, "store"))
        return ai_cli_misused(args->command, "--fetch and --certificates go with --store");
    uint32_t position = 0;
    const char *text;
    while ((text = ai_cli_next(args, "limit", &position))) {
        if (!ai_limits_take(&p->limits, text))
            return ai_cli_misused(args->command, "--limit is '%s', needed is zip=250MiB or alike",
                                  text);
    }
    return AI_CLI_OK;
}

/* Every platform, Kubernetes among them, takes such a name. */
static bool is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t bytes = strlen(name);
    return bytes > 0 && bytes < 64 && strspn(name, good) == bytes && name[0] >= 'a' &&
           name[bytes - 1] != '-';
}

/* Of "dir/Char_RNN.lai": "char-rnn". */
static void name_after(char name[64], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t used = 0;
    for (const char *c = slash ? slash + 1 : path; *c && strcmp(c, ".lai") != 0 && used < 63; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');
        bool is_digit = *c >= '0' && *c <= '9';
        if (is_letter || (is_digit && used > 0))
            name[used++] = (char)(is_letter ? *c | 0x20 : *c);
        else if (used > 0 && name[used - 1] != '-')
            name[used++] = '-';
    }
    while (used > 0 && name[used - 1] == '-')
        used--;
    name[used] = 0;
    if (used == 0)
        strcpy(name, "ai");
}

static int take_name(ai_package *p, const ai_cli_args *args, char name[64])
{
    const char *given = ai_cli_text(args, "name");
    if (given && !is_name(given))
        return ai_cli_misused(args->command,
                              "--name is '%s', needed are at most 63 of a-z, 0-9 and '-', a "
                              "letter first",
                              given);
    if (given)
        snprintf(name, 64, "%s", given);
    else
        name_after(name, p->models[0]);
    p->name = name;
    return AI_CLI_OK;
}

/* Buckets and prefixes: no wildcard may come into a policy by them, nor anything that both stores
 * would not take. */
static int check_buckets(const ai_cli_args *args, const char *option, const char *const *list,
                         uint32_t count)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = strspn(list[i], good);
        bool is_bucket = bytes >= 3 && bytes <= 63 && (!list[i][bytes] || list[i][bytes] == '/');
        if (!is_bucket || strpbrk(list[i], "*?$\"\\") || ai_cli_bad_line(list[i]))
            return ai_cli_misused(args->command, "--%s is '%s', needed is BUCKET or BUCKET/PREFIX",
                                  option, list[i]);
    }
    return AI_CLI_OK;
}

static const char **take_list(const ai_cli_args *args, const char *option, uint32_t *count)
{
    uint32_t position = 0;
    *count = ai_cli_list_count(args, option);
    const char **list = calloc(*count + 1u, sizeof *list);
    for (uint32_t i = 0; list && i < *count; i++)
        list[i] = ai_cli_next(args, option, &position);
    return list;
}

static int take_lists(ai_package *p, const ai_cli_args *args)
{
    p->models = take_list(args, "model", &p->model_count);
    p->read = take_list(args, "read", &p->read_count);
    p->write = take_list(args, "write", &p->write_count);
    if (!p->models || !p->read || !p->write)
        return ai_cli_fail(args->command->name, "no memory");
    int status = check_buckets(args, "read", p->read, p->read_count);
    return status == AI_CLI_OK ? check_buckets(args, "write", p->write, p->write_count) : status;
}

/* A program as an option gives it, or the one that libai installs; to be freed. */
static int take_program(char **path, const ai_cli_args *args, const char *option, const char *own)
{
    const char *given = ai_cli_text(args, option);
    *path = given ? strdup(given) : ai_cli_find_program(own);
    return *path
               ? AI_CLI_OK
               : ai_cli_fail(own, "is not installed beside `ai`, --%s PATH names another", option);
}

static void print_outputs(const ai_package *p)
{
    char size[32];
    char unpacked[32];
    ai_cli_bytes(unpacked, ai_package_list_bytes(&p->code));
    for (uint32_t i = 0; i < p->output_count; i++) {
        ai_cli_print(stdout, p->outputs[i].path);
        printf(": %s", ai_cli_bytes(size, p->outputs[i].bytes));
        printf(i == 0 ? ", unpacked %s\n" : "\n", unpacked);
    }
    printf("memory of an instance: %u MiB\n", ai_package_memory(p));
}

static int make(ai_package *p)
{
    ai_error err;
    int status = AI_CLI_OK;
    ai_cli_hold_signals();
    if (ai_package_make(p, &err) != AI_OK)
        status = ai_cli_failed(p->about, &err);
    else
        print_outputs(p);
    ai_package_free(p);
    ai_cli_release_signals();
    return status;
}

static int run(const ai_cli_args *args)
{
    char name[64];
    char image[80];
    char *handler = NULL;
    char *fetch = NULL;
    const char *reference = ai_cli_text(args, "image");
    const char *certificates = ai_cli_text(args, "certificates");
    ai_package *p = calloc(1, sizeof *p);
    if (!p)
        return ai_cli_fail(args->command->name, "no memory");
    int status = check_platform(p, args);
    if (status == AI_CLI_OK)
        status = take_lists(p, args);
    if (status == AI_CLI_OK)
        status = take_name(p, args, name);
    if (status == AI_CLI_OK)
        status = take_program(&handler, args, "handler", "ai-function");
    if (status == AI_CLI_OK && ai_cli_flag(args, "store"))
        status = take_program(&fetch, args, "fetch", "ai-fetch");
    if (status == AI_CLI_OK) {
        snprintf(image, sizeof image, "%s:latest", name);
        p->out = ai_cli_text(args, "out");
        p->handler = handler;
        p->fetch = fetch;
        p->certificates = certificates ? certificates : CERTIFICATES;
        p->image = reference ? reference : image;
        p->memory_mib = ai_cli_count(args, "memory", 0);
        p->is_replacing = ai_cli_flag(args, "replace");
        status = make(p);
    }
    free(p->models);
    free(p->read);
    free(p->write);
    free(handler);
    free(fetch);
    free(p);
    return status;
}

const ai_cli_command ai_command_package = {
    "package",
    "",
    "makes what a function platform deploys",
    "lambda, openwhisk and aliyun-fc get a zip, with a policy or s.yaml beside it; azure, knative "
    "and\n"
    "oci a folder. The same files give the same bytes; SOURCE_DATE_EPOCH sets their time. Models\n"
    "are checked first; what exceeds the platform's limit is refused. Several models lie in "
    "models/\n"
    "under their names, one alone is model.lai. docs/platforms.md says how each is deployed.",
    options,
    AI_CLI_OPTION_COUNT(options),
    0,
    0,
    run};
