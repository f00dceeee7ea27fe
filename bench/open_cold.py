#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What opening costs: the least `open_ms` of many processes, and the peak memory of a run.

usage: open_cold.py BUILD MODEL.lai [--processes 31]

`open_ms` is ai_model_open plus ai_session_open as `ai bench --json` reports it, page cache warm.
Peak memory must stay below weights + arena + 4 MiB. Exits 1 where the peak is over that, or where
no process opened within a millisecond."""
import argparse
import json
import os
import statistics
import subprocess
import sys


def ai_json(ai, command, *arguments):
    done = subprocess.run([ai, command, *arguments, "--threads", "1", "--json"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("lai")
    parser.add_argument("--processes", type=int, default=31)
    args = parser.parse_args()
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    info = ai_json(ai, "info", args.lai)
    results = [ai_json(ai, "bench", args.lai, "--runs", "1") for _ in range(args.processes)]
    opens = [result["open_ms"] for result in results]
    peak = max(result["peak_rss_bytes"] for result in results)
    bound = info["weight_bytes"] + info["arena_bytes"] + (4 << 20)
    print(f"open_ms of {args.processes} processes: least {min(opens):.3f}, "
          f"median {statistics.median(opens):.3f}, most {max(opens):.3f}")
    print(f"peak memory: {peak / 2**20:.2f} MiB; weights + arena + 4 MiB: {bound / 2**20:.2f} MiB")
    sys.exit(min(opens) >= 1 or peak > bound)


if __name__ == "__main__":
    main()
