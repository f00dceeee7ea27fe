/* SPDX-License-Identifier: Apache-2.0
 * A profile as members of a JSON object. */
#include "profile.h"

static void print_numbers(const ai_cli_row *row, const ai_cli_profile *p)
{
    double mean = p->runs ? (double)row->total_ns / p->runs / 1e6 : 0;
    printf("\"op\":\"%s\",\"kernel\":\"%s\",\"ms\":%.6f,\"mean_ms\":%.6f,\"share\":%.6f", row->op,
           row->kernel, ai_cli_row_ms(row), mean, ai_cli_row_share(row, p));
    printf(",\"flops\":%llu,\"gflops\":%.3f,\"peak_share\":%.5f", (unsigned long long)row->flops,
           ai_cli_row_gflops(row), ai_cli_row_peak(row, p));
    printf(",\"bytes\":%llu,\"gigabytes_per_s\":%.3f}", (unsigned long long)row->bytes,
           ai_cli_row_gigabytes(row));
}

void ai_cli_profile_json(const ai_cli_profile *p)
{
    printf(",\"peak_gflops\":%.3f,\"steps\":[", p->peak);
    for (uint32_t i = 0; i < p->step_count; i++) {
        printf("%s{\"name\":", i ? "," : "");
        ai_cli_json(stdout, p->steps[i].name);
        putchar(',');
        print_numbers(&p->steps[i], p);
    }
    printf("],\"operators\":[");
    for (uint32_t i = 0; i < p->group_count; i++) {
        printf("%s{\"steps\":%u,", i ? "," : "", p->groups[i].count);
        print_numbers(&p->groups[i], p);
    }
    printf("],\"total\":{");
    print_numbers(&p->all, p);
}
