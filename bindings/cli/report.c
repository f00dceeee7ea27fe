/* SPDX-License-Identifier: Apache-2.0
 * What `ai` says: errors, sizes, shapes, JSON strings, and what the process took. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ai_task.h"
#include "cli.h"

int ai_cli_failed(const char *path, const ai_error *err)
{
    if (ai_cli_is_stopped()) /* it will die of the signal, which says enough */
        return AI_CLI_FAILED;
    fputs("ai: ", stderr);
    ai_cli_print(stderr, path);
    fputs(": ", stderr);
    ai_cli_print(stderr, err->message);
    fputc('\n', stderr);
    return AI_CLI_FAILED;
}

int ai_cli_fail(const char *path, const char *format, ...)
{
    ai_error err;
    va_list list;
    va_start(list, format);
    vsnprintf(err.message, sizeof err.message, format, list);
    va_end(list);
    return ai_cli_failed(path, &err);
}

ai_status ai_cli_error(ai_error *err, ai_status code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(err->message, sizeof err->message, format, list);
    va_end(list);
    err->code = code;
    err->step = AI_NO_STEP;
    err->offset = AI_NO_OFFSET;
    return code;
}

/* Bytes of the UTF-8 sequence at c, or 0: not one. The shortest form only, no surrogates. */
static int utf8_bytes(const unsigned char *c)
{
    if (c[0] < 0x80)
        return 1;
    int bytes = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    for (int i = 1; i < bytes; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    bool is_long = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    bool is_surrogate = c[0] == 0xed && c[1] >= 0xa0;
    bool is_beyond = c[0] == 0xf4 && c[1] >= 0x90;
    return is_long || is_surrogate || is_beyond ? 0 : bytes;
}

uint32_t ai_cli_bad_line(const char *text)
{
    uint32_t line = 1;
    const unsigned char *c = (const unsigned char *)text;
    while (*c) {
        int bytes = utf8_bytes(c);
        if (bytes == 0)
            return line;
        line += *c == '\n';
        c += bytes;
    }
    return 0;
}

/* Whether a terminal would obey it; C2 80 to C2 9F are controls that take two bytes. */
static bool is_control(const unsigned char *c)
{
    return c[0] < 0x20 || c[0] == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0);
}

void ai_cli_print(FILE *stream, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    while (*c) {
        int bytes = utf8_bytes(c);
        if (bytes == 0 || is_control(c))
            fputc('?', stream);
        else
            fwrite(c, 1, (size_t)bytes, stream);
        c += bytes ? bytes : 1;
    }
}

void ai_cli_json(FILE *stream, const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    fputc('"', stream);
    while (*c) {
        int bytes = utf8_bytes(c);
        if (bytes == 0)
            fputs("\xef\xbf\xbd", stream);
        else if (*c == '"' || *c == '\\')
            fprintf(stream, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(stream, "\\u%04x", *c);
        else
            fwrite(c, 1, (size_t)bytes, stream);
        c += bytes ? bytes : 1;
    }
    fputc('"', stream);
}

const char *ai_cli_bytes(char text[32], uint64_t bytes)
{
    if (bytes < 1024)
        snprintf(text, 32, "%u B", (unsigned)bytes);
    else if (bytes < 1024 * 1024)
        snprintf(text, 32, "%.1f KiB", (double)bytes / 1024);
    else
        snprintf(text, 32, "%.1f MiB", (double)bytes / (1024 * 1024));
    return text;
}

const char *ai_cli_dims(char text[256], uint32_t rank, const int64_t *dim, uint32_t varies)
{
    size_t used = 0;
    snprintf(text, 256, "scalar");
    for (uint32_t i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, 256 - used, "%s%lld%s", i ? "x" : "",
                                 (long long)dim[i], varies >> i & 1 ? "*" : "");
    return text;
}

const char *ai_cli_levels(char text[128], uint32_t mask)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < 32; i++) {
        const char *name = mask >> i & 1 ? ai_task_cpu_name(1u << i) : NULL;
        if (name && used < 100)
            used += (size_t)snprintf(text + used, 128 - used, "%s%s", used ? " " : "", name);
    }
    return text;
}

uint64_t ai_cli_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* VmHWM where there is a /proc: ru_maxrss also counts what the process was before exec. */
uint64_t ai_cli_peak_rss(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && kib == 0 && fgets(line, sizeof line, status)) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    }
    if (status)
        fclose(status);
    struct rusage usage;
    if (kib == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        kib = (unsigned long long)usage.ru_maxrss;
    return kib * 1024;
}
