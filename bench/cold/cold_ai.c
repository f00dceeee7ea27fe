/* SPDX-License-Identifier: Apache-2.0
 * From exec to the first answer with libai. usage: cold-ai RUNS MODEL.lai */
#include "ai.h"
#include "cold.h"

typedef struct net {
    ai_session *session;
    ai_view in;
    ai_buffer out;
} net;

static void run(void *user)
{
    net *n = user;
    ai_error err;
    if (ai_infer(n->session, &n->in, 1, &n->out, 1, NULL, &err) != AI_OK)
        cold_fail("ai_infer", err.message);
}

int main(int argc, char **argv)
{
    static float input[COLD_INPUTS];
    static float output[COLD_MOST_OUTPUTS];
    net n = {NULL, {input, 0}, {output, 0}};
    ai_tensor_info in = AI_TENSOR_INFO_INIT;
    ai_tensor_info out = AI_TENSOR_INFO_INIT;
    ai_options options = AI_OPTIONS_INIT;
    ai_model *model;
    ai_error err;
    if (argc != 3)
        cold_fail("usage", "cold-ai RUNS MODEL.lai");
    options.threads = 1;
    if (ai_model_open(&model, argv[2], &err) != AI_OK ||
        ai_session_open(&n.session, model, &options, &err) != AI_OK)
        cold_fail(argv[2], err.message);
    if (ai_session_input(n.session, 0, &in) != AI_OK || in.bytes > sizeof(input) ||
        ai_session_output(n.session, 0, &out) != AI_OK || out.bytes > sizeof(output))
        cold_fail(argv[2], "has an input or output of another size");
    n.in.bytes = in.bytes;
    n.out.bytes = out.bytes;
    cold_fill(input);
    run(&n);
    cold_finish(argv[1], output, run, &n);
}
