# SPDX-License-Identifier: Apache-2.0
"""Facts about this machine, measured ones too, for the head of a report."""
from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
import tempfile

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "machine.c")
FLAGS = ["-O2", "-march=native", "-ffp-contract=fast", "-pthread", "-w", "-D_GNU_SOURCE"]


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        rows = dict(line.split(":", 1) for line in stream if ":" in line)
    facts = {name.strip(): value.strip() for name, value in rows.items()}
    name = facts.get("model name", platform.machine())
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    return name


def _levels() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        rows = [line.split() for line in stream if line.startswith(("flags", "Features"))]
    known = ["avx2", "fma", "f16c", "avx512f", "avx512_vnni", "amx_tile", "asimd", "asimddp"]
    return ", ".join(flag for flag in known if rows and flag in rows[0])


def _caches() -> str:
    done = subprocess.run(["getconf", "-a"], capture_output=True, text=True, check=False)
    rows = dict(line.split()[:2] for line in done.stdout.splitlines() if len(line.split()) > 1)
    levels = ("LEVEL1_DCACHE_SIZE", "LEVEL2_CACHE_SIZE", "LEVEL3_CACHE_SIZE")
    return " / ".join(f"{int(rows.get(level, 0)) >> 10} KiB" for level in levels)


def _first_line(path: str, start: str, default: str) -> str:
    with open(path, encoding="utf-8") as stream:
        found = next((line for line in stream if line.startswith(start)), default)
    return found.replace(start, "").strip().strip('"')


def measure(cpus: list[int]) -> dict[str, float]:
    """Peak of multiply-adds and read bandwidth of these CPUs together."""
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "machine")
        subprocess.run(["cc", *FLAGS, SOURCE, "-o", program], check=True)
        done = subprocess.run([program, *map(str, cpus)], check=True, capture_output=True,
                              text=True)
    return json.loads(done.stdout)


def facts() -> dict[str, str]:
    """What the report's head says, by name; takes two seconds."""
    cpus = sorted(os.sched_getaffinity(0))
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True)
    found = {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "instructions": _levels(),
        "CPUs": str(len(cpus)),
        "caches (L1d / L2 / L3)": _caches(),
        "memory": _first_line("/proc/meminfo", "MemTotal:", "0 kB"),
        "system": f"{_first_line('/etc/os-release', 'PRETTY_NAME=', 'Linux')}, "
                  f"Linux {platform.release()}",
        "compiler": compiler.stdout.splitlines()[0],
    }
    for name, some in [("1 CPU", cpus[:1]), ("2 CPUs", cpus[:2])][:len(cpus)]:
        rates = measure(some)
        found[f"measured, {name}"] = (
            f"f32 multiply-add {rates['fma_gflops']:.0f} GFLOP/s, read {rates['l2_gb_s']:.0f} GB/s "
            f"from 512 KiB a thread, {rates['memory_gb_s']:.1f} GB/s from 256 MiB a thread")
    return found
