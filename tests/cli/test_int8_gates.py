# SPDX-License-Identifier: Apache-2.0
"""`ai convert --int8` of blocks of MobileNetV3 and EfficientNet: functions of one number and maps times
their gates are steps on integers, too."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime
import pytest
from conftest import save, value
from onnx import helper
from test_int8 import forms, report, run, steps

NUMBERS = {"Conv", "Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Mul", "Add", "Sub", "Div", "Clip",
           "Relu", "GlobalAveragePool", "ReduceMean"}


class Blocks:
    """Expansion, depthwise convolution, squeeze and excitation, projection, sum."""

    def __init__(self, swish: str, gate: str, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list = []
        self.constants: dict[str, np.ndarray] = {}
        self.swish, self.gate = swish, gate

    def constant(self, array) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(array, np.float32)
        return name

    def node(self, op: str, inputs: list[str], **attributes) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [f"{name}:0"], name=name, **attributes))
        return f"{name}:0"

    def conv(self, x: str, inputs: int, outputs: int, kernel: int = 1, group: int = 1) -> str:
        shape = (outputs, inputs // group, kernel, kernel)
        weight = self.random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        bias = self.random.standard_normal(outputs) / 4
        return self.node("Conv", [x, self.constant(weight), self.constant(bias)],
                         pads=[kernel // 2] * 4, group=group)

    def activation(self, x: str) -> str:
        if self.swish == "HardSwish":
            return self.node("HardSwish", [x])
        if self.swish == "x * Sigmoid(x)":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if self.swish == "Gelu":
            return self.node("Gelu", [x])
        six = self.node("Clip", [self.node("Add", [x, self.constant(3)]), self.constant(0),
                                 self.constant(6)])
        return self.node("Div", [self.node("Mul", [x, six]), self.constant(6)])

    def block(self, x: str, channels: int) -> str:
        wide = 3 * channels
        y = self.activation(self.conv(x, channels, wide))
        y = self.activation(self.conv(y, wide, wide, 3, wide))
        if self.gate == "Sigmoid":
            axes = self.constant(0)
            self.constants[axes] = np.array([2, 3])
            z = self.node("ReduceMean", [y, axes])
        else:
            z = self.node("GlobalAveragePool", [y])
        z = self.node("Relu", [self.conv(z, wide, 16)])
        z = self.conv(z, 16, wide)
        if self.gate == "1 - Sigmoid":
            z = self.node("Sub", [self.constant(1), self.node("Sigmoid", [z])])
        else:
            z = self.node(self.gate, [z])
        y = self.conv(self.node("Mul", [y, z]), wide, channels)
        return self.node("Add", [x, y])

    def save(self, path):
        x = self.activation(self.conv("image", 3, 24, 3))
        x = self.block(self.block(x, 24), 24)
        x = self.activation(self.conv(x, 24, 96))
        x = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        weight = self.random.standard_normal((96, 10)) / 8
        self.nodes.append(helper.make_node("Gemm", [x, self.constant(weight)], ["logits"],
                                           name="dense"))
        return save(path, self.nodes, [value("image", [1, 3, 20, 20])], [value("logits", [1, 10])],
                    self.constants, opset=20)


def samples(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 20, 20)).astype(np.float32)


def convert(ai, net, folder, *options):
    out = folder / "net.lai"
    np.savez(folder / "samples.npz", image=samples(8, 1))
    done = ai("convert", net, "-o", out, "--int8", folder / "samples.npz", *options)
    assert (done.status, done.err) == (0, ""), done
    return out


@pytest.mark.parametrize("swish, gate, tables", [
    ("HardSwish", "HardSigmoid", 8), ("x * Sigmoid(x)", "Sigmoid", 8), ("Gelu", "1 - Sigmoid", 8),
    ("x * Clip(x + 3) / 6", "Sigmoid", 8)])
def test_blocks(ai, tmp_path, swish, gate, tables):
    """Integers from end to end; near f32 on pictures that it was not calibrated with; the same bits
    at every level. What several functions make of a byte is one table."""
    net = Blocks(swish, gate).save(tmp_path / "net.onnx")
    out = convert(ai, net, tmp_path)
    assert set(forms(out).values()) == {"int8", "s8 weights"}
    found = steps(ai, out)
    assert not NUMBERS & set(found)
    assert (found.count("Lookup"), found.count("QLinearMul")) == (tables, 2)
    assert report(out)["whole"]["snr"] > 20
    assert all(layer["snr"] > 25 for layer in report(out)["layers"] if "snr" in layer)
    session = onnxruntime.InferenceSession(str(net), providers=["CPUExecutionProvider"])
    levels = ai("bench", out, "--cpu", "none").err.strip().partition("have ")[2].split(", ")
    assert levels[0] == "ref"
    signal = noise = 0
    for x in samples(6, 2):
        expected = session.run(None, {"image": x[None]})[0]
        answers = set()
        for level in levels:
            answer = run(ai, out, x[None], tmp_path, "--cpu", level, "--threads", 2)
            answers.add(answer.tobytes())
        assert len(answers) == 1
        signal += (expected**2).sum()
        noise += ((expected - answer)**2).sum()
    assert 10 * np.log10(signal / noise) > 20


def test_same_again_and_kept(ai, tmp_path):
    """A gate that stays f32 takes its product with it, and what is between."""
    net = Blocks("HardSwish", "HardSigmoid").save(tmp_path / "net.onnx")
    gate = next(name for name in forms(convert(ai, net, tmp_path)) if name.startswith("HardSigmoid"))
    first = convert(ai, net, tmp_path, "--keep", gate)
    kept = {layer["name"]: layer.get("why") for layer in report(first)["layers"]
            if layer["form"] == "f32"}
    assert kept[gate] == "asked for"
    assert [why for name, why in kept.items() if name.startswith("Mul")] == ["reads numbers"]
    assert {"HardSigmoid", "Mul", "Lookup", "QLinearMul"} <= set(steps(ai, first))
    assert ai("convert", net, "-o", tmp_path / "again.lai", "--int8", first).status == 0
    assert (tmp_path / "again.lai").read_bytes() == first.read_bytes()


def heads(path, nodes, constants, shape=(1, 10)):
    """A convolution, and what is made of the mean of its channels."""
    random = np.random.default_rng(1)
    first = [helper.make_node("Conv", ["image", "w1"], ["y"], name="stem", pads=[1] * 4),
             helper.make_node("Relu", ["y"], ["a"]),
             helper.make_node("GlobalAveragePool", ["a"], ["p"], name="pool"),
             helper.make_node("Flatten", ["p"], ["f"], name="flatten")]
    constants = {**constants, "w1": random.standard_normal((64, 3, 3, 3)).astype(np.float32) / 4,
                 "w2": random.standard_normal((64, 10)).astype(np.float32) / 8}
    return save(path, first + nodes, [value("image", [1, 3, 20, 20])], [value("logits", shape)],
                constants)


def upsampled(path, mode, **attributes):
    """Two convolutions with a Resize between them, as segmentation has it."""
    net = Blocks("HardSwish", "Sigmoid")
    x = net.node("Relu", [net.conv("image", 3, 32, 3)])
    x = net.conv(x, 32, 48)
    scales = net.constant([1, 1, 2, 2])
    x = net.node("Resize", [x, "", scales], mode=mode, **attributes)
    x = net.node("Relu", [net.conv(x, 48, 32)])
    x = net.node("Flatten", [net.node("GlobalAveragePool", [x])])
    net.nodes.append(helper.make_node(
        "Gemm", [x, net.constant(net.random.standard_normal((32, 10)))], ["logits"], name="dense"))
    return save(path, net.nodes, [value("image", [1, 3, 20, 20])], [value("logits", [1, 10])],
                net.constants, opset=20)


def test_what_moves_bytes(ai, tmp_path):
    """The nearest pixel is bytes moved; another way to resize stays f32, and the report says so."""
    for mode, form, why in (("nearest", "int8", None), ("linear", "f32", "no step on integers")):
        net = upsampled(tmp_path / "net.onnx", mode)
        out = convert(ai, net, tmp_path)
        resize = next(layer for layer in report(out)["layers"] if layer["op"] == "Resize")
        assert (resize["form"], resize.get("why")) == (form, why)
        found = steps(ai, out)
        assert found[found.index("Resize") - 1] == (
            "QLinearConv" if mode == "nearest" else "DequantizeLinear")
        assert found.count("QuantizeLinear") == (1 if mode == "nearest" else 2)
        assert report(out)["whole"]["snr"] > 20
        assert ai("convert", net, "-o", tmp_path / "again.lai", "--int8", out).status == 0
        assert (tmp_path / "again.lai").read_bytes() == out.read_bytes()


def test_recipes_cannot_round_what_has_no_step(ai, tmp_path):
    """Not even where they tell its range."""
    net = upsampled(tmp_path / "net.onnx", "linear")
    recipe = report(convert(ai, net, tmp_path))
    for layer in recipe["layers"]:
        if layer["op"] == "Resize":
            layer["form"] = "int8"
            recipe["tensors"][f"{layer['name']}:0"] = [-1, 1]
    (tmp_path / "bad.json").write_text(json.dumps(recipe))
    ai("convert", net, "-o", tmp_path / "b.lai", "--int8", tmp_path / "bad.json").failed(
        net, "has form 'int8', which it cannot take")


def test_a_result_is_not_rounded(ai, tmp_path):
    """Nor is what only makes it, the last product."""
    net = heads(tmp_path / "net.onnx", [
        helper.make_node("Gemm", ["f", "w2"], ["d"], name="dense"),
        helper.make_node("Sigmoid", ["d"], ["logits"], name="result")], {})
    out = convert(ai, net, tmp_path)
    why = {layer["name"]: (layer["form"], layer.get("why")) for layer in report(out)["layers"]}
    assert why["dense"] == ("s8 weights", "result") and why["result"] == ("f32", "result")
    assert steps(ai, out)[-1] in ("Gemm", "Sigmoid")


def test_numbers_that_nobody_rounds_have_no_range(ai, tmp_path):
    """What is not between layers may be as large as it likes: a mask."""
    net = heads(tmp_path / "net.onnx", [
        helper.make_node("Gemm", ["f", "w2"], ["d"], name="dense"),
        helper.make_node("ReduceMean", ["image"], ["m"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["m", "most"], ["mask"], name="mask"),
        helper.make_node("Min", ["d", "mask"], ["logits"], name="masked")],
        {"most": np.float32(-3e38)})
    out = convert(ai, net, tmp_path)
    assert "mask" not in forms(out) and "Mul" in steps(ai, out)
    assert "mask" not in json.dumps(report(out)["tensors"])
