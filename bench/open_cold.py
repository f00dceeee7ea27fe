#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What opening costs: the least `open_ms` of many processes, and the peak memory of a run.

usage: open_cold.py BUILD MODEL.lai [--processes 31]

`open_ms` is ai_model_open plus ai_session_open as `ai bench --json` reports it. Peak memory is
compared with weights + session memory + 4 MiB."""
import argparse
import json
import os
import statistics
import subprocess


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("lai")
    parser.add_argument("--processes", type=int, default=31)
    args = parser.parse_args()
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    results = [json.loads(subprocess.run([ai, "bench", args.lai, "--runs", "1", "--threads", "1", "--json"], check=True,
                                         capture_output=True, text=True).stdout) for _ in range(args.processes)]
    info = json.loads(subprocess.run([ai, "info", args.lai, "--threads", "1", "--json"], check=True, capture_output=True, text=True).stdout)
    opens = [r["open_ms"] for r in results]
    peak = max(r["peak_rss_bytes"] for r in results)
    bound = info["weight_bytes"] + info["session_bytes"] + (4 << 20)
    print(f"open_ms of {args.processes} processes: least {min(opens):.3f}, median {statistics.median(opens):.3f}")
    print(f"peak memory: {peak / 2**20:.1f} MiB; weights + session + 4 MiB: {bound / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
