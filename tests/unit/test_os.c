/* SPDX-License-Identifier: Apache-2.0
 * Tests of what the core asks of the system: quotas, clock, floating-point environment. */
#include "os.h"
#include "unit.h"

#include <fenv.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

static char root[] = "/tmp/ai-unit-XXXXXX";

/* Writes a file below the root, and the folders to it. */
static void put(const char *name, const char *text)
{
    char path[400];
    int length = sprintf(path, "%s/%s", root, name);
    for (int i = (int)strlen(root) + 1; i < length; i++) {
        if (path[i] != '/')
            continue;
        path[i] = 0;
        mkdir(path, 0700);
        path[i] = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static uint32_t quota(const char *list, uint32_t limit)
{
    char path[400];
    put("list", list);
    sprintf(path, "%s/list", root);
    return ai_os_quota(path, root, limit);
}

static void make_root(void)
{
    strcpy(root, "/tmp/ai-unit-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[64];
    sprintf(command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(test_quota_v2)
{
    make_root();
    put("a/b/cpu.max", "max 100000\n");
    ck_assert_uint_eq(quota("0::/a/b\n", 8), 8);
    put("a/b/cpu.max", "250000 100000\n");
    ck_assert_uint_eq(quota("0::/a/b\n", 8), 2);
    ck_assert_uint_eq(quota("0::/a/b\n", 1), 1);
    put("a/b/cpu.max", "50000 100000\n");
    ck_assert_uint_eq(quota("0::/a/b\n", 8), 1);
    put("a/b/cpu.max", "700000 100000\n");
    put("a/cpu.max", "300000 100000\n");
    ck_assert_uint_eq(quota("0::/a/b\n", 8), 3);
    /* the host's path, seen from a container: the mount is the container's own */
    put("cpu.max", "200000 100000\n");
    ck_assert_uint_eq(quota("0::/docker/123\n", 8), 2);
    ck_assert_uint_eq(quota("0::/\n", 8), 2);
    put("cpu.max", "what\n");
    ck_assert_uint_eq(quota("0::/\n", 8), 8);
    remove_root();
}
END_TEST

START_TEST(test_quota_v1)
{
    make_root();
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
    put("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(quota("3:cpu,cpuacct:/x\n", 8), 8);
    put("cpu,cpuacct/x/cpu.cfs_quota_us", "400000\n");
    ck_assert_uint_eq(quota("5:memory:/y\n3:cpu,cpuacct:/x\n1:name=z:/\n", 8), 4);
    ck_assert_uint_eq(quota("3:cpuset:/x\n", 8), 8);
    put("cpuacct,cpu/cpu.cfs_quota_us", "300000\n");
    put("cpuacct,cpu/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(quota("3:cpuacct,cpu:/gone\n", 8), 3);
    put("cpuacct,cpu/cpu.cfs_period_us", "0\n");
    ck_assert_uint_eq(quota("3:cpuacct,cpu:/gone\n", 8), 8);
    remove_root();
}
END_TEST

/* As a node with Kubernetes, containerd and cgroup v1 shows it: the line of the CPU comes late, in
 * over 1,000 bytes. */
START_TEST(test_quota_kubernetes)
{
#define POD                                                                                        \
    "/kubepods.slice/kubepods-burstable.slice/"                                                    \
    "kubepods-burstable-pod0f4d2a86_5b5c_4f0e_9d7c_2b8f4f3a9c11.slice/"                            \
    "cri-containerd-9f8b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b.scope"
    static const char list[] =
        "12:hugetlb:" POD "\n11:devices:" POD "\n10:blkio:" POD "\n9:memory:" POD
        "\n8:net_cls,net_prio:" POD "\n7:pids:" POD "\n6:cpu,cpuacct:" POD "\n5:freezer:" POD
        "\n1:name=systemd:" POD "\n0::/system.slice/containerd.service\n";
    make_root();
    /* inside the container, its own cgroup is the mount */
    put("cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
    put("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(quota(list, 64), 2);
    /* on the node, with the pod's quota around it */
    put("cpu,cpuacct" POD "/cpu.cfs_quota_us", "-1\n");
    put("cpu,cpuacct" POD "/cpu.cfs_period_us", "100000\n");
    put("cpu,cpuacct/kubepods.slice/cpu.cfs_quota_us", "150000\n");
    put("cpu,cpuacct/kubepods.slice/cpu.cfs_period_us", "100000\n");
    ck_assert_uint_eq(quota(list, 64), 1);
    remove_root();
#undef POD
}
END_TEST

START_TEST(test_quota_odd)
{
    char longer[600];
    make_root();
    memset(longer, 'x', sizeof(longer));
    memcpy(longer, "0::/", 4);
    strcpy(longer + 590, "\n");
    ck_assert_uint_eq(quota("", 8), 8);
    ck_assert_uint_eq(quota("\n", 8), 8);
    ck_assert_uint_eq(quota("0", 8), 8);
    ck_assert_uint_eq(quota("0:\n0::\n::x\n", 8), 8);
    ck_assert_uint_eq(quota(longer, 8), 8);
    ck_assert_uint_eq(ai_os_quota("/gone", root, 8), 8);
    remove_root();
}
END_TEST

START_TEST(test_threads)
{
    ck_assert_uint_eq(ai_os_threads(0), 1);
    ck_assert_uint_eq(ai_os_threads(1), 1);
    ck_assert_uint_ge(ai_os_threads(64), 1);
    ck_assert_uint_le(ai_os_threads(64), (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    ck_assert_uint_le(ai_os_threads(2), 2);
}
END_TEST

/* Every page of the range, and none beside it. */
START_TEST(test_preload)
{
    enum { PAGES = 8 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *data = mmap(NULL, PAGES * page, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char there[PAGES];
    ck_assert_ptr_ne(data, MAP_FAILED);
    ck_assert(ai_os_is_there(data, 0));
    ck_assert(!ai_os_is_there(data + page, page));
    ai_os_announce(data, 0);
    ai_os_announce(data + 5, page);
    ai_os_preload(data, 0);
    ai_os_preload(data + 2 * page - 1, 3 * page + 2);
    ck_assert_int_eq(mincore(data, PAGES * page, there), 0);
    for (int i = 0; i < PAGES; i++)
        ck_assert_int_eq(there[i] & 1, i >= 1 && i <= 5);
    ck_assert(ai_os_is_there(data, 5 * page + 1)); /* the last page alone tells */
    ck_assert(!ai_os_is_there(data, 6 * page + 1));
    munmap(data, PAGES * page);
}
END_TEST

START_TEST(test_clock)
{
    uint64_t a = ai_os_now();
    uint64_t b = ai_os_now();
    ck_assert_uint_gt(a, 0);
    ck_assert_uint_ge(b, a);
}
END_TEST

START_TEST(test_float)
{
    volatile float least = FLT_MIN;
    volatile float three = 3;
    fesetround(FE_UPWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* flush to zero, denormals are zero */
#endif
    uint64_t before = ai_os_float_begin();
    volatile float tiny = least / 4;
    volatile float third = 1 / three;
    ck_assert(tiny > 0);
    ck_assert(third == 0x1.555556p-2f);
    ai_os_float_end(before);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
#if defined(__x86_64__)
    volatile float flushed = least / 4;
    ck_assert(flushed == 0);
    ck_assert_uint_eq(_mm_getcsr() & 0x8040, 0x8040);
    _mm_setcsr(0x1F80);
#endif
    fesetround(FE_TONEAREST);
}
END_TEST

Suite *os_suite(void)
{
    Suite *suite = suite_create("os");
    TCase *c = tcase_create("os");
    tcase_add_test(c, test_quota_v2);
    tcase_add_test(c, test_quota_v1);
    tcase_add_test(c, test_quota_kubernetes);
    tcase_add_test(c, test_quota_odd);
    tcase_add_test(c, test_threads);
    tcase_add_test(c, test_preload);
    tcase_add_test(c, test_clock);
    tcase_add_test(c, test_float);
    suite_add_tcase(suite, c);
    return suite;
}
