# SPDX-License-Identifier: Apache-2.0
"""One engine with one network, loaded once and run in bursts.

usage: worker.py TABLE ENGINE MODEL INPUT.npy THREADS ANSWER

Writes the answer of the third run to the file ANSWER as raw f32, prints `ready`, and for every number of
seconds on standard input a line: CPU time a run, then the time of each run, in milliseconds. What
engines print themselves goes to standard error."""
import os
import sys
import time

import numpy as np

import engines
import tiles


def burst(run, clock, seconds: float) -> list[float]:
    """At least two runs, after one that does not count."""
    run()
    times, cpu, end = [], time.process_time(), time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        begin = clock()
        run()
        times.append((clock() - begin) / 1e6)
    return [(time.process_time() - cpu) / len(times) * 1e3, *times]


def main(table: str, engine: str, model: str, given: str, threads: str, answer: str) -> None:
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    about = engines.table(table)[engine]
    if about.level:
        tiles.refuse()
    run = about.open(model, np.load(given), int(threads))
    for _ in range(3):  # a wrong state shows in the second, where the network has one
        last = run()
    np.asarray(last, np.float32).tofile(answer)
    clock = getattr(run, "clock", time.perf_counter_ns)
    print("ready", file=out)
    for line in sys.stdin:
        print(*burst(run, clock, float(line)), file=out)


if __name__ == "__main__":
    main(*sys.argv[1:])
