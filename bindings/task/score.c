/* SPDX-License-Identifier: Apache-2.0
 * Softmax with the same bits on every machine: exp is a polynomial of its own, of libm only
 * rounding and scaling by powers of two are called, which IEEE 754 fixes. */
#include <math.h>

#include "task.h"

/* exp(x) for x <= 0 within one ulp or two: x = n ln 2 + r with |r| <= ln 2 / 2, and the Taylor
 * series of exp(r) to the 13th power, whose remainder is under 2^-57. ln 2 is split so that n times
 * its upper part is exact. */
double ai_task_exp(double x)
{
    static const double inverse_factorial[14] = {1.0,
                                                 1.0,
                                                 1.0 / 2,
                                                 1.0 / 6,
                                                 1.0 / 24,
                                                 1.0 / 120,
                                                 1.0 / 720,
                                                 1.0 / 5040,
                                                 1.0 / 40320,
                                                 1.0 / 362880,
                                                 1.0 / 3628800,
                                                 1.0 / 39916800,
                                                 1.0 / 479001600,
                                                 1.0 / 6227020800.0};
    const double log2_e = 0x1.71547652b82fep+0;
    const double ln2_upper = 0x1.62e42fee00000p-1;
    const double ln2_lower = 0x1.a39ef35793c76p-33;
    if (x < -746.0)
        return 0.0;
    double n = rint(x * log2_e);
    double r = (x - n * ln2_upper) - n * ln2_lower;
    double sum = inverse_factorial[13];
    for (int i = 12; i >= 0; i--)
        sum = sum * r + inverse_factorial[i];
    return ldexp(sum, (int)n);
}

void ai_task_softmax(float *scores, uint32_t count)
{
    float most = scores[0];
    for (uint32_t i = 1; i < count; i++)
        most = scores[i] > most ? scores[i] : most;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += ai_task_exp((double)scores[i] - (double)most);
    for (uint32_t i = 0; i < count; i++)
        scores[i] = (float)(ai_task_exp((double)scores[i] - (double)most) / sum);
}
