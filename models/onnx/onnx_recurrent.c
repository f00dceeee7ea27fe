/* SPDX-License-Identifier: Apache-2.0
 * RNN, GRU and LSTM. Weights are transposed, so that a row holds what one input contributes. */
#include "onnx.h"

#include <math.h>
#include <string.h>
#include <strings.h>

static const char *const directions[] = {"forward", "reverse", "bidirectional", NULL};

/* Functions by their AI_FUNCTION_* number; which numbers they take, and those they have by default
 * (ONNX's of the operator of that name; NAN: none). */
static const struct {
    const char *name;
    bool has_alpha;
    bool has_beta;
    float alpha;
    float beta;
} functions[AI_FUNCTION_COUNT] = {
    [AI_FUNCTION_AFFINE] = {"Affine", true, true, 1, 0},
    [AI_FUNCTION_RELU] = {"Relu", false, false, 0, 0},
    [AI_FUNCTION_LEAKY_RELU] = {"LeakyRelu", true, false, 0.01f, 0},
    [AI_FUNCTION_THRESHOLDED_RELU] = {"ThresholdedRelu", true, false, 1, 0},
    [AI_FUNCTION_TANH] = {"Tanh", false, false, 0, 0},
    [AI_FUNCTION_SCALED_TANH] = {"ScaledTanh", true, true, NAN, NAN},
    [AI_FUNCTION_SIGMOID] = {"Sigmoid", false, false, 0, 0},
    [AI_FUNCTION_HARD_SIGMOID] = {"HardSigmoid", true, true, 0.2f, 0.5f},
    [AI_FUNCTION_ELU] = {"Elu", true, false, 1, 0},
    [AI_FUNCTION_SOFTSIGN] = {"Softsign", false, false, 0, 0},
    [AI_FUNCTION_SOFTPLUS] = {"Softplus", false, false, 0, 0},
};

/* Numbers of an attribute, taken by the functions that want one, in their order. */
typedef struct numbers {
    const char *name;
    const AiOnnx__Attribute *list; /* NULL: absent */
    size_t taken;
} numbers;

static float take(ai_lower *l, numbers *n, bool is_wanted, float standard, const char *function)
{
    if (is_wanted && n->list != NULL && n->taken < n->list->n_floats)
        return n->list->floats[n->taken++];
    if (is_wanted && isnan(standard))
        ai_lower_fail(l, AI_E_FORMAT, "%s has no number in attribute '%s'", function, n->name);
    return standard;
}

static uint32_t find_function(ai_lower *l, const ProtobufCBinaryData *name)
{
    for (uint32_t i = 0; i < AI_FUNCTION_COUNT; i++) {
        if (name->len == strlen(functions[i].name) &&
            strncasecmp((const char *)name->data, functions[i].name, name->len) == 0)
            return i;
    }
    ai_lower_fail(l, AI_E_UNSUPPORTED, "activation '%.*s' is not supported",
                  name->len < 40 ? (int)name->len : 40, (const char *)name->data);
    return 0;
}

/* `standard`: the functions of one direction, `count` of them. */
static void set_functions(ai_lower *l, ai_recurrent_params *p, const uint32_t *standard,
                          uint32_t count)
{
    const AiOnnx__Attribute *names = ai_lower_attribute(l, "activations", AI_ONNX_ATTR_STRINGS);
    numbers alpha = {"activation_alpha", NULL, 0};
    numbers beta = {"activation_beta", NULL, 0};
    uint32_t sides = p->direction == AI_BIDIRECTIONAL ? 2 : 1;
    alpha.list = ai_lower_attribute(l, alpha.name, AI_ONNX_ATTR_FLOATS);
    beta.list = ai_lower_attribute(l, beta.name, AI_ONNX_ATTR_FLOATS);
    if (names != NULL && names->n_strings != sides * count)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'activations' has %zu names, %u were needed",
                      names->n_strings, sides * count);
    for (uint32_t i = 0; i < sides * count && l->status == AI_OK; i++) {
        uint32_t f = names ? find_function(l, &names->strings[i]) : standard[i % count];
        p->activation[3 * (i / count) + i % count] = (ai_recurrent_activation){
            .function = f,
            .alpha = take(l, &alpha, functions[f].has_alpha, functions[f].alpha, functions[f].name),
            .beta = take(l, &beta, functions[f].has_beta, functions[f].beta, functions[f].name),
        };
    }
}

static uint32_t hidden_size(ai_lower *l, uint32_t gates)
{
    const ai_value *r = ai_lower_value(l, 2);
    int64_t size = ai_lower_int(l, "hidden_size", 0);
    if (size == 0 && r != NULL && r->has_shape && r->rank == 3)
        size = r->dim[2];
    if (size < 1 || size > INT32_MAX / (int64_t)gates)
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'hidden_size' is %lld, 1 to %lld was needed",
                      (long long)size, INT32_MAX / (long long)gates);
    return (uint32_t)size;
}

/* The weight with its last two dimensions exchanged. */
static int32_t transpose(ai_lower *l, uint32_t i, const char *suffix)
{
    const ai_axes_params p = {.count = 3, .axes = {0, 2, 1}};
    int32_t in = ai_lower_input(l, i);
    int32_t out = ai_lower_between(l, suffix, AI_F32);
    ai_lower_add(l, suffix, AI_OP_TRANSPOSE, &p, sizeof p, &in, 1, &out, 1);
    return out;
}

/* Adds the operator. No input beyond the eighth is there, no output beyond the third. */
static void add(ai_lower *l, ai_recurrent_params *p, uint32_t gates, const uint32_t *standard,
                uint32_t count)
{
    int32_t in[8];
    int32_t out[3];
    p->direction = ai_lower_choice(l, "direction", directions, AI_FORWARD);
    p->clip = ai_lower_has(l, "clip") ? ai_lower_float(l, "clip", 0) : INFINITY;
    if (!(p->clip > 0))
        ai_lower_fail(l, AI_E_FORMAT, "attribute 'clip' is %g, more than 0 was needed",
                      (double)p->clip);
    if (ai_lower_int_in(l, "layout", 0, 0, 1) == 1)
        p->flags |= AI_BATCH_FIRST;
    p->hidden_size = hidden_size(l, gates);
    set_functions(l, p, standard, count);
    for (uint32_t i = 0; i < l->input_count; i++) {
        if (i != 4 && ai_lower_input(l, i) != AI_NO_VALUE && ai_lower_type(l, i) != AI_F32)
            ai_lower_fail(l, AI_E_UNSUPPORTED, "input %u is %s, f32 was needed", i,
                          ai_type_name(ai_lower_type(l, i)));
        in[i] = i == 1 || i == 2 ? transpose(l, i, i == 1 ? "W" : "R") : ai_lower_input(l, i);
    }
    for (uint32_t i = 0; i < 3; i++)
        out[i] = i < l->output_count || i == 0 ? ai_lower_output(l, i, AI_F32) : AI_NO_VALUE;
    ai_lower_add(l, NULL, l->row->op, p, sizeof *p, in, l->input_count, out, 3);
}

void ai_lower_rnn(ai_lower *l)
{
    static const uint32_t standard[] = {AI_FUNCTION_TANH};
    ai_recurrent_params p = {0};
    add(l, &p, 1, standard, 1);
}

void ai_lower_gru(ai_lower *l)
{
    static const uint32_t standard[] = {AI_FUNCTION_SIGMOID, AI_FUNCTION_TANH};
    ai_recurrent_params p = {0};
    if (ai_lower_int(l, "linear_before_reset", 0) != 0)
        p.flags = AI_LINEAR_BEFORE_RESET;
    add(l, &p, 3, standard, 2);
}

void ai_lower_lstm(ai_lower *l)
{
    static const uint32_t standard[] = {AI_FUNCTION_SIGMOID, AI_FUNCTION_TANH, AI_FUNCTION_TANH};
    ai_recurrent_params p = {0};
    if (ai_lower_int(l, "input_forget", 0) != 0)
        p.flags = AI_INPUT_FORGET;
    add(l, &p, 4, standard, 3);
}
