/* SPDX-License-Identifier: Apache-2.0
 * What the programs of the cold start share. */
#include "cold.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void cold_fill(float *input)
{
    uint32_t x = 1;
    for (int i = 0; i < COLD_INPUTS; i++) {
        x ^= x << 13; /* Marsaglia 2003 */
        x ^= x >> 17;
        x ^= x << 5;
        input[i] = (float)(x >> 8) * 0x1p-23f - 1;
    }
}

void cold_fail(const char *what, const char *message)
{
    fprintf(stderr, "%s: %s\n", what, message ? message : "failed");
    _exit(1);
}

void *cold_map(const char *path, size_t *bytes)
{
    struct stat info;
    int file = open(path, O_RDONLY);
    if (file < 0 || fstat(file, &info) != 0)
        cold_fail(path, "cannot be read");
    *bytes = (size_t)info.st_size;
    void *data = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    close(file);
    if (data == MAP_FAILED)
        cold_fail(path, "cannot be mapped");
    return data;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void cold_finish(const char *runs, const float *answer, cold_run_fn *run, void *user)
{
    const size_t bytes = COLD_OUTPUTS * sizeof(float);
    double least = 1e9;
    if (write(STDOUT_FILENO, answer, bytes) != (ssize_t)bytes)
        cold_fail("stdout", "cannot be written");
    int count = atoi(runs);
    for (int i = 0; i < count; i++) {
        double begin = now_ms();
        run(user);
        double took = now_ms() - begin;
        least = took < least ? took : least;
    }
    if (count)
        fprintf(stderr, "%.4f\n", least);
    _exit(0);
}

void cold_symbol(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    if (!found)
        cold_fail(name, "is not in the library");
    memcpy(function, &found, sizeof(found));
}
