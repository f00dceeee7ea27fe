# SPDX-License-Identifier: Apache-2.0
"""Random convolutions, pools and matrix products against ONNX Runtime, at every CPU level.

Two f32 sums of k products differ by at most 2 (k + 2) u sum |a| |b|, u = 2^-24, in whatever order
each is added and whether or not it is fused. AI_SEED starts elsewhere, AI_CASES asks for more:
`meson test --suite full` runs a thousand of each kind of convolution, and a quarter of the others. A
failure names its seed.
"""

from __future__ import annotations

import os
import random
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libai

SEED = int(os.environ.get("AI_SEED", "1"))
CASES = int(os.environ.get("AI_CASES", "40"))
OPSET = 22
ULP = 2.0**-24


class Case(NamedTuple):
    nodes: list
    inputs: dict[str, np.ndarray]
    constants: dict[str, np.ndarray]
    terms: int  # numbers that are added for one output; 0: exact


def numbers(dice: random.Random, *shape: int) -> np.ndarray:
    draw = np.random.default_rng(dice.getrandbits(32)).uniform(-1, 1, shape)
    return np.asarray(draw, np.float32)


def window(dice: random.Random, spatial: int, most_pad: int = 3) -> dict:
    """A window that fits an input of window_input."""
    pads = [dice.randint(0, most_pad) for _ in range(2 * spatial)]
    attributes = {
        "kernel_shape": [dice.choice([1, 2, 3, 3, 4, 5, 7][:9 - 2 * spatial])
                         for _ in range(spatial)],
        "strides": [dice.choice([1, 1, 2, 3, 4]) for _ in range(spatial)],
        "dilations": [dice.choice([1, 1, 1, 2, 3, 6]) for _ in range(spatial)],
    }
    padding = dice.choice(["explicit", "explicit", "SAME_UPPER", "SAME_LOWER", "VALID"])
    if padding == "explicit":
        attributes["pads"] = pads
    else:
        attributes["auto_pad"] = padding
        if padding != "VALID":  # ONNX Runtime takes none beside them, and crops what strides skip
            attributes["dilations"] = [1] * spatial
            attributes["strides"] = [min(pair) for pair in
                                     zip(attributes["strides"], attributes["kernel_shape"])]
    if dice.random() < 0.2:  # pointwise
        attributes = {"kernel_shape": [1] * spatial, "strides": [1] * spatial}
    return attributes


def window_input(dice: random.Random, attributes: dict) -> list[int]:
    """Spatial sizes that hold at least one window without padding."""
    dilations = attributes.get("dilations", [1] * 3)
    return [(kernel - 1) * dilation + dice.randint(1, 12)
            for kernel, dilation in zip(attributes["kernel_shape"], dilations)]


def conv_channels(dice: random.Random) -> tuple[int, int, int]:
    """Group, input and output channels of a group: dense, whole blocks, depthwise, with more
    outputs than inputs, groups that make whole blocks together, or anything."""
    kind = dice.randrange(6)
    if kind == 0:
        return 1, dice.randint(1, 40), dice.randint(1, 40)
    if kind == 1:
        return 2, 16 * dice.randint(1, 2), 16 * dice.randint(1, 2)
    if kind == 2:
        return dice.randint(2, 40), 1, 1
    if kind == 3:
        return dice.randint(2, 20), 1, dice.randint(2, 3)
    if kind == 4:
        return dice.choice([2, 4, 6, 8]), dice.choice([4, 8, 24]), dice.choice([4, 8, 12, 24])
    return dice.randint(2, 3), dice.randint(1, 5), dice.randint(1, 5)


def conv(dice: random.Random) -> Case:
    spatial = dice.choice([1, 2, 2, 2, 2, 3])
    attributes = window(dice, spatial)
    group, inner, outer = conv_channels(dice)
    x = numbers(dice, dice.randint(1, 2), group * inner, *window_input(dice, attributes))
    w = numbers(dice, group * outer, inner, *attributes["kernel_shape"])
    operands = {"x": x, "w": w}
    if dice.random() < 0.7:
        operands["b"] = numbers(dice, group * outer)
    nodes = [helper.make_node("Conv", list(operands), ["y"], group=group, **attributes)]
    if dice.random() < 0.5:
        nodes[0].output[0] = "sum"
        nodes.append(helper.make_node("Relu", ["sum"], ["y"]))
    free = ["x"] if dice.random() < 0.8 else ["x", "w"]
    return Case(nodes, {name: operands[name] for name in free},
                {name: operands[name] for name in operands if name not in free}, w[0].size + 1)


def residual(dice: random.Random) -> Case:
    """Two convolutions whose sum is clipped, as in a residual block."""
    channels = dice.randint(1, 40)
    x = numbers(dice, 1, channels, dice.randint(3, 12), dice.randint(3, 12))
    constants = {"w": numbers(dice, channels, channels, 3, 3), "b": numbers(dice, channels),
                 "lo": np.float32(-0.5), "hi": np.float32(1.5)}
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["sum"], pads=[1, 1, 1, 1]),
             helper.make_node("Add", ["sum", "x"], ["all"]),
             helper.make_node("Clip", ["all", "lo", "hi"], ["y"])]
    return Case(nodes, {"x": x}, constants, channels * 9 + 2)


def conv_transpose(dice: random.Random) -> Case:
    spatial = dice.choice([1, 2, 2, 3])
    attributes = window(dice, spatial, most_pad=0)
    group, inner, outer = dice.randint(1, 3), dice.randint(1, 5), dice.randint(1, 5)
    if dice.random() < 0.5:  # blocks of channels
        group, inner, outer = 1, dice.randint(1, 40), dice.randint(1, 40)
    x = numbers(dice, dice.randint(1, 2), group * inner, *window_input(dice, attributes))
    operands = {"x": x, "w": numbers(dice, group * inner, outer, *attributes["kernel_shape"])}
    if "auto_pad" in attributes:
        del attributes["auto_pad"]
    elif "pads" in attributes:  # both ends no more than the window, so that something is left
        kernel = attributes["kernel_shape"]
        attributes["pads"] = [dice.randrange((k + 1) // 2) for k in kernel * 2]
        attributes["output_padding"] = [dice.randrange(s) for s in attributes["strides"]]
    if dice.random() < 0.7:
        operands["b"] = numbers(dice, group * outer)
    node = helper.make_node("ConvTranspose", list(operands), ["y"], group=group, **attributes)
    constants = {name: operands[name] for name in operands if name != "x"}
    return Case([node], {"x": x}, constants, inner * operands["w"][0, 0].size + 1)


def pool(dice: random.Random) -> Case:
    spatial = dice.choice([1, 2, 2, 2, 3])
    attributes = window(dice, spatial, most_pad=0)
    if "pads" in attributes:  # less than the window, as ONNX Runtime demands
        attributes["pads"] = [dice.randrange(k) for k in attributes["kernel_shape"]] * 2
    if "auto_pad" in attributes:  # ONNX Runtime refuses inputs that the windows step over
        attributes["strides"] = [min(pair) for pair in
                                 zip(attributes["strides"], attributes["kernel_shape"])]
    elif dice.random() < 0.4:
        attributes["ceil_mode"] = 1
    x = numbers(dice, dice.randint(1, 2), dice.randint(1, 40), *window_input(dice, attributes))
    terms = 0
    op = dice.choice(["MaxPool", "AveragePool"])
    if op == "AveragePool":
        terms = int(np.prod(attributes["kernel_shape"])) + 1
        attributes["count_include_pad"] = dice.randint(0, 1)
    nodes = [helper.make_node(op, ["x"], ["y"], **attributes)]
    if spatial == 2 and dice.random() < 0.5:  # behind a convolution it runs on blocks of channels
        nodes[0].input[0] = "c"
        w = np.eye(x.shape[1], dtype=np.float32)[:, :, None, None]
        nodes.insert(0, helper.make_node("Conv", ["x", "w"], ["c"]))
        return Case(nodes, {"x": x}, {"w": w}, terms)
    return Case(nodes, {"x": x}, {}, terms)


def gemm(dice: random.Random) -> Case:
    m, k, n = dice.randint(1, 70), dice.randint(1, 300), dice.randint(1, 70)
    trans_a, trans_b = dice.randint(0, 1), dice.randint(0, 1)
    operands = {"a": numbers(dice, *([k, m] if trans_a else [m, k])),
                "b": numbers(dice, *([n, k] if trans_b else [k, n]))}
    if dice.random() < 0.7:
        operands["c"] = numbers(dice, *dice.choice([[n], [1, n], [m, n], [m, 1], [1], []]))
    scales = {"alpha": 0.75, "beta": 1.5} if dice.random() < 0.3 else {}
    node = helper.make_node("Gemm", list(operands), ["y"], transA=trans_a, transB=trans_b, **scales)
    free = ["a"] if dice.random() < 0.5 else list(operands)
    return Case([node], {name: operands[name] for name in free},
                {name: operands[name] for name in operands if name not in free}, k + 4)


def matmul(dice: random.Random) -> Case:
    m, k, n = dice.randint(1, 40), dice.randint(1, 200), dice.randint(1, 40)
    batch = [dice.randint(1, 3) for _ in range(dice.randint(0, 2))]
    a = [*(dice.choice([1, size]) for size in batch), m, k]
    b = [*(dice.choice([1, size]) for size in batch[dice.randint(0, len(batch)):]), k, n]
    a, b = (a[-1:] if dice.random() < 0.1 else a), (b[-2:-1] if dice.random() < 0.1 else b)
    operands = {"a": numbers(dice, *a), "b": numbers(dice, *b)}
    free = ["a"] if dice.random() < 0.5 else ["a", "b"]
    return Case([helper.make_node("MatMul", ["a", "b"], ["y"])],
                {name: operands[name] for name in free},
                {name: operands[name] for name in operands if name not in free}, k)


def model_of(case: Case, change=lambda array: array) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
              for name, array in case.inputs.items()]
    constants = [numpy_helper.from_array(np.asarray(change(array)), name)
                 for name, array in case.constants.items()]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(case.nodes, "random", inputs, [output], constants)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", OPSET)])


def peer(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def magnitudes(case: Case) -> np.ndarray:
    """Sums of |a| |b|: the linear part of the network on absolute values."""
    linear = [node for node in case.nodes if node.op_type not in ("Relu", "Clip")]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in linear]
    nodes[-1].output[0] = "y"
    return peer(model_of(case._replace(nodes=nodes), np.abs),
                {name: np.asarray(np.abs(array)) for name, array in case.inputs.items()})


def cases():
    for make in (conv, residual, conv_transpose, pool, gemm, matmul):
        few = min(CASES, max(40, CASES // 4))
        count = CASES if make in (conv, residual, conv_transpose) else few
        for seed in range(SEED, SEED + count):
            yield pytest.param(make, seed, id=f"{make.__name__}-{seed}")


@pytest.mark.parametrize("make, seed", cases())
def test_random(make, seed, tmp_path):
    case = make(random.Random(f"{make.__name__} {seed}"))
    model = model_of(case)
    expected = peer(model, case.inputs)
    onnx.save(model, tmp_path / "case.onnx")
    libai.convert(tmp_path / "case.onnx", tmp_path / "case.lai")
    outputs = []
    levels = libai.cpu_levels()
    for level, threads in [*((level, 1) for level in levels), (levels[-1], 2), (levels[-1], 5)]:
        with libai.Model(tmp_path / "case.lai", threads=threads, cpu=level) as network:
            outputs.append(network(case.inputs)["y"])
    found = outputs[0]
    assert found.shape == expected.shape
    assert all(found.tobytes() == output.tobytes() for output in outputs)
    if case.terms == 0:
        np.testing.assert_array_equal(found, expected)
        return
    bound = 2 * (case.terms + 2) * ULP * magnitudes(case)
    assert np.all(np.abs(found.astype(np.float64) - expected) <= bound), case.nodes
