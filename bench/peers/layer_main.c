/* SPDX-License-Identifier: Apache-2.0
 * Runs one layer in bursts, as worker.py does a network.
 * usage: layer CHANNELS SIDE OUTPUTS KERNEL STRIDE PAD GROUP X WEIGHTS ANSWER (files of raw f32) */
#include "layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_RUNS = 1 << 20 };

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static float *floats(size_t count)
{
    float *data = aligned_alloc(64, (count * sizeof *data + 63) / 64 * 64);
    if (!data)
        exit(1);
    return data;
}

static float *read_floats(const char *path, size_t count)
{
    float *data = floats(count);
    FILE *in = fopen(path, "rb");
    if (!in || fread(data, sizeof *data, count, in) != count) {
        fprintf(stderr, "layer: %s is too short\n", path);
        exit(1);
    }
    fclose(in);
    return data;
}

static void write_floats(const char *path, const float *data, size_t count)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, sizeof *data, count, out) != count || fclose(out) != 0) {
        fprintf(stderr, "layer: %s cannot be written\n", path);
        exit(1);
    }
}

/* At least two runs, after one that does not count. */
static void burst(double seconds, double *times)
{
    layer_run();
    double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    double end = now(CLOCK_MONOTONIC) + seconds * 1e3;
    int count = 0;
    while (count < MAX_RUNS && (count < 2 || now(CLOCK_MONOTONIC) < end)) {
        double begin = now(CLOCK_MONOTONIC);
        layer_run();
        times[count++] = now(CLOCK_MONOTONIC) - begin;
    }
    printf("%.6f", (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count);
    for (int i = 0; i < count; i++)
        printf(" %.6f", times[i]);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 11)
        return 2;
    layer l = {atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), atoi(argv[4]),
               atoi(argv[5]), atoi(argv[6]), atoi(argv[7]), 0,
               NULL,          NULL,          NULL};
    l.out_side = (l.side + 2 * l.pad - l.kernel) / l.stride + 1;
    size_t taps = (size_t)l.kernel * (size_t)l.kernel;
    size_t y_count = (size_t)l.outputs * (size_t)l.out_side * (size_t)l.out_side;
    l.x = read_floats(argv[8], (size_t)l.channels * (size_t)l.side * (size_t)l.side);
    l.weights = read_floats(argv[9], (size_t)l.outputs * (size_t)(l.channels / l.group) * taps);
    l.y = floats(y_count);
    layer_open(&l);
    layer_run();
    layer_answer();
    write_floats(argv[10], l.y, y_count);
    printf("ready\n");
    fflush(stdout);
    static double times[MAX_RUNS];
    double seconds;
    while (scanf("%lf", &seconds) == 1)
        burst(seconds, times);
    return 0;
}
