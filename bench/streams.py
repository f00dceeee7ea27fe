#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streams: a thousand sessions of one CharRNN in a process, batches of streams, and silence.

usage: bench/streams.py [BUILD]

Needs NumPy and onnx (.venv has them). Exits 1 where a thousand sessions take more than weights once
and each its own, or where the slowest part of 100,000 steps of silence takes over 1.05 of the
first. Run it on an idle machine."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "peers"))
import streams as nets  # noqa: E402

BATCHES, SESSIONS, SILENCE, MOST = (1, 2, 4, 8, 16, 32), 1000, 100_000, 1.05


def convert(build, folder, name, *options):
    out = os.path.join(folder, name + ".lai")
    subprocess.run([os.path.join(build, "bindings/cli/ai"), "convert", "-o", out, *options,
                    os.path.join(folder, name + ".onnx")], check=True)
    return out


def run(build, *arguments):
    """What bench/streams.c says, on one CPU; its exit status."""
    cpu = min(os.sched_getaffinity(0))
    done = subprocess.run(["taskset", "-c", str(cpu), os.path.join(build, "bench/streams"),
                           *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=False)
    return json.loads(done.stdout), done.returncode


def make_silence(path, op):
    """A layer of 64 that forgets: without bias, in steps of one."""
    m = nets.Maker()
    gates = {"LSTM": 4, "GRU": 3}[op]
    m.inputs.append(nets.info("x", nets.F32, 1, 1, 64))
    m.outputs.append(nets.info("y", nets.F32, 1, 1, 1, 64))
    m.node(op, ["x", m.constant("w", 1, gates * 64, 64, scale=0.1),
                m.constant("r", 1, gates * 64, 64, scale=0.05)], ["y"], hidden_size=64)
    m.save(path)


def many(build, folder):
    nets.make_characters("LSTM", os.path.join(folder, "charlstm.onnx"))
    found, status = run(build, convert(build, folder, "charlstm",
                                       *nets.options("charlstm", "lai")), SESSIONS, 3)
    print(f"{SESSIONS} sessions of a CharRNN: weights {found['weights'] / 1e6:.1f} MB, mapped once "
          f"({found['mapped'] / 1e6:.1f} MB with the program); a session {found['session'] / 1e3:.1f} "
          f"kB, of which state {found['state'] / 1e3:.1f} kB; all take "
          f"{found['anonymous'] / 1e6:.1f} MB")
    return status


def batches(build, folder):
    print("streams a call | us a character of each")
    for batch in BATCHES:
        nets.make_characters("LSTM", os.path.join(folder, "batch.onnx"), batch)
        found, _ = run(build, convert(build, folder, "batch", *nets.options("charlstm", "lai")), 1,
                       max(400 // batch, 40))
        print(f"{batch:14} | {min(found['ns']) / batch / 1e3:.0f}")


def silence(build, folder):
    failed = 0
    for op in ("LSTM", "GRU"):
        make_silence(os.path.join(folder, "silence.onnx"), op)
        found, _ = run(build, convert(build, folder, "silence", "--state", "y"), 1, SILENCE)
        ratio = max(found["ns"]) / found["ns"][0]
        print(f"{op} in silence: first steps {found['ns'][0]} ns, slowest part of {SILENCE} steps "
              f"{max(found['ns'])} ns, {ratio:.3f} times")
        failed |= ratio > MOST
    return failed


def main():
    build = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../build"))
    with tempfile.TemporaryDirectory() as folder:
        status = many(build, folder)
        batches(build, folder)
        status |= silence(build, folder)
    sys.exit(status)


if __name__ == "__main__":
    main()
