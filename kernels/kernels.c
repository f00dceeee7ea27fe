/* SPDX-License-Identifier: Apache-2.0
 * The table of all kernels and the choice of one by the levels that a machine has. */
#include "ai.h"
#include "format.h"
#include "kernels.h"

#define AI_KERNEL(op, act, weight, layout, cpu, fn) ai_kernel_fn fn;
#include "kernels.def"
#undef AI_KERNEL

#define AI_KERNEL(op, act, weight, layout, cpu, fn)                                                \
    {op, AI_##act, AI_##weight, layout, AI_CPU_##cpu, fn, #fn},
const ai_kernel ai_kernels[] = {
#include "kernels.def"
};
#undef AI_KERNEL

const uint32_t ai_kernel_count = sizeof ai_kernels / sizeof *ai_kernels;

const ai_kernel *ai_kernel_find(uint32_t op, uint32_t act_type, uint32_t weight_type,
                                uint32_t layout, uint32_t cpu)
{
    cpu |= AI_CPU_REF;
    for (uint32_t i = ai_kernel_count; i > 0; i--) {
        const ai_kernel *k = &ai_kernels[i - 1];
        if (k->op == op && k->act_type == act_type && k->weight_type == weight_type &&
            k->layout == layout && (k->cpu & cpu) &&
            (k->cpu != AI_CPU_AMX || ai_cpu_may_use_tiles()))
            return k;
    }
    return NULL;
}
