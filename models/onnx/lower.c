/* SPDX-License-Identifier: Apache-2.0
 * Drives the lowering of ONNX nodes: the table, and what the lowering functions have in common. */
#include "onnx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const ai_lower_row rows[] = {
#define AI_LOWER(name, first, last, op, min_in, max_in, min_out, max_out, function)                \
    {name, first, last, op, min_in, max_in, min_out, max_out, function},
#include "lower.def"
#undef AI_LOWER
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0], MAX_MISSING = 32 };

/* Rows of other domains bear the domain before the name. */
static bool is_row_of(const ai_lower_row *row, const ai_onnx_node *node)
{
    size_t domain = strlen(node->domain);
    const char *name = row->name;
    if (domain > 0) {
        if (strncmp(name, node->domain, domain) != 0 || name[domain] != '.')
            return false;
        name += domain + 1;
    }
    return strcmp(name, node->op_type) == 0;
}

static const ai_lower_row *find_row(const ai_onnx_node *node)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (is_row_of(&rows[i], node) && (*node->domain != '\0' || (node->opset >= rows[i].first &&
                                                                    node->opset <= rows[i].last)))
            return &rows[i];
    return NULL;
}

/* An operator that has no row: the first node that needs it, and how many do. */
typedef struct missing_op {
    const ai_onnx_node *node;
    uint32_t count;
} missing_op;

static void count_missing(missing_op *ops, uint32_t *count, const ai_onnx_node *n)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp(ops[i].node->op_type, n->op_type) == 0 &&
            strcmp(ops[i].node->domain, n->domain) == 0) {
            ops[i].count++;
            return;
        }
    }
    if (*count < MAX_MISSING)
        ops[(*count)++] = (missing_op){n, 1};
}

/* "NonZero 'x', Resize 'up' (4 nodes), ...": the message has room for a few. */
static ai_status fail_missing(ai_onnx *onnx, const missing_op *ops, uint32_t count)
{
    char list[170] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < count && at < sizeof list - 40; i++) {
        const ai_onnx_node *n = ops[i].node;
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%.20s%s%.24s '%.32s'",
                               i > 0 ? ", " : "", n->domain, *n->domain != '\0' ? "." : "",
                               n->op_type, n->name);
        if (ops[i].count > 1 && at < sizeof list)
            at += (size_t)snprintf(list + at, sizeof list - at, " (%u nodes)", ops[i].count);
        if (i + 1 < count && at < sizeof list && at >= sizeof list - 40)
            snprintf(list + at, sizeof list - at, ", ...");
    }
    return ai_onnx_fail(
        onnx, AI_E_UNSUPPORTED, "%s%u operator%s not supported: %s (docs/operators.md)",
        count == MAX_MISSING ? "over " : "", count, count == 1 ? " is" : "s are", list);
}

ai_status ai_onnx_find_rows(ai_onnx *onnx)
{
    missing_op ops[MAX_MISSING];
    uint32_t count = 0;
    for (uint32_t i = 0; i < onnx->node_count; i++) {
        ai_onnx_node *n = &onnx->nodes[i];
        n->row = find_row(n);
        if (n->is_needed && *n->op_type == '\0')
            return ai_onnx_fail(onnx, AI_E_FORMAT, "node '%.100s' names no operator", n->name);
        if (n->row == NULL && n->is_needed)
            count_missing(ops, &count, n);
    }
    return count == 0 ? AI_OK : fail_missing(onnx, ops, count);
}

void ai_lower_fail(ai_lower *l, ai_status code, const char *format, ...)
{
    char text[AI_ONNX_TEXT];
    if (l->status != AI_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    l->status =
        ai_onnx_fail(l->onnx, code, "%.32s '%.80s': %s", l->node->op_type, l->node->name, text);
}

/* ---- Attributes ---- */

static ai_onnx_attribute *find_attribute(const ai_lower *l, const char *name)
{
    for (uint32_t i = 0; i < l->node->attribute_count; i++)
        if (strcmp(l->node->attributes[i].name, name) == 0)
            return &l->node->attributes[i];
    return NULL;
}

/* Files of old writers state no type: it follows from the field that is there. */
static int32_t attribute_type(const AiOnnx__Attribute *a)
{
    if (a->type != 0)
        return a->type;
    return a->has_f          ? AI_ONNX_ATTR_FLOAT
           : a->has_i        ? AI_ONNX_ATTR_INT
           : a->has_s        ? AI_ONNX_ATTR_STRING
           : a->t != NULL    ? AI_ONNX_ATTR_TENSOR
           : a->n_floats > 0 ? AI_ONNX_ATTR_FLOATS
           : a->n_ints > 0   ? AI_ONNX_ATTR_INTS
                             : 0;
}

static const char *attribute_type_name(int32_t type)
{
    static const char *const names[] = {"nothing", "float",  "int",  "string", "tensor",
                                        "graph",   "floats", "ints", "strings"};
    return type >= 0 && type < (int32_t)(sizeof names / sizeof names[0]) ? names[type]
                                                                         : "another type";
}

const AiOnnx__Attribute *ai_lower_attribute(ai_lower *l, const char *name, int32_t type)
{
    ai_onnx_attribute *a = find_attribute(l, name);
    if (a == NULL)
        return NULL;
    a->is_read = true;
    int32_t found = attribute_type(a->value);
    /* An empty list without a stated type has no field at all. */
    if (found != type && !(found == 0 && type >= AI_ONNX_ATTR_FLOATS)) {
        ai_lower_fail(l, AI_E_FORMAT, "attribute '%s' is %s, %s was needed", name,
                      attribute_type_name(found), attribute_type_name(type));
        return NULL;
    }
    return a->value;
}

bool ai_lower_has(const ai_lower *l, const char *name)
{
    return find_attribute(l, name) != NULL;
}

int64_t ai_lower_int(ai_lower *l, const char *name, int64_t value)
{
    const AiOnnx__Attribute *a = ai_lower_attribute(l, name, AI_ONNX_ATTR_INT);
    return a != NULL ? a->i : value;
}

int64_t ai_lower_int_in(ai_lower *l, const char *name, int64_t value, int64_t least, int64_t most)
{
    int64_t v = ai_lower_int(l, name, value);
    if (v >= least && v <= most)
        return v;
    ai_lower_fail(l, AI_E_UNSUPPORTED, "attribute '%s' is %lld, %lld to %lld was needed", name,
                  (long long)v, (long long)least, (long long)most);
    return value;
}

float ai_lower_float(ai_lower *l, const char *name, float value)
{
    const AiOnnx__Attribute *a = ai_lower_attribute(l, name, AI_ONNX_ATTR_FLOAT);
    return a != NULL ? a->f : value;
}

uint32_t ai_lower_choice(ai_lower *l, const char *name, const char *const *choices, uint32_t value)
{
    const AiOnnx__Attribute *a = ai_lower_attribute(l, name, AI_ONNX_ATTR_STRING);
    if (a == NULL)
        return value;
    for (uint32_t i = 0; choices[i] != NULL; i++)
        if (a->s.len == strlen(choices[i]) && /* of no bytes there is no address */
            (a->s.len == 0 || memcmp(a->s.data, choices[i], a->s.len) == 0))
            return i;
    ai_lower_fail(l, AI_E_UNSUPPORTED, "attribute '%s' is '%.*s', which is not supported", name,
                  a->s.len < 40 ? (int)a->s.len : 40, a->s.len > 0 ? (const char *)a->s.data : "");
    return value;
}

const int64_t *ai_lower_ints(ai_lower *l, const char *name, uint32_t *count)
{
    const AiOnnx__Attribute *a = ai_lower_attribute(l, name, AI_ONNX_ATTR_INTS);
    *count = 0;
    if (a == NULL)
        return NULL;
    if (a->n_ints > AI_FILE_MAX_OPERANDS) {
        ai_lower_fail(l, AI_E_UNSUPPORTED,
                      "attribute '%s' has %zu numbers, at most %d are supported", name, a->n_ints,
                      AI_FILE_MAX_OPERANDS);
        return NULL;
    }
    *count = (uint32_t)a->n_ints;
    return a->ints;
}

void ai_lower_ignore(ai_lower *l, const char *name)
{
    ai_onnx_attribute *a = find_attribute(l, name);
    if (a != NULL)
        a->is_read = true;
}

void ai_lower_only(ai_lower *l, const char *name, int64_t needed)
{
    int64_t v = ai_lower_int(l, name, needed);
    if (v != needed)
        ai_lower_fail(l, AI_E_UNSUPPORTED, "attribute '%s' is %lld, only %lld is supported", name,
                      (long long)v, (long long)needed);
}

/* ---- Values ---- */

int32_t ai_lower_input(const ai_lower *l, uint32_t i)
{
    return i < l->input_count ? l->inputs[i] : AI_NO_VALUE;
}

const ai_value *ai_lower_value(const ai_lower *l, uint32_t i)
{
    int32_t v = ai_lower_input(l, i);
    return v != AI_NO_VALUE ? &l->graph->values[v] : NULL;
}

ai_type ai_lower_type(const ai_lower *l, uint32_t i)
{
    const ai_value *v = ai_lower_value(l, i);
    return v != NULL ? v->type : 0;
}

static int32_t need_index(ai_lower *l, int32_t index)
{
    if (index < 0 && l->status == AI_OK)
        l->status = ai_onnx_no_memory(l->onnx);
    return index;
}

int32_t ai_lower_between(ai_lower *l, const char *suffix, ai_type type)
{
    if (l->status != AI_OK)
        return AI_NO_VALUE;
    const char *name = ai_graph_format(l->graph, "%s/%s", l->node->name, suffix);
    return need_index(l, name != NULL ? ai_graph_value(l->graph, name, type) : AI_NO_VALUE);
}

/* The name of output i if somebody uses it. */
static ai_onnx_name *used_output(const ai_lower *l, uint32_t i)
{
    if (i >= l->output_count || *l->node->outputs[i] == '\0')
        return NULL;
    ai_onnx_name *n = ai_onnx_find(l->onnx, l->node->outputs[i]);
    return n != NULL && n->is_used ? n : NULL;
}

int32_t ai_lower_output(ai_lower *l, uint32_t i, ai_type type)
{
    ai_onnx_name *n = used_output(l, i);
    if (l->status == AI_OK && l->is_inner)
        return i > 0 ? AI_NO_VALUE : (l->made = ai_lower_between(l, "part", type));
    if (l->status != AI_OK || (n == NULL && i > 0))
        return AI_NO_VALUE;
    if (n == NULL)
        return ai_lower_between(l, "unused", type);
    n->value = need_index(l, ai_graph_value(l->graph, n->name, type));
    return n->value;
}

void ai_lower_bind(ai_lower *l, uint32_t i, int32_t value)
{
    ai_onnx_name *n = used_output(l, i);
    if (n != NULL && l->status == AI_OK)
        n->value = value;
}

int32_t ai_lower_s64(ai_lower *l, const char *suffix, uint32_t rank, const int64_t *values,
                     uint32_t count)
{
    if (l->status != AI_OK)
        return AI_NO_VALUE;
    l->status = ai_onnx_charge(l->onnx, count * sizeof *values);
    if (l->status != AI_OK)
        return AI_NO_VALUE;
    int64_t dim = count;
    const char *name = ai_graph_format(l->graph, "%s/%s", l->node->name, suffix);
    int64_t *copy = ai_graph_alloc(l->graph, ((size_t)count + 1) * sizeof *copy);
    if (name == NULL || copy == NULL)
        return need_index(l, AI_NO_VALUE);
    if (count > 0)
        memcpy(copy, values, count * sizeof *copy);
    return need_index(
        l, ai_graph_constant(l->graph, name, AI_S64, rank, &dim, copy, count * sizeof *copy));
}

int32_t ai_lower_scalar(ai_lower *l, const char *suffix, ai_type type, float value)
{
    if (l->status != AI_OK)
        return AI_NO_VALUE;
    const char *name = ai_graph_format(l->graph, "%s/%s", l->node->name, suffix);
    float *copy = ai_graph_alloc(l->graph, sizeof *copy);
    if (name == NULL || copy == NULL)
        return need_index(l, AI_NO_VALUE);
    *copy = value;
    int32_t constant =
        need_index(l, ai_graph_constant(l->graph, name, AI_F32, 0, NULL, copy, sizeof *copy));
    if (type == AI_F32)
        return constant;
    ai_cast_params cast = {.type = (uint32_t)type};
    int32_t converted = need_index(l, ai_graph_value(l->graph, name, type));
    ai_lower_add(l, suffix, AI_OP_CAST, &cast, sizeof cast, &constant, 1, &converted, 1);
    return converted;
}

/* ---- Operators ---- */

void ai_lower_add(ai_lower *l, const char *suffix, uint16_t op, const void *params,
                  uint32_t param_bytes, const int32_t *inputs, uint32_t input_count,
                  const int32_t *outputs, uint32_t output_count)
{
    if (l->status != AI_OK)
        return;
    const char *name =
        suffix == NULL ? l->node->name : ai_graph_format(l->graph, "%s/%s", l->node->name, suffix);
    while (input_count > 0 && inputs[input_count - 1] == AI_NO_VALUE)
        input_count--;
    while (output_count > 0 && outputs[output_count - 1] == AI_NO_VALUE)
        output_count--;
    if (name == NULL)
        l->status = ai_onnx_no_memory(l->onnx);
    else
        need_index(l, ai_graph_add(l->graph, name, op, params, param_bytes, inputs, input_count,
                                   outputs, output_count));
}

void ai_lower_one(ai_lower *l, const void *params, uint32_t param_bytes)
{
    int32_t out = ai_lower_output(l, 0, ai_lower_type(l, 0));
    ai_lower_add(l, NULL, l->row->op, params, param_bytes, l->inputs, l->input_count, &out, 1);
}

void ai_lower_plain(ai_lower *l)
{
    ai_none_params none = {0};
    ai_lower_one(l, &none, sizeof none);
}

/* ---- The driver ---- */

ai_status ai_onnx_value_of(ai_onnx *onnx, ai_onnx_name *name)
{
    char what[120];
    if (name->value != AI_NO_VALUE)
        return AI_OK;
    if (name->tensor == NULL)
        return ai_onnx_fail(onnx, AI_E_INTERNAL, "tensor '%.100s' was not lowered", name->name);
    snprintf(what, sizeof what, "initializer '%.100s'", name->name);
    return ai_onnx_constant(onnx, name->tensor, what, name->name, &name->value);
}

static void set_inputs(ai_lower *l)
{
    const ai_onnx_node *n = l->node;
    l->inputs = ai_graph_alloc(l->graph, (n->input_count + 1) * sizeof *l->inputs);
    if (l->inputs == NULL) {
        l->status = ai_onnx_no_memory(l->onnx);
        return;
    }
    for (uint32_t i = 0; i < n->input_count && l->status == AI_OK; i++) {
        ai_onnx_name *name = *n->inputs[i] != '\0' ? ai_onnx_find(l->onnx, n->inputs[i]) : NULL;
        l->inputs[i] = AI_NO_VALUE;
        if (name == NULL)
            continue;
        l->status = ai_onnx_value_of(l->onnx, name);
        l->inputs[i] = name->value;
        l->input_count = i + 1;
    }
}

static void check_operands(ai_lower *l)
{
    const ai_lower_row *r = l->row;
    if (l->input_count > r->max_inputs)
        ai_lower_fail(l, AI_E_FORMAT, "it has %u inputs, at most %u are defined in opset %lld",
                      l->input_count, r->max_inputs, (long long)l->node->opset);
    for (uint32_t i = 0; i < r->min_inputs; i++)
        if (ai_lower_input(l, i) == AI_NO_VALUE)
            ai_lower_fail(l, AI_E_FORMAT, "input %u is missing, which opset %lld needs", i,
                          (long long)l->node->opset);
    if (l->output_count < r->min_outputs || l->output_count > r->max_outputs)
        ai_lower_fail(l, AI_E_FORMAT, "it has %u outputs, %u to %u were needed", l->output_count,
                      r->min_outputs, r->max_outputs);
}

static void check_leftovers(ai_lower *l)
{
    for (uint32_t i = 0; i < l->node->attribute_count; i++)
        if (!l->node->attributes[i].is_read)
            ai_lower_fail(l, AI_E_UNSUPPORTED, "attribute '%.60s' is not supported in opset %lld",
                          l->node->attributes[i].name, (long long)l->node->opset);
    for (uint32_t i = 0; i < l->output_count; i++) {
        const ai_onnx_name *n = used_output(l, i);
        if (n != NULL && n->value == AI_NO_VALUE)
            ai_lower_fail(l, AI_E_UNSUPPORTED, "output %u ('%.60s') is not supported", i, n->name);
    }
}

static ai_status lower_node(ai_onnx *onnx, ai_onnx_node *node)
{
    ai_lower l = {.onnx = onnx, .graph = onnx->graph, .node = node, .row = node->row};
    l.output_count = node->output_count;
    while (l.output_count > 0 && *node->outputs[l.output_count - 1] == '\0')
        l.output_count--;
    set_inputs(&l);
    check_operands(&l);
    if (l.status == AI_OK)
        node->row->lower(&l);
    check_leftovers(&l);
    return l.status;
}

ai_status ai_onnx_lower_nodes(ai_onnx *onnx)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < onnx->node_count && status == AI_OK; i++) {
        ai_onnx_node *node = &onnx->nodes[onnx->order[i]];
        if (node->is_needed)
            status = lower_node(onnx, node);
    }
    return status;
}
