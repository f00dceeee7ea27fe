/* SPDX-License-Identifier: Apache-2.0
 * Counts allocations, threads among them, and lets one fail. With glibc these functions take the
 * place of its own, for the C library's own calls too; elsewhere and under sanitizers the linker
 * leads the core's calls here (--wrap). */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static unsigned counted;
static unsigned fails;
static int is_counting;

void count_allocations(unsigned failing)
{
    counted = 0;
    fails = failing;
    is_counting = 1;
}

unsigned allocations(void)
{
    is_counting = 0;
    return counted;
}

static int may_allocate(void)
{
    return !is_counting || ++counted != fails;
}

#if defined(AI_TEST_WRAP)
/* Sanitizers end the program where too much is asked for, unless they are told what the core does.
 */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

#define REAL(name)   __real_##name
#define FAKE(name)   __wrap_##name
#define REAL_ALIGNED REAL(aligned_alloc)
#else
#define REAL(name)   __libc_##name
#define FAKE(name)   name
#define REAL_ALIGNED REAL(memalign)
#endif

void *REAL(malloc)(size_t bytes);
void *REAL(calloc)(size_t count, size_t bytes);
void *REAL(realloc)(void *memory, size_t bytes);
void *REAL_ALIGNED(size_t align, size_t bytes);
void *FAKE(malloc)(size_t bytes);
void *FAKE(calloc)(size_t count, size_t bytes);
void *FAKE(realloc)(void *memory, size_t bytes);
void *FAKE(aligned_alloc)(size_t align, size_t bytes);

void *FAKE(malloc)(size_t bytes)
{
    return may_allocate() ? REAL(malloc)(bytes) : NULL;
}

void *FAKE(calloc)(size_t count, size_t bytes)
{
    return may_allocate() ? REAL(calloc)(count, bytes) : NULL;
}

void *FAKE(realloc)(void *memory, size_t bytes)
{
    return may_allocate() ? REAL(realloc)(memory, bytes) : NULL;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *argument);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *argument)
{
    return may_allocate() ? __real_pthread_create(thread, attributes, work, argument) : EAGAIN;
}

void *FAKE(aligned_alloc)(size_t align, size_t bytes)
{
    return may_allocate() ? REAL_ALIGNED(align, bytes) : NULL;
}
