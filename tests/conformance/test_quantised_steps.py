# SPDX-License-Identifier: Apache-2.0
"""Operators between quantised tensors: steps on bytes with the bits of the definition."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from test_quantised import Network, zero_of

import libai

KINDS = [np.uint8, np.int8]


class Bytes(Network):
    """A network whose input is quantised already, in two tensors that reach every byte."""

    def __init__(self, seed: int, kind: type) -> None:
        super().__init__(seed, kind)
        self.inputs: dict[str, tuple[int, ...]] = {}

    def input(self, name: str, shape: tuple[int, ...], scale: float, zero: int) -> str:
        self.inputs[name] = shape
        return self.through(name, scale, zero)

    def scale(self, least: float = 0.1) -> float:
        return float(np.float32(least * 2.0 ** self.random.uniform(0, 2)))

    def weight(self, shape: tuple[int, ...], scale_x: float, axis: int = 0) -> list[str]:
        """With powers of two for scales: what floats compute is exact, and has ties."""
        outputs = shape[axis]
        scale = (2.0 ** self.random.integers(-9, -6, outputs)).astype(np.float32)
        full = self.random.integers(-128, 128, shape, dtype=np.int8)
        bias = self.random.integers(-2000, 2000, outputs, dtype=np.int32)
        none = self.constant(np.zeros(outputs, np.int8))
        return [self.node("DequantizeLinear", [self.constant(full), self.constant(scale), none],
                          axis=axis),
                self.node("DequantizeLinear", [
                    self.constant(bias), self.constant(np.float32(scale_x) * scale)], axis=0)]

    def zero(self) -> int:
        """At both ends and between."""
        return zero_of(self.kind, int(self.random.choice([0, 255, 128, 1, 77])))

    def feeds(self) -> dict[str, np.ndarray]:
        return {name: self.random.normal(0, 20, shape).astype(np.float32)
                for name, shape in self.inputs.items()}


def operators(model: libai.Model) -> list[str]:
    return [step.op for step in model.steps]


def run_both(net: Bytes, folder, outputs: list[str], feeds=None):
    """What ONNX's reference says, what we say, and the steps that say it."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
              for name, shape in net.inputs.items()]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    model = helper.make_model(helper.make_graph(net.nodes, "net", inputs, made, net.constants),
                              opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    feeds = net.feeds() if feeds is None else feeds
    expected = ReferenceEvaluator(model).run(None, feeds)
    onnx.save(model, folder / "net.onnx")
    libai.convert(folder / "net.onnx", folder / "net.lai")
    with libai.Model(folder / "net.lai", threads=1) as found:
        return expected, list(found(feeds).values()), operators(found)


def without_borders(steps: list[str]) -> list[str]:
    """The steps but those that make bytes of the inputs, numbers of the outputs, and planes."""
    borders = {"QuantizeLinear", "DequantizeLinear", "Reorder"}
    return [step for step in steps if step not in borders]


# ---- Sums and products ----

SHAPES = [((1, 40, 5, 7), (1, 40, 5, 7)), ((2, 20, 3, 4), (2, 20, 1, 1)), ((2, 16, 5, 5), (16, 1, 1)),
          ((1, 33, 4, 4), (1, 1, 4, 4)), ((3, 50), (50,)), ((4, 1, 6), (1, 5, 6)),
          ((2, 3, 1030), (2, 3, 1)), ((1, 18, 1, 9), (1, 1, 7, 1)), ((70,), ())]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("case", range(len(SHAPES)))
@pytest.mark.parametrize("is_clamped", [False, True])
def test_binary(tmp_path, kind, op, case, is_clamped):
    net = Bytes(case + 100 * is_clamped, kind)
    shapes = SHAPES[case] if case % 2 else SHAPES[case][::-1]
    pair = [net.input(name, shape, net.scale(), net.zero())
            for name, shape in zip("ab", shapes, strict=True)]
    y = net.node(op, pair)
    if is_clamped:
        y = net.node("Clip", [y, net.constant(np.float32(-9)), net.constant(np.float32(40))])
    y = net.through(y, net.scale() * (10 if op == "Mul" else 1), net.zero())
    expected, found, steps = run_both(net, tmp_path, [y])
    assert without_borders(steps) == [f"QLinear{op}"]
    np.testing.assert_array_equal(expected[0], found[0])


@pytest.mark.parametrize("op", ["Add", "Mul"])
@pytest.mark.parametrize("kind", KINDS)
def test_binary_of_every_pair_of_bytes(tmp_path, kind, op):
    """65536 pairs, for zero points at both ends."""
    for zeros in [(0, 0, 0), (255, 255, 255), (0, 255, 128), (255, 0, 3)]:
        net = Bytes(1, kind)
        a, b, y = (zero_of(kind, zero) for zero in zeros)
        net.inputs = {"a": (256, 1), "b": (1, 256)}
        step = 1 / 32 if op == "Add" else 1.75
        left = net.through("a", 0.0625, a)
        right = net.through("b", 0.09375, b)
        y = net.through(net.node(op, [left, right]), step, y)
        least = np.iinfo(kind).min
        every = np.arange(least, least + 256)
        feeds = {"a": ((every - a) * 0.0625).astype(np.float32).reshape(256, 1),
                 "b": ((every - b) * 0.09375).astype(np.float32).reshape(1, 256)}
        expected, found, steps = run_both(net, tmp_path, [y], feeds)
        assert f"QLinear{op}" in steps
        np.testing.assert_array_equal(expected[0], found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_binary_with_constants(tmp_path, kind):
    """A number a channel is an operand; one number makes a table, several numbers one table."""
    net = Bytes(3, kind)
    x = net.input("x", (1, 20, 4, 5), 0.25, net.zero())
    factors = net.random.integers(0, 200, (20, 1, 1)).astype(kind)
    factor = net.node("DequantizeLinear", [net.constant(factors), *net.scales(0.02, net.zero())])
    x = net.through(net.node("Mul", [factor, x]), 0.7, net.zero())
    one = net.node("DequantizeLinear", [net.constant(kind(9)), *net.scales(0.3, 0)])
    x = net.through(net.node("Add", [x, one]), 0.7, net.zero())
    y = net.through(net.node("Sub", [net.constant(np.float32(10)), x]), 0.8, net.zero())
    expected, found, steps = run_both(net, tmp_path, [y])
    assert without_borders(steps) == ["QLinearMul", "Lookup"]
    np.testing.assert_array_equal(expected[0], found[0])


# ---- Pools ----


def average(x: np.ndarray, kernel, strides, pads, counts_padding: bool) -> np.ndarray:
    """Sums of f32 in the order of the taps, times the f32 reciprocal of their number."""
    top, left, bottom, right = pads
    height = (x.shape[2] + top + bottom - kernel[0]) // strides[0] + 1
    width = (x.shape[3] + left + right - kernel[1]) // strides[1] + 1
    y = np.zeros((*x.shape[:2], height, width), np.float32)
    for row in range(height):
        for column in range(width):
            total = np.zeros(x.shape[:2], np.float32)
            count = 0
            for h in range(row * strides[0] - top, row * strides[0] - top + kernel[0]):
                for w in range(column * strides[1] - left, column * strides[1] - left + kernel[1]):
                    if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                        total += x[:, :, h, w]
                        count += 1
            if counts_padding:
                count = kernel[0] * kernel[1]
            y[:, :, row, column] = total * (np.float32(1) / np.float32(count))
    return y


def rounded(x: np.ndarray, scale: float, zero: int, kind: type) -> np.ndarray:
    least = np.iinfo(kind).min
    q = np.rint(x / np.float32(scale)) + zero
    return ((np.clip(q, least, least + 255) - zero).astype(np.float32) * np.float32(scale))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel, strides, pads, counts_padding", [
    ((2, 2), (2, 2), (0, 0, 0, 0), False), ((3, 3), (1, 1), (1, 1, 1, 1), False),
    ((3, 3), (2, 2), (1, 1, 1, 1), True), ((5, 2), (2, 1), (2, 1, 0, 0), True),
    ((7, 9), (1, 1), (0, 0, 0, 0), False), ((1, 1), (2, 3), (0, 0, 0, 0), False)])
@pytest.mark.parametrize("channels", [3, 16, 37])
def test_average_pool(tmp_path, kind, kernel, strides, pads, counts_padding, channels):
    net = Bytes(channels, kind)
    scales = [net.scale(), net.scale(0.05)]
    zeros = [net.zero()] * 2
    x = net.input("x", (2, channels, 7, 9), scales[0], zeros[0])
    y = net.node("AveragePool", [x], kernel_shape=list(kernel), strides=list(strides),
                 pads=list(pads), count_include_pad=int(counts_padding))
    y = net.through(y, scales[1], zeros[1])
    feeds = net.feeds()
    _, found, steps = run_both(net, tmp_path, [y], feeds)
    number = average(rounded(feeds["x"], scales[0], zeros[0], kind), kernel, strides, pads,
                     counts_padding)
    assert without_borders(steps) == ["QLinearAveragePool"]
    assert len(np.unique(found[0])) > 4
    np.testing.assert_array_equal(rounded(number, scales[1], zeros[1], kind), found[0])


# ---- Moves ----

MOVES = {
    "Resize": (["", np.array([1, 1, 2, 3], np.float32)], {"mode": "nearest"}),
    "Transpose": ([], {"perm": [0, 2, 3, 1]}),
    "Slice": ([np.array([1, 0]), np.array([-1, 9]), np.array([2, 3])], {}),
    "Pad": ([np.array([0, 0, 1, 2, 0, 0, 0, 1]), np.float32(3.3)], {}),
    "Pad edge": ([np.array([0, 0, 1, 2, 0, 0, 0, 1])], {"mode": "edge"}),
    "Gather": ([np.array([3, 1, 1])], {"axis": 1}),
    "Expand": ([np.array([3, 20, 6, 5])], {}),
    "Tile": ([np.array([1, 1, 2, 1])], {}),
    "Reshape": ([np.array([1, -1])], {}),
    "Unsqueeze": ([np.array([1])], {}),
    "MaxPool": ([], {"kernel_shape": [2, 2]}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("change", [(1, 0), (1.3, 0), (1, -9), (1.3, 40)])
def test_moves(tmp_path, kind, name, change):
    """Bytes are moved; another scale or zero point behind is a table, but for Pad, whose constant
    has none."""
    net = Bytes(4, kind)
    scale, zero = net.scale(), zero_of(kind, 77)
    is_same = change == (1, 0)
    x = net.input("x", (1, 20, 6, 5), scale, zero)
    others, attributes = MOVES[name]
    inputs = [x] + [other if isinstance(other, str) else net.constant(other) for other in others]
    y = net.node(name.split()[0], inputs, **attributes)
    y = net.through(y, scale * change[0], zero + change[1])
    expected, found, steps = run_both(net, tmp_path, [y])
    rest = [step for step in without_borders(steps) if step != "Lookup"]
    assert rest == [name.split()[0]]
    assert ("Lookup" in steps) == (not is_same and "Pad" not in name)
    np.testing.assert_array_equal(expected[0], found[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [16, 20])
def test_concat(tmp_path, kind, channels):
    """Operands of another scale or zero point pass a table."""
    net = Bytes(6, kind)
    scale, zero = net.scale(), zero_of(kind, 77)
    operands = [net.input(name, (2, channels, 3, 5), scale * factor, zero + more)
                for name, factor, more in [("a", 1, 0), ("b", 1, -9), ("c", 1.3, 0), ("d", 1, 0)]]
    y = net.through(net.node("Concat", operands, axis=1), scale, zero)
    expected, found, steps = run_both(net, tmp_path, [y])
    assert sorted(without_borders(steps)) == ["Concat", "Lookup", "Lookup"]
    np.testing.assert_array_equal(expected[0], found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_split(tmp_path, kind):
    net = Bytes(5, kind)
    scale, zero = net.scale(), net.zero()
    x = net.input("x", (1, 48, 3, 3), scale, zero)
    net.node("Split", [x, net.constant(np.array([16, 20, 12]))], axis=1)
    parts = ["first", "second", "third"]
    net.nodes[-1].output[:] = parts
    y = [net.through(part, scale * (1 + i % 2), zero) for i, part in enumerate(parts)]
    expected, found, steps = run_both(net, tmp_path, y)
    assert without_borders(steps) == ["Split", "Lookup"]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_integer_operators_that_move(tmp_path, kind):
    """In QOperator form they read and write integers: so does what lies between."""
    net = Bytes(6, kind)
    net.inputs = {"x": (1, 20, 6, 5)}
    both = net.scales(0.9, net.zero())
    x = net.node("QuantizeLinear", ["x", *both])
    x = net.node("Pad", [x, net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))])
    x = net.node("Pad", [x, net.constant(np.array([0, 0, 1, 1, 0, 0, 0, 0])), both[1]])
    x = net.node("Resize", [x, "", net.constant(np.array([1, 1, 2, 2], np.float32))],
                 mode="nearest")
    net.node("Split", [x], axis=1)
    net.nodes[-1].output[:] = ["one", "two"]
    both = [net.node("DequantizeLinear", [part, *both]) for part in ("one", "two")]
    y = net.through(net.node("Mul", both), 20, net.zero())
    expected, found, steps = run_both(net, tmp_path, [y])
    assert without_borders(steps) == ["Pad", "Pad", "Resize", "Split", "QLinearMul"]
    np.testing.assert_array_equal(expected[0], found[0])


# ---- Functions of one byte ----


@pytest.mark.parametrize("kind", KINDS)
def test_functions_become_one_table(tmp_path, kind):
    """x * HardSigmoid(x), and several operators without integers between: exact, as their parts."""
    net = Bytes(7, kind)
    x = net.input("x", (2, 20, 5, 3), 0.11, net.zero())
    gate = net.through(net.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5), 1 / 256, net.zero())
    y = net.through(net.node("Mul", [x, gate]), 0.1, net.zero())
    y = net.node("Add", [y, net.constant(np.float32(3))])
    y = net.node("Clip", [y, net.constant(np.float32(0)), net.constant(np.float32(6))])
    y = net.through(net.node("Div", [y, net.constant(np.float32(6))]), 1 / 200, net.zero())
    y = net.through(net.node("Add", [y, y]), 1 / 100, net.zero())
    expected, found, steps = run_both(net, tmp_path, [y])
    assert set(without_borders(steps)) == {"Lookup"} and len(without_borders(steps)) <= 2
    np.testing.assert_array_equal(expected[0], found[0])


# ---- A whole block ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 3])
def test_block_of_mobilenet(tmp_path, kind, batch):
    """An inverted residual with squeeze and excitation: integers from end to end."""
    net = Bytes(8, kind)

    def conv(x, inputs, outputs, kernel, scale_x, **attributes):
        group = attributes.get("group", 1)
        weight = net.weight((outputs, inputs // group, kernel, kernel), scale_x)
        return net.node("Conv", [x, *weight], pads=[kernel // 2] * 4, **attributes)

    def swish(x, scale):
        x = net.through(x, scale, zero_of(kind, 128))
        gate = net.through(net.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5), 1 / 256,
                           zero_of(kind, 0))
        return net.through(net.node("Mul", [x, gate]), scale / 2, zero_of(kind, 10))

    x = net.input("x", (batch, 24, 16, 16), 0.25, zero_of(kind, 128))
    y = swish(conv(x, 24, 72, 1, 0.25), 1)
    y = swish(conv(y, 72, 72, 5, 0.5, group=72), 1)
    gate = net.through(net.node("GlobalAveragePool", [y]), 0.25, zero_of(kind, 10))
    gate = net.through(net.node("Relu", [conv(gate, 72, 20, 1, 0.25)]), 0.25, zero_of(kind, 0))
    gate = net.through(conv(gate, 20, 72, 1, 0.25), 0.0625, zero_of(kind, 128))
    gate = net.through(net.node("Sigmoid", [gate]), 1 / 256, zero_of(kind, 0))
    y = net.through(net.node("Mul", [y, gate]), 0.25, zero_of(kind, 10))
    y = net.through(conv(y, 72, 24, 1, 0.25), 1, zero_of(kind, 128))
    y = net.through(net.node("Add", [x, y]), 1, zero_of(kind, 128))
    y = net.through(net.node("AveragePool", [y], kernel_shape=[2, 2], strides=[2, 2]), 0.5,
                    zero_of(kind, 128))
    y = net.through(net.node("Resize", [y, "", net.constant(np.array([1, 1, 2, 2], np.float32))],
                             mode="nearest"), 0.5, zero_of(kind, 128))
    expected, found, steps = run_both(net, tmp_path, [y])
    assert [step for step in steps if step != "Reorder"] == [
        "QuantizeLinear", "QLinearConv", "Lookup", "QLinearConv", "Lookup",
        "QLinearGlobalAveragePool", "QLinearConv", "QLinearConv", "Lookup", "QLinearMul",
        "QLinearConv", "QLinearAveragePool", "Resize", "DequantizeLinear"]
    assert len(np.unique(found[0])) > 100
    np.testing.assert_array_equal(expected[0], found[0])
