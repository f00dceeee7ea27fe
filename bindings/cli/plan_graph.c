/* SPDX-License-Identifier: Apache-2.0
 * A plan as a graph in Graphviz' language: a box a step, an arrow for each tensor that one step
 * hands to another. */
#include <string.h>

#include "drawing.h"
#include "plan.h"

/* Inside quotes: Graphviz reads UTF-8 and takes a backslash for an escape. */
static void print_label(FILE *f, const char *text)
{
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte < 0x20 || byte >= 0x7f) {
            fputc('?', f);
            continue;
        }
        if (byte == '"' || byte == '\\')
            fputc('\\', f);
        fputc(byte, f);
    }
}

/* Weights: what the step reads of the file. */
static uint64_t weight_bytes(const ai_cli_plan *p, uint32_t step)
{
    uint64_t bytes = 0;
    ai_operand_info info = AI_OPERAND_INFO_INIT;
    for (uint32_t k = 0; ai_session_operand(p->session, step, k, &info) == AI_OK; k++)
        bytes += info.place == AI_PLACE_FILE ? info.bytes : 0;
    return bytes;
}

/* Views and what ran when the session opened are grey: nothing is left of them in a run. */
static bool is_run(const ai_step_info *step)
{
    return strcmp(step->kernel, "view") != 0 && strcmp(step->kernel, "folded") != 0;
}

static void print_step(FILE *f, const ai_cli_plan *p, uint32_t i)
{
    char text[32];
    const ai_step_info *step = &p->steps[i];
    uint64_t weights = is_run(step) ? weight_bytes(p, i) : 0;
    const char *colour = is_run(step) ? ai_cli_svg_colour(p->groups[i]) : "#bbbbbb";
    fprintf(f, "  s%u [color=\"%s\" label=\"%u  ", i, colour, i);
    print_label(f, step->op);
    if (step->name && *step->name) {
        fputs("\\n", f);
        print_label(f, step->name);
    }
    fprintf(f, "\\n%s", step->kernel);
    if (step->flops >= 10000)
        fprintf(f, "\\n%.2f MFLOP", (double)step->flops / 1e6);
    if (weights)
        fprintf(f, "\\nweights %s", ai_cli_bytes(text, weights));
    fputs("\"];\n", f);
}

static void print_end(FILE *f, const char *prefix, uint32_t tensor, const char *name, bool is_state)
{
    fprintf(f, "  %s%u [shape=ellipse color=\"%s\" label=\"", prefix, tensor,
            is_state ? "#bbbbbb" : "#333333");
    print_label(f, name);
    fputs(is_state ? "\\nstate\"];\n" : "\"];\n", f);
}

static void print_arrow(FILE *f, const char *from, uint32_t a, const char *to, uint32_t b,
                        const ai_operand_info *info)
{
    char dims[256];
    char bytes[32];
    fprintf(f, "  %s%u -> %s%u [label=\"  %s\\l  %s %s\\l\"];\n", from, a, to, b,
            ai_cli_dims(dims, info->rank, info->dim, 0), ai_cli_type_name(info->type),
            ai_cli_bytes(bytes, info->bytes));
}

static void print_arrows(FILE *f, const ai_cli_plan *p, uint32_t step)
{
    ai_operand_info info = AI_OPERAND_INFO_INIT;
    for (uint32_t k = 0; ai_session_operand(p->session, step, k, &info) == AI_OK; k++) {
        if (info.role != AI_ROLE_INPUT || info.tensor == AI_NO_TENSOR)
            continue;
        const ai_cli_value *v = &p->values[info.tensor];
        if (v->writer != AI_CLI_NO_STEP)
            print_arrow(f, "s", v->writer, "s", step, &info);
        else if (v->is_input || info.place == AI_PLACE_STATE)
            print_arrow(f, "t", info.tensor, "s", step, &info);
    }
}

static void print_graph(FILE *f, const void *plan)
{
    const ai_cli_plan *p = plan;
    fputs("digraph plan {\n  label=\"", f);
    print_label(f, p->model);
    fputs("\" labelloc=t fontname=\"sans-serif\"\n"
          "  node [shape=box style=rounded penwidth=2 fontname=\"sans-serif\" fontsize=11]\n"
          "  edge [color=\"#888888\" fontcolor=\"#555555\" fontname=\"sans-serif\" fontsize=9]\n",
          f);
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const ai_cli_value *v = &p->values[i];
        bool is_state = v->is_met && v->info.place == AI_PLACE_STATE;
        if (v->is_input || (is_state && v->writer == AI_CLI_NO_STEP))
            print_end(f, "t", i, v->info.name, is_state);
        if (v->is_output)
            print_end(f, "o", i, v->info.name, false);
    }
    for (uint32_t i = 0; i < p->about.step_count; i++)
        print_step(f, p, i);
    for (uint32_t i = 0; i < p->about.step_count; i++)
        print_arrows(f, p, i);
    for (uint32_t i = 0; i < p->tensor_count; i++) {
        const ai_cli_value *v = &p->values[i];
        if (v->is_output && v->writer != AI_CLI_NO_STEP)
            print_arrow(f, "s", v->writer, "o", i, &v->info);
    }
    fputs("}\n", f);
}

ai_status ai_cli_plan_graph(const ai_cli_plan *p, const char *path, ai_error *err)
{
    static const char *const formats[] = {"svg", "png", "pdf"};
    const char *dot = strrchr(path, '.');
    char option[] = "-Txxx";
    if (dot && (strcmp(dot, ".dot") == 0 || strcmp(dot, ".gv") == 0))
        return ai_cli_draw(path, NULL, print_graph, p, err);
    for (size_t i = 0; dot && i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(dot + 1, formats[i]) == 0) {
            memcpy(option + 2, formats[i], 3);
            char *const filter[] = {"dot", option, NULL};
            return ai_cli_draw(path, filter, print_graph, p, err);
        }
    }
    return ai_cli_error(err, AI_E_ARGUMENT, "a graph is written as .dot, .gv, .svg, .png or .pdf");
}
