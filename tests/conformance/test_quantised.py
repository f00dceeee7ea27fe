# SPDX-License-Identifier: Apache-2.0
"""Quantised networks in QDQ form: folded into steps on integers, and ONNX Runtime's answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import libai


class Network:
    """A network of quantised values, made operator by operator."""

    def __init__(self, seed: int, kind: type) -> None:
        self.random = np.random.default_rng(seed)
        self.kind = kind
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.count = 0

    def constant(self, array: np.ndarray) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], **attributes) -> str:
        self.count += 1
        name = f"{op}_{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def scales(self, scale: float, zero: int) -> list[str]:
        return [self.constant(np.float32(scale)), self.constant(self.kind(zero))]

    def through(self, value: str, scale: float, zero: int) -> str:
        """Quantised, and a number again."""
        both = self.scales(scale, zero)
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [value, *both]), *both])

    def weight(self, shape: tuple[int, ...], scale_x: float, axis: int = 0) -> list[str]:
        outputs = shape[axis]
        full = self.random.integers(-128, 128, shape, dtype=np.int8)
        scale = self.random.uniform(0.001, 0.01, outputs).astype(np.float32)
        bias = self.random.integers(-20000, 20000, outputs, dtype=np.int32)
        weight = self.node("DequantizeLinear", [
            self.constant(full), self.constant(scale),
            self.constant(np.zeros(outputs, np.int8))], axis=axis)
        start = self.node("DequantizeLinear", [
            self.constant(bias), self.constant(np.float32(scale_x) * scale),
            self.constant(np.zeros(outputs, np.int32))], axis=0)
        return [weight, start]

    def change_bias(self, output: int, number: int) -> None:
        """Of the weights made last."""
        start = next(c for c in self.constants if c.name == self.nodes[-1].input[0])
        numbers = numpy_helper.to_array(start).copy()
        numbers[output] = number
        start.CopyFrom(numpy_helper.from_array(numbers, start.name))

    def save(self, path, shape: tuple[int, ...], output: str, rank: int) -> None:
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None] * rank)],
            self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def answers(path, folder, shape, seed, is_literal=False):
    """ONNX Runtime's answers, of its operators on integers or of the file's own, and ours."""
    x = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    options = onnxruntime.SessionOptions()
    if is_literal:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": x})[0]
    target = folder / "net.lai"
    libai.convert(path, target)
    with libai.Model(target, threads=1) as model:
        found = model({"x": x})
        operators = [step.op for step in model.steps]
    return expected, next(iter(found.values())), operators


def zero_of(kind: type, zero: int) -> int:
    return zero if kind == np.uint8 else zero - 128


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("channels, kernel, stride, group", [
    (3, 7, 2, 1), (16, 1, 1, 1), (20, 3, 1, 1), (64, 3, 2, 1), (128, 3, 1, 1), (128, 3, 1, 2),
    (32, 3, 1, 2), (5, 1, 2, 1)])
def test_conv(tmp_path, kind, channels, kernel, stride, group):
    shape = (2, channels, 13, 17)
    net = Network(channels + kernel, kind)
    x = net.through("x", 0.03, zero_of(kind, 120))
    y = net.node("Conv", [x, *net.weight((96, channels // group, kernel, kernel), 0.03)],
                 strides=[stride, stride], pads=[kernel // 2] * 4, group=group)
    y = net.through(net.node("Relu", [y]), 0.1, zero_of(kind, 3))
    net.save(tmp_path / "net.onnx", shape, y, 4)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1)
    assert operators == ["QuantizeLinear", "QLinearConv", "DequantizeLinear", "Reorder"]
    assert np.abs(expected - found).max() <= 0.1001
    assert (expected != found).mean() < 0.01
    assert len(np.unique(found)) > 20


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
@pytest.mark.parametrize("channels, kernel, stride, dilation", [
    (16, 3, 1, 1), (40, 3, 2, 1), (33, 5, 1, 1), (48, 5, 2, 1), (20, 3, 1, 2), (17, 7, 3, 1)])
def test_depthwise(tmp_path, kind, channels, kernel, stride, dilation):
    shape = (2, channels, 14, 19)
    net = Network(channels + kernel, kind)
    x = net.through("x", 0.03, zero_of(kind, 120))
    y = net.node("Conv", [x, *net.weight((channels, 1, kernel, kernel), 0.03)],
                 strides=[stride, stride], pads=[kernel // 2] * 4, group=channels,
                 dilations=[dilation, dilation])
    y = net.through(net.node("Clip", [y, net.constant(np.float32(0)),
                                      net.constant(np.float32(6))]), 0.03, zero_of(kind, 3))
    net.save(tmp_path / "net.onnx", shape, y, 4)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1)
    assert operators == ["QuantizeLinear", "QLinearConv", "DequantizeLinear", "Reorder"]
    assert np.abs(expected - found).max() <= 0.0301
    assert (expected != found).mean() < 0.01
    assert len(np.unique(found)) > 20


def test_dead_channel(tmp_path):
    """A channel whose sums leave s32, though what they become is 0: its start may be moved."""
    shape = (1, 16, 6, 6)
    net = Network(4, np.uint8)
    x = net.through("x", 0.03, 120)
    weight, bias = net.weight((32, 16, 1, 1), 0.03)
    net.change_bias(7, -2147483000)
    y = net.through(net.node("Relu", [net.node("Conv", [x, weight, bias])]), 0.1, 0)
    net.save(tmp_path / "net.onnx", shape, y, 4)
    _, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1)
    assert "QLinearConv" in operators
    assert not found[:, 7].any() and found[:, 6].any()


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_residual_block(tmp_path, kind):
    shape = (1, 40, 15, 15)
    net = Network(5, kind)
    x = net.through("x", 0.03, zero_of(kind, 128))
    y = net.node("Conv", [x, *net.weight((40, 40, 3, 3), 0.03)], pads=[1, 1, 1, 1])
    y = net.through(y, 0.4, zero_of(kind, 101))
    y = net.through(net.node("Add", [y, x]), 0.35, zero_of(kind, 0))
    y = net.through(net.node("MaxPool", [y], kernel_shape=[3, 3], strides=[2, 2],
                             pads=[1, 1, 1, 1]), 0.35, zero_of(kind, 0))
    y = net.through(net.node("Add", [y, y]), 0.7, zero_of(kind, 7))
    y = net.through(net.node("GlobalAveragePool", [y]), 0.2, zero_of(kind, 9))
    y = net.through(net.node("Flatten", [y]), 0.2, zero_of(kind, 9))
    y = net.node("Gemm", [y, *net.weight((50, 40), 0.2)], transB=1)
    y = net.through(y, 0.5, zero_of(kind, 128))
    net.save(tmp_path / "net.onnx", shape, y, 2)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 2)
    assert operators == ["QuantizeLinear", "QLinearConv", "MaxPool", "Lookup",
                         "QLinearGlobalAveragePool", "Flatten", "QLinearMatMul",
                         "DequantizeLinear"]
    assert np.abs(expected - found).max() <= 0.5001
    assert len(np.unique(found)) > 10


@pytest.mark.parametrize("pads, side", [([0] * 4, 7), ([0] * 4, 16), ([0] * 4, 17), ([0] * 4, 33),
                                        ([1] * 4, 300)])
def test_mean_of_many(tmp_path, pads, side):
    """Sums of 16 bits hold 257 positions of 255. What a window reads too has a border around it."""
    shape = (1, 16, side, side)
    net = Network(9, np.uint8)
    x = net.through("x", 0.0001, 120)  # nearly all are 0 or 255
    weight, bias = net.weight((32, 16, 1, 1), 0.0001)
    net.change_bias(7, 10**7)  # all are 255
    y = net.through(net.node("Relu", [net.node("Conv", [x, weight, bias])]), 0.00001, 0)
    answer = net.through(net.node("GlobalAveragePool", [y]), 0.00001, 0)
    if any(pads):
        y = net.node("Conv", [y, *net.weight((32, 1, 3, 3), 0.00001)], pads=pads, group=32)
        y = net.through(net.node("GlobalAveragePool", [net.through(y, 0.0001, 128)]), 0.0001, 128)
        answer = net.through(net.node("Add", [answer, y]), 0.00002, 20)
    net.save(tmp_path / "net.onnx", shape, answer, 4)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1)
    assert "QLinearGlobalAveragePool" in operators
    assert np.abs(expected - found).max() <= (0.0000201 if any(pads) else 0.0000101)
    assert len(np.unique(found)) > 10


@pytest.mark.parametrize("rows, inner", [(1, 64), (5, 33), (60, 7)])
def test_matmul(tmp_path, rows, inner):
    shape = (rows, inner)
    net = Network(rows, np.uint8)
    x = net.through("x", 0.03, 99)
    weight, _ = net.weight((inner, 37), 0.03, axis=1)
    y = net.through(net.node("MatMul", [x, weight]), 0.05, 130)
    net.save(tmp_path / "net.onnx", shape, y, 2)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 3)
    assert operators == ["QuantizeLinear", "QLinearMatMul", "DequantizeLinear"]
    assert np.abs(expected - found).max() <= 0.0501
    assert (expected != found).mean() < 0.01


@pytest.mark.parametrize("zeros, is_folded", [
    ([128] * 32, True), ([128], True), ([100, 128] * 16, True), ([120] * 32, False), ([0], False)])
def test_weights_of_u8(tmp_path, zeros, is_folded):
    """Those that are of s8 without their zero point are folded: 128 always is, others by what they
    hold. The rest are exact as numbers."""
    shape = (2, 16, 9, 9)
    net = Network(6, np.uint8)
    zeros = np.array(zeros, np.uint8)
    most = 228 if 100 in zeros else 256
    weight = net.random.integers(0, most, (32, 16, 3, 3), dtype=np.uint8)
    weight[:, 0, 0, 0], weight[:, 0, 0, 1] = 0, most - 1
    scale = net.random.uniform(0.001, 0.01, len(zeros)).astype(np.float32)
    if len(zeros) == 1:
        scale, zeros = scale[0], zeros[0]
    x = net.through("x", 0.03, 120)
    w = net.node("DequantizeLinear", [net.constant(weight), net.constant(scale), net.constant(zeros)],
                 axis=0)
    y = net.through(net.node("Conv", [x, w], pads=[1, 1, 1, 1]), 0.2, 128)
    net.save(tmp_path / "net.onnx", shape, y, 4)
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 5, True)
    assert ("QLinearConv" in operators) == is_folded and ("Conv" in operators) != is_folded
    assert np.abs(expected - found).max() <= 0.2001
    assert (expected != found).mean() < 0.01
    assert len(np.unique(found)) > 20


# ---- What ONNX Runtime's quantiser writes ----


class Images(CalibrationDataReader):
    """A few random inputs."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        random = np.random.default_rng(9)
        self.left = iter([{"x": random.standard_normal(shape, dtype=np.float32)}
                          for _ in range(3)])

    def get_next(self):
        return next(self.left, None)


class Plain(Network):
    """A network of numbers."""

    def normal(self, shape: tuple[int, ...], scale: float) -> str:
        return self.constant(self.random.normal(0, scale, shape).astype(np.float32))

    def conv(self, x: str, inputs: int, outputs: int, kernel: int, **attributes) -> str:
        group = attributes.get("group", 1)
        weight = self.normal((outputs, inputs // group, kernel, kernel),
                             (inputs // group * kernel * kernel) ** -0.5)
        return self.node("Conv", [x, weight, self.normal((outputs,), 0.1)],
                         pads=[kernel // 2] * 4, **attributes)


def write_network(path, shape) -> None:
    net = Plain(3, np.uint8)
    y = net.node("Relu", [net.conv("x", 3, 32, 3, strides=[2, 2])])
    a = net.node("LeakyRelu", [net.conv(y, 32, 32, 3, group=32)], alpha=0.2)
    b = net.node("Sigmoid", [net.conv(y, 32, 32, 1)])
    y = net.node("Concat", [net.node("Mul", [a, b]), net.node("Add", [a, y])], axis=1)
    y = net.node("MaxPool", [y], kernel_shape=[2, 2], strides=[2, 2])
    y = net.node("AveragePool", [net.conv(y, 64, 40, 1)], kernel_shape=[2, 2], strides=[1, 1])
    y = net.node("Flatten", [net.node("GlobalAveragePool", [y])])
    y = net.node("Gemm", [y, net.normal((40, 10), 0.3), net.normal((10,), 0.1)])
    net.save(path, shape, y, 2)


@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ])
@pytest.mark.parametrize("kind, weights", [
    (QuantType.QUInt8, QuantType.QInt8), (QuantType.QInt8, QuantType.QInt8),
    (QuantType.QUInt8, QuantType.QUInt8)])
def test_quantiser(tmp_path, form, kind, weights):
    shape = (1, 3, 28, 28)
    write_network(tmp_path / "float.onnx", shape)
    quantize_static(tmp_path / "float.onnx", tmp_path / "net.onnx", Images(shape),
                    quant_format=form, activation_type=kind, weight_type=weights,
                    per_channel=weights == QuantType.QInt8)
    model = onnx.load(tmp_path / "net.onnx")
    output = model.graph.output[0].name
    last = next(n for n in model.graph.node if output in n.output)
    scale = next(numpy_helper.to_array(i) for i in model.graph.initializer
                 if i.name == last.input[1])
    expected, found, operators = answers(tmp_path / "net.onnx", tmp_path, shape, 1, True)
    assert np.abs(expected - found).max() <= 1.001 * scale
    assert "Conv" not in operators or weights == QuantType.QUInt8
