# SPDX-License-Identifier: Apache-2.0
"""The steps of bench/peers/run."""
from __future__ import annotations

import glob
import importlib.metadata
import json
import os
import subprocess
import tempfile

import convert
import engines
import int8
import machine
import measure
import networks
import numpy as np
import report
import streams
from networks import LAYERS, NETWORKS

FORMS = ["lai", "direct", "ncnn", "mnn", "tflite"]
THREADS = [n for n in (1, 2) if n <= len(os.sched_getaffinity(0))]
LAYER_BURST, LAYER_SECONDS, STREAM_BURST = 0.1, 3, 0.2
# Name, source, library to link, and the package of Debian that has it.
LIBRARIES = {"oneDNN": ("layer_onednn.c", "-ldnnl", "libdnnl-dev"),
             "OpenBLAS": ("layer_openblas.c", "-lopenblas", "libopenblas-dev")}


def run(args) -> None:
    places = [os.path.join(args.build, part) for part in ("lib", "models", "bindings/task")]
    os.environ["LIBAI_PATH"] = os.pathsep.join(places)
    os.environ["PYTHONPATH"] = os.path.join(networks.ROOT, "bindings", "python")
    args.models = os.path.join(args.work, "models")
    asked = args.network or [*NETWORKS, *int8.NETWORKS, *streams.NETWORKS]
    args.network = [name for name in asked if name in NETWORKS]
    args.int8 = [name for name in asked if name in int8.NETWORKS]
    args.stream = [name for name in asked if name in streams.NETWORKS]
    os.makedirs(args.models, exist_ok=True)
    for step in args.steps:
        {"convert": convert_step, "measure": measure_step, "int8": int8_step,
         "layers": layers_step, "streams": streams_step, "report": report_step}[step](args)


def convert_step(args) -> None:
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    for name in dict.fromkeys(n for name in args.network for n in (networks.single(name), name)):
        networks.prepare(name, args.models)
        for form in FORMS:
            convert.convert(args.models, name, form, ai, tf_python(args))
        np.save(os.path.join(args.models, name + ".npy"), networks.image(NETWORKS[name]))
    for name in LAYERS:
        networks.prepare_layer(name, args.models)
        convert.convert(args.models, "layer-" + name, "lai", ai, tf_python(args))


def tf_python(args) -> str:
    return os.path.join(args.venv_tf, "bin", "python")


def save(args, name: str, result: dict) -> None:
    """An earlier result of the name is replaced, unless --add keeps it."""
    folder = os.path.join(args.work, "results")
    os.makedirs(folder, exist_ok=True)
    earlier = glob.glob(os.path.join(folder, f"{name}.*.json"))
    if not args.add:
        for path in earlier:
            os.remove(path)
        earlier = []
    path = os.path.join(folder, f"{name}.{len(earlier)}.json")
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"machine": machine.facts(), "versions": versions(), **result}, out)


def libai_version() -> str:
    done = subprocess.run(["git", "-C", networks.ROOT, "describe", "--always", "--dirty"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "of unknown commit"


def versions() -> dict[str, str]:
    found = {"libai": libai_version()}
    for name, engine in (engines.ALL | streams.SEQUENCE | streams.CHARACTERS).items():
        if engine.package and "," not in name:
            try:
                found[name] = importlib.metadata.version(engine.package)
            except importlib.metadata.PackageNotFoundError:
                found[name] = "missing"
    for name, (_, _, package) in LIBRARIES.items():
        done = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True,
                              text=True, check=False)
        found[name] = done.stdout.strip() or "missing"
    return found


# --- networks ------------------------------------------------------------------------------------

def start_network(args, name: str) -> tuple[list[measure.Worker], dict[str, str]]:
    """A worker an engine and count of threads; engines without the network's file are left out."""
    workers, missing = [], {}
    for engine, about in engines.ALL.items():
        model = convert.file_of(args.models, name, about.form)
        if about.is_step:
            continue
        if not os.path.exists(model):
            missing[engine] = "its converter made no file"
            continue
        given = os.path.join(args.models, name + ".npy")
        workers += [measure.engine_worker(engine, model, given, threads) for threads in THREADS]
    good, excluded = measure.start_all(workers)
    return good, missing | excluded


def measure_step(args) -> None:
    for name in args.network:
        network = NETWORKS[name]
        print(network.title, flush=True)
        workers, excluded = start_network(args, name)
        try:
            measure.interleave(workers, network.burst, args.seconds)
        finally:
            for worker in workers:
                worker.stop()
        tables = []
        for threads in THREADS:
            words = f"{network.title}, {threads} thread{'s' if threads > 1 else ''}"
            tables.append({
                "title": words, "unit": "ms", "group": network.title, "threads": threads,
                "rows": measure.rows([w for w in workers if w.threads == threads]),
                "excluded": excluded})
        save(args, f"warm-{name}", {"section": "warm", "command": command(args, name),
                                    "notes": [NETWORK_NOTE], "tables": tables})


NETWORK_NOTE = """\
f32 throughout; each engine is a process of its own, pinned to one CPU or two, loaded once, and gets
bursts in turn with all others, one and two threads alike. The first run of a burst does not count,
nor does a burst during which other processes had more than a tenth of its CPUs' time.
Answers are held to ONNX Runtime's: greatest difference in parts of the greatest value. CPU is
processor time a run in the burst that needed least. OpenVINO runs with the precision hint f32;
ncnn, which has no batch, runs one picture after the other; LiteRT's files are NHWC."""


def command(args, name: str) -> str:
    add = " --add" if args.add else ""
    return f"bench/peers/run convert measure --network {name} --seconds {args.seconds:g}{add}"


# --- int8 networks -------------------------------------------------------------------------------

def int8_f32(args, name: str) -> np.ndarray:
    """The answer in f32."""
    onnx = int8.file_of(args.models, int8.NETWORKS[name].source, "onnx")
    given = os.path.join(args.models, name + ".npy")
    worker = measure.engine_worker(engines.REFERENCE, onnx, given, 1)
    try:
        return worker.start()
    finally:
        worker.stop()


def int8_workers(args, name: str) -> tuple[list[measure.Worker], dict[str, str]]:
    given = os.path.join(args.models, name + ".npy")
    step = int8.last_step(int8.file_of(args.models, name, "onnx"))
    judge = int8.Judge(name, int8_f32(args, name), step)  # first: its answer goes to the same file
    workers = []
    for engine, about in int8.of_network(name).items():
        model = int8.file_of(args.models, name, about.form)
        if os.path.exists(model):
            workers += [measure.engine_worker(engine, model, given, threads, "int8.ENGINES")
                        for threads in THREADS if threads == 1 or about.level != "avx2"]
    return measure.start_all(workers, judge)


def int8_table(name: str, level: str | None, threads: int, workers: list[measure.Worker],
               excluded: dict[str, str]) -> dict:
    title = int8.NETWORKS[name].title + int8.GROUPS[level]
    rows = measure.rows([w for w in workers if w.threads == threads
                         and int8.ENGINES[w.name].level == level])
    for row in rows:
        row["name"] = row["name"].removesuffix(f", {level}")
    return {"title": f"{title}, {threads} thread{'s' if threads > 1 else ''}", "unit": "ms",
            "rows": rows, "excluded": {engine: why for engine, why in excluded.items()
                                       if int8.ENGINES[engine].level == level}}


def int8_step(args) -> None:
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    for name in args.int8:
        network = int8.NETWORKS[name]
        print(network.title, flush=True)
        networks.prepare(network.source, args.models)
        convert.convert(args.models, network.source, "direct", ai, tf_python(args))
        int8.prepare(name, args.models, ai, tf_python(args))
        if args.seconds == 0:
            continue
        workers, excluded = int8_workers(args, name)
        try:
            measure.interleave(workers, network.burst, args.seconds)
        finally:
            for worker in workers:
                worker.stop()
        tables = [int8_table(name, level, threads, workers, excluded)
                  for level in int8.GROUPS for threads in THREADS]
        save(args, f"int8-{name}", {
            "section": "int8", "notes": [INT8_NOTE],
            "tables": [table for table in tables if table["rows"]],
            "command": f"bench/peers/run int8 --network {name} --seconds {args.seconds:g}"})


INT8_NOTE = """\
Integers inside, f32 at both ends. ONNX Runtime's quantiser makes one file (QDQ: u8 activations, s8
weights with a scale for each output) for ONNX Runtime and OpenVINO, TensorFlow's converter one for
LiteRT of the same weights, calibrated with the same samples; libai runs ResNet-50 by the very QDQ
file, the others as `ai convert --int8` makes them. `from f32` is the distance from ONNX Runtime's
answer in f32, root mean square, in parts of that answer. Held is, before anything is timed: what
computes as the QDQ file says, to one step of the answer from ONNX Runtime's, for a sum that lies
between two integers may go either way; libai at each level, to the same bits; and every engine to
twice the distance from f32 that ONNX Runtime itself has, for all int8 is rounding, and OpenVINO and
LiteRT round elsewhere: they join layers that the file keeps apart, or have no file in common. The
published file answers with probabilities: f32's first class is among its first five.
`without AMX` is the same with the tiles refused to each process, so that all end at VNNI; `level
avx2` compares libai's int8 with its own f32, both at that level, Winograd's algorithm left out."""


# --- single layers -------------------------------------------------------------------------------

def compile_libraries(folder: str) -> dict[str, str]:
    """The programs that run a layer, by the library's name, but those that do not compile."""
    made = {}
    for name, (source, link, package) in LIBRARIES.items():
        program = os.path.join(folder, name)
        sources = [os.path.join(measure.HERE, part) for part in ("layer_main.c", source)]
        done = subprocess.run(["cc", "-O2", "-std=c11", "-D_GNU_SOURCE", *sources, link, "-o",
                               program], capture_output=True, check=False)
        if done.returncode == 0:
            made[name] = program
        else:
            print(f"missing: {name} ({package})", flush=True)
    return made


def layer_workers(args, name: str, programs: dict[str, str]) -> list[measure.Worker]:
    """ONNX Runtime for the answer, libai's step, and the libraries."""
    layer, stem = LAYERS[name], os.path.join(args.models, f"layer-{name}")
    workers = [measure.engine_worker(engine, stem + ending, stem + ".npy", 1)
               for engine, ending in ((engines.REFERENCE, ".onnx"), ("libai, one step", ".lai"))]
    for library, program in programs.items():
        if library == "OpenBLAS" and layer.group > 1:
            continue
        answer = f"{stem}.{library}.answer"
        numbers = (layer.channels, layer.side, layer.outputs, layer.kernel, layer.stride, layer.pad,
                   layer.group)
        line = [program, *map(str, numbers), stem + ".x", stem + ".w", answer]
        workers.append(measure.Worker(library, 1, line, answer))
    return workers


def layer_table(args, name: str, programs: dict[str, str]) -> dict:
    good, excluded = measure.start_all(layer_workers(args, name, programs))
    timed = [worker for worker in good if worker.name != engines.REFERENCE]
    try:
        measure.interleave(timed, LAYER_BURST, LAYER_SECONDS)
    finally:
        for worker in good:
            worker.stop()
    rows = []
    for worker in (worker for worker in timed if worker.values):
        values = [value * 1e3 for value in worker.values]
        rate = LAYERS[name].flops / min(values) / 1e3
        rows.append({"name": worker.name, "ours": worker.name.startswith("libai"),
                     "values": values, "more": {"GFLOP/s": f"{rate:.0f}", **worker.likeness}})
    return {"title": LAYERS[name].title, "unit": "µs", "rows": rows, "excluded": excluded}


def layers_step(args) -> None:
    with tempfile.TemporaryDirectory() as folder:
        programs = compile_libraries(folder)
        tables = [layer_table(args, name, programs) for name in LAYERS]
    save(args, "layers", {"section": "layers", "command": "bench/peers/run convert layers",
                          "notes": [LAYER_NOTE], "tables": tables})


LAYER_NOTE = """\
One thread, no bias, no activation. libai's figure is the step's own in a network of this one layer,
by the session's clock, with whatever algorithm the converter chose (GFLOP/s counts a direct
convolution's operations for all); oneDNN runs one primitive in the layouts that it asks for, with
its automatic choice of algorithm; OpenBLAS im2col and a matrix product. Layout changes are in none
of them. Answers are held to ONNX Runtime's."""


# --- recurrent networks --------------------------------------------------------------------------

def stream_workers(args, name: str) -> list[measure.Worker]:
    _, table = streams.NETWORKS[name]
    ai = os.path.join(args.build, "bindings", "cli", "ai")
    path = streams.prepare(name, args.models)
    workers = []
    for engine, about in table.items():
        if about.form != "onnx":
            convert.convert(args.models, name, about.form, ai, tf_python(args),
                            streams.options(name, about.form))
        model = convert.file_of(args.models, name, about.form)
        which = "streams.SEQUENCE" if table is streams.SEQUENCE else "streams.CHARACTERS"
        if os.path.exists(model):
            given = path.replace(".onnx", ".npy")
            workers += [measure.engine_worker(engine, model, given, threads, which)
                        for threads in THREADS if threads == 1 or about.is_threaded]
    return workers


def stream_table(title: str, threads: int, workers: list[measure.Worker], excluded: dict[str, str],
                 is_f32: bool) -> dict:
    """Engines in f32, or those whose names say otherwise."""
    rows = [w for w in workers if w.threads == threads and ("," not in w.name) == is_f32]
    return {"title": f"{title}, {threads} thread{'s' if threads > 1 else ''}", "unit": "ms",
            "group": title, "threads": threads, "rows": measure.rows(rows), "excluded": excluded}


def streams_step(args) -> None:
    streams.make_start(os.path.join(args.models, "charstart.onnx"))  # for bench/cold
    convert.convert(args.models, "charstart", "lai", os.path.join(args.build, "bindings/cli/ai"), "")
    for name in args.stream:
        title, _ = streams.NETWORKS[name]
        print(title, flush=True)
        good, excluded = measure.start_all(stream_workers(args, name))
        try:
            measure.interleave(good, STREAM_BURST, args.seconds)
        finally:
            for worker in good:
                worker.stop()
        tables = [stream_table(title + more, threads, good, excluded, is_f32)
                  for is_f32, more in ((True, ""), (False, ", weights of fewer bits"))
                  for threads in THREADS]
        tables = [table for table in tables if table["rows"]]
        save(args, f"streams-{name}", {
            "section": "streams", "notes": [STREAM_NOTE], "tables": tables,
            "command": f"bench/peers/run streams --network {name} --seconds {args.seconds:g}"})


STREAM_NOTE = """\
CharRNN: embedding of 256, two layers of 512, 6,000 characters, batch 1; every engine carries the
state from call to call. Engines run in turn as above; answers are those of the third call.
tract runs on one thread: its package has no setting for more."""


def report_step(args) -> None:
    own = sorted(glob.glob(os.path.join(args.work, "results", "*.json")))
    report.write(report.read([*own, *args.results]), args.docs)
    print(f"made {os.path.join(args.docs, 'benchmarks.md')}", flush=True)
