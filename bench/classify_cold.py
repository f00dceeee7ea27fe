#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From exec to label: `ai classify` beside ONNX Runtime's C interface on the same model.

usage: classify_cold.py BUILD MODEL.lai MODEL.onnx IMAGE [--rounds 10] [--runtime LIBONNXRUNTIME]

Whole processes, pinned to one CPU, page cache warm, in turn; every round runs each form once.
ONNX Runtime runs the plain .onnx file and its best form, an optimised .ort file used in place
without prepacking. The answers are compared first. Prints a table in Markdown."""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

LIBRARIES = [["lib"], ["models"], ["bindings", "task"]]  # where a build has them


def runtime_library():
    """ONNX Runtime's shared library as its Python package carries it."""
    pattern = sysconfig.get_paths()["purelib"] + "/onnxruntime/capi/libonnxruntime.so*"
    found = [p for p in sorted(glob.glob(pattern)) if os.path.isfile(p)]
    if not found:
        sys.exit("classify_cold.py: onnxruntime is not installed in this Python")
    return found[-1]


def make_ort(onnx_path, folder):
    """The model optimised for this machine and stored as .ort."""
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = os.path.join(folder, "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
    return options.optimized_model_filepath


def rename_tensors(onnx_path, folder):
    """The peer's program knows its tensors as `input` and `output`."""
    import onnx
    model = onnx.load(onnx_path)
    old_in, old_out = model.graph.input[0].name, model.graph.output[0].name
    for node in model.graph.node:
        node.input[:] = ["input" if n == old_in else n for n in node.input]
        node.output[:] = ["output" if n == old_out else n for n in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "input", "output"
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    return path


def resources(model):
    """Recipe and labels as the .lai carries them, by the Python binding."""
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bindings", "python"))
    import libai
    return libai.Model(model).resources


def pin():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def build_peer(build):
    subprocess.run(["ninja", "-C", build, "bench/classify-ort"], check=True,
                   stdout=subprocess.DEVNULL)
    return os.path.join(build, "bench", "classify-ort")


def measure(command):
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin)
    wall = (time.perf_counter() - begin) * 1e3
    if done.returncode != 0:
        sys.exit(f"classify_cold.py: {command[0]}: {done.stderr.strip()}")
    return wall, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("lai")
    parser.add_argument("onnx")
    parser.add_argument("image")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runtime", help="ONNX Runtime's library, else that of this Python")
    args = parser.parse_args()
    folders = [os.path.join(args.build, *part) for part in LIBRARIES]
    os.environ.setdefault("LIBAI_PATH", os.pathsep.join(folders))
    with tempfile.TemporaryDirectory() as folder:
        held = resources(args.lai)
        labels = os.path.join(folder, "labels")
        with open(labels, "wb") as out:
            out.write(held["labels"])
        recipe = held["image"].decode()
        onnx_path = rename_tensors(args.onnx, folder)
        peer = [build_peer(args.build), args.runtime or runtime_library()]
        tail = [recipe, labels, args.image]
        forms = {
            "ai classify": [os.path.join(args.build, "bindings", "cli", "ai"), "classify",
                            "--model", args.lai, "--json", "--top", "1", args.image],
            "ONNX Runtime, .onnx": peer + [onnx_path] + tail,
            "ONNX Runtime, .ort in place": peer + [make_ort(onnx_path, folder), "ort"] + tail,
        }
        answers = {name: measure(command)[1].strip() for name, command in forms.items()}
        ours = json.loads(answers["ai classify"])["body"][0]["label"]
        for name, answer in answers.items():
            if name != "ai classify" and answer != ours:
                sys.exit(f"classify_cold.py: {name} says '{answer}', ai says '{ours}'")
        times = {name: [] for name in forms}
        for _ in range(args.rounds):
            for name, command in forms.items():
                times[name].append(measure(command)[0])
    best = min(min(t) for name, t in times.items() if name != "ai classify")
    print(f"label: {ours}; {args.rounds} rounds, one CPU, warm page cache\n")
    print("| form | least ms | median ms | ratio of leasts to the best peer |")
    print("| --- | --- | --- | --- |")
    for name, t in times.items():
        print(f"| {name} | {min(t):.1f} | {statistics.median(t):.1f} | {min(t) / best:.2f} |")


if __name__ == "__main__":
    main()
