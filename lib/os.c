/* SPDX-License-Identifier: Apache-2.0
 * The one file of the core that talks to the operating system. */
#include "os.h"

#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* ---- Files ---- */

/* What an errno means for a path; strerror is not safe to call from several threads. */
static const char *reason(int code)
{
    switch (code) {
    case ENOENT:
        return "no such file";
    case EACCES:
    case EPERM:
        return "no permission to read it";
    case ENOTDIR:
        return "a part of the path is not a directory";
    case ENAMETOOLONG:
        return "the path is too long";
    case ELOOP:
        return "too many symbolic links";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ENOMEM:
        return "no address space for the map";
    case ENODEV:
        return "this file system cannot map files";
    default:
        return NULL;
    }
}

/* The caller knows the path and puts it before the message. */
static ai_status fail_io(ai_error *err, const char *action, int code)
{
    const char *text = reason(code);
    if (text)
        return ai_fail(err, AI_E_IO, "file cannot be %s: %s", action, text);
    return ai_fail(err, AI_E_IO, "file cannot be %s: system error %d", action, code);
}

static ai_status map_open_file(int file, const void **data, size_t *bytes, ai_error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_io(err, "opened", errno);
    if (S_ISDIR(info.st_mode))
        return ai_fail(err, AI_E_IO, "path is a directory, a model file is needed");
    if (!S_ISREG(info.st_mode))
        return ai_fail(err, AI_E_IO, "file is not a regular one, which mapping needs");
    if (info.st_size == 0)
        return ai_fail_at(err, AI_E_FORMAT, 0, "file is empty, a model is needed");
    if ((uint64_t)info.st_size > SIZE_MAX)
        return fail_io(err, "mapped", ENOMEM);
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return fail_io(err, "mapped", errno);
    *data = map;
    *bytes = (size_t)info.st_size;
    return AI_OK;
}

ai_status ai_os_map(const char *path, const void **data, size_t *bytes, ai_error *err)
{
    /* O_NONBLOCK: opening a pipe by mistake must not wait for a writer. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_io(err, "opened", errno);
    ai_status status = map_open_file(file, data, bytes, err);
    close(file);
    return status;
}

void ai_os_unmap(const void *data, size_t bytes)
{
    munmap((void *)(uintptr_t)data, bytes);
}

void ai_os_use_huge(void *memory, size_t bytes)
{
    if (bytes >= AI_OS_HUGE)
        (void)madvise(memory, bytes / AI_OS_HUGE * AI_OS_HUGE, MADV_HUGEPAGE);
}

/* Of madvise(2); Linux before 5.14 does not know it, nor do C libraries of that time. */
enum { POPULATE_READ = 22 };

/* Advises on the pages of a range; false: the system does not know how, or cannot. */
static bool advise(const void *data, size_t bytes, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)data / page * page;
    return madvise((void *)begin, (uintptr_t)data + bytes - begin, advice) == 0;
}

void ai_os_preload(const void *data, size_t bytes)
{
    const volatile uint8_t *p = data;
    if (advise(data, bytes, POPULATE_READ))
        return;
    for (size_t i = 0; i < bytes; i += 4096)
        (void)p[i];
}

bool ai_os_is_there(const void *data, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = (uintptr_t)data + bytes;
    unsigned char is_there = 0;
    return !bytes || mincore((void *)((end - 1) / page * page), 1, &is_there) != 0 || (is_there & 1);
}

void ai_os_announce(const void *data, size_t bytes)
{
    if (!ai_os_is_there(data, bytes))
        (void)advise(data, bytes, MADV_WILLNEED);
}

/* ---- Time ---- */

uint64_t ai_os_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- CPUs ---- */

/* Reads up to size - 1 bytes of a small file as text; false: it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t got = read(file, text, size - 1);
    close(file);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* The lower of `limit` and quota / period, at least 1; a quota of 0 or less is none. */
static uint32_t limit_by(long long quota, long long period, uint32_t limit)
{
    if (quota <= 0 || period <= 0)
        return limit;
    long long count = quota / period;
    if (count < 1)
        count = 1;
    return count < limit ? (uint32_t)count : limit;
}

/* cgroup v2: cpu.max is "quota period" or "max period". */
static uint32_t quota_v2(const char *folder, uint32_t limit)
{
    char path[512];
    char text[64];
    int length = snprintf(path, sizeof(path), "%s/cpu.max", folder);
    if (length < 0 || (size_t)length >= sizeof(path) || !read_text(path, text, sizeof(text)))
        return limit;
    char *end;
    long long quota = strtoll(text, &end, 10);
    return end == text ? limit : limit_by(quota, strtoll(end, NULL, 10), limit);
}

/* cgroup v1: the quota is -1 where there is none. */
static uint32_t quota_v1(const char *folder, uint32_t limit)
{
    static const char *const names[2] = {"cpu.cfs_quota_us", "cpu.cfs_period_us"};
    long long value[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        char path[512];
        char text[64];
        int length = snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        if (length < 0 || (size_t)length >= sizeof(path) || !read_text(path, text, sizeof(text)))
            return limit;
        value[i] = strtoll(text, NULL, 10);
    }
    return limit_by(value[0], value[1], limit);
}

typedef uint32_t quota_fn(const char *folder, uint32_t limit);

/* The least quota of a cgroup and of those around it, up to the mount. In a container the path may
 * be the host's and not exist here; then the mount itself is the container's cgroup. */
static uint32_t quota_of(const char *mount, const char *group, quota_fn *quota, uint32_t limit)
{
    char folder[480];
    int length = snprintf(folder, sizeof(folder), "%s%s", mount, group);
    if (length < 0 || (size_t)length >= sizeof(folder))
        return quota(mount, limit);
    size_t root = strlen(mount);
    for (;;) {
        limit = quota(folder, limit);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < root)
            return limit;
        *slash = 0;
    }
}

/* One line of /proc/self/cgroup: "0::/path" of v2, or "4:cpu,cpuacct:/path" of v1. */
static uint32_t quota_of_line(char *line, const char *mount, uint32_t limit)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group || group[1] != '/')
        return limit;
    *group++ = 0;
    controllers++;
    if (!*controllers)
        return quota_of(mount, group, quota_v2, limit);
    char folder[128];
    bool is_cpu =
        strcmp(controllers, "cpu") == 0 || strncmp(controllers, "cpu,", 4) == 0 ||
        strstr(controllers, ",cpu,") ||
        (strlen(controllers) > 4 && strcmp(controllers + strlen(controllers) - 4, ",cpu") == 0);
    int length = snprintf(folder, sizeof(folder), "%s/%s", mount, controllers);
    if (!is_cpu || length < 0 || (size_t)length >= sizeof(folder))
        return limit;
    return quota_of(folder, group, quota_v1, limit);
}

/* Takes the whole lines out of a text; bytes that are left at its start. Of a line longer than all
 * of it the begin is dropped. */
static size_t take_lines(char *text, size_t bytes, size_t most, const char *mount, uint32_t *limit)
{
    char *line = text;
    for (;;) {
        char *end = memchr(line, '\n', bytes - (size_t)(line - text));
        if (!end)
            break;
        *end = 0;
        *limit = quota_of_line(line, mount, *limit);
        line = end + 1;
    }
    size_t left = bytes - (size_t)(line - text);
    if (left == most)
        return 0;
    memmove(text, line, left);
    return left;
}

/* With cgroup v1 the list has a dozen long lines. */
uint32_t ai_os_quota(const char *list, const char *mount, uint32_t limit)
{
    char text[600];
    size_t left = 0;
    int file = open(list, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return limit;
    for (;;) {
        ssize_t got = read(file, text + left, sizeof(text) - left);
        if (got <= 0)
            break;
        left = take_lines(text, left + (size_t)got, sizeof(text), mount, &limit);
    }
    close(file);
    return limit;
}

uint32_t ai_os_threads(uint32_t limit)
{
    unsigned long mask[512 / sizeof(unsigned long)] = {0}; /* 4096 CPUs */
    if (limit <= 1)
        return 1;
    if (sched_getaffinity(0, sizeof(mask), (cpu_set_t *)mask) != 0)
        return 1;
    int count = CPU_COUNT_S(sizeof(mask), (cpu_set_t *)mask);
    if (count < 1)
        count = 1;
    if ((uint32_t)count < limit)
        limit = (uint32_t)count;
    return limit > 1 ? ai_os_quota("/proc/self/cgroup", "/sys/fs/cgroup", limit) : limit;
}

/* ---- Threads ---- */

/* Operations of futex(2); musl comes without <linux/futex.h>, which names them. */
enum { WAIT_PRIVATE = 128, WAKE_PRIVATE = 129 };

void ai_os_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, WAIT_PRIVATE, value, NULL, NULL, 0);
}

void ai_os_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void ai_os_pause(void)
{
#if defined(__x86_64__)
    _mm_pause();
#else
    __asm__ __volatile__("yield");
#endif
}

/* In a child of fork the page is zero. Kernels before 4.14 copy it: then the number tells. */
struct ai_os_mark {
    pid_t process;
};

ai_os_mark *ai_os_mark_make(void)
{
    ai_os_mark *mark =
        mmap(NULL, sizeof(*mark), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark == MAP_FAILED)
        return NULL;
    (void)madvise(mark, sizeof(*mark), MADV_WIPEONFORK);
    mark->process = getpid();
    return mark;
}

bool ai_os_mark_is_here(const ai_os_mark *mark)
{
    return mark->process == getpid();
}

void ai_os_mark_free(ai_os_mark *mark)
{
    munmap(mark, sizeof(*mark));
}

/* ---- Floating point ---- */

#if defined(__x86_64__)

/* All exceptions masked, nearest even, neither flush-to-zero nor denormals-are-zero. */
enum { DEFAULT_CONTROL = 0x1F80 };

uint64_t ai_os_float_begin(void)
{
    uint32_t before = _mm_getcsr();
    _mm_setcsr(DEFAULT_CONTROL);
    return before;
}

void ai_os_float_end(uint64_t before)
{
    _mm_setcsr((uint32_t)before);
}

#elif defined(__aarch64__)

uint64_t ai_os_float_begin(void)
{
    uint64_t before;
    __asm__ __volatile__("mrs %0, fpcr" : "=r"(before));
    __asm__ __volatile__("msr fpcr, %0" : : "r"(UINT64_C(0)) : "memory");
    return before;
}

void ai_os_float_end(uint64_t before)
{
    __asm__ __volatile__("msr fpcr, %0" : : "r"(before) : "memory");
}

#else
#error "how this machine sets rounding and flushing is not written yet"
#endif
