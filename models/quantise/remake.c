/* SPDX-License-Identifier: Apache-2.0
 * The resource "int8": what became of each layer, what it cost, and all that it takes to do the
 * same again without the samples. docs/quantising.md describes the JSON. */
#include "quantise.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const form_names[] = {"int8", "s8 weights", "f32"};
static const char *const range_names[] = {"percentile", "min-max", "mse"};

/* ---- Writing ---- */

static void write_tensors(ai_calibration *c, const ai_graph *graph)
{
    const char *comma = "";
    ai_text_add(&c->json, "\"tensors\":{");
    for (uint32_t i = 0; i < c->value_count; i++) {
        if (!c->ranges[i].is_known)
            continue;
        ai_text_add(&c->json, "%s\n", comma);
        ai_text_quote(&c->json, graph->values[i].name);
        ai_text_add(&c->json, ":[%.9g,%.9g]", (double)c->ranges[i].lo, (double)c->ranges[i].hi);
        comma = ",";
    }
    ai_text_add(&c->json, "},\n");
}

static void write_bias(ai_calibration *c, const ai_layer *l)
{
    int64_t count = l->form == AI_FORM_INT8 ? l->channels : 0;
    while (count > 0 && l->bias[count - 1] == 0)
        count--;
    for (int64_t i = 0; i < count; i++)
        ai_text_add(&c->json, "%s%d", i == 0 ? ",\"bias\":[" : ",", l->bias[i]);
    if (count > 0)
        ai_text_add(&c->json, "]");
}

static void write_layers(ai_calibration *c)
{
    ai_text_add(&c->json, "\"layers\":[");
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const ai_layer *l = &c->layers[i];
        ai_text_add(&c->json, "%s\n{\"name\":", i > 0 ? "," : "");
        ai_text_quote(&c->json, l->name);
        ai_text_add(&c->json, ",\"op\":\"%s\",\"form\":\"%s\"", ai_op_find(l->op)->name,
                    form_names[l->form]);
        if (l->signal > 0)
            ai_text_add(&c->json, ",\"snr\":%.2f", ai_decibels(l->signal, l->noise));
        if (l->why != NULL)
            ai_text_add(&c->json, ",\"why\":\"%s\"", l->why);
        write_bias(c, l);
        ai_text_add(&c->json, "}");
    }
    ai_text_add(&c->json, "],\n");
}

ai_status ai_remake_write(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    if (c->options.recipe != NULL) {
        ai_text_add_utf8(&c->json, c->options.recipe, c->options.recipe_bytes);
    } else {
        ai_text_add(&c->json, "{\"ranges\":\"%s\",\"samples\":%zu,\"skipped\":%zu,\n",
                    range_names[c->options.ranges], c->sample_count, c->skipped_count);
        write_tensors(c, graph);
        write_layers(c);
        ai_text_add(&c->json,
                    "\"whole\":{\"rows\":%llu,\"same\":%llu,\"error\":%.6g,\"snr\":%.2f}}\n",
                    (unsigned long long)c->row_count, (unsigned long long)c->same_count, c->largest,
                    ai_decibels(c->signal, c->noise));
    }
    if (c->json.is_exhausted)
        return ai_fail(err, AI_E_MEMORY, "no memory for the report");
    return AI_OK;
}

/* ---- Reading: the caller may give anything. ---- */

static ai_status read_tensor(ai_calibration *c, const ai_graph *graph, const char *name,
                             json_t *range, ai_error *err)
{
    double lo = json_number_value(json_array_get(range, 0));
    double hi = json_number_value(json_array_get(range, 1));
    bool is_range = json_array_size(range) == 2 && json_is_number(json_array_get(range, 0)) &&
                    json_is_number(json_array_get(range, 1)) && lo <= 0 && hi >= 0 &&
                    isfinite((float)lo) && isfinite((float)hi) && isfinite((float)hi - (float)lo);
    if (!is_range)
        return ai_fail(err, AI_E_VALUE,
                       "int8: range of tensor '%.80s' is not [at most 0, at least 0]", name);
    for (uint32_t i = 0; i < graph->value_count; i++) {
        if (strcmp(graph->values[i].name, name) == 0) {
            c->ranges[i] = (ai_range){(float)lo, (float)hi, true};
            return AI_OK;
        }
    }
    return ai_fail(err, AI_E_VALUE, "int8: the network has no tensor '%.80s'", name);
}

static ai_status read_bias(ai_layer *l, json_t *bias, ai_error *err)
{
    size_t count = json_array_size(bias);
    if (count > (size_t)l->channels)
        return ai_fail(err, AI_E_VALUE, "int8: layer '%.80s' has %zu biases, it has %lld channels",
                       l->name, count, (long long)l->channels);
    for (size_t i = 0; i < count; i++) {
        json_int_t part = json_integer_value(json_array_get(bias, i));
        if (!json_is_integer(json_array_get(bias, i)) || part < INT32_MIN || part > INT32_MAX)
            return ai_fail(err, AI_E_VALUE, "int8: bias %zu of layer '%.80s' is no whole number", i,
                           l->name);
        l->bias[i] = (int32_t)part;
    }
    return AI_OK;
}

static ai_status read_layer(ai_calibration *c, json_t *from, bool *is_read, ai_error *err)
{
    const char *name = json_string_value(json_object_get(from, "name"));
    const char *form = json_string_value(json_object_get(from, "form"));
    ai_layer *l = name == NULL ? NULL : ai_layer_named(c, name);
    if (l == NULL)
        return ai_fail(err, AI_E_VALUE, "int8: the network has no layer '%.80s'",
                       name == NULL ? "" : name);
    for (int i = AI_FORM_INT8; i <= AI_FORM_F32; i++) {
        bool is_matrix = l->op == AI_OP_GEMM || l->op == AI_OP_MATMUL;
        bool can = i == AI_FORM_F32 || (l->inputs > 0 && (i == AI_FORM_INT8 || is_matrix));
        if (form == NULL || strcmp(form, form_names[i]) != 0 || !can)
            continue;
        l->form = (ai_layer_form)i;
        l->why = NULL;
        is_read[l - c->layers] = true;
        return read_bias(l, json_object_get(from, "bias"), err);
    }
    return ai_fail(err, AI_E_VALUE, "int8: layer '%.80s' has form '%.40s', which it cannot take",
                   name, form == NULL ? "" : form);
}

/* Every layer's form and range must be known. */
static ai_status check_layers(const ai_calibration *c, const ai_graph *graph, const bool *is_read,
                              ai_error *err)
{
    for (uint32_t i = 0; i < c->layer_count; i++) {
        const ai_layer *l = &c->layers[i];
        if (!is_read[i])
            return ai_fail(err, AI_E_VALUE, "int8: there is no layer '%.80s'", l->name);
        if (l->form != AI_FORM_INT8 || l->kind == AI_LAYER_MOVE)
            continue;
        int32_t unknown = c->ranges[l->out].is_known ? AI_NO_VALUE : l->out;
        for (uint32_t k = 0; k < l->inputs; k++) {
            int32_t value = ai_layer_input(graph, l, k);
            unknown = c->ranges[value].is_known ? unknown : value;
        }
        if (unknown >= 0)
            return ai_fail(err, AI_E_VALUE, "int8: there is no range of tensor '%.80s'",
                           graph->values[unknown].name);
    }
    return AI_OK;
}

static ai_status read_all(ai_calibration *c, const ai_graph *graph, json_t *root, ai_error *err)
{
    const char *name;
    json_t *item;
    size_t i;
    ai_status status = AI_OK;
    bool *is_read = calloc(c->layer_count + (size_t)1, sizeof *is_read);
    if (is_read == NULL)
        return ai_fail(err, AI_E_MEMORY, "no memory for %u layers", c->layer_count);
    json_object_foreach(json_object_get(root, "tensors"), name, item)
    {
        if (status == AI_OK)
            status = read_tensor(c, graph, name, item, err);
    }
    json_array_foreach(json_object_get(root, "layers"), i, item)
    {
        if (status == AI_OK)
            status = read_layer(c, item, is_read, err);
    }
    if (status == AI_OK)
        ai_layers_settle(c, graph);
    if (status == AI_OK)
        status = check_layers(c, graph, is_read, err);
    free(is_read);
    return status;
}

ai_status ai_remake_read(ai_calibration *c, const ai_graph *graph, ai_error *err)
{
    json_error_t where;
    json_t *root = json_loadb(c->options.recipe, c->options.recipe_bytes, 0, &where);
    if (!json_is_object(root)) {
        json_decref(root);
        return ai_fail(err, AI_E_FORMAT, "int8: line %d is no JSON: %.100s", where.line,
                       where.text);
    }
    ai_status status = read_all(c, graph, root, err);
    json_decref(root);
    return status;
}
