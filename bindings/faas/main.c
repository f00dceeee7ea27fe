/* SPDX-License-Identifier: Apache-2.0
 * ai-function: flags and environment, then the platform that is there. */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manual_page.h"
#include "store.h"

enum {
    MAX_MODELS = 256,
    MAX_WORKERS = 256,
    MAX_QUEUE = 1 << 16,
    MAX_MS = 1 << 30,
    MAX_S = 1 << 20
};
enum { DEFAULT_QUEUE = 16, DEFAULT_BYTES = 32 << 20, DEFAULT_S = 60, DEFAULT_MS = 60000 };

static const ai_platform *const platforms[] = {
#define AI_PLATFORM(id) &ai_platform_##id,
#include "platforms.def"
#undef AI_PLATFORM
};
enum { PLATFORM_COUNT = sizeof platforms / sizeof platforms[0] };

static const struct setting { /* a flag, and the environment's variable for it */
    const char *flag;
    const char *variable;
    const char *value;
    const char *help;
    uint32_t most; /* of a number; 0: text */
    uint32_t least;
} settings[] = {
    {"model", "AI_MODEL", "[NAME=]PATH",
     "a .lai file, a folder of them or its URL; may be repeated", 0, 0},
    {"platform", "AI_PLATFORM", "NAME", "else told by the environment", 0, 0},
    {"address", "AI_ADDRESS", "IP", "to listen at; else the platform's", 0, 0},
    {"port", "AI_PORT", "N", "to listen at, 0: any that is free; else the platform's", 65535, 0},
    {"workers", "AI_WORKERS", "N", "requests answered at once; else 1", MAX_WORKERS, 1},
    {"threads", "AI_THREADS", "N", "of each worker; else all processors there are, or 1", 1024, 1},
    {"queue", "AI_QUEUE", "N", "requests that wait, more get 429; else 16", MAX_QUEUE, 1},
    {"timeout", "AI_TIMEOUT_MS", "MS", "of a request, waiting included; else none", MAX_MS, 1},
    {"most-bytes", "AI_MOST_BYTES", "N", "of a body, more get 413; else 32 MiB", 1 << 30, 1},
    {"results", "AI_RESULTS", "URL", "s3://BUCKET/PREFIX or a database: where answers to events go",
     0, 0},
    {"recheck", "AI_RECHECK_S", "S", "between looks for newer models in stores; else 60", MAX_S, 1},
    {"arrival", "AI_ARRIVAL_MS", "MS", "from a request's first byte to its last; else 60000",
     MAX_MS, 1},
    {"self-test", "AI_SELF_TEST", NULL, "runs each model's once, before the first request", 0, 0},
    {"quiet", "AI_QUIET", NULL, "no line a request", 0, 0},
};
enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };

static const char about[] = "Answers requests by a model, on any function platform.";
static const char order[] = "Platforms, in the order in which they are looked for:";

static int usage(FILE *out)
{
    fprintf(out, "usage: ai-function [OPTION]...\n\n%s\n\n", about);
    for (int i = 0; i < SETTING_COUNT; i++)
        fprintf(out, "  --%s %-*s %s (%s)\n", settings[i].flag, 20 - (int)strlen(settings[i].flag),
                settings[i].value ? settings[i].value : "", settings[i].help, settings[i].variable);
    fprintf(out, "\n%s\n", order);
    for (int i = 0; i < PLATFORM_COUNT; i++)
        fprintf(out, "  %-12s %s\n", platforms[i]->name, platforms[i]->about);
    return out == stdout ? 0 : 2;
}

static int manual(void)
{
    ai_manual_head(about);
    ai_manual_section("OPTIONS");
    puts("Each has a variable of the environment, in whose place a flag comes.");
    for (int i = 0; i < SETTING_COUNT; i++)
        ai_manual_item("--", settings[i].flag, settings[i].value, settings[i].help,
                       settings[i].variable);
    ai_manual_item("--", "man", NULL, "prints this page", NULL);
    ai_manual_section("PLATFORMS");
    puts(order);
    for (int i = 0; i < PLATFORM_COUNT; i++)
        ai_manual_item("", platforms[i]->name, NULL, platforms[i]->about, NULL);
    ai_manual_foot();
    return fflush(stdout) != 0;
}

static bool take_number(const struct setting *s, const char *text, uint32_t *number)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && value >= s->least && value <= s->most) {
        *number = (uint32_t)value;
        return true;
    }
    ai_log("ERROR", "--%s is '%.40s', needed is a number from %u to %u", s->flag, text, s->least,
           s->most);
    return false;
}

static bool take(ai_settings *o, int index, const char *text)
{
    uint32_t number = 0;
    if (settings[index].most && !take_number(&settings[index], text, &number))
        return false;
    switch (index) {
    case 0:
        if (o->model_count == MAX_MODELS) {
            ai_log("ERROR", "more than %d models are given", MAX_MODELS);
            return false;
        }
        o->models[o->model_count++] = text;
        return true;
    case 1:
        o->platform = text;
        return true;
    case 2:
        o->address = text;
        return true;
    case 3:
        o->port = (int32_t)number;
        return true;
    case 4:
        o->workers = number;
        return true;
    case 5:
        o->threads = number;
        return true;
    case 6:
        o->queue = number;
        return true;
    case 7:
        o->timeout_ms = number;
        return true;
    case 8:
        o->most_bytes = number;
        return true;
    case 9:
        o->results = text;
        return true;
    case 10:
        o->recheck_s = number;
        return true;
    case 11:
        o->arrival_ms = number;
        return true;
    case 12:
        o->is_self_testing = true;
        return true;
    default:
        o->is_quiet = true;
        return true;
    }
}

static bool take_environment(ai_settings *o)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const char *value = getenv(settings[i].variable);
        if (value && *value && !take(o, i, value))
            return false;
    }
    return true;
}

/* What is given by flags takes the environment's place. */
static int take_flags(ai_settings *o, int argc, char **argv)
{
    struct option options[SETTING_COUNT + 3] = {{0}};
    bool has_model = false;
    for (int i = 0; i < SETTING_COUNT; i++)
        options[i] = (struct option){settings[i].flag,
                                     settings[i].value ? required_argument : no_argument, NULL, i};
    options[SETTING_COUNT] = (struct option){"help", no_argument, NULL, 'h'};
    options[SETTING_COUNT + 1] = (struct option){"man", no_argument, NULL, 'm'};
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h')
            return usage(stdout);
        if (c == 'm')
            return manual();
        if (c == '?')
            return usage(stderr);
        if (c == 0 && !has_model)
            o->model_count = 0;
        has_model |= c == 0;
        if (!take(o, c, optarg))
            return 2;
    }
    return optind < argc ? usage(stderr) : -1;
}

static const ai_platform *find_platform(const char *name)
{
    for (int i = 0; i < PLATFORM_COUNT; i++)
        if (name ? strcmp(platforms[i]->name, name) == 0
                 : platforms[i]->detect && platforms[i]->detect())
            return platforms[i];
    ai_log("ERROR", "platform '%.40s' is not known; --help lists them", name ? name : "");
    return NULL;
}

/* An instance gets processors by its memory: below two whole ones a second thread only waits. */
static void size_threads(ai_settings *o, const ai_platform *p)
{
    cpu_set_t set;
    uint32_t memory = p->memory_mb ? p->memory_mb() : 0;
    if (!o->workers)
        o->workers = 1;
    if (!o->threads && o->workers > 1)
        o->threads = 1;
    if (o->threads || !memory || !p->mb_per_cpu)
        return;
    uint32_t count = memory / p->mb_per_cpu;
    uint32_t there =
        sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : count;
    count = count < there ? count : there;
    o->threads = count < 2 ? 1 : count;
}

/* What --results asks for must be there. */
static ai_status find_store(ai_function *f, ai_store **store, ai_error *err)
{
    const char *results = f->settings.results;
    *store = ai_store_open(results);
    f->fetch = *store ? ai_store_fetch : NULL;
    f->store = *store && results ? ai_store_result : NULL;
    f->fetch_user = *store;
    *err = (ai_error){.code = AI_E_ARGUMENT, .step = AI_NO_STEP, .offset = AI_NO_OFFSET};
    if (results && !strstr(results, "://"))
        snprintf(err->message, sizeof err->message,
                 "--results is '%.40s', needed is s3://BUCKET/PREFIX, oss://BUCKET/PREFIX or a "
                 "database's URL",
                 results);
    else if (results && !*store)
        snprintf(err->message, sizeof err->message,
                 "--results needs ai-fetch, which is not here: `ai package --store` packs it");
    else
        return AI_OK;
    return err->code;
}

static int run(ai_settings *o)
{
    ai_function f = {.settings = *o};
    ai_error err;
    const ai_platform *platform = find_platform(o->platform);
    if (!platform)
        return 2;
    size_threads(&f.settings, platform);
    pthread_mutex_init(&f.metrics.lock, NULL);
    int status = 1;
    ai_store *store = NULL;
    if (find_store(&f, &store, &err) != AI_OK || ai_task_cpu(&f.settings.cpu, &err) != AI_OK ||
        ai_models_open(&f.models, &f.settings, &err) != AI_OK ||
        (o->is_self_testing && ai_models_self_test(f.models, &f.settings, &err) != AI_OK)) {
        ai_log("ERROR", "%s", err.message);
        if (platform->report_init)
            platform->report_init(&err);
    } else
        status = platform->run(&f);
    ai_models_close(f.models);
    ai_store_close(store);
    pthread_mutex_destroy(&f.metrics.lock);
    return status;
}

int main(int argc, char **argv)
{
    static const char *models[MAX_MODELS];
    ai_settings o = {.models = models,
                     .port = -1,
                     .queue = DEFAULT_QUEUE,
                     .most_bytes = DEFAULT_BYTES,
                     .recheck_s = DEFAULT_S,
                     .arrival_ms = DEFAULT_MS};
    signal(SIGPIPE, SIG_IGN);
    if (!take_environment(&o))
        return 2;
    int status = take_flags(&o, argc, argv);
    return status >= 0 ? status : run(&o);
}
