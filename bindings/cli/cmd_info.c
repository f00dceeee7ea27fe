/* SPDX-License-Identifier: Apache-2.0
 * `ai info`: what a flat file holds and how much memory it takes. */
#include <string.h>

#include "plan.h"

/* What a process needs beside weights and session: the program with its libraries, and a
 * photograph of eight million pixels while it is read (24 MiB of RGB and the file itself). */
#define ALLOWANCE_BYTES (UINT64_C(40) << 20)

static const ai_cli_option options[] = {
    AI_CLI_OPTION_SHAPE,
    AI_CLI_OPTION_THREADS,
    {"resource", 0, AI_CLI_TEXT, false, 0, "NAME", "prints this resource as it is, and nothing else"},
    {"steps", 0, AI_CLI_FLAG, false, 0, NULL, "lists the steps of the plan too"},
    {"json", 0, AI_CLI_FLAG, false, 0, NULL, "prints one JSON object"},
    {"graph", 0, AI_CLI_TEXT, false, 0, "FILE",
     "draws the steps and what they hand on: .svg, .png, .pdf, or .dot"},
    {"map", 0, AI_CLI_TEXT, false, 0, "FILE.svg", "draws what lies where in the arena when"},
};

typedef struct facts {
    const ai_model *model;
    ai_session *session;
    ai_model_info about;
    ai_session_info run;
    uint64_t flops;
    uint64_t function_bytes;
} facts;

typedef ai_status tensor_fn(const ai_model *model, uint32_t index, ai_tensor_info *info);
typedef ai_status session_fn(const ai_session *session, uint32_t index, ai_tensor_info *info);

static void collect(facts *f)
{
    f->about = (ai_model_info)AI_MODEL_INFO_INIT;
    f->run = (ai_session_info)AI_SESSION_INFO_INIT;
    ai_model_describe(f->model, &f->about);
    ai_session_describe(f->session, &f->run);
    for (uint32_t i = 0; i < f->run.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(f->session, i, &step);
        f->flops += step.flops;
    }
    f->function_bytes = f->about.file_bytes + f->run.memory_bytes + ALLOWANCE_BYTES;
}

static void print_row(const char *left, const char *format, uint64_t bytes)
{
    char text[32];
    printf("%-11s ", left);
    printf(format, ai_cli_bytes(text, bytes));
    putchar('\n');
}

/* Which dimensions vary is the model's to say, their sizes are the session's. */
static void print_tensors(const facts *f, const char *left, uint32_t count, tensor_fn *of_model,
                          session_fn *of_session)
{
    char dims[256];
    for (uint32_t i = 0; i < count; i++) {
        ai_tensor_info fixed = AI_TENSOR_INFO_INIT;
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        of_model(f->model, i, &fixed);
        of_session(f->session, i, &info);
        printf("%-11s %s %s '", left, ai_cli_type_name(info.type),
               ai_cli_dims(dims, info.rank, info.dim, fixed.varies));
        ai_cli_print(stdout, info.name);
        puts("'");
    }
}

static void print_resources(const facts *f)
{
    char text[32];
    for (uint32_t i = 0; i < f->about.resource_count; i++) {
        ai_resource resource = AI_RESOURCE_INIT;
        ai_model_resource(f->model, i, &resource);
        printf("%-11s ", "resource");
        ai_cli_print(stdout, resource.name);
        printf(", %s\n", ai_cli_bytes(text, resource.bytes));
    }
}

static void print_steps(const facts *f)
{
    char text[32];
    printf("\n%5s %-20s %-28s %10s %10s  %s\n", "step", "operator", "kernel", "MFLOP", "moves",
           "name");
    for (uint32_t i = 0; i < f->run.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(f->session, i, &step);
        printf("%5u %-20s %-28s %10.3f %10s  ", i, step.op, step.kernel ? step.kernel : "-",
               (double)step.flops / 1e6, ai_cli_bytes(text, step.bytes));
        ai_cli_print(stdout, step.name ? step.name : "");
        putchar('\n');
    }
}

/* What placing costs: 1 is the least possible. */
static double arena_ratio(const facts *f)
{
    return f->run.live_bytes ? (double)f->run.arena_bytes / (double)f->run.live_bytes : 1;
}

static void print_digest(const facts *f)
{
    for (int i = 0; i < 32; i++)
        printf("%02x", f->about.digest[i]);
}

static void print_text(const facts *f, bool with_steps)
{
    char levels[128];
    printf("%-11s ", "model");
    ai_cli_print(stdout, f->about.name);
    printf("\n%-11s %u, ", "format", f->about.format_version);
    print_digest(f);
    putchar('\n');
    print_tensors(f, "input", f->about.input_count, ai_model_input, ai_session_input);
    print_tensors(f, "output", f->about.output_count, ai_model_output, ai_session_output);
    print_resources(f);
    printf("%-11s %u, %.1f MFLOP\n", "steps", f->run.step_count, (double)f->flops / 1e6);
    printf("%-11s %u, CPU levels %s\n", "threads", f->run.threads,
           ai_cli_levels(levels, f->run.cpu));
    print_row("file", "%s", f->about.file_bytes);
    print_row("weights", "%s, mapped", f->about.weight_bytes);
    print_row("arena", "%s", f->run.arena_bytes);
    printf("            %.3f times the least: the most that is alive at a step\n", arena_ratio(f));
    print_row("state", "%s", f->run.state_bytes);
    print_row("session", "%s, arena, state, plan and threads together", f->run.memory_bytes);
    print_row("function",
              "%s, the memory size to give: file, session and 40 MiB for the program\n"
              "            and what it is given, such as a photograph of eight million pixels",
              f->function_bytes);
    if (with_steps)
        print_steps(f);
}

static void print_json_tensors(const facts *f, const char *key, uint32_t count, tensor_fn *of_model,
                               session_fn *of_session)
{
    printf(",\"%s\":[", key);
    for (uint32_t i = 0; i < count; i++) {
        ai_tensor_info fixed = AI_TENSOR_INFO_INIT;
        ai_tensor_info info = AI_TENSOR_INFO_INIT;
        of_model(f->model, i, &fixed);
        of_session(f->session, i, &info);
        printf("%s{\"name\":", i ? "," : "");
        ai_cli_json(stdout, info.name);
        printf(",\"type\":\"%s\",\"shape\":[", ai_cli_type_name(info.type));
        for (uint32_t k = 0; k < info.rank; k++)
            printf("%s%lld", k ? "," : "", (long long)info.dim[k]);
        printf("],\"varies\":[");
        for (uint32_t k = 0, n = 0; k < info.rank; k++) {
            if (fixed.varies >> k & 1)
                printf("%s%u", n++ ? "," : "", k);
        }
        printf("],\"bytes\":%llu}", (unsigned long long)info.bytes);
    }
    putchar(']');
}

static void print_json_resources(const facts *f)
{
    printf(",\"resources\":[");
    for (uint32_t i = 0; i < f->about.resource_count; i++) {
        ai_resource resource = AI_RESOURCE_INIT;
        ai_model_resource(f->model, i, &resource);
        printf("%s{\"name\":", i ? "," : "");
        ai_cli_json(stdout, resource.name);
        printf(",\"bytes\":%zu}", resource.bytes);
    }
    putchar(']');
}

static void print_json_steps(const facts *f)
{
    printf(",\"plan\":[");
    for (uint32_t i = 0; i < f->run.step_count; i++) {
        ai_step_info step = AI_STEP_INFO_INIT;
        ai_session_step(f->session, i, &step);
        printf("%s{\"name\":", i ? "," : "");
        ai_cli_json(stdout, step.name ? step.name : "");
        printf(",\"op\":\"%s\",\"kernel\":\"%s\",\"flops\":%llu,\"bytes\":%llu,\"file_end\":%llu}",
               step.op, step.kernel ? step.kernel : "", (unsigned long long)step.flops,
               (unsigned long long)step.bytes, (unsigned long long)step.file_end);
    }
    putchar(']');
}

static void print_json(const facts *f, bool with_steps)
{
    char levels[128];
    printf("{\"model\":");
    ai_cli_json(stdout, f->about.name);
    printf(",\"format\":%u,\"digest\":\"", f->about.format_version);
    print_digest(f);
    putchar('"');
    print_json_tensors(f, "inputs", f->about.input_count, ai_model_input, ai_session_input);
    print_json_tensors(f, "outputs", f->about.output_count, ai_model_output, ai_session_output);
    print_json_resources(f);
    printf(",\"steps\":%u,\"flops\":%llu,\"threads\":%u,\"cpu\":\"%s\"", f->run.step_count,
           (unsigned long long)f->flops, f->run.threads, ai_cli_levels(levels, f->run.cpu));
    printf(",\"file_bytes\":%llu,\"weight_bytes\":%llu,\"arena_bytes\":%llu,\"state_bytes\":%llu",
           (unsigned long long)f->about.file_bytes, (unsigned long long)f->about.weight_bytes,
           (unsigned long long)f->run.arena_bytes, (unsigned long long)f->run.state_bytes);
    printf(",\"live_bytes\":%llu,\"arena_ratio\":%.4f", (unsigned long long)f->run.live_bytes,
           arena_ratio(f));
    printf(",\"session_bytes\":%llu,\"allowance_bytes\":%llu,\"function_bytes\":%llu",
           (unsigned long long)f->run.memory_bytes, (unsigned long long)ALLOWANCE_BYTES,
           (unsigned long long)f->function_bytes);
    if (with_steps)
        print_json_steps(f);
    puts("}");
}

static int draw(const ai_cli_args *args, const facts *f)
{
    ai_cli_plan plan;
    ai_error err;
    const char *graph = ai_cli_text(args, "graph");
    const char *map = ai_cli_text(args, "map");
    int status = AI_CLI_OK;
    if (!graph && !map)
        return AI_CLI_OK;
    if (ai_cli_plan_open(&plan, f->session, f->about.name, &err) != AI_OK)
        return ai_cli_failed(args->operands[0], &err);
    if (graph && ai_cli_plan_graph(&plan, graph, &err) != AI_OK)
        status = ai_cli_failed(graph, &err);
    if (map && status == AI_CLI_OK && ai_cli_plan_map(&plan, map, &err) != AI_OK)
        status = ai_cli_failed(map, &err);
    ai_cli_plan_free(&plan);
    return status;
}

static int print_resource(const ai_model *model, const char *path, const char *name)
{
    ai_model_info about = AI_MODEL_INFO_INIT;
    ai_model_describe(model, &about);
    for (uint32_t i = 0; i < about.resource_count; i++) {
        ai_resource resource = AI_RESOURCE_INIT;
        ai_model_resource(model, i, &resource);
        if (strcmp(resource.name, name) == 0) {
            fwrite(resource.data, 1, resource.bytes, stdout);
            return AI_CLI_OK;
        }
    }
    return ai_cli_fail(path, "file has no resource '%.80s'", name);
}

static int run(const ai_cli_args *args)
{
    const char *path = args->operands[0];
    const char *resource = ai_cli_text(args, "resource");
    ai_cli_model m;
    ai_error err;
    int status = ai_cli_open(&m, args, path);
    if (status != AI_CLI_OK)
        return status;
    facts f = {.model = m.model};
    if (resource) {
        status = print_resource(m.model, path, resource);
    } else if (ai_session_open(&f.session, m.model, &m.options, &err) != AI_OK) {
        status = ai_cli_failed(path, &err);
    } else {
        collect(&f);
        status = draw(args, &f);
        if (status == AI_CLI_OK && ai_cli_flag(args, "json"))
            print_json(&f, ai_cli_flag(args, "steps"));
        else if (status == AI_CLI_OK)
            print_text(&f, ai_cli_flag(args, "steps"));
    }
    ai_session_close(f.session);
    ai_cli_close(&m);
    return status;
}

const ai_cli_command ai_command_info = {"info",
                                        "M.lai",
                                        "tells what a flat file holds and how much memory it takes",
                                        "Dimensions with a '*' may be chosen when a session opens.",
                                        options,
                                        AI_CLI_OPTION_COUNT(options),
                                        1,
                                        1,
                                        run};
