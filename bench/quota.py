#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A CPU quota: how long a call takes with the default threads and with each fixed number, and how
often the system had to stop the process.

usage: bench/quota.py MODEL.lai... [--build build] [--out RESULT.json] [--rounds 3] [--runs 60]

Runs `ai bench` in a cgroup of its own with 50, 100, 150 and 200 % of a CPU; needs root, and a
cgroup hierarchy (v1 or v2) whose cpu controller may be used. Writes what bench/report.py reads.
A loop of the shell on one CPU's worth of quota stands beside it: it computes without a pause and
shares nothing, so periods in which it was stopped are the system's own accounting.
Exits 1 where at 100 or 200 % a period was throttled with the default threads, or their time is
over 1.1 of the best fixed number's."""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import machine

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PERIOD_US = 100000
QUOTAS = [50, 100, 150, 200]
HELD = (100, 200)
MOST = 1.1
WARM_UP_RUNS = 3  # of `ai bench`
LOOP_S = 10


class Cgroup:
    """A child of this process's own cgroup with the cpu controller; gone at the end."""

    def __init__(self):
        self.is_v2, parent = self._find()
        self.path = os.path.join(parent, f"libai-quota-{os.getpid()}")
        if self.is_v2:
            self._write(os.path.join(parent, "cgroup.subtree_control"), "+cpu")
        os.mkdir(self.path)

    @staticmethod
    def _find() -> tuple[bool, str]:
        with open("/proc/self/cgroup", encoding="utf-8") as stream:
            groups = [line.rstrip("\n").split(":", 2) for line in stream]
        for _, controllers, path in groups:
            if "cpu" in controllers.split(","):
                return False, f"/sys/fs/cgroup/{controllers}{path}"
        path = next(path for _, controllers, path in groups if not controllers)
        return True, f"/sys/fs/cgroup{path}"

    @staticmethod
    def _write(path: str, text: str) -> None:
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)

    def limit(self, percent: int) -> None:
        quota = PERIOD_US * percent // 100
        if self.is_v2:
            self._write(os.path.join(self.path, "cpu.max"), f"{quota} {PERIOD_US}")
        else:
            self._write(os.path.join(self.path, "cpu.cfs_period_us"), str(PERIOD_US))
            self._write(os.path.join(self.path, "cpu.cfs_quota_us"), str(quota))

    def enter(self) -> None:
        self._write(os.path.join(self.path, "cgroup.procs"), str(os.getpid()))

    def throttled(self) -> tuple[int, int]:
        """Periods so far, and how many of them were throttled."""
        with open(os.path.join(self.path, "cpu.stat"), encoding="utf-8") as stream:
            facts = dict(line.split() for line in stream)
        return int(facts["nr_periods"]), int(facts["nr_throttled"])

    def close(self) -> None:
        os.rmdir(self.path)


def bench(args, group: Cgroup, model: str, threads: int) -> dict:
    """What `ai bench` takes in the cgroup; threads 0 is the default. The time of a call is that of
    the whole process over its calls: a median would not show when it was stopped."""
    command = [os.path.join(args.build, "bindings", "cli", "ai"), "bench", model, "--json",
               "--runs", str(args.runs)] + (["--threads", str(threads)] if threads else [])
    before, begin = group.throttled(), time.monotonic()
    done = subprocess.run(command, check=True, capture_output=True, preexec_fn=group.enter)
    result = json.loads(done.stdout)
    took, after = time.monotonic() - begin, group.throttled()
    return {"ms": 1e3 * took / (args.runs + WARM_UP_RUNS),
            "threads": result["threads"], "median": result["median_ms"], "periods": after[0] - before[0],
            "throttled": after[1] - before[1]}


def shell_loop(group: Cgroup) -> tuple[int, int]:
    """Periods, and throttled ones, of a loop that never pauses, at 100 %."""
    group.limit(100)
    before = group.throttled()
    subprocess.run(["timeout", str(LOOP_S), "sh", "-c", "while :; do :; done"], check=False,
                   preexec_fn=group.enter)
    after = group.throttled()
    return after[0] - before[0], after[1] - before[1]


def measure(args, group: Cgroup, model: str, percent: int) -> dict[int, list[dict]]:
    """Results by number of threads, 0 for the default, in turn."""
    counts = [0, *range(1, len(os.sched_getaffinity(0)) + 1)]
    group.limit(percent)
    results = {count: [] for count in counts}
    for _ in range(args.rounds):
        for count in counts:
            results[count].append(bench(args, group, model, count))
    return results


def row(model: str, percent: int, results: dict[int, list[dict]]) -> tuple[list[str], bool]:
    """A line of the table; true: what is held at this quota holds."""
    least = {count: min(one["ms"] for one in some) for count, some in results.items()}
    throttled = {count: sum(one["throttled"] for one in some) for count, some in results.items()}
    fixed = [count for count in results if count]
    best = min(fixed, key=least.__getitem__)
    ratio = least[0] / least[best]
    default = results[0]
    cells = [os.path.basename(model).removesuffix(".lai"), f"{percent} %",
             str(default[0]["threads"]), f"{least[0]:.2f}",
             f"{statistics.median(one['ms'] for one in default):.2f}",
             f"{throttled[0]} of {sum(one['periods'] for one in default)}"]
    cells += [f"{least[count]:.2f}, {throttled[count]} throttled" for count in fixed]
    is_right = percent not in HELD or (throttled[0] == 0 and ratio <= MOST)
    return [*cells, f"{ratio:.2f}"], is_right


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.lai")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--out", help="for bench/report.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=60, help="calls a process makes")
    return parser.parse_args()


def main():
    args = arguments()
    try:
        group = Cgroup()
    except OSError as error:
        sys.exit(f"quota.py: no cgroup can be made: {error}")
    cells, are_right = [], True
    try:
        periods, throttled = shell_loop(group)
        for model in args.models:
            for percent in QUOTAS:
                line, is_right = row(model, percent, measure(args, group, model, percent))
                cells.append(line)
                are_right &= is_right
                print(" | ".join(line), flush=True)
    finally:
        group.close()
    fixed = [f"{count} threads, least ms" for count in range(1, len(cells[0]) - 6)]
    table = {"title": f"Calls under a quota, cgroup v{2 if group.is_v2 else 1}",
             "columns": ["", "quota", "default threads", "least ms", "median ms",
                         "throttled periods", *fixed, "default to the best fixed"],
             "cells": cells}
    if args.out:
        with open(args.out, "w", encoding="utf-8") as out:
            json.dump({"section": "quota", "command": "bench/quota.py MODEL.lai...",
                       "machine": machine.facts(), "versions": {}, "tables": [table],
                       "notes": [f"Each value is the mean of {args.runs} calls of one process, of "
                                 f"{args.rounds} in turn; a period is {PERIOD_US // 1000} ms.",
                                 "A loop of the shell, one thread that never pauses, was stopped "
                                 f"in {throttled} of {periods} periods at 100 %."]}, out)
    sys.exit(not are_right)


if __name__ == "__main__":
    main()
