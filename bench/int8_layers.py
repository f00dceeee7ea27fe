#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Layer by layer, what int8 saves: the steps of an f32 file and of an int8 file, by name.

usage: bench/int8_layers.py [--build build] [--cpu vnni] [--rounds 6] [--runs 60]
           [--all] F32.onnx INT8.lai

F32.onnx is converted here, so that each layer is a step of its own (--strips off), with Winograd's
algorithm where it pays. Both files are measured by `ai bench --profile` in turn, on one thread; the
least of all runs counts. Layers that are slower in int8 are printed, --all prints all. If the int8
file was made by `ai convert --int8`, it is made again with those layers kept in f32, and measured in
the same turns: what the network would have of it, conversions included. Pin it: taskset -c 0."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "bindings", "python"))

import libai  # noqa: E402

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")


class File:
    """A model with the least time of each of its steps, and of a run."""

    def __init__(self, path: str):
        self.path, self.ms, self.steps = path, float("inf"), {}

    def measure(self, args) -> None:
        done = subprocess.run([args.ai, "bench", self.path, "--profile", "--json", "--threads", "1",
                               "--cpu", args.cpu, "--runs", str(args.runs)], check=True,
                              capture_output=True, text=True)
        found = json.loads(done.stdout)
        self.ms = min(self.ms, found["min_ms"])
        for step in found["steps"]:
            held = self.steps.setdefault(step["name"], step)
            held["ms"] = min(held["ms"], step["ms"])


def convert(args, target: str, *options: str) -> File:
    subprocess.run([args.ai, "convert", args.onnx, "-o", target, *options], check=True,
                   capture_output=True)
    return File(target)


def slower(f32: File, int8: File) -> list[str]:
    return [name for name, step in int8.steps.items()
            if name in f32.steps and step["ms"] > f32.steps[name]["ms"]
            and f32.steps[name]["kernel"] != step["kernel"]]  # else it stayed f32


def kept(args, folder: str, names: list[str]) -> File | None:
    """The int8 file made again with these layers in f32, if `ai convert --int8` made it."""
    held = libai.Model(args.lai).resources.get("int8")
    if held is None or not names:
        return None
    recipe = json.loads(held)
    for layer in recipe["layers"]:
        if layer["name"] in names:
            layer.pop("bias", None)
            layer.update(form="f32", why="asked for")
    path = os.path.join(folder, "kept.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump(recipe, out)
    return convert(args, os.path.join(folder, "kept.lai"), "--int8", path)


def conversions(file: File) -> float:
    return sum(step["ms"] for step in file.steps.values() if step["op"] in CONVERSIONS)


def tell(f32: File, int8: File, again: File | None, names: list[str]) -> None:
    print("| layer | kernel | int8 us | f32 us | ratio |\n|---|---|--:|--:|--:|")
    for name in names:
        ours, theirs = int8.steps[name], f32.steps[name]
        print(f"| {name} | {ours['kernel'].removeprefix('ai_')} | {ours['ms'] * 1e3:.1f} | "
              f"{theirs['ms'] * 1e3:.1f} | {ours['ms'] / theirs['ms']:.2f} |")
    print(f"\nf32 {f32.ms:.3f} ms, int8 {int8.ms:.3f} ms, of which conversions "
          f"{conversions(int8) * 1e3:.0f} us")
    if again:
        print(f"with what is slower in f32: {again.ms:.3f} ms, of which conversions "
              f"{conversions(again) * 1e3:.0f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--cpu", default="vnni")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("onnx", metavar="F32.onnx")
    parser.add_argument("lai", metavar="INT8.lai")
    args = parser.parse_args()
    places = [os.path.join(args.build, part) for part in ("lib", "models", "bindings/task")]
    os.environ["LIBAI_PATH"] = os.pathsep.join(places)
    args.ai = os.path.join(args.build, "bindings", "cli", "ai")
    with tempfile.TemporaryDirectory() as folder:
        f32 = convert(args, os.path.join(folder, "f32.lai"), "--strips", "off")
        int8, again = File(args.lai), None
        for i in range(args.rounds):
            for file in filter(None, (f32, int8, again)):
                file.measure(args)
            if i == 0:
                again = kept(args, folder, slower(f32, int8))
        losers = slower(f32, int8)
        shown = [name for name in int8.steps if name in f32.steps] if args.all else losers
        tell(f32, int8, again, shown)
        print(f"\n{len(losers)} of {len(int8.steps)} layers are slower in int8")


if __name__ == "__main__":
    main()
