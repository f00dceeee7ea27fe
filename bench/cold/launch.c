/* SPDX-License-Identifier: Apache-2.0
 * Starts a program, waits for its end and prints what it took as one line of JSON on stderr. A
 * process of its own because the peak memory of a child counts what its parent held at the fork.
 * usage: launch PROGRAM ARGUMENTS... */
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms(struct timeval t)
{
    return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

int main(int argc, char **argv)
{
    pid_t child;
    int status;
    struct rusage used;
    double begin = now_ms();
    if (argc < 2 || posix_spawn(&child, argv[1], NULL, NULL, argv + 1, environ) != 0 ||
        wait4(child, &status, 0, &used) != child) {
        fprintf(stderr, "launch: %s cannot be started\n", argc < 2 ? "nothing" : argv[1]);
        return 1;
    }
    double wall = now_ms() - begin;
    fprintf(stderr,
            "{\"wall_ms\":%.4f,\"cpu_ms\":%.3f,\"peak_kib\":%ld,\"major_faults\":%ld,"
            "\"minor_faults\":%ld,\"read_bytes\":%ld}\n",
            wall, ms(used.ru_utime) + ms(used.ru_stime), used.ru_maxrss, used.ru_majflt,
            used.ru_minflt, used.ru_inblock * 512);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
