/* SPDX-License-Identifier: Apache-2.0
 * The model's nodes as one flat list: a call of a function that the model brings along is replaced
 * by the function's nodes, with names of their own. */
#include "onnx.h"

#include <string.h>

enum {
    MAX_DEPTH = 16,
    MAX_OPERANDS = AI_FILE_MAX_OPERANDS,
    MAX_FORMALS = 256,
    MAX_FUNCTIONS = 4096
};

/* The nodes of the graph, or of a function at one of its calls. */
typedef struct scope {
    const AiOnnx__Function *function; /* NULL: the graph itself */
    const ai_onnx_node *call;
    AiOnnx__Node **nodes;
    size_t node_count;
    size_t next;
    int64_t opset; /* of ONNX's own operators; 0: none */
} scope;

static const char *text(const char *string)
{
    return string != NULL ? string : "";
}

static bool is_own_domain(const char *domain)
{
    return *domain == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static int64_t own_version(AiOnnx__OperatorSet **sets, size_t count)
{
    int64_t version = 0;
    for (size_t i = 0; i < count; i++)
        if (is_own_domain(text(sets[i]->domain)) && sets[i]->version > version)
            version = sets[i]->version;
    return version;
}

static const AiOnnx__Function *find_function(const ai_onnx *onnx, const AiOnnx__Node *node)
{
    const char *domain = text(node->domain);
    for (size_t i = 0; i < onnx->model->n_functions; i++) {
        const AiOnnx__Function *f = onnx->model->functions[i];
        bool is_same_domain = strcmp(text(f->domain), domain) == 0 ||
                              (is_own_domain(text(f->domain)) && is_own_domain(domain));
        if (is_same_domain && strcmp(text(f->name), text(node->op_type)) == 0 &&
            strcmp(text(f->overload), text(node->overload)) == 0)
            return f;
    }
    return NULL;
}

/* The name in the whole graph of what a node inside the scope calls `name`. */
static const char *outer_name(ai_onnx *onnx, const scope *s, const char *name)
{
    if (s->function == NULL || *name == '\0')
        return name;
    for (size_t i = 0; i < s->function->n_input; i++)
        if (strcmp(s->function->input[i], name) == 0)
            return i < s->call->input_count ? s->call->inputs[i] : "";
    for (size_t i = 0; i < s->function->n_output; i++)
        if (strcmp(s->function->output[i], name) == 0 && i < s->call->output_count &&
            *s->call->outputs[i] != '\0')
            return s->call->outputs[i];
    return ai_graph_format(onnx->graph, "%s/%s", s->call->name, name);
}

/* What a node inside a function takes: few bytes of the file may call it without end. The search
 * among the formal names counts too. */
static ai_status charge_node(ai_onnx *onnx, const scope *s, const AiOnnx__Node *node)
{
    if (s->function == NULL)
        return AI_OK;
    size_t names = node->n_input + node->n_output + 1;
    size_t each = 16 + strlen(s->call->name) + s->function->n_input + s->function->n_output;
    size_t attributes = node->n_attribute * sizeof(ai_onnx_attribute);
    return ai_onnx_charge(onnx, sizeof(ai_onnx_node) + names * each + attributes);
}

static ai_status copy_names(ai_onnx *onnx, const scope *s, char *const *names, size_t count,
                            const char ***out)
{
    *out = ai_graph_alloc(onnx->graph, (count + 1) * sizeof **out);
    if (*out == NULL)
        return ai_onnx_no_memory(onnx);
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = outer_name(onnx, s, text(names[i]));
        if ((*out)[i] == NULL)
            return ai_onnx_no_memory(onnx);
    }
    return AI_OK;
}

/* What an attribute that refers to one of the function's own stands for; NULL: nothing, the
 * attribute is left out. */
static const AiOnnx__Attribute *referred(const scope *s, const char *name)
{
    for (uint32_t i = 0; i < s->call->attribute_count; i++)
        if (strcmp(s->call->attributes[i].name, name) == 0)
            return s->call->attributes[i].value;
    for (size_t i = 0; i < s->function->n_attribute_proto; i++)
        if (strcmp(text(s->function->attribute_proto[i]->name), name) == 0)
            return s->function->attribute_proto[i];
    return NULL;
}

static ai_status copy_attributes(ai_onnx *onnx, const scope *s, const AiOnnx__Node *node,
                                 ai_onnx_node *out)
{
    out->attributes =
        ai_graph_alloc(onnx->graph, (node->n_attribute + 1) * sizeof *out->attributes);
    if (out->attributes == NULL)
        return ai_onnx_no_memory(onnx);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const AiOnnx__Attribute *a = node->attribute[i];
        const char *name = text(a->name);
        if (*text(a->ref_attr_name) != '\0')
            a = s->function != NULL ? referred(s, a->ref_attr_name) : NULL;
        if (a == NULL && s->function == NULL)
            return ai_onnx_fail(
                onnx, AI_E_FORMAT,
                "%.40s '%.80s': attribute '%.40s' refers to a function's, the node is in none",
                out->op_type, out->name, name);
        for (uint32_t j = 0; j < out->attribute_count; j++)
            if (strcmp(out->attributes[j].name, name) == 0)
                return ai_onnx_fail(onnx, AI_E_FORMAT,
                                    "%.40s '%.80s': attribute '%.40s' is given twice", out->op_type,
                                    out->name, name);
        if (a != NULL)
            out->attributes[out->attribute_count++] = (ai_onnx_attribute){name, a, false};
    }
    return AI_OK;
}

static ai_status name_node(ai_onnx *onnx, const scope *s, const AiOnnx__Node *node,
                           ai_onnx_node *out)
{
    if (*text(node->name) == '\0')
        out->name = out->output_count > 0 ? out->outputs[0] : "";
    else if (s->function == NULL)
        out->name = node->name;
    else
        out->name = ai_graph_format(onnx->graph, "%s/%s", s->call->name, node->name);
    return out->name != NULL ? AI_OK : ai_onnx_no_memory(onnx);
}

static ai_status copy_node(ai_onnx *onnx, const scope *s, const AiOnnx__Node *node,
                           ai_onnx_node *out)
{
    *out = (ai_onnx_node){
        .op_type = text(node->op_type), .domain = text(node->domain), .opset = s->opset};
    if (is_own_domain(out->domain))
        out->domain = "";
    if (node->n_input > MAX_OPERANDS || node->n_output > MAX_OPERANDS || node->n_attribute > 256)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "%.40s '%.80s': it has %zu inputs, %zu outputs and %zu attributes, "
                            "more than are supported",
                            out->op_type, text(node->name), node->n_input, node->n_output,
                            node->n_attribute);
    out->input_count = (uint32_t)node->n_input;
    out->output_count = (uint32_t)node->n_output;
    ai_status status = charge_node(onnx, s, node);
    if (status == AI_OK)
        status = ai_onnx_check_text(onnx, "name of a node", text(node->name));
    if (status == AI_OK)
        status = copy_names(onnx, s, node->input, node->n_input, &out->inputs);
    if (status == AI_OK)
        status = copy_names(onnx, s, node->output, node->n_output, &out->outputs);
    if (status == AI_OK)
        status = name_node(onnx, s, node, out);
    return status == AI_OK ? copy_attributes(onnx, s, node, out) : status;
}

static ai_status check_opset(ai_onnx *onnx, const ai_onnx_node *node)
{
    if (*node->domain != '\0')
        return AI_OK;
    if (node->opset == 0)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "the model imports no opset of ONNX, one from %d to %d was needed",
                            AI_ONNX_OLDEST, AI_ONNX_NEWEST);
    if (node->opset > AI_ONNX_NEWEST)
        return ai_onnx_fail(onnx, AI_E_VERSION,
                            "the model is of opset %lld, the newest known is %d",
                            (long long)node->opset, AI_ONNX_NEWEST);
    if (node->opset < AI_ONNX_OLDEST)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "the model is of opset %lld, the oldest supported is %d: convert it "
                            "with onnx.version_converter",
                            (long long)node->opset, AI_ONNX_OLDEST);
    return AI_OK;
}

static ai_status append_node(ai_onnx *onnx, const ai_onnx_node *node)
{
    if (onnx->node_count == AI_FILE_MAX_STEPS)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED, "the graph has over %d nodes",
                            AI_FILE_MAX_STEPS);
    if (onnx->node_count == onnx->node_capacity) {
        uint32_t capacity = onnx->node_capacity > 0 ? onnx->node_capacity * 2 : 64;
        ai_onnx_node *nodes = ai_graph_alloc(onnx->graph, capacity * sizeof *nodes);
        if (nodes == NULL)
            return ai_onnx_no_memory(onnx);
        if (onnx->node_count > 0)
            memcpy(nodes, onnx->nodes, onnx->node_count * sizeof *nodes);
        onnx->nodes = nodes;
        onnx->node_capacity = capacity;
    }
    onnx->nodes[onnx->node_count++] = *node;
    return AI_OK;
}

/* An output that is an input too would be made by no node. */
static ai_status check_formals(ai_onnx *onnx, const AiOnnx__Function *f, const ai_onnx_node *call)
{
    if (f->n_input > MAX_FORMALS || f->n_output > MAX_FORMALS)
        return ai_onnx_fail(
            onnx, AI_E_UNSUPPORTED,
            "function '%.80s' has %zu inputs and %zu outputs, at most %d are supported",
            text(f->name), f->n_input, f->n_output, MAX_FORMALS);
    if (call->input_count > f->n_input || call->output_count > f->n_output)
        return ai_onnx_fail(
            onnx, AI_E_FORMAT,
            "%.40s '%.80s': it has %u inputs and %u outputs, the function has %zu and %zu",
            call->op_type, call->name, call->input_count, call->output_count, f->n_input,
            f->n_output);
    for (size_t i = 0; i < f->n_output; i++)
        for (size_t j = 0; j < f->n_input; j++)
            if (strcmp(f->output[i], f->input[j]) == 0)
                return ai_onnx_fail(
                    onnx, AI_E_UNSUPPORTED,
                    "function '%.80s': output '%.80s' is an input, which is not supported",
                    text(f->name), f->output[i]);
    return AI_OK;
}

static ai_status enter(ai_onnx *onnx, const AiOnnx__Function *f, const ai_onnx_node *node,
                       scope *stack, uint32_t *depth)
{
    if (*depth == MAX_DEPTH)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED, "function '%.80s' lies over %d calls deep",
                            text(f->name), MAX_DEPTH);
    ai_status status = check_formals(onnx, f, node);
    ai_onnx_node *call = ai_graph_alloc(onnx->graph, sizeof *call);
    if (status != AI_OK)
        return status;
    if (call == NULL)
        return ai_onnx_no_memory(onnx);
    *call = *node;
    stack[(*depth)++] =
        (scope){f, call, f->node, f->n_node, 0, own_version(f->opset_import, f->n_opset_import)};
    return AI_OK;
}

/* At a function's end: what its call uses was made by its nodes. */
static ai_status check_made(ai_onnx *onnx, const scope *s)
{
    const AiOnnx__Function *f = s->function;
    for (size_t i = 0; f != NULL && i < f->n_output && i < s->call->output_count; i++) {
        bool is_made = *s->call->outputs[i] == '\0';
        for (size_t n = 0; n < f->n_node && !is_made; n++)
            for (size_t k = 0; k < f->node[n]->n_output && !is_made; k++)
                is_made = strcmp(text(f->node[n]->output[k]), f->output[i]) == 0;
        if (!is_made)
            return ai_onnx_fail(onnx, AI_E_FORMAT,
                                "function '%.80s': its output '%.80s' is made by none of its nodes",
                                text(f->name), f->output[i]);
    }
    return AI_OK;
}

ai_status ai_onnx_list_nodes(ai_onnx *onnx)
{
    const AiOnnx__Model *m = onnx->model;
    scope stack[MAX_DEPTH] = {{NULL, NULL, m->graph->node, m->graph->n_node, 0,
                               own_version(m->opset_import, m->n_opset_import)}};
    uint32_t depth = 1;
    ai_status status = AI_OK;
    onnx->graph->opset = stack[0].opset;
    if (m->n_functions > MAX_FUNCTIONS)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "the model has %zu functions, at most %d are supported", m->n_functions,
                            MAX_FUNCTIONS);
    while (depth > 0 && status == AI_OK) {
        scope *s = &stack[depth - 1];
        if (s->next == s->node_count) {
            status = check_made(onnx, s);
            depth--;
            continue;
        }
        const AiOnnx__Node *proto = s->nodes[s->next++];
        const AiOnnx__Function *f = find_function(onnx, proto);
        ai_onnx_node node;
        status = copy_node(onnx, s, proto, &node);
        if (status == AI_OK && f != NULL)
            status = enter(onnx, f, &node, stack, &depth);
        else if (status == AI_OK)
            status = check_opset(onnx, &node);
        if (status == AI_OK && f == NULL)
            status = append_node(onnx, &node);
    }
    return status;
}
