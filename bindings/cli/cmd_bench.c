/* SPDX-License-Identifier: Apache-2.0
 * `ai bench`: how long opening and running a network take in one process. */
#include <stdlib.h>
#include <string.h>

#include "profile.h"

/* Without --runs they go on until both the least number and the least time are reached, and never
 * beyond the most: short enough for a script to start processes of several engines in turn. */
enum { WARM_UP_RUNS = 3, MIN_RUNS = 11, MAX_RUNS = 2000 };
#define MIN_NS (UINT64_C(1000000000))

static const ai_cli_option options[] = {
    AI_CLI_OPTION_THREADS,
    AI_CLI_OPTION_CPU,
    AI_CLI_OPTION_SHAPE,
    {"runs", 0, AI_CLI_COUNT, false, MAX_RUNS, "N",
     "runs after those to warm up; else at least 11 and a second of them"},
    {"profile", 0, AI_CLI_FLAG, false, 0, NULL, "tells what each step of the plan took"},
    {"plot", 0, AI_CLI_TEXT, false, 0, "FILE.svg", "draws what each step of the plan took"},
    {"json", 0, AI_CLI_FLAG, false, 0, NULL, "prints one JSON object"},
};

typedef struct bench {
    const char *path;
    const char *name; /* the model's */
    ai_cli_model m;
    ai_session *session;
    ai_session_info info;
    ai_view *views;
    ai_buffer *buffers;
    uint32_t in_count;
    uint32_t out_count;
    uint64_t open_ns;
    uint64_t flops;
    uint64_t ns[MAX_RUNS];
    uint32_t runs;
    ai_cli_profile profile;
} bench;

/* ---- Inputs: SplitMix64 (Steele, Lea and Flood 2014), one draw an element ---- */

static uint64_t draw(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number in [-1, 1); f16 gets ten random bits of one exponent, so that nothing need be rounded.
 * Integers are 0 or 1, so that indices stay in range. */
static void fill_one(unsigned char *at, ai_type type, uint64_t bits)
{
    float f = (float)(bits >> 40) * 0x1p-23f - 1;
    double d = (double)f;
    uint32_t word;
    memset(at, 0, ai_cli_type_bytes(type));
    memcpy(&word, &f, sizeof word);
    if (type == AI_F32)
        memcpy(at, &f, sizeof f);
    else if (type == AI_F64)
        memcpy(at, &d, sizeof d);
    else if (type == AI_BF16)
        memcpy(at, (unsigned char *)&word + 2, 2);
    else if (type == AI_F16) /* sign, the exponent of 1/4, ten bits */
        memcpy(at, &(uint16_t){(uint16_t)((bits & 0x8000) | 0x3400 | (bits >> 40 & 0x3ff))}, 2);
    else
        at[0] = bits & 1;
}

static void *fill(const ai_tensor_info *info, uint64_t *seed)
{
    uint32_t size = ai_cli_type_bytes(info->type);
    unsigned char *data = malloc(info->bytes ? info->bytes : 1);
    for (uint64_t at = 0; data && size && at + size <= info->bytes; at += size)
        fill_one(data + at, info->type, draw(seed));
    return data;
}

/* ---- Opening and running ---- */

static int open_all(bench *b, const ai_cli_args *args)
{
    ai_error err;
    uint64_t start = ai_cli_now();
    int status = ai_cli_open(&b->m, args, b->path);
    if (status != AI_CLI_OK)
        return status;
    if (ai_session_open(&b->session, b->m.model, &b->m.options, &err) != AI_OK)
        return ai_cli_failed(b->path, &err);
    b->open_ns = ai_cli_now() - start;
    b->info = (ai_session_info)AI_SESSION_INFO_INIT;
    ai_session_describe(b->session, &b->info);
    for (uint32_t i = 0; i < b->info.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(b->session, i, &step);
        b->flops += step.flops;
    }
    return AI_CLI_OK;
}

static int allocate(bench *b)
{
    uint64_t seed = 1;
    ai_model_info info = AI_MODEL_INFO_INIT;
    ai_model_describe(b->m.model, &info);
    b->views = calloc((size_t)info.input_count + 1, sizeof *b->views);
    b->buffers = calloc((size_t)info.output_count + 1, sizeof *b->buffers);
    if (!b->views || !b->buffers)
        return ai_cli_fail(b->path, "no memory for the operands");
    b->name = info.name;
    b->in_count = info.input_count;
    b->out_count = info.output_count;
    bool is_full = true;
    for (uint32_t i = 0; i < b->in_count; i++) {
        ai_tensor_info tensor = AI_TENSOR_INFO_INIT;
        ai_session_input(b->session, i, &tensor);
        b->views[i] = (ai_view){fill(&tensor, &seed), tensor.bytes};
        is_full &= b->views[i].data != NULL;
    }
    for (uint32_t i = 0; i < b->out_count; i++) {
        ai_tensor_info tensor = AI_TENSOR_INFO_INIT;
        ai_session_output(b->session, i, &tensor);
        b->buffers[i] = (ai_buffer){malloc(tensor.bytes ? tensor.bytes : 1), tensor.bytes};
        is_full &= b->buffers[i].data != NULL;
    }
    return is_full ? AI_CLI_OK : ai_cli_fail(b->path, "no memory for the tensors");
}

static int run_once(bench *b, uint64_t *ns)
{
    ai_error err;
    uint64_t start = ai_cli_now();
    ai_status status =
        ai_infer(b->session, b->views, b->in_count, b->buffers, b->out_count, NULL, &err);
    *ns = ai_cli_now() - start;
    return status == AI_OK ? AI_CLI_OK : ai_cli_failed(b->path, &err);
}

static int run_all(bench *b, uint32_t count)
{
    uint64_t ns;
    int status = AI_CLI_OK;
    for (int i = 0; status == AI_CLI_OK && i < WARM_UP_RUNS; i++)
        status = run_once(b, &ns);
    uint64_t total = 0;
    while (status == AI_CLI_OK && b->runs < (count ? count : MAX_RUNS) &&
           (count || b->runs < MIN_RUNS || total < MIN_NS)) {
        status = run_once(b, &b->ns[b->runs]);
        total += b->ns[b->runs++];
    }
    return status;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The least value that at least `percent` of the sorted runs do not exceed. */
static double percentile_ms(const bench *b, uint32_t percent)
{
    uint32_t rank = (b->runs * percent + 99) / 100;
    return (double)b->ns[rank ? rank - 1 : 0] / 1e6;
}

/* ---- Results ---- */

static void print_text(const bench *b)
{
    char text[32];
    char levels[128];
    double median = percentile_ms(b, 50);
    ai_cli_print(stdout, b->path);
    printf("\nthreads     %u, CPU levels %s\n", b->info.threads,
           ai_cli_levels(levels, b->info.cpu));
    printf("open        %.3f ms\n", (double)b->open_ns / 1e6);
    printf("runs        %u after %d to warm up\n", b->runs, WARM_UP_RUNS);
    printf("least       %.3f ms\nmedian      %.3f ms\n99 %%        %.3f ms\n", percentile_ms(b, 0),
           median, percentile_ms(b, 99));
    printf("speed       %.1f GFLOP/s\n", median > 0 ? (double)b->flops / median / 1e6 : 0);
    printf("memory      %s at its peak\n", ai_cli_bytes(text, ai_cli_peak_rss()));
}

static void print_json(const bench *b, bool with_profile)
{
    char levels[128];
    double median = percentile_ms(b, 50);
    printf("{\"model\":");
    ai_cli_json(stdout, b->name);
    printf(",\"threads\":%u,\"cpu\":\"%s\",\"runs\":%u", b->info.threads,
           ai_cli_levels(levels, b->info.cpu), b->runs);
    printf(",\"min_ms\":%.4f,\"median_ms\":%.4f,\"p99_ms\":%.4f", percentile_ms(b, 0), median,
           percentile_ms(b, 99));
    printf(",\"open_ms\":%.4f,\"peak_rss_bytes\":%llu,\"flops\":%llu,\"gflops\":%.2f",
           (double)b->open_ns / 1e6, (unsigned long long)ai_cli_peak_rss(),
           (unsigned long long)b->flops, median > 0 ? (double)b->flops / median / 1e6 : 0);
    if (with_profile)
        ai_cli_profile_json(&b->profile);
    puts("}");
}

static void release(bench *b)
{
    for (uint32_t i = 0; i < b->in_count; i++)
        free((void *)b->views[i].data);
    for (uint32_t i = 0; i < b->out_count; i++)
        free(b->buffers[i].data);
    free(b->views);
    free(b->buffers);
    ai_cli_profile_free(&b->profile);
    ai_session_close(b->session);
    ai_cli_close(&b->m);
    free(b);
}

/* A second session with the clock on each step, so that reading it slows no run above. */
static int profile(bench *b)
{
    ai_error err;
    uint64_t ns;
    ai_session_close(b->session);
    b->session = NULL;
    b->m.options.flags = AI_PROFILE;
    if (ai_session_open(&b->session, b->m.model, &b->m.options, &err) != AI_OK)
        return ai_cli_failed(b->path, &err);
    if (!ai_cli_profile_open(&b->profile, b->session))
        return ai_cli_fail(b->path, "no memory for the profile");
    b->profile.model = b->name;
    int status = AI_CLI_OK;
    for (uint32_t i = 0; status == AI_CLI_OK && i < b->runs; i++) {
        status = run_once(b, &ns);
        ai_cli_profile_add(&b->profile, b->session);
    }
    uint32_t allowed = b->m.options.cpu ? b->m.options.cpu : ai_cpu();
    b->profile.peak = ai_cli_machine_peak(allowed, b->info.threads);
    ai_cli_profile_close(&b->profile);
    return status;
}

static int print_all(const bench *b, const ai_cli_args *args)
{
    ai_error err;
    const char *plot = ai_cli_text(args, "plot");
    bool with_profile = ai_cli_flag(args, "profile");
    if (ai_cli_flag(args, "json"))
        print_json(b, with_profile);
    else
        print_text(b);
    if (with_profile && !ai_cli_flag(args, "json"))
        ai_cli_profile_print(&b->profile);
    if (plot && ai_cli_profile_plot(&b->profile, plot, &err) != AI_OK)
        return ai_cli_failed(plot, &err);
    return AI_CLI_OK;
}

static bool is_svg(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".svg") == 0;
}

static int run(const ai_cli_args *args)
{
    const char *plot = ai_cli_text(args, "plot");
    if (plot && !is_svg(plot))
        return ai_cli_misused(args->command, "--plot is '%s', needed is a name that ends in .svg",
                              plot);
    bench *b = calloc(1, sizeof *b);
    if (!b)
        return ai_cli_fail(args->operands[0], "no memory");
    b->path = args->operands[0];
    int status = open_all(b, args);
    if (status == AI_CLI_OK)
        status = allocate(b);
    if (status == AI_CLI_OK)
        status = run_all(b, ai_cli_count(args, "runs", 0));
    if (status == AI_CLI_OK)
        qsort(b->ns, b->runs, sizeof b->ns[0], by_value);
    if (status == AI_CLI_OK && (plot || ai_cli_flag(args, "profile")))
        status = profile(b);
    if (status == AI_CLI_OK)
        status = print_all(b, args);
    release(b);
    return status;
}

const ai_cli_command ai_command_bench = {
    "bench",
    "M.lai",
    "measures opening and running a network",
    "Inputs are pseudo-random numbers in [-1, 1). Memory is the peak of the whole process.",
    options,
    AI_CLI_OPTION_COUNT(options),
    1,
    1,
    run};
