/* SPDX-License-Identifier: Apache-2.0
 * The model's nodes as one flat list: a call of a function that the model brings along is replaced
 * by the function's nodes, with names of their own, and so is an If by those of its branch. */
#include "onnx.h"

#include <string.h>

enum {
    MAX_DEPTH = 16,
    MAX_OPERANDS = AI_FILE_MAX_OPERANDS,
    MAX_FORMALS = 256,
    MAX_FUNCTIONS = 4096
};

/* The nodes of the graph, of a function at one of its calls, or of a branch, which lies on its
 * surroundings in the stack of scopes. */
typedef struct scope {
    const AiOnnx__Function *function;
    const ai_onnx_branch *branch;
    const ai_onnx_node *call; /* or the If; NULL: the graph itself */
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

/* The name in the whole graph of what the branch itself makes. */
static const char *branch_name(ai_onnx *onnx, const scope *s, const char *name)
{
    const AiOnnx__Graph *g = s->branch->graph;
    for (size_t i = 0; i < g->n_output; i++)
        if (strcmp(text(g->output[i]->name), name) == 0 && *s->call->outputs[i] != '\0')
            return s->call->outputs[i];
    return ai_graph_format(onnx->graph, "%s/%s", ai_onnx_first_output(s->call), name);
}

/* The name in the whole graph of what a node inside the scope calls `name`. */
static const char *outer_name(ai_onnx *onnx, const scope *s, const char *name)
{
    while (s->branch != NULL && !ai_onnx_is_local(s->branch, name))
        s--;
    if (s->call == NULL || *name == '\0')
        return name;
    if (s->branch != NULL)
        return branch_name(onnx, s, name);
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
    if (s->call == NULL)
        return AI_OK;
    size_t names = node->n_input + node->n_output + 1;
    size_t formals = s->branch != NULL ? s->branch->graph->n_output
                                       : s->function->n_input + s->function->n_output;
    size_t prefix = strlen(s->call->name) + strlen(ai_onnx_first_output(s->call));
    size_t each = 16 + prefix + formals;
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
    while (s->branch != NULL) /* which has the attributes of the function that it lies in */
        s--;
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
    else if (s->call == NULL)
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
    stack[(*depth)++] = (scope){.function = f,
                                .call = call,
                                .nodes = f->node,
                                .node_count = f->n_node,
                                .opset = own_version(f->opset_import, f->n_opset_import)};
    return AI_OK;
}

/* ---- Branches ---- */

static ai_status check_branch(ai_onnx *onnx, const AiOnnx__Graph *g, const ai_onnx_node *node)
{
    if (g->n_input > 0)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "If '%.80s': its branch has %zu inputs, none is possible", node->name,
                            g->n_input);
    if (g->n_output != node->output_count)
        return ai_onnx_fail(onnx, AI_E_FORMAT,
                            "If '%.80s': it has %u outputs, its branch makes %zu", node->name,
                            node->output_count, g->n_output);
    if (g->n_sparse_initializer > 0)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED,
                            "If '%.80s': its branch has sparse initializers, only dense ones are "
                            "supported",
                            node->name);
    return AI_OK;
}

static ai_status add_tensors(ai_onnx *onnx, const scope *s)
{
    const AiOnnx__Graph *g = s->branch->graph;
    if (g->n_initializer == 0)
        return AI_OK;
    size_t count = onnx->tensor_count + g->n_initializer;
    size_t bytes = count * sizeof *onnx->tensors;
    size_t names = g->n_initializer * (strlen(ai_onnx_first_output(s->call)) + g->n_output);
    ai_status status = ai_onnx_charge(onnx, bytes + names);
    if (status != AI_OK)
        return status;
    ai_onnx_tensor *tensors = ai_graph_alloc(onnx->graph, bytes);
    if (tensors == NULL)
        return ai_onnx_no_memory(onnx);
    if (onnx->tensor_count > 0)
        memcpy(tensors, onnx->tensors, onnx->tensor_count * sizeof *tensors);
    for (size_t i = 0; i < g->n_initializer; i++) {
        const char *name = outer_name(onnx, s, text(g->initializer[i]->name));
        tensors[onnx->tensor_count + i] = (ai_onnx_tensor){name, g->initializer[i]};
        if (name == NULL)
            return ai_onnx_no_memory(onnx);
    }
    onnx->tensors = tensors;
    onnx->tensor_count = count;
    return AI_OK;
}

/* Whether output i of the branch is made outside it, or was handed out before: its name is then not
 * the If's. */
static bool is_passed_on(const scope *s, size_t i)
{
    const AiOnnx__Graph *g = s->branch->graph;
    const char *name = text(g->output[i]->name);
    if (!ai_onnx_is_local(s->branch, name))
        return true;
    for (size_t k = 0; k < i; k++)
        if (*s->call->outputs[k] != '\0' && strcmp(text(g->output[k]->name), name) == 0)
            return true;
    return false;
}

static ai_status pass_outputs_on(ai_onnx *onnx, const scope *s)
{
    ai_status status = AI_OK;
    for (uint32_t i = 0; i < s->call->output_count && status == AI_OK; i++) {
        const char *name = text(s->branch->graph->output[i]->name);
        if (*s->call->outputs[i] == '\0' || !is_passed_on(s, i))
            continue;
        const char **operands = ai_graph_alloc(onnx->graph, 2 * sizeof *operands);
        if (operands == NULL || (operands[0] = outer_name(onnx, s, name)) == NULL)
            return ai_onnx_no_memory(onnx);
        operands[1] = s->call->outputs[i];
        ai_onnx_node copy = {.name = operands[1],
                             .op_type = "Identity",
                             .domain = "",
                             .opset = s->opset,
                             .inputs = operands,
                             .outputs = operands + 1,
                             .input_count = 1,
                             .output_count = 1};
        status = append_node(onnx, &copy);
    }
    return status;
}

static ai_status enter_branch(ai_onnx *onnx, const ai_onnx_branch *branch, const ai_onnx_node *node,
                              scope *stack, uint32_t *depth)
{
    if (*depth == MAX_DEPTH)
        return ai_onnx_fail(onnx, AI_E_UNSUPPORTED, "If '%.80s' lies over %d branches deep",
                            node->name, MAX_DEPTH);
    ai_status status = check_branch(onnx, branch->graph, node);
    ai_onnx_node *call = ai_graph_alloc(onnx->graph, sizeof *call);
    if (status != AI_OK)
        return status;
    if (call == NULL)
        return ai_onnx_no_memory(onnx);
    *call = *node;
    scope *s = &stack[*depth];
    *s = (scope){.branch = branch,
                 .call = call,
                 .nodes = branch->graph->node,
                 .node_count = branch->graph->n_node,
                 .opset = node->opset};
    (*depth)++;
    status = add_tensors(onnx, s);
    return status == AI_OK ? pass_outputs_on(onnx, s) : status;
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

/* The next node of the scope: its own nodes if it is a call or an If that was decided. */
static ai_status list_node(ai_onnx *onnx, const AiOnnx__Node *proto, scope *stack, uint32_t *depth)
{
    const AiOnnx__Function *f = find_function(onnx, proto);
    const ai_onnx_branch *branch = NULL;
    ai_onnx_node node;
    ai_status status = copy_node(onnx, &stack[*depth - 1], proto, &node);
    node.depth = *depth;
    if (status == AI_OK && f != NULL)
        return enter(onnx, f, &node, stack, depth);
    if (status == AI_OK)
        status = check_opset(onnx, &node);
    if (status == AI_OK && ai_onnx_is_if(&node))
        status = ai_onnx_branch_of(onnx, &node, &branch);
    if (status == AI_OK && branch != NULL)
        return enter_branch(onnx, branch, &node, stack, depth);
    return status == AI_OK ? append_node(onnx, &node) : status;
}

ai_status ai_onnx_list_nodes(ai_onnx *onnx)
{
    const AiOnnx__Model *m = onnx->model;
    scope stack[MAX_DEPTH] = {{.nodes = m->graph->node,
                               .node_count = m->graph->n_node,
                               .opset = own_version(m->opset_import, m->n_opset_import)}};
    uint32_t depth = 1;
    ai_status status = AI_OK;
    onnx->graph->opset = stack[0].opset;
    onnx->node_count = 0;
    onnx->node_capacity = 0;
    onnx->tensor_count = 0;
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
        status = list_node(onnx, s->nodes[s->next++], stack, &depth);
    }
    return status;
}
