#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From exec to the first answer to exit: libai beside its peers, whole processes in random turn.

usage: bench/cold/cold.py [--build build] [--work build-peers] [--ncnn LIBNCNN] [--rounds 21]
           [--network NAME]... [--classify MODEL.lai MODEL.onnx IMAGE]
           [--poem MODEL.lai MODEL.onnx]

The networks are those that `bench/peers/run convert` left in WORK/models; bench/cold/ncnn builds
LIBNCNN. Each form is a small C program with one thread on one CPU; answers are compared first, those
of an int8 network (`bench/peers/run int8`) with f32's: none may be more than twice as far from it as
ONNX Runtime's.
Measured are the time with all files in the page cache; with the form's own files dropped from it,
beside reading the same files with cat; the peak of resident memory; and how long opening takes.
--classify takes a photograph to its label instead of a tensor to a tensor, --poem writes a poem
beside ONNX Runtime in Python; they need NumPy.
Writes WORK/results/{cold,memory}.cold.json for bench/report.py, with --network a file of other
name beside. Exits 1 where libai's peak is over
weights + arena + 4 MiB, or where no process opened its model within a millisecond."""
from __future__ import annotations

import argparse
import array
import glob
import json
import math
import os
import random
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.dirname(HERE)]

import forms  # noqa: E402
import machine  # noqa: E402

NETWORKS = ["resnet50", "mobilenetv2", "resnet50_int8"]
NAMES = {"resnet50": "ResNet-50", "mobilenetv2": "MobileNetV2", "resnet50_int8": "ResNet-50, int8"}
WARM_RUNS = 15
OPENINGS = 31
SPARE_BYTES = 4 << 20
INT8_REFERENCE, MOST_TIMES = "ONNX Runtime, .onnx", 2.0


# --- processes -----------------------------------------------------------------------------------

def launch(args, form: forms.Form, runs: int = 0) -> tuple[dict, bytes, float]:
    """What the process took, its answer, and the least of its further runs."""
    done = subprocess.run([os.path.join(args.programs, "launch"), *form.command(runs)],
                          capture_output=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
    lines = done.stderr.decode().splitlines()
    if done.returncode != 0:
        raise RuntimeError(" ".join(lines[:-1]) or f"exit status {done.returncode}")
    return json.loads(lines[-1]), done.stdout, float(lines[0]) if runs else 0.0


def drop(paths: list[str]) -> None:
    """Drops files from the page cache."""
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def cat(args, paths: list[str]) -> float:
    """Milliseconds that it takes to read files which are not in the page cache; now they are."""
    drop(paths)
    reading = forms.Form("cat", lambda runs: ["/bin/cat", *paths], [])
    return launch(args, reading)[0]["wall_ms"]


# --- answers -------------------------------------------------------------------------------------

def differs(ours: bytes, theirs: bytes) -> str:
    """Why an answer counts as another one; '' if it does not. Labels must be the same."""
    if ours == theirs:
        return ""
    if len(ours) != len(theirs) or len(ours) != 4 * forms.OUTPUTS:
        return f"answers {theirs[:40]!r}"
    a, b = array.array("f", ours), array.array("f", theirs)
    cosine = sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a)
                                                           * sum(y * y for y in b))
    same = max(range(len(a)), key=a.__getitem__) == max(range(len(b)), key=b.__getitem__)
    return "" if same and cosine > 0.9999 else f"another answer (cosine {cosine:.6f})"


def distance(f32: bytes, answer: bytes) -> float:
    """Root mean square, in parts of f32's answer."""
    a, b = array.array("f", f32), array.array("f", answer)
    return math.dist(a, b) / math.hypot(*a) if len(a) == len(b) else math.inf


def is_off(args, name: str, answers: dict[str, bytes]) -> dict[str, str]:
    """Why answers count as wrong, by form."""
    if not name.endswith("_int8"):
        first = next(iter(answers.values()))
        return {form: why for form, answer in answers.items() if (why := differs(first, answer))}
    f32 = launch(args, forms.f32_of(args, name))[1]
    most = MOST_TIMES * distance(f32, answers[INT8_REFERENCE])
    return {form: f"another answer ({apart:.1%} from f32, at most {most:.1%})"
            for form, answer in answers.items() if not (apart := distance(f32, answer)) <= most}


def usable(args, name: str, found: list[forms.Form]) -> tuple[list[forms.Form], dict[str, str]]:
    """Forms that run and answer as they should, and why others are left out. Fills OpenVINO's own
    cache too."""
    answers, excluded = {}, {}
    for form in found:
        try:
            answers[form.name] = form.answer(launch(args, form)[1])
        except (RuntimeError, OSError) as error:
            excluded[form.name] = str(error)
    excluded |= is_off(args, name, answers)
    return [form for form in found if form.name not in excluded], excluded


# --- measurements --------------------------------------------------------------------------------

def measure(args, name: str, found: list[forms.Form]) -> dict:
    """Rounds of all forms in random order: raw values by form."""
    kept, excluded = usable(args, name, found)
    values = {form.name: {"warm": [], "dropped": [], "cat": [], "peak": [], "own": []}
              for form in kept}
    for form in kept:
        cat(args, form.files())
    order = random.Random(1)  # so that none always finds the caches as the same other left them
    for _ in range(args.rounds):
        for form in order.sample(kept, len(kept)):
            taken = launch(args, form)[0]
            values[form.name]["warm"].append(taken["wall_ms"])
            values[form.name]["peak"].append(taken["peak_kib"] / 1024)
    for _ in range(args.dropped):
        for form in kept:
            values[form.name]["cat"].append(cat(args, form.files()))
            if form.has_runs:
                values[form.name]["own"].append(launch(args, form, WARM_RUNS)[2])
            drop(form.files())
            values[form.name]["dropped"].append(launch(args, form)[0]["wall_ms"])
    return {"name": NAMES.get(name, name), "forms": kept, "excluded": excluded, "values": values}


def table(result: dict, title: str, key: str, unit: str, more) -> dict:
    rows = [{"name": form.name, "ours": form.ours, "values": result["values"][form.name][key],
             "more": more(form, result["values"][form.name])} for form in result["forms"]]
    return {"title": f"{result['name']}, {title}", "unit": unit, "rows": rows,
            "excluded": result["excluded"]}


def own_run(form: forms.Form, values: dict) -> dict[str, str]:
    if not values["own"]:
        return {}
    own = min(values["own"])
    ratio = min(values["warm"]) / own
    return {"own later run, ms": f"{own:.2f}", "to its own later run": f"{ratio:.2f}"}


def beside_cat(form: forms.Form, values: dict) -> dict[str, str]:
    read = sum(os.path.getsize(path) for path in form.files()) / 1e6
    return {"files, MB": f"{read:.1f}", "cat of them, least ms": f"{min(values['cat']):.1f}"}


# --- libai's own bounds --------------------------------------------------------------------------

def ai_json(args, command: str, *arguments: str) -> dict:
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    done = subprocess.run([ai, command, *arguments, "--threads", "1", "--json"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def bound_mib(args, lai: str) -> float:
    info = ai_json(args, "info", lai)
    return (info["weight_bytes"] + info["arena_bytes"] + SPARE_BYTES) / 2**20


def opening(args, results: list[dict]) -> tuple[list[dict], bool]:
    """ai_model_open plus ai_session_open, as many processes have it; true: each within 1 ms."""
    tables, is_fast = [], True
    for result in results:
        cells = []
        for form in result["forms"]:
            if not form.lai:
                continue
            took = sorted(ai_json(args, "bench", form.lai, "--runs", "1")["open_ms"]
                          for _ in range(OPENINGS))
            is_fast &= took[0] < 1
            cells.append([form.name, f"{took[0]:.3f}", f"{took[len(took) // 2]:.3f}",
                          f"{took[-1]:.3f}"])
        tables.append({
            "title": f"{result['name']}, opening model and session, {OPENINGS} processes",
            "columns": ["", "least ms", "median ms", "most ms"], "cells": cells})
    return tables, is_fast


# --- the whole -----------------------------------------------------------------------------------

def results_of(args) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        found = [(name, forms.of_network(args, name)) for name in args.network]
        if args.classify:
            found.append(("photograph to label", forms.of_photograph(args, folder, *args.classify)))
        if args.poem:
            found.append(("a whole poem", forms.of_poem(args, folder, *args.poem)))
        return [measure(args, *one) for one in found]


def memory(args, results: list[dict]) -> tuple[list[dict], bool]:
    """Tables of the peaks; true: libai's are within their bounds."""
    tables, is_within = [], True
    for result in results:
        bounds = {form.name: bound_mib(args, form.lai) for form in result["forms"]
                  if form.lai and form.has_runs}  # a photograph takes memory of its own
        tables.append(table(
            result, "peak of resident memory", "peak", "MiB", lambda form, values: {
                "weights + arena + 4 MiB": f"{bounds[form.name]:.2f}"} if form.name in bounds else {}))
        for name, bound in bounds.items():
            is_within &= max(result["values"][name]["peak"]) <= bound
    return tables, is_within


def save(args, section: str, tables: list[dict], notes: list[str]) -> None:
    path = os.path.join(args.work, "results", f"{section}.{args.result}.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    command = "bench/cold/cold.py" + " --ncnn LIBNCNN" * bool(args.ncnn)
    command += "".join(" --network " + name for name in args.asked)
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"section": section, "command": command, "machine": machine.facts(),
                   "versions": args.versions, "notes": notes, "tables": tables}, out)
    print(path)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--work", default=os.path.join(ROOT, "build-peers"))
    parser.add_argument("--venv", help="of the peers, else WORK/venv")
    parser.add_argument("--ncnn", help="ncnn's shared library, made by bench/cold/ncnn")
    parser.add_argument("--network", action="append", help="else " + ", ".join(NETWORKS))
    parser.add_argument("--classify", nargs=3, metavar=("LAI", "ONNX", "IMAGE"))
    parser.add_argument("--poem", nargs=2, metavar=("LAI", "ONNX"))
    parser.add_argument("--rounds", type=int, default=21, help="with a warm page cache")
    parser.add_argument("--dropped", type=int, default=5, help="rounds with files dropped too")
    args = parser.parse_args()
    args.build, args.work = os.path.abspath(args.build), os.path.abspath(args.work)
    args.venv = args.venv or os.path.join(args.work, "venv")
    is_other = args.classify or args.poem
    args.asked = args.network or []
    args.result = "-".join(["cold", *args.asked])
    args.network = args.network or ([] if is_other else NETWORKS)
    args.programs = os.path.join(args.build, "bench", "cold")
    args.library = {name: (sorted(glob.glob(os.path.join(args.venv, pattern))) or [""])[-1]
                    for name, pattern in forms.LIBRARIES.items()}
    args.library["ncnn"] = args.ncnn and os.path.abspath(args.ncnn)
    args.versions = {"ncnn": os.path.realpath(args.ncnn).split(".so.")[-1]} if args.ncnn else {}
    return args


def main():
    args = arguments()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = results_of(args)
    tables = [table(r, "page cache warm", "warm", "ms", own_run) for r in results]
    tables += [table(r, "its files dropped from the page cache", "dropped", "ms", beside_cat)
               for r in results]
    opened, is_fast = opening(args, results)
    peaks, is_within = memory(args, results)
    save(args, "cold", [*tables, *opened],
         ["Whole processes, exec to exit, one thread on one CPU. Programs exit without taking down "
          "what they built. What was dropped is the program, the engine's library and the model."])
    save(args, "memory", peaks, ["The peak of the same processes, mapped files included."])
    sys.exit(not (is_fast and is_within))


if __name__ == "__main__":
    main()
