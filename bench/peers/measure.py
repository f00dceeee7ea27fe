# SPDX-License-Identifier: Apache-2.0
"""Runs engines in turn: each is a process of its own, pinned, loaded once, and run in bursts."""
from __future__ import annotations

import os
import select
import subprocess
import sys
import time

import engines
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
START_SECONDS, PAUSE_SECONDS, GRACE_SECONDS = 120, 0.02, 60
MOST_OTHERS = 0.1  # of the time of a burst's CPUs that others may have, else it does not count
# An answer farther from the reference is wrong: no f32 engine comes near.
LEAST_COSINE = 0.9999


class Failed(Exception):
    pass


def busy_ticks(cpus: list[int]) -> int:
    """What these CPUs have worked for anybody, the hypervisor's other guests too."""
    with open("/proc/stat", encoding="utf-8") as stream:
        rows = dict(line.split(" ", 1) for line in stream)
    total = 0
    for cpu in cpus:
        user, nice, system, _, _, irq, softirq, steal = map(int, rows[f"cpu{cpu}"].split()[:8])
        total += user + nice + system + irq + softirq + steal
    return total


def own_ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Worker:
    """A process that answers once and then runs in bursts; see worker.py and layer_main.c."""

    def __init__(self, name: str, threads: int, command: list[str], answer: str,
                 most_difference: float = 0.01):
        self.name, self.threads, self.answer = name, threads, answer
        self.most_difference = most_difference
        self.log = f"{answer}.log"
        self.cpus = cpus = sorted(os.sched_getaffinity(0))[:threads]
        count = str(threads)
        environment = dict(os.environ, OMP_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        self.values: list[float] = []
        self.cpu: list[float] = []
        self.likeness: dict[str, str] = {}

    def line(self, seconds: float) -> str:
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise Failed(self.last_words() if ready else "no answer in time")
        return line

    def last_words(self) -> str:
        with open(self.log, encoding="utf-8", errors="replace") as log:
            rows = [row.strip() for row in log if row.strip()]
        return rows[-1][:200] if rows else f"exit status {self.process.wait()}"

    def start(self) -> np.ndarray:
        """Waits until it is loaded; its answer."""
        self.line(START_SECONDS)
        return np.fromfile(self.answer, np.float32)

    def others(self) -> float:
        """Seconds that others than this worker have had its CPUs."""
        ticks = busy_ticks(self.cpus) - own_ticks(self.process.pid)
        return ticks / os.sysconf("SC_CLK_TCK")

    def burst(self, seconds: float) -> bool:
        """Whether it counts: others left its CPUs alone."""
        begin, others = time.monotonic(), self.others()
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        cpu, *values = map(float, self.line(START_SECONDS).split())
        limit = MOST_OTHERS * (time.monotonic() - begin) * len(self.cpus)
        if self.others() - others > max(limit, 0.02):  # the kernel counts in hundredths
            return False
        self.values += values
        self.cpu.append(cpu)
        return True

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def engine_worker(name: str, model: str, given: str, threads: int,
                  table: str = "engines.ALL") -> Worker:
    label = "".join(c if c.isalnum() else "-" for c in name)
    answer = f"{given}.{label}.{threads}.answer"
    command = [sys.executable, "-B", os.path.join(HERE, "worker.py"), table, name, model, given,
               str(threads), answer]
    most = engines.table(table)[name].most_difference
    return Worker(name, threads, command, answer, most)


def compare(answer: np.ndarray, reference: np.ndarray, most: float) -> dict[str, str]:
    """How near the answer is, for the report; Failed where it is wrong."""
    if answer.size != reference.size:
        raise Failed(f"answer has {answer.size} values, the reference {reference.size}")
    a, b = answer.astype(np.float64), reference.astype(np.float64)
    cosine = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-300))
    difference = float(np.abs(a - b).max() / np.abs(b).max())
    if not (cosine >= LEAST_COSINE and difference <= most):
        raise Failed(f"wrong answer: cosine {cosine:.6f}, greatest difference {difference:.1e}")
    return {"cosine": f"{cosine:.6f}", "greatest difference": f"{difference:.1e}"}


class Judge:
    """Holds answers to that of engines.REFERENCE, which must come first."""

    def __init__(self) -> None:
        self.reference: np.ndarray | None = None

    def __call__(self, worker: Worker, answer: np.ndarray) -> dict[str, str]:
        """How near an answer is, for the report; Failed where it is wrong."""
        if self.reference is None:
            if worker.name != engines.REFERENCE:
                raise Failed(f"{engines.REFERENCE} gave no answer to compare with")
            self.reference = answer
        return compare(answer, self.reference, worker.most_difference)


def start_all(workers: list[Worker], judge=None) -> tuple[list[Worker], dict[str, str]]:
    """Those whose answers the judge lets pass, and why the others are left out."""
    good, excluded, judge = [], {}, judge or Judge()
    for worker in workers:
        try:
            worker.likeness = judge(worker, worker.start())
            good.append(worker)
        except Failed as failure:
            excluded[worker.name] = str(failure)
            worker.stop()
            print(f"left out: {worker.name}, {worker.threads} threads: {failure}", flush=True)
    return good, excluded


def interleave(workers: list[Worker], burst: float, seconds: float) -> int:
    """Bursts in turn until the time is over and each has one that counts, each round beginning with
    another worker."""
    end, rounds, disturbed = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end or (time.monotonic() < end + GRACE_SECONDS and
                                     not all(worker.values for worker in workers)):
        first = rounds * 3 % len(workers)
        for worker in workers[first:] + workers[:first]:
            time.sleep(PAUSE_SECONDS)  # for threads of the one before that still spin
            disturbed += not worker.burst(burst)
        rounds += 1
    print(f"{rounds} rounds, {disturbed} of {rounds * len(workers)} bursts disturbed", flush=True)
    return rounds


def rows(workers: list[Worker]) -> list[dict]:
    """Rows of a table of the report, in milliseconds."""
    return [{"name": w.name, "ours": w.name.startswith("libai"), "values": w.values,
             "least": {"CPU ms": w.cpu}, "more": w.likeness} for w in workers if w.values]
