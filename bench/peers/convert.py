# SPDX-License-Identifier: Apache-2.0
"""Makes each engine's file of a network; what is newer than its source is kept."""
from __future__ import annotations

import os
import subprocess
import sys

import networks

HERE = os.path.dirname(os.path.abspath(__file__))

# Endings of the files that an engine opens; ncnn's weights lie beside.
ENDINGS = {"onnx": ".onnx", "lai": ".lai", "direct": ".direct.lai", "ncnn": ".ncnn.param",
           "mnn": ".mnn", "tflite": ".tflite", "f16": ".f16.lai", "s8": ".s8.lai",
           "qdq": ".qdq.lai", "published": ".published.tflite"}


def file_of(folder: str, name: str, form: str) -> str:
    """The file of a network in a form. ncnn has no batch: there the one with batch 1 serves."""
    if form == "ncnn":
        name = networks.single(name)
    return os.path.join(folder, name + ENDINGS[form])


def command(form: str, onnx: str, target: str, ai: str, tf_python: str,
            options: list[str]) -> list[str]:
    """What makes a form of an ONNX file, run in its folder."""
    if target.endswith(".lai"):
        more = ["--winograd", "off"] if form == "direct" else options
        return [ai, "convert", onnx, "-o", target, *more]
    tools = os.path.dirname(sys.executable)
    return {
        "ncnn": [os.path.join(tools, "pnnx"), onnx, "fp16=0"],
        "mnn": [os.path.join(tools, "mnnconvert"), "-f", "ONNX", "--modelFile", onnx, "--MNNModel",
                target, "--bizCode", "bench"],
        "tflite": [tf_python, "-B", os.path.join(HERE, "tflite.py"), onnx, target],
    }[form]


def is_newer(target: str, *sources: str) -> bool:
    return os.path.exists(target) and all(
        os.path.getmtime(target) >= os.path.getmtime(source) for source in sources)


def convert(folder: str, name: str, form: str, ai: str, tf_python: str,
            options: list[str] | None = None) -> None:
    """Runs what is needed, `ai convert` with these options."""
    target = file_of(folder, name, form)
    onnx = target.removesuffix(ENDINGS[form]) + ENDINGS["onnx"]
    sources = [onnx, *([ai] if target.endswith(".lai") else [])]
    make(target, sources, command(form, onnx, target, ai, tf_python, options or []))


def make(target: str, sources: list[str], line: list[str]) -> None:
    """Runs a command in the target's folder unless it is newer than what it is made of; where that
    fails there is no file, and the log says why."""
    missing = [source for source in sources if not os.path.exists(source)]
    if missing:
        print(f"no {os.path.basename(target)}: {missing[0]} is missing", flush=True)
        return
    if is_newer(target, *sources):
        return
    if os.path.exists(target):
        os.remove(target)
    print(f"converting {os.path.basename(target)}", flush=True)
    with open(target + ".log", "w", encoding="utf-8") as log:
        try:
            subprocess.run(line, cwd=os.path.dirname(target), stdout=log, stderr=subprocess.STDOUT,
                           check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"  failed: {error}; {target}.log", flush=True)
