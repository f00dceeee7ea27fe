/* SPDX-License-Identifier: Apache-2.0
 * What requests took, counted, and the counters in Prometheus' format. */
#include <stdio.h>
#include <stdlib.h>

#include "faas.h"

/* Upper ends in seconds; the last has none. */
static const double bucket_end[AI_BUCKETS - 1] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1,   0.25,   0.5,   1,    2.5};

void ai_log_request(ai_function *f, const ai_log_entry *e)
{
    ai_metrics *m = &f->metrics;
    uint32_t bucket = 0;
    while (bucket < AI_BUCKETS - 1 && (double)e->ns / 1e9 > bucket_end[bucket])
        bucket++;
    pthread_mutex_lock(&m->lock);
    m->by_status[e->answer->status < 600 ? e->answer->status / 100 : 0]++;
    m->bucket[bucket]++;
    m->ns += e->ns;
    m->cpu_ns += e->answer->cpu_ns;
    m->bytes_in += e->bytes_in;
    m->bytes_out += e->bytes_out;
    pthread_mutex_unlock(&m->lock);
    if (!f->settings.is_quiet)
        ai_log_answer(e);
}

static void print_counters(FILE *out, const ai_metrics *m)
{
    fputs("# TYPE ai_requests_total counter\n", out);
    for (int i = 1; i < 6; i++)
        fprintf(out, "ai_requests_total{status=\"%dxx\"} %llu\n", i,
                (unsigned long long)m->by_status[i]);
    fprintf(out, "# TYPE ai_refused_total counter\nai_refused_total %llu\n",
            (unsigned long long)m->refused);
    fputs("# TYPE ai_request_seconds histogram\n", out);
    uint64_t count = 0;
    for (int i = 0; i < AI_BUCKETS; i++) {
        count += m->bucket[i];
        if (i < AI_BUCKETS - 1)
            fprintf(out, "ai_request_seconds_bucket{le=\"%g\"} %llu\n", bucket_end[i],
                    (unsigned long long)count);
        else
            fprintf(out, "ai_request_seconds_bucket{le=\"+Inf\"} %llu\n",
                    (unsigned long long)count);
    }
    fprintf(out, "ai_request_seconds_sum %.6f\nai_request_seconds_count %llu\n",
            (double)m->ns / 1e9, (unsigned long long)count);
    fprintf(out, "# TYPE ai_cpu_seconds_total counter\nai_cpu_seconds_total %.6f\n",
            (double)m->cpu_ns / 1e9);
    fprintf(out, "# TYPE ai_received_bytes_total counter\nai_received_bytes_total %llu\n",
            (unsigned long long)m->bytes_in);
    fprintf(out, "# TYPE ai_sent_bytes_total counter\nai_sent_bytes_total %llu\n",
            (unsigned long long)m->bytes_out);
    fprintf(out, "# TYPE ai_waiting_requests gauge\nai_waiting_requests %u\n", m->waiting);
    fprintf(out, "# TYPE ai_running_requests gauge\nai_running_requests %u\n", m->running);
}

char *ai_metrics_text(ai_function *f)
{
    char *text = NULL;
    size_t bytes;
    uint32_t reloaded;
    uint32_t refused;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    pthread_mutex_lock(&f->metrics.lock);
    ai_metrics copy = f->metrics;
    pthread_mutex_unlock(&f->metrics.lock);
    print_counters(out, &copy);
    ai_models_counts(f->models, &reloaded, &refused);
    fprintf(out, "# TYPE ai_model_reloads_total counter\nai_model_reloads_total %u\n", reloaded);
    fprintf(out, "# TYPE ai_model_refusals_total counter\nai_model_refusals_total %u\n", refused);
    fprintf(out, "# TYPE ai_log_lost_total counter\nai_log_lost_total %u\n", ai_log_lost());
    fprintf(out, "# TYPE ai_peak_memory_bytes gauge\nai_peak_memory_bytes %llu\n",
            (unsigned long long)ai_task_peak_bytes());
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
