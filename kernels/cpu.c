/* SPDX-License-Identifier: Apache-2.0
 * What this machine runs (CPUID and the registers that the operating system saves on x86, the
 * auxiliary vector on Arm), as far as this build has kernels for it. */
#include "ai.h"
#include "kernels.h"

#if defined(__x86_64__) && defined(__linux__)

#include <sys/syscall.h>
#include <unistd.h>

/* The system saves 8 kB more of a thread from its first tile on. */
bool ai_cpu_may_use_tiles(void)
{
    const long request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, <asm/prctl.h> */
    return syscall(SYS_arch_prctl, request, tile_data) == 0;
}

#else

bool ai_cpu_may_use_tiles(void)
{
    return false;
}

#endif

#if defined(__x86_64__)

#include <cpuid.h>

#define HAS(reg, bits) (((reg) & (bits)) == (bits))

/* XCR0: which registers the system saves. __asm__, since the intrinsic would need -mxsave. */
static uint64_t saved_registers(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static uint32_t machine_levels(void)
{
    const uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29;
    const uint32_t avx2 = 1u << 5;
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    const uint32_t vnni = 1u << 11, amx = 1u << 24 | 1u << 25;         /* tiles, of s8 */
    const uint64_t ymm = 0x6, zmm = 0xe6; /* SSE, AVX; and mask, upper halves, upper sixteen */
    const uint64_t tiles = 0x60000;
    uint32_t a, b, c, d, cpu = AI_CPU_REF;
    __cpuid(1, a, b, c, d); /* 7 us on a virtual machine, each time */
    if (!HAS(c, fma | osxsave | avx | f16c))
        return cpu;
    const uint64_t saved = saved_registers();
    if (!HAS(saved, ymm) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !HAS(b, avx2))
        return cpu;
    cpu |= AI_CPU_AVX2;
    if (!HAS(saved, zmm) || !HAS(b, avx512))
        return cpu;
    cpu |= AI_CPU_AVX512;
    if (!HAS(c, vnni))
        return cpu;
    cpu |= AI_CPU_VNNI;
    return HAS(d, amx) && HAS(saved, tiles) ? cpu | AI_CPU_AMX : cpu;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

static uint32_t machine_levels(void)
{
    const unsigned long asimd = 1ul << 1, asimd_dotprod = 1ul << 20; /* <asm/hwcap.h> */
    const unsigned long have = getauxval(AT_HWCAP);
    uint32_t cpu = AI_CPU_REF;
    if (have & asimd)
        cpu |= AI_CPU_NEON;
    if ((have & asimd) && (have & asimd_dotprod))
        cpu |= AI_CPU_DOTPROD;
    return cpu;
}

#elif defined(__aarch64__)

static uint32_t machine_levels(void)
{
    return AI_CPU_REF | AI_CPU_NEON; /* part of every 64-bit Arm */
}

#else

static uint32_t machine_levels(void)
{
    return AI_CPU_REF;
}

#endif

uint32_t ai_cpu_detect(void)
{
    uint32_t built = AI_CPU_REF;
    for (uint32_t i = 0; i < ai_kernel_count; i++)
        built |= ai_kernels[i].cpu;
    return (machine_levels() | AI_CPU_OPENBLAS | AI_CPU_ONEDNN) & built;
}
