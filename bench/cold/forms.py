# SPDX-License-Identifier: Apache-2.0
"""The forms in which each engine starts: its program's command line and the files it reads."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Callable, NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUTPUTS = 1000  # of every network here (cold.h)

PACKAGES = "lib/python3*/site-packages/"
LIBRARIES = {"ort": PACKAGES + "onnxruntime/capi/libonnxruntime.so.*.*",
             "openvino": PACKAGES + "openvino/libs/libopenvino_c.so.*"}
# What OpenVINO opens beside its C interface.
OPENVINO_FILES = ["libopenvino.so", "libopenvino_intel_cpu_plugin.so", "libtbb.so"]


class Form(NamedTuple):
    name: str
    command: Callable[[int], list[str]]  # by the number of further runs
    reads: list[str]                     # libraries and models; folders stand for what they hold
    ours: bool = False
    lai: str = ""
    has_runs: bool = True
    answer: Callable[[bytes], bytes] = lambda output: output

    def files(self) -> list[str]:
        """All that it reads, the program too, as far as it exists."""
        found = [self.command(0)[0]] if self.ours or self.reads else []
        for path in self.reads:
            if os.path.isdir(path):
                found += [os.path.join(path, name) for name in os.listdir(path)]
            elif os.path.isfile(path):
                found.append(path)
        return found


def program(args, name: str, *operands: str) -> Callable[[int], list[str]]:
    return lambda runs: [os.path.join(args.programs, name), str(runs), *operands]


def variants(args, onnx: str) -> str:
    """The path without its ending; makes what starts fastest, once."""
    stem = onnx.removesuffix(".onnx")
    note = stem + ".variants.json"
    if not os.path.exists(note) or os.path.getmtime(note) < os.path.getmtime(onnx):
        python = os.path.join(args.venv, "bin", "python")
        done = subprocess.run([python, "-B", os.path.join(HERE, "variants.py"), onnx], check=True,
                              stdout=subprocess.PIPE, text=True)
        with open(note, "w", encoding="utf-8") as out:
            out.write(done.stdout.splitlines()[-1])
    with open(note, encoding="utf-8") as stream:
        args.versions.update(json.load(stream))
    return stem


def of_libai(args, stem: str) -> list[Form]:
    library = os.path.realpath(os.path.join(args.build, "lib", "libai.so"))
    found = []
    for name, lai in (("libai", stem + ".lai"), ("libai, direct", stem + ".direct.lai")):
        if name != "libai" and not os.path.exists(lai):  # of int8 there is one
            continue
        found.append(Form(name, program(args, "cold-ai", lai), [library, lai], True, lai))
    return found


def of_ncnn(args, stem: str) -> list[Form]:
    library = args.library["ncnn"]
    if not library:
        return []
    files = [stem + ".ncnn.param", stem + ".ncnn.bin"]
    found = []
    for name, tail in (("ncnn, mapped", []), ("ncnn, mapped, no transformed weights", ["plain"])):
        found.append(Form(name, program(args, "cold-ncnn", library, *files, *tail),
                          [os.path.realpath(library), *files]))
    return found


def of_openvino(args, stem: str) -> Form:
    library = args.library["openvino"]
    folder = os.path.dirname(library)
    cache = stem + ".openvino-cache"
    files = [library, stem + ".xml", stem + ".bin", cache]
    files += [os.path.join(folder, name) for name in sorted(os.listdir(folder))
              if any(name.startswith(wanted) for wanted in OPENVINO_FILES)]
    return Form("OpenVINO, cached", program(args, "cold-openvino", library, stem + ".xml", cache),
                files)


def f32_of(args, name: str) -> Form:
    """What the int8 answers of a network are held to."""
    onnx = os.path.join(args.work, "models", name.removesuffix("_int8") + ".onnx")
    return Form("f32", program(args, "cold-ort", args.library["ort"], onnx), [onnx])


def of_network(args, name: str) -> list[Form]:
    """charstart, which bench/peers/run streams makes, is a CharRNN to its first character."""
    onnx = os.path.join(args.work, "models", name + ".onnx")
    stem = variants(args, onnx)
    ort = args.library["ort"]
    if name == "charstart":
        return [of_libai(args, stem)[0],
                *(Form(title, program(args, "cold-ort", ort, model, "1", "1"), [ort, model])
                  for title, model in (("ONNX Runtime, .ort in place", stem + ".ort"),
                                       ("ONNX Runtime, .onnx", onnx)))]
    found = of_libai(args, stem)
    for title, model, *tail in (("ONNX Runtime, .ort in place", stem + ".ort"),
                                ("ONNX Runtime, .ort, prepacked", stem + ".ort", "prepack"),
                                ("ONNX Runtime, .onnx", onnx)):
        found.append(Form(title, program(args, "cold-ort", ort, model, *tail), [ort, model]))
    ncnn = [] if name.endswith("_int8") else of_ncnn(args, stem)
    return [*found, *ncnn, of_openvino(args, stem)]


def resources(args, lai: str, folder: str, *names: str) -> list[str]:
    """Files in `folder` that hold resources of a model."""
    places = [os.path.join(args.build, part) for part in ("lib", "models", "bindings/task")]
    os.environ.setdefault("LIBAI_PATH", os.pathsep.join(places))
    sys.path.insert(0, os.path.join(ROOT, "bindings", "python"))
    import libai
    held = libai.Model(lai).resources
    paths = [os.path.join(folder, name) for name in names]
    for name, path in zip(names, paths):
        with open(path, "wb") as out:
            out.write(held[name])
    return paths


def poem_form(output: bytes) -> bytes:
    """Poems differ, their form does not: the number of characters between the marks."""
    return " ".join(str(len(line)) for line in re.findall(r"\w+", output.decode())).encode()


def of_poem(args, folder: str, lai: str, onnx: str) -> list[Form]:
    """`ai write` beside ONNX Runtime in Python."""
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    own = [ai, "write", "--model", lai, "--seed", "1", "--threads", "1"]
    script = [os.path.join(args.venv, "bin", "python"), "-B", os.path.join(HERE, "poem_ort.py"),
              onnx, *resources(args, lai, folder, "text", "vocabulary")]
    return [Form("libai", lambda runs: own, [lai], True, lai, False, poem_form),
            Form("ONNX Runtime, in Python", lambda runs: script, [args.library["ort"], onnx],
                 has_runs=False, answer=poem_form)]


def of_photograph(args, folder: str, lai: str, onnx: str, image: str) -> list[Form]:
    """`ai classify` beside ONNX Runtime with the same decoding; both print the label."""
    labels, recipe = resources(args, lai, folder, "labels", "image")
    with open(recipe, encoding="utf-8") as file:
        recipe = file.read()
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    ort = args.library["ort"]
    own = [ai, "classify", "--model", lai, "--top", "1", "--json", image]
    found = [Form("libai", lambda runs: own, [lai], True, lai, False,
                  lambda output: json.loads(output)["body"][0]["label"].encode() + b"\n")]
    for title, model in (("ONNX Runtime, .ort in place", variants(args, onnx) + ".ort"),
                         ("ONNX Runtime, .onnx", onnx)):
        command = [os.path.join(args.programs, "classify-ort"), ort, model,
                   recipe, labels, image]
        found.append(Form(title, lambda runs, command=command: command, [ort, model],
                          has_runs=False))
    return found
