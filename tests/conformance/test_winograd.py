# SPDX-License-Identifier: Apache-2.0
"""Winograd's convolution beside a direct one: its distance to float64, and the same answers.

A file may grow by a quarter for transformed weights, so that each network has a layer of weights that
stay as they are. AI_SEED starts elsewhere, AI_CASES asks for more.
"""

from __future__ import annotations

import os
import random
import runpy
from pathlib import Path

import float64
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import libai

SOURCE = Path(os.environ["AI_SOURCE"])
SEED = int(os.environ.get("AI_SEED", "1"))
CASES = int(os.environ.get("AI_CASES", "12"))


def peer(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def random_net(dice: random.Random) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """One to three convolutions of 3x3, a bias, a residual and a Relu where the dice say so."""
    numbers = np.random.default_rng(dice.getrandbits(32))
    channels = [dice.choice([32, 40, 48, 64, 96, 144]) for _ in range(dice.randint(2, 4))]
    height, width = dice.randint(14, 30), dice.randint(14, 30)
    nodes, constants, name = [], {}, "x"
    for i, (inputs, outputs) in enumerate(zip(channels, channels[1:])):
        scale = np.sqrt(2 / (9 * inputs))
        constants[f"w{i}"] = numbers.normal(0, scale, (outputs, inputs, 3, 3))
        operands = [name, f"w{i}"]
        if dice.random() < 0.7:
            constants[f"b{i}"] = numbers.normal(0, 0.1, outputs)
            operands.append(f"b{i}")
        pads = dice.choice([[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 2, 1, 1]])
        nodes.append(helper.make_node("Conv", operands, [f"c{i}"], pads=pads))
        result = f"c{i}"
        if inputs == outputs and pads == [1, 1, 1, 1]:
            nodes.append(helper.make_node("Add", [result, name], [f"s{i}"]))
            result = f"s{i}"
        if dice.random() < 0.6:
            nodes.append(helper.make_node("Relu", [result], [f"r{i}"]))
            result = f"r{i}"
        name = result
    nodes[-1].output[0] = "y"
    growth = 27 * sum(a * b for a, b in zip(channels, channels[1:]))
    constants["head"] = numbers.normal(0, 1, (16, 4 * growth // 16))
    nodes.append(helper.make_node("MatMul", ["z", "head"], ["ballast"]))
    x = numbers.uniform(-1, 1, (dice.randint(1, 2), channels[0], height, width))
    inputs = {"x": x.astype(np.float32), "z": np.ones((1, 16), np.float32)}
    graph = helper.make_graph(
        nodes, "random",
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, array.shape)
         for key, array in inputs.items()],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in ("y", "ballast")],
        [numpy_helper.from_array(array.astype(np.float32), key)
         for key, array in constants.items()])
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 22)]), inputs


def ours(source: Path, target: Path, inputs: dict[str, np.ndarray], output: str,
         **options) -> np.ndarray:
    """The same bits at every level."""
    libai.convert(source, target, **options)
    found = []
    for level in libai.cpu_levels():
        with libai.Model(target, threads=1, cpu=level) as network:
            results = network(inputs)
            found.append(results[output] if isinstance(results, dict) else results)
    assert all(found[0].tobytes() == other.tobytes() for other in found)
    return found[0]


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_random(seed, tmp_path):
    model, inputs = random_net(random.Random(f"winograd {seed}"))
    exact = float64.evaluate(model, inputs)["y"]
    theirs = peer(model, inputs)
    source = tmp_path / "net.onnx"
    onnx.save(model, source)
    fast = ours(source, tmp_path / "fast.lai", inputs, "y")
    direct = ours(source, tmp_path / "direct.lai", inputs, "y", winograd=False)
    assert fast.tobytes() != direct.tobytes(), "no layer runs by Winograd's algorithm"
    assert (tmp_path / "fast.lai").stat().st_size <= 1.25 * (tmp_path / "direct.lai").stat().st_size
    distance = np.linalg.norm(fast - exact)
    assert distance <= 10 * np.linalg.norm(theirs - exact), distance
    assert np.abs(fast - exact).max() <= 10 * np.abs(theirs - exact).max()


@pytest.mark.parametrize("side, channels, is_fast",
                         [(56, 64, True), (28, 128, True), (14, 256, True), (7, 512, False)])
def test_layer_of_resnet50(side, channels, is_fast, tmp_path):
    """The 3x3 layers at stride 1, alone, on what a Relu leaves: the last runs directly."""
    numbers = np.random.default_rng(SEED * 1000 + side)
    x = np.maximum(numbers.normal(0, 1, (1, channels, side, side)), 0).astype(np.float32)
    weight = numbers.normal(0, np.sqrt(2 / (9 * channels)), (channels, channels, 3, 3))
    growth = np.ones((1, 27 * channels * channels), np.float32)  # room for transformed weights
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
             helper.make_node("Mul", ["z", "growth"], ["ballast"])]
    inputs = {"x": x, "z": np.ones((1, 1), np.float32)}
    graph = helper.make_graph(
        nodes, "layer", [helper.make_tensor_value_info(key, TensorProto.FLOAT, array.shape)
                         for key, array in inputs.items()],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in ("y", "ballast")],
        [numpy_helper.from_array(weight.astype(np.float32), "w"),
         numpy_helper.from_array(growth, "growth")])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 22)])
    onnx.save(model, tmp_path / "layer.onnx")
    exact = float64.conv(x.astype(np.float64), weight.astype(np.float32).astype(np.float64),
                         pads=(1, 1, 1, 1))
    theirs = peer(model, inputs)
    fast = ours(tmp_path / "layer.onnx", tmp_path / "fast.lai", inputs, "y")
    direct = ours(tmp_path / "layer.onnx", tmp_path / "direct.lai", inputs, "y", winograd=False)
    assert (fast.tobytes() != direct.tobytes()) == is_fast
    assert np.linalg.norm(fast - exact) <= 10 * np.linalg.norm(theirs - exact)
    assert np.abs(fast - exact).max() <= 10 * np.abs(theirs - exact).max()


def photographs() -> list[np.ndarray]:
    """Parts of one, and mirrored."""
    photo = Image.open(SOURCE / "tests/data/chelsea.png").convert("RGB")
    width, height = photo.size
    found = []
    for x, y in [(0, 0), (width // 4, height // 4), (width // 2, height // 3)]:
        part = photo.crop((x, y, x + width // 2, y + height // 2)).resize((224, 224))
        pixels = (np.asarray(part, np.float32) / 255 - np.float32([0.485, 0.456, 0.406])
                  ) / np.float32([0.229, 0.224, 0.225])
        found += [pixels.transpose(2, 0, 1)[None], pixels[:, ::-1].transpose(2, 0, 1)[None]]
    return [np.ascontiguousarray(pixels) for pixels in found]


def best(logits: np.ndarray) -> list[int]:
    return np.argsort(-logits[0], kind="stable")[:5].tolist()


def test_resnet50(tmp_path):
    """Full size, random weights: the distance at the end of the network, the five best."""
    source = tmp_path / "resnet50.onnx"
    runpy.run_path(str(SOURCE / "models/zoo/resnet50/resnet50.py"))["main"](str(source))
    model = onnx.load(source)
    key, output = model.graph.input[0].name, model.graph.output[0].name
    x = np.random.default_rng(SEED).uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    exact = float64.evaluate(model, {key: x})[output]
    theirs = peer(model, {key: x})
    libai.convert(source, tmp_path / "fast.lai")
    libai.convert(source, tmp_path / "direct.lai", winograd=False)
    sizes = [(tmp_path / f"{name}.lai").stat().st_size for name in ("fast", "direct")]
    assert sizes[1] < sizes[0] <= 1.25 * sizes[1]
    with libai.Model(tmp_path / "fast.lai", threads=1) as network:
        fast = network(x)
        for photo in photographs():
            assert best(network(photo)) == best(peer(model, {key: photo}))
    assert np.linalg.norm(fast - exact) <= 10 * np.linalg.norm(theirs - exact)
    assert best(fast) == best(exact)
    assert_f16(source, tmp_path, x, fast)


def assert_f16(source: Path, folder: Path, x: np.ndarray, fast: np.ndarray):
    """Transformed weights of f16 are no worse than direct ones of f16 by more than twice."""
    moved = {}
    for name, winograd in {"fast": True, "direct": False}.items():
        path = folder / f"{name}-f16.lai"
        libai.convert(source, path, weights="f16", winograd=winograd)
        assert path.stat().st_size <= 0.51 * (folder / f"{name}.lai").stat().st_size
        with libai.Model(path, threads=1) as network:
            moved[name] = np.linalg.norm(network(x) - fast) / np.linalg.norm(fast)
    assert moved["fast"] <= 2 * moved["direct"] and moved["fast"] <= 0.01, moved
