/* SPDX-License-Identifier: Apache-2.0
 * One call of oneDNN: operands, what follows the sum, then the run. */
#ifndef AI_ONEDNN_H
#define AI_ONEDNN_H

#include <stdbool.h>
#include <stdint.h>

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR != 2
#error "the back end is written for the interface of oneDNN 2"
#endif

enum { AI_ONEDNN_OPERANDS = 5 };

/* Made for each call and thrown away: nothing of it outlives the kernel. oneDNN itself keeps the
 * code that it generated, by shape, so that all calls but the first make their primitive in 3 us.
 */
typedef struct ai_onednn {
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t after; /* the sum */
    dnnl_exec_arg_t operands[AI_ONEDNN_OPERANDS];
    int operand_count;
    dnnl_status_t status; /* the first that was not success: what follows does nothing */
} ai_onednn;

void ai_onednn_begin(ai_onednn *c);
/* Names an operand; `id` is one of DNNL_ARG_*. It is only read unless it is the output. */
void ai_onednn_operand(ai_onednn *c, int id, const dnnl_memory_desc_t *desc, const float *data);
/* Adds a tensor of the output's shape to the sum, once all before it are named. */
void ai_onednn_add(ai_onednn *c, const dnnl_memory_desc_t *desc, const float *data);
/* Adds what already lies in the output. */
void ai_onednn_add_output(ai_onednn *c);
/* Clamps the sum; nothing for -inf and inf. */
void ai_onednn_clamp(ai_onednn *c, float lo, float hi);
/* Runs the operation on the calling thread alone, and ends the call; false: the library could not,
 * and the output holds nothing. */
bool ai_onednn_run(ai_onednn *c, const void *op);

#endif
